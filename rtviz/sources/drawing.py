"""Things drawn from random numbers: textures, lit objects with soft edges, backgrounds.

One generator serves the built-in scene, the embedded model's training, its scoring and the tests. Every function takes
a numpy Generator, and the same generator state draws the same pixels.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from rtviz.cv import cv2

Field = NDArray[np.float32]  # [height, width], 0 to 1
Colours = NDArray[np.float32]  # [height, width, 3], RGB, 0 to 1
Sprite = NDArray[np.float32]  # [height, width, 4], RGB times alpha, and alpha; 0 to 1


# --- scalar fields ---------------------------------------------------------------------------------------------------


def fractal(random: Generator, height: int, width: int, coarse: float = 4.0, roughness: float = 0.5) -> Field:
    """Clouds: octaves of smooth noise; `coarse` is the number of cells of the first octave along the height."""
    total = np.zeros((height, width), np.float32)
    weight, cells = 1.0, coarse
    while cells < height / 1.5 and weight > 0.04:
        rows, columns = max(2, round(cells) + 3), max(2, round(cells * width / height) + 3)
        octave = random.random((rows, columns), np.float32)
        total += weight * cv2.resize(octave, (width, height), interpolation=cv2.INTER_CUBIC)
        weight, cells = weight * roughness, cells * 2
    return _stretched(total)


def _stretched(field: Field) -> Field:
    low, high = float(field.min()), float(field.max())
    return (field - low) / max(high - low, 1e-6)


def _coordinates(height: int, width: int) -> tuple[Field, Field]:
    """x and y, in units of the height."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / height
    return x, y


def _stripes(random: Generator, height: int, width: int) -> Field:
    x, y = _coordinates(height, width)
    angle, count = random.uniform(0, math.pi), random.uniform(4, 16)
    bend = fractal(random, height, width, 2) * random.uniform(0, 0.25)
    wave = np.sin(2 * math.pi * count * (x * math.cos(angle) + y * math.sin(angle) + bend))
    return (0.5 + 0.5 * np.tanh(wave * random.uniform(0.7, 4))).astype(np.float32)


def _rings(random: Generator, height: int, width: int) -> Field:
    """Wood: rings round a centre that may lie outside, bent by noise."""
    x, y = _coordinates(height, width)
    centre_x, centre_y = random.uniform(-1, 2, 2)
    radius = np.hypot((x - centre_x) * random.uniform(0.3, 1), y - centre_y)
    radius += fractal(random, height, width, 3) * random.uniform(0.05, 0.3)
    return (radius * random.uniform(5, 14) % 1).astype(np.float32)


def _cells(random: Generator, height: int, width: int) -> Field:
    """Cobbles: distance to the nearest of scattered points."""
    points = np.full((height, width), 255, np.uint8)
    count = int(random.integers(15, 120))
    points[random.integers(0, height, count), random.integers(0, width, count)] = 0
    distance = cv2.distanceTransform(points, cv2.DIST_L2, 5)
    return np.minimum(distance * math.sqrt(count / (height * width)) * 1.6, 1).astype(np.float32)


def _checks(random: Generator, height: int, width: int) -> Field:
    x, y = _coordinates(height, width)
    angle, count = random.uniform(0, math.pi), random.uniform(3, 10)
    u = np.sin(2 * math.pi * count * (x * math.cos(angle) + y * math.sin(angle)))
    v = np.sin(2 * math.pi * count * (-x * math.sin(angle) + y * math.cos(angle)))
    hard = random.uniform(1, 6)
    return (0.5 + 0.25 * (np.tanh(hard * u) + np.tanh(hard * v))).astype(np.float32)


def _marble(random: Generator, height: int, width: int) -> Field:
    x, y = _coordinates(height, width)
    angle = random.uniform(0, math.pi)
    bent = x * math.cos(angle) + y * math.sin(angle) + fractal(random, height, width, 3, 0.6) * random.uniform(0.5, 1.2)
    return np.abs(np.sin(math.pi * random.uniform(2, 5) * bent)).astype(np.float32)


def _ramp(random: Generator, height: int, width: int) -> Field:
    x, y = _coordinates(height, width)
    angle = random.uniform(0, 2 * math.pi)
    return _stretched((x * math.cos(angle) + y * math.sin(angle)).astype(np.float32))


def _soft(random: Generator, height: int, width: int) -> Field:
    return fractal(random, height, width, random.uniform(2, 6), random.uniform(0.3, 0.6))


def _rough(random: Generator, height: int, width: int) -> Field:
    return fractal(random, height, width, random.uniform(10, 30), random.uniform(0.5, 0.8))


_FIELDS: tuple[Callable[[Generator, int, int], Field], ...] = (
    _soft, _rough, _stripes, _rings, _cells, _checks, _marble, _ramp,
)  # fmt: skip


# --- colours ---------------------------------------------------------------------------------------------------------


def palette(random: Generator) -> Colours:
    """A few colours that go together, from dark to light: [count, 3]."""
    hue, turn = random.random(), random.choice([0.03, 0.08, 0.15, 0.42])
    saturation = random.beta(2, 2)
    lows, highs = sorted(random.uniform(0.1, 1.0, 2))
    count = int(random.integers(2, 5))
    steps = np.linspace(0, 1, count)
    return np.array(
        [
            colorsys.hsv_to_rgb(
                (hue + turn * (step - 0.5) + random.normal(0, 0.01)) % 1,
                float(np.clip(saturation * random.uniform(0.6, 1.2), 0, 1)),
                float(np.clip(lows + (max(highs, lows + 0.25) - lows) * step, 0.04, 1)),
            )
            for step in steps
        ],
        np.float32,
    )


def coloured(field: Field, colours: Colours) -> Colours:
    """A field drawn in colours, those between them mixed."""
    levels = np.linspace(0, 1, 256)
    stops = np.linspace(0, 1, len(colours))
    table = np.stack([np.interp(levels, stops, colours[:, channel]) for channel in range(3)], axis=-1)
    return table.astype(np.float32)[(np.clip(field, 0, 1) * 255).astype(np.uint8)]


def texture(random: Generator, height: int, width: int) -> Colours:
    """A surface: a field in a palette, with fine grain."""
    field = _FIELDS[int(random.integers(len(_FIELDS)))](random, height, width)
    if random.random() < 0.3:
        field = _stretched(field + random.uniform(0.2, 0.8) * fractal(random, height, width, 8, 0.6))
    colours = coloured(field, palette(random))
    grain = random.normal(0, random.uniform(0, 0.03), (height, width, 1)).astype(np.float32)
    return np.clip(colours + grain, 0, 1)


# --- objects ---------------------------------------------------------------------------------------------------------

_OVERSAMPLING = 4


def _canvas(size: int) -> NDArray[np.uint8]:
    return np.zeros((size * _OVERSAMPLING, size * _OVERSAMPLING), np.uint8)


def _points(points: NDArray[np.float64], canvas: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Points in -1..1, on a canvas, with a margin."""
    side = canvas.shape[0]
    return np.round(side / 2 + points * side * 0.46).astype(np.int32)


def _blob(random: Generator, size: int) -> NDArray[np.uint8]:
    canvas = _canvas(size)
    angles = np.linspace(0, 2 * math.pi, 180, endpoint=False)
    radius = np.ones_like(angles)
    for wave in range(2, 8):
        radius += random.normal(0, 0.55 / wave**1.1) * np.cos(wave * angles + random.uniform(0, 2 * math.pi))
    radius = np.maximum(radius, 0.2)
    radius /= radius.max()
    outline = np.stack([radius * np.cos(angles) * random.uniform(0.6, 1), radius * np.sin(angles)], axis=-1)
    cv2.fillPoly(canvas, [_points(outline, canvas)], 255)
    return canvas


def _polygon(random: Generator, size: int) -> NDArray[np.uint8]:
    canvas = _canvas(size)
    corners = int(random.integers(3, 9))
    angles = np.sort((np.arange(corners) + random.uniform(-0.3, 0.3, corners)) * 2 * math.pi / corners)
    radius = random.uniform(0.65, 1, corners)
    if random.random() < 0.35:  # a star
        angles = np.linspace(0, 2 * math.pi, 2 * corners, endpoint=False)
        radius = np.where(np.arange(2 * corners) % 2, random.uniform(0.35, 0.6), 1.0)
    outline = np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=-1)
    cv2.fillPoly(canvas, [_points(outline, canvas)], 255)
    return canvas


def _ellipse(canvas: NDArray[np.uint8], x: float, y: float, a: float, b: float, degrees: float = 0) -> None:
    centre = _points(np.array([x, y]), canvas)
    axes = (max(1, int(a * canvas.shape[0] * 0.46)), max(1, int(b * canvas.shape[0] * 0.46)))
    cv2.ellipse(canvas, (int(centre[0]), int(centre[1])), axes, degrees, 0, 360, 255, -1)


def _limb(canvas: NDArray[np.uint8], points: list[tuple[float, float]], thickness: float) -> None:
    line = _points(np.array(points), canvas).reshape(-1, 1, 2)
    cv2.polylines(canvas, [line], False, 255, max(2, int(thickness * canvas.shape[0] * 0.46)))


def _animal(random: Generator, size: int) -> NDArray[np.uint8]:
    """Body, head, ears, legs, tail."""
    canvas = _canvas(size)
    long, tall = random.uniform(0.5, 0.75), random.uniform(0.22, 0.42)
    lift = random.uniform(-0.25, 0.05)
    _ellipse(canvas, -0.05, lift, long, tall, random.uniform(-8, 8))
    head_x, head_y = 0.5 + random.uniform(0, 0.15), lift - random.uniform(0.1, 0.5)
    head = random.uniform(0.17, 0.3)
    _limb(canvas, [(long * 0.5, lift), (head_x, head_y)], random.uniform(0.2, 0.36))
    _ellipse(canvas, head_x, head_y, head, head * random.uniform(0.7, 1))
    _ellipse(canvas, head_x + head, head_y + head * 0.25, head * random.uniform(0.3, 0.7), head * 0.4)
    for side in (-0.5, 0.35):
        _ellipse(canvas, head_x + side * head, head_y - head, head * 0.25, head * random.uniform(0.35, 0.9), 20 * side)
    floor = min(0.95, lift + tall + random.uniform(0.3, 0.65))
    for at in (-long * 0.75, -long * 0.45, long * 0.4, long * 0.65):
        _limb(canvas, [(at, lift), (at + random.uniform(-0.12, 0.12), floor)], random.uniform(0.1, 0.2))
    bend = random.uniform(-0.5, 0.3)
    _limb(canvas, [(-long, lift), (-long - 0.12, lift + bend * 0.5), (-0.95, lift + bend)], random.uniform(0.07, 0.16))
    return canvas


def _person(random: Generator, size: int) -> NDArray[np.uint8]:
    """Head, trunk, arms, legs: upright figures."""
    canvas = _canvas(size)
    head = random.uniform(0.15, 0.24)
    wide = random.uniform(0.22, 0.4)
    _ellipse(canvas, 0, -0.95 + head, head * 0.85, head)
    _limb(canvas, [(0, -0.8 + head), (0, -0.3)], 0.16)
    shoulder, hip = -0.95 + 2 * head + 0.12, random.uniform(0.15, 0.3)
    trunk = np.array([[-wide, shoulder], [wide, shoulder], [wide * 0.75, hip], [-wide * 0.75, hip]])
    cv2.fillPoly(canvas, [_points(trunk, canvas)], 255)
    _ellipse(canvas, 0, shoulder + 0.03, wide, 0.12)
    for side in (-1, 1):
        elbow = (side * (wide + random.uniform(0.05, 0.35)), random.uniform(-0.35, 0.15))
        hand = (elbow[0] + side * random.uniform(-0.35, 0.2), elbow[1] + random.uniform(-0.45, 0.4))
        _limb(canvas, [(side * wide * 0.85, shoulder + 0.08), elbow, hand], random.uniform(0.12, 0.2))
        knee = (side * (wide * 0.5 + random.uniform(0, 0.15)), 0.55)
        _limb(canvas, [(side * wide * 0.4, hip - 0.05), knee, (knee[0] + random.uniform(-0.1, 0.1), 0.95)], 0.2)
    return canvas


def _vessel(random: Generator, size: int) -> NDArray[np.uint8]:
    """A turned thing: bottle, vase, lamp; the same outline on both sides of an axis."""
    canvas = _canvas(size)
    count = int(random.integers(4, 8))
    heights = np.linspace(-1, 1, 60)
    widths = np.interp(heights, np.linspace(-1, 1, count), random.uniform(0.1, 0.62, count))
    widths = cv2.GaussianBlur(widths.reshape(1, -1).astype(np.float32), (0, 0), random.uniform(0.5, 4)).ravel()
    outline = np.concatenate([np.stack([widths, heights], -1), np.stack([-widths, heights], -1)[::-1]])
    cv2.fillPoly(canvas, [_points(outline.astype(np.float64), canvas)], 255)
    return canvas


def _glyph(random: Generator, size: int) -> NDArray[np.uint8]:
    """A few thick strokes."""
    canvas = _canvas(size)
    for _ in range(int(random.integers(2, 5))):
        start, middle, end = random.uniform(-0.75, 0.75, (3, 2))
        t = np.linspace(0, 1, 24)[:, None]
        curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle * 0.5 + t**2 * end
        _limb(canvas, [(x, y) for x, y in curve], random.uniform(0.22, 0.4))
    return canvas


def _plant(random: Generator, size: int) -> NDArray[np.uint8]:
    """Petals or leaves round a middle, on a stem."""
    canvas = _canvas(size)
    petals = int(random.integers(4, 9))
    long, wide, top = random.uniform(0.3, 0.42), random.uniform(0.12, 0.2), -0.35
    for angle in np.arange(petals) * 2 * math.pi / petals + random.uniform(0, 1):
        _ellipse(canvas, long * math.cos(angle), top + long * math.sin(angle), long * 0.8, wide, math.degrees(angle))
    _ellipse(canvas, 0, top, 0.2, 0.2)
    _limb(canvas, [(0, top), (random.uniform(-0.15, 0.15), 0.4), (0, 0.95)], 0.1)
    for side in (-1, 1):
        _ellipse(canvas, side * 0.2, 0.45, 0.24, 0.1, -25 * side)
    return canvas


def _union(random: Generator, size: int) -> NDArray[np.uint8]:
    """Two shapes in one, the second smaller and beside the first."""
    first, second = _blob(random, size), _polygon(random, size)
    side = first.shape[0]
    scale = random.uniform(0.35, 0.6)
    x, y = side * random.uniform(0, 1 - scale, 2)
    moved = cv2.warpAffine(second, np.array([[scale, 0, x], [0, scale, y]]), (side, side))
    return np.maximum(first, moved)


_SHAPES: tuple[Callable[[Generator, int], NDArray[np.uint8]], ...] = (
    _blob, _polygon, _animal, _animal, _person, _person, _vessel, _vessel, _glyph, _plant, _union,
)  # fmt: skip


def draw_object(random: Generator, size: int = 160) -> Sprite:
    """An object: textured, lit from above, with soft edges; float32 [size, size, 4], colours premultiplied by alpha."""
    shape = _SHAPES[int(random.integers(len(_SHAPES)))](random, size)
    alpha = cv2.resize(shape, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    surface = texture(random, size, size)
    if random.random() < 0.45:  # a second material, in a part of its own
        part = fractal(random, size, size, random.uniform(1, 3)) if random.random() < 0.6 else _ramp(random, size, size)
        part = np.clip((part - random.uniform(0.3, 0.7)) * 14, 0, 1)[..., None]
        surface = surface * (1 - part) + texture(random, size, size) * part
    return np.dstack([_lit(random, surface, alpha) * alpha[..., None], alpha]).astype(np.float32)


def _lit(random: Generator, surface: Colours, alpha: Field) -> Colours:
    """As if the flat shape were a cushion: its height grows inwards from the edge, and light falls from one side."""
    size = alpha.shape[0]
    depth = cv2.distanceTransform((alpha > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    bulge = np.sqrt(np.clip(depth / (0.14 * size), 0, 1))
    height = cv2.GaussianBlur(bulge, (0, 0), size * 0.022) * size * random.uniform(0.06, 0.16)
    slope_x, slope_y = (
        cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=0.125),
        cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=0.125),
    )
    length = np.sqrt(slope_x**2 + slope_y**2 + 1)
    angle = random.uniform(-2.6, -0.5)  # from above
    light = np.array([math.cos(angle), math.sin(angle), random.uniform(0.7, 1.3)])
    light /= np.linalg.norm(light)
    facing = (-slope_x * light[0] - slope_y * light[1] + light[2]) / length
    shade = random.uniform(0.3, 0.5) + random.uniform(0.6, 0.85) * np.clip(facing, 0, 1)
    shine = np.clip(facing, 0, 1) ** random.uniform(14, 40) * random.choice([0.0, 0.12, 0.35])
    return np.clip(surface * shade[..., None] + shine[..., None], 0, 1)


# --- backgrounds -----------------------------------------------------------------------------------------------------


def draw_background(random: Generator, height: int, width: int) -> Colours:
    """A place without a thing in it: one surface, or a wall and a floor, or patches of several; unevenly lit."""
    picture = texture(random, height, width)
    kind = random.random()
    if kind < 0.4:  # wall and floor
        horizon = int(height * random.uniform(0.35, 0.8))
        floor = texture(random, height, width)
        picture[horizon:] = floor[horizon:] * 0.9
        edge = max(2, height // 90)
        picture[horizon - edge : horizon + edge] *= random.uniform(0.5, 0.9)
    elif kind < 0.65:  # patches
        parts = fractal(random, height, width, random.uniform(1.5, 4))
        mixed = np.clip((parts - random.uniform(0.35, 0.65)) * 20, 0, 1)[..., None]
        picture = picture * (1 - mixed) + texture(random, height, width) * mixed
    if random.random() < 0.55:  # out of focus
        picture = cv2.GaussianBlur(picture, (0, 0), height * random.uniform(0.002, 0.02))
    light = 0.65 + 0.5 * fractal(random, height, width, 1.5, 0.3)[..., None]
    contrast = random.uniform(0.35, 1)
    mean = picture.mean(axis=(0, 1))
    return np.clip((mean + (picture - mean) * contrast) * light, 0, 1).astype(np.float32)


def paste(
    canvas: NDArray[Any],
    sprite: NDArray[Any],
    centre: tuple[float, float],
    side: float,
    degrees: float = 0.0,
    light: float = 1.0,
    shadow: float = 0.0,
    mirrored: bool = False,
) -> NDArray[Any]:
    """Put a sprite on a canvas, in place, with a soft shadow; returns its alpha there, [height, width].

    Args:
        canvas: [height, width, 3], changed; float32 in 0..1, or uint8.
        sprite: from `draw_object`; of the canvas's type.
        centre: (x, y) in pixels of the canvas.
        side: side of the sprite's square on the canvas, in pixels.
        degrees: turned by so much, counterclockwise.
        light: factor of the colours.
        shadow: darkness of the shadow, 0 to 1.
        mirrored: left and right exchanged.
    """
    height, width = canvas.shape[:2]
    full = 255 if canvas.dtype == np.uint8 else 1.0
    alpha = np.zeros((height, width), canvas.dtype)
    reach = side * 0.75 + 2  # the square's half diagonal, and room for the shadow
    left, right = max(0, int(centre[0] - reach)), min(width, int(centre[0] + reach) + 1)
    top, bottom = max(0, int(centre[1] - reach)), min(height, int(centre[1] + reach) + 1)
    if left >= right or top >= bottom:
        return alpha
    scale = side / sprite.shape[0]
    if scale < 0.5:  # warpAffine does not average: shrink first, or it flickers
        smaller = max(2, math.ceil(sprite.shape[0] * scale * 1.5))
        sprite = cv2.resize(sprite, (smaller, smaller), interpolation=cv2.INTER_AREA)
        scale = side / smaller
    matrix = cv2.getRotationMatrix2D((sprite.shape[1] / 2, sprite.shape[0] / 2), degrees, scale)
    if mirrored:
        matrix = matrix @ np.array([[-1, 0, sprite.shape[1]], [0, 1, 0], [0, 0, 1]])
    matrix[:, 2] += np.array(centre) - np.array([sprite.shape[1] / 2, sprite.shape[0] / 2]) - np.array([left, top])
    room = (right - left, bottom - top)
    placed = cv2.warpAffine(sprite, matrix, room, flags=cv2.INTER_LINEAR)
    alpha[top:bottom, left:right] = covered = placed[..., 3]
    let_through = full - covered
    if shadow > 0:  # blurred at a quarter of the size, where that is enough
        coarse = 0.25 if side > 64 else 1.0
        small = cv2.resize(covered, None, fx=coarse, fy=coarse, interpolation=cv2.INTER_AREA)
        small = cv2.warpAffine(
            small, np.array([[1, 0, side * 0.05 * coarse], [0, 1, side * 0.07 * coarse]]), small.shape[::-1]
        )
        small = cv2.GaussianBlur(small, (0, 0), max(0.6, side * 0.05 * coarse))
        fallen = cv2.resize(small, room, interpolation=cv2.INTER_LINEAR)
        lit = cv2.addWeighted(fallen, -shadow, fallen, 0, full)
        let_through = cv2.multiply(let_through, lit, scale=1 / full)
    region = canvas[top:bottom, left:right]
    behind = cv2.multiply(region, cv2.merge([let_through] * 3), scale=1 / full)
    region[...] = cv2.addWeighted(cv2.cvtColor(placed, cv2.COLOR_RGBA2RGB), light, behind, 1, 0)
    if full == 1:
        np.clip(region, 0, 1, out=region)
    return alpha

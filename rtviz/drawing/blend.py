"""Mixes values, colours and frames into pictures; works on whole pixels through 8-bit tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rtviz.cv import cv2
from rtviz.drawing.geometry import Box, Size
from rtviz.drawing.palette import GROUND, Color
from rtviz.drawing.resample import Array, Bytes, to_bytes
from rtviz.frame import Pixels
from rtviz.markup import Outline, Place, Polyline, Ring, Sign, put


@dataclass(frozen=True, slots=True, eq=False)
class Paint:
    """What each value from 0 to 255 does to a pixel: pixel * keep + grey of the pixel * gray + light.

    Attributes:
        keep: uint8 [256], 255 leaves the pixel as it is.
        gray: uint8 [256], how much of the pixel's grey is mixed in.
        light: uint8 [256, 3], the colour that is added.
    """

    keep: NDArray[np.uint8]
    gray: NDArray[np.uint8]
    light: NDArray[np.uint8]

    @classmethod
    def mix(cls, cover: Array, colors: Array, dim: Array | float, fade: Array | float) -> Paint:
        """Paint that covers the frame with `colors` [256, 3] by `cover` [256]; the frame that still shows is dimmed
        by `dim` and bleached by `fade`, all from 0 to 1."""
        shows = (1 - cover) * (1 - np.asarray(dim))
        gray = to_bytes(np.asarray(shows * fade, np.float32))
        keep = to_bytes(np.asarray(shows, np.float32)) - gray
        light = np.minimum(colors * cover[:, None], 255.0 - keep[:, None] - gray[:, None])
        return cls(keep, gray, (light + 0.5).astype(np.uint8))


def lay(pixels: Pixels, values: Bytes, paint: Paint) -> Pixels:
    """The frame painted by the values of its pixels.

    Args:
        pixels: RGB uint8 [height, width, 3].
        values: uint8 [height, width].

    Returns:
        A new picture, RGB uint8 [height, width, 3].
    """
    painted = np.empty_like(pixels)
    for rows in _bands(pixels):
        part = values[rows]
        light = color_values(part, paint.light)
        _lay(pixels[rows], cv2.LUT(part, paint.keep), cv2.LUT(part, paint.gray), light, painted[rows])
    return painted


def lay_planes(pixels: Pixels, keep: Bytes, gray: Bytes, light: Pixels) -> Pixels:
    """The frame painted by planes of its own size: pixel * keep + grey of the pixel * gray + light."""
    painted = np.empty_like(pixels)
    for rows in _bands(pixels):
        _lay(pixels[rows], keep[rows], gray[rows], light[rows], painted[rows])
    return painted


def _lay(pixels: Pixels, keep: Bytes, gray: Bytes, light: Pixels, painted: Pixels) -> None:
    light_and_gray = cv2.multiply(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), gray, scale=1 / 255)
    cv2.multiply(pixels, cv2.merge((keep, keep, keep)), painted, scale=1 / 255)
    cv2.add(painted, cv2.merge((light_and_gray,) * 3), painted)
    cv2.add(painted, light, painted)


def _bands(pixels: Pixels) -> list[slice]:
    """Bands of rows so low that what is computed on the way stays in the processor's cache: three times as fast."""
    rows = max(1, 32768 // pixels.shape[1])
    return [slice(top, top + rows) for top in range(0, pixels.shape[0], rows)]


def color_values(values: Bytes, colors: NDArray[np.uint8]) -> Pixels:
    """Each value's colour from a table [256, 3]."""
    return np.asarray(cv2.applyColorMap(values, np.ascontiguousarray(colors).reshape(256, 1, 3)))


def dimmed(pixels: Pixels) -> Pixels:
    """A picture so dark and grey that a text on it can be read."""
    return lay(pixels, np.zeros(pixels.shape[:2], np.uint8), Paint.mix(np.zeros(256), np.zeros((256, 3)), 0.5, 0.6))


def blank(size: Size, color: Color = GROUND) -> Pixels:
    """A picture of one colour."""
    row = np.tile(np.array(color, np.uint8), (size[1], 1))
    return np.broadcast_to(row, (*size, 3)).copy()  # row by row: sixty times as fast as pixel by pixel


def beside(left: Pixels, right: Pixels) -> Pixels:
    """Two pictures of one size side by side."""
    return np.hstack((left, right))


def paste(picture: Pixels, tile: Pixels, box: Box) -> None:
    """Put a tile of the box's size into a picture; what lies outside of it is left out."""
    ys, xs = box.slices
    place = picture[ys, xs]
    place[:] = tile[: place.shape[0], : place.shape[1]]


def stamp(picture: Pixels, cover: Array, color: Color, top: int, left: int) -> None:
    """Blend a colour into a picture where `cover` [h, w] says so; what would fall outside is left out."""
    height, width = cover.shape
    y, x = max(0, top), max(0, left)
    below, right = min(picture.shape[0], top + height), min(picture.shape[1], left + width)
    if below <= y or right <= x:
        return
    part = cover[y - top : below - top, x - left : right - left, None]
    place = picture[y:below, x:right]
    place[:] = (place + (np.asarray(color, np.float32) - place) * part + 0.5).astype(np.uint8)


def frame_box(picture: Pixels, box: Box, color: Color, thick: int, *, edged: bool = False) -> None:
    """Draw a border of `thick` pixels just inside a box; `edged` by a dark line of a pixel on both sides."""
    outline = Outline(box, color, thick, edged)
    if not put(outline):
        paint_outline(picture, outline)


def paint_outline(picture: Pixels, outline: Outline) -> None:
    """Paint a border into a picture, in place."""
    top, left, height, width = outline.place
    if outline.edged:
        _border(picture, Box(top, left, height, width), GROUND, outline.thick + 2)
        top, left, height, width = top + 1, left + 1, height - 2, width - 2
    _border(picture, Box(top, left, height, width), outline.color, outline.thick)


def _border(picture: Pixels, box: Box, color: Color, thick: int) -> None:
    if min(box.size) > 0:
        ys, xs = box.slices
        inner = picture[ys, xs]
        inner[:thick], inner[-thick:], inner[:, :thick], inner[:, -thick:] = color, color, color, color


def polyline(
    picture: Pixels, points: Iterable[tuple[float, float]], color: Color, thick: int, *, edged: bool = False
) -> None:
    """Draw straight lines from point to point, (down, across) each, as `Polyline`."""
    made = Polyline(tuple(points), color, thick, edged)
    if not put(made):
        paint_polyline(picture, made)


# Binary digits of a pixel in coordinates for OpenCV, and by how many pixels what it fills with smooth edges comes out
# broader than asked (its lines by up to 2.4, so thick ones are filled).
_FINE, _SPREAD = 8, 1.4


def paint_polyline(picture: Pixels, made: Polyline) -> None:
    """Paint lines into a picture, in place, with round joints and ends."""
    points = np.array(made.points)[:, ::-1] - 0.5  # (x, y), counted from the middle of the first pixel
    if made.edged:
        _fat_line(picture, points, GROUND, made.thick + 2)
    if made.thick == 1:
        cv2.polylines(picture, [_fine(points)[:, None]], False, made.color, 1, cv2.LINE_AA, _FINE)
    else:
        _fat_line(picture, points, made.color, made.thick)


def _fat_line(picture: Pixels, points: NDArray[np.float64], color: Color, thick: int) -> None:
    half = (thick - _SPREAD) / 2
    for begin, end in pairwise(points):
        across, down = end - begin
        side = np.array([-down, across]) * half / max(float(np.hypot(across, down)), 1e-6)
        corners = np.array([begin + side, end + side, end - side, begin - side])
        cv2.fillConvexPoly(picture, _fine(corners), color, cv2.LINE_AA, _FINE)
    for x, y in _fine(points).tolist():
        cv2.circle(picture, (x, y), round(half * 2**_FINE), color, -1, cv2.LINE_AA, _FINE)


def _fine(values: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.asarray(np.round(values * 2**_FINE), np.int32)


def marker(picture: Pixels, x: float, y: float, box: Box | None = None, color: Color = (255, 255, 255)) -> None:
    """A ring round the query's point, given as fractions of the width and height of a box of the picture."""
    box = box or Box(0, 0, picture.shape[0], picture.shape[1])
    radius = max(3, round(min(box.size) * 0.018))
    center = (box.top + min(box.height - 1, int(y * box.height)), box.left + min(box.width - 1, int(x * box.width)))
    ring = Ring(center, radius, max(1, radius // 3), color)
    if not put(ring):
        paint_ring(picture, ring)


def paint_ring(picture: Pixels, ring: Ring) -> None:
    """Paint a ring into a picture, in place."""
    center = ring.center[1], ring.center[0]
    cv2.circle(picture, center, ring.radius, (10, 11, 14), ring.thick + 2, cv2.LINE_AA)
    cv2.circle(picture, center, ring.radius, ring.color, ring.thick, cv2.LINE_AA)


def sign(picture: Pixels, place: Place, color: Color, positive: bool, strength: float = 1.0) -> None:
    """A plus or a minus in the middle of a (top, left, height, width), as `Sign`."""
    radius = max(4, round(min(picture.shape[:2]) / 55))
    made = Sign(place, color, radius, positive, strength)
    if not put(made):
        paint_sign(picture, made)


def paint_sign(picture: Pixels, sign: Sign) -> None:
    """Paint a plus or a minus into a picture, in place."""
    top, left, height, width = sign.place
    reach, thick = sign.radius + 3, max(1, sign.radius // 3)
    ys = slice(max(0, top - reach), max(0, top + height + reach))
    xs = slice(max(0, left - reach), max(0, left + width + reach))
    below = picture[ys, xs]
    if not below.size:
        return
    layer = below.copy()
    top, left = top - ys.start, left - xs.start
    if height and width:
        ends = [(left, top), (left + width, top), (left + width, top + height), (left, top + height)]
        for color, line in ((GROUND, thick + 2), (sign.color, thick)):
            for begin, end in zip(ends, [*ends[1:], ends[0]], strict=True):
                _line(layer, begin, end, color, line, 0 if sign.positive else 3 * sign.radius)
    x, y = left + width // 2, top + height // 2
    cv2.circle(layer, (x, y), sign.radius + 1, GROUND, -1, cv2.LINE_AA)
    cv2.circle(layer, (x, y), sign.radius, sign.color, -1, cv2.LINE_AA)
    if not sign.positive:
        cv2.circle(layer, (x, y), sign.radius - max(2, thick), sign.fill, -1, cv2.LINE_AA)
    arm, half = max(2, round(0.6 * sign.radius)), sign.radius // 8  # an odd number of pixels thick
    cv2.rectangle(layer, (x - arm, y - half), (x + arm, y + half), sign.ink, -1)
    if sign.positive:
        cv2.rectangle(layer, (x - half, y - arm), (x + half, y + arm), sign.ink, -1)
    picture[ys, xs] = cv2.addWeighted(layer, sign.strength, below, 1 - sign.strength, 0)


def _line(picture: Pixels, begin: tuple[int, int], end: tuple[int, int], color: Color, thick: int, dash: int) -> None:
    """A line along a side of a picture; of dashes and gaps of so many pixels together, if it is not 0."""
    if not dash:
        cv2.line(picture, begin, end, color, thick)
        return
    length = max(abs(end[0] - begin[0]), abs(end[1] - begin[1]), 1)
    for start in range(0, length, dash):
        stop = min(start + dash // 2, length)
        points = [
            tuple(round(one + (other - one) * at / length) for one, other in zip(begin, end, strict=True))
            for at in (start, stop)
        ]
        cv2.line(picture, points[0], points[1], color, thick)

"""Training views: pairs of pictures of the same drawn objects, composed on the fly."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from embedded_training.curriculum import Recipe, Stage
from rtviz.cv import cv2
from rtviz.sources.drawing import draw_background, draw_object

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


class Pool:
    """Objects and backgrounds, drawn once and kept in the run's folder; views are composed from them on the fly.

    Attributes:
        sprites: the objects in three sizes, uint8 [count, side, side, 4], side 96, 48, 24.
        shares: the share of its square that each object covers.
        backgrounds: uint8 [count, 128, 128, 3].
    """

    def __init__(self, recipe: Recipe, seed: int, folder: Path, quiet: bool) -> None:
        kept = folder / f"drawn-{seed}-{recipe.objects}-{recipe.backgrounds}.npz"
        if not kept.exists():
            random = np.random.default_rng([seed, 3])
            objects: list[np.ndarray] = []
            with tqdm(total=recipe.objects, desc="drawing objects", disable=quiet, dynamic_ncols=True) as bar:
                while len(objects) < recipe.objects:
                    sprite = draw_object(random, 96)
                    if (sprite[..., 3] > 0.1).sum() > 300:  # not a few thin strokes
                        objects.append(np.round(sprite * 255).astype(np.uint8))
                        bar.update()
            backgrounds = [
                np.round(draw_background(random, 128, 128) * 255).astype(np.uint8)
                for _ in tqdm(range(recipe.backgrounds), desc="drawing backgrounds", disable=quiet, dynamic_ncols=True)
            ]
            part = kept.with_suffix(".part.npz")
            np.savez(part, objects=np.stack(objects), backgrounds=np.stack(backgrounds))
            os.replace(part, kept)
        with np.load(kept) as drawn:
            self.backgrounds = drawn["backgrounds"]
            self.sprites = [drawn["objects"]]
        for side in (48, 24):  # to be drawn small without aliasing
            larger = self.sprites[-1]
            self.sprites.append(
                np.stack([cv2.resize(sprite, (side, side), interpolation=cv2.INTER_AREA) for sprite in larger])
            )
        self.shares = self.sprites[0][..., 3].mean(axis=(1, 2)) / 255


def put(
    canvas: np.ndarray, pool: Pool, number: int, centre: tuple[float, float], side: float, degrees: float,
    mirrored: bool = False, light: float = 1.0, shadow: float = 0.0, opacity: float = 1.0,
) -> None:  # fmt: skip
    """One object on a canvas, float32 [size, size, 3] in 0..255, in place; `drawing.paste`, made for small pictures."""
    size = canvas.shape[0]
    sprite = pool.sprites[0 if side > 48 else 1 if side > 24 else 2][number]
    middle, scale = sprite.shape[0] / 2 - 0.5, side / sprite.shape[0]
    c, s = math.cos(math.radians(degrees)) * scale, math.sin(math.radians(degrees)) * scale
    turn = np.array([[-c if mirrored else c, s], [s if mirrored else -s, c]])
    shift = np.array(centre) - turn @ [middle, middle]
    placed = cv2.warpAffine(sprite, np.column_stack([turn, shift]), (size, size)).astype(np.float32)
    alpha = placed[..., 3] * np.float32(opacity / 255)
    if shadow:
        soft = cv2.blur(alpha, (max(3, int(side * 0.12) | 1),) * 2)
        soft = cv2.warpAffine(soft, np.array([[1, 0, side * 0.05], [0, 1, side * 0.07]]), (size, size))
        canvas *= (1 - shadow * soft)[..., None]
    canvas *= (1 - alpha)[..., None]
    canvas += placed[..., :3] * np.float32(light * opacity)


def compose(random: np.random.Generator, pool: Pool, objects: list[int], background: int, stage: Stage) -> np.ndarray:
    """One view of some objects: float32 [size, size, 3] in 0..255."""
    size, place = stage.size, pool.backgrounds[background]
    crop = int(random.uniform(0.35, 1) * place.shape[0])
    top, left = random.integers(0, place.shape[0] - crop + 1, 2)
    shrink = cv2.INTER_AREA if crop > size else cv2.INTER_LINEAR
    canvas = cv2.resize(place[top : top + crop, left : left + crop], (size, size), interpolation=shrink)
    canvas = canvas.astype(np.float32)
    if random.random() < 0.5:
        canvas = np.ascontiguousarray(canvas[:, ::-1])
    if stage.faded:
        canvas += (canvas.mean(axis=(0, 1)) - canvas) * np.float32(stage.faded)
    if random.random() < stage.slabs:
        strip = np.rot90(canvas, int(random.integers(4)))  # a view: painting it paints the canvas
        strip[: int(size * random.uniform(0.05, 0.3))] = np.clip(
            random.uniform(0, 255) + random.normal(0, 30, 3), 0, 255
        )
    for _ in range(int(random.integers(0, stage.clutter + 1))):
        x, y = random.uniform(0, size, 2)
        put(canvas, pool, int(random.integers(len(pool.shares))), (x, y), size * random.uniform(0.06, 0.16),
            random.uniform(0, 360), opacity=random.uniform(0.2, 0.7))  # fmt: skip

    low, high = stage.area
    area = math.exp(random.uniform(math.log(low), math.log(high))) / math.sqrt(len(objects))
    order = random.permutation(len(objects))
    for number, at in zip(objects, order, strict=True):
        side = min(size * math.sqrt(area / pool.shares[number]), 1.3 * size)
        room = max(0.06, 0.5 - 0.36 * side / size)
        x, y = 0.5 + random.uniform(-room, room, 2)
        if len(objects) > 1:  # side by side
            x = (at + 0.5 + random.uniform(-0.2, 0.2)) / len(objects)
        put(canvas, pool, number, (x * size, y * size), side, random.normal(0, 18), random.random() < 0.5,
            light=random.uniform(0.75, 1.2), shadow=0.0 if random.random() < 0.3 else random.uniform(0.1, 0.6),
            opacity=random.uniform(0.35, 0.85) if random.random() < stage.glass else 1.0)  # fmt: skip
    return canvas


def jitter(random: np.random.Generator, pictures: np.ndarray) -> np.ndarray:
    """Mild: hue turned by up to 0.15 rad about the grey axis, brightness by 20 %, gray for one in twenty, some noise.

    Pictures are float32 [count, height, width, 3] in 0..255; the result is in 0..1.
    """
    count = len(pictures)
    angle = random.uniform(-0.15, 0.15, count)
    c, s = np.cos(angle), np.sin(angle) / math.sqrt(3)
    k = (1 - c) / 3
    turn = np.array([[c + k, k - s, k + s], [k + s, c + k, k - s], [k - s, k + s, c + k]]).transpose(2, 1, 0)
    turn[random.random(count) < 0.05] = 1 / 3
    turn *= random.uniform(0.8, 1.2, (count, 1, 1)) / 255
    jittered = (pictures.reshape(count, -1, 3) @ turn.astype(np.float32)).reshape(pictures.shape)
    for picture in jittered[random.random(count) < 0.3]:
        picture += random.standard_normal(picture.shape, np.float32) * np.float32(random.uniform(0, 0.03))
    return np.clip(jittered, 0, 1)


def batch_of(pool: Pool, recipe: Recipe, stage: Stage, seed: int, step: int) -> Tensor:
    """The views of one step, always the same: [2 * batch, 3, size, size].

    View i and view batch + i show the same objects; view i and view batch + i + 1 stand on the same background.
    """
    random = np.random.default_rng([seed, 4, step])
    first = random.choice(len(pool.shares), recipe.batch, replace=False)
    others = random.integers(0, len(pool.shares), (recipe.batch, 2))
    company = (random.random((recipe.batch, 2)) < [stage.company, stage.company * 0.4]).sum(1)
    places = random.choice(len(pool.backgrounds), recipe.batch, replace=False)
    views = [
        compose(random, pool, [int(first[i]), *map(int, others[i, : company[i]])], places[i - view], stage)
        for view in range(2)
        for i in range(recipe.batch)
    ]
    return as_input(jitter(random, np.stack(views)))


def batches(pool: Pool, recipe: Recipe, stage: Stage, seed: int, step: int) -> Generator[Tensor, None, None]:
    """Batches without end, composed in threads of their own while the network learns from the last one."""
    with ThreadPoolExecutor(recipe.composers, "composer") as composers:
        waiting: deque[Future[Tensor]] = deque()
        try:
            while True:
                while len(waiting) < recipe.composers + 2:
                    waiting.append(composers.submit(batch_of, pool, recipe, stage, seed, step + len(waiting)))
                yield waiting.popleft().result()
                step += 1
        finally:
            composers.shutdown(cancel_futures=True)


def as_input(pictures: np.ndarray) -> Tensor:
    """Pictures in 0..1, normalised: [count, 3, height, width]."""
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    return ((x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)).contiguous()

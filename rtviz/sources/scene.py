"""The built-in scene: textured, lit objects moving over a background, with the truth about where they are.

Seeds are kept apart, so that a score means something: training draws from TRAINING_SEEDS, choices are made on
TUNING_SEEDS, and `rtviz score` draws from SCORING_SEEDS, which nothing else ever sees.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from urllib.parse import parse_qsl

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from rtviz.cv import cv2
from rtviz.errors import SettingsError
from rtviz.frame import Frame, Masks, Pixels
from rtviz.sources import SourceInfo
from rtviz.sources.base import ClosingSource
from rtviz.sources.drawing import draw_background, draw_object, paste

TRAINING_SEEDS = range(1_000_000)
TUNING_SEEDS = range(1_000_000, 1_010_000)
SCORING_SEEDS = range(2_000_000, 2_100_000)


def sample(seed: int, size: int = 224, area: tuple[float, float] = (0.10, 0.15)) -> tuple[Pixels, NDArray[np.bool_]]:
    """One still picture with one object, and the truth.

    Args:
        seed: of everything that is drawn.
        size: side of the picture in pixels.
        area: least and largest share of the picture that the object covers.

    Returns:
        RGB uint8 [size, size, 3], and the object's mask, bool [size, size].
    """
    random = np.random.default_rng([seed, 1])
    while True:
        sprite, background = draw_object(random, 160), draw_background(random, size, size)
        share = float(sprite[..., 3].mean())  # of the sprite's square
        side = size * math.sqrt(random.uniform(*area) / share)
        room = max(0.0, 0.5 - 0.42 * side / size)
        centre = (size * (0.5 + random.uniform(-room, room)), size * (0.5 + random.uniform(-room, room)))
        canvas = background.copy()
        alpha = paste(
            canvas,
            sprite,
            centre,
            side,
            random.uniform(-25, 25),
            random.uniform(0.75, 1.1),
            random.uniform(0, 0.6),
            random.random() < 0.5,
        )
        mask = alpha > 0.5
        if area[0] <= mask.mean() <= area[1]:  # not cut off by the border
            return _to_pixels(canvas), mask


def _to_pixels(canvas: NDArray[np.float32]) -> Pixels:
    return cv2.convertScaleAbs(canvas, alpha=255)


class _Mover:
    """A sprite on its way: a slow wander with small waves on it, so that it never jerks and never repeats soon."""

    def __init__(self, random: Generator, home: tuple[float, float], side: float) -> None:
        sprite = draw_object(random, 256)
        self.sprite = _to_pixels(sprite)
        self.side = side / math.sqrt(float(sprite[..., 3].mean()))  # thin things are not smaller things
        self.mirrored = bool(random.random() < 0.5)
        self._home = home
        self._reach = random.uniform((0.10, 0.06), (0.18, 0.13))
        self._speeds = random.uniform(0.35, 0.75, (2, 2)) * [[1.0], [2.3]]
        self._phases = random.uniform(0, 2 * math.pi, (2, 2))
        self._sway = random.uniform(4, 14), random.uniform(0.5, 1.1), random.uniform(0, 2 * math.pi)
        self._breath = random.uniform(0.04, 0.12), random.uniform(0.3, 0.7), random.uniform(0, 2 * math.pi)

    def at(self, seconds: float) -> tuple[float, float, float, float]:
        """(x, y) as fractions of the frame, degrees, scale."""
        waves = np.sin(self._speeds * seconds + self._phases)
        x, y = self._home + self._reach * (waves[0] + 0.2 * waves[1])
        degrees, speed, phase = self._sway
        depth, pace, start = self._breath
        return x, y, degrees * math.sin(speed * seconds + phase), 1 + depth * math.sin(pace * seconds + start)


class SceneSource(ClosingSource):
    """Objects moving over a background under a slowly drifting camera.

    Args:
        seed: of everything that is drawn; the same seed gives the same frames everywhere.
        size: (height, width) in pixels.
        fps: frames in a second.
        seconds: length; None never ends.
        objects: how many things there are, 1 to 5.
    """

    def __init__(
        self,
        seed: int = 4,
        size: tuple[int, int] = (480, 640),
        fps: float = 30.0,
        seconds: float | None = None,
        objects: int = 2,
        start: float = 0.0,
        every: int = 1,
    ) -> None:
        height, width = size
        count = None if seconds is None else max(1, round(seconds * fps))
        self.info = SourceInfo(
            name="scene:", kind="scene", size=size, fps=fps, duration_seconds=seconds, frame_count=count, live=False
        )
        self.warnings: list[str] = []
        self._start, self._every = round(start * fps), every
        random = np.random.default_rng([seed, 2])
        # The background is larger than the frame, so that the camera can drift over it.
        self._margin = max(2, round(min(size) * 0.06))
        self._background = _to_pixels(draw_background(random, height + 2 * self._margin, width + 2 * self._margin))
        self._drift = random.uniform(0.15, 0.3, 2), random.uniform(0, 2 * math.pi, 2)
        self._movers = []
        for number in range(objects):
            middle = 0.5 + (number - (objects - 1) / 2) * min(0.4, 0.66 / objects)  # side by side, not at the border
            home = (middle + random.uniform(-0.06, 0.06) / objects, random.uniform(0.44, 0.56))
            share = random.uniform(0.09, 0.13) if objects < 3 else random.uniform(0.03, 0.06)
            self._movers.append(_Mover(random, home, math.sqrt(share * height * width)))
        self._shadow = random.uniform(0.35, 0.55)

    def __iter__(self) -> Iterator[Frame]:
        assert self.info.fps is not None
        index = self._start
        while self.info.frame_count is None or index < self.info.frame_count:
            yield self.frame(index)
            index += self._every

    def frame(self, index: int) -> Frame:
        """The frame of that number, with the visible part of each object as its mask."""
        fps = self.info.fps or 30.0
        seconds = index / fps
        canvas = self._camera(seconds)
        height, width = self.info.size
        masks: Masks = np.zeros((len(self._movers), height, width), bool)
        for number, mover in enumerate(self._movers):
            x, y, degrees, scale = mover.at(seconds)
            alpha = paste(
                canvas, mover.sprite, (x * width, y * height), mover.side * scale, degrees,
                shadow=self._shadow, mirrored=mover.mirrored,
            )  # fmt: skip
            masks[number] = alpha > 127
            masks[:number] &= ~masks[number]  # the later ones stand in front
        return Frame(canvas, index, seconds, 1 / fps, masks)

    def _camera(self, seconds: float) -> Pixels:
        height, width = self.info.size
        speeds, phases = self._drift
        x, y = self._margin * (1 + 0.9 * np.sin(speeds * seconds + phases))
        shift = np.array([[1, 0, -x], [0, 1, -y]])
        moved: Pixels = cv2.warpAffine(self._background, shift, (width, height), flags=cv2.INTER_LINEAR)
        return moved

    def close(self) -> None:
        """Nothing is held."""


_ALLOWED = "scene:, scene:SEED or scene:?seed=N&size=WIDTHxHEIGHT&fps=N&seconds=N&objects=1-5"


def open_scene(place: str, *, start: float = 0.0, end: float | None = None, every: int = 1) -> SceneSource:
    """A scene from its place: "scene:", "scene:7", "scene:?seed=7&size=640x480&fps=30&seconds=5&objects=2".

    Raises:
        SettingsError: the place says something else.
    """
    path, _, query = place.removeprefix("scene:").partition("?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    if path:
        if not path.isdecimal():
            raise SettingsError("source", f"scene:{path}", _ALLOWED)
        given.setdefault("seed", path)
    try:
        seed, objects = int(given.pop("seed", 4)), int(given.pop("objects", 2))
        fps = float(given.pop("fps", 30))
        width, height = (int(side) for side in given.pop("size", "640x480").split("x"))
        seconds = float(given.pop("seconds")) if "seconds" in given else None
        fine = not given and seed >= 0 and 1 <= objects <= 5 and 1 <= fps <= 1000
        fine = fine and 32 <= width <= 8192 and 32 <= height <= 8192 and (seconds is None or 0 < seconds < 1e7)
    except ValueError:
        fine = False
    if not fine:
        raise SettingsError("source", place, _ALLOWED)
    if end is not None:
        seconds = end if seconds is None else min(seconds, end)
    return SceneSource(seed, (height, width), fps, seconds, objects, start, every)

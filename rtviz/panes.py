"""Panes: the pictures that several models give of one frame, joined into one picture, each under its title."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from rtviz import compose
from rtviz.cv import cv2
from rtviz.frame import Frame, Pane, Pixels, Result
from rtviz.settings import Settings

# What the joined pictures are made to fit together on a screen, when there is a hurry.
_SCREEN = (1080, 1920)
# The shape that all panes together come near to.
_ASPECT = 16 / 9


@dataclass(frozen=True, slots=True, eq=False)
class Titled:
    """A picture and what stands above it.

    Attributes:
        name: on the left, the model.
        facts: on the right.
        result: whose overlay is the picture.
    """

    name: str
    facts: str
    result: Result


def arrange(count: int, size: tuple[int, int]) -> tuple[int, int]:
    """(rows, columns) in which so many pictures of this (height, width) come out largest on a wide screen."""
    aspect = size[1] / size[0]

    def side(columns: int) -> float:
        rows = math.ceil(count / columns)
        return min(1 / rows, _ASPECT / (columns * aspect))  # the height of one

    columns = max(range(1, count + 1), key=lambda columns: (round(side(columns), 6), columns))
    return math.ceil(count / columns), columns


def smaller(frame: Frame, count: int, beside: bool = False) -> Frame:
    """A frame small enough that so many of it fit on a screen; itself if it is.

    Args:
        beside: each is shown twice, side by side.
    """
    height, width = frame.size
    rows, columns = arrange(count, (height, width * (1 + beside)))
    scale = min(1.0, _SCREEN[0] / (rows * height), _SCREEN[1] / (columns * width * (1 + beside)))
    if scale > 0.95:
        return frame
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    masks = frame.masks
    if masks is not None:
        masks = np.stack([cv2.resize(mask.astype(np.uint8), size[::-1]) > 0 for mask in masks]) if len(masks) else masks
        if not len(masks):
            masks = np.zeros((0, *size), np.bool_)
    return replace(frame, pixels=compose.thumbnail(frame.pixels, size), masks=masks)


def join(frame: Frame, titled: Sequence[Titled], settings: Settings, focus: int = 0, *, marked: bool = False) -> Result:
    """One result of several: their pictures in rows, each under its title, with the maps of the one in focus.

    A place that is left over shows the frame itself.

    Args:
        frame: of the source.
        titled: at least one; their pictures are of one size.
        settings: what all of them were asked for together.
        focus: which of them a result's reader is to take for the whole.
        marked: show which one that is.
    """
    chosen = titled[focus].result
    height, width = chosen.overlay.shape[:2]
    rows, columns = arrange(len(titled), (height, width))
    gap = compose.gutter((height, width))
    letters = max(9, round(0.8 * compose.text_size((height, width))))
    strip = round(letters * 1.9)
    step = (strip + height + gap, width + gap)
    joined = compose.blank((rows * step[0] - gap, columns * step[1] - gap))
    panes: list[Pane] = []
    for place in range(rows * columns):
        top, left = place // columns * step[0], place % columns * step[1]
        if place < len(titled):
            each = titled[place]
            picture, name, facts = each.result.overlay, each.name, each.facts
            panes.append(Pane(each.result, (top + strip, left, height, width)))
        else:
            picture, name, facts = chosen.frame.pixels, "frame", ""
        if picture.shape[:2] != (height, width):  # a frame, where the others stand beside theirs
            picture = _as_large(picture, (height, width))
        compose.paste(joined, picture, compose.Box(top + strip, left, height, width))
        accent = marked and place == focus and len(titled) > 1
        _title(joined, name, facts, compose.Box(top, left, strip, width), letters, accent)
    timings_ms = {stage: sum(each.result.timings_ms.get(stage, 0.0) for each in titled) for stage in chosen.timings_ms}
    whole = chosen.settings.replace(model=settings.model, weights=settings.weights, compare=settings.compare)
    return Result(joined, frame, chosen.maps, whole, MappingProxyType(timings_ms), tuple(panes))


def _as_large(picture: Pixels, size: tuple[int, int]) -> Pixels:
    """A picture in the middle of a ground of another size, as large as it fits."""
    scale = min(size[0] / picture.shape[0], size[1] / picture.shape[1])
    inner = (max(1, round(picture.shape[0] * scale)), max(1, round(picture.shape[1] * scale)))
    ground = compose.blank(size)
    box = compose.Box((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2, *inner)
    compose.paste(ground, cv2.resize(picture, inner[::-1]).reshape(*inner, 3), box)
    return ground


def _title(picture: Pixels, name: str, facts: str, box: compose.Box, letters: int, accent: bool) -> None:
    """A name on the left of a strip, facts on its right; what has no room is set smaller, then cut."""
    pad = letters // 2
    room = box.width - 2 * pad

    def extent(text: str, height: int) -> int:
        return compose.text_extent(text, height)[1] if text else 0

    while letters > 8 and extent(name, letters) + extent(facts, letters) + 2 * pad > room:
        letters -= 1
    if extent(name, letters) + extent(facts, letters) + pad > room:
        facts = ""
    while len(name) > 1 and extent(name, letters) > room:
        name = name[:-2].rstrip(".… ") + "…"
    rows = compose.text_extent(name, letters)[0]
    top = box.top + (box.height - rows) // 2
    compose.write(picture, name, top, box.left + pad, letters, compose.ACCENT if accent else compose.INK)
    if facts:
        compose.write(picture, facts, top, box.left + box.width - pad - extent(facts, letters), letters, compose.FAINT)


__all__ = ["Titled", "arrange", "join", "smaller"]

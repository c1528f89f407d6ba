"""Panes: the pictures that several models give of one frame, joined into one picture, each under its title."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from types import MappingProxyType

import numpy as np

from rtviz.cv import cv2
from rtviz.drawing import blend, geometry, labels, palette, resample
from rtviz.drawing.annotated import painted
from rtviz.drawing.geometry import Box
from rtviz.frame import Frame, Masks, Pane, Pixels, Result
from rtviz.markup import Annotation, collect, moved
from rtviz.settings import Settings

# What the joined pictures are made to fit together on a screen, when there is a hurry.
_SCREEN = (1080, 1920)
# A screen on which titles are still to be read, where nobody says how large the picture is shown, and how tall their
# line is there.
_SMALL_SCREEN = (720, 1280)
_LETTERS = 15
# The shape that all panes together come near to.
_ASPECT = 16 / 9


@dataclass(frozen=True, slots=True, eq=False)
class Titled:
    """A picture and its title.

    Attributes:
        name: on the left, the model.
        shown: beside it, what the picture shows, from the longest words for it to the shortest.
        remarks: on the right, also from the longest words to the shortest.
        result: whose overlay is the picture.
    """

    name: str
    shown: tuple[str, ...]
    remarks: tuple[str, ...]
    result: Result


def arrange(count: int, size: tuple[int, int]) -> tuple[int, int]:
    """(rows, columns) in which so many pictures of this (height, width) come out largest on a wide screen."""
    aspect = size[1] / size[0]

    def side(columns: int) -> float:
        rows = math.ceil(count / columns)
        return min(1 / rows, _ASPECT / (columns * aspect))  # the height of one

    columns = max(range(1, count + 1), key=lambda columns: (round(side(columns), 6), columns))
    return math.ceil(count / columns), columns


def smaller(frame: Frame, count: int) -> Frame:
    """A frame small enough that so many of it fit on a screen; itself if it is."""
    height, width = frame.size
    rows, columns = arrange(count, frame.size)
    scale = min(1.0, _SCREEN[0] / (rows * height), _SCREEN[1] / (columns * width))
    if scale > 0.95:
        return frame
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    return replace(frame, pixels=resample.thumbnail(frame.pixels, size), masks=_masks_at(frame, size))


def larger(frame: Frame, room: tuple[int, int]) -> Frame:
    """A small frame enlarged to fit in a (height, width), so that a mosaic of it has tiles that show something; itself
    if it is not smaller."""
    height, width = frame.size
    scale = min(room[0] / height, room[1] / width)
    if scale < 1.05:
        return frame
    size = (round(height * scale), round(width * scale))
    pixels = cv2.resize(frame.pixels, size[::-1], interpolation=cv2.INTER_CUBIC)
    return replace(frame, pixels=pixels, masks=_masks_at(frame, size))


def _masks_at(frame: Frame, size: tuple[int, int]) -> Masks | None:
    if frame.masks is None:
        return None
    if not len(frame.masks):
        return np.zeros((0, *size), np.bool_)
    return np.stack([cv2.resize(mask.astype(np.uint8), size[::-1]) > 0 for mask in frame.masks])


def join(
    frame: Frame,
    titled: Sequence[Titled],
    settings: Settings,
    focus: int = 0,
    *,
    marked: bool = False,
    screen: tuple[int, int] | None = None,
) -> Result:
    """One result of several: their pictures in rows, each under its title, with the maps of the one in focus.

    A free place at the end shows the frame; in the layout "side-by-side" the frame has the first place instead.

    Args:
        frame: of the source.
        titled: at least one; their pictures are of one size.
        settings: of the whole comparison.
        focus: which of them a result's reader is to take for the whole.
        marked: show which one that is.
        screen: (height, width) in pixels of what the whole will be shown on, if that is known: titles are as large as
            it takes there.
    """
    chosen = titled[focus].result
    height, width = chosen.overlay.shape[:2]
    first = int(settings.layout == "side-by-side" and len(titled) > 1)
    rows, columns = arrange(len(titled) + first, (height, width))
    gap = geometry.gutter((height, width))
    letters = _letters((height, width), rows, columns, screen)
    strip = round(letters * 1.7)
    step = (strip + height + gap, width + gap)
    joined = blend.blank((rows * step[0] - gap, columns * step[1] - gap))
    panes: list[Pane] = []
    frame_boxes: list[tuple[int, int, int, int]] = []
    annotations: list[Annotation] = []
    for place in range(rows * columns):
        top, left = place // columns * step[0], place % columns * step[1]
        if first <= place < len(titled) + first:
            each = titled[place - first]
            picture = each.result.unlabelled
            annotations += [moved(one, top + strip, left) for one in each.result.annotations]
            panes.append(Pane(each.result, (top + strip, left, height, width)))
        elif place and first:  # the frame has the first place already
            continue
        else:
            each = Titled("frame", ("",), ("",), chosen)
            picture = chosen.frame.pixels
            if picture.shape[:2] == (height, width):
                frame_boxes.append((top + strip, left, height, width))
            else:  # each of the others is beside its own frame
                picture = _as_large(picture, (height, width))
        blend.paste(joined, picture, Box(top + strip, left, height, width))
        accent = marked and place - first == focus and len(titled) > 1
        with collect() as title:
            _title(joined, each, Box(top, left, strip, width), letters, accent)
        annotations += title
    timings_ms = {stage: sum(each.result.timings_ms.get(stage, 0.0) for each in titled) for stage in chosen.timings_ms}
    whole = chosen.settings.replace(
        model=settings.model, weights=settings.weights, compare=settings.compare, layout=settings.layout
    )
    timings = MappingProxyType(timings_ms)
    return Result(
        painted(joined, annotations),
        frame,
        chosen.maps,
        whole,
        timings,
        tuple(panes),
        tuple(frame_boxes),
        joined,
        tuple(annotations),
    )


def _letters(size: tuple[int, int], rows: int, columns: int, screen: tuple[int, int] | None) -> int:
    """How tall the titles' line is above pictures of that (height, width): so that it can be read when the whole is
    shown on such a screen, unless no name would have room then; where no screen is known, also as fits the pictures."""
    height, width = screen or _SMALL_SCREEN
    scale = min(height / (rows * size[0]), width / (columns * size[1]))
    least = 9
    if screen is None:  # it may be shown no larger than it is
        scale, least = min(1.0, scale), max(least, round(0.8 * labels.text_size(size)))
    return max(least, min(math.ceil(_LETTERS / scale), size[1] // 12))


def _as_large(picture: Pixels, size: tuple[int, int]) -> Pixels:
    """A picture in the middle of a ground of another size, as large as it fits."""
    scale = min(size[0] / picture.shape[0], size[1] / picture.shape[1])
    inner = (max(1, round(picture.shape[0] * scale)), max(1, round(picture.shape[1] * scale)))
    ground = blend.blank(size)
    box = Box((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2, *inner)
    blend.paste(ground, cv2.resize(picture, inner[::-1]).reshape(*inner, 3), box)
    return ground


def _title(picture: Pixels, titled: Titled, box: Box, letters: int, accent: bool) -> None:
    """Writes the name on the left of a strip, what is shown beside it, and the remarks on the right, in the longest
    words that fit. If even the shortest do not, only name and remarks are written, and the name loses its middle."""
    pad = letters // 2
    room = box.width - 2 * pad

    def extent(text: str) -> int:
        return labels.text_extent(text, letters)[1] + 2 * pad if text else 0

    name, shown, remarks = titled.name, titled.shown[-1], titled.remarks[-1]
    for shown, remarks in _shorter(titled.shown, titled.remarks):
        if extent(name) + extent(shown) + extent(remarks) - 2 * pad <= room:
            break
    else:  # a score is not in the picture, so it stays longest
        shown = ""
        if extent(remarks) > 0.6 * room:
            remarks = ""
        left = room - extent(remarks)
        kept = len(name)
        while kept > 2 and extent(name) - 2 * pad > left:
            kept -= 1
            name = f"{titled.name[: kept - kept // 2]}…{titled.name[-(kept // 2) :]}"
    rows = labels.text_extent(name, letters)[0]
    top, left = box.top + (box.height - rows) // 2, box.left + pad
    labels.write(picture, name, top, left, letters, palette.ACCENT if accent else palette.INK)
    if shown:
        labels.write(picture, shown, top, left + extent(name), letters, palette.FAINT)
    if remarks:
        labels.write(picture, remarks, top, box.left + box.width + pad - extent(remarks), letters, palette.INK)


def _shorter(shown: Sequence[str], remarks: Sequence[str]) -> list[tuple[str, str]]:
    """Ever shorter words of both, each as far from its longest ones as the other."""

    def lost(pair: tuple[int, int]) -> tuple[float, float]:
        shares = [place / max(1, len(words) - 1) for place, words in zip(pair, (shown, remarks), strict=True)]
        return sum(shares), max(shares)

    pairs = sorted(product(range(len(shown)), range(len(remarks))), key=lost)
    return [(shown[one], remarks[other]) for one, other in pairs]


__all__ = ["Titled", "arrange", "join", "larger", "smaller"]

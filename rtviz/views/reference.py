"""The view `reference`: where a marked place of another picture shows in the frame, with the best matches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from rtviz import markup
from rtviz.analysis.matching import Match, matches, similarity
from rtviz.cv import cv2
from rtviz.drawing import blend, labels, palette, resample
from rtviz.drawing.geometry import Box, Size, gutter
from rtviz.frame import Frame, Grid, Maps, Pixels, ReferencePicture
from rtviz.settings import Settings
from rtviz.views import heatmap
from rtviz.views.base import Memory
from rtviz.views.requirements import compared_by
from rtviz.views.selection import key_of, normalize

# The best match stays where it was unless another place is so much more similar: cosine similarities of one patch in
# successive frames of a clip differ by about .02.
_SWITCH = 0.04
_TRAIL_SECONDS = 1.5
_INSET = 0.28  # of the frame's width or height, whichever is less: the reference picture in the corner


class _Found(NamedTuple):
    """The matches of one reference, the one that is followed first, and where that was before."""

    picture: ReferencePicture
    matches: list[Match]
    trail: list[tuple[float, float]]


def draw(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """Cosine similarity of each patch with the marked ones, the best matches boxed with their similarity, and in the
    corner the reference picture, with a line from the marked place to the best match.

    Of several references each patch shows the one that it is most like.
    """
    picture, found = _lit(frame, maps, settings, memory)
    insets = _insets(found, frame.size) if found else []
    for number, box in enumerate(insets):
        _inset(picture, found[number].picture, box, _color(number))
    for number, one in enumerate(found):
        _boxes(picture, one, maps.grid, _color(number))
    for number, box in enumerate(insets):
        _lines(picture, found[number], box, Box(0, 0, *frame.size), maps.grid, _color(number), count=1)
    return picture


def beside(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """The reference pictures beside the same without them, with a line for each match: RGB uint8 of twice the width."""
    picture, found = _lit(frame, maps, settings, memory)
    for number, one in enumerate(found):
        _boxes(picture, one, maps.grid, _color(number))
    markup.shift(picture.shape[1])
    if not found:
        return blend.beside(frame.pixels, picture)
    left = blend.blank(frame.size)
    boxes = _stacked(found, frame.size)
    for number, (one, box) in enumerate(zip(found, boxes, strict=True)):
        _inset(left, one.picture, box, _color(number))
    joined = blend.beside(left, picture)
    right = Box(0, frame.size[1], *frame.size)
    for number, (one, box) in enumerate(zip(found, boxes, strict=True)):
        _lines(joined, one, box, right, maps.grid, _color(number), count=settings.matches)
    return joined


def _lit(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> tuple[Pixels, list[_Found]]:
    """The similarity of each patch as light on the frame, and the matches of each reference."""
    alone = settings.layout == "alone"
    if not maps.references:
        picture = np.zeros_like(frame.pixels) if alone else frame.pixels.copy()
        labels.say(
            picture, "no reference: Shift+click or Shift+drag what to find", "no reference: Shift+click", "no reference"
        )
        return picture, []
    features = compared_by(settings, maps.discovery_features)
    patches = maps.patch_features(features)
    likeness = np.max(
        [similarity(patches, one.maps.patch_features(features), one.reference.mark) for one in maps.references], axis=0
    )
    values = normalize(likeness, frame, settings, memory, key_of(maps, settings, "reference", features))
    picture = heatmap.light(frame.pixels, values, settings, alone)
    found = _found(frame, maps, settings, memory)
    return picture, found


def _color(number: int) -> palette.Color:
    return palette.head_color(number)


def _found(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> list[_Found]:
    """The matches of each reference; with a memory, the best one stays the best as long as none is clearly better."""
    features = compared_by(settings, maps.discovery_features)
    patches = maps.patch_features(features)
    found = []
    for one in maps.references:
        best = matches(
            patches,
            one.maps.patch_features(features),
            one.reference.mark,
            settings.matches,
            mutual=settings.mutual,
        )
        found.append(_Found(one, *_followed(best, maps, one, frame.pts_seconds, memory)))
    return found


def _followed(
    best: list[Match], maps: Maps, one: ReferencePicture, now: float, memory: Memory | None
) -> tuple[list[Match], list[tuple[float, float]]]:
    if memory is None:
        return best, []
    key = ("reference trail", maps.model, maps.grid, one.reference)
    trail: deque[tuple[float, float, float]] = memory.setdefault(key, deque())
    if trail and not 0 <= now - trail[-1][0] <= _TRAIL_SECONDS:
        trail.clear()
    if best and trail:
        _, x, y = trail[-1]
        grid = maps.grid
        near = [match for match in best if np.hypot(*_offset(match, grid, x, y)) <= 0.1 * max(grid)]
        if near and near[0] is not best[0] and best[0].score - near[0].score < _SWITCH:
            best = [near[0], *(match for match in best if match is not near[0])]
    while trail and now - trail[0][0] > _TRAIL_SECONDS:
        trail.popleft()
    if best and (not trail or now > trail[-1][0]):
        trail.append((now, *_middle(best[0], maps.grid)))
    return best, [(x, y) for _, x, y in trail]


def _offset(match: Match, grid: Grid, x: float, y: float) -> tuple[float, float]:
    """Patches from a point, given as fractions, to a match."""
    return match.column + 0.5 - x * grid.columns, match.row + 0.5 - y * grid.rows


def _middle(match: Match, grid: Grid) -> tuple[float, float]:
    """The middle of a match's patch, as fractions of width and height."""
    return (match.column + 0.5) / grid.columns, (match.row + 0.5) / grid.rows


# --- what is drawn ------------------------------------------------------------------------------------------------


def _boxes(picture: Pixels, one: _Found, grid: Grid, color: palette.Color) -> None:
    """A box as large as the mark round each match, with its similarity; the followed one in colour, with its trail."""
    size: Size = (picture.shape[0], picture.shape[1])
    whole = Box(0, 0, *size)
    letters = max(9, round(0.7 * labels.text_size(size)))
    height, width = _extent(one.picture, grid, size)
    points = np.array([_pixel(point, whole) for point in one.trail], np.int32).reshape(-1, 1, 2)
    if len(points) > 1:
        _stroke(picture, lambda paint, thick: cv2.polylines(picture, [points], False, paint, thick, cv2.LINE_AA), color)
    for place, match in reversed(list(enumerate(one.matches))):
        x, y = _pixel(_middle(match, grid), whole)
        top, left = max(0, y - height // 2), max(0, x - width // 2)
        corners = (left, top), (min(size[1] - 1, left + width), min(size[0] - 1, top + height))
        shade = palette.FAINT if place else color
        _stroke(picture, partial(_rectangle, picture, *corners), shade)
        text = f"{match.score:.2f}"
        extent = labels.pill_extent(text, letters)
        text_top = top - extent[0] if top >= extent[0] else min(corners[1][1], size[0] - extent[0])
        labels.label(picture, text, Box(text_top, min(left, size[1] - extent[1]), *extent), letters)


def _inset(picture: Pixels, one: ReferencePicture, box: Box, color: palette.Color) -> None:
    """The reference picture in a box, framed, with its mark."""
    blend.paste(picture, resample.thumbnail(one.frame.pixels, box.size), box)
    thick = max(1, gutter(picture.shape[:2]) // 3)
    edge = Box(box.top - thick, box.left - thick, box.height + 2 * thick, box.width + 2 * thick)
    _stroke(picture, partial(_rectangle, picture, *_corners(edge)), color)
    mark = one.reference.mark
    if mark.width:
        place = Box(
            box.top + round(mark.y * box.height),
            box.left + round(mark.x * box.width),
            max(2, round(mark.height * box.height)),
            max(2, round(mark.width * box.width)),
        )
        _stroke(picture, partial(_rectangle, picture, *_corners(place)), palette.INK)
    else:
        blend.marker(picture, mark.x, mark.y, box)


def _lines(picture: Pixels, one: _Found, there: Box, here: Box, grid: Grid, color: palette.Color, count: int) -> None:
    """A line from the marked place in the box of the reference picture to each of the first matches in that of the
    frame."""
    mark = one.picture.reference.mark
    start = mark.x + mark.width / 2, mark.y + mark.height / 2
    for place, match in reversed(list(enumerate(one.matches[:count]))):
        ends = _pixel(start, there), _pixel(_middle(match, grid), here)
        shade = palette.FAINT if place else color
        _stroke(picture, partial(_line, picture, *ends), shade)


def _stroke(picture: Pixels, draw: Callable[[palette.Color, int], object], color: palette.Color) -> None:
    """Draws something with a dark edge, so that it is seen on any ground."""
    thick = max(1, gutter((picture.shape[0], picture.shape[1])) // 3)
    draw((10, 11, 14), thick + 2)
    draw(color, thick)


def _rectangle(picture: Pixels, start: tuple[int, int], end: tuple[int, int], color: palette.Color, thick: int) -> None:
    cv2.rectangle(picture, start, end, color, thick, cv2.LINE_AA)


def _line(picture: Pixels, start: tuple[int, int], end: tuple[int, int], color: palette.Color, thick: int) -> None:
    cv2.line(picture, start, end, color, thick, cv2.LINE_AA)


def _corners(box: Box) -> tuple[tuple[int, int], tuple[int, int]]:
    return (box.left, box.top), (box.left + box.width - 1, box.top + box.height - 1)


def _pixel(point: tuple[float, float], box: Box) -> tuple[int, int]:
    """(x, y) on the picture of a point given as fractions of a box."""
    return (
        box.left + min(box.width - 1, int(point[0] * box.width)),
        box.top + min(box.height - 1, int(point[1] * box.height)),
    )


def _extent(one: ReferencePicture, grid: Grid, size: Size) -> Size:
    """(height, width) in pixels of the frame that the mark has there, patch for patch; of a point, a little more than
    its patch."""
    own, mark = one.maps.grid, one.reference.mark
    if not mark.width:
        side = round(max(1.5 * size[0] / grid.rows, 0.09 * min(size)))
        return side, side
    return (
        round(mark.height * own.rows * size[0] / grid.rows),
        round(mark.width * own.columns * size[1] / grid.columns),
    )


def _insets(found: list[_Found], size: Size) -> list[Box]:
    """Boxes for the reference pictures along the left edge of a picture of that size, from the top."""
    gap = 2 * gutter(size)
    most = _INSET * min(size), (size[0] - gap) / len(found) - gap
    boxes, top = [], gap
    for one in found:
        height, width = _fitting(one.picture.frame.size, (min(most), 1.4 * _INSET * min(size)))
        boxes.append(Box(top, gap, height, width))
        top += height + gap
    return boxes


def _stacked(found: list[_Found], size: Size) -> list[Box]:
    """Boxes for the reference pictures one above the other, in the middle of a picture of that size."""
    gap = 2 * gutter(size)
    room = (size[0] - gap) / len(found) - gap, size[1] - 2 * gap
    boxes = []
    for number, one in enumerate(found):
        height, width = _fitting(one.picture.frame.size, room)
        top = gap + number * (size[0] - gap) / len(found)
        boxes.append(Box(round(top + (room[0] - height) / 2), (size[1] - width) // 2, height, width))
    return boxes


def _fitting(size: Size, room: tuple[float, float]) -> Size:
    """The (height, width) of a picture of one size that fits into a room."""
    scale = min(room[0] / size[0], room[1] / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))

"""The view `reference`: where a marked place of another picture shows in the frame, with the best matches."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from rtviz import markup
from rtviz.analysis.matching import Match, matches, similarity
from rtviz.drawing import blend, labels, palette, resample
from rtviz.drawing.geometry import Box, Size, gutter
from rtviz.drawing.masks import line_width
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
    thick = line_width(frame.size)
    for number, (one, box) in enumerate(zip(found, insets, strict=True)):
        _inset(picture, one.picture, box, _color(number), thick)
    for number, (one, box) in enumerate(zip(found, insets, strict=True)):
        _lines(picture, one, box, Box(0, 0, *frame.size), maps.grid, _color(number), thick, count=1)
    for number, one in enumerate(found):
        _boxes(picture, one, maps.grid, _color(number), thick)
    return picture


def beside(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """The reference pictures beside the same without them, with a line for each match: RGB uint8 of twice the width."""
    picture, found = _lit(frame, maps, settings, memory)
    right = Box(0, frame.size[1], *frame.size)
    markup.shift(right.left)
    if not found:
        return blend.beside(frame.pixels, picture)
    joined = blend.beside(blend.blank(frame.size), picture)
    boxes, thick = _stacked(found, frame.size), line_width(frame.size)
    for number, (one, box) in enumerate(zip(found, boxes, strict=True)):
        _inset(joined, one.picture, box, _color(number), thick)
        _lines(joined, one, box, right, maps.grid, _color(number), thick, count=settings.matches)
    with markup.inside(right.top, right.left):
        for number, one in enumerate(found):
            _boxes(joined[right.slices], one, maps.grid, _color(number), thick)
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


def _boxes(picture: Pixels, one: _Found, grid: Grid, color: palette.Color, thick: int) -> None:
    """A box as large as the mark round each match, with its similarity; the followed one in colour, with its trail."""
    size: Size = (picture.shape[0], picture.shape[1])
    whole = Box(0, 0, *size)
    letters = max(9, round(0.7 * labels.text_size(size)))
    height, width = _extent(one.picture, grid, size)
    if len(one.trail) > 1:
        blend.polyline(picture, [_on(whole, *point) for point in one.trail], color, thick, edged=True)
    for place, match in reversed(list(enumerate(one.matches))):
        y, x = _on(whole, *_middle(match, grid))
        box = _within(size, round(y - height / 2), round(x - width / 2), height, width)
        blend.frame_box(picture, box, palette.FAINT if place else color, thick, edged=True)
        text = f"{match.score:.2f}"
        extent = labels.pill_extent(text, letters)
        text_top = box.top - extent[0] if box.top >= extent[0] else min(box.top + box.height, size[0] - extent[0])
        labels.label(picture, text, Box(text_top, min(box.left, size[1] - extent[1]), *extent), letters)


def _inset(picture: Pixels, one: ReferencePicture, box: Box, color: palette.Color, thick: int) -> None:
    """The reference picture in a box, framed, with its mark."""
    blend.paste(picture, resample.thumbnail(one.frame.pixels, box.size), box)
    around = thick + 2  # with its dark edges
    edge = _within(
        picture.shape[:2], box.top - around, box.left - around, box.height + 2 * around, box.width + 2 * around
    )
    blend.frame_box(picture, edge, color, thick, edged=True)
    mark = one.reference.mark
    if mark.width:
        top, left = (round(value) for value in _on(box, mark.x, mark.y))
        tall, broad = max(2, round(mark.height * box.height)), max(2, round(mark.width * box.width))
        blend.frame_box(picture, Box(top, left, tall, broad), palette.INK, thick, edged=True)
    else:
        blend.marker(picture, mark.x, mark.y, box)


def _lines(
    picture: Pixels, one: _Found, there: Box, here: Box, grid: Grid, color: palette.Color, thick: int, count: int
) -> None:
    """A line from the marked place in the box of the reference picture to each of the first matches in that of the
    frame."""
    mark = one.picture.reference.mark
    start = _on(there, mark.x + mark.width / 2, mark.y + mark.height / 2)
    for place, match in reversed(list(enumerate(one.matches[:count]))):
        ends = start, _on(here, *_middle(match, grid))
        blend.polyline(picture, ends, palette.FAINT if place else color, thick, edged=True)


def _on(box: Box, x: float, y: float) -> tuple[float, float]:
    """(down, across) on the picture of a point given as fractions of a box's width and height."""
    return box.top + y * box.height, box.left + x * box.width


def _within(size: tuple[int, ...], top: int, left: int, height: int, width: int) -> Box:
    """A rectangle without what lies beyond a picture of that size."""
    above, before = max(0, top), max(0, left)
    return Box(above, before, min(size[0], top + height) - above, min(size[1], left + width) - before)


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

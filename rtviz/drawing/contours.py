"""Outlines of masks: painted into a picture, or as lines that a canvas paints over an enlarged one."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rtviz.cv import cv2
from rtviz.drawing.masks import bounds, outline_table, outline_width, soften
from rtviz.drawing.palette import Color
from rtviz.drawing.resample import Bytes
from rtviz.frame import Floats, Pixels
from rtviz.markup import Contour, put

_MIDDLE = 127.5  # the value of a softened mask on its outline
_STRAIGHT = 0.12  # pixels by which a line may leave out points beside it
_FURTHEST = 1.5  # pixels from the outline to the middle of a pixel beside it, with corners


def contour_of(mask: Bytes, color: Color, strength: float = 1.0) -> Contour | None:
    """The outline of a mask; None of an empty one.

    Args:
        mask: uint8 [height, width], 255 inside and 0 outside.
        strength: from 0 unseen to 1 opaque.
    """
    width = outline_width((mask.shape[0], mask.shape[1]))
    box = bounds(mask, math.ceil(3 * width) + 2)  # as far as a softened mask reaches
    if box is None:
        return None
    ramp, rise = soften(mask[box.slices], width)
    return Contour((box.top, box.left, *box.size), ramp, rise, width, color, strength)


def outline(picture: Pixels, mask: Bytes, color: Color, strength: float = 1.0) -> None:
    """Draw the outline of a mask on a picture of its size; the arguments are those of `contour_of`."""
    contour = contour_of(mask, color, strength)
    if contour is not None:
        draw_contour(picture, contour)


def draw_contour(picture: Pixels, contour: Contour) -> None:
    """Draw the outline of a softened mask."""
    if contour.strength > 0 and not put(contour):
        paint_contour(picture, contour)


def paint_contour(picture: Pixels, contour: Contour) -> None:
    """Paint the outline of a mask into a picture, in place, with smooth edges."""
    top, left, _, width = contour.place
    reach = (contour.thick / 2 + 0.5) * contour.rise
    # Few pixels are on an outline: they are looked up by their numbers, three times as fast as by rows and columns.
    near = np.flatnonzero(cv2.inRange(contour.ramp, _MIDDLE - reach, _MIDDLE + reach).view(np.bool_))
    cover = outline_table(contour.rise, contour.thick) * contour.strength
    keep = np.asarray(np.round((1 - cover) * 256), np.uint16)
    light = np.asarray(np.asarray(contour.color) * (256 - keep[:, None]) + 128, np.uint16)
    values = contour.ramp.reshape(-1).take(near)
    rows, columns = np.divmod(near, width)
    place = (rows + top) * picture.shape[1] + columns + left
    whole = np.ascontiguousarray(picture)
    pixels = whole.reshape(-1, 3)
    pixels[place] = (pixels.take(place, axis=0) * keep.take(values)[:, None] + light.take(values, axis=0)) >> 8
    if whole is not picture:
        picture[:] = whole


def contour_lines(contour: Contour) -> list[tuple[Floats, bool]]:
    """Where the outline of a mask runs, between pixels too; not along the edge of the picture, where the mask goes on.

    Returns:
        Each line's points, float32 [points, 2], (across, down) in pixels of the picture from its upper left corner,
        and whether it is closed.
    """
    # A ramp as broad as this one is as well known from every second or third pixel.
    step = max(1, round(255 / contour.rise / 4))
    sparse = np.ascontiguousarray(contour.ramp[::step, ::step])
    values = cv2.copyMakeBorder(sparse, 1, 1, 1, 1, cv2.BORDER_REPLICATE)  # so that lines end beyond the edge
    found, _ = cv2.findContours(cv2.inRange(values, 128, 255), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    if not found:
        return []
    borders = [border.reshape(-1, 2) for border in found]
    points, kept = _between_pixels(values, np.concatenate(borders))
    points = (points - 1) * step + np.array([contour.place[1] + 0.5, contour.place[0] + 0.5], np.float32)
    ends = np.cumsum([len(border) for border in borders])[:-1]
    return [
        (cv2.approxPolyDP(piece, _STRAIGHT, closed).reshape(-1, 2), closed)
        for line, on_outline in zip(np.split(points, ends), np.split(kept, ends), strict=True)
        for piece, closed in _pieces(line, on_outline)
    ]


def contour_segments(contour: Contour) -> tuple[Floats, Floats]:
    """The lines of a contour as straight pieces, which are drawn several times as fast one by one.

    Returns:
        ends: float32 [pieces, 2 ends, 2], (across, down) in pixels of the picture.
        beyond: float32 [pieces, 2 ends, 2], how much further each piece goes on, in halves of the line's width, so that
            pieces with flat ends leave no gap where they meet at an angle.
    """
    lines = contour_lines(contour)
    if not lines:
        return np.zeros((0, 2, 2), np.float32), np.zeros((0, 2, 2), np.float32)
    ends = np.concatenate([_ends(points, closed) for points, closed in lines])
    along = ends[:, 1] - ends[:, 0]
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-6)[:, None]
    counts = np.array([len(points) - (not closed) for points, closed in lines])
    last = np.cumsum(counts) - 1
    first = last - counts + 1
    before, after = np.arange(len(ends)) - 1, np.arange(len(ends)) + 1
    before[first] = np.where([closed for _, closed in lines], last, first)  # an open line begins straight
    after[last] = first
    cosine = (along * along[before]).sum(axis=1)  # of the angle at each piece's begin
    half = np.sqrt(np.clip((1 - cosine) / np.maximum(1 + cosine, 1e-6), 0, 1))[:, None]  # its half's tangent, up to 1
    return ends, np.stack([-along * half, along * half[after]], axis=1)


def _ends(points: Floats, closed: bool) -> Floats:
    """[pieces, 2 ends, 2] of the straight pieces of a line."""
    whole = np.vstack([points, points[:1]]) if closed else points
    return np.stack([whole[:-1], whole[1:]], axis=1)


def _between_pixels(values: Bytes, border: NDArray[np.int32]) -> tuple[Floats, NDArray[np.bool_]]:
    """Where a ramp crosses its middle next to pixels [points, 2], (x, y); and next to which of them it does so."""
    height, width = values.shape
    x, y = border[:, 0], border[:, 1]
    right, left = np.minimum(x + 1, width - 1), np.maximum(x - 1, 0)
    below, above = np.minimum(y + 1, height - 1), np.maximum(y - 1, 0)
    heights = values.astype(np.float32)
    across = (heights[y, right] - heights[y, left]) / (right - left)
    down = (heights[below, x] - heights[above, x]) / (below - above)
    slope = np.stack([across, down], axis=1).astype(np.float32)
    steep = np.maximum((slope * slope).sum(axis=1), 1e-3)
    above_middle = heights[y, x] - np.float32(_MIDDLE)
    crossing = border - slope * (above_middle / steep)[:, None]
    return crossing.astype(np.float32), np.abs(above_middle) <= _FURTHEST * np.sqrt(steep)


def _pieces(points: Floats, kept: NDArray[np.bool_]) -> list[tuple[Floats, bool]]:
    """A closed line without those of its points that are not kept: itself, or open lines."""
    if kept.all():
        return [(points, True)]
    if not kept.any():
        return []
    first = int(np.flatnonzero(~kept)[0])
    points, kept = np.roll(points, -first, axis=0), np.roll(kept, -first)
    ends = np.flatnonzero(np.diff(kept, append=False)) + 1
    return [(points[start:stop], False) for start, stop in zip(ends[::2], ends[1::2], strict=True) if stop - start > 1]


__all__ = ["contour_lines", "contour_of", "contour_segments", "draw_contour", "outline", "paint_contour"]

"""What a notebook shows of a Frame, of Maps, of a Result, when one of them ends a cell: a small picture, as PNG.

Whatever asks an object for `_repr_png_` shows it: Jupyter, Colab, VS Code, marimo.
"""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image

from rtviz.drawing import blend, labels, palette, resample
from rtviz.drawing.geometry import Box, Size
from rtviz.frame import Floats, Frame, Maps, Pixels, Result
from rtviz.settings import token_name

_MOST = 720  # pixels: the longest side of a frame's picture, and the width of a page of maps
_HIGHEST = 440  # of a page of maps
_TILE = 180  # a map covers at most a square of that side
_GAP = 4
_LINE = 13  # height of a text


def png(thing: Frame | Maps | Result) -> bytes:
    """The picture of it, as the bytes of a PNG file."""
    file = io.BytesIO()
    Image.fromarray(picture(thing)).save(file, "png", compress_level=4)
    return file.getvalue()


def picture(thing: Frame | Maps | Result) -> Pixels:
    """What the PNG shows: RGB uint8 [height, width, 3], at most 720 pixels long.

    Of a frame and a result what they hold; of Maps the heads of the last layer and their mean, or the stages of a model
    without heads, each in its own range of colours.
    """
    if isinstance(thing, Maps):
        return _page(thing)
    pixels = thing.pixels if isinstance(thing, Frame) else thing.overlay
    height, width = pixels.shape[:2]
    scale = min(1.0, _MOST / max(height, width))
    return resample.thumbnail(pixels, (max(1, round(height * scale)), max(1, round(width * scale))))


def _page(maps: Maps) -> Pixels:
    if maps.has_attention:
        last = maps.attention[-1]
        shown = [(f"{head}", values) for head, values in enumerate(last)] + [("mean", last.mean(axis=0))]
        query = token_name(maps.query, f"the patch under {maps.query}")
        title = f"{maps.model}: what {query} attends to in layer {maps.layers - 1}; each head in its own range"
    else:
        method, stages = next(iter(maps.cams.items()), ("nothing", ()))
        shown = [(f"stage {number}", values) for number, values in enumerate(stages)]
        title = f"{maps.model}: no heads; {method} of its stages, each in its own range"
    top = _GAP + labels.text_extent(title, _LINE)[0] + _GAP
    across, tile = _tiles(len(shown), maps.grid, top)
    down = math.ceil(len(shown) / across)
    size = top + down * (tile[0] + _GAP), _GAP + across * (tile[1] + _GAP)
    size = size[0], max(size[1], labels.text_extent(title, _LINE)[1] + 2 * _GAP)
    page = blend.blank(size)
    labels.write(page, title, _GAP, _GAP, _LINE)
    for place, (name, values) in enumerate(shown):
        row, column = divmod(place, across)
        box = Box(top + row * (tile[0] + _GAP), _GAP + column * (tile[1] + _GAP), *tile)
        blend.paste(page, _colored(values, tile), box)
        labels.label(page, name, box, _LINE - 3)
    return page


def _tiles(count: int, grid: tuple[int, int], top: int) -> tuple[int, Size]:
    """In how many columns so many maps of this (rows, columns) are largest on a page, and their (height, width)."""
    rows, columns = grid
    best = 1, 0.0
    for across in range(1, max(1, count) + 1):
        down = math.ceil(count / across) or 1
        room = (_HIGHEST - top) / down - _GAP, (_MOST - _GAP) / across - _GAP
        scale = min(room[0] / rows, room[1] / columns, _TILE / math.sqrt(rows * columns))
        best = max(best, (across, scale), key=lambda choice: choice[1])
    across, scale = best
    return across, (max(_LINE + 8, int(rows * scale)), max(_LINE + 8, int(columns * scale)))


def _colored(values: Floats, size: Size) -> Pixels:
    low, high = float(values.min()), float(values.max())
    # Differences that are only rounding noise of a softmax stay dark.
    spread = np.asarray((values - low) / max(high - low, 1e-4 * abs(high), 1e-12), np.float32)
    return blend.color_values(resample.upsample(spread, size), palette.colormap("inferno"))


__all__ = ["picture", "png"]

"""The view `directions`: whom the query attends to, who attends to it, and both with a second token over the layers."""

from __future__ import annotations

import numpy as np

from rtviz import markup
from rtviz.drawing import blend, geometry, labels, palette, resample
from rtviz.drawing.geometry import Box
from rtviz.frame import Floats, Frame, Maps, Pixels
from rtviz.settings import Point, Query, Register, Settings, token_name
from rtviz.views import heatmap
from rtviz.views.base import Memory, Tile
from rtviz.views.selection import check_head, fuse, key_of, layer_of, normalize

_COLORS: tuple[palette.Color, palette.Color] = (palette.HEAD_COLORS[0], palette.HEAD_COLORS[1])


def draw(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """The query's row of the attention matrix, its column, the frame, and how much the query and a second token attend
    to each other in every layer; or the row or the column alone. Of all heads together the mean is shown.

    Raises:
        SettingsError: the maps have no such layer or head, or the second token is none of the model's.
        ValueError: the maps were made without the columns.
    """
    if maps.columns is None or maps.columns_prefix is None:
        raise ValueError("the view directions needs the feature columns")
    check_head(maps, settings)
    layer, head = layer_of(maps, settings), "mean" if settings.head == "all" else settings.head
    both = np.stack([fuse(maps.attention[layer], head), fuse(maps.columns[layer], head)])
    shown = _shown(settings)
    values = normalize(both[shown], frame, settings, memory, key_of(maps, settings, "directions", layer, head, *shown))
    boxes = _boxes(frame.size, settings)
    thumbnail = frame.pixels if len(shown) == 1 else resample.thumbnail(frame.pixels, boxes[0].size)
    picture = blend.blank(frame.size)
    token = token_name(maps.query)
    texts = (
        (f"{token} attends to", "attends to", "to"),
        (f"who attends to {token}", "attended by", "by"),
    )
    for place, box in enumerate(boxes[:3]):
        tile = thumbnail
        if place < len(shown):
            tile = heatmap.light(thumbnail, values[place], settings, settings.layout == "alone")
        blend.paste(picture, tile, box)
        if maps.query_place is not None:
            blend.marker(picture, *maps.query_place, box)
        if len(shown) == 2 and isinstance(settings.second, Point):
            blend.marker(picture, *settings.second, box, color=palette.ACCENT)
        _label(picture, box, texts[shown[place]] if place < len(shown) else ("frame",))
    if len(shown) == 2:
        second = _second(maps, settings)
        names: tuple[str, ...] = (f"{token} to itself",)
        if second != maps.query:
            other = token_name(second, "the second patch")
            names = (f"{token} to {other}", f"{other} to {token}")
        with markup.inside(boxes[3].top, boxes[3].left):
            _plot(picture[boxes[3].slices], between(maps, second, head)[: len(names)], layer, names)
    return picture


def tiles(size: tuple[int, int], maps: Maps, settings: Settings) -> list[Tile]:
    """The copies of the frame: row, column, and the frame itself; or the one that is shown."""
    return [Tile(box, None, None) for box in _boxes(size, settings)[:3]]


def _shown(settings: Settings) -> list[int]:
    """0 for the row, 1 for the column."""
    return {"both": [0, 1], "to": [0], "from": [1]}[settings.direction]


def _boxes(size: tuple[int, int], settings: Settings) -> list[Box]:
    return arrange(size) if settings.direction == "both" else [Box(0, 0, *size)]


def arrange(size: tuple[int, int]) -> list[Box]:
    """Four boxes of the frame's aspect: row, column, frame, plot."""
    gutter = geometry.gutter(size)
    area = Box(gutter, gutter, max(2, size[0] - 2 * gutter), max(2, size[1] - 2 * gutter))
    return geometry.tile_boxes(area, 2, 2, gutter, size[1] / size[0])


def _second(maps: Maps, settings: Settings) -> Query:
    """The second token; where the model has no CLS, its first register instead of it, or else the query itself."""
    if settings.second == "cls" and not maps.has_cls:
        return Register(0) if maps.prefix.shape[2] else maps.query
    return settings.second


def between(maps: Maps, second: Query, head: int | str) -> Floats:
    """What the query gives to a second token in each layer, and what that gives to it, in multiples of uniform
    attention: float32 [2, layers].

    Args:
        head: its number, "mean" or "max".

    Raises:
        SettingsError: the model has no such token.
        ValueError: the maps were made without the columns.
    """
    if maps.columns is None or maps.columns_prefix is None:
        raise ValueError("attention between two tokens needs the feature columns")
    tokens = maps.prefix.shape[2] + maps.grid.rows * maps.grid.columns
    if isinstance(second, Point):
        row, column = maps.grid.patch_at(second)
        both = np.stack([maps.attention[..., row, column], maps.columns[..., row, column]])  # [2, layers, heads]
    else:
        number = maps.prefix_index(second)
        both = np.stack([maps.prefix[..., number], maps.columns_prefix[..., number]])
    of_head = both[..., head] if isinstance(head, int) else both.max(-1) if head == "max" else both.mean(-1)
    return np.asarray(of_head * tokens, np.float32)


def _label(picture: Pixels, box: Box, texts: tuple[str, ...]) -> None:
    height = labels.text_size(box.size)
    for text in texts:
        extent = labels.pill_extent(text, height)
        if extent[1] <= box.width and extent[0] <= box.height:
            labels.label(picture, text, box, height)
            return


def _plot(tile: Pixels, lines: Floats, layer: int, names: tuple[str, ...]) -> None:
    """Named lines over the layers, on a logarithmic scale; a faint line is uniform attention, a bright one is here."""
    box = Box(0, 0, tile.shape[0], tile.shape[1])
    if min(box.size) < 48 or not lines.shape[1]:
        return
    height = max(9, round(0.75 * labels.text_size(box.size)))
    top, pad = 2 * height + 10, 10
    logs = np.log10(np.maximum(lines, 1e-3))
    low, high = min(-0.5, float(logs.min())), max(0.5, float(logs.max()))
    room = box.height - top - height - pad
    if room < 12:
        return
    across = np.linspace(pad, box.width - pad - 1, lines.shape[1]) if lines.shape[1] > 1 else np.array([box.width / 2])

    def down(log: Floats | float) -> Floats:
        return np.asarray(top + room * (high - np.asarray(log)) / (high - low), np.float32)

    middle, here = round(float(down(0.0))), round(float(across[layer]))
    thick = max(1, round(min(box.size) / 150))
    blend.polyline(tile, [(middle + 0.5, pad), (middle + 0.5, box.width - pad)], palette.FAINT, 1)
    blend.polyline(tile, [(top, here + 0.5), (top + room, here + 0.5)], palette.ACCENT, 1)
    for values, color in zip(logs, _COLORS, strict=False):
        points = zip(map(float, down(values)), map(float, across), strict=True)
        blend.polyline(tile, points, color, thick)
    for place, (values, name, color) in enumerate(zip(lines, names, _COLORS, strict=False)):
        labels.write(tile, f"{name}: {values[layer]:.2g} x uniform", 4 + place * (height + 2), pad, height, color)
    for text, left in (("0", pad), (f"layer {lines.shape[1] - 1}", None)):
        wide = labels.text_extent(text, height)[1]
        place_x = left if left is not None else box.width - pad - wide
        labels.write(tile, text, top + room + 4, place_x, height, palette.FAINT)
    labels.write(tile, "uniform", middle + 2, box.width - pad - labels.text_extent("uniform", height)[1], height,
                 palette.FAINT)  # fmt: skip

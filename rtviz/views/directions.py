"""The view `directions`: whom the query attends to, beside who attends to it, and both with CLS over the layers."""

from __future__ import annotations

import numpy as np

from rtviz import markup
from rtviz.cv import cv2
from rtviz.drawing import blend, geometry, labels, palette, resample
from rtviz.drawing.geometry import Box
from rtviz.frame import Floats, Frame, Maps, Pixels
from rtviz.settings import Settings
from rtviz.views import heatmap
from rtviz.views.base import Memory, Tile
from rtviz.views.selection import check_head, fuse, key_of, layer_of, normalize

_COLORS: tuple[palette.Color, palette.Color] = (palette.HEAD_COLORS[0], palette.HEAD_COLORS[1])


def draw(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """The query's row of the attention matrix, its column, the frame, and how much query and CLS attend to each other
    in every layer. Of all heads together the mean is shown.

    Raises:
        SettingsError: the maps have no such layer or head.
        ValueError: the maps were made without the columns.
    """
    if maps.columns is None or maps.columns_prefix is None:
        raise ValueError("the view directions needs the feature columns")
    check_head(maps, settings)
    layer, head = layer_of(maps, settings), "mean" if settings.head == "all" else settings.head
    pair = np.stack([fuse(maps.attention[layer], head), fuse(maps.columns[layer], head)])
    values = normalize(pair, frame, settings, memory, key_of(maps, settings, "directions", layer, head))
    boxes = arrange(frame.size)
    thumbnail = resample.thumbnail(frame.pixels, boxes[0].size)
    picture = blend.blank(frame.size)
    token = "CLS" if maps.query == "cls" else "this patch"
    names = (
        (f"{token} attends to", "attends to", "to"),
        (f"who attends to {token}", "attended by", "by"),
        ("frame",),
    )
    for place, (box, texts) in enumerate(zip(boxes, names, strict=False)):
        tile = thumbnail
        if place < 2:
            tile = heatmap.light(thumbnail, values[place], settings, settings.layout == "alone")
        blend.paste(picture, tile, box)
        if maps.query != "cls":
            blend.marker(picture, *maps.query, box)
        _label(picture, box, texts)
    target = maps.prefix_names[0] if maps.prefix_names else ""
    lines = with_cls(maps, head)
    said = (f"query to {target}", f"{target} to query")
    if maps.query == "cls":  # both are the same
        lines, said = lines[:1], ("CLS to itself", "")
    with markup.inside(boxes[3].top, boxes[3].left):
        _plot(picture[boxes[3].slices], lines, layer, said)
    return picture


def tiles(size: tuple[int, int], maps: Maps, settings: Settings) -> list[Tile]:
    """The three copies of the frame: row, column, and the frame itself."""
    return [Tile(box, None, None) for box in arrange(size)[:3]]


def arrange(size: tuple[int, int]) -> list[Box]:
    """Four boxes of the frame's aspect: row, column, frame, plot."""
    gutter = geometry.gutter(size)
    area = Box(gutter, gutter, max(2, size[0] - 2 * gutter), max(2, size[1] - 2 * gutter))
    return geometry.tile_boxes(area, 2, 2, gutter, size[1] / size[0])


def with_cls(maps: Maps, head: int | str) -> Floats:
    """What the query gives to CLS in each layer, and what CLS gives to it, in multiples of uniform attention: float32
    [2, layers]. Without CLS the first register takes its place; without any prefix token there is nothing to plot.

    Args:
        head: its number, "mean" or "max".
    """
    columns = maps.columns_prefix
    if columns is None or not maps.prefix.shape[2]:
        return np.zeros((2, 0), np.float32)
    tokens = maps.prefix.shape[2] + maps.grid.rows * maps.grid.columns
    both = np.stack([maps.prefix[..., 0], columns[..., 0]])  # [2, layers, heads]
    of_head = both[..., head] if isinstance(head, int) else both.max(-1) if head == "max" else both.mean(-1)
    return np.asarray(of_head * tokens, np.float32)


def _label(picture: Pixels, box: Box, texts: tuple[str, ...]) -> None:
    height = labels.text_size(box.size)
    for text in texts:
        extent = labels.pill_extent(text, height)
        if extent[1] <= box.width and extent[0] <= box.height:
            labels.label(picture, text, box, height)
            return


def _plot(tile: Pixels, lines: Floats, layer: int, names: tuple[str, str]) -> None:
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
    cv2.line(tile, (pad, middle), (box.width - pad - 1, middle), palette.FAINT, 1)
    cv2.line(tile, (here, top), (here, top + room), palette.ACCENT, 1)
    for values, color in zip(logs, _COLORS, strict=False):
        points = np.round(np.stack([across, down(values)], axis=1) * 8).astype(np.int32)
        cv2.polylines(tile, [points[:, None]], False, color, max(1, round(min(box.size) / 150)), cv2.LINE_AA, 3)
    for place, (values, name, color) in enumerate(zip(lines, names, _COLORS, strict=False)):
        labels.write(tile, f"{name}: {values[layer]:.2g} x uniform", 4 + place * (height + 2), pad, height, color)
    for text, left in (("0", pad), (f"layer {lines.shape[1] - 1}", None)):
        wide = labels.text_extent(text, height)[1]
        place_x = left if left is not None else box.width - pad - wide
        labels.write(tile, text, top + room + 4, place_x, height, palette.FAINT)
    labels.write(tile, "uniform", middle + 2, box.width - pad - labels.text_extent("uniform", height)[1], height,
                 palette.FAINT)  # fmt: skip

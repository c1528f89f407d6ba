"""The view `heads`: all heads of one layer side by side, with their mean and maximum where there is room."""

from __future__ import annotations

import math

import numpy as np

from rtviz.drawing import blend, geometry, labels, palette, resample
from rtviz.drawing.geometry import Box
from rtviz.frame import Frame, Maps, Pixels
from rtviz.settings import Head, Settings
from rtviz.views import heatmap
from rtviz.views.base import Memory, Tile
from rtviz.views.selection import check_head, fuse, key_of, layer_of, normalize


def draw(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """A mosaic of labelled tiles; the head chosen in the settings has a bright border.

    Raises:
        SettingsError: the maps have no such layer or head.
    """
    check_head(maps, settings)
    layer = layer_of(maps, settings)
    heads = maps.attention[layer]
    values = normalize(
        np.concatenate([heads, fuse(heads, "mean")[None], fuse(heads, "max")[None]]),
        frame,
        settings,
        memory,
        key_of(maps, settings, layer, "heads"),
    )
    alone = settings.layout == "alone"
    places = arrange(frame.size, maps.heads)
    size = places[0][1].size
    thumbnail = resample.thumbnail(frame.pixels, size)
    levels = resample.upsample(values, size, settings.upsampling, thumbnail)
    picture = blend.blank(frame.size)
    for shown, box in places:
        if shown == "frame":
            tile = thumbnail
        elif shown == "all":
            tile = heatmap.heads_light(thumbnail, values[: maps.heads], settings, alone)
        else:
            place = shown if isinstance(shown, int) else {"mean": -2, "max": -1}[shown]
            tile = heatmap.paint_levels(thumbnail, levels[place], settings, alone)
        blend.paste(picture, tile, box)
        if maps.query_place is not None:
            blend.marker(picture, *maps.query_place, box)
    _label(picture, places, layer)
    for shown, box in places:
        if shown == settings.head:
            blend.frame_box(picture, box, palette.ACCENT, max(2, round(min(frame.size) / 240)))
    return picture


def tiles(size: tuple[int, int], maps: Maps, settings: Settings) -> list[Tile]:
    """Every tile with its layer and head; the frame itself without.

    Raises:
        SettingsError: the maps have no such layer.
    """
    layer = layer_of(maps, settings)
    return [
        Tile(box, None, None) if shown == "frame" else Tile(box, layer, shown)
        for shown, box in arrange(size, maps.heads)
    ]


def arrange(size: tuple[int, int], heads: int) -> list[tuple[Head | str, Box]]:
    """The tiles of a picture of this size: (head, or "mean", "max", "all", "frame"; its box).

    Tiles have the frame's aspect, so as many in a row as in a column fill it; places that the heads leave free go to
    the mean, the maximum, all heads in their colours, and the frame, in that order.
    """
    side = math.ceil(math.sqrt(heads))
    extras = ("mean", "max", "all", "frame")[: side * side - heads]
    shown: list[Head | str] = [*range(heads), *extras]
    rows = math.ceil(len(shown) / side)
    gutter = geometry.gutter(size)
    area = Box(gutter, gutter, size[0] - 2 * gutter, size[1] - 2 * gutter)
    boxes = geometry.tile_boxes(area, rows, side, gutter, size[1] / size[0])
    return list(zip(shown, boxes, strict=False))


def _label(picture: Pixels, tiles: list[tuple[Head | str, Box]], layer: int) -> None:
    """Label every tile in the longest form that leaves the middle of each tile free."""
    box = tiles[0][1]
    height = labels.text_size(box.size)
    long = {"mean": "mean", "max": "maximum", "all": "all heads", "frame": "frame"}
    short = {**long, "max": "max", "all": "all"}
    prefixes = ((0.6, f"layer {layer} · head ", long), (0.8, f"L{layer} · head ", long), (1.0, f"L{layer} · ", short))
    in_colors = any(
        shown == "all" for shown, _ in tiles
    )  # a dot in the head's colour identifies it in the tile of all heads
    for room, prefix, extras in (*prefixes, (1.0, "", short)):
        texts = [f"{prefix}{shown}" if isinstance(shown, int) else extras[str(shown)] for shown, _ in tiles]
        extents = [labels.pill_extent(text, height, swatch=True) for text in texts]
        if max(width for _, width in extents) <= room * box.width and extents[0][0] <= box.height:
            for (shown, tile), text in zip(tiles, texts, strict=True):
                color = palette.head_color(shown) if isinstance(shown, int) and in_colors else None
                labels.label(picture, text, tile, height, color)
            return

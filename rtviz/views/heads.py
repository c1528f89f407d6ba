"""The view `heads`: all heads of one layer beside each other, with what they have in common where there is room."""

from __future__ import annotations

import math

import numpy as np

from rtviz.drawing import compose
from rtviz.frame import Frame, Maps, Pixels
from rtviz.settings import Head, Settings
from rtviz.views import heatmap
from rtviz.views.base import Memory, Tile
from rtviz.views.selection import check_head, fuse, key_of, layer_of, normalize


def draw(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """A mosaic of labelled tiles; the one that is chosen in the settings has a bright border.

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
    thumbnail = compose.thumbnail(frame.pixels, size)
    levels = compose.upsample(values, size, settings.upsampling, thumbnail)
    picture = compose.blank(frame.size)
    for shown, box in places:
        if shown == "frame":
            tile = thumbnail
        elif shown == "all":
            tile = heatmap.heads_light(thumbnail, values[: maps.heads], settings, alone)
        else:
            place = shown if isinstance(shown, int) else {"mean": -2, "max": -1}[shown]
            tile = heatmap.paint_levels(thumbnail, levels[place], settings, alone)
        compose.paste(picture, tile, box)
        if maps.query != "cls":
            compose.marker(picture, *maps.query, box)
    _label(picture, places, layer)
    for shown, box in places:
        if shown == settings.head:
            compose.frame_box(picture, box, compose.ACCENT, max(2, round(min(frame.size) / 240)))
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


def arrange(size: tuple[int, int], heads: int) -> list[tuple[Head | str, compose.Box]]:
    """What stands where on a picture of that size: (head, or "mean", "max", "all", "frame"; its box).

    Tiles have the frame's aspect, so as many in a row as in a column fill it; what the heads leave over goes to the
    mean, the maximum, all heads in their colours, and the frame, in that order.
    """
    side = math.ceil(math.sqrt(heads))
    extras = ("mean", "max", "all", "frame")[: side * side - heads]
    shown: list[Head | str] = [*range(heads), *extras]
    rows = math.ceil(len(shown) / side)
    gutter = compose.gutter(size)
    area = compose.Box(gutter, gutter, size[0] - 2 * gutter, size[1] - 2 * gutter)
    boxes = compose.tile_boxes(area, rows, side, gutter, size[1] / size[0])
    return list(zip(shown, boxes, strict=False))


def _label(picture: Pixels, tiles: list[tuple[Head | str, compose.Box]], layer: int) -> None:
    """Name every tile, all at the same length: the longest at which every name leaves the tile's middle free."""
    box = tiles[0][1]
    height = compose.text_size(box.size)
    long = {"mean": "mean", "max": "maximum", "all": "all heads", "frame": "frame"}
    short = {**long, "max": "max", "all": "all"}
    prefixes = ((0.6, f"layer {layer} · head ", long), (0.8, f"L{layer} · head ", long), (1.0, f"L{layer} · ", short))
    in_colors = any(shown == "all" for shown, _ in tiles)  # a dot of the head's colour says which one it is there
    for room, prefix, extras in (*prefixes, (1.0, "", short)):
        texts = [f"{prefix}{shown}" if isinstance(shown, int) else extras[str(shown)] for shown, _ in tiles]
        extents = [compose.pill_extent(text, height, swatch=True) for text in texts]
        if max(width for _, width in extents) <= room * box.width and extents[0][0] <= box.height:
            for (shown, tile), text in zip(tiles, texts, strict=True):
                color = compose.head_color(shown) if isinstance(shown, int) and in_colors else None
                compose.label(picture, text, tile, height, color)
            return

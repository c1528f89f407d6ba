"""The view `grid`: every layer and every head at once, as thumbnails, and the chosen one enlarged beside them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rtviz import markup
from rtviz.drawing import blend, geometry, labels, palette, resample
from rtviz.drawing.geometry import Box
from rtviz.frame import Frame, Maps, Pixels
from rtviz.settings import Settings
from rtviz.views import heatmap, mask
from rtviz.views.base import Memory, Tile
from rtviz.views.selection import check_head, key_of, layer_of, normalize


class Plan(NamedTuple):
    """The layout of the picture.

    Attributes:
        tiles: boxes of the thumbnails, [layer][head].
        panels: boxes of the enlargements; none where thumbnails fill the picture.
        text: height of the labels.
    """

    tiles: list[list[Box]]
    panels: list[Box]
    text: int


def draw(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """Thumbnails in rows of one layer and columns of one head, each in its own range of colours.

    Raises:
        SettingsError: the maps have no such layer or head.
    """
    check_head(maps, settings)
    layer = layer_of(maps, settings)
    alone = settings.layout == "alone"
    plan = arrange(frame.size, maps.layers, maps.heads)
    picture = blend.blank(frame.size)

    values = normalize(maps.attention, frame, settings, memory, key_of(maps, settings, "grid"))
    size = plan.tiles[0][0].size
    # The frame's edges would not show in a thumbnail.
    how = "smooth" if settings.upsampling == "guided" else settings.upsampling
    levels = resample.upsample(values, size, how)
    # On a small tile the map needs a darker frame.
    thumbnail = (resample.thumbnail(frame.pixels, size) * np.float32(0.6)).astype(np.uint8)
    for row in range(maps.layers):  # a row of tiles is drawn as one wide picture
        strip = np.hstack(list(levels[row]))
        lit = heatmap.paint_levels(np.tile(thumbnail, (1, maps.heads, 1)), strip, settings, alone)
        for head, box in enumerate(plan.tiles[row]):
            blend.paste(picture, lit[:, head * size[1] : (head + 1) * size[1]], box)
    _label(picture, plan, layer, settings)

    if plan.panels:
        large = Frame(resample.thumbnail(frame.pixels, plan.panels[0].size), frame.index, frame.pts_seconds)
        which = f"head {settings.head}" if isinstance(settings.head, int) else f"{settings.head} of heads"
        which = "all heads" if settings.head == "all" else which
        names = (
            (f"layer {layer} · {which}", f"L{layer}"),
            (f"{100 * settings.threshold:.0f} % of the mass", "mask"),
            ("frame",),
        )
        for number, (box, texts) in enumerate(zip(plan.panels, names, strict=False)):
            with markup.inside(box.top, box.left):
                tile = large.pixels if number == 2 else (heatmap, mask)[number].draw(large, maps, settings, memory)
            blend.paste(picture, tile, box)
            height = labels.text_size(box.size)
            fitting = [text for text in texts if labels.pill_extent(text, height)[1] <= box.width]
            if fitting:
                labels.label(picture, fitting[0], box, height)
    return picture


def tiles(size: tuple[int, int], maps: Maps, settings: Settings) -> list[Tile]:
    """The enlargements, then every thumbnail with its layer and head."""
    plan = arrange(size, maps.layers, maps.heads)
    thumbnails = [Tile(box, layer, head) for layer, row in enumerate(plan.tiles) for head, box in enumerate(row)]
    return [*(Tile(box, None, None) for box in plan.panels), *thumbnails]


def arrange(size: tuple[int, int], layers: int, heads: int) -> Plan:
    """The layout for a picture of this size.

    Thumbnails have the frame's aspect. Where there are more layers than heads they leave a part of the picture free on
    the right, otherwise below: it goes to enlargements of what is chosen. Where they nearly fill the picture they are
    stretched a little to fill it.
    """
    height, width = size
    edge = geometry.gutter(size)
    gutter = max(1, edge // 2)
    text = int(np.clip(0.45 * height / (layers + 1), 9, 2 * edge + 10))
    line, letters = labels.text_extent(f"L{layers - 1}", text)
    area = Box(line + 2 * edge, letters + 2 * edge, height - line - 3 * edge, width - letters - 3 * edge)

    aspect = width / height
    tall = max(1.0, (area.height - gutter * (layers - 1)) / layers)
    wide = max(1.0, (area.width - gutter * (heads - 1)) / heads)
    right = 1 - (tall * aspect) / wide
    below = 1 - wide / (tall * aspect)
    panels: list[Box] = []
    if max(right, below) < 0.25:
        aspect = wide / tall
    tile = (max(1, int(min(tall, wide / aspect) + 1e-6)), max(1, int(min(wide, tall * aspect) + 1e-6)))
    block = (tile[0] * layers + gutter * (layers - 1), tile[1] * heads + gutter * (heads - 1))
    if right >= 0.25:
        room = Box(area.top, area.left + block[1] + 2 * edge, block[0], area.width - block[1] - 2 * edge)
        count = int(np.clip(round(room.height / (room.width / aspect + edge)), 1, 3))
        panels = geometry.tile_boxes(room, count, 1, edge, aspect)
    elif below >= 0.25:
        room = Box(area.top + block[0] + 2 * edge, area.left, area.height - block[0] - 2 * edge, block[1])
        count = int(np.clip(round(room.width / (room.height * aspect + edge)), 1, 3))
        panels = geometry.tile_boxes(room, 1, count, edge, aspect)
    tiles = [
        [
            Box(area.top + row * (tile[0] + gutter), area.left + column * (tile[1] + gutter), *tile)
            for column in range(heads)
        ]
        for row in range(layers)
    ]
    return Plan(tiles, panels, text)


def _label(picture: Pixels, plan: Plan, layer: int, settings: Settings) -> None:
    """Write the numbers of rows and columns that fit, and mark the chosen layer or head."""
    edge = geometry.gutter((picture.shape[0], picture.shape[1]))
    line = labels.text_extent(f"L{len(plan.tiles) - 1}", plan.text)[0]
    first = plan.tiles[0][0]

    pitch = plan.tiles[1][0].top - first.top if len(plan.tiles) > 1 else line
    for row in _with_room(len(plan.tiles), pitch, line, layer):
        box = plan.tiles[row][0]
        top = box.top + (box.height - line) // 2
        left = first.left - edge - labels.text_extent(f"L{row}", plan.text)[1]
        labels.write(picture, f"L{row}", top, left, plan.text, palette.ACCENT if row == layer else palette.FAINT)

    heads = plan.tiles[0]
    chosen = settings.head if isinstance(settings.head, int) else None
    pitch = heads[1].left - first.left if len(heads) > 1 else first.width
    broadest = labels.text_extent(f"H{len(heads) - 1}", plan.text)[1] + 2
    for head in _with_room(len(heads), pitch, broadest, chosen):
        box = heads[head]
        left = box.left + (box.width - labels.text_extent(f"H{head}", plan.text)[1]) // 2
        color = palette.ACCENT if head == chosen else palette.FAINT
        labels.write(picture, f"H{head}", first.top - edge - line, left, plan.text, color)

    around = max(1, edge // 2)
    marked = plan.tiles[layer] if chosen is None else [plan.tiles[layer][chosen]]
    left, right = marked[0].left - around, marked[-1].left + marked[-1].width + around
    box = Box(marked[0].top - around, left, marked[0].height + 2 * around, right - left)
    blend.frame_box(picture, box, palette.ACCENT, around)


def _with_room(count: int, pitch: int, extent: int, chosen: int | None) -> list[int]:
    """Which of a row of labels to write: each, every second, ...; the chosen one replaces those that would touch it."""
    step = -(-extent // max(1, pitch))
    written = list(range(0, count, step))
    if chosen is None or chosen in written:
        return written
    return sorted([place for place in written if abs(place - chosen) >= step] + [chosen])

"""The figures for papers and talks: all heads of all layers, the heads of one layer, or models compared.

Every function takes a frame and the maps of it, and returns a Matplotlib figure, which can be saved as PNG, PDF or SVG
(where text stays text) or shown in a notebook.

All maps of a figure share one scale, in multiples of each map's mean: uniform attention is 1. If each map had its own
range, as is the custom, rounding in the softmax of an untrained network would look like a finding; `scale="each"` does
that, and the figure then says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rtviz.drawing import palette
from rtviz.errors import SettingsError, no_heads
from rtviz.figures.layout import (
    EDGE,
    GAP,
    LINE,
    SMALL,
    TALLEST,
    Page,
    Tile,
    fitting_tiles,
    picture,
    rows_of_tiles,
    text_length,
)
from rtviz.figures.rows import draw_masks, masks_note, query_words, row_of
from rtviz.figures.scale import Colors, Scale, colors_of
from rtviz.figures.style import style
from rtviz.figures.view_pages import view_page
from rtviz.frame import Frame, Maps, Pixels
from rtviz.settings import Query, Settings
from rtviz.views.selection import layer_of
from rtviz.words import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LEAST_BARE = 0.09  # of layers by heads, whose titles are numbers


def layers_by_heads(
    frame: Frame | Pixels,
    maps: Maps,
    settings: Settings | None = None,
    width: float = 6.9,
    scale: Scale = "common",
    *,
    labels: bool = True,
    bar: bool = True,
) -> Figure:
    """Every layer and head: a row for each layer, a column for each head, below the frame.

    Args:
        frame: the frame that the maps are of.
        maps: the prediction of the model.
        settings: colormap, gamma, upsampling; `Settings()` if not given.
        width: inches, 2 to 100.
        scale: of the colours, "common" to all maps, or of "each" alone.
        labels: False leaves out all words.
        bar: False leaves out the colour bar.

    Raises:
        SettingsError: the model has no heads; the width or the scale is not allowed, or leaves no room.
        ValueError: the maps are of a frame of another shape.
    """
    settings, whole = settings or Settings(), _frame(frame, [maps])
    _refuse_without_heads(maps)
    colors = colors_of([*maps.attention.reshape(-1, *maps.grid)], settings, scale)
    with style():
        page = Page(width, labels, bar)
        numbers = page.line() + text_length(f"{maps.layers}") + 0.03 if labels else 0.0
        room = width - 2 * EDGE - numbers
        tile = (room - (maps.heads - 1) * GAP / 2) / maps.heads
        if tile < _LEAST_BARE:
            least = math.ceil(10 * (maps.heads * (_LEAST_BARE + GAP / 2) + numbers + 2 * EDGE)) / 10
            raise SettingsError("width", width, f"at least {least:g} inches for {maps.heads} heads")
        aspect = whole.size[0] / whole.size[1]
        tile = min(tile, TALLEST / aspect)
        size = tile * aspect, tile
        shape = f"{counted(maps.layers, 'layer')}, {counted(maps.heads, 'head')} each"
        _opening(
            page, whole, maps.query, [(maps.model, f"{shape}; {query_words(maps)}")], [], colors, min(1.0, width / 3)
        )
        page.down(GAP)
        left = EDGE + numbers
        across = maps.heads * tile + (maps.heads - 1) * GAP / 2
        page.text("head", left + across / 2, align="center")
        page.down(page.line())
        for head in range(0, maps.heads, math.ceil(text_length("00 ") / tile) if tile < text_length("00 ") else 1):
            page.text(f"{head}", left + head * (tile + GAP / 2) + tile / 2, align="center", color="black")
        page.down(page.line())
        top = page.y
        every = math.ceil(LINE[SMALL] / (size[0] + GAP / 2))
        for layer in range(maps.layers):
            if layer % every == 0:
                page.text(f"{layer}", left - 0.03, align="right", middle=size[0], color="black")
            for head in range(maps.heads):
                place = left + head * (tile + GAP / 2)
                page.tile(place, size, colors.drawer(maps.attention[layer, head], whole, size))
            page.down(size[0] + GAP / 2)
        page.text("layer", EDGE, align="left", middle=page.y - top, top=top, upright=True)
        return page.figure()


def heads(
    frame: Frame | Pixels,
    maps: Maps,
    settings: Settings | None = None,
    width: float = 6.9,
    scale: Scale = "common",
    *,
    labels: bool = True,
    bar: bool = True,
) -> Figure:
    """The frame, every head of one layer, and in one picture every head's mask of the top share of its mass, each in a
    colour of its own: as figures 1 and 3 of Caron et al. (2021) show heads. Where masks meet, the colour is that of the
    head that attends there most, in multiples of its mean.

    Args:
        frame: the frame that the maps are of.
        maps: the prediction of the model.
        settings: layer, threshold, colormap, gamma, upsampling; `Settings()` if not given.
        width: inches, 2 to 100.
        scale: of the colours, "common" to all maps, or of "each" alone.
        labels: False leaves out all words.
        bar: False leaves out the colour bar.

    Raises:
        SettingsError: the maps have no such layer, or the model no heads; the width or the scale is not allowed.
        ValueError: the maps are of a frame of another shape.
    """
    settings, whole = settings or Settings(), _frame(frame, [maps])
    _refuse_without_heads(maps)
    layer = layer_of(maps, settings)
    attention = maps.attention[layer]
    colors = colors_of(attention, settings, scale)
    with style():
        page = Page(width, labels, bar)
        across, tile = fitting_tiles(maps.heads + 2, page, whole)
        page.heading(maps.model, f"layer {layer}; {query_words(maps)}")
        page.down(0.02)
        share = f"top {100 * settings.threshold:.0f} %"
        tiles = [Tile(("input",), picture(whole.pixels, maps.query))]
        tiles += [
            Tile((f"head {head}", f"{head}"), colors.drawer(values, whole, tile), palette.head_color(head))
            for head, values in enumerate(attention)
        ]
        masked = draw_masks(attention, range(maps.heads), whole, settings)
        tiles.append(Tile((f"{share} of each head", f"{share} of each", share), picture(masked)))
        rows_of_tiles(page, tiles, across, tile)
        page.down(0.03)
        colors.bar(page, EDGE, page.width - 2 * EDGE)
        note = (
            f"Last picture: the {share} of each head in its frame's colour; where they meet, that of the head that "
            "attends there most."
        )
        page.paragraph(note, EDGE, page.width - 2 * EDGE)
        return page.figure()


def compare(
    frame: Frame | Pixels,
    predictions: Mapping[str, Maps | str],
    settings: Settings | None = None,
    width: float = 6.9,
    scale: Scale = "common",
    *,
    labels: bool = True,
    bar: bool = True,
) -> Figure:
    """Models below each other: of each the mask that holds the top share of one head's mass, below the frame, and
    beside it all heads of the layer.

    The head is the one whose mask covers the frame's objects best, as in figure 4 of Caron et al. (2021), if the frame
    knows them (`Frame.masks`); several objects may have several best heads, and their Jaccard index is written beside
    the name. Else it is the one that stands out (`rtviz.analysis.head_stats.standing_out`), or the mean over heads if
    none does. A model without heads shows the class activation map of each stage, and the mask of the chosen stage, or
    of its last one if it has no such stage. If its maps lack the chosen method, such as Grad-CAM of a model without a
    classifier, it shows another method and says so.

    Args:
        frame: the frame that the maps are of.
        predictions: the maps of each model, by the name that is written above them; a text in place of maps says why
            there are none.
        settings: layer (from the end, where the models have different numbers), threshold, colormap, gamma, upsampling;
            for models without heads also cam and target.
        width: inches, 2 to 100.
        scale: of the colours, "common" to all maps, or of "each" alone.
        labels: False leaves out all words.
        bar: False leaves out the colour bar.

    Raises:
        SettingsError: the maps of a model with heads have no such layer; the width or the scale is not allowed.
        ValueError: there are no maps at all, or they are of a frame of another shape.
    """
    settings = settings or Settings()
    there = {name: maps for name, maps in predictions.items() if isinstance(maps, Maps)}
    if not there:
        raise ValueError("a comparison needs the maps of at least one model")
    whole = _frame(frame, there.values())
    rows = {name: row_of(whole, maps, settings) for name, maps in there.items()}
    colors = colors_of([values for row in rows.values() for _, values in row.maps], settings, scale)
    with style():
        page = Page(width, labels, bar)
        most = max(len(row.maps) for row in rows.values())
        across, tile = fitting_tiles(most + 1, page, whole, first=1)
        share = f"{100 * settings.threshold:.0f} %"
        notes = [masks_note(whole, there.values(), share)]
        queries = {maps.query for maps in there.values()}
        _opening(page, whole, queries.pop() if len(queries) == 1 else "cls", [], notes, colors, tile[1])
        for name, maps in predictions.items():
            page.down(0.05)
            if isinstance(maps, str):
                page.heading(name, maps)
                continue
            row = rows[name]
            page.heading(name, row.remark)
            page.down(0.01)
            mask = Tile((f"{row.of}, top {share}", row.of), picture(row.masked, maps.query))
            tiles = [
                Tile(titles, colors.drawer(values, whole, tile), row.framed.get(number))
                for number, (titles, values) in enumerate(row.maps)
            ]
            for start in range(0, len(tiles), across - 1):
                line = tiles[start : start + across - 1]
                rows_of_tiles(page, [mask if start == 0 else None, *line], across, tile)
        return page.figure()


def one_view(
    frame: Frame | Pixels,
    maps: Maps,
    settings: Settings,
    width: float = 6.9,
    scale: Scale = "common",
    *,
    labels: bool = True,
    bar: bool = True,
) -> Figure:
    """One view beside the input, with what its values are: token norms, both directions of attention, similarity to a
    reference with the best matches, the classes of prompts, principal components or one of them.

    Args:
        frame: the frame that the maps are of.
        maps: the prediction of the model, with what the view needs (`rtviz.Engine.predict` with these settings).
        settings: view and its options, layer, head, colormap, gamma, upsampling.
        width: inches, 2 to 100.
        scale: of the colours of the view directions, "common" to both maps, or of "each" alone.
        labels: False leaves out all words.
        bar: False leaves out the colour bar.

    Raises:
        SettingsError: there is no page of this view; the model has no heads or no such layer; the width is not allowed.
        ValueError: the maps are of a frame of another shape, or lack what the view needs.
    """
    whole = _frame(frame, [maps])
    _refuse_without_heads(maps)
    return view_page(whole, maps, settings, width, scale, labels, bar)


def _refuse_without_heads(maps: Maps) -> None:
    if not maps.has_attention:
        raise no_heads(maps.model)


def _frame(frame: Frame | Pixels, predictions: Iterable[Maps]) -> Frame:
    """The frame of the maps, checked.

    Raises:
        ValueError: they are of a frame of another shape.
    """
    frame = frame if isinstance(frame, Frame) else Frame(frame)
    height, width = frame.size
    for maps in predictions:
        rows, columns = maps.input_size
        # The model's input has the frame's shape, rounded to whole patches.
        slack = 1 + maps.patch_size / min(rows, columns)
        if not 1 / slack <= (rows / columns) / (height / width) <= slack:
            raise ValueError(
                f"{maps.model} ran on a frame of another shape: its input had {columns}x{rows} pixels, and this frame "
                f"has {width}x{height}; allowed: the frame that the maps are of"
            )
    return frame


def _opening(
    page: Page,
    frame: Frame,
    query: Query,
    named: Sequence[tuple[str, str]],
    notes: Sequence[str],
    colors: Colors,
    wide: float,
) -> None:
    """Places what a figure begins with: the frame, and beside it what is shown and what the colours mean."""
    size = wide * frame.size[0] / frame.size[1], wide
    if size[0] > TALLEST / 2:
        size = TALLEST / 2, TALLEST / 2 * frame.size[1] / frame.size[0]
    top = page.y
    rows_of_tiles(page, [Tile(("input",), picture(frame.pixels, query))], 1, size)
    below, page.y = page.y, top + page.line()
    left = EDGE + size[1] + 0.1
    room = page.width - EDGE - left
    for name, remark in named:
        page.heading(name, remark, left)
    for note in notes:
        page.paragraph(note, left, room)
    page.down(0.05)
    colors.bar(page, left, room)
    page.y = max(page.y, below)

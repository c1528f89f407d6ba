"""Figures for papers and talks: what a model attends to, drawn with Matplotlib.

Every function takes a frame and what models saw of it, and gives a Matplotlib figure, to be saved as PNG, PDF or SVG
(texts stay texts there) or shown in a notebook.

All maps of a figure share one scale, so that an even map looks even: a value counts in multiples of its map's mean,
which is what attention is worth where it is spread evenly. Drawn each in its own range, as is the custom, the rounding
of an untrained network's softmax would look like a finding; `scale="each"` does so, and the figure then says it.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from rtviz.analysis.head_stats import standing_out
from rtviz.drawing import compose
from rtviz.errors import (
    MissingDependency,
    OutputExists,
    OutputUnwritable,
    SettingsError,
    lacks_classifier,
    no_heads,
)
from rtviz.frame import Floats, Frame, Maps, Pixels
from rtviz.settings import METHOD_TITLES, Query, Settings
from rtviz.sinks import check_folder
from rtviz.views import mask as mask_view
from rtviz.views.cam import positive, stage_map
from rtviz.views.overlap import overlap
from rtviz.views.requirements import fit
from rtviz.views.selection import layer_of
from rtviz.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".pdf", ".svg")
Scale = Literal["common", "each"]
SCALES: tuple[Scale, ...] = get_args(Scale)

# What Matplotlib is told for all of them: text as text, the faces that journals ask for, sizes as in a paper's column.
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Arial", "Helvetica", "Liberation Sans", "Nimbus Sans", "DejaVu Sans"],
    "font.size": 6,
    "axes.linewidth": 0.4,
    "xtick.major.size": 1.5,
    "xtick.major.width": 0.4,
    "xtick.major.pad": 1.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "rtviz",
    "pdf.fonttype": 42,
    "savefig.dpi": 300,
    "figure.dpi": 150,
}
# Inches, and points where letters are meant. Nothing is ever smaller than `_SMALL`.
_SMALL, _NAME = 6, 7
_LINE = {_SMALL: 0.105, _NAME: 0.14}
_EDGE, _GAP = 0.02, 0.04
_LEAST_TILE = 0.62  # a tile with a title is not made narrower: its row is broken
_LEAST_BARE = 0.09  # of layers by heads, whose titles are numbers
_TALLEST = 2.4
_WIDTHS = (2.0, 100.0)
_HIGHEST = 200.0
_FAINT = "0.4"
# Where the common scale may end, in multiples of a map's mean: the first that leaves out next to nothing of most maps,
# so that a single one with a spike does not darken all others; and never so low that an untrained network's maps
# (up to 2 or 3) look like more than they are.
_TOPS, _NEARLY_ALL, _MOST_MAPS = (8, 12, 16, 24, 32), 0.995, 0.9
_MARKS = (0, 1, 2, 4, 8, 16, 32)
_DOTS = 300  # an inch: how finely maps are drawn, if the patches are large enough


def layers_by_heads(
    frame: Frame | Pixels,
    maps: Maps,
    settings: Settings | None = None,
    width: float = 6.9,
    scale: Scale = "common",
) -> Figure:
    """Every layer and head: a row for each layer, a column for each head, below the frame.

    Args:
        frame: what was looked at.
        maps: what the model saw of it.
        settings: colormap, gamma, upsampling; `Settings()` if not given.
        width: inches, 2 to 100.
        scale: of the colours, "common" to all maps, or of "each" alone.

    Raises:
        SettingsError: the model has no heads; the width or the scale is not allowed, or leaves no room.
        ValueError: the maps are of a frame of another shape.
    """
    settings, whole = settings or Settings(), _frame(frame, [maps])
    _refuse_without_heads(maps)
    colors = _colors([*maps.attention.reshape(-1, *maps.grid)], settings, scale)
    with _style():
        page = _Page(width)
        numbers = _LINE[_SMALL] + _length(f"{maps.layers}") + 0.03
        room = width - 2 * _EDGE - numbers
        tile = (room - (maps.heads - 1) * _GAP / 2) / maps.heads
        if tile < _LEAST_BARE:
            least = math.ceil(10 * (maps.heads * (_LEAST_BARE + _GAP / 2) + numbers + 2 * _EDGE)) / 10
            raise SettingsError("width", width, f"at least {least:g} inches for {maps.heads} heads")
        aspect = whole.size[0] / whole.size[1]
        tile = min(tile, _TALLEST / aspect)
        size = tile * aspect, tile
        shape = f"{counted(maps.layers, 'layer')}, {counted(maps.heads, 'head')} each"
        _opening(page, whole, maps.query, [(maps.model, f"{shape}; {_query(maps)}")], [], colors, min(1.0, width / 3))
        page.down(_GAP)
        left = _EDGE + numbers
        across = maps.heads * tile + (maps.heads - 1) * _GAP / 2
        page.text("head", left + across / 2, align="center")
        page.down(_LINE[_SMALL])
        for head in range(0, maps.heads, math.ceil(_length("00 ") / tile) if tile < _length("00 ") else 1):
            page.text(f"{head}", left + head * (tile + _GAP / 2) + tile / 2, align="center", color="black")
        page.down(_LINE[_SMALL])
        top = page.y
        every = math.ceil(_LINE[_SMALL] / (size[0] + _GAP / 2))
        for layer in range(maps.layers):
            if layer % every == 0:
                page.text(f"{layer}", left - 0.03, align="right", middle=size[0], color="black")
            for head in range(maps.heads):
                place = left + head * (tile + _GAP / 2)
                page.tile(place, size, colors.drawer(maps.attention[layer, head], whole, size))
            page.down(size[0] + _GAP / 2)
        page.text("layer", _EDGE, align="left", middle=page.y - top, top=top, upright=True)
        return page.figure()


def heads(
    frame: Frame | Pixels,
    maps: Maps,
    settings: Settings | None = None,
    width: float = 6.9,
    scale: Scale = "common",
) -> Figure:
    """The frame, every head of one layer, and in one picture every head's mask of the top share of its mass, each in a
    colour of its own: as figures 1 and 3 of Caron et al. (2021) show heads. Where masks meet, the colour is that of the
    head that attends there most, in multiples of its mean.

    Args:
        frame: what was looked at.
        maps: what the model saw of it.
        settings: layer, threshold, colormap, gamma, upsampling; `Settings()` if not given.
        width: inches, 2 to 100.
        scale: of the colours, "common" to all maps, or of "each" alone.

    Raises:
        SettingsError: the maps have no such layer, or the model no heads; the width or the scale is not allowed.
        ValueError: the maps are of a frame of another shape.
    """
    settings, whole = settings or Settings(), _frame(frame, [maps])
    _refuse_without_heads(maps)
    layer = layer_of(maps, settings)
    attention = maps.attention[layer]
    colors = _colors(attention, settings, scale)
    with _style():
        page = _Page(width)
        across, tile = _tiles(maps.heads + 2, page, whole)
        page.heading(maps.model, f"layer {layer}; {_query(maps)}")
        page.down(0.02)
        share = f"top {100 * settings.threshold:.0f} %"
        tiles = [_Tile(("input",), _picture(whole.pixels, maps.query))]
        tiles += [
            _Tile((f"head {head}", f"{head}"), colors.drawer(values, whole, tile), compose.head_color(head))
            for head, values in enumerate(attention)
        ]
        masked = _masked(attention, range(maps.heads), whole, settings)
        tiles.append(_Tile((f"{share} of each head", f"{share} of each", share), _picture(masked)))
        _rows(page, tiles, across, tile)
        page.down(0.03)
        colors.bar(page, _EDGE, page.width - 2 * _EDGE)
        note = (
            f"Last picture: the {share} of each head in its frame's colour; where they meet, that of the head that "
            "attends there most."
        )
        page.paragraph(note, _EDGE, page.width - 2 * _EDGE)
        return page.figure()


def compare(
    frame: Frame | Pixels,
    seen: Mapping[str, Maps | str],
    settings: Settings | None = None,
    width: float = 6.9,
    scale: Scale = "common",
) -> Figure:
    """Models below each other: of each the mask that holds the top share of one head's mass, below the frame, and
    beside it all heads of the layer.

    The head is the one whose mask covers the frame's objects best, as in figure 4 of Caron et al. (2021), if the frame
    knows them (`Frame.masks`): then its Jaccard index is told, and of several objects each has its own. Else it is the
    one that stands out (`rtviz.analysis.head_stats.standing_out`), or where none does the mean over heads. A model
    without heads shows what each of its stages responds to, and the mask of the chosen stage, or of its last where it
    has no such one; what its maps do not hold, such as a class's of a model without a classifier, it shows by another
    method, and says so.

    Args:
        frame: what was looked at.
        seen: what each model saw of it, by the name that is written above it; a text in place of maps says why there
            are none.
        settings: layer (from the end, where the models have different numbers), threshold, colormap, gamma, upsampling;
            for models without heads also cam and target.
        width: inches, 2 to 100.
        scale: of the colours, "common" to all maps, or of "each" alone.

    Raises:
        SettingsError: the maps of a model with heads have no such layer; the width or the scale is not allowed.
        ValueError: there are no maps at all, or they are of a frame of another shape.
    """
    settings = settings or Settings()
    there = {name: maps for name, maps in seen.items() if isinstance(maps, Maps)}
    if not there:
        raise ValueError("a comparison needs the maps of at least one model")
    whole = _frame(frame, there.values())
    rows = {name: _row(whole, maps, settings) for name, maps in there.items()}
    colors = _colors([values for row in rows.values() for _, values in row.maps], settings, scale)
    with _style():
        page = _Page(width)
        most = max(len(row.maps) for row in rows.values())
        across, tile = _tiles(most + 1, page, whole, first=1)
        share = f"{100 * settings.threshold:.0f} %"
        notes = [_masks_note(whole, there.values(), share)]
        queries = {maps.query for maps in there.values()}
        _opening(page, whole, queries.pop() if len(queries) == 1 else "cls", [], notes, colors, tile[1])
        for name, looked in seen.items():
            page.down(0.05)
            if isinstance(looked, str):
                page.heading(name, looked)
                continue
            row = rows[name]
            page.heading(name, row.said)
            page.down(0.01)
            mask = _Tile((f"{row.of}, top {share}", row.of), _picture(row.masked, looked.query))
            tiles = [
                _Tile(titles, colors.drawer(values, whole, tile), row.framed.get(number))
                for number, (titles, values) in enumerate(row.maps)
            ]
            for start in range(0, len(tiles), across - 1):
                line = tiles[start : start + across - 1]
                _rows(page, [mask if start == 0 else None, *line], across, tile)
        return page.figure()


def check(path: str | Path, *, overwrite: bool = False) -> Path:
    """Say before any work is done what would fail after it.

    Raises:
        SettingsError: the suffix is none of .png, .pdf, .svg.
        OutputExists: it is there already.
        OutputUnwritable: it is a folder, or its own folder is closed or none.
        MissingDependency: Matplotlib is not installed.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise SettingsError("output", str(path), f"a name that ends in {', '.join(SUFFIXES)}")
    if path.is_dir():
        raise OutputUnwritable(f"cannot write {path}: it is a folder")
    if path.exists() and not overwrite:
        raise OutputExists(f"{path} exists; --overwrite replaces it")
    check_folder(path)
    _style()
    return path


def save(figure: Figure, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a figure; the suffix says as what. Folders that are not there are made.

    Raises:
        SettingsError, OutputExists, OutputUnwritable, MissingDependency: as `check` says, or it cannot be written.
    """
    path = check(path, overwrite=overwrite)
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")
    # Without a date, so that the same figure is the same file.
    dated = {".pdf": "CreationDate", ".svg": "Date"}.get(path.suffix.lower())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _style():
            figure.savefig(partial, metadata={dated: None} if dated else {})
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputUnwritable(f"cannot write {path}: {error.strerror or error}") from error


def check_width(width: float) -> float:
    """The width of a figure, in inches.

    Raises:
        SettingsError: no figure can be so wide.
    """
    low, high = _WIDTHS
    if not low <= width <= high:
        raise SettingsError("width", width, f"inches from {low:g} to {high:g}; a journal's column is about 3.3")
    return width


# --- what is said and chosen -----------------------------------------------------------------------------------------


def _refuse_without_heads(maps: Maps) -> None:
    if not maps.has_attention:
        raise no_heads(maps.model)


def _frame(frame: Frame | Pixels, seen: Iterable[Maps]) -> Frame:
    """The frame that maps are drawn beside.

    Raises:
        ValueError: they are of a frame of another shape.
    """
    frame = frame if isinstance(frame, Frame) else Frame(frame)
    height, width = frame.size
    for maps in seen:
        rows, columns = maps.input_size
        # What a model sees has the shape of the frame, but for whole patches.
        slack = 1 + maps.patch_size / min(rows, columns)
        if not 1 / slack <= (rows / columns) / (height / width) <= slack:
            raise ValueError(
                f"{maps.model} saw a frame of another shape: {columns}x{rows} pixels of it, and this one has "
                f"{width}x{height}; allowed: the frame that the maps are of"
            )
    return frame


def _query(maps: Maps) -> str:
    return "query: CLS" if maps.query == "cls" else f"query: the patch at {maps.query.x:g}, {maps.query.y:g} (+)"


@dataclass(frozen=True)
class _Row:
    """What a comparison shows of one model.

    Attributes:
        said: what stands after its name.
        maps: each with its title, long and short.
        masked: the frame with the mask.
        of: what the mask is of, in words.
        framed: which of the maps it is of, and in which colour.
    """

    said: str
    maps: list[tuple[tuple[str, ...], Floats]]
    masked: Pixels
    of: str
    framed: Mapping[int, compose.Color]


def _row(frame: Frame, maps: Maps, settings: Settings) -> _Row:
    if not maps.has_attention:
        return _stages_row(frame, maps, settings)
    layer = layer_of(maps, settings)
    found = None if frame.masks is None else overlap(maps, settings, frame.masks)
    one = standing_out(maps.attention[layer]) if found is None else None
    shown = tuple(sorted(set(found.heads))) if found is not None else (one,) if one is not None else ()
    said = [f"layer {layer}", _query(maps), *([str(found)] if found is not None else [])]
    attention = maps.attention[layer]
    if shown:
        masked = _masked(attention, shown, frame, settings)
    else:
        mask = compose.mask_pixels(
            attention.mean(axis=0), settings.threshold, frame.size, settings.upsampling, frame.pixels
        )
        masked = mask_view.tint(frame.pixels, mask, mask_view.mask_color("mean"), 0.8)
    of = "mean of heads" if not shown else f"head{'s' if len(shown) > 1 else ''} {', '.join(map(str, shown))}"
    named: list[tuple[tuple[str, ...], Floats]] = [
        ((f"head {head}", f"{head}"), values) for head, values in enumerate(attention)
    ]
    return _Row("; ".join(said), named, masked, of, {head: mask_view.mask_color(head) for head in shown})


def _stages_row(frame: Frame, maps: Maps, settings: Settings) -> _Row:
    """Of a model without heads: what each stage responds to, but of Grad-CAM the one map that there is."""
    fitting = fit(settings.replace(view="mask"), maps)
    held = positive(stage_map(maps, fitting))
    number = layer_of(maps, fitting)
    said = ["no heads", f"{METHOD_TITLES[fitting.cam]} of its {'stage' if fitting.cam == 'grad' else 'stages'}"]
    if settings.cam == "grad" and fitting.cam != "grad":
        said[1] += f" ({lacks_classifier(maps.model).removeprefix(maps.model).strip()})"
    if not -maps.layers <= settings.layer < maps.layers:
        said.append(
            f"there is no stage {settings.layer}: the mask is of its {'last' if settings.layer > 0 else 'first'}"
        )
    explained = maps.explained
    shown: list[tuple[tuple[str, ...], Floats]]
    if fitting.cam == "grad" and explained is not None:
        number = explained.layer
        name = explained.name or f"class {explained.number}"
        shown = [((f"stage {number}: {name}", name, f"stage {number}"), held)]
    else:
        stages = maps.cams[fitting.cam]
        shown = [((f"stage {n}", f"{n}"), positive(values)) for n, values in enumerate(stages)]
    found = None if frame.masks is None else overlap(maps, fitting, frame.masks)
    if found is not None:
        said.append(str(found).removesuffix(", no heads"))
    mask = compose.mask_pixels(held, settings.threshold, frame.size, settings.upsampling, frame.pixels)
    masked = mask_view.tint(frame.pixels, mask, mask_view.mask_color("mean"), 0.8)
    place = 0 if len(shown) == 1 else number
    return _Row("; ".join(said), shown, masked, f"stage {number}", {place: mask_view.mask_color("mean")})


def _masks_note(frame: Frame, seen: Iterable[Maps], share: str) -> str:
    """What the masks of a comparison are of."""
    if not any(maps.has_attention for maps in seen):
        return f"Masks: the top {share} of what a stage responds to."
    if frame.masks is not None and frame.masks.any():
        of = "one head, the one that covers each object best (Jaccard index)"
    else:
        of = "the head that the others agree with most, or of the mean over heads where no head stands out"
    return f"Masks: the top {share} of the attention of {of}."


def _masked(attention: Floats, heads: Sequence[int], frame: Frame, settings: Settings) -> Pixels:
    """The frame with the masks of some heads, each in its colour; where they meet, the head's that attends there most.

    Several are laid on a grey frame: on its own colours theirs could not be told.
    """
    attention = attention[list(heads)]
    masks = compose.mask_pixels(attention, settings.threshold, frame.size, settings.upsampling, frame.pixels)
    if len(heads) == 1:
        return mask_view.tint(frame.pixels, masks[0], mask_view.mask_color(heads[0]), 0.8)
    worth = _in_means(attention)
    fine = compose.upsample(worth / max(float(worth.max()), 1e-12), frame.size, settings.upsampling, frame.pixels)
    first = np.where(masks > 0, fine.astype(np.int16), -1).argmax(axis=0)
    apart = np.zeros((max(heads) + 1, *frame.size), np.uint8)
    for place, head in enumerate(heads):
        apart[head] = np.where(first == place, masks[place], 0)
    grey = np.repeat(frame.pixels.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    return mask_view.all_heads(grey, apart, 1.0, alone=False)


# --- colours ---------------------------------------------------------------------------------------------------------


def _in_means(values: Floats) -> Floats:
    """Maps [..., rows, columns] in multiples of the mean of each: an even map is 1 everywhere."""
    means = values.mean(axis=(-2, -1), keepdims=True, dtype=np.float64)
    return np.asarray(values / np.maximum(means, 1e-12), np.float32)


@dataclass(frozen=True)
class _Colors:
    """How the maps of a figure become colours.

    Attributes:
        top: where the common scale ends, in multiples of a map's mean; None if each map has its own range.
        clipped: whether a map goes beyond that.
    """

    settings: Settings
    top: float | None
    clipped: bool = False

    @property
    def _gamma(self) -> float:
        # Attention spans orders of magnitude: the root shows a head that spreads over the ground beside one that sits
        # on a spot, and leaves an even map what it is, one colour.
        return self.settings.gamma * (0.5 if self.top is not None else 1.0)

    def values(self, values: Floats) -> Floats:
        """A map [rows, columns] as 0 to 1, the colormap's ends."""
        if self.top is not None:
            spread = np.clip(_in_means(values) / self.top, 0, 1)
        else:
            low, high = float(values.min()), float(values.max())
            # Differences that are only rounding noise of a softmax stay dark.
            spread = (values - low) / max(high - low, 1e-4 * abs(high), 1e-12)
        return np.asarray(spread**self._gamma, np.float32)

    def drawer(self, values: Floats, frame: Frame, size: tuple[float, float]) -> Callable[[Axes], None]:
        """What draws a map on a tile of that (height, width), in inches."""

        def draw(place: Axes) -> None:
            drawn = self._pixels(self.values(values), frame, size)
            place.imshow(drawn, cmap=self.settings.colormap, vmin=0, vmax=255, interpolation="nearest", aspect="auto")

        return draw

    def _pixels(self, values: Floats, frame: Frame, size: tuple[float, float]) -> Any:
        """A map enlarged so that every patch's own value is drawn in the middle of the patch, and none is exceeded.

        Matplotlib's own interpolations round peaks off. For the middle of a patch to be that of a pixel, the pixels
        along its side are an odd number.
        """
        how = self.settings.upsampling
        if how == "nearest":
            return compose.to_bytes(values)
        if how == "guided":
            return compose.upsample(values, (round(size[0] * _DOTS), round(size[1] * _DOTS)), how, frame.pixels)
        rows, columns = values.shape
        room = min(size[0] * _DOTS / rows, size[1] * _DOTS / columns)
        side = _odd(min(room, max(3, 128 / min(rows, columns))))
        again = _odd(room / side)
        fine = compose.to_bytes(compose.refine(values, (rows * side, columns * side), how))
        return compose.enlarge(fine[None], (rows * side * again, columns * side * again), how)[0]

    def bar(self, page: _Page, left: float, room: float) -> None:
        """What the colours mean."""
        length, high = min(1.5, room), 0.07
        if self.top is None:
            marks, words = {0.0: "least", 1.0: "most"}, "in each map, which has its own range"
        else:
            marks = {(mark / self.top) ** self._gamma: f"{mark}" for mark in _MARKS if mark < 0.8 * self.top}
            marks[1.0] = f"{'≥ ' if self.clipped else ''}{self.top:g}"
            words = "times the mean of the map (1: attention spread evenly)"

        def draw(place: Axes) -> None:
            place.imshow(np.linspace(0, 1, 256)[None], cmap=self.settings.colormap, aspect="auto", extent=(0, 1, 0, 1))
            place.set(yticks=[], xticks=list(marks), xticklabels=list(marks.values()))

        inset = max(map(_length, marks.values())) / 2  # the outermost words stand out by half
        page.tile(left + inset, (high, length - 2 * inset), draw)
        beside = left + length + 0.04 + inset
        if room - (beside - left) >= 1.0:
            lines = _wrapped(words, room - (beside - left))
            top = page.y + high / 2 - 0.5 * _LINE[_SMALL] * len(lines)
            for number, line in enumerate(lines):
                page.text(line, beside, top=max(top, page.y - 0.03) + number * _LINE[_SMALL])
            page.down(max(high + 0.03 + _LINE[_SMALL], len(lines) * _LINE[_SMALL]))
        else:
            page.down(high + 0.03 + _LINE[_SMALL])
            page.paragraph(words, left, room)


def _odd(most: float) -> int:
    """The largest odd number up to this, at least 1."""
    return max(1, (math.floor(most) - 1) // 2 * 2 + 1)


def _colors(maps: Iterable[Floats], settings: Settings, scale: Scale) -> _Colors:
    """The colours of all maps of a figure.

    Raises:
        SettingsError: there is no such scale.
    """
    if scale not in SCALES:
        raise SettingsError("scale", scale, SCALES)
    if scale == "each":
        return _Colors(settings, None)
    worth = [_in_means(values) for values in maps]
    wanted = float(np.quantile([np.quantile(values, _NEARLY_ALL) for values in worth], _MOST_MAPS))
    top = next((top for top in _TOPS if top >= wanted), _TOPS[-1])
    return _Colors(settings, top, clipped=any(float(values.max()) > top for values in worth))


# --- the page --------------------------------------------------------------------------------------------------------


def _style() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise MissingDependency("matplotlib", "a figure") from error
    return matplotlib.rc_context({**_STYLE, "font.family": [_family(), "sans-serif"]})


@cache
def _family() -> str:
    """The first of the fonts that is here, by name: a figure that is drawn where its style does not hold, as in a
    notebook, has the font that it was laid out with."""
    import matplotlib
    from matplotlib.font_manager import FontProperties, findfont, get_font

    with matplotlib.rc_context(_STYLE):
        return str(get_font(findfont(FontProperties())).family_name)


@cache
def _figure_class() -> Any:
    """Matplotlib's figure, which keeps its style wherever it is drawn and saved, and which a notebook shows also where
    nobody has imported pyplot."""
    import matplotlib.figure

    class Figure(matplotlib.figure.Figure):
        def draw(self, renderer: Any) -> None:
            with _style():
                super().draw(renderer)

        def savefig(self, fname: Any, **how: Any) -> None:
            with _style():  # fonts are embedded after everything is drawn
                super().savefig(fname, **how)

        def _repr_png_(self) -> bytes:
            file = io.BytesIO()
            self.savefig(file, format="png", dpi=_STYLE["figure.dpi"])
            return file.getvalue()

    return Figure


@lru_cache(maxsize=1024)
def _length(text: str, size: int = _SMALL, bold: bool = False) -> float:
    """How long a text is, in inches: as an outline, or on a screen, where hinting makes letters as broad as whole
    pixels; whichever is longer."""
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    face, dpi = FontProperties(size=size, weight="bold" if bold else "normal"), _STYLE["figure.dpi"]
    outline = text_to_path.get_text_width_height_descent(text, face, ismath=False)[0] / 72
    renderer: Any = RendererAgg(1, 1, dpi)  # type: ignore[no-untyped-call]
    hinted = renderer.get_text_width_height_descent(text, face, ismath=False)[0] / dpi
    return max(float(outline) * 1.05, float(hinted) * 1.02)


def _wrapped(text: str, room: float, size: int = _SMALL, bold: bool = False) -> list[str]:
    """A text in lines no longer than the room; a word that is too long is broken."""
    lines = [""]
    for word in text.split():
        line = f"{lines[-1]} {word}".strip()
        if _length(line, size, bold) <= room:
            lines[-1] = line
            continue
        lines += [""] if lines[-1] else []
        for letter in word:
            if lines[-1] and _length(lines[-1] + letter, size, bold) > room:
                lines.append("")
            lines[-1] += letter
    return lines


@dataclass(frozen=True)
class _Tile:
    """A picture with a title: the first of its titles that there is room for; the last, if for none."""

    titles: tuple[str, ...]
    draw: Callable[[Axes], None]
    color: compose.Color | None = None  # of a frame round it


class _Page:
    """A figure as wide as it is told and as high as what is put on it, from above down; all in inches."""

    def __init__(self, width: float) -> None:
        self.width = check_width(width)
        self.y = _EDGE
        self._draws: list[Callable[[Figure, float], None]] = []

    def down(self, inches: float) -> None:
        """Go on further below."""
        self.y += inches

    def text(
        self,
        text: str,
        left: float,
        *,
        align: str = "left",
        top: float | None = None,
        middle: float | None = None,
        upright: bool = False,
        size: int = _SMALL,
        bold: bool = False,
        color: str = _FAINT,
    ) -> None:
        """A line of text.

        Args:
            left: or where its middle or right is, as `align` says.
            top: where it begins, if not here.
            middle: it stands in the middle of so much height.
            upright: it runs upwards, in the middle of `middle`.
        """
        top = self.y if top is None else top
        how: dict[str, Any] = {"ha": align, "fontsize": size, "color": color, "parse_math": False}
        how["fontweight"] = "bold" if bold else "normal"

        def draw(figure: Figure, height: float) -> None:
            if middle is None:  # on the line's foot, so that all that stands in a line stands alike
                y, how["va"] = top + 0.78 * _LINE[size], "baseline"
            else:
                y, how["va"] = top + middle / 2, "center" if upright else "center_baseline"
            figure.text(left / self.width, 1 - y / height, text, rotation=90 if upright else 0, **how)

        self._draws.append(draw)

    def heading(self, name: str, said: str, left: float = _EDGE) -> None:
        """A name, and what is said of it behind it or, where there is no room for all, below it."""
        room = self.width - _EDGE - left
        for line in _wrapped(name, room, _NAME, bold=True):
            self.text(line, left, size=_NAME, bold=True, color="black")
            self.down(_LINE[_NAME])
        begin = _length(name, _NAME, bold=True) + 0.08
        if begin + _length(said) <= room:
            self.text(said, left + begin, top=self.y - _LINE[_NAME] + 0.78 * (_LINE[_NAME] - _LINE[_SMALL]))
        else:
            self.paragraph(said, left, room)

    def paragraph(self, text: str, left: float, room: float) -> None:
        """A text in as many lines as it needs."""
        for line in _wrapped(text, room):
            self.text(line, left)
            self.down(_LINE[_SMALL])

    def tile(
        self,
        left: float,
        size: tuple[float, float],
        draw: Callable[[Axes], None],
        color: compose.Color | None = None,
    ) -> None:
        """A picture of that (height, width), here."""
        top = self.y

        def on(figure: Figure, height: float) -> None:
            box = left / self.width, 1 - (top + size[0]) / height, size[1] / self.width, size[0] / height
            place = figure.add_axes(box, xticks=[], yticks=[])
            for spine in place.spines.values():
                spine.set_visible(color is not None)
                spine.set(edgecolor=np.asarray(color or (0, 0, 0)) / 255, linewidth=1.2)
            draw(place)

        self._draws.append(on)

    def figure(self) -> Figure:
        """All that was put on it.

        Raises:
            SettingsError: it would be higher than paper is.
        """
        height = self.y + _EDGE
        if height > _HIGHEST:
            raise SettingsError("width", self.width, f"less: the figure would be {height:.0f} inches high")
        figure: Figure = _figure_class()((self.width, height))
        for draw in self._draws:
            draw(figure, height)
        return figure


def _tiles(count: int, page: _Page, frame: Frame, first: int = 0) -> tuple[int, tuple[float, float]]:
    """In how many columns so many pictures of the frame's shape stand, and their (height, width).

    Args:
        first: so many of them stand in columns of their own; the others are broken into rows.
    """
    aspect = frame.size[0] / frame.size[1]
    room = page.width - 2 * _EDGE + _GAP
    most = max(1 + first, min(count, int(room / (_LEAST_TILE + _GAP))))
    rows = math.ceil((count - first) / (most - first))
    across = first + math.ceil((count - first) / rows)  # as even as it goes
    wide = min(room / across - _GAP, _TALLEST / aspect)
    return across, (wide * aspect, wide)


def _rows(page: _Page, tiles: Sequence[_Tile | None], across: int, size: tuple[float, float]) -> None:
    """Pictures side by side in rows, each under its title; where there is none, its place stays empty."""
    for start in range(0, len(tiles), across):
        for number, tile in enumerate(tiles[start : start + across]):
            if tile is None:
                continue
            left = _EDGE + number * (size[1] + _GAP)
            title = next((title for title in tile.titles if _length(title) <= size[1] + _GAP / 2), tile.titles[-1])
            page.text(title, left + size[1] / 2, align="center", color="black")
            page.y, top = page.y + _LINE[_SMALL], page.y
            page.tile(left, size, tile.draw, tile.color)
            page.y = top
        page.down(_LINE[_SMALL] + size[0] + _GAP)


def _picture(pixels: Pixels, query: Query = "cls") -> Callable[[Axes], None]:
    """What draws a picture, with the query's place marked in it."""

    def draw(place: Axes) -> None:
        place.imshow(pixels, aspect="auto")
        if query != "cls":
            for color, broad in (("black", 2.0), ("white", 0.9)):
                spot = query.x * pixels.shape[1] - 0.5, query.y * pixels.shape[0] - 0.5
                place.plot(*spot, marker="+", markersize=6 + broad, markeredgewidth=broad, color=color)

    return draw


def _opening(
    page: _Page,
    frame: Frame,
    query: Query,
    named: Sequence[tuple[str, str]],
    notes: Sequence[str],
    colors: _Colors,
    wide: float,
) -> None:
    """What a figure begins with: the frame, and beside it what is shown and what the colours mean."""
    size = wide * frame.size[0] / frame.size[1], wide
    if size[0] > _TALLEST / 2:
        size = _TALLEST / 2, _TALLEST / 2 * frame.size[1] / frame.size[0]
    top = page.y
    _rows(page, [_Tile(("input",), _picture(frame.pixels, query))], 1, size)
    below, page.y = page.y, top + _LINE[_SMALL]
    left = _EDGE + size[1] + 0.1
    room = page.width - _EDGE - left
    for name, said in named:
        page.heading(name, said, left)
    for note in notes:
        page.paragraph(note, left, room)
    page.down(0.05)
    colors.bar(page, left, room)
    page.y = max(page.y, below)


__all__ = [
    "SCALES",
    "SUFFIXES",
    "Scale",
    "check",
    "check_width",
    "compare",
    "heads",
    "layers_by_heads",
    "save",
]

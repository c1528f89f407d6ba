"""Figures for papers and talks: what a model attends to, drawn with Matplotlib.

Every function takes a frame and what models saw of it, and gives a Matplotlib figure, to be saved as PNG, PDF or SVG
(texts stay texts there) or shown in a notebook.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rtviz import compose
from rtviz.artist import fit
from rtviz.errors import MissingDependency, OutputExists, OutputUnwritable, SettingsError, no_heads
from rtviz.frame import Floats, Frame, Maps, Pixels
from rtviz.settings import Query, Settings
from rtviz.views import mask as mask_view
from rtviz.views.cam import positive, stage_map
from rtviz.views.selection import layer_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".pdf", ".svg")
# What Matplotlib is told for all of them: text as text, a plain face, small sizes as in a paper's column.
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.titlepad": 2.5,
    "axes.labelsize": 7,
    "axes.linewidth": 0.4,
    "svg.fonttype": "none",
    "svg.hashsalt": "rtviz",
    "pdf.fonttype": 42,
    "savefig.dpi": 300,
    "figure.dpi": 150,
}
_GAP = 0.03  # inches between tiles
_LABEL = 0.16  # inches for a line of text


def layers_by_heads(frame: Frame | Pixels, maps: Maps, settings: Settings | None = None, width: float = 6.9) -> Figure:
    """Every layer and head: a row for each layer, a column for each head, each map in its own range of colours.

    Args:
        frame: what was looked at.
        maps: what the model saw of it.
        settings: colormap and gamma; `Settings()` if not given.
        width: inches.
    """
    settings = settings or Settings()
    whole = _frame(frame)
    _refuse_without_heads(maps)
    with _style():
        rows = [[maps.attention[layer, head] for head in range(maps.heads)] for layer in range(maps.layers)]
        aspect = whole.size[0] / whole.size[1]
        figure, axes = _tiles(maps.layers, maps.heads, width, aspect, left=_LABEL + 0.1, top=2 * _LABEL, bottom=0.3)
        image: Any = None
        for layer, (row, places) in enumerate(zip(rows, axes, strict=True)):
            for values, place in zip(row, places, strict=True):
                image = _map(place, values, settings)
            places[0].set_ylabel(f"{layer}")
        for head, place in enumerate(axes[0]):
            place.set_title(f"{head}")
        _margin_label(figure, "layer", vertical=True)
        top = 1 - 0.3 * _LABEL / figure.get_figheight()
        figure.text(0.5, top, "head", ha="center", va="top")
        query = "CLS" if maps.query == "cls" else f"the patch at {maps.query.x:g}, {maps.query.y:g}"
        figure.text(1 - 0.02 / width, top, f"{maps.model}, {query}", ha="right", va="top", fontsize=6, color="0.35")
        _color_bar(figure, image)
    return figure


def heads(frame: Frame | Pixels, maps: Maps, settings: Settings | None = None, width: float = 6.9) -> Figure:
    """The frame, every head of one layer, and every head's mask of the top share of its mass in one picture, each in a
    colour of its own: as figures 1 and 3 of Caron et al. (2021) show heads.

    Args:
        frame: what was looked at.
        maps: what the model saw of it.
        settings: layer, threshold, colormap; `Settings()` if not given.
        width: inches.

    Raises:
        SettingsError: the maps have no such layer.
    """
    settings = settings or Settings()
    whole = _frame(frame)
    _refuse_without_heads(maps)
    attention = maps.attention[layer_of(maps, settings)]
    with _style():
        figure, axes = _tiles(1, maps.heads + 2, width, whole.size[0] / whole.size[1], left=0.02, top=_LABEL)
        _row(axes[0], whole, attention, settings, maps.query)
        masks = compose.mask_pixels(attention, settings.threshold, whole.size, settings.upsampling, whole.pixels)
        axes[0][-1].imshow(mask_view.all_heads(whole.pixels, masks, 0.8, alone=False))
        _titles(axes[0], maps.heads, f"top {100 * settings.threshold:.0f} % of each")
        for head in range(maps.heads):  # the colour that stands for it in the last picture
            color = np.asarray(compose.head_color(head)) / 255
            for spine in axes[0][1 + head].spines.values():
                spine.set(visible=True, color=color, linewidth=1.2)
    return figure


def compare(
    frame: Frame | Pixels, seen: Mapping[str, Maps], settings: Settings | None = None, width: float = 6.9
) -> Figure:
    """Models below each other, a row each: the frame, the heads of one layer, and the mask that holds the top share of
    the mass of their mean. A model without heads shows what each of its stages responds to, where heads would be, and
    the mask of the chosen stage, or of its last where it has no such one. What its maps do not hold, such as a class's
    of a model without a classifier, it shows by another method.

    Args:
        frame: what was looked at.
        seen: what each model saw of it, by the name that the row gets.
        settings: layer (from the end, where the models have different numbers), threshold, colormap; for models without
            heads also cam and target.
        width: inches.

    Raises:
        SettingsError: the maps of a model with heads have no such layer.
    """
    settings = settings or Settings()
    whole = _frame(frame)
    headless = [maps for maps in seen.values() if not maps.heads]
    most = max(maps.heads or len(_stages(maps, settings)) for maps in seen.values())
    with _style():
        aspect = whole.size[0] / whole.size[1]
        figure, axes = _tiles(len(seen), most + 2, width, aspect, left=_LABEL, top=_LABEL)
        # A letter is about 0.7 of its size wide; a long name must not run into the next row's.
        tile_points = 72 * figure.get_figheight() * axes[0][0].get_position().height
        letters = min(7.0, tile_points / max(len(name) for name in (*seen, "m")) / 0.7)
        for places, (name, maps) in zip(axes, seen.items(), strict=True):
            if maps.heads:
                attention = maps.attention[layer_of(maps, settings)]
                _row(places, whole, attention, settings, maps.query)
                held = attention.mean(axis=0)
            else:
                fitting = fit(settings.replace(view="mask"), maps)
                held = positive(stage_map(maps, fitting))
                _stages_row(places, whole, maps, fitting)
            mask = compose.mask_pixels(held, settings.threshold, whole.size, settings.upsampling, whole.pixels)
            places[-1].imshow(mask_view.tint(whole.pixels, mask, mask_view.mask_color("mean"), 0.8))
            places[0].set_ylabel(name, fontsize=letters)
        share = f"top {100 * settings.threshold:.0f} %"
        if len(headless) == len(seen):
            for place, title in zip(axes[0], ["input", *[""] * most, share], strict=True):
                place.set_title(title)
        else:
            _titles(axes[0], most, share if headless else f"mean, {share}")
    return figure


def _refuse_without_heads(maps: Maps) -> None:
    """Figures show heads.

    Raises:
        SettingsError: the model has none.
    """
    if not maps.heads:
        raise no_heads(maps.model)


def check(path: str | Path, *, overwrite: bool = False) -> Path:
    """Say before any work is done what would fail after it.

    Raises:
        SettingsError: the suffix is none of .png, .pdf, .svg.
        OutputExists: it is there already.
        MissingDependency: Matplotlib is not installed.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise SettingsError("output", str(path), f"a name that ends in {', '.join(SUFFIXES)}")
    if path.exists() and not overwrite:
        raise OutputExists(f"{path} exists; --overwrite replaces it")
    _style()
    return path


def save(figure: Figure, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a figure; the suffix says as what.

    Raises:
        SettingsError, OutputExists, MissingDependency: as `check` says.
        OutputUnwritable: it cannot be written there.
    """
    path = check(path, overwrite=overwrite)
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")
    try:
        with _style():
            # Without a date, so that the same figure is the same file.
            metadata = (
                {} if path.suffix.lower() == ".png" else {"CreationDate" if path.suffix == ".pdf" else "Date": None}
            )
            figure.savefig(partial, metadata=metadata)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputUnwritable(f"cannot write {path}: {error.strerror or error}") from error


# --- pieces ----------------------------------------------------------------------------------------------------------


def _style() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise MissingDependency("matplotlib", "a figure") from error
    return matplotlib.rc_context(_STYLE)


@cache
def _figure_class() -> Any:
    """Matplotlib's figure, which a notebook shows also where nobody has imported pyplot."""
    import matplotlib.figure

    class Figure(matplotlib.figure.Figure):
        def _repr_png_(self) -> bytes:
            file = io.BytesIO()
            with _style():
                self.savefig(file, format="png", dpi=_STYLE["figure.dpi"])
            return file.getvalue()

    return Figure


def _frame(frame: Frame | Pixels) -> Frame:
    return frame if isinstance(frame, Frame) else Frame(frame)


def _tiles(
    rows: int, columns: int, width: float, aspect: float, *, left: float, top: float, bottom: float = 0.02
) -> tuple[Figure, Any]:  # and axes [rows, columns]
    """A figure of tiles of one aspect, its margins in inches, as high as it takes."""
    tile = (width - left - 0.02 - (columns - 1) * _GAP) / columns
    height = top + bottom + rows * tile * aspect + (rows - 1) * _GAP
    figure: Figure = _figure_class()((width, height))
    grid = figure.subplots(
        rows,
        columns,
        squeeze=False,
        gridspec_kw={
            "left": left / width,
            "right": 1 - 0.02 / width,
            "top": 1 - top / height,
            "bottom": bottom / height,
            "wspace": _GAP / tile,
            "hspace": _GAP / (tile * aspect),
        },
    )
    for place in grid.flat:
        place.set(xticks=[], yticks=[])
        for spine in place.spines.values():
            spine.set_visible(False)
    return figure, grid


def _row(places: Any, frame: Frame, attention: Floats, settings: Settings, query: Query) -> None:
    """The frame, with the query marked in it, then the heads' maps [heads, rows, columns]; places that are left over
    stay empty, but the last."""
    places[0].imshow(frame.pixels)
    if query != "cls":
        for color, broad in (("black", 2.0), ("white", 0.9)):
            spot = query.x * frame.size[1] - 0.5, query.y * frame.size[0] - 0.5
            places[0].plot(*spot, marker="+", markersize=6 + broad, markeredgewidth=broad, color=color)
    for place, values in zip(places[1:], attention, strict=False):
        _map(place, values, settings)
    for place in places[1 + len(attention) : -1]:
        place.axis("off")


def _stages_row(places: Any, frame: Frame, maps: Maps, settings: Settings) -> None:
    """The frame, then what each stage of a model without heads responds to, each with its name on it; places that are
    left over stay empty, but for the sentence that there are no heads, and the last."""
    places[0].imshow(frame.pixels)
    shown = _stages(maps, settings)
    for place, (text, values) in zip(places[1:], shown, strict=False):
        _map(place, positive(values), settings)
        _inside(place, text)
    left = places[1 + len(shown) : -1]
    for place in left:
        place.axis("off")
    if len(left):
        left[0].text(0.06, 0.5, "no heads", transform=left[0].transAxes, va="center", ha="left", color="0.35")
    else:
        _inside(places[0], "no heads")


def _stages(maps: Maps, settings: Settings) -> list[tuple[str, Floats]]:
    """The maps of a model without heads, each with its name: all stages', but of Grad-CAM the one that there is."""
    settings = fit(settings.replace(view="mask"), maps)
    explained = maps.explained
    if settings.cam == "grad" and explained is not None:
        name = explained.name or f"class {explained.number}"
        return [(f"stage {explained.layer}: {name}", stage_map(maps, settings))]
    return [(f"stage {number}", stage) for number, stage in enumerate(maps.cams[settings.cam])]


def _inside(place: Axes, text: str) -> None:
    """A word in the lower left corner of a tile, readable on whatever is there."""
    box = {"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": 1.0}
    place.text(0.03, 0.05, text, transform=place.transAxes, color="white", fontsize=5.5, va="bottom", bbox=box)


def _titles(places: Any, heads: int, last: str) -> None:
    for place, title in zip(places, ["input", *(f"head {head}" for head in range(heads)), last], strict=True):
        place.set_title(title)


def _map(place: Axes, values: Floats, settings: Settings) -> Any:
    """A map in its own range, smooth or as true patches."""
    low, high = float(values.min()), float(values.max())
    shown = ((values - low) / max(high - low, 1e-12)) ** settings.gamma
    how = "nearest" if settings.upsampling == "nearest" else "bicubic"
    return place.imshow(shown, cmap=settings.colormap, vmin=0, vmax=1, interpolation=how, aspect="auto")


def _margin_label(figure: Figure, text: str, vertical: bool) -> None:
    figure.text(0.3 * _LABEL / figure.get_figwidth(), 0.5, text, rotation=90 if vertical else 0, va="center", ha="left")


def _color_bar(figure: Figure, image: Any) -> None:
    """What the colours of maps mean that each have their own range."""
    width, height = figure.get_size_inches()
    place = figure.add_axes((0.5 - 0.6 / width, 0.16 / height, 1.2 / width, 0.06 / height))
    bar = figure.colorbar(image, cax=place, orientation="horizontal")
    bar.set_ticks([])
    bar.outline.set_visible(False)
    for side, text in ((-0.04, "least"), (1.04, "most attended in each map")):
        place.text(
            side, 0.4, text, transform=place.transAxes, ha="right" if side < 0 else "left", va="center", fontsize=6
        )


__all__ = ["SUFFIXES", "check", "compare", "heads", "layers_by_heads", "save"]

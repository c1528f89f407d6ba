"""Figures of one view: norms, directions, similarity to a reference, prompts, principal components."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rtviz import views
from rtviz.analysis.matching import Match, matches, similarity
from rtviz.analysis.outliers import outliers
from rtviz.drawing import palette
from rtviz.engine.drawing import draw
from rtviz.errors import SettingsError
from rtviz.figures.layout import EDGE, Page, Tile, fitting_tiles, picture, rows_of_tiles
from rtviz.figures.place import Place
from rtviz.figures.rows import query_words
from rtviz.figures.scale import Colors, Ramp, Scale, colors_of
from rtviz.figures.style import style
from rtviz.frame import Floats, Frame, Maps, Pixels, ReferencePicture
from rtviz.settings import Mark, Prompt, Settings
from rtviz.views.pca_basis import PcaBasis, flat_tokens, load
from rtviz.views.requirements import compared_by
from rtviz.views.selection import check_head, fuse, layer_of
from rtviz.words import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_Draw = Callable[[Place], None]
_Size = tuple[float, float]


@dataclass(frozen=True)
class _Shown:
    """What the page of a view holds beside the input.

    Attributes:
        remark: behind the model's name.
        tiles: each with its titles, its frame's colour, and what draws it on a (height, width) in inches.
        colors: what the colour bar explains; None if there is none.
        note: below.
        first: tiles before the input.
    """

    remark: str
    tiles: Sequence[tuple[tuple[str, ...], Callable[[_Size], _Draw]]]
    colors: Colors | Ramp | None = None
    note: str = ""
    first: Sequence[tuple[tuple[str, ...], Callable[[_Size], _Draw]]] = ()


def view_page(
    frame: Frame, maps: Maps, settings: Settings, width: float, scale: Scale, labels: bool, bar: bool
) -> Figure:
    """The page of the settings' view; see `rtviz.figures.one_view`."""
    if settings.view not in VIEWS:
        raise SettingsError("view", settings.view, f"{', '.join(VIEWS)}, or none: all layers and heads")
    shown = VIEWS[settings.view](frame, maps, settings, scale)
    with style():
        page = Page(width, labels, bar)
        drawn = [*shown.first, (("input",), lambda size: picture(frame.pixels, maps.query)), *shown.tiles]
        across, size = fitting_tiles(len(drawn), page, frame)
        page.heading(maps.model, shown.remark)
        page.down(0.02)
        rows_of_tiles(page, [Tile(titles, of(size)) for titles, of in drawn], across, size)
        page.down(0.03)
        if shown.colors is not None:
            shown.colors.bar(page, EDGE, page.width - 2 * EDGE)
        if shown.note:
            page.paragraph(shown.note, EDGE, page.width - 2 * EDGE)
        return page.figure()


def _norms(frame: Frame, maps: Maps, settings: Settings, scale: Scale) -> _Shown:
    layer = layer_of(maps, settings)
    if maps.norms is None or len(maps.norms) <= layer:
        raise ValueError("the view norms needs the feature norms")
    norms = maps.norms[layer]
    marked = outliers(norms)
    usual = norms[~marked]
    ramp = Ramp(settings, low=float(usual.min()), high=float(usual.max()), words="Euclidean norm of each patch's token")
    prefix = [] if maps.prefix_norms is None else maps.prefix_norms[layer]
    beside = [f"{name} {norm:.3g}" for name, norm in zip(maps.prefix_names, prefix, strict=False)]
    found = (
        f"{counted(int(marked.sum()), 'outlier')}, outlined, up to {norms.max():.3g}" if marked.any() else "no outlier"
    )
    note = "; ".join([f"Median {np.median(norms):.3g}", found, *beside]) + "."
    tile = lambda size: _outlined(ramp.drawer(norms, frame, size), np.argwhere(marked), maps.grid)  # noqa: E731
    return _Shown(f"after layer {layer}", [(("token norms", "norms"), tile)], ramp, note)


def _directions(frame: Frame, maps: Maps, settings: Settings, scale: Scale) -> _Shown:
    if maps.columns is None:
        raise ValueError("the view directions needs the feature columns")
    check_head(maps, settings)
    layer, head = layer_of(maps, settings), "mean" if settings.head == "all" else settings.head
    both = [fuse(maps.attention[layer], head), fuse(maps.columns[layer], head)]
    colors = colors_of(both, settings, scale)
    titles = (("whom it attends to", "attends to", "to"), ("who attends to it", "attended by", "by"))
    shown = {"both": (0, 1), "to": (0,), "from": (1,)}[settings.direction]
    heads = f"head {head}" if isinstance(head, int) else f"{head} of heads"
    tiles = [(titles[one], _map(colors, both[one], frame)) for one in shown]
    return _Shown(f"layer {layer}; {heads}; {query_words(maps)}", tiles, colors)


def _pca(frame: Frame, maps: Maps, settings: Settings, scale: Scale) -> _Shown:
    layer = layer_of(maps, settings)
    component = settings.pca_component
    basis = f"; basis {settings.pca_basis}" if settings.pca_basis else ""
    remark = f"principal components after layer {layer}{basis}"
    if not component:
        alone = draw(frame, maps, settings.replace(layout="alone")).overlay
        over = draw(frame, maps, settings.replace(layout="overlay")).overlay
        tiles = [
            (("three components", "components"), lambda size: picture(alone)),
            (("over the input", "over it"), lambda size: picture(over)),
        ]
        note = "Red, green and blue: the first three principal components of the foreground's tokens; background black."
        return _Shown(remark, tiles, None, note)
    held = PcaBasis.fit([maps], layer) if settings.pca_basis is None else load(settings.pca_basis, maps, layer)
    along, share = held.along(flat_tokens(maps, layer), component)
    low, high = float(held.low[component - 1]), float(held.high[component - 1])
    ramp = Ramp(
        settings,
        low=low,
        high=high,
        words=f"score along component {component}, {100 * share:.1f} % of the patches' variance",
    )
    title = (f"component {component}", f"{component}")
    return _Shown(remark, [(title, _map(ramp, along.reshape(maps.grid), frame))], ramp)


def _reference(frame: Frame, maps: Maps, settings: Settings, scale: Scale) -> _Shown:
    if not maps.references:
        raise SettingsError("reference", "", "PICTURE@X,Y, where the view is reference")
    features = compared_by(settings, maps.discovery_features)
    patches = maps.patch_features(features)
    found: list[tuple[Match, palette.Color]] = []
    likeness: list[Floats] = []
    for number, one in enumerate(maps.references):
        there, mark = one.maps.patch_features(features), one.reference.mark
        likeness.append(similarity(patches, there, mark))
        best = matches(patches, there, mark, settings.matches, mutual=settings.mutual)
        found += [(match, palette.head_color(number)) for match in best]
    values = np.max(likeness, axis=0)
    ramp = Ramp(
        settings,
        low=float(values.min()),
        high=float(values.max()),
        words=f"cosine similarity of the patches' {features}",
    )
    tile = lambda size: _matched(ramp.drawer(values, frame, size), found, maps.grid)  # noqa: E731
    pictures = [
        (("reference",), _reference_tile(one, palette.head_color(number))) for number, one in enumerate(maps.references)
    ]
    note = (
        "Rings: the best matches, with their similarity; of a box, the mean over its place." if found else "No match."
    )
    return _Shown(f"last layer's {features}", [(("similarity",), tile)], ramp, note, pictures)


def _prompts(frame: Frame, maps: Maps, settings: Settings, scale: Scale) -> _Shown:
    if not maps.references:
        raise SettingsError("prompt", "", "CLASS+X,Y, where the view is prompts")
    masked = views.masks(frame, maps, settings)
    drawn = draw(frame, maps, settings.replace(layout="overlay")).overlay
    prompts = [one.reference for one in maps.references if isinstance(one.reference, Prompt)]
    covered = [
        f"{name} {100 * float((mask > 0).mean()):.0f} %" for name, mask in zip(masked.names, masked.pixels, strict=True)
    ]
    note = f"Of the picture: {', '.join(covered)}; confidence {settings.confidence:g}."
    return _Shown(
        f"classes by {counted(len(prompts), 'example')}", [(("classes",), lambda size: picture(drawn))], None, note
    )


def _reference_tile(one: ReferencePicture, color: palette.Color) -> Callable[[_Size], _Draw]:
    return lambda size: _marked(one.frame.pixels, one.reference.mark, color)


def _map(colors: Colors | Ramp, values: Floats, frame: Frame) -> Callable[[_Size], _Draw]:
    return lambda size: colors.drawer(values, frame, size)


def _outlined(draw_map: _Draw, patches: Iterable[Any], grid: tuple[int, int]) -> _Draw:
    """A map with a box round these (row, column) patches."""

    def draw_all(place: Place) -> None:
        draw_map(place)
        for row, column in patches:
            (left, top), (right, bottom) = (place.in_grid(grid, row + one, column + one) for one in (0, 1))
            color = np.asarray(palette.ACCENT) / 255
            place.box(left, top, right - left, bottom - top, edgecolor=color, linewidth=0.8)

    return draw_all


def _matched(draw_map: _Draw, found: Sequence[tuple[Match, palette.Color]], grid: tuple[int, int]) -> _Draw:
    """A map with each match and its similarity."""

    def draw_all(place: Place) -> None:
        draw_map(place)
        for match, color in found:
            x, y = place.in_grid(grid, match.row + 0.5, match.column + 0.5)
            shade = np.asarray(color) / 255
            for edge, thick in (((0, 0, 0), 2.4), (shade, 1.2)):
                place.mark(x, y, marker="o", markersize=7, fillstyle="none", markeredgewidth=thick, color=edge)
            ground = {"facecolor": "black", "linewidth": 0, "alpha": 0.7, "pad": 1}  # an outline would make text paths
            place.words(f"{match.score:.2f}", x, y, 6, ha="center", color="white", bbox=ground)

    return draw_all


def _marked(pixels: Pixels, mark: Mark, color: palette.Color) -> _Draw:
    """A reference picture, as it is, with its mark."""

    def draw_all(place: Place) -> None:
        height, width = pixels.shape[:2]
        place.picture(pixels, whole=True)
        left, top, shade = mark.x * width - 0.5, mark.y * height - 0.5, np.asarray(color) / 255
        if mark.width:
            place.box(left, top, mark.width * width, mark.height * height, edgecolor=shade, linewidth=1.2)
        else:
            place.mark(left, top, marker="+", markersize=8, markeredgewidth=1.2, color=shade)

    return draw_all


VIEWS: dict[str, Callable[[Frame, Maps, Settings, Scale], _Shown]] = {
    "norms": _norms, "directions": _directions, "pca": _pca, "reference": _reference, "prompts": _prompts,
}  # fmt: skip

__all__ = ["VIEWS", "view_page"]

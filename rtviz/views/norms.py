"""The view `norms`: the norm of each token after the layer, outliers marked, with CLS and the registers beside."""

from __future__ import annotations

import numpy as np

from rtviz.analysis.outliers import Marked, outliers
from rtviz.drawing import blend, labels, masks, palette
from rtviz.drawing.geometry import Box
from rtviz.frame import Floats, Frame, Maps, Pixels
from rtviz.settings import Settings
from rtviz.views import heatmap
from rtviz.views.base import Memory
from rtviz.views.selection import key_of, layer_of, normalize
from rtviz.words import counted


def draw(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """Euclidean norms of the residual stream after the layer, as light. Colours span the patches that are no outliers;
    those are outlined.

    Raises:
        SettingsError: the maps have no such layer.
        ValueError: the maps were made without the norms.
    """
    layer = layer_of(maps, settings)
    if maps.norms is None or len(maps.norms) <= layer:
        raise ValueError("the view norms needs the feature norms")
    norms = maps.norms[layer]
    marked = outliers(norms)
    usual = np.where(marked, norms[~marked].max(), norms)
    prefix = np.zeros(0, np.float32) if maps.prefix_norms is None else maps.prefix_norms[layer]
    values = normalize(usual, frame, settings, memory, key_of(maps, settings, "norms", layer))
    picture = heatmap.light(frame.pixels, values, settings, settings.layout == "alone")
    _outline(picture, marked)
    _legend(picture, maps, settings, norms, values, marked, prefix)
    return picture


def _outline(picture: Pixels, marked: Marked) -> None:
    """A box round each marked patch."""
    height, width = picture.shape[:2]
    rows, columns = marked.shape
    thick = masks.line_width((height, width))
    for row, column in zip(*np.nonzero(marked), strict=True):
        top, left = row * height // rows, column * width // columns
        box = Box(top, left, (row + 1) * height // rows - top, (column + 1) * width // columns - left)
        if min(box.size) > 2 * thick:
            blend.frame_box(picture, box, palette.ACCENT, thick)


def _legend(
    picture: Pixels,
    maps: Maps,
    settings: Settings,
    norms: Floats,
    values: Floats,
    marked: Marked,
    prefix: Floats,
) -> None:
    """The median, how many outliers there are, and CLS and the registers, each in the colour of its norm."""
    colors = palette.colormap(settings.colormap)
    # The colours' own range: what each value of the picture stands for.
    order = np.argsort(norms, axis=None)
    shades = np.interp(prefix, norms.ravel()[order], values.ravel()[order])
    names = [f"{name} {norm:.3g}" for name, norm in zip(maps.prefix_names, prefix, strict=False)]
    entries: list[tuple[str, palette.Color]] = []
    for name, shade in zip(names, shades, strict=True):
        red, green, blue = map(int, colors[round(255 * float(shade))])
        entries.append((name, (red, green, blue)))
    found = "no outlier"
    if marked.any():
        found = f"{counted(int(marked.sum()), 'outlier')} up to {norms.max():.3g}"
        entries.insert(0, (found, palette.ACCENT))
    labels.legend(picture, f"median norm {np.median(norms):.3g}" + ("" if marked.any() else f", {found}"), entries)

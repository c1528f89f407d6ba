"""The view `pca`: principal components of a layer's patch tokens as colours, of the figure first; or one component."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from rtviz.drawing import blend, labels, resample
from rtviz.frame import Floats, Frame, Maps, Pixels
from rtviz.settings import Settings
from rtviz.views import heatmap
from rtviz.views.base import Memory
from rtviz.views.pca_basis import PcaBasis, attended_of, flat_tokens, load
from rtviz.views.pca_components import Components, above_first, paint
from rtviz.views.selection import key_of, layer_of

# In steps of this many seconds, too small to notice: following costs as much as drawing.
_STEP_SECONDS = 0.1


def draw(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """The first three principal components of the figure's patch tokens after the layer as red, green and blue.

    The components are fitted on the first frame and follow the stream slowly, so that a colour keeps its meaning; when
    the memory is reset, they are fitted anew. Those of a basis from a file stay as they are.

    Raises:
        SourceMissing, SettingsError: the basis cannot be read, or is of another model or layer; the model has no such
            layer.
        ValueError: the maps were made without that layer's tokens.
    """
    layer = layer_of(maps, settings)
    tokens, attended = flat_tokens(maps, layer), attended_of(maps)
    if settings.pca_component:
        return _one(frame, maps, settings, memory, layer, tokens)
    if settings.pca_basis is not None:
        components = load(settings.pca_basis, maps, layer).colors
    else:
        figure = above_first(tokens, attended) if settings.pca_figure == "component" else attended
        components = _followed(frame, tokens, figure, memory, key_of(maps, settings, "pca", layer, settings.pca_figure))
    return _lay(frame.pixels, components.project(tokens).reshape(4, *maps.grid), settings)


def _followed(frame: Frame, tokens: Floats, attended: Floats, memory: Memory | None, key: Hashable) -> Components:
    before: Components | None = memory.get(key) if memory is not None else None
    if before is None:
        components = Components.fit(tokens, attended, frame.pts_seconds)
    elif abs(frame.pts_seconds - before.pts_seconds) >= _STEP_SECONDS:
        components = before.follow(tokens, attended, frame.pts_seconds)
    else:
        components = before
    if memory is not None:
        memory[key] = components
    return components


def _one(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None, layer: int, tokens: Floats) -> Pixels:
    """One component of all patches as light, and its share of their variance. Without a file it is fitted on the
    stream's first frame."""
    key = key_of(maps, settings, "pca", layer, "basis")
    basis: PcaBasis | None = None
    if settings.pca_basis is not None:
        basis = load(settings.pca_basis, maps, layer)
    elif memory is not None:
        basis = memory.get(key)
    if basis is None:
        basis = PcaBasis.fit([maps], layer)
        if memory is not None:
            memory[key] = basis
    along, share = basis.along(tokens, settings.pca_component)
    place = settings.pca_component - 1
    low, high = basis.low[place], basis.high[place]
    values = np.clip((along - low) / max(float(high - low), 1e-12), 0, 1).reshape(maps.grid).astype(np.float32)
    picture = heatmap.light(frame.pixels, values, settings, settings.layout == "alone")
    labels.legend(picture, f"component {settings.pca_component}: {100 * share:.1f} % of the variance", [])
    return picture


def _lay(pixels: Pixels, projected: Floats, settings: Settings) -> Pixels:
    size, how = (pixels.shape[0], pixels.shape[1]), settings.upsampling
    # At an outline the colour is the figure's, not a mixture with the ground's.
    _, of_figure = paint(projected)
    weights = np.maximum(of_figure, np.float32(1e-3))
    along, weight, *weighted = resample.refine(
        np.stack([projected[0], weights, *(projected[1:] * weights)]), size, how, pixels
    )
    colors, share = paint(np.stack([along, *(np.stack(weighted) / np.maximum(weight, np.float32(1e-4)))]))
    # The figure's colours, from dark to light rather than from black: black is the ground.
    fine = np.concatenate([(0.15 + 0.85 * colors) * share, share[None]])
    alone = settings.layout == "alone"
    cover = np.ones_like(fine[3]) if alone else fine[3] * np.float32(1 - (1 - settings.opacity) ** 1.5)
    ground = 0.0 if alone else min(1.0, 1.5 * settings.opacity)
    strength = cover / np.maximum(fine[3], np.float32(1e-6)) if not alone else cover
    light = resample.to_bytes(np.moveaxis(fine[:3], 0, -1) * np.minimum(strength, 1)[..., None])
    shows = (1 - cover) * (1 - np.float32(0.45 * ground) * (1 - fine[3]))
    fade = np.float32(0.6 * ground) * (1 - fine[3])
    keep, gray, light = (
        resample.enlarge_picture(plane, size, how)
        for plane in (resample.to_bytes(shows * (1 - fade)), resample.to_bytes(shows * fade), light)
    )
    return light if alone else blend.lay_planes(pixels, keep, gray, light)

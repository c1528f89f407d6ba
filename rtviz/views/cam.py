"""The view `cam`: what a stage of a network responds to, or the evidence for a class; also for convnets."""

from __future__ import annotations

import numpy as np

from rtviz.drawing import labels
from rtviz.drawing.geometry import Box, Size
from rtviz.errors import SettingsError, no_classifier
from rtviz.frame import Floats, Frame, Maps, Pixels
from rtviz.settings import Settings
from rtviz.views import heatmap
from rtviz.views.base import Memory
from rtviz.views.selection import key_of, layer_of, normalize

# Differences below this share of the largest value are rounding. The tokens of an untrained ViT are all equally long
# after the last norm.
_ALIKE = 1e-3


def draw(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """A stage's map, by the method of the settings, in the colours of the colormap.

    Raises:
        SettingsError: the maps have no such stage.
    """
    stage = stage_map(maps, settings)
    method = settings.cam_method(maps.has_attention)
    key = key_of(maps, settings, "cam", method, layer_of(maps, settings))
    values = normalize(stage, frame, settings, memory, key)
    picture = heatmap.light(frame.pixels, values, settings, settings.layout == "alone")
    if method == "grad":
        _name_class(picture, maps)
    elif np.ptp(stage) <= _ALIKE * np.abs(stage).max():
        more = ": eigen tells them apart" if method == "activation" else ""
        labels.say(picture, f"all patches respond alike{more}", "all patches respond alike", "all alike")
    return picture


def _name_class(picture: Pixels, maps: Maps) -> None:
    """Write in the corner which class the map explains, and its softmax probability."""
    explained = maps.explained
    assert explained is not None
    size: Size = (picture.shape[0], picture.shape[1])
    height = max(9, round(0.75 * labels.text_size(size)))
    share = f"{100 * explained.share:.0f} %" if explained.share >= 0.01 else "below 1 %"
    whole = (f"class {explained.number}", explained.name, share)
    # A small picture has room for the number alone.
    for words in (whole, whole[:2], whole[:1]):
        text = "  ".join(filter(None, words))
        if labels.pill_extent(text, height)[1] <= size[1]:
            labels.label(picture, text, Box(0, 0, *size), height)
            return


def positive(stage: Floats) -> Floats:
    """A map whose values count as mass: a principal component's low end is none."""
    low = float(stage.min())
    return stage - np.float32(low) if low < 0 else stage


def stage_map(maps: Maps, settings: Settings) -> Floats:
    """The map that the settings mean: float32 [rows, columns], in the stage's own grid.

    Raises:
        SettingsError: the maps have no such stage; of a transformer there is only the last layer; or a class is to be
            explained, and the model has no classifier.
        ValueError: the maps were made without this method, or for another class.
    """
    layer = layer_of(maps, settings)
    method = settings.cam_method(maps.has_attention)
    if method == "grad" and not maps.explains(settings.target, settings.layer):
        raise ValueError(f"cam needs a map of the class {settings.target} in the layer {settings.layer}")
    if method == "grad" and maps.explained is not None and maps.explained.number is None:
        raise no_classifier(maps.model)
    if method not in maps.cams:
        raise ValueError(f"cam needs the maps of the method {method}")
    stages = maps.cams[method]
    if method == "grad" and not maps.has_attention:
        return stages[0]
    if len(stages) == maps.layers:
        return stages[layer]
    if layer != maps.layers - 1:
        raise SettingsError(
            "layer", settings.layer, f"-1 with the view cam, which shows the patch tokens that {maps.model} ends with"
        )
    return stages[-1]

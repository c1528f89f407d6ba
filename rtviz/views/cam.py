"""The view `cam`: what a stage of a network responds to, without a class. Convolutional networks have it too."""

from __future__ import annotations

import numpy as np

from rtviz.errors import SettingsError
from rtviz.frame import Floats, Frame, Maps, Pixels
from rtviz.settings import Settings
from rtviz.views import Memory, heatmap
from rtviz.views.selection import key_of, layer_of, normalize


def draw(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """A stage's map, by the method of the settings, in the colours of the colormap.

    Raises:
        SettingsError: the maps have no such stage.
    """
    stage = stage_map(maps, settings)
    key = key_of(maps, settings, "cam", settings.cam, layer_of(maps, settings))
    values = normalize(stage, frame, settings, memory, key)
    return heatmap.light(frame.pixels, values, settings, settings.layout == "alone")


def positive(stage: Floats) -> Floats:
    """A map whose values count as mass: a principal component's low end is none."""
    low = float(stage.min())
    return stage - np.float32(low) if low < 0 else stage


def stage_map(maps: Maps, settings: Settings) -> Floats:
    """The map that the settings mean: float32 [rows, columns], in the stage's own grid.

    Raises:
        SettingsError: the maps have no such stage; of a transformer there is only the last layer.
        ValueError: the maps were made without this method.
    """
    if settings.cam not in maps.cams:
        raise ValueError(f"cam needs the maps of the method {settings.cam}")
    stages = maps.cams[settings.cam]
    layer = layer_of(maps, settings)
    if len(stages) == maps.layers:
        return stages[layer]
    if layer != maps.layers - 1:
        raise SettingsError(
            "layer", settings.layer, f"-1 with the view cam, which shows the patch tokens that {maps.model} ends with"
        )
    return stages[-1]

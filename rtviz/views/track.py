"""The view `track`: marked objects, each in its colour, wherever they have gone."""

from __future__ import annotations

import numpy as np

from rtviz import compose
from rtviz.frame import Frame, Maps, Pixels
from rtviz.settings import Settings
from rtviz.views import Memory
from rtviz.views.mask import all_heads


def draw(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """The objects tinted and outlined, with a legend that says which of them are lost.

    Raises:
        ValueError: objects are marked, and the maps hold no labels of them.
    """
    alone = settings.layout == "alone"
    if not settings.track:
        picture = np.zeros_like(frame.pixels) if alone else frame.pixels.copy()
        compose.say(picture, "no object is marked: Shift+click, or --track X,Y", "no object is marked")
        return picture
    if maps.labels is None:
        raise ValueError("track needs labels: feed the maps to a Tracker")
    others = np.stack([np.delete(maps.labels, number, axis=0).max(axis=0) for number in range(1, len(maps.labels))])
    margin = maps.labels[1:] - others  # [objects, rows, columns], above 0 where an object is more than anything else
    patches = (margin > 0) & ~np.asarray(maps.lost, np.bool_)[:, None, None]
    field = np.where(patches, np.maximum(margin, 0.02), np.minimum(margin, -0.02)) / 2 + np.float32(0.5)
    masks = compose.patches_pixels(patches, field.astype(np.float32), frame.size, settings.upsampling, frame.pixels)
    picture = all_heads(frame.pixels, masks, settings.opacity, alone)
    entries = [
        (f"{number + 1}{' lost' if lost else ''}", compose.head_color(number)) for number, lost in enumerate(maps.lost)
    ]
    compose.legend(picture, "object", entries)
    return picture

"""The view `track`: marked objects, each in its colour, wherever they have gone."""

from __future__ import annotations

import numpy as np

from rtviz.drawing import labels, palette
from rtviz.drawing.masks import patches_pixels
from rtviz.frame import Floats, Frame, Maps, Masks, NamedMasks, Pixels
from rtviz.settings import Settings
from rtviz.views.base import Memory
from rtviz.views.mask import all_heads


def draw(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """The objects tinted and outlined, with a legend that says which of them are lost.

    Raises:
        ValueError: objects are marked, and the maps hold no labels of them.
    """
    alone = settings.layout == "alone"
    if not settings.track:
        picture = np.zeros_like(frame.pixels) if alone else frame.pixels.copy()
        labels.say(picture, "no object is marked: Shift+click one", "no object is marked")
        return picture
    found = masks(frame, maps, settings, memory)
    picture = all_heads(frame.pixels, found.pixels, settings.opacity, alone)
    entries = [
        (f"{name}{' lost' if lost else ''}", color)
        for name, color, lost in zip(found.names, found.colors, maps.lost, strict=True)
    ]
    labels.legend(picture, "object", entries)
    return picture


def masks(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> NamedMasks:
    """The masks of the objects on the frame, named by their numbers from 1; of one that is lost it is empty.

    Raises:
        ValueError: the maps hold no labels.
    """
    patches, margin = objects_in(maps)
    field = np.where(patches, np.maximum(margin, 0.02), np.minimum(margin, -0.02)) / 2 + np.float32(0.5)
    pixels = patches_pixels(patches, field.astype(np.float32), frame.size, settings.upsampling, frame.pixels)
    numbers = range(len(patches))
    return NamedMasks(tuple(f"{number + 1}" for number in numbers), tuple(map(palette.head_color, numbers)), pixels)


def objects_in(maps: Maps) -> tuple[Masks, Floats]:
    """Where the marked objects are: bool [objects, rows, columns], nowhere for one that is lost; and by how much each
    patch is more of an object than of anything else, float32 [objects, rows, columns], -1 to 1.

    Raises:
        ValueError: the maps hold no labels.
    """
    if maps.labels is None:
        raise ValueError("track needs labels: feed the maps to a Tracker")
    others = np.stack([np.delete(maps.labels, number, axis=0).max(axis=0) for number in range(1, len(maps.labels))])
    margin = maps.labels[1:] - others
    lost = np.asarray(maps.lost or (False,) * len(margin), np.bool_)
    return (margin > 0) & ~lost[:, None, None], margin

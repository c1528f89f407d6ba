"""The view `objects`: the object that stands out by its patches' features, with its box; no label, no attention."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np

from rtviz.analysis.discovery import (
    ALL_ALIKE,
    METHODS,
    NO_FEATURES,
    NONE_ALIKE,
    Discovery,
    Following,
    Mask,
    Method,
    follow,
    parts,
    tokencut,
)
from rtviz.drawing import blend, labels, palette
from rtviz.drawing.contours import outline
from rtviz.drawing.geometry import Box, Size
from rtviz.drawing.masks import bounds, line_width, outline_width, patches_pixels
from rtviz.drawing.resample import Bytes
from rtviz.frame import Floats, Frame, Maps, NamedMasks, Pixels
from rtviz.settings import METHOD_TITLES, Settings
from rtviz.views.base import Memory
from rtviz.views.mask import mask_color, tint
from rtviz.views.requirements import compared_by

# A live picture does not wait for the graph of more patches than the embedded model has at 224 pixels.
_MOST = 1200
_METHODS: dict[str, Method] = {**METHODS, "tokencut": partial(tokencut, most=_MOST)}

_SHORT = {ALL_ALIKE: "all alike", NONE_ALIKE: "none alike", NO_FEATURES: "no features"}  # for small pictures


def draw(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """The object tinted and outlined like a mask, its box, and in words which method found it; where there is none, or
    nothing else, why.

    Other things that the method takes for foreground, if they are not much smaller than the object, are outlined.
    """
    found = discover(frame, maps, settings, memory)
    alone = settings.layout == "alone"
    mask = _object_pixels(found, frame, settings)
    picture = tint(frame.pixels, mask, mask_color("mean"), settings.opacity, alone)
    least = max(3, math.ceil(found.mask.sum() / 4))
    others = parts(found.foreground & ~found.mask, least)
    if others:
        # Fainter than the object's outline, whatever the opacity.
        strength = 0.6 if alone else min(0.6, settings.opacity)
        outline(picture, _pixels(found, np.logical_or.reduce(others), frame, settings), palette.INK, strength)
    name = METHOD_TITLES[settings.objects]
    if not found.remark:
        _box(picture, mask, name)
        return picture
    what = "no object" if found.box is None else "the whole picture"
    why = f"{found.remark} in their {found.features}"
    labels.say(picture, f"{name}: {what}, because {why}", f"{what}: {why}", f"{what}: {_SHORT[found.remark]}", what)
    return picture


def masks(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> NamedMasks:
    """The object's mask; empty where there is none. The box of the view is the one round it."""
    found = discover(frame, maps, settings, memory)
    return NamedMasks(("object",), (mask_color("mean"),), _object_pixels(found, frame, settings)[None])


def discover(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None = None) -> Discovery:
    """The object of a frame; with a memory, the same one as in the frame before, while it can be found.

    Raises:
        ValueError: the maps do not hold the features that the settings compare patches by.
    """
    features = compared_by(settings, maps.discovery_features)
    patches = maps.patch_features(features)
    method = _METHODS[settings.objects]
    if memory is None:
        return replace(method(patches), features=features)
    key = ("objects", maps.model, maps.grid, settings.objects, features)
    before: Following | None = memory.get(key)
    memory[key] = following = follow(method, patches, frame.pts_seconds, before)
    return replace(following.found, features=features)


def _pixels(found: Discovery, mask: Mask, frame: Frame, settings: Settings) -> Bytes:
    """Patches on the frame, uint8 [height, width], 255 inside; their outline runs where the method is undecided."""
    return patches_pixels(mask, _field(found.values, mask), frame.size, settings.upsampling, frame.pixels)


def _object_pixels(found: Discovery, frame: Frame, settings: Settings) -> Bytes:
    mask = _pixels(found, found.mask, frame, settings)
    _clear_away(mask, found)
    return mask


def _clear_away(mask: Bytes, found: Discovery) -> None:
    """Guided upsampling may leave specks far from the object: removes what is a patch or more outside its box."""
    if found.box is None:
        mask[:] = 0
        return
    top, left, bottom, right = found.box
    sides = [mask.shape[axis] / found.mask.shape[axis] for axis in (0, 1)]
    near = np.zeros(mask.shape, np.bool_)
    near[
        max(0, math.floor((top - 1) * sides[0])) : math.ceil((bottom + 1) * sides[0]),
        max(0, math.floor((left - 1) * sides[1])) : math.ceil((right + 1) * sides[1]),
    ] = True
    mask[~near] = 0


def _field(values: Floats, mask: Mask) -> Floats:
    """Values from 0 to 1 that are above a half exactly on the mask, and the further the surer."""
    scale = 2 * float(np.median(np.abs(values))) + 1e-12
    side = np.clip(values / scale, -1, 1) / 2
    side = np.where(mask, np.maximum(side, 0.03), np.minimum(side, -0.03))
    return (side + 0.5).astype(np.float32)


def _box(picture: Pixels, mask: Bytes, name: str) -> None:
    """The box round a mask as it is drawn, outline included, and the method's name on it."""
    size: Size = (picture.shape[0], picture.shape[1])
    height = max(9, round(0.75 * labels.text_size(size)))
    thick = line_width(size)
    box = bounds(mask, margin=math.ceil(outline_width(size)) + thick + 1)
    if box is None:
        labels.say(picture, f"{name}: the object is too small to be drawn", f"{name}: too small", name)
        return
    blend.frame_box(picture, box, palette.INK, thick, edged=True)
    # Above the box if there is room, else in its upper corner.
    extent = labels.pill_extent(name, height)
    if extent[1] > size[1] // 2:  # on so small a picture the label would hide the object
        return
    top = box.top - extent[0] if box.top >= extent[0] else box.top + thick
    left = max(0, min(box.left, size[1] - extent[1]))
    labels.label(picture, name, Box(top, left, *extent), height)

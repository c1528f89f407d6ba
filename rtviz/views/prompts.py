"""The view `prompts`: the patches of named classes, each in its colour, by examples of what they are and are not."""

from __future__ import annotations

import math
from weakref import WeakKeyDictionary

import numpy as np

from rtviz import markup
from rtviz.analysis.prompting import Example, classes_of, members, probabilities
from rtviz.cv import cv2
from rtviz.drawing import blend, labels, palette, resample
from rtviz.drawing.geometry import Box, gutter, tile_boxes
from rtviz.drawing.masks import patches_pixels
from rtviz.frame import Frame, Maps, NamedMasks, Pixels, ReferencePicture
from rtviz.settings import Prompt, Settings
from rtviz.views.base import Memory
from rtviz.views.mask import all_heads
from rtviz.views.requirements import compared_by

# The examples of each prompted picture, which are the same in every frame: at 518 pixels, eight of them took longer
# than the rest of the mask. They go with the picture's maps, which the engine keeps as long as they are needed.
_examples: WeakKeyDictionary[Maps, dict[tuple[Prompt, str], Example]] = WeakKeyDictionary()


def draw(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """The classes tinted and outlined, with a legend that says how many examples each has."""
    alone = settings.layout == "alone"
    found = masks(frame, maps, settings, memory)
    if not found.names:
        picture = np.zeros_like(frame.pixels) if alone else frame.pixels.copy()
        labels.say(picture, "Shift+click what to find", "no prompt")
        return picture
    picture = all_heads(frame.pixels, found.pixels, settings.opacity, alone)
    prompts = [one.reference for one in maps.references if isinstance(one.reference, Prompt)]
    entries = [
        (" ".join((name, *_counts(prompts, name))), color)
        for name, color in zip(found.names, found.colors, strict=True)
    ]
    labels.legend(picture, "class", entries)
    return picture


def beside(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """The pictures that the prompts are on beside the view's picture, each with its prompts: RGB uint8 of twice the
    width."""
    picture = draw(frame, maps, settings, memory)
    markup.shift(picture.shape[1])
    pictures: dict[str, list[ReferencePicture]] = {}
    for one in maps.references:
        pictures.setdefault(one.reference.path, []).append(one)
    if not pictures:
        return blend.beside(frame.pixels, picture)
    left = blend.blank(frame.size)
    gap = 2 * gutter(frame.size)
    columns = math.ceil(math.sqrt(len(pictures)))
    area = Box(gap, gap, max(1, frame.size[0] - 2 * gap), max(1, frame.size[1] - 2 * gap))
    rows, aspect = math.ceil(len(pictures) / columns), frame.size[1] / frame.size[0]
    names = classes_of(one.reference for one in maps.references if isinstance(one.reference, Prompt))
    for tile, there in zip(tile_boxes(area, rows, columns, gap, aspect), pictures.values(), strict=False):
        height, width = there[0].frame.size
        scale = min(tile.height / height, tile.width / width)
        size = max(1, round(scale * height)), max(1, round(scale * width))
        box = Box(tile.top + (tile.height - size[0]) // 2, tile.left + (tile.width - size[1]) // 2, *size)
        blend.paste(left, resample.thumbnail(there[0].frame.pixels, size), box)
        for one in there:
            if isinstance(one.reference, Prompt) and one.reference.name in names:
                _sign(left, one.reference, box, palette.head_color(names.index(one.reference.name)))
    return blend.beside(left, picture)


def _sign(picture: Pixels, prompt: Prompt, box: Box, color: palette.Color) -> None:
    """A prompt on a picture in a box: a plus or a minus on a disc in the class's colour, and the box it may be."""
    thick = max(1, gutter((picture.shape[0], picture.shape[1])) // 3)
    radius = max(4, round(min(picture.shape[:2]) / 55))
    mark = prompt.mark
    left, top = box.left + mark.x * box.width, box.top + mark.y * box.height
    ends = round(left + mark.width * box.width), round(top + mark.height * box.height)
    if mark.width:
        cv2.rectangle(picture, (round(left), round(top)), ends, color, thick + 1, cv2.LINE_AA)
    x, y = round(left + mark.width * box.width / 2), round(top + mark.height * box.height / 2)
    cv2.circle(picture, (x, y), radius + thick, palette.INK, -1, cv2.LINE_AA)
    cv2.circle(picture, (x, y), radius, color, -1, cv2.LINE_AA)
    arm = max(2, radius // 2)
    cv2.line(picture, (x - arm, y), (x + arm, y), palette.GROUND, thick)
    if prompt.positive:
        cv2.line(picture, (x, y - arm), (x, y + arm), palette.GROUND, thick)


def masks(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> NamedMasks:
    """The masks of the classes on the frame; none without a prompt."""
    features = compared_by(settings, maps.discovery_features)
    examples = [
        _example(one.maps, one.reference, features) for one in maps.references if isinstance(one.reference, Prompt)
    ]
    names = classes_of(examples)
    if not names:
        return NamedMasks((), (), np.zeros((0, *frame.size), np.uint8))
    probability = probabilities(maps.patch_features(features), examples)
    patches = members(probability, settings.confidence)
    # An outline runs where this crosses a half.
    field = np.clip(probability - np.float32(settings.confidence - 0.5), 0, 1)
    field = np.where(patches, np.maximum(field, 0.51), np.minimum(field, 0.49)).astype(np.float32)
    pixels = patches_pixels(patches, field, frame.size, settings.upsampling, frame.pixels)
    return NamedMasks(names, tuple(palette.head_color(number) for number in range(len(names))), pixels)


def _example(maps: Maps, prompt: Prompt, features: str) -> Example:
    found = _examples.setdefault(maps, {})
    if (prompt, features) not in found:
        found[prompt, features] = Example.of(maps.patch_features(features), prompt)
    return found[prompt, features]


def _counts(prompts: list[Prompt], name: str) -> list[str]:
    """ "+2", "-1": how many examples of each kind a class has."""
    signs = [prompt.positive for prompt in prompts if prompt.name == name]
    return [f"{sign}{signs.count(kind)}" for sign, kind in (("+", True), ("-", False)) if kind in signs]

"""The view `prompts`: the patches of named classes, each in its colour, by examples of what they are and are not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from rtviz import markup
from rtviz.analysis.prompting import Example, classes_of, members, probabilities
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
_thumbnails: WeakKeyDictionary[Maps, NDArray[np.int16]] = WeakKeyDictionary()  # of the same pictures

# Mean differences of 255 between thumbnails so broad, so far round a mark as a share of the width. Under the first a
# place is the same, from the second on another one. Six frames on, a place of a clip with a static camera differs by
# 1.1 in the median and 5.9 in one of ten; a place of another clip (the first frames of six of DAVIS) by less than 12.8
# in one of a thousand.
_BROAD, _AROUND = 64, 1 / 16
_SAME, _OTHER = 4.0, 10.0


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
    whole = Box(0, 0, *frame.size)
    for prompt, strength in _still_there(frame, maps.references):
        if prompt.name in found.names:
            _sign(picture, prompt, whole, found.colors[found.names.index(prompt.name)], strength)
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


def _still_there(frame: Frame, references: Iterable[ReferencePicture]) -> Iterator[tuple[Prompt, float]]:
    """The prompts whose place looks in the frame as in the picture where they were set, each with how opaque it is.

    So they show on their own frame, however it is named, and as long as nothing has moved there: what they would mark
    in another frame is another thing.
    """
    thumbnail = _thumbnail(frame)
    for one in references:
        if not isinstance(one.reference, Prompt):
            continue
        there = _thumbnails.get(one.maps)
        if there is None:
            there = _thumbnails[one.maps] = _thumbnail(one.frame)
        if there.shape != thumbnail.shape:
            continue
        mark = one.reference.mark
        (rows, columns), around = there.shape[:2], _AROUND * there.shape[1]
        ys = slice(max(0, round(mark.y * rows - around)), round((mark.y + mark.height) * rows + around) + 1)
        xs = slice(max(0, round(mark.x * columns - around)), round((mark.x + mark.width) * columns + around) + 1)
        differs = float(np.abs(thumbnail[ys, xs] - there[ys, xs]).mean())
        strength = min(1.0, (_OTHER - differs) / (_OTHER - _SAME))
        if strength > 0:
            yield one.reference, strength


def _thumbnail(frame: Frame) -> NDArray[np.int16]:
    """In which neither sensor noise nor the size of a frame shows."""
    height, width = frame.size
    small = resample.thumbnail(frame.pixels, (max(1, round(_BROAD * height / width)), _BROAD))
    return small.astype(np.int16)


def _sign(picture: Pixels, prompt: Prompt, box: Box, color: palette.Color, strength: float = 1.0) -> None:
    """A prompt on a picture in a box: a plus or a minus in the class's colour, and the box that it may be."""
    mark = prompt.mark
    place = (
        box.top + min(box.height - 1, round(mark.y * box.height)),
        box.left + min(box.width - 1, round(mark.x * box.width)),
        round(mark.height * box.height),
        round(mark.width * box.width),
    )
    blend.sign(picture, place, color, prompt.positive, strength)


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

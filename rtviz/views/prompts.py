"""The view `prompts`: the patches of named classes, each in its colour, by examples of what they are and are not."""

from __future__ import annotations

import numpy as np

from rtviz.analysis.prompting import Example, classes_of, members, probabilities
from rtviz.drawing import labels, palette
from rtviz.drawing.masks import patches_pixels
from rtviz.frame import Frame, Maps, NamedMasks, Pixels
from rtviz.settings import Prompt, Settings
from rtviz.views.base import Memory
from rtviz.views.mask import all_heads
from rtviz.views.requirements import compared_by


def draw(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """The classes tinted and outlined, with a legend that says how many examples each has."""
    alone = settings.layout == "alone"
    found = masks(frame, maps, settings, memory)
    if not found.names:
        picture = np.zeros_like(frame.pixels) if alone else frame.pixels.copy()
        labels.say(picture, "nothing says what to find: Shift+click it", "Shift+click what to find", "no prompt")
        return picture
    picture = all_heads(frame.pixels, found.pixels, settings.opacity, alone)
    prompts = [one.reference for one in maps.references if isinstance(one.reference, Prompt)]
    entries = [
        (" ".join((name, *_counts(prompts, name))), color)
        for name, color in zip(found.names, found.colors, strict=True)
    ]
    labels.legend(picture, "class", entries)
    return picture


def masks(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> NamedMasks:
    """The masks of the classes on the frame; none without a prompt."""
    features = compared_by(settings, maps.discovery_features)
    examples = [
        Example.of(one.maps.patch_features(features), one.reference)
        for one in maps.references
        if isinstance(one.reference, Prompt)
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


def _counts(prompts: list[Prompt], name: str) -> list[str]:
    """ "+2", "-1": how many examples of each kind a class has."""
    signs = [prompt.positive for prompt in prompts if prompt.name == name]
    return [f"{sign}{signs.count(kind)}" for sign, kind in (("+", True), ("-", False)) if kind in signs]

"""The view `heatmap`: attention as light. The frame is dimmed where nothing is attended, and lights up where it is."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from rtviz.drawing import blend, labels, palette, resample
from rtviz.drawing.resample import Array, Bytes
from rtviz.frame import Floats, Frame, Maps, Pixels
from rtviz.markup import Scale, put
from rtviz.settings import Settings
from rtviz.views import outlier_remark
from rtviz.views.base import Memory
from rtviz.views.selection import chosen, key_of, layer_of, scaled, value_range


def draw(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """One head, or the mean or maximum over heads, in the colours of the colormap; all heads each in its own colour.

    Raises:
        SettingsError: the maps have no such layer or head.
    """
    attention = chosen(maps, settings)
    key = key_of(maps, settings, layer_of(maps, settings), settings.head)
    low, high = value_range(attention, frame, settings, memory, key)
    values = scaled(attention, low, high, settings.gamma)
    alone = settings.layout == "alone"
    if settings.head == "all":
        picture = heads_light(frame.pixels, values, settings, alone)
        labels.legend(picture, "head", [(f"{head}", palette.head_color(head)) for head in range(maps.heads)])
    else:
        picture = light(frame.pixels, values, settings, alone)
        uniform = float(attention.mean()) or 1.0
        ends = float(low) / uniform, float(high) / uniform
        put(Scale((0, 0, *frame.size), *ends, settings.gamma, settings.colormap))  # for a canvas alone
    if maps.query_place is not None:
        blend.marker(picture, *maps.query_place)
    outlier_remark.remark(picture, maps, attention, layer_of(maps, settings))
    return picture


def light(pixels: Pixels, values: Floats, settings: Settings, alone: bool = False) -> Pixels:
    """Values of patches, 0..1, as coloured light on a picture of any size; without the picture if `alone`."""
    size = (pixels.shape[0], pixels.shape[1])
    return paint_levels(pixels, resample.upsample(values, size, settings.upsampling, pixels), settings, alone)


def paint_levels(pixels: Pixels, levels: Bytes, settings: Settings, alone: bool = False) -> Pixels:
    """The same from values of pixels, uint8 [height, width]."""
    if alone:
        return blend.color_values(levels, palette.colormap(settings.colormap))
    return blend.lay(pixels, levels, _paint(settings.colormap, settings.opacity))


@lru_cache(maxsize=64)
def _paint(colormap: str, opacity: float) -> blend.Paint:
    cover, dim, fade = _curves(np.linspace(0, 1, 256), opacity)
    return blend.Paint.mix(cover, palette.colormap(colormap), dim, fade)


def _curves(strength: Array, opacity: float) -> tuple[Array, Array, Array]:
    """(cover, dim, fade) by strength of attention: how far colour covers the frame, and how far the frame under it is
    dimmed and bleached.

    Weak attention leaves the picture visible, strong attention covers it: the cover rises with the strength. At
    opacity 0 the frame is untouched, and at 1 only the colours are left.
    """
    weak, strong = 0.5 * opacity**3 + 0.5 * opacity**12, 1 - (1 - opacity) ** 1.25
    cover = weak + (strong - weak) * strength**0.8
    rest = (1 - strength) * min(1.0, 1.5 * opacity)
    return cover, 0.34 * rest, 0.8 * rest


def heads_light(pixels: Pixels, values: Floats, settings: Settings, alone: bool = False) -> Pixels:
    """Values of patches [heads, rows, columns], each head in its own colour; where heads meet the stronger prevails."""
    size, how = (pixels.shape[0], pixels.shape[1]), settings.upsampling
    fine = resample.refine(values, size, how, pixels)
    strength = fine.max(axis=0)
    weights = np.square(np.square(np.square(fine))) + np.float32(1e-6)
    weights /= weights.sum(axis=0)
    hues = np.asarray([palette.head_color(head) for head in range(len(fine))], np.float32)
    colors = np.tensordot(weights, hues, axes=(0, 0))
    # Colour comes with the strength alone, so that none shows where nothing is attended.
    if alone:
        light, keep, gray = strength**0.8, 0 * strength, 0 * strength
    else:
        cover, dim, fade = _curves(strength, settings.opacity)
        light, shows = cover * strength**0.4, (1 - cover) * (1 - dim)
        keep, gray = shows * (1 - fade), shows * fade
    light = resample.to_bytes(colors * (light[..., None] / np.float32(255)))
    keep, gray, light = (
        resample.enlarge_picture(plane, size, how)
        for plane in (resample.to_bytes(keep), resample.to_bytes(gray), light)
    )
    return light if alone else blend.lay_planes(pixels, keep, gray, light)

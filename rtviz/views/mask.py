"""The view `mask`: the patches that hold the top share of the attention mass, tinted and outlined."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from rtviz.drawing import blend, labels, palette
from rtviz.drawing.contours import contour_of, draw_contour
from rtviz.drawing.geometry import Box
from rtviz.drawing.masks import inside_table, mask_pixels, outline_width, soften
from rtviz.drawing.resample import Bytes
from rtviz.frame import Floats, Frame, Maps, NamedMasks, Pixels
from rtviz.markup import Contour
from rtviz.settings import METHOD_TITLES, Head, Settings
from rtviz.views import outlier_remark
from rtviz.views.base import Memory
from rtviz.views.cam import positive, stage_map
from rtviz.views.overlap import best_heads
from rtviz.views.selection import chosen, layer_of

_FUSED: palette.Color = (64, 224, 208)


def draw(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """The mask of one head, or of the mean or maximum over heads; of all heads each in its own colour.

    With a Jaccard index, if objects of the frame are known, it shows the masks that are measured: those of each
    object's best head. For a model without heads it shows the mask of the class activation map.

    Raises:
        SettingsError: the maps have no such layer or head.
    """
    head, heads, attention = _masked(frame, maps, settings)
    pixels = mask_pixels(attention, settings.threshold, frame.size, settings.upsampling, frame.pixels)
    alone = settings.layout == "alone"
    if head == "all":
        picture = all_heads(frame.pixels, pixels, settings.opacity, alone, heads)
        labels.legend(picture, "head", [(f"{one}", palette.head_color(one)) for one in heads])
    else:
        picture = tint(frame.pixels, pixels, mask_color(head), settings.opacity, alone)
    if maps.query_place is not None and maps.has_attention:
        blend.marker(picture, *maps.query_place)
    if maps.has_attention:
        outlier_remark.remark(picture, maps, attention, layer_of(maps, settings))
    return picture


def masks(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> NamedMasks:
    """The masks that `draw` draws, named by their heads: of all heads one for each.

    Raises:
        SettingsError: the maps have no such layer or head.
    """
    head, heads, attention = _masked(frame, maps, settings)
    pixels = mask_pixels(attention, settings.threshold, frame.size, settings.upsampling, frame.pixels)
    if head == "all":
        return NamedMasks(tuple(f"head {one}" for one in heads), tuple(map(palette.head_color, heads)), pixels)
    name = f"head {head}" if isinstance(head, int) else f"{head} of heads"
    if not maps.has_attention:
        name = METHOD_TITLES[settings.cam_method(has_attention=False)]
    return NamedMasks((name,), (mask_color(head),), pixels[None])


def _masked(frame: Frame, maps: Maps, settings: Settings) -> tuple[Head, tuple[int, ...], Floats]:
    """What is masked: the head that is meant, or "all" of several, which heads these are, and their attention.

    Returns:
        float32 [rows, columns], of several heads [heads, rows, columns].
    """
    heads = best_heads(frame, maps, settings)
    if heads:
        attention = maps.attention[layer_of(maps, settings), list(heads)]
        return (heads[0], heads, attention[0]) if len(heads) == 1 else ("all", heads, attention)
    if maps.has_attention:
        return settings.head, tuple(range(maps.heads)), chosen(maps, settings)
    return "mean", (), positive(stage_map(maps, settings))


def mask_color(head: Head) -> palette.Color:
    """A head's own colour, or the one for what several heads have in common."""
    return palette.head_color(head) if isinstance(head, int) else _FUSED


def tint(pixels: Pixels, mask: Bytes, color: palette.Color, opacity: float, alone: bool = False) -> Pixels:
    """A picture with a mask [height, width] of 0 and 255 on it: tinted inside, outlined, dimmed outside."""
    width = outline_width((mask.shape[0], mask.shape[1]))
    ramp, rise = soften(mask, width)
    if alone:
        picture = blend.color_values(ramp, _alone_colors(color, rise))
    else:
        picture = blend.lay(pixels, ramp, _paint(color, opacity, rise))
    strength = 1.0 if alone else _strength(opacity)
    draw_contour(picture, Contour((0, 0, *ramp.shape), ramp, rise, width, _lighter(color), strength))
    return picture


@lru_cache(maxsize=64)
def _paint(color: palette.Color, opacity: float, rise: float, tint: float = 0.55, dimmed: bool = True) -> blend.Paint:
    inside = inside_table(rise)
    away = (1 - inside) * min(1.0, 1.5 * opacity) * dimmed
    return blend.Paint.mix(tint * opacity * inside, np.tile(color, (256, 1)), 0.36 * away, 0.6 * away)


@lru_cache(maxsize=64)
def _alone_colors(color: palette.Color, rise: float) -> Pixels:
    inside = inside_table(rise)
    return np.asarray(np.asarray(color) * (0.62 * inside[:, None]) + 0.5).astype(np.uint8)


def _lighter(color: palette.Color) -> palette.Color:
    """A mask's colour on its outline."""
    red, green, blue = (round(value + 0.3 * (255 - value)) for value in color)
    return red, green, blue


def _strength(opacity: float) -> float:
    """Of an outline: opaque before the fill is."""
    return min(1.0, 2 * opacity)


def all_heads(pixels: Pixels, masks: Bytes, opacity: float, alone: bool, heads: Sequence[int] | None = None) -> Pixels:
    """Each head's mask [heads, height, width], small ones on top of large ones; what no head holds is dimmed.

    Args:
        heads: which ones they are, for their colours; the first ones if not given.
    """
    width = outline_width((masks.shape[1], masks.shape[2]))
    ramp, rise = soften(masks.max(axis=0), width)
    if alone:
        picture, opacity = np.zeros_like(pixels), 1.0
    else:  # without colour, this paint only dims what is outside
        picture = blend.lay(pixels, ramp, _paint(palette.INK, opacity, rise, tint=0.0))
    for place in np.argsort(-masks.sum(axis=(1, 2), dtype=np.int64), kind="stable"):
        color = palette.head_color(int(place) if heads is None else heads[place])
        _add(picture, masks[place], color, opacity)
    return picture


def _add(picture: Pixels, mask: Bytes, color: palette.Color, opacity: float) -> None:
    """Tint and outline a mask [height, width] of 0 and 255 on a picture, in place; the rest stays."""
    contour = contour_of(mask, _lighter(color), _strength(opacity))
    if contour is None:
        return
    part = Box(*contour.place).slices
    paint = _paint(color, opacity, contour.rise, tint=0.45, dimmed=False)
    picture[part] = blend.lay(picture[part], contour.ramp, paint)
    draw_contour(picture, contour)

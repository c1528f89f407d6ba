"""Masks of patches: which patches a mask holds, and its outline on the frame."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rtviz.cv import cv2
from rtviz.drawing.geometry import Box, Size
from rtviz.drawing.resample import Array, Bytes, enlarge, upsample
from rtviz.frame import Floats, Pixels


def mass_mask(attention: Floats, threshold: float) -> NDArray[np.bool_]:
    """The patches that together hold the top `threshold` share of the attention mass.

    As DINO's visualize_attention.py (github.com/facebookresearch/dino): values are sorted upwards, normalised and
    cumulated, and those are kept whose cumulated mass is above 1 - threshold.

    Args:
        attention: [..., rows, columns], not negative; each map is taken for itself.
        threshold: above 0, at most 1.

    Returns:
        bool [..., rows, columns].
    """
    flat = attention.reshape(*attention.shape[:-2], -1).astype(np.float64)
    order = np.argsort(flat, axis=-1, kind="stable")
    cumulated = np.cumsum(np.take_along_axis(flat, order, axis=-1), axis=-1)
    kept = cumulated > (1 - threshold) * cumulated[..., -1:]
    mask = np.empty(flat.shape, np.bool_)
    np.put_along_axis(mask, order, kept, axis=-1)
    return mask.reshape(attention.shape)


def mass_field(attention: Floats, mask: NDArray[np.bool_]) -> Floats:
    """Values from 0 to 1 that are above a half exactly on the patches of a mass mask, so that a smooth outline can be
    drawn where their interpolation crosses a half.

    A patch with attention a becomes a / (a + level), with the level between the weakest patch that is kept and the
    strongest that is not: attention spans orders of magnitude, and interpolated as it is it would push the outline
    right to the edge of the weak patches.

    Args:
        attention: [..., rows, columns].
        mask: bool [..., rows, columns], as `mass_mask` gives it.

    Returns:
        float32 [..., rows, columns].
    """
    weakest = np.min(attention, axis=(-2, -1), keepdims=True, where=mask, initial=np.inf)
    strongest = np.max(attention, axis=(-2, -1), keepdims=True, where=~mask, initial=0)
    level = np.where(np.isfinite(weakest), (weakest + strongest) / 2, 1.0) + 1e-12
    side = attention / (attention + level) - 0.5
    side = np.where(mask, np.maximum(side, 0.03), np.minimum(side, -0.03))
    return (side + 0.5).astype(np.float32)


def mask_pixels(attention: Floats, threshold: float, size: Size, how: str, guide: Pixels | None = None) -> Bytes:
    """The mass mask of one or more maps on the frame, as `patches_pixels` draws it.

    Returns:
        uint8 [..., height, width], 255 inside and 0 outside.
    """
    mask = mass_mask(attention, threshold)
    return patches_pixels(mask, mass_field(attention, mask) if how != "nearest" else None, size, how, guide)


def patches_pixels(
    mask: NDArray[np.bool_], field: Floats | None, size: Size, how: str, guide: Pixels | None = None
) -> Bytes:
    """One or more masks of patches on the frame.

    "nearest" gives the patches themselves. "smooth" gives an outline that runs between the patches' centres, with
    every patch's centre on its own side. "guided" gives as many pixels as the patches cover, moved to its edges.

    Args:
        mask: bool [..., rows, columns].
        field: float32 [..., rows, columns] from 0 to 1, above a half exactly on the mask; "nearest" needs none.

    Returns:
        uint8 [..., height, width], 255 inside and 0 outside.
    """
    if how == "nearest" or field is None:
        return enlarge(mask.astype(np.uint8) * np.uint8(255), size, how)
    values = upsample(field, size, how, guide)
    if how == "smooth":
        return _above(values, 127)
    planes = values.reshape(-1, *size)
    shares = mask.reshape(len(planes), -1).mean(axis=1)
    levels = [_level_of_share(plane, share) for plane, share in zip(planes, shares, strict=True)]
    return np.stack([_above(*pair) for pair in zip(planes, levels, strict=True)]).reshape(values.shape)


def _above(values: Bytes, level: int) -> Bytes:
    return ((values > level) * np.uint8(255)).astype(np.uint8, copy=False)


def _level_of_share(values: Bytes, share: float) -> int:
    """The highest level that at least `share` of the values are above; 0 to 254."""
    counts = np.bincount(values[::2, ::2].ravel(), minlength=256)
    above = counts.sum() - np.cumsum(counts)
    return int(np.clip(np.searchsorted(-above, -share * counts.sum(), side="right") - 1, 0, 254))


def bounds(mask: Bytes, margin: int) -> Box | None:
    """The smallest box round what is not 0 in a mask [height, width], wider by a margin; None if all is 0."""
    left, top, width, height = cv2.boundingRect(mask)
    if not width:
        return None
    below, right = min(mask.shape[0], top + height + margin), min(mask.shape[1], left + width + margin)
    top, left = max(0, top - margin), max(0, left - margin)
    return Box(top, left, below - top, right - left)


def outline_width(size: Size) -> float:
    """How wide an outline is drawn on a picture of that size, in pixels."""
    return max(1.5, min(size) / 260)


def line_width(size: Size) -> int:
    """How wide lines and borders are drawn on a picture of that size, in pixels: as outlines of masks are."""
    return max(1, round(outline_width(size)))


def soften(mask: Bytes, width: float) -> tuple[Bytes, float]:
    """A mask whose step at the edge became an even ramp, and how much the ramp rises in one pixel.

    The ramp is a distance to the edge: a table of its values draws a fill and an outline with smooth edges and an even
    width, however the mask runs.

    Args:
        mask: uint8 [height, width], 0 or 255.
        width: of the outline that will be drawn, in pixels.
    """
    window = 2 * math.ceil(width) + 1
    ramp = mask
    for _ in range(2):
        ramp = cv2.blur(ramp, (window, window), borderType=cv2.BORDER_REPLICATE)
    return ramp, 255 / window


def inside_table(rise: float) -> Array:
    """How far each value of a softened mask lies inside: float32 [256], 0..1."""
    return np.clip(_distances(rise) + 0.5, 0, 1)


def outline_table(rise: float, width: float) -> Array:
    """How far each value of a softened mask lies on its outline: float32 [256], 0..1."""
    return np.clip(width / 2 + 0.5 - np.abs(_distances(rise)), 0, 1)


def _distances(rise: float) -> Array:
    """From the outline to each value of a softened mask, in pixels, positive inside."""
    return (np.arange(256, dtype=np.float32) - 127.5) / np.float32(rise)

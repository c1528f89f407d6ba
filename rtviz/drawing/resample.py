"""From the patch grid to pixels: upsampling of values, and the sizes of pictures."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtviz.cv import cv2
from rtviz.drawing.geometry import Size
from rtviz.frame import Floats, Pixels

Bytes = NDArray[np.uint8]  # [height, width], one value a pixel
Array = NDArray[Any]

CORRECTIONS = 2  # of the guided filter


def upsample(planes: Floats, size: Size, how: str = "smooth", guide: Pixels | None = None) -> NDArray[np.uint8]:
    """Values on the patch grid, as 8-bit values of every pixel.

    Args:
        planes: float [..., rows, columns] from 0 to 1.
        size: (height, width) wanted.
        how: "smooth" (cubic, never beyond the values around it), "nearest" (each patch one exact block) or "guided"
            (follows the edges of `guide`).
        guide: RGB uint8 [height, width, 3], needed by "guided".

    Returns:
        uint8 [..., height, width], 0 for 0 and 255 for 1.
    """
    fine = to_bytes(refine(planes, size, how, guide))
    return enlarge(fine, size, how) if fine.ndim > 2 else enlarge_picture(fine, size, how)


def refine(planes: Floats, size: Size, how: str = "smooth", guide: Pixels | None = None) -> Floats:
    """The first step of `upsample`: as many pixels as it takes to show the shape, still float [..., h, w] in 0..1."""
    planes = np.asarray(planes, np.float32)
    if how == "nearest":
        return planes
    rows, columns = planes.shape[-2:]
    height, width = size
    if height < 2 * rows or width < 2 * columns:
        return _shrink_or_stretch(planes, size)
    # About 128 pixels on the short side, four at least for each patch, but never more than are wanted.
    scale = min(1.0, max(128 / min(size), 4 * rows / height, 4 * columns / width))
    small = (max(1, round(height * scale)), max(1, round(width * scale)))
    fine = _cubic(planes, small)
    if how == "guided":
        if guide is None:
            raise ValueError("guided upsampling needs the frame")
        fine = _guided(planes, fine, guide)
    return fine


def to_bytes(values: Array) -> NDArray[np.uint8]:
    """0..1 as 0..255, rounded."""
    return (values * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def enlarge(values: NDArray[np.uint8], size: Size, how: str = "smooth") -> NDArray[np.uint8]:
    """The second step of `upsample`: uint8 [..., h, w] to [..., height, width]."""
    flat = values.reshape(-1, *values.shape[-2:])
    return np.stack([enlarge_picture(plane, size, how) for plane in flat]).reshape(*values.shape[:-2], *size)


def enlarge_picture(picture: NDArray[np.uint8], size: Size, how: str = "smooth") -> NDArray[np.uint8]:
    """The same for one plane [h, w] or one picture [h, w, 3]."""
    if picture.shape[:2] == size:
        return picture
    if how != "nearest":
        return _resize(picture, size, cv2.INTER_LINEAR)
    shrinks = picture.shape[0] > size[0] or picture.shape[1] > size[1]
    return _resize(picture, size, cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST_EXACT)


def thumbnail(pixels: Pixels, size: Size) -> Pixels:
    """A picture made smaller."""
    return _resize(pixels, size, cv2.INTER_AREA)


def _resize(values: Array, size: Size, interpolation: int) -> Array:
    return np.asarray(cv2.resize(values, (size[1], size[0]), interpolation=interpolation))


def _shrink_or_stretch(planes: Floats, size: Size) -> Floats:
    """For tiles hardly larger than the grid: area averages downwards, straight lines upwards."""
    shrinks = size[0] <= planes.shape[-2] and size[1] <= planes.shape[-1]
    flat = planes.reshape(-1, *planes.shape[-2:])
    sized = np.stack([_resize(p, size, cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR) for p in flat])
    return np.clip(sized.astype(np.float32, copy=False).reshape(*planes.shape[:-2], *size), 0, 1)


def _cubic(planes: Array, size: Size) -> Array:
    """Catmull-Rom interpolation held between the lowest and the highest of the four patches around each pixel.

    It passes through every patch's value at the patch's centre, and it cannot ring: no dark rim round a bright patch.
    """
    _, left = _cubic_weights(planes.shape[-1], size[1])
    _, top = _cubic_weights(planes.shape[-2], size[0])
    fine = _catmull_rom(planes, size)
    edged = np.concatenate([planes[..., :1], planes, planes[..., -1:]], axis=-1)
    low, high = np.minimum(edged[..., :-1], edged[..., 1:]), np.maximum(edged[..., :-1], edged[..., 1:])
    low = np.concatenate([low[..., :1, :], low, low[..., -1:, :]], axis=-2)
    high = np.concatenate([high[..., :1, :], high, high[..., -1:, :]], axis=-2)
    low = np.minimum(low[..., :-1, :], low[..., 1:, :])
    high = np.maximum(high[..., :-1, :], high[..., 1:, :])
    np.maximum(fine, low.take(top, axis=-2).take(left, axis=-1), out=fine)
    np.minimum(fine, high.take(top, axis=-2).take(left, axis=-1), out=fine)
    return fine


def _catmull_rom(planes: Array, size: Size) -> Array:
    """Catmull-Rom interpolation: [..., rows, columns] to [..., height, width]."""
    across, _ = _cubic_weights(planes.shape[-1], size[1])
    down, _ = _cubic_weights(planes.shape[-2], size[0])
    return down @ planes @ across.T


@lru_cache(maxsize=64)
def _cubic_weights(count: int, length: int) -> tuple[Floats, NDArray[np.intp]]:
    """Catmull-Rom weights [length, count] from patch centres to pixel centres, and each pixel's interval."""
    place = (np.arange(length) + 0.5) * count / length - 0.5
    left = np.floor(place).astype(np.intp)
    t = place - left
    taps = np.stack(
        [
            ((-t + 2) * t - 1) * t / 2,
            ((3 * t - 5) * t * t + 2) / 2,
            ((-3 * t + 4) * t + 1) * t / 2,
            (t - 1) * t * t / 2,
        ]
    )
    weights = np.zeros((length, count), np.float32)
    for tap, weight in enumerate(taps):
        np.add.at(weights, (np.arange(length), np.clip(left - 1 + tap, 0, count - 1)), weight)
    return weights, left + 1


def _guided(values: Floats, fine: Array, guide: Pixels) -> Array:
    """The fast guided filter with a colour guide: the map becomes, locally, a linear function of the frame's colours.

    He and Sun, "Fast Guided Filter", 2015 (arXiv:1505.00996); He, Sun and Tang, "Guided Image Filtering", 2013, for
    the colour case. Statistics are taken at the size of `fine` and applied at up to 320 pixels on the short side.

    The filter alone averages what is bright with its surroundings. Therefore its input is corrected by what each
    patch's mean lacks of the patch's value, as in iterative back-projection (Irani and Peleg, 1991): two corrections
    halve the error that is left, and a third adds little (`scripts/score_upsampling.py`).

    Args:
        values: float [..., rows, columns], of the patches.
        fine: float [..., h, w], the same interpolated.
        guide: RGB uint8 [height, width, 3].
    """
    small: Size = (fine.shape[-2], fine.shape[-1])
    grid: Size = (values.shape[-2], values.shape[-1])
    height, width = guide.shape[:2]
    scale = min(1.0, max(320 / min(height, width), small[0] / height))
    large: Size = (round(height * scale), round(width * scale))
    fine_guide = _resize(guide, large, cv2.INTER_LINEAR)
    coefficients, channels = _guided_filter(
        _resize(fine_guide, small, cv2.INTER_LINEAR), max(small[0] / grid[0], small[1] / grid[1])
    )
    large_channels = _channels(fine_guide)
    planes, patches = fine.reshape(-1, *small), values.reshape(-1, *grid)
    results, enlarged = np.empty((len(planes), *large), np.float32), np.empty(large, np.float32)
    for plane, patch_values, result in zip(planes, patches, results, strict=True):
        for _ in range(CORRECTIONS):
            *slopes, offset = coefficients(plane)
            for channel, slope in zip(channels, slopes, strict=True):
                cv2.accumulateProduct(slope, channel, offset)
            lacks = patch_values - _resize(np.clip(offset, 0, 1), grid, cv2.INTER_AREA)
            plane = plane + _catmull_rom(lacks, small)
        *slopes, offset = coefficients(plane)
        cv2.resize(offset, (large[1], large[0]), result)
        for channel, slope in zip(large_channels, slopes, strict=True):
            cv2.resize(slope, (large[1], large[0]), enlarged)
            cv2.accumulateProduct(enlarged, channel, result)
    # What little a small bright region still lacks: bring each map back to its own brightness.
    peaks = np.maximum(results.max(axis=(1, 2)), 1e-6)
    results *= np.clip(planes.max(axis=(1, 2)) / peaks, 1, 4)[:, None, None].astype(np.float32)
    np.clip(results, 0, 1, out=results)
    return results.reshape(*fine.shape[:-2], *large)


def _guided_filter(guide: Pixels, patch: float) -> tuple[Callable[[Array], list[Array]], list[Array]]:
    """What the guided filter needs of its guide, once for all maps.

    Args:
        guide: RGB uint8 [h, w, 3].
        patch: side of a patch in its pixels.

    Returns:
        A function from a map [h, w] to its linear function, averaged over the windows: the slopes by red, green and
        blue, and the offset, float32 [h, w] each; and the guide's channels, from 0 to 1.
    """
    reach = max(1, round(0.9 * patch))
    window = (2 * reach + 1, 2 * reach + 1)

    def mean(values: Array) -> Array:
        return np.asarray(cv2.blur(values, window, borderType=cv2.BORDER_REFLECT))

    red, green, blue = channels = _channels(guide)
    mr, mg, mb = mean(red), mean(green), mean(blue)
    smoothness = np.float32(5e-4)
    rr, gg, bb = (mean(c * c) - m * m + smoothness for c, m in ((red, mr), (green, mg), (blue, mb)))
    rg, rb, gb = mean(red * green) - mr * mg, mean(red * blue) - mr * mb, mean(green * blue) - mg * mb
    # The inverse of the symmetric 3x3 covariance, by cofactors.
    irr, irg, irb = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    igg, igb, ibb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    one_over = 1 / (rr * irr + rg * irg + rb * irb)

    def coefficients(plane: Array) -> list[Array]:
        mp = mean(plane)
        cr, cg, cb = (mean(c * plane) - m * mp for c, m in ((red, mr), (green, mg), (blue, mb)))
        slopes = [
            (irr * cr + irg * cg + irb * cb) * one_over,
            (irg * cr + igg * cg + igb * cb) * one_over,
            (irb * cr + igb * cg + ibb * cb) * one_over,
        ]
        offset = mp - slopes[0] * mr - slopes[1] * mg - slopes[2] * mb
        return [mean(one) for one in (*slopes, offset)]

    return coefficients, channels


def _channels(picture: Pixels) -> list[Array]:
    return [np.multiply(channel, np.float32(1 / 255)) for channel in cv2.split(picture)]

"""From the patch grid to the frame: upsampling, colour, blending, outlines, labels and the places of tiles.

Everything here is drawing: it knows arrays, colours and sizes, but neither models nor settings. Work is done on the
patch grid or at a low resolution wherever that does not show, and at full resolution only through 8-bit tables, so
that a 640x480 frame costs one or two milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from rtviz.cv import cv2 as opencv
from rtviz.frame import Floats, Pixels

Size = tuple[int, int]  # (height, width)
Color = tuple[int, int, int]  # RGB
Bytes = NDArray[np.uint8]  # [height, width], one value a pixel
Array = NDArray[Any]

cv2: Any = opencv  # its annotations differ between versions, and say no more than "array"

# Okabe and Ito's colours, which readers with any kind of colour vision tell apart, without their black, and then more
# that differ from them in lightness: twelve or sixteen hues alone nobody could tell apart.
HEAD_COLORS: tuple[Color, ...] = (
    (240, 160, 10),  # orange
    (86, 180, 233),  # sky blue
    (0, 178, 128),  # green
    (245, 232, 75),  # yellow
    (36, 110, 230),  # blue
    (226, 88, 20),  # vermilion
    (222, 130, 190),  # pink
    (170, 225, 120),  # lime
    (140, 86, 200),  # violet
    (170, 240, 240),  # ice
    (176, 32, 72),  # wine
    (128, 128, 20),  # olive
    (255, 190, 170),  # salmon
    (0, 110, 120),  # petrol
    (200, 180, 255),  # lavender
    (165, 165, 165),  # grey
)
ACCENT: Color = (255, 196, 61)
GROUND: Color = (17, 18, 22)  # behind tiles
INK: Color = (244, 244, 240)
FAINT: Color = (150, 152, 158)
_PILL_COLOR: Color = (10, 11, 14)
_PILL = np.float32(0.7)  # how opaque the pill behind a text is


class Box(NamedTuple):
    """A rectangle on a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    @property
    def size(self) -> Size:
        return self.height, self.width


def head_color(head: int) -> Color:
    """The colour that stands for a head wherever heads are told apart by colour."""
    return HEAD_COLORS[head % len(HEAD_COLORS)]


# ---------------------------------------------------------------------------------------------- patches to pixels


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
        fine = _guided(fine, guide, patch=max(small[0] / rows, small[1] / columns))
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
    across, left = _cubic_weights(planes.shape[-1], size[1])
    down, top = _cubic_weights(planes.shape[-2], size[0])
    fine = down @ planes @ across.T
    edged = np.concatenate([planes[..., :1], planes, planes[..., -1:]], axis=-1)
    low, high = np.minimum(edged[..., :-1], edged[..., 1:]), np.maximum(edged[..., :-1], edged[..., 1:])
    low = np.concatenate([low[..., :1, :], low, low[..., -1:, :]], axis=-2)
    high = np.concatenate([high[..., :1, :], high, high[..., -1:, :]], axis=-2)
    low = np.minimum(low[..., :-1, :], low[..., 1:, :])
    high = np.maximum(high[..., :-1, :], high[..., 1:, :])
    np.maximum(fine, low.take(top, axis=-2).take(left, axis=-1), out=fine)
    np.minimum(fine, high.take(top, axis=-2).take(left, axis=-1), out=fine)
    return fine


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


def _guided(fine: Array, guide: Pixels, patch: float) -> Array:
    """The fast guided filter with a colour guide: the map becomes, locally, a linear function of the frame's colours.

    He and Sun, "Fast Guided Filter", 2015 (arXiv:1505.00996); He, Sun and Tang, "Guided Image Filtering", 2013, for
    the colour case. Statistics are taken at the size of `fine` and applied at up to 320 pixels on the short side.

    Args:
        fine: float [..., h, w].
        guide: RGB uint8 [height, width, 3].
        patch: side of a patch at the size of `fine`.
    """
    small: Size = (fine.shape[-2], fine.shape[-1])
    planes = fine.reshape(-1, *small)
    height, width = guide.shape[:2]
    scale = min(1.0, max(320 / min(height, width), small[0] / height))
    large: Size = (round(height * scale), round(width * scale))
    fine_guide = _resize(guide, large, cv2.INTER_LINEAR)
    reach = max(1, round(0.9 * patch))
    window = (2 * reach + 1, 2 * reach + 1)

    def mean(values: Array) -> Array:
        return np.asarray(cv2.blur(values, window, borderType=cv2.BORDER_REFLECT))

    def channels(picture: Array) -> list[Array]:
        return [np.multiply(channel, np.float32(1 / 255)) for channel in cv2.split(picture)]

    red, green, blue = channels(_resize(fine_guide, small, cv2.INTER_LINEAR))
    mr, mg, mb = mean(red), mean(green), mean(blue)
    smoothness = np.float32(5e-4)
    rr, gg, bb = (mean(c * c) - m * m + smoothness for c, m in ((red, mr), (green, mg), (blue, mb)))
    rg, rb, gb = mean(red * green) - mr * mg, mean(red * blue) - mr * mb, mean(green * blue) - mg * mb
    # The inverse of the symmetric 3x3 covariance, by cofactors.
    irr, irg, irb = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    igg, igb, ibb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    one_over = 1 / (rr * irr + rg * irg + rb * irb)

    large_channels = channels(fine_guide)
    results, enlarged = np.empty((len(planes), *large), np.float32), np.empty(large, np.float32)
    for plane, result in zip(planes, results, strict=True):
        mp = mean(plane)
        cr, cg, cb = (mean(c * plane) - m * mp for c, m in ((red, mr), (green, mg), (blue, mb)))
        slopes = [
            (irr * cr + irg * cg + irb * cb) * one_over,
            (irg * cr + igg * cg + igb * cb) * one_over,
            (irb * cr + igb * cg + ibb * cb) * one_over,
        ]
        offset = mp - slopes[0] * mr - slopes[1] * mg - slopes[2] * mb
        cv2.resize(mean(offset), (large[1], large[0]), result)
        for channel, slope in zip(large_channels, slopes, strict=True):
            cv2.resize(mean(slope), (large[1], large[0]), enlarged)
            cv2.accumulateProduct(enlarged, channel, result)
    # A small bright region is averaged down by its surroundings: bring each map back to its own brightness.
    peaks = np.maximum(results.max(axis=(1, 2)), 1e-6)
    results *= np.clip(planes.max(axis=(1, 2)) / peaks, 1, 4)[:, None, None].astype(np.float32)
    np.clip(results, 0, 1, out=results)
    return results.reshape(*fine.shape[:-2], *large)


# ---------------------------------------------------------------------------------------------- colour and blending


@lru_cache(maxsize=16)
def colormap(name: str) -> Pixels:
    """The 256 colours of a colormap, uint8 [256, 3]."""
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    if name == "gray":
        return np.repeat(ramp, 3, axis=1)
    colors = cv2.applyColorMap(ramp, getattr(cv2, f"COLORMAP_{name.upper()}"))
    return np.ascontiguousarray(colors[:, 0, ::-1])


@dataclass(frozen=True, slots=True, eq=False)
class Paint:
    """What each value from 0 to 255 does to a pixel: pixel * keep + grey of the pixel * gray + light.

    Attributes:
        keep: uint8 [256], 255 leaves the pixel as it is.
        gray: uint8 [256], how much of the pixel's grey is mixed in.
        light: uint8 [256, 3], the colour that is added.
    """

    keep: NDArray[np.uint8]
    gray: NDArray[np.uint8]
    light: NDArray[np.uint8]

    @classmethod
    def mix(cls, cover: Array, colors: Array, dim: Array | float, fade: Array | float) -> Paint:
        """Paint that covers the frame with `colors` [256, 3] by `cover` [256]; the frame that still shows is dimmed
        by `dim` and bleached by `fade`, all from 0 to 1."""
        shows = (1 - cover) * (1 - np.asarray(dim))
        gray = to_bytes(np.asarray(shows * fade, np.float32))
        keep = to_bytes(np.asarray(shows, np.float32)) - gray
        light = np.minimum(colors * cover[:, None], 255.0 - keep[:, None] - gray[:, None])
        return cls(keep, gray, (light + 0.5).astype(np.uint8))


def lay(pixels: Pixels, values: Bytes, paint: Paint) -> Pixels:
    """The frame painted by the values of its pixels.

    Args:
        pixels: RGB uint8 [height, width, 3].
        values: uint8 [height, width].

    Returns:
        A new picture, RGB uint8 [height, width, 3].
    """
    painted = np.empty_like(pixels)
    for rows in _bands(pixels):
        part = values[rows]
        light = color_values(part, paint.light)
        _lay(pixels[rows], cv2.LUT(part, paint.keep), cv2.LUT(part, paint.gray), light, painted[rows])
    return painted


def lay_planes(pixels: Pixels, keep: Bytes, gray: Bytes, light: Pixels) -> Pixels:
    """The frame painted by planes of its own size: pixel * keep + grey of the pixel * gray + light."""
    painted = np.empty_like(pixels)
    for rows in _bands(pixels):
        _lay(pixels[rows], keep[rows], gray[rows], light[rows], painted[rows])
    return painted


def _lay(pixels: Pixels, keep: Bytes, gray: Bytes, light: Pixels, painted: Pixels) -> None:
    light_and_gray = cv2.multiply(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), gray, scale=1 / 255)
    cv2.multiply(pixels, cv2.merge((keep, keep, keep)), painted, scale=1 / 255)
    cv2.add(painted, cv2.merge((light_and_gray,) * 3), painted)
    cv2.add(painted, light, painted)


def _bands(pixels: Pixels) -> list[slice]:
    """Bands of rows so low that what is computed on the way stays in the processor's cache: three times as fast."""
    rows = max(1, 32768 // pixels.shape[1])
    return [slice(top, top + rows) for top in range(0, pixels.shape[0], rows)]


def color_values(values: Bytes, colors: NDArray[np.uint8]) -> Pixels:
    """Each value's colour from a table [256, 3]."""
    return np.asarray(cv2.applyColorMap(values, np.ascontiguousarray(colors).reshape(256, 1, 3)))


def blank(size: Size, color: Color = GROUND) -> Pixels:
    """A picture of one colour."""
    row = np.tile(np.array(color, np.uint8), (size[1], 1))
    return np.broadcast_to(row, (*size, 3)).copy()  # row by row: sixty times as fast as pixel by pixel


# ---------------------------------------------------------------------------------------------- masks and outlines


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


def edge_tables(rise: float, width: float) -> tuple[Array, Array]:
    """(inside, line): how far each value of a softened mask lies inside, and on its outline; float32 [256], 0..1."""
    distance = (np.arange(256, dtype=np.float32) - 127.5) / np.float32(rise)  # in pixels, positive inside
    inside = np.clip(distance + 0.5, 0, 1)
    line = np.clip(width / 2 + 0.5 - np.abs(distance), 0, 1)
    return inside, line


# ---------------------------------------------------------------------------------------------- words on pictures


def text_size(size: Size) -> int:
    """A text height, in pixels, that is read well on a picture or tile of that size; never below 9."""
    return int(max(9, min(34, 6 + min(size[0] * 1.33, size[1]) * 0.037)))


@lru_cache(maxsize=64)
def _font(height: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(height)


@lru_cache(maxsize=2048)
def _letters(text: str, height: int) -> Bytes:
    """The coverage of a text, tightly cut across, and as tall as the font's own line."""
    font = _font(height)
    left, _, right, _ = font.getbbox(text)
    _, top, _, bottom = font.getbbox("0Hhlg")
    picture = Image.new("L", (max(1, math.ceil(right - left)), max(1, math.ceil(bottom - top))))
    ImageDraw.Draw(picture).text((-left, -top), text, font=font, fill=255)
    return np.asarray(picture)


@lru_cache(maxsize=512)
def _rounded(size: Size, radius: int) -> Array:
    """The coverage of a rounded rectangle."""
    scale = 4
    picture = Image.new("L", (size[1] * scale, size[0] * scale))
    box = (0, 0, size[1] * scale - 1, size[0] * scale - 1)
    ImageDraw.Draw(picture).rounded_rectangle(box, radius * scale, fill=255)
    small = picture.resize((size[1], size[0]), Image.Resampling.BOX)
    return np.asarray(small, np.float32) / 255


def _stamp(picture: Pixels, cover: Array, color: Color, top: int, left: int) -> None:
    """Blend a colour into a picture where `cover` [h, w] says so; what would fall outside is left out."""
    height, width = cover.shape
    y, x = max(0, top), max(0, left)
    below, right = min(picture.shape[0], top + height), min(picture.shape[1], left + width)
    if below <= y or right <= x:
        return
    part = cover[y - top : below - top, x - left : right - left, None]
    place = picture[y:below, x:right]
    place[:] = (place + (np.asarray(color, np.float32) - place) * part + 0.5).astype(np.uint8)


def text_extent(text: str, height: int) -> Size:
    """(height, width) of a text without a pill."""
    rows, columns = _letters(text, height).shape
    return rows, columns


def write(picture: Pixels, text: str, top: int, left: int, height: int, color: Color = INK) -> None:
    """Write a text, without a pill, straight into a picture."""
    _stamp(picture, _letters(text, height).astype(np.float32) / 255, color, top, left)


def pill_extent(text: str, height: int, swatch: bool = False) -> Size:
    """(height, width) of a text on its pill, with the margin around it."""
    rows, columns = text_extent(text, height)
    pad = _pad(height)
    dot = round(rows * 0.62) + pad // 2 if swatch else 0
    return rows + pad + 2 * (pad // 2 + 1), columns + 2 * pad + dot + 2 * (pad // 2 + 1)


def _pad(height: int) -> int:
    return max(2, round(height * 0.4))


def label(picture: Pixels, text: str, box: Box, height: int, swatch: Color | None = None) -> Box:
    """Write a text on a dark pill in the upper left corner of a box of the picture.

    Args:
        picture: changed in place.
        height: of the letters' line, in pixels.
        swatch: a dot of that colour stands before the text.

    Returns:
        The pill's rectangle.
    """
    pad, margin = _pad(height), _pad(height) // 2 + 1
    extent = pill_extent(text, height, swatch is not None)
    pill = Box(box.top + margin, box.left + margin, extent[0] - 2 * margin, extent[1] - 2 * margin)
    rows, columns = text_extent(text, height)
    _stamp(picture, _rounded(pill.size, min(pill.height // 2, height // 2)) * _PILL, _PILL_COLOR, pill.top, pill.left)
    if swatch:
        dot = round(rows * 0.62)
        _stamp(picture, _rounded((dot, dot), dot // 2), swatch, pill.top + (pill.height - dot) // 2, pill.left + pad)
    write(picture, text, pill.top + (pill.height - rows) // 2, pill.left + pill.width - pad - columns, height)
    return pill


def say(picture: Pixels, *texts: str) -> None:
    """Write on a pill in the upper left corner the first of these texts that there is room for; the last, if there is
    room for none."""
    size: Size = (picture.shape[0], picture.shape[1])
    height = text_size(size)
    fitting = (text for text in texts if pill_extent(text, height)[1] <= size[1])
    label(picture, next(fitting, texts[-1]), Box(0, 0, *size), height)


def paragraph(picture: Pixels, text: str) -> None:
    """Write a text of any length on a pill in the middle, in as many lines as it takes."""
    size: Size = (picture.shape[0], picture.shape[1])
    height = text_size(size)
    pad = _pad(height)
    broadest = 0.8 * size[1]
    lines = _wrapped(text, height, broadest)
    while len(even := _wrapped(text, height, broadest := 0.95 * broadest)) == len(lines) > 1:  # no word is left alone
        lines = even
    extents = [text_extent(line, height) for line in lines]
    step = round(1.25 * extents[0][0])
    pill: Size = (step * (len(lines) - 1) + extents[0][0] + 4 * pad, max(width for _, width in extents) + 4 * pad)
    top, left = (size[0] - pill[0]) // 2, (size[1] - pill[1]) // 2
    _stamp(picture, _rounded(pill, height // 2) * _PILL, _PILL_COLOR, top, left)
    for row, (line, (_, width)) in enumerate(zip(lines, extents, strict=True)):
        write(picture, line, top + 2 * pad + row * step, (size[1] - width) // 2, height)


def _wrapped(text: str, height: int, broadest: float) -> list[str]:
    """The lines of a text, none broader than so many pixels unless it is a single word."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_extent(longer, height)[1] > broadest:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def dimmed(pixels: Pixels) -> Pixels:
    """A picture of which nothing is to be seen but that it is there."""
    return lay(pixels, np.zeros(pixels.shape[:2], np.uint8), Paint.mix(np.zeros(256), np.zeros((256, 3)), 0.5, 0.6))


def legend(picture: Pixels, title: str, entries: Sequence[tuple[str, Color]]) -> None:
    """A title and coloured dots with names in the lower left corner, in as many rows as they need."""
    size: Size = (picture.shape[0], picture.shape[1])
    height = max(9, round(0.75 * text_size(size)))
    pad = _pad(height)
    rows = text_extent(title, height)[0]
    dot = round(rows * 0.66)
    items: list[tuple[str, Color | None]] = [(title, None), *entries]
    widths = [text_extent(name, height)[1] + (dot + pad // 2 if color else 0) + pad for name, color in items]
    lines: list[list[int]] = [[]]
    for item, width in enumerate(widths):
        if lines[-1] and sum(widths[i] for i in lines[-1]) + width > size[1] - 4 * pad:
            lines.append([])
        lines[-1].append(item)
    step = rows + pad // 2
    pill: Size = (step * len(lines) + pad, max(sum(widths[i] for i in line) for line in lines) + pad)
    top, left = size[0] - pill[0] - pad, pad
    _stamp(picture, _rounded(pill, min(pill[0] // 2, height // 2 + pad // 2)) * _PILL, _PILL_COLOR, top, left)
    for row, line in enumerate(lines):
        y, x = top + pad // 2 + pad // 4 + row * step, left + pad
        for i in line:
            name, color = items[i]
            offset = 0
            if color:
                _stamp(picture, _rounded((dot, dot), dot // 2), color, y + (rows - dot) // 2, x)
                offset = dot + pad // 2
            write(picture, name, y, x + offset, height)
            x += widths[i]


def marker(picture: Pixels, x: float, y: float, box: Box | None = None) -> None:
    """A ring round the query's point, given as fractions of the width and height of a box of the picture."""
    box = box or Box(0, 0, picture.shape[0], picture.shape[1])
    radius = max(3, round(min(box.size) * 0.018))
    center = (box.left + min(box.width - 1, int(x * box.width)), box.top + min(box.height - 1, int(y * box.height)))
    thick = max(1, radius // 3)
    cv2.circle(picture, center, radius, (10, 11, 14), thick + 2, cv2.LINE_AA)
    cv2.circle(picture, center, radius, (255, 255, 255), thick, cv2.LINE_AA)


def paste(picture: Pixels, tile: Pixels, box: Box) -> None:
    """Put a tile of the box's size into a picture; what lies outside of it is left out."""
    ys, xs = box.slices
    place = picture[ys, xs]
    place[:] = tile[: place.shape[0], : place.shape[1]]


def frame_box(picture: Pixels, box: Box, color: Color, thick: int) -> None:
    """Draw a border of `thick` pixels just inside a box."""
    ys, xs = box.slices
    inner = picture[ys, xs]
    inner[:thick], inner[-thick:], inner[:, :thick], inner[:, -thick:] = color, color, color, color


# ---------------------------------------------------------------------------------------------- tiles


def gutter(size: Size) -> int:
    """Pixels between tiles on a picture of that size."""
    return max(2, round(min(size) / 180))


def thumbnail(pixels: Pixels, size: Size) -> Pixels:
    """A picture made smaller."""
    return _resize(pixels, size, cv2.INTER_AREA)


def tile_boxes(area: Box, rows: int, columns: int, gap: int, aspect: float) -> list[Box]:
    """Boxes of one size for rows x columns tiles, row by row, as large as they fit, in the middle of an area.

    What is left over widens the gaps, at most to their double; the rest lies around the tiles.

    Args:
        area: where they lie.
        gap: pixels between tiles, at least.
        aspect: width / height of a tile.
    """
    height = (area.height - gap * (rows - 1)) / rows
    width = (area.width - gap * (columns - 1)) / columns
    tile = (max(1, int(min(height, width / aspect) + 1e-6)), max(1, int(min(width, height * aspect) + 1e-6)))

    def starts(begin: int, room: int, length: int, count: int) -> list[int]:
        step = length + min((room - count * length) // max(1, count - 1), 2 * gap)
        first = begin + (room - step * (count - 1) - length) // 2
        return [first + step * place for place in range(count)]

    return [
        Box(top, left, *tile)
        for top in starts(area.top, area.height, tile[0], rows)
        for left in starts(area.left, area.width, tile[1], columns)
    ]


def beside(left: Pixels, right: Pixels) -> Pixels:
    """Two pictures of one size side by side."""
    return np.hstack((left, right))

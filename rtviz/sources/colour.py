"""From a decoded picture of any mode to what is shown of it: RGB, 8 bits, upright, on white."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from rtviz.cv import cv2
from rtviz.frame import Pixels

# Tags of TIFF and EXIF, by their numbers.
_BITS, _PHOTOMETRIC, _MAXIMUM, _SAMPLE_FORMAT, _ORIENTATION = 258, 262, 281, 339, 274
_WHITE_IS_ZERO = 0
_SIGNED, _FLOAT = 2, 3

_SRGB = ImageCms.createProfile("sRGB")
# A name that every writer gives to the profile of which nothing has to be converted.
_PLAIN = ("srgb", "c2")


@dataclass(frozen=True)
class FloatRange:
    """Which levels of floating-point pictures are shown black and white: the same for all that are shown together.

    A float has no range of its own. Where all lie between 0 and 1, as light is mostly stored, these are black and
    white; else the lowest (0, if nothing is below it) and the highest of all pictures.

    Attributes:
        pictures: how many are shown in it.
    """

    black: float = 0.0
    white: float = 1.0
    pictures: int = 1

    @classmethod
    def of(cls, lowest: float, highest: float, pictures: int = 1) -> FloatRange:
        """The range for so many pictures whose finite levels lie between these."""
        if lowest >= 0 and highest <= 1:
            return cls(pictures=pictures)
        black = min(0.0, lowest)
        return cls(black, highest if highest > black else black + 1, pictures)

    def words(self) -> str:
        """The sentence for the user."""
        of = "of this picture" if self.pictures == 1 else f"of all {self.pictures} pictures"
        why = "the range of light" if (self.black, self.white) == (0, 1) else f"the range {of}"
        return f"floating-point levels: {self.black:g} is black and {self.white:g} is white, {why}"


def float_levels(picture: Image.Image) -> NDArray[Any] | None:
    """The finite levels of a floating-point picture, flat; None of any other."""
    if not picture.mode.startswith("F"):
        return None
    levels = np.asarray(picture)
    return levels[np.isfinite(levels)]


def to_rgb(picture: Image.Image, data: bytes, floats: FloatRange) -> tuple[Pixels, str]:
    """What is shown of a loaded picture.

    Args:
        picture: loaded; where its file was cut off, its rest is blank.
        data: the file that it comes from, for what Pillow does not tell.
        floats: how floating-point levels are shown.

    Returns:
        RGB uint8 [height, width, 3], and a remark for the user, mostly empty.
    """
    remark = ""
    orientation = _orientation(picture)
    deep = _deep_samples(picture, data)
    if deep is not None:
        pixels, remark = _eight_bits(picture, *deep)
    elif picture.mode.startswith("F"):
        level = _scaled(np.asarray(picture), floats)
        pixels = level if level.ndim == 3 else _grey(level)
    else:
        pixels = np.array(_on_white(picture))
    return _turned(pixels, orientation), remark


# --- levels ----------------------------------------------------------------------------------------------------------


def _deep_samples(picture: Image.Image, data: bytes) -> tuple[NDArray[Any], float, float] | None:
    """Samples of more than 8 bits, [height, width] or [height, width, channels], and which are black and white.

    They come from the format, never from the picture: from how many bits it says that a sample has.
    """
    bits = _significant_bits(data) if picture.format == "PNG" else None
    if bits is not None and not picture.mode.startswith("I"):
        # Pillow keeps the upper 8 bits of colours, and nothing of those that are stored at the lower end.
        samples = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if samples is None or samples.dtype != np.uint16 or samples.ndim != 3 or not _at_the_lower_end(samples, bits):
            return None
        return samples[:, :, 2::-1], 0, 2**bits - 1
    if not picture.mode.startswith("I"):
        return None
    samples = np.asarray(picture)
    if picture.format != "TIFF":  # PNG; Pillow spreads the levels of PNM and JPEG 2000 over 16 bits
        return samples, 0, 2**bits - 1 if bits is not None and _at_the_lower_end(samples, bits) else 65535
    tags: Any = getattr(picture, "tag_v2", {})
    depth = int(_first(tags.get(_BITS), 16))
    if _first(tags.get(_SAMPLE_FORMAT), 1) == _SIGNED:
        return samples, -(2 ** (depth - 1)), 2 ** (depth - 1) - 1
    if depth == 32:
        samples = samples.view(np.uint32)
    # The highest sample that is there is often written into this tag; only a number of bits is a statement of range.
    highest = int(_first(tags.get(_MAXIMUM), 0))
    white = highest if 255 < highest < 2**depth and (highest + 1).bit_count() == 1 else 2**depth - 1
    return (samples, white, 0) if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO else (samples, 0, white)


def _first(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None else value[0] if isinstance(value, tuple) else value


def _significant_bits(data: bytes) -> int | None:
    """How many of its 16 bits a PNG says are significant (sBIT), if not all."""
    if data[24:25] != b"\x10":
        return None
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind == b"sBIT" and length:
            bits = max(data[at + 8 : at + 8 + min(length, 3)], default=16)
            return bits if 8 < bits < 16 else None
        if kind in (b"IDAT", b"IEND"):
            break
        at += 12 + length
    return None


def _at_the_lower_end(samples: NDArray[Any], bits: int) -> bool:
    """Whether samples of so many bits were stored as they are, and not spread over 16 bits as PNG wants them.

    Those that are spread are multiples, or have their upper bits repeated in the lower ones.
    """
    if int(samples.max(initial=0)) >= 2**bits:
        return False
    upper = (samples >> (16 - bits)).astype(np.uint32)
    spread = upper << (16 - bits)
    return not bool(np.all((samples == spread) | (samples == (spread | (upper >> (2 * bits - 16))))))


def _eight_bits(picture: Image.Image, samples: NDArray[Any], black: float, white: float) -> tuple[Pixels, str]:
    level = _scaled(samples, FloatRange(black, white))
    clear = picture.info.get("transparency")
    if isinstance(clear, int) and samples.ndim == 2:
        level[samples == clear] = 255
    remark = ""
    span, lowest, highest = abs(white - black), int(samples.min(initial=0)), int(samples.max(initial=0))
    said = f"has samples of {round(np.log2(span + 1))} bits, of which none is"
    shown = "and does not say that it means fewer bits: it is shown as it says"
    if min(black, white) == 0 and 0 < highest * 16 <= span:
        remark = f"{said} above {highest}, {shown}, dark"
    elif min(black, white) < 0 and 0 < (highest - lowest) * 16 <= span:
        remark = f"{said} below {lowest} or above {highest}, {shown}, nearly all in one grey"
    return (level if level.ndim == 3 else _grey(level)), remark


def _scaled(samples: NDArray[Any], span: FloatRange) -> NDArray[np.uint8]:
    scale = 255.0 / (span.white - span.black)
    with np.errstate(invalid="ignore", over="ignore"):  # of what is no number
        exact: NDArray[Any] = samples.astype(np.float64 if samples.dtype.itemsize > 2 else np.float32)
        level = (exact - span.black) * scale
    level = np.nan_to_num(level, nan=0.0, posinf=255.0, neginf=0.0)
    return np.clip(np.rint(level), 0, 255).astype(np.uint8)


def _grey(level: NDArray[np.uint8]) -> Pixels:
    return np.repeat(level[:, :, None], 3, axis=2)


# --- colours ---------------------------------------------------------------------------------------------------------


def _on_white(picture: Image.Image) -> Image.Image:
    """RGB. What is transparent is white, as a page shows it; what lies under transparency may be anything."""
    if not picture.has_transparency_data:
        return _in_srgb(picture, picture)
    cut_out = picture.convert("RGBA")
    colours = _in_srgb(picture, cut_out.convert("RGB")).convert("RGBA")
    colours.putalpha(cut_out.getchannel("A"))
    return Image.alpha_composite(Image.new("RGBA", cut_out.size, "white"), colours).convert("RGB")


def _in_srgb(picture: Image.Image, colours: Image.Image) -> Image.Image:
    """The colours in sRGB, if the picture says which they are by a profile that can be used."""
    profile = picture.info.get("icc_profile")
    if colours.mode in ("1", "P", "PA", "YCbCr", "HSV", "RGBX", "RGBa", "La"):
        colours = colours.convert("RGB" if colours.mode != "1" else "L")
    transform = _transform(bytes(profile) if profile else b"", colours.mode)
    if transform is not None:
        return ImageCms.applyTransform(colours, transform) or colours
    return colours.convert("RGB")


@lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From such colours to sRGB; None where there is nothing to do, or the profile is none for them."""
    source: Any
    try:
        if mode == "LAB":
            source = ImageCms.createProfile("LAB")
        elif not profile:
            return None
        else:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if ImageCms.getProfileDescription(source).strip().lower().startswith(_PLAIN):
                return None
        return ImageCms.buildTransform(source, _SRGB, mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


# --- upright ---------------------------------------------------------------------------------------------------------


def _orientation(picture: Image.Image) -> int:
    """How the camera was held: EXIF's number, 1 where it says nothing. Of TIFF, Pillow has turned what it loaded."""
    try:
        found = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # Pillow's readers raise whatever they stumble over, and a broken note is no reason
        return 1
    return found if found in range(1, 9) else 1


def _turned(pixels: Pixels, orientation: int) -> Pixels:
    """Upright, by the table of the EXIF standard: where row 0 and column 0 of what is stored belong."""
    if orientation >= 5:  # its rows are columns
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


__all__ = ["FloatRange", "float_levels", "to_rgb"]

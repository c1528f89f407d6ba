"""One picture file: what it holds (a picture, an animation, pages of a document), and decoding it by Pillow."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from PIL import Image, UnidentifiedImageError, features

from rtviz.errors import MissingDependency, SourceMissing, SourceUnreadable
from rtviz.frame import Pixels
from rtviz.sources.colour import FloatRange, float_levels, to_rgb
from rtviz.sources.files import LARGEST_SIDE, check_file
from rtviz.sources.magic import RAW_SUFFIXES, brand_of
from rtviz.sources.samples import SamplePicture, open_samples, open_tiff_samples

# What Pillow has to say about odd files would land on the user's screen; what matters of it is said here.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())

# Of all that Pillow opens, what is a picture by itself: some of the others start programs.
_FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "AVIF", "HEIF", "GIF", "TIFF", "BMP", "DIB", "PPM", "JPEG2000", "ICO", "TGA",
            "PCX", "SGI", "DDS", "QOI", "SUN")  # fmt: skip
_ANIMATIONS = ("PNG", "WEBP", "AVIF", "GIF")
_DEFAULT_SECONDS = 0.1  # of a frame that says none, as browsers have it
# What means no time in some formats: browsers slow GIFs down that ask for the shortest time that there is, and AVIF
# has none that is 0, for which the libraries that write it put its shortest one.
_NO_TIME_SECONDS = {"GIF": 0.01, "AVIF": 0.001}
_REDUCED, _MASK = 1, 4  # bits of TIFF's NewSubfileType: not a page of its own
_SUBFILE, _DNG = 254, 50706  # tags of TIFF
_STEREO = "Multi-Frame Image (Disparity)"  # the type by which MPO says that its pictures are one for each eye


@dataclass(frozen=True)
class Decoded:
    """A picture, or a frame of an animation, or a page.

    Attributes:
        pixels: RGB uint8 [height, width, 3], upright.
        whole: nothing of it is missing; else the rest is blank: black, or white in some colour models.
        remark: what the user should know of it; mostly empty.
        floating: its levels are floating-point numbers.
        start_seconds, duration_seconds: when it is shown, in an animation; else 0.
    """

    pixels: Pixels
    whole: bool = True
    remark: str = ""
    floating: bool = False
    start_seconds: float = 0.0
    duration_seconds: float = 0.0


class PictureFile:
    """A picture file that is open. A context manager.

    Attributes:
        path: the file.
        holds: "frames" of an animation, "pages" of a document, or "picture": one.
        count: how many of them; 1 for a picture.
        remark: what is in it besides what is shown; mostly empty.

    Raises:
        SourceMissing: it is not there, or may not be read.
        SourceUnreadable: it cannot be decoded.
        MissingDependency: what decodes its format is not installed.
    """

    def __init__(self, path: Path) -> None:
        check_file(path)
        self.path = path
        self.remark = ""
        try:
            self._data = path.read_bytes()
        except OSError as error:
            raise SourceMissing(f"cannot open {path}: {error.strerror or error}") from None
        self._refuse_raw()
        brand = brand_of(self._data)
        needs(brand, path)
        try:
            self._picture: Any = open_samples(self._data) or self._by_pillow(brand)
            self._refuse_size()
            self.holds, self._numbers = self._contents()
        except Exception as error:  # on a garbled file, Pillow's readers raise whatever they stumble over
            raise self._unreadable(error) from None
        self.count = len(self._numbers)
        self._shown_until = 0.0

    def _by_pillow(self, brand: str | None) -> Image.Image | SamplePicture:
        try:
            # By its own word: each of the two readers takes some files of the other one for its own.
            return Image.open(io.BytesIO(self._data), formats=[brand] if brand else _formats())
        except UnidentifiedImageError:
            if (other := open_tiff_samples(self._data)) is not None:
                return other
            raise

    def _refuse_raw(self) -> None:
        if self.path.suffix.lower() in RAW_SUFFIXES:
            raise SourceUnreadable(
                f"{self.path} is a camera's raw picture, which rtviz does not develop; export it as JPEG, PNG or TIFF"
            )

    def _refuse_size(self) -> None:
        width, height = self._picture.size
        if max(width, height) > LARGEST_SIDE:
            raise SourceUnreadable(f"{self.path} claims {width}x{height} pixels; at most {LARGEST_SIDE} a side")
        if min(width, height) < 1:
            raise SourceUnreadable(f"{self.path} is no picture that can be decoded: it claims {width}x{height} pixels")

    def _unreadable(self, error: Exception) -> Exception:
        if isinstance(error, SourceUnreadable | SourceMissing | MissingDependency):
            return error
        if isinstance(error, UnidentifiedImageError) and brand_of(self._data):
            return SourceUnreadable(f"{self.path} is no picture that can be decoded: it is cut off or damaged")
        if isinstance(error, Image.DecompressionBombError):
            return SourceUnreadable(f"{self.path} claims more pixels than can be held; at most 178 million")
        return SourceUnreadable(f"{self.path} is no picture that can be decoded: {_reason(error)}")

    def _contents(self) -> tuple[str, Sequence[int]]:
        """What the file holds, and Pillow's numbers of that."""
        picture, form = self._picture, self._picture.format
        if form == "TIFF":
            return self._pages()
        number = getattr(picture, "n_frames", 1)
        if number < 2 or form == "ICO":  # an icon is one picture in several sizes, of which Pillow takes the largest
            return "picture", [0]
        if form in _ANIMATIONS:
            # The picture that a PNG shows where animations are not known need not be one of its frames.
            first = 1 if picture.info.get("default_image") else 0
            return ("frames" if number - first > 1 else "picture"), range(first, number)
        if form == "HEIF":
            self.remark = f"holds {number} pictures: the one that it calls the primary one is shown"
            return "picture", [picture.tell()]
        if form == "MPO" and _is_stereo(picture):
            self.remark = f"holds {number} pictures, one for each eye: the first is shown"
        return "picture", [0]  # what else comes with a camera's JPEG are smaller copies, and maps of depth or gain

    def _pages(self) -> tuple[str, Sequence[int]]:
        picture = self._picture
        if _DNG in picture.tag_v2:
            raise SourceUnreadable(
                f"{self.path} is a camera's raw picture, which rtviz does not develop; export it as JPEG, PNG or TIFF"
            )
        pages = []
        for number in range(picture.n_frames):
            try:
                picture.seek(number)
            except Exception:  # a directory of a page that is cut off, or of a kind that Pillow cannot read
                if not number:
                    raise
                self.remark = f"has {picture.n_frames} pages, of which those from page {number + 1} on cannot be read"
                break
            if not (picture.tag_v2.get(_SUBFILE, 0) or 0) & (_REDUCED | _MASK):
                pages.append(number)
        if not pages:
            raise SourceUnreadable(f"{self.path} holds reduced copies of a picture only, not the picture")
        return ("pages" if len(pages) > 1 else "picture"), pages

    def read(self, number: int = 0, floats: Callable[[], FloatRange] | None = None) -> Decoded:
        """Decode the picture, or a frame or page; frames are to be read in order.

        Args:
            floats: tells how floating-point levels are shown, if there are any; by this file alone, if not given.

        Raises:
            SourceUnreadable: it cannot be decoded.
        """
        picture = self._picture
        try:
            whole = self._load(number)
            start, duration = self._time(picture.info, number) if self.holds == "frames" else (0.0, 0.0)
            floating = picture.mode.startswith("F")
            span = (floats or self.float_range)() if floating else FloatRange()
            self._load(number)  # where the range was found in this very file, another page may be current
            pixels, remark = to_rgb(picture, self._data, span)
            if getattr(picture, "drops_alpha", False):
                remark = remark or "has an alpha channel, which is left out"
        except Exception as error:
            raise self._unreadable(error) from None
        if not whole and not np.any(picture.getextrema()):
            raise SourceUnreadable(f"{self.path} is no picture that can be decoded: it is cut off")
        return Decoded(pixels, whole, remark, floating, start, duration)

    def _load(self, number: int) -> bool:
        """Load a picture; returns whether it is whole."""
        picture = self._picture
        if picture.tell() != self._numbers[number]:
            picture.seek(self._numbers[number])
            self._refuse_size()
        try:
            picture.load()
        except OSError:  # cut off: what is decoded is kept, if there is any
            if picture.format == "HEIF" or getattr(picture, "_im", None) is None:
                raise
            picture.tile = []
            return False
        return True

    def _time(self, info: dict[str, Any], number: int) -> tuple[float, float]:
        """When a frame is shown, and how long, in seconds."""
        if number == 0:
            self._shown_until = 0.0
            self._first_ms = float(info.get("timestamp") or 0)
        duration = float(info.get("duration") or 0) / 1000
        if duration <= _NO_TIME_SECONDS.get(self._picture.format, 0.0):
            duration = _DEFAULT_SECONDS
        start = self._shown_until
        if "timestamp" in info:  # it was rounded once, and sums of what was rounded drift
            start = max(start, (float(info["timestamp"]) - self._first_ms) / 1000)
        self._shown_until = start + duration
        return start, duration

    def float_extent(self) -> tuple[float, float] | None:
        """The lowest and the highest finite level of floating-point pictures; None where it has none.

        Raises:
            SourceUnreadable: it cannot be decoded.
        """
        found: list[float] = []
        for number in range(self.count):
            try:
                if self._picture.tell() != self._numbers[number]:
                    self._picture.seek(self._numbers[number])
                if self._picture.mode.startswith("F"):
                    self._load(number)
                    levels = float_levels(self._picture)
                    if levels is not None and levels.size:
                        found += [float(levels.min()), float(levels.max())]
            except Exception as error:
                raise self._unreadable(error) from None
        return (min(found), max(found)) if found else None

    def float_range(self) -> FloatRange:
        """How floating-point levels are shown, by those of this file."""
        return FloatRange.of(*(self.float_extent() or (0.0, 1.0)))

    def close(self) -> None:
        """Let go of the file; it may be called twice."""
        self._picture.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _is_stereo(picture: Any) -> bool:
    try:
        entries = picture.mpinfo[0xB002]
        return any(entry["Attribute"]["MPType"] == _STEREO for entry in entries)
    except (KeyError, TypeError, AttributeError):
        return False


@cache
def _formats() -> list[str]:
    """The formats that can be opened here."""
    Image.init()
    try:
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    except ImportError:
        pass
    return [name for name in _FORMATS if name in Image.OPEN]


def needs(brand: str | None, path: Path) -> None:
    """Say which library is missing, if one is.

    Args:
        brand: of the file, as `magic.brand_of` finds it.

    Raises:
        MissingDependency: what decodes its format is not installed.
    """
    if brand == "HEIF" and brand not in _formats():
        raise MissingDependency("pillow-heif", f"reading the HEIC picture {path}", "pip install pillow-heif")
    if brand == "AVIF" and not features.check("avif"):
        raise MissingDependency("Pillow 11.3", f"reading the AVIF picture {path}", "pip install 'pillow>=11.3'")


def holds(path: Path) -> str:
    """What a picture file holds: "frames", "pages" or "picture"; where it cannot be opened, "picture" too."""
    try:
        with PictureFile(path) as file:
            return file.holds
    except (SourceMissing, SourceUnreadable, MissingDependency):
        return "picture"


def _reason(error: Exception) -> str:
    text = str(error)
    if text.startswith("cannot identify image file"):  # goes on with the address of a buffer
        return "its format is not known"
    return " ".join(text.split()) or type(error).__name__


__all__ = ["Decoded", "PictureFile", "holds", "needs"]

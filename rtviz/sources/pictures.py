"""Pictures: one, a folder of them, or a glob, each shown for a moment."""

from __future__ import annotations

import glob
import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from rtviz.errors import SourceMissing, SourceUnreadable
from rtviz.frame import Frame, Pixels
from rtviz.sources import SourceInfo, list_folder, natural
from rtviz.sources.base import ClosingSource
from rtviz.sources.files import LARGEST_SIDE, check_file, fit

FPS = 25.0  # of a folder of pictures

# What Pillow has to say about odd files would land on the user's screen; what matters of it is said here.
warnings.filterwarnings("ignore", module=r"PIL\.")


class PictureSource(ClosingSource):
    """The frames of picture files, in natural order, all brought to the first one's size.

    Attributes:
        paths: the files.
    """

    def __init__(self, place: str, *, start: float = 0.0, end: float | None = None, every: int = 1) -> None:
        self.paths = _find(place)
        self.warnings: list[str] = []
        self._start, self._end, self._every = start, end, every
        first = self._first_picture(place)
        single = len(self.paths) == 1
        self.info = SourceInfo(
            name=place,
            kind="pictures",
            size=(first.shape[0], first.shape[1]),
            fps=None if single else FPS,
            duration_seconds=None if single else len(self.paths) / FPS,
            frame_count=len(self.paths),
            live=False,
        )

    def _first_picture(self, place: str) -> Pixels:
        why = ""
        for path in self.paths:
            try:
                return _read(path)[0]
            except (SourceMissing, SourceUnreadable) as error:
                why = why or str(error)
        if len(self.paths) == 1:
            raise SourceUnreadable(why)
        raise SourceUnreadable(f"none of the {len(self.paths)} pictures of {place} can be decoded: {why}")

    def __iter__(self) -> Iterator[Frame]:
        self.warnings.clear()
        height, width = self.info.size
        left_out: list[str] = []
        cut_off = refitted = 0
        for index, path in enumerate(self.paths):
            seconds = index / FPS
            if seconds < self._start - 1e-6 or index % self._every:
                continue
            if self._end is not None and seconds >= self._end - 1e-6:
                break
            try:
                pixels, whole = _read(path)
            except (SourceMissing, SourceUnreadable) as error:
                left_out.append(str(error))
                continue
            cut_off += not whole
            if pixels.shape[:2] != (height, width):
                refitted += 1
                pixels = fit(pixels, (height, width))
            yield Frame(pixels, index, seconds, self._every / FPS)
        number = len(self.paths)
        if left_out:
            self.warnings.append(f"{len(left_out)} of {number} pictures were left out: {left_out[0]}")
        if cut_off:
            what = self.info.name if number == 1 else f"{cut_off} of {number} pictures"
            self.warnings.append(f"cut off, the rest is black: {what}")
        if refitted:
            self.warnings.append(
                f"{refitted} of {number} pictures have another size and were fitted into {width}x{height}"
            )

    def close(self) -> None:
        """Nothing is held between frames."""


def _find(place: str) -> list[Path]:
    path = Path(place)
    if path.is_dir():
        found, _ = list_folder(path)
        if not found:
            raise SourceMissing(f"{place} is a folder without pictures")
    elif glob.has_magic(place) and not path.exists():
        found = [Path(match) for match in glob.glob(place, recursive=True) if Path(match).is_file()]
        if not found:
            raise SourceMissing(f"no picture matches {place!r}")
    else:
        check_file(path)
        found = [path]
    return sorted(found, key=natural)


def _read(path: Path) -> tuple[Pixels, bool]:
    """RGB uint8 [height, width, 3], turned upright as its camera noted, and whether the file was whole.

    Raises:
        SourceMissing: it is gone, or may not be read.
        SourceUnreadable: it cannot be decoded.
    """
    check_file(path)
    whole = True
    try:
        with Image.open(io.BytesIO(path.read_bytes())) as picture:
            if max(picture.size) > LARGEST_SIDE:
                width, height = picture.size
                raise SourceUnreadable(f"{path} claims {width}x{height} pixels; at most {LARGEST_SIDE} a side")
            try:
                picture.load()
            except OSError:  # cut off: what is decoded is kept, if there is any
                picture.tile = []
                whole = False
            pixels = _rgb(picture)
    except OSError as error:
        raise SourceUnreadable(f"{path} is no picture that can be decoded: {_reason(error)}") from None
    except Image.DecompressionBombError:
        raise SourceUnreadable(f"{path} claims more pixels than can be held; at most 178 million") from None
    except SourceUnreadable:
        raise
    except Exception as error:  # on a garbled file, Pillow's readers raise whatever they stumble over
        raise SourceUnreadable(f"{path} is no picture that can be decoded: {_reason(error)}") from None
    if not whole and not pixels.any():
        raise SourceUnreadable(f"{path} is no picture that can be decoded: it is cut off")
    return pixels, whole


def read_whole(path: Path) -> Pixels:
    """One picture, RGB uint8 [height, width, 3], of which nothing is missing.

    Raises:
        SourceMissing: it is not there.
        SourceUnreadable: it cannot be decoded, or it is cut off.
    """
    pixels, whole = _read(path)
    if not whole:
        raise SourceUnreadable(f"{path} is cut off")
    return pixels


def _rgb(picture: Image.Image) -> Pixels:
    if picture.mode.startswith(("I", "F")):  # one deep channel: 16 bits, or the unit interval
        deep = np.asarray(picture)
        if deep.dtype.kind == "f":
            level = np.clip(deep * (255.0 if deep.max(initial=0.0) <= 1 else 1.0), 0, 255)
        else:
            level = np.clip(deep >> 8 if deep.max(initial=0) > 255 else deep, 0, 255)
        picture = Image.fromarray(level.astype(np.uint8))
    upright = ImageOps.exif_transpose(picture)
    if upright.has_transparency_data:
        # On white, as a page shows it; what lies under transparency may be anything.
        cut_out = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", cut_out.size, "white"), cut_out)
    return np.array(upright.convert("RGB"))


def _reason(error: Exception) -> str:
    text = str(error)
    if text.startswith("cannot identify image file"):  # goes on with the address of a buffer
        return "its format is not known"
    return " ".join(text.split()) or type(error).__name__


def open_pictures(place: str, *, start: float = 0.0, end: float | None = None, every: int = 1) -> PictureSource:
    """Open a picture, a folder of pictures or a glob.

    Raises:
        SourceMissing: there is none.
        SourceUnreadable: none can be decoded.
    """
    return PictureSource(place, start=start, end=end, every=every)

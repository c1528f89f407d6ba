"""Pictures whose samples Pillow has no mode for: OpenEXR, Radiance HDR, PFM in colour, TIFF of deep colours."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from rtviz.cv import cv2
from rtviz.errors import MissingDependency

_TIFF = (b"II*\0", b"MM\0*")
_BITS, _PHOTOMETRIC, _CHANNELS, _SAMPLE_FORMAT = 258, 262, 277, 339  # tags of TIFF
_WIDTH, _HEIGHT = 256, 257
_GREY_OR_RGB = frozenset({0, 1, 2, 32844, 32845})  # the last two: the light that SGI's LogLuv stores
_EXR_TILED, _EXR_DEEP, _EXR_PARTS = 0x200, 0x800, 0x1000  # bits behind the magic number
_MOST_PIXELS = 178_956_970  # as many as Pillow decodes
_MOST_PAGES = 100_000


class SamplePicture:
    """A file of such pictures, in the part of Pillow's interface that `PictureFile` and `to_rgb` use.

    `numpy.asarray` gives the samples of the current page once they are loaded: [height, width] or
    [height, width, 3], red first.

    Attributes:
        format: "EXR", "HDR", "PFM" or "TIFF".
        mode: "F" where samples are floating-point numbers, else "I".
        size: (width, height).
        info: empty: none of these formats says times or transparency.
        n_frames: how many pages.
        tag_v2: the tags of a TIFF's current page.
        drops_alpha: the current page has channels besides its colours.
    """

    def __init__(self, form: str, data: bytes) -> None:
        self.format = form
        self.info: dict[str, Any] = {}
        self._data = data
        self._pages: Sequence[Any] = _directories(data) if form == "TIFF" else [{}]
        self.n_frames = len(self._pages)
        self._decode: Callable[[bytes, int], NDArray[Any]] = _exr if form == "EXR" else _by_opencv
        self._number = -1
        self._samples: NDArray[Any] | None = None
        self.seek(0)

    def tell(self) -> int:
        return self._number

    def seek(self, number: int) -> None:
        """Go to a page.

        Raises:
            ValueError: it is not grey or RGB, or cannot be decoded.
            DecompressionBombError: it claims too many pixels.
        """
        if number == self._number:
            return
        self._number, self._samples = number, None
        self.tag_v2 = self._pages[number]
        self.drops_alpha = False
        self.mode = "F"
        if self.format != "TIFF":
            self.size = _claimed(self._data) if self.format == "EXR" else (1, 1)
        else:
            tags = self.tag_v2
            self.size = int(tags.get(_WIDTH, 0)), int(tags.get(_HEIGHT, 0))
            self.mode = "F" if _first(tags.get(_SAMPLE_FORMAT, 1)) == 3 else "I"
            if tags.get(_PHOTOMETRIC, 1) not in _GREY_OR_RGB:
                raise ValueError(f"its samples are neither grey nor RGB, and of {_first(tags.get(_BITS, 1))} bits")
        if self.size[0] * self.size[1] > _MOST_PIXELS:
            raise Image.DecompressionBombError
        if self.format != "TIFF":
            self.load()

    def load(self) -> None:
        """Decode the current page.

        Raises:
            ValueError: it cannot be decoded.
        """
        if self._samples is not None:
            return
        samples = self._decode(self._data, self._number)
        if samples.ndim == 3:
            self.drops_alpha = samples.shape[2] in (2, 4)
            samples = samples[:, :, 0] if samples.shape[2] < 3 else samples[:, :, :3]
        self.size = samples.shape[1], samples.shape[0]
        self._samples = samples

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        self.load()
        return np.array(self._samples, dtype, copy=copy)

    def getexif(self) -> dict[int, int]:
        """Nothing: what decodes these has turned them."""
        return {}

    def close(self) -> None:
        """Let go of the samples."""
        self._samples = None


def open_samples(data: bytes) -> SamplePicture | None:
    """The picture, if a file is one that only this module reads, by how it begins; None of all others."""
    for form, beginnings in (("EXR", (b"v/1\x01",)), ("HDR", (b"#?RADIANCE", b"#?RGBE")), ("PFM", (b"PF\n", b"PF "))):
        if data.startswith(beginnings):
            return SamplePicture(form, data)
    return None


def open_tiff_samples(data: bytes) -> SamplePicture | None:
    """A TIFF that Pillow has refused; None of what is no TIFF."""
    return SamplePicture("TIFF", data) if data.startswith(_TIFF) else None


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) else value


def _directories(data: bytes) -> list[Any]:
    """The tags of each page."""
    file = io.BytesIO(data)
    found: list[Any] = []
    at = ImageFileDirectory_v2(data[:8]).next
    seen: set[int] = set()
    while at and at not in seen and len(found) < _MOST_PAGES:
        seen.add(at)
        directory = ImageFileDirectory_v2(data[:8])
        file.seek(at)
        try:
            directory.load(file)
        except Exception:  # cut off; Pillow's readers raise whatever they stumble over
            break
        found.append(directory)
        at = directory.next
    if not found:
        raise ValueError("it is cut off or damaged")
    return found


def _by_opencv(data: bytes, number: int) -> NDArray[Any]:
    buffer = np.frombuffer(data, np.uint8)
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # else it prints what is wrong in a file
    try:
        _, pages = cv2.imdecodemulti(buffer, cv2.IMREAD_UNCHANGED, range=(number, number + 1))
    except cv2.error:
        pages = ()
    finally:
        cv2.utils.logging.setLogLevel(level)
    if not pages:
        raise ValueError("its samples are of a kind that cannot be read, or it is damaged")
    samples: NDArray[Any] = pages[0]
    if samples.ndim == 3 and samples.shape[2] >= 3:  # OpenCV has blue first
        samples = samples[:, :, [2, 1, 0, *range(3, samples.shape[2])]]
    return samples


def _exr_attributes(data: bytes) -> tuple[dict[bytes, bytes], int]:
    """The attributes of an OpenEXR file's (first) header, and where that ends; see "OpenEXR File Layout".

    Raises:
        ValueError: it is cut off.
    """
    found: dict[bytes, bytes] = {}
    at = 8
    while data[at : at + 1] != b"\0":
        name_end = data.find(b"\0", at)
        kind_end = data.find(b"\0", name_end + 1)
        if name_end < 0 or kind_end < 0 or kind_end + 5 > len(data):
            raise ValueError("it is cut off or damaged")
        (length,) = struct.unpack_from("<I", data, kind_end + 1)
        found[data[at:name_end]] = data[kind_end + 5 : kind_end + 5 + length]
        at = kind_end + 5 + length
    return found, at + 1


def _claimed(data: bytes) -> tuple[int, int]:
    """(width, height) of the larger window that an OpenEXR file's header says."""
    attributes, _ = _exr_attributes(data)
    width = height = 0
    for name in (b"dataWindow", b"displayWindow"):
        left, top, right, bottom = struct.unpack("<4i", attributes.get(name, b"").ljust(16, b"\0")[:16])
        width, height = max(width, right - left + 1), max(height, bottom - top + 1)
    return width, height


def _exr_is_whole(data: bytes) -> bool:
    """Whether every block of pixels lies inside the file: the decoder leaves out those that do not, without a word."""
    (flags,) = struct.unpack_from("<I", data, 4)
    if flags & (_EXR_DEEP | _EXR_PARTS):
        return True
    _, table = _exr_attributes(data)
    before_size = 16 if flags & _EXR_TILED else 4
    first = len(data)
    at = table
    while at + 8 <= first:
        (block,) = struct.unpack_from("<Q", data, at)
        if block + before_size + 4 > len(data):
            return False
        (size,) = struct.unpack_from("<i", data, block + before_size)
        if size < 0 or block + before_size + 4 + size > len(data):
            return False
        first = min(first, block)
        at += 8
    return at > table


def _exr(data: bytes, number: int) -> NDArray[Any]:
    if not _exr_is_whole(data):
        raise ValueError("it is cut off or damaged")
    try:
        import av
    except ImportError:
        raise MissingDependency("av", "reading OpenEXR pictures") from None
    decoder: Any = av.CodecContext.create("exr", "r")
    try:
        frames = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
    except av.error.FFmpegError as error:
        raise ValueError(error.strerror or "it is damaged") from None
    if not frames:
        raise ValueError("it is cut off or damaged")
    if frames[0].is_corrupt:
        raise ValueError("it is damaged")
    return _planes(frames[0])


def _planes(frame: Any) -> NDArray[Any]:
    """The samples of a planar frame, whose planes FFmpeg has in the order green, blue, red, alpha.

    PyAV makes no arrays of some of these formats.
    """
    name = frame.format.name
    kinds = {"f32le": "<f4", "f32be": ">f4", "f16le": "<f2", "f16be": ">f2", "16le": "<u2", "16be": ">u2"}
    kind = next((np.dtype(kind) for end, kind in kinds.items() if name.endswith(end)), None)
    if kind is None or not name.startswith(("gbr", "gray")):
        raise ValueError(f"its samples are of a kind that cannot be read ({name})")
    planes = []
    for plane in frame.planes:
        rows = np.frombuffer(plane, kind).reshape(-1, plane.line_size // kind.itemsize)
        planes.append(rows[: frame.height, : frame.width].astype(np.float32))
    if len(planes) < 3:
        return planes[0]
    return np.stack([planes[2], planes[0], planes[1], *planes[3:]], axis=2)


__all__ = ["SamplePicture", "open_samples", "open_tiff_samples"]

"""Pictures: one, a folder of them, or a glob, each shown for a moment."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from rtviz.cv import cv2
from rtviz.errors import SourceMissing, SourceUnreadable
from rtviz.frame import Frame, Pixels
from rtviz.sources import PICTURE_SUFFIXES, SourceInfo, natural

FPS = 25.0  # of a folder of pictures


class PictureSource:
    """The frames of picture files, in natural order, all brought to the first one's size.

    Attributes:
        paths: the files.
    """

    def __init__(self, place: str, *, start: float = 0.0, end: float | None = None, every: int = 1) -> None:
        self.paths = _find(place)
        self.warnings: list[str] = []
        self._start, self._end, self._every = start, end, every
        first = next((pixels for pixels in map(_read, self.paths) if pixels is not None), None)
        if first is None:
            what = f"{self.paths[0]} is no picture" if len(self.paths) == 1 else f"{place} holds no picture"
            raise SourceUnreadable(f"{what} that can be decoded")
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

    def __iter__(self) -> Iterator[Frame]:
        height, width = self.info.size
        unreadable, resized = [], 0
        for index, path in enumerate(self.paths):
            seconds = index / FPS
            if seconds < self._start - 1e-6 or index % self._every:
                continue
            if self._end is not None and seconds >= self._end - 1e-6:
                break
            pixels = _read(path)
            if pixels is None:
                unreadable.append(path)
                continue
            if pixels.shape[:2] != (height, width):
                resized += 1
                pixels = _fit(pixels, height, width)
            yield Frame(pixels, index, seconds, 1 / FPS)
        if unreadable:
            self.warnings.append(f"{len(unreadable)} pictures cannot be decoded and were left out: {unreadable[0]} ...")
        if resized:
            self.warnings.append(f"{resized} pictures have another size; they were fitted into {width}x{height}")

    def close(self) -> None:
        """Nothing is held between frames."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _find(place: str) -> list[Path]:
    path = Path(place)
    if path.is_dir():
        found = [entry for entry in path.iterdir() if entry.suffix.lower() in PICTURE_SUFFIXES]
        if not found:
            raise SourceMissing(f"{place} is a folder without pictures")
    elif path.exists():
        found = [path]
    elif glob.has_magic(place):
        found = [entry for entry in map(Path, glob.glob(place)) if entry.suffix.lower() in PICTURE_SUFFIXES]
        if not found:
            raise SourceMissing(f"no picture matches {place!r}")
    else:
        raise SourceMissing(f"cannot open {place}: No such file or directory")
    return sorted(found, key=natural)


def _read(path: Path) -> Pixels | None:
    """RGB uint8 [height, width, 3], turned upright as its camera noted; None if it cannot be decoded."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)  # not imread, which cannot open every name
    except OSError as error:
        raise SourceMissing(f"cannot open {path}: {error.strerror}") from None
    try:
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error:  # absurd sizes
        return None
    return None if decoded is None else cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)


def _fit(pixels: Pixels, height: int, width: int) -> Pixels:
    """The whole picture inside the size, its aspect kept, black around it."""
    scale = min(height / pixels.shape[0], width / pixels.shape[1])
    inner = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    resized = cv2.resize(pixels, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    fitted = np.zeros((height, width, 3), np.uint8)
    top, left = (height - inner[1]) // 2, (width - inner[0]) // 2
    fitted[top : top + inner[1], left : left + inner[0]] = resized
    return fitted


def open_pictures(place: str, *, start: float = 0.0, end: float | None = None, every: int = 1) -> PictureSource:
    """Open a picture, a folder of pictures or a glob.

    Raises:
        SourceMissing: there is none.
        SourceUnreadable: none can be decoded.
    """
    return PictureSource(place, start=start, end=end, every=every)

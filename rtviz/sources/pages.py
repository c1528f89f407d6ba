"""Pages: pictures that have nothing to do with each other, to be leafed through; each is read when it is asked for."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from rtviz.errors import MissingDependency, SettingsError, SourceMissing, SourceUnreadable
from rtviz.frame import Frame, Pixels
from rtviz.sources import Source, SourceInfo, list_folder, natural, open_source
from rtviz.sources.base import ClosingSource

PREFIX = "pages:"
_LARGEST_SIDE = 2560  # pixels: as much as a large screen shows; beyond it every overlay would take a second to draw
UNREADABLE = (SourceMissing, SourceUnreadable, MissingDependency)


class PageSource(ClosingSource):
    """Pictures by their number, each in its own size; it opens at once however many there are.

    Attributes:
        paths: the files, in their order.
    """

    def __init__(self, place: str, paths: Sequence[Path], start: float = 0.0) -> None:
        self.paths = tuple(paths)
        self.warnings: list[str] = []
        self._start = min(max(0, round(start)), len(self.paths) - 1)
        first = self._first()
        self.info = SourceInfo(
            name=place,
            kind="pages",
            size=first.size,
            fps=None,
            duration_seconds=None,
            frame_count=len(self.paths),
            live=False,
            pages=self.paths,
        )

    def _first(self) -> Frame:
        error: Exception | None = None
        for number in range(self._start, len(self.paths)):
            try:
                return self.page(number)
            except UNREADABLE as failure:
                error = error or failure
        raise SourceUnreadable(f"none of the {len(self.paths)} pictures can be decoded: {error}")

    def page(self, number: int) -> Frame:
        """The picture of this number, from 0; its `index` and its `pts_seconds` are the number.

        Raises:
            SourceMissing: the file is gone.
            SourceUnreadable: it cannot be decoded.
            MissingDependency: what decodes its format is not installed.
        """
        with open_source(str(self.paths[number])) as source:
            frame = next(iter(source))
        return Frame(_bounded(frame.pixels), number, float(number))

    def __iter__(self) -> Iterator[Frame]:
        self.warnings.clear()
        for number in range(self._start, len(self.paths)):
            try:
                yield self.page(number)
            except UNREADABLE as error:
                self.warnings.append(str(error))


def thumbnail(path: Path, side: int) -> Pixels:
    """A picture whose longer side has at most so many pixels, RGB uint8 [height, width, 3].

    Raises:
        OSError, RtvizError: it cannot be read.
    """
    from PIL import Image, ImageOps

    if path.suffix.lower() in (".jpg", ".jpeg"):  # which are decoded eight times smaller, and so as many times quicker
        with Image.open(path) as picture:
            if picture.format == "JPEG":
                picture.draft("RGB", (2 * side, 2 * side))
                upright = ImageOps.exif_transpose(picture).convert("RGB")
                upright.thumbnail((side, side))
                return np.array(upright)
    with open_source(str(path)) as source:
        return _bounded(next(iter(source)).pixels, side)


def _bounded(pixels: Pixels, largest_side: int = _LARGEST_SIDE) -> Pixels:
    height, width = pixels.shape[:2]
    scale = largest_side / max(height, width)
    if scale >= 1:
        return pixels
    from rtviz.cv import cv2

    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def pages_of(paths: Sequence[str | Path]) -> str:
    """The place that means these pictures, in this order."""
    return PREFIX + json.dumps([str(path) for path in paths], ensure_ascii=False)


def as_pages(place: str) -> str:
    """The place that means the same pictures as pages, where it is a folder or a glob; else the place itself."""
    path = place if os.path.exists(place) else place.removeprefix("file:")
    several = os.path.isdir(path) or (glob.has_magic(path) and not os.path.exists(path) and "://" not in path)
    return PREFIX + path if several else place


def _find(place: str) -> list[Path]:
    if os.path.isdir(place):
        return list(list_folder(Path(place))[0])
    return sorted((Path(match) for match in glob.glob(place, recursive=True) if os.path.isfile(match)), key=natural)


def open_pages(place: str, *, start: float = 0.0, end: float | None = None, every: int = 1) -> Source:
    """Open "pages:FOLDER", "pages:GLOB" or "pages:" and a JSON list of files.

    Args:
        start: the number of the first page.

    Raises:
        SettingsError: the list is not one of files.
        SourceMissing: there are no pictures.
        SourceUnreadable: none can be decoded.
    """
    given = place.removeprefix(PREFIX)
    if not given.startswith("["):
        paths, name = _find(given), given
    else:
        try:
            listed = json.loads(given)
        except ValueError:
            listed = None
        if not isinstance(listed, list) or not all(isinstance(path, str) for path in listed):
            raise SettingsError("pages", given, "a folder, a glob, or a JSON list of files")
        paths = [Path(path) for path in listed]
        name = f"{len(paths)} pictures"
    if len(paths) < 2:  # one picture, or the sentence about why there is none
        return open_source(given if not given.startswith("[") else str(*paths))
    return PageSource(name, paths[: None if end is None else max(1, round(end))][::every], start)


__all__ = ["UNREADABLE", "PageSource", "as_pages", "open_pages", "pages_of", "thumbnail"]

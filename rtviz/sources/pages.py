"""Pages: unrelated pictures to leaf through; each is read when it is requested."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rtviz.errors import MissingDependency, SettingsError, SourceMissing, SourceUnreadable
from rtviz.frame import Frame
from rtviz.sources import Page, Source, SourceInfo, list_folder, natural, open_source
from rtviz.sources.base import ClosingSource
from rtviz.sources.magic import VIDEO_SUFFIXES, is_animation, is_picture, may_be_float

if TYPE_CHECKING:
    from rtviz.frame import Pixels
    from rtviz.sources.colour import FloatRange
    from rtviz.sources.picture_file import Decoded

PREFIX = "pages:"
_MOVING = VIDEO_SUFFIXES | {".gif", ".apng", ".avifs"}
_LARGEST_SIDE = 2560  # pixels: as much as a large screen shows; beyond it every overlay would take a second to draw
_LOOKED_AT = 32  # so many pictures tell the range of floating-point levels: a folder may hold thousands
UNREADABLE = (SourceMissing, SourceUnreadable, MissingDependency)


class PageSource(ClosingSource):
    """Pictures by their number, each in its own size; it opens at once however many there are.

    Attributes:
        pages: where each is.
        warnings: what the user should know of pages read so far, each sentence once; whoever takes them clears it.
    """

    def __init__(self, place: str, pages: Sequence[Page], start: float = 0.0) -> None:
        self.pages = tuple(pages)
        self.warnings: list[str] = []
        self._said: set[str] = set()
        self._start = min(max(0, round(start)), len(self.pages) - 1)
        first = self._first()
        self.info = SourceInfo(
            name=place,
            kind="pages",
            size=first.size,
            fps=None,
            duration_seconds=None,
            frame_count=len(self.pages),
            live=False,
            pages=self.pages,
        )

    def _first(self) -> Frame:
        error: Exception | None = None
        for number in range(self._start, len(self.pages)):
            try:
                return self.page(number)
            except UNREADABLE as failure:
                error = error or failure
        raise SourceUnreadable(f"none of the {len(self.pages)} pictures can be decoded: {error}")

    def page(self, number: int) -> Frame:
        """The picture of this number, from 0; its `index` and its `pts_seconds` are the number.

        Raises:
            SourceMissing: the file is gone.
            SourceUnreadable: it cannot be decoded.
            MissingDependency: what decodes its format is not installed.
        """
        page = self.pages[number]
        decoded = _decoded(page, lambda: self._floats)
        if decoded.remark:
            self._say(f"{page.path.name} {decoded.remark}")
        if decoded.floating:
            self._say(self._floats.words())
        if not decoded.whole:
            self._say(f"cut off, the rest is blank: {page.path.name}")
        return Frame(bounded(decoded.pixels), number, float(number))

    def _say(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self.warnings.append(sentence)

    @cached_property
    def _floats(self) -> FloatRange:
        """The range in which all floating-point pictures are shown: that of some, evenly spread over the pages."""
        from rtviz.sources.colour import FloatRange
        from rtviz.sources.pictures import float_range

        paths = [path for path in dict.fromkeys(page.path for page in self.pages) if may_be_float(path)]
        some = paths[:: -(-len(paths) // _LOOKED_AT)]
        return float_range(some) or float_range(paths) or FloatRange()

    def __iter__(self) -> Iterator[Frame]:
        self.warnings.clear()
        self._said.clear()
        for number in range(self._start, len(self.pages)):
            try:
                yield self.page(number)
            except UNREADABLE as error:
                self.warnings.append(str(error))


def _decoded(page: Page, floats: Callable[[], FloatRange] | None = None) -> Decoded:
    from rtviz.sources.picture_file import PictureFile

    with PictureFile(page.path) as file:
        return file.read(page.number, floats)


def thumbnail(page: Page, side: int) -> Pixels:
    """A picture whose longer side has at most so many pixels, RGB uint8 [height, width, 3]; floating-point levels in
    the range of this picture alone.

    Raises:
        OSError, RtvizError: it cannot be read.
    """
    import numpy as np  # the window names pages before NumPy is loaded
    from PIL import Image, ImageOps

    if page.path.suffix.lower() in (".jpg", ".jpeg"):  # which can be decoded at an eighth of their size
        with Image.open(page.path) as picture:
            if picture.format == "JPEG":
                picture.draft("RGB", (2 * side, 2 * side))
                upright = ImageOps.exif_transpose(picture).convert("RGB")
                upright.thumbnail((side, side))
                return np.array(upright)
    return bounded(_decoded(page).pixels, side)


def bounded(pixels: Pixels, largest_side: int = _LARGEST_SIDE) -> Pixels:
    """Made smaller where a side has more pixels than that."""
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


def paths_of(place: str) -> list[str]:
    """What a place of pages was made from: a folder, a glob or a document, or a list of pictures; another place as it
    is."""
    given = place.removeprefix(PREFIX)
    return list(json.loads(given)) if given != place and given.startswith("[") else [given]


def places_of(paths: Sequence[str]) -> tuple[list[str], int]:
    """What the user chose to see, as places to open one after the other, and how many of several paths are folders
    without any of these.

    All pictures, those in folders too, are one place, the first; each video is one. A single path is itself, unless it
    is a folder that holds videos.

    Raises:
        SourceMissing: a folder may not be read.
    """
    if len(paths) == 1 and not _may_hold_videos(paths[0]):
        return list(paths), 0
    pictures: list[Path] = []
    places: list[str] = []
    left_out = 0
    for path in paths:
        if os.path.isdir(path):
            found = list_folder(Path(path))
            pictures += found.pictures
            places += map(str, found.videos)
            left_out += not (found.pictures or found.videos)
        elif is_picture(Path(path)) and not is_animation(Path(path)):
            pictures.append(Path(path))
        else:
            places.append(path)
    if len(pictures) == 1:
        places.insert(0, str(pictures[0]))
    elif pictures:
        places.insert(0, paths[0] if len(paths) == 1 else pages_of(pictures))
    return places or [paths[0]], left_out


def _may_hold_videos(path: str) -> bool:
    """Whether a path is a folder with a file in it that may be a video by its name."""
    try:
        with os.scandir(path) as entries:
            return any(Path(entry.name).suffix.lower() in _MOVING for entry in entries)
    except OSError:
        return False


def as_pages(place: str) -> str:
    """The place that means the same pictures as pages, where it is a folder, a glob or a document; else the place."""
    path = place if os.path.exists(place) else place.removeprefix("file:")
    if os.path.isdir(path) or (glob.has_magic(path) and not os.path.exists(path) and "://" not in path):
        return PREFIX + path
    if os.path.isfile(path) and is_picture(Path(path)):
        from rtviz.sources.picture_file import holds

        return PREFIX + path if holds(Path(path)) == "pages" else place
    return place


def _find(place: str) -> list[Page]:
    """The pages of a folder, a glob, or a document; of all else none."""
    if os.path.isdir(place):
        return [Page(path) for path in list_folder(Path(place)).pictures]
    if not os.path.isfile(place):
        found = (Path(match) for match in glob.glob(place, recursive=True) if os.path.isfile(match))
        return [Page(path) for path in sorted(found, key=natural) if is_picture(path) and not is_animation(path)]
    with open_source(place) as source:
        count = (source.info.frame_count or 0) if source.info.holds == "pages" else 0
    return [Page(Path(place), number) for number in range(count)]


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
        found, name = _find(given), given
    else:
        try:
            listed = json.loads(given)
        except ValueError:
            listed = None
        if not isinstance(listed, list) or not listed or not all(isinstance(path, str) for path in listed):
            raise SettingsError("pages", given, "a folder, a glob, or a JSON list of files")
        found = [Page(Path(path)) for path in listed]
        name, given = f"{len(found)} pictures", listed[0]
    if len(found) < 2:  # one picture, or the sentence about why there is none
        return open_source(given)
    return PageSource(name, found[: None if end is None else max(1, round(end))][::every], start)


__all__ = ["UNREADABLE", "PageSource", "as_pages", "bounded", "open_pages", "pages_of", "paths_of",
           "places_of", "thumbnail"]  # fmt: skip

"""Pictures: one, a folder of them, a glob, or the pages of a document, each shown for a moment; and animations."""

from __future__ import annotations

import glob
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from rtviz.errors import MissingDependency, SourceMissing, SourceUnreadable
from rtviz.frame import Frame, Pixels
from rtviz.sources import Source, SourceInfo, list_folder, natural, skipped_words
from rtviz.sources.base import ClosingSource
from rtviz.sources.colour import FloatRange
from rtviz.sources.files import check_file, fit
from rtviz.sources.magic import may_be_float
from rtviz.sources.picture_file import Decoded, PictureFile

FPS = 25.0  # of a folder of pictures
_LOOK_SECONDS = 0.5  # so long an animation is read to find how long it lasts
_FAILURES = (SourceMissing, SourceUnreadable, MissingDependency)


class PictureSource(ClosingSource):
    """The frames of picture files, in natural order, all brought to the first one's size; or a document's pages.

    Attributes:
        paths: the files.

    Args:
        floats: how floating-point levels are shown, where others are shown beside these; else by these alone.
    """

    def __init__(
        self,
        place: str,
        *,
        start: float = 0.0,
        end: float | None = None,
        every: int = 1,
        floats: FloatRange | None = None,
    ) -> None:
        self.paths, skipped = _find(place)
        self._shared_floats = floats
        self.warnings: list[str] = []
        self._skipped = skipped
        self._start, self._end, self._every = start, end, every
        first, pages = self._first_picture(place)
        # A page is shown where the document is opened by itself, and the first one where it is one of many files.
        self._pages = pages if len(self.paths) == 1 else 1
        count = max(self._pages, len(self.paths))
        self.info = SourceInfo(
            name=place,
            kind="pictures",
            size=(first.shape[0], first.shape[1]),
            fps=None if count == 1 else FPS,
            duration_seconds=None if count == 1 else count / FPS,
            frame_count=count,
            live=False,
            holds="pages" if self._pages > 1 else "",
        )

    def _first_picture(self, place: str) -> tuple[Pixels, int]:
        """The first that can be decoded, and how many pages its file has."""
        failures: list[Exception] = []
        for path in self.paths:
            try:
                with PictureFile(path) as file:
                    return file.read(floats=self._float_range).pixels, file.count
            except _FAILURES as error:
                failures.append(error)
        if len(self.paths) == 1 or all(isinstance(error, MissingDependency) for error in failures):
            raise failures[0]
        raise SourceUnreadable(f"none of the {len(self.paths)} pictures of {place} can be decoded: {failures[0]}")

    def _float_range(self) -> FloatRange:
        return self._shared_floats or self._floats

    @cached_property
    def _floats(self) -> FloatRange:
        return float_range(self.paths) or FloatRange()

    def __iter__(self) -> Iterator[Frame]:
        self.warnings.clear()
        tally = _Tally(self.info)
        if self._skipped:
            self.warnings.append(self._skipped)
        floats = False
        file: PictureFile | None = None
        try:
            for index in range(max(self._pages, len(self.paths))):
                seconds = index / FPS
                if seconds < self._start - 1e-6 or index % self._every:
                    continue
                if self._end is not None and seconds >= self._end - 1e-6:
                    break
                page = index if self._pages > 1 else 0
                path = self.paths[0] if self._pages > 1 else self.paths[index]
                try:
                    if file is None or file.path != path:
                        if file is not None:
                            file.close()
                        file = PictureFile(path)
                    decoded = file.read(page, self._float_range)
                except _FAILURES as error:
                    tally.left_out(str(error))
                    continue
                floats = floats or decoded.floating
                pixels = tally.fitted(decoded, file)
                yield Frame(pixels, index, seconds, self._every / FPS)
        finally:
            if file is not None:
                file.close()
        self.warnings += tally.sentences()
        if self._pages > 1:
            self.warnings.append(f"{self.info.name} is a document of {self._pages} pages, each of which is a frame")
        if floats:
            span = self._float_range()
            self.warnings.append(replace(span, pictures=max(self._pages, span.pictures)).words())

    def close(self) -> None:
        """Nothing is held between frames."""


class AnimationSource(ClosingSource):
    """The frames of an animated GIF, PNG, WebP or AVIF, at their own times.

    Attributes:
        path: the file.
    """

    def __init__(self, place: str, *, start: float = 0.0, end: float | None = None, every: int = 1) -> None:
        self.path = Path(place)
        self.warnings: list[str] = []
        self._start, self._end, self._every = start, end, every
        with PictureFile(self.path) as file:
            first = file.read()
            read, seconds = 1, first.duration_seconds
            began = time.monotonic()
            while read < file.count and time.monotonic() - began < _LOOK_SECONDS:
                try:
                    decoded = file.read(read)
                except SourceUnreadable:  # cut off; reading it will tell
                    break
                read, seconds = read + 1, decoded.start_seconds + decoded.duration_seconds
            count = file.count
        self.info = SourceInfo(
            name=place,
            kind="video",
            size=(first.pixels.shape[0], first.pixels.shape[1]),
            fps=read / seconds,
            duration_seconds=seconds * count / read,  # what was not read lasts as long on average
            frame_count=count,
            live=False,
            holds="frames",
        )

    def __iter__(self) -> Iterator[Frame]:
        self.warnings.clear()
        tally = _Tally(self.info)
        index = 0
        with PictureFile(self.path) as file:
            for index in range(file.count):
                try:
                    decoded = file.read(index)
                except SourceUnreadable as error:
                    if not index:
                        raise
                    tally.left_out(str(error))
                    self.warnings.append(f"{self.path} is cut off: {index} of {file.count} frames were decoded")
                    return
                seconds = decoded.start_seconds
                if self._end is not None and seconds >= self._end - 1e-6:
                    break
                if seconds < self._start - 1e-6 or index % self._every:
                    continue
                pixels = tally.fitted(decoded, file)
                yield Frame(pixels, index, seconds, decoded.duration_seconds * self._every)
        self.warnings += tally.sentences()

    def close(self) -> None:
        """Nothing is held between readings."""


class _Tally:
    """What was met on the way through pictures, in sentences."""

    def __init__(self, info: SourceInfo) -> None:
        self._info = info
        self._left_out: list[str] = []
        self._remarks: list[tuple[str, str]] = []
        self._cut_off = self._refitted = 0

    def left_out(self, why: str) -> None:
        """A picture could not be decoded."""
        self._left_out.append(why)

    def fitted(self, decoded: Decoded, file: PictureFile) -> Pixels:
        """The picture in the size of the first one."""
        for remark in (decoded.remark, file.remark):
            if remark and (str(file.path), remark) not in self._remarks:
                self._remarks.append((str(file.path), remark))
        if file.count > 1 and not self._info.holds:
            self._remarks.append((str(file.path), f"has {file.count} {file.holds}: the first is shown"))
        self._cut_off += not decoded.whole
        pixels = decoded.pixels
        if pixels.shape[:2] != self._info.size:
            self._refitted += 1
            pixels = fit(pixels, self._info.size)
        return pixels

    def sentences(self) -> list[str]:
        """What the user should know."""
        number, found = self._info.frame_count, []
        what = self._info.holds or "pictures"
        if self._left_out:
            found.append(f"{len(self._left_out)} of {number} {what} were left out: {self._left_out[0]}")
        if self._cut_off:
            which = self._info.name if number == 1 else f"{self._cut_off} of {number} {what}"
            found.append(f"cut off, the rest is blank: {which}")
        if self._refitted:
            height, width = self._info.size
            found.append(f"{self._refitted} of {number} {what} have another size and were fitted into {width}x{height}")
        if self._remarks:
            (path, remark), more = self._remarks[0], len(self._remarks) - 1
            found.append(f"{path} {remark}" + (f" (and so on, of {more} more)" if more else ""))
        return found


def _find(place: str) -> tuple[Sequence[Path], str]:
    """The files, and a sentence about what of a folder is left out."""
    path = Path(place)
    if path.is_dir():
        found, videos, others = list_folder(path)
        if not found:
            raise SourceMissing(
                f"{place} is a folder without pictures"
                + (f"; it holds {len(videos)} videos, each of which is an input of its own" if videos else "")
                + (f"; {skipped_words(path, others)}" if others else "")
            )
        return found, skipped_words(path, others)
    if glob.has_magic(place) and not path.exists():
        found = [Path(match) for match in glob.glob(place, recursive=True) if Path(match).is_file()]
        if not found:
            raise SourceMissing(f"no picture matches {place!r}")
        return sorted(found, key=natural), ""
    check_file(path)
    return [path], ""


def float_range(paths: Sequence[Path]) -> FloatRange | None:
    """How floating-point levels are shown, in one range for all of these pictures; None if none has any.

    It takes a reading of each picture of a format that has such levels.
    """
    found: list[float] = []
    pictures = 0
    for path in paths:
        if not may_be_float(path):
            continue
        try:
            with PictureFile(path) as file:
                extent = file.float_extent()
        except _FAILURES:
            continue
        if extent is not None:
            found += extent
            pictures += 1
    return FloatRange.of(min(found), max(found), pictures) if found else None


def read_whole(path: Path) -> Pixels:
    """One picture, RGB uint8 [height, width, 3], of which nothing is missing.

    Raises:
        SourceMissing: it is not there.
        SourceUnreadable: it cannot be decoded, or it is cut off.
        MissingDependency: what decodes its format is not installed.
    """
    with PictureFile(path) as file:
        decoded = file.read()
    if not decoded.whole:
        raise SourceUnreadable(f"{path} is cut off")
    return decoded.pixels


def open_pictures(
    place: str,
    *,
    start: float = 0.0,
    end: float | None = None,
    every: int = 1,
    floats: FloatRange | None = None,
) -> Source:
    """Open a picture, an animation, a document, a folder of pictures or a glob.

    Args:
        floats: how floating-point levels are shown; by what is opened alone, if not given.

    Raises:
        SourceMissing: there is none.
        SourceUnreadable: none can be decoded.
        MissingDependency: what decodes its format is not installed.
    """
    path = Path(place)
    if path.is_file() and path.stat().st_size:
        with PictureFile(path) as file:
            if file.holds == "frames":
                return AnimationSource(place, start=start, end=end, every=every)
    return PictureSource(place, start=start, end=end, every=every, floats=floats)


__all__ = ["FPS", "AnimationSource", "PictureSource", "float_range", "open_pictures", "read_whole"]

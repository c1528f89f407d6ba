"""Sources: where frames come from; one table says which class opens which place."""

from __future__ import annotations

import glob
import importlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self, cast

from rtviz.errors import SettingsError, SourceMissing, SourceUnreadable
from rtviz.frame import Frame
from rtviz.notices import Remedy
from rtviz.sources.magic import PICTURE_SUFFIXES, VIDEO_SUFFIXES, is_animation, is_picture

if TYPE_CHECKING:
    from rtviz.sources.colour import FloatRange


class Page(NamedTuple):
    """Where a picture is that is leafed through: a file, and the number of the page in it, from 0."""

    path: Path
    number: int = 0


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a source says of itself.

    Attributes:
        name: what the user called it.
        kind: "video", "pictures", "pages", "scene", "camera", "stream" or "screen".
        size: (height, width) of its frames.
        fps: frames in a second, where there is such a number.
        duration_seconds: its length; None where it is not known or has no end.
        frame_count: how many frames, perhaps only about; None where it is not known.
        live: it goes on whether it is read or not.
        holds: what a single file that holds several pictures calls them: "frames" of an animation, "pages" of a
            document; "" for all others.
        pages: of pages, where each is.
    """

    name: str
    kind: str
    size: tuple[int, int]
    fps: float | None
    duration_seconds: float | None
    frame_count: int | None
    live: bool
    holds: str = ""
    pages: tuple[Page, ...] = ()

    @property
    def still(self) -> bool:
        """Whether what it has stands by itself: a picture or a document's pages, and no row of frames."""
        return self.kind == "pictures" and (self.frame_count == 1 or self.holds == "pages")

    def expected_frames(self, start: float = 0.0, end: float | None = None, every: int = 1) -> float | None:
        """About how many frames a part of it has; None where the source does not know its length.

        Args:
            start, end: seconds.
            every: each N-th frame is taken.
        """
        if self.frame_count is None:
            return None
        count = float(self.frame_count)
        if self.fps and (start or end is not None):
            count = max(0.0, min(end or float("inf"), count / self.fps) - start) * self.fps
        return count / every


def nothing_there(info: SourceInfo, start: float) -> SourceUnreadable:
    """What to raise where a source has no frame in the requested part.

    Args:
        start: second at which that part begins.
    """
    length = info.duration_seconds
    if length is not None and start >= length:
        error = SourceUnreadable(f"{info.name} has no frame from second {start:g} on: it is {length:.1f} s long")
        return error.mended_by(Remedy.START_EARLIER)
    return SourceUnreadable(f"{info.name} holds no frames in the requested part")


class Source(Protocol):
    """Frames in order; a context manager. `warnings` holds sentences for the user, complete when the frames are."""

    info: SourceInfo
    warnings: list[str]

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


WEB = ("http://", "https://")  # where files may lie, too
# Prefix of a place -> what opens it. To add a source, add a row.
_OPENERS = {
    "scene:": "rtviz.sources.scene:open_scene",
    "camera:": "rtviz.sources.camera:open_camera",
    "screen:": "rtviz.sources.screen:open_screen",
    "faulty:": "rtviz.sources.faulty:open_faulty",
    "pages:": "rtviz.sources.pages:open_pages",
    **dict.fromkeys((*WEB, "rtsp://", "rtsps://", "rtmp://", "udp://", "srt://"), "rtviz.sources.stream:open_stream"),
}
_VIDEO = "rtviz.sources.video:open_video"
_PICTURES = "rtviz.sources.pictures:open_pictures"


def open_source(
    place: str,
    *,
    start: float = 0.0,
    end: float | None = None,
    every: int = 1,
    video_stream: int | None = None,
    audio_stream: int | None = None,
    floats: FloatRange | None = None,
) -> Source:
    """Open a place that has frames.

    Args:
        place: a video file, a picture or an animation, a folder or glob of pictures, a prefix such as "scene:", an
            address, or the number of a camera.
        start, end: seconds; the part to take. Timestamps still count from the source's first frame.
        every: take each N-th frame.
        video_stream, audio_stream: which track of a video file, counted from 1; the default one if not given.
        floats: how pictures of floating-point levels are shown; by those of this place alone, if not given.

    Raises:
        SourceMissing: there is nothing there.
        SourceUnreadable: nothing in it can be decoded.
        SettingsError: it has no such track.
    """
    part: dict[str, Any] = {"start": start, "end": end, "every": every}
    given = {"video_stream": video_stream, "audio_stream": audio_stream}
    tracks = {name: number for name, number in given.items() if number is not None}
    if place.isdecimal() and not os.path.exists(place):
        place = f"camera:{place}"
    for prefix, opener in _OPENERS.items():
        if place.startswith(prefix):
            return _call(opener, place, part | tracks, {}) if prefix in WEB else _call(opener, place, part, tracks)
    place = _path_of(place)
    if _holds_pictures(place):
        return _call(_PICTURES, place, part | {"floats": floats}, tracks)
    return _call(_VIDEO, place, part | tracks, {})


def _call(opener: str, place: str, part: dict[str, Any], unread: dict[str, int]) -> Source:
    for name, number in unread.items():
        raise no_tracks(name, number, place)
    module, _, name = opener.partition(":")
    return cast(Source, getattr(importlib.import_module(module), name)(place, **part))


def no_tracks(name: str, number: int, place: str) -> SettingsError:
    """The error of a track that was chosen of a place that has none."""
    return SettingsError(name, number, f"only with a video file; {place} has no tracks to choose from")


def _path_of(place: str) -> str:
    return place if os.path.exists(place) else place.removeprefix("file:")


def _holds_pictures(place: str) -> bool:
    if os.path.isdir(place) or (glob.has_magic(place) and not os.path.exists(place)):
        return True
    return is_picture(Path(place))


def expand(inputs: Sequence[str], apart: bool = False) -> list[str]:
    """What the user listed, as places.

    A folder or a glob of videos is each of them, one of pictures is one place, and one of both is both.

    Args:
        inputs: places, folders, globs.
        apart: a folder or a glob of pictures is each of them too.

    Raises:
        SourceMissing: a glob matches nothing, or a folder may not be read.
    """
    places: list[str] = []
    for given in inputs:
        if any(given.startswith(prefix) for prefix in _OPENERS):
            places.append(given)
            continue
        place = _path_of(given)
        if os.path.isdir(place):
            pictures, videos, _ = list_folder(Path(place))
        elif glob.has_magic(place) and not os.path.exists(place):
            found = [Path(match) for match in glob.glob(place, recursive=True)]
            if not found:
                raise SourceMissing(f"nothing matches {given!r}")
            pictures, videos, _ = _sorted_out(found)
        else:
            places.append(given)
            continue
        places += map(str, videos)
        if apart:
            places += map(str, pictures)
        if (pictures and not apart) or not (pictures or videos):
            places.append(place)
    return places


class Listing(NamedTuple):
    """What lies in a folder, each in natural order; hidden files do not count.

    Attributes:
        pictures: those that stand still.
        videos: those that move, animated pictures too: each is an input of its own.
        others: files that are neither, and folders.
    """

    pictures: list[Path]
    videos: list[Path]
    others: list[Path]


def list_folder(folder: Path) -> Listing:
    """What lies in a folder.

    Raises:
        SourceMissing: it may not be read.
    """
    try:
        return _sorted_out([entry for entry in folder.iterdir() if not entry.name.startswith(".")])
    except OSError as error:
        raise SourceMissing(f"cannot open {folder}: {error.strerror}") from None


def skipped(inputs: Sequence[str]) -> list[str]:
    """A sentence for each folder that the user listed and that holds what is left out."""
    folders = [Path(_path_of(given)) for given in inputs if not given.startswith(tuple(_OPENERS))]
    sentences = [skipped_words(folder, list_folder(folder).others) for folder in folders if folder.is_dir()]
    return [sentence for sentence in sentences if sentence]


def skipped_words(folder: Path, others: Sequence[Path]) -> str:
    """The sentence that counts and names what of a folder is left out; "" if nothing is."""
    if not others:
        return ""
    names = ", ".join(path.name for path in others[:_NAMED])
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    return f"{folder}: left out, as neither picture nor video: {len(others)} ({names}{more})"


_NAMED = 5  # so many are named, and the rest is counted


def _sorted_out(paths: list[Path]) -> Listing:
    found = Listing([], [], [])
    for path in sorted(paths, key=natural):
        suffix = path.suffix.lower()
        if path.is_dir():
            found.others.append(path)
        elif suffix in VIDEO_SUFFIXES or (suffix in PICTURE_SUFFIXES and is_animation(path)):
            found.videos.append(path)
        else:
            (found.pictures if suffix in PICTURE_SUFFIXES else found.others).append(path)
    return found


def natural(path: Path) -> list[tuple[int, int, str]]:
    """A sorting key under which frame2.png comes before frame10.png."""
    parts = re.split(r"(\d+)", str(path))
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part.lower()) for part in parts]

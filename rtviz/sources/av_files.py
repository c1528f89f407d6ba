"""Video files as PyAV opens them: containers, tags, and the tracks that are taken of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from rtviz.errors import MissingDependency, SettingsError
from rtviz.sources import WEB

try:
    import av
    from av.sidedata.sidedata import Type as SideDataType
    from av.stream import Disposition
except ImportError as error:
    raise MissingDependency("av", f"reading video ({error})") from error

if TYPE_CHECKING:
    from av.video.stream import VideoStream

NO_TRACK = Disposition.attached_pic | Disposition.timed_thumbnails  # cover pictures: FFmpeg has them as video streams


_WEB_SECONDS = 8.0, 8.0  # a server may take so long to open a file, and to go on with it


def open_file(place: str) -> Any:
    """The container that PyAV makes of a file, here or on a web server, whatever its tags are written in.

    The prefix: without it, `10:30 clip.mp4` would be read as a protocol. The tags: one that is not UTF-8 would else be
    an error of the whole file; `legible` makes text of it.
    """
    if place.startswith(WEB):
        return av.open(place, metadata_errors="surrogateescape", timeout=_WEB_SECONDS)
    return av.open(f"file:{place}", metadata_errors="surrogateescape")


def demuxed(container: Any, streams: Any) -> Iterator[Any]:
    """The packets of streams, in the file's order; an error of FFmpeg ends them.

    Some files (FLV, MPEG-TS) show more streams on the way than at their beginning: there PyAV's demuxing ends with an
    IndexError, behind the last packet.
    """
    with suppress(IndexError):
        yield from container.demux(streams)


def legible(tag: str) -> str:
    """A tag of `open_file`, where it is not UTF-8 as what old programs wrote: Shift-JIS where it looks like Japanese,
    else Windows-1252."""
    if tag.isascii() or not any("\udc80" <= sign <= "\udcff" for sign in tag):
        return tag
    data = tag.encode("utf-8", "surrogateescape")
    with suppress(UnicodeDecodeError):
        japanese = data.decode("cp932")
        wide = sum(sign > "\u2fff" and not "\ue000" <= sign <= "\uf8ff" for sign in japanese)
        if wide > sum(sign.isalpha() and sign <= "\u2fff" for sign in japanese):
            return japanese
    return data.decode("cp1252", "replace")


class _UnnamedSideData:
    """Lets frames carry side data that PyAV has no name for: it makes a mapping of all that a frame carries, even
    where one kind alone is asked for, and knows fewer kinds than FFmpeg."""

    def __init__(self) -> None:
        self._made: dict[int, Any] = {}

    def __call__(self, value: int) -> Any:
        if value not in self._made:
            made: Any = object.__new__(SideDataType)
            made._name_ = f"UNNAMED_{value}"
            made._value_ = value
            self._made[value] = made
        return self._made[value]


SideDataType._missing_ = _UnnamedSideData()  # type: ignore[method-assign, assignment]


def _numbered(tracks: Sequence[Any], number: int, option: str, noun: str) -> Any:
    """The track of this number, counted from 1.

    Raises:
        SettingsError: there is no such track.
    """
    if not 1 <= number <= len(tracks):
        allowed = f"1 to {len(tracks)}" if tracks else f"nothing: there is no {noun}"
        raise SettingsError(option, number, allowed, wrong=f"there is no {noun} {number}")
    return tracks[number - 1]


def video_track(tracks: Sequence[VideoStream], number: int | None = None) -> VideoStream:
    """The video track of this number, counted from 1, else as players choose: one that decodes, the default one, the
    largest."""
    if number is not None:
        return cast("VideoStream", _numbered(tracks, number, "video_stream", "video track"))

    def rank(stream: VideoStream) -> tuple[bool, bool, bool, int]:
        kind, context = stream.disposition, stream.codec_context
        area = context.width * context.height if context is not None else 0
        return area > 0, not kind & Disposition.dependent, bool(kind & Disposition.default), area

    return max(tracks, key=rank)  # the first of equal ones


# Sound that is for some listeners, or is said over the film.
_SPECIAL = (
    Disposition.hearing_impaired
    | Disposition.visual_impaired
    | Disposition.comment
    | Disposition.dub
    | Disposition.karaoke
    | Disposition.descriptions
    | Disposition.clean_effects
)


def sound_track(container: Any, number: int | None) -> Any:
    """The sound track of this number, else as players choose: one that decodes, the default one, the most channels;
    None if there is no sound.

    Args:
        container: of `open_file`.
        number: counted from 1.
    """
    tracks = container.streams.audio
    if number is not None:
        return _numbered(tracks, number, "audio_stream", "sound track")
    best = container.streams.best("audio")  # in a broadcast, of the same programme

    def rank(stream: Any) -> tuple[bool, bool, bool, bool, int]:
        kind, decodes = stream.disposition, stream.codec_context is not None and bool(stream.rate)
        same = stream is best if container.format.name == "mpegts" else False
        return decodes, bool(kind & Disposition.default), not kind & _SPECIAL, same, stream.channels if decodes else 0

    return max(tracks, key=rank, default=None)


__all__ = ["NO_TRACK", "demuxed", "legible", "open_file", "sound_track", "video_track"]

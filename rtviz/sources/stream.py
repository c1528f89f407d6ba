"""Network streams: MJPEG over http, rtsp, and whatever else FFmpeg reads from an address; and files over http."""

from __future__ import annotations

import re
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, cast
from urllib.parse import urlsplit

from rtviz.errors import MissingDependency, SourceError, SourceLost, SourceMissing, SourceUnreadable
from rtviz.frame import Pixels
from rtviz.sources import WEB, Source, SourceInfo, no_tracks
from rtviz.sources.endless import EndlessSource
from rtviz.sources.files import without_password
from rtviz.sources.magic import CONCATENATED_SUFFIXES, begins_like_picture
from rtviz.sources.rtsp import other_transport, transport_of


def open_stream(
    place: str, *, start: float = 0.0, end: float | None = None, every: int = 1, **tracks: int | None
) -> Source:
    """The stream at an address; or the video file, the picture or the animation.

    Args:
        tracks: video_stream and audio_stream, of a video file.

    Raises:
        SourceMissing: nobody answers there.
        SourceUnreadable: what answers is neither video nor picture.
        SettingsError: a track was chosen of what has none.
    """
    source = StreamSource(place, start=start, end=end, every=every)
    if source.is_video_file:
        source.close()
        return _open_video(place, start=start, end=end, every=every, **tracks)
    for name, number in tracks.items():
        if number is not None:
            source.close()
            raise no_tracks(name, number, without_password(place))
    if source.file is None:
        return source
    source.close()
    return _open_picture(place, source.file, start=start, end=end, every=every)


def _open_video(address: str, **part: Any) -> Source:
    from rtviz.sources.video import open_video

    try:
        return cast("Source", open_video(address, **part))
    except SourceUnreadable as error:  # MP4 may have its index behind the frames
        hint = "if its server cannot begin in the middle of a file, download it first"
        raise SourceUnreadable(f"{error}; {hint}") from None


def _open_picture(address: str, data: bytes, **part: Any) -> Source:
    """A picture file that a server sent; it lies in a temporary folder as long as the source is there."""
    from rtviz.sources.pictures import open_pictures

    folder = tempfile.TemporaryDirectory(prefix="rtviz-")
    called = re.sub(r"[^\w.-]", "_", PurePosixPath(urlsplit(address).path).name)[-80:].lstrip(".")
    path = Path(folder.name) / (called or "picture")
    name = without_password(address)
    try:
        path.write_bytes(data)
        source: Any = open_pictures(str(path), **part)
    except SourceUnreadable as error:
        folder.cleanup()
        raise SourceUnreadable(str(error).replace(str(path), name)) from None
    except BaseException:
        folder.cleanup()
        raise
    weakref.finalize(source, folder.cleanup)
    source.info = replace(source.info, name=name)
    return cast("Source", source)


class StreamSource(EndlessSource):
    """The frames of a network stream, as they come; whoever iterates must keep up.

    Args:
        address: http(s) (MJPEG, or any container), rtsp (over TCP, or with `?transport=udp`), and others that FFmpeg
            knows.
        open_seconds: how long a connection and its first bytes are waited for.
        read_seconds: how long silence is borne.
        start, end, every: the part to take.

    Attributes:
        file: the picture file that is there instead of a stream; None where it is none.
        is_video_file: whether a web server has a video of known length there, which has times of its own and an end.

    Raises:
        SourceMissing: nobody answers there.
        SourceUnreadable: what answers is no video.
    """

    def __init__(
        self,
        address: str,
        *,
        open_seconds: float = 8.0,
        read_seconds: float = 4.0,
        start: float = 0.0,
        end: float | None = None,
        every: int = 1,
    ) -> None:
        super().__init__(start, end, every)
        self._address = address
        self._name = without_password(address)
        self._read_seconds = read_seconds
        try:
            import av
        except ImportError:
            raise MissingDependency("av", "reading a network stream") from None
        self._av = av
        self._jpegs: Iterator[Any] | None = None  # pictures of a server that sends one JPEG after the other
        self._container: Any = None
        self.file: bytes | None = None
        self.is_video_file = False
        try:
            if address.startswith(WEB):
                self._open_jpegs((open_seconds, read_seconds))
            if self._jpegs is None and self.file is None:
                self._open((open_seconds, read_seconds))
        except av.error.FFmpegError as error:
            if self._container is not None:
                self._container.close()
            raise self._cannot_open(error) from None

    def _open_jpegs(self, timeout: tuple[float, float]) -> None:
        """Begin with a server that sends one JPEG after the other, or a picture file, if this is one.

        They are found by where a JPEG begins and ends. What stands between them is meant to be multipart, and differs
        from camera to camera: without a type or with a wrong length, under another boundary than was said, behind a
        preamble.
        """
        # FFmpeg speaks HTTP; what it brings is taken as bytes.
        options = {"raw_packet_size": "65536", "probesize": "32", "analyzeduration": "0"}
        self._container = self._av.open(
            self._address, format="data", options=options, timeout=timeout, metadata_errors="replace"
        )
        pieces = (bytes(packet) for packet in self._container.demux() if packet.size)
        head = b""
        for piece in pieces:
            head += piece
            if _begins_with_jpeg(head) is not None and len(head) >= _MARK:
                break
        if begins_like_picture(head):
            head, whole = self._read_file(head, pieces)
            if whole:
                self.file = head
                return
        if not _begins_with_jpeg(head):
            self._container.close()
            return
        self._jpegs = self._decoded(chain([head], pieces))
        self._first = next(self._jpegs, None)
        if self._first is None:
            self._container.close()
            raise SourceUnreadable(f"{self._name} sends JPEG pictures of which none can be decoded")
        self.info = self._described((self._first.height, self._first.width), None)

    def _read_file(self, head: bytes, pieces: Iterator[bytes]) -> tuple[bytes, bool]:
        """What a server sends that began with a picture, and whether that is all: a file.

        Bare JPEGs one after the other may be a stream, which says no length and goes on behind the first.
        """
        if urlsplit(self._address).path.lower().endswith(tuple(CONCATENATED_SUFFIXES)):
            return head, False
        may_go_on = head.startswith(_START) and self._container.size <= 0
        finder, read, size, complete = JpegFinder(), [head], len(head), False
        for piece in chain([b""], self._until_cut_off(pieces)):
            if may_go_on and complete and piece:
                return b"".join([*read, piece]), False
            read.append(piece)
            size += len(piece)
            if size > _LARGEST:
                raise SourceUnreadable(f"{self._name} sends a picture of more than {_LARGEST >> 20} MB")
            complete = complete or any(finder.feed(piece or head))
        return b"".join(read), True

    def _until_cut_off(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Where a server says no length, FFmpeg takes the end of what it sends for a cut."""
        while True:
            try:
                piece = next(pieces, None)  # not `yield from`, which would end the pieces where this is left early
            except self._av.error.FFmpegError as error:
                if isinstance(error, (self._av.error.ExitError, TimeoutError)):
                    raise
                return
            if piece is None:
                return
            yield piece

    def _decoded(self, pieces: Iterable[bytes]) -> Iterator[Any]:
        decoder: Any = self._av.CodecContext.create("mjpeg", "r")
        finder = JpegFinder()
        for piece in pieces:
            for jpeg in finder.feed(piece):
                with suppress(self._av.error.FFmpegError):  # damaged on its way: it is left out
                    yield from decoder.decode(self._av.Packet(jpeg))

    def _open(self, timeout: tuple[float, float]) -> None:
        from rtviz.sources.av_files import video_track

        # What is known at once is shown at once: no long look ahead, no buffer, and slices instead of frame threads.
        options = {"fflags": "nobuffer", "flags": "low_delay", "analyzeduration": "500000", "probesize": "500000"}
        place = self._address
        if place.lower().startswith("rtsp"):
            place, options["rtsp_transport"] = transport_of(place)
        self._container = self._av.open(place, options=options, timeout=timeout, metadata_errors="replace")
        streams = [stream for stream in self._container.streams.video if stream.codec_context is not None]
        if not streams:
            self._container.close()
            raise SourceUnreadable(f"{self._name} sends no video that can be decoded")
        self._stream = video_track(streams)
        self._stream.thread_type = "SLICE"
        known = max(self._container.duration or 0, self._container.size) > 0  # microseconds, or bytes
        self.is_video_file = self._address.startswith(WEB) and known
        rate = self._stream.average_rate or self._stream.guessed_rate
        context = self._stream.codec_context
        self.info = self._described((context.height, context.width), float(rate) if rate else None)

    def _described(self, size: tuple[int, int], fps: float | None) -> SourceInfo:
        return SourceInfo(
            name=self._name,
            kind="stream",
            size=size,
            fps=fps if fps and 1 <= fps <= 240 else None,
            duration_seconds=None,
            frame_count=None,
            live=True,
        )

    def _cannot_open(self, error: Any) -> SourceError:
        reason, advice = error.strerror or str(error), other_transport(self._address, error)
        if isinstance(error, self._av.error.InvalidDataError):
            return SourceUnreadable(f"{self._name} answers, but what it sends is no video")
        if isinstance(error, self._av.error.ExitError) or "timed out" in reason.lower():
            return SourceMissing(f"{self._name} does not answer in time{advice}")
        return SourceMissing(f"{self._name} cannot be reached: {reason}{advice}")

    def pictures(self) -> Iterator[Pixels]:
        try:
            for picture in self._frames():
                if self._closed.is_set():
                    return
                yield picture.to_ndarray(format="rgb24")
        except self._av.error.FFmpegError as error:
            if isinstance(error, (self._av.error.ExitError, TimeoutError)):
                raise SourceLost(f"{self._name} has sent nothing for {self._read_seconds:g} s") from None
            raise SourceLost(f"{self._name} was cut off: {error.strerror or error}") from None
        if not self._closed.is_set():
            raise SourceLost(f"{self._name} has ended")

    def _frames(self) -> Iterator[Any]:
        if self._jpegs is not None:
            first, self._first = self._first, None
            return chain([] if first is None else [first], self._jpegs)
        return (picture for packet in self._container.demux(self._stream) for picture in self._decode(packet))

    def _decode(self, packet: Any) -> list[Any]:
        """The pictures of a packet; one that was damaged on its way is left out."""
        try:
            return list(packet.decode())
        except self._av.error.InvalidDataError:
            return []

    def release(self) -> None:
        self._container.close()


# --- one JPEG after the other ----------------------------------------------------------------------------------------

_START = b"\xff\xd8\xff"
_LONGEST_HEAD = 1 << 16  # bytes of text that may stand before the first picture
_LARGEST = 1 << 27  # bytes of one picture
_MARK = 16  # bytes by which every format of pictures is known
_TEXT = bytes({*range(32, 127), *b"\t\r\n"})


def _begins_with_jpeg(head: bytes) -> bool | None:
    """Whether a JPEG is the first thing but text that a server sends; None while that is not known."""
    before, start, _ = head.partition(_START)
    binary = before.translate(None, _TEXT)
    if start:
        return not binary
    if binary and not _START.startswith(binary):
        return False
    return None if len(head) < _LONGEST_HEAD and b"#EXTM3U" not in head and b"<" not in head[:256] else False


class JpegFinder:
    """Cuts JPEGs out of bytes that come piece by piece, by their own markers (ITU-T T.81, annex B).

    A picture is handed on as soon as its last byte is there; one that is cut off is dropped when the next one begins.
    """

    # In what is entropy-coded, a marker is what neither stands for a byte of 255 nor restarts.
    _marker = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)

    def __init__(self) -> None:
        self._data = bytearray()
        self._inside = False  # the bytes begin with a picture
        self._at = 0  # so far it was read
        self._coded = False  # it goes on there with entropy-coded data

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The pictures that a piece completes."""
        self._data += piece
        while self._read():
            picture = bytes(self._data[: self._at])
            self._leave(self._at)
            yield picture

    def _leave(self, at: int) -> None:
        """Look for the next picture from there."""
        del self._data[:at]
        self._inside = False

    def _enter(self, at: int) -> None:
        """A picture begins there."""
        del self._data[:at]
        self._inside, self._at, self._coded = True, 2, False

    def _read(self) -> bool:
        """Go on as far as there are bytes; whether a whole picture was read, up to `_at`."""
        data = self._data
        while True:
            if not self._inside:
                start = data.find(_START)
                if start < 0:
                    del data[: max(0, len(data) - 2)]
                    return False
                self._enter(start)
            if len(data) > _LARGEST:
                self._leave(2)
                continue
            if self._coded:
                found = self._marker.search(data, self._at)
                if found is None:
                    self._at = max(self._at, len(data) - 1)
                    return False
                self._at, self._coded = found.start(), False
            if len(data) < self._at + 4 and data[self._at + 1 : self._at + 2] != b"\xd9":
                return False
            if data[self._at] != 0xFF:  # no segment begins here
                self._leave(2)
                continue
            kind = data[self._at + 1]
            if kind == 0xD9:
                self._at += 2
                return True
            if kind == 0xD8:  # the one before was cut off
                self._enter(self._at)
            elif kind == 0xFF:  # a fill byte
                self._at += 1
            elif kind == 0x01 or 0xD0 <= kind <= 0xD7:  # markers without a segment
                self._at += 2
            elif kind < 0xC0:  # no marker of a JPEG
                self._leave(2)
            else:
                self._at += 2 + int.from_bytes(data[self._at + 2 : self._at + 4], "big")
                self._coded = kind == 0xDA

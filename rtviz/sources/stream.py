"""Network streams: MJPEG over http, rtsp, and whatever else FFmpeg reads from an address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rtviz.errors import MissingDependency, SourceError, SourceLost, SourceMissing, SourceUnreadable
from rtviz.frame import Pixels
from rtviz.sources import SourceInfo
from rtviz.sources.endless import EndlessSource


def open_stream(place: str, *, start: float = 0.0, end: float | None = None, every: int = 1) -> StreamSource:
    """The stream at an address."""
    return StreamSource(place, start=start, end=end, every=every)


class StreamSource(EndlessSource):
    """The frames of a network stream, as they come; whoever iterates must keep up.

    Args:
        address: http(s) (MJPEG, or any container), rtsp, and others that FFmpeg knows.
        open_seconds: how long a connection and its first bytes are waited for.
        read_seconds: how long silence is borne.
        start, end, every: the part to take.

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
        self._name = _without_password(address)
        self._read_seconds = read_seconds
        try:
            import av
        except ImportError:
            raise MissingDependency("av", "reading a network stream") from None
        self._av = av
        # What is known at once is shown at once: no long look ahead, no buffer, and slices instead of frame threads.
        options = {"fflags": "nobuffer", "flags": "low_delay", "analyzeduration": "500000", "probesize": "500000"}
        if address.startswith("rtsp"):
            options["rtsp_transport"] = "tcp"
        try:
            self._container: Any = av.open(address, options=options, timeout=(open_seconds, read_seconds))
        except av.error.FFmpegError as error:
            raise self._cannot_open(error) from None
        streams = self._container.streams.video
        if not streams:
            self._container.close()
            raise SourceUnreadable(f"{self._name} sends no video")
        self._stream = streams[0]
        self._stream.thread_type = "SLICE"
        rate = self._stream.average_rate or self._stream.guessed_rate
        context = self._stream.codec_context
        self.info = SourceInfo(
            name=self._name,
            kind="stream",
            size=(context.height, context.width),
            fps=float(rate) if rate and 1 <= rate <= 240 else None,
            duration_seconds=None,
            frame_count=None,
            live=True,
        )

    def _cannot_open(self, error: Any) -> SourceError:
        reason = error.strerror or str(error)
        if isinstance(error, self._av.error.InvalidDataError):
            return SourceUnreadable(f"{self._name} answers, but what it sends is no video")
        if isinstance(error, self._av.error.ExitError) or "timed out" in reason.lower():
            return SourceMissing(f"{self._name} does not answer in time")
        return SourceMissing(f"{self._name} cannot be reached: {reason}")

    def pictures(self) -> Iterator[Pixels]:
        try:
            for packet in self._container.demux(self._stream):
                for picture in self._decode(packet):
                    if self._closed.is_set():
                        return
                    yield picture.to_ndarray(format="rgb24")
        except self._av.error.FFmpegError as error:
            if isinstance(error, (self._av.error.ExitError, TimeoutError)):
                raise SourceLost(f"{self._name} has sent nothing for {self._read_seconds:g} s") from None
            raise SourceLost(f"{self._name} was cut off: {error.strerror or error}") from None
        if not self._closed.is_set():
            raise SourceLost(f"{self._name} has ended")

    def _decode(self, packet: Any) -> list[Any]:
        """The pictures of a packet; one that was damaged on its way is left out."""
        try:
            return list(packet.decode())
        except self._av.error.InvalidDataError:
            return []

    def release(self) -> None:
        self._container.close()


def _without_password(address: str) -> str:
    """The address as it may be shown on a stage."""
    scheme, separator, rest = address.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"

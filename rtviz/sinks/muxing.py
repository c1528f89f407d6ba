"""Packets that go into a video file beside its pictures: each waits until its time has come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rtviz.errors import MissingDependency, OutputUnwritable

try:
    import av

    from rtviz.sources.av_files import demuxed
except ImportError as error:
    raise MissingDependency("av", f"writing video ({error})") from error

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
MP4 = (".mp4", ".m4v", ".mov")


def muxing_options(suffix: str) -> dict[str, str]:
    """FFmpeg's options for a file that can be played up to shortly before a kill."""
    # max_interleave_delta: where the sound has ended, pictures must not wait for more of it.
    common = {"flush_packets": "1", "max_interleave_delta": "500000"}
    if suffix not in MP4:
        # The lead-in of copied sound lies before 0; without this, the pictures would be moved to make room for it.
        return common | {"cluster_time_limit": "1000", "avoid_negative_ts": "disabled"}
    # hybrid: fragments while it grows, an ordinary index at the end. delay_moov: with the first fragment known, an
    # edit list takes back the delay of the B-frames, and the first picture stands at 0. But then nothing is written
    # until the sound begins; where that is late, silence is put before it.
    return common | {"movflags": "hybrid_fragmented+frag_keyframe+delay_moov"}


class TrackPackets:
    """The packets of one kind of track, for the output; one of them waits until its time has come."""

    def __init__(self, origin: Any, source: Any) -> None:
        self._origin, self._input = origin, source
        self._output: Any = None
        self._zero_seconds = 0.0  # of the output, on the input's clock
        self._limit_seconds = float("inf")  # of the output
        self._packets: Iterator[Any] | None = None
        self._waiting: Any = None

    def begin(self, start_seconds: float) -> None:
        self._zero_seconds = self._origin.zero_seconds + start_seconds
        if self._origin.end is not None:
            self._limit_seconds = self._origin.end - start_seconds
        if start_seconds > 0:
            with suppress(av.error.FFmpegError):  # from the beginning, then
                self._seek()
        self._packets = self._made(start_seconds > 0)

    def _seek(self) -> None:
        raise NotImplementedError

    def _made(self, cut: bool) -> Iterator[Any]:
        raise NotImplementedError

    def described(self) -> str:
        raise NotImplementedError

    def prepare(self) -> None:
        if self._waiting is None and self._packets is not None:
            with self._blamed():
                self._waiting = next(self._packets, None)
            if self._waiting is None:
                self._packets = None

    def take(self) -> Any:
        """The next packet, at any time; None after the last."""
        self.prepare()
        packet, self._waiting = self._waiting, None
        return packet

    def mux_until(self, seconds: float) -> None:
        while True:
            self.prepare()
            packet = self._waiting
            if packet is None:
                return
            if float((packet.dts if packet.dts is not None else packet.pts) * packet.time_base) > seconds:
                return
            with self._blamed():
                self._output.mux(packet)
            self._waiting = None

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        try:
            yield
        except av.error.FFmpegError as error:
            if isinstance(error, OSError):  # the system's words: no space, no permission
                raise
            name = Path(str(self._output.name).removeprefix("file:")).name
            raise OutputUnwritable(f"cannot write {name}: {self.described()}: {error.strerror or error}") from error

    def demuxed_packets(self, streams: Any) -> Iterator[Any]:
        packets = demuxed(self._input, streams)
        while True:
            try:
                yield next(packets)
            except (StopIteration, av.error.FFmpegError):  # cut off: what there is, is kept
                return

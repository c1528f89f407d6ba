"""The subtitles of a video file, for another: copied where the container takes them, else encoded anew."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from rtviz.errors import MissingDependency
from rtviz.sinks.muxing import FORMATS, TrackPackets

try:
    import av

    from rtviz.sources.av_files import legible, open_file
except ImportError as error:
    raise MissingDependency("av", f"writing video ({error})") from error

# Subtitles that each container carries, and the encoder for others that are text. An MP4 carries them too, but FFmpeg's
# muxer puts ends of its own into such a track where a fragment ends, and aborts the process at a subtitle that comes
# before such an end: into files that are to survive a kill none are written.
_SUBTITLES: dict[str, tuple[str, tuple[str, ...] | None]] = {
    ".webm": ("webvtt", ("webvtt",)),
    ".mkv": ("subrip", None),
}
_TEXT = frozenset({"srt", "subrip", "ass", "ssa", "webvtt", "mov_text", "text"})

_BEFORE_SECONDS = 15.0  # so long a subtitle may stand that began before the part that is taken


class Subtitles(TrackPackets):
    """All subtitle tracks that the output takes."""

    def __init__(self, origin: Any, source: Any, suffix: str) -> None:
        super().__init__(origin, source)
        self._suffix = suffix
        self._encoders: dict[int, str | None] = {}  # index of a stream in the input -> encoder, if it is not copied
        self._outs: dict[int, Any] = {}

    @classmethod
    def of(cls, origin: Any, suffix: str) -> tuple[Subtitles | None, Counter[str]]:
        """The subtitles of the origin that the output takes, and the others, by kind."""
        source = open_file(origin.place)
        subtitles = cls(origin, source, suffix)
        lost: Counter[str] = Counter()
        encoder, carried = _SUBTITLES.get(suffix, (None, ()))
        for stream in source.streams.subtitles:
            codec = stream.codec_context.name if stream.codec_context is not None else "unknown"
            ways: list[str | None] = [None] if carried is None or codec in carried else []
            ways += [encoder] if encoder is not None and codec in _TEXT else []
            for way in ways:
                if subtitles._is_taken(stream, way):
                    subtitles._encoders[stream.index] = way
                    break
            else:
                lost[f"subtitle track ({codec})"] += 1
        if subtitles._encoders:
            return subtitles, lost
        source.close()
        return None, lost

    def _is_taken(self, stream: Any, encoder: str | None) -> bool:
        """Whether the container takes such a track: a header is written, in memory."""
        try:
            with av.open(io.BytesIO(), "w", format=FORMATS[self._suffix]) as trial:
                self._added(trial, stream, encoder)
                trial.start_encoding()
        except (av.error.FFmpegError, ValueError):
            return False
        return True

    def _added(self, output: Any, stream: Any, encoder: str | None) -> Any:
        if encoder is None:
            return output.add_stream_from_template(stream)
        stream.codec_context.open(strict=False)
        out = output.add_stream(encoder)
        out.codec_context.subtitle_header = stream.codec_context.subtitle_header
        out.time_base = out.codec_context.time_base = Fraction(1, 1000)
        return out

    def described(self) -> str:
        return "subtitles"

    def add_to(self, output: Any) -> None:
        self._output = output
        for index, encoder in self._encoders.items():
            stream = self._input.streams[index]
            out = self._outs[index] = self._added(output, stream, encoder)
            for name in ("language", "title"):
                if name in stream.metadata:
                    out.metadata[name] = legible(stream.metadata[name])
            out.disposition = stream.disposition

    def _seek(self) -> None:
        self._input.seek(int(max(0.0, self._zero_seconds - _BEFORE_SECONDS) * av.time_base))

    def _made(self, cut: bool) -> Iterator[Any]:
        last: dict[int, int] = {}
        for begins, ends, index, data in self._read():
            begins = last[index] = max(begins, last.get(index, -1) + 1)  # a container takes no two at one time
            yield _packet(data, self._outs[index], begins, max(ends, begins + 1))

    def _read(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Each subtitle in the order of the file: begin and end in milliseconds of the output, stream, data."""
        for packet in self.demuxed_packets([self._input.streams[index] for index in self._outs]):
            gap = packet.size == 2 and packet.stream.codec_context.name == "mov_text"
            if packet.pts is None or not packet.size or gap:
                continue
            begins = float(packet.pts * packet.time_base) - self._zero_seconds
            ends = begins + float((packet.duration or 0) * packet.time_base)
            if begins >= self._limit_seconds or (begins < 0 and ends <= 0):
                continue
            index = packet.stream.index
            data = bytes(packet) if self._encoders[index] is None else self._encoded(packet, index)
            if data is not None:
                yield round(1000 * max(0.0, begins)), round(1000 * min(ends, self._limit_seconds)), index, data

    def _encoded(self, packet: Any, index: int) -> bytes | None:
        try:
            read = self._input.streams[index].codec_context.decode2(packet)
            return None if read is None else bytes(self._outs[index].codec_context.encode_subtitle(read))
        except (av.error.FFmpegError, UnicodeDecodeError):  # damaged: this one is left out
            return None

    def close(self) -> None:
        self._input.close()


def _packet(data: bytes, out: Any, begins: int, ends: int) -> Any:
    packet = av.Packet(data)
    packet.time_base = Fraction(1, 1000)
    packet.pts = packet.dts = begins
    packet.duration = ends - begins
    packet.stream = out
    return packet

"""What stands beside the pictures of a video file: the input's sound, subtitles, chapters, attachments and title.

Each is copied where the container takes it, which is tried; else it is encoded anew; what can be neither is said.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtviz.errors import MissingDependency, OutputUnwritable
from rtviz.notices import Notice, Remedy
from rtviz.words import counted

try:
    import av
    from av.stream import Discard

    from rtviz.sources.av_files import demuxed, legible, open_file, sound_track
except ImportError as error:
    raise MissingDependency("av", f"writing video ({error})") from error

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
# Sound that players expect in each container; any other becomes what the encoder makes that stands beside it.
_SOUND: dict[str, tuple[str, tuple[str, ...] | None]] = {
    ".webm": ("libopus", ("opus", "vorbis")),
    ".mkv": ("aac", None),  # everything
    ".mov": ("aac", ("aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s24le")),
    ".mp4": ("aac", ("aac", "mp3", "ac3", "eac3", "alac", "opus")),
}
_MP4 = (".mp4", ".m4v", ".mov")
_CALLED = {"libopus": "opus"}
# Subtitles that each container carries, and the encoder for others that are text. An MP4 carries them too, but FFmpeg's
# muxer puts ends of its own into such a track where a fragment ends, and aborts the process at a subtitle that comes
# before such an end: into files that are to survive a kill none are written.
_SUBTITLES: dict[str, tuple[str, tuple[str, ...] | None]] = {
    ".webm": ("webvtt", ("webvtt",)),
    ".mkv": ("subrip", None),
}
_TEXT = frozenset({"srt", "subrip", "ass", "ssa", "webvtt", "mov_text", "text"})
# Sound whose decoder must know how long it is, and by copying does not: the last second of it is lost, or all.
_NOT_COPIED = frozenset({"tta"})
_LATE_SECONDS = 1.0
_TRIED_PACKETS = 4
# Layouts of so many channels that encoders know; a sound of other speakers is mixed to the one of as many.
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


def muxing_options(suffix: str) -> dict[str, str]:
    """FFmpeg's options for a file that can be played up to shortly before a kill."""
    # max_interleave_delta: where the sound has ended, pictures must not wait for more of it.
    common = {"flush_packets": "1", "max_interleave_delta": "500000"}
    if suffix not in _MP4:
        # The lead-in of copied sound lies before 0; without this, the pictures would be moved to make room for it.
        return common | {"cluster_time_limit": "1000", "avoid_negative_ts": "disabled"}
    # hybrid: fragments while it grows, an ordinary index at the end. delay_moov: with the first fragment known, an
    # edit list takes back the delay of the B-frames, and the first picture stands at 0. But then nothing is written
    # until the sound begins; where that is late, silence is put before it.
    return common | {"movflags": "hybrid_fragmented+frag_keyframe+delay_moov"}


def left_behind(origin: Any, suffix: str) -> str:
    """The sentence about what a video file has beside its pictures, for an output that carries none of it; "" where
    there is nothing.

    Args:
        suffix: of the output.
    """
    if not hasattr(origin, "zero_seconds"):  # only video files have
        return ""
    with open_file(origin.place) as source:
        found = {"sound track": len(source.streams.audio), "subtitle track": len(source.streams.subtitles)}
    said = ", ".join(counted(count, what) for what, count in found.items() if count)
    return f"left out, because {suffix} does not carry it: {said}" if said else ""


class Beside:
    """All that stands beside the pictures of one output."""

    def __init__(self, origin: Any, suffix: str, source: Any) -> None:
        self._origin, self._suffix, self._source = origin, suffix, source
        self._sound: _Sound | None = None
        self._subtitles: _Subtitles | None = None

    @classmethod
    def of(cls, origin: Any, suffix: str, warnings: list[str]) -> Beside | None:
        """What the origin has beside its pictures; None of what is no video file.

        Args:
            suffix: of the output.
            warnings: sentences for the user; what is lost or changed is added.
        """
        if not hasattr(origin, "zero_seconds"):  # only video files have
            return None
        source = open_file(origin.place)
        beside = cls(origin, suffix, source)
        try:
            beside._plan_sound(warnings)
            beside._subtitles, lost = _Subtitles.of(origin, suffix)
            attached = len(source.streams.attachments) if suffix != ".mkv" else 0
            # What FFmpeg itself discards is the track that holds the titles of the chapters.
            data = [stream for stream in source.streams.data if stream.discard != Discard.all]
            lost += Counter({"attachment": attached, "data track": len(data)})
            if +lost:
                said = ", ".join(counted(count, what) for what, count in (+lost).items())
                warnings.append(f"left out, because {suffix} does not carry it: {said}")
        except BaseException:
            beside.close()
            raise
        return beside

    def _plan_sound(self, warnings: list[str]) -> None:
        origin, suffix, source = self._origin, self._suffix, self._source
        stream = sound_track(source, origin.audio_stream)
        if stream is None:
            return
        tracks = source.streams.audio
        if len(tracks) > 1:
            kept = f"of {len(tracks)} sound tracks, one is kept: number {tracks.index(stream) + 1}"
            warnings.append(kept if origin.audio_stream else Notice(kept, Remedy.CHOOSE_SOUND_TRACK))
        if stream.codec_context is None or not stream.rate:
            warnings.append("the sound is left out: there is no decoder for it")
            return
        begins = _first_sound_seconds(origin, stream.index)
        if begins is None:
            if origin.start or origin.end is not None:
                warnings.append("the sound is left out: it has ended before this part, or begins after it")
            return
        encoder, carried = _SOUND.get(suffix, _SOUND[".mp4"])
        codec = stream.codec_context.name.removesuffix("float")
        late = begins > _LATE_SECONDS and suffix in _MP4
        layout_name = counted(stream.channels, "channel") if "channels" in stream.layout.name else stream.layout.name
        described = f"{codec}, {stream.rate} Hz, {layout_name}"
        if late and codec.startswith("pcm_") and carried is not None and codec in carried:
            # FFmpeg forgets where such a track began; with silence before it, nothing is lost.
            self._sound = _Sound(origin, source, stream, codec, _layout_for(codec, stream) or "stereo")
            return
        if codec in _NOT_COPIED or (carried is not None and codec not in carried):
            why = f"which {suffix} cannot carry"
        elif late:
            # Pictures are not to wait for the sound, and a head that is written before it puts its first packet at 0.
            why = f"which begins late, as {suffix} cannot carry it"
        else:
            refusal = _try_sound(origin, suffix, stream.index)
            if refusal is None:
                self._sound = _Sound(origin, source, stream, None)
                return
            why = f"which {suffix} cannot carry as it is"
        layout = _layout_for(encoder, stream)
        if layout is None:
            warnings.append(f"the sound is left out: it is {described}, {why}, and {encoder} cannot encode it")
            return
        self._sound = _Sound(origin, source, stream, encoder, layout)
        mixed = "" if _channels(layout) == stream.channels else f", and mixed from {stream.layout.name} to {layout}"
        warnings.append(f"the sound is {described}, {why}: encoded anew as {_CALLED.get(encoder, encoder)}{mixed}")

    def add_to(self, output: Any) -> None:
        """Make the streams of the output."""
        source = self._source
        if "title" in source.metadata:
            output.metadata["title"] = legible(source.metadata["title"])
        if self._sound is not None:
            self._sound.add_to(output)
        if self._subtitles is not None:
            self._subtitles.add_to(output)
        if self._suffix == ".mkv":
            for attachment in source.streams.attachments:
                tags = {name: legible(value) for name, value in attachment.metadata.items()}
                output.add_attachment(
                    tags.get("filename", "attachment"),
                    tags.get("mimetype", "application/octet-stream"),
                    bytes(attachment.data or b""),
                )
        chapters = sorted(self._chapters(), key=lambda chapter: chapter["start"])  # QuickTime takes no others
        if chapters:
            output.set_chapters(chapters)

    def _chapters(self) -> Iterator[dict[str, Any]]:
        """The chapters of the part that is taken, in its own time."""
        origin = self._origin
        zero = origin.zero_seconds + origin.start
        limit = float("inf") if origin.end is None else origin.end - origin.start
        for number, chapter in enumerate(self._source.chapters()):
            begins, ends = (float(chapter[name] * chapter["time_base"]) - zero for name in ("start", "end"))
            if ends <= 0 or begins >= limit:
                continue
            yield {
                "id": number + 1,
                "start": round(1000 * max(0.0, begins)),
                "end": round(1000 * min(ends, limit)),
                "time_base": Fraction(1, 1000),
                "metadata": {name: legible(value) for name, value in chapter["metadata"].items() if name == "title"},
            }

    def described(self) -> str:
        """What the output is to hold beside the pictures, for an error's message."""
        return f" with {self._sound.described()}" if self._sound is not None else ""

    def begin(self, start_seconds: float) -> None:
        """The first picture stands at so many seconds after the input's first frame."""
        for part in self._parts():
            part.begin(start_seconds)

    def prepare(self) -> None:
        """Have the first packets at hand, before the output's header is written."""
        for part in self._parts():
            part.prepare()

    def mux_until(self, seconds: float) -> None:
        """Put what sounds or is read before that time into the output."""
        for part in self._parts():
            part.mux_until(seconds)

    def _parts(self) -> Iterable[_Part]:
        return [part for part in (self._sound, self._subtitles) if part is not None]

    def close(self) -> None:
        self._source.close()
        if self._subtitles is not None:
            self._subtitles.close()


class _Part:
    """Packets of one kind, for the output; one of them waits until its time has come."""

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

    def _demuxed(self, streams: Any) -> Iterator[Any]:
        packets = demuxed(self._input, streams)
        while True:
            try:
                yield next(packets)
            except (StopIteration, av.error.FFmpegError):  # cut off: what there is, is kept
                return


# --- sound -----------------------------------------------------------------------------------------------------------


def _first_sound_seconds(origin: Any, index: int) -> float | None:
    """How long after the first picture the sound begins; None if none comes in the part that is taken."""
    begins = origin.zero_seconds + origin.start
    ends = float("inf") if origin.end is None else origin.zero_seconds + origin.end
    with open_file(origin.place) as source:
        try:
            if origin.start:
                source.seek(int(begins * av.time_base))
            for packet in demuxed(source, source.streams[index]):
                if packet.pts is None or not packet.size:
                    continue
                seconds = float(packet.pts * packet.time_base)
                if seconds >= ends:
                    return None
                if seconds + float((packet.duration or 0) * packet.time_base) > begins - 0.1:
                    return max(0.0, seconds - begins)
        except av.error.FFmpegError:  # damaged: what can be had of it will be seen
            return 0.0
    return None


def _try_sound(origin: Any, suffix: str, index: int) -> str | None:
    """Why the container does not take this sound as it is; None if it does. A header and some packets are written, in
    memory."""
    with open_file(origin.place) as source:
        sound = _Sound(origin, source, source.streams[index], None)
        try:
            with av.open(io.BytesIO(), "w", format=FORMATS[suffix], container_options=muxing_options(suffix)) as trial:
                sound.add_to(trial)
                sound.begin(origin.start)
                for _ in range(_TRIED_PACKETS):
                    sound.prepare()
                    if sound._waiting is None:
                        break
                    trial.mux(sound._waiting)
                    sound._waiting = None
        except (av.error.FFmpegError, OutputUnwritable, ValueError) as error:
            return " ".join(str(error).split())
    return None


def _layout_for(encoder: str, stream: Any) -> str | None:
    """The channels in which an encoder takes this sound: as many as it has if it can; None if it takes none."""
    layouts = [_LAYOUTS.get(stream.channels, "stereo"), stream.layout.name]
    for layout in [*layouts, "stereo", "mono"]:
        try:
            context: Any = av.CodecContext.create(encoder, "w")
            context.sample_rate = _rate(encoder, stream.rate)
            context.format = context.codec.audio_formats[0]
            context.layout = layout
            context.open()
        except (av.error.FFmpegError, ValueError):
            continue
        return layout
    return None


def _channels(layout: str) -> int:
    return len(av.AudioLayout(layout).channels)


class _Sound(_Part):
    """The sound of the input, packet by packet where there is no encoder, else encoded anew."""

    def __init__(self, origin: Any, source: Any, stream: Any, encoder: str | None, layout: str = "stereo") -> None:
        super().__init__(origin, source)
        self._stream, self._encoder, self._layout = stream, encoder, layout
        self._out: Any = None

    def described(self) -> str:
        codec = self._encoder or self._stream.codec_context.name.removesuffix("float")
        return f"sound as {_CALLED.get(codec, codec)}"

    def add_to(self, output: Any) -> None:
        self._output = output
        if self._encoder is None:
            self._out = output.add_stream_from_template(self._stream)
        else:
            self._out = output.add_stream(self._encoder, rate=_rate(self._encoder, self._stream.rate))
            self._out.layout = self._layout
            if self._encoder == "aac":
                self._out.bit_rate = min(96_000 * _channels(self._layout), 512_000)
        for name in ("language", "title"):
            if name in self._stream.metadata:
                self._out.metadata[name] = legible(self._stream.metadata[name])

    def _seek(self) -> None:
        target = max(0.0, self._zero_seconds - 0.5)
        self._input.seek(int(target / self._stream.time_base), stream=self._stream)

    def _made(self, cut: bool) -> Iterator[Any]:
        return self._copied(cut) if self._encoder is None else self._encoded()

    def _copied(self, cut: bool) -> Iterator[Any]:
        """The packets as they are, in the output's time.

        What sounds before the first picture is left out, but for the lead-in with which a decoder warms up; and so is
        what a damaged file has in the wrong order, which no container takes.
        """
        first, last = True, -(1 << 62)
        for packet in self._demuxed(self._stream):
            if packet.dts is None or packet.pts is None or packet.size == 0:
                continue
            shift = round(self._zero_seconds / packet.time_base)
            begins = float((packet.pts - shift) * packet.time_base)
            lead_in = first and not cut and begins > -0.1
            first = False
            if (begins < 0 and not lead_in) or packet.dts <= last or packet.pts < packet.dts:
                continue
            if begins >= self._limit_seconds:
                return
            last = packet.dts
            packet = self._bare(packet)
            packet.pts -= shift
            packet.dts -= shift
            packet.stream = self._out
            yield packet

    def _bare(self, packet: Any) -> Any:
        """AAC without the header that broadcast puts before each packet; files say the same once, for all of them."""
        data = bytes(packet)
        if self._stream.codec_context.name != "aac" or len(data) < 7 or data[0] != 0xFF or data[1] & 0xF6 != 0xF0:
            return packet
        profile, rate, channels = data[2] >> 6, (data[2] >> 2) & 15, (data[2] & 1) << 2 | data[3] >> 6
        if not self._out.codec_context.extradata:  # AudioSpecificConfig, ISO 14496-3
            self._out.codec_context.extradata = bytes(((profile + 1) << 3 | rate >> 1, (rate & 1) << 7 | channels << 3))
        bare = av.Packet(data[7 if data[1] & 1 else 9 :])
        bare.pts, bare.dts, bare.time_base, bare.duration = packet.pts, packet.dts, packet.time_base, packet.duration
        return bare

    def _encoded(self) -> Iterator[Any]:
        """Encoded anew, cut to the sample, gaps filled with silence."""
        rate = self._out.rate
        limit = self._limit_seconds * rate
        written = 0
        for samples, at in self._decoded(rate):  # [channels, samples], and where they belong in the output
            jitter = rate // 20 if written else 0  # timestamps are rounded: a step of less is no gap
            if at < written - jitter:
                samples = samples[:, written - at :]
            while at > written + jitter and written < limit:
                silence = np.zeros((samples.shape[0], min(at - written, rate)), np.float32)
                yield from self._encode(silence, written)
                written += silence.shape[1]
            if written + samples.shape[1] > limit:
                samples = samples[:, : max(0, int(limit) - written)]
            if samples.shape[1]:
                yield from self._encode(samples, written)
                written += samples.shape[1]
            if written >= int(min(limit, 2**62)):
                break
        yield from self._out.encode(None)

    def _encode(self, samples: NDArray[np.float32], at: int) -> Iterator[Any]:
        # Packed: of planes PyAV miscounts those of eight channels.
        packed = np.ascontiguousarray(samples.T.reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=self._out.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = self._out.rate, at, Fraction(1, self._out.rate)
        yield from self._out.encode(frame)

    def _decoded(self, rate: int) -> Iterator[tuple[NDArray[np.float32], int]]:
        resampler: Any = None
        kind: tuple[Any, ...] = ()
        for packet in self._demuxed(self._stream):
            try:
                frames: list[Any] = [frame for frame in packet.decode() if frame.pts is not None]
            except av.error.FFmpegError:
                continue  # damaged: silence stands there
            for frame in frames:
                now = frame.format.name, frame.layout.name, frame.sample_rate
                if resampler is None or now != kind:  # a broadcast goes from stereo to 5.1 and back
                    if resampler is not None:
                        yield from self._placed(resampler.resample(None), rate)
                    resampler, kind = av.AudioResampler(format="flt", layout=self._out.layout, rate=rate), now
                yield from self._placed(resampler.resample(frame), rate)
        if resampler is not None:
            yield from self._placed(resampler.resample(None), rate)

    def _placed(self, pieces: list[Any], rate: int) -> Iterator[tuple[NDArray[np.float32], int]]:
        for piece in pieces:
            samples = piece.to_ndarray().reshape(-1, len(piece.layout.channels)).T
            yield samples, round((float(piece.pts * piece.time_base) - self._zero_seconds) * rate)


_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)


def _rate(encoder: str, rate: int) -> int:
    """Samples a second that the encoder takes, the input's own if it can."""
    if encoder.startswith("pcm_") or (encoder == "aac" and rate in _AAC_RATES):
        return int(rate)
    return 48000


# --- subtitles -------------------------------------------------------------------------------------------------------

_BEFORE_SECONDS = 15.0  # so long a subtitle may stand that began before the part that is taken


class _Subtitles(_Part):
    """All subtitle tracks that the output takes."""

    def __init__(self, origin: Any, source: Any, suffix: str) -> None:
        super().__init__(origin, source)
        self._suffix = suffix
        self._encoders: dict[int, str | None] = {}  # index of a stream in the input -> encoder, if it is not copied
        self._outs: dict[int, Any] = {}

    @classmethod
    def of(cls, origin: Any, suffix: str) -> tuple[_Subtitles | None, Counter[str]]:
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
        for packet in self._demuxed([self._input.streams[index] for index in self._outs]):
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


__all__ = ["FORMATS", "Beside", "left_behind", "muxing_options"]

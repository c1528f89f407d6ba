"""The sound of a video file, for another: copied where the container takes it, else encoded anew."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtviz.errors import MissingDependency, OutputUnwritable
from rtviz.notices import Notice, Remedy
from rtviz.sinks.muxing import FORMATS, MP4, TrackPackets, muxing_options
from rtviz.words import counted

try:
    import av

    from rtviz.sources.av_files import demuxed, legible, open_file, sound_track
except ImportError as error:
    raise MissingDependency("av", f"writing video ({error})") from error

# Sound that players expect in each container; any other becomes what the encoder makes that stands beside it.
_SOUND: dict[str, tuple[str, tuple[str, ...] | None]] = {
    ".webm": ("libopus", ("opus", "vorbis")),
    ".mkv": ("aac", None),  # everything
    ".mov": ("aac", ("aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s24le")),
    ".mp4": ("aac", ("aac", "mp3", "ac3", "eac3", "alac", "opus")),
}
_CALLED = {"libopus": "opus"}
# Sound whose decoder must know how long it is, and by copying does not: the last second of it is lost, or all.
_NOT_COPIED = frozenset({"tta"})
_LATE_SECONDS = 1.0
_TRIED_PACKETS = 4
# Layouts of so many channels that encoders know; a sound of other speakers is mixed to the one of as many.
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


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
        sound = Sound(origin, source, source.streams[index], None)
        try:
            with av.open(io.BytesIO(), "w", format=FORMATS[suffix], container_options=muxing_options(suffix)) as trial:
                sound.add_to(trial)
                sound.begin(origin.start)
                for _ in range(_TRIED_PACKETS):
                    packet = sound.take()
                    if packet is None:
                        break
                    trial.mux(packet)
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


class Sound(TrackPackets):
    """The sound of the input, packet by packet where there is no encoder, else encoded anew."""

    def __init__(self, origin: Any, source: Any, stream: Any, encoder: str | None, layout: str = "stereo") -> None:
        super().__init__(origin, source)
        self._stream, self._encoder, self._layout = stream, encoder, layout
        self._out: Any = None

    @classmethod
    def of(cls, origin: Any, suffix: str, source: Any, warnings: list[str]) -> Sound | None:
        """The sound of the origin as the output takes it; None where it gets none.

        Args:
            suffix: of the output.
            source: the origin, opened.
            warnings: sentences for the user; what is lost or changed is added.
        """
        stream = sound_track(source, origin.audio_stream)
        if stream is None:
            return None
        tracks = source.streams.audio
        if len(tracks) > 1:
            kept = f"of {len(tracks)} sound tracks, one is kept: number {tracks.index(stream) + 1}"
            warnings.append(kept if origin.audio_stream else Notice(kept, Remedy.CHOOSE_SOUND_TRACK))
        if stream.codec_context is None or not stream.rate:
            warnings.append("the sound is left out: there is no decoder for it")
            return None
        begins = _first_sound_seconds(origin, stream.index)
        if begins is None:
            if origin.start or origin.end is not None:
                warnings.append("the sound is left out: it has ended before this part, or begins after it")
            return None
        encoder, carried = _SOUND.get(suffix, _SOUND[".mp4"])
        codec = stream.codec_context.name.removesuffix("float")
        late = begins > _LATE_SECONDS and suffix in MP4
        layout_name = counted(stream.channels, "channel") if "channels" in stream.layout.name else stream.layout.name
        described = f"{codec}, {stream.rate} Hz, {layout_name}"
        if late and codec.startswith("pcm_") and carried is not None and codec in carried:
            # FFmpeg forgets where such a track began; with silence before it, nothing is lost.
            return cls(origin, source, stream, codec, _layout_for(codec, stream) or "stereo")
        if codec in _NOT_COPIED or (carried is not None and codec not in carried):
            why = f"which {suffix} cannot carry"
        elif late:
            # Pictures are not to wait for the sound, and a head that is written before it puts its first packet at 0.
            why = f"which begins late, as {suffix} cannot carry it"
        else:
            refusal = _try_sound(origin, suffix, stream.index)
            if refusal is None:
                return cls(origin, source, stream, None)
            why = f"which {suffix} cannot carry as it is"
        layout = _layout_for(encoder, stream)
        if layout is None:
            warnings.append(f"the sound is left out: it is {described}, {why}, and {encoder} cannot encode it")
            return None
        mixed = "" if _channels(layout) == stream.channels else f", and mixed from {stream.layout.name} to {layout}"
        warnings.append(f"the sound is {described}, {why}: encoded anew as {_CALLED.get(encoder, encoder)}{mixed}")
        return cls(origin, source, stream, encoder, layout)

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
        for packet in self.demuxed_packets(self._stream):
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
        for packet in self.demuxed_packets(self._stream):
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

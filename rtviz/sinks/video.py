"""Video files: encoded by PyAV, every frame at its own time, the input's sound beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rtviz.cv import cv2
from rtviz.errors import MissingDependency, OutputUnwritable, SettingsError
from rtviz.frame import Frame, Pixels
from rtviz.settings import OutputSettings
from rtviz.sinks import publish, temporary, writing
from rtviz.sinks.base import ClosingSink

try:
    import av
    from av.video.frame import PictureType
    from av.video.reformatter import ColorRange, Colorspace
except ImportError as error:
    raise MissingDependency("av", f"writing video ({error})") from error

if TYPE_CHECKING:
    from rtviz.sources import Source

__all__ = ["VideoSink", "av"]  # GIFs are written through the same PyAV

# codec -> (FFmpeg's encoder, crf at quality 0, crf at quality 100)
_ENCODERS = {
    "h264": ("libx264", 41, 13),
    "h265": ("libx265", 44, 15),
    "av1": ("libsvtav1", 60, 16),
    "vp9": ("libvpx-vp9", 60, 14),
}
_DEFAULT_CODECS = {".webm": "vp9"}
_ALLOWED_CODECS = {".webm": ("vp9", "av1"), ".mov": ("h264", "h265"), ".m4v": ("h264", "h265")}
_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
# Sound that each container can carry as it is; anything else becomes the codec that stands first.
_SOUND = {
    ".webm": ("opus", "vorbis"),
    ".mkv": None,  # everything
    ".mov": ("aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s24le"),
    ".mp4": ("aac", "mp3", "ac3", "eac3", "alac", "opus"),
}
_FALLBACK_TICKS = Fraction(1, 90000)
_BT709 = 1  # by its number in ITU-T H.273
_LARGEST_SIDE = 16384
_KEY_SECONDS = 1.0  # between key frames, which is what a kill can cost


class VideoSink(ClosingSink):
    """One video file.

    The temporary file is a fragmented one with a key frame about every second, so that it plays up to shortly before
    the moment at which a process was killed; an MP4 becomes an ordinary file at the end.
    """

    def __init__(
        self, path: Path, *, size: tuple[int, int], fps: float | None, output: OutputSettings, origin: Source | None
    ) -> None:
        self.path = path
        self.warnings: list[str] = []
        self._output = output
        height, width = output.size or size
        self._drawn_size = (height, width)
        if abs(height * size[1] / (width * size[0]) - 1) > 0.02:
            shape = f"{width}x{height} has not the shape of {size[1]}x{size[0]}"
            self.warnings.append(f"the picture is stretched: {shape}")
        self.size = (height + height % 2, width + width % 2)  # 4:2:0 needs even sides
        self._ticks: Fraction = getattr(origin, "time_base", None) or _FALLBACK_TICKS
        self._first_pts: int | None = None
        self._last_pts = -1
        self._last_key_seconds = 0.0
        self._durations: dict[int, int] = {}
        self._origin = origin
        self._container: Any = None
        self._stream: Any = None
        self._sound: _Sound | None = None
        suffix = path.suffix.lower()
        self._codec = _DEFAULT_CODECS.get(suffix, "h264") if output.codec == "auto" else output.codec
        if self._codec not in _ALLOWED_CODECS.get(suffix, (self._codec,)):
            raise SettingsError("codec", self._codec, f"{', '.join(_ALLOWED_CODECS[suffix])} in a {suffix} file")
        if max(self.size) > _LARGEST_SIDE:
            raise OutputUnwritable(
                f"cannot write {path}: pictures of {width}x{height} are too large for a video, which has at most "
                f"{_LARGEST_SIDE} a side; --size makes them smaller"
            )
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._temporary = temporary(path)
        try:
            with self._writing():
                self._open(suffix, fps or 25.0)
                self._sound = _Sound.of(origin, self._container, suffix, self.warnings)
        except BaseException:
            self.abort()
            raise

    def _open(self, suffix: str, fps: float) -> None:
        late = _sound_is_late(self._origin)
        self._container = av.open(
            f"file:{self._temporary}", "w", format=_FORMATS[suffix], container_options=_muxing_options(suffix, late)
        )
        encoder, worst, best = _ENCODERS[self._codec]
        crf = round(worst + (best - worst) * self._output.quality / 100)
        keys = max(1, round(fps * _KEY_SECONDS))
        # More threads than this hold back more frames than a kill may cost.
        threads = max(1, min(8, os.cpu_count() or 1, keys // 4))
        options = {"crf": str(crf), **_encoder_options(self._codec, keys, threads, reorder=keys > 8 and not late)}
        try:
            stream: Any = self._container.add_stream(
                encoder, rate=Fraction(fps).limit_denominator(100000), options=options
            )
        except ValueError as error:
            raise OutputUnwritable(f"this build of PyAV has no encoder {encoder} for {self._codec}: {error}") from None
        stream.height, stream.width = self.size
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = self._ticks
        context = stream.codec_context
        context.gop_size = keys
        context.thread_count = threads
        context.color_range = ColorRange.MPEG
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        if self._codec == "h265" and suffix != ".mkv":
            context.codec_tag = "hvc1"  # the tag that Apple's players ask for
        self._stream = stream

    def write(self, picture: Pixels, frame: Frame) -> None:
        """Encode one picture; it is resized to the output's size if it has another.

        Raises:
            OutputUnwritable: no space, or no permission any more.
        """
        encoded: Any = av.VideoFrame.from_ndarray(self._fitted(picture), format="rgb24").reformat(
            format="yuv420p",
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            dst_colorspace=Colorspace.ITU709,
        )
        pts = self._pts(frame)
        encoded.pts, encoded.time_base = pts, self._ticks
        encoded.color_range = ColorRange.MPEG
        seconds = pts * float(self._ticks)
        if seconds - self._last_key_seconds >= _KEY_SECONDS:  # the rate may be uneven: not only every N frames
            encoded.pict_type = PictureType.I
            self._last_key_seconds = seconds
        if frame.duration_seconds:
            self._durations[pts] = round(frame.duration_seconds / float(self._ticks))
        with self._writing():
            self._mux(self._stream.encode(encoded))

    def _fitted(self, picture: Pixels) -> Pixels:
        height, width = self._drawn_size
        if picture.shape[:2] != self._drawn_size:
            shrinks = picture.shape[0] * picture.shape[1] > height * width
            picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
        if self.size != self._drawn_size:
            bottom, right = self.size[0] - height, self.size[1] - width
            picture = cv2.copyMakeBorder(picture, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        return np.ascontiguousarray(picture)

    def _pts(self, frame: Frame) -> int:
        """The frame's time in ticks; a clip that starts later in its input starts at 0 here."""
        pts = round(frame.pts_seconds / float(self._ticks))
        if self._first_pts is None:
            self._first_pts = pts if getattr(self._origin, "start", 0) else 0
            if self._sound is not None:
                self._sound.begin(self._first_pts * float(self._ticks))
        self._last_pts = max(pts - self._first_pts, self._last_pts + 1)  # an encoder refuses two at one time
        return self._last_pts

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            packet.stream = self._stream
            duration = self._durations.pop(packet.pts, None)
            if duration:
                packet.duration = duration
            if self._sound is not None and packet.dts is not None:
                self._sound.mux_until(float(packet.dts * packet.time_base))
            self._container.mux(packet)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with writing(self.path):
            try:
                yield
            except av.error.FFmpegError as error:
                if isinstance(error, OSError):  # the system's words: no space, no permission
                    raise
                height, width = self.size
                raise OutputUnwritable(
                    f"cannot write {self.path}: {width}x{height} pictures as {self._codec}: {error.strerror or error}"
                ) from error

    def close(self) -> None:
        """Finish, and put the file under its final name.

        Raises:
            OutputUnwritable: no space, or no permission any more; or no picture ever came.
        """
        if self._container is None:
            return
        try:
            if self._last_pts < 0:
                raise OutputUnwritable(f"{self.path} was not written: no frame came")
            with self._writing():
                self._mux(self._stream.encode(None))
                if self._sound is not None:
                    self._sound.mux_until(float("inf"))
                self._close_container()
        except BaseException:
            self.abort()
            raise
        publish(self._temporary, self.path)

    def _close_container(self) -> None:
        container, self._container = self._container, None
        if self._sound is not None:
            self._sound.close()
        container.close()

    def abort(self) -> None:
        """Stop; what was written stays in the temporary file, which plays."""
        if self._container is not None:
            # The disk is full, perhaps: what is there is there.
            with suppress(OSError, av.error.FFmpegError, ValueError):
                if self._last_pts >= 0:
                    self._mux(self._stream.encode(None))
            with suppress(OSError, av.error.FFmpegError, ValueError):
                self._close_container()
        if self._last_pts < 0:
            self._temporary.unlink(missing_ok=True)


def _encoder_options(codec: str, keys: int, threads: int, reorder: bool) -> dict[str, str]:
    """Fast, so that the cores are left to the model, and with short queues: what waits in the encoder, a kill takes.

    Args:
        keys: frames from one key frame to the next.
        reorder: B-frames are allowed; at a few frames a second, each one that waits is a good part of what may be lost.
    """
    if codec == "h264":
        return {"preset": "veryfast", "rc-lookahead": str(min(10, keys // 2)), "bf": "2" if reorder else "0"}
    if codec == "h265":
        queue = f"bframes=2:rc-lookahead={min(10, keys // 2)}" if reorder else "bframes=0:rc-lookahead=0"
        threading = f"pools={threads}:frame-threads={min(2, threads)}"
        # idr: a key frame that was asked for must be one that a player can begin with.
        parameters = f"log-level=none:keyint={keys}:{queue}:{threading}"
        return {"preset": "veryfast", "forced-idr": "1", "x265-params": parameters}
    if codec == "av1":
        os.environ.setdefault("SVT_LOG", "0")  # it would tell its whole configuration
        queue = "pred-struct=1" if keys <= 15 else "hierarchical-levels=3"
        return {"preset": "9", "svtav1-params": f"lookahead=0:keyint={keys}:lp={threads}:{queue}"}
    return {"deadline": "realtime", "cpu-used": "6", "row-mt": "1", "b": "0", "lag-in-frames": "0"}


def _muxing_options(suffix: str, sound_is_late: bool) -> dict[str, str]:
    # max_interleave_delta: where the sound has ended, pictures must not wait for more of it.
    common = {"flush_packets": "1", "max_interleave_delta": "500000"}
    if suffix in (".mkv", ".webm"):
        # The lead-in of copied sound lies before 0; without this, the pictures would be moved to make room for it.
        return common | {"cluster_time_limit": "1000", "avoid_negative_ts": "disabled"}
    # hybrid: fragments while it grows, an ordinary index at the end. delay_moov: with the first fragment known, an
    # edit list takes back the delay of the B-frames, and the first picture stands at 0. But then nothing is written
    # until the sound begins; where that is late, there are no B-frames.
    return common | {
        "movflags": "hybrid_fragmented+frag_keyframe" + ("+empty_moov" if sound_is_late else "+delay_moov")
    }


def _sound_is_late(origin: Any) -> bool:
    """Whether more than a second goes by before the sound of the origin begins."""
    if not hasattr(origin, "zero_seconds"):
        return False
    begins = origin.zero_seconds + origin.start
    with av.open(f"file:{origin.path}") as source, suppress(av.error.FFmpegError):
        sound = source.streams.best("audio")
        if sound is None or sound.codec_context is None:
            return False
        if sound.codec_context.name == "aac" and not sound.codec_context.extradata:
            return False  # broadcast: what the file's head must say is read off the first packet
        if origin.start:
            source.seek(int(begins * av.time_base))
        for packet in source.demux(sound, source.streams.best("video")):
            if packet.pts is None:
                continue
            seconds = float(packet.pts * packet.time_base)
            if seconds > begins + 1.0:
                return True
            if packet.stream.type == "audio" and seconds >= begins - 0.1:
                return False
    return True  # there is none at all


# --- sound -----------------------------------------------------------------------------------------------------------


class _Sound:
    """The sound of the input, packet by packet where the container takes it, else encoded anew."""

    def __init__(self, origin: Any, source: Any, stream: Any, output: Any, encoder: str | None) -> None:
        self._origin, self._input, self._stream, self._output = origin, source, stream, output
        self._encoder = encoder
        self._out: Any
        if encoder is None:
            self._out = output.add_stream_from_template(stream)
        else:
            self._out = output.add_stream(encoder, rate=_rate(encoder, stream.rate))
            self._out.layout = "stereo" if stream.channels >= 2 else "mono"
            if encoder == "aac":
                self._out.bit_rate = 96_000 * min(2, stream.channels)
        if "language" in stream.metadata:
            self._out.metadata["language"] = stream.metadata["language"]
        if "title" in source.metadata:
            output.metadata["title"] = source.metadata["title"]
        self._zero_seconds = 0.0  # of the output, on the input's clock
        self._limit_seconds = float("inf")  # of the output
        self._packets: Iterator[Any] | None = None
        self._waiting: Any = None

    @classmethod
    def of(cls, origin: Any, output: Any, suffix: str, warnings: list[str]) -> _Sound | None:
        """The sound of the origin, if it has any."""
        if not hasattr(origin, "zero_seconds"):  # only video files have
            return None
        source: Any = av.open(f"file:{origin.path}")
        stream = source.streams.best("audio")
        if stream is None or stream.codec_context is None or not stream.rate:
            source.close()
            return None
        tracks = len(source.streams.audio)
        if tracks > 1:
            warnings.append(f"of {tracks} sound tracks, one is kept: number {source.streams.audio.index(stream) + 1}")
        allowed = _SOUND.get(suffix, _SOUND[".mp4"])
        codec = stream.codec_context.name.removesuffix("float")
        if allowed is None or codec in allowed:
            return cls(origin, source, stream, output, None)
        encoder = "libopus" if allowed[0] == "opus" else "aac"
        warnings.append(f"the sound is {codec}, which {suffix} cannot carry: encoded anew as {allowed[0]}")
        return cls(origin, source, stream, output, encoder)

    def begin(self, start_seconds: float) -> None:
        """The first picture stands at so many seconds after the input's first frame."""
        self._zero_seconds = self._origin.zero_seconds + start_seconds
        if self._origin.end is not None:
            self._limit_seconds = self._origin.end - start_seconds
        if start_seconds > 0:
            with suppress(av.error.FFmpegError):  # from the beginning, then
                target = max(0.0, self._zero_seconds - 0.5)
                self._input.seek(int(target / self._stream.time_base), stream=self._stream)
        self._packets = self._copied(start_seconds > 0) if self._encoder is None else self._encoded()

    def mux_until(self, seconds: float) -> None:
        """Put what sounds before that time into the output."""
        while self._packets is not None:
            if self._waiting is None:
                self._waiting = next(self._packets, None)
                if self._waiting is None:
                    self._packets = None
                    return
            packet = self._waiting
            if float((packet.dts if packet.dts is not None else packet.pts) * packet.time_base) > seconds:
                return
            self._output.mux(packet)
            self._waiting = None

    def _copied(self, cut: bool) -> Iterator[Any]:
        """The packets as they are, in the output's time.

        What sounds before the first picture is left out, but for the lead-in with which a decoder warms up.
        """
        first = True
        for packet in self._demuxed():
            if packet.dts is None or packet.pts is None or packet.size == 0:
                continue
            shift = round(self._zero_seconds / packet.time_base)
            begins = float((packet.pts - shift) * packet.time_base)
            lead_in = first and not cut and begins > -0.1
            first = False
            if begins < 0 and not lead_in:
                continue
            if begins >= self._limit_seconds:
                return
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
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=self._out.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = self._out.rate, at, Fraction(1, self._out.rate)
        yield from self._out.encode(frame)

    def _decoded(self, rate: int) -> Iterator[tuple[NDArray[np.float32], int]]:
        resampler = av.AudioResampler(format="fltp", layout=self._out.layout, rate=rate)
        for packet in self._demuxed():
            try:
                frames: list[Any] = [frame for frame in packet.decode() if frame.pts is not None]
            except av.error.FFmpegError:
                continue  # damaged: silence stands there
            for frame in frames:
                for piece in resampler.resample(frame):
                    yield self._placed(piece, rate)
        for piece in resampler.resample(None):
            yield self._placed(piece, rate)

    def _placed(self, piece: Any, rate: int) -> tuple[NDArray[np.float32], int]:
        return piece.to_ndarray(), round((float(piece.pts * piece.time_base) - self._zero_seconds) * rate)

    def _demuxed(self) -> Iterator[Any]:
        packets = self._input.demux(self._stream)
        while True:
            try:
                yield next(packets)
            except (StopIteration, av.error.FFmpegError):  # cut off: what there is, is kept
                return

    def close(self) -> None:
        self._input.close()


_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)


def _rate(encoder: str, rate: int) -> int:
    """Samples a second that the encoder takes, the input's own if it can."""
    return rate if encoder == "aac" and rate in _AAC_RATES else 48000

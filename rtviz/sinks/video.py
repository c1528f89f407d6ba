"""Video files: encoded by PyAV, every frame at its own time, the input's sound beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rtviz.cv import cv2
from rtviz.errors import MissingDependency, OutputUnwritable, SettingsError
from rtviz.frame import Frame, Pixels
from rtviz.settings import OutputSettings
from rtviz.sinks import publish, temporary, writing
from rtviz.sinks.base import ClosingSink

try:
    import av
    from av.video.reformatter import ColorRange, Colorspace
except ImportError as error:
    raise MissingDependency("av", f"writing video ({error})") from error

if TYPE_CHECKING:
    from rtviz.sources import Source

# codec -> (FFmpeg's encoder, crf at quality 0, crf at quality 100)
_ENCODERS = {
    "h264": ("libx264", 41, 13),
    "h265": ("libx265", 44, 15),
    "av1": ("libsvtav1", 60, 16),
    "vp9": ("libvpx-vp9", 60, 14),
}
_DEFAULT_CODECS = {".webm": "vp9"}
_ALLOWED_CODECS = {".webm": ("vp9", "av1")}
# Sound that each container can carry as it is; anything else becomes the codec that stands first.
_SOUND = {
    ".webm": ("opus", "vorbis"),
    ".mkv": None,  # everything
    ".mov": ("aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s24le"),
    ".mp4": ("aac", "mp3", "ac3", "eac3", "alac", "opus"),
}
_FALLBACK_TICKS = Fraction(1, 90000)


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
        self._size = (height, width)
        self._padded = (height + height % 2, width + width % 2)  # 4:2:0 needs even sides
        self._ticks: Fraction = getattr(origin, "time_base", None) or _FALLBACK_TICKS
        self._first_pts: int | None = None
        self._last_pts = -1
        self._durations: dict[int, int] = {}
        self._origin = origin
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._temporary = temporary(path)
        self._container: Any = None
        self._open(fps or 25.0)
        self._sound: _Sound | None = _Sound.of(origin, self._container, path, self.warnings)

    def _open(self, fps: float) -> None:
        suffix = self.path.suffix.lower()
        codec = self._output.codec
        if codec == "auto":
            codec = _DEFAULT_CODECS.get(suffix, "h264")
        if codec not in _ALLOWED_CODECS.get(suffix, (codec,)):
            raise SettingsError("codec", codec, f"{', '.join(_ALLOWED_CODECS[suffix])} in a {suffix} file")
        encoder, worst, best = _ENCODERS[codec]
        crf = round(worst + (best - worst) * self._output.quality / 100)
        rate = Fraction(fps).limit_denominator(100000)
        keys = max(1, round(fps))
        options = {"crf": str(crf)}
        if codec == "h264":
            # veryfast leaves the cores to the model; a short lookahead bounds what a kill can lose.
            options |= {"preset": "veryfast", "rc-lookahead": str(min(10, keys // 2)), "bf": "2" if keys > 8 else "0"}
        elif codec == "h265":
            lookahead = min(10, max(3, keys // 2))
            options |= {
                "preset": "veryfast",
                "x265-params": f"log-level=none:rc-lookahead={lookahead}:bframes=2:keyint={keys}",
            }
        elif codec == "av1":
            options |= {"preset": "9", "svtav1-params": f"lookahead=0:keyint={keys}"}
            os.environ.setdefault("SVT_LOG", "1")  # errors only: it would tell its whole configuration
        elif codec == "vp9":
            options |= {"deadline": "realtime", "cpu-used": "6", "row-mt": "1", "b": "0", "lag-in-frames": "0"}
        # hybrid: fragments while it grows, an ordinary index at the end. delay_moov: with the first fragment known, an
        # edit list takes back the delay of the B-frames, and the first picture stands at 0.
        muxing = {"movflags": "hybrid_fragmented+frag_keyframe+delay_moov"} if suffix in (".mp4", ".mov", ".m4v") else {}
        muxing |= {"flush_packets": "1"}
        if suffix in (".mkv", ".webm"):
            muxing |= {"cluster_time_limit": "1000"}
        try:
            self._container = av.open(f"file:{self._temporary}", "w", format=_FORMATS[suffix], options=muxing)
            stream: Any = self._container.add_stream(encoder, rate=rate, options=options)
        except av.error.FFmpegError as error:
            if isinstance(error, OSError) and error.errno:
                raise OutputUnwritable(f"cannot write {self.path}: {error.strerror}") from None
            raise OutputUnwritable(f"cannot write {self.path} as {codec}: {error}") from None
        except ValueError as error:
            raise OutputUnwritable(f"this build of PyAV has no encoder {encoder} for {codec}: {error}") from None
        height, width = self._padded
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = stream.codec_context.time_base = self._ticks
        stream.codec_context.gop_size = keys
        stream.codec_context.color_range = 1  # limited
        stream.codec_context.color_primaries = stream.codec_context.color_trc = stream.codec_context.colorspace = (
            1  # BT.709
        )
        if codec == "h265" and suffix != ".mkv":
            stream.codec_context.codec_tag = "hvc1"  # the tag that Apple's players ask for
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
        encoded.color_range = 1
        if frame.duration_seconds:
            self._durations[pts] = round(frame.duration_seconds / float(self._ticks))
        with self._writing():
            self._mux(self._stream.encode(encoded))

    def _fitted(self, picture: Pixels) -> Pixels:
        height, width = self._size
        if picture.shape[:2] != self._size:
            shrinks = picture.shape[0] * picture.shape[1] > height * width
            picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
        if self._padded != self._size:
            bottom, right = self._padded[0] - height, self._padded[1] - width
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

    def _writing(self) -> Any:
        return writing(self.path)

    def close(self) -> None:
        """Finish, and put the file under its final name.

        Raises:
            OutputUnwritable: no space, or no permission any more.
        """
        if self._container is None:
            return
        try:
            with self._writing():
                self._mux(self._stream.encode(None))
                if self._sound is not None:
                    cut = getattr(self._origin, "end", None) is not None
                    self._sound.mux_until(self._last_pts * float(self._ticks) if cut else float("inf"), ahead=0.04)
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
        if self._container is None:
            return
        # The disk is full, perhaps: what is there is there.
        with suppress(OSError, av.error.FFmpegError, ValueError):
            if self._last_pts >= 0:
                self._mux(self._stream.encode(None))
        with suppress(OSError, av.error.FFmpegError):
            self._close_container()
        if self._last_pts < 0:
            self._temporary.unlink(missing_ok=True)


_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}


class _Sound:
    """The sound of the input, packet by packet where the container takes it, else encoded anew."""

    def __init__(self, source: Any, stream: Any, output: Any, encoder: str | None) -> None:
        self._input, self._stream, self._output = source, stream, output
        self._copied = encoder is None
        self._out: Any
        if encoder is None:
            self._out = output.add_stream_from_template(stream)
        else:
            self._out = output.add_stream(encoder, rate=48000 if encoder == "libopus" else stream.rate)
            self._out.layout = "stereo" if stream.channels >= 2 else "mono"
            if encoder != "libopus":
                self._out.bit_rate = 192_000
        self._zero = 0.0  # on the input's clock, when the output begins
        self._start_seconds = 0.0
        self._waiting: Any = None
        self._samples: int | None = None
        self._packets: Iterator[Any] | None = None

    @classmethod
    def of(cls, origin: Any, output: Any, path: Path, warnings: list[str]) -> _Sound | None:
        """The sound of the origin, if it has any and the container can carry it."""
        if not hasattr(origin, "zero_seconds"):
            return None
        source: Any = av.open(f"file:{origin.path}")
        stream = source.streams.best("audio")
        if stream is None or stream.codec_context is None:
            source.close()
            return None
        allowed = _SOUND.get(path.suffix.lower(), _SOUND[".mp4"])
        encoder = None
        if allowed is not None and stream.codec_context.name.removesuffix("float") not in allowed:
            encoder = "libopus" if allowed[0] == "opus" else "aac"
            warnings.append(
                f"the sound is {stream.codec_context.name}, which {path.suffix} cannot carry: encoded anew as {encoder}"
            )
        sound = cls(source, stream, output, encoder)
        sound._zero = origin.zero_seconds
        return sound

    def begin(self, start_seconds: float) -> None:
        """The first picture stands at so many seconds after the input's first frame."""
        self._start_seconds = start_seconds
        self._zero += start_seconds
        if start_seconds > 0:
            with suppress(av.error.FFmpegError):  # from the beginning, then
                self._input.seek(int(max(0.0, self._zero - 0.5) / self._stream.time_base), stream=self._stream)
        self._packets = self._copies() if self._copied else self._encoded()

    def mux_until(self, seconds: float, ahead: float = 0.2) -> None:
        """Put what sounds before that time, and a little more, into the output."""
        while self._packets is not None:
            if self._waiting is None:
                self._waiting = next(self._packets, None)
                if self._waiting is None:
                    self._packets = None
                    return
            packet = self._waiting
            if float((packet.dts if packet.dts is not None else packet.pts) * packet.time_base) > seconds + ahead:
                return
            self._output.mux(packet)
            self._waiting = None

    def _copies(self) -> Iterator[Any]:
        for packet in self._demuxed():
            if packet.dts is None or packet.size == 0:
                continue
            shift = round(self._zero / packet.time_base)
            if self._start_seconds > 0 and packet.pts < shift:
                continue
            packet.pts -= shift
            packet.dts -= shift
            packet.stream = self._out
            yield packet

    def _encoded(self) -> Iterator[Any]:
        resampler = av.AudioResampler(
            format=self._out.codec_context.format, layout=self._out.layout, rate=self._out.codec_context.sample_rate
        )
        first: float | None = None
        for packet in self._demuxed():
            try:
                decoded = packet.decode()
            except av.error.FFmpegError:
                continue
            for frame in decoded:
                if frame.pts is None:
                    continue
                time = float(frame.pts * frame.time_base) - self._zero
                if time < -0.03 and self._start_seconds > 0:
                    continue
                first = time if first is None else first
                for piece in resampler.resample(frame):
                    yield from self._out.encode(self._timed(piece, first))
        for piece in resampler.resample(None):
            yield from self._out.encode(self._timed(piece, first or 0.0))
        yield from self._out.encode(None)

    def _timed(self, piece: Any, first: float) -> Any:
        """The piece with its place on the output's clock, counted in samples so that no gap can open."""
        rate = self._out.codec_context.sample_rate
        if self._samples is None:
            self._samples = max(0, round(first * rate))
        piece.pts, piece.time_base = self._samples, Fraction(1, rate)
        self._samples += piece.samples
        return piece

    def _demuxed(self) -> Iterator[Any]:
        packets = self._input.demux(self._stream)
        while True:
            try:
                yield next(packets)
            except StopIteration:
                return
            except av.error.FFmpegError:  # cut off: what there is, is kept
                return

    def close(self) -> None:
        self._input.close()

"""Video files: encoded by PyAV, every frame at its own time, the input's sound beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rtviz.cv import cv2
from rtviz.errors import MissingDependency, OutputUnwritable, SettingsError
from rtviz.frame import Frame, Pixels
from rtviz.notices import Remedy
from rtviz.settings import OutputSettings
from rtviz.sinks import codecs_for, publish, temporary, writing
from rtviz.sinks.base import ClosingSink
from rtviz.sinks.muxing import FORMATS, muxing_options
from rtviz.sinks.tracks import Beside

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
# Suffix -> the encoder of pictures with alpha, and their format: what browsers and OBS show, and what editors read.
_WITH_ALPHA = {".webm": ("libvpx-vp9", "yuva420p"), ".mov": ("prores_ks", "yuva444p10le")}
_FALLBACK_TICKS = Fraction(1, 90000)
_BT709 = 1  # by its number in ITU-T H.273
_LARGEST_SIDE = 16384
_LONGEST_TICKS = 2**30  # that one picture stands: an MP4 counts that in 31 bits
_MOST_REPEATED = 1000
_KEY_SECONDS = 1.0  # between key frames, which is what a kill can cost


class VideoSink(ClosingSink):
    """One video file.

    The temporary file is a fragmented one with a key frame about every second, so that it plays up to shortly before
    the moment at which a process was killed; an MP4 becomes an ordinary file at the end.

    Args:
        alpha: the pictures are RGBA uint8 [height, width, 4], not premultiplied, and stay so: VP9 in .webm, ProRes 4444
            in .mov.
    """

    def __init__(
        self,
        path: Path,
        *,
        size: tuple[int, int],
        fps: float | None,
        output: OutputSettings,
        origin: Source | None,
        alpha: bool = False,
    ) -> None:
        self.path = path
        self.warnings: list[str] = []
        self._output = output
        self._alpha = alpha
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
        self._newest: Any = None  # the picture that came last, and for how many ticks it stands, if that is known
        self._newest_duration = 0
        self._origin = origin
        self._container: Any = None
        self._stream: Any = None
        self._beside: Beside | None = None
        self._begun = False  # the header is written
        self._refused = False  # the muxer has refused something, and is not called again
        suffix = path.suffix.lower()
        self._codec = _DEFAULT_CODECS.get(suffix, "h264") if output.codec == "auto" else output.codec
        if alpha:
            self._codec = "vp9" if suffix == ".webm" else "prores"
        elif self._codec not in codecs_for(suffix):
            raise SettingsError("codec", self._codec, f"{', '.join(codecs_for(suffix))} in a {suffix} file")
        if max(self.size) > _LARGEST_SIDE:
            raise OutputUnwritable(
                f"cannot write {path}: pictures of {width}x{height} are too large for a video, which has at most "
                f"{_LARGEST_SIDE} a side"
            ).mended_by(Remedy.SHRINK_OUTPUT)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._temporary = temporary(path)
        try:
            with self._writing():
                self._beside = Beside.of(origin, suffix, self.warnings)
                self._open(suffix, fps or 25.0)
                if self._beside is not None:
                    self._beside.add_to(self._container)
        except BaseException:
            self.abort()
            raise

    def _open(self, suffix: str, fps: float) -> None:
        self._container = av.open(
            f"file:{self._temporary}", "w", format=FORMATS[suffix], container_options=muxing_options(suffix)
        )
        keys = max(1, round(fps * _KEY_SECONDS))
        # More threads than this hold back more frames than a kill may cost.
        threads = max(1, min(8, os.cpu_count() or 1, keys // 4))
        encoder, pixels = _WITH_ALPHA[suffix] if self._alpha else (_ENCODERS[self._codec][0], "yuv420p")
        options = _encoder_options(self._codec, self._output.quality, keys, threads, reorder=keys > 8)
        if self._alpha:
            options["auto-alt-ref"] = "0"  # libvpx cannot have both
        try:
            stream: Any = self._container.add_stream(
                encoder, rate=Fraction(fps).limit_denominator(100000), options=options
            )
        except ValueError as error:
            raise OutputUnwritable(f"this build of PyAV has no encoder {encoder} for {self._codec}: {error}") from None
        stream.height, stream.width = self.size
        stream.pix_fmt = pixels
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
        encoded: Any = av.VideoFrame.from_ndarray(
            self._fitted(picture), format="rgba" if self._alpha else "rgb24"
        ).reformat(
            format=self._stream.pix_fmt,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            dst_colorspace=Colorspace.ITU709,
        )
        encoded.color_range = ColorRange.MPEG
        newest_pts, pts = self._last_pts, self._pts(frame)
        self._hold(newest_pts, pts)
        self._newest = encoded
        self._newest_duration = round((frame.duration_seconds or 0) / float(self._ticks))
        self._encode(pts, self._newest_duration)

    def _encode(self, pts: int, duration: int) -> None:
        """Encode the newest picture for this time."""
        encoded = self._newest
        encoded.pts, encoded.time_base = pts, self._ticks
        seconds = pts * float(self._ticks)
        encoded.pict_type = PictureType.NONE
        if seconds - self._last_key_seconds >= _KEY_SECONDS:  # the rate may be uneven: not only every N frames
            encoded.pict_type = PictureType.I
            self._last_key_seconds = seconds
        if duration:
            self._durations[pts] = min(duration, _LONGEST_TICKS)
        with self._writing():
            self._mux(self._stream.encode(encoded))

    def _hold(self, since: int, until: int) -> None:
        """Repeat the newest picture, where it stands longer than a container takes."""
        if self._newest is None:
            return
        if until - since > _MOST_REPEATED * _LONGEST_TICKS:  # damaged times
            at, days = since * float(self._ticks), (until - since) * float(self._ticks) / 86400
            raise OutputUnwritable(
                f"cannot write {self.path}: the frame at {at:.1f} s is to be shown for {days:.0f} days"
            )
        for pts in range(since + _LONGEST_TICKS, until, _LONGEST_TICKS):
            self._encode(pts, until - pts)

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
            if self._beside is not None:
                self._beside.begin(self._first_pts * float(self._ticks))
        self._last_pts = max(pts - self._first_pts, self._last_pts + 1)  # an encoder refuses two at one time
        return self._last_pts

    def _write_header(self) -> None:
        """Written when the first packets are known: some codecs say there what the file's head must hold."""
        if self._beside is not None:
            self._beside.prepare()
        try:
            self._container.start_encoding()
        except av.error.FFmpegError as error:
            self._refused = True
            if isinstance(error, OSError):
                raise
            height, width = self.size
            kept = "" if self._beside is None else self._beside.described()
            raise OutputUnwritable(
                f"cannot write {self.path}: {self.path.suffix} takes no file of {width}x{height} pictures as "
                f"{self._codec}{kept}: {error.strerror or error}"
            ) from error
        self._begun = True

    def _mux(self, packets: list[Any]) -> None:
        if packets and not self._begun:
            self._write_header()
        for packet in packets:
            packet.stream = self._stream
            duration = self._durations.pop(packet.pts, None)
            if duration:
                packet.duration = duration
            if self._beside is not None and packet.dts is not None:
                self._beside.mux_until(float(packet.dts * packet.time_base))
            self._container.mux(packet)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with writing(self.path):
            try:
                yield
            except av.error.FFmpegError as error:
                if isinstance(error, OSError):  # the system's words: no space, no permission
                    raise
                self._refused = True
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
            self._hold(self._last_pts, self._last_pts + self._newest_duration)
            with self._writing():
                self._mux(self._stream.encode(None))
                if self._beside is not None:
                    self._beside.mux_until(float("inf"))
                self._close_container()
        except BaseException:
            self.abort()
            raise
        publish(self._temporary, self.path)

    def _close_container(self) -> None:
        container, self._container = self._container, None
        if self._beside is not None:
            self._beside.close()
        container.close()

    def abort(self) -> None:
        """Stop; what was written stays in the temporary file, which plays."""
        if self._container is None and self._beside is not None:
            self._beside.close()
        if self._container is not None:
            # The disk is full, perhaps: what is there is there.
            with suppress(OSError, av.error.FFmpegError, ValueError):
                # A muxer that has refused a header or a packet aborts the process when it is called again.
                if self._last_pts >= 0 and not self._refused:
                    self._mux(self._stream.encode(None))
            with suppress(OSError, av.error.FFmpegError, ValueError):
                self._close_container()
        if not self._begun:
            self._temporary.unlink(missing_ok=True)


def _encoder_options(codec: str, quality: int, keys: int, threads: int, reorder: bool) -> dict[str, str]:
    """Fast, so that the cores are left to the model, and with short queues: what waits in the encoder, a kill takes.

    Args:
        quality: 0 to 100.
        keys: frames from one key frame to the next.
        reorder: B-frames are allowed; at a few frames a second, each one that waits is a good part of what may be lost.
    """
    if codec == "prores":  # each picture for itself
        return {"profile": "4444", "alpha_bits": "16", "qscale": str(round(24 - 20 * quality / 100))}
    _, worst, best = _ENCODERS[codec]
    crf = {"crf": str(round(worst + (best - worst) * quality / 100))}
    return crf | _latency_options(codec, keys, threads, reorder)


def _latency_options(codec: str, keys: int, threads: int, reorder: bool) -> dict[str, str]:
    if codec == "h264":
        return {"preset": "veryfast", "rc-lookahead": str(min(10, keys // 2)), "bf": "2" if reorder else "0"}
    if codec == "h265":
        queue = f"bframes=2:rc-lookahead={min(10, keys // 2)}" if reorder else "bframes=0:rc-lookahead=0"
        threading = f"pools={threads}:frame-threads={min(2, threads)}"
        # idr: a requested key frame must be one that a player can begin with.
        parameters = f"log-level=none:keyint={keys}:{queue}:{threading}"
        return {"preset": "veryfast", "forced-idr": "1", "x265-params": parameters}
    if codec == "av1":
        os.environ.setdefault("SVT_LOG", "0")  # it would tell its whole configuration
        queue = "pred-struct=1" if keys <= 15 else "hierarchical-levels=3"
        return {"preset": "9", "svtav1-params": f"lookahead=0:keyint={keys}:lp={threads}:{queue}"}
    return {"deadline": "realtime", "cpu-used": "6", "row-mt": "1", "b": "0", "lag-in-frames": "0"}

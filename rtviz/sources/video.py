"""Video files: every codec and container that FFmpeg reads, decoded by PyAV."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from rtviz.cv import cv2
from rtviz.errors import MissingDependency, SourceMissing, SourceUnreadable
from rtviz.frame import Frame, Pixels
from rtviz.sources import SourceInfo

try:
    import av
    from av.video.reformatter import ColorRange, Colorspace
except ImportError as error:
    raise MissingDependency("av", f"reading video ({error})") from error

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_LARGEST_SIDE = 16384
_PQ, _HLG = 16, 18  # transfer functions, by their numbers in ITU-T H.273
_BT709, _UNSPECIFIED = 1, 2


def check_file(path: Path) -> None:
    """Refuse what is no readable file, in words.

    Raises:
        SourceMissing: nothing is there, or a folder, or it may not be read.
        SourceUnreadable: it is empty, or a pipe or device.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise SourceMissing(f"cannot open {path}: {error.strerror}") from None
    if stat.S_ISDIR(found.st_mode):
        raise SourceMissing(f"{path} is a folder without pictures or videos")
    if not stat.S_ISREG(found.st_mode):
        raise SourceUnreadable(f"{path} is no ordinary file")
    if not os.access(path, os.R_OK):
        raise SourceMissing(f"cannot open {path}: Permission denied")
    if found.st_size == 0:
        raise SourceUnreadable(f"{path} is empty (0 bytes)")


def url(path: Path) -> str:
    """The path as FFmpeg takes it: without the prefix, `10:30 clip.mp4` would be read as a protocol."""
    return f"file:{path}"


class VideoSource:
    """The frames of a video file, upright, in RGB, with their own timestamps.

    Attributes:
        path: the file.
        time_base: the unit of its timestamps, in seconds.
        start, end: seconds from its first frame; the part that is taken.
        zero_seconds: when the first frame is shown, on the clock that the file's audio shares.
    """

    def __init__(self, place: str, *, start: float = 0.0, end: float | None = None, every: int = 1) -> None:
        self.path = Path(place.removeprefix("file:"))
        check_file(self.path)
        self.start, self.end, self._every = start, end, every
        self.warnings: list[str] = []
        self._container: Any = None
        self._stream: VideoStream
        self._open()
        first = self._first_frame()
        stream = self._stream
        self.time_base: Fraction = stream.time_base or Fraction(1, 90000)
        self.zero_seconds = float(first.pts * self.time_base) if first.pts is not None else 0.0
        self._convert = _Converter(first, stream, self.warnings)
        fps = stream.average_rate or stream.guessed_rate
        self._frame_seconds = float(1 / fps) if fps else 1 / 30
        duration = self._duration_seconds()
        count = stream.frames or (round(duration / self._frame_seconds) if duration else None)
        self.info = SourceInfo(
            name=str(self.path),
            kind="video",
            size=self._convert.size,
            fps=float(fps) if fps else None,
            duration_seconds=duration,
            frame_count=count,
            live=False,
        )

    def _open(self) -> None:
        self.close()
        try:
            self._container = av.open(url(self.path))
        except av.error.FFmpegError as error:
            reason = error.strerror or type(error).__name__
            raise SourceUnreadable(f"{self.path} is no video that can be read: {reason}") from None
        # A cover picture in a music file is a video stream too, by FFmpeg's book.
        streams = [s for s in self._container.streams.video if not s.disposition & _attached_picture()]
        if not streams:
            self.close()
            raise SourceUnreadable(f"{self.path} has no video stream")
        self._stream = streams[0]
        if self._stream.codec_context is None:
            self.close()
            raise SourceUnreadable(f"{self.path}: there is no decoder for its video")
        self._stream.thread_type = "AUTO"
        width, height = self._stream.codec_context.width, self._stream.codec_context.height
        if max(width, height) > _LARGEST_SIDE:
            self.close()
            raise SourceUnreadable(f"{self.path} claims frames of {width}x{height}; at most {_LARGEST_SIDE} a side")

    def _first_frame(self) -> VideoFrame:
        """The first frame, which tells size, rotation and colours; the file is opened anew behind it."""
        for frame in self._decoded(counters := _Damage()):
            self._open()
            return frame
        self.close()
        why = f" ({counters.packets} damaged packets)" if counters.packets else ""
        raise SourceUnreadable(f"{self.path} holds no frame that can be decoded{why}")

    def _duration_seconds(self) -> float | None:
        if self._stream.duration is not None:
            return float(self._stream.duration * self.time_base)
        if self._container.duration is not None:
            return float(self._container.duration / av.time_base)
        return None

    def _decoded(self, damage: _Damage) -> Iterator[VideoFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:  # the container is cut off or garbled here
                damage.packets += 1
                damage.cut_off = True
                packet = None
            try:
                for frame in self._stream.codec_context.decode(packet):
                    damage.frames += bool(frame.is_corrupt)
                    yield frame
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                damage.packets += 1
            if packet is None or (packet.dts is None and packet.size == 0):
                return

    def __iter__(self) -> Iterator[Frame]:
        if self._container is None:
            self._open()
        fps = 1 / self._frame_seconds
        damage, index, repaired = _Damage(), 0, 0
        last_seconds: float | None = None
        if self.start > 0:
            index = self._seek()
        for decoded in self._decoded(damage):
            if decoded.pts is None:
                seconds = 0.0 if last_seconds is None else last_seconds + self._frame_seconds
                repaired += 1
            else:
                seconds = float(decoded.pts * (decoded.time_base or self.time_base)) - self.zero_seconds
                if last_seconds is not None and seconds <= last_seconds:
                    seconds = last_seconds + self._frame_seconds
                    repaired += 1
            if last_seconds is None and index:  # after a seek the count is known from the time only
                index = round(seconds * fps)
            last_seconds = seconds
            # Half a tick of grace: a time given as 0.2 must not lose the frame at 0.1999999.
            if self.end is not None and seconds >= self.end - 1e-6:
                break
            if seconds >= self.start - 1e-6:
                if index % self._every == 0:
                    duration = decoded.duration * float(decoded.time_base or 0) if decoded.duration else None
                    yield Frame(self._convert(decoded), index, seconds, duration or None)
                index += 1
            else:
                index += 1
        self._warn(damage, repaired, index)

    def _seek(self) -> int:
        """Go to a key frame before the start; returns 1 if that worked, and the count must come from the time."""
        target = int((self.start + self.zero_seconds) / self.time_base)
        try:
            self._container.seek(target, stream=self._stream, backward=True)
        except av.error.FFmpegError:  # not every file can; decoding from its beginning always works
            self._open()
            return 0
        return 1

    def _warn(self, damage: _Damage, repaired: int, decoded: int) -> None:
        expected = self._stream.frames or self.info.frame_count
        if damage.packets or damage.frames:
            about = f" of about {expected}" if expected else ""
            self.warnings.append(
                f"{self.path} is damaged: {damage.packets} packets were skipped, {damage.frames} frames show errors, "
                f"{decoded}{about} frames were decoded"
            )
        elif self.end is None and self._stream.frames and decoded < self._stream.frames - 1:
            self.warnings.append(f"{self.path} is cut off: {decoded} of {self._stream.frames} frames were decoded")
        if repaired:
            self.warnings.append(f"{repaired} frames of {self.path} had no usable timestamp; they were given one")
        if self._convert.resized:
            height, width = self._convert.size
            self.warnings.append(
                f"{self._convert.resized} frames of {self.path} had another size; they were resized to {width}x{height}"
            )

    def close(self) -> None:
        """Let go of the file; it may be called twice."""
        container, self._container = self._container, None
        if container is not None:
            container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Damage:
    def __init__(self) -> None:
        self.packets = 0
        self.frames = 0
        self.cut_off = False


def _attached_picture() -> Any:
    from av.stream import Disposition

    return Disposition.attached_pic


class _Converter:
    """Decoded frames to upright RGB of one size.

    Attributes:
        size: (height, width) of what comes out.
        resized: how many frames came in another size.
    """

    def __init__(self, first: VideoFrame, stream: VideoStream, warnings: list[str]) -> None:
        self.resized = 0
        self._coded = (first.width, first.height)
        self._turns = round(first.rotation / 90) % 4  # counterclockwise
        aspect = stream.sample_aspect_ratio or Fraction(1)
        stretch = float(aspect) if 0.2 < float(aspect) < 5 else 1.0
        self._width = max(1, round(first.width * stretch))
        turned = self._turns % 2 == 1
        self.size = (self._width, first.height) if turned else (first.height, self._width)
        self._tone = _tone_table(first.color_trc) if first.color_trc in (_PQ, _HLG) else None
        deep = first.format.components[0].bits > 8
        if self._tone is not None:
            warnings.append("HDR video is shown in standard range: its brightest parts are compressed")
        elif deep:
            warnings.append(f"{first.format.components[0].bits}-bit video is read as 8-bit")

    def __call__(self, decoded: VideoFrame) -> Pixels:
        if (decoded.width, decoded.height) != self._coded:
            self.resized += 1
        pixels: NDArray[Any] = decoded.reformat(
            width=self._width,
            height=self._coded[1],
            format="rgb48le" if self._tone is not None else "rgb24",
            src_colorspace=_colorspace(decoded),
            src_color_range=decoded.color_range or ColorRange.UNSPECIFIED,
            dst_color_range=ColorRange.JPEG,
        ).to_ndarray()
        if self._tone is not None:
            pixels = self._tone[pixels >> 4]
        if self._turns:
            turn = {1: cv2.ROTATE_90_COUNTERCLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_CLOCKWISE}[self._turns]
            pixels = cv2.rotate(np.ascontiguousarray(pixels), turn)
        return pixels


def _colorspace(decoded: VideoFrame) -> int:
    """The matrix of a frame; what says nothing is BT.601 when small and BT.709 when large, as players assume."""
    known = {
        1: Colorspace.ITU709,
        4: Colorspace.FCC,
        5: Colorspace.ITU601,
        6: Colorspace.ITU601,
        7: Colorspace.SMPTE240M,
    }
    found = known.get(int(decoded.colorspace))
    if found is None and int(decoded.colorspace) in (9, 10):
        return 9  # BT.2020, which PyAV's enumeration leaves out
    if found is None:
        found = Colorspace.ITU709 if decoded.height >= 720 else Colorspace.ITU601
    return int(found)


def _tone_table(transfer: int) -> NDArray[np.uint8]:
    """8-bit standard-range levels of 12-bit PQ or HLG levels, channel by channel.

    Electro-optical curves from ITU-R BT.2100; the highlights roll off after Reinhard; sRGB's gamma on the way out.
    """
    signal = np.linspace(0, 1, 4096)
    if transfer == _PQ:
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
        power = signal ** (1 / m2)
        nits = 10000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
        nits = 1000 * scene**1.2
    bright = nits / 203  # BT.2408: diffuse white
    peak = bright[-1]
    shown = bright * (1 + bright / peak**2) / (1 + bright) * 1.35
    shown = np.clip(shown, 0, 1)
    coded = np.where(shown <= 0.0031308, 12.92 * shown, 1.055 * shown ** (1 / 2.4) - 0.055)
    return np.round(coded * 255).astype(np.uint8)


def open_video(place: str, *, start: float = 0.0, end: float | None = None, every: int = 1) -> VideoSource:
    """Open a video file.

    Raises:
        SourceMissing: there is no such file, or it may not be read.
        SourceUnreadable: no video in it can be decoded.
    """
    return VideoSource(place, start=start, end=end, every=every)

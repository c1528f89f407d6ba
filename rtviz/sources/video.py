"""Video files: every codec and container that FFmpeg reads, decoded by PyAV."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NoReturn

from rtviz.errors import MissingDependency, SettingsError, SourceUnreadable
from rtviz.frame import Frame
from rtviz.notices import Notice, Remedy
from rtviz.sources import WEB, SourceInfo
from rtviz.sources.base import ClosingSource
from rtviz.sources.files import LARGEST_SIDE, check_file, without_password
from rtviz.words import counted

try:
    import av
except ImportError as error:
    raise MissingDependency("av", f"reading video ({error})") from error

from rtviz.sources.av_files import NO_TRACK, demuxed, open_file, sound_track, video_track
from rtviz.sources.upright import FrameConverter

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_GRACE_SECONDS = 1e-6  # a time given as 0.2 must not lose the frame at 0.1999999
_NO_VIDEO_FORMATS = frozenset({"tty"})  # FFmpeg would type any text file onto a screen

_BAD_SEEKS = frozenset({"mpeg"})  # its timestamps are a guess behind a seek: half a frame off

_NO_TIMESTAMPS = 0x0080  # AVFMT_NOTIMESTAMPS of FFmpeg's libavformat/avformat.h
_LOOKED_AT_PACKETS = 32  # more than any codec lets lie between two frames that are shown in the order of decoding


class VideoSource(ClosingSource):
    """The frames of a video file, upright, in RGB, with their own timestamps.

    A frame's index counts every frame from the file's first. Behind a seek it is read off the container's table of
    frames where there is one (MP4, MOV, AVI), and off the time and the mean rate where there is none.

    Attributes:
        place: the file, or its address on a web server.
        time_base: the unit of its timestamps, in seconds.
        start, end: seconds from its first frame; the part that is taken.
        zero_seconds: when the first frame is shown, on the clock that the file's audio shares.
        audio_stream: number of the sound track that was chosen.

    Args:
        video_stream, audio_stream: which track, counted from 1; the default one, else the largest, if not given.
    """

    def __init__(
        self,
        place: str,
        *,
        start: float = 0.0,
        end: float | None = None,
        every: int = 1,
        video_stream: int | None = None,
        audio_stream: int | None = None,
    ) -> None:
        self.place, self._name = place, without_password(place)
        if not place.startswith(WEB):
            check_file(Path(place))
        self.start, self.end, self._every = start, end, every
        self._video_stream, self.audio_stream = video_stream, audio_stream
        self.warnings: list[str] = []
        self._container: Any = None
        self._fresh = False
        self._in_decoding_order = False
        self._stream: VideoStream
        self._open()
        if audio_stream is not None:
            try:
                sound_track(self._container, audio_stream)
            except SettingsError:
                self.close()
                raise
        self._say_which()
        context = self._stream.codec_context
        header = context.width, context.height
        first = self._first_frame()
        stream = self._stream
        self._still = self._is_still()
        self._own_rate = self._rate_without_timestamps()
        self._in_decoding_order = self._own_rate is None and self._has_decoding_times_only()
        stream = self._stream  # which may have been opened anew
        self.time_base: Fraction = stream.time_base or Fraction(1, 90000)
        timed = first.pts is not None and self._own_rate is None
        self.zero_seconds = float((first.pts or 0) * self.time_base) if timed else 0.0
        self._convert = FrameConverter(first, stream, header, self.warnings)
        self._standing_warnings = len(self.warnings)
        fps = self._own_rate or stream.average_rate or stream.guessed_rate
        self._frame_seconds = float(1 / fps) if fps else 1 / 30
        self._table = _frame_table(stream)
        duration = self._duration_seconds()
        count = len(self._table) or stream.frames or (round(duration / self._frame_seconds) if duration else None)
        self.info = SourceInfo(
            name=self._name,
            kind="pictures" if self._still else "video",
            size=self._convert.size,
            fps=float(fps) if fps and not self._still else None,
            duration_seconds=None if self._still else duration,
            frame_count=1 if self._still else count,
            live=False,
        )

    def _open(self) -> None:
        self.close()
        try:
            self._container = open_file(self.place)
        except av.error.FFmpegError as error:
            reason = error.strerror or type(error).__name__
            if PurePath(self.place).suffix.lower() in (".mp4", ".m4v", ".mov"):
                reason += "; if it was cut off, the index that stands at its end is lost"
            raise SourceUnreadable(f"{self._name} is no video that can be read: {reason}") from None
        if self._container.format.name in _NO_VIDEO_FORMATS:
            self._refuse("is text, not video")
        self._tracks = [s for s in self._container.streams.video if not s.disposition & NO_TRACK]
        if not self._tracks:
            self._refuse("has no video stream")
        try:
            self._stream = video_track(self._tracks, self._video_stream)
        except SettingsError:
            self.close()
            raise
        context = self._stream.codec_context
        if context is None:
            self._refuse("has video of a codec for which there is no decoder")
        self._stream.thread_type = "AUTO"
        if max(context.width, context.height) > LARGEST_SIDE:
            self._refuse(f"claims frames of {context.width}x{context.height}; at most {LARGEST_SIDE} a side")
        self._fresh = True

    def _say_which(self) -> None:
        if len(self._tracks) > 1 and self._video_stream is None:
            number, context = self._tracks.index(self._stream) + 1, self._stream.codec_context
            taken = f"number {number} is taken, of {context.width}x{context.height}"
            self.warnings.append(Notice(f"of {len(self._tracks)} video tracks, {taken}", Remedy.CHOOSE_VIDEO_TRACK))

    def _is_still(self) -> bool:
        """Whether it is one picture, of a format that FFmpeg decodes and Pillow does not."""
        if not self._container.format.name.endswith("_pipe"):
            return False
        packets = (packet for packet in demuxed(self._container, self._stream) if packet.size)
        alone = len(list(islice(packets, 2))) < 2
        self._open()
        return alone

    def _rate_without_timestamps(self) -> Fraction | None:
        """Frames a second of a bare stream, whose file has no times; None of a file that has them."""
        container = self._container.format
        if not container.flags & _NO_TIMESTAMPS and not container.name.endswith("_pipe"):
            return None
        # The codec's own rate; `guessed_rate` holds many for none: 12 frames a second for 24, 120 for 25.
        context = self._stream.codec_context
        rate = context.framerate or self._stream.guessed_rate or Fraction(25)
        if self._still:
            return rate
        said = "as its codec says" if context.framerate else "which is assumed: its codec says nothing"
        self.warnings.append(f"{self._name} has no timestamps: it is read at {float(rate):.6g} frames a second, {said}")
        return rate

    def _has_decoding_times_only(self) -> bool:
        """Whether the container tells when packets are decoded, and not when they are shown: AVI and ASF do.

        What FFmpeg gives H.264 of such files as the time of showing is the time of decoding, moved by a constant.
        """
        if not self._stream.codec_context.has_b_frames:
            return False
        moved: set[int] = set()
        count = 0
        for packet in demuxed(self._container, self._stream):
            if packet.pts is not None and packet.dts is not None and packet.size:
                moved.add(packet.pts - packet.dts)
                count += 1
            if len(moved) > 1 or count == _LOOKED_AT_PACKETS:
                break
        self._open()
        return len(moved) == 1

    def _refuse(self, why: str) -> NoReturn:
        self.close()
        raise SourceUnreadable(f"{self._name} {why}")

    def _first_frame(self) -> VideoFrame:
        """The first frame, which tells size, rotation and colours; the file is opened anew behind it."""
        way = _Way()
        for frame in self._decoded(way):
            self._open()
            return frame
        self.close()
        why = f" ({counted(way.packets, 'damaged packet')})" if way.packets else ""
        raise SourceUnreadable(f"{self._name} holds no frame that can be decoded{why}")

    def _duration_seconds(self) -> float | None:
        """How long the video lasts, by its own header where that says it, else by the container's."""
        stream = self._stream
        if stream.duration is not None:
            return float(stream.duration * self.time_base)
        if self._container.duration is not None:
            return float(self._container.duration / av.time_base)
        return None

    def __iter__(self) -> Iterator[Frame]:
        if not self._fresh:
            self._open()
        self._fresh = False
        del self.warnings[self._standing_warnings :]  # those of an earlier reading
        way = _Way()
        index = seen = repaired = 0
        last_seconds: float | None = None
        for decoded in self._from_start(way):
            if self._own_rate is not None:
                seconds = float((0 if last_seconds is None else index + 1) / self._own_rate)
            elif decoded.pts is None:
                seconds = 0.0 if last_seconds is None else last_seconds + self._frame_seconds
                repaired += 1
            else:
                seconds = self._seconds(decoded.pts)
                if last_seconds is not None and seconds <= last_seconds:
                    if way.key is not None and last_seconds < self.start:
                        continue  # MPEG-2 behind a seek: shown before the key frame, and decoded from nothing
                    seconds = last_seconds + self._frame_seconds
                    repaired += 1
            index = self._index_of_first(way, decoded) if last_seconds is None else index + 1
            last_seconds = seconds
            if self.end is not None and seconds >= self.end - _GRACE_SECONDS:
                break
            seen += 1
            if seconds >= self.start - _GRACE_SECONDS and index % self._every == 0:
                duration = float(decoded.duration * self.time_base) if decoded.duration else None
                if self._own_rate is not None:
                    duration = float(1 / self._own_rate)
                # The one that stands for N frames is shown as long as they were.
                yield Frame(self._convert(decoded), index, seconds, duration * self._every if duration else None)
        else:
            if not way.packets:
                self._warn_if_cut_off(
                    index + 1 if seen else 0, last_seconds or 0.0, way.others_end_seconds - self.zero_seconds
                )
        self._warn(way, repaired, seen)

    def _seconds(self, pts: int) -> float:
        return float(pts * self.time_base) - self.zero_seconds

    def _index_of_first(self, way: _Way, first: VideoFrame) -> int:
        if way.key is None:
            return 0
        if not self._table or first.pts is None:
            return round(self._seconds(first.pts or 0) / self._frame_seconds)
        # Frames are stored in decoding order: some that stand behind the key frame are shown before it.
        return bisect_left(self._table, way.key) + sum(pts < first.pts for pts in way.shown_at)

    def _from_start(self, way: _Way) -> Iterator[VideoFrame]:
        """Decoded frames, the first of them at `start` or before it.

        A seek may land too late: MPEG-TS and MPEG-PS guess, and a key frame is found by its decoding time, which comes
        before the time at which it is shown. So what came out is checked, and if it is late, the next try is made
        from further back.
        """
        back_seconds = 0.5
        name = self._container.format.name
        bad = self._own_rate is not None or name in _BAD_SEEKS
        bad = bad or (self._in_decoding_order and name == "asf")  # of the packets behind a seek some have no time
        while self.start - back_seconds > 0 and not bad:
            way.restart()
            target = round((self.start - back_seconds + self.zero_seconds) / self.time_base)
            try:
                self._container.seek(target, stream=self._stream, backward=True)
            except av.error.FFmpegError:  # not every file can; decoding from its beginning always works
                break
            frames = self._decoded(way, behind_seek=True)
            first = next(frames, None)
            if first is not None and first.pts is not None and self._seconds(first.pts) <= self.start:
                yield first
                yield from frames
                return
            back_seconds *= 4
            self._open()  # a seek alone leaves frames of the last try in some decoders
        if self.start > 0:
            way.restart()
            self._open()
        yield from self._decoded(way)

    def _decoded(self, way: _Way, behind_seek: bool = False) -> Iterator[VideoFrame]:
        """Frames in the order in which they are shown, whatever is wrong with the packets."""
        came_out = False
        times: list[int] = []  # a heap; used where they come in the order of decoding
        for packet in self._packets(way):
            if packet is not None:
                if behind_seek and way.key is None:
                    if not packet.is_keyframe or packet.dts is None:
                        continue  # what hangs on frames before it would come out broken
                    way.key = packet.dts
                if not came_out and packet.pts is not None and not packet.is_discard:
                    way.shown_at.append(packet.pts)
                if self._in_decoding_order and packet.pts is not None:
                    heapq.heappush(times, packet.pts)
            try:
                for frame in self._stream.codec_context.decode(packet):
                    came_out = True
                    if times:  # frames come in the order in which they are shown, so the earliest is this one's
                        frame.pts = heapq.heappop(times)
                    way.broken_frames += bool(frame.is_corrupt)
                    yield frame
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                way.packets += 1
                if packet is not None and packet.pts in times:  # no frame comes of it
                    times.remove(packet.pts)
                    heapq.heapify(times)

    def _packets(self, way: _Way) -> Iterator[Any]:
        """The video's packets, then None, at which the decoder gives what it still holds."""
        # The others are read too, only to know where they end: a container's length is that of its longest stream.
        others = [s for s in self._container.streams if s.type in ("audio", "video", "subtitle")]
        streams = [self._stream, *(s for s in others if s is not self._stream and not s.disposition & NO_TRACK)]
        packets, failures = demuxed(self._container, streams), 0
        while failures < 3:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:  # garbled or cut off here; it may go on behind
                way.packets += 1
                failures += 1
                packets = demuxed(self._container, streams)
                continue
            if packet is None:
                break
            failures = 0
            if packet.stream is not self._stream:
                if packet.pts is not None:
                    ends = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                    way.others_end_seconds = max(way.others_end_seconds, ends)
            elif packet.size:
                yield packet
        yield None

    def _warn_if_cut_off(self, count: int, last_seconds: float, others_end_seconds: float) -> None:
        """Say if the file promised more than it held."""
        promised = len(self._table) or self._stream.frames
        if promised:
            if count < promised - (1 if self._table else 1 + promised // 50):  # a header alone may be a little off
                self.warnings.append(f"{self._name} is cut off: {count} of {promised} frames were decoded")
            return
        duration = self.info.duration_seconds
        end = max(last_seconds + self._frame_seconds, others_end_seconds)
        if self.zero_seconds > 0:  # some containers count their length from 0, and not from where the first frame is
            end += self.zero_seconds
        if duration is not None and end < duration - max(0.5, 3 * self._frame_seconds):
            self.warnings.append(
                f"{self._name} is cut off: it ends after {end:.1f} of {duration:.1f} seconds, and {count} of about "
                f"{round(duration / self._frame_seconds)} frames were decoded"
            )

    def _warn(self, way: _Way, repaired: int, seen: int) -> None:
        if way.packets or way.broken_frames:
            whole = self.info.frame_count is not None and self.end is None and not self.start
            about = f" of about {max(self.info.frame_count or 0, seen)}" if whole else ""
            self.warnings.append(
                f"{self._name} is damaged: {counted(way.packets, 'packet')} skipped, "
                f"{counted(way.broken_frames, 'frame')} with errors, {seen}{about} frames decoded"
            )
        if repaired:
            self.warnings.append(f"{counted(repaired, 'frame')} of {self._name} had no usable time and were given one")
        if self._convert.refitted:
            height, width = self.info.size
            self.warnings.append(
                f"{counted(self._convert.refitted, 'frame')} of {self._name} had another size and were fitted into "
                f"{width}x{height}"
            )
            self._convert.refitted = 0

    def close(self) -> None:
        """Let go of the file; it may be called twice."""
        container, self._container = self._container, None
        if container is not None:
            container.close()


def _frame_table(stream: VideoStream) -> list[int]:
    """Decoding times of the frames that will be shown, if the container lists all of them; else nothing."""
    entries = stream.index_entries
    if not stream.frames or len(entries) < 2:
        return []
    return sorted(entry.timestamp for entry in entries if not entry.is_discard)


class _Way:
    """One way through the packets of a file, and what was met on it.

    Attributes:
        packets: how many could not be read or decoded.
        broken_frames: how many came out with errors.
        key: decoding time of the key frame at which it began, if that is not the file's beginning.
        shown_at: when each packet is shown that was read before the first frame came out.
        others_end_seconds: where the last of the other streams ends, by the file's own clock.
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """The file is entered anew, at another point."""
        self.packets = self.broken_frames = 0
        self.key: int | None = None
        self.shown_at: list[int] = []
        self.others_end_seconds = 0.0


def open_video(place: str, **part: Any) -> VideoSource:
    """Open a video file.

    Args:
        part: as `VideoSource` takes it.

    Raises:
        SettingsError: there is no track of that number.
        SourceMissing: there is no such file, or it may not be read.
        SourceUnreadable: no video in it can be decoded.
    """
    return VideoSource(place, **part)


__all__ = ["VideoSource", "open_video"]

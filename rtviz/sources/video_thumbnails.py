"""Small pictures of a video file at any time, as quick as its key frames allow."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av

from rtviz.errors import SourceUnreadable
from rtviz.frame import Pixels
from rtviz.sources import WEB
from rtviz.sources.av_files import NO_TRACK, demuxed, open_file, video_track
from rtviz.sources.base import ClosingSource
from rtviz.sources.files import check_file, without_password
from rtviz.sources.pages import bounded
from rtviz.sources.upright import FrameConverter

_PATIENCE_SECONDS = 0.4  # for decoding on from the key frame; the newest frame by then has to do


class VideoThumbnails(ClosingSource):
    """A video file that stays open for thumbnails. A context manager; for one thread.

    It decodes in that thread alone, unlike `VideoSource`, so that whoever plays the video keeps the cores.

    Args:
        place: the file, or its address on a web server.
        side: of the longer side, in pixels, at most.

    Raises:
        SourceMissing: it is not there.
        SourceUnreadable: nothing in it can be decoded.
    """

    def __init__(self, place: str | Path, side: int) -> None:
        place, self._side = str(place), side
        self.name = place
        if place.startswith(WEB):
            self.name = without_password(place)
        else:
            check_file(Path(place))
        try:
            self._container: Any = open_file(place)
        except av.error.FFmpegError as error:
            raise SourceUnreadable(f"{self.name} is no video that can be read: {error.strerror}") from None
        tracks = [stream for stream in self._container.streams.video if not stream.disposition & NO_TRACK]
        if not tracks:
            self.close()
            raise SourceUnreadable(f"{self.name} has no video stream")
        self._stream = video_track(tracks)
        context = self._stream.codec_context
        context.thread_count = 1
        first = next(self._decoded(), None)
        if first is None:
            self.close()
            raise SourceUnreadable(f"{self.name} holds no frame that can be decoded")
        self._unit = float(self._stream.time_base or 1 / 90000)
        self._zero = first.pts or 0
        self._convert = FrameConverter(first, self._stream, (context.width, context.height), [])

    def at(self, seconds: float, stopped: Callable[[], bool] = lambda: False) -> Pixels | None:
        """The frame that is shown at a time; where its key frame is too far away to decode on from, one before it.

        Args:
            seconds: counted from the first frame.
            stopped: asked after each frame whether nobody waits for it any more.

        Returns:
            RGB uint8 [height, width, 3]; None if it was stopped, or there is no frame.
        """
        target = self._zero + round(max(0.0, seconds) / self._unit)
        self._container.seek(target, stream=self._stream, backward=True)
        begun, newest = time.monotonic(), None
        for frame in self._decoded():
            if stopped():
                return None
            if newest is not None and frame.pts is not None and frame.pts > target:
                break
            newest = frame
            if time.monotonic() - begun > _PATIENCE_SECONDS:
                break
        return None if newest is None else bounded(self._convert(newest), self._side)

    def _decoded(self) -> Any:
        """Frames from here on; what cannot be decoded is passed over."""
        for packet in demuxed(self._container, self._stream):
            try:
                yield from packet.decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                continue

    def close(self) -> None:
        self._container.close()


__all__ = ["VideoThumbnails"]

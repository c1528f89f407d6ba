"""Animated GIFs: a palette of its own for each picture, streamed, at a rate that browsers keep."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rtviz.cv import cv2
from rtviz.errors import MissingDependency, OutputUnwritable
from rtviz.frame import Frame, Pixels
from rtviz.settings import OutputSettings
from rtviz.sinks import publish, temporary, writing
from rtviz.sinks.base import ClosingSink
from rtviz.sinks.tracks import left_behind
from rtviz.sinks.video import av

try:
    import av
except ImportError as error:
    raise MissingDependency("av", f"writing GIFs ({error})") from error

if TYPE_CHECKING:
    from rtviz.sources import Source

# A GIF counts time in hundredths of a second, and browsers slow down what is shorter than two of them.
_TICKS = Fraction(1, 100)
_SHORTEST_TICKS = 3
_LONGEST_TICKS = 2**16 - 1
_MOST_REPEATED = 1000


class GifSink(ClosingSink):
    """One animated GIF. Frames that come faster than 33 a second are left out, and counted."""

    def __init__(
        self, path: Path, *, size: tuple[int, int], fps: float | None, output: OutputSettings, origin: Source | None
    ) -> None:
        lost = left_behind(origin, ".gif")
        self.warnings: list[str] = [lost] if lost else []
        self._path = path
        self.size = output.size or size
        self._last_ticks: int | None = None
        self._default_duration = round(1 / ((fps or 25) * float(_TICKS)))
        self._last_duration = 0  # ticks
        self._newest: Pixels | None = None
        self._durations: dict[int, int] = {}  # ticks -> ticks
        self._first_seconds: float | None = None
        self._left_out = 0
        height, width = self.size
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._temporary = temporary(path)
            self._container: Any = av.open(f"file:{self._temporary}", "w", format="gif")
            self._stream: Any = self._container.add_stream("gif", rate=25)
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "pal8"
        self._stream.time_base = self._stream.codec_context.time_base = _TICKS
        graph = av.filter.Graph()
        source = graph.add_buffer(width=width, height=height, format=av.VideoFormat("rgb24"), time_base=_TICKS)
        split = graph.add("split")
        make = graph.add("palettegen", "stats_mode=single")
        use = graph.add("paletteuse", "new=1:dither=bayer:bayer_scale=4")
        end = graph.add("buffersink")
        source.link_to(split)
        split.link_to(use, 0, 0)
        split.link_to(make, 1, 0)
        make.link_to(use, 0, 1)
        use.link_to(end)
        graph.configure()
        self._graph = graph

    def write(self, picture: Pixels, frame: Frame) -> None:
        """Take one picture, unless it comes too soon after the last.

        Raises:
            OutputUnwritable: no space.
        """
        if self._first_seconds is None:
            self._first_seconds = frame.pts_seconds
        ticks = round((frame.pts_seconds - self._first_seconds) / float(_TICKS))
        if self._last_ticks is not None and ticks < self._last_ticks + _SHORTEST_TICKS:
            self._left_out += 1
            return
        self._hold(ticks)
        self._last_ticks = ticks
        self._last_duration = round((frame.duration_seconds or 0) / float(_TICKS)) or self._default_duration
        if picture.shape[:2] != self.size:
            picture = cv2.resize(picture, (self.size[1], self.size[0]), interpolation=cv2.INTER_AREA)
        self._newest = np.ascontiguousarray(picture)
        self._push(ticks, self._last_duration)

    def _push(self, ticks: int, duration: int) -> None:
        assert self._newest is not None
        # It counts for the last picture: each other one stands until the next.
        self._durations[ticks] = min(max(_SHORTEST_TICKS, duration), _LONGEST_TICKS)
        pushed = av.VideoFrame.from_ndarray(self._newest, format="rgb24")
        pushed.pts, pushed.time_base = ticks, _TICKS
        self._graph.push(pushed)
        self._drain()

    def _hold(self, until: int) -> None:
        """Repeat the newest picture, where it stands longer than a GIF can say."""
        since = self._last_ticks
        if since is None:
            return
        if until - since > _MOST_REPEATED * _LONGEST_TICKS:  # damaged times
            days = (until - since) * float(_TICKS) / 86400
            raise OutputUnwritable(f"cannot write {self._path}: a frame is to be shown for {days:.0f} days")
        for ticks in range(since + _LONGEST_TICKS, until, _LONGEST_TICKS):
            self._push(ticks, until - ticks)

    def _drain(self) -> None:
        while True:
            try:
                drawn: Any = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            with writing(self._path):
                self._mux(self._stream.encode(drawn))

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            packet.duration = self._durations.pop(packet.pts, 0)
            self._container.mux(packet)

    def close(self) -> None:
        """Finish, and put the file under its final name.

        Raises:
            OutputUnwritable: no space; or no picture ever came.
        """
        if self._container is None:
            return
        try:
            if self._last_ticks is None:
                raise OutputUnwritable(f"{self._path} was not written: no frame came")
            with writing(self._path):
                self._hold(self._last_ticks + self._last_duration)
                self._graph.push(None)
                self._drain()
                self._mux(self._stream.encode(None))
                container, self._container = self._container, None
                container.close()
        except BaseException:
            self.abort()
            raise
        if self._left_out:
            self.warnings.append(f"a GIF shows at most 33 frames a second: {self._left_out} frames were left out")
        publish(self._temporary, self._path)

    def abort(self) -> None:
        """Stop; what was written stays in the temporary file."""
        container, self._container = self._container, None
        if container is not None:
            with suppress(OSError, av.error.FFmpegError):  # the disk is full, perhaps
                container.close()
        if self._last_ticks is None:
            self._temporary.unlink(missing_ok=True)

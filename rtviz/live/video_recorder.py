"""Writes what is shown to a video while the session runs."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rtviz.errors import SettingsError
from rtviz.frame import Frame, Result
from rtviz.live.new_file import NOT_SHOWN, check_new_video
from rtviz.notices import FileWritten
from rtviz.settings import OutputSettings
from rtviz.words import counted

if TYPE_CHECKING:
    import numpy as np

    from rtviz.frame import Pixels
    from rtviz.sinks import Sink
else:
    from rtviz.late import np

RECORDED = ("overlay", "side-by-side", "clean")


class VideoRecorder:
    """Writes pictures to a video with the times of their capture, in a thread of its own.

    Where encoding cannot keep up, it skips pictures; the times of the others stay true.

    Args:
        path: the video.
        what: "overlay", "side-by-side" or "clean".
        fps: rate of the source, if known.
        screen: (height, width) in pixels of the canvas, if known.
        on_end: called once, in the recorder's thread, with one sentence about how it ended.

    Raises:
        SettingsError: `what` is something else.
        SinkError: the file cannot be written, or exists.
    """

    def __init__(
        self,
        path: Path,
        what: str,
        fps: float | None,
        on_end: Callable[[str], None],
        screen: tuple[int, int] | None = None,
    ) -> None:
        check_new_video(path)
        if what not in RECORDED:
            raise SettingsError("what to record", what, RECORDED)
        self.path = path
        self.skipped = 0
        self.seconds = 0.0
        self.ended = False
        self._what = what
        self._fps = fps
        self._on_end = on_end
        self._screen = screen
        self._size: tuple[int, int] | None = None  # of the video
        self._began_with_panes = False
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Result, float]] = deque()
        self._stopped = False
        self._thread = threading.Thread(target=self._write, name="rtviz-record", daemon=True)
        self._thread.start()

    def put(self, result: Result, at: float) -> None:
        """Write a picture that was captured (or, if it is drawn again, shown) at this time. Returns at once."""
        with self._changed:
            if self.ended or self._stopped:
                return
            if self._size is None:
                height, width = pick(result, self._what).shape[:2]
                self._size, self._began_with_panes = (height, width), bool(result.panes)
            if self._waiting and self._waiting[-1][0].frame is result.frame and at - self._waiting[-1][1] < 0.02:
                at = self._waiting.pop()[1]  # the same frame, only just drawn anew
            elif len(self._waiting) >= 8:
                self._waiting.popleft()
                self.skipped += 1
            self._waiting.append((result, at))
            self._changed.notify_all()

    @property
    def screen(self) -> tuple[int, int] | None:
        """(height, width) of what pictures are to be drawn for, so that they keep the size and stay readable: what was
        the canvas when a recording of panes began, else the video itself, which panes may have to fit into later."""
        with self._changed:
            return self._screen if self._began_with_panes or self._size is None else self._size

    def stop(self) -> None:
        """Finish the video; returns at once."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    @property
    def threads(self) -> list[threading.Thread]:
        """The threads that `stop` ends."""
        return [self._thread]

    def _pictures(self) -> Iterator[tuple[Result, float]]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopped)
                if not self._waiting:
                    return
                item = self._waiting.popleft()
            yield item

    def _write(self) -> None:
        began: float | None = None
        last = -1.0

        def frames() -> Iterator[tuple[Pixels, Frame]]:
            nonlocal began, last
            for number, (result, at) in enumerate(self._pictures()):
                began = at if began is None else began
                # A redrawn frame is shown later than it was captured; the next one may have been captured before that.
                last = max(at - began, last + 0.001)
                self.seconds = last
                yield pick(result, self._what), Frame(result.frame.pixels, index=number, pts_seconds=last)

        sentence = write_video(self.path, frames(), self._fps)
        with self._changed:
            self.ended = True
        self._on_end(sentence)


def write_video(path: Path, pictures: Iterable[tuple[Pixels, Frame]], fps: float | None) -> str:
    """Write pictures with the times of their frames. Never raises: returns one sentence about how it went, a
    `FileWritten` if it went well."""
    from rtviz.sinks import leftover, open_sink

    sink: Sink | None = None
    size = (0, 0)
    written = 0
    try:
        for picture, frame in pictures:
            if sink is None:
                height, width = picture.shape[:2]
                size = (height, width)
                sink = open_sink(path, size=size, fps=fps, output=OutputSettings(), origin=None)
            sink.write(fitted(picture, size), frame)
            written += 1
        if sink is None:
            return f"nothing was written to {path}: {NOT_SHOWN}"
        sink.close()
    except Exception as error:  # the edge of the thread: the sentence says it
        if sink is not None:
            sink.abort()
        reason = " ".join(str(error).split()) or type(error).__name__
        rest = leftover(path)
        return f"writing {path.name} ended: {reason}" + (f"; what was written until then is in {rest}" if rest else "")
    return FileWritten.of(path, counted(written, "frame"))


def pick(result: Result, what: str) -> Pixels:
    """The picture to record from what is shown, without drawing it again: one of `RECORDED`."""
    if what == "clean":
        return result.frame.pixels
    if result.panes:  # several models' pictures: there is no simpler one
        return result.overlay
    shown_beside = result.settings.layout == "side-by-side"
    if what == "side-by-side" and not shown_beside:
        from rtviz.drawing.blend import beside

        return beside(result.frame.pixels, result.overlay)
    if what == "overlay" and shown_beside:
        return np.ascontiguousarray(result.overlay[:, result.overlay.shape[1] // 2 :])
    return result.overlay


def fitted(picture: Pixels, size: tuple[int, int]) -> Pixels:
    """The picture on black at the size of the video, where what is shown has changed its size midway."""
    if picture.shape[:2] == size:
        return picture
    from rtviz.cv import cv2

    height, width = size
    scale = min(height / picture.shape[0], width / picture.shape[1])
    inner = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    small = cv2.resize(picture, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    canvas = np.zeros((height, width, 3), np.uint8)
    top, left = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    return canvas


__all__ = ["RECORDED", "VideoRecorder", "fitted", "pick", "write_video"]

"""What cameras, streams and screens have in common: no end, no way back, and one thread that owns the device."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from rtviz.frame import Frame, Pixels
from rtviz.sources import SourceInfo
from rtviz.sources.base import ClosingSource


class EndlessSource(ClosingSource):
    """A source that goes on whether it is read or not. Its frames must be read as they come, or they grow old.

    Args:
        start, end: seconds after the first frame; the part to take.
        every: take each N-th frame.
    """

    info: SourceInfo

    def __init__(self, start: float = 0.0, end: float | None = None, every: int = 1) -> None:
        self.warnings: list[str] = []
        self._start, self._end, self._every = start, end, every
        self._closed = threading.Event()

    def pictures(self) -> Iterator[Pixels]:
        """RGB pictures as they come, until `close`.

        Raises:
            SourceLost: nothing comes any more.
        """
        raise NotImplementedError

    def release(self) -> None:
        """Let the device go."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Frame]:
        began = time.monotonic()
        for index, pixels in enumerate(self.pictures()):
            pts_seconds = time.monotonic() - began
            if self._end is not None and pts_seconds >= self._end:
                return
            if pts_seconds >= self._start and index % self._every == 0:
                yield Frame(pixels, index, pts_seconds)

    def close(self) -> None:
        """Let the device go; only the thread that reads may call this. Twice is fine."""
        if not self._closed.is_set():
            self._closed.set()
            self.release()

"""Results kept in memory: for tests, notebooks and programs that go on with them."""

from __future__ import annotations

from rtviz.frame import Frame, Pixels
from rtviz.sinks.base import ClosingSink


class MemorySink(ClosingSink):
    """Keeps every picture; use it for short clips.

    Attributes:
        pictures: RGB uint8 [height, width, 3], in the order in which they came.
        frames: the frame that each was made from.
        closed: it came to a good end.
        aborted: it came to a bad one.
    """

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.pictures: list[Pixels] = []
        self.frames: list[Frame] = []
        self.closed = False
        self.aborted = False

    def write(self, picture: Pixels, frame: Frame) -> None:
        """Keep a copy of the picture: whoever drew it may use its memory again."""
        self.pictures.append(picture.copy())
        self.frames.append(frame)

    def close(self) -> None:
        self.closed = not self.aborted

    def abort(self) -> None:
        self.aborted = not self.closed

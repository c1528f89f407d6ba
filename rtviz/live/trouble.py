"""Finds a source that sends, but not what it should: the very same picture, black ones, too few."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtviz.frame import Frame

if TYPE_CHECKING:
    import numpy as np

    from rtviz.frame import Pixels
else:
    from rtviz.late import np

_DARK = 20  # of 255: a picture with nothing brighter is black
_MOVES = 10  # a source that has sent more different pictures than this is not frozen


class PictureWatch:
    """Watches the pictures of one opening of a camera or a stream. The reader calls `add`, others read.

    Attributes:
        same_since: since when each picture has been the very same, which a real sensor never sends twice; None if not.
        black_since: since when all pictures have been black; None if they are not.
        moves: whether it has sent many different pictures.
    """

    def __init__(self) -> None:
        self.same_since: float | None = None
        self.black_since: float | None = None
        self.moves = False
        self._sample: Pixels | None = None
        self._changes = 0

    def add(self, frame: Frame, now: float) -> None:
        """A picture has come at this time."""
        sample = np.ascontiguousarray(frame.pixels[8::24, 8::24])
        same = self._sample is not None and np.array_equal(sample, self._sample)
        dark = sample.size > 0 and int(sample.max()) < _DARK
        self._sample = sample
        self.black_since = (self.black_since or now) if dark else None
        self.same_since = (self.same_since or now) if same and not dark else None
        self._changes += not same
        self.moves = self._changes > _MOVES


__all__ = ["PictureWatch"]

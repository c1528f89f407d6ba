"""What the canvas has painted: how often, and how old it was."""

from __future__ import annotations

import time
from collections import deque

from rtviz.live.frames import DrawnFrame
from rtviz.live.rate import rate

_STEP_SECONDS, _SECONDS = 0.25, 60.0  # of the history of ages


class PaintLog:
    """Times and ages of the pictures on the canvas.

    Attributes:
        age_ms: from the capture of the newest picture's frame until it was painted; None before the first.
        attention_age_ms: how much older the frame is that its attention was predicted for; None without attention.
    """

    def __init__(self) -> None:
        self.age_ms: float | None = None
        self.attention_age_ms: float | None = None
        self._painted_at: deque[float] = deque(maxlen=600)
        self._ages: deque[tuple[float, float]] = deque(maxlen=round(_SECONDS / _STEP_SECONDS))

    def add(self, drawn: DrawnFrame, still: bool) -> None:
        """A picture was painted just now.

        Args:
            still: the source stands still: its frame grows older without being late.
        """
        now = time.monotonic()
        self._painted_at.append(now)
        if drawn.playback:
            return
        self.attention_age_ms = None if drawn.predicted_at is None else (drawn.captured_at - drawn.predicted_at) * 1000
        if not still:
            self.age_ms = (now - drawn.captured_at) * 1000
            self._note_age(now, self.age_ms)

    def _note_age(self, now: float, age_ms: float) -> None:
        if self._ages and now - self._ages[-1][0] < _STEP_SECONDS:
            then, highest = self._ages[-1]
            self._ages[-1] = (then, max(highest, age_ms))
        else:
            self._ages.append((now, age_ms))

    @property
    def fps(self) -> float:
        """Pictures a second."""
        return rate(self._painted_at)

    @property
    def age_ms_history(self) -> tuple[float, ...]:
        """The highest age of each quarter of a second of the last minute, oldest first."""
        oldest = time.monotonic() - _SECONDS
        return tuple(age_ms for then, age_ms in self._ages if then >= oldest)


__all__ = ["PaintLog"]

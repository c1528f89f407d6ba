"""How a recorded source is played: what its callers want, and when the next frame is due."""

from __future__ import annotations

import threading
import time

from rtviz.errors import SettingsError
from rtviz.frame import Frame
from rtviz.live.connection import Left, Opening

_SLIDE_SECONDS = 3.0  # that a page of a slide show stays, at speed 1
# Decoding that is so late cannot keep up: it plays slower rather than run after the clock.
_TOO_LATE_SECONDS = 0.5


class Playhead:
    """Play, hold, step, jump, repeat. Callers ask for it, the reader of the source waits for what comes next.

    Args:
        changed: the condition of `CaptureState`; whoever calls holds it, but for the methods that say otherwise.

    Attributes:
        paused: the picture is held.
        ended: the source has no more frames.
        loop: the end is followed by the beginning.
        speed: 0.25 to 4.
        position_seconds: of the newest frame in its source.
    """

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self.paused = False
        self.ended = False
        self.loop = False
        self.speed = 1.0
        self.position_seconds = 0.0
        self._jump: float | None = None
        self._sought_seconds: float | None = None  # where a jump goes, until its first frame has come
        self._steps = 0
        self._anchor: tuple[float, float] | None = None  # (monotonic, pts_seconds) from which due times are counted

    # --- requests --------------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Another source: play it from its beginning."""
        self.paused = self.ended = False
        self.forget_requests()
        self.restart_clock()

    def forget_requests(self) -> None:
        """Drop jumps and steps, which a live source does not know."""
        self._jump, self._sought_seconds, self._steps = None, None, 0

    def restart_clock(self) -> None:
        """Count due times from the next frame on."""
        self._anchor = None

    def pause(self, paused: bool) -> None:
        """Hold, or go on; from the end, going on begins anew."""
        self.paused = paused
        self.restart_clock()
        if self.ended and not paused:
            self._jump = self._sought_seconds = 0.0
        self._changed.notify_all()

    def step(self, count: int) -> None:
        """Hold, and go so many frames or pages on, or back if negative."""
        self.paused = True
        self._steps += count
        self._changed.notify_all()

    def seek(self, seconds: float) -> None:
        """Go on from there, of pages from the one of this number."""
        self._jump = self._sought_seconds = max(0.0, seconds)
        self._steps = 0
        self._changed.notify_all()

    def set_speed(self, speed: float) -> None:
        """Play so many times as fast.

        Raises:
            SettingsError: it is not from 0.25 to 4.
        """
        if not 0.25 <= speed <= 4:
            raise SettingsError("speed", speed, "a number from 0.25 to 4")
        self.speed = speed
        self.restart_clock()
        self._changed.notify_all()

    def set_loop(self, loop: bool, one_picture: bool) -> None:
        """Whether the end is followed by the beginning; of a single picture there is nothing to repeat."""
        self.loop = loop
        if loop and self.ended and not self.paused and not one_picture:
            self._jump = self._sought_seconds = 0.0
        self._changed.notify_all()

    @property
    def sought_seconds(self) -> float:
        """Position of the newest frame; during a jump its goal, so that six jumps by five seconds go on by thirty."""
        return self.position_seconds if self._sought_seconds is None else self._sought_seconds

    def note_frame(self, pts_seconds: float) -> None:
        """A frame of this position was delivered."""
        self.position_seconds = pts_seconds
        self.settle()

    # --- what comes next: for the reader ---------------------------------------------------------------------------

    def next(
        self, opening: Opening, upcoming: Frame | None, at_once: bool, one_picture: bool
    ) -> tuple[float | None, int]:
        """Waits for what comes next; takes the lock itself.

        Args:
            upcoming: the frame that comes next; None at the end.
            at_once: it is due now.

        Returns:
            (where to jump, 0), (None, steps), or (None, 0) when the upcoming frame is due.

        Raises:
            Left: the opening is over.
        """
        with self._changed:
            while True:
                if opening.over:
                    raise Left
                self.ended = upcoming is None
                if self._jump is not None:
                    jump, self._jump = self._jump, None
                    self.ended = False
                    return jump, 0
                if upcoming is not None and at_once:  # before any step, which goes on from there
                    return None, 0
                if self._steps:
                    steps, self._steps = self._steps, 0
                    if steps < 0 or upcoming is not None:
                        return None, steps
                    continue
                wait: float | None = None
                if not self.paused and upcoming is not None:
                    wait = self._seconds_until(upcoming)
                    if wait <= 0:
                        return None, 0
                elif not self.paused and self.loop and not one_picture:
                    self.ended = False
                    return 0.0, 0
                self._changed.wait(wait)

    def _seconds_until(self, upcoming: Frame) -> float:
        now = time.monotonic()
        if self._anchor is None:
            self._anchor = (now, upcoming.pts_seconds)
        then, pts_seconds = self._anchor
        wait = then + (upcoming.pts_seconds - pts_seconds) / self.speed - now
        if wait < -_TOO_LATE_SECONDS:
            self._anchor = None
        return wait

    def next_page(self, opening: Opening, number: int, count: int) -> int:
        """Waits until another page is requested, or due in a slide show; takes the lock itself.

        Args:
            number: of the page that is shown.
            count: of all pages.

        Raises:
            Left: the opening is over.
        """
        with self._changed:
            self._anchor = None
            while True:
                if opening.over:
                    raise Left
                if self._jump is not None:
                    wanted, self._jump = round(self._jump), None
                    return min(max(wanted, 0), count - 1)
                if self._steps:
                    wanted, self._steps = number + self._steps, 0
                    if (wanted := min(max(wanted, 0), count - 1)) != number:
                        return wanted
                    continue
                wait: float | None = None
                if not self.paused:
                    now = time.monotonic()
                    self._anchor = self._anchor or (now, float(number))
                    wait = self._anchor[0] + _SLIDE_SECONDS / self.speed - now
                    if wait <= 0:
                        if number + 1 < count or self.loop:
                            return (number + 1) % count
                        self.paused, wait = True, None
                self._changed.wait(wait)

    def settle(self) -> None:
        """A page was sought and is shown, or there is none: the position is that of the newest frame again."""
        if self._jump is None:
            self._sought_seconds = None


__all__ = ["Playhead"]

"""Actions on time: pause, rewind, seek, speed, loop."""

from __future__ import annotations

import math
from collections.abc import Callable

from rtviz.app.keys import Bindings
from rtviz.app.remembered import Remembered
from rtviz.app.transport import clock
from rtviz.live.session import LiveSession

_SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)
_LEAP_PAGES = 10  # where a file is sought by seconds
_SEEK_SECONDS = 5.0
_LEAP_SECONDS = 10.0


class PlaybackCommands:
    """Actions on time: pause, rewind, seek, speed, loop.

    Args:
        session: what they act on.
        say: shows text on the picture, for so many seconds; from any thread.
    """

    def __init__(
        self,
        session: LiveSession,
        remembered: Remembered,
        bindings: Bindings,
        say: Callable[..., None],
    ) -> None:
        self.session, self.remembered, self.bindings, self._say = session, remembered, bindings, say

    def table(self) -> dict[str, Callable[[], None]]:
        """Action -> what does it."""
        return {
            "pause": self._pause,
            "step_back": lambda: self.session.step(-1),
            "step_on": lambda: self.session.step(1),
            "rewind": self._rewind,
            "live": self.live,
            "seek_back": lambda: self._seek(-_SEEK_SECONDS),
            "seek_on": lambda: self._seek(_SEEK_SECONDS),
            "leap_back": lambda: self._seek(-_LEAP_SECONDS),
            "leap_on": lambda: self._seek(_LEAP_SECONDS),
            "slower": lambda: self._speed(-1),
            "faster": lambda: self._speed(1),
            "loop": self._loop,
            "restart": self._restart,
        }

    def _pause(self) -> None:
        if self.session.status().source_state == "ended":
            self._restart()
            return
        paused, page = not self.session.status().paused, self.session.status().page
        self.session.pause(paused)
        if page is not None:
            self._say(f"page {page[0] + 1} of {page[1]}" if paused else "slide show")
        else:
            self._say("paused" if paused else "playing")

    def _rewind(self) -> None:
        before = self.session.status().past_seconds
        self.session.rewind((before or 0.0) + _SEEK_SECONDS)
        now = self.session.status().past_seconds
        if now is not None:
            self._say(f"{now:.0f} s ago   ({self.bindings.shown('live')}: back to live)")

    def live(self) -> None:
        if self.session.status().past_seconds is not None:
            self.session.live()
            self._say("live")

    def _seek(self, seconds: float) -> None:
        status = self.session.status()
        if status.past_seconds is not None:
            self.session.rewind(max(0.0, status.past_seconds - seconds))
        elif status.page is not None:
            self.session.step(round(math.copysign(_LEAP_PAGES, seconds)))
        elif status.source_info is not None and not status.source_info.live:
            duration = status.source_info.duration_seconds
            if status.source_info.kind == "video" and not duration:  # a jump would begin it anew
                self._say("this file is not seekable")
                return
            to = max(0.0, status.position_seconds + seconds)
            if duration is not None:
                to = min(to, duration)
            self.session.seek(to)
            self._say(clock(to))

    def _restart(self) -> None:
        self.session.seek(0.0)
        self.session.pause(False)

    def _speed(self, direction: int) -> None:
        speed = self.session.status().speed
        nearest = min(range(len(_SPEEDS)), key=lambda place: abs(_SPEEDS[place] - speed))
        speed = _SPEEDS[min(max(nearest + direction, 0), len(_SPEEDS) - 1)]
        self.session.set_speed(speed)
        self._say(f"speed {speed:g}×")

    def _loop(self) -> None:
        loop = not self.session.status().loop
        self.session.set_loop(loop)
        self.remembered.window["loop"] = loop
        self._say("loop on" if loop else "loop off")


__all__ = ["PlaybackCommands"]

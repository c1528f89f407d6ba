"""Capture: delivers the frames of one source after another, and says how the source is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rtviz.live.capture_state import CaptureState
from rtviz.live.connection import Attempt, Connection, Opening, OpenSource, SourceTimeouts, opens
from rtviz.live.frames import CapturedFrame
from rtviz.live.rate import rate
from rtviz.live.reader import Reader
from rtviz.live.supervisor import Supervisor

if TYPE_CHECKING:
    from rtviz.sources import SourceInfo

_SLOW_FPS, _NORMAL_FPS = 8, 15  # a camera that says it sends at least the second is slow below the first


class Capture:
    """Delivers the frames of one place after another, in threads of its own.

    Live sources are drained always and opened again, with growing pauses, when they stop. Others play at their own
    speed. Another place takes over with its first picture: until then, and if it never has one, the present source
    goes on. Each place has a supervisor, which opens it, and each opening a reader, which owns the source; what they
    share with the callers is in one `CaptureState` under one lock. Any thread may call any method.

    Args:
        on_frame: called with each CapturedFrame, in the thread that owns the source; must be quick.
        on_notice: called with a sentence about something that has happened.
        on_other: called when another place has taken over, before its first CapturedFrame, in the thread that owns it.
        open_source: opens a place.
        find_places: what to try, in this order, where no place was named.
    """

    def __init__(
        self,
        on_frame: Callable[[CapturedFrame], None],
        on_notice: Callable[[str], None],
        on_other: Callable[[], None],
        open_source: OpenSource,
        find_places: Callable[[], Sequence[str]],
        timeouts: SourceTimeouts | None = None,
    ) -> None:
        self._timeouts = timeouts or SourceTimeouts()
        self._state = state = CaptureState(on_frame, on_other)
        self._changed = state.changed
        self._playhead = state.playhead
        self._supervisor = Supervisor(
            state,
            lambda opening: Reader(state, opening, on_notice, open_source).run(),
            find_places,
            self._timeouts,
        )

    # --- requests --------------------------------------------------------------------------------------------------

    def start(self, place: str | None) -> None:
        """Begin with a place; None tries what `find_places` gives."""
        with self._changed:
            self._state.switch_to(Connection(place))
            self._supervisor.keep(self._state.connection)

    def open(self, place: str | None) -> None:
        """Leave the present source for another one, as soon as that one has a picture; `attempt` describes it."""
        state = self._state
        with self._changed:
            self._give_up_attempt()
            present, connection = state.connection, Connection(place)
            # A device can be opened once; and where nothing runs, there is nothing to go on with.
            again = place is not None and present.place == place and self.info is not None and self.info.live
            if again or not present.delivered:
                state.switch_to(connection)
            else:
                state.attempt = connection
            self._supervisor.keep(connection)
            self._changed.notify_all()

    def try_again(self) -> None:
        """Open again, at once, what could not be opened: the other place if there is one, else the present one."""
        with self._changed:
            connection = self._state.attempt or self._state.connection
            connection.again = True
            self._changed.notify_all()

    def cancel(self) -> None:
        """No longer try to open another place."""
        with self._changed:
            self._give_up_attempt()
            self._changed.notify_all()

    def _give_up_attempt(self) -> None:
        if self._state.attempt is not None:
            self._state.attempt.leave()
            self._state.attempt = None

    def pause(self, paused: bool) -> None:
        """Hold the picture. A live source is drained meanwhile; at the end of a file, going on starts anew."""
        with self._changed:
            self._playhead.pause(paused)

    def step(self, count: int) -> None:
        """Hold, and go so many frames or pages on, or back if negative. A live source only holds."""
        with self._changed:
            self._playhead.step(count)

    def seek(self, seconds: float) -> None:
        """Go on from there, of pages from the one of this number; a live source ignores it."""
        with self._changed:
            self._playhead.seek(seconds)

    def set_speed(self, speed: float) -> None:
        """Play so many times as fast, 0.25 to 4.

        Raises:
            SettingsError: the speed is beyond that.
        """
        with self._changed:
            self._playhead.set_speed(speed)

    def set_loop(self, loop: bool) -> None:
        """Whether the end is followed by the beginning."""
        with self._changed:
            self._playhead.set_loop(loop, self._state.is_one_picture())

    def tell_to_close(self) -> None:
        """Begin to close."""
        with self._changed:
            self._state.connection.leave()
            self._give_up_attempt()
            self._changed.notify_all()

    @property
    def threads(self) -> list[threading.Thread]:
        """The threads that `tell_to_close` ends. One that hangs inside a device is left behind: it is a daemon."""
        with self._changed:
            return list(self._supervisor.threads)

    # --- state -----------------------------------------------------------------------------------------------------

    @property
    def info(self) -> SourceInfo | None:
        """What is known of the present source."""
        opening = self._state.connection.opening
        return opening.info if opening is not None else None

    @property
    def place(self) -> str | None:
        """The place that is open, or being opened."""
        connection = self._state.connection
        return connection.opening.place if connection.opening is not None else connection.place

    @property
    def paused(self) -> bool:
        """Whether the picture is held."""
        return self._playhead.paused

    @property
    def still(self) -> bool:
        """Whether no other picture is to be expected: held, or at the end of a file."""
        return self._playhead.paused or self._playhead.ended

    @property
    def loop(self) -> bool:
        """Whether the end is followed by the beginning."""
        return self._playhead.loop

    @property
    def speed(self) -> float:
        """Times as fast as the source was recorded."""
        return self._playhead.speed

    @property
    def position_seconds(self) -> float:
        """Position of the newest frame in its source; during a jump its goal."""
        return self._playhead.sought_seconds

    @property
    def stream_began_at(self) -> float:
        """When the present stream began, by `time.monotonic()`; long ago if it has nothing to do with what was shown
        before."""
        return self._state.stream_began_at

    @property
    def captured(self) -> int:
        """How many frames were delivered."""
        return self._state.number

    def fps(self) -> float:
        """Frames that arrived in each of the last two seconds."""
        with self._changed:
            return rate(self._state.arrivals)

    def state(self) -> tuple[str, str]:
        """(state, sentence): connecting, live, paused, stalled, reconnecting, ended or failed."""
        now = time.monotonic()
        with self._changed:
            connection = self._state.connection
            opening = connection.opening
            failing = connection.failing()
            if failing:
                reconnecting = connection.delivered and not connection.given_up
                return "reconnecting" if reconnecting else "failed", failing
            if opening is None or not opening.frames:
                return "connecting", opens(connection)
            name = opening.info.name if opening.info is not None else opening.place
            waiting = now - (opening.waiting_since or now)
            if waiting > self._timeouts.stalled_seconds:
                return "stalled", f"{name} has sent no picture for {waiting:.0f} s"
            same_since, black_since = opening.pictures.same_since, opening.pictures.black_since
            if same_since is not None and now - same_since > self._timeouts.frozen_seconds:
                return "stalled", f"{name} has sent the very same picture for {now - same_since:.0f} s"
            if self._playhead.paused:
                return "paused", ""
            if self._playhead.ended:
                return "ended", f"the end of {name}"
            if black_since is not None and now - black_since > self._timeouts.stalled_seconds:
                return "live", f"{name} sends black pictures: is its lens covered, or a privacy switch on?"
            if self._is_slow(opening, now):
                return "live", f"{name} sends only {self.fps():.0f} pictures a second: low light slows cameras down"
            return "live", ""

    def attempt(self) -> Attempt | None:
        """The other place that is being opened; None if there is none."""
        with self._changed:
            connection = self._state.attempt
            if connection is None:
                return None
            failing = connection.failing()
            seconds = time.monotonic() - connection.asked_at
            return Attempt(
                connection.place, failing or opens(connection), bool(failing), not connection.given_up, seconds
            )

    def _is_slow(self, opening: Opening, now: float) -> bool:
        info = opening.info
        if info is None or info.kind != "camera" or (info.fps or 30.0) < _NORMAL_FPS or opening.first_at is None:
            return False
        return now - opening.first_at > self._timeouts.frozen_seconds and self.fps() < _SLOW_FPS


__all__ = ["Capture"]

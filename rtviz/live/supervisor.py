"""Keeps a source open: which place, how long it may be silent, when it is opened again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from rtviz.errors import SourceLost
from rtviz.live.capture_state import CaptureState
from rtviz.live.connection import Connection, Opening, SourceTimeouts, is_camera, is_hopeless, reason


class Supervisor:
    """Opens places, watches over the readers of their frames, and opens them again, with growing pauses.

    Args:
        read: reads an opening until it is over; runs in a thread of its own.
        find_places: what to try, in this order, where no place was named.

    Attributes:
        threads: those that run, of supervisors and readers.
    """

    def __init__(
        self,
        state: CaptureState,
        read: Callable[[Opening], None],
        find_places: Callable[[], Sequence[str]],
        timeouts: SourceTimeouts,
    ) -> None:
        self._state = state
        self._changed = state.changed
        self._read = read
        self._find_places = find_places
        self._timeouts = timeouts
        self._still_places: set[str] = set()  # whose picture stays the same, also after opening anew
        self.threads: list[threading.Thread] = []

    def keep(self, connection: Connection) -> None:
        """Keep a connection open in a thread of its own, until nobody wants it any more."""
        self._start("source", lambda: self._supervise(connection))

    def _start(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name=f"rtviz-{name}", daemon=True)
        with self._changed:
            self.threads = [other for other in self.threads if other.is_alive()] + [thread]
            thread.start()

    def _supervise(self, connection: Connection) -> None:
        place = connection.place
        while not connection.over:
            try:
                self._keep(connection, (place,) if place is not None else self._find_places())
            except Exception as error:  # the edge of the thread: without it nothing would ever be opened again
                with self._changed:
                    connection.failure = SourceLost(f"{place or 'a camera'} cannot be opened: {reason(error)}")
                    connection.given_up = True
                    self._wait_to_try_again(connection, None)

    def _keep(self, connection: Connection, places: Sequence[str]) -> None:
        """Open the places, the first that works for good."""
        remaining = list(places)
        failures = 0
        start = 0.0
        alone = False
        while not connection.over:
            opening = self._open(connection, remaining[0], start)
            self._watch(opening)
            if alone:
                self._take_up_again()
            if self._waits_for_another(connection):
                continue
            if connection.over:
                return
            if opening.frames == 0 and len(remaining) > 1:
                del remaining[0]  # this one was not requested by name: try the next
                continue
            if not opening.frames and not alone and self._let_go_for(connection, opening.place):
                alone = True
                continue
            if opening.frames:
                # What lived a while starts again without a long pause; what dies at once is left in peace for longer.
                failures = 0 if time.monotonic() - opening.began_at > 2 * self._timeouts.stalled_seconds else failures
                live = opening.info is None or opening.info.live
                start = 0.0 if live else self._state.playhead.sought_seconds
            with self._changed:
                connection.failure = opening.error or SourceLost(f"{opening.place} has stopped")
                pauses = self._timeouts.back_off_seconds
                pause: float | None = pauses[min(failures, len(pauses) - 1)]
                if is_hopeless(connection.failure, opening.place, connection.delivered):
                    pause = None
                    connection.given_up = True
                failures += 1
                if self._wait_to_try_again(connection, pause):
                    failures = 0

    def _wait_to_try_again(self, connection: Connection, pause: float | None) -> bool:
        """Waits for the pause, for ever if it is None, or until somebody asks; returns whether somebody did."""
        connection.retry_at = None if pause is None else time.monotonic() + pause
        self._changed.notify_all()
        self._changed.wait_for(lambda: connection.over or connection.again, pause)
        connection.retry_at = None
        requested, connection.again = connection.again, False
        connection.given_up = connection.given_up and not requested
        return requested

    def _waits_for_another(self, connection: Connection) -> bool:
        """Waits as long as another camera is tried instead; returns whether there was one."""
        with self._changed:
            waited = connection.waits
            self._changed.wait_for(lambda: connection.over or not connection.waits)
            return waited and not connection.over

    def _let_go_for(self, connection: Connection, place: str) -> bool:
        """Close the camera that runs if another one could not be opened: one device may have two names, and two may
        share a bus that carries one."""
        with self._changed:
            present = self._state.connection
            opening = present.opening
            if present is connection or opening is None or opening.info is None:
                return False
            if opening.info.kind != "camera" or not is_camera(place):
                return False
            present.waits = opening.over = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: opening.finished, self._timeouts.lost_seconds)
            return True

    def _take_up_again(self) -> None:
        """The camera that was closed for another one may run again."""
        with self._changed:
            self._state.connection.waits = False
            self._changed.notify_all()

    def _open(self, connection: Connection, place: str, start: float) -> Opening:
        opening = Opening(connection, place, start)
        with self._changed:
            connection.opening = opening
            if connection is self._state.connection:
                self._state.playhead.ended = False
                self._state.playhead.restart_clock()
            self._start("capture", lambda: self._read(opening))
        return opening

    def _watch(self, opening: Opening) -> None:
        """Waits until the opening is over, by itself, by a request, or because it has been silent too long."""
        timeouts, pictures = self._timeouts, opening.pictures
        with self._changed:
            while not (opening.finished or opening.over):
                now = time.monotonic()
                if pictures.moves:
                    self._still_places.discard(opening.place)
                limit = timeouts.lost_seconds if opening.frames else timeouts.opening_seconds
                if pictures.same_since is not None and opening.place not in self._still_places:
                    frozen_for = now - pictures.same_since
                    if frozen_for > timeouts.frozen_seconds + timeouts.lost_seconds:
                        self._still_places.add(opening.place)  # if it does not help, it is not tried again
                        opening.error = SourceLost(f"{opening.place} was frozen")
                        opening.over = True
                        return
                silent_since = opening.waiting_since
                if silent_since is not None and now - silent_since >= limit:
                    verb = "has sent nothing" if opening.frames else "did not open"
                    opening.error = SourceLost(f"{opening.place} {verb} for {now - silent_since:.0f} s")
                    opening.over = True
                    return
                self._changed.wait(min(limit, timeouts.stalled_seconds))


__all__ = ["Supervisor"]

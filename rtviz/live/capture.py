"""Frames from a place as long as somebody watches: opened, played or drained, watched over, and opened again."""

from __future__ import annotations

import math
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from rtviz.errors import MissingDependency, RtvizError, SettingsError, SourceLost, SourceUnreadable
from rtviz.frame import Frame, Pixels

if TYPE_CHECKING:
    from rtviz.sources import Source, SourceInfo
    from rtviz.sources.pages import PageSource

_SLIDE_SECONDS = 3.0  # that a page of a slide show stays, at speed 1
OpenSource = Callable[..., "Source"]  # (place, start=seconds)


@dataclass(frozen=True, slots=True, eq=False)
class CapturedFrame:
    """A frame as it came in.

    Attributes:
        frame: what came.
        captured_at: when, by `time.monotonic()`.
        stream: a number that changes where the picture jumps: another source, a reconnection, a seek, a loop. Nothing
            that was learnt from one stream may be carried to another.
        number: counts the shots of one capture.
    """

    frame: Frame
    captured_at: float
    stream: int
    number: int


@dataclass(frozen=True)
class SourceTimeouts:
    """How long a source is waited for.

    Attributes:
        stalled_seconds: without a picture for so long, the source counts as stalled.
        lost_seconds: without a picture for so long, it is left behind and opened anew.
        opening_seconds: the same for the first picture.
        frozen_seconds: the very same picture for so long counts as stalled too; a low rate for so long is mentioned.
        back_off_seconds: the pauses before opening anew; the last one is repeated.
    """

    stalled_seconds: float = 1.0
    lost_seconds: float = 5.0
    opening_seconds: float = 12.0
    frozen_seconds: float = 3.0
    back_off_seconds: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True, slots=True)
class Attempt:
    """Another place that is being opened while the present source goes on.

    Attributes:
        place: what was asked for; None for the first camera that works.
        sentence: what is being opened, or why it cannot be.
        failed: whether it could not be opened so far.
        retries: whether it is tried again by itself.
        seconds: since it was asked for.
    """

    place: str | None
    sentence: str
    failed: bool
    retries: bool
    seconds: float


class _Left(Exception):
    """This opening is over: its thread should close what it owns and go."""


class _Connection:
    """One place that frames were asked of. A thread of its own keeps it open.

    Attributes:
        place: what was asked for; None for the first of several that works.
        opening: the present one.
        failure: why there is no picture, until there is one again.
        retry_at: when it is opened again by itself.
        given_up: it is not opened again by itself.
        delivered: it has had a picture.
        again: somebody asked to open it again at once.
        waits: it has let its camera go, so that another one can be tried.
        over: nobody wants it any more.
    """

    def __init__(self, place: str | None) -> None:
        self.place = place
        self.asked_at = time.monotonic()
        self.opening: _Opening | None = None
        self.failure: RtvizError | None = None
        self.retry_at: float | None = None
        self.given_up = False
        self.delivered = False
        self.again = False
        self.waits = False
        self.over = False

    def leave(self) -> None:
        """Nobody wants it any more."""
        self.over = True
        if self.opening is not None:
            self.opening.over = True

    def failing(self) -> str:
        """Why there is no picture, and when it is tried again; empty while there is no trouble."""
        opening, failure = self.opening, self.failure
        if failure is None or not (opening is None or opening.finished or opening.over or not opening.frames):
            return ""
        if self.given_up:
            return str(failure)
        # The reason stays readable until there is a picture again.
        wait = "now" if self.retry_at is None else f"in {max(1, round(self.retry_at - time.monotonic()))} s"
        return f"{failure}; trying again {wait}"


class _Opening:
    """One opening of a source. One thread owns it; where it hangs, it is left behind and nobody listens to it."""

    def __init__(self, connection: _Connection, place: str, start: float) -> None:
        self.connection = connection
        self.place = place
        self.start = start
        self.info: SourceInfo | None = None
        self.over = False
        self.finished = False
        self.error: RtvizError | None = None
        self.frames = 0
        self.began_at = time.monotonic()
        # Since when the thread has been inside the source, waiting for it to open or to give a frame.
        self.waiting_since: float | None = self.began_at
        self.first_at: float | None = None
        self.sample: Pixels | None = None
        self.same_since: float | None = None
        self.changes = 0
        self.black_since: float | None = None


class Capture:
    """Delivers the frames of one place after another, in threads of its own.

    Live sources are drained always and opened again, with growing pauses, when they stop. Others play at their own
    speed. Another place takes over with its first picture: until then, and if it never has one, the present source
    goes on.

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
        self._on_frame = on_frame
        self._on_notice = on_notice
        self._on_other = on_other
        self._open_source = open_source
        self._find_places = find_places
        self._timeouts = timeouts or SourceTimeouts()
        self._changed = threading.Condition()
        self._keepers: list[threading.Thread] = []
        self._readers: list[threading.Thread] = []

        self._closing = False
        self._connection = _Connection(None)  # whose frames are delivered
        self._attempt: _Connection | None = None  # which takes over with its first frame
        self._still_places: set[str] = set()  # whose picture stays the same, also after opening anew

        self._paused = False
        self._ended = False
        self._loop = False
        self._speed = 1.0
        self._jump: float | None = None
        self._sought_seconds: float | None = None  # where a jump goes, until its first frame has come
        self._steps = 0
        self._anchor: tuple[float, float] | None = None  # (monotonic, pts_seconds) from which due times are counted

        self._stream = 0
        self._stream_began_at = 0.0
        self._number = 0
        self._pts_offset: float | None = None
        self._position_seconds = 0.0
        self._arrivals: deque[float] = deque(maxlen=600)

    # --- what others ask for ---------------------------------------------------------------------------------------

    def start(self, place: str | None) -> None:
        """Begin with a place; None tries what `find_places` gives."""
        with self._changed:
            self._switch_to(_Connection(place))
            self._keep_in_thread(self._connection)

    def open(self, place: str | None) -> None:
        """Leave the present source for another one, as soon as that one has a picture; `attempt` tells of it."""
        with self._changed:
            if self._attempt is not None:
                self._attempt.leave()
                self._attempt = None
            present, connection = self._connection, _Connection(place)
            # A device can be opened once; and where nothing runs, there is nothing to go on with.
            again = place is not None and present.place == place and self.info is not None and self.info.live
            if again or not present.delivered:
                self._switch_to(connection)
            else:
                self._attempt = connection
            self._keep_in_thread(connection)
            self._changed.notify_all()

    def try_again(self) -> None:
        """Open again, at once, what could not be opened: the other place if there is one, else the present one."""
        with self._changed:
            connection = self._attempt or self._connection
            connection.again = True
            self._changed.notify_all()

    def cancel(self) -> None:
        """Try no longer to open another place."""
        with self._changed:
            if self._attempt is not None:
                self._attempt.leave()
                self._attempt = None
            self._changed.notify_all()

    def _switch_to(self, connection: _Connection) -> None:
        """From here on this one's frames are delivered."""
        self._connection.leave()
        self._connection = connection
        self._paused = self._ended = False
        self._jump, self._sought_seconds, self._steps = None, None, 0
        self._anchor = self._pts_offset = None
        self._arrivals.clear()

    def _keep_in_thread(self, connection: _Connection) -> None:
        keeper = threading.Thread(target=self._supervise, args=(connection,), name="rtviz-source", daemon=True)
        self._keepers = [thread for thread in self._keepers if thread.is_alive()] + [keeper]
        keeper.start()

    def pause(self, paused: bool) -> None:
        """Hold the picture. A live source is drained on meanwhile; at the end of a file, going on starts anew."""
        with self._changed:
            self._paused = paused
            self._anchor = None
            if self._ended and not paused:
                self._jump = self._sought_seconds = 0.0
            self._changed.notify_all()

    def step(self, count: int) -> None:
        """Hold, and go so many frames or pages on, or back if negative. A live source only holds."""
        with self._changed:
            self._paused = True
            self._steps += count
            self._changed.notify_all()

    def seek(self, seconds: float) -> None:
        """Go on from there, of pages from the one of this number; a live source does nothing of the kind."""
        with self._changed:
            self._jump = self._sought_seconds = max(0.0, seconds)
            self._steps = 0
            self._changed.notify_all()

    def set_speed(self, speed: float) -> None:
        """Play so many times as fast, 0.25 to 4.

        Raises:
            SettingsError: the speed is beyond that.
        """
        if not 0.25 <= speed <= 4:
            raise SettingsError("speed", speed, "a number from 0.25 to 4")
        with self._changed:
            self._speed = speed
            self._anchor = None
            self._changed.notify_all()

    def set_loop(self, loop: bool) -> None:
        """Whether the end is followed by the beginning."""
        with self._changed:
            self._loop = loop
            if loop and self._ended and not self._paused and not self._is_one_picture():
                self._jump = self._sought_seconds = 0.0
            self._changed.notify_all()

    def tell_to_close(self) -> None:
        """Begin to close."""
        with self._changed:
            self._closing = True
            self._connection.leave()
            if self._attempt is not None:
                self._attempt.leave()
            self._changed.notify_all()

    @property
    def threads(self) -> list[threading.Thread]:
        """What `tell_to_close` ends. One that hangs inside a device is left behind: it is a daemon."""
        with self._changed:
            return [*self._keepers, *self._readers]

    # --- what others see -------------------------------------------------------------------------------------------

    @property
    def info(self) -> SourceInfo | None:
        """What is known of the present source."""
        opening = self._connection.opening
        return opening.info if opening is not None else None

    @property
    def place(self) -> str | None:
        """What is open, or being opened."""
        opening = self._connection.opening
        return opening.place if opening is not None else self._connection.place

    @property
    def paused(self) -> bool:
        return self._paused

    @property
    def still(self) -> bool:
        """Whether no other picture is to be expected: held, or at the end of a file."""
        return self._paused or self._ended

    @property
    def loop(self) -> bool:
        return self._loop

    @property
    def speed(self) -> float:
        return self._speed

    @property
    def position_seconds(self) -> float:
        """Where the newest frame stands in its source; while another place is sought, that place, so that who goes five
        seconds on six times in a row goes on by thirty."""
        sought = self._sought_seconds
        return self._position_seconds if sought is None else sought

    @property
    def stream_began_at(self) -> float:
        """When the present stream began, by `time.monotonic()`; long ago if it has nothing to do with what was shown
        before."""
        return self._stream_began_at

    @property
    def captured(self) -> int:
        """How many shots were delivered."""
        return self._number

    def fps(self) -> float:
        """Frames that arrived in each of the last two seconds."""
        with self._changed:
            return rate(self._arrivals)

    def state(self) -> tuple[str, str]:
        """(state, sentence): connecting, live, paused, stalled, reconnecting, ended or failed."""
        now = time.monotonic()
        with self._changed:
            connection, opening = self._connection, self._connection.opening
            failing = connection.failing()
            if failing:
                reconnecting = connection.delivered and not connection.given_up
                return "reconnecting" if reconnecting else "failed", failing
            if opening is None or not opening.frames:
                return "connecting", _opens(connection)
            name = opening.info.name if opening.info is not None else opening.place
            waiting = now - (opening.waiting_since or now)
            if waiting > self._timeouts.stalled_seconds:
                return "stalled", f"{name} has sent no picture for {waiting:.0f} s"
            if opening.same_since is not None and now - opening.same_since > self._timeouts.frozen_seconds:
                return "stalled", f"{name} has sent the very same picture for {now - opening.same_since:.0f} s"
            if self._paused:
                return "paused", ""
            if self._ended:
                return "ended", f"the end of {name}"
            if opening.black_since is not None and now - opening.black_since > self._timeouts.stalled_seconds:
                return "live", f"{name} sends black pictures: is its lens covered, or a privacy switch on?"
            if self._is_slow(opening, now):
                return "live", f"{name} sends only {self.fps():.0f} pictures a second: low light slows cameras down"
            return "live", ""

    def attempt(self) -> Attempt | None:
        """The other place that is being opened; None if there is none."""
        with self._changed:
            connection = self._attempt
            if connection is None:
                return None
            failing = connection.failing()
            seconds = time.monotonic() - connection.asked_at
            return Attempt(
                connection.place, failing or _opens(connection), bool(failing), not connection.given_up, seconds
            )

    def _is_slow(self, opening: _Opening, now: float) -> bool:
        info = opening.info
        if info is None or info.kind != "camera" or (info.fps or 30.0) < 15 or opening.first_at is None:
            return False
        return now - opening.first_at > self._timeouts.frozen_seconds and self.fps() < 8

    # --- the supervisor: which place, how long, how often ----------------------------------------------------------

    def _supervise(self, connection: _Connection) -> None:
        place = connection.place
        while not connection.over:
            try:
                self._keep(connection, (place,) if place is not None else self._find_places())
            except Exception as error:  # the edge of the thread: without it nothing would ever be opened again
                with self._changed:
                    connection.failure = SourceLost(f"{place or 'a camera'} cannot be opened: {_one_line(error)}")
                    connection.given_up = True
                    self._wait_to_try_again(connection, None)

    def _keep(self, connection: _Connection, places: Sequence[str]) -> None:
        """Open the places, the first that works for good, until nobody wants them any more."""
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
                del remaining[0]  # nobody asked for this one by name: try the next
                continue
            if not opening.frames and not alone and self._let_go_for(connection, opening.place):
                alone = True
                continue
            if opening.frames:
                # What lived a while starts again without a long pause; what dies at once is left in peace for longer.
                failures = 0 if time.monotonic() - opening.began_at > 2 * self._timeouts.stalled_seconds else failures
                start = 0.0 if opening.info is None or opening.info.live else self.position_seconds
            with self._changed:
                connection.failure = opening.error or SourceLost(f"{opening.place} has stopped")
                pauses = self._timeouts.back_off_seconds
                pause: float | None = pauses[min(failures, len(pauses) - 1)]
                if _is_hopeless(connection.failure, opening.place, connection.delivered):
                    pause = None
                    connection.given_up = True
                failures += 1
                if self._wait_to_try_again(connection, pause):
                    failures = 0

    def _wait_to_try_again(self, connection: _Connection, pause: float | None) -> bool:
        """Wait until it is due, or is asked for, which is told."""
        connection.retry_at = None if pause is None else time.monotonic() + pause
        self._changed.notify_all()
        self._changed.wait_for(lambda: connection.over or connection.again, pause)
        connection.retry_at = None
        asked, connection.again = connection.again, False
        connection.given_up = connection.given_up and not asked
        return asked

    def _waits_for_another(self, connection: _Connection) -> bool:
        """Wait as long as another camera is being tried instead; whether there was any."""
        with self._changed:
            waited = connection.waits
            self._changed.wait_for(lambda: connection.over or not connection.waits)
            return waited and not connection.over

    def _let_go_for(self, connection: _Connection, place: str) -> bool:
        """Let the camera that is running go, if another one is to be opened and could not be: one device may go by two
        names, and two may share a bus that carries one."""
        with self._changed:
            present = self._connection
            opening = present.opening
            if present is connection or opening is None or opening.info is None:
                return False
            if opening.info.kind != "camera" or not _is_camera(place):
                return False
            present.waits = opening.over = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: opening.finished, self._timeouts.lost_seconds)
            return True

    def _take_up_again(self) -> None:
        """The camera that was let go for another one may run again."""
        with self._changed:
            self._connection.waits = False
            self._changed.notify_all()

    def _open(self, connection: _Connection, place: str, start: float) -> _Opening:
        opening = _Opening(connection, place, start)
        with self._changed:
            connection.opening = opening
            if connection is self._connection:
                self._ended = False
                self._anchor = None
            reader = threading.Thread(target=self._read, args=(opening,), name="rtviz-capture", daemon=True)
            self._readers = [thread for thread in self._readers if thread.is_alive()] + [reader]
            reader.start()
        return opening

    def _watch(self, opening: _Opening) -> None:
        """Wait until the opening is over, by its own doing, by a request, or because it has been silent too long."""
        timeouts = self._timeouts
        with self._changed:
            while not (opening.finished or opening.over):
                now = time.monotonic()
                limit = timeouts.lost_seconds if opening.frames else timeouts.opening_seconds
                silent_since = opening.waiting_since
                if opening.same_since is not None and opening.place not in self._still_places:
                    frozen_for = now - opening.same_since
                    if frozen_for > timeouts.frozen_seconds + timeouts.lost_seconds:
                        self._still_places.add(opening.place)  # if it helps nothing, it is not tried again
                        opening.error = SourceLost(f"{opening.place} was frozen")
                        opening.over = True
                        return
                if silent_since is not None and now - silent_since >= limit:
                    verb = "has sent nothing" if opening.frames else "did not open"
                    opening.error = SourceLost(f"{opening.place} {verb} for {now - silent_since:.0f} s")
                    opening.over = True
                    return
                self._changed.wait(min(limit, timeouts.stalled_seconds))

    # --- the reader: owns the source -------------------------------------------------------------------------------

    def _read(self, opening: _Opening) -> None:
        try:
            if opening.start:
                source = self._open_source(opening.place, start=opening.start)
            else:
                source = self._open_source(opening.place)
            with self._changed:
                if opening.over:
                    source.close()
                    return
                opening.info = source.info
            if source.info.live:
                self._drain(opening, source)
            elif source.info.kind == "pages":
                self._leaf(opening, cast("PageSource", source))
            else:
                self._play(opening, source)
        except _Left:
            pass
        except RtvizError as error:
            opening.error = opening.error or error
        except Exception as error:  # the edge of the thread: a driver's or a library's own error
            opening.error = opening.error or SourceLost(f"{opening.place} failed: {_one_line(error)}")
        finally:
            with self._changed:
                opening.waiting_since = None
                opening.finished = True
                self._changed.notify_all()

    def _arrive(self, opening: _Opening) -> None:
        """The first frame has come: what was shown before goes now."""
        connection = opening.connection
        with self._changed:
            if opening.over:
                raise _Left
            other = connection is not self._connection
            if other:
                self._attempt = None
                self._switch_to(connection)
            first = not connection.delivered
            connection.delivered = True
            self._begin_stream()
            if first:
                self._stream_began_at = -math.inf
        if other:
            self._on_other()

    def _next(self, opening: _Opening, frames: Iterator[Frame]) -> Frame | None:
        """The next frame, with the watchdog told that the source is being waited for."""
        opening.waiting_since = time.monotonic()
        frame = next(frames, None)
        opening.waiting_since = None
        if opening.over:
            raise _Left
        return frame

    def _drain(self, opening: _Opening, source: Source) -> None:
        with source:
            frames = iter(source)
            while True:
                frame = self._next(opening, frames)
                if frame is None:
                    raise SourceLost(f"{source.info.name} has stopped sending")
                if not opening.frames:
                    self._arrive(opening)
                now = time.monotonic()
                self._look_for_trouble(opening, frame, now)
                self._follow_size(opening, frame)
                with self._changed:
                    held = self._paused
                    if self._pts_offset is None:
                        self._pts_offset = now
                    # Its own clock starts anew with every opening; this one goes on.
                    frame = replace(frame, pts_seconds=now - self._pts_offset)
                    self._jump, self._sought_seconds, self._steps = None, None, 0
                if held:
                    opening.frames += 1
                    self._arrivals.append(now)
                else:
                    self._deliver(opening, frame, now)

    def _play(self, opening: _Opening, source: Source) -> None:
        """A recorded source at its own speed, with all that can be asked of a player."""
        frames = iter(source)
        upcoming = self._next(opening, frames)
        if upcoming is None:
            source.close()
            raise SourceUnreadable(f"{source.info.name} holds no frames in the part that was asked for")
        shown: Frame | None = None
        try:
            self._arrive(opening)
            while True:
                jump, steps = self._turn(opening, upcoming, shown is None)
                if jump is not None:
                    source.close()
                    source = self._reopen(opening, jump)
                    frames = iter(source)
                    upcoming = self._next(opening, frames)
                    shown = None
                    if upcoming is None:  # beyond the end: its last frame
                        source.close()
                        source, frames = self._reopen_before(opening, jump, None, 1)
                        upcoming = self._next(opening, frames)
                elif steps < 0 and shown is not None:
                    source.close()
                    source, frames = self._reopen_before(opening, shown.pts_seconds, shown.pts_seconds, -steps)
                    shown = upcoming = self._next(opening, frames)
                    if shown is not None:
                        self._deliver(opening, shown)
                    upcoming = self._next(opening, frames)
                elif upcoming is not None:
                    for _ in range(steps - 1):
                        following = self._next(opening, frames)
                        if following is None:
                            break
                        upcoming = following
                    shown = upcoming
                    self._deliver(opening, shown)
                    upcoming = self._next(opening, frames)
        finally:
            source.close()

    def _leaf(self, opening: _Opening, source: PageSource) -> None:
        """Pictures that have nothing to do with each other: each stays until another one is asked for, or, where it is
        not held, until the slide show goes on. Each is a stream of its own, and so nothing is carried to the next."""
        with source:
            first = not opening.connection.delivered
            number = round(opening.start)
            frame = self._page(opening, source, number, 1)
            if frame is None:
                raise SourceUnreadable(f"{source.info.name} holds no picture that can be decoded")
            self._arrive(opening)
            with self._changed:
                self._paused = self._paused or first
            while True:
                if frame is not None:
                    number = frame.index
                    self._deliver(opening, frame)
                wanted = self._wanted_page(opening, number, len(source.pages))
                frame = self._page(opening, source, wanted, 1 if wanted >= number else -1)
                with self._changed:
                    if self._jump is None:
                        self._sought_seconds = None
                    if frame is None or frame.index == number:
                        frame = None
                        continue
                    self._begin_stream()
                    self._stream_began_at = -math.inf

    def _page(self, opening: _Opening, source: PageSource, number: int, direction: int) -> Frame | None:
        """The page of this number, or the next in that direction that can be read; None if there is none."""
        from rtviz.sources.pages import UNREADABLE

        while 0 <= number < len(source.pages):
            opening.waiting_since = time.monotonic()
            try:
                return source.page(number)
            except UNREADABLE as error:
                self._on_notice(f"left out: {error}")
            finally:
                opening.waiting_since = None
            if opening.over:
                raise _Left
            number += direction
        return None

    def _wanted_page(self, opening: _Opening, number: int, count: int) -> int:
        """Wait for another page to be asked for, or to be due."""
        with self._changed:
            self._anchor = None
            while True:
                if opening.over:
                    raise _Left
                if self._jump is not None:
                    wanted, self._jump = round(self._jump), None
                    return min(max(wanted, 0), count - 1)
                if self._steps:
                    wanted, self._steps = number + self._steps, 0
                    if (wanted := min(max(wanted, 0), count - 1)) != number:
                        return wanted
                    continue
                wait: float | None = None
                if not self._paused:
                    now = time.monotonic()
                    self._anchor = self._anchor or (now, float(number))
                    wait = self._anchor[0] + _SLIDE_SECONDS / self._speed - now
                    if wait <= 0:
                        if number + 1 < count or self._loop:
                            return (number + 1) % count
                        self._paused, wait = True, None
                self._changed.wait(wait)

    def _turn(self, opening: _Opening, upcoming: Frame | None, at_once: bool) -> tuple[float | None, int]:
        """Wait for what comes next: (where to jump, 0), (None, steps), or (None, 0) when the next frame is due."""
        with self._changed:
            while True:
                if opening.over:
                    raise _Left
                self._ended = upcoming is None
                if self._jump is not None:
                    jump, self._jump = self._jump, None
                    self._ended = False
                    self._begin_stream()
                    return jump, 0
                if upcoming is not None and at_once:  # before any step, which goes on from there
                    return None, 0
                if self._steps:
                    steps, self._steps = self._steps, 0
                    if steps < 0 or upcoming is not None:
                        return None, steps
                    continue
                wait: float | None = None
                if not self._paused and upcoming is not None:
                    now = time.monotonic()
                    if self._anchor is None:
                        self._anchor = (now, upcoming.pts_seconds)
                    then, pts_seconds = self._anchor
                    wait = then + (upcoming.pts_seconds - pts_seconds) / self._speed - now
                    if wait < -0.5:  # decoding cannot keep up: play slower rather than run after the clock
                        self._anchor = None
                    if wait <= 0:
                        return None, 0
                elif not self._paused and self._loop and not self._is_one_picture():
                    self._ended = False
                    self._begin_stream()
                    return 0.0, 0
                self._changed.wait(wait)

    def _reopen(self, opening: _Opening, start: float) -> Source:
        opening.waiting_since = time.monotonic()
        source = self._open_source(opening.place, start=start) if start else self._open_source(opening.place)
        with self._changed:
            self._anchor = None
            opening.waiting_since = None
        return source

    def _reopen_before(
        self, opening: _Opening, around: float, limit: float | None, count: int
    ) -> tuple[Source, Iterator[Frame]]:
        """The source anew, so many frames before the one at `limit` (before the end, if None); exact, whatever the
        timestamps are.

        Only decoding tells which frames there are: so it begins a little earlier, reads on to the limit, and begins
        earlier still if those were too few.
        """
        info = opening.info
        fps = (info.fps if info is not None else None) or 30.0
        if info is not None and info.duration_seconds is not None:
            around = min(around, info.duration_seconds)
        run_up = (count + 1) / fps + 0.5
        while True:
            start = max(0.0, around - run_up)
            source = self._reopen(opening, start)
            try:
                frames = iter(source)
                before: deque[Frame] = deque(maxlen=count)
                frame = self._next(opening, frames)
                while frame is not None and (limit is None or frame.pts_seconds < limit - 1e-6):
                    before.append(frame)
                    frame = self._next(opening, frames)
            except BaseException:
                source.close()
                raise
            if len(before) == count or start == 0.0:
                return source, chain(before, [] if frame is None else [frame], frames)
            source.close()
            run_up *= 2

    def _is_one_picture(self) -> bool:
        return self.info is not None and self.info.frame_count == 1

    def _begin_stream(self) -> None:
        self._stream += 1
        self._stream_began_at = time.monotonic()

    def _deliver(self, opening: _Opening, frame: Frame, now: float | None = None) -> None:
        now = now or time.monotonic()
        with self._changed:
            if opening.over or opening.connection is not self._connection:
                raise _Left
            opening.frames += 1
            opening.first_at = opening.first_at or now
            opening.connection.failure = None
            self._arrivals.append(now)
            self._position_seconds = frame.pts_seconds
            if self._jump is None:
                self._sought_seconds = None
            self._number += 1
            captured = CapturedFrame(frame, now, self._stream, self._number)
        self._on_frame(captured)

    def _follow_size(self, opening: _Opening, frame: Frame) -> None:
        info = opening.info
        if info is not None and info.size != frame.size:
            opening.info = replace(info, size=frame.size)
            self._on_notice(f"{info.name} now sends {frame.size[1]}x{frame.size[0]}")

    def _look_for_trouble(self, opening: _Opening, frame: Frame, now: float) -> None:
        """Black, and frozen: the very same picture, which a real sensor never sends twice."""
        if opening.info is None or opening.info.kind not in ("camera", "stream"):
            return
        sample = np.ascontiguousarray(frame.pixels[8::24, 8::24])
        same = opening.sample is not None and np.array_equal(sample, opening.sample)
        dark = sample.size > 0 and int(sample.max()) < 20
        opening.sample = sample
        opening.black_since = (opening.black_since or now) if dark else None
        opening.same_since = (opening.same_since or now) if same and not dark else None
        opening.changes += not same
        if opening.changes > 10:  # it moves after all
            self._still_places.discard(opening.place)


def rate(times: Sequence[float] | deque[float], window: float = 2.0) -> float:
    """How many a second, of things that happened at these times (monotonic), over the last seconds."""
    now = time.monotonic()
    recent = [then for then in tuple(times) if now - then <= window]
    if len(recent) < 2:
        return float(len(recent)) / window
    # From the first to now would miss half an interval at either end; between the first and the last counts exactly,
    # unless they stopped coming.
    spread = recent[-1] - recent[0]
    silence = now - recent[-1]
    interval = spread / (len(recent) - 1)
    return (len(recent) - 1) / (spread + max(0.0, silence - interval)) if spread > 0 else 0.0


def _opens(connection: _Connection) -> str:
    opening = connection.opening
    place = opening.place if opening is not None else connection.place
    return f"opening {place}" if place is not None else "looking for a camera"


def _is_hopeless(error: RtvizError, place: str, delivered: bool) -> bool:
    """Whether to open it again by itself cannot help: devices and streams may answer later, a file that is missing or
    broken will not. One that went away while it was played may lie on a disk that comes back."""
    if isinstance(error, (SettingsError, MissingDependency)):
        return True
    return not _may_mend(place) and (isinstance(error, SourceUnreadable) or not delivered)


def _may_mend(place: str) -> bool:
    """Whether it is a device or a stream, and no file (C:/clip.mp4 is one)."""
    return place.isdecimal() or (re.match(r"[a-z]{2,}:", place) is not None and not place.startswith("file:"))


def _is_camera(place: str) -> bool:
    return place.isdecimal() or place.startswith("camera:")


def _one_line(error: Any) -> str:
    text = " ".join(str(error).split())
    return f"{text or type(error).__name__}"

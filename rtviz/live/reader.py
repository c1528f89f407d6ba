"""Reads the frames of one opening of a source: drains what is live, plays what is recorded, turns pages."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, cast

from rtviz.errors import RtvizError, SourceLost, SourceUnreadable
from rtviz.frame import Frame
from rtviz.live.capture_state import CaptureState
from rtviz.live.connection import Left, Opening, OpenSource, reason

if TYPE_CHECKING:
    from rtviz.sources import Source
    from rtviz.sources.pages import PageSource


class Reader:
    """Owns the source of an opening, in the thread that calls `run`.

    Args:
        on_notice: called with one sentence for the user.
        open_source: opens a place.
    """

    def __init__(
        self, state: CaptureState, opening: Opening, on_notice: Callable[[str], None], open_source: OpenSource
    ) -> None:
        self._state = state
        self._changed = state.changed
        self._opening = opening
        self._on_notice = on_notice
        self._open_source = open_source

    def run(self) -> None:
        """Read until the opening is over; what went wrong is in its `error`."""
        opening = self._opening
        try:
            source = self._open(opening.start)
            with self._changed:
                if opening.over:
                    source.close()
                    return
                opening.info = source.info
            if source.info.live:
                self._drain(source)
            elif source.info.kind == "pages":
                self._turn_pages(cast("PageSource", source))
            else:
                self._play(source)
        except Left:
            pass
        except RtvizError as error:
            opening.error = opening.error or error
        except Exception as error:  # the edge of the thread: a driver's or a library's own error
            opening.error = opening.error or SourceLost(f"{opening.place} failed: {reason(error)}")
        finally:
            with self._changed:
                opening.waiting_since = None
                opening.finished = True
                self._changed.notify_all()

    def _open(self, start: float) -> Source:
        place = self._opening.place
        return self._open_source(place, start=start) if start else self._open_source(place)

    def _next(self, frames: Iterator[Frame]) -> Frame | None:
        """The next frame; meanwhile the watchdog knows that the source is being waited for.

        Raises:
            Left: the opening is over.
        """
        opening = self._opening
        opening.waiting_since = time.monotonic()
        frame = next(frames, None)
        opening.waiting_since = None
        if opening.over:
            raise Left
        return frame

    # --- a camera, a stream, the screen ----------------------------------------------------------------------------

    def _drain(self, source: Source) -> None:
        state, opening = self._state, self._opening
        with source:
            frames = iter(source)
            while True:
                frame = self._next(frames)
                if frame is None:
                    raise SourceLost(f"{source.info.name} has stopped sending")
                if not opening.frames:
                    state.take_over(opening)
                now = time.monotonic()
                if source.info.kind in ("camera", "stream"):
                    opening.pictures.add(frame, now)
                self._follow_size(frame)
                with self._changed:
                    held = state.playhead.paused
                    if state.pts_offset is None:
                        state.pts_offset = now
                    # Its own clock starts anew with every opening; this one goes on.
                    frame = replace(frame, pts_seconds=now - state.pts_offset)
                    state.playhead.forget_requests()
                    if held:
                        opening.frames += 1
                        state.arrivals.append(now)
                if not held:
                    state.deliver(opening, frame, now)

    def _follow_size(self, frame: Frame) -> None:
        info = self._opening.info
        if info is not None and info.size != frame.size:
            self._opening.info = replace(info, size=frame.size)
            self._on_notice(f"{info.name} now sends {frame.size[1]}x{frame.size[0]}")

    # --- a recording -----------------------------------------------------------------------------------------------

    def _play(self, source: Source) -> None:
        """A recorded source at its own speed, with a player's controls."""
        state, opening = self._state, self._opening
        frames = iter(source)
        upcoming = self._next(frames)
        if upcoming is None:
            source.close()
            raise SourceUnreadable(f"{source.info.name} holds no frames in the requested part")
        shown: Frame | None = None
        try:
            state.take_over(opening)
            while True:
                jump, steps = state.playhead.next(opening, upcoming, shown is None, state.is_one_picture())
                if jump is not None:
                    state.begin_stream()
                    source.close()
                    source = self._reopen(jump)
                    frames = iter(source)
                    upcoming = self._next(frames)
                    shown = None
                    if upcoming is None:  # beyond the end: its last frame
                        source.close()
                        source, frames = self._reopen_before(jump, None, 1)
                        upcoming = self._next(frames)
                elif steps < 0 and shown is not None:
                    source.close()
                    source, frames = self._reopen_before(shown.pts_seconds, shown.pts_seconds, -steps)
                    shown = upcoming = self._next(frames)
                    if shown is not None:
                        state.deliver(opening, shown)
                    upcoming = self._next(frames)
                elif upcoming is not None:
                    for _ in range(steps - 1):
                        following = self._next(frames)
                        if following is None:
                            break
                        upcoming = following
                    shown = upcoming
                    state.deliver(opening, shown)
                    upcoming = self._next(frames)
        finally:
            source.close()

    def _reopen(self, start: float) -> Source:
        self._opening.waiting_since = time.monotonic()
        source = self._open(start)
        with self._changed:
            self._state.playhead.restart_clock()
            self._opening.waiting_since = None
        return source

    def _reopen_before(self, around: float, limit: float | None, count: int) -> tuple[Source, Iterator[Frame]]:
        """The source anew, so many frames before the one at `limit` (before the end, if None); exact, whatever the
        timestamps are.

        Only decoding tells which frames there are: so it begins a little earlier, reads on to the limit, and begins
        earlier still if those were too few.
        """
        info = self._opening.info
        fps = (info.fps if info is not None else None) or 30.0
        if info is not None and info.duration_seconds is not None:
            around = min(around, info.duration_seconds)
        run_up = (count + 1) / fps + 0.5
        while True:
            start = max(0.0, around - run_up)
            source = self._reopen(start)
            try:
                frames = iter(source)
                before: deque[Frame] = deque(maxlen=count)
                frame = self._next(frames)
                while frame is not None and (limit is None or frame.pts_seconds < limit - 1e-6):
                    before.append(frame)
                    frame = self._next(frames)
            except BaseException:
                source.close()
                raise
            if len(before) == count or start == 0.0:
                return source, chain(before, [] if frame is None else [frame], frames)
            source.close()
            run_up *= 2

    # --- pages -----------------------------------------------------------------------------------------------------

    def _turn_pages(self, source: PageSource) -> None:
        """Pictures that have nothing in common: each stays until another one is requested, or, unless held, until the
        slide show goes on. Each is a stream of its own, so that nothing of it is used for the next."""
        state, opening = self._state, self._opening
        with source:
            first = not opening.connection.delivered
            number = round(opening.start)
            frame = self._page(source, number, 1)
            if frame is None:
                raise SourceUnreadable(f"{source.info.name} holds no picture that can be decoded")
            state.take_over(opening)
            with self._changed:
                state.playhead.paused = state.playhead.paused or first
            while True:
                if frame is not None:
                    number = frame.index
                    state.deliver(opening, frame)
                wanted = state.playhead.next_page(opening, number, len(source.pages))
                frame = self._page(source, wanted, 1 if wanted >= number else -1)
                with self._changed:
                    state.playhead.settle()
                    if frame is None or frame.index == number:
                        frame = None
                        continue
                    state.begin_stream(related=False)

    def _page(self, source: PageSource, number: int, direction: int) -> Frame | None:
        """The page of this number, or the next one in that direction that can be read; None if there is none.

        Raises:
            Left: the opening is over.
        """
        from rtviz.sources.pages import UNREADABLE

        opening = self._opening
        while 0 <= number < len(source.pages):
            opening.waiting_since = time.monotonic()
            try:
                return source.page(number)
            except UNREADABLE as error:
                self._on_notice(f"skipped: {error}")
            finally:
                opening.waiting_since = None
                for sentence in source.warnings:
                    self._on_notice(sentence)
                source.warnings.clear()
            if opening.over:
                raise Left
            number += direction
        return None


__all__ = ["Reader"]

"""The past while it is shown: what the flight recorder held when that began, and the place in it."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from rtviz.frame import Maps
from rtviz.live.flight_recorder import RecordedFrame
from rtviz.live.frames import CapturedFrame, Prediction


class Playback:
    """Plays recorded frames, with the predictions that models make of them meanwhile.

    The lock of `SharedState` guards it; only the drawing thread calls `captured` and `prediction`.

    Args:
        recorded: the frames, oldest first, at least one.
        paused: begin with the picture held.
        resume: whether the source goes on playing when the past is left, as a file that played does.
    """

    def __init__(self, recorded: tuple[RecordedFrame, ...], paused: bool, resume: bool) -> None:
        self.recorded = recorded
        self.paused = paused
        self.resume = resume
        self._predicted: dict[int, Maps] = {}  # by the number of the frame
        self._at = recorded[-1].captured_at
        self._since = time.monotonic()
        self._captured_frames: deque[CapturedFrame] = deque(maxlen=6)

    @property
    def seconds_ago(self) -> float:
        """How long before the newest recorded frame the shown one was captured."""
        return self.recorded[-1].captured_at - self._at

    def frames(self, mode: str) -> Sequence[RecordedFrame]:
        """The frames that are shown one after the other: when locked, those with maps."""
        if mode == "locked":
            return [recorded for recorded in self.recorded if recorded.maps is not None] or self.recorded
        return self.recorded

    def go_to(self, at: float) -> None:
        """Go to the frame captured at this time, or the nearest end."""
        self._at = min(max(at, self.recorded[0].captured_at), self.recorded[-1].captured_at)
        self._since = time.monotonic()

    def hold(self, paused: bool) -> None:
        """Hold the picture, or play; from the end, playing begins anew."""
        if self.paused and not paused and self._at >= self.recorded[-1].captured_at:
            self._at = self.recorded[0].captured_at
        self.paused = paused
        self._since = time.monotonic()

    def step(self, count: int, mode: str) -> None:
        """Hold, and go so many frames on, or back if negative."""
        frames = self.frames(mode)
        place = bisect_right([recorded.captured_at for recorded in frames], self._at) - 1 + count
        self.paused = True
        self._at = frames[min(max(place, 0), len(frames) - 1)].captured_at

    def now(self, mode: str, speed: float) -> tuple[RecordedFrame, float | None]:
        """(the frame to show, seconds until the next one is due); None for the seconds when nothing moves."""
        frames = self.frames(mode)
        times = [recorded.captured_at for recorded in frames]
        now = time.monotonic()
        if not self.paused:
            self._at += (now - self._since) * speed
            self._since = now
            if self._at >= self.recorded[-1].captured_at:
                self._at = self.recorded[-1].captured_at
                self.paused = True
        place = max(0, bisect_right(times, self._at) - 1)
        wait = None
        if not self.paused:
            following = times[place + 1] if place + 1 < len(times) else self.recorded[-1].captured_at
            wait = max(0.005, (following - self._at) / speed)
        return frames[place], wait

    def captured(self, recorded: RecordedFrame) -> CapturedFrame:
        """The frame, unpacked. The last few are kept, because optical flow is computed between two of them."""
        for captured in self._captured_frames:
            if captured.number == recorded.number:
                return captured
        captured = recorded.captured()
        self._captured_frames.append(captured)
        return captured

    def take_prediction(self, number: int, maps: Maps) -> None:
        """The maps of a frame from a new forward pass. Only the last such maps keep what answers any query."""
        for other, earlier in self._predicted.items():
            if earlier.rows is not None:
                self._predicted[other] = replace(earlier, rows=None)
        self._predicted[number] = maps

    def maps_of(self, number: int) -> Maps | None:
        """The newest maps of the frame of this number, if there are any."""
        recorded = next((one.maps for one in self.recorded if one.number == number), None)
        return self._predicted.get(number, recorded)

    def prediction(self, recorded: RecordedFrame, answers: Callable[[Maps], bool]) -> Prediction | None:
        """The maps of the frame itself or of the nearest one of its stream; rather of one that answers.

        Args:
            answers: whether maps answer the current settings.
        """
        place = next(place for place, other in enumerate(self.recorded) if other.number == recorded.number)
        nearest = sorted(
            range(max(0, place - 60), min(len(self.recorded), place + 60)), key=lambda other: abs(other - place)
        )
        spare: Prediction | None = None
        for other in (self.recorded[index] for index in nearest):
            maps = self._predicted.get(other.number, other.maps)
            if maps is None or other.stream != recorded.stream:
                continue
            answering = answers(maps)
            if answering or spare is None:
                captured = self.captured(other)
                if captured.frame.size != self.captured(recorded).frame.size:
                    continue
                maps = self._predicted.get(other.number) or other.prediction() or maps
                spare = Prediction(captured, maps, forward_ms=0.0)
                if answering:
                    return spare
        return spare


__all__ = ["Playback"]

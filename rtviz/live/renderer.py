"""Draws the frames of one stream with what was seen of them, whatever the settings ask that the maps do not have."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from rtviz import views
from rtviz.errors import in_words, lacks_classifier
from rtviz.frame import Frame, Maps, Result
from rtviz.live.capture import Shot
from rtviz.settings import Settings
from rtviz.views.requirements import fit

if TYPE_CHECKING:
    from rtviz.analysis.optical_flow import Carrier


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the model saw of a shot.

    Attributes:
        carry_ms: how long it took to carry it there from the shot that was looked at.
    """

    shot: Shot
    maps: Maps
    forward_ms: float
    carry_ms: float = 0.0


class Artist:
    """What is remembered between the pictures of one row of them: the colours' range, and motion."""

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._memory = views.Memory()
        self._carrier: Carrier | None = None
        self._stream = -1
        self._told: set[str] = set()

    def forget(self) -> None:
        """Begin anew with what pictures have in common."""
        self._memory.reset()

    def lay(self, shot: Shot, seen: Seen | None, settings: Settings) -> Seen | None:
        """What was seen of a shot, or, carried by optical flow to it, of another one a moment away: as much of it as
        the settings draw."""
        if seen is None or seen.shot.number == shot.number:
            return seen
        start = time.perf_counter()
        if self._carrier is None:
            from rtviz.analysis.optical_flow import Carrier

            self._carrier = Carrier()
        try:
            needs = views.needs(settings, seen.maps.discovery_features)
            maps = self._carrier.carry(seen.maps, seen.shot.frame, shot.frame, needs)
        except Exception as error:  # the edge of the thread: the frame itself can be shown always
            self._notice(f"carrying failed: {in_words(error)}")
            return None
        return Seen(shot, maps, seen.forward_ms, (time.perf_counter() - start) * 1000)

    def draw(self, shot: Shot, seen: Seen | None, settings: Settings, on: Frame | None = None) -> Result:
        """A shot with what was seen of it, or of another one a moment away.

        Args:
            on: the shot's frame at another size, to be drawn on instead of itself.
        """
        if shot.stream != self._stream:
            self._stream = shot.stream
            self.forget()
        try:
            return self._draw(on or shot.frame, self.lay(shot, seen, settings), settings)
        except Exception as error:  # the edge of the thread: the frame itself can be shown always
            self._notice(f"drawing failed: {in_words(error)}")
            frame = on or shot.frame
            return Result(frame.pixels, frame, None, settings.replace(view="none", layout="overlay"))

    def _draw(self, frame: Frame, seen: Seen | None, settings: Settings) -> Result:
        start = time.perf_counter()
        maps = seen.maps if seen is not None else None
        fitting = views.settled(frame, maps, fit(settings, maps), self._memory)
        if settings.cam == "grad" and maps is not None and maps.explained is not None and maps.explained.number is None:
            self._tell_once(f"{lacks_classifier(maps.model)}: showing {fitting.cam}")
        overlay = views.draw(frame, maps, fitting, self._memory)
        timings_ms = {
            "forward": seen.forward_ms if seen is not None else 0.0,
            "carry": seen.carry_ms if seen is not None else 0.0,
            "draw": (time.perf_counter() - start) * 1000,
        }
        return Result(overlay, frame, maps, fitting, MappingProxyType(timings_ms))

    def _tell_once(self, sentence: str) -> None:
        if sentence not in self._told:
            self._told.add(sentence)
            self._notice(sentence)


__all__ = ["Artist", "Seen"]

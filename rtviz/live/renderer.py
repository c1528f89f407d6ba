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
from rtviz.live.capture import CapturedFrame
from rtviz.settings import Settings
from rtviz.views.requirements import fit, needs

if TYPE_CHECKING:
    from rtviz.analysis.optical_flow import FlowWarper


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What the model saw of a shot.

    Attributes:
        warp_ms: how long it took to carry it there from the shot that was looked at.
    """

    captured: CapturedFrame
    maps: Maps
    forward_ms: float
    warp_ms: float = 0.0


class FrameRenderer:
    """What is remembered between the pictures of one row of them: the colours' range, and motion."""

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._memory = views.Memory()
        self._warper: FlowWarper | None = None
        self._stream = -1
        self._told: set[str] = set()

    def forget(self) -> None:
        """Begin anew with what pictures have in common."""
        self._memory.reset()

    def lay(self, captured: CapturedFrame, prediction: Prediction | None, settings: Settings) -> Prediction | None:
        """What was seen of a shot, or, carried by optical flow to it, of another one a moment away: as much of it as
        the settings draw."""
        if prediction is None or prediction.captured.number == captured.number:
            return prediction
        start = time.perf_counter()
        if self._warper is None:
            from rtviz.analysis.optical_flow import FlowWarper

            self._warper = FlowWarper()
        try:
            needed = needs(settings, prediction.maps.discovery_features)
            maps = self._warper.warp(prediction.maps, prediction.captured.frame, captured.frame, needed)
        except Exception as error:  # the edge of the thread: the frame itself can be shown always
            self._notice(f"carrying failed: {in_words(error)}")
            return None
        return Prediction(captured, maps, prediction.forward_ms, (time.perf_counter() - start) * 1000)

    def draw(
        self, captured: CapturedFrame, prediction: Prediction | None, settings: Settings, on: Frame | None = None
    ) -> Result:
        """A shot with what was seen of it, or of another one a moment away.

        Args:
            on: the shot's frame at another size, to be drawn on instead of itself.
        """
        if captured.stream != self._stream:
            self._stream = captured.stream
            self.forget()
        try:
            return self._draw(on or captured.frame, self.lay(captured, prediction, settings), settings)
        except Exception as error:  # the edge of the thread: the frame itself can be shown always
            self._notice(f"drawing failed: {in_words(error)}")
            frame = on or captured.frame
            return Result(frame.pixels, frame, None, settings.replace(view=views.FRAME, layout="overlay"))

    def _draw(self, frame: Frame, prediction: Prediction | None, settings: Settings) -> Result:
        start = time.perf_counter()
        maps = prediction.maps if prediction is not None else None
        fitting = views.resolve_head(frame, maps, fit(settings, maps), self._memory)
        if settings.cam == "grad" and maps is not None and maps.explained is not None and maps.explained.number is None:
            self._tell_once(f"{lacks_classifier(maps.model)}: showing {fitting.cam}")
        overlay = views.draw(frame, maps, fitting, self._memory)
        timings_ms = {
            "forward": prediction.forward_ms if prediction is not None else 0.0,
            "warp": prediction.warp_ms if prediction is not None else 0.0,
            "draw": (time.perf_counter() - start) * 1000,
        }
        return Result(overlay, frame, maps, fitting, MappingProxyType(timings_ms))

    def _tell_once(self, sentence: str) -> None:
        if sentence not in self._told:
            self._told.add(sentence)
            self._notice(sentence)


__all__ = ["FrameRenderer", "Prediction"]

"""Draws the frames of one stream with the newest prediction of one model, warped to each frame by optical flow."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rtviz import views
from rtviz.errors import in_words, lacks_classifier
from rtviz.frame import Frame, Result
from rtviz.live.frames import CapturedFrame, Prediction
from rtviz.settings import Settings
from rtviz.views.requirements import fit, needs

if TYPE_CHECKING:
    from rtviz.analysis.optical_flow import FlowWarper


class FrameRenderer:
    """Draws for one thread, and never raises: the frame alone can always be shown.

    It remembers between frames the range of the colours and motion, until another stream begins.

    Args:
        notice: called with one sentence for the user.
    """

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._memory = views.Memory()
        self._warper: FlowWarper | None = None
        self._stream = -1
        self._reported: set[str] = set()

    def forget(self) -> None:
        """Forget the range of the colours and what else views remember between frames."""
        self._memory.reset()

    def warp(self, captured: CapturedFrame, prediction: Prediction | None, settings: Settings) -> Prediction | None:
        """The prediction for this frame: the same one if the model ran on it, else warped from a frame of the same
        stream a moment away, as much of it as the settings draw. None if that fails."""
        if prediction is None or prediction.captured.number == captured.number:
            return prediction
        start = time.perf_counter()
        if self._warper is None:
            from rtviz.analysis.optical_flow import FlowWarper

            self._warper = FlowWarper()
        try:
            maps = prediction.maps
            needed = needs(fit(settings, maps), maps.layers, maps.discovery_features)
            maps = self._warper.warp(maps, prediction.captured.frame, captured.frame, needed)
        except Exception as error:  # the edge of the thread
            self._notice(f"optical flow failed: {in_words(error)}")
            return None
        return Prediction(captured, maps, prediction.forward_ms, (time.perf_counter() - start) * 1000)

    def draw(
        self, captured: CapturedFrame, prediction: Prediction | None, settings: Settings, on: Frame | None = None
    ) -> Result:
        """Draws a frame with a prediction for it, or for another one a moment away.

        Args:
            on: a copy of the frame at another size, to draw on instead.
        """
        if captured.stream != self._stream:
            self._stream = captured.stream
            self.forget()
        frame = on or captured.frame
        try:
            return self._draw(frame, self.warp(captured, prediction, settings), settings)
        except Exception as error:  # the edge of the thread
            self._notice(f"drawing failed: {in_words(error)}")
            return Result(frame.pixels, frame, None, settings.replace(view=views.FRAME, layout="overlay"))

    def _draw(self, frame: Frame, prediction: Prediction | None, settings: Settings) -> Result:
        from rtviz.engine.drawing import draw  # the window opens before it is loaded

        maps, timings_ms = None, {"forward": 0.0, "warp": 0.0}
        if prediction is not None:
            maps, timings_ms = prediction.maps, {"forward": prediction.forward_ms, "warp": prediction.warp_ms}
        result = draw(frame, maps, settings, self._memory, substitute=True, timings_ms=timings_ms)
        if settings.cam == "grad" and maps is not None and maps.explained is not None and maps.explained.number is None:
            self._notice_once(f"{lacks_classifier(maps.model)}: showing {result.settings.cam}")
        return result

    def _notice_once(self, sentence: str) -> None:
        if sentence not in self._reported:
            self._reported.add(sentence)
            self._notice(sentence)


__all__ = ["FrameRenderer"]

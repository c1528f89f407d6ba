"""The drawing thread: draws what the canvas and a recording show, of the present or of the past."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from rtviz.live.capture import Capture
from rtviz.live.frames import CapturedFrame, DrawnFrame, Prediction
from rtviz.live.model_slot import ModelSlot
from rtviz.live.panes import ModelPart, draw_models
from rtviz.live.playback import Playback
from rtviz.live.shared import SharedState
from rtviz.settings import Settings

# How long the last picture stays after a jump, while the first attention of the new stream is on its way.
_HOLD_SECONDS = 0.5


class _Step(NamedTuple):
    """One picture.

    Attributes:
        drawn: None if the one before stays.
        number: of the frame.
        wake_at: when the next one is due by itself, by `time.monotonic()`.
    """

    drawn: DrawnFrame | None
    number: int
    wake_at: float | None


class Presenter:
    """Draws whenever something has changed that shows."""

    def __init__(self, shared: SharedState, capture: Capture) -> None:
        self._shared = shared
        self._capture = capture

    def run(self) -> None:
        """Draw until the session closes."""
        shared = self._shared
        last_number = -1
        wake_at: float | None = None
        while True:
            with shared.changed:
                timeout = None if wake_at is None else max(0.0, wake_at - time.monotonic())
                shared.changed.wait_for(lambda: shared.closing or shared.redraw_wanted, timeout)
                if shared.closing:
                    return
                shared.redraw_wanted = False
                playback = shared.playback
                if shared.refit_wanted:
                    shared.refit_wanted = False
                    for slot in shared.slots:
                        slot.renderer.forget()
            drawn, number, wake_at = self._present() if playback is None else self._past(playback)
            if drawn is not None:
                self._hand_over(drawn, redrawn=number == last_number)
                last_number = number

    def _hand_over(self, drawn: DrawnFrame, redrawn: bool) -> None:
        shared = self._shared
        with shared.changed:
            shared.drawn_frames += not redrawn and not drawn.playback
            shared.drawn = drawn
            shared.recently_drawn.append(drawn)
            at = time.monotonic() if redrawn or drawn.playback else drawn.captured_at
            if shared.recording is not None:
                shared.recording.put(drawn.result, at)
            if shared.broadcast is not None:
                shared.broadcast.put(drawn.result, at)
            shared.changed.notify_all()

    def _present(self) -> _Step:
        shared = self._shared
        with shared.changed:
            captured, settings, mode, before = shared.captured, shared.requested(), shared.mode, shared.drawn
            if captured is None:
                return _Step(None, -1, None)
            slots = list(shared.slots)
            prediction, runs = slots[0].prediction_for(captured), slots[0].runs
        if prediction is None and runs and before is not None and before.result.maps is not None:
            # After a jump the last picture stays a moment, so that attention does not go out and on again.
            hold_until = self._capture.stream_began_at + _HOLD_SECONDS
            if time.monotonic() < hold_until:
                return _Step(None, -1, hold_until)
        if prediction is not None:
            prediction = self._ask(slots[0], prediction, settings)
            if mode == "locked":
                captured = prediction.captured
        return self._draw(captured, prediction, settings, slots)

    def _past(self, playback: Playback) -> _Step:
        shared = self._shared
        with shared.changed:
            requested, settings, mode = shared.settings, shared.requested(), shared.mode
            recorded, wait = playback.now(mode, self._capture.speed)
            slots = list(shared.slots)
        captured = playback.captured(recorded)
        prediction = playback.prediction(recorded, lambda maps: slots[0].answers_recorded(maps, requested))
        with shared.changed:
            if shared.playback is playback and any(shared.wants(slot, captured) for slot in slots):
                shared.to_predict.put(captured)
        if prediction is not None and mode == "locked" and prediction.captured.number != recorded.number:
            prediction = None
        if prediction is not None:
            prediction = slots[0].ask(prediction, settings)
        step = self._draw(captured, prediction, settings, slots, playback=True)
        return step._replace(wake_at=None if wait is None else time.monotonic() + wait)

    def _draw(
        self,
        captured: CapturedFrame,
        prediction: Prediction | None,
        settings: Settings,
        slots: Sequence[ModelSlot],
        playback: bool = False,
    ) -> _Step:
        """Draws a frame with a prediction of the first model and the newest one of each other."""
        shared = self._shared
        with shared.changed:
            predictions = [prediction, *(slot.prediction_for(captured) for slot in slots[1:])]
            statuses = [slot.status() for slot in slots]
            focus, screen, recorder = shared.focus, shared.screen, shared.recording
        recording = recorder is not None
        if recorder is not None:
            screen = recorder.screen
        if recording:  # what is measured of the moment is not for those who see the video
            statuses = [replace(status, attention_fps=0.0) for status in statuses]
        models = [
            ModelPart(status, slot.renderer, None if one is None else self._ask(slot, one, settings))
            for slot, status, one in zip(slots, statuses, predictions, strict=True)
        ]
        result = draw_models(
            captured, settings, models, focus=focus, marked=not recording, screen=screen, still=self._capture.still
        )
        predicted_at = prediction.captured.captured_at if prediction is not None else None
        return _Step(DrawnFrame(result, captured.captured_at, predicted_at, playback), captured.number, None)

    def _ask(self, slot: ModelSlot, prediction: Prediction, settings: Settings) -> Prediction:
        """The prediction for the query, references and prompts of the settings, from the same forward pass."""
        answered = slot.ask(prediction, settings)
        if answered is not prediction:
            self._shared.replace_prediction(slot, prediction, answered)
        return answered


__all__ = ["Presenter"]

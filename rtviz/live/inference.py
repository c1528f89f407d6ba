"""The inference thread: runs the models on the newest frame, in turns."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection
from typing import TYPE_CHECKING

from rtviz.live.flight_recorder import FlightRecorder
from rtviz.live.frames import CapturedFrame, Prediction
from rtviz.live.model_slot import ModelSlot
from rtviz.live.shared import SharedState
from rtviz.settings import Settings

if TYPE_CHECKING:
    from rtviz.analysis.tracking import Tracker


class Turns:
    """A lock that threads get in the order of their requests.

    A plain one goes to the quickest, the thread that has just let go of it: an export would stop the live picture.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()

    @property
    def waiting(self) -> int:
        """How many threads have it or wait for it."""
        return len(self._queue)

    def __enter__(self) -> None:
        own = object()
        with self._changed:
            self._queue.append(own)
            self._changed.wait_for(lambda: self._queue[0] is own)

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._queue.popleft()
            self._changed.notify_all()


class Inference:
    """Runs models, one at a time.

    Args:
        recorder: holds the predictions of the first model.
    """

    def __init__(self, shared: SharedState, recorder: FlightRecorder) -> None:
        self._shared = shared
        self._recorder = recorder
        self._turn = 0
        self._running = Turns()  # the export of the past runs models too

    def run(self) -> None:
        """Predict until the session closes."""
        shared = self._shared
        while True:
            with shared.changed:
                shared.changed.wait_for(lambda: shared.closing or any(slot.engine for slot in shared.slots))
                waits = [slot.seconds_to_retry() for slot in shared.slots]
            captured = shared.to_predict.take(min((wait for wait in waits if wait is not None), default=None))
            with shared.changed:
                if shared.closing:
                    return
                if captured is None:
                    self._retry()
                    continue
                slot = self._next(captured)
                requested, settings = shared.settings, shared.requested()
                shared.predicting = captured if slot is not None else None
            if slot is not None:
                self._step(slot, captured, requested, settings)

    def predict(
        self,
        slot: ModelSlot,
        captured: CapturedFrame,
        settings: Settings,
        features: Collection[str] = ("rows",),
        tracker: Tracker | None = None,
    ) -> Prediction:
        """Run a model on a frame, when no other thread runs one; as `ModelSlot.predict`."""
        with self._running:
            return slot.predict(captured, settings, features, tracker)

    def _step(self, slot: ModelSlot, captured: CapturedFrame, requested: Settings, settings: Settings) -> None:
        shared = self._shared
        try:
            prediction = self.predict(slot, captured, settings)
        except Exception as error:  # the edge of the thread: the status says it, and the model is tried again
            with shared.changed:
                shared.predicting = None
                slot.note_failure(error, requested)
                shared.predict_again_if_needed()  # by the others
                shared.redraw()
            return
        with shared.changed:
            shared.predicting = None
            recovered = slot.note_success()
            if shared.take_prediction(slot, prediction, recovered):
                self._recorder.add(prediction.captured, prediction.maps)
            shared.changed.notify_all()

    def _next(self, captured: CapturedFrame) -> ModelSlot | None:
        """The model that runs on a frame: they take turns, so that each predicts as many."""
        slots = self._shared.slots
        for _ in slots:
            self._turn = (self._turn + 1) % len(slots)
            if self._shared.wants(slots[self._turn], captured):
                return slots[self._turn]
        return None

    def _retry(self) -> None:
        """The wait of a model that has failed is over: have it run again, on the past by way of drawing it."""
        for slot in self._shared.slots:
            slot.seconds_to_retry()
        self._shared.predict_again_if_needed()
        if self._shared.playback is not None:
            self._shared.redraw()


__all__ = ["Inference"]

"""The state that the threads of a live session share, under one lock, with its transitions."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from rtviz import views
from rtviz.analysis.head_stats import HeadStatsTracker
from rtviz.frame import Maps
from rtviz.live.frames import CapturedFrame, DrawnFrame, Prediction
from rtviz.live.mailbox import LatestSlot
from rtviz.live.model_slot import ModelSlot
from rtviz.live.paint_log import PaintLog
from rtviz.settings import MODEL_FIELDS, Point, Settings

if TYPE_CHECKING:
    from rtviz.engine import Engine
    from rtviz.errors import RtvizError
    from rtviz.live.broadcast import Broadcast
    from rtviz.live.playback import Playback
    from rtviz.live.video_recorder import VideoRecorder

# A forward pass as short as this is waited for before a frame is drawn.
_AT_ONCE_MS = 12.0
# A frame is drawn again with its own attention if the next one, which would bring it, is late by so much.
_LATE_SECONDS = 0.05


class SharedState:
    """What the capture, loading, inference and drawing threads of one session share with its callers.

    Whoever writes a field, or reads several that belong together, holds `changed`, a condition over a re-entrant lock,
    and notifies it after a change that another thread waits for; the methods here do so themselves. What the fields
    hold is never changed in place, but for the slots, the playback and the log of paints, which this lock guards too.
    A thread that holds this lock may take those of the mailbox, capture, the flight recorder and a video recorder; one
    that holds any of these never takes this one.

    Attributes:
        settings, mode, pointer, true_patches, focus, screen: what callers requested last; written by callers alone,
            but that capture removes the marks of a source that is gone from the settings.
        closing: the session ends; written by `LiveSession.close`.
        slots: the models, the first one first; the list is replaced by `request`, a slot's fields are written as
            `ModelSlot` says.
        captured: the newest frame; written by capture.
        to_predict: frames for inference, with a lock of its own; capture puts them, and whoever needs another
            prediction offers one.
        predicting: the frame of the forward pass that runs; written by inference.
        redraw_wanted, refit_wanted: set by anyone, cleared by drawing.
        drawn, recently_drawn, drawn_frames: the newest picture, the last few, and how many frames were drawn; written
            by drawing.
        playback: the past while it is shown; written by callers, and capture ends it with its source.
        recording, finishing: the video that is written, and those that end; written by callers, and by a recorder when
            it ends.
        broadcast: the live output, if there is one; written by callers.
        paints: what the canvas has painted; written by callers.
        notices: the last sentences for the user; appended by anyone.
        head_stats: of the model in focus; used by `status`, and replaced by capture with another page.
    """

    def __init__(self, settings: Settings, mode: str) -> None:
        self.changed = threading.Condition()
        self.settings = settings
        self.mode = mode
        self.pointer: Point | None = None
        self.true_patches = False
        self.focus = 0
        self.screen: tuple[int, int] | None = None
        self.closing = False

        self.slots = [ModelSlot(one, pane, self.note) for pane, one in enumerate(settings.per_model())]
        self.captured: CapturedFrame | None = None
        self.to_predict: LatestSlot[CapturedFrame] = LatestSlot()
        self.predicting: CapturedFrame | None = None

        self.redraw_wanted = False
        self.refit_wanted = False
        self.drawn: DrawnFrame | None = None
        self.recently_drawn: deque[DrawnFrame] = deque(maxlen=4)
        self.drawn_frames = 0

        self.playback: Playback | None = None
        self.recording: VideoRecorder | None = None
        self.broadcast: Broadcast | None = None
        self.finishing: list[VideoRecorder] = []
        self.paints = PaintLog()
        self.notices: deque[str] = deque(maxlen=20)
        self.head_stats = HeadStatsTracker()

    @property
    def first(self) -> ModelSlot:
        """The first model, whose predictions the flight recorder holds."""
        return self.slots[0]

    def redraw(self) -> None:
        """Have a picture drawn."""
        with self.changed:
            self.redraw_wanted = True
            self.changed.notify_all()

    def note(self, sentence: str) -> None:
        """Give the user a notice; one that repeats the last is dropped."""
        with self.changed:
            if not self.notices or self.notices[-1] != sentence:
                self.notices.append(sentence)

    # --- requests --------------------------------------------------------------------------------------------------

    def request(self, settings: Settings) -> None:
        """Show these settings: models that are loaded stay, others are loaded, the rest go."""
        with self.changed:
            before, self.settings = self.settings, settings
            first, *others = settings.per_model()
            if any(getattr(before, name) != getattr(settings, name) for name in MODEL_FIELDS):
                self.first.request(first)
            known = self.slots[1:]
            self.slots = self.slots[:1]
            for pane, wanted in enumerate(others, 1):
                slot = next((one for one in known if one.is_for(wanted)), None)
                if slot is None:
                    slot = ModelSlot(wanted, pane, self.note)
                else:
                    known.remove(slot)
                slot.pane = pane
                self.slots.append(slot)
            for slot in known:
                slot.gone = True
            self.focus = min(self.focus, len(self.slots) - 1)
            self.predict_again_if_needed()
            self.redraw()

    def requested(self) -> Settings:
        """The settings, with the pointer's patch as the query of a view that follows it where they name no other; on a
        canvas that enlarges patches much, with these in one colour each, but not in what is recorded or sent."""
        settings, pointer = self.settings, self.pointer
        if self.true_patches and settings.upsampling == "smooth" and self.recording is None and self.broadcast is None:
            settings = settings.replace(upsampling="nearest")
        if pointer is None or settings.query != "cls" or not views.find(settings.view).follows_pointer:
            return settings
        return settings.replace(query=pointer)

    # --- capture ---------------------------------------------------------------------------------------------------

    def take_frame(self, captured: CapturedFrame) -> bool:
        """The newest frame of the source; returns whether it belongs into the flight recorder: not while the past is
        shown."""
        with self.changed:
            if self.captured is not None and captured.number < self.captured.number:
                return False  # the last one of a source that another has replaced meanwhile
            if self._turns_page(captured):
                self.forget_marks()
                for slot in self.slots:
                    slot.prediction = None
                self.head_stats = HeadStatsTracker()
            self.captured = captured
            if self.playback is not None:
                return False
            if not self._prediction_will_redraw():
                self.redraw()
            self.to_predict.put(captured)
            return True

    def forget_marks(self) -> None:
        """Objects marked in one picture mean nothing in another."""
        with self.changed:
            if self.settings.track:
                self.settings = self.settings.replace(track=())

    def _turns_page(self, captured: CapturedFrame) -> bool:
        """Whether a frame and the newest one are different pages."""
        return captured.is_page and self.captured is not None and self.captured.stream != captured.stream

    def _prediction_will_redraw(self) -> bool:
        """Whether a frame that just came need not be drawn before the first model has run on it: when locked, or when
        the model is so fast that the frame would only be drawn twice."""
        captured, prediction = self.captured, self.first.prediction
        if not self.first.runs or prediction is None or captured is None:
            return False
        if captured.stream != prediction.captured.stream:
            return False  # a slow model must not keep the old source's picture on screen
        if self.mode == "locked":
            return True
        # Several models take turns: the first one's may be a while away.
        return len(self.slots) == 1 and self.predicting is None and prediction.forward_ms < _AT_ONCE_MS

    # --- inference -------------------------------------------------------------------------------------------------

    def wants(self, slot: ModelSlot, captured: CapturedFrame) -> bool:
        """Whether a model should run on a frame, of the present or of the past that is shown."""
        if self.playback is not None and slot is self.first:
            maps = self.playback.maps_of(captured.number)
            return slot.can_try(self.settings) and (maps is None or not slot.answers_recorded(maps, self.settings))
        return slot.wants(captured, self.settings)

    def predict_again_if_needed(self) -> None:
        """Have the models run on the newest frame once more where their predictions do not answer the settings."""
        with self.changed:
            captured = self.captured
            if captured is None or self.playback is not None or captured is self.predicting:
                return
            if any(slot.wants(captured, self.settings) for slot in self.slots):
                self.to_predict.offer(captured)

    def take_prediction(self, slot: ModelSlot, prediction: Prediction, recovered: bool) -> bool:
        """The newest prediction of a model.

        Args:
            recovered: the forward passes before have failed.

        Returns:
            Whether it belongs into the flight recorder.
        """
        with self.changed:
            if self.playback is not None and slot is self.first:
                self.playback.take_prediction(prediction.captured.number, prediction.maps)
                self.redraw()
                return False
            before, captured = slot.prediction, self.captured
            if self.playback is None and before is not None and prediction.captured.number < before.captured.number:
                return False  # of the past, which is not shown any more
            if self._turns_page(prediction.captured):
                return False  # of the page before
            slot.prediction = prediction
            # When every frame is shown, the next one brings it, unless it is late or the request has changed.
            if (
                self.mode == "locked"
                or self.playback is not None
                or recovered
                or before is None
                or (before.maps.query != prediction.maps.query and prediction.maps.rows is None)
                or captured is None
                or captured is prediction.captured
                or time.monotonic() - captured.captured_at > _LATE_SECONDS
            ):
                self.redraw()
            self.predict_again_if_needed()
            return slot is self.first

    def replace_prediction(self, slot: ModelSlot, before: Prediction, after: Prediction) -> None:
        """Keep the answer to another query, unless there is a newer prediction."""
        with self.changed:
            if slot.prediction is before:
                slot.prediction = after

    # --- loading ---------------------------------------------------------------------------------------------------

    def waiting(self) -> ModelSlot | None:
        """The next model to load."""
        return next((slot for slot in self.slots if slot.state == "waiting"), None)

    def take_engine(
        self, slot: ModelSlot, engine: Engine, weights: str | None, sentence: str, error: RtvizError | None
    ) -> None:
        """A model has been loaded: it takes over the marked objects from the others, if any model has run."""
        with self.changed:
            marked = self._marked()
            if marked is not None or any(other.predictions for other in self.slots):
                engine.take_over_tracks(self.settings, marked)
            slot.take(engine, weights, sentence, error)
            self.predict_again_if_needed()
            self.redraw()

    def _marked(self) -> Maps | None:
        """The newest maps of a model that follows the marked objects, the first one's before the others'."""
        predictions = (slot.prediction for slot in self.slots)
        return next((one.maps for one in predictions if one is not None and one.maps.labels is not None), None)


__all__ = ["SharedState"]

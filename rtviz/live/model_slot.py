"""One more model on a live stream: it takes its turn to look, and has a picture of its own."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rtviz.errors import RtvizError, WeightsMissing, in_words
from rtviz.live.capture import CapturedFrame, rate
from rtviz.live.renderer import FrameRenderer, Prediction
from rtviz.settings import MODEL_FIELDS, Query, Settings
from rtviz.views.requirements import answers, having

if TYPE_CHECKING:
    from rtviz.engine.engine import Engine
    from rtviz.models import Model


@dataclass(frozen=True, slots=True)
class PaneStatus:
    """What a model in a pane of its own does at this moment.

    Attributes:
        name: of the model, as far as it is known.
        state: waiting, loading, ready or failed.
        sentence: why it failed, or what is being fetched; empty otherwise.
        attention_fps: frames a second that it has looked at.
        missing: whether it failed because its weights are not here.
    """

    name: str
    state: str
    sentence: str
    attention_fps: float
    missing: bool = False

    @property
    def explanation(self) -> str:
        """Why it does not look, and what to do, as briefly as a pane has room for."""
        if self.missing:
            return f"the weights of {self.name} are not here: `rtviz models pull {self.name}` fetches them"
        return self.sentence


class ModelSlot:
    """A model beside the session's own. The session's threads call it: one loads, one looks, one draws.

    Args:
        settings: which model, where and how it runs.
        notice: one sentence that the user must see.

    Attributes:
        state: waiting (to be loaded), loading, ready or failed.
        sentence: why it failed, or what is being fetched.
        pane: where it stands beside the session's own, from 1.
        gone: nobody wants it any more.
        missing: its weights are not here.
        engine: which looks; None until it is ready.
        prediction: what it saw last.
        renderer: who draws it.
    """

    def __init__(self, settings: Settings, notice: Callable[[str], None]) -> None:
        self.settings = settings
        self.state, self.sentence = "waiting", ""
        self.pane = 1
        self.gone = False
        self.missing = False
        self.engine: Engine | None = None
        self.prediction: Prediction | None = None
        self.renderer = FrameRenderer(notice)
        self._notice = notice
        self._predicted: deque[float] = deque(maxlen=600)

    @property
    def model(self) -> Model | None:
        return self.engine.model if self.engine is not None else None

    @property
    def name(self) -> str:
        """The model's name, or what it is called by as long as it is not here."""
        return self.model.name if self.model is not None else self.settings.model or "the model that is here"

    def status(self) -> PaneStatus:
        return PaneStatus(self.name, self.state, self.sentence, rate(self._predicted), self.missing)

    def is_for(self, settings: Settings) -> bool:
        """Whether these settings mean the same model, in the same place and number format."""
        return all(getattr(self.settings, name) == getattr(settings, name) for name in MODEL_FIELDS)

    def begin(self, engine: Engine) -> None:
        """It is loaded."""
        self.engine = engine
        self.state, self.sentence = "ready", ""
        if engine.model is not None:
            engine.model.compile_soon()
            if engine.model.notice:
                self._notice(engine.model.notice)

    def fail(self, error: BaseException) -> None:
        """It cannot be had, or cannot look."""
        self.state, self.sentence = "failed", in_words(error)
        self.missing = isinstance(error, WeightsMissing)
        self._notice(self.sentence)

    def wants(self, captured: CapturedFrame, settings: Settings) -> bool:
        """Whether it would see something in this shot that it has not seen yet."""
        if self.state != "ready":
            return False
        prediction = self.prediction
        return (
            prediction is None
            or prediction.captured.number != captured.number
            or not answers(prediction.maps, self.model, self._own(settings), captured.frame.size)
        )

    def _own(self, settings: Settings) -> Settings:
        """The session's settings with the heads that are muted in this one's pane."""
        return settings.replace(mute=settings.muted_in(self.pane)) if settings.mute else settings

    def predict(self, captured: CapturedFrame, settings: Settings) -> None:
        """Look at a shot; a failure is told, and ends it."""
        try:
            self.prediction = self.predict_frame(captured, settings)
        except Exception as error:  # the edge of the thread: the other models go on
            self.fail(error)
            return
        self._predicted.append(time.monotonic())

    def predict_frame(self, captured: CapturedFrame, settings: Settings) -> Prediction:
        """What it sees in a shot.

        Raises:
            DeviceFailed, AttentionCaptureError, SettingsError: as the engine does.
        """
        assert self.engine is not None
        start = time.monotonic()
        settings = having(self._own(settings), self.model)
        maps = self.engine.predict([captured.frame], settings, {"rows"})[0]
        maps = self.engine.follow(captured.frame, maps, settings)
        while self.engine.notices:
            self._notice(self.engine.notices.pop(0))
        return Prediction(captured, maps, (time.monotonic() - start) * 1000)

    def prediction_for(self, captured: CapturedFrame, query: Query) -> Prediction | None:
        """What it saw last, if that can be laid on this shot; for this query."""
        prediction = self.prediction
        if (
            prediction is None
            or prediction.captured.stream != captured.stream
            or prediction.captured.frame.size != captured.frame.size
        ):
            return None
        if prediction.maps.query != query and prediction.maps.rows is not None:
            try:
                asked = replace(prediction, maps=prediction.maps.ask(query))
            except RtvizError:  # no place for this model to look from: the last answer stays
                return prediction
            if self.prediction is prediction:
                self.prediction = asked
            return asked
        return prediction


__all__ = ["ModelSlot", "PaneStatus"]

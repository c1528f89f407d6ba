"""One model of a live session: how it is loaded, when it runs, what it predicted last."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rtviz.errors import RtvizError, WeightsMissing, in_words
from rtviz.live.frames import CapturedFrame, Prediction
from rtviz.live.rate import rate
from rtviz.live.renderer import FrameRenderer
from rtviz.settings import MODEL_FIELDS, Settings
from rtviz.views import requirements
from rtviz.views.requirements import answers, has_features, having

if TYPE_CHECKING:
    from rtviz.analysis.tracking import Tracker
    from rtviz.engine import Engine
    from rtviz.frame import Maps
    from rtviz.models import Model

# Seconds until a model that has failed runs again: doubled with each failure in a row, until the last.
_FIRST_RETRY, _LAST_RETRY = 0.5, 8.0


@dataclass(frozen=True, slots=True)
class PaneStatus:
    """State of the model of one pane.

    Attributes:
        name: of the model, as far as it is known.
        state: waiting, loading, ready or failed; none after its loading was cancelled.
        sentence: why it failed, or what is being downloaded; empty otherwise.
        attention_fps: frames a second that it predicts.
        missing: whether it failed because its weights are not on this machine.
    """

    name: str
    state: str
    sentence: str
    attention_fps: float
    missing: bool = False

    @property
    def explanation(self) -> str:
        """Why the pane has no attention and what to do, as briefly as a pane has room for."""
        if self.missing:
            return f"the weights of {self.name} are not on this machine: the model menu fetches them"
        return self.sentence


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the status says of a model; unlike a model, it holds no memory."""

    name: str
    device: str
    precision: str
    layers: int
    heads: int
    patch_size: int

    @staticmethod
    def of(model: Model) -> ModelFacts:
        """Of this model."""
        return ModelFacts(model.name, model.device, model.runs_in, model.layers, model.heads, model.patch_size)


class ModelSlot:
    """A model that the session runs; the first is one like the others.

    Its fields are guarded by the lock of `SharedState`. The loader writes `state`, `sentence`, `error`, `progress` and
    `engine`; inference writes `prediction`, `failure` and the time of the next try; the session calls `request` and
    `cancel`.

    Args:
        settings: which model, and where and how it runs.
        pane: its number, 0 for the first model.
        notice: called with one sentence for the user.

    Attributes:
        state: waiting (to be loaded), loading, ready, failed, or none: nothing is loaded and nothing requested. A new
            request does not end an engine that runs: it goes on until the new one is loaded.
        sentence: why loading failed, or what is being downloaded; also why another model or device took its place.
        error: the exception behind `sentence`, if a user can act on it.
        progress: (bytes done, bytes in total or None) of a download.
        requests: counts the requests: the loader drops what it loaded for an earlier one.
        gone: the settings no longer name this model.
        engine: runs the model; None until one is loaded.
        weights: the file that this model was loaded from, if the settings named one.
        prediction: the newest.
        predictions: how many there were.
        failure: why the last forward pass failed; empty once one succeeds. It is tried again by itself.
        renderer: draws this model's pictures; used by the thread that draws alone.
    """

    def __init__(self, settings: Settings, pane: int, notice: Callable[[str], None]) -> None:
        self.settings = settings
        self.pane = pane
        self.state, self.sentence = "waiting", ""
        self.error: RtvizError | None = None
        self.progress: tuple[int, int | None] | None = None
        self.requests = 0
        self.gone = False
        self.engine: Engine | None = None
        self.weights: str | None = None
        self.prediction: Prediction | None = None
        self.predictions = 0
        self.failure = ""
        self.renderer = FrameRenderer(notice)
        self._notice = notice
        # Of the model that made the newest prediction, until this one makes one.
        self._replaced: ModelFacts | None = None
        self._predicted_at: deque[float] = deque(maxlen=600)
        self._retry_at: float | None = None
        self._retry_seconds = 0.0
        self._failed_with: Settings | None = None
        self._refused = ""

    @property
    def model(self) -> Model | None:
        """The model that runs, if one does."""
        return self.engine.model if self.engine is not None else None

    @property
    def shown(self) -> ModelFacts | None:
        """Facts of the model that made the newest prediction, which is on screen: while another has only just taken its
        place, still the one before. Without a prediction, of the model that runs."""
        if self._replaced is not None and self.prediction is not None and self.runs:
            return self._replaced
        return None if self.model is None else ModelFacts.of(self.model)

    @property
    def name(self) -> str:
        """Name of the model that runs; of the requested one while none does."""
        return self.model.name if self.model is not None else self.settings.model or "the model that is here"

    @property
    def runs(self) -> bool:
        """Whether a model is loaded, and its last forward pass did not fail."""
        return self.engine is not None and not self.failure

    @property
    def attention_fps(self) -> float:
        """Frames a second that it predicts."""
        return rate(self._predicted_at)

    def status(self) -> PaneStatus:
        """Its state as one pane of several shows it: a model that runs is ready, whatever is being loaded instead."""
        state, sentence, missing = self.state, self.sentence, isinstance(self.error, WeightsMissing)
        if self.progress is not None and self.progress[1]:
            sentence += f" {100 * self.progress[0] / self.progress[1]:.0f} %"
        if self.engine is not None:
            state, sentence, missing = ("failed", self.failure, False) if self.failure else ("ready", "", False)
        return PaneStatus(self.name, state, sentence, self.attention_fps, missing)

    # --- loading ---------------------------------------------------------------------------------------------------

    def is_for(self, settings: Settings) -> bool:
        """Whether these settings mean the same model, on the same device, in the same number format."""
        return all(getattr(self.settings, name) == getattr(settings, name) for name in MODEL_FIELDS)

    def request(self, settings: Settings) -> None:
        """Have the model of these settings loaded, instead of any that is being loaded."""
        self.settings = settings
        self.requests += 1
        self._say("waiting")

    def cancel(self) -> None:
        """End a download or a load that is under way; the model before goes on."""
        if self.state in ("waiting", "loading"):
            self.requests += 1
            self._say("ready" if self.engine is not None else "none", "loading was cancelled")

    def begin_loading(self) -> int:
        """The loader has taken the request: returns its number."""
        self._say("loading")
        return self.requests

    def interrupt(self) -> None:
        """Another model is loaded first."""
        self._say("waiting")

    def take(
        self, engine: Engine, weights: str | None = None, sentence: str = "", error: RtvizError | None = None
    ) -> None:
        """Run this engine from now on.

        Args:
            weights: the file that its model was loaded from, if a file was named.
            sentence, error: why it is not quite what was requested.
        """
        self._replaced = self.shown
        self.engine, self.weights = engine, weights
        self.failure, self._retry_at, self._retry_seconds = "", None, 0.0
        self._say("ready", sentence, error)
        if engine.model is not None:
            engine.model.compile_soon()
            if engine.model.notice:
                self._notice(engine.model.notice)
        if sentence:
            self._notice(sentence)

    def fail_to_load(self, sentence: str, error: RtvizError | None) -> None:
        """No model could be loaded; one that runs goes on."""
        self._say("failed", sentence, error)
        self._notice_beside(sentence)

    def _say(self, state: str, sentence: str = "", error: RtvizError | None = None) -> None:
        self.state, self.sentence, self.error, self.progress = state, sentence, error, None

    def _notice_beside(self, sentence: str) -> None:
        """Troubles of the first model are in the status of the session; those of another one need a notice."""
        if self.pane:
            self._notice(sentence)

    # --- inference -------------------------------------------------------------------------------------------------

    def wants(self, captured: CapturedFrame, settings: Settings) -> bool:
        """Whether it should run on this frame: it can, and its newest prediction does not answer the settings."""
        prediction = self.prediction
        return self.can_try(settings) and (
            prediction is None
            or prediction.captured.number != captured.number
            or not answers(prediction.maps, self.model, self._own(settings), captured.frame.size)
        )

    def can_try(self, settings: Settings) -> bool:
        """Whether a model is loaded that has not failed a moment ago; other settings may be what it takes."""
        return self.engine is not None and (self._retry_at is None or settings is not self._failed_with)

    def answers_recorded(self, maps: Maps, settings: Settings) -> bool:
        """Whether maps of the past, of any resolution, show what the settings ask of this model."""
        maps = self.refer(maps, settings)
        if self.model is None or maps.model != self.model.name:
            return False
        answered = maps.rows is not None or maps.query == requirements.query(settings, self.model)
        return answered and has_features(maps, settings)

    def refer(self, maps: Maps, settings: Settings) -> Maps:
        """Maps of an earlier pass with the references and prompts of the settings, as `Engine.refer`."""
        engine = self.engine
        return maps if engine is None else engine.refer(maps, settings)

    def _own(self, settings: Settings) -> Settings:
        """The settings with the heads that are muted in this pane."""
        return settings.replace(mute=settings.muted_in(self.pane)) if settings.mute else settings

    def predict(
        self,
        captured: CapturedFrame,
        settings: Settings,
        features: Collection[str] = ("rows",),
        tracker: Tracker | None = None,
    ) -> Prediction:
        """Run the model on a frame; one thread at a time may.

        Args:
            features: what the maps shall hold beside what the view needs, as `Model.batch` knows them.
            tracker: follows the marked objects of another stream than the live one.

        Raises:
            DeviceFailed, AttentionCaptureError, SettingsError: as the engine does.
        """
        engine = self.engine  # the loader may put another one in its place meanwhile
        assert engine is not None
        start = time.monotonic()
        settings = having(self._own(settings), engine.model)
        maps = engine.predict([captured.frame], settings, features)[0]
        maps = engine.follow(captured.frame, maps, settings, tracker)
        if engine is self.engine:
            self._replaced = None
        while engine.notices:
            self._notice(engine.notices.pop(0))
        return Prediction(captured, maps, (time.monotonic() - start) * 1000)

    def note_success(self) -> bool:
        """A forward pass has succeeded: returns whether those before had failed."""
        recovered = bool(self.failure)
        self.failure, self._retry_at, self._retry_seconds = "", None, 0.0
        self.predictions += 1
        self._predicted_at.append(time.monotonic())
        return recovered

    def note_failure(self, error: BaseException, settings: Settings) -> None:
        """A forward pass has failed: the next one waits, longer with each failure, or for other settings."""
        if not self.failure:
            self._notice_beside(in_words(error))
        self.failure = in_words(error)
        self._retry_seconds = min(_LAST_RETRY, 2 * self._retry_seconds or _FIRST_RETRY)
        self._retry_at = time.monotonic() + self._retry_seconds
        self._failed_with = settings

    def seconds_to_retry(self) -> float | None:
        """How long it still waits after a failure; None if it does not. Once that is over it may run again."""
        if self._retry_at is None:
            return None
        seconds = self._retry_at - time.monotonic()
        if seconds <= 0:
            self._retry_at = None
        return max(0.0, seconds)

    # --- what to show ----------------------------------------------------------------------------------------------

    def prediction_for(self, captured: CapturedFrame) -> Prediction | None:
        """The newest prediction, if the model runs and the prediction can be warped to this frame."""
        prediction = self.prediction
        if (
            prediction is None
            or not self.runs
            or prediction.captured.stream != captured.stream
            or prediction.captured.frame.size != captured.frame.size
        ):
            return None
        return prediction

    def ask(self, prediction: Prediction, settings: Settings) -> Prediction:
        """The prediction for the query, references and prompts of the settings, from the same forward pass: other rows
        of it, and its features compared with those of other pictures. The same query if the model has no such token,
        which a notice says once."""
        query = settings.query if self.model is None else requirements.query(settings, self.model)
        if (maps := self.refer(prediction.maps, settings)) is not prediction.maps:
            prediction = replace(prediction, maps=maps)
        if prediction.maps.query == query or prediction.maps.rows is None:
            return prediction
        try:
            return replace(prediction, maps=prediction.maps.ask(query))
        except RtvizError as error:
            if self._refused != (sentence := in_words(error)):
                self._refused = sentence
                self._notice(sentence)
            return prediction


__all__ = ["ModelSlot", "PaneStatus"]

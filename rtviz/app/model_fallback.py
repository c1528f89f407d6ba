"""The last model that could be loaded: where the window returns when another one fails or is cancelled."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rtviz.app.remembered import ONE_MODEL, Remembered, WeightsFile
from rtviz.live.session import LiveSession, LiveStatus
from rtviz.settings import MODEL_FIELDS, Settings

_STEADY_SECONDS = 0.5  # right after a request the session still reports the model before as ready


class ModelFallback:
    """Learns from the session's status which requested models load.

    Attributes:
        working: the last settings whose model loaded.
        dismissed: the sentence about a failed model that the user has read.
    """

    def __init__(self, session: LiveSession, remembered: Remembered) -> None:
        self._session, self._remembered = session, remembered
        self.working = session.settings
        self.dismissed = ""
        self._steady_since = time.monotonic()

    def settings(self) -> Settings:
        """What is shown now, with the model that loaded."""
        return self._session.settings.replace(**_model(self.working))

    def named(self, status: LiveStatus) -> Settings:
        """The same with the model's name: the default one depends on what is on a machine."""
        settings = self.settings()
        unnamed = settings.model is None and settings.weights is None and status.first_name is not None
        return settings.replace(model=status.first_name) if unnamed else settings

    def learn(self, status: LiveStatus) -> None:
        """Note a requested model as loaded once the session has been ready with it for a moment."""
        now = time.monotonic()
        settings = self._session.settings
        same = _model(settings) == _model(self.working)
        ready = status.model_state == "ready"
        if ready and status.model_sentence and same:
            self.working = settings.replace(model=None, weights=None)  # the very first request failed
            self._remembered.note_given(self.working, ONE_MODEL & self._remembered.given.keys())
        elif same or not ready or status.model_sentence:
            self._steady_since = now
        elif now - self._steady_since > _STEADY_SECONDS:
            self.working = settings
        if status.first_weights and status.first_name:
            file = WeightsFile(str(Path(status.first_weights).resolve()), status.first_name)
            if self._remembered.weights_files[:1] != [file]:
                self._remembered.add_weights_file(file)

    def cancel_loading(self) -> None:
        """Stop loading a model."""
        if not self._restore():
            self._session.cancel_loading()

    def dismiss(self, sentence: str) -> None:
        """Stop asking for a model that failed, and hide the card that says so."""
        self.dismissed = sentence
        self._restore()

    def _restore(self) -> bool:
        """Drop a request that failed or was cancelled, so that the next start does not repeat it."""
        settings = self.settings()
        if settings == self._session.settings:
            return False
        self._session.update(settings)
        return True


def _model(settings: Settings) -> dict[str, Any]:
    """The fields that say which model is requested."""
    return {name: getattr(settings, name) for name in MODEL_FIELDS}


__all__ = ["ModelFallback"]

"""A kiosk comes back by itself from whatever happened to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from rtviz.app.cards import Card
from rtviz.app.idle import IdleWatch
from rtviz.app.layout import Layout
from rtviz.app.theme import Theme
from rtviz.live.session import LiveSession, LiveStatus

_IDLE_SECONDS = 60.0
_SLEPT_SECONDS = 30.0  # without a tick: the computer slept, or hung
_SAID_SECONDS = 30.0  # that another model had to be taken: after that it would only lie on the picture
_PAUSES_SECONDS = (5.0, 10.0, 20.0, 40.0, 60.0)  # between attempts; the last one for ever


class _Attempts:
    """Tries something again with growing pauses until it has succeeded."""

    def __init__(self, attempt: Callable[[], None]) -> None:
        self._attempt = attempt
        self.succeeded()

    def succeeded(self) -> None:
        self._count, self._due_at = 0, 0.0

    def failed(self, now: float, pauses: Sequence[float]) -> None:
        """It has failed until now."""
        if not self._due_at:
            self._due_at = now + pauses[0]
        elif now >= self._due_at:
            self._count = min(self._count + 1, len(pauses) - 1)
            self._due_at = now + pauses[self._count]
            self._attempt()


class Kiosk:
    """Keeps a window for visitors as it began, whoever used it and whatever failed.

    Nobody is there who could press a button: a source that could not be opened and a model that could not be loaded are
    tried again for ever. (A camera that is pulled, and a forward pass that fails, the session tries again by itself.)

    Args:
        reset: shows every part of the window that was hidden, and the whole picture, and forgets what could be undone.
        set_theme: dresses the window.

    Attributes:
        pauses_seconds: between attempts.
        said_seconds: how long it is said that a model runs instead of another.
    """

    def __init__(
        self,
        layout: Layout,
        session: LiveSession,
        idle: IdleWatch,
        reset: Callable[[], None],
        set_theme: Callable[[Theme], None],
    ) -> None:
        self._layout, self._session, self._idle = layout, session, idle
        self._reset, self._set_theme = reset, set_theme
        self._first = session.settings, session.status().mode, layout.theme
        self._loops = layout.window_state.get("loop") is not False
        self._at_start = True
        self._source, self._model = _Attempts(session.open_again), _Attempts(session.reload_model)
        self._ticked_at = time.time()  # which goes on while the computer sleeps
        self.pauses_seconds: Sequence[float] = _PAUSES_SECONDS
        self.said_seconds = _SAID_SECONDS
        self._said, self._said_at = "", 0.0

    def cards(self, cards: Sequence[Card], status: LiveStatus) -> list[Card]:
        """What visitors are told: without buttons, which would lead out, and all is tried again by itself; and without
        what only says, for long enough by now, that a model runs instead of another."""
        now = time.monotonic()
        if status.model_state != "ready" or status.model_sentence != self._said:
            self._said, self._said_at = status.model_sentence, now
        old = status.model_state == "ready" and now - self._said_at > self.said_seconds
        return [replace(card, offers=()) for card in cards if not (old and card.matter == "model")]

    def tick(self, status: LiveStatus) -> None:
        """A few times a second."""
        now, wall = time.monotonic(), time.time()
        slept, self._ticked_at = wall - self._ticked_at > _SLEPT_SECONDS, wall
        limit = float(self._layout.window_state.get("idle_seconds", _IDLE_SECONDS))
        if self._idle.seconds <= limit:
            self._at_start = False
        if slept or (self._idle.seconds > limit and not self._at_start):
            self._back_to_start()
        if status.source_state == "failed" or (status.attempt is not None and status.attempt.failed):
            self._source.failed(now, self.pauses_seconds)
        elif status.source_state in ("live", "paused", "ended"):
            self._source.succeeded()
        if status.model_state == "failed":
            self._model.failed(now, self.pauses_seconds)
        elif status.model_state == "ready":
            self._model.succeeded()
        self._fill_screen()

    def _back_to_start(self) -> None:
        self._at_start = True
        session = self._session
        settings, mode, theme = self._first
        session.live()
        session.pause(False)
        session.set_speed(1.0)
        session.set_loop(self._loops)
        session.set_mode(mode)
        session.update(settings)
        if self._layout.theme is not theme:
            self._set_theme(theme)
        self._reset()

    def _fill_screen(self) -> None:
        """Full screen again, if a window manager or a monitor that slept has ended it."""
        window = self._layout
        screen = window.screen()
        if not window.isVisible():
            return
        if not window.isFullScreen() or window.isMinimized():
            window.showFullScreen()
        elif screen is not None:  # what is left is rounding, where the screen is scaled
            away = screen.geometry().size() - window.size()
            if max(abs(away.width()), abs(away.height())) > 2:
                window.setGeometry(screen.geometry())


__all__ = ["Kiosk"]

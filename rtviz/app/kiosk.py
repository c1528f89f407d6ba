"""What happens while nobody touches the window: the cursor hides, and a kiosk goes back to its start."""

from __future__ import annotations

import time
from collections.abc import Callable

from PyQt5.QtCore import Qt

from rtviz.app.layout import Layout
from rtviz.live.session import LiveSession

_IDLE_SECONDS = 60.0
_HIDE_CURSOR_SECONDS = 3.0


class IdleWatch:
    """Knows when the window was last used.

    Args:
        reset: called by a kiosk once it is back at its first settings.
        kiosk: go back to the first settings after a minute, or `idle_seconds` of the window's state.
    """

    def __init__(self, layout: Layout, session: LiveSession, reset: Callable[[], None], *, kiosk: bool) -> None:
        self._layout, self._session, self._reset, self._kiosk = layout, session, reset, kiosk
        self._first_settings = session.settings
        self._last_input = time.monotonic()

    def touched(self) -> None:
        """Somebody uses the window."""
        self._last_input = time.monotonic()

    def tick(self) -> None:
        """Hide the cursor over a bare picture, and reset a kiosk, when it is time."""
        idle = time.monotonic() - self._last_input
        hide = self._layout.bare and idle > _HIDE_CURSOR_SECONDS
        self._layout.canvas.setCursor(Qt.BlankCursor if hide else Qt.CrossCursor)
        limit = float(self._layout.window_state.get("idle_seconds", _IDLE_SECONDS))
        if self._kiosk and idle > limit and self._session.settings != self._first_settings:
            self._session.live()
            self._session.pause(False)
            self._session.update(self._first_settings)
            self._reset()


__all__ = ["IdleWatch"]

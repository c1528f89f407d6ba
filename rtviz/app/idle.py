"""What the window does while nobody uses it: the cursor hides."""

from __future__ import annotations

import time

from PyQt5.QtCore import Qt

from rtviz.app.layout import Layout

_HIDE_CURSOR_SECONDS = 3.0


class IdleWatch:
    """Knows when the window was last used, and hides the cursor over a bare picture."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._last_input = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long nobody has used the window."""
        return time.monotonic() - self._last_input

    def touched(self) -> None:
        """Somebody uses the window."""
        self._last_input = time.monotonic()

    def tick(self) -> None:
        """Hide the cursor, when it is time."""
        hide = self._layout.bare and self.seconds > _HIDE_CURSOR_SECONDS
        self._layout.canvas.setCursor(Qt.BlankCursor if hide else Qt.CrossCursor)


__all__ = ["IdleWatch"]

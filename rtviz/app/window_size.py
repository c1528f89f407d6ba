"""The window's size, and whether it is maximised: given back at the next start, kept when it closes."""

from __future__ import annotations

from typing import Any

from PyQt5.QtCore import QSize, Qt
from PyQt5.QtWidgets import QApplication, QWidget

FRAME = QSize(8, 40)  # pixels that a desktop may put round a window; Qt knows them only once it is shown
_DEFAULT = QSize(1280, 720)


class WindowSize:
    """Gives a window the size that it had, and knows what to give it back the next time.

    Args:
        state: what the window remembers of itself; `size` is that of the window when it is neither maximised nor in
            full screen, `maximized` whether it is.
        fixed: nothing but the size is given back, as in a kiosk.
    """

    def __init__(self, window: QWidget, state: dict[str, Any], *, fixed: bool = False) -> None:
        self._window, self._state = window, state
        self._before: QSize | None = None  # the plain window's, as it was noted last
        self._maximized = False  # as it is, or, in full screen, as it was before
        self._give_back = False  # the size, once the window is plain again
        size = state.get("size")
        width, height = size if isinstance(size, list) and len(size) == 2 else (_DEFAULT.width(), _DEFAULT.height())
        screen = QApplication.primaryScreen()
        room = screen.availableGeometry().size() - FRAME if screen is not None else _DEFAULT
        window.resize(QSize(int(width), int(height)).boundedTo(room))
        if state.get("maximized") is True and not fixed:
            window.setWindowState(Qt.WindowMaximized)
            self._give_back = True

    def toggle_full_screen(self) -> None:
        """To full screen, or back to what the window was before: maximised, or as large as it was.

        Some window managers take the maximised state away in full screen, and some leave a window as large as the
        screen, so neither is left to them.
        """
        self.note()
        if not self._window.isFullScreen():
            self._window.setWindowState(self._window.windowState() | Qt.WindowFullScreen)
        elif self._maximized:
            self._window.setWindowState(Qt.WindowMaximized)
        else:
            self._give_back = True
            self._window.setWindowState(Qt.WindowNoState)

    def note(self) -> None:
        """Note the size of the plain window; called a few times a second.

        A window manager may resize the window before it says why, and then Qt's own `normalGeometry` is the whole
        screen. So a size counts once the window was plain before and after it.
        """
        state = self._window.windowState()
        if not state & Qt.WindowFullScreen:
            self._maximized = bool(state & Qt.WindowMaximized)
        if state & (Qt.WindowMaximized | Qt.WindowFullScreen):
            self._before = None
            return
        if self._give_back and "size" in self._state:
            self._give_back = False
            self._window.resize(*self._state["size"])
        elif self._before is not None:
            self._state["size"] = [self._before.width(), self._before.height()]
        self._before = self._window.size()

    def keep(self) -> None:
        """Note all before the window is hidden, which ends its state."""
        self.note()
        self._state["maximized"] = self._maximized


__all__ = ["FRAME", "WindowSize"]

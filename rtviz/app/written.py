"""What the window has written: a card names the file and shows it in its folder."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from PyQt5.QtCore import QObject, QUrl, pyqtSignal
from PyQt5.QtGui import QDesktopServices

from rtviz.app.cards import Card
from rtviz.app.layout import Layout
from rtviz.errors import RtvizError
from rtviz.notices import FileWritten

_SHOWN_SECONDS = 10.0


class Written(QObject):
    """The file that was written last.

    Attributes:
        shown_seconds: how long the card stays, from when neither the pointer nor the focus is on it.
    """

    _noted = pyqtSignal(object)

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self._layout = layout
        self._file: FileWritten | None = None
        self._since = 0.0
        self.shown_seconds = _SHOWN_SECONDS
        self._noted.connect(self._take)

    def actions(self) -> dict[str, Callable[[], None]]:
        """Action -> what does it."""
        return {"show_written": self._show, "dismiss_written": self._dismiss}

    def note(self, file: FileWritten) -> None:
        """A file was written; from any thread."""
        self._noted.emit(file)

    def card(self) -> Card | None:
        """What to say about it; None when it was said long enough."""
        file, now = self._file, time.monotonic()
        if file is None:
            return None
        if self._in_hand():
            self._since = now
        elif now - self._since > self.shown_seconds:
            self._file = None
            return None
        offers = (("Show in folder", "show_written"), ("Dismiss", "dismiss_written"))
        text = ", ".join(filter(None, (file.path.name, file.what, f"in {_from_home(file.path.parent)}")))
        return Card("written", "good", "saved", text, None, offers, str(file.path))

    def _in_hand(self) -> bool:
        """Whether the pointer or the focus is on the cards."""
        messages, focus = self._layout.messages, self._layout.focusWidget()
        return messages.isVisible() and (messages.underMouse() or (focus is not None and messages.isAncestorOf(focus)))

    def _take(self, file: FileWritten) -> None:
        self._since = time.monotonic()
        if self._layout.bare:  # no card lies on a picture that is shown to others
            self._layout.canvas.toast(file, 4.0)
        else:
            self._file = file
            self._layout.canvas.toast("")

    def _dismiss(self) -> None:
        self._file = None

    def _show(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            show_in_folder(file.path)


def _from_home(folder: Path) -> str:
    """A folder as people write it."""
    home = Path.home()
    return str(Path("~") / folder.relative_to(home)) if folder.is_relative_to(home) else str(folder)


def show_in_folder(path: Path) -> None:
    """Open the system's file manager on the file, where that can be said to it, else on its folder.

    Raises:
        RtvizError: the system has none.
    """
    folder = path if path.is_dir() else path.parent
    if sys.platform == "darwin":
        subprocess.Popen(["open", "-R", str(path)])
    elif sys.platform == "win32":
        subprocess.Popen(["explorer", f"/select,{path}"])
    elif not QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder))):
        raise RtvizError(f"no file manager could be opened on {folder}")


__all__ = ["Written", "show_in_folder"]

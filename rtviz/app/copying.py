"""To the clipboard: the picture as it is seen, and the command that shows the same."""

from __future__ import annotations

from collections.abc import Callable

from PyQt5.QtGui import QGuiApplication

from rtviz.app.clipboard import copy_text
from rtviz.app.layout import Layout
from rtviz.live.session import LiveSession, LiveStatus
from rtviz.offline.command import live_arguments, shell_line
from rtviz.offline.jobs import absolute
from rtviz.settings import Settings


class Copying:
    """The actions that copy.

    Args:
        settings: what is on screen, with the model that loaded, named.
    """

    def __init__(self, layout: Layout, session: LiveSession, settings: Callable[[LiveStatus], Settings]) -> None:
        self._layout, self._session, self._settings = layout, session, settings

    def actions(self) -> dict[str, Callable[[], None]]:
        """Action -> what does it."""
        return {"copy_picture": self._picture, "copy_command": self._command}

    def _picture(self) -> None:
        image, clipboard = self._layout.canvas.seen(), QGuiApplication.clipboard()
        if image is None or clipboard is None:
            self._layout.canvas.toast("there is no picture yet", 3.0)
            return
        clipboard.setImage(image)
        self._layout.canvas.toast(f"picture copied, {image.width()} × {image.height()}")

    def _command(self) -> None:
        from rtviz.sources.pages import paths_of  # the window opens before NumPy is loaded

        status = self._session.status()
        places = [] if status.place is None else [absolute(place) for place in paths_of(status.place)]
        copy_text(shell_line(live_arguments(places, self._settings(status))))
        self._layout.canvas.toast("command copied")


__all__ = ["Copying"]

"""Giving examples of classes: places of the frame that is shown, which the view prompts finds in all others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PyQt5.QtCore import QObject

from rtviz import views
from rtviz.app.kept_frames import cache_folder, keep
from rtviz.app.layout import Layout
from rtviz.live.session import LiveSession
from rtviz.settings import Mark, Prompt

_KEPT = 64  # frames: as many as there may be prompts


class PromptChoice(QObject):
    """Adds prompts on the frame that is shown.

    Args:
        show_settings: called when the session's settings have changed.
        folder: where the frames are kept; None: in the user's cache.
    """

    def __init__(
        self, layout: Layout, session: LiveSession, show_settings: Callable[[], None], folder: Path | None = None
    ) -> None:
        super().__init__(layout)  # Qt disconnects it when the window goes
        self._layout, self._session, self._show_settings, self._folder = layout, session, show_settings, folder

    @property
    def name(self) -> str:
        """The class that the next example is of."""
        return self._layout.view.prompts.name

    def add(self, mark: Mark, positive: bool = True) -> None:
        """Give one more example of the class, or of what it is not, and show the view.

        Raises:
            SettingsError: there are too many.
            OutputUnwritable: the frame cannot be kept.
        """
        result, settings, name = self._layout.canvas.result, self._session.settings, self.name
        if result is None:
            return
        if not positive and not any(one.positive and one.name == name for one in settings.prompt):
            self._layout.canvas.toast(f"first Shift+click where {name} is", 3.0)
            return
        path = keep(result.frame.pixels, self._folder or cache_folder("prompted"), _KEPT)
        prompts = (*settings.prompt, Prompt(str(path), mark, positive, name))
        self._session.update(settings.replace(prompt=prompts, view=views.PROMPTS))
        self._layout.canvas.toast(name if positive else f"not {name}")
        self._show_settings()


__all__ = ["PromptChoice"]

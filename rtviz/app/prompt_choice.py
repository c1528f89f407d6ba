"""Giving examples of classes: places of the frame that is shown, which the view prompts finds in all others."""

from __future__ import annotations

from collections.abc import Callable

from PyQt5.QtCore import QObject

from rtviz import views
from rtviz.app.kept_frames import KeptFrames
from rtviz.app.layout import Layout
from rtviz.live.session import LiveSession
from rtviz.settings import Mark, Prompt


class PromptChoice(QObject):
    """Adds prompts on the frame that is shown.

    Args:
        show_settings: called when the session's settings have changed.
        frames: where the frames are kept.
    """

    def __init__(
        self, layout: Layout, session: LiveSession, show_settings: Callable[[], None], frames: KeptFrames
    ) -> None:
        super().__init__(layout)  # Qt disconnects it when the window goes
        self._layout, self._session, self._show_settings, self._frames = layout, session, show_settings, frames

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
        prompts = (*settings.prompt, Prompt(self._frames.keep(result.frame.pixels), mark, positive, name))
        self._session.update(settings.replace(prompt=prompts, view=views.PROMPTS))
        self._layout.canvas.toast(name if positive else f"not {name}")
        self._show_settings()


__all__ = ["PromptChoice"]

"""Figures from the window: what one can be made of now, and the dialog."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rtviz.app.figure_worker import FigureWorker
from rtviz.app.figureform import Subject
from rtviz.app.layout import Layout
from rtviz.live.session import LiveSession, LiveStatus
from rtviz.offline.jobs import absolute
from rtviz.settings import Settings
from rtviz.sources import WEB

if TYPE_CHECKING:
    from rtviz.app.figuredialog import FigureDialog


class Figuring:
    """The dialog and what draws.

    Args:
        settings: what is on screen, with the model that loaded, named.
        folder: where the window keeps its pictures.
    """

    def __init__(
        self,
        layout: Layout,
        session: LiveSession,
        settings: Callable[[LiveStatus], Settings],
        folder: Callable[[], Path],
    ) -> None:
        self._layout, self._session, self._settings, self._folder = layout, session, settings, folder
        self.worker = FigureWorker()
        self.dialog: FigureDialog | None = None

    def open(self) -> None:
        """Show the dialog, with what is on screen."""
        if self._subject() is None:
            self._layout.canvas.toast("a figure needs a first prediction", 3.0)
            return
        if self.dialog is None:
            from rtviz.app.figuredialog import FigureDialog  # which no start waits for

            kept = self._layout.window_state.setdefault("figure", {})
            self.dialog = FigureDialog(self._layout, self.worker, self._subject, kept, self._folder)
        self.dialog.show()
        self.dialog.raise_()
        self.dialog.activateWindow()
        self.dialog.take_frame()

    def _subject(self) -> Subject | None:
        result, status = self._layout.canvas.result, self._session.status()
        if result is None or status.model_name is None:
            return None
        frame, info = result.frame, status.source_info
        names = (status.first_name or status.model_name, *(pane.name for pane in status.panes))
        focus = min(status.focus, len(names) - 1)
        settings = self._settings(status).per_model()[focus].replace(mute=())
        place = None
        if info is not None and not info.live and status.place is not None and info.kind != "pages":
            place = status.place
        elif info is not None and status.page is not None:
            place = str(info.pages[status.page[0]].path)
        if place is not None and not (os.path.exists(place) or place.startswith(("scene:", *WEB))):
            place = None
        return Subject(
            frame=frame, name=Path(info.name).name if info is not None else "", settings=settings, models=names,
            place=None if place is None else absolute(place), focus=focus, has_heads=bool(status.heads),
            predict=lambda: self._session.predict_each(frame),
        )  # fmt: skip


__all__ = ["Figuring"]

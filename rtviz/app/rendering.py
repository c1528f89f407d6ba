"""Rendering from the window: what can be rendered, the dialogs, and the question before quitting."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt5.QtCore import QObject
from PyQt5.QtWidgets import QMessageBox

from rtviz.app.layout import Layout
from rtviz.app.renderform import Subject
from rtviz.app.renders import RenderQueue
from rtviz.app.transport import clock
from rtviz.live.session import LiveStatus
from rtviz.offline.jobs import absolute
from rtviz.settings import Settings
from rtviz.sources import WEB
from rtviz.words import counted

if TYPE_CHECKING:
    from rtviz.app.masksdialog import MasksDialog
    from rtviz.app.queuedialog import QueueDialog
    from rtviz.app.renderdialog import RenderDialog


class Rendering(QObject):
    """The dialogs of renders and of masks, and their queue.

    Args:
        settings: what is on screen, with the model that loaded, named.
        folder: where the window keeps its videos.
    """

    def __init__(self, layout: Layout, settings: Callable[[LiveStatus], Settings], folder: Callable[[], Path]) -> None:
        super().__init__(layout)
        self._layout, self._settings, self._folder = layout, settings, folder
        self.queue = RenderQueue(self)
        self.dialog: RenderDialog | None = None
        self.masks_dialog: MasksDialog | None = None
        self._status = LiveStatus()
        self.queue.changed.connect(self._show_button)

    def open(self) -> None:
        """Show the dialog of renders."""
        if self.dialog is None:
            from rtviz.app.renderdialog import RenderDialog  # which no start waits for

            kept = self._layout.window_state.setdefault("render", {})
            self.dialog = RenderDialog(self._layout, self.queue, kept, self._folder)
        self._show(self.dialog)

    def open_masks(self) -> None:
        """Show the dialog of masks."""
        if self.masks_dialog is None:
            from rtviz.app.masksdialog import MasksDialog  # which no start waits for

            kept = self._layout.window_state.setdefault("masks", {})
            self.masks_dialog = MasksDialog(self._layout, self.queue, kept, self._folder)
        self._show(self.masks_dialog)

    def _show(self, dialog: QueueDialog) -> None:
        dialog.show_subject(self._subject())
        dialog.show()
        dialog.raise_()
        dialog.activateWindow()

    def show_status(self, status: LiveStatus) -> None:
        """Follow what is on screen while a dialog is open."""
        self._status = status
        for dialog in (self.dialog, self.masks_dialog):
            if dialog is not None and dialog.isVisible():
                dialog.show_subject(self._subject())

    def may_quit(self) -> bool:
        """Whether nothing is lost by quitting, or the user has said that it may be."""
        unfinished = len(self.queue.unfinished)
        if not unfinished:
            return True
        question = QMessageBox(self._layout)
        question.setWindowTitle("Quit rtviz")
        question.setText(f"{counted(unfinished, 'file')} {'is' if unfinished == 1 else 'are'} not finished.")
        question.setInformativeText("Quitting cancels what is being written, and deletes what there is of it.")
        stay = question.addButton("Go on", QMessageBox.RejectRole)
        leave = question.addButton("Cancel and quit", QMessageBox.DestructiveRole)
        question.setDefaultButton(stay)
        question.setEscapeButton(stay)
        question.exec_()
        return question.clickedButton() is leave

    def _show_button(self) -> None:
        running = self.queue.running
        self._layout.transport.show_renders(None if running is None else running.percent)

    def _subject(self) -> Subject:
        status, settings = self._status, self._settings(self._status)
        info, place = status.source_info, status.place
        models = [status.first_name or "the default model", *(pane.name for pane in status.panes)]
        subject = Subject(
            place=None, why_not="Nothing is open.", name="Render", facts="", seconds=None, still=False,
            settings=settings, models=tuple(models), focus=min(status.focus, len(models) - 1),
            part=self._layout.transport.timeline.part,
        )  # fmt: skip
        if info is None or place is None:
            return subject
        height, width = info.size
        rate = f"{info.fps:.3g} frames/s" if info.fps and info.frame_count != 1 else ""
        length = clock(info.duration_seconds) if info.duration_seconds else ""
        subject = replace(
            subject, name=Path(info.name).name or info.name, seconds=info.duration_seconds, still=info.frame_count == 1,
            facts=", ".join(filter(None, (f"{width}×{height}", length, rate))),
        )  # fmt: skip
        if info.live:
            keys = self._layout.bindings
            return replace(
                subject,
                why_not=f"A camera or a stream has no file to render: {keys.shown('record')} records what is shown, "
                f"{keys.shown('save_past')} saves the last 30 seconds.",
            )
        place = place.removeprefix("pages:")
        if not (os.path.exists(place) or place.startswith(("scene:", *WEB))):
            return replace(subject, why_not="This cannot be rendered: it is no file, no folder and no web address.")
        return replace(subject, place=absolute(place), why_not="")


__all__ = ["Rendering"]

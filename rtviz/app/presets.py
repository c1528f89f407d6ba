"""The presets menu: shows what one of them says, or saves the present settings as another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PyQt5.QtCore import QObject, Qt
from PyQt5.QtWidgets import QInputDialog, QMenu

from rtviz.app.header import fill_when_opened
from rtviz.app.layout import Layout
from rtviz.app.model_fallback import ModelFallback
from rtviz.app.remembered import Remembered, about, apply_preset
from rtviz.errors import RtvizError
from rtviz.live.session import LiveSession
from rtviz.notices import FileWritten
from rtviz.settings import MODEL_FIELDS, Settings


class PresetsMenu(QObject):
    """The menu under "Presets".

    Args:
        do: does an action.
        show_settings: called when the session's settings have changed.
        wrote: called with each preset that was saved.
    """

    def __init__(
        self,
        layout: Layout,
        session: LiveSession,
        remembered: Remembered,
        fallback: ModelFallback,
        do: Callable[[str], None],
        show_settings: Callable[[], None],
        wrote: Callable[[FileWritten], None],
    ) -> None:
        super().__init__(layout)  # Qt disconnects it when the window goes
        self._layout, self._session, self._remembered, self._fallback = layout, session, remembered, fallback
        self._do, self._show_settings, self._wrote = do, show_settings, wrote
        # Of the preset that is shown: what it set of the model, and what had been chosen before.
        self._set: dict[str, Any] = {}
        self._chosen: dict[str, Any] = {}
        fill_when_opened(layout.header.presets_button, self._fill)

    def open(self) -> None:
        self._layout.header.presets_button.showMenu()

    def _fill(self, menu: QMenu) -> None:
        for name, path in self._remembered.presets().items():
            entry = menu.addAction(name)
            if entry is not None:
                entry.setToolTip(about(path) or str(path))
                entry.triggered.connect(lambda _=False, path=path: self.use(path))
        menu.addSeparator()
        save = menu.addAction(f"Save as preset…\t{self._layout.bindings.shown('save_preset')}")
        if save is not None:
            save.triggered.connect(lambda: self._do("save_preset"))

    def use(self, path: Path) -> None:
        """Show what a preset says, with the model that was chosen by hand unless it names one."""
        before = self._session.settings
        untouched = all(getattr(before, name) == value for name, value in self._set.items())
        chosen = before.replace(**self._chosen) if untouched else before
        try:
            settings = apply_preset(path, chosen)
        except RtvizError as error:
            self._layout.canvas.toast(str(error), 4.0)
            return
        unchanged = {name for name in MODEL_FIELDS if getattr(settings, name) == getattr(before, name)}
        self._remembered.add_choices(self._fallback.settings())
        self._remembered.note_given(settings, {option.name for option in Settings.options()} - unchanged)
        replaced = [name for name in MODEL_FIELDS if getattr(settings, name) != getattr(chosen, name)]
        self._set = {name: getattr(settings, name) for name in replaced}
        self._chosen = {name: getattr(chosen, name) for name in replaced}
        self._session.update(settings)
        self._session.focus(0)
        self._show_settings()
        self._layout.canvas.toast(f"preset: {path.stem}")

    def ask_for_name(self) -> None:
        """Ask for a name, and save the present settings under it."""
        dialog = QInputDialog(self._layout)
        dialog.setAttribute(Qt.WA_DeleteOnClose)
        dialog.setWindowTitle("Save as preset")
        dialog.setLabelText("Name of the preset:")
        dialog.textValueSelected.connect(self._save)
        dialog.open()

    def _save(self, name: str) -> None:
        try:
            path = self._remembered.save_preset(name, self._session.settings)
        except RtvizError as error:
            self._layout.canvas.toast(str(error), 4.0)
        else:
            self._wrote(FileWritten.of(path))


__all__ = ["PresetsMenu"]

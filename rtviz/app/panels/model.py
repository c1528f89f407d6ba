"""The panel of the model: the models by name, and how they run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import (
    QFormLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from rtviz.app.controls import Control
from rtviz.app.keys import Bindings
from rtviz.app.panels.section import add_row, faint
from rtviz.app.remembered import MODEL_OPTIONS
from rtviz.live.session import LiveStatus
from rtviz.settings import Settings

if TYPE_CHECKING:
    from rtviz.models import Row


class ModelPanel(QWidget):
    """The model in use, the others, and whether their weights are on this machine.

    `chosen` is emitted with a model's name; `changed`, `refused` and `entered` like a control's.
    """

    chosen = pyqtSignal(str)
    changed = pyqtSignal(str, object)
    refused = pyqtSignal(str)
    entered = pyqtSignal()

    def __init__(self, bindings: Bindings) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setSpacing(6)
        self.summary = faint()
        column.addWidget(self.summary)
        self.list = QListWidget()
        self.list.setAccessibleName("Models")
        self.list.setToolTip(
            bindings.tip("model_next", "Models; ● on this machine, ○ to be fetched. Next model on this machine")
        )
        self.list.setFocusPolicy(Qt.TabFocus)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self.list.currentRowChanged.connect(self._selected)
        self.list.itemActivated.connect(lambda item: self._load())
        column.addWidget(self.list)
        self.load = QPushButton("Load")
        self.load.setFocusPolicy(Qt.TabFocus)
        self.load.setToolTip("Load the selected model, after fetching its weights where they are missing")
        self.load.clicked.connect(self._load)
        column.addWidget(self.load)
        form = QFormLayout()
        form.setHorizontalSpacing(10)
        form.setVerticalSpacing(0)
        form.setLabelAlignment(Qt.AlignLeft)
        self.controls: dict[str, Control] = {}
        for name in MODEL_OPTIONS:
            if name != "model":
                add_row(form, self.controls, name, bindings)
                self.controls[name].changed.connect(self.changed)
                self.controls[name].refused.connect(self.refused)
                self.controls[name].entered.connect(self.entered)
        column.addLayout(form)
        self._rows: list[Row] = []
        self._names: list[str] = []
        self._current: str | None = None

    @property
    def rows(self) -> list[Row]:
        """Every model that has a name."""
        return self._rows

    @property
    def names_here(self) -> list[str]:
        """The models that load without a download, in the order of the list."""
        return [row.card.name for row in self._rows if row.path is not None]

    def show_models(self, rows: Sequence[Row]) -> None:
        """Every model with a name; those on this machine first."""
        if list(rows) == self._rows:
            return
        self._rows = sorted(rows, key=lambda row: row.path is None)
        self._names = [row.card.name for row in self._rows]
        self.list.blockSignals(True)
        self.list.clear()
        for row in self._rows:
            name, family, patch, layers, heads, params, download, licence, _ = row.cells()
            item = QListWidgetItem(f"{'●' if row.path else '○'}  {name}" + ("" if row.path else f"   {download}"))
            where = "on this machine" if row.path else f"{download} to fetch"
            item.setToolTip(
                f"{name}: {family}, patches of {patch}, {layers} layers, {heads} heads, {params}, {licence}; {where}"
            )
            self.list.addItem(item)
        untrained = self._rows[0].card.untrained().name if self._rows else ""
        if untrained:
            name = next((f"random:{n}" for n in self._names if n == "dino-vits16"), untrained)
            self._names.append(name)
            item = QListWidgetItem(f"●  {name}")
            item.setToolTip("Untrained, for comparison: its maps are noise")
            self.list.addItem(item)
        self.list.setFixedHeight(min(7, max(3, self.list.count())) * (self.list.sizeHintForRow(0) or 22) + 8)
        self.list.blockSignals(False)
        self._mark()

    def show_status(self, status: LiveStatus) -> None:
        if status.model_name:
            parts = [
                status.model_name,
                f"{status.layers} layers" if status.heads else f"{status.layers} stages",
                f"{status.heads} heads" if status.heads else "no attention heads",
                f"patch {status.patch_size}" if status.heads else f"cell {status.patch_size}",
            ]
            self.summary.setText("  ·  ".join(parts))
        else:
            self.summary.setText(status.model_sentence or "no model yet")
        if status.model_name != self._current:
            self._current = status.model_name
            self._mark()

    def show_settings(self, settings: Settings) -> None:
        for name, control in self.controls.items():
            control.show_value(getattr(settings, name))

    def _mark(self) -> None:
        """Select the model in use."""
        if self._current in self._names and not self.list.hasFocus():
            self.list.setCurrentRow(self._names.index(self._current))
        self._selected(self.list.currentRow())

    def _selected(self, row: int) -> None:
        known = 0 <= row < len(self._rows)
        self.load.setEnabled(0 <= row < len(self._names) and self._names[row] != self._current)
        if known and self._rows[row].path is None:
            self.load.setText(f"Fetch and load  {self._rows[row].cells()[6]}")
        else:
            self.load.setText("In use" if 0 <= row < len(self._names) and not self.load.isEnabled() else "Load")

    def _load(self) -> None:
        row = self.list.currentRow()
        if 0 <= row < len(self._names) and self._names[row] != self._current:
            self.chosen.emit(self._names[row])


__all__ = ["ModelPanel"]

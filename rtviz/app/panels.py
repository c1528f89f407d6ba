"""The panels at the side: source, model, view settings made from the schema, and the instruments."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PyQt5.QtCore import QObject, Qt, pyqtSignal
from PyQt5.QtWidgets import (
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from rtviz import views
from rtviz.app.controls import Control, HeadControl, LayerControl, RealControl, control_for
from rtviz.app.headtable import HeadTable
from rtviz.app.keys import Bindings
from rtviz.app.plots import LatencyGraph
from rtviz.app.remembered import MODEL_OPTIONS
from rtviz.app.theme import Theme, icon
from rtviz.live.session import MODES, LiveStatus
from rtviz.settings import Head, Settings

if TYPE_CHECKING:
    from rtviz.models import Row

_log = logging.getLogger("rtviz.app")

# Which keys change a setting; the control's tooltip names them.
_KEYS = {
    "head": ("head_previous", "head_next"),
    "layer": ("layer_down", "layer_up"),
    "layout": ("layout_next",),
    "opacity": ("opacity_down", "opacity_up"),
    "threshold": ("threshold_down", "threshold_up"),
    "colormap": ("colormap_next",),
    "upsampling": ("upsampling_next",),
    "query": ("query_cls",),
}


class Finder(QObject):
    """Looks for cameras and models in a thread of its own, because both may take a while."""

    cameras = pyqtSignal(list)
    models = pyqtSignal(list)

    def find(self, cameras: bool, models: bool) -> None:
        threading.Thread(target=self._find, args=(cameras, models), name="rtviz-find", daemon=True).start()

    def _find(self, cameras: bool, models: bool) -> None:
        if models:
            from rtviz.models import listing

            self._emit(self.models, listing)
        if cameras:
            from rtviz.sources.camera import cameras as find_cameras

            self._emit(self.cameras, lambda: [(f"camera:{one.number}", one.name) for one in find_cameras()])

    def _emit(self, found: Any, find: Callable[[], Sequence[Any]]) -> None:
        try:
            found.emit(list(find()))
        except Exception:  # the edge of the thread: a driver's error; the list stays as it is
            _log.debug("finding in the background failed", exc_info=True)


class Section(QWidget):
    """A panel that collapses under its title."""

    toggled = pyqtSignal(str, bool)

    def __init__(self, name: str, title: str, content: QWidget) -> None:
        super().__init__()
        self.name, self.content = name, content
        self.button = QToolButton()
        self.button.setObjectName("section")
        self.button.setText(title)
        self.button.setCheckable(False)
        self.button.setToolButtonStyle(Qt.ToolButtonTextBesideIcon)
        self.button.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Fixed)
        self.button.setFocusPolicy(Qt.TabFocus)
        self.button.setToolTip(f"Show or hide: {title.lower()}")
        self.button.clicked.connect(lambda: self.open(not self.is_open))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.button)
        content.setContentsMargins(8, 2, 8, 10)
        column.addWidget(content)
        self.open(True)

    @property
    def is_open(self) -> bool:
        return not self.content.isHidden()

    def open(self, opened: bool) -> None:
        """Show the content, or only the title."""
        self.content.setVisible(opened)
        self.button.setArrowType(Qt.DownArrow if opened else Qt.RightArrow)
        self.toggled.emit(self.name, opened)


def faint(text: str = "") -> QLabel:
    """A label of less weight, that wraps."""
    label = QLabel(text)
    label.setProperty("faint", True)
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Preferred)
    return label


class SourcePanel(QWidget):
    """Where the frames come from, and where else they could come from.

    `opened` is emitted with a place, `asked` with an action's name, `refresh` to find the cameras again.
    """

    opened = pyqtSignal(str)
    asked = pyqtSignal(str)
    refresh = pyqtSignal()

    def __init__(self, bindings: Bindings) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setSpacing(6)
        self.summary = faint()
        column.addWidget(self.summary)
        self.list = QListWidget()
        self.list.setAccessibleName("Places to open")
        self.list.setToolTip("Click, or press Enter, to open: cameras, the built-in scene, the screen, recent places")
        self.list.setFocusPolicy(Qt.TabFocus)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.ElideMiddle)
        self.list.itemClicked.connect(self._open)
        self.list.itemActivated.connect(self._open)
        column.addWidget(self.list)
        self.line = QLineEdit()
        self.line.setPlaceholderText("address, file, camera number")
        self.line.setAccessibleName("Address")
        self.line.setToolTip(
            bindings.tip("open_address", "A camera's number or name, a file, a folder, http:, rtsp:, screen:, scene:")
        )
        self.line.returnPressed.connect(self._typed)
        column.addWidget(self.line)
        row = QHBoxLayout()
        row.setSpacing(6)
        open_file = QPushButton("Open file…")
        open_file.setFocusPolicy(Qt.TabFocus)
        open_file.setToolTip(bindings.tip("open"))
        open_file.clicked.connect(lambda: self.asked.emit("open"))
        row.addWidget(open_file, 1)
        self.again = QToolButton()
        self.again.setFocusPolicy(Qt.TabFocus)
        self.again.setToolTip("Look for cameras again")
        self.again.setAccessibleName("Look for cameras again")
        self.again.clicked.connect(self.refresh)
        row.addWidget(self.again)
        column.addLayout(row)
        self._shown: object = None

    def set_theme(self, theme: Theme) -> None:
        self.again.setIcon(icon("refresh", theme))

    def show_places(self, cameras: Sequence[tuple[str, str]], recent: Sequence[str]) -> None:
        """What can be opened: cameras as (place, name), and places that were opened before."""
        places = [*cameras, ("scene:", "built-in scene"), ("screen:", "this screen")]
        known = {place for place, _ in places}
        places += [(place, place) for place in recent if place not in known]
        if places == self._shown:
            return
        self._shown = places
        self.list.clear()
        for place, name in places:
            item = QListWidgetItem(name)
            item.setData(Qt.UserRole, place)
            item.setToolTip(place)
            self.list.addItem(item)
        rows = min(7, max(3, len(places)))
        self.list.setFixedHeight(rows * (self.list.sizeHintForRow(0) or 22) + 8)

    def show_status(self, status: LiveStatus) -> None:
        info = status.source_info
        if info is None:
            self.summary.setText(status.source_sentence or "opening")
        else:
            height, width = info.size
            name = info.name if "://" in info.name else Path(info.name).name or info.name
            parts = [name, f"{width}×{height}", f"{info.fps:.3g} fps" if info.fps else "", info.kind]
            self.summary.setText("  ·  ".join(part for part in parts if part))
        for row in range(self.list.count()):
            item = self.list.item(row)
            if item is not None and item.data(Qt.UserRole) == status.place and not self.list.hasFocus():
                self.list.setCurrentRow(row)
                return
        if not self.list.hasFocus():
            self.list.setCurrentRow(-1)

    def _open(self, item: QListWidgetItem) -> None:
        self.opened.emit(str(item.data(Qt.UserRole)))

    def _typed(self) -> None:
        text = self.line.text().strip()
        if text:
            self.opened.emit(text)
            self.line.clear()


class ModelPanel(QWidget):
    """The model in use, the others, and whether their weights are on this machine.

    `chosen` is emitted with a model's name; `changed` like a control's.
    """

    chosen = pyqtSignal(str)
    changed = pyqtSignal(str, object)
    refused = pyqtSignal(str)

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
        form.setVerticalSpacing(6)
        form.setLabelAlignment(Qt.AlignLeft)
        self.controls: dict[str, Control] = {}
        for name in MODEL_OPTIONS:
            if name != "model":
                _add(form, self.controls, name, bindings)
                self.controls[name].changed.connect(self.changed)
                self.controls[name].refused.connect(self.refused)
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


class ViewPanel(QWidget):
    """What is shown and how: a button for each view, and a control for each setting of the schema.

    `changed` is emitted like a control's, `asked` with an action's name.
    """

    changed = pyqtSignal(str, object)
    refused = pyqtSignal(str)
    asked = pyqtSignal(str)

    def __init__(self, bindings: Bindings) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setSpacing(8)
        grid = QGridLayout()
        grid.setSpacing(4)
        self.views: dict[str, QToolButton] = {}
        for place, name in enumerate(views.names()):
            info = views.find(name)
            button = self._choice(info.label, f"view_{name}", bindings)
            button.setProperty("dense", True)
            button.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Fixed)  # a third of the panel each
            self.views[name] = button
            grid.addWidget(button, place // 3, place % 3)
        column.addLayout(grid)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(QLabel("Attention"))
        self.modes: dict[str, QToolButton] = {}
        tips = {
            "locked": "Locked: each frame waits for its own attention, and is never misaligned",
            "smooth": "Smooth: every frame is shown, with the newest attention warped by optical flow",
        }
        for mode in MODES:
            button = self._choice(mode, f"mode_{mode}", bindings)
            button.setToolTip(bindings.tip("mode_next", tips[mode]))
            self.modes[mode] = button
            row.addWidget(button, 1)
        column.addLayout(row)
        form = QFormLayout()
        form.setHorizontalSpacing(10)
        form.setVerticalSpacing(6)
        form.setLabelAlignment(Qt.AlignLeft)
        self.controls: dict[str, Control] = {}
        for option in Settings.options():
            if option.name in MODEL_OPTIONS or option.name == "view":
                continue
            _add(form, self.controls, option.name, bindings)
            self.controls[option.name].changed.connect(self.changed)
            self.controls[option.name].refused.connect(self.refused)
        column.addLayout(form)

    def _choice(self, label: str, action: str, bindings: Bindings) -> QToolButton:
        button = QToolButton()
        button.setText(label)
        button.setCheckable(True)
        button.setFocusPolicy(Qt.TabFocus)
        button.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Fixed)
        button.setToolTip(bindings.tip(action))
        button.clicked.connect(lambda: self.asked.emit(action))
        return button

    def show_settings(self, settings: Settings, layers: int, heads: int, mode: str) -> None:
        # No QButtonGroup: in an exclusive one, Tab reaches only the button that is checked.
        lacking = bool(layers and not heads)  # convolutional networks alone: there the window falls back to cam
        shown = (
            views.fallback(has_attention=False) if lacking and views.find(settings.view).needs_heads else settings.view
        )
        for name, button in self.views.items():
            button.setChecked(name == shown)
            button.setEnabled(not lacking or not views.find(name).needs_heads)
        for name, button in self.modes.items():
            button.setChecked(name == mode)
        head = self.controls["head"]
        if isinstance(head, HeadControl) and heads:
            head.show_count(heads)
        head.setEnabled(not lacking)
        layer = self.controls["layer"]
        if isinstance(layer, LayerControl) and layers:
            layer.show_count(layers)
        for name, control in self.controls.items():
            control.show_value(getattr(settings, name))


def _add(form: QFormLayout, controls: dict[str, Control], name: str, bindings: Bindings) -> None:
    """A labelled row for an option, whose every part has the tooltip."""
    option = Settings.option(name)
    control = control_for(option)
    help = option.help[:1].upper() + option.help[1:]
    keys = "  ".join(shown for action in _KEYS.get(name, ()) if (shown := bindings.shown(action)))
    tip = f"{help}  ({keys})" if keys else help
    for part in (control, *control.findChildren(QWidget)):
        part.setToolTip(tip)
    label = QLabel(option.label)
    label.setToolTip(tip)
    if isinstance(control, RealControl):
        control.setMinimumWidth(150)
    form.addRow(label, control)
    controls[name] = control


class InstrumentsPanel(QWidget):
    """Latency and head statistics; `picked` is emitted with a head's number."""

    picked = pyqtSignal(int)

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setSpacing(10)
        self.latency, self.heads = LatencyGraph(), HeadTable()
        self.heads.picked.connect(self.picked)
        column.addWidget(self.latency)
        column.addWidget(self.heads)

    def set_theme(self, theme: Theme) -> None:
        self.latency.set_theme(theme)
        self.heads.set_theme(theme)

    def show_status(self, status: LiveStatus, head: Head) -> None:
        """Show latency and head statistics, and mark the chosen head."""
        self.latency.show_values(status.latency_ms_history)
        self.heads.show_head_stats(status.head_stats, head)


__all__ = ["Finder", "InstrumentsPanel", "ModelPanel", "Section", "SourcePanel", "ViewPanel", "faint"]

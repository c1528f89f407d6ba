"""The panel of the view: a button for each view, and a control for each setting of the schema."""

from __future__ import annotations

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import (
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from rtviz import views
from rtviz.app.controls import Control, HeadControl, LayerControl, PromptsControl
from rtviz.app.keys import Bindings
from rtviz.app.panels.section import add_row
from rtviz.app.remembered import MODEL_OPTIONS
from rtviz.live.session import MODES
from rtviz.settings import Settings
from rtviz.views import requirements
from rtviz.words import counted

_ABREAST = 3  # views in a row
_PARTS = 6  # of a row, so that one, two or three buttons can share it


class ViewPanel(QWidget):
    """What is shown and how: a button for each view, and a control for each setting of the schema.

    `changed`, `refused` and `entered` are emitted like a control's, `requested` with an action's name.
    """

    changed = pyqtSignal(str, object)
    refused = pyqtSignal(str)
    entered = pyqtSignal()
    requested = pyqtSignal(str)

    def __init__(self, bindings: Bindings) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setSpacing(8)
        grid = QGridLayout()
        grid.setSpacing(4)
        shown = views.names()
        last = len(shown) % _ABREAST or _ABREAST  # buttons of the last row, which share it
        self.views: dict[str, QToolButton] = {}
        for place, name in enumerate(shown):
            info = views.find(name)
            button = self._choice(info.label, f"view_{name}", bindings)
            button.setProperty("dense", True)
            button.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Fixed)  # the same share of the panel each
            self.views[name] = button
            down, across = divmod(place, _ABREAST)
            wide = _PARTS // (last if place >= len(shown) - last else _ABREAST)
            grid.addWidget(button, down, across * wide, 1, wide)
        for part in range(_PARTS):
            grid.setColumnStretch(part, 1)
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
        form.setVerticalSpacing(0)  # a row that is hidden would keep its spacing; each has its own
        form.setLabelAlignment(Qt.AlignLeft)
        self.controls: dict[str, Control] = {}
        names = [option.name for option in Settings.options() if option.name not in (*MODEL_OPTIONS, "view")]
        marked = [name for name in names if _is_of_marks(name)]  # first: a user who marks something looks for them
        for name in (*marked, *(name for name in names if name not in marked)):
            add_row(form, self.controls, name, bindings)
            self.controls[name].changed.connect(self.changed)
            self.controls[name].refused.connect(self.refused)
            self.controls[name].entered.connect(self.entered)
        column.addLayout(form)
        self.masks = QToolButton()
        self.masks.setText("Masks…")
        self.masks.setFocusPolicy(Qt.TabFocus)
        self.masks.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Fixed)
        self.masks.setToolTip(bindings.tip("masks"))
        self.masks.clicked.connect(lambda: self.requested.emit("masks"))
        self._masks_row = QWidget()
        room = QVBoxLayout(self._masks_row)
        room.setContentsMargins(0, 4, 0, 6)
        room.addWidget(self.masks)
        self._masks_row.hide()
        self._offers_masks = bindings.offers("masks")
        form.insertRow(len(marked), self._masks_row)
        self._labels = {name: form.labelForField(control) for name, control in self.controls.items()}
        self.more = QToolButton()
        self.more.setFocusPolicy(Qt.TabFocus)
        self.more.setCheckable(True)
        self.more.setAutoRaise(True)
        self.more.setToolTip("Settings that change nothing in this view")
        self.more.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Fixed)
        self.more.toggled.connect(self._fold)
        foot = QHBoxLayout()
        foot.addWidget(self.more, 1)
        self.reset = QToolButton()
        self.reset.setText("reset all")
        self.reset.setFocusPolicy(Qt.TabFocus)
        self.reset.setAutoRaise(True)
        self.reset.setToolTip(bindings.tip("reset"))
        self.reset.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Fixed)
        self.reset.clicked.connect(lambda: self.requested.emit("reset"))
        foot.addWidget(self.reset, 1)
        column.addLayout(foot)
        self._unread: frozenset[str] = frozenset()
        self._fold()

    @property
    def prompts(self) -> PromptsControl:
        """What chooses the class of the next prompt."""
        control = self.controls["prompt"]
        assert isinstance(control, PromptsControl)
        return control

    def _fold(self) -> None:
        """Show the controls that this view reads, and the others only on request."""
        count = len(self._unread & self.controls.keys())
        self.more.setVisible(bool(count))
        self.more.setText("fewer settings" if self.more.isChecked() else f"{counted(count, 'more setting')}")
        for name, control in self.controls.items():
            shown = name not in self._unread or self.more.isChecked()
            for part in (control, self._labels[name]):
                if part is not None:
                    part.setVisible(shown)

    def _choice(self, label: str, action: str, bindings: Bindings) -> QToolButton:
        button = QToolButton()
        button.setText(label)
        button.setCheckable(True)
        button.setFocusPolicy(Qt.TabFocus)
        button.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Fixed)
        button.setToolTip(bindings.tip(action))
        button.clicked.connect(lambda: self.requested.emit(action))
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
        marked = {"prompt": settings.prompt, "track": settings.track}  # whoever marks something may want to keep it
        info = views.find(settings.view)
        self._masks_row.setVisible(
            self._offers_masks and info.masks and any(value for name, value in marked.items() if name in info.reads)
        )
        # Ten times a second: a replaced value would have all be checked again.
        seen = settings if shown == settings.view else settings.replace(view=shown)
        unread = frozenset(requirements.unread(self.controls, seen, heads or int(not layers)))
        if unread != self._unread:
            self._unread = unread
            self._fold()


def _is_of_marks(name: str) -> bool:
    """Whether only views that show what a user marks read a setting."""
    readers = [view for view in map(views.find, views.names()) if name in view.reads]
    return bool(readers) and all(view.transient for view in readers)


__all__ = ["ViewPanel"]

"""What panels are made of: a collapsible section, a row for an option, a faint label."""

from __future__ import annotations

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtGui import QMouseEvent, QResizeEvent
from PyQt5.QtWidgets import QFormLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from rtviz.app.controls import Control, RealControl, control_for
from rtviz.app.keys import Bindings
from rtviz.settings import Settings

# Which keys change a setting; the control's tooltip names them.
_KEYS = {
    "head": ("head_previous", "head_next"),
    "layer": ("layer_down", "layer_up"),
    "layout": ("layout_next",),
    "opacity": ("opacity_down", "opacity_up"),
    "confidence": ("threshold_down", "threshold_up"),
    "threshold": ("threshold_down", "threshold_up"),
    "colormap": ("colormap_next",),
    "upsampling": ("upsampling_next",),
    "query": ("query_cls",),
}


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


class ResetLabel(QLabel):
    """A control's name; a double click on it asks for the default."""

    reset = pyqtSignal()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self.reset.emit()


class MeaningLine(QLabel):
    """A sentence with its source, on one line whatever the width: where there is little room the sentence is cut short,
    so that the picture above keeps its place."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("faint", True)
        self.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Fixed)
        self._sentence, self._source = "", ""

    def say(self, sentence: str, source: str) -> None:
        """Show a sentence, and who it is from; the tooltip has both whole."""
        if (sentence, source) != (self._sentence, self._source):
            self._sentence, self._source = sentence, source
            self.setToolTip(" ".join(filter(None, (sentence, source))))
            self._fit()

    def _fit(self) -> None:
        margins, metrics = self.contentsMargins(), self.fontMetrics()
        end = f"  {self._source}" if self._source else ""
        room = self.width() - margins.left() - margins.right() - metrics.horizontalAdvance(end)
        self.setText(metrics.elidedText(self._sentence, Qt.ElideRight, max(0, room)) + end)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        self._fit()


def add_row(form: QFormLayout, controls: dict[str, Control], name: str, bindings: Bindings) -> None:
    """A labelled row for an option, whose every part has the tooltip."""
    option = Settings.option(name)
    control = control_for(option)
    help = option.help[:1].upper() + option.help[1:]
    tip = bindings.tip_of(_KEYS.get(name, ()), help)
    for part in (control, *control.findChildren(QWidget)):
        part.setToolTip(part.toolTip() or tip)  # a button in it says what it does
    label = ResetLabel(option.label)
    label.setToolTip(f"{tip}; a double click resets it")
    label.reset.connect(control.reset)
    if isinstance(control, RealControl):
        control.setMinimumWidth(150)
    for part in (label, control):  # alike, or their texts would not stand in one line
        part.setContentsMargins(0, 3, 0, 3)
    form.addRow(label, control)
    controls[name] = control


__all__ = ["MeaningLine", "Section", "add_row", "faint"]

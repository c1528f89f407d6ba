"""Controls made from the settings schema: one for each kind of Option, all with the same two ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PyQt5.QtCore import QEvent, QObject, QPointF, QSize, Qt, pyqtSignal
from PyQt5.QtGui import QColor, QIcon, QKeyEvent, QPainter, QPaintEvent, QPalette, QPen, QPixmap, QPolygonF
from PyQt5.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QSlider,
    QSpinBox,
    QToolButton,
    QWidget,
)

from rtviz.errors import SettingsError
from rtviz.options import (
    ChoiceOption,
    FlagOption,
    HeadOption,
    Option,
    PromptsOption,
    RealOption,
    WholeOption,
)
from rtviz.values import NO_NAME, Mark, Point, Prompt

_ENTER = (Qt.Key_Return, Qt.Key_Enter)


class Control(QWidget):
    """What one setting is changed with.

    `changed` is emitted with a value that the option allows when the user has changed it; `refused` with the sentence
    about one that it does not; `entered` when what was typed has been taken with Enter. `show_value` sets the value,
    and emits nothing.
    """

    changed = pyqtSignal(str, object)
    refused = pyqtSignal(str)
    entered = pyqtSignal()

    def __init__(self, option: Option) -> None:
        super().__init__()
        self.option = option
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(8)

    def show_value(self, value: Any) -> None:
        raise NotImplementedError

    def reset(self) -> None:
        """Ask for the default."""
        self._emit(self.option.default)

    def _hold(self, widget: QWidget, stretch: int = 1) -> None:
        """Add a widget: reachable by Tab, named, and deaf to a wheel that only scrolls past it."""
        if not isinstance(widget, QLabel):
            widget.setFocusPolicy(Qt.StrongFocus if isinstance(widget, (QLineEdit, QSpinBox)) else Qt.TabFocus)
            widget.setAccessibleName(self.option.label)
            widget.installEventFilter(self)
        self._row.addWidget(widget, stretch)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        if event is not None and event.type() == QEvent.Wheel and isinstance(watched, QWidget):
            event.ignore()
            return not watched.hasFocus()
        entering = isinstance(event, QKeyEvent) and event.type() == QEvent.KeyPress and event.key() in _ENTER
        if entering and isinstance(watched, (QLineEdit, QSpinBox)):
            if self._take_typed():
                self.entered.emit()
            return True  # Qt would hand it on, to the window's own keys
        return False

    def _take_typed(self) -> bool:
        """Take what is being typed; False where it is refused, and stays to be mended."""
        return True

    def _emit(self, value: Any) -> bool:
        """Emit a value; False where it is not allowed."""
        try:
            self.changed.emit(self.option.name, self.option.check(value))
        except SettingsError as error:
            self.refused.emit(str(error))
            return False
        return True


class Combo(QComboBox):
    """A combo box with an arrow of its own: a style sheet takes away the style's."""

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        super().paintEvent(event)
        _chevron(self, self.width() - 13, self.height() / 2, 1)


class Spin(QSpinBox):
    """A spin box with arrows of its own."""

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        super().paintEvent(event)
        _chevrons(self)


class DoubleSpin(QDoubleSpinBox):
    """The same for numbers with a fraction."""

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        super().paintEvent(event)
        _chevrons(self)


def _chevrons(box: QWidget) -> None:
    _chevron(box, box.width() - 13, box.height() / 2 - 5, -1)
    _chevron(box, box.width() - 13, box.height() / 2 + 5, 1)


def _chevron(widget: QWidget, x: float, y: float, down: int) -> None:
    painter = QPainter(widget)
    painter.setRenderHint(QPainter.Antialiasing)
    color = widget.palette().color(QPalette.Text if widget.isEnabled() else QPalette.PlaceholderText)
    painter.setPen(QPen(color, 1.6, Qt.SolidLine, Qt.RoundCap, Qt.RoundJoin))
    painter.drawPolyline(
        QPolygonF([QPointF(x - 4, y - 2 * down), QPointF(x, y + 2 * down), QPointF(x + 4, y - 2 * down)])
    )
    painter.end()


class ChoiceControl(Control):
    def __init__(self, option: Option, choices: Sequence[str]) -> None:
        super().__init__(option)
        self.box = Combo()
        self.box.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Fixed)
        self.box.addItems(list(choices))
        self.box.setMinimumContentsLength(6)
        self.box.activated[str].connect(self._tell)
        self._shown = option.default
        self._hold(self.box)

    def _tell(self, text: str) -> None:
        if text != self._shown:
            self._shown = text
            self._emit(text)

    def show_value(self, value: Any) -> None:
        self._shown = value
        self.box.setCurrentIndex(self.box.findText(str(value)))


class RealControl(Control):
    """A slider whose notches are the option's steps, and the value beside it."""

    def __init__(self, option: RealOption) -> None:
        super().__init__(option)
        assert option.minimum is not None
        assert option.maximum is not None
        self._low, self._high = option.minimum, option.maximum
        self._step = option.step or (option.maximum - option.minimum) / 100
        self.slider = QSlider(Qt.Horizontal)
        # Notches lie on multiples of the step; the lowest may be a little lower (a threshold of 0.01).
        self._first = round(self._low / self._step)
        self.slider.setRange(0, round(self._high / self._step) - self._first)
        self.slider.setSingleStep(1)
        self.slider.setPageStep(2)
        self.label = QLabel()
        self.label.setMinimumWidth(34)
        self.label.setAlignment(Qt.AlignRight | Qt.AlignVCenter)
        self.slider.valueChanged.connect(self._slid)
        self._hold(self.slider)
        self._hold(self.label, 0)

    def _slid(self, notch: int) -> None:
        value = round(min(max((self._first + notch) * self._step, self._low), self._high), 6)
        self.label.setText(f"{value:g}")
        self._emit(value)

    def show_value(self, value: Any) -> None:
        self.slider.blockSignals(True)
        self.slider.setValue(round(float(value) / self._step) - self._first)
        self.slider.blockSignals(False)
        self.label.setText(f"{value:.3g}")


class WholeControl(Control):
    def __init__(self, option: WholeOption) -> None:
        super().__init__(option)
        self.box = Spin()
        self.box.setKeyboardTracking(False)
        self.box.setRange(int(option.minimum or -(2**31)), int(option.maximum or 2**31 - 1))
        self.box.setSingleStep(int(option.step or 1))
        self.box.valueChanged.connect(self._emit)
        self._hold(self.box)

    def _take_typed(self) -> bool:
        self.box.interpretText()
        return True

    def show_value(self, value: Any) -> None:
        if self.box.hasFocus() and self.box.value() != value:
            return  # it is being typed
        self.box.blockSignals(True)
        self.box.setValue(int(value))
        self.box.blockSignals(False)


class LayerControl(WholeControl):
    """A layer of those that the model has; negative ones count from the end."""

    def __init__(self, option: WholeOption) -> None:
        super().__init__(option)
        self._layers = 0

    def show_count(self, layers: int) -> None:
        """How many layers there are to choose from."""
        if layers != self._layers:
            self._layers = layers
            self.box.blockSignals(True)
            self.box.setRange(-layers, layers - 1)
            self.box.blockSignals(False)

    def show_value(self, value: Any) -> None:
        """A layer that the model does not have is shown as the one used instead: the last, or the first."""
        if self._layers and not -self._layers <= value < self._layers:
            value = self._layers - 1 if value > 0 else 0
        super().show_value(value)


class FlagControl(Control):
    def __init__(self, option: Option) -> None:
        super().__init__(option)
        self.box = QCheckBox()
        self.box.toggled.connect(self._emit)
        self._hold(self.box)

    def show_value(self, value: Any) -> None:
        self.box.blockSignals(True)
        self.box.setChecked(bool(value))
        self.box.blockSignals(False)


class TextControl(Control):
    """A line; empty is None where the option is optional. For a query too, which is written as text."""

    def __init__(self, option: Option) -> None:
        super().__init__(option)
        self.line = QLineEdit()
        self.line.setPlaceholderText(
            "none" if option.default == () else "not given" if option.optional else str(option.default)
        )
        self.line.editingFinished.connect(self._take_typed)
        self._shown = ""
        self._hold(self.line)

    def _take_typed(self) -> bool:
        text = self.line.text().strip()
        if text == self._shown:
            return True
        self._shown = text
        if text or self.option.optional or self.option.default == ():
            return self._emit(text or self.option.default)
        return True

    def show_value(self, value: Any) -> None:
        if isinstance(value, Point):
            self._shown = ",".join(f"{part:.3f}" for part in value)
        else:
            self._shown = "" if value is None else str(self.option.plain(value))
        if not self.line.hasFocus():
            self.line.setText(self._shown)


class HeadControl(ChoiceControl):
    """The heads' numbers, and mean, max, all and follow."""

    def __init__(self, option: Option) -> None:
        super().__init__(option, ("mean", "max", "all", "follow"))
        self._heads = 0

    def show_count(self, heads: int) -> None:
        if self._heads != heads:
            self._heads = heads
            shown = self._shown
            self.box.clear()
            self.box.addItems(["mean", "max", "all", "follow", *map(str, range(heads))])
            self.show_value(shown)

    def show_value(self, value: Any) -> None:
        if not self._heads and self.box.findText(str(value)) < 0:
            self.box.addItem(str(value))  # chosen before a model says how many heads it has
        super().show_value(value)

    def _tell(self, text: str) -> None:
        super()._tell(int(text) if text.isdecimal() else text)  # type: ignore[arg-type]


class PromptsControl(Control):
    """The class that the next example is of, which can be typed; and buttons that take examples away.

    Attributes:
        name: of the class.
    """

    def __init__(self, option: Option) -> None:
        super().__init__(option)
        self.name = NO_NAME
        self._value: tuple[Prompt, ...] = ()
        self.box = Combo()
        self.box.setEditable(True)
        self.box.setInsertPolicy(QComboBox.NoInsert)
        self.box.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Fixed)
        self.box.setIconSize(QSize(8, 8))
        self._row.setSpacing(4)
        self.box.activated[str].connect(self._choose)
        edit = self.box.lineEdit()
        assert edit is not None
        edit.editingFinished.connect(lambda: self._choose(self.box.currentText()))
        self.undo, self.clear = QToolButton(), QToolButton()
        self.undo.setText("↶")
        self.undo.clicked.connect(lambda: self._emit(self._value[:-1]))
        self.clear.setText("×")
        self.clear.clicked.connect(lambda: self._emit(()))
        self._hold(self.box)
        self._hold(self.undo, 0)
        self._hold(self.clear, 0)
        for button, name in ((self.undo, "Remove the last prompt"), (self.clear, "Remove all prompts")):
            button.setAccessibleName(name)
            button.setToolTip(name)
            button.setFixedWidth(22)
            button.setProperty("dense", True)
        self.show_value(())

    def _choose(self, text: str) -> None:
        """Take a class by its name; a name that a class cannot have changes nothing."""
        try:
            self.option.check([Prompt("", Mark(0, 0), True, text.strip())])
        except SettingsError:
            self.refused.emit("the name of a class has none of + - ; @")
            self.box.setEditText(self.name)
        else:
            self.name = text.strip()

    def show_value(self, value: Any) -> None:
        new = [prompt.name for prompt in value if prompt not in self._value]
        self._value = tuple(value)
        if new and all(prompt.name != self.name for prompt in value):  # others than the user's clicks: of a start, a
            self.name = new[-1]  # preset, an undo; a name that is typed has no example until then
        self.undo.setEnabled(bool(value))
        self.clear.setEnabled(bool(value))
        names = list(dict.fromkeys(prompt.name for prompt in self._value if prompt.positive))
        if names != [self.box.itemText(place) for place in range(self.box.count())]:
            from rtviz.drawing import palette  # the window opens before what draws is loaded

            self.box.clear()
            for number, name in enumerate(names):
                dot = QPixmap(8, 8)
                dot.fill(QColor(*palette.head_color(number)))
                self.box.addItem(QIcon(dot), name)
        edit = self.box.lineEdit()
        if edit is not None and not edit.hasFocus():
            self.box.setCurrentIndex(self.box.findText(self.name))
            edit.setText(self.name)
            edit.setCursorPosition(0)  # a long name shows its beginning


def control_for(option: Option) -> Control:
    """The control for an option, by its kind."""
    match option:
        case ChoiceOption():
            return ChoiceControl(option, option.choices)
        case RealOption() if option.minimum is not None and option.maximum is not None:
            return RealControl(option)
        case WholeOption(name="layer"):
            return LayerControl(option)
        case WholeOption():
            return WholeControl(option)
        case FlagOption():
            return FlagControl(option)
        case PromptsOption():
            return PromptsControl(option)
        case HeadOption():
            return HeadControl(option)
    return TextControl(option)


__all__ = ["ChoiceControl", "Combo", "Control", "DoubleSpin", "FlagControl", "HeadControl", "LayerControl",
           "RealControl", "TextControl", "WholeControl", "control_for"]  # fmt: skip

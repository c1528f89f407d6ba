"""From a key press anywhere in the window to an action, unless the focused widget needs the key itself."""

from __future__ import annotations

from collections.abc import Callable

from PyQt5.QtCore import QEvent, QObject, Qt
from PyQt5.QtGui import QKeyEvent
from PyQt5.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QWidget,
)

from rtviz.app.keys import Bindings, names_of
from rtviz.app.layer_sweep import LayerSweep
from rtviz.app.timeline import Timeline

_MODIFIERS = (Qt.Key_Shift, Qt.Key_Control, Qt.Key_Alt, Qt.Key_Meta, Qt.Key_AltGr)
_INPUT = (QEvent.MouseMove, QEvent.MouseButtonPress, QEvent.KeyPress, QEvent.Wheel, QEvent.Drop)
_DURING_A_SWEEP = ("elevator_save", "snapshot", "record")  # these do not end a layer sweep
_ONCE = ("elevator", "full_screen", "hide_all", "help", "pause", "record", "snapshot", "theme", "quit")  # no repeat
_EDITING = {*(f"Ctrl+{letter}" for letter in "ACVXYZ"), "Ctrl+Shift+Z", "Ctrl+Left", "Ctrl+Right", "Ctrl+Backspace"}
_ARROWS = {"Left", "Right", "Up", "Down", "Home", "End", "PageUp", "PageDown"}


class Keyboard(QObject):
    """An event filter for the application.

    Args:
        window: whose keys these are.
        sweep: a key or a click ends it.
        do: does an action.
        touched: called for every input.
        swept: called when a key has ended the sweep.
        default: the button that Enter presses while nothing that needs it has the focus, if there is one.
    """

    def __init__(
        self,
        window: QWidget,
        bindings: Bindings,
        sweep: LayerSweep,
        do: Callable[[str], None],
        touched: Callable[[], None],
        swept: Callable[[], None],
        default: Callable[[], QAbstractButton | None],
    ) -> None:
        super().__init__(window)
        self._window, self._bindings, self._sweep = window, bindings, sweep
        self._do, self._touched, self._swept, self._default = do, touched, swept, default

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        # Every event of every object comes through here, a thousand for each window that opens: input is the exception.
        if event is None or (kind := event.type()) not in _INPUT or not isinstance(watched, QWidget):
            return False
        self._touched()
        if watched.window() is not self._window:
            return False
        if kind == QEvent.MouseButtonPress and self._sweep.running:
            self._sweep.stop()
        if kind != QEvent.KeyPress or not isinstance(event, QKeyEvent):
            return False
        names = names_of(event)
        action = self._bindings.action_of(names)
        if self._sweep.running and self._ends_sweep(event, action):
            return True
        focus, key = self._window.focusWidget() or watched, names[0] if names else ""
        if key in ("Return", "Enter") and (button := self._pressed_by_enter(focus, key)) is not None:
            if not event.isAutoRepeat():
                button.click()
            return True
        if action is None or _needs(focus, key):
            return False
        if not (event.isAutoRepeat() and action in _ONCE):
            self._do(action)
        return True

    def _pressed_by_enter(self, focus: QWidget, key: str) -> QAbstractButton | None:
        """The button that has the focus, which Qt presses with Enter in a dialog alone; else the default one."""
        if isinstance(focus, QAbstractButton):
            return focus
        return None if _needs(focus, key) else self._default()

    def _ends_sweep(self, event: QKeyEvent, action: str | None) -> bool:
        """End the layer sweep. Returns whether the key does nothing else, like those that only lead back."""
        if event.key() in _MODIFIERS or action in _DURING_A_SWEEP:
            return False
        if not event.isAutoRepeat():
            self._sweep.stop()
            self._swept()
        return event.isAutoRepeat() or action in ("elevator", "escape")


def _needs(widget: QWidget, key: str) -> bool:
    """Whether a widget that has the focus needs this key itself."""
    if key == "Esc":
        return False
    if isinstance(widget, (QLineEdit, QAbstractSpinBox)) or (isinstance(widget, QComboBox) and widget.isEditable()):
        return not key.startswith(("Ctrl+", "F1", "F9")) or key in _EDITING
    if isinstance(widget, (QAbstractSlider, Timeline)):
        return key in _ARROWS
    if isinstance(widget, (QAbstractItemView, QComboBox)):
        return key in _ARROWS or key in ("Return", "Enter", "Space")
    return isinstance(widget, QAbstractButton) and key == "Space"


__all__ = ["Keyboard"]

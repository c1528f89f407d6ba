"""The panels' controls under real key presses and clicks."""

from __future__ import annotations

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest
from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QLineEdit, QSpinBox
from pytestqt.qtbot import QtBot
from windows import GREY, Make, wait

from rtviz.app.controls import TextControl, WholeControl
from rtviz.app.window import Window
from rtviz.settings import Point

pytestmark = pytest.mark.gui


def line_of(window: Window, name: str) -> QLineEdit | QSpinBox:
    """The field that a setting is typed into, with the focus in it."""
    control = {**window.view.controls, **window.models.controls}[name]
    assert isinstance(control, (TextControl, WholeControl))
    field = control.line if isinstance(control, TextControl) else control.box
    window.view.more.setChecked(True)
    field.setFocus()
    field.selectAll()
    return field


def test_after_enter_the_picture_has_the_keys_again(make: Make, qtbot: QtBot) -> None:
    window = make()
    wait(qtbot, lambda: window.session.status().recorder_seconds > 0.1)
    window.do("rewind")
    fields = {
        "query": ("0.25,0.5", Point(0.25, 0.5)), "layer": ("1", 1), "resolution": ("96", 96), "target": ("7", 7),
    }  # fmt: skip
    for head, (name, (typed, value)) in enumerate(fields.items()):
        field = line_of(window, name)
        qtbot.keyClicks(field, typed)
        qtbot.keyClick(field, Qt.Key_Return)
        assert getattr(window.session.settings, name) == value
        assert window.session.status().past_seconds is not None, "here Enter is the field's, and not the way back"
        focused = window.focusWidget()
        assert focused is window.canvas
        qtbot.keyClick(focused, f"{head}")
        assert window.session.settings.head == head
        assert getattr(window.session.settings, name) == value


def test_what_is_refused_stays_to_be_mended(make: Make, qtbot: QtBot) -> None:
    window = make()
    field = line_of(window, "query")
    qtbot.keyClicks(field, "5,5")
    for _ in range(2):
        qtbot.keyClick(field, Qt.Key_Return)
        assert window.focusWidget() is field
        assert "query" in window.canvas.toast_text
        window.canvas.toast("")
        window.refresh()
    assert window.session.settings == GREY
    qtbot.keyClick(field, Qt.Key_A, Qt.ControlModifier)
    qtbot.keyClicks(field, "0.5,0.5")
    qtbot.keyClick(field, Qt.Key_Enter)
    assert window.session.settings.query == Point(0.5, 0.5)
    assert window.focusWidget() is window.canvas

"""Prompts in the window: examples by clicks, classes by name, undo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PyQt5.QtCore import QPoint, QPointF, Qt
from PyQt5.QtGui import QColor, QContextMenuEvent, QImage
from PyQt5.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from windows import GREY, Make

from rtviz.app.canvas import Canvas
from rtviz.app.window import Window
from rtviz.engine.drawing import draw
from rtviz.frame import Frame, Maps, Result
from rtviz.markup import Sign
from rtviz.settings import Mark, Prompt, Settings


@pytest.fixture
def window(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Window:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return make(GREY.replace(view="prompts"))


def place(window: Window, x: float, y: float) -> QPoint:
    rect = window.canvas.picture_rect()
    return QPoint(round(rect.x() + x * rect.width()), round(rect.y() + y * rect.height()))


def right_click(window: Window, at: QPoint) -> None:
    """What a window system sends for it, with Shift held."""
    canvas = window.canvas
    event = QContextMenuEvent(QContextMenuEvent.Mouse, at, canvas.mapToGlobal(at), Qt.ShiftModifier)
    QApplication.sendEvent(canvas, event)


def test_clicks_give_examples_of_the_class_and_of_what_it_is_not(window: Window, qtbot: QtBot) -> None:
    session = window.session
    right_click(window, place(window, 0.5, 0.5))  # of a class that is nowhere, there is nothing to leave out
    assert not session.settings.prompt
    assert "first Shift+click where object is" in window.canvas.toast_text
    qtbot.mouseClick(window.canvas, Qt.LeftButton, Qt.ShiftModifier, place(window, 0.25, 0.75))
    window.view.prompts.box.setEditText("cup")
    window.view.prompts.box.lineEdit().editingFinished.emit()
    qtbot.mouseClick(window.canvas, Qt.LeftButton, Qt.ShiftModifier, place(window, 0.5, 0.25))
    right_click(window, place(window, 0.75, 0.5))
    shown = window.canvas.result
    assert shown is not None
    given = session.settings.prompt
    assert [(one.name, one.positive) for one in given] == [("object", True), ("cup", True), ("cup", False)]
    places = [(one.mark.x, one.mark.y) for one in given]
    np.testing.assert_allclose(places, [(0.25, 0.75), (0.5, 0.25), (0.75, 0.5)], atol=0.01)
    for one in given:
        assert np.asarray(Image.open(one.path)).shape == shown.frame.pixels.shape
    assert not session.settings.track


def test_the_last_example_is_taken_back_and_all_of_them(window: Window, qtbot: QtBot) -> None:
    control, session = window.view.prompts, window.session
    given = tuple(Prompt("a.png", Mark(0.1 * number, 0.5), True, "cup") for number in range(5))
    window.change(prompt=given)
    window.do("unmark")
    assert session.settings.prompt == given[:4]
    qtbot.mouseClick(control.undo, Qt.LeftButton)
    assert session.settings.prompt == given[:3]
    window.do("clear_marks")
    assert not session.settings.prompt
    assert session.settings.view == "prompts"
    window.change(prompt=given)
    qtbot.mouseClick(control.clear, Qt.LeftButton)
    assert not session.settings.prompt
    assert not control.undo.isEnabled()


def test_classes_are_chosen_by_name(window: Window) -> None:
    control = window.view.prompts
    window.change(prompt=[Prompt("a.png", Mark(0.1, 0.5), True, name) for name in ("cup", "spoon")])
    assert [control.box.itemText(number) for number in range(control.box.count())] == ["cup", "spoon"]
    control.box.activated[str].emit("spoon")
    assert window.prompts.name == "spoon"
    control.box.setEditText("a+b")
    control.box.lineEdit().editingFinished.emit()
    assert window.prompts.name == "spoon"
    assert "has none of" in window.canvas.toast_text


def test_the_class_that_is_shown_is_the_one_in_use(make: Make, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    bottle, cap = (Prompt(str(tmp_path / "a.png"), Mark(0.5, 0.4), True, name) for name in ("bottle", "cap"))
    window = make(GREY.replace(view="prompts", prompt=(bottle,)))
    assert (window.prompts.name, window.view.prompts.box.currentText()) == ("bottle", "bottle")
    window.view.prompts.box.setEditText("spoon")
    window.view.prompts.box.lineEdit().editingFinished.emit()
    window.refresh()
    assert window.prompts.name == "spoon", "a class that is typed has no example yet"
    window.change(prompt=(cap,))  # as a preset does
    assert (window.prompts.name, window.view.prompts.box.currentText()) == ("cap", "cap")


def test_keys_of_the_threshold_change_the_confidence(window: Window) -> None:
    window.do("threshold_up")
    assert window.session.settings.confidence == pytest.approx(0.55)
    window.do("view_mask")
    window.do("threshold_up")
    assert window.session.settings.confidence == pytest.approx(0.55)
    assert window.session.settings.threshold == pytest.approx(0.65)


def test_what_is_computed_is_not_written_over_what_the_view_says(qtbot: QtBot) -> None:
    """Both are in the upper left corner: what the view says is as it was, and the other one below it."""
    frame = Frame(np.full((480, 640, 3), 90, np.uint8))
    prompts = np.zeros((4, 6, 8), np.float32)
    maps = Maps(np.full((1, 1, 4, 6), 0.04), np.zeros((1, 1, 1), np.float32), "cls", "x", 8, (32, 48), tokens=prompts)
    canvas = Canvas()
    qtbot.addWidget(canvas)
    canvas.resize(640, 480)
    canvas.show()
    canvas.show_result(draw(frame, maps, Settings(view="prompts")))
    before = canvas.grab().toImage()
    canvas.awaited = "prompts: computing …"
    after = canvas.grab().toImage()

    def rows(image: QImage, other: QImage) -> list[int]:
        """Where two pictures differ."""
        return [y for y in range(240) if any(image.pixel(x, y) != other.pixel(x, y) for x in range(0, 300, 2))]

    plain = QImage(before.size(), QImage.Format_RGB32)
    plain.fill(QColor(90, 90, 90))
    said, computed = rows(before.convertToFormat(QImage.Format_RGB32), plain), rows(after, before)
    assert said
    assert computed
    assert max(said) < min(computed)


@pytest.mark.parametrize("zoom", [1.0, 3.0])
@pytest.mark.parametrize("positive", [True, False])
def test_a_sign_is_painted_in_pixels_of_the_window_however_large_the_picture_is(
    qtbot: QtBot, positive: bool, zoom: float
) -> None:
    """A plus or a minus of 7 to 11 pixels, at its place of the picture."""
    canvas = Canvas()
    qtbot.addWidget(canvas)
    canvas.resize(640, 480)
    canvas.show()
    plain = np.full((48, 64, 3), 90, np.uint8)
    sign = Sign((24, 32, 0, 0), (240, 160, 10), 4, positive)
    canvas.show_result(Result(plain, Frame(plain), None, Settings(view="none"), plain=plain, annotations=(sign,)))
    canvas.zoom_by(zoom, QPointF(320, 240))
    image = canvas.grab().toImage()

    def differs(x: int, y: int) -> bool:
        return image.pixelColor(x, y).getRgb()[:3] != (90, 90, 90)

    assert [differs(320 + step, 240) for step in (0, 6, 13)] == [True, True, False]
    middle = image.pixelColor(320, 240)
    beside, above = image.pixelColor(323, 240), image.pixelColor(320, 237)
    assert beside == middle
    assert (above == middle) is positive
    orange = QColor(240, 160, 10)
    assert any(image.pixelColor(320, 240 + step) == orange for step in range(4, 10))

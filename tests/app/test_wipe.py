"""The divider between two pictures, and the colour bar."""

from __future__ import annotations

import os
from dataclasses import replace

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pytest
from live_fakes import Engine, Model, by_name
from PyQt5.QtCore import QEvent, QPoint, QPointF, Qt
from PyQt5.QtGui import QMouseEvent
from PyQt5.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from windows import GREY, Make, wait

from rtviz.app.canvas import Canvas, to_pixels
from rtviz.app.window import Window
from rtviz.drawing.palette import colormap
from rtviz.frame import Frame, Maps, Pane, Result
from rtviz.markup import Outline, Polyline, Scale
from rtviz.settings import Settings

pytestmark = pytest.mark.gui


def still(window: Window, qtbot: QtBot) -> None:
    qtbot.keyClick(window.canvas, Qt.Key_Space)
    wait(qtbot, lambda: window.session.status().paused)
    window.canvas.toast("")


def drag(window: Window, begin: QPoint, end: QPoint, qtbot: QtBot) -> None:
    qtbot.mousePress(window.canvas, Qt.LeftButton, pos=begin)
    moved = QMouseEvent(QEvent.MouseMove, QPointF(end), Qt.NoButton, Qt.LeftButton, Qt.NoModifier)
    QApplication.sendEvent(window.canvas, moved)
    qtbot.mouseRelease(window.canvas, Qt.LeftButton, pos=end)


def test_the_divider_uncovers_the_frame_and_a_drag_of_it_asks_nothing(make: Make, qtbot: QtBot) -> None:
    window = make(GREY.replace(opacity=1.0))  # the first patch of 6 x 8 is white, on a nearly black frame
    still(window, qtbot)
    canvas = window.canvas
    rect = canvas.picture_rect()
    there = QPointF(rect.x() + rect.width() / 16, rect.y() + rect.height() / 12).toPoint()

    def lit() -> bool:
        window.canvas.toast("")
        return canvas.grab().toImage().pixelColor(there).lightness() > 200

    assert lit()
    qtbot.keyClick(canvas, Qt.Key_W, Qt.ShiftModifier)
    assert not lit(), "left of the divider is the frame"
    middle = QPoint(canvas.width() // 2, 40)
    drag(window, middle, QPoint(there.x() - 15, 40), qtbot)
    assert lit()
    assert window.session.settings.query == "cls"
    qtbot.mouseClick(canvas, Qt.LeftButton, pos=middle)
    asked = window.session.settings.query
    assert asked != "cls", "where the divider was a click asks again"
    qtbot.keyClick(canvas, Qt.Key_W, Qt.ShiftModifier)
    assert lit()


def test_left_of_the_divider_no_box_or_line_is_over_the_frame(qtbot: QtBot) -> None:
    canvas = Canvas()
    qtbot.addWidget(canvas)
    canvas.resize(320, 240)
    canvas.show()
    canvas.wipe = 0.5
    pixels = np.full((240, 320, 3), 90, np.uint8)
    attention = np.full((1, 1, 6, 8), 1 / 48, np.float32)
    maps = Maps(attention, np.zeros((1, 1, 1), np.float32), "cls", "tiny", 16, (96, 128))
    plain = Result(pixels, Frame(pixels), maps, Settings(), plain=pixels)
    orange = (240, 160, 10)
    drawn = Outline((40, 60, 30, 200), orange, 3), Polyline(((200.0, 10.0), (200.0, 310.0)), orange, 3)
    pictures = []
    for shown in ((), drawn):
        canvas.show_result(replace(plain, annotations=shown))
        pictures.append(to_pixels(canvas.grab().toImage()))
    differs = (pictures[0] != pictures[1]).any(axis=2)
    assert differs[:, 180:].any()
    assert not differs[:, :160].any()


def test_the_divider_lays_two_panes_over_each_other_and_a_click_means_the_one_that_is_seen(
    make: Make, qtbot: QtBot
) -> None:
    engines = by_name({name: Engine(Model(name)) for name in ("one", "two")})
    window = make(GREY.replace(model="one", compare=("two",)), load_engine=engines)
    wait(qtbot, lambda: window.canvas.result is not None and len(window.canvas.result.panes) == 2)
    qtbot.keyClick(window.canvas, Qt.Key_W, Qt.ShiftModifier)
    canvas = window.canvas
    scale = min(canvas.width() / 160, canvas.height() / 120)
    for pane, x in ((1, 0.75), (0, 0.25)):
        place = QPointF(canvas.width() / 2 + (x - 0.5) * 160 * scale, canvas.height() / 2 + 0.2 * 120 * scale).toPoint()
        qtbot.mouseClick(canvas, Qt.LeftButton, pos=place)
        wait(qtbot, lambda: window.session.status().focus == pane)  # noqa: B023
        qtbot.mouseClick(canvas, Qt.LeftButton, pos=place)
        assert window.session.settings.query == pytest.approx((x, 0.7), abs=0.01)


def test_each_side_of_the_divider_has_its_own_colour_bar(qtbot: QtBot) -> None:
    """Each with the colours of its own map, at the outer edge of its side."""
    canvas = Canvas()
    qtbot.addWidget(canvas)
    canvas.resize(640, 480)
    black = np.zeros((480, 640, 3), np.uint8)
    attention = np.full((1, 1, 6, 8), 1 / 48, np.float32)
    maps = Maps(attention, np.zeros((1, 1, 1), np.float32), "cls", "tiny", 16, (96, 128))
    one = Result(black, Frame(black), maps, Settings())
    bars = [Scale((0, left, 480, 640), 0.0, 2.0, 1.0, name) for left, name in ((0, "gray"), (640, "viridis"))]
    both = np.concatenate([black, black], axis=1)
    panes = tuple(Pane(one, (0, left, 480, 640)) for left in (0, 640))
    canvas.show_result(replace(one, overlay=both, plain=both, panes=panes, annotations=tuple(bars)))
    canvas.wipe = 0.5
    shown = to_pixels(canvas.grab().toImage())
    low = np.asarray(colormap("viridis")[0], int)
    for side, colors in (
        (shown[:, :200], ((0, 0, 0), (255, 255, 255))),
        (shown[:, 540:], (low, colormap("viridis")[-1])),
    ):
        for color in colors:
            assert (np.abs(side.astype(int) - np.asarray(color, int)).max(axis=2) <= 6).any()
    assert not (np.abs(shown[:, 200:540].astype(int) - low).max(axis=2) <= 6).any()


def test_the_sign_of_a_recording_is_below_the_titles_of_panes(make: Make, qtbot: QtBot) -> None:
    engines = by_name({name: Engine(Model(name)) for name in ("one", "two")})
    window = make(GREY.replace(model="one", compare=("two",)), load_engine=engines)
    wait(qtbot, lambda: window.canvas.result is not None and len(window.canvas.result.panes) == 2)
    still(window, qtbot)
    canvas = window.canvas
    before = to_pixels(canvas.grab().toImage()).astype(int)
    canvas.recording = "REC 0:01"
    changed = np.argwhere((to_pixels(canvas.grab().toImage()) != before).any(axis=2))
    result = canvas.result
    assert result is not None
    rect = canvas.picture_rect()
    whole = min(canvas.width() / result.overlay.shape[1], canvas.height() / result.overlay.shape[0])
    titles = (canvas.height() - result.overlay.shape[0] * whole) / 2 + result.panes[0].box[0] * whole
    assert changed[:, 0].min() >= titles - 1
    assert changed[:, 1].min() > rect.center().x()


def test_a_divider_between_nothing_says_what_it_needs(make: Make, qtbot: QtBot) -> None:
    window = make(GREY.replace(view="heads"))
    wait(qtbot, lambda: window.canvas.result is not None and window.canvas.result.settings.view == "heads")
    qtbot.keyClick(window.canvas, Qt.Key_W, Qt.ShiftModifier)
    assert "between two models" in window.canvas.toast_text
    assert window.canvas.wipe is None


def test_the_colour_bar_is_switched_off_and_stays_off(make: Make, qtbot: QtBot) -> None:
    window = make()
    window.resize(1100, 700)
    still(window, qtbot)
    with_bar = window.canvas.grab().toImage()
    qtbot.keyClick(window.canvas, Qt.Key_C, Qt.ShiftModifier)
    assert window.canvas.toast_text == "no colour bar"
    window.canvas.toast("")
    without = window.canvas.grab().toImage()
    rect = window.canvas.picture_rect()
    x, y = round(rect.right()) - 19, round(rect.center().y()) - 50  # on the bar, near its bright end
    assert with_bar.pixelColor(x, y).lightness() > 180 > without.pixelColor(x, y).lightness()
    window.close()
    assert not make().canvas.shows_scale

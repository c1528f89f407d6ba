"""The window in its own picture of the screen."""

from __future__ import annotations

import os
from dataclasses import replace

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest
from live_fakes import Recording, RecordingSource
from PyQt5.QtCore import QRect, Qt
from PyQt5.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot
from windows import Make, wait

from rtviz.app.own_window import beside, watched_region
from rtviz.app.window import Window

pytestmark = pytest.mark.gui
SCREEN = QRect(0, 0, 1920, 1080)


@pytest.mark.parametrize(
    ("window", "part"),
    [
        (QRect(0, 0, 1280, 1080), QRect(1280, 0, 640, 1080)),
        (QRect(1300, 100, 620, 900), QRect(0, 0, 1300, 1080)),
        (QRect(0, 0, 1920, 400), QRect(0, 400, 1920, 680)),
        (QRect(100, 700, 1700, 380), QRect(0, 0, 1920, 700)),
        (QRect(-200, -100, 1000, 1300), QRect(800, 0, 1120, 1080)),
        (QRect(0, 0, 1920, 1080), None),
        (QRect(100, 100, 1720, 880), None),
    ],
)
def test_the_largest_part_beside_the_window(window: QRect, part: QRect | None) -> None:
    assert beside(SCREEN, window) == part
    assert part is None or not part.intersects(window)


def test_what_a_place_shows() -> None:
    screens = [SCREEN, QRect(1920, 0, 1280, 720)]
    assert watched_region("screen:", screens) == screens[0]
    assert watched_region("screen:2", screens) == screens[1]
    assert watched_region("screen:3", screens) is None
    assert watched_region("screen:-5,10,640x480", screens) == QRect(-5, 10, 640, 480)


class _Screen(Recording):
    """A recording that is a screen."""

    opened: list[str]

    def open(self, place: str, *, start: float = 0.0) -> RecordingSource:
        self.opened.append(place)
        source = super().open(place, start=start)
        source.info = replace(source.info, kind="screen", duration_seconds=None, frame_count=None, live=True)
        return source


def _press(window: Window, qtbot: QtBot, text: str) -> None:
    def buttons() -> list[QPushButton]:  # others go, when Qt gets round to it
        return [one for one in window.messages.findChildren(QPushButton) if one.text() == text and one.isVisible()]

    wait(qtbot, buttons)
    qtbot.mouseClick(buttons()[0], Qt.LeftButton)


def test_it_is_said_and_left_out_by_a_button(make: Make, qtbot: QtBot) -> None:
    screen = _Screen([number / 30 for number in range(900)], (120, 160))
    screen.opened = []
    window = make(place="screen:", open_source=screen.open, shown=False)
    desktop = QApplication.screens()[0].geometry()
    window.move(0, 0)
    window.resize(desktop.width(), desktop.height())
    wait(qtbot, lambda: [card.matter for card in window.messages.shown] == ["own window"])
    assert "Watch beside it" not in [offer for card in window.messages.shown for offer, _ in card.offers]
    window.move(0, desktop.height() // 2)
    wait(qtbot, lambda: "Watch beside it" in [offer for card in window.messages.shown for offer, _ in card.offers])
    _press(window, qtbot, "Watch beside it")
    wait(qtbot, lambda: screen.opened[-1] != "screen:" and not window.messages.shown)
    region = watched_region(screen.opened[-1], [])
    assert region is not None
    assert not region.intersects(window.frameGeometry())
    window.session.open("screen:")
    wait(qtbot, lambda: window.messages.shown)
    _press(window, qtbot, "Leave it")
    wait(qtbot, lambda: not window.messages.shown)

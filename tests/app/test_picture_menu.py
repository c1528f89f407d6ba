"""The context menu of the picture."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest
from PyQt5.QtCore import QPoint, QPointF, Qt
from PyQt5.QtGui import QContextMenuEvent
from PyQt5.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot
from windows import GREY, Make, wait

from rtviz.app.window import Window
from rtviz.settings import Point

pytestmark = pytest.mark.gui


def opened(window: Window, x: float, y: float) -> dict[str, Callable[[], None]]:
    """Opens the menu at a place of the picture, in fractions of it: what its lines say -> what triggers them."""
    rect = window.canvas.picture_rect()
    place = QPointF(rect.x() + x * rect.width(), rect.y() + y * rect.height()).toPoint()
    event = QContextMenuEvent(QContextMenuEvent.Mouse, place, window.canvas.mapToGlobal(place))
    QApplication.sendEvent(window.canvas, event)
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)

    def choose(text: str) -> Callable[[], None]:
        def trigger() -> None:
            action = next(action for action in menu.actions() if action.text() == text)
            action.trigger()
            menu.close()

        return trigger

    return {action.text(): choose(action.text()) for action in menu.actions() if not action.isSeparator()}


def test_the_menu_says_the_value_and_asks_the_patch_under_the_pointer(make: Make, qtbot: QtBot) -> None:
    window = make()  # head 0 of layer 0: .9 on the first patch of 6 x 8, .001 on each other
    lines = opened(window, 0.05, 0.05)
    value = next(iter(lines))
    share = 0.9 / (0.9 + 47e-3)
    assert value == f"row 0  column 0   {100 * share:.2f} %   {48 * share:.1f} × uniform"
    lines[value]()
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    assert clipboard.text() == value
    opened(window, 0.3, 0.7)["Ask this patch"]()
    asked = window.session.settings.query
    assert isinstance(asked, Point)
    assert asked == pytest.approx((0.3, 0.7), abs=0.01)
    opened(window, 0.3, 0.7)["Ask CLS again\tq"]()
    asked = window.session.settings.query
    assert asked == "cls"


def test_the_menu_tracks_and_takes_a_reference_from_what_is_under_the_pointer_while_zoomed(
    make: Make, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    window = make()
    window.canvas.zoom_by(3.0, QPointF(window.canvas.rect().center()))
    opened(window, 0.4, 0.6)["Track from here"]()
    assert window.session.settings.track[0] == pytest.approx((0.4, 0.6, 0, 0), abs=0.01)
    wait(qtbot, lambda: window.canvas.result is not None and window.canvas.result.settings.view == "track")
    opened(window, 0.5, 0.5)["Unmark last object\tDelete"]()
    assert window.session.settings.track == ()
    opened(window, 0.6, 0.5)["Use as reference"]()
    assert window.session.settings.view == "reference"
    assert window.session.settings.reference[0].mark == pytest.approx((0.6, 0.5, 0, 0), abs=0.01)
    opened(window, 0.45, 0.4)["Use as one more reference"]()
    kept, added = window.session.settings.reference
    assert (kept.mark.x, added.mark.x) == pytest.approx((0.6, 0.45), abs=0.01)
    window.do("unmark")
    assert window.session.settings.reference == (kept,)
    opened(window, 0.45, 0.4)["Use as reference"]()
    (only,) = window.session.settings.reference
    assert only.mark.x == pytest.approx(0.45, abs=0.01)
    window.do("clear_marks")
    assert len(window.session.settings.reference) == 0


def test_in_a_mosaic_the_menu_shows_the_head_of_a_tile_alone(make: Make, qtbot: QtBot) -> None:
    window = make(GREY.replace(view="heads", layer=1))
    wait(qtbot, lambda: window.canvas.result is not None and window.canvas.result.settings.view == "heads")
    lines = opened(window, 0.72, 0.72)
    assert next(iter(lines)).startswith("layer 1  head 3   row 2  column 3")
    lines["Show head 3 of layer 1 alone"]()
    shown = window.session.settings
    assert (shown.view, shown.layer, shown.head) == ("heatmap", 1, 3)


def test_the_menu_does_what_the_keys_do_and_names_them(make: Make, qtbot: QtBot) -> None:
    window = make()
    window.canvas.zoom_by(3.0)
    opened(window, 0.5, 0.5)["Show whole picture\tCtrl+0"]()
    assert window.canvas.zoom.magnification == 1
    opened(window, 0.5, 0.5)["Pause or play\tSpace"]()
    wait(qtbot, lambda: window.session.status().paused)
    opened(window, 0.5, 0.5)["Copy picture\tCtrl+C"]()
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    assert (clipboard.image().width(), clipboard.image().height()) == tuple(
        round(side) for side in (window.canvas.picture_rect().width(), window.canvas.picture_rect().height())
    )  # as it is seen


def test_a_visitor_of_an_exhibition_gets_no_menu(make: Make, qtbot: QtBot) -> None:
    window = make(kiosk=True)
    event = QContextMenuEvent(QContextMenuEvent.Mouse, QPoint(99, 99), window.canvas.mapToGlobal(QPoint(99, 99)))
    QApplication.sendEvent(window.canvas, event)
    qtbot.mouseClick(window.canvas, Qt.RightButton, pos=QPoint(99, 99))
    assert QApplication.activePopupWidget() is None

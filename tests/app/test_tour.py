"""The tour: five stops on the picture, whose keys do what they always do and move it on."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest
from live_fakes import LIMIT, Engine, Model
from PyQt5.QtCore import QPoint, Qt
from PyQt5.QtGui import QTextDocument
from PyQt5.QtWidgets import QMenu, QPushButton
from pytestqt.qtbot import QtBot
from windows import GREY, Make, wait

from rtviz import views
from rtviz.app.window import Window
from rtviz.settings import Settings

pytestmark = pytest.mark.gui


def take(window: Window, qtbot: QtBot) -> None:
    """Start the tour from the help menu."""
    menu = window.header.help_menu.menu()
    assert isinstance(menu, QMenu)
    menu.aboutToShow.emit()
    entry = next(action for action in menu.actions() if "Tour" in action.text())
    entry.trigger()
    wait(qtbot, window.tour.card.isVisible)


def press(window: Window, qtbot: QtBot, text: str) -> None:
    (button,) = (one for one in window.tour.card.findChildren(QPushButton) if one.text() == text and one.isVisible())
    qtbot.mouseClick(button, Qt.LeftButton)


def words(window: Window) -> str:
    document = QTextDocument()
    document.setHtml(window.tour.card.text.text())
    return document.toPlainText()


def click(window: Window, qtbot: QtBot) -> None:
    qtbot.mouseClick(window.canvas, Qt.LeftButton, pos=QPoint(window.canvas.width() // 3, window.canvas.height() // 2))


def test_the_keys_that_it_names_work_and_move_it_on(make: Make, qtbot: QtBot) -> None:
    window = make()
    window.tour.linger_seconds = 0.0
    take(window, qtbot)

    def settings() -> Settings:
        return window.session.settings

    steps: list[tuple[str, Callable[[], None], Callable[[], object]]] = [
        ("2", lambda: qtbot.keyClick(window.canvas, "2"), lambda: settings().head == 2),
        ("↓", lambda: qtbot.keyClick(window.canvas, Qt.Key_Down), lambda: settings().layer == 1),
        ("Click", lambda: click(window, qtbot), lambda: settings().query != "cls"),
        ("y", lambda: qtbot.keyClick(window.canvas, "y"), lambda: settings().compare == ("random:tiny",)),
        ("i", lambda: qtbot.keyClick(window.canvas, "i"), lambda: views.find(settings().view).follows_pointer),
    ]
    for number, (named, do, done) in enumerate(steps):
        assert window.tour.stop == number
        assert f"{number + 1} of 5" in window.tour.card.place.text()
        assert named in words(window).split() or named in words(window).replace(":", " ").split()
        window.tour.linger_seconds = 1e6  # until what it did was looked at
        do()
        assert done()
        window.tour.linger_seconds = 0.0
        wait(qtbot, lambda: window.tour.stop == (number + 1 if number < 4 else None))  # noqa: B023
    assert not window.tour.card.isVisible()
    assert settings() == GREY, "all is as it was before"


def test_enter_goes_on_and_tab_comes_from_the_picture_to_its_buttons(make: Make, qtbot: QtBot) -> None:
    window = make(tour=True)
    window.tour.linger_seconds = 1e6
    wait(qtbot, lambda: window.tour.offers)
    for stop in (0, 1):
        qtbot.keyClick(window.canvas, Qt.Key_Return)
        assert window.tour.stop == stop
    reached = []
    for _ in window.tour.card.buttons:
        qtbot.keyClick(window.focusWidget(), Qt.Key_Tab)
        focus = window.focusWidget()
        assert isinstance(focus, QPushButton)
        reached.append(focus.text())
    assert reached == ["End", "Back", "Show me", "Next"]
    qtbot.keyClick(window.focusWidget(), Qt.Key_Backtab)
    qtbot.keyClick(window.focusWidget(), Qt.Key_Return)
    assert window.session.settings.layer == 1, "it was shown"
    assert window.tour.stop == 1
    qtbot.keyClick(window.tour.card, Qt.Key_Escape)
    qtbot.keyClick(window.canvas, Qt.Key_Return)
    assert window.tour.stop is None


@pytest.mark.parametrize("way", ["escape", "button"])
def test_it_ends_at_once_and_leaves_all_as_it_was(make: Make, qtbot: QtBot, way: str) -> None:
    window = make()
    window.change(query=window.session.settings.query, head=3)
    before = window.session.settings
    take(window, qtbot)
    for _ in range(3):
        press(window, qtbot, "Next")
    press(window, qtbot, "Show me")
    assert window.session.settings.compare == ("random:tiny",)
    press(window, qtbot, "Back")
    assert window.tour.stop == 2
    if way == "escape":
        qtbot.keyClick(window.canvas, Qt.Key_Escape)
    else:
        press(window, qtbot, "End")
    assert not window.tour.card.isVisible()
    assert not window.tour.ring.isVisible()
    assert window.session.settings == before
    assert window.canvas.hasFocus()


def test_it_is_offered_once_and_never_at_a_stand(make: Make, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "state.toml").write_text("[window]\n")  # a first start
    window = make(tour=True)
    wait(qtbot, lambda: window.tour.offers)
    card = window.tour.card
    assert card.isVisible()
    assert not card.geometry().contains(window.canvas.geometry().center()), "it is not in the way"
    qtbot.keyClick(window.canvas, "2")
    assert window.session.settings.head == 2, "it takes no keys"
    window.do("help")
    window.resize(window.width() + 10, window.height())
    window.tour.place()
    assert window.childAt(card.geometry().center()) is window.help, "the help lies over it"
    window.do("escape")
    press(window, qtbot, "No, thanks")
    assert not card.isVisible()
    window.close()
    assert not make().tour.offers
    (tmp_path / "state.toml").unlink()
    stand = make(tour=True, kiosk=True)
    stand.refresh()
    assert not stand.tour.offers
    assert not stand.tour.card.isVisible()


def test_it_waits_for_what_it_asked_for(make: Make, qtbot: QtBot) -> None:
    loads = threading.Event()

    def load(settings: Settings, progress: object) -> Engine:
        if settings.model is not None:
            assert loads.wait(LIMIT)
        return Engine()

    window = make(load_engine=load)
    take(window, qtbot)
    for _ in range(3):
        press(window, qtbot, "Next")
    window.tour.linger_seconds = 0.0
    qtbot.keyClick(window.canvas, "y")
    wait(qtbot, lambda: "loading" in [pane.state for pane in window.session.status().panes])
    window.refresh()
    window.refresh()
    assert window.tour.stop == 3, "nothing is there to look at yet"
    loads.set()
    wait(qtbot, lambda: window.tour.stop == 4)


def test_a_convolutional_network_shows_what_it_has(make: Make, qtbot: QtBot) -> None:
    network = Engine(Model(heads=0))
    window = make(shown=False, load_engine=lambda settings, progress: network)
    wait(qtbot, lambda: window.session.status().layers == 3)
    take(window, qtbot)
    assert "1 of 2" in window.tour.card.place.text()
    assert "layer" in words(window)

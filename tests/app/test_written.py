"""What the window has written: said on a card, and shown in its folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PyQt5.QtCore import QObject, Qt, QUrl, pyqtSlot
from PyQt5.QtGui import QDesktopServices
from PyQt5.QtWidgets import QInputDialog, QPushButton
from pytestqt.qtbot import QtBot
from windows import Make, wait

from rtviz.app.window import Window

pytestmark = pytest.mark.gui


class FileManager(QObject):
    """Takes the place of the system's."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[Path] = []

    @pyqtSlot(QUrl)
    def open(self, url: QUrl) -> None:
        self.opened.append(Path(url.toLocalFile()))


@pytest.fixture
def manager() -> Iterator[FileManager]:
    manager = FileManager()
    QDesktopServices.setUrlHandler("file", manager.open)
    yield manager
    QDesktopServices.unsetUrlHandler("file")


def button(window: Window, text: str) -> QPushButton:
    (found,) = (one for one in window.messages.findChildren(QPushButton) if one.text() == text)
    return found


def saved(window: Window) -> list[str]:
    return [card.sentence for card in window.messages.shown if card.matter == "written"]


def record(window: Window, qtbot: QtBot) -> None:
    qtbot.keyClick(window.canvas, "r")
    wait(qtbot, lambda: window.session.status().recording_seconds > 0.1)
    qtbot.keyClick(window.canvas, "r")


def save_preset(window: Window, qtbot: QtBot) -> None:
    window.do("save_preset")
    (dialog,) = window.findChildren(QInputDialog)
    dialog.setTextValue("mine")
    dialog.accept()


@pytest.mark.parametrize(
    "write",
    [
        record,
        lambda window, qtbot: qtbot.keyClick(window.canvas, "s"),
        lambda window, qtbot: qtbot.keyClick(window.canvas, Qt.Key_S, Qt.ControlModifier),
        lambda window, qtbot: qtbot.keyClick(window.canvas, Qt.Key_E, Qt.ControlModifier),
        save_preset,
    ],
    ids=["recording", "snapshot", "past", "layer sweep", "preset"],
)
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a program of the system is started")
def test_what_was_written_is_shown_in_its_folder(make: Make, qtbot: QtBot, manager: FileManager, write: object) -> None:
    window = make()
    assert callable(write)
    write(window, qtbot)
    wait(qtbot, lambda: saved(window))
    (text,) = saved(window)
    *name, folder = text.split(", ")
    path = Path(folder.removeprefix("in ")) / name[0]
    assert path.exists()
    qtbot.keyClick(window.canvas, Qt.Key_Tab)
    assert window.focusWidget() is button(window, "Show in folder")
    qtbot.keyClick(window.focusWidget(), Qt.Key_Return)
    assert manager.opened == [path.parent]
    wait(qtbot, lambda: not saved(window))
    assert window.focusWidget() is window.canvas


@pytest.mark.parametrize("way", ["escape", "button", "time"])
def test_the_card_goes(make: Make, qtbot: QtBot, way: str) -> None:
    window = make()
    qtbot.keyClick(window.canvas, "s")
    wait(qtbot, lambda: saved(window))
    if way == "escape":
        qtbot.keyClick(window.canvas, Qt.Key_Escape)
    elif way == "button":
        qtbot.mouseClick(button(window, "Dismiss"), Qt.LeftButton)
    else:
        button(window, "Dismiss").setFocus()
        window.written.shown_seconds = 0.0
        window.refresh()
        assert saved(window), "it stays while it has the focus"
        window.canvas.setFocus()
    wait(qtbot, lambda: not saved(window))
    assert window.focusWidget() is window.canvas


def test_a_picture_that_is_shown_alone_has_no_card_on_it(make: Make, qtbot: QtBot) -> None:
    window = make()
    window.do("hide_all")
    qtbot.keyClick(window.canvas, "s")
    wait(qtbot, lambda: "wrote" in window.canvas.toast_text)
    assert not saved(window)

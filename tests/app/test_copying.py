"""Copying from the window: the picture, the command."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pytest
from command_line import in_process
from PIL import Image
from PyQt5.QtCore import QPointF, QRectF, Qt
from PyQt5.QtGui import QClipboard, QImage
from PyQt5.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from windows import GREY, Make, wait

from rtviz.app.process import starting_settings
from rtviz.app.window import Window
from rtviz.cli.arguments import settings_of
from rtviz.cli.parser import build_parser
from rtviz.frame import Pixels
from rtviz.offline.command import live_arguments
from rtviz.settings import Point, Settings

pytestmark = pytest.mark.gui


def clipboard() -> QClipboard:
    found = QApplication.clipboard()
    assert found is not None
    return found


def pixels_of(image: QImage) -> Pixels:
    """RGB uint8 [height, width, 3]."""
    image = image.convertToFormat(QImage.Format_RGB888)
    memory = image.constBits()
    assert memory is not None
    rows = np.frombuffer(memory.asstring(image.sizeInBytes()), np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3)


def test_a_key_copies_the_picture_as_it_is_seen(make: Make, qtbot: QtBot) -> None:
    window = make(GREY.replace(head="all"))  # with a legend
    qtbot.keyClick(window.canvas, Qt.Key_Space)
    wait(qtbot, lambda: window.session.status().source_state == "paused")
    qtbot.keyClick(window.canvas, Qt.Key_C, Qt.ControlModifier)
    result = window.canvas.result
    assert result is not None
    assert np.array_equal(pixels_of(clipboard().image()), result.overlay)
    canvas = window.canvas
    canvas.zoom_by(3.0, QPointF(canvas.width() * 0.3, canvas.height() * 0.3))
    qtbot.keyClick(canvas, Qt.Key_C, Qt.ControlModifier)
    copied = pixels_of(clipboard().image())
    canvas.toast("")
    grabbed = pixels_of(canvas.grab().toImage())
    shown = canvas.picture_rect().intersected(QRectF(canvas.rect())).toRect()
    grabbed = grabbed[shown.top() :, shown.left() :][: copied.shape[0], : copied.shape[1]]
    assert copied.shape == grabbed.shape
    height, width = copied.shape[0] // 2, copied.shape[1] // 2
    for part in (np.s_[:height], np.s_[:, :width]):  # in the other corner the canvas shows where the part lies
        assert np.array_equal(copied[part], grabbed[part])


def snapshot_of(window: Window, qtbot: QtBot, folder: Path) -> Pixels:
    """What a snapshot holds now."""
    before = set(folder.glob("rtviz-*.png"))
    qtbot.keyClick(window.canvas, "s")
    wait(qtbot, lambda: set(folder.glob("rtviz-*.png")) - before)
    with Image.open((set(folder.glob("rtviz-*.png")) - before).pop()) as picture:
        return np.asarray(picture.convert("RGB"))


def test_divider_and_colour_bar_are_copied_and_in_snapshots_but_a_clean_one(
    make: Make, qtbot: QtBot, tmp_path: Path
) -> None:
    window = make(GREY.replace(opacity=1.0, colormap="inferno"))
    canvas = window.canvas
    window.resize(1300, 900)
    qtbot.keyClick(canvas, Qt.Key_Space)
    wait(qtbot, lambda: window.session.status().source_state == "paused")
    qtbot.keyClick(canvas, "W", Qt.ShiftModifier)
    canvas.wipe = 0.6
    qtbot.keyClick(canvas, Qt.Key_C, Qt.ControlModifier)
    copied = pixels_of(clipboard().image())
    assert copied.shape[1] >= 160
    tall, broad = copied.shape[:2]
    rect = canvas.picture_rect()
    divider = round((0.6 * canvas.width() - rect.x()) / rect.width() * broad)
    assert copied[tall // 4, divider - 1 : divider + 2].max() > 200, "the line of the divider"
    canvas.toast("")
    grabbed = pixels_of(canvas.grab(rect.toRect()).toImage())
    assert np.abs(copied[:, : broad // 2].astype(int) - grabbed[:tall, : broad // 2][:, :broad]).mean() < 2
    assert np.ptp(copied[tall // 3 : tall // 2, -30:].astype(int), axis=2).max() > 60, "the colours of the bar"
    shown = snapshot_of(window, qtbot, tmp_path)
    assert np.array_equal(shown, copied)
    qtbot.keyClick(canvas, "S", Qt.ShiftModifier)
    titled = snapshot_of(window, qtbot, tmp_path)
    assert titled.shape[0] / titled.shape[1] > tall / broad, "below a title"
    low = titled[-titled.shape[0] // 2 :]
    assert np.ptp(low[: tall // 6, -30:].astype(int), axis=2).max() > 60, "the colours of the bar"
    line = round(divider / broad * low.shape[1])
    assert low[-20, line - 2 : line + 3].max() > 200, "the line of the divider"
    qtbot.keyClick(canvas, "S", Qt.ShiftModifier)
    assert snapshot_of(window, qtbot, tmp_path).shape == (120, 160, 3)


def test_a_key_copies_the_command_that_shows_the_same(make: Make, qtbot: QtBot) -> None:
    window = make(GREY.replace(query=Point(0.25, 0.5), threshold=0.35))
    wait(qtbot, lambda: window.session.status().model_name is not None)
    qtbot.keyClick(window.canvas, Qt.Key_C, Qt.ControlModifier | Qt.ShiftModifier)
    program, *arguments = shlex.split(clipboard().text())
    assert program == "rtviz"
    parsed = build_parser().parse_args(arguments)
    assert settings_of(parsed)[0] == window.session.settings.replace(model=window.session.status().first_name)
    assert parsed.source == ["fake:"]


def test_in_a_line_ctrl_c_copies_its_text(make: Make, qtbot: QtBot) -> None:
    window = make(shown=False)
    line = window.source.line
    line.setText("rtsp://somewhere")
    line.setFocus()
    line.selectAll()
    qtbot.keyClick(line, Qt.Key_C, Qt.ControlModifier)
    assert clipboard().text() == "rtsp://somewhere"


def test_what_a_snapshot_holds_is_chosen_by_key_or_menu(make: Make, qtbot: QtBot, tmp_path: Path) -> None:
    window = make()
    menu = window.header.snapshot_menu.menu()
    assert menu is not None
    qtbot.keyClick(window.canvas, "S", Qt.ShiftModifier)
    menu.aboutToShow.emit()
    assert [entry.text() for entry in menu.actions() if entry.isChecked()] == ["snapshot labelled"]
    qtbot.keyClick(window.canvas, "s")
    wait(qtbot, lambda: list(tmp_path.glob("rtviz-*.png")))
    with Image.open(next(tmp_path.glob("rtviz-*.png"))) as picture:
        assert picture.width >= 160
        assert picture.height / picture.width > 0.76, "a title is above it"
    next(entry for entry in menu.actions() if entry.text() == "snapshot as shown").trigger()
    menu.aboutToShow.emit()
    assert [entry.text() for entry in menu.actions() if entry.isChecked()] == ["snapshot as shown"]


@pytest.mark.parametrize("fresh", [True, False])
def test_the_command_shows_the_same_whatever_the_window_showed_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fresh: bool
) -> None:
    remembered = {"colormap": "viridis", "gamma": 2.0}
    shown: list[Settings] = []

    def launch(place: str, settings: Any, **more: object) -> int:
        shown.append(starting_settings(settings, remembered))
        return 0

    monkeypatch.setattr("rtviz.app.launch", launch)
    line = live_arguments(["scene:"], Settings(head=2, gamma=1.5))
    said = in_process(monkeypatch, capsys)(*(line if fresh else [word for word in line if word != "--fresh"]))
    assert said.status == 0, said.err
    assert shown == [Settings(head=2, gamma=1.5, colormap="inferno" if fresh else "viridis")]

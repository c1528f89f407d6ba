"""A stand, where nobody could press a button: it comes back by itself, and lets nobody out but by one key."""

from __future__ import annotations

import os
import threading
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest
from live_fakes import Engine, Recording
from PyQt5.QtCore import QEvent, Qt
from PyQt5.QtGui import QContextMenuEvent, QKeyEvent, QKeySequence
from PyQt5.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot
from windows import GREY, Make, wait

from rtviz.app.keys import ACTIONS
from rtviz.app.theme import DARK
from rtviz.app.window import Window
from rtviz.engine.references import read
from rtviz.errors import RtvizError, SourceMissing, WeightsMissing
from rtviz.settings import Settings
from rtviz.sources import Source
from rtviz.sources.faulty import Fault, FaultyCamera

pytestmark = pytest.mark.gui


def patient(window: Window) -> Window:
    """With pauses as short as a test may wait."""
    assert window.stand is not None
    window.stand.pauses_seconds = (0.05,)
    return window


def buttons(window: Window) -> list[QPushButton]:
    return [button for button in window.messages.findChildren(QPushButton) if button.isVisible()]


def test_a_source_that_is_not_there_is_waited_for(make: Make, qtbot: QtBot) -> None:
    there = Recording([number / 30 for number in range(90)], (120, 160))
    plugged_in = threading.Event()

    def open_source(place: str, **part: float) -> Source:
        if not plugged_in.is_set():
            raise SourceMissing("there is no camera 7")
        return there.open(place, **part)

    window = patient(make(kiosk=True, shown=False, open_source=open_source))
    wait(qtbot, lambda: window.messages.shown)
    assert not buttons(window), "nothing that leads out"
    plugged_in.set()
    wait(qtbot, lambda: window.canvas.result is not None and not window.messages.shown)


def test_a_model_that_could_not_be_loaded_is_tried_again(make: Make, qtbot: QtBot) -> None:
    failures = ["disk", "disk"]

    def load(settings: Settings, progress: object) -> Engine:
        if failures:
            raise RtvizError(f"the {failures.pop()} does not answer")
        return Engine()

    window = patient(make(kiosk=True, shown=False, load_engine=load))
    wait(qtbot, lambda: window.session.status().model_state == "failed")
    wait(qtbot, lambda: window.canvas.result is not None and window.canvas.result.maps is not None)
    wait(qtbot, lambda: not window.messages.shown)


def test_that_another_model_had_to_be_taken_does_not_lie_on_the_picture_for_ever(make: Make, qtbot: QtBot) -> None:
    def load(settings: Settings, progress: object) -> Engine:
        if settings.model:
            raise WeightsMissing("its weights are not here")
        return Engine()

    window = make(GREY.replace(model="wanted"), kiosk=True, load_engine=load)
    wait(qtbot, lambda: any("not here" in card.sentence for card in window.messages.shown))
    assert window.stand is not None
    window.stand.said_seconds = 0.0
    wait(qtbot, lambda: not window.messages.shown)
    assert window.session.status().model_sentence


def test_a_camera_that_is_pulled_and_a_pass_that_fails_are_survived(make: Make, qtbot: QtBot) -> None:
    camera = FaultyCamera(fps=30, size=(120, 160), faults=[Fault("exception", 8, 10), Fault("hang", 20, 20)])
    engine = Engine(errors=[RuntimeError("no memory")])
    window = patient(
        make(kiosk=True, shown=False, open_source=camera.open, load_engine=lambda settings, progress: engine)
    )
    wait(qtbot, lambda: camera.openings >= 3)
    index = camera.frames
    wait(qtbot, lambda: camera.frames > index + 3 and window.session.status().source_state == "live")
    wait(qtbot, lambda: window.session.status().model_state == "ready" and not window.messages.shown)
    camera.let_go()


def test_whoever_leaves_leaves_nothing(make: Make, qtbot: QtBot) -> None:
    window = make(kiosk=True)
    for key, modifier in ((Qt.Key_Space, Qt.NoModifier), (Qt.Key_T, Qt.ControlModifier), (Qt.Key_H, Qt.NoModifier)):
        qtbot.keyClick(window.canvas, key, modifier)
    window.canvas.zoom_by(3.0)
    assert window.session.settings == GREY, "nothing but what no setting holds"
    wait(qtbot, lambda: window.session.status().paused and window.picture_only and window.theme is not DARK)
    window.window_state["idle_seconds"] = 0.0
    wait(qtbot, lambda: not window.session.status().paused)
    assert window.theme is DARK
    assert window.canvas.zoom.magnification == 1
    assert not window.picture_only


@pytest.mark.parametrize("view", ["prompts", "reference"])
def test_what_a_visitor_marks_is_written_nowhere(
    make: Make, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, view: str
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    before = sorted(tmp_path.rglob("*"))
    window = make(GREY.replace(view=view), kiosk=True)
    middle = window.canvas.rect().center()
    qtbot.mouseClick(window.canvas, Qt.LeftButton, Qt.ShiftModifier, middle)
    (marked,) = getattr(window.session.settings, {"prompts": "prompt"}.get(view, view))
    shown = window.canvas.result
    assert shown is not None
    assert read(marked.path).pixels.shape == shown.frame.pixels.shape
    assert sorted(tmp_path.rglob("*")) == before
    window.window_state["idle_seconds"] = 0.0
    wait(qtbot, lambda: window.session.settings == GREY.replace(view=view))
    window.do("undo")
    assert window.session.settings == GREY.replace(view=view), "the next visitor does not get it back"


def press(window: Window, key: str) -> None:
    """A key as the table of keys names it."""
    code = QKeySequence(key)[0]
    held = Qt.KeyboardModifiers(code & Qt.KeyboardModifierMask)
    text = key if len(key) == 1 else ""
    for kind in (QEvent.KeyPress, QEvent.KeyRelease):
        QApplication.sendEvent(window.canvas, QKeyEvent(kind, code & ~Qt.KeyboardModifierMask, held, text))


def test_nothing_leads_out_but_one_key(make: Make, qtbot: QtBot) -> None:
    window = make(kiosk=True)
    wait(qtbot, window.isFullScreen)
    for action in ACTIONS:
        if action.name == "quit":
            continue
        for key in action.keys:
            press(window, key)
    middle = window.canvas.rect().center()
    QApplication.sendEvent(window.canvas, QContextMenuEvent(QContextMenuEvent.Mouse, middle, middle))
    others = [one for one in QApplication.topLevelWidgets() if one.isVisible() and one is not window]
    assert others == []
    assert not window.close(), "Alt+F4"
    assert window.isVisible()
    assert window.isFullScreen()
    window.showMinimized()
    wait(qtbot, lambda: window.isFullScreen() and not window.isMinimized())
    assert window.bindings.keys_of("quit") == ("Ctrl+Q",)
    qtbot.keyClick(window.canvas, Qt.Key_Q, Qt.ControlModifier)
    wait(qtbot, lambda: not window.isVisible())

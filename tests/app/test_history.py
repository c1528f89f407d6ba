"""Undo, redo and reset of settings, and presets, which set everything."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest
from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QLabel
from pytestqt.qtbot import QtBot
from windows import GREY, Make, wait

from rtviz.app.history import History, Step
from rtviz.app.remembered import apply_preset
from rtviz.app.window import Window
from rtviz.settings import Mark, Settings, presets

pytestmark = pytest.mark.gui

ALL = Qt.ControlModifier | Qt.ShiftModifier


def step(mode: str = "smooth", **settings: Any) -> Step:
    return Step(Settings(**settings), mode)


def test_undo_and_redo_go_through_all_settings() -> None:
    history = History(step())
    steps = [step(), step(view="pca"), step("locked", view="pca"), step("locked", view="pca", jaccard=True)]
    for at, one in enumerate(steps):
        history.note(one, at)
    assert [history.undo() for _ in range(4)] == [steps[2], steps[1], steps[0], None]
    assert [history.redo() for _ in range(2)] == steps[1:3]
    history.note(step(head=5), 9)  # another way from here
    assert history.redo() is None
    assert history.undo() == steps[2]


def test_what_is_dragged_is_one_step_and_two_keys_are_two() -> None:
    history = History(step())
    for place in range(5):
        history.note(step(opacity=0.1 * place), 0.1 * place)
    history.note(step(opacity=0.9), 5)  # dragged once more, later
    assert history.undo() == step(opacity=0.4)
    assert history.undo() == step()
    for head in range(3):
        history.note(step(head=head), 10 + 0.1 * head)
    assert history.undo() == step(head=1)


def test_what_was_marked_in_another_source_is_not_marked_again() -> None:
    history = History(step())
    marked = Settings(track=(Mark(0.1, 0.2),))
    history.note_place("a.mp4", Settings())
    history.note(Step(marked, "smooth"), 0)
    history.note(Step(marked.replace(view="track"), "smooth"), 1)
    history.note_place("b.mp4", Settings(view="track"))  # the session has forgotten them
    history.note(step(view="track"), 2)
    assert history.undo() == step()
    assert history.undo() is None
    assert history.redo() == step(view="track")


def test_keys_undo_redo_and_reset(make: Make, qtbot: QtBot) -> None:
    window = make()
    qtbot.keyClick(window.canvas, "2")
    qtbot.keyClick(window.canvas, "p")
    qtbot.mouseClick(window.canvas, Qt.LeftButton, pos=window.canvas.rect().center())
    asked = window.session.settings
    assert (asked.head, asked.view, asked.query != "cls") == (2, "pca", True)
    qtbot.keyClick(window.canvas, Qt.Key_Z, Qt.ControlModifier)
    assert window.session.settings == asked.replace(query="cls")
    assert "undo" in window.canvas.toast_text
    qtbot.keyClick(window.canvas, Qt.Key_Z, Qt.ControlModifier)
    qtbot.keyClick(window.canvas, Qt.Key_Z, Qt.ControlModifier)
    assert window.session.settings == GREY
    qtbot.keyClick(window.canvas, Qt.Key_Z, Qt.ControlModifier)
    assert window.canvas.toast_text == "nothing to undo"
    for _ in range(3):
        qtbot.keyClick(window.canvas, Qt.Key_Z, ALL)
    assert window.session.settings == asked
    qtbot.keyClick(window.canvas, Qt.Key_Backspace, Qt.ControlModifier)
    assert window.session.settings == Settings(), "the model was the default one"
    assert window.session.status().past_seconds is None
    qtbot.keyClick(window.canvas, Qt.Key_Y, Qt.ControlModifier)
    qtbot.keyClick(window.canvas, Qt.Key_Z, Qt.ControlModifier)
    assert window.session.settings == asked
    qtbot.mouseClick(window.view.reset, Qt.LeftButton)
    assert window.session.settings == Settings()


def test_the_switch_locked_or_smooth_is_undone_redone_and_reset(make: Make, qtbot: QtBot) -> None:
    window = make()
    assert window.session.status().mode == "smooth"
    qtbot.mouseClick(window.view.modes["locked"], Qt.LeftButton)
    qtbot.keyClick(window.canvas, "2")
    window.do("undo")
    assert (window.session.settings, window.session.status().mode) == (GREY, "locked")
    window.do("undo")
    assert window.session.status().mode == "smooth"
    assert window.canvas.toast_text == "undo: smooth"
    assert window.view.modes["smooth"].isChecked()
    window.do("redo")
    assert window.session.status().mode == "locked"
    window.do("reset")
    assert (window.session.settings, window.session.status().mode) == (Settings(), "smooth")
    window.do("undo")
    assert (window.session.settings, window.session.status().mode) == (GREY, "locked")


def test_panes_models_muted_heads_and_presets_are_undone(make: Make, qtbot: QtBot) -> None:
    window = make()
    seen = [window.session.settings]
    for do in (
        lambda: window.change(model="dino-vits8"),
        lambda: window.change(compare=("one",)),
        lambda: qtbot.keyClick(window.canvas, "z"),
        lambda: window.presets.use(presets()["figure4"]),
        lambda: window.presets.use(presets()["talk"]),
    ):
        do()
        assert window.session.settings != seen[-1]
        seen.append(window.session.settings)
    for before in seen[-2::-1]:
        window.do("undo")
        assert window.session.settings == before
    for after in seen[1:]:
        window.do("redo")
        assert window.session.settings == after


def _label(window: Window, text: str) -> QLabel:
    return next(label for label in window.view.findChildren(QLabel) if label.text() == text)


def test_a_double_click_on_a_name_resets_that_setting_alone(make: Make, qtbot: QtBot) -> None:
    window = make(GREY.replace(opacity=0.2, threshold=0.3))
    window.view.more.setChecked(True)
    qtbot.mouseDClick(_label(window, "Opacity"), Qt.LeftButton)
    assert window.session.settings == GREY.replace(threshold=0.3)
    window.do("undo")
    assert window.session.settings.opacity == 0.2


def test_a_sweep_through_the_layers_is_no_step(make: Make, qtbot: QtBot) -> None:
    window = make()
    qtbot.keyClick(window.canvas, "E", Qt.ShiftModifier)
    wait(qtbot, lambda: window.session.settings.layer > 0)
    qtbot.keyClick(window.canvas, Qt.Key_Escape)
    assert not window.commands.sweep.running
    window.do("undo")
    assert window.canvas.toast_text == "nothing to undo"


def test_a_preset_sets_everything_back_and_the_chosen_model_comes_back(make: Make, tmp_path: Path) -> None:
    window = make()
    window.change(model="dino-vits8")
    window.change(opacity=0.1)
    window.presets.use(presets()["figure4"])
    assert len(window.session.settings.compare) == 3
    window.presets.use(presets()["talk"])
    talk = Settings(model="dino-vits8", layout="side-by-side", upsampling="guided", opacity=0.8, resolution=320)
    assert window.session.settings == talk, "one pane, with the model that was chosen before"
    window.presets.use(presets()["figure4"])
    window.change(model="resnet50")  # by hand, and it stays
    window.presets.use(presets()["heads"])
    assert window.session.settings == Settings(model="resnet50", view="heads")
    own = tmp_path / "own.toml"
    own.write_text('model = "embedded"\n')
    assert apply_preset(own, Settings(weights="mine.pth")) == Settings(model="embedded")

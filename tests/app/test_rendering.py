"""Rendering from the window: the dialog, the queue of processes, in and out points."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest
from live_fakes import Recording, RecordingSource
from PyQt5.QtCore import QEvent, QPoint, Qt, QTimer
from PyQt5.QtGui import QMouseEvent
from PyQt5.QtWidgets import QApplication, QComboBox, QMessageBox
from pytestqt.qtbot import QtBot
from render_process import STAND_IN
from windows import GREY, Make, wait

from rtviz.app.renderdialog import RenderDialog
from rtviz.app.renderlist import words
from rtviz.app.renders import CANCELLED, DONE, FAILED, RUNNING, WAITING, Render, RenderQueue
from rtviz.app.timeline import Part, Timeline
from rtviz.app.window import Window
from rtviz.cli.arguments import settings_of
from rtviz.cli.parser import build_parser
from rtviz.settings import OutputSettings, Settings

pytestmark = pytest.mark.gui


@pytest.fixture
def queue(qapp: object) -> Iterator[RenderQueue]:
    queue = RenderQueue(None, STAND_IN)
    yield queue
    queue.close()


def render(folder: Path, name: str) -> Render:
    return Render(f"{name}.mp4", folder / f"{name}.mp4", Settings(), OutputSettings())


# --- the queue -------------------------------------------------------------------------------------------------------


def test_renders_run_one_after_the_other_and_say_how_they_went(
    queue: RenderQueue, qtbot: QtBot, tmp_path: Path
) -> None:
    renders = [render(tmp_path, name) for name in ("one", "absent", "two")]
    at_once = []
    queue.changed.connect(lambda: at_once.append([one.state for one in renders].count(RUNNING)))
    for one in renders:
        queue.add(one)
    assert [one.state for one in renders] == [RUNNING, WAITING, WAITING]
    wait(qtbot, lambda: not queue.unfinished)
    assert [one.state for one in renders] == [DONE, FAILED, DONE]
    assert max(at_once) == 1
    assert words(renders[0]) == "done: 40 frames, 64×48, at 12.5 frames/s"
    assert words(renders[1]) == "failed: cannot open absent.mp4: there is no such file"
    queue.forget_finished()
    assert not queue.renders


def test_what_mends_a_render_that_failed_is_in_the_words_of_the_app(
    queue: RenderQueue, qtbot: QtBot, tmp_path: Path
) -> None:
    queue.add(render(tmp_path, "early"))
    wait(qtbot, lambda: not queue.unfinished)
    assert words(queue.renders[0]) == "failed: out of time; move the in point to the left"


def test_what_is_cancelled_leaves_nothing_and_the_next_one_runs(
    queue: RenderQueue, qtbot: QtBot, tmp_path: Path
) -> None:
    earlier = tmp_path / "long.partial.mp4"
    long, waiting, after = (render(tmp_path, name) for name in ("long", "waiting", "after"))
    for one in (long, waiting, after):
        queue.add(one)
    wait(qtbot, lambda: long.done == 20)
    assert earlier.exists(), "it is being written"
    assert "50 %, 20 of 40 frames" in words(long)
    queue.cancel(waiting)
    queue.cancel(long)
    wait(qtbot, lambda: after.state == DONE)
    assert (long.state, waiting.state) == (CANCELLED, CANCELLED)
    assert [path.name for path in tmp_path.iterdir()] == ["after.mp4"]


def test_what_an_earlier_run_had_left_is_not_deleted(queue: RenderQueue, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "long.partial.mp4").write_text("of an earlier run")
    long = render(tmp_path, "long")
    queue.add(long)
    wait(qtbot, lambda: long.done == 20)
    queue.cancel(long)
    wait(qtbot, lambda: long.sentence == "")
    assert (tmp_path / "long.partial.mp4").exists()


def test_a_render_that_cannot_be_started_fails(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # no `nice` before it
    queue = RenderQueue(None, ("/nowhere/python",))
    queue.add(render(tmp_path, "one"))
    wait(qtbot, lambda: queue.renders[0].state == FAILED)
    assert "cannot be started" in words(queue.renders[0])


@pytest.mark.skipif(os.name != "posix", reason="a system without nice")
def test_a_render_yields_to_the_live_view(qtbot: QtBot, tmp_path: Path) -> None:
    program = f"import os, pathlib; pathlib.Path({str(tmp_path / 'nice')!r}).write_text(str(os.nice(0)))"
    queue = RenderQueue(None, (sys.executable, "-c", program))
    queue.add(render(tmp_path, "one"))
    wait(qtbot, lambda: not queue.unfinished)
    assert int((tmp_path / "nice").read_text()) >= min(19, os.nice(0) + 5)


# --- in and out points -----------------------------------------------------------------------------------------------


def timeline_of(qtbot: QtBot) -> Timeline:
    timeline = Timeline()
    qtbot.addWidget(timeline)
    timeline.resize(216, 26)  # the line has 200 pixels
    timeline.show_time(5.0, 20.0)
    timeline.show_markable(True)
    timeline.show()
    return timeline


def test_in_and_out_points_keep_a_part_between_them(qtbot: QtBot) -> None:
    timeline = timeline_of(qtbot)
    timeline.mark(start=4.0)
    timeline.mark(end=8.0)
    assert timeline.part == Part(4.0, 8.0)
    timeline.mark(start=9.0)
    assert timeline.part == Part(9.0, None), "an out point before it would leave nothing"
    timeline.mark(end=2.0)
    assert timeline.part == Part(None, 2.0)


def test_marks_are_dragged_and_taken_away_on_the_timeline(qtbot: QtBot) -> None:
    timeline = timeline_of(qtbot)
    timeline.mark(start=4.0)
    timeline.mark(end=8.0)
    sought: list[float] = []
    timeline.sought.connect(sought.append)

    def at(seconds: float) -> QPoint:
        return QPoint(round(timeline.x_of(seconds)), 13)

    qtbot.mousePress(timeline, Qt.LeftButton, pos=at(8.0))
    QApplication.sendEvent(timeline, _move(at(12.0)))
    qtbot.mouseRelease(timeline, Qt.LeftButton, pos=at(12.0))
    assert timeline.part == pytest.approx(Part(4.0, 12.0), abs=0.1)
    assert sought[-1] == pytest.approx(12.0, abs=0.1), "the picture follows"
    qtbot.mousePress(timeline, Qt.LeftButton, pos=at(12.0))
    QApplication.sendEvent(timeline, _move(at(1.0)))
    qtbot.mouseRelease(timeline, Qt.LeftButton, pos=at(1.0))
    assert timeline.part.end == pytest.approx(4.1, abs=0.11), "not beyond the in point"
    qtbot.mouseDClick(timeline, Qt.LeftButton, pos=at(3.9))
    assert timeline.part.start is None
    for action in timeline.menu(7.0).actions()[:1]:
        action.trigger()
    assert timeline.part == Part(7.0, None)


def test_no_mark_where_nothing_can_be_marked(make: Make, qtbot: QtBot) -> None:
    window = make(shown=False)
    wait(qtbot, lambda: window.canvas.result is not None)
    window.transport.timeline.show_markable(False)
    window.do("mark_in")
    assert window.transport.timeline.part == Part()
    assert "seekable" in window.canvas.toast_text


def test_keys_do_not_jump_in_a_file_that_is_not_seekable(make: Make, qtbot: QtBot) -> None:
    recording = _Endless([number / 30 for number in range(90)], (36, 64))
    window = make(open_source=recording.open)
    wait(qtbot, lambda: window.canvas.result is not None)
    for key, modifiers in ((Qt.Key_Right, Qt.ControlModifier), (Qt.Key_Left, Qt.ShiftModifier)):
        window.canvas.toast("")
        qtbot.keyClick(window.canvas, key, modifiers)
        assert "not seekable" in window.canvas.toast_text
    assert recording.openings == 1, "a jump would begin it anew"


class _Endless(Recording):
    """A recording of which the length is not known."""

    def open(self, place: str, *, start: float = 0.0) -> RecordingSource:
        source = super().open(place, start=start)
        source.info = replace(source.info, duration_seconds=None, frame_count=None)
        return source


# --- the dialog ------------------------------------------------------------------------------------------------------


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "a clip's name.mp4"
    path.touch()
    return path


def opened(make: Make, qtbot: QtBot, clip: Path, **more: object) -> tuple[Window, RenderDialog]:
    window = make(place=str(clip), shown=False, **more)
    wait(qtbot, lambda: window.canvas.result is not None and window.transport.timeline.markable)
    window.rendering.queue.command = STAND_IN
    qtbot.keyClick(window.canvas, Qt.Key_E, Qt.ControlModifier | Qt.ShiftModifier)
    dialog = window.rendering.dialog
    assert dialog is not None
    assert dialog.isVisible()
    return window, dialog


def choose(box: QComboBox, text: str) -> None:
    assert box.findText(text) >= 0, [box.itemText(place) for place in range(box.count())]
    box.setCurrentText(text)


def test_the_dialog_shows_the_command_that_it_runs(make: Make, qtbot: QtBot, clip: Path, tmp_path: Path) -> None:
    window, dialog = opened(make, qtbot, clip)
    assert window.transport.timeline.part == Part()
    assert dialog.part.count() == 1, "without in and out point there is no choice"
    window.transport.timeline.mark(start=0.5)
    window.transport.timeline.mark(end=2.25)
    window.refresh()
    assert dialog.part.currentText() == "0:00.5 to 0:02.2", "points that are new are meant"
    choose(dialog.layouts, "side by side")
    choose(dialog.formats, "MKV")
    choose(dialog.codec, "H.265")
    dialog.size_box.setCurrentText("x720")
    dialog.quality.setValue(90)
    shown = shlex.split(dialog.command.text())
    assert shown[:5] == ["rtviz", "render", str(clip), "-o", str(tmp_path / "a clip's name-heatmap.mkv")]
    parsed = build_parser().parse_args(shown[1:])
    settings, output = settings_of(parsed)
    assert settings == window.session.settings.replace(layout="side-by-side", model="tiny")
    assert output == OutputSettings(start=0.5, end=2.25, size=(720, 0), codec="h265", quality=90)
    qtbot.mouseClick(dialog.copy, Qt.LeftButton)
    assert QApplication.clipboard().text() == dialog.command.text()


def test_a_render_is_queued_shown_and_cancelled(make: Make, qtbot: QtBot, clip: Path, tmp_path: Path) -> None:
    window, dialog = opened(make, qtbot, clip)
    queue = window.rendering.queue
    long = tmp_path / "long.mp4"
    dialog.destination.setText(str(clip))
    assert "is the input itself" in dialog.note.text()
    assert not dialog.act_button.isEnabled()
    dialog.destination.setText(str(tmp_path / "out.mp4"))
    dialog.act_button.setFocus()
    qtbot.mouseClick(dialog.act_button, Qt.LeftButton)
    assert dialog.focusWidget() is dialog.act_button, "and not the button that cancels it"
    wait(qtbot, lambda: (tmp_path / "out.mp4").exists() and not queue.unfinished)
    (row,) = dialog.list.rows.values()
    assert row.offer.text() == "Show in folder"
    dialog.destination.setText(str(tmp_path / "out.mp4"))
    assert dialog.act_button.text() == "Replace"
    assert "--overwrite" in dialog.command.text()
    queue.add(Render("long.mp4", long, Settings(), OutputSettings()))
    wait(qtbot, lambda: window.transport.render_button.text() == " 50 %")
    queue.add(render(tmp_path, "next"))
    row, following = list(dialog.list.rows.values())[-2:]
    row.offer.setFocus()
    qtbot.mouseClick(row.offer, Qt.LeftButton)
    wait(qtbot, lambda: row.state.text() == "cancelled")
    assert dialog.focusWidget() is not following.offer, "a second press would cancel that one too"
    wait(qtbot, lambda: not queue.unfinished)
    wait(qtbot, lambda: window.transport.render_button.text() == "")
    qtbot.mouseClick(dialog.list.clear_button, Qt.LeftButton)
    assert not dialog.list.isVisible()


def test_what_was_chosen_is_chosen_again(make: Make, qtbot: QtBot, clip: Path, tmp_path: Path) -> None:
    window, dialog = opened(make, qtbot, clip)
    (tmp_path / "there").mkdir()
    choose(dialog.formats, "WebM")
    choose(dialog.codec, "AV1")
    choose(dialog.layouts, "alone")
    dialog.size_box.setCurrentText("x480")
    dialog.destination.setText(str(tmp_path / "there" / "out.webm"))
    qtbot.mouseClick(dialog.act_button, Qt.LeftButton)
    wait(qtbot, lambda: not window.rendering.queue.unfinished)
    window.close()
    _, again = opened(make, qtbot, clip)
    choices = again.choices()
    assert (choices.layout, choices.codec, choices.size) == ("alone", "av1", "x480")
    assert Path(choices.destination).parent == tmp_path / "there"


def test_panes_are_rendered_together_or_the_one_in_focus(make: Make, qtbot: QtBot, clip: Path) -> None:
    window, dialog = opened(make, qtbot, clip, settings=GREY.replace(model="one", compare=("two",)))
    assert dialog.models.currentText() == "all 2, a pane each"
    assert "--compare two" in dialog.command.text()
    dialog.models.setCurrentIndex(0)
    assert "two" not in dialog.command.text()
    window.session.focus(1)
    window.refresh()
    dialog.models.setCurrentIndex(0)
    assert "--model two" in dialog.command.text()


def test_a_camera_cannot_be_rendered_and_the_dialog_says_what_can(make: Make, qtbot: QtBot, tmp_path: Path) -> None:
    _, dialog = opened(make, qtbot, tmp_path / "not there.mp4")
    assert "cannot be rendered" in dialog.what.text()
    assert not dialog.act_button.isEnabled()
    assert dialog.command.text() == ""


@pytest.mark.parametrize("answer", ["Go on", "Cancel and quit"])
def test_quitting_asks_while_something_is_rendered(
    make: Make, qtbot: QtBot, clip: Path, tmp_path: Path, answer: str
) -> None:
    window = make(place=str(clip), shown=False)
    queue = window.rendering.queue
    queue.command = STAND_IN
    queue.add(Render("long.mp4", tmp_path / "long.mp4", Settings(), OutputSettings()))
    wait(qtbot, lambda: queue.renders[0].done == 20)

    def press() -> None:
        box = window.findChild(QMessageBox)
        assert box is not None
        assert "1 file is not finished" in box.text()
        next(button for button in box.buttons() if button.text() == answer).click()

    QTimer.singleShot(0, press)
    window.close()
    assert window.isVisible() == (answer == "Go on")
    assert (queue.renders[0].state == RUNNING) == window.isVisible()
    if not window.isVisible():
        assert not (tmp_path / "long.mp4").exists()
        assert not (tmp_path / "long.partial.mp4").exists()


def _move(at: QPoint) -> QMouseEvent:
    return QMouseEvent(QEvent.MouseMove, at, Qt.NoButton, Qt.LeftButton, Qt.NoModifier)


def test_what_is_recorded_is_chosen_beside_the_button(make: Make, qtbot: QtBot) -> None:
    window = make(shown=False)
    menu = window.header.record_menu.menu()
    assert menu is not None
    menu.aboutToShow.emit()
    next(entry for entry in menu.actions() if entry.text() == "record clean").trigger()
    assert window.commands.saving.record_what == "clean"
    menu.aboutToShow.emit()
    assert [entry.text() for entry in menu.actions() if entry.isChecked()] == ["record clean"]

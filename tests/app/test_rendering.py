"""Rendering from the window: the dialog, the queue of processes, in and out points."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest
from live_fakes import LIMIT
from PyQt5.QtCore import QPoint, Qt, QTimer
from PyQt5.QtWidgets import QApplication, QMessageBox, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from rtviz.app.renderdialog import RenderDialog
from rtviz.app.renderform import Subject
from rtviz.app.renderlist import words
from rtviz.app.renders import CANCELLED, DONE, FAILED, RUNNING, WAITING, Render, RenderQueue
from rtviz.app.timeline import Part, Timeline
from rtviz.settings import OutputSettings, Settings

pytestmark = pytest.mark.gui

# Stands for `rtviz render`: it does what the name of its input says, and prints what `--progress json` prints.
FAKE = r"""
import json, signal, sys, time
from pathlib import Path

def say(event, **values):
    print(json.dumps({"event": event, **values}), flush=True)

place, output = sys.argv[2], Path(sys.argv[4])
assert sys.argv[1] == "render" and sys.argv[-2:] == ["--progress", "json"]
part = output.with_name(output.stem + ".partial" + output.suffix)
say("loading")
if "absent" in place:
    print("rtviz: error: cannot open absent.mp4: there is no such file", file=sys.stderr)
    sys.exit(1)
say("begin", input=place, output=str(output), frames=40)
part.write_text("half")
say("frames", done=10)
print("rtviz: a notice", file=sys.stderr)
if "long" in place:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    say("frames", done=20)
    time.sleep(60)
part.rename(output)
say("end", report={"frames_out": 40, "width": 64, "height": 48, "fps": 12.5, "warnings": []})
"""


@pytest.fixture
def queue(qapp: object) -> Iterator[RenderQueue]:
    queue = RenderQueue(None, (sys.executable, "-c", FAKE))
    yield queue
    queue.close()


def render(folder: Path, name: str) -> Render:
    return Render(f"{name}.mp4", folder / f"{name}.mp4", Settings(), OutputSettings())


def wait(qtbot: QtBot, condition: Callable[[], object]) -> None:
    qtbot.waitUntil(lambda: bool(condition()), timeout=int(LIMIT * 1000))


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

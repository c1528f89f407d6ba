"""Nothing is sent that nobody asked for: every command and the window under a guard that sees connections."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from guard import Guard

ROOT = Path(__file__).parent.parent

# One process, so that what is slow to load is loaded once. The window comes last: it ends the process.
_EVERYTHING = """
import contextlib, functools, os, signal, sys
from rtviz.cli import run
from rtviz.scoring import scenes

scenes.score_scenes = functools.partial(scenes.score_scenes, frames=2)  # of its video; by itself half a minute's

LENGTH, SCENE = "scene:?size=64x48&seconds=", "scene:?size=64x48&seconds=0.2"

def command(*words, fails=False):
    with contextlib.redirect_stdout(sys.stderr):
        assert bool(run(list(words))) == fails, words

small = ["--resolution", "64", "--device", "cpu"]
command("render", SCENE, "-o", "a.mp4", "--backend", "openvino", *small)
command("render", "a.mp4", "-o", "b.mkv", *small)
command("render", SCENE, "--end", "0.03", "-o", "a.png", *small)
command("render", "a.png", "missing.png", "-o", "out/", *small, fails=True)
command("export", "a.png", "-o", "a.zarr", *small)
command("figure", "a.png", "-o", "a.pdf", *small)
command("elevator", "a.png", "-o", "a.gif", *small)
command("facts", "a.png", *small)
command("models")
command("score", "embedded", "--scenes", "1", "--device", "cpu")
command("score", "jaccard", "--data", "scene:", "--limit", "1", "--resolution", "64", "--device", "cpu")
command("bench", "live", "scene:?size=64x48", "--seconds", "0.5", "--model", "embedded", *small)

from PyQt5.QtCore import QTimer
from rtviz.app import window
class Window(window.Window):
    def _begin(self):
        super()._begin()
        self._until = QTimer(self)
        self._until.timeout.connect(self._look)
        self._until.start(50)
    def _look(self):
        if self.canvas.result is not None:
            print("shown", flush=True)
            os.kill(os.getpid(), signal.SIGINT)
from rtviz.app import process
process.Window = Window
sys.exit(run(["live", "scene:?size=64x48", "--backend", "openvino", *small]))
"""


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_no_command_and_no_window_sends_anything_or_leaves_files_about(tmp_path: Path) -> None:
    guard = Guard(tmp_path, {"QT_QPA_PLATFORM": "offscreen"})
    (tmp_path / "work").mkdir()
    done = subprocess.run(
        guard.command(sys.executable, "-c", _EVERYTHING),
        env=guard.environment, cwd=tmp_path / "work", capture_output=True, text=True, timeout=220,
    )  # fmt: skip
    assert done.stdout.endswith("shown\n"), done.stderr
    assert done.returncode == 130
    assert guard.noticed() == []
    written = {path.name for path in (tmp_path / "work").iterdir()}
    assert written == {"a.mp4", "b.mkv", "a.png", "out", "a.zarr", "a.pdf", "a.gif"}


def test_the_guard_sees_what_it_is_there_for(tmp_path: Path) -> None:
    """In children of children, by address and by name, and files in the home folder."""
    guard = Guard(tmp_path)
    program = """
import socket, subprocess, sys
from contextlib import suppress
from pathlib import Path
(Path.home() / "left behind").touch()
(Path.home() / ".cache").mkdir(exist_ok=True)
(Path.home() / ".cache" / "kept").touch()
with suppress(OSError):
    socket.create_connection(("127.0.0.1", 9), 1)  # nobody's business
with suppress(OSError):
    socket.getaddrinfo("telemetry.invalid", 80)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
with suppress(OSError):
    udp.connect(("192.0.2.77", 9))
if len(sys.argv) < 2:
    subprocess.run([sys.executable, __file__, "again"])
"""
    (tmp_path / "program.py").write_text(program)
    subprocess.run([sys.executable, str(tmp_path / "program.py")], env=guard.environment, check=True, timeout=60)
    noticed = "\n".join(guard.noticed())
    assert noticed.count("telemetry.invalid") == noticed.count("192.0.2.77") == 2
    assert "left behind" in noticed
    assert "kept" not in noticed
    assert "127.0.0.1" not in noticed


@pytest.mark.parametrize("first", ["", "import torch, rtviz.models.zoo;"])
def test_libraries_find_their_reports_switched_off(tmp_path: Path, first: str) -> None:
    """Whatever is imported next, and whatever a process of ours starts."""
    guard = Guard(tmp_path)
    program = f"""
import rtviz; {first}
import os, subprocess, sys
from huggingface_hub import constants
assert constants.HF_HUB_DISABLE_TELEMETRY
import ray._common.usage.usage_lib as usage
assert not usage.usage_stats_enabled()
try:
    import openvino_telemetry
except ImportError:
    pass
else:
    raise AssertionError("it can be imported")
from openvino.tools.ovc import telemetry_stub, telemetry_utils
assert telemetry_utils.tm is telemetry_stub, "OpenVINO goes on without"
print(subprocess.check_output([sys.executable, "-c", "import os; print(os.environ['HF_HUB_DISABLE_TELEMETRY'])"]))
"""
    pytest.importorskip("openvino")
    pytest.importorskip("ray")
    done = subprocess.run(
        [sys.executable, "-c", program], env=guard.environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert guard.noticed() == []


def test_what_the_user_has_set_stays(tmp_path: Path) -> None:
    guard = Guard(tmp_path, {"HF_HUB_DISABLE_TELEMETRY": "0"})
    program = "import rtviz, os; print(os.environ['HF_HUB_DISABLE_TELEMETRY'], os.environ['DO_NOT_TRACK'])"
    done = subprocess.run([sys.executable, "-c", program], env=guard.environment, capture_output=True, text=True)
    assert done.stdout == "0 1\n"

"""One real window on a virtual screen, with OpenCV imported, driven by real key presses, judged by its pixels."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import rtviz
from rtviz import views
from rtviz.engine.engine import Engine
from rtviz.frame import Frame, Pixels
from rtviz.settings import Settings
from rtviz.sources.scene import SceneSource

pytestmark = [
    pytest.mark.gui,
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("Xvfb") is None or shutil.which("xdotool") is None,
        reason="needs Xvfb and xdotool: apt-get install xvfb xdotool",
    ),
]

LIMIT = 90.0
SIZE = (480, 640)  # (height, width) of the picture and of the window: nothing is scaled
MODEL = "random:vit_tiny_patch16_224"
SHOWN = Settings(model=MODEL, device="cpu", precision="fp32", resolution=64, normalization="frame", head=0)

# The import of OpenCV comes first, as it does for users of both: it must not break Qt.
_START = """
import sys
from pathlib import Path
from rtviz.cv import cv2
import rtviz.app
from rtviz.settings import Settings
settings = Settings.from_mapping({settings!r})
sys.exit(rtviz.app.launch({place!r}, settings, folder=Path({folder!r})))
"""


class Screen:
    """A virtual screen and one window on it.

    Attributes:
        memory: the file in which the X server keeps what is on the screen.
    """

    def __init__(self, environment: dict[str, str], memory: Path) -> None:
        self.environment, self.memory = environment, memory

    def tool(self, *arguments: str) -> str:
        done = subprocess.run(["xdotool", *arguments], env=self.environment, capture_output=True, text=True, timeout=30)
        return done.stdout.strip()

    def window(self) -> str:
        """The number of the window, as soon as it is there."""
        found = until(lambda: self.tool("search", "--onlyvisible", "--name", "rtviz"))
        return str(found).splitlines()[-1]

    def pixels(self) -> Pixels:
        """What the screen shows, RGB uint8 [height, width, 3]."""
        return read_xwd(self.memory.read_bytes())


def read_xwd(dump: bytes) -> Pixels:
    """An X window dump of 32 bits a pixel, as the X11 file XWDFile.h describes it."""
    header = np.frombuffer(dump, ">u4", 25)
    size, width, height, bits, line, colors = (int(header[place]) for place in (0, 4, 5, 11, 12, 19))
    assert bits == 32
    rows = np.frombuffer(dump, np.uint8, height * line, size + 12 * colors).reshape(height, line)
    return rows[:, : 4 * width].reshape(height, width, 4)[:, :, 2::-1]


def until(condition: object, what: str = "") -> object:
    """Ask until it is so."""
    assert callable(condition)
    end, pause = time.monotonic() + LIMIT, threading.Event()
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        pause.wait(0.05)  # the window needs the processor too
    raise AssertionError(f"not within {LIMIT:.0f} s: {what}")


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    reading, writing = os.pipe()
    size = f"{SIZE[1]}x{SIZE[0]}x24"
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", size, "-dpi", "96", "-fbdir", str(tmp_path)],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as told:
        number = told.readline().strip()
    environment = {**os.environ, "DISPLAY": f":{number}", "XDG_RUNTIME_DIR": str(tmp_path)}
    environment.pop("QT_QPA_PLATFORM", None)
    environment.pop("WAYLAND_DISPLAY", None)
    try:
        yield Screen(environment, tmp_path / "Xvfb_screen0")
    finally:
        server.terminate()
        server.wait(10)


def test_the_head_that_was_chosen_is_on_the_screen(screen: Screen, tmp_path: Path) -> None:
    reason = subprocess.run(
        [sys.executable, "-c", "import rtviz.app; print(rtviz.app.why_not() or '')"],
        env=screen.environment,
        capture_output=True,
        text=True,
    ).stdout.strip()
    if reason:
        pytest.skip(reason)
    frame = SceneSource(seed=3, size=SIZE).frame(0)
    picture = tmp_path / "picture.png"
    Image.fromarray(frame.pixels).save(picture)
    (tmp_path / "config.toml").write_text('[window]\nmode = "locked"\nno_offer = true\n')
    expected = _expected(frame)

    code = _START.format(settings=SHOWN.to_mapping(), place=str(picture), folder=str(tmp_path))
    running = subprocess.Popen([sys.executable, "-c", code], env=screen.environment, stderr=subprocess.PIPE, text=True)
    try:
        number = screen.window()
        screen.tool("windowmove", number, "0", "0")
        screen.tool("windowfocus", number)
        screen.tool("mousemove", str(SIZE[1] - 1), str(SIZE[0] - 1))
        until(lambda: screen.pixels().std() > 5, "something is painted")
        screen.tool("key", "h")  # the picture alone may be smaller than the window with its panels
        screen.tool("windowsize", number, str(SIZE[1]), str(SIZE[0]))
        for head in (2, 0, 1):
            screen.tool("key", str(head))
            until(lambda head=head: nearest(screen.pixels(), expected) == head, f"head {head} is on the screen")
        screen.tool("key", "Right")
        until(lambda: nearest(screen.pixels(), expected) == 2, "the next head is on the screen")
        screen.tool("key", "ctrl+q")
        assert running.wait(10) == 0
    finally:
        running.kill()
        _, errors = running.communicate()
    assert "Traceback" not in errors, errors


def _expected(frame: Frame) -> list[Pixels]:
    """What each head looks like, from the engine and the view themselves."""
    engine = Engine(rtviz.load(MODEL, device="cpu", precision="fp32", resolution=64))
    maps = engine.predict([frame], SHOWN)[0]
    return [views.draw(frame, maps, SHOWN.replace(head=head)) for head in range(3)]


def nearest(shown: Pixels, expected: list[Pixels]) -> int | None:
    """Which of the pictures is on the screen, nearly exactly; None if none is.

    The pointer, and what is said in large letters for a moment, may lie over it: so the median decides.
    """
    if shown.shape != expected[0].shape:
        return None
    away = [float(np.median(np.abs(shown.astype(int) - picture))) for picture in expected]
    best = int(np.argmin(away))
    return best if away[best] <= 1 else None

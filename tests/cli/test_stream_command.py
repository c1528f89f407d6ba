"""`rtviz stream`, watched by a client on the loopback."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import TINY, Said, in_process, one_line_error


def test_the_live_picture_is_served_until_ctrl_c() -> None:
    import signal

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = int(taken.getsockname()[1])
    line = ["stream", "scene:?size=96x64", "-o", f"http://127.0.0.1:{port}/", "--view", "none"]
    with subprocess.Popen([sys.executable, "-m", "rtviz", *line], stderr=subprocess.PIPE, text=True) as running:
        body = b""
        while not body:
            assert running.poll() is None
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                connection.request("GET", "/frame.jpg")
                body = connection.getresponse().read()
            except OSError:  # it does not serve yet
                pass
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
    shown = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == (64, 96, 3)
    assert running.returncode in (130, -signal.SIGINT), said
    assert "Traceback" not in said


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """`rtviz ...` in this process."""
    return in_process(monkeypatch, capsys)


def test_a_clip_ends_with_itself(tmp_path: Path, run: Callable[..., Said]) -> None:
    clip, out = tmp_path / "clip.mp4", tmp_path / "live.m3u8"
    assert run("render", "scene:?size=96x64&seconds=1", "-o", clip, "--view", "none").status == 0
    done = run("stream", clip, "-o", out, *TINY)
    assert done.status == 0, done.err
    assert "pictures to" in done.err
    assert "#EXT-X-ENDLIST" in out.read_text()


@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        (["scene:", "-o", "ftp://host/"], 1, "cannot stream to 'ftp://host/'"),
        (["scene:", "--seconds", "0"], 2, "seconds"),
        (["no-such-clip.mp4", "-o", "live.m3u8", "--view", "none"], 1, "no-such-clip.mp4"),
    ],
)
def test_what_goes_wrong_is_a_line(
    tmp_path: Path, line: list[str], status: int, says: str, run: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one_line_error(run("stream", *line), status, says)

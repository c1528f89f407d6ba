"""The frame under the pointer on the timeline."""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest
from media import make_video
from PyQt5.QtCore import QEvent, QPoint, QPointF, Qt
from PyQt5.QtGui import QColor, QImage, QMouseEvent
from PyQt5.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from windows import Make, wait

from rtviz.app.timeline_preview import Moment, MomentReader
from rtviz.app.window import Window
from rtviz.sources import open_source

pytestmark = pytest.mark.gui


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Fifty frames in two seconds, each with its number in its grey level."""
    path = tmp_path / "clip.mp4"
    make_video(path, [40 * number for number in range(50)], (96, 128), options={"g": "10"})
    return path


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The address of a server of the folder."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(tmp_path))

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(10)


def level(image: QImage) -> int:
    """The grey level in the middle."""
    return QColor(image.pixel(image.width() // 2, image.height() // 2)).green()


def point_at(window: Window, seconds: float | None) -> None:
    """Move the pointer over the timeline, or off it."""
    timeline = window.transport.timeline
    if seconds is None:
        event: QEvent = QEvent(QEvent.Leave)
    else:
        at = QPointF(timeline.x_of(seconds), timeline.height() / 2)
        event = QMouseEvent(QEvent.MouseMove, at, Qt.NoButton, Qt.NoButton, Qt.NoModifier)
    QApplication.sendEvent(timeline, event)


def shown(window: Window, near: int) -> Callable[[], bool]:
    return lambda: not window.preview.image.isNull() and abs(level(window.preview.image) - near) <= 6


def test_a_video_on_a_web_server_has_frames_on_the_timeline_and_is_rendered_and_drawn(
    make: Make, qtbot: QtBot, clip: Path, web: str
) -> None:
    address = f"{web}/{clip.name}?v=1.2"
    window = make(place=address, open_source=open_source)
    wait(qtbot, lambda: window.transport.timeline.markable)
    point_at(window, 1.5)
    wait(qtbot, shown(window, 40 + 4 * round(1.5 * 25)))
    point_at(window, None)
    window.do("render")
    dialog = window.rendering.dialog
    assert dialog is not None
    assert dialog.act_button.isEnabled(), dialog.note.text()
    assert shlex.split(dialog.command.text())[:3] == ["rtviz", "render", address]
    assert Path(dialog.destination.text()).name == "clip-heatmap.mp4"
    window.do("figure")
    figure = window.figuring.dialog
    assert figure is not None
    assert shlex.split(figure.command.text())[:3] == ["rtviz", "figure", address]


def test_time_and_frame_float_over_the_timeline(make: Make, qtbot: QtBot, clip: Path) -> None:
    window = make(place=str(clip), open_source=open_source, shown=False)
    wait(qtbot, lambda: window.transport.timeline.markable)
    assert not window.preview.isVisible()
    for seconds, words in ((1.5, "0:01.5"), (0.4, "0:00.4")):
        point_at(window, seconds)
        assert window.preview.isVisible()
        assert abs(float(window.preview.text[2:]) - float(words[2:])) <= 0.1
        wait(qtbot, shown(window, 40 + 4 * round(seconds * 25)))
        box = window.preview.geometry()
        over = window.transport.timeline.mapTo(window, QPoint(0, 0))
        assert box.bottom() < over.y()
        assert window.rect().contains(box)
    point_at(window, None)
    assert not window.preview.isVisible()


def test_the_newest_request_wins(qtbot: QtBot, clip: Path) -> None:
    reader, read = MomentReader(), []
    reader.read.connect(lambda moment, image: read.append((moment.seconds, level(image))))
    try:
        for number in range(50):
            reader.want(Moment(str(clip), number * 0.04, None, 64))
        wait(qtbot, lambda: read and read[-1][0] == pytest.approx(49 * 0.04))
    finally:
        reader.close()
    assert abs(read[-1][1] - (40 + 4 * 49)) <= 6
    assert len(read) < 50


def test_without_a_file_there_is_the_time_alone(make: Make, qtbot: QtBot) -> None:
    window = make()  # a recording of the tests, which no reader can open
    point_at(window, 1.2)
    assert window.preview.isVisible()
    assert window.preview.text.startswith("0:01.")
    assert window.preview.image.isNull()

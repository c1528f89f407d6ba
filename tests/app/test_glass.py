"""Glass-to-glass latency: a fake camera films the window, with a delay that it knows by its own clock."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from command_line import in_process
from live_fakes import LIMIT, Engine, loads
from PyQt5.QtCore import QTimer
from PyQt5.QtGui import QImage
from PyQt5.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from rtviz.app import screen_timer
from rtviz.app.glass import GlassBench, first_camera
from rtviz.cv import cv2
from rtviz.errors import RtvizError, SettingsError, SourceMissing
from rtviz.frame import Pixels, Result
from rtviz.live.session import LiveSession
from rtviz.settings import Settings
from rtviz.sources import SourceInfo
from rtviz.sources.endless import EndlessSource

SIZE = (360, 640)  # of the camera's pictures
SHOWN = Settings(opacity=0.3)


class Camera(EndlessSource):
    """Films a widget at a slant, with blur and noise, and hands each picture out after a delay.

    Attributes:
        handed_out: of each picture, in their order, when it was filmed, and when it was handed out.
    """

    def __init__(self, delay: float, aimed: bool = True, live: bool = True) -> None:
        super().__init__()
        self.info = SourceInfo("the camera", "camera", SIZE, 30.0, None, None, live=live)
        self._delay, self._aimed = delay, aimed
        self._waiting: deque[tuple[float, Pixels]] = deque([(time.monotonic(), np.full((*SIZE, 3), 90, np.uint8))])
        self._changed = threading.Condition()
        self._noise = np.random.default_rng(0)
        self.handed_out: list[tuple[float, float]] = []

    def film(self, widget: QWidget) -> None:
        """One picture of what the widget shows now; called where widgets live."""
        filmed_at = time.monotonic()
        image = widget.grab().toImage().convertToFormat(QImage.Format_RGB32)
        width, height = image.width(), image.height()
        bits = image.constBits()
        assert bits is not None
        pixels = np.frombuffer(bytes(bits.asarray(image.byteCount())), np.uint8).reshape(height, width, 4)
        seen = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
        aim = np.array([(20, 24), (622, 8), (628, 348), (10, 354)], np.float32)
        matrix = cv2.getPerspectiveTransform(seen, aim)
        filmed = cv2.warpPerspective(pixels[:, :, 0], matrix, (SIZE[1], SIZE[0]), borderValue=40)
        filmed = cv2.GaussianBlur(filmed, (0, 0), 0.8) * 0.7 + 30 + self._noise.normal(0, 6, filmed.shape)
        picture = np.clip(filmed, 0, 255).astype(np.uint8)[:, :: 1 if self._aimed else -1]
        with self._changed:
            self._waiting.append((filmed_at, np.repeat(picture[:, :, None], 3, 2)))
            self._changed.notify()

    def pictures(self) -> Iterator[Pixels]:
        while not self._closed.is_set():
            with self._changed:
                due = self._waiting[0][0] + self._delay if self._waiting else time.monotonic() + 0.02
                if not self._waiting or due > time.monotonic():
                    self._changed.wait(max(0.001, due - time.monotonic()))
                    continue
                filmed_at, picture = self._waiting.popleft()
            self.handed_out.append((filmed_at, time.monotonic()))
            yield picture

    def release(self) -> None:
        """It holds nothing."""


class Filming:
    """A bench whose window the camera films 25 times a second.

    Attributes:
        ages: by number of the picture filmed, how long before it the picture was filmed that the window shows, in ms:
            what the camera knows by its own clock.
        painted: numbers of the pictures that the window has painted, in their order.
    """

    def __init__(self, camera: Camera) -> None:
        self.painted: list[int] = []
        painted = self.painted

        class Session(LiveSession):
            def shown(self, result: Result) -> None:
                painted.append(result.frame.index)
                super().shown(result)

        def session(place: str, settings: Any, **more: Any) -> LiveSession:
            load = loads(lambda *_: Engine())
            return Session(place, settings, open_source=lambda *_, **__: camera, load_engine=load, **more)

        self.bench = GlassBench("camera:0", SHOWN, session=session)
        self.camera = camera
        self.ages: dict[int, float] = {}
        self._filmed = 1  # the camera begins with a picture of nothing
        self.bench.window.resize(800, 450)
        self.bench.window.show()
        self._timer = QTimer()
        self._timer.timeout.connect(self._film)
        self._timer.start(40)

    def _film(self) -> None:
        result = self.bench.shown
        if result is not None:
            index = result.frame.index
            self.ages[self._filmed] = (time.monotonic() - self.camera.handed_out[index][0]) * 1000
        self.camera.film(self.bench.window)
        self._filmed += 1


@pytest.mark.slow
def test_the_delay_of_a_camera_comes_out(qtbot: QtBot) -> None:
    filming = Filming(Camera(delay=0.15))
    figures = filming.bench.run(seconds=2.0, aim_seconds=LIMIT)
    measured = filming.painted[-(figures.frames_read + figures.frames_unreadable) :]
    ages = [filming.ages[number] for number in measured]
    arrivals = [(out - filmed) * 1000 for filmed, out in (filming.camera.handed_out[number] for number in measured)]
    assert figures.frames_read >= 5
    assert figures.frames_unreadable <= figures.frames_read / 10
    assert figures.p50_ms == pytest.approx(np.median(ages), abs=20)
    assert figures.least_ms > 150
    assert figures.arrival_p50_ms == pytest.approx(np.median(arrivals), abs=20)
    assert figures.p50_ms <= figures.p95_ms <= figures.max_ms
    assert figures.to_mapping()["frames_read"] == figures.frames_read
    assert "glass to glass" in figures.lines()[1]


@pytest.mark.parametrize(
    ("camera", "kind", "words"),
    [
        (Camera(0.0, aimed=False), RtvizError, "the timer is not found in the picture of camera:0: point the camera"),
        (Camera(0.0, live=False), SettingsError, "a camera that films this screen"),
    ],
)
def test_what_cannot_be_measured_is_said(qtbot: QtBot, camera: Camera, kind: type[RtvizError], words: str) -> None:
    with pytest.raises(kind, match=words):
        Filming(camera).bench.run(seconds=1.0, aim_seconds=0.5)


def test_without_a_camera_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtviz.sources.camera.cameras", list)
    with pytest.raises(SourceMissing, match="no camera is plugged in"):
        first_camera()


def test_without_a_display_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    said = in_process(monkeypatch, capsys)("bench", "glass")
    assert said.status == 1
    assert said.err.startswith("rtviz: error: no window: there is no display")
    assert said.err.count("\n") == 1


# --- the timer's patterns ----------------------------------------------------------------------------------------


def cells(number: int) -> Any:
    return screen_timer.pattern(number).ravel() * 100 + 128


def test_a_number_is_read_through_noise_and_glare() -> None:
    noise = np.random.default_rng(1).normal(0, 60, 64).astype(np.float32)
    assert screen_timer.read(cells(70) * 0.3 + 90 + 0.3 * noise, range(200)) == 70


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6, 0.8])
def test_an_exposure_over_two_numbers_is_read_as_the_longer_one(share: float) -> None:
    mixed = share * cells(70) + (1 - share) * cells(71)
    assert screen_timer.read(mixed, range(200)) == (70 if share > 0.5 else 71)


def test_what_was_never_painted_is_not_read() -> None:
    noise = np.random.default_rng(2)
    assert screen_timer.read(cells(500), range(200)) is None
    assert screen_timer.read(cells(3) * 0 + 7, range(200)) is None
    assert screen_timer.read(cells(3), []) is None
    wrong = [screen_timer.read(noise.normal(0, 1, 64).astype(np.float32), range(300)) for _ in range(200)]
    assert sum(number is not None for number in wrong) <= 2
    assert screen_timer.read((cells(20) + cells(120)) / 2, range(200)) is None  # two at once


def test_an_overlay_that_stays_is_taken_away() -> None:
    overlay = np.random.default_rng(3).normal(0, 400, 64)
    filmed = np.stack([cells(number) + overlay for number in range(40)]).astype(np.float32)
    assert screen_timer.read(filmed[30], range(200)) is None
    cleaned = screen_timer.without_what_stays(filmed)
    assert [screen_timer.read(one, range(200)) for one in cleaned] == list(range(40))


def test_markers_are_found_at_a_slant_and_cells_between_them() -> None:
    square = np.kron(screen_timer.square(9, 0), np.ones((10, 10), np.uint8))
    side = float(len(square))
    target = np.array([(60, 40), (420, 70), (400, 430), (30, 390)], np.float32)
    matrix = cv2.getPerspectiveTransform(screen_timer.corners((0, 0, side, side)).astype(np.float32), target)
    picture = cv2.warpPerspective(square, matrix, (480, 480), borderValue=255)
    places = screen_timer.square_markers((0, 0, side, side), 0)
    found = screen_timer.homography(places, screen_timer.find_markers(picture))
    assert found is not None
    points = screen_timer.through(found, screen_timer.cell_points((0, 0, side, side)))
    values = screen_timer.sample(picture, points)
    assert values is not None
    assert np.array_equal(values > 128, screen_timer.pattern(9).ravel() > 0)
    assert screen_timer.sample(picture, points + 200) is None  # beyond the edge
    covered = picture.copy()
    covered[:200, :200] = 255
    assert screen_timer.homography(places, screen_timer.find_markers(covered)) is None

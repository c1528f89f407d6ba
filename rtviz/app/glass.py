"""Glass-to-glass latency: a camera films a timer on the screen, and beside it rtviz's window with the picture of it.

Both are read from one filmed picture: what the timer shows, and what the picture of it in the window shows. The
difference is how old the picture on the screen is, from light that enters the lens to light that leaves the screen,
with all that reports no latency: exposure, cable, driver, compositor and panel.
"""

from __future__ import annotations

import tempfile
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PyQt5.QtCore import QEvent, QEventLoop, QObject, QPoint, QRect, QRectF, Qt, QTimer
from PyQt5.QtGui import QCloseEvent, QColor, QImage, QKeyEvent, QPainter, QPaintEvent, QResizeEvent
from PyQt5.QtWidgets import QApplication, QLabel, QWidget

from rtviz.app import screen_timer
from rtviz.app.process import application
from rtviz.app.remembered import Remembered
from rtviz.app.window import Window
from rtviz.errors import RtvizError, SettingsError, SourceMissing, SourceUnreadable
from rtviz.frame import Floats, Result
from rtviz.live.figures import SessionFigures
from rtviz.live.session import LiveSession, LiveStatus
from rtviz.settings import Settings
from rtviz.words import counted

# The timer stays readable below it; how long drawing takes does not depend on it.
OPACITY = 0.3

_TIMER_MARKERS, _WINDOW_MARKERS = 0, 4  # the first of four
_SAYS_EVERY_MS = 200
_LOCATES_EVERY_SECONDS = 0.25
_LONGEST_SECONDS = 5.0  # no latency above is read
_TRIED = 24  # readings, of which half must show both timers before measuring begins
_LOST_AFTER = 8  # readings in a row without the timer: then it is searched for again
_MARGIN = 12  # pixels of the window
_SENTENCE_HEIGHT = 40
_WHITE = QColor("white")


class Painted(NamedTuple):
    """One painting of the timer: its number, and when, by `time.monotonic()`."""

    number: int
    at: float


@dataclass(frozen=True, slots=True, eq=False)
class Filmed:
    """What a filmed picture holds of both timers.

    Attributes:
        painted_at: when rtviz had painted this picture, by `time.monotonic()`.
        age_ms: from its arrival in rtviz until then.
        timer, pictured: cells of the timer, and of the picture of it in the window: float32 [64]; None where they lie
            beyond the picture's edge.
    """

    painted_at: float
    age_ms: float
    timer: Floats | None
    pictured: Floats | None


@dataclass(frozen=True)
class GlassFigures(SessionFigures):
    """Glass-to-glass latency, and its parts.

    Attributes:
        frames_read, frames_unreadable: filmed pictures in which both timers were read, and the others.
        p50_ms, p95_ms, max_ms, least_ms: how old the picture in the window is when it is filmed, from screen to screen.
            The least is that of a picture just painted.
        arrival_p50_ms, arrival_p95_ms: of these, from the painted timer to the frame in memory: screen, exposure,
            camera, cable, driver, decoding.
        rtviz_p50_ms, rtviz_p95_ms: from the frame in memory to its painted overlay.
        timer_hz: how often the timer was painted, the resolution of each reading.
    """

    frames_read: int
    frames_unreadable: int
    p50_ms: float
    p95_ms: float
    max_ms: float
    least_ms: float
    arrival_p50_ms: float
    arrival_p95_ms: float
    rtviz_p50_ms: float
    rtviz_p95_ms: float
    camera_fps: float
    shown_fps: float
    timer_hz: float

    def lines(self) -> list[str]:
        """The figures in words, for a terminal."""
        return [
            f"{self.line()}: {counted(self.frames_read, 'frame')} read, {self.frames_unreadable} unreadable",
            f"glass to glass  p50 {self.p50_ms:.0f} ms  p95 {self.p95_ms:.0f} ms  max {self.max_ms:.0f} ms  "
            f"(a picture just painted: {self.least_ms:.0f} ms)",
            f"of these, screen to memory (screen, exposure, camera, driver)  p50 {self.arrival_p50_ms:.0f} ms  "
            f"p95 {self.arrival_p95_ms:.0f} ms",
            f"and memory to painted overlay (rtviz)  p50 {self.rtviz_p50_ms:.0f} ms  p95 {self.rtviz_p95_ms:.0f} ms; "
            "the rest is how long a picture stays on the screen",
            f"frames a second  camera {self.camera_fps:.1f}  shown {self.shown_fps:.1f}; the timer was painted "
            f"{self.timer_hz:.0f} times a second, so that a reading is right to {1000 / max(self.timer_hz, 1):.0f} ms",
        ]


def glass(
    place: str | None = None,
    settings: Settings | None = None,
    *,
    seconds: float = 20.0,
    aim_seconds: float = 60.0,
    mode: str = "smooth",
) -> GlassFigures:
    """Measure glass-to-glass latency with a camera that films the screen.

    Args:
        place: the camera, or any live source that shows this screen; "screen:" measures without a camera, exposure and
            panel. None takes the first camera.
        settings: which model, and what to show; a view that covers the timer makes it unreadable.
        seconds: how long to measure, once both timers are read.
        aim_seconds: how long to wait for that.
        mode: "smooth" or "locked".

    Raises:
        SourceError: there is no camera, or it fails.
        SettingsError: the source is not live.
        RtvizError: the timer is not found or not readable in its pictures, or the window was closed.
    """
    app = application()  # keeps it alive
    bench = GlassBench(place or first_camera(), settings or Settings(opacity=OPACITY), mode=mode)
    bench.window.showFullScreen()
    try:
        return bench.run(seconds, aim_seconds)
    finally:
        del app


def first_camera() -> str:
    """The place of this computer's first camera.

    Raises:
        SourceMissing: it has none.
    """
    from rtviz.sources.camera import cameras

    present = cameras()
    if not present:
        raise SourceMissing("no camera is plugged in; `rtviz bench glass screen:` measures all but the camera")
    return f"camera:{present[0].number}"


class GlassWindow(QWidget):
    """The timer on the left; on the right rtviz's own window, with markers round it; below, a sentence.

    Args:
        shown: rtviz's window.

    Attributes:
        painted: each painting of the timer, oldest first.
        closed: whether the user has closed it.
    """

    def __init__(self, shown: Window) -> None:
        super().__init__()
        self.setWindowTitle("rtviz: glass-to-glass latency")
        self.setAttribute(Qt.WA_OpaquePaintEvent)
        self.setMinimumSize(640, 360)
        self.painted: list[Painted] = []
        self.closed = False
        self._shown = shown
        shown.setParent(self)
        shown.setAttribute(Qt.WA_TransparentForMouseEvents)
        self._sentence = QLabel(self)
        self._sentence.setAlignment(Qt.AlignCenter)
        self._sentence.setStyleSheet("color: #17191d; background: transparent; font-size: 16px;")
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.PreciseTimer)
        self._timer.timeout.connect(lambda: self.update(self._timer_rect()))
        screen = QApplication.primaryScreen()
        rate = screen.refreshRate() if screen is not None else 60.0
        self._timer.start(max(4, round(1000 / max(rate, 30.0))))

    def say(self, sentence: str) -> None:
        """Write something below."""
        self._sentence.setText(sentence)

    # --- places, in pixels of the window -----------------------------------------------------------------------------

    def timer_box(self) -> screen_timer.Box:
        """Where the timer is."""
        room = self._timer_rect()
        side = min(room.width(), room.height())
        return (room.x() + (room.width() - side) / 2, room.y() + (room.height() - side) / 2, side, side)

    def _timer_rect(self) -> QRect:
        return QRect(0, 0, self.width() // 2, self.height() - _SENTENCE_HEIGHT).adjusted(
            _MARGIN, _MARGIN, -_MARGIN, -_MARGIN
        )

    def _marker_boxes(self) -> list[screen_timer.Box]:
        """Those round rtviz's window, clockwise from the upper left."""
        left, right, bottom = self.width() / 2 + _MARGIN, self.width() - _MARGIN, self.height() - _SENTENCE_HEIGHT
        side = self._marker_side()
        return [
            (left, _MARGIN, side, side),
            (right - side, _MARGIN, side, side),
            (right - side, bottom - side - _MARGIN, side, side),
            (left, bottom - side - _MARGIN, side, side),
        ]

    def _marker_side(self) -> int:
        return min(self.width() // 2, self.height()) // 6

    def markers(self) -> tuple[dict[int, screen_timer.Points], dict[int, screen_timer.Points]]:
        """The corners of the timer's markers, and of those round rtviz's window."""
        beside = {_WINDOW_MARKERS + place: screen_timer.corners(box) for place, box in enumerate(self._marker_boxes())}
        return screen_timer.square_markers(self.timer_box(), _TIMER_MARKERS), beside

    def picture_box(self) -> screen_timer.Box:
        """Where the picture in rtviz's window is."""
        canvas = self._shown.canvas
        corner, rect = canvas.mapTo(self, QPoint(0, 0)), canvas.picture_rect()
        return corner.x() + rect.x(), corner.y() + rect.y(), rect.width(), rect.height()

    # --- Qt's events -------------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        across = self._marker_side() + 2 * _MARGIN
        left, bottom = self.width() // 2 + _MARGIN, self.height() - _SENTENCE_HEIGHT
        self._shown.setGeometry(left, across, self.width() - left - _MARGIN, bottom - 2 * across)
        self._sentence.setGeometry(0, bottom, self.width(), _SENTENCE_HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.fillRect(event.rect(), _WHITE)
        timer = self._timer_rect()
        if event.rect().contains(timer) or not self.painted:  # else a part would show another number than the rest
            self.painted.append(Painted(len(self.painted), time.monotonic()))
        if event.rect().intersects(timer):
            _draw(painter, screen_timer.square(self.painted[-1].number, _TIMER_MARKERS), self.timer_box())
        for place, box in enumerate(self._marker_boxes()):
            if event.rect().intersects(QRectF(*box).toAlignedRect()):
                _draw(painter, screen_timer.marker(_WINDOW_MARKERS + place), box)

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        self.closed = True
        self._timer.stop()
        event.accept()


def _draw(painter: QPainter, modules: Any, box: screen_timer.Box) -> None:
    """A picture of modules, with hard edges."""
    rows, columns = modules.shape
    image = QImage(modules.tobytes(), columns, rows, columns, QImage.Format_Grayscale8)
    painter.drawImage(QRectF(*box), image)


class GlassBench(QObject):
    """A session, its window beside the timer, and the readings of what the camera films.

    Args:
        place: the camera.
        settings: which model, and what to show.
        mode: "smooth" or "locked".
        session: the seam for tests.

    Attributes:
        window: to be shown before `run`.
    """

    def __init__(
        self,
        place: str,
        settings: Settings,
        *,
        mode: str = "smooth",
        session: Callable[..., LiveSession] = LiveSession,
    ) -> None:
        super().__init__()
        self._place, self._mode = place, mode
        self._folder = tempfile.TemporaryDirectory(prefix="rtviz-glass-")
        self._session = session(place, settings, mode=mode)
        remembered = Remembered(Path(self._folder.name), stored=False)
        self._shown = Window(self._session, remembered)
        self._shown.picture_only = True
        self._shown.arrange()
        self.window = GlassWindow(self._shown)
        self._shown.canvas.painted = self._painted
        self._loop = QEventLoop()
        self._filmed: list[Filmed] = []
        self._error: RtvizError | None = None
        self._found = 0  # markers in the last picture that was searched for them
        self._unread = 0  # pictures in a row
        self._homographies: tuple[screen_timer.Points, screen_timer.Points] | None = None
        self._located_at = float("-inf")
        self._aimed_since: float | None = None
        self._began: float | None = None
        self._captured = 0

    def run(self, seconds: float, aim_seconds: float) -> GlassFigures:
        """Wait until both timers are read, measure for so long, and close the window.

        Raises:
            RtvizError: as `glass` says.
        """
        app = QApplication.instance()
        assert app is not None
        app.installEventFilter(self)  # after the window's own, and so called before it
        ticking = QTimer()
        ticking.timeout.connect(lambda: self._tick(seconds, aim_seconds))
        ticking.start(_SAYS_EVERY_MS)
        try:
            self._loop.exec_()
            if self._error is not None:
                raise self._error
            return self._figures()
        finally:
            ticking.stop()
            app.removeEventFilter(self)
            self._shown.asks_before_quitting = False
            self._shown.close()
            self.window.close()
            self._folder.cleanup()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """No key does what it does in rtviz's window; Escape and q close this one."""
        if not isinstance(event, QKeyEvent):
            return False
        if event.type() == QEvent.KeyPress and event.key() in (Qt.Key_Escape, Qt.Key_Q):
            self._fail(RtvizError("the window was closed before latency was measured"))
        return True

    @property
    def shown(self) -> Result | None:
        """What rtviz's window shows."""
        return self._shown.canvas.result

    # --- readings ----------------------------------------------------------------------------------------------------

    def _painted(self, result: Result) -> None:
        """A filmed picture was painted: take both timers' cells from it."""
        self._session.shown(result)
        age_ms = self._session.status().age_ms
        levels = screen_timer.grey(result.frame.pixels)
        now = time.monotonic()
        if self._homographies is None or self._unread >= _LOST_AFTER:
            if now - self._located_at < _LOCATES_EVERY_SECONDS:
                return
            self._located_at = now
            self._locate(levels)
        if self._homographies is None or age_ms is None:
            return
        timer_points, pictured_points = self._points(result)
        timer = screen_timer.sample(levels, timer_points)
        self._filmed.append(Filmed(now, age_ms, timer, screen_timer.sample(levels, pictured_points)))
        self._unread = 0 if self._read(timer, now - age_ms / 1000) is not None else self._unread + 1

    def _locate(self, levels: Any) -> None:
        found = screen_timer.find_markers(levels)
        matrices = [screen_timer.homography(places, found) for places in self.window.markers()]
        self._found = sum(number in found for places in self.window.markers() for number in places)
        if matrices[0] is not None and matrices[1] is not None:
            self._homographies = matrices[0], matrices[1]

    def _points(self, result: Result) -> tuple[screen_timer.Points, screen_timer.Points]:
        """Where the cells of the timer, and of the picture of it, lie in the filmed picture."""
        assert self._homographies is not None
        of_timer, of_window = self._homographies
        direct = screen_timer.through(of_timer, screen_timer.cell_points(self.window.timer_box()))
        left, top, width, height = self.window.picture_box()
        rows, columns = result.frame.size
        inside = (direct + 0.5) / (columns, rows) * (width, height) + (left, top)
        return direct, screen_timer.through(of_window, inside)

    def _read(self, cells: Floats | None, until: float) -> Painted | None:
        """Which painting cells show, of those of the last seconds before a time."""
        if cells is None:
            return None
        painted = self.window.painted
        first = bisect_left(painted, until - _LONGEST_SECONDS, key=lambda one: one.at)
        likely = painted[first : bisect_right(painted, until, key=lambda one: one.at)]
        number = screen_timer.read(cells, [one.number for one in likely])
        return None if number is None else painted[number]

    def _read_pairs(self, filmed: list[Filmed]) -> list[tuple[Filmed, Painted | None, Painted | None]]:
        """Both timers of each picture, once what stays the same is taken away."""
        cleaned: dict[str, list[Floats | None]] = {}
        for name in ("timer", "pictured"):
            cells: list[Floats | None] = [getattr(one, name) for one in filmed]
            there = [values for values in cells if values is not None]
            rest = iter(screen_timer.without_what_stays(np.stack(there)) if there else ())
            cleaned[name] = [None if values is None else next(rest) for values in cells]
        pairs = []
        for one, timer, pictured in zip(filmed, cleaned["timer"], cleaned["pictured"], strict=True):
            direct = self._read(timer, one.painted_at - one.age_ms / 1000)
            pairs.append((one, direct, None if direct is None else self._read(pictured, direct.at)))
        return pairs

    # --- from aiming to measuring ------------------------------------------------------------------------------------

    def _tick(self, seconds: float, aim_seconds: float) -> None:
        status, now = self._session.status(), time.monotonic()
        info = status.source_info
        if self.window.closed:
            self._fail(RtvizError("the window was closed before latency was measured"))
        elif status.source_state == "failed":
            self._fail(SourceUnreadable(status.source_sentence))
        elif info is not None and not info.live:
            self._fail(SettingsError("SOURCE", self._place, "a camera that films this screen, or screen:"))
        elif status.model_state == "failed":
            self._fail(RtvizError(status.model_sentence))
        elif self._began is not None:
            left = self._began + seconds - now
            self.window.say(f"measuring, {max(left, 0):.0f} s more; Escape ends it")
            if left <= 0:
                self._loop.quit()
        elif status.model_state == "loading":
            self.window.say(status.model_sentence)
        else:
            self._aim(status, now, aim_seconds)

    def _aim(self, status: LiveStatus, now: float, aim_seconds: float) -> None:
        self._aimed_since = self._aimed_since or now
        pairs = self._read_pairs(self._filmed[-_TRIED:])
        both = sum(pictured is not None for _, _, pictured in pairs)
        if len(pairs) == _TRIED and both >= _TRIED // 2:
            self._filmed.clear()
            self._began, self._captured = now, self._session.counts()[0]
            return
        advice = self._advice(status, any(timer is not None for _, timer, _ in pairs))
        self.window.say(advice)
        if now - self._aimed_since > aim_seconds:
            self._fail(RtvizError(advice))

    def _advice(self, status: LiveStatus, timer_read: bool) -> str:
        """What stands in the way of reading both timers, and how to aim."""
        if status.source_state != "live":
            return status.source_sentence or f"{self._place} has sent no picture yet"
        where = f"in the picture of {self._place}"
        if self._homographies is None and not self._found:
            return (
                f"the timer is not found {where}: point the camera at this screen, so that it fills the picture, and "
                "avoid reflections"
            )
        if self._homographies is None:
            return f"{self._found} of the 8 markers are found {where}: show the whole screen, straight and sharp"
        if not timer_read:
            return f"the timer is found {where} but not read: hold the camera still, focus, and dim the screen"
        return (
            f"the timer is read {where}, but not the picture of it in rtviz's window: come closer, so that the screen "
            "fills the picture, focus, and lower --opacity"
        )

    def _fail(self, error: RtvizError) -> None:
        self._error = self._error or error
        self._loop.quit()

    def _figures(self) -> GlassFigures:
        assert self._began is not None
        ended = time.monotonic()
        status, pairs = self._session.status(), self._read_pairs(self._filmed)
        latencies = [(timer.at - pictured.at) * 1000 for _, timer, pictured in pairs if timer and pictured]
        arrivals = [(one.painted_at - timer.at) * 1000 - one.age_ms for one, timer, _ in pairs if timer]
        ages = [one.age_ms for one, timer, _ in pairs if timer]
        if not latencies:
            raise RtvizError(self._advice(status, bool(arrivals)))
        took = ended - self._began
        p50, p95, most, least = np.percentile(latencies, (50, 95, 100, 0))
        arrival_p50, arrival_p95 = np.percentile(arrivals, (50, 95))
        rtviz_p50, rtviz_p95 = np.percentile(ages, (50, 95))
        timer_paints = sum(one.at >= self._began for one in self.window.painted)
        return GlassFigures(
            **SessionFigures.what_ran(self._place, self._mode, status, took),
            frames_read=len(latencies),
            frames_unreadable=len(pairs) - len(latencies),
            p50_ms=float(p50),
            p95_ms=float(p95),
            max_ms=float(most),
            least_ms=float(least),
            arrival_p50_ms=float(arrival_p50),
            arrival_p95_ms=float(arrival_p95),
            rtviz_p50_ms=float(rtviz_p50),
            rtviz_p95_ms=float(rtviz_p95),
            camera_fps=(self._session.counts()[0] - self._captured) / took,
            shown_fps=len(pairs) / took,
            timer_hz=timer_paints / took,
        )


__all__ = ["OPACITY", "GlassBench", "GlassFigures", "GlassWindow", "first_camera", "glass"]

"""A soak: the window without a screen, on a camera that keeps failing, under random keys and clicks for a long time."""

from __future__ import annotations

import gc
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PyQt5.QtCore import QEvent, QEventLoop, QPointF, Qt, QTimer, qInstallMessageHandler
from PyQt5.QtGui import QKeyEvent, QKeySequence, QMouseEvent
from PyQt5.QtWidgets import QApplication

from rtviz.app.remembered import Remembered
from rtviz.app.window import Window
from rtviz.live.session import LiveSession
from rtviz.settings import Settings
from rtviz.sources.faulty import openings
from rtviz.usage import give_back_free_memory, handle_count, resident_mb, thread_count

# Every fault of the fake camera, once a minute.
FAILING = (
    "faulty:?fps=30&size=640x480&repeat=1800&hang_seconds=7"
    "&hang=300&false=600-620&black=750-810&frozen=950-1060&exception=1200&slow=1350-1380&resize=1550-1610"
)
# Actions that wait for a person's answer, or close the window.
_NOT_PRESSED = {"quit", "open", "open_address", "presets", "save_preset", "reference_open", "render", "figure"}
_KEYS_A_SECOND = 4
_CLICKS = 0.15  # share of clicks on the picture among them
_RARE = "Keep"  # the group of keys that write files for seconds each: pressed a fifth as often as others
_WRITERS = ("rtviz-save", "rtviz-layers", "rtviz-snapshot", "rtviz-record", "rtviz-compile")
_HOME_SECONDS = 600.0  # time to return to the first state: models may have to be loaded, on a busy machine
_KEPT_SECONDS = 60.0  # age at which recordings are deleted

# How much more the last third may hold than the middle one, in the median. The first third is warm-up.
_LEAST_SAMPLES = 3
MOST_MB, MOST_THREADS, MOST_HANDLES = 32.0, 2, 2


@dataclass(frozen=True)
class Sample:
    """The resources of the process, back at its first settings.

    Attributes:
        seconds: since the start.
        memory_mb: held, without what the flight recorder holds, which has a bound of its own.
        resident_mb: held or freed, before what was freed was given back to the system.
        recorder_mb: what the flight recorder holds.
        threads, handles: of the whole process.
    """

    seconds: float
    memory_mb: float
    resident_mb: float
    recorder_mb: float
    threads: int
    handles: int

    def line(self) -> str:
        """In words, for a terminal."""
        return (
            f"{self.seconds:6.0f} s  memory {self.memory_mb:6.0f} MB held, {self.resident_mb:.0f} resident "
            f"({self.recorder_mb:.0f} of recorder)  "
            f"threads {self.threads}  file handles {self.handles}"
        )


@dataclass
class SoakFigures:
    """The conditions of a soak and its findings.

    Attributes:
        seed: of the random keys; the same seed presses the same keys.
        keys, clicks: how many of each.
        frames: how many the camera delivered.
        predictions: how many frames the model predicted.
        openings: how often the camera had to be opened; 0 of another source.
        samples: after each round.
        errors: what went wrong: exceptions in a slot or a thread, and a window that did not come back.
    """

    place: str
    seed: int
    keys: int = 0
    clicks: int = 0
    frames: int = 0
    predictions: int = 0
    openings: int = 0
    samples: list[Sample] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def growth(self) -> tuple[float, float, float]:
        """Memory in MB, threads and handles: the median of the last third above that of the middle one; 0 where too
        little was measured.

        Memory is compared among samples with as many threads, where both thirds have such: passes that were compiled
        for frames of other sizes are kept up to a number, each with weights and with threads of its own.
        """
        third = len(self.samples) // 3
        if third < _LEAST_SAMPLES:
            return 0.0, 0.0, 0.0
        middle, last = self.samples[third : 2 * third], self.samples[2 * third :]

        def grown(what: Callable[[Sample], float], threads: Collection[int] = ()) -> float:
            earlier, later = (
                [what(one) for one in samples if not threads or one.threads in threads] for samples in (middle, last)
            )
            return median(later) - median(earlier)

        counts = Counter(one.threads for one in middle) & Counter(one.threads for one in last)
        usual = [threads for threads, _ in counts.most_common(1)]  # the state that both were in most often
        memory = grown(lambda one: one.memory_mb, usual)
        return memory, grown(lambda one: one.threads), grown(lambda one: one.handles)

    def _fine(self) -> str:
        if len(self.samples) < 3 * _LEAST_SAMPLES:
            return f"nothing failed; {3 * _LEAST_SAMPLES} measurements would show what grows"
        return "nothing grew, and nothing failed"

    def problems(self) -> list[str]:
        """A sentence for each failure and each resource that grew."""
        memory, threads, handles = self.growth()
        found = list(self.errors)
        if not self.samples:
            found.append("nothing was measured")
        if memory > MOST_MB:
            found.append(f"memory grew by {memory:.1f} MB; allowed: {MOST_MB:g}")
        if threads > MOST_THREADS:
            found.append(f"threads grew by {threads:g}; allowed: {MOST_THREADS}")
        if handles > MOST_HANDLES:
            found.append(f"file handles grew by {handles:g}; allowed: {MOST_HANDLES}")
        return found

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        memory, threads, handles = self.growth()
        growth = {"memory_mb": round(memory, 1), "threads": threads, "handles": handles}
        return {**asdict(self), "growth": growth, "problems": self.problems()}

    def lines(self) -> list[str]:
        """For people: the start, the end, some between, and what grew."""
        step = max(1, len(self.samples) // 8)
        shown = [*self.samples[:-1:step], *self.samples[-1:]]
        memory, threads, handles = self.growth()
        return [
            f"{self.place}, seed {self.seed}: {self.keys} keys, {self.clicks} clicks, {self.frames} frames, "
            f"{self.predictions} predicted, the camera opened {self.openings} times",
            *(sample.line() for sample in shown),
            f"from the middle third to the last, in the median: memory {memory:+.1f} MB, threads {threads:+g}, "
            f"file handles {handles:+g}",
            *(self.problems() or [self._fine()]),
        ]


def soak(
    seconds: float,
    *,
    place: str = FAILING,
    settings: Settings | None = None,
    seed: int = 0,
    round_seconds: float = 20.0,
    settle_seconds: float = 1.0,
    session: Callable[..., LiveSession] = LiveSession,
    on_sample: Callable[[Sample], None] | None = None,
) -> SoakFigures:
    """Press random keys for so long; after each round go back to the first settings, and measure.

    Args:
        seconds: how long.
        place: any source; `FAILING` is a camera that fails in every way that it can, each minute.
        settings: at the start, and again after each round.
        seed: of the random keys.
        round_seconds: from one measurement to the next.
        settle_seconds: how long threads may take to end, before a measurement.
        session: the seam for tests.
        on_sample: called after each measurement.
    """
    before = qInstallMessageHandler(lambda *_: None)  # warnings of a platform without a screen, at each resize
    try:
        app = QApplication.instance() or QApplication(["rtviz"])  # keeps it alive
        with tempfile.TemporaryDirectory(prefix="rtviz-soak-") as folder:
            played = _Soak(Path(folder), place, settings or Settings(), seed, session, settle_seconds)
            return played.run(seconds, round_seconds, on_sample)
    finally:
        del app
        qInstallMessageHandler(before)


class _Soak:
    """One window, and the random input to it."""

    def __init__(
        self,
        folder: Path,
        place: str,
        settings: Settings,
        seed: int,
        session: Callable[..., LiveSession],
        settle_seconds: float,
    ) -> None:
        self._folder, self._settings, self._settle_seconds = folder, settings, settle_seconds
        self._random = random.Random(seed)
        self._figures = SoakFigures(place, seed)
        remembered = Remembered(folder, stored=False)
        remembered.window |= {"folder": str(folder), "size": [1280, 720]}
        self._session = session(place, settings)
        self._window = Window(self._session, remembered)
        self._keys = [
            key
            for action in self._window.bindings.actions
            if action.name not in _NOT_PRESSED
            for key in self._window.bindings.keys_of(action.name) * (1 if action.group == _RARE else 5)
        ]

    def run(self, seconds: float, round_seconds: float, on_sample: Callable[[Sample], None] | None) -> SoakFigures:
        hooks = sys.excepthook, threading.excepthook
        sys.excepthook = lambda kind, error, trace: self._failed(error)
        threading.excepthook = lambda failure: self._failed(failure.exc_value)
        began = time.monotonic()
        try:
            self._window.show()
            self._come_home()
            # On a busy machine the way back may take longer than all of it, and growth is seen in two samples at least.
            while not self._figures.errors and (time.monotonic() - began < seconds or len(self._figures.samples) < 2):
                self._play(min(round_seconds, max(0.0, seconds - (time.monotonic() - began))))
                self._come_home()
                sample = self._measure(began)
                self._figures.samples.append(sample)
                if on_sample is not None:
                    on_sample(sample)
        finally:
            self._figures.frames, self._figures.predictions = self._session.counts()
            self._figures.openings = openings(self._figures.place)
            self._window.close()
            sys.excepthook, threading.excepthook = hooks
        return self._figures

    def _failed(self, error: BaseException | None) -> None:
        self._figures.errors.append(f"{type(error).__name__}: {error}")

    def _play(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._random.random() < _CLICKS:
                self._click()
            else:
                self._press(self._random.choice(self._keys))
            _let_run(1 / _KEYS_A_SECOND)

    def _press(self, key: str) -> None:
        self._figures.keys += 1
        code = QKeySequence(key)[0]
        modifiers = Qt.KeyboardModifiers(code & int(Qt.KeyboardModifierMask))
        base = key if len(key) == 1 else key.rpartition("+")[2] or "+"
        plain = len(base) == 1 and not modifiers & (Qt.ControlModifier | Qt.AltModifier)
        text = (base if modifiers & Qt.ShiftModifier else base.lower()) if plain else ""
        target = self._window.focusWidget() or self._window.canvas
        for kind in (QEvent.KeyPress, QEvent.KeyRelease):
            event = QKeyEvent(kind, code & ~int(Qt.KeyboardModifierMask), modifiers, text)
            QApplication.sendEvent(target, event)

    def _click(self) -> None:
        self._figures.clicks += 1
        canvas = self._window.canvas
        at = QPointF(self._random.random() * canvas.width(), self._random.random() * canvas.height())
        modifier = self._random.choice((Qt.NoModifier, Qt.NoModifier, Qt.ShiftModifier))
        for kind, button in ((QEvent.MouseButtonPress, Qt.LeftButton), (QEvent.MouseButtonRelease, Qt.NoButton)):
            event = QMouseEvent(kind, at, Qt.LeftButton, button, modifier)
            QApplication.sendEvent(canvas, event)

    def _come_home(self) -> None:
        """Back to the first settings, live, with attention on the picture, and nothing left to be done."""
        window, session = self._window, self._session
        window.commands.sweep.stop()
        window.help.hide()
        if session.status().recording is not None:
            session.stop_recording()
        session.live()
        session.pause(False)
        session.set_mode("smooth")
        session.set_speed(1.0)
        session.update(self._settings)
        session.focus(0)
        until = time.monotonic() + _HOME_SECONDS
        while differences := self._differences():
            if time.monotonic() > until:
                self._figures.errors.append(
                    f"the window was not as at first after {_HOME_SECONDS:.0f} s: {'; '.join(differences)}"
                )
                return
            _let_run(0.1)
        _let_run(self._settle_seconds)  # lets threads end
        for path in self._folder.iterdir():
            if path.is_file() and time.time() - path.stat().st_mtime > _KEPT_SECONDS:
                path.unlink()

    def _differences(self) -> list[str]:
        """A phrase for each difference from the window's first state; none when it is back there."""
        status, result = self._session.status(), self._session.latest()
        writing = [thread.name for thread in threading.enumerate() if thread.name.startswith(_WRITERS)]
        found = {
            f"source {status.source_state} {status.source_sentence!r}": status.source_state != "live",
            f"model {status.model_state} {status.model_sentence!r}": status.model_state != "ready",
            "it is recording": status.recording is not None,
            f"{len(status.panes)} panes": bool(status.panes),
            f"threads {', '.join(writing)} run": bool(writing),
            "nothing is shown": result is None,
            "no maps are shown": result is not None and result.maps is None,
            "the picture was drawn with other settings": result is not None and result.settings != self._settings,
        }
        return [phrase for phrase, true in found.items() if true]

    def _measure(self, began: float) -> Sample:
        gc.collect()
        recorder_mb, before_mb = self._session.status().recorder_mb, resident_mb()
        give_back_free_memory()
        return Sample(
            round(time.monotonic() - began, 1),
            round(resident_mb() - recorder_mb, 1),
            round(before_mb, 1),
            round(recorder_mb, 1),
            thread_count(),
            handle_count(),
        )


def _let_run(seconds: float) -> None:
    """Run the window's timers and events for so long."""
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec_()


__all__ = ["FAILING", "Sample", "SoakFigures", "soak"]

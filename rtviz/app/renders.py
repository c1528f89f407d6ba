"""The queue of renders: each runs as `rtviz render` or `rtviz masks` in a process of its own, one after the other.

A render has a lower priority than the live view (nice 5, where the system has that), so that the view keeps its pace:
on two cores 60 frames of a DINOv2 ViT-S/14 at 224 took 41 s beside a playing view, 10 s alone.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PyQt5.QtCore import QObject, QProcess, QTimer, pyqtSignal

from rtviz.app import remedies
from rtviz.offline.command import masks_arguments, render_arguments
from rtviz.settings import OutputSettings, Settings
from rtviz.sinks import leftover
from rtviz.words import counted

_NICE = 5
_GRACE_MS = 5000  # to delete what is half written, before the process is killed
_SETTLED_SECONDS = 2.0  # of rendering, before the time that remains is worth saying

WAITING, RUNNING, DONE, FAILED, CANCELLED = "waiting", "running", "done", "failed", "cancelled"


@dataclass(eq=False)
class Render:
    """One render of the queue.

    Attributes:
        place: the input.
        output: an absolute path.
        masks: the masks of the view are written instead of its pictures.
        state: waiting, running, done, failed or cancelled.
        sentence: what it is doing besides writing frames, what it did, or why it failed.
        done: frames that are written.
        total: about how many there will be; None while that is not known.
    """

    place: str
    output: Path
    settings: Settings
    output_settings: OutputSettings
    masks: bool = False
    state: str = WAITING
    sentence: str = ""
    done: int = 0
    total: int | None = None
    _began: tuple[float, int] | None = field(default=None, repr=False)  # (monotonic, frames) when frames began to come
    _failure: str = field(default="", repr=False)  # as the process says it itself
    _left_by_others: Path | None = field(default=None, repr=False)  # what a run before this one had left

    @property
    def arguments(self) -> list[str]:
        """Of the command that does the same."""
        arguments = masks_arguments if self.masks else render_arguments
        return arguments(self.place, str(self.output), self.settings, self.output_settings)

    @property
    def unfinished(self) -> bool:
        return self.state in (WAITING, RUNNING)

    @property
    def percent(self) -> int:
        """How far it is, in hundredths; the last one only when it is done."""
        return min(99, 100 * self.done // self.total) if self.total else 0

    @property
    def seconds_left(self) -> float | None:
        """About how long it will still take; None while that cannot be said."""
        if self.state != RUNNING or self._began is None or not self.total:
            return None
        then, before = self._began
        spent, frames = time.monotonic() - then, self.done - before
        if spent < _SETTLED_SECONDS or not frames:
            return None
        return max(0.0, spent / frames * (self.total - self.done))

    def take(self, event: dict[str, Any]) -> None:
        """Note an event of `--progress json`."""
        match event.get("event"):
            case "loading":
                self.sentence = "loading the model"
            case "download":
                total = f" of {event['total'] / 1e6:.0f} MB" if event["total"] else " MB"
                self.sentence = f"fetching {event['what']}: {event['done'] / 1e6:.0f}{total}"
            case "begin":
                self.total, self.sentence = event["frames"], "starting"
            case "frames":
                self._began = self._began or (time.monotonic(), event["done"])
                self.done, self.sentence = event["done"], ""
            case "failed" | "end" if "error" in event:
                self._failure = remedies.of_render(event)
            case "end" if "error" not in event["report"]:
                report = event["report"]
                self.done = report["frames_out"]
                warnings = "".join(f"; {warning}" for warning in report["warnings"])
                self.sentence = (
                    f"{counted(self.done, 'frame')}, {report['width']}×{report['height']}, "
                    f"at {report['fps']:.1f} frames/s{warnings}"
                )


class RenderQueue(QObject):
    """Runs renders in the order in which they were added, one at a time. `changed` is emitted when anything about
    one of them has changed.

    Args:
        command: what is started, before the arguments of `rtviz`.
    """

    changed = pyqtSignal()

    def __init__(self, parent: QObject | None = None, command: Sequence[str] = (sys.executable, "-m", "rtviz")) -> None:
        super().__init__(parent)
        self.renders: list[Render] = []
        self.command = command
        self._process: QProcess | None = None
        self._rest = b""
        self._errors = ""

    @property
    def unfinished(self) -> list[Render]:
        """Those that run or wait."""
        return [render for render in self.renders if render.unfinished]

    @property
    def running(self) -> Render | None:
        return next((render for render in self.renders if render.state == RUNNING), None)

    def add(self, render: Render) -> None:
        """Put a render at the end; it starts at once if none runs."""
        self.renders.append(render)
        self._start_next()
        self.changed.emit()

    def cancel(self, render: Render) -> None:
        """End a render, and delete what it has written, or take it out of the queue."""
        if render.state == WAITING:
            render.state = CANCELLED
        elif render.state == RUNNING and self._process is not None:
            process = self._process
            render.state, render.sentence = CANCELLED, "cancelling"
            _end(process)
            QTimer.singleShot(_GRACE_MS, lambda: process.kill() if process is self._process else None)
        self.changed.emit()

    def forget_finished(self) -> None:
        """Take those that are over off the list."""
        self.renders = [render for render in self.renders if render.unfinished]
        self.changed.emit()

    def close(self) -> None:
        """Cancel everything, and wait until the process has gone."""
        for render in self.unfinished[::-1]:
            self.cancel(render)
        if self._process is not None and not self._process.waitForFinished(_GRACE_MS):
            self._process.kill()
            self._process.waitForFinished(_GRACE_MS)

    def _start_next(self) -> None:
        waiting = next((render for render in self.renders if render.state == WAITING), None)
        if self._process is not None or waiting is None:
            return
        waiting.state, waiting.sentence = RUNNING, "starting"
        waiting._left_by_others = leftover(waiting.output)
        self._rest, self._errors = b"", ""
        self._process = process = QProcess(self)
        words = [*_with_low_priority(), *self.command, *waiting.arguments, "--progress", "json"]
        process.readyReadStandardOutput.connect(lambda: self._read(waiting))
        process.readyReadStandardError.connect(self._read_errors)
        process.finished.connect(lambda code, status: self._finished(waiting, code))
        process.errorOccurred.connect(lambda error: self._not_started(waiting, error))
        process.start(words[0], words[1:])

    def _read(self, render: Render) -> None:
        assert self._process is not None
        *lines, self._rest = (self._rest + bytes(self._process.readAllStandardOutput())).split(b"\n")
        for line in lines:
            with suppress(ValueError):
                event = json.loads(line)
                if render.state == RUNNING:
                    render.take(event)
        self.changed.emit()

    def _read_errors(self) -> None:
        assert self._process is not None
        self._errors = (self._errors + bytes(self._process.readAllStandardError()).decode(errors="replace"))[-20_000:]

    def _finished(self, render: Render, code: int) -> None:
        self._read(render)
        self._read_errors()
        if render.state == CANCELLED:
            self._delete_rest(render)
            render.sentence = ""
        elif code == 0 and render.output.exists():
            render.state = DONE
        else:
            render.state, render.sentence = FAILED, render._failure or self._reason(code)
        self._next()

    def _not_started(self, render: Render, error: QProcess.ProcessError) -> None:
        if error == QProcess.FailedToStart:  # all else ends with `finished`
            assert self._process is not None
            render.state, render.sentence = FAILED, f"the render cannot be started: {self._process.errorString()}"
            self._next()

    def _next(self) -> None:
        if self._process is not None:
            self._process.deleteLater()
            self._process = None
        self._start_next()
        self.changed.emit()

    def _reason(self, code: int) -> str:
        """The command's own line about its error."""
        lines = [line.strip() for line in self._errors.splitlines() if line.strip()]
        said = [line.partition("error: ")[2] for line in lines if line.startswith("rtviz: error: ")]
        return said[-1] if said else lines[-1] if lines and code else f"the process ended with status {code}"

    def _delete_rest(self, render: Render) -> None:
        """What was cancelled is not wanted; what an earlier run had left stays."""
        rest = leftover(render.output)
        if rest is not None and rest != render._left_by_others:
            with suppress(OSError):
                shutil.rmtree(rest) if rest.is_dir() else rest.unlink()


def _with_low_priority() -> list[str]:
    nice = shutil.which("nice") if os.name == "posix" else None
    return [nice, "-n", str(_NICE)] if nice else []


def _end(process: QProcess) -> None:
    """Ask a process to end in order; Windows knows no such thing for one without a window."""
    process.kill() if os.name == "nt" else process.terminate()


__all__ = ["CANCELLED", "DONE", "FAILED", "RUNNING", "WAITING", "Render", "RenderQueue"]

"""Progress for another program: one JSON object a line on stdout."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rtviz.offline.jobs import Task

_EVERY_SECONDS = 0.2


class ProgressLines:
    """Prints events as they happen, those that repeat at most five times a second.

    Each has "event", and with it:

    - "loading": the models are being loaded.
    - "download": "what", "done" and "total" in bytes, the total null where it is not known.
    - "begin": "input", "output", and "frames", about how many there will be, null where that is not known.
    - "frames": "done", how many frames of this input are written.
    - "end": "report", as `--json` prints it, or with "error".
    """

    def __init__(self) -> None:
        self._printed_at = 0.0
        self._done = 0

    def loading(self) -> None:
        self._print("loading")

    def download(self, what: str, done: int, total: int | None) -> None:
        if self._due() or done == total:
            self._print("download", what=what, done=done, total=total)

    def begin(self, task: Task, frames: int | None) -> None:
        self._done = 0
        self._print("begin", input=task.place, output=str(task.output), frames=frames)

    def count(self, frames: int) -> None:
        """So many more frames are written."""
        self._done += frames
        if self._due():
            self._print("frames", done=self._done)

    def end(self, report: Mapping[str, Any]) -> None:
        self._print("end", report=report)

    def _due(self) -> bool:
        return time.monotonic() - self._printed_at >= _EVERY_SECONDS

    def _print(self, event: str, **values: Any) -> None:
        self._printed_at = time.monotonic()
        print(json.dumps({"event": event, **values}, default=str), flush=True)


__all__ = ["ProgressLines"]

"""Progress for another program: one JSON object a line on stdout."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rtviz.errors import RtvizError, in_words
from rtviz.notices import Notice

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
    - "end": "report", as `--json` prints it, or with "error"; then what `failed` has, too, if there is a remedy.
    - "failed": nothing could be begun; "error", and where something can be done about it "remedy", the name of a
      `Remedy`, and its "subject". An error about several models has "causes", each with these.
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
        error = report.get("error")
        self._print("end", report=report, **({} if error is None else _failure(error, report.get("causes", ()))))

    def failed(self, error: RtvizError) -> None:
        self._print("failed", **_failure(in_words(error), [in_words(cause) for cause in error.causes]))

    def _due(self) -> bool:
        return time.monotonic() - self._printed_at >= _EVERY_SECONDS

    def _print(self, event: str, **values: Any) -> None:
        self._printed_at = time.monotonic()
        print(json.dumps({"event": event, **values}, default=str), flush=True)


def _failure(said: str, causes: Sequence[str] = ()) -> dict[str, Any]:
    """An error and its remedy, for another program to put into words of its own."""
    found: dict[str, Any] = {"error": str(said)}
    if isinstance(said, Notice) and said.remedy is not None:
        found |= {"remedy": said.remedy.name, "subject": said.subject}
    return {**found, "causes": [_failure(cause) for cause in causes]} if causes else found


__all__ = ["ProgressLines"]

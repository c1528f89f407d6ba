"""The inputs of a job that are done, noted in a file beside their outputs."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rtviz.errors import OutputUnwritable, SettingsError
from rtviz.offline.jobs import JobConfig, Task, absolute

MANIFEST = "rtviz-jobs.jsonl"


class Manifest:
    """Notes which inputs of a job are done, so that an interrupted job resumes where it was.

    Each line is the report of one input, or a list of inputs that were begun; the first line holds the job's config.

    Args:
        path: of the file.
        config: of the job that runs now.
        overwrite: start over, whatever was done before.

    Raises:
        SettingsError: the file belongs to a job with another config.
        OutputUnwritable: the file cannot be read or written there.
    """

    def __init__(self, path: Path, config: JobConfig, *, overwrite: bool = False) -> None:
        self.path = path
        self._done: dict[tuple[str, str], dict[str, Any]] = {}
        self._begun: set[tuple[str, str]] = set()
        self._unwritten: list[str] = []
        known = [] if overwrite else self._read()
        wanted = json.loads(json.dumps(config.to_mapping(), default=str))
        if known and known[0].get("order") != wanted:
            raise SettingsError(
                "output",
                str(path.parent),
                f"a folder without {path.name}, whose job had other settings: "
                f"{_difference(known[0].get('order'), wanted)}",
            )
        for row in known[1:]:
            if "begun" in row:
                self._begun |= {(place, output) for place, output in row["begun"]}
            elif "error" not in row and Path(row["output"]).exists() and row.get("of") == _stamp(row["input"]):
                self._done[row["input"], row["output"]] = row
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f"{path.name}.{os.getpid()}")
            rows = ({"order": wanted}, {"begun": sorted(self._begun)}, *self._done.values())
            partial.write_text("".join(json.dumps(row) + "\n" for row in rows))
            partial.replace(path)
        except OSError as error:
            raise OutputUnwritable(f"cannot write {path}: {error.strerror or error}") from error

    @classmethod
    def beside(cls, tasks: Sequence[Task], config: JobConfig) -> Manifest:
        """The manifest of a job whose outputs go to one folder."""
        return cls(tasks[0].output.parent / MANIFEST, config, overwrite=config.output.overwrite)

    def split(self, tasks: Sequence[Task]) -> tuple[list[dict[str, Any]], list[Task]]:
        """Returns (the reports of tasks that are done, the other tasks)."""
        reports = [report for task in tasks if (report := self.done(task)) is not None]
        return reports, [task for task in tasks if self.done(task) is None]

    def _read(self) -> list[dict[str, Any]]:
        try:
            lines = self.path.read_text().splitlines()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise OutputUnwritable(f"cannot read {self.path}: {error}") from error
        rows = []
        for line in lines:
            try:
                rows.append(dict(json.loads(line)))
            except (ValueError, TypeError):
                continue  # half a line: the machine went down while it was written
        return rows

    def done(self, task: Task) -> dict[str, Any] | None:
        """The report of an input that is done and whose output is still there; None for others."""
        row = self._done.get(_key(task))
        return None if row is None else {**row, "input": task.place, "output": str(task.output)}

    def begun(self, task: Task) -> bool:
        """Whether this job began an input, now or before: an output without a report is its own and may be replaced."""
        return _key(task) in self._begun

    def begin(self, tasks: Sequence[Task]) -> None:
        """Notes the inputs that are to be processed, whose outputs are not there yet or may be replaced.

        Raises:
            OutputUnwritable: the file cannot be written.
        """
        new = {_key(task) for task in tasks} - self._begun
        self._begun |= new
        if new and not self._append({"begun": sorted(new)}):
            raise OutputUnwritable(f"cannot write {self.path}: there is no room, or the folder is read-only")

    def add(self, report: dict[str, Any]) -> None:
        """Notes the report of an input that is done or has failed. What finds no room is written with the next one."""
        place = absolute(report["input"])
        self._append({**report, "input": place, "output": str(Path(report["output"]).resolve()), "of": _stamp(place)})

    def _append(self, row: dict[str, Any]) -> bool:
        self._unwritten.append(json.dumps(row, default=str) + "\n")
        torn = len(self._unwritten) > 1  # the last attempt may have left half a line
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write("\n" * torn + "".join(self._unwritten))
        except OSError:
            return False
        self._unwritten.clear()
        return True


def _key(task: Task) -> tuple[str, str]:
    return absolute(task.place), str(task.output.resolve())


def _stamp(place: str) -> list[int] | None:
    """Tells a file from a later one of the same name; None for what is no file."""
    try:
        status = os.stat(place)
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _difference(one: Any, other: Any) -> str:
    """How two configs differ, in words."""
    found = []
    for part in ("settings", "output"):
        had, has = ((config or {}).get(part) or {} for config in (one, other))
        names = [name for name in {**had, **has} if had.get(name) != has.get(name)]
        found += [f"{name} {had.get(name, 'not given')}, not {has.get(name, 'not given')}" for name in names]
    return "; ".join(found) or "maps were exported, not pictures, or the other way round"

"""The command line as a user runs it, in a process of its own or, quicker, in this one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest

from rtviz import cli, threads

# Of the models whose process starts quickest: a name of timm's has it import all of its architectures, for two seconds.
TINY = ["--model", "random:embedded", "--resolution", "64", "--precision", "fp32", "--device", "cpu"]
SCENE = "scene:?seed=3&size=96x64&seconds=0.5"


def rtviz(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rtviz", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def render(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What `rtviz render` says on stderr, in this process."""
    capsys.readouterr()
    status = cli.run(["render", *map(str, words), "--view", "none"])
    said = capsys.readouterr().err
    assert status == 0, said
    return said


class Said(NamedTuple):
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str


class Command(Protocol):
    """Runs a command with further words: its status, and what it says on stderr."""

    def __call__(self, *line: str | Path) -> tuple[int, str]: ...


def in_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """`rtviz ...` in this process, which keeps its signals and its threads: for what takes seconds is to start one."""
    monkeypatch.setattr(cli, "_end_like_ctrl_c_on_sigterm", lambda: None)
    monkeypatch.setattr(threads, "draw_in_one_thread", lambda: None)

    def command(*line: str | Path) -> Said:
        capsys.readouterr()
        try:
            status = cli.run([*map(str, line)])
        except SystemExit as end:  # of argparse
            status = int(end.code or 0)
        return Said(status, *capsys.readouterr())

    return command


def one_line_error(done: subprocess.CompletedProcess[str] | Said, status: int, *says: str) -> None:
    if isinstance(done, subprocess.CompletedProcess):
        done = Said(done.returncode, done.stdout, done.stderr)
    assert done.status == status, done.err
    assert done.out == ""
    assert "Traceback" not in done.err
    errors = [line for line in done.err.splitlines() if "error:" in line]
    assert len(errors) == 1, done.err
    for text in says:
        assert text in errors[0]

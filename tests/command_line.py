"""The command line as a user runs it, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

TINY = ["--model", "random:vit_tiny_patch16_224", "--resolution", "64", "--precision", "fp32", "--device", "cpu"]
SCENE = "scene:?seed=3&size=96x64&seconds=0.5"


def rtviz(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rtviz", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def one_line_error(done: subprocess.CompletedProcess[str], status: int, *says: str) -> None:
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if "error:" in line]
    assert len(errors) == 1, done.stderr
    for text in says:
        assert text in errors[0]

"""How long rtviz takes to start: commands that answer at once, and the stages until the window shows an overlay."""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
RTVIZ = (sys.executable, "-m", "rtviz")
# What the app says with --debug at each stage, with the time of day in seconds.
STAGES = {
    "window": re.compile(r"the window stands at (\d+\.\d+)"),
    "first overlay": re.compile(r"the first overlay is painted at (\d+\.\d+)"),
}
_LIMIT_SECONDS = 120


def environment(folder: str) -> dict[str, str]:
    """This one, where rtviz is found as it stands here, remembers nothing, and needs no screen.

    Python keeps the bytecode that it has compiled, as pip does for an installed package.
    """
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "XDG_CONFIG_HOME": folder}
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        found.setdefault("QT_QPA_PLATFORM", "offscreen")
    return found


def until_end(command: Sequence[str]) -> float:
    """Seconds from the start of a command to its end."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment(folder))
        return time.perf_counter() - start


def until_stages(command: Sequence[str], stages: Mapping[str, re.Pattern[str]] = STAGES) -> dict[str, float]:
    """Seconds from the start of a command until it says, on stderr, that it has reached each stage; then it is ended.

    Raises:
        RuntimeError: it ended, or took two minutes, without saying so.
    """
    reached: dict[str, float] = {}
    said: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        start = time.time()
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment(folder))
        limit = threading.Timer(_LIMIT_SECONDS, process.kill)
        limit.start()
        try:
            assert process.stderr is not None
            for line in process.stderr:
                said.append(line)
                for stage, pattern in stages.items():
                    if stage not in reached and (found := pattern.search(line)):
                        reached[stage] = float(found[1]) - start
                if len(reached) == len(stages):
                    return reached
        finally:
            limit.cancel()
            process.kill()
            process.communicate()
    raise RuntimeError(f"{' '.join(command)} ended after {', '.join(reached) or 'nothing'}: {''.join(said[-5:])}")


def startup(options: argparse.Namespace) -> dict[str, Any]:
    """How long starting takes, in fresh processes: medians of several."""
    turns = options.rounds + 2
    app = [*RTVIZ, "live", "scene:", "--model", "embedded", "--debug"]
    until_stages(app)  # after which the bytecode of all modules is there
    python = [until_end([sys.executable, "-c", "pass"]) for _ in range(turns)]
    version = [until_end([*RTVIZ, "--version"]) for _ in range(turns)]
    helped = [until_end([*RTVIZ, "--help"]) for _ in range(turns)]
    stages = [until_stages(app) for _ in range(turns)]
    return {
        "starts": f"{turns} of each, the median",
        "Python alone, s": round(statistics.median(python), 3),
        "rtviz --version, s (target 0.15)": round(statistics.median(version), 3),
        "rtviz --help, s (target 0.3)": round(statistics.median(helped), 3),
        "window, s (target 1)": round(statistics.median(stage["window"] for stage in stages), 2),
        "first overlay, embedded, s (target 4)": round(
            statistics.median(stage["first overlay"] for stage in stages), 2
        ),
    }

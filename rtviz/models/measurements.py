"""Measures what runs quickest on this machine, and keeps the result on disk."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

_measured: dict[str, str] = {}  # for this process, where the disk cannot be written


def in_turns(runs: Mapping[str, Callable[[], object]], turns: int = 10) -> dict[str, float]:
    """The seconds that each takes, the best of a few, in turns: a busy machine slows all of them."""
    seconds = dict.fromkeys(runs, float("inf"))
    for _ in range(turns):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return seconds


def busy() -> bool:
    """Whether others keep this machine so busy that times say little."""
    with suppress(OSError, AttributeError):  # Windows has no load average
        return os.getloadavg()[0] > 1.5 * (os.cpu_count() or 1)
    return False


def known_choice(key: str) -> str | None:
    """What was measured on this machine before; None if nothing was."""
    if key not in _measured:
        _read()
    return _measured.get(key)


def keep_choice(key: str, choice: str) -> None:
    """Keep a choice on disk; without a cache folder it is measured again next time."""
    _read()  # what other processes measured meanwhile
    _measured[key] = choice
    with suppress(ImportError, OSError):
        file = _file()
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(_measured, indent=1))
        partial.replace(file)


def _read() -> None:
    with suppress(ImportError, OSError, ValueError, TypeError):  # the first time, or something else wrote there
        _measured.update({**json.loads(_file().read_text()), **_measured})


def _file() -> Path:
    import platformdirs  # a GPU asks for nothing of it

    return Path(platformdirs.user_cache_dir("rtviz", False)) / "precision.json"


def cpu_name() -> str:
    """The CPU's model name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


__all__ = ["busy", "cpu_name", "in_turns", "keep_choice", "known_choice"]

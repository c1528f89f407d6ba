"""A guard round processes: that they send nothing, and write nothing where they may not."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

# What a developer may have set, which would silence libraries whatever rtviz does.
_SILENCERS = re.compile(r"HF_|HUGGINGFACE_|RAY_|DO_NOT_TRACK|DISABLE_TELEMETRY|XDG_|MPLCONFIGDIR|RTVIZ_|CI$|TORCH_HOME")
_ADDRESS = re.compile(r'sin6?_port=htons\((\d+)\).*?(?:inet_addr\("([^"]+)"|inet_pton\(AF_INET6, "([^"]+)")')


class Guard:
    """An environment for processes, in which they are watched, with a home folder of its own.

    Attributes:
        environment: to start them with.
        home: their home folder, empty at first.
    """

    def __init__(self, folder: Path, more: Mapping[str, str] | None = None) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        self._log = folder / "guard.log"
        self._trace = folder / "strace"
        kept = {name: value for name, value in os.environ.items() if not _SILENCERS.match(name)}
        here = os.path.dirname(__file__)
        self.environment = {
            **kept,
            "HOME": str(self.home),
            "PYTHONPATH": os.pathsep.join([here, *filter(None, [kept.get("PYTHONPATH")])]),
            "RTVIZ_GUARD_LOG": str(self._log),
            "RTVIZ_GUARD_FOLDERS": os.pathsep.join([str(folder), tempfile.gettempdir()]),
            **(more or {}),
        }

    def command(self, *words: str) -> list[str]:
        """The command, under strace where there is one: that sees native code, too."""
        strace = shutil.which("strace")
        if strace is None:
            return list(words)
        return [
            strace,
            "-f",
            "-qq",
            "--seccomp-bpf",
            "-e",
            "trace=connect,sendto,sendmsg,sendmmsg",
            "-o",
            str(self._trace),
            *words,
        ]

    def noticed(self) -> list[str]:
        """What was noticed until now; and files in the home folder that are neither in the cache nor settings."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        for line in self._trace.read_text(errors="replace").splitlines() if self._trace.exists() else ():
            found = _ADDRESS.search(line)
            if found and not re.match(r"127\.|::1$|::ffff:127\.|0\.0\.0\.0|::$", found[2] or found[3]):
                lines.append(line)
        allowed = (".cache", ".config", "Library", "AppData")
        strays = [path.relative_to(self.home) for path in self.home.rglob("*") if path.is_file()]
        return lines + [f"file ~/{path}" for path in strays if path.parts[0] not in allowed]

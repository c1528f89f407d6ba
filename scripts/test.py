#!/usr/bin/env python3
"""Runs everything that must pass before a change lands: `python3 scripts/test.py [PYTEST ARGUMENTS...]`."""

import os
import subprocess
import sys
import time

if sys.version_info < (3, 11):
    sys.exit("rtviz needs Python 3.11 or newer; this is {}.{}".format(*sys.version_info[:2]))

from environment import ROOT, prepare


def main():
    """Set up if needed, then format, lint, types and tests; all of them run, and the worst status is returned."""
    python = str(prepare("test"))
    checks = {
        "format": ["ruff", "format", "--check", "."],
        "lint": ["ruff", "check", "."],
        "types": ["mypy"],
        "tests": ["pytest", *sys.argv[1:]],
    }
    environment = dict(os.environ)
    if not environment.get("DISPLAY") and not environment.get("WAYLAND_DISPLAY"):
        environment.setdefault("QT_QPA_PLATFORM", "offscreen")
    failed = []
    for name, command in checks.items():
        print("\n== {}: {}".format(name, " ".join(command)), flush=True)
        begin = time.monotonic()
        status = subprocess.run([python, "-m", *command], cwd=ROOT, env=environment).returncode
        print(
            "== {} {} in {:.0f} s".format(name, "failed" if status else "passed", time.monotonic() - begin), flush=True
        )
        if status:
            failed.append(name)
    print("\n== " + ("failed: " + ", ".join(failed) if failed else "everything passed"), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

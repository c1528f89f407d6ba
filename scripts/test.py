#!/usr/bin/env python3
"""Runs everything that a change must pass: `python3 scripts/test.py [--coverage] [PYTEST ARGUMENTS...]`."""

import os
import subprocess
import sys
import time

if sys.version_info < (3, 11):
    sys.exit("rtviz needs Python 3.11 or newer; this is {}.{}".format(*sys.version_info[:2]))

from environment import ROOT, prepare


def main() -> int:
    """Set up if needed, then format, lint, types and tests; all of them run, and 1 is returned if any fails."""
    python = str(prepare("test"))
    # Behind a flag: measuring what tests reach of rtviz costs them 10 to 15 % more processor time.
    arguments = [argument for argument in sys.argv[1:] if argument != "--coverage"]
    coverage = ["--cov=rtviz", "--cov-report=term:skip-covered"] if "--coverage" in sys.argv[1:] else []
    checks = {
        "format": ["ruff", "format", "--check", "."],
        "lint": ["ruff", "check", "."],
        "types": ["mypy"],
        "docs": ["mkdocs", "build", "--quiet", "--strict", "-f", "docs/mkdocs.yml", "-d", str(ROOT / "build" / "site")],
        "package": ["scripts/check_package.py"],
        # Two at a time, each file in one process, the longest first: half of the tests wait for programs they start.
        "tests": [
            "pytest",
            "--timeout",
            "300",
            "-n",
            "2",
            "--dist",
            "loadfile",
            "--no-loadscope-reorder",
            *coverage,
            *arguments,
        ],
    }
    environment = dict(os.environ, NO_MKDOCS_2_WARNING="1")
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else each program that a test starts compiles all modules anew
    if not environment.get("DISPLAY") and not environment.get("WAYLAND_DISPLAY"):
        environment.setdefault("QT_QPA_PLATFORM", "offscreen")
    summary = []
    for name, command in checks.items():
        print("\n== {}: {}".format(name, " ".join(command)), flush=True)
        begin = time.monotonic()
        program = command if command[0].endswith(".py") else ["-m", *command]
        status = subprocess.run([python, *program], cwd=ROOT, env=environment).returncode
        seconds = time.monotonic() - begin
        summary.append("{:7} {} in {:.1f} s".format(name, "FAILED" if status else "passed", seconds))
    print("\n== summary\n" + "\n".join(summary), flush=True)
    return 1 if "FAILED" in "".join(summary) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

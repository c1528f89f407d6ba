#!/usr/bin/env python3
"""Starts rtviz from a fresh checkout: `python3 scripts/run.py [ARGUMENTS...]`. The first start sets everything up."""

import os
import subprocess
import sys

if sys.version_info < (3, 11):
    sys.exit("rtviz needs Python 3.11 or newer; this is {}.{}".format(*sys.version_info[:2]))

from environment import WINDOWS, fetch_weights, prepare


def main() -> int:
    """Set up if needed, then become `rtviz ARGUMENTS...`."""
    python = str(prepare())
    # Who lists or fetches weights is about to choose them, and who asks for help needs none.
    if not {"models", "completion", "--version", "--help", "-h"} & set(sys.argv[1:]):
        fetch_weights()
    # -P: a queue.py or random.py that lies in the user's folder must not be taken for Python's own.
    command = [python, "-P", "-m", "rtviz", *sys.argv[1:]]
    if not WINDOWS:
        os.execv(python, command)
    return subprocess.run(command).returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

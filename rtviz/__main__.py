"""`python -m rtviz` and the console script `rtviz`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; returns the exit status."""
    from rtviz.cli import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())

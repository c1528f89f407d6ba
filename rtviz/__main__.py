"""`python -m rtviz` and the console script `rtviz`."""

from __future__ import annotations

import logging
import os
import sys
import threading


def main() -> int:
    """Run the command line; returns the exit status.

    Where a thread is still inside OpenVINO or torch, as behind Ctrl+C, the process ends at once: Python's own way takes
    such a thread apart, and C++ aborts at that.
    """
    from rtviz.cli import run

    status = run(sys.argv[1:])
    if any(thread.daemon and thread is not threading.current_thread() for thread in threading.enumerate()):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


if __name__ == "__main__":
    sys.exit(main())

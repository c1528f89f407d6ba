"""Refuses to write a file that exists or that its folder does not take."""

from __future__ import annotations

import os
from pathlib import Path

from rtviz.errors import OutputExists, OutputUnwritable

NOT_SHOWN = "nothing has been shown yet"


def check_new_video(path: Path) -> None:
    """Refuse a video that exists, or cannot be written there.

    Raises:
        SinkError: with the reason.
    """
    from rtviz.sinks import check_output

    check_new(path)
    check_output(path, None, overwrite=False)


def check_new(path: Path) -> None:
    """Refuse a file that exists, or whose folder does not take it.

    Raises:
        SinkError: with the reason.
    """
    if path.exists():
        raise OutputExists(f"{path} exists already")
    if not path.parent.is_dir():
        raise OutputUnwritable(f"cannot write {path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise OutputUnwritable(f"cannot write {path}: no permission to write into {path.parent}")


__all__ = ["NOT_SHOWN", "check_new", "check_new_video"]

"""What the sources that read files share: refusing what is no file, and bringing pictures to one size."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np

from rtviz.cv import cv2
from rtviz.errors import SourceMissing, SourceUnreadable
from rtviz.frame import Pixels

LARGEST_SIDE = 16384


def check_file(path: Path) -> None:
    """Refuse what is no readable file, in words.

    Raises:
        SourceMissing: nothing is there, or a folder, or it may not be read.
        SourceUnreadable: it is empty, or a pipe or device, which would block or never end.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        raise SourceMissing(f"cannot open {path}: {_reason(error)}") from None
    if stat.S_ISDIR(found.st_mode):
        raise SourceMissing(f"{path} is a folder without pictures; name the videos in it as inputs")
    if not stat.S_ISREG(found.st_mode):
        raise SourceUnreadable(f"{path} is no ordinary file")
    if not os.access(path, os.R_OK):
        raise SourceMissing(f"cannot open {path}: Permission denied")
    if found.st_size == 0:
        raise SourceUnreadable(f"{path} is empty (0 bytes)")


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def fit(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """The whole picture inside (height, width), its aspect kept, black where it does not reach."""
    height, width = size
    scale = min(height / pixels.shape[0], width / pixels.shape[1])
    inner_height, inner_width = max(1, round(pixels.shape[0] * scale)), max(1, round(pixels.shape[1] * scale))
    # A pixel of rounding is no reason for a black line.
    inner_height = height if height - inner_height <= 2 else inner_height
    inner_width = width if width - inner_width <= 2 else inner_width
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized: Pixels = cv2.resize(pixels, (inner_width, inner_height), interpolation=interpolation)
    if (inner_height, inner_width) == size:
        return resized
    fitted = np.zeros((height, width, 3), np.uint8)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    fitted[top : top + inner_height, left : left + inner_width] = resized
    return fitted


def without_password(address: str) -> str:
    """The address as it may be shown on a stage."""
    scheme, separator, rest = address.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"

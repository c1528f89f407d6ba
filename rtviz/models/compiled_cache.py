"""Compiled passes kept on disk: reading one back takes a tenth of the time that compiling it took.

Each file holds the weights, in float32 (82 MB for a ViT-S), so only the few that were used last are kept.
"""

from __future__ import annotations

import hashlib
import logging
import os
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np

from rtviz.models.compiled import Compiled

KEPT = 6  # files
# A file begins so; the number changes with what is compiled for the same network.
_MAGIC = b"rtviz compiled 2\n".ljust(60)
_HEAD = len(_MAGIC) + 4  # and a checksum; weights stay where OpenVINO aligned them, to 64 bytes

_log = logging.getLogger(__name__)


def save(key: str, one: Compiled) -> None:
    """Keeps a compiled pass under a key; without a cache folder, or on a full disk, nothing is kept."""
    with suppress(ImportError, OSError):
        path = _path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        try:
            blob = one.to_bytes()
            with open(partial, "wb") as file:
                file.write(_MAGIC + zlib.crc32(blob).to_bytes(4, "big"))
                file.write(blob)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        by_age = sorted(path.parent.glob("*.blob"), key=lambda each: each.stat().st_mtime)
        for old in by_age[:-KEPT]:
            old.unlink(missing_ok=True)


def load(key: str, precision: str, threads: int) -> Compiled | None:
    """Reads back the pass that was kept under a key; None if there is none, or none that can be used."""
    with suppress(ImportError, OSError):
        path = _path(key)
        content = np.fromfile(path, np.uint8)
        head, blob = content[:_HEAD].tobytes(), content[_HEAD:]
        if head == _MAGIC + zlib.crc32(blob.data).to_bytes(4, "big"):
            try:
                one = Compiled.from_bytes(blob, precision, threads)
            except Exception:  # whatever OpenVINO cannot read; it is compiled anew, and kept instead
                _log.debug("cannot read %s", path, exc_info=True)
            else:
                os.utime(path)  # was used last
                return one
        path.unlink(missing_ok=True)
    return None


def exists(key: str) -> bool:
    """Whether a pass was kept under a key."""
    try:
        return _path(key).exists()
    except (ImportError, OSError):
        return False


def _path(key: str) -> Path:
    import platformdirs

    name = hashlib.sha256(key.encode()).hexdigest()[:32]
    return Path(platformdirs.user_cache_dir("rtviz", False)) / "compiled" / f"{name}.blob"


__all__ = ["KEPT", "exists", "load", "save"]

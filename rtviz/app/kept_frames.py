"""Frames that a reference or a prompt was taken from, kept as pictures in the user's cache."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from rtviz.frame import Pixels


def cache_folder(name: str) -> Path:
    """A folder of that name in the user's cache."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("rtviz", False)) / name


def keep(pixels: Pixels, folder: Path, most: int) -> Path:
    """A picture in a folder, under a name of its content; of those there the `most` that were used last stay.

    Raises:
        OutputUnwritable: it cannot be written there.
    """
    from PIL import Image

    from rtviz.sinks import writing

    path = folder / f"frame-{hashlib.blake2b(pixels.tobytes(), digest_size=8).hexdigest()}.png"
    with writing(path):
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.touch()
        else:
            Image.fromarray(pixels).save(path)
    for old in sorted(folder.glob("frame-*.png"), key=lambda one: one.stat().st_mtime)[:-most]:
        with suppress(OSError):
            old.unlink()
    return path


__all__ = ["cache_folder", "keep"]

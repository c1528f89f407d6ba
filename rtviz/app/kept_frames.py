"""Frames that a reference or a prompt was taken from: pictures in the user's cache, or in memory alone."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtviz.frame import Pixels


@dataclass(frozen=True)
class KeptFrames:
    """Where frames are kept, so that references and prompts can name them.

    Attributes:
        name: of the folder in the user's cache.
        most: how many stay in the folder, those that were used last.
        stored: False keeps them in memory, as a kiosk does, which leaves no trace of its visitors.
        folder: another one than that in the cache.
    """

    name: str
    most: int
    stored: bool = True
    folder: Path | None = None

    def keep(self, pixels: Pixels) -> str:
        """Keep a picture; returns its place, as prompts and references name it.

        Raises:
            OutputUnwritable: it cannot be written.
        """
        if not self.stored:
            from rtviz.engine.references import hold  # which the window does not wait for

            return hold(pixels)
        return str(_write(pixels, self.folder or _cache_folder(self.name), self.most))


def _cache_folder(name: str) -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("rtviz", False)) / name


def _write(pixels: Pixels, folder: Path, most: int) -> Path:
    """A picture in a folder, under a name of its content; of those there the `most` that were used last stay."""
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


__all__ = ["KeptFrames"]

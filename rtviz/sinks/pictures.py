"""Pictures: one file, or a folder of PNGs with the time of each."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from rtviz.cv import cv2
from rtviz.errors import OutputUnwritable
from rtviz.frame import Frame, Pixels
from rtviz.settings import OutputSettings
from rtviz.sinks import publish, temporary, writing
from rtviz.sinks.base import ClosingSink

if TYPE_CHECKING:
    from rtviz.sources import Source


def _save(picture: Pixels, path: Path, output: OutputSettings) -> None:
    if output.size is not None and picture.shape[:2] != output.size:
        picture = cv2.resize(picture, (output.size[1], output.size[0]), interpolation=cv2.INTER_AREA)
    jpeg = path.suffix.lower() in (".jpg", ".jpeg")
    quality = [cv2.IMWRITE_JPEG_QUALITY, 60 + round(0.4 * output.quality)] if jpeg else []
    # Not imwrite, which cannot write every name and is silent about failure.
    fine, coded = cv2.imencode(path.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), quality)
    assert fine
    path.write_bytes(coded.tobytes())


class PictureSink(ClosingSink):
    """One picture."""

    def __init__(
        self, path: Path, *, size: tuple[int, int], fps: float | None, output: OutputSettings, origin: Source | None
    ) -> None:
        self.warnings: list[str] = []
        self._path, self._output = path, output
        self._temporary: Path | None = None

    def write(self, picture: Pixels, frame: Frame) -> None:
        """Take the picture.

        Raises:
            OutputUnwritable: it is the second one, or there is no space.
        """
        if self._temporary is not None:
            self.abort()
            raise OutputUnwritable(
                f"{self._path} holds one picture, and the input has more: give a folder, or a video's name"
            )
        with writing(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._temporary = temporary(self._path)
            _save(picture, self._temporary, self._output)

    def close(self) -> None:
        """Put the picture under its final name."""
        if self._temporary is not None:
            publish(self._temporary, self._path)

    def abort(self) -> None:
        """Leave nothing."""
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)


class FolderSink(ClosingSink):
    """A folder of PNGs, named by the frame's number, and `frames.csv` with the time of each."""

    def __init__(
        self, path: Path, *, size: tuple[int, int], fps: float | None, output: OutputSettings, origin: Source | None
    ) -> None:
        self.warnings: list[str] = []
        self._path, self._output = path, output
        with writing(path):
            self._temporary = temporary(path)
            self._temporary.mkdir(parents=True)
            self._list = open(self._temporary / "frames.csv", "w", newline="", encoding="utf-8")  # noqa: SIM115
        self._rows = csv.writer(self._list)
        self._rows.writerow(("file", "index", "pts_seconds"))
        self._ended = False

    def write(self, picture: Pixels, frame: Frame) -> None:
        """Write one PNG.

        Raises:
            OutputUnwritable: no space.
        """
        name = f"frame_{frame.index:06d}.png"
        with writing(self._path):
            _save(picture, self._temporary / name, self._output)
            self._rows.writerow((name, frame.index, f"{frame.pts_seconds:.6f}"))

    def close(self) -> None:
        """Put the folder under its final name."""
        if self._ended:
            return
        self._ended = True
        with writing(self._path):
            self._list.close()
            if self._path.is_dir():
                # Only a folder that is empty or our own is replaced.
                strangers = [e.name for e in self._path.iterdir() if e.suffix != ".png" and e.name != "frames.csv"]
                if strangers:
                    raise OutputUnwritable(f"{self._path} holds other files ({strangers[0]}): it is not replaced")
                shutil.rmtree(self._path)
            os.replace(self._temporary, self._path)

    def abort(self) -> None:
        """Stop; the pictures so far stay in the temporary folder."""
        self._ended = True
        self._list.close()

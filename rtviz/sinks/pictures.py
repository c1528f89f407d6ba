"""Pictures: one file, or a folder of PNGs with the time of each."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from rtviz.cv import cv2
from rtviz.errors import OutputUnwritable
from rtviz.frame import Frame, Pixels
from rtviz.settings import OutputSettings
from rtviz.sinks import check_output, publish, publish_folder, temporary, writing
from rtviz.sinks.base import ClosingSink

if TYPE_CHECKING:
    from rtviz.sources import Source


def _save(picture: Pixels, path: Path, output: OutputSettings) -> None:
    if output.size is not None and picture.shape[:2] != output.size:
        shrinks = picture.shape[0] * picture.shape[1] > output.size[0] * output.size[1]
        interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        picture = cv2.resize(picture, (output.size[1], output.size[0]), interpolation=interpolation)
    if path.suffix.lower() == ".png":
        how = [cv2.IMWRITE_PNG_COMPRESSION, 3]  # light on the processor
    else:
        how = [cv2.IMWRITE_JPEG_QUALITY, 60 + round(0.4 * output.quality)]
        how += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]  # colour as fine as light
    # Not imwrite, which cannot write every name and is silent about failure.
    fine, coded = cv2.imencode(path.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), how)
    assert fine
    path.write_bytes(coded.tobytes())


class PictureSink(ClosingSink):
    """One picture."""

    def __init__(
        self, path: Path, *, size: tuple[int, int], fps: float | None, output: OutputSettings, origin: Source | None
    ) -> None:
        self.size = output.size or size
        self.warnings: list[str] = []
        self._path, self._output = path, output
        self._temporary: Path | None = None
        self._ended = False
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)

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
        self._temporary = temporary(self._path)
        try:
            with writing(self._path):
                _save(picture, self._temporary, self._output)
        except OutputUnwritable:
            self.abort()
            raise

    def close(self) -> None:
        """Put the picture under its final name.

        Raises:
            OutputUnwritable: the system refuses; or no picture ever came.
        """
        if self._ended:
            return
        self._ended = True
        if self._temporary is None:
            raise OutputUnwritable(f"{self._path} was not written: no frame came")
        publish(self._temporary, self._path)

    def abort(self) -> None:
        """Leave nothing: half a picture is of no use."""
        if not self._ended and self._temporary is not None:
            self._temporary.unlink(missing_ok=True)
        self._ended = True


class FolderSink(ClosingSink):
    """A folder of PNGs, named by the frame's number, and `frames.csv` with the time of each."""

    def __init__(
        self, path: Path, *, size: tuple[int, int], fps: float | None, output: OutputSettings, origin: Source | None
    ) -> None:
        self.size = output.size or size
        self.warnings: list[str] = []
        self._path, self._output = path, output
        with writing(path):
            self._temporary = temporary(path)
            self._temporary.mkdir(parents=True)
            # Line by line on the disk, so that a folder that was cut off has its times too.
            self._list = open(self._temporary / "frames.csv", "w", newline="", encoding="utf-8", buffering=1)  # noqa: SIM115
        self._rows = csv.writer(self._list)
        self._rows.writerow(("file", "index", "pts_seconds"))
        self._written = 0
        self._ended = False

    def write(self, picture: Pixels, frame: Frame) -> None:
        """Write one PNG.

        Raises:
            OutputUnwritable: no space.
        """
        name = f"frame_{frame.index:06d}.png"
        with writing(self._path):
            self._save(picture, self._temporary / name)
            self._rows.writerow((name, frame.index, f"{frame.pts_seconds:.6f}"))
        self._written += 1

    def _save(self, picture: Pixels, path: Path) -> None:
        _save(picture, path, self._output)

    def close(self) -> None:
        """Put the folder under its final name.

        Raises:
            OutputUnwritable: the system refuses; a folder with other things in it stands there; or no picture ever
                came.
        """
        if self._ended:
            return
        if not self._written:
            self.abort()
            raise OutputUnwritable(f"{self._path} was not written: no frame came")
        self._ended = True
        with writing(self._path):
            self._list.close()
        check_output(self._path, None, overwrite=self._output.overwrite)  # it may have come into being meanwhile
        publish_folder(self._temporary, self._path)

    def abort(self) -> None:
        """Stop; the pictures so far stay in the temporary folder."""
        if not self._ended:
            self._ended = True
            with writing(self._path):
                self._list.close()
            if not self._written:
                shutil.rmtree(self._temporary, ignore_errors=True)

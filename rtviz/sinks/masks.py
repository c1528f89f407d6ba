"""Masks: as COCO annotations, as label maps, or as the frames with alpha."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rtviz._version import __version__
from rtviz.cv import cv2
from rtviz.errors import OutputUnwritable
from rtviz.frame import Frame, NamedMasks, Pixels
from rtviz.settings import OutputSettings
from rtviz.sinks import publish, temporary, writing
from rtviz.sinks.base import ClosingSink
from rtviz.sinks.pictures import FolderSink

if TYPE_CHECKING:
    from rtviz.sinks.video import VideoSink
    from rtviz.sources import Source

_EDGE = 16  # pixels beyond a mask that keep their colour, so that what blends the edge finds no dark line


class CocoSink(ClosingSink):
    """COCO annotations with run-length encoded masks, as pycocotools and other readers of COCO's format take them.

    An image for each frame, a category for each class, and an annotation for each class that is in a frame.
    """

    def __init__(
        self, path: Path, *, size: tuple[int, int], fps: float | None, output: OutputSettings, origin: Source | None
    ) -> None:
        self.warnings: list[str] = []
        self._path, self._output = path, output
        self._source = origin.info.name if origin is not None else ""
        self._categories: dict[str, tuple[int, tuple[int, int, int]]] = {}
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        self._ended = False
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, masks: NamedMasks, frame: Frame) -> None:
        """Take the masks of one frame."""
        height, width = frame.size
        image = len(self._images) + 1
        self._images.append(
            {
                "id": image,
                "file_name": f"frame_{frame.index:06d}.png",  # as a folder of the frames has it
                "width": width,
                "height": height,
                "frame": frame.index,
                "pts_seconds": round(frame.pts_seconds, 6),
            }
        )
        for name, color, mask in zip(*masks, strict=True):
            category, _ = self._categories.setdefault(name, (len(self._categories) + 1, color))
            left, top, across, down = cv2.boundingRect(mask)
            if not across:
                continue
            self._annotations.append(
                {
                    "id": len(self._annotations) + 1,
                    "image_id": image,
                    "category_id": category,
                    "segmentation": {"size": [height, width], "counts": encode(mask > 0)},
                    "area": int(np.count_nonzero(mask)),
                    "bbox": [left, top, across, down],
                    "iscrowd": 0,
                }
            )

    def close(self) -> None:
        """Write the file.

        Raises:
            OutputUnwritable: no frame came, or the system refuses.
        """
        if self._ended:
            return
        self._ended = True
        if not self._images:
            raise OutputUnwritable(f"{self._path} was not written: no frame came")
        categories = [
            {"id": number, "name": name, "supercategory": "", "color": list(color)}
            for name, (number, color) in self._categories.items()
        ]
        whole = {
            "info": {"description": f"masks of {self._source}" if self._source else "masks", "version": __version__},
            "images": self._images,
            "categories": categories,
            "annotations": self._annotations,
        }
        partial = temporary(self._path)
        with writing(self._path):
            partial.write_text(json.dumps(whole), encoding="utf-8")
        publish(partial, self._path)

    def abort(self) -> None:
        """Leave nothing."""
        self._ended = True


def encode(mask: NDArray[np.bool_]) -> str:
    """A mask as COCO's compressed run lengths, the `counts` of a segmentation.

    The mask is read column by column; the runs are of 0 and 1 in turns, the first of 0. From the fourth on each is
    stored as the difference from the one two before it, in groups of five bits from the lowest, each in a character
    from "0", with 32 added where another follows (cocodataset/cocoapi, common/maskApi.c, rleToString).

    Args:
        mask: bool [height, width].
    """
    flat = np.asarray(mask, np.int8).ravel(order="F")
    edges = np.flatnonzero(np.diff(flat, prepend=np.int8(0)))
    runs = np.diff(np.concatenate([[0], edges, [flat.size]]))
    stored = np.concatenate([runs[:3], runs[3:] - runs[1:-2]])
    return "".join(_in_characters(int(number)) for number in stored)


def _in_characters(number: int) -> str:
    characters = ""
    while True:
        group = number & 31
        number >>= 5
        ends = number == (-1 if group & 16 else 0)
        characters += chr(48 + (group if ends else group | 32))
        if ends:
            return characters


class LabelMapsSink(ClosingSink):
    """A folder of PNGs with a palette, whose values are 0 or the number of a class; as DAVIS and PASCAL VOC have them.

    Beside them lie `frames.csv`, with the time of each, and `classes.csv`, with number, name and colour.
    """

    def __init__(
        self, path: Path, *, size: tuple[int, int], fps: float | None, output: OutputSettings, origin: Source | None
    ) -> None:
        self.warnings: list[str] = []
        self._folder = _PaletteFolder(path, size=size, fps=fps, output=output, origin=origin)

    def write(self, masks: NamedMasks, frame: Frame) -> None:
        """Write one PNG; where masks meet, the smaller is on top.

        Raises:
            OutputUnwritable: no space.
        """
        numbers = self._folder.number(masks)
        labels = np.zeros(frame.size, np.uint8)
        for place in np.argsort([-np.count_nonzero(mask) for mask in masks.pixels], kind="stable"):
            labels[masks.pixels[place] > 0] = numbers[place]
        self._folder.write(labels, frame)

    def close(self) -> None:
        """Put the folder under its final name; as `FolderSink.close`."""
        self._folder.close()

    def abort(self) -> None:
        """Stop; the pictures so far stay in the temporary folder."""
        self._folder.abort()


class _PaletteFolder(FolderSink):
    """A folder of label maps in the place of pictures."""

    _classes: Mapping[str, tuple[int, int, int]] = {}

    def number(self, masks: NamedMasks) -> list[int]:
        """The number of each mask's class, from 1; a class keeps the number that it had in the frame where it first
        came."""
        classes = dict(self._classes)
        for name, color in zip(masks.names, masks.colors, strict=True):
            classes.setdefault(name, color)
        if classes != self._classes:
            self._classes = classes
            self._write_classes()
        places = list(classes)
        return [places.index(name) + 1 for name in masks.names]

    def _write_classes(self) -> None:
        with writing(self._path), open(self._temporary / "classes.csv", "w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(("number", "name", "red", "green", "blue"))
            for number, (name, color) in enumerate(self._classes.items(), 1):
                rows.writerow((number, name, *color))

    def _save(self, picture: NDArray[np.uint8], path: Path) -> None:
        png = Image.fromarray(picture, "P")
        png.putpalette([0, 0, 0, *(value for color in self._classes.values() for value in color)])
        png.save(path)


class CutoutSink(ClosingSink):
    """A video of the frames with the masks as alpha, the input's sound beside it: VP9 in .webm, ProRes 4444 in .mov."""

    def __init__(
        self, path: Path, *, size: tuple[int, int], fps: float | None, output: OutputSettings, origin: Source | None
    ) -> None:
        from rtviz.sinks.video import VideoSink

        self._video: VideoSink = VideoSink(path, size=size, fps=fps, output=output, origin=origin, alpha=True)
        self.warnings = self._video.warnings

    def write(self, masks: NamedMasks, frame: Frame) -> None:
        """Encode one frame; what is far from every mask is black, so that nothing hidden is in the file.

        Raises:
            OutputUnwritable: no space, or no permission any more.
        """
        self._video.write(cut_out(frame.pixels, masks), frame)

    def close(self) -> None:
        """Put the file under its final name; as `VideoSink.close`."""
        self._video.close()

    def abort(self) -> None:
        """Stop; what was written stays in the temporary file, which plays."""
        self._video.abort()


def cut_out(pixels: Pixels, masks: NamedMasks) -> NDArray[np.uint8]:
    """A frame with the masks as alpha: RGBA uint8 [height, width, 4], not premultiplied."""
    alpha = masks.pixels.max(axis=0, initial=0).astype(np.uint8)
    near = cv2.dilate(alpha, np.ones((2 * _EDGE + 1,) * 2, np.uint8))
    return np.dstack([np.where(near[..., None] > 0, pixels, np.uint8(0)), alpha])


__all__ = ["CocoSink", "CutoutSink", "LabelMapsSink", "cut_out", "encode"]

"""Readers of data sets with a known truth, in their official folder layouts, and drawn stand-ins that need no download.

    segmented    pictures with the outline of each object: PASCAL VOC2012
    boxed        pictures with a box round each object: PASCAL VOC2007 and VOC2012
    clips        videos with the outline of each object in every frame: DAVIS 2017 and DAVIS 2016

All of them stream: a picture is read when its turn comes. That everything is there that a list names is checked
before the first one. A place that is not what it should be is a SourceMissing or a SourceUnreadable that says what was
missing.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rtviz.errors import SettingsError, SourceMissing, SourceUnreadable
from rtviz.frame import Frame, Pixels
from rtviz.sources.files import check_file
from rtviz.sources.pictures import read_whole
from rtviz.sources.scene import SCORING_SEEDS, SceneSource, sample
from rtviz.words import counted

SCENE = "scene:"
VOID = 255  # in label maps: neither object nor background

_SCENES = 200
_SCENE_CLIPS = 10
_SCENE_CLIP_FRAMES = 20
_SCENE_CLIP_SIZE = (192, 256)
# Few frames a second, so that much moves from one to the next; and three things that pass in front of each other. With
# less, the patches' plain colours are enough, and an untrained network follows as well as any.
_SCENE_CLIP_FPS = 2.0
_SCENE_CLIP_OBJECTS = 3

Labels = NDArray[np.uint8]  # [height, width]: 0 background, 1, 2, ... the objects, VOID
Boxes = NDArray[np.float64]  # [boxes, 4]: top, left, bottom, right in pixels; bottom and right are just outside
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Segmented:
    """A picture, and which object each of its pixels belongs to."""

    name: str
    pixels: Pixels
    labels: Labels


@dataclass(frozen=True, slots=True, eq=False)
class Boxed:
    """A picture, and the boxes of its objects."""

    name: str
    pixels: Pixels
    boxes: Boxes


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A video with its truth, read as it is gone through.

    Attributes:
        name: of the video.
        count: how many frames it has, at least 3.
    """

    name: str
    count: int
    read: Callable[[int], Segmented]

    def __iter__(self) -> Iterator[Segmented]:
        return (self.read(number) for number in range(self.count))


@dataclass(frozen=True, slots=True, eq=False)
class DataSet(Generic[T]):
    """Things to score on, one after the other.

    Attributes:
        title: what it is, for the report.
        names: what there is, in order.
        read: gives the thing of a name.
        resolution: short side, in pixels, of its protocol's input; None: each picture's own.
        drawn: whether it is a stand-in, on which the papers' figures do not hold.
        listed: the file that lists what there is.
    """

    title: str
    names: Sequence[str]
    read: Callable[[str], T]
    resolution: int | None
    drawn: bool = False
    listed: Path | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[T]:
        return (self.read(name) for name in self.names)


# --- PASCAL VOC ------------------------------------------------------------------------------------------------------


def segmented(place: str, limit: int | None = None, first_seed: int = 0) -> DataSet[Segmented]:
    """The validation pictures of PASCAL VOC with the outline of each object, or drawn scenes with one object each.

    Args:
        place: VOCdevkit, VOCdevkit/VOC2012 or the folder that holds VOCdevkit; another year's folder; or "scene:".
        limit: only so many, from the first.
        first_seed: of the drawn scenes: the first has this number in SCORING_SEEDS.

    Raises:
        SourceMissing: that is not there, or something is not that is listed.
        SourceUnreadable: the list cannot be read.
    """
    if place == SCENE:
        names = _seeds(limit or _SCENES, first_seed)
        return DataSet(counted(len(names), "drawn scene"), names, _draw_segmented, 224, drawn=True)
    needed = ("JPEGImages", "SegmentationObject", "ImageSets/Segmentation/val.txt")
    root = _root(place, "PASCAL VOC2012", _VOC_FOLDERS[:3], needed)
    names = _listed(root / needed[2], limit, partial(_segmented_files, root))
    return DataSet(_voc(root, "val"), names, partial(_read_segmented, root), 480, listed=root / needed[2])


def boxed(place: str, limit: int | None = None, first_seed: int = 0) -> DataSet[Boxed]:
    """The trainval pictures of PASCAL VOC2007 or VOC2012 with a box round each object, or drawn scenes.

    Args:
        place: VOCdevkit/VOC2007 or VOC2012, or a folder above that holds only one of the two; or "scene:".
        limit, first_seed: as for `segmented`.

    Raises:
        SourceMissing, SourceUnreadable: as for `segmented`.
    """
    if place == SCENE:
        names = _seeds(limit or _SCENES, first_seed)
        return DataSet(counted(len(names), "drawn scene"), names, _draw_boxed, 224, drawn=True)
    needed = ("JPEGImages", "Annotations", "ImageSets/Main/trainval.txt")
    root = _root(place, "PASCAL VOC2007 or VOC2012", _VOC_FOLDERS, needed)
    names = _listed(root / needed[2], limit, partial(_boxed_files, root))
    return DataSet(_voc(root, "trainval"), names, partial(_read_boxed, root), None, listed=root / needed[2])


_VOC_FOLDERS = (".", "VOC2012", "VOCdevkit/VOC2012", "VOC2007", "VOCdevkit/VOC2007")


def _voc(root: Path, part: str) -> str:
    """A part of PASCAL VOC with its year, as far as the folder's name tells that."""
    name = root.resolve().name
    year = re.search(r"20(0[5-9]|1[0-2])", name)
    return f"PASCAL VOC{year[0]} {part}" if year else f"PASCAL VOC {part} of the folder {name}"


def _segmented_files(root: Path, name: str) -> tuple[Path, Path]:
    return root / "JPEGImages" / f"{name}.jpg", root / "SegmentationObject" / f"{name}.png"


def _boxed_files(root: Path, name: str) -> tuple[Path, Path]:
    return root / "JPEGImages" / f"{name}.jpg", root / "Annotations" / f"{name}.xml"


def _read_segmented(root: Path, name: str) -> Segmented:
    picture, truth = _segmented_files(root, name)
    pixels = read_whole(picture)
    return Segmented(name, pixels, _read_labels(truth, pixels))


def _read_boxed(root: Path, name: str) -> Boxed:
    """VOC counts pixels from 1 and includes the last one, so a box begins one pixel earlier than its numbers say."""
    picture, path = _boxed_files(root, name)
    check_file(path)
    try:
        found = [
            [float(box.findtext(side, "")) for side in ("ymin", "xmin", "ymax", "xmax")]
            for box in ElementTree.parse(path).getroot().iterfind("object/bndbox")
        ]
    except (ElementTree.ParseError, ValueError, OSError) as error:
        raise SourceUnreadable(f"{path} is no annotation of PASCAL VOC: {error}") from None
    if not found:
        raise SourceUnreadable(f"{path} has no object with a bndbox")
    return Boxed(name, read_whole(picture), np.array(found) - (1, 1, 0, 0))


# --- DAVIS -----------------------------------------------------------------------------------------------------------


def clips(place: str, limit: int | None = None, first_seed: int = 0) -> DataSet[Clip]:
    """The validation videos of DAVIS 2017 or DAVIS 2016 at 480p, or drawn moving scenes of three objects.

    The masks of DAVIS 2016 are black and white, 0 and 255, with one object.

    Args:
        place: the folder DAVIS, or the one that holds it; or "scene:".
        limit, first_seed: as for `segmented`.

    Raises:
        SourceMissing, SourceUnreadable: as for `segmented`.
    """
    if place == SCENE:
        names = _seeds(limit or _SCENE_CLIPS, first_seed)
        return DataSet(counted(len(names), "drawn moving scene"), names, _draw_clip, _SCENE_CLIP_SIZE[0], drawn=True)
    needed = ("JPEGImages/480p", "Annotations/480p")
    root = _root(place, "DAVIS 2017 or DAVIS 2016", (".", "DAVIS", "DAVIS-2017", "DAVIS-2016"), needed, _CLIP_LISTS)
    listed = next(root / name for name in _CLIP_LISTS if (root / name).exists())
    names = _listed(listed, limit, partial(_clip_files, root), _clip_of)
    first = _clip_files(root, names[0])
    year = 2016 if _is_black_and_white(first[len(first) // 2]) else 2017
    return DataSet(f"DAVIS {year} val", names, partial(_read_clip, root), 480, listed=listed)


_CLIP_LISTS = ("ImageSets/2017/val.txt", "ImageSets/480p/val.txt")  # where DAVIS 2017 and DAVIS 2016 have it


def _clip_of(word: str) -> str:
    """The clip that a line of a list is about; DAVIS 2016 has a line for each frame, /JPEGImages/480p/CLIP/NAME.jpg."""
    return word.split("/")[-2] if "/" in word else word


def _is_black_and_white(path: Path) -> bool:
    """Whether a mask has the one object of DAVIS 2016, as 255, and no number of another."""
    labels = _labels_in(path)
    return bool((labels == VOID).any()) and not np.isin(labels, (0, VOID), invert=True).any()


def _clip_files(root: Path, name: str) -> list[Path]:
    """The frames of a clip, and then the truth of each."""
    folder, truths = root / "JPEGImages/480p" / name, root / "Annotations/480p" / name
    frames = sorted(folder.glob("*.jpg"))
    if len(frames) < 3:
        raise SourceMissing(f"{folder} has {len(frames)} .jpg frames; DAVIS scores all but the first and the last")
    return [*frames, *(truths / f"{frame.stem}.png" for frame in frames)]


def _read_clip(root: Path, name: str) -> Clip:
    files = _clip_files(root, name)
    count = len(files) // 2
    black_and_white = _is_black_and_white(files[count])

    def read(number: int) -> Segmented:
        pixels = read_whole(files[number])
        labels = _read_labels(files[count + number], pixels)
        return Segmented(files[number].stem, pixels, (labels == VOID).astype(np.uint8) if black_and_white else labels)

    return Clip(name, count, read)


# --- drawn stand-ins -------------------------------------------------------------------------------------------------


def _seeds(count: int, first: int) -> list[str]:
    if first < 0 or first + count > len(SCORING_SEEDS):
        raise SettingsError("scenes", f"{count} from {first}", f"1 to {len(SCORING_SEEDS)} scenes, with their seeds")
    return [str(seed) for seed in SCORING_SEEDS[first : first + count]]


def _draw_segmented(name: str) -> Segmented:
    pixels, mask = sample(int(name))
    return Segmented(name, pixels, mask.astype(np.uint8))


def _draw_boxed(name: str) -> Boxed:
    pixels, mask = sample(int(name))
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return Boxed(name, pixels, np.array([[rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]], np.float64))


def _draw_clip(name: str) -> Clip:
    seconds = _SCENE_CLIP_FRAMES / _SCENE_CLIP_FPS
    source = SceneSource(int(name), _SCENE_CLIP_SIZE, _SCENE_CLIP_FPS, seconds, _SCENE_CLIP_OBJECTS)

    def read(number: int) -> Segmented:
        frame = source.frame(number)
        return Segmented(f"{number:05d}", frame.pixels, numbered(frame))

    return Clip(name, _SCENE_CLIP_FRAMES, read)


def numbered(frame: Frame) -> Labels:
    """The true masks of a frame of the built-in scene as one map of object numbers."""
    assert frame.masks is not None
    numbers = np.arange(1, len(frame.masks) + 1, dtype=np.uint8)[:, None, None]
    return np.asarray((frame.masks * numbers).max(axis=0))  # they do not overlap


# --- folders and files -----------------------------------------------------------------------------------------------


def _root(place: str, what: str, below: Sequence[str], needed: Sequence[str], one_of: Sequence[str] = ()) -> Path:
    """The folder that has all that is needed, and one of several things: the place itself, or one of those below it."""

    def lacks(folder: Path) -> list[str]:
        absent = [part for part in needed if not (folder / part).exists()]
        if one_of and not any((folder / part).exists() for part in one_of):
            absent.append(" or ".join(one_of))
        return absent

    top = Path(place).expanduser()
    if not top.is_dir():
        raise SourceMissing(f"{place} is no folder; the folder of {what} is needed, or {SCENE}")
    here = [top / name for name in below if not lacks(top / name)]
    if len(here) == 1:
        return here[0]
    if here:
        raise SourceMissing(f"{place} holds several data sets; say which: {', '.join(map(str, here))}")
    all_of_it = ", ".join([*needed, *filter(None, [" or ".join(one_of)])])
    raise SourceMissing(
        f"{place} is not laid out as {what}: it should have {all_of_it} in it and in its {', '.join(below[1:])}; "
        f"it has no {', no '.join(lacks(top))}"
    )


def _listed(
    path: Path, limit: int | None, files: Callable[[str], Iterable[Path]], name_of: Callable[[str], str] = str
) -> list[str]:
    """The names in a list file, one a line, the first word of it; a byte order mark before them is none.

    Args:
        limit: only so many, from the first.
        files: what there must be of each name. It is checked now, not hours later when its turn comes.
        name_of: gives the name that a word means; one that comes again is the same.
    """
    try:
        names = [line.split()[0] for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise SourceUnreadable(f"{path} cannot be read: {error}") from None
    if not names:
        raise SourceUnreadable(f"{path} lists nothing")
    names = list(dict.fromkeys(map(name_of, names)))[:limit]
    absent = [file for name in names for file in files(name) if not file.is_file()]
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise SourceMissing(f"{path} lists what is not there: {absent[0]}{more}")
    return names


def _read_labels(path: Path, pixels: Pixels) -> Labels:
    """The numbers in a PNG with a palette: the colours are for the eye."""
    labels = _labels_in(path)
    if labels.shape != pixels.shape[:2]:
        raise SourceUnreadable(
            f"{path} is {labels.shape[1]}x{labels.shape[0]}, its picture {pixels.shape[1]}x{pixels.shape[0]}"
        )
    return labels


def _labels_in(path: Path) -> Labels:
    check_file(path)
    try:
        with Image.open(path) as picture:
            mode, labels = picture.mode, np.array(picture)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SourceUnreadable(f"{path} cannot be decoded: {reason}") from None
    if mode not in ("P", "L"):
        raise SourceUnreadable(f"{path} has mode {mode}; object numbers are in a PNG with a palette")
    return np.asarray(labels, np.uint8)

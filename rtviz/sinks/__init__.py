"""Sinks: where results go; one table says which class writes which suffix."""

from __future__ import annotations

import glob
import importlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol, Self, TypeVar, cast

from rtviz.errors import OutputExists, OutputUnwritable, SettingsError
from rtviz.frame import Frame, Maps, NamedMasks
from rtviz.notices import Remedy
from rtviz.settings import CODECS, OutputSettings
from rtviz.sinks.base import Exported

if TYPE_CHECKING:
    from rtviz.frame import Pixels  # noqa: F401  in a name that ruff does not read
    from rtviz.sources import Source


Content = TypeVar("Content", contravariant=True)


class Closing(Protocol):
    """As a context manager it closes at a good end and aborts at a bad one."""

    def close(self) -> None:
        """Finish, and put the result under its final name."""

    def abort(self) -> None:
        """Stop. Nothing appears under the final name; what was written stays in the temporary file."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class SinkOf(Closing, Protocol[Content]):
    """Takes what is drawn in order.

    Attributes:
        warnings: sentences for the user.
    """

    warnings: list[str]

    def write(self, content: Content, frame: Frame, /) -> None:
        """Take one, with the frame that it was made from (for its time)."""


class Sink(SinkOf["Pixels"], Protocol):
    """Takes pictures, RGB uint8 [height, width, 3].

    Attributes:
        size: (height, width) of what is written.
    """

    size: tuple[int, int]


MasksSink = SinkOf[NamedMasks]


class MapsSink(Closing, Protocol):
    """Takes maps in order."""

    def write(self, maps: Maps, frame: Frame) -> None:
        """Take those of one frame."""


# Suffix -> what writes it. To add a sink, add a row.
_VIDEO = "rtviz.sinks.video:VideoSink"
_PICTURE = "rtviz.sinks.pictures:PictureSink"
_SINKS = {
    ".mp4": _VIDEO,
    ".m4v": _VIDEO,
    ".mov": _VIDEO,
    ".mkv": _VIDEO,
    ".webm": _VIDEO,
    ".gif": "rtviz.sinks.gif:GifSink",
    ".png": _PICTURE,
    ".jpg": _PICTURE,
    ".jpeg": _PICTURE,
    "": "rtviz.sinks.pictures:FolderSink",
}
# Suffix -> what a video of that name may be encoded with, where that is not every codec.
_CODECS = {".webm": ("vp9", "av1"), ".mov": ("h264", "h265"), ".m4v": ("h264", "h265")}
_MAPS_SINKS = {".zarr": "rtviz.sinks.maps:ZarrSink", ".npz": "rtviz.sinks.maps:NpzSink"}
_MASKS_SINKS = {
    ".json": "rtviz.sinks.masks:CocoSink",
    ".webm": "rtviz.sinks.masks:CutoutSink",
    ".mov": "rtviz.sinks.masks:CutoutSink",
    "": "rtviz.sinks.masks:LabelMapsSink",
}
Kind = Literal["pictures", "maps", "masks"]  # what is written
_TABLES = {"pictures": _SINKS, "maps": _MAPS_SINKS, "masks": _MASKS_SINKS}


def open_sink(
    path: Path,
    *,
    size: tuple[int, int],
    fps: float | None,
    output: OutputSettings | None = None,
    origin: Source | None = None,
) -> Sink:
    """Open an output for pictures; its suffix says what it becomes, and none makes a folder of PNGs.

    Args:
        path: the final name.
        size: (height, width) of the pictures that will come.
        fps: about how many a second; None if that is not known.
        output: codec, quality, size, whether an output that exists may be replaced.
        origin: where the frames came from; a video's sound is taken from there.

    Raises:
        OutputExists, OutputUnwritable: it cannot be written.
        SettingsError: a codec was given, and this output has none.
    """
    output = output or OutputSettings()
    check_output(path, None, overwrite=output.overwrite)
    if output.codec != "auto" and _SINKS[path.suffix.lower()] != _VIDEO:
        raise SettingsError("codec", output.codec, f"auto, for {path.suffix or 'a folder of pictures'}")
    if output.size is not None and 0 in output.size:
        output = output.replace(size=_completed(output.size, size))
    return cast(Sink, _load(_SINKS, path)(path, size=size, fps=fps, output=output, origin=origin))


def _completed(wanted: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """A (height, width) with a side of 0 in the shape of the pictures, that side even, as videos need it."""
    height, width = wanted
    scale = height / size[0] if height else width / size[1]
    return height or max(2, 2 * round(size[0] * scale / 2)), width or max(2, 2 * round(size[1] * scale / 2))


def open_maps_sink(
    path: Path, *, overwrite: bool = False, origin: Source | None = None, exported: Exported | None = None
) -> MapsSink:
    """Open an output for raw maps: .zarr, or .npz for a single picture.

    Args:
        exported: what it holds; the attention of all layers if not given.

    Raises:
        OutputExists, OutputUnwritable: it cannot be written.
    """
    check_output(path, None, overwrite=overwrite, kind="maps")
    return cast(
        MapsSink, _load(_MAPS_SINKS, path)(path, overwrite=overwrite, origin=origin, exported=exported or Exported())
    )


def open_masks_sink(
    path: Path,
    *,
    size: tuple[int, int],
    fps: float | None,
    output: OutputSettings | None = None,
    origin: Source | None = None,
) -> MasksSink:
    """Open an output for masks: .json (COCO), .webm or .mov (the frames with alpha), or a folder of label maps.

    Args:
        path, size, fps, output, origin: as for `open_sink`.

    Raises:
        OutputExists, OutputUnwritable: it cannot be written.
    """
    output = output or OutputSettings()
    check_output(path, None, overwrite=output.overwrite, kind="masks")
    return cast(MasksSink, _load(_MASKS_SINKS, path)(path, size=size, fps=fps, output=output, origin=origin))


def codecs_for(suffix: str) -> tuple[str, ...]:
    """The codecs, without "auto", that an output of this suffix may be encoded with; none for one that is no video."""
    return _CODECS.get(suffix, CODECS[1:]) if _SINKS.get(suffix) == _VIDEO else ()


def holds_one(path: Path) -> bool:
    """Whether an output, by its suffix, is of one picture."""
    return _SINKS.get(path.suffix.lower()) == _PICTURE or path.suffix.lower() == ".npz"


def suffixes(kind: Kind, *, one: bool) -> tuple[str, ...]:
    """The suffixes of the outputs of a kind that hold one picture, or of all others; "" is a folder."""
    return tuple(suffix for suffix in _TABLES[kind] if holds_one(Path(f"x{suffix}")) == one)


def _load(table: dict[str, str], path: Path) -> type:
    module, _, name = table[path.suffix.lower()].partition(":")
    return cast(type, getattr(importlib.import_module(module), name))


def check_output(path: Path, place: str | None, *, overwrite: bool, kind: Kind = "pictures") -> None:
    """Say before any work is done what would fail after it.

    Args:
        path: the output.
        place: the input, if it is known: the two must not be the same file.
        overwrite: an output that exists may be replaced.
        kind: what is written.

    Raises:
        OutputExists: it is there, and may not be replaced.
        OutputUnwritable: it is the input, its suffix is unknown, or its folder is missing or closed.
    """
    table = _TABLES[kind]
    suffix = path.suffix.lower()
    if suffix not in table:
        known = ", ".join(each or "a folder (no suffix)" for each in table)
        raise OutputUnwritable(f"cannot write {path}: {path.suffix!r} is no output; allowed: {known}")
    if place is not None:
        _refuse_the_input(path, place)
    if path.is_dir() and suffix not in ("", ".zarr"):
        raise OutputUnwritable(f"cannot write {path}: it is a folder")
    if os.path.lexists(path) and not (path.is_dir() and not any(path.iterdir())):
        if not overwrite:
            raise OutputExists(f"{path} exists").mended_by(Remedy.OVERWRITE)
        if path.is_dir() and not is_our_folder(path):
            what = "no zarr store" if suffix == ".zarr" else "no folder of frames that rtviz wrote"
            raise OutputUnwritable(f"{path} is there and is {what}: it is not replaced")
        if not path.is_dir() and suffix in ("", ".zarr"):
            raise OutputUnwritable(f"cannot write the folder {path}: there is a file of that name")
    check_folder(path)


def check_folder(path: Path) -> None:
    """Say before any work is done that a file cannot be written because of the folder that it is to be in.

    Raises:
        OutputUnwritable: its folder is none, or closed, or, if it is still to be made, that one in which it would be.
    """
    folder = path.parent
    while not os.path.lexists(folder) and folder != folder.parent:  # folders are made, if the first that exists lets us
        folder = folder.parent
    if not folder.is_dir():
        raise OutputUnwritable(f"cannot write {path}: {folder} is no folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputUnwritable(f"cannot write {path}: no permission to write in {folder.resolve()}")


def _refuse_the_input(path: Path, place: str) -> None:
    place = place if os.path.exists(place) else place.removeprefix("file:")
    inputs = [place] if os.path.exists(place) else glob.glob(place, recursive=True)
    if os.path.isdir(place):  # its pictures are the input too
        inputs += [str(entry) for entry in Path(place).iterdir()]
    for name in inputs:
        # A folder that is written takes the place of all that is in it.
        for other in (Path(name), *((Path(name).parent,) if path.is_dir() else ())):
            if path.exists() and other.exists() and os.path.samefile(path, other):
                raise OutputUnwritable(f"the output {path} is the input itself; give it another name")


def is_our_folder(path: Path) -> bool:
    """Whether a folder is what one of the sinks makes, and nothing else, so that it may be replaced."""
    if path.suffix.lower() == ".zarr":
        return (path / "zarr.json").exists()
    return (path / "frames.csv").exists() and all(
        entry.name in ("frames.csv", "classes.csv") or (entry.name.startswith("frame_") and entry.suffix == ".png")
        for entry in path.iterdir()
    )


# --- temporary names -------------------------------------------------------------------------------------------------


def leftover(path: Path) -> Path | None:
    """What an earlier run that was cut off had written of this output; the newest, if there are several."""
    found = [
        other for other in path.parent.glob(f"{glob.escape(path.stem)}.partial*{path.suffix}") if _is_ours(other, path)
    ]
    full = [other for other in found if other.is_dir() or other.stat().st_size > 0]
    return max(full, key=lambda other: other.stat().st_mtime_ns, default=None)


def _is_ours(other: Path, path: Path) -> bool:
    middle = other.name.removeprefix(f"{path.stem}.partial").removesuffix(path.suffix)
    return middle == "" or (middle.startswith("-") and middle[1:].isdigit())


def temporary(path: Path) -> Path:
    """A name beside the output that is free: what an earlier run left there is not touched."""
    number = 1
    while True:
        middle = ".partial" if number == 1 else f".partial-{number}"
        candidate = path.with_name(f"{path.stem}{middle}{path.suffix}")
        if not candidate.exists():
            return candidate
        number += 1


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the system says about a write that failed, in one line with the output's name.

    Raises:
        OutputUnwritable: no space, no permission, no folder.
    """
    try:
        yield
    except OSError as error:
        raise OutputUnwritable(f"cannot write {path}: {error.strerror or error}") from error


def publish(temporary_path: Path, path: Path) -> None:
    """Put a finished file under its final name, in one step.

    Raises:
        OutputUnwritable: the system refuses.
    """
    with writing(path):
        # Data first: after a power cut, a file under the final name must not be empty.
        descriptor = os.open(temporary_path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary_path, path)


def publish_folder(temporary_path: Path, path: Path) -> None:
    """Put a finished folder under its final name; what stands there goes only when the new one is in its place.

    Raises:
        OutputUnwritable: the system refuses.
    """
    with writing(path):
        if not path.is_dir():
            os.replace(temporary_path, path)
            return
        old = temporary(path.with_name(f"{path.stem}.old{path.suffix}"))
        os.replace(path, old)
        os.replace(temporary_path, path)
        shutil.rmtree(old)

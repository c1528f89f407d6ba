"""Raw maps: all layers and heads, float16, with timestamps, in a zarr store or, for one picture, an npz file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rtviz._version import __version__
from rtviz.errors import MissingDependency, OutputUnwritable
from rtviz.frame import Frame, Maps
from rtviz.sinks import check_output, publish, publish_folder, temporary, writing
from rtviz.sinks.base import ClosingSink

if TYPE_CHECKING:
    from rtviz.sources import Source

_CHUNK_BYTES = 8 * 2**20


def _facts(maps: Maps, frame: Frame, origin: Source | None) -> dict[str, Any]:
    return {
        "model": maps.model,
        "query": str(maps.query),
        "patch_size": maps.patch_size,
        "input_size": list(maps.input_size),
        "frame_size": list(frame.size),
        "source": origin.info.name if origin is not None else "",
        "rtviz": __version__,
        "axes": ["frames", "layers", "heads", "rows", "columns"],
    }


def _zarr() -> Any:
    try:
        import zarr
    except ImportError as error:
        raise MissingDependency("zarr", "writing a .zarr store") from error
    return zarr


class ZarrSink(ClosingSink):
    """A zarr store that grows with the frames; only one chunk of them is held in memory.

    Arrays: `attention` float16 [frames, layers, heads, rows, columns]; `prefix` float32 [frames, layers, heads, prefix
    tokens]; `pts_seconds` float64 [frames]; `index` int64 [frames]. What they are of stands in the store's attributes.
    """

    def __init__(self, path: Path, *, overwrite: bool, origin: Source | None) -> None:
        self._path, self._overwrite, self._origin = path, overwrite, origin
        self._store: Any = None
        self._held: dict[str, list[Any]] = {}
        self._chunk = 1
        _zarr()  # absent? better said before the model is loaded
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._temporary = temporary(path)

    def write(self, maps: Maps, frame: Frame) -> None:
        """Take the maps of one frame.

        Raises:
            OutputUnwritable: no space.
        """
        attention = maps.attention.astype(np.float16)
        if self._store is None:
            with writing(self._path):
                self._begin(maps, frame, attention)
        values = {"attention": attention, "prefix": maps.prefix, "pts_seconds": frame.pts_seconds, "index": frame.index}
        for name, value in values.items():
            self._held[name].append(value)
        if len(self._held["index"]) == self._chunk:
            self._flush()

    def _begin(self, maps: Maps, frame: Frame, attention: Any) -> None:
        self._chunk = max(1, min(256, _CHUNK_BYTES // attention.nbytes))
        self._store = _zarr().open_group(self._temporary, mode="w", attributes=_facts(maps, frame, self._origin))
        shapes = {"attention": attention.shape, "prefix": maps.prefix.shape, "pts_seconds": (), "index": ()}
        kinds = {"attention": "float16", "prefix": "float32", "pts_seconds": "float64", "index": "int64"}
        for name, shape in shapes.items():
            # A chunk has no zero side, and a model may have no prefix tokens.
            chunks = (self._chunk, *(max(1, side) for side in shape))
            self._store.create_array(name, shape=(0, *shape), chunks=chunks, dtype=kinds[name])
            self._held[name] = []

    def _flush(self) -> None:
        with writing(self._path):
            for name, values in self._held.items():
                if values:
                    array = self._store[name]
                    array.append(np.stack(values).astype(array.dtype), axis=0)
                    values.clear()

    def close(self) -> None:
        """Write what is held, and put the store under its final name.

        Raises:
            OutputUnwritable: no space, or something that is no zarr store stands there.
        """
        if self._store is None:
            return
        self._flush()
        self._store = None
        check_output(self._path, None, overwrite=self._overwrite, maps=True)  # it may have come into being meanwhile
        publish_folder(self._temporary, self._path)

    def abort(self) -> None:
        """Stop; the chunks that are complete stay in the temporary store."""
        self._store = None


class NpzSink(ClosingSink):
    """The maps of one picture; the arrays of a zarr store without the frames' axis, and `facts` as JSON."""

    def __init__(self, path: Path, *, overwrite: bool, origin: Source | None) -> None:
        self._path, self._origin = path, origin
        self._arrays: dict[str, Any] = {}

    def write(self, maps: Maps, frame: Frame) -> None:
        """Take the maps.

        Raises:
            OutputUnwritable: they are the second ones.
        """
        if self._arrays:
            raise OutputUnwritable(f"{self._path} holds the maps of one picture, and the input has more: use .zarr")
        facts = _facts(maps, frame, self._origin)
        facts["axes"] = facts["axes"][1:]
        self._arrays = {
            "attention": maps.attention.astype(np.float16),
            "prefix": maps.prefix,
            "pts_seconds": np.float64(frame.pts_seconds),
            "index": np.int64(frame.index),
            "facts": np.array(json.dumps(facts)),
        }

    def close(self) -> None:
        """Write the file.

        Raises:
            OutputUnwritable: no space.
        """
        arrays, self._arrays = self._arrays, {}
        if not arrays:
            return
        with writing(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
        name = temporary(self._path)
        try:
            with writing(self._path), open(name, "wb") as file:
                np.savez_compressed(file, **arrays)
        except OutputUnwritable:
            name.unlink(missing_ok=True)
            raise
        publish(name, self._path)

    def abort(self) -> None:
        """Leave nothing."""
        self._arrays = {}

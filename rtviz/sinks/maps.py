"""Raw maps, tokens, keys and norms of each frame, in a zarr store or, for one picture, an npz file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rtviz._version import __version__
from rtviz.errors import MissingDependency, OutputUnwritable
from rtviz.frame import Frame, Maps
from rtviz.sinks import check_output, publish, publish_folder, temporary, writing
from rtviz.sinks.base import ClosingSink, Exported

if TYPE_CHECKING:
    from rtviz.sources import Source

_CHUNK_BYTES = 8 * 2**20


def _facts(maps: Maps, frame: Frame, origin: Source | None, layers: Sequence[int]) -> dict[str, Any]:
    """What the arrays are of, and where on the frame they lie."""
    height, width = frame.size
    return {
        "model": maps.model,
        "query": str(maps.query),
        "layers": list(layers),
        "prefix_tokens": list(maps.prefix_names),
        "patch_size": maps.patch_size,
        "input_size": list(maps.input_size),
        "frame_size": list(frame.size),
        "patch_pixels": [height / maps.grid.rows, width / maps.grid.columns],
        "source": origin.info.name if origin is not None else "",
        "rtviz": __version__,
        "axes": _AXES["attention"],
        "axes_of": _AXES,
    }


_PLACE = ["rows", "columns"]
_AXES = {
    "attention": ["frames", "layers", "heads", *_PLACE],
    "prefix": ["frames", "layers", "heads", "prefix tokens"],
    "tokens": ["frames", "layers", *_PLACE, "width"],
    "prefix_tokens": ["frames", "layers", "prefix tokens", "width"],
    "keys": ["frames", "layers", "heads", *_PLACE, "head width"],
    "norms": ["frames", "layers", *_PLACE],
    "prefix_norms": ["frames", "layers", "prefix tokens"],
}


def _arrays(maps: Maps, exported: Exported, layers: Sequence[int]) -> dict[str, NDArray[Any]]:
    """The arrays of one frame, by name: float16; float32 what is small, or beyond the range of float16."""
    found: dict[str, NDArray[Any]] = {}
    for name in exported.what:
        match name:
            case "attention":
                found["attention"] = maps.attention[layers].astype(np.float16)
                found["prefix"] = maps.prefix[layers]
            case "tokens" if maps.layer_tokens is not None:
                found["tokens"] = maps.layer_tokens.astype(np.float16)
            case "cls" if maps.layer_prefix_tokens is not None:
                found["prefix_tokens"] = maps.layer_prefix_tokens
            case "keys" if maps.layer_keys is not None:
                found["keys"] = maps.layer_keys.astype(np.float16)
            case "norms" if maps.norms is not None and maps.prefix_norms is not None:
                found["norms"], found["prefix_norms"] = maps.norms[layers], maps.prefix_norms[layers]
            case _:
                raise ValueError(f"these maps hold no {name}")
    return found


def _zarr() -> Any:
    try:
        import zarr
    except ImportError as error:
        raise MissingDependency("zarr", "writing a .zarr store") from error
    return zarr


def _layers(maps: Maps, exported: Exported) -> list[int]:
    """The layers that are exported, counted from 0."""
    layers = range(maps.layers) if exported.layers is None else exported.layers
    return [layer % maps.layers for layer in layers]


class ZarrSink(ClosingSink):
    """A zarr store that grows with the frames; only one chunk of them is held in memory.

    Arrays: those of `_AXES` that are exported; `pts_seconds` float64 [frames]; `index` int64 [frames]. What they are of
    stands in the store's attributes.
    """

    def __init__(self, path: Path, *, overwrite: bool, origin: Source | None, exported: Exported) -> None:
        self._path, self._overwrite, self._origin, self._exported = path, overwrite, origin, exported
        self._layers: list[int] = []
        self._store: Any = None
        self._held: dict[str, list[Any]] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
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
        if self._store is None:
            self._layers = _layers(maps, self._exported)
        arrays = _arrays(maps, self._exported, self._layers)
        if self._store is None:
            with writing(self._path):
                self._begin(maps, frame, arrays)
        if any(array.shape != self._shapes[name] for name, array in arrays.items()):
            raise OutputUnwritable(
                f"{self._path} holds maps of one patch grid, and frame {frame.index} has another: export them apart"
            )
        values = {**arrays, "pts_seconds": frame.pts_seconds, "index": frame.index}
        for name, value in values.items():
            self._held[name].append(value)
        if len(self._held["index"]) == self._chunk:
            self._flush()

    def _begin(self, maps: Maps, frame: Frame, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._chunk = max(1, min(256, _CHUNK_BYTES // max(array.nbytes for array in arrays.values())))
        attributes = _facts(maps, frame, self._origin, self._layers)
        self._store = _zarr().open_group(self._temporary, mode="w", attributes=attributes)
        self._shapes = {name: array.shape for name, array in arrays.items()}
        shapes = {**self._shapes, "pts_seconds": (), "index": ()}
        kinds = {
            **{name: str(array.dtype) for name, array in arrays.items()},
            "pts_seconds": "float64",
            "index": "int64",
        }
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
        check_output(self._path, None, overwrite=self._overwrite, kind="maps")  # it may have come into being meanwhile
        publish_folder(self._temporary, self._path)

    def abort(self) -> None:
        """Stop; the chunks that are complete stay in the temporary store."""
        self._store = None


class NpzSink(ClosingSink):
    """The maps of one picture; the arrays of a zarr store without the frames' axis, and `facts` as JSON."""

    def __init__(self, path: Path, *, overwrite: bool, origin: Source | None, exported: Exported) -> None:
        self._path, self._origin, self._exported = path, origin, exported
        self._arrays: dict[str, Any] = {}

    def write(self, maps: Maps, frame: Frame) -> None:
        """Take the maps.

        Raises:
            OutputUnwritable: they are the second ones.
        """
        if self._arrays:
            raise OutputUnwritable(f"{self._path} holds the maps of one picture, and the input has more: use .zarr")
        layers = _layers(maps, self._exported)
        facts = _facts(maps, frame, self._origin, layers)
        facts["axes"] = facts["axes"][1:]
        facts["axes_of"] = {name: axes[1:] for name, axes in _AXES.items()}
        self._arrays = {
            **_arrays(maps, self._exported, layers),
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

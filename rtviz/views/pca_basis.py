"""A basis of principal components: fitted on one frame or many, saved to a file, and used for any other frame."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from rtviz.errors import OutputUnwritable, SettingsError, SourceMissing
from rtviz.frame import Floats, Maps
from rtviz.settings import MOST_COMPONENTS
from rtviz.views.pca_components import Components, middle, principal

_KIND = "rtviz PCA basis 1"


@dataclass(frozen=True, slots=True, eq=False)
class PcaBasis:
    """Principal components of the patch tokens of some frames, after one layer and the model's last norm.

    Attributes:
        model: whose tokens they are.
        layer: after which they are, counted from 0.
        colors: the figure's three components as colours, as the view `pca` draws them.
        mean: float32 [width], of all patches.
        directions: float32 [width, MOST_COMPONENTS], orthonormal, the principal components of all patches, the one with
            the largest variance first; what CLS attends to has the higher values.
        low, high: float32 [MOST_COMPONENTS], the 2nd and the 98th percentile along each.
    """

    model: str
    layer: int
    colors: Components
    mean: Floats
    directions: Floats
    low: Floats
    high: Floats

    @classmethod
    def fit(cls, maps: list[Maps], layer: int = -1) -> PcaBasis:
        """The basis of all patches of these maps together.

        Args:
            maps: of one model, with the patch tokens of the layer.
            layer: negative ones count from the end.

        Raises:
            ValueError: there are none, or they lack those tokens.
        """
        if not maps:
            raise ValueError("a basis is fitted on maps that hold the patch tokens")
        tokens = np.concatenate([flat_tokens(one, layer) for one in maps])
        attended = np.concatenate([attended_of(one) for one in maps])
        mean = tokens.mean(axis=0, dtype=np.float64).astype(np.float32)
        centred = tokens - mean
        directions = principal(centred, MOST_COMPONENTS)
        along = centred @ directions
        directions = directions * np.where(np.average(along, axis=0, weights=attended + 1e-12) < 0, -1, 1)
        low, high = np.percentile(centred @ directions, (2, 98), axis=0)
        colors = Components.fit(tokens, attended)
        kept = np.float32
        return cls(
            maps[0].model,
            layer % maps[0].layers,
            colors,
            mean,
            directions.astype(kept),
            low.astype(kept),
            high.astype(kept),
        )

    def along(self, tokens: Floats, component: int) -> tuple[Floats, float]:
        """Where tokens [patches, width] lie along a component, counted from 1: float32 [patches]; and its share of
        their variance, 0 to 1."""
        centred = tokens - self.mean
        found: Floats = np.asarray(centred @ self.directions[:, component - 1], np.float32)
        spread = tokens - tokens.mean(axis=0)
        return found, float(found.var() * len(tokens) / max(float(np.square(spread).sum()), 1e-12))

    def save(self, path: str | Path) -> None:
        """Write it to an .npz file.

        Raises:
            OutputUnwritable: that cannot be done.
        """
        arrays: dict[str, Any] = {
            f"colors_{field.name}": getattr(self.colors, field.name) for field in fields(Components)
        }
        arrays |= {
            "kind": np.array(_KIND),
            "model": np.array(self.model),
            "layer": np.array(self.layer),
            "mean": self.mean,
            "directions": self.directions,
            "low": self.low,
            "high": self.high,
        }
        try:
            with open(path, "wb") as file:
                np.savez(file, **arrays)
        except OSError as error:
            raise OutputUnwritable(f"cannot write {path}: {error.strerror}") from None


def load(path: str, maps: Maps, layer: int = -1) -> PcaBasis:
    """The basis in a file, for a layer of these maps.

    Args:
        layer: negative ones count from the end.

    Raises:
        SourceMissing: the file cannot be read.
        SettingsError: it holds no basis, or one of another model, layer or width.
        ValueError: the maps lack the patch tokens of the layer.
    """
    try:
        basis = _read(path, Path(path).stat().st_mtime_ns)
    except OSError as error:
        raise SourceMissing(f"cannot read the PCA basis {path}: {error.strerror}") from None
    wanted = maps.model, layer % maps.layers, flat_tokens(maps, layer).shape[-1]
    given = basis.model, basis.layer, len(basis.mean)
    if given != wanted:
        allowed, there = (f"{model} after layer {number} (width {width})" for model, number, width in (wanted, given))
        raise SettingsError("pca_basis", path, f"a basis of {allowed}; this one is of {there}")
    return basis


@lru_cache(maxsize=8)
def _read(path: str, changed_ns: int) -> PcaBasis:
    try:
        with np.load(path, allow_pickle=False) as held:
            if str(held["kind"]) != _KIND:
                raise KeyError
            colors = {field.name: held[f"colors_{field.name}"] for field in fields(Components)}
            for name in ("spread", "pts_seconds"):
                colors[name] = float(colors[name])
            arrays = (held[name] for name in ("mean", "directions", "low", "high"))
            return PcaBasis(str(held["model"]), int(held["layer"]), Components(**colors), *arrays)
    except (KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile):
        raise SettingsError("pca_basis", path, "a file that `rtviz pca-basis` wrote") from None


def flat_tokens(maps: Maps, layer: int = -1) -> Floats:
    """The patch tokens after a layer: float32 [patches, width].

    Raises:
        ValueError: the maps do not hold them.
    """
    tokens = maps.tokens_after(layer)
    if tokens is None:
        raise ValueError(
            f"these maps hold no tokens of layer {layer}: request 'layer_tokens' with kept_layers [{layer}]"
        )
    return tokens.reshape(-1, tokens.shape[-1])


def attended_of(maps: Maps) -> Floats:
    """What CLS attends to, float32 [patches]; without CLS, the middle of the picture."""
    return (middle(maps.grid) if maps.attended is None else maps.attended).ravel()


__all__ = ["PcaBasis", "attended_of", "flat_tokens", "load"]

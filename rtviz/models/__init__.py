"""The models, which turn frames into maps. Light to import: torch comes in only when a model is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rtviz.models.card import DEFAULT, DEFAULTS, WAYS, WEIGHTS_SUFFIXES
from rtviz.models.catalogue import Row, listing
from rtviz.models.loading import Progress, describe, load, pull

if TYPE_CHECKING:
    from rtviz.models.model import Model

__all__ = [
    "DEFAULT", "DEFAULTS", "WAYS", "WEIGHTS_SUFFIXES",
    "Model", "Progress", "Row", "describe", "listing", "load", "pull",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "Model":
        from rtviz.models.model import Model

        return Model
    raise AttributeError(f"module 'rtviz.models' has no attribute {name!r}")

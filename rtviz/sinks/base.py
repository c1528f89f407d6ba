"""What the sinks have in common: close at a good end, abort at a bad one; and what an export of maps may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, Self

# What can be exported, and what `Model.batch` calls it.
EXPORTED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "attention": frozenset(),
        "tokens": frozenset({"layer_tokens"}),
        "cls": frozenset({"layer_tokens"}),
        "keys": frozenset({"layer_keys"}),
        "norms": frozenset({"norms"}),
    }
)


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export of maps holds.

    Attributes:
        what: of `EXPORTED`.
        layers: which ones; negative ones count from the end. None: all.
    """

    what: tuple[str, ...] = ("attention",)
    layers: tuple[int, ...] | None = None

    @property
    def features(self) -> frozenset[str]:
        """What the maps must hold, as `Model.batch` calls it."""
        return frozenset().union(*(EXPORTED[name] for name in self.what))

    def to_mapping(self) -> dict[str, Any]:
        """Plain values."""
        return {"what": list(self.what), "layers": None if self.layers is None else list(self.layers)}


class ClosingSink:
    """Turns the end of a with-block into `close` or `abort`."""

    def close(self) -> None:
        raise NotImplementedError

    def abort(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

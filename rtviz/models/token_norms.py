"""Every token after every block, or its norm: taken on the way through a network, whatever runs it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class TokenNorms:
    """Takes the norms of the residual stream in the passes of a network that ask for them.

    Args:
        network: a transformer of timm.
        layers: how many layers of attention it has; a block with several in parallel has one norm for all of them.
    """

    def __init__(self, network: Any, layers: int) -> None:
        self._pass = threading.local()  # passes run side by side
        self._layers_per_block = max(1, layers // len(network.blocks))
        block: nn.Module
        for block in network.blocks:
            block.register_forward_hook(self._take)

    @classmethod
    def of(cls, network: Any, layers: int) -> TokenNorms:
        """Those of a network, which it has once, and its copies with it."""
        if not hasattr(network, "rtviz_token_norms"):
            network.rtviz_token_norms = cls(network, layers)
        found: TokenNorms = network.rtviz_token_norms
        return found

    def __deepcopy__(self, memo: object) -> TokenNorms:
        return self  # a copy of the network has its norms taken in the same way

    @contextmanager
    def taken(self, outputs: list[Tensor] | None = None, *, as_products: bool = False) -> Iterator[list[Tensor]]:
        """A pass of this thread's: the list takes what `stacked` makes norms of.

        Args:
            outputs: takes each block's own output, [batch, tokens, width], if given.
            as_products: multiply each token with itself. Compilers are slow at reductions and quick at matrix products
                (on a CPU, OpenVINO's pass takes 4 % longer with the first, 1 % with the second), in which they may
                round to the number format: the norms are then off by up to 0.2 % in bf16.
        """
        self._pass.found, self._pass.outputs, self._pass.as_products = [], outputs, as_products
        try:
            yield self._pass.found
        finally:
            self._pass.found = self._pass.outputs = None

    def stacked(self, found: list[Tensor], attention: Tensor) -> Tensor:
        """float32 [batch, layers, tokens], of the layers that ran to their end: of one layer that did not, none.

        Args:
            attention: [batch, layers, heads, queries, tokens], of the same pass.
        """
        if not found:
            return attention[:, :0, 0, 0]
        return torch.stack([norm for norm in found for _ in range(self._layers_per_block)], dim=1)

    def _take(self, module: nn.Module, given: object, output: Tensor) -> None:
        found: list[Tensor] | None = getattr(self._pass, "found", None)
        if found is not None:
            if self._pass.outputs is not None:
                self._pass.outputs.append(output.detach())
            found.append(self._norms_of(output.detach()))

    def _norms_of(self, output: Tensor) -> Tensor:
        """[batch, tokens] of [batch, tokens, width]."""
        if not self._pass.as_products:
            return torch.linalg.vector_norm(output, dim=-1, dtype=torch.float32)
        output = output.float()
        return (output.unsqueeze(-2) @ output.unsqueeze(-1))[..., 0, 0].sqrt()


__all__ = ["TokenNorms"]

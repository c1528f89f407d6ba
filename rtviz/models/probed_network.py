"""A network under a probe, as one module from tensors to tensors: what can be compiled, or captured as a CUDA graph."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from rtviz.models import backbone
from rtviz.models.probe import AttentionProbe, CapturedEnough
from rtviz.models.token_norms import TokenNorms


class Overflow(Exception):
    """A value of a forward pass is not finite in fp16."""


class Extent(NamedTuple):
    """What a pass gives beside attention and norms.

    Attributes:
        whole: it runs to the end of the last layer, for tokens, keys and values; attention alone is complete before.
        kept: so many layers' tokens, too, of a whole pass; which layers is said anew for each pass.
    """

    whole: bool = False
    kept: int = 0

    def example(self, x: Tensor) -> tuple[Tensor, ...]:
        """What a pass is called with: an input, the row of the first token, the first block for each kept layer."""
        given = x, torch.zeros(1, dtype=torch.int64)
        return (*given, torch.zeros(self.kept, dtype=torch.int64)) if self.kept else given


class RawOutputs(NamedTuple):
    """The outputs of a forward pass; float32, but for the tokens, which are in the network's number format.

    Attributes:
        attention: [batch, layers, heads, queries, tokens].
        norms: [batch, layers, tokens], of each token after each layer that ran to its end: all but the last, or all.
        tokens: [batch, tokens, width], after the last norm; of a whole pass, as are the following.
        keys, values: [batch, heads, tokens, head width], of the last layer.
        attended: [batch, tokens], what the first token attends to in the last layer, mean over the heads.
        layer_tokens: [batch, kept layers, tokens, width], after each of the kept layers and the last norm; on demand.
    """

    attention: Tensor
    norms: Tensor
    tokens: Tensor | None = None
    keys: Tensor | None = None
    values: Tensor | None = None
    attended: Tensor | None = None
    layer_tokens: Tensor | None = None


class ProbedNetwork(nn.Module):
    """A network under a probe, as one module that returns tensors.

    Args:
        network: a transformer of timm, fitted to the size of its input; it must stay so during a pass.
        tokens: how many tokens it works on.
        layers: how many layers it has.
        extent: what it gives.
        elementwise: compute the row without a matrix product, so that a compiler leaves it in float32; the norms, which
            need not be that exact, as products, which it makes quickly.
    """

    def __init__(self, network: Any, tokens: int, layers: int, extent: Extent, *, elementwise: bool = False) -> None:
        super().__init__()
        self.network = network
        self.extent = extent
        self._elementwise = elementwise
        self.tokens, self._layers = tokens, layers
        self.blocks = len(network.blocks)
        self._norms = TokenNorms.of(network, layers)

    def forward(self, x: Tensor, rows: Tensor, blocks: Tensor | None = None) -> tuple[Tensor, ...]:
        """The fields of RawOutputs that the extent has.

        Args:
            x: [batch, 3, height, width].
            rows: int64 [1], the token whose row is wanted.
            blocks: int64 [kept], the blocks whose tokens are wanted.
        """
        network: Any = self.network
        stop = None if self.extent.whole else self._layers
        probe = AttentionProbe(rows, tokens=self.tokens, stop_after=stop, elementwise=self._elementwise)
        ended = None
        ends: list[Tensor] | None = [] if blocks is not None else None
        try:
            with probe, self._norms.taken(ends, as_products=self._elementwise) as found:
                ended = network.forward_features(x)
        except CapturedEnough:
            pass
        attention = torch.stack(probe.attention, dim=1)
        norms = self._norms.stacked(found, attention)
        last = probe.last
        if ended is None or last is None:
            return attention, norms
        whole = attention, norms, backbone.last_norm(network, ended), last.keys(), last.values(), last.attended()
        if ends is None or blocks is None:
            return whole
        return *whole, backbone.after_blocks(network, ends, blocks)


__all__ = ["Extent", "Overflow", "ProbedNetwork", "RawOutputs"]

"""Attention capture: one mechanism for every transformer.

Fused attention never makes the softmax matrix, so there is nothing to hook. While an AttentionProbe is active, it sees
each call of `scaled_dot_product_attention`, with q and k as they enter the softmax: after bias, q/k norm and rotary
position embedding. From them it computes only the wanted rows, softmax(q_row kᵀ * scale) in float32, and lets the fused
call go on. So every layer and head of one query comes out of one pass, at the cost of a few rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class SeenEnough(Exception):
    """Every wanted row is captured, and nobody asked for what the network would compute after it."""


class AttentionProbe(TorchFunctionMode):
    """Captures attention rows of every layer and head while it is active.

    Args:
        rows: int64 [queries], the tokens whose rows are wanted; a tensor, so that a captured CUDA graph can be replayed
            with another query.
        tokens: how many tokens the network works on; attention between any other number (windows, pooling) is not
            what is looked for and is left alone.
        stop_after: raise SeenEnough when that many layers are captured: what is left of the last layer (attention
            times V, projection, MLP) is not needed for the maps.
        keep_keys: keep the keys of the last captured layer.

    Attributes:
        attention: one float32 [batch, heads, queries, tokens] for each layer, in the order of the layers.
        keys: float32 [batch, heads, tokens, head width] of the last captured layer, as they enter the softmax.
    """

    def __init__(
        self, rows: Tensor, *, tokens: int, stop_after: int | None = None, keep_keys: bool = False
    ) -> None:  # fmt: skip
        super().__init__()
        self.attention: list[Tensor] = []
        self.keys: Tensor | None = None
        self._rows = rows
        self._tokens = tokens
        self._stop_after = stop_after
        self._keep_keys = keep_keys

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            self._look(*args, **kwargs)
            if len(self.attention) == self._stop_after:
                raise SeenEnough
        return func(*args, **kwargs)

    def _look(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        **_: Any,
    ) -> None:
        if query.ndim != 4 or query.shape[2] != self._tokens or key.shape[2] != self._tokens or is_causal:
            return
        wanted = query.index_select(2, self._rows).float()  # [batch, heads, queries, head width]
        wanted = wanted * (query.shape[-1] ** -0.5 if scale is None else scale)
        keys = key.float()  # [batch, heads, tokens, head width]
        if keys.shape[1] != wanted.shape[1]:  # grouped queries share their keys
            keys = keys.repeat_interleave(wanted.shape[1] // keys.shape[1], dim=1)
        logits = wanted @ keys.mT  # [batch, heads, queries, tokens]
        if attn_mask is not None:
            mask = attn_mask.expand(*attn_mask.shape[:-2], self._tokens, self._tokens).index_select(-2, self._rows)
            logits = logits.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else logits + mask
        self.attention.append(logits.softmax(dim=-1))
        if self._keep_keys:
            self.keys = keys

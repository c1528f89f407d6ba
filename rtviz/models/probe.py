"""Attention capture: one mechanism for every transformer.

Fused attention never makes the softmax matrix, so there is nothing to hook. While an AttentionProbe is active, it
intercepts each call of `scaled_dot_product_attention`, with q and k as they enter the softmax: after bias, q/k norm and
rotary position embedding. From them it computes only the wanted rows, softmax(q_row kᵀ * scale) in float32, and lets
the fused call go on. So every layer and head of one query comes out of one pass, at the cost of a few rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class CapturedEnough(Exception):
    """Ends a forward pass: every requested row is captured, and nothing that the network computes later is needed."""


@dataclass(frozen=True, slots=True, eq=False)
class AttentionInputs:
    """What enters scaled dot-product attention in one layer.

    Attributes:
        query: [batch, heads, tokens, head width].
        key, value: the same; with fewer heads where groups of queries share their keys and values.
        mask: bool, or a number to add, [..., tokens, tokens]; None where there is none.
        scale: of the products.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    mask: Tensor | None
    scale: float

    def keys(self) -> Tensor:
        """float32 [batch, heads, tokens, head width]."""
        return self._of_each_head(self.key)

    def values(self) -> Tensor:
        """float32 [batch, heads, tokens, head width]."""
        return self._of_each_head(self.value)

    def attended(self) -> Tensor:
        """What the first token, CLS where there is one, attends to, mean over the heads: float32 [batch, tokens]."""
        first = torch.zeros(1, dtype=torch.int64, device=self.query.device)
        return self.softmax(first)[:, :, 0].mean(dim=1)

    def column(self, token: int, place: int) -> Tensor:
        """What every token gives to one, each by its own softmax: float32 [heads, tokens]. It takes the whole matrix of
        one picture, [heads, tokens, tokens].

        Args:
            place: of the picture in the batch.
        """
        mask = self.mask
        if mask is not None and mask.ndim == 4 and len(mask) > 1:
            mask = mask[place : place + 1]
        alone = slice(place, place + 1)
        one = AttentionInputs(self.query[alone], self.key[alone], self.value[alone], mask, self.scale)
        every = torch.arange(self.query.shape[2], device=self.query.device)
        return one.softmax(every)[0, ..., token].clone()

    def _of_each_head(self, held: Tensor) -> Tensor:
        held, heads = held.float(), self.query.shape[1]
        return held if held.shape[1] == heads else held.repeat_interleave(heads // held.shape[1], dim=1)

    def softmax(self, rows: Tensor, *, elementwise: bool = False) -> Tensor:
        """The rows (int64 [queries]) of the softmax: float32 [batch, heads, queries, tokens].

        Args:
            elementwise: multiply and add up without a matrix product, whose result compilers round to the number format
                of the network; of one row only.
        """
        wanted = self.query.index_select(2, rows).float() * self.scale  # [batch, heads, queries, head width]
        if elementwise:
            logits = (wanted * self.keys()).sum(-1).unsqueeze(2)
        else:
            logits = wanted @ self.keys().transpose(-2, -1)  # [batch, heads, queries, tokens]
        if self.mask is not None:
            tokens = self.query.shape[2]
            mask = self.mask.expand(*self.mask.shape[:-2], tokens, tokens).index_select(-2, rows)
            logits = logits.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else logits + mask
        return logits.softmax(dim=-1)


class AttentionProbe(TorchFunctionMode):
    """Captures attention rows of every layer and head while it is active.

    Args:
        rows: int64 [queries], the tokens whose rows are wanted; a tensor, so that a captured CUDA graph can be replayed
            with another query.
        tokens: how many tokens the network works on; attention between any other number of them (windows, pooling) is
            ignored.
        stop_after: raise CapturedEnough when that many layers are captured: the rest of the last layer (attention
            times V, projection, MLP) is not needed for the maps.
        keep_all: keep what enters the softmax of every layer, from which any other row can be computed later.
        muted: layer -> heads whose output counts as 0.
        muted_from: of the batch, only the pictures from this one on have heads muted.
        elementwise: as in `AttentionInputs.softmax`; there is one row.

    Attributes:
        attention: one float32 [batch, heads, queries, tokens] for each layer, in the order of the layers.
        last: what entered the attention of the last captured layer.
        qk_inputs: what entered the softmax, for each layer; empty unless it was to be kept.
    """

    def __init__(
        self,
        rows: Tensor,
        *,
        tokens: int,
        stop_after: int | None = None,
        keep_all: bool = False,
        muted: Mapping[int, Sequence[int]] | None = None,
        muted_from: int = 0,
        elementwise: bool = False,
    ) -> None:
        super().__init__()
        self.attention: list[Tensor] = []
        self.last: AttentionInputs | None = None
        self.qk_inputs: list[AttentionInputs] = []
        self._rows = rows
        self._tokens = tokens
        self._stop_after = stop_after
        self._keep_all = keep_all
        self._muted = muted or {}
        self._muted_from = muted_from
        self._elementwise = elementwise

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            before = len(self.attention)
            self._capture(*args, **kwargs)
            if len(self.attention) == self._stop_after:
                raise CapturedEnough
            heads = self._muted.get(before, ()) if len(self.attention) > before else ()
            if heads:
                output = func(*args, **kwargs).clone()  # [batch, heads, tokens, head width]
                output[self._muted_from :, list(heads)] = 0
                return output
        return func(*args, **kwargs)

    def _capture(
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
        # A pass for Grad-CAM has gradients here; nothing of the maps needs any.
        query, key, value = query.detach(), key.detach(), value.detach()
        attn_mask = None if attn_mask is None else attn_mask.detach()
        inputs = AttentionInputs(query, key, value, attn_mask, query.shape[-1] ** -0.5 if scale is None else scale)
        self.attention.append(inputs.softmax(self._rows, elementwise=self._elementwise))
        if self._keep_all:
            self.qk_inputs.append(inputs)
        self.last = inputs

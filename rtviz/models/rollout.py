"""Attention rollout: how much each token of the input counts for a token of a layer, through all layers below it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rtviz.models.probe import AttentionInputs

_FUSE = {
    "mean": lambda heads: heads.mean(dim=1),
    "max": lambda heads: heads.amax(dim=1),
    "min": lambda heads: heads.amin(dim=1),
}


def rolled_out(qk_inputs: Sequence[AttentionInputs], row: int, fusion: str, discard: float) -> Tensor:
    """The row of one token in the product of all layers' attention.

    Abnar and Zuidema, "Quantifying Attention Flow in Transformers", 2020, section 3: of each layer the heads are fused,
    half of it is the residual connection, (A + I) / 2 with rows that sum to 1, and the layers are multiplied. The
    fusions max and min, and the discarding of what is weak, are Gildenblat's ("Exploring Explainability for Vision
    Transformers", 2020).

    What it costs: the whole softmax of every layer and head, which fused attention never makes, one layer at a time:
    [heads, tokens, tokens] in float32 is held, 1 MB for a ViT-S/16 at 224 pixels and 550 MB for 4,800 tokens. The
    product is one row times a matrix for each layer. For a ViT-S/16 at 224 it took .28 of the bare forward pass
    (`scripts/bench.py views`, 2 cores, bf16).

    Args:
        qk_inputs: what entered the softmax of each layer, the first one first.
        row: index of the token.
        fusion: "mean", "max" or "min" of the heads.
        discard: this share of the fused values, the weakest of each layer, count as 0; what CLS gives to itself stays.

    Returns:
        float32 [batch, tokens], what each token of the input gives; it sums to 1.
    """
    batch, _, tokens, _ = qk_inputs[0].query.shape
    device = qk_inputs[0].query.device
    along = torch.zeros(batch, 1, tokens, device=device)
    along[:, 0, row] = 1
    every = torch.arange(tokens, device=device)
    for layer in reversed(qk_inputs):
        fused = _FUSE[fusion](layer.softmax(every))  # [batch, tokens, tokens]
        count = int(tokens * tokens * discard)
        if count:
            flat = fused.reshape(batch, -1)
            kept = flat[:, 0].clone()
            flat.scatter_(1, flat.topk(count, dim=1, largest=False, sorted=False).indices, 0)
            flat[:, 0] = kept
            fused = flat.reshape(batch, tokens, tokens)
        fused.diagonal(dim1=1, dim2=2).add_(1)
        along = (along / fused.sum(dim=2)[:, None]) @ fused
    return along[:, 0]


__all__ = ["rolled_out"]

"""How true maps in another number format are to those of float32, and which formats are true enough to be used.

Only the patches' shares are compared, as they are drawn. What CLS and the registers get is left out: a head that gives
them nearly everything would hide any error of its map.
"""

from __future__ import annotations

import torch
from torch import Tensor

SHARE = 0.6  # of the attention on patches, which the masks hold
OVERLAP = 0.95  # of masks with those of float32: the mean over heads, in each layer
SLACK = 0.02  # by which the masks of a frame and its mirror images may miss that: they resolve no more


def overlap(found: Tensor, exact: Tensor) -> Tensor:
    """Intersection over union of the masks that hold most of each map, the mean over the batch.

    Args:
        found, exact: [batch, layers, heads, patches].

    Returns:
        float32 [layers, heads], 1 where the masks are the same.
    """
    one, other = masks(found), masks(exact)
    return ((one & other).sum(-1) / (one | other).sum(-1)).float().mean(0)


def masks(maps: Tensor) -> Tensor:
    """The fewest patches that hold SHARE of each map's mass: bool, of the same shape, at least one patch of each."""
    values, order = maps.double().sort(-1, descending=True)
    before = values.cumsum(-1) - values
    inside = before < SHARE * values.sum(-1, keepdim=True)
    inside[..., 0] = True
    return torch.zeros_like(inside).scatter(-1, order, inside)


def distance(found: Tensor, exact: Tensor) -> Tensor:
    """Euclidean, in proportion to the exact map, or to an even one where that is larger: the worst of the batch.

    Args:
        found, exact: [batch, layers, heads, patches], shares of a softmax.

    Returns:
        float32 [layers, heads]. A head that gives patches next to nothing is far from nothing.
    """
    even = exact.shape[-1] ** -0.5  # the norm of a map that gives each patch the same
    apart = (found.double() - exact.double()).norm(dim=-1)
    return (apart / exact.double().norm(dim=-1).clamp(min=even)).amax(0).float()


def holds(found: Tensor, coarse: Tensor, exact: Tensor) -> bool:
    """Whether maps may be shown: in no layer further from float32 than OVERLAP allows or torch's are themselves, and in
    the last one, which is shown most, no further than torch's.

    Args:
        found: [batch, layers, heads, patches].
        coarse: the same from torch, in the number format that it would use instead.
        exact: the same in float32.
    """
    reached, usual = (overlap(maps, exact).mean(-1) for maps in (found, coarse))  # [layers]
    least = usual.clamp(max=OVERLAP)
    least[-1] = usual[-1]
    return bool((reached >= least - SLACK).all())


__all__ = ["OVERLAP", "SHARE", "SLACK", "distance", "holds", "masks", "overlap"]

"""Scores while it trains: the Jaccard index of each head on scenes that are neither trained nor scored on."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from embedded_training.network import Backbone
from embedded_training.scenes import as_input
from rtviz.sources.scene import TUNING_SEEDS, sample


@torch.no_grad()
def jaccards(backbone: Backbone, pictures: Tensor, masks: np.ndarray) -> np.ndarray:
    """Jaccard of each head's 60 % mass mask of the last layer with the truth: [pictures, heads]."""
    backbone.eval()
    rows = torch.cat([backbone(part)[1][-1].float() for part in pictures.split(16)])  # [pictures, heads, patches]
    backbone.train()
    covered = largest_mass(rows, 0.6).repeat_interleave(8, 2).repeat_interleave(8, 3).cpu().numpy()
    both = (covered & masks[:, None]).sum((2, 3))
    return np.asarray(both / (covered | masks[:, None]).sum((2, 3)))


def largest_mass(rows: Tensor, share: float) -> Tensor:
    """The patches that hold the largest part of the mass: bool [pictures, heads, side, side]."""
    ordered, order = rows.sort(dim=-1)
    kept = ordered.cumsum(-1) > (1 - share) * ordered.sum(-1, keepdim=True)
    side = math.isqrt(rows.shape[-1])
    return torch.zeros_like(kept).scatter_(-1, order, kept).view(*rows.shape[:2], side, side)


def tuning_set(count: int) -> tuple[Tensor, np.ndarray]:
    """Scenes at 224 px that neither training nor `rtviz score` sees, and the truth."""
    drawn = [sample(seed) for seed in TUNING_SEEDS[:count]]
    return as_input(np.stack([pixels.astype(np.float32) / 255 for pixels, _ in drawn])), np.stack([m for _, m in drawn])

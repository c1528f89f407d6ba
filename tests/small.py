"""Small pictures and networks for tests of models."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

import rtviz
from rtviz.frame import Pixels
from rtviz.models.model import Model


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    """RGB uint8 [height, width, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@cache
def trained_looking(name: str) -> Model:
    """A model with statistics as after some training: timm's random ResNets have branches of zeros."""
    model = rtviz.load(name, device="cpu", precision="fp32", resolution=64)
    torch.manual_seed(1)
    for module in model.network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            torch.nn.init.uniform_(module.weight, 0.5, 1.0)
            torch.nn.init.normal_(module.bias, 0, 0.2)
            torch.nn.init.normal_(module.running_mean, 0, 0.2)
    return model

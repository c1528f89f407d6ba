"""Small pictures and networks for tests of models."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch

import rtviz
from rtviz.frame import Pixels
from rtviz.models import backbone, zoo
from rtviz.models.card import RANDOM
from rtviz.models.model import Model
from rtviz.models.timm_import import timm
from rtviz.models.transformer import Transformer


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    """RGB uint8 [height, width, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def shallow(name: str, layers: int = 4, precision: str = "fp32", resolution: int = 64, **asked: Any) -> Transformer:
    """An untrained transformer with fewer layers than the model of this name, which are all alike."""
    card = replace(zoo.find(RANDOM + name.removeprefix(RANDOM)), layers=layers)
    switch = {} if "beit" in name else {"dynamic_img_size": True}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = backbone.ready(timm.create_model(card.timm_name, num_classes=0, depth=layers, **switch))
    return Transformer(network, card, device="cpu", precision=precision, resolution=resolution, **asked)


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

"""Networks without their weights: nothing is drawn that the weights' file replaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from rtviz.models import backbone


class Drawn(TorchDispatchMode):
    """Counts the random numbers that torch draws into tensors in place, at the level of its kernels."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        if func in (torch.ops.aten.uniform_.default, torch.ops.aten.normal_.default):
            self.numbers += args[0].numel()
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (backbone.build, "vit_tiny_patch16_224"),
        (backbone.build, "eva02_tiny_patch14_224"),
        (backbone.build_convnet, "resnet10t"),
        (backbone.build_convnet, "convnext_atto"),
    ],
)
def test_a_network_that_waits_for_its_weights_draws_none(build: Callable[[str], nn.Module], name: str) -> None:
    with Drawn() as drawn:
        network = build(name)
    assert sum(tensor.numel() for tensor in network.parameters()) > 1e6
    assert drawn.numbers == 0
    with Drawn() as drawn:  # the count itself
        nn.Linear(30, 20)
    assert drawn.numbers == 20 * 30 + 20

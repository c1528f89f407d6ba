"""Grad-CAM: where in a layer's features a network's own classifier finds a class.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", 2017, section 3:
the gradient of the class's score before the softmax, averaged over places, is the weight of each channel for
the class; the map is the weighted sum of the channels, and negative values, which speak against the class, become 0.

Only the layers behind the chosen one run with gradients, in the same forward pass that gives everything else: the
layers before it, which are most of the work, cost no more than without.

The maps are those of the package pytorch-grad-cam, which the tests compare them with.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from rtviz.errors import SettingsError
from rtviz.frame import GradCamTarget
from rtviz.settings import Target

# Gradients are small numbers, which fp16 would round to nothing; a map is the same whatever it is multiplied with.
_LIFT = 1024.0


class Tap:
    """Places in a network from which on one thread's forward pass keeps gradients; other passes are not affected.

    Args:
        modules: whose outputs are the places, in order.
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self._pass = threading.local()  # passes run side by side
        for place, module in enumerate(modules):
            module.register_forward_hook(partial(self._cut, place))

    def __deepcopy__(self, memo: object) -> Tap:
        return self  # a copy of the network is tapped in the same places

    @contextmanager
    def at(self, place: int) -> Iterator[list[Tensor]]:
        """A pass without gradients up to a place, and with them from there on. The list takes what comes out there."""
        with torch.no_grad():
            self._pass.place, self._pass.leaves = place, []
            try:
                yield self._pass.leaves
            finally:
                self._pass.place = None

    def _cut(self, place: int, module: nn.Module, given: object, features: Tensor) -> Tensor | None:
        if getattr(self._pass, "place", None) != place:
            return None
        self._pass.place = None
        leaf = features.detach().requires_grad_()
        self._pass.leaves.append(leaf)
        torch.set_grad_enabled(True)  # until `at` ends
        return leaf.clone()  # what follows may work in place, which a leaf does not allow


@dataclass(frozen=True, slots=True)
class Evidence:
    """The gradient of a class's score with respect to a layer's features.

    Attributes:
        features, gradient: of the layer, as it has them.
        numbers: of the class explained in each picture.
        shares: what the softmax gives it.
    """

    features: Tensor
    gradient: Tensor
    numbers: list[int]
    shares: list[float]

    @classmethod
    def of(cls, logits: Tensor, leaf: Tensor, target: Target) -> Evidence:
        """Compute it by one backward pass, from the scores [batch, classes] to the features that they depend on."""
        wanted = logits.argmax(dim=1) if target == "top" else torch.full_like(logits[:, 0], target, dtype=torch.int64)
        scores = logits.gather(1, wanted[:, None])[:, 0]
        (gradient,) = torch.autograd.grad(_LIFT * scores.float().sum(), leaf)
        shares = logits.detach().float().softmax(dim=1).gather(1, wanted[:, None])[:, 0]
        return cls(leaf.detach(), gradient, wanted.tolist(), shares.tolist())


def grad_cam(features: Tensor, gradient: Tensor) -> Tensor:
    """The map of a class.

    Args:
        features, gradient: [batch, channels, rows, columns].

    Returns:
        float32 [batch, rows, columns], not negative.
    """
    weights = gradient.float().mean(dim=(2, 3), keepdim=True)
    return (weights * features.float()).sum(dim=1).clamp_min(0) / _LIFT


def classes_of(network: Any) -> int:
    """How many classes a network of timm has; 0 if it has no classifier."""
    return int(getattr(network, "num_classes", 0) or 0)


def check_target(target: Target, classes: int, model: str) -> None:
    """Refuse a class that the model does not have.

    Raises:
        SettingsError: it has no such class.
    """
    if target != "top" and target >= classes:
        raise SettingsError(
            "target", target, f"top, or a class from 0 to {classes - 1} ({model} has {classes} classes)"
        )


def explained(
    network: Any, target: Target, layer: int, evidence: Evidence | None = None, place: int = 0
) -> GradCamTarget:
    """Which class a map explains; without evidence, that the model has no classifier."""
    if evidence is None:
        return GradCamTarget(target, layer)
    number = evidence.numbers[place]
    return GradCamTarget(target, layer, number, _names(network).get(number, ""), evidence.shares[place])


def _names(network: Any) -> dict[int, str]:
    """The names of the classes by number, as far as timm knows them: it knows those of ImageNet's sets."""
    subset = _data().infer_imagenet_subset(network)
    return {} if subset is None else _names_in(subset)


@cache
def _names_in(subset: str) -> dict[int, str]:
    info = _data().ImageNetInfo(subset)
    # Of several synonyms the first.
    return {number: info.index_to_description(number).partition(",")[0] for number in range(info.num_classes())}


def _data() -> Any:
    return importlib.import_module("timm.data")


__all__ = ["Evidence", "Tap", "check_target", "classes_of", "explained", "grad_cam"]

"""The stages of a convolutional network of timm: where each one ends, and the maps of its features."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Any

from torch import Tensor, nn

from rtviz.models import cams


class Stages:
    """The stages of one network.

    timm lists for each of its convolutional networks the modules after which a feature map of a new size is complete
    (`feature_info`). Those that reduce the picture's side less than four times belong to the stem and do not count, so
    that a ResNet has its four stages, as in the paper (He et al., "Deep Residual Learning for Image Recognition", 2016,
    table 1).

    Args:
        network: a convolutional network of timm.

    Raises:
        AttributeError, KeyError, TypeError: timm lists no stages for it.
    """

    def __init__(self, network: Any) -> None:
        listed = list(network.feature_info)
        self._infos = [info for info in listed if info["reduction"] >= 4] or listed
        self._pass = threading.local()  # forward passes run side by side, one in each thread
        self._network = network
        for info in self._infos:
            network.get_submodule(info["module"]).register_forward_hook(self._add_maps)

    @property
    def count(self) -> int:
        return len(self._infos)

    @property
    def modules(self) -> list[nn.Module]:
        """Each stage's last module, whose output is the stage's."""
        return [self._network.get_submodule(info["module"]) for info in self._infos]

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels of the picture from one cell of each stage to the next."""
        return tuple(int(info["reduction"]) for info in self._infos)

    @property
    def widths(self) -> tuple[int, ...]:
        """How many channels each stage has."""
        return tuple(int(info["num_chs"]) for info in self._infos)

    def _add_maps(self, module: nn.Module, inputs: object, features: Tensor) -> None:
        # Now, and not after the pass: the next module may work in place.
        for method, maps in (getattr(self._pass, "maps", None) or {}).items():
            maps.append(cams.METHODS[method](features.detach(), None))

    def forward(self, x: Tensor, methods: Collection[str]) -> tuple[dict[str, list[Tensor]], Tensor]:
        """Run one forward pass.

        Args:
            x: [batch, 3, height, width].
            methods: of `cams.METHODS`; "activation" is always among them.

        Returns:
            Each method's map of each stage, float32 [batch, rows, columns]; and the features that the pass ends with.
        """
        found: dict[str, list[Tensor]] = {method: [] for method in {"activation", *methods}}
        self._pass.maps = found
        try:
            last: Tensor = self._network.forward_features(x)
        finally:
            self._pass.maps = None
        return found, last


__all__ = ["Stages"]

"""Convolutional networks: what their stages respond to, one map for each stage, in the stage's own grid."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from rtviz.errors import no_heads
from rtviz.frame import Floats, GradCamTarget, Maps, Pixels
from rtviz.models import backbone, cams, gradcam
from rtviz.models.probed_network import Overflow
from rtviz.models.runner import Asked, Model, memory_errors
from rtviz.settings import Query


class ConvNet(Model):
    """A convolutional network. It has stages where a transformer has layers, and no attention heads.

    Its Maps hold no attention, [stages, 0, rows, columns], on the grid of the last stage; `cams` has each stage's map
    in the stage's own grid. A query means nothing to it, and changes nothing.
    """

    def _read_architecture(self, network: Any) -> None:
        self.prefix_tokens = 0
        self.has_cls = False
        self._positions = _Nowhere()
        self._stages = Stages(network)
        self.classes = gradcam.classes_of(network)
        self._tap = gradcam.Tap(self._stages.modules) if self.classes else None

    def _passes_for(self, native: str) -> None:
        asked = "int8" if self._asked_precision == "int8" else self._asked_backend
        said = f"it runs in torch, with {native}: OpenVINO is for transformers here"
        if asked not in ("auto", "torch") and said not in (self.notice or ""):
            self.notice = f"{self.notice}; {said}" if self.notice else f"{self.name}: {said}"

    def _set_precision(self, precision: str) -> None:
        super()._set_precision(precision)
        # Convolutions in half precision read the channels of a pixel together: measured with bf16 on a CPU, ResNet-50
        # then takes an eighth, MobileNetV3 a quarter less time, ConvNeXt the same; in fp32 they take as long or longer.
        together = self._dtype != torch.float32
        self.network.to(memory_format=torch.channels_last if together else torch.contiguous_format)

    def _look_at(
        self, frames: Sequence[Pixels], query: Query, features: Collection[str], resolution: int | None, asked: Asked
    ) -> list[Maps]:
        evidence: gradcam.Evidence | None = None
        with memory_errors(self.device):
            x = self.prepare(frames, resolution)
            methods = cams.METHODS.keys() & features or {"activation"}
            if asked.needs_gradients and self._tap is not None:
                with self._tap.at(asked.layer) as leaves:
                    seen, last = self._stages.look(x, methods)
                    evidence = gradcam.Evidence.of(self.network.forward_head(last), leaves[0], asked.target)
                seen["grad"] = [gradcam.look(evidence.features, evidence.gradient)]
            else:
                with self._no_grad():
                    seen, _ = self._stages.look(x, methods)
            stages = {method: [stage.cpu().numpy() for stage in maps] for method, maps in seen.items()}
            if self.precision == "fp16" and not all(np.isfinite(map).all() for maps in stages.values() for map in maps):
                raise Overflow
        return [
            self._maps_of(
                {name: [stage[place] for stage in maps] for name, maps in stages.items()},
                query,
                x,
                self._explained(asked, evidence, place),
            )
            for place in range(len(frames))
        ]

    def _maps_of(
        self, stages: Mapping[str, Sequence[Floats]], query: Query, x: Tensor, explained: GradCamTarget | None
    ) -> Maps:
        # Copies: a view would keep the whole batch alive as long as one of its frames.
        own = {method: tuple(stage.copy() for stage in maps) for method, maps in stages.items()}
        empty = np.zeros((self.layers, 0, *own["activation"][-1].shape), np.float32)
        prefix = np.zeros((self.layers, 0, 0), np.float32)
        return Maps(
            attention=empty,
            prefix=prefix,
            query=query,
            model=self.name,
            patch_size=self.patch_size,
            input_size=(x.shape[2], x.shape[3]),
            cams=own,
            rows=partial(_nothing, empty, prefix),
            explained=explained,
        )

    def attention(self, x: Tensor, query: Query | None = None) -> Tensor:
        """There is none.

        Raises:
            SettingsError: always.
        """
        raise no_heads(self.name)

    def row_of(self, query: Query, grid: tuple[int, int]) -> int:
        """There are no tokens.

        Raises:
            SettingsError: always.
        """
        raise no_heads(self.name)


def _nothing(attention: Floats, prefix: Floats, query: Query) -> dict[str, Floats]:
    return {"attention": attention, "prefix": prefix}


class _Nowhere:
    """What a convolutional network knows about places: nothing."""

    def restore(self) -> None:
        pass

    def fit(self, grid: tuple[int, int]) -> None:
        pass


class Stages:
    """The stages of a network of timm: where they end, and what comes out there.

    timm tells for each of its convolutional networks after which modules a feature map of a new size is complete
    (`feature_info`). Those with less than a quarter of the picture's side belong to the stem and are left out, so that
    a ResNet has its four, as in the paper (He et al., "Deep Residual Learning for Image Recognition", 2016, table 1).

    Args:
        network: of timm.

    Raises:
        AttributeError, KeyError, TypeError: timm does not tell of stages there.
    """

    def __init__(self, network: Any) -> None:
        told = list(network.feature_info)
        self._infos = [info for info in told if info["reduction"] >= 4] or told
        # Passes run side by side: each thread has its own.
        self._pass = threading.local()
        self._network = network
        for info in self._infos:
            network.get_submodule(info["module"]).register_forward_hook(self._take)

    @property
    def count(self) -> int:
        return len(self._infos)

    @property
    def modules(self) -> list[nn.Module]:
        """Each stage's last module, whose output the stage's is."""
        return [self._network.get_submodule(info["module"]) for info in self._infos]

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels of the picture from one cell of each stage to the next."""
        return tuple(int(info["reduction"]) for info in self._infos)

    @property
    def widths(self) -> tuple[int, ...]:
        """How many channels each stage has."""
        return tuple(int(info["num_chs"]) for info in self._infos)

    def _take(self, module: nn.Module, given: object, features: Tensor) -> None:
        # At once, and not at the end: what follows may work in place.
        found = getattr(self._pass, "found", None)
        if found is not None:
            for method, maps in found.items():
                maps.append(cams.METHODS[method](features.detach(), None))

    def look(self, x: Tensor, methods: Collection[str]) -> tuple[dict[str, list[Tensor]], Tensor]:
        """One forward pass: each method's map of each stage, float32 [batch, rows, columns], "activation" always; and
        the features that it ends with."""
        found: dict[str, list[Tensor]] = {method: [] for method in {"activation", *methods}}
        self._pass.found = found
        try:
            last: Tensor = self._network.forward_features(x)
        finally:
            self._pass.found = None
        return found, last


def describe(timm_name: str) -> dict[str, Any] | None:
    """The facts of a convolutional network of timm, as ModelCard's fields; None if it is none.

    It is tried on the meta device, like a transformer. A network in which places attend to places, by whatever way of
    computing it, is a hybrid: to say of it that it has no attention heads would be wrong.
    """
    shapes: list[tuple[int, ...]] = []
    try:
        network: Any = backbone.build_convnet(timm_name)
        parameters = sum(parameter.numel() for parameter in network.parameters())
        network.to("meta")
        stages = Stages(network)
        stride = stages.strides[-1]
        size = (4 * stride, 6 * stride)
        for info in stages._infos:
            network.get_submodule(info["module"]).register_forward_hook(
                lambda module, given, features: shapes.append(tuple(features.shape))
            )
        with torch.device("meta"), torch.inference_mode(), _SelfAttention() as attention:
            network.forward_features(torch.zeros(1, 3, *size))
    except (TypeError, AttributeError, KeyError, IndexError, AssertionError, RuntimeError, ValueError):
        return None  # the many ways in which a network that is no such one can fail to be treated as one
    # [batch, channels, rows, columns] in each stage; a cell more or less where a network does not pad.
    if attention.seen or len(shapes) != stages.count:
        return None
    for shape, width, reduction in zip(shapes, stages.widths, stages.strides, strict=True):
        if len(shape) != 4 or shape[1] != width:
            return None
        if any(abs(cells - side / reduction) > 2 for cells, side in zip(shape[2:], size, strict=True)):
            return None
    return {
        "kind": "convnet",
        "patch_size": stride,
        "layers": stages.count,
        "heads": 0,
        "width": stages.widths[-1],
        "registers": 0,
        "parameters": parameters,
        **backbone.published(timm_name, network),
    }


class _SelfAttention(TorchFunctionMode):
    """Notices attention from places to places: fused, or a softmax whose last two sides are both more than one."""

    seen = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            self.seen = True
        elif func in (F.softmax, torch.softmax, Tensor.softmax):
            x: Tensor = args[0]
            dim = kwargs.get("dim", args[1] if len(args) > 1 else None)
            self.seen |= dim in (-1, x.ndim - 1) and x.ndim >= 3 and x.shape[-2] > 1
        return func(*args, **kwargs)


__all__ = ["ConvNet", "Stages", "describe"]

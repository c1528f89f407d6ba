"""Convolutional networks: what their stages respond to, one map for each stage, in the stage's own grid."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rtviz.errors import no_heads
from rtviz.frame import Floats, GradCamTarget, Maps, Pixels
from rtviz.models import cams, gradcam
from rtviz.models.probed_network import Overflow
from rtviz.models.runner import Asked, Model, memory_errors
from rtviz.models.stages import Stages
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
                    seen, last = self._stages.forward(x, methods)
                    evidence = gradcam.Evidence.of(self.network.forward_head(last), leaves[0], asked.target)
                seen["grad"] = [gradcam.look(evidence.features, evidence.gradient)]
            else:
                with self._no_grad():
                    seen, _ = self._stages.forward(x, methods)
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


__all__ = ["ConvNet"]

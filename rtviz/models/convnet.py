"""Convolutional networks: what their stages respond to, one map for each stage, in the stage's own grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from rtviz.frame import Floats, Maps, Pixels
from rtviz.models import cams, gradcam
from rtviz.models.memory import memory_errors
from rtviz.models.model import Model, PassRequest
from rtviz.models.probed_network import Overflow
from rtviz.models.stages import Stages
from rtviz.settings import Query


class ConvNet(Model):
    """A convolutional network of timm. It has stages where a transformer has layers, and no attention heads.

    Its Maps hold no attention, [stages, 0, rows, columns], on the grid of the last stage; `cams` has each stage's map
    in the stage's own grid. A query has no meaning for it and changes nothing.
    """

    def _read_architecture(self, network: Any) -> None:
        self._stages = Stages(network)
        self.classes = gradcam.classes_of(network)
        self._tap = gradcam.Tap(self._stages.modules) if self.classes else None

    def _move_network(self) -> None:
        super()._move_network()
        # Convolutions in half precision read the channels of a pixel together: measured with bf16 on a CPU, ResNet-50
        # then takes an eighth, MobileNetV3 a quarter less time, ConvNeXt the same; in fp32 they take as long or longer.
        together = self._dtype != torch.float32
        self.network.to(memory_format=torch.channels_last if together else torch.contiguous_format)
        backend = "int8" if self._requested_precision == "int8" else self._requested_backend
        sentence = f"it runs in torch, with {self._native}: OpenVINO is for transformers here"
        if backend not in ("auto", "torch") and sentence not in (self.notice or ""):
            self._add_notice(sentence if self.notice else f"{self.name}: {sentence}")

    def _predict(self, frames: Sequence[Pixels], request: PassRequest) -> list[Maps]:
        evidence: gradcam.Evidence | None = None
        with memory_errors(self.device):
            x = self.prepare(frames, request.resolution)
            methods = cams.METHODS.keys() & request.features or {"activation"}
            if request.needs_gradients and self._tap is not None:
                with self._tap.at(request.layer) as leaves:
                    found, last = self._stages.forward(x, methods)
                    evidence = gradcam.Evidence.of(self.network.forward_head(last), leaves[0], request.target)
                found["grad"] = [gradcam.grad_cam(evidence.features, evidence.gradient)]
            else:
                with self._no_grad():
                    found, _ = self._stages.forward(x, methods)
            stages = {method: [stage.cpu().numpy() for stage in maps] for method, maps in found.items()}
            if self.precision == "fp16" and not all(np.isfinite(map).all() for maps in stages.values() for map in maps):
                raise Overflow
        return [
            self._maps_of(place, request, (x.shape[2], x.shape[3]), stages, evidence) for place in range(len(frames))
        ]

    def _maps_of(
        self,
        place: int,
        request: PassRequest,
        input_size: tuple[int, int],
        stages: Mapping[str, Sequence[Floats]],
        evidence: gradcam.Evidence | None,
    ) -> Maps:
        """The maps of the frame at this place of its batch; copies, because a view would keep the whole batch alive."""
        own = {method: tuple(stage[place].copy() for stage in maps) for method, maps in stages.items()}
        empty = np.zeros((self.layers, 0, *own["activation"][-1].shape), np.float32)
        prefix = np.zeros((self.layers, 0, 0), np.float32)
        return Maps(
            attention=empty,
            prefix=prefix,
            query=request.query,
            model=self.name,
            patch_size=self.patch_size,
            input_size=input_size,
            cams=own,
            rows=partial(_for_any_query, empty, prefix),
            explained=self._explained(request, evidence, place),
        )


def _for_any_query(attention: Floats, prefix: Floats, query: Query) -> dict[str, Floats]:
    """The fields of Maps for another query: the same, there are no heads."""
    return {"attention": attention, "prefix": prefix}


__all__ = ["ConvNet"]

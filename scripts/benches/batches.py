"""Frames a second in batches that lie on the device, with the maps of all layers and heads and without."""

from __future__ import annotations

import argparse
from typing import Any

import torch

import rtviz
from benches.frames import noise, with_heads
from benches.limits import on_cuda
from benches.turns import in_turns, ratio
from rtviz.models.probed_network import Extent, ProbedNetwork

# (model, resolution) -> images a second of the bare pass on an RTX 4090, as timm's published tables say.
TIMM_ON_4090 = {
    ("random:dino-vits16", 224): 8215,
    ("random:dinov3-vits16", 256): 3202,
    ("random:dinov2-vits14", 518): 895,
}
# As large as a batch may be there; smaller where that takes too long.
LARGEST = {"cuda": 256, "cpu": 2}


def batches(options: argparse.Namespace) -> dict[str, Any]:
    """Bare passes against passes with all maps, in turns, and beside them what timm publishes for bare passes."""
    cases = [(options.model, options.resolution)] if options.chosen else list(TIMM_ON_4090)
    return {f"{name} at {resolution}": _row(name, resolution, options) for name, resolution in cases}


def _row(name: str, resolution: int, options: argparse.Namespace) -> dict[str, Any]:
    model: Any = with_heads(rtviz.load(name, device=options.device, resolution=resolution, backend="torch"))
    count = options.batch or LARGEST["cuda" if on_cuda(options.device) else "cpu"]
    prepared = model.prepare([noise(resolution, resolution)] * count)
    tokens = prepared.shape[2] * prepared.shape[3] // model.patch_size**2 + model.prefix_tokens
    network = ProbedNetwork(model.network, tokens, model.layers, Extent())
    row = torch.tensor([0], device=model.device)

    def bare() -> None:
        with torch.inference_mode():
            model.network.forward_features(prepared)

    def with_maps() -> None:
        with torch.inference_mode():
            network(prepared, row)[0].cpu()

    taken = in_turns({"bare": bare, "maps": with_maps}, max(3, options.rounds), model.device, options.clock)
    known = TIMM_ON_4090.get((name, resolution))
    return {
        "in": model.precision,
        "batch": count,
        "bare, images/s": round(count / min(taken["bare"]), 1),
        "with all maps in host memory, images/s": round(count / min(taken["maps"]), 1),
        "with maps / bare": round(ratio(taken["maps"], taken["bare"]), 3),
        **({} if known is None else {"timm's bare on an RTX 4090, images/s": known}),
    }

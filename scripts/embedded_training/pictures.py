"""Curves and contact sheet of a training."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from embedded_training.network import Backbone
from embedded_training.scenes import as_input
from rtviz.cv import cv2
from rtviz.errors import MissingDependency
from rtviz.sources.scene import TUNING_SEEDS, sample


def plot(log: list[dict[str, Any]], path: Path) -> None:
    """The curves, as a picture.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise MissingDependency("matplotlib", "the plot of the curves") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (upper, lower) = pyplot.subplots(2, 1, figsize=(8, 7), sharex=True, layout="constrained")
    minutes = [line["minute"] for line in log]
    upper.plot(minutes, [line["best"] for line in log], color="black", label="best head of each picture")
    for head in range(len(log[0]["heads"])):
        upper.plot(minutes, [line["heads"][head] for line in log], linewidth=1, label=f"head {head}")
    upper.set_ylabel("Jaccard on tuning scenes")
    for name in ("figure", "ground", "whole", "contrast", "dino"):
        lines = [line for line in log if name in line]
        lower.plot([line["minute"] for line in lines], [line[name] for line in lines], label=name)
    lower.set_ylabel("loss")
    lower.set_xlabel("minutes")
    for axes in (upper, lower):
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


@torch.no_grad()
def contact_sheet(backbone: Backbone, path: Path, rows: int = 8) -> None:
    """Tuning scenes, and beside each what every head of the last layer attends to."""
    device = backbone.cls_token.device
    sheet = []
    for seed in TUNING_SEEDS[100 : 100 + rows]:
        pixels, _ = sample(seed)
        attention = backbone.eval()(as_input(pixels[None].astype(np.float32) / 255).to(device))[1][-1][0].float()
        pictures = [pixels]
        for row in attention.cpu().numpy():
            side = math.isqrt(row.size)
            drawn = cv2.resize(row.reshape(side, side) / row.max(), (224, 224), interpolation=cv2.INTER_CUBIC)
            coloured = cv2.applyColorMap((drawn.clip(0, 1) * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
            pictures.append(cv2.addWeighted(pixels, 0.3, coloured[..., ::-1].copy(), 0.7, 0))
        sheet.append(np.hstack(pictures))
    cv2.imwrite(str(path), np.ascontiguousarray(np.vstack(sheet)[..., ::-1]))

"""How often the live path looks, and how old its pictures are."""

from __future__ import annotations

import argparse
import statistics
from typing import Any

import rtviz
from benches.frames import bare_forward, noise
from benches.turns import in_turns
from rtviz.bench import bench_live
from rtviz.errors import RtvizError
from rtviz.settings import Settings


def live(options: argparse.Namespace) -> dict[str, Any]:
    """The live path without a window, against what the forward pass alone would allow."""
    settings = Settings(model=options.model, device=options.device, resolution=options.resolution)
    figures = bench_live(settings=settings, seconds=options.seconds)
    if figures.model is None:
        raise RtvizError(f"nothing looks: {figures.model_sentence}")
    model: Any = rtviz.load(options.model, device=options.device, resolution=figures.resolution, backend="torch")
    taken = in_turns({"bare": bare_forward(model, [noise(480, 640)])}, 20, model.device)["bare"]
    allowed = min(1 / statistics.median(taken), figures.camera_fps)
    shown = figures.to_mapping()
    return {
        **{name: shown[name] for name in ("place", "mode", "model", "device", "precision", "resolution", "seconds")},
        "frames/s": {"camera": shown["camera_fps"], "shown": shown["shown_fps"], "looked at": shown["attention_fps"]},
        "bare forward, frames/s": round(1 / statistics.median(taken), 2),
        "looked at / what bare forward allows": round(figures.attention_fps / allowed, 3),
        "age on the screen, ms": {"p50": shown["age_p50_ms"], "p95": shown["age_p95_ms"]},
        "its attention is older by, ms": {"p50": shown["attention_age_p50_ms"], "p95": shown["attention_age_p95_ms"]},
        "a change shows after, ms": {"p50": shown["changes_p50_ms"], "most": shown["changes_max_ms"]},
        "memory, MB": {"held": shown["memory_mb"], "grown": shown["memory_growth_mb"]},
        "cores busy": shown["cpu_cores"],
        "load of the machine": shown["load"],
    }

"""How often the live path predicts, how old its pictures are, and what views take of its time."""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import rtviz
from benches.frames import bare_forward, noise, quickest
from benches.turns import in_turns, milliseconds
from rtviz.bench import bench_live
from rtviz.engine.engine import Engine
from rtviz.errors import RtvizError
from rtviz.frame import Result
from rtviz.live.session import LiveSession
from rtviz.settings import Mark, Settings

# What is added to a live session, and how much of a frame's time it may take.
ADDED = {"pca": 0.15, "similarity": 0.15, "track": 0.15, "objects": 0.3}
_FAST_CAMERA = "faulty:?fps=30&size=640x480"
_MARK = Mark(0.3, 0.3, 0.3, 0.4)


def costs(options: argparse.Namespace) -> dict[str, Any]:
    """What a view takes of a live session's frames: how much longer a prediction takes than with the heatmap, in
    turns, beside a camera that is faster than the model. Drawing has threads and a core of its own for the most part;
    what it takes from predictions all the same is in it."""
    model = quickest(options.model, options.device, options.resolution, noise(480, 640))
    for features in ({"tokens"}, {"keys"}):
        model.compile(noise(480, 640), features=features)
    wanted = Settings(model=options.model, device=options.device, resolution=options.resolution)
    taken: dict[str, list[float]] = {view: [] for view in ADDED}
    plain: list[float] = []
    with LiveSession(_FAST_CAMERA, wanted, load_engine=lambda settings, progress: Engine(model)) as live:

        def between_predictions(settings: Settings) -> float:
            """Seconds."""
            live.update(settings)
            if not live.wait_for(lambda status: _shows(live.latest(), settings), 60):
                raise RtvizError(f"{settings.view} did not show: {live.status().model_sentence}")
            first = live.counts()[1]
            start = time.monotonic()
            live.wait_for(lambda status: False, options.seconds / (2 * len(ADDED) * options.rounds))
            return (time.monotonic() - start) / max(1, live.counts()[1] - first)

        for _ in range(options.rounds):
            for view, series in taken.items():
                before = between_predictions(wanted)
                marks = (_MARK,) if view == "track" else ()
                added = between_predictions(wanted.replace(view=view, track=marks))
                after = between_predictions(wanted)
                plain += [before, after]
                series.append(added / statistics.mean((before, after)) - 1)
        runs_in = live.status().precision
    rows: dict[str, Any] = {
        "model": f"{model.name} on {model.device}, {runs_in}",
        "between predictions with the heatmap, ms": milliseconds(plain),
    }
    for view, series in taken.items():
        rows[f"{view}, of a frame's time (target {ADDED[view]})"] = round(statistics.median(series), 3)
    return rows


def _shows(result: Result | None, settings: Settings) -> bool:
    return result is not None and result.maps is not None and result.settings.view == settings.view


def live(options: argparse.Namespace) -> dict[str, Any]:
    """The live path without a window, against what the forward pass alone would allow."""
    settings = Settings(model=options.model, device=options.device, resolution=options.resolution)
    figures = bench_live(settings=settings, seconds=options.seconds)
    if figures.model is None:
        raise RtvizError(f"nothing predicts: {figures.model_sentence}")
    resolution = figures.resolution or settings.resolution
    model: Any = rtviz.load(options.model, device=options.device, resolution=resolution, backend="torch")
    taken = in_turns({"bare": bare_forward(model, [noise(480, 640)])}, 20, model.device)["bare"]
    allowed = min(1 / statistics.median(taken), figures.camera_fps)
    shown = figures.to_mapping()
    return {
        **{name: shown[name] for name in ("place", "mode", "model", "device", "precision", "resolution", "seconds")},
        "frames/s": {"camera": shown["camera_fps"], "shown": shown["shown_fps"], "predicted": shown["attention_fps"]},
        "bare forward, frames/s": round(1 / statistics.median(taken), 2),
        "predicted / what bare forward allows": round(figures.attention_fps / allowed, 3),
        "age on the screen, ms": {"p50": shown["age_p50_ms"], "p95": shown["age_p95_ms"]},
        "its attention is older by, ms": {"p50": shown["attention_age_p50_ms"], "p95": shown["attention_age_p95_ms"]},
        "a change shows after, ms": {"p50": shown["changes_p50_ms"], "most": shown["changes_max_ms"]},
        "memory, MB": {"held": shown["memory_mb"], "grown": shown["memory_growth_mb"]},
        "cores busy": shown["cpu_cores"],
        "load of the machine": shown["load"],
    }

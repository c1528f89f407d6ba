#!/usr/bin/env python3
"""Measures rtviz against what the machine could do, both in one run: `python scripts/bench.py render`.

The machine may be shared and noisy, so what counts is the ratio of two things measured in turns, not the times.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rtviz import threads

ROOT = Path(__file__).resolve().parent.parent
CLIP = ROOT.parent / "shared" / "media" / "bottle-detection.mp4"


def machine(device: str) -> str:
    """One line that says where this was measured."""
    import torch

    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    where = f"{name}, {cores} cores"
    if device.startswith("cuda"):
        where = torch.cuda.get_device_name(device)
    return f"{where}; Python {platform.python_version()}, torch {torch.__version__}, {platform.system()}"


def clip(given: str | None, seconds: float) -> str:
    """The place to read frames from: what was given, the real clip if it is there, else the built-in scene."""
    if given:
        return given
    return str(CLIP) if CLIP.exists() else f"scene:?size=640x360&seconds={seconds:g}"


def size(text: str) -> tuple[int, int]:
    """(width, height) of "640x480"."""
    width, height = (int(side) for side in text.split("x"))
    return width, height


def bench_render(options: argparse.Namespace) -> dict[str, Any]:
    """`rtviz render` against the forward pass alone (no capture, decoding or drawing), in turns on the same frames.

    The forward pass alone runs frame by frame (or with --batch), and as render arranges it: in batches side by side.
    """
    import numpy as np

    import rtviz
    from rtviz.engine import Engine
    from rtviz.models.lanes import Lanes
    from rtviz.offline import batch_length, render
    from rtviz.settings import OutputSettings, Settings
    from rtviz.sources import open_source

    settings = Settings(model=options.model, device=options.device, resolution=options.resolution, view=options.view)
    model = rtviz.load(options.model, device=options.device, resolution=options.resolution)
    place = clip(options.input, options.rounds * options.seconds)
    with open_source(place, end=options.seconds) as source:
        frames = [frame.pixels for frame in source]
    run_bare = bare_forward(model, frames[: options.batch or 1])
    run_bare(3)
    batch = options.batch or batch_length(model, frames[0].shape[:2], options.resolution)
    run_arranged = bare_forward(model, frames[:batch])

    bare, arranged, whole, busy = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(options.rounds):
            start = time.perf_counter()
            passes = max(1, len(frames) // (options.batch or 1))
            run_bare(passes)
            bare.append(passes * (options.batch or 1) / (time.perf_counter() - start))
            start = time.perf_counter()
            with Lanes(model.device) as lanes:
                passes = max(lanes.count, len(frames) // batch)
                for done in [lanes.submit(run_arranged, 1) for _ in range(passes)]:
                    done.result()
            arranged.append(passes * batch / (time.perf_counter() - start))
            with open_source(place, end=options.seconds) as source:
                report = render(
                    source, Path(folder) / f"{turn}.mp4", Engine(model), settings, OutputSettings(batch=options.batch)
                )
            whole.append(report.fps)
            busy.append(report.stage_seconds)
    ratios = [w / b for w, b in zip(whole, bare, strict=True)]
    return {
        "model": f"{model.name} on {model.device}, {model.precision}, input {model.input_size(frames[0].shape[:2])}",
        "clip": f"{Path(place).name}, {len(frames)} frames of {frames[0].shape[1]}x{frames[0].shape[0]} each round",
        "bare forward, frames/s": round(statistics.median(bare), 2),
        f"the same in {lanes.count} lanes of {batch}": round(statistics.median(arranged), 2),
        "render, frames/s": round(statistics.median(whole), 2),
        "render / bare forward": round(statistics.median(ratios), 3),
        "ratio of each round": [round(ratio, 3) for ratio in ratios],
        "render / forward in lanes": round(statistics.median(w / a for w, a in zip(whole, arranged, strict=True)), 3),
        "stage busy, ms a frame": {
            stage: round(float(np.mean([seconds[stage] for seconds in busy])) / len(frames) * 1000, 2)
            for stage in busy[0]
        },
    }


def bare_forward(model: Any, frames: list[Any]) -> Any:
    """A function that runs the network alone, count times, on a batch that is already prepared."""
    import torch

    prepared = model.prepare(frames)

    def run(count: int) -> None:
        with torch.inference_mode():
            for _ in range(count):
                model.network.forward_features(prepared)
        if prepared.is_cuda:
            torch.cuda.synchronize()

    return run


def bench_forward(options: argparse.Namespace) -> dict[str, Any]:
    """Forward pass with all maps against the forward pass alone, in turns."""
    import numpy as np

    import rtviz

    model = rtviz.load(options.model, device=options.device, resolution=options.resolution)
    width, height = options.frame or (options.resolution, options.resolution)
    frame = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    run_bare = bare_forward(model, [frame])
    prepared = model.prepare([frame])
    run_bare(3)
    model.attention(prepared)
    bare, captured, whole = [], [], []
    for _ in range(max(options.rounds * 15, 30)):
        start = time.perf_counter()
        run_bare(1)
        bare.append(time.perf_counter() - start)
        start = time.perf_counter()
        model.attention(prepared).cpu()
        captured.append(time.perf_counter() - start)
        start = time.perf_counter()
        model(frame)
        whole.append(time.perf_counter() - start)
    medians = [statistics.median(series) * 1000 for series in (bare, captured, whole)]
    return {
        "model": f"{model.name} on {model.device}, {model.precision}",
        "frame": f"{width}x{height}, the model sees {prepared.shape[3]}x{prepared.shape[2]}",
        "bare forward, ms": round(medians[0], 2),
        "forward and all maps, ms": round(medians[1], 2),
        "frame to maps, ms": round(medians[2], 2),
        "all maps / bare forward": round(medians[1] / medians[0], 3),
        "frame to maps / bare forward": round(medians[2] / medians[0], 3),
    }


def bench_views(options: argparse.Namespace) -> dict[str, Any]:
    """What each view adds to a frame, drawing and all, against the forward pass alone, in turns on a moving scene.

    Untrained keys are all alike, which would make it too easy for `objects`: what the embedded model saw of the same
    frames on the same grid is turned into features as wide as the model's, with all angles kept.
    """
    from dataclasses import replace

    import numpy as np

    import rtviz
    from rtviz import views
    from rtviz.settings import Settings
    from rtviz.sources.scene import SceneSource

    model = rtviz.load(options.model, device=options.device, resolution=options.resolution)
    width, height = options.frame or (640, 480)
    source = SceneSource(size=(height, width))
    frames = [source.frame(2 * number) for number in range(max(options.rounds * 8, 24))]
    first = model(frames[0], features=("tokens", "keys"))
    seeing = rtviz.load("embedded", device="cpu", resolution=options.resolution * 8 // first.patch_size)
    heads, _, _, head_width = first.keys.shape
    run_bare = bare_forward(model, [frames[0].pixels])
    run_bare(3)
    wanted = [("mask", Settings()), ("pca", Settings()), ("similarity", Settings())]
    wanted += [("objects", Settings(objects=method)) for method in ("tokencut", "lost")]
    names = [name if name != "objects" else f"objects, {settings.objects}" for name, settings in wanted]
    memories = [views.Memory() for _ in wanted]
    turned = None
    bare, features, drawn = [], [], {name: [] for name in names}
    for frame in frames:
        seen = seeing(frame, features=("keys",))
        keys = np.moveaxis(seen.keys, 0, 2).reshape(*seen.grid, -1)
        if turned is None:
            square = np.random.default_rng(0).normal(size=(heads * head_width, keys.shape[-1]))
            turned = np.linalg.qr(square)[0].T.astype(np.float32)
        wide = (keys @ turned).reshape(*seen.grid, heads, head_width)
        maps = replace(first, keys=np.ascontiguousarray(np.moveaxis(wide, 2, 0)), tokens=keys @ turned)
        start = time.perf_counter()
        run_bare(1)
        bare.append(time.perf_counter() - start)
        start = time.perf_counter()
        model(frame)
        without = time.perf_counter() - start
        start = time.perf_counter()
        model(frame, features=("keys",))
        features.append(time.perf_counter() - start - without)
        for (view, settings), name, memory in zip(wanted, names, memories, strict=True):
            start = time.perf_counter()
            views.draw(frame, maps, settings.replace(view=view), memory)
            drawn[name].append(time.perf_counter() - start)
    alone = statistics.median(bare)
    rows: dict[str, Any] = {
        "model": f"{model.name} on {model.device}, {model.precision}",
        "frame": f"{width}x{height}, {first.grid[0]}x{first.grid[1]} patches",
        "bare forward, ms": round(alone * 1000, 2),
        "keys taken along, ms": round(statistics.median(features) * 1000, 2),
    }
    for name, series in drawn.items():
        one = statistics.median(series)
        rows[f"{name}, ms"] = f"{one * 1000:.2f}, {one / alone:.3f} of the bare forward pass"
    return rows


def bench_memory(options: argparse.Namespace) -> dict[str, Any]:
    """Peak memory of a render process, for a clip and for one four times as long."""
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        for seconds in (options.seconds, 4 * options.seconds):
            arguments = ["render", clip(options.input, seconds), "-o", f"{folder}/{seconds}.mp4", "--quiet"]
            arguments += ["--end", f"{seconds:g}", "--model", options.model, "--resolution", "64"]
            code = f"import resource, sys; from rtviz.cli import run; status = run({arguments!r}); "
            code += "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss); sys.exit(status)"
            done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
            unit = 2**20 if sys.platform == "darwin" else 2**10
            peaks[seconds] = int(done.stdout) / unit
    short, long = peaks.values()
    return {
        "clip": Path(clip(options.input, options.seconds)).name,
        f"peak for {options.seconds:g} s, MB": round(short, 1),
        f"peak for {4 * options.seconds:g} s, MB": round(long, 1),
        "long / short": round(long / short, 3),
    }


BENCHES = {"forward": bench_forward, "views": bench_views, "render": bench_render, "memory": bench_memory}


def main() -> int:
    """Run the benches that were asked for, print ratios and the machine; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bench", choices=[*BENCHES, "all"])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--model", default="random:dino-vits16", help="weights do not matter for speed")
    parser.add_argument("--resolution", type=int, default=224)
    parser.add_argument(
        "--frame",
        type=size,
        metavar="WxH",
        help="for forward, a square of the resolution if not given; for views, 640x480",
    )
    parser.add_argument("--view", default="heatmap")
    parser.add_argument("--input", help="a video; the real clip if it is there, else the built-in scene")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of the clip in one round")
    parser.add_argument("--rounds", type=int, default=5, help="turns of the two things that are compared")
    parser.add_argument("--batch", type=int, help="frames in one forward pass")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    threads.draw_in_one_thread()

    results = {name: BENCHES[name](options) for name in (BENCHES if options.bench == "all" else [options.bench])}
    results["machine"] = {"machine": machine(options.device)}
    if options.json:
        print(json.dumps(results, indent=2))
        return 0
    for name, rows in results.items():
        print(f"\n{name}" if name != "machine" else "")
        for label, value in rows.items():
            print(f"  {label:34} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What whole videos take: rendering them, and the memory that it needs."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import rtviz
from benches.frames import bare_forward
from benches.limits import Floor
from benches.peer import Peer, agreement
from benches.turns import milliseconds, ratio, settle
from rtviz.engine.engine import Engine
from rtviz.errors import RtvizError
from rtviz.models.inference_pool import InferencePool
from rtviz.offline import pipeline
from rtviz.settings import OutputSettings, Settings
from rtviz.sources import open_source
from rtviz.sources.scene import SceneSource

ROOT = Path(__file__).resolve().parent.parent.parent
CLIP = ROOT.parent / "shared" / "media" / "bottle-detection.mp4"


# A program's last words: the most memory that it ever held, in MB. ru_maxrss will not do on Linux, where it begins with
# what the process held that started this one.
if sys.platform == "linux":
    PEAK = "import re; print(int(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1]) / 2**10)"
else:
    _UNIT = 2**20 if sys.platform == "darwin" else 2**10
    PEAK = f"import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / {_UNIT})"


def clip(given: str | None, seconds: float) -> str:
    """The place to read frames from: what was given, the real clip if it is there, else the built-in scene."""
    if given:
        return given
    return str(CLIP) if CLIP.exists() else f"scene:?size=640x360&seconds={seconds:g}"


def as_file(place: str, folder: Path) -> str:
    """A video file of what is at a place; the peer reads nothing else."""
    if not place.startswith("scene:"):
        return place
    path = folder / "scene.mp4"
    with open_source(place) as source:
        pipeline.render(source, path, Engine(None), Settings(view="none"), OutputSettings())
    return str(path)


def run_concurrently(run: Callable[[], None], passes: int, model: Any) -> tuple[float, int]:
    """(seconds per pass, workers) of so many concurrent passes, as a render arranges them."""
    with InferencePool(model.device) as pool:
        passes = max(pool.count, passes)
        start = time.perf_counter()
        for done in [pool.submit(run) for _ in range(passes)]:
            done.result()
        settle(model.device)
        return (time.perf_counter() - start) / passes, pool.count


def predict(options: argparse.Namespace) -> dict[str, Any]:
    """How fast the frames of a video in memory are predicted, as in a render, without decoding, drawing and encoding:
    against the forward pass alone in the same batches, in turns."""
    model: Any = rtviz.load(options.model, device=options.device, resolution=options.resolution)
    bare_model: Any = rtviz.load(options.model, device=options.device, resolution=options.resolution, backend="torch")
    width, height = options.frame or (640, 360)
    source = SceneSource(size=(height, width))
    batch = options.batch or pipeline.batch_length(model, (height, width), options.resolution)
    frames = [source.frame(number) for number in range(max(4, options.rounds) * batch)]
    model.compile(frames[0].pixels, batch)
    model.batch([frame.pixels for frame in frames[:batch]])
    bare_model(frames[0].pixels)
    run = bare_forward(bare_model, [frame.pixels for frame in frames[:batch]])
    batches = [frames[start : start + batch] for start in range(0, len(frames), batch)]
    settings = Settings(resolution=options.resolution)
    predicted, bare = [], []
    for turn in range(options.rounds + 1):
        start = time.perf_counter()
        count = sum(1 for _ in Engine(model).predict_all(batches, settings))
        taken = (time.perf_counter() - start) / count
        alone, pool = run_concurrently(run, len(batches), bare_model)
        if turn:  # the first warms up
            predicted.append(taken)
            bare.append(alone / batch)
    return {
        "model": f"{model.name} on {model.device}, {model.runs_in}, input {model.input_size((height, width))}",
        "frames": f"{len(frames)} of {width}x{height} a round, {batch} a pass, {pool} workers",
        "predicted, frames/s": round(1 / statistics.median(predicted), 1),
        f"bare forward in torch, {bare_model.precision}, frames/s": round(1 / statistics.median(bare), 1),
        "predicted / bare forward": round(1 / ratio(predicted, bare), 3),
    }


def render(options: argparse.Namespace) -> dict[str, Any]:
    """`rtviz render` against the forward pass alone, and against the peer, in turns on the same frames.

    The forward pass alone (no capture, decoding or drawing) runs frame by frame (or with --batch), and as render
    arranges it: in batches side by side.
    """
    settings = Settings(model=options.model, device=options.device, resolution=options.resolution, view=options.view)
    model: Any = rtviz.load(options.model, device=options.device, resolution=options.resolution)
    bare_model: Any = rtviz.load(options.model, device=options.device, resolution=options.resolution, backend="torch")
    peer = Peer(options.model, model.device)

    def rate(run: Callable[[], object], passes: int, frames: int) -> float:
        """Frames a second."""
        settle(model.device)
        start = time.perf_counter()
        for _ in range(passes):
            run()
        settle(model.device)
        return passes * frames / (time.perf_counter() - start)

    bare, arranged, whole, others, floors, busy = [], [], [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        place = as_file(clip(options.input, options.seconds), Path(folder))
        with open_source(place, end=options.seconds) as source:
            frames = [frame.pixels for frame in source]
        frame_size = frames[0].shape[:2]
        agrees = agreement(model, peer, frame_size)
        batch = options.batch or pipeline.batch_length(model, frame_size, options.resolution)
        model.compile(frames[0], batch)  # as render does by itself for clips that are worth it
        model.batch(frames[:batch])
        bare_model(frames[0])
        floor = Floor(bare_model, bare_model.prepare(frames[:1]))
        run_bare, alone = bare_forward(bare_model, frames[: options.batch or 1]), options.batch or 1
        run_arranged = bare_forward(bare_model, frames[:batch])
        rate(run_bare, 3, 1)
        for turn in range(options.rounds):
            floors.append(floor.flops * rate(floor.product, 5, 1) ** -1 / floor.product.flops)
            bare.append(rate(run_bare, max(1, len(frames) // alone), alone))
            seconds, pool = run_concurrently(run_arranged, len(frames) // batch, model)
            arranged.append(batch / seconds)
            with open_source(place, end=options.seconds) as source:
                report = pipeline.render(
                    source, Path(folder) / f"{turn}.mp4", Engine(model), settings, OutputSettings(batch=options.batch)
                )
            whole.append(report.fps)
            busy.append(report.stage_seconds)
            peer_folder = Path(folder) / f"peer {turn}"
            peer_folder.mkdir()
            others.append(peer.render(place, peer_folder, model.input_size(frame_size), min(len(frames), 24)))
    peer_seconds = [sum(stages.values()) for stages in others]
    ratios = [w / b for w, b in zip(whole, bare, strict=True)]
    return {
        "model": f"{model.name} on {model.device}, {model.runs_in}, input {model.input_size(frame_size)}",
        "clip": f"{Path(place).name}, {len(frames)} frames of {frame_size[1]}x{frame_size[0]} each round",
        "last layer, distance from the peer's": agrees,
        f"floor of the forward pass in {bare_model.precision}, ms a frame": milliseconds(floors),
        f"bare forward in torch, {bare_model.precision}, frames/s": round(statistics.median(bare), 2),
        f"the same on {pool} workers, {batch} a pass": round(statistics.median(arranged), 2),
        "render, frames/s": round(statistics.median(whole), 2),
        "render, ms a frame": milliseconds([1 / w for w in whole]),
        "peer, ms a frame": milliseconds(peer_seconds),
        "peer, stages, ms a frame": {stage: milliseconds([other[stage] for other in others]) for stage in others[0]},
        "render / bare forward (target 0.9)": round(statistics.median(ratios), 3),
        "ratio of each round": [round(each, 3) for each in ratios],
        "render / concurrent forward": round(statistics.median(w / a for w, a in zip(whole, arranged, strict=True)), 3),
        "peer / render, a frame (target 3)": round(
            statistics.median(w * p for w, p in zip(whole, peer_seconds, strict=True)), 2
        ),
        "stage busy, ms a frame": {
            stage: round(float(np.mean([seconds[stage] for seconds in busy])) / len(frames) * 1000, 2)
            for stage in busy[0]
        },
    }


def memory(options: argparse.Namespace) -> dict[str, Any]:
    """Peak memory of a render process, for a clip and for one four times as long."""
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        for seconds in (options.seconds, 4 * options.seconds):
            arguments = ["render", clip(options.input, seconds), "-o", f"{folder}/{seconds}.mp4", "--quiet"]
            arguments += ["--end", f"{seconds:g}", "--model", options.model, "--resolution", "64"]
            arguments += ["--device", options.device]
            code = f"import sys; from rtviz.cli import run; status = run({arguments!r}); {PEAK}; sys.exit(status)"
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
            if done.returncode:
                raise RtvizError(done.stderr.strip().splitlines()[-1])
            peaks[seconds] = float(done.stdout)
    short, long = peaks.values()
    return {
        "clip": Path(clip(options.input, options.seconds)).name,
        f"peak for {options.seconds:g} s, MB": round(short, 1),
        f"peak for {4 * options.seconds:g} s, MB": round(long, 1),
        "long / short": round(long / short, 3),
    }

"""What one frame takes: the forward pass with its maps, from frame to maps, and what the views add."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

import rtviz
from benches.limits import Floor, OwnProducts, Product, on_cuda, rates
from benches.peer import Peer, agreement, difference
from benches.turns import CLOCKS, in_turns, milliseconds, percentile, ratio, settle
from rtviz import views as drawing
from rtviz.analysis.tracking import Tracker
from rtviz.errors import no_heads
from rtviz.models.probe import AttentionProbe
from rtviz.models.probed_network import Extent, ProbedNetwork
from rtviz.scoring.measures import jaccard, largest_mass
from rtviz.settings import Mark, Settings
from rtviz.sources.scene import SceneSource


def noise(height: int, width: int) -> Any:
    """A frame of random pixels."""
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)


def bare_forward(model: Any, frames: list[Any]) -> Callable[[], None]:
    """A function that runs the network alone, on a batch that is already prepared; on CUDA as a graph, like rtviz."""
    prepared = model.prepare(frames)

    def run() -> None:
        with torch.inference_mode():
            model.network.forward_features(prepared)

    return replayed(run, model.device)


def replayed(run: Callable[[], None], device: str) -> Callable[[], None]:
    """What does the same in one launch of a CUDA graph; on other devices the function itself.

    Else a comparison would tell how fast Python launches kernels, and not how fast the device runs them.
    """
    if not on_cuda(device):
        return run
    with torch.cuda.device(device):
        stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                run()
        stream.synchronize()
        with torch.cuda.graph(graph, stream=stream):
            run()
    return graph.replay


def with_heads(model: Any) -> Any:
    """The model itself, which must be a transformer."""
    if not model.heads:
        raise no_heads(model.name)
    return model


def quickest(name: str, device: str, resolution: int, frame: Any) -> Any:
    """The model as it runs on many such frames on this machine: compiled where that pays."""
    model = with_heads(rtviz.load(name, device=device, resolution=resolution))
    model.compile(frame)
    model(frame)  # now, since it leaves fp16 where that overflows
    return model


def exactness(models: Sequence[Any], name: str, resolution: int) -> dict[str, tuple[float, float]]:
    """How far each model's maps are from those of the same network in fp32, on the drawn scene: the distance of the
    worst head of a few frames, and the overlap of the masks of 60 % of each head's attention, the mean of all heads."""
    exact = rtviz.load(name, device=models[0].device, precision="fp32", backend="torch", resolution=resolution)
    frames = [SceneSource(size=(240, 320)).frame(number).pixels for number in (0, 40, 80, 120)]
    told = {}
    for model in models:
        model.compile(frames[0])
        worst, overlaps = 0.0, []
        for frame in frames:
            found, true = ((maps := one(frame)).attention.reshape(-1, *maps.grid) for one in (model, exact))
            worst = max(worst, difference(found, true))
            overlaps.append(jaccard(largest_mass(found), largest_mass(true)).mean())
        told[model.runs_in] = worst, float(np.mean(overlaps))
    return told


def in_short(exact: tuple[float, float]) -> str:
    """One of them, for people."""
    return "worst head {:.2g} away, masks overlap by {:.3f}".format(*exact)


def forward(options: argparse.Namespace) -> dict[str, Any]:
    """Forward pass with all maps: against the forward pass alone, the machine's limit, and the peer, in turns."""
    model: Any = with_heads(
        rtviz.load(options.model, device=options.device, resolution=options.resolution, backend="torch")
    )
    width, height = options.frame or (options.resolution, options.resolution)
    frame = noise(height, width)
    quick = quickest(options.model, options.device, options.resolution, frame)
    peer = Peer(options.model, model.device)
    agrees = agreement(model, peer, (height, width))
    model(frame)  # now, since it leaves fp16 where that overflows
    prepared = model.prepare([frame])
    floor, own, row = Floor(model, prepared), OwnProducts(model, prepared), torch.tensor([0], device=model.device)
    quick_product = Product(quick.precision, quick.device)
    tokens = prepared.shape[2] * prepared.shape[3] // model.patch_size**2 + model.prefix_tokens
    probed, outputs = ProbedNetwork(model.network, tokens, model.layers, Extent()), {}

    def go_to_the_end() -> None:
        with torch.inference_mode():
            model.network.forward_features(prepared)

    def capture_to_the_end() -> None:
        with AttentionProbe(row, tokens=tokens):
            go_to_the_end()

    def predict() -> None:
        with torch.inference_mode():
            outputs["maps"] = probed(prepared, row)[0]

    run_graph = replayed(predict, model.device)

    taken = in_turns(
        {
            "product": floor.product,
            "copy": floor.copy,
            "own": own,
            "bare": replayed(go_to_the_end, model.device),
            "captured": replayed(capture_to_the_end, model.device),
            "maps": lambda: (run_graph(), outputs["maps"].cpu()),
            "whole": lambda: model(frame),
            "quick": lambda: quick(frame),
            "quick product": quick_product,
            "peer": lambda: peer.predict(frame, prepared.shape[2:]),
        },
        max(options.rounds * 6, 20),
        model.device,
        options.clock,
    )
    floors = floor.seconds(taken["product"], taken["copy"])
    quick_floors = [floor.flops / quick_product.flops * seconds for seconds in taken["quick product"]]
    compiled = {
        f"{quick.runs_in}, frame to maps, ms": milliseconds(taken["quick"]),
        f"{quick.runs_in}, frame to maps / floor in {model.precision} (target 1.5)": round(
            ratio(taken["quick"], floors), 3
        ),
        f"{quick.runs_in}, frame to maps / floor in {quick.precision}": round(ratio(taken["quick"], quick_floors), 3),
        f"frame to maps in torch / {quick.runs_in}": round(ratio(taken["whole"], taken["quick"]), 2),
        f"peer / {quick.runs_in}": round(ratio(taken["peer"], taken["quick"]), 2),
    }
    return {
        "model": f"{model.name} on {model.device}, {model.precision}",
        "frame": f"{width}x{height}, the model sees {prepared.shape[3]}x{prepared.shape[2]}",
        "last layer, distance from the peer's": agrees,
        "operations of a forward pass, GFLOP": round(floor.flops / 1e9, 2),
        "large matrix products, GFLOP/s": rates(model.device, 5),
        f"the same in turns, {model.precision}": round(floor.product.flops / statistics.median(taken["product"]) / 1e9),
        "its own linear layers, GFLOP/s": round(own.flops / statistics.median(taken["own"]) / 1e9),
        "memory, GB/s": round(floor.copy.bytes / statistics.median(taken["copy"]) / 1e9, 1),
        "weights, MB": round(floor.bytes / 1e6, 1),
        "floor, ms": milliseconds(floors),
        "its own linear layers alone, ms": milliseconds(taken["own"]),
        "bare forward, ms": milliseconds(taken["bare"]),
        "forward and all maps, ms": milliseconds(taken["maps"]),
        "frame to maps, ms": milliseconds(taken["whole"]),
        "peer, frame to maps, ms": milliseconds(taken["peer"]),
        "bare forward / floor": round(ratio(taken["bare"], floors), 3),
        "forward and all maps / floor (target 1.5)": round(ratio(taken["maps"], floors), 3),
        "captured to the end / bare (target 1.03)": round(ratio(taken["captured"], taken["bare"]), 3),
        "forward and all maps / bare forward": round(ratio(taken["maps"], taken["bare"]), 3),
        "frame to maps / bare forward": round(ratio(taken["whole"], taken["bare"]), 3),
        "peer / frame to maps": round(ratio(taken["peer"], taken["whole"]), 2),
        **(compiled if quick.backend != "torch" else {}),
        "away from fp32": {
            runs_in: in_short(exact)
            for runs_in, exact in exactness([model, quick], options.model, options.resolution).items()
        },
    }


# What is aimed at on an H100-class GPU: (p50 in ms at most, peer / rtviz at least).
AIMS_ON_CUDA = {("random:dino-vits16", 224): (1.0, 10), ("random:dino-vits8", 480): (1000 / 60, 10)}
# Live at 60 frames a second: p95 in ms at most.
LIVE_ON_CUDA = {("random:dinov2-vits14", 518): 16, ("random:dinov3-vits16", 512): 16}
# As many tokens as the first model of the table, and a few more: so many times its p50 at most.
AIM_OF_ITS_SIZE, OF_ITS_SIZE = 1.1, ("random:dinov3-vits16", "random:dinov2-vits14-reg")
AIM_AWAY, AIM_OVERLAP = 2e-2, 0.98  # in half precision, from fp32


def latency_cases(options: argparse.Namespace) -> list[tuple[str, int, tuple[int, int]]]:
    """(model, resolution, frame size as (width, height)): what was chosen, or the table."""
    if options.chosen:
        return [(options.model, options.resolution, options.frame or (options.resolution, options.resolution))]
    cases = [
        ("random:dino-vits16", 224, (224, 224)),
        ("random:dinov3-vits16", 224, (224, 224)),
        ("random:dinov2-vits14-reg", 196, (196, 196)),  # as many patches
        ("random:dino-vits8", 224, (224, 224)),
        ("embedded", 224, (640, 480)),
    ]
    if on_cuda(options.device):
        cases += [("random:dino-vits16", 224, (640, 480)), ("random:dino-vits8", 480, (640, 480))]
        cases += [(name, resolution, (resolution, resolution)) for name, resolution in LIVE_ON_CUDA]
    return cases


def latency(options: argparse.Namespace) -> dict[str, Any]:
    """From an RGB frame in memory to its maps in memory, one frame at a time: rtviz, the peer, the floor, in turns."""
    rows: dict[str, Any] = {}
    first = 0.0
    for name, resolution, (width, height) in latency_cases(options):
        frame = noise(height, width)
        model = quickest(name, options.device, resolution, frame)
        peer = Peer(name, model.device)
        agrees = agreement(model, peer, (height, width))
        start = time.perf_counter()
        model(frame)
        peer.predict(frame, model.input_size((height, width)))
        turn = time.perf_counter() - start
        floor = Floor(model, model.prepare([frame]))
        taken = in_turns(
            {
                "product": floor.product,
                "copy": floor.copy,
                "rtviz": partial(model, frame),
                "peer": partial(peer.predict, frame, model.input_size(frame.shape[:2])),
            },
            min(200, max(20 if options.seconds >= 1 else 5, int(options.seconds / turn))),  # p95 wants some
            model.device,
            options.clock,
        )
        floors = floor.seconds(taken["product"], taken["copy"])
        first = first or statistics.median(taken["rtviz"])
        rows[f"{name} at {resolution}, frame {width}x{height}"] = {
            "p50 ms": percentile(taken["rtviz"], 50),
            "p95 ms": percentile(taken["rtviz"], 95),
            "peer p50 ms": percentile(taken["peer"], 50),
            "peer p95 ms": percentile(taken["peer"], 95),
            "floor ms": milliseconds(floors),
            "rtviz / floor": round(ratio(taken["rtviz"], floors), 2),
            "peer / rtviz": round(ratio(taken["peer"], taken["rtviz"]), 2),
            "of the first p50": round(statistics.median(taken["rtviz"]) / first, 2),
            "distance from the peer's": agrees,
            "in": model.runs_in,
            "turns": len(taken["rtviz"]),
        }
        if on_cuda(model.device):
            row = rows[f"{name} at {resolution}, frame {width}x{height}"]
            row["targets"] = aims(name, resolution, row, *exactness([model], name, resolution).values())
    return rows


def aims(name: str, resolution: int, row: dict[str, Any], exact: tuple[float, float]) -> str:
    """What is aimed at on CUDA in a row of `latency`, and whether it is met."""
    told = [(in_short(exact), exact[0] <= AIM_AWAY and exact[1] >= AIM_OVERLAP)]
    if (name, resolution) in AIMS_ON_CUDA:
        most, least = AIMS_ON_CUDA[name, resolution]
        told.append((f"p50 {most:.3g} ms, {least} x the peer", row["p50 ms"] <= most and row["peer / rtviz"] >= least))
    if (name, resolution) in LIVE_ON_CUDA:
        most = LIVE_ON_CUDA[name, resolution]
        told.append((f"p95 {most} ms", row["p95 ms"] <= most))
    if name in OF_ITS_SIZE and (name, resolution) not in LIVE_ON_CUDA:
        told.append((f"{AIM_OF_ITS_SIZE} x the first p50", row["of the first p50"] <= AIM_OF_ITS_SIZE))
    return "; ".join(f"{aim}: {'met' if met else 'missed'}" for aim, met in told)


def views(options: argparse.Namespace) -> dict[str, Any]:
    """What each view adds to a frame, drawing and all, against its prediction and against the forward pass alone, in
    turns on a moving scene.

    Untrained keys are all alike, which would make it too easy for `objects`: what the embedded model saw of the same
    frames on the same grid is turned into features as wide as the model's, with all angles kept.
    """
    now = CLOCKS[options.clock]
    width, height = options.frame or (640, 480)
    source = SceneSource(size=(height, width))
    frames = [source.frame(2 * number) for number in range(max(options.rounds * 8, 24))]
    model = quickest(options.model, options.device, options.resolution, frames[0].pixels)
    model.compile(frames[0].pixels, features=("keys",))
    first, runs_in = model(frames[0], features=("tokens", "keys", "values")), model.runs_in
    seeing = rtviz.load("embedded", device="cpu", resolution=options.resolution * 8 // first.patch_size)
    heads, _, _, head_width = first.keys.shape
    run_bare = bare_forward(model, [frames[0].pixels])
    run_bare()
    wanted = [("mask", Settings()), ("pca", Settings()), ("similarity", Settings())]
    wanted += [("objects", Settings(objects=method)) for method in ("tokencut", "lost")]
    names = [name if name != "objects" else f"objects, {settings.objects}" for name, settings in wanted]
    rolled_out: list[float] = []
    mark = Mark(0.3, 0.3, 0.3, 0.4)
    tracker = Tracker()
    memories = [drawing.Memory() for _ in wanted]
    turned = None
    bare, predicted, features = [], [], []
    drawn: dict[str, list[float]] = {name: [] for name in names}
    for frame in frames:
        seen = seeing(frame, features=("keys",))
        assert seen.keys is not None
        keys = np.moveaxis(seen.keys, 0, 2).reshape(*seen.grid, -1)
        if turned is None:
            square = np.random.default_rng(0).normal(size=(heads * head_width, keys.shape[-1]))
            turned = np.linalg.qr(square)[0].T.astype(np.float32)
        wide = (keys @ turned).reshape(*seen.grid, heads, head_width)
        by_head = np.ascontiguousarray(np.moveaxis(wide, 2, 0))
        maps = replace(first, keys=by_head, values=by_head, tokens=keys @ turned)  # whichever `objects` reads
        start = now()
        run_bare()
        settle(model.device)
        bare.append(now() - start)
        start = now()
        model(frame.pixels)
        without = now() - start
        predicted.append(without)
        start = now()
        model(frame.pixels, features=("keys",))
        features.append(now() - start - without)
        start = now()
        tracked = tracker.follow(maps, [mark], frame.index, frame.pts_seconds)
        drawing.draw(frame, tracked, Settings(view="track", track=(mark,)))
        drawn.setdefault("track", []).append(now() - start)
        start = now()
        model(frame.pixels, features=("rows", "rollout"))
        with_rollout = now()
        model(frame.pixels, features=("rows",))
        rolled_out.append(2 * with_rollout - start - now())
        for (view, settings), name, memory in zip(wanted, names, memories, strict=True):
            start = now()
            drawing.draw(frame, maps, settings.replace(view=view), memory)
            drawn[name].append(now() - start)
    alone, whole = statistics.median(bare), statistics.median(predicted)
    rows: dict[str, Any] = {
        "model": f"{model.name} on {model.device}, {runs_in}",
        "frame": f"{width}x{height}, {first.grid[0]}x{first.grid[1]} patches",
        "bare forward in torch, ms": round(alone * 1000, 2),
        "a prediction, frame to maps, ms": round(whole * 1000, 2),
        "keys taken along, ms": round(statistics.median(features) * 1000, 2),
    }
    drawn["rollout, in the pass in torch"] = rolled_out
    for name, series in drawn.items():
        one = statistics.median(series)
        rows[f"{name}, ms"] = (
            f"{one * 1000:.2f}, {one / whole:.3f} of a prediction, {one / alone:.3f} of the bare forward pass"
        )
    return rows

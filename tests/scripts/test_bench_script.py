"""scripts/bench.py: the recipe that it compares with, the limit, and how long starting takes."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import rtviz
from rtviz.errors import MissingDependency, RtvizError
from rtviz.sources.scene import SceneSource

SCRIPTS = Path(__file__).parents[2] / "scripts"
SIZE = (64, 96)
FRAME = SceneSource(size=SIZE).frame(30).pixels


@pytest.fixture(scope="module")
def benches() -> Iterator[Any]:
    """The modules of scripts/benches, and scripts/bench.py itself, by name."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        yield lambda name: importlib.import_module(name if name == "bench" else f"benches.{name}")
    finally:
        sys.path.remove(str(SCRIPTS))


@pytest.fixture(scope="module")
def peer(benches: Any) -> Any:
    return benches("peer").Peer("embedded", "cpu")


# --- the peer ---


@pytest.mark.parametrize(
    ("name", "size"), [("embedded", SIZE), ("random:dinov2-vits14-reg", (42, 56)), ("random:dinov3-vits16", (32, 48))]
)
def test_the_recipe_gives_the_same_maps(benches: Any, name: str, size: tuple[int, int]) -> None:
    """By another way: every softmax in full, read from a hook; also with registers and rotary positions."""
    model = rtviz.load(name, device="cpu", precision="fp32", resolution=min(size))
    assert benches("peer").agreement(model, benches("peer").Peer(name, "cpu"), size) < 1e-5


def test_the_bench_stops_where_maps_differ(benches: Any, peer: Any) -> None:
    model = rtviz.load("embedded", device="cpu", precision="fp32", resolution=64)
    last = model.network.blocks[-1].attn.qkv
    with torch.no_grad():
        last.weight.mul_(1.05)
    with pytest.raises(RtvizError, match=r"away from the peer's; at most 0.05"):
        benches("peer").agreement(model, peer, SIZE)


def test_the_recipe_upsamples_by_nearest_and_keeps_most_of_the_mass(peer: Any) -> None:
    heads, masks = peer.predict(FRAME, SIZE)
    side = peer.patch_size
    expected = peer.attention(peer.prepare(FRAME, SIZE)).numpy()
    np.testing.assert_array_equal(heads, expected.repeat(side, axis=1).repeat(side, axis=2))
    for head, mask in zip(expected, masks[:, ::side, ::side], strict=True):
        # From the greatest down, until 60 % of the mass is there; the one that crosses the line is in.
        order = np.argsort(-head, axis=None, kind="stable")
        before = np.cumsum(head.ravel()[order]) - head.ravel()[order]
        kept = np.zeros(head.size, bool)
        kept[order] = before < 0.6 * head.sum(dtype=np.float64)
        assert (kept != mask.astype(bool).ravel()).sum() <= 1  # rounding, on the line itself


def test_the_recipe_makes_a_video_from_jpeg_files(benches: Any, peer: Any, tmp_path: Path) -> None:
    place = benches("videos").as_file("scene:?size=96x64&seconds=0.2", tmp_path)
    seconds = peer.render(place, tmp_path, SIZE, 4)
    assert set(seconds) == {"extract", "look", "write"}
    assert min(seconds.values()) > 0
    assert len(list(tmp_path.glob("frame-*.jpg"))) == len(list(tmp_path.glob("attention-*.jpg"))) == 4
    with Image.open(tmp_path / "attention-0000.jpg") as picture:
        assert picture.size == SIZE[::-1]
        inferno = np.asarray(picture, np.float32)
    heads, _ = peer.predict(np.asarray(Image.open(tmp_path / "frame-0000.jpg")), SIZE)
    light = np.corrcoef(inferno.sum(axis=2).ravel(), heads.mean(axis=0).ravel())[0, 1]
    assert light > 0.9  # inferno is the lighter the more there is
    with rtviz.open_source(str(tmp_path / "video.mp4")) as video:
        assert [frame.pixels.shape for frame in video] == [(*SIZE, 3)] * 4


# --- the limit ---


def test_operations_are_counted_with_attention(benches: Any) -> None:
    limits = benches("limits")
    model = rtviz.load("random:dinov2-vits14-reg", device="cpu", precision="fp32", resolution=56)
    side, card = model.patch_size, model.card
    prepared = model.prepare([np.zeros((56, 84, 3), np.uint8)])
    patches = prepared.shape[2] * prepared.shape[3] // side**2
    tokens = patches + model.prefix_tokens
    hidden = model.network.blocks[0].mlp.fc1.out_features
    linear = tokens * card.width * (4 * card.width + 2 * hidden)
    attention = 2 * tokens**2 * card.width
    embedding = patches * 3 * side**2 * card.width
    assert limits.count_flops(model, prepared) == 2 * (card.layers * (linear + attention) + embedding)
    assert limits.OwnProducts(model, prepared).flops == 2 * card.layers * linear


def test_the_floor_is_the_slower_of_computing_and_reading(benches: Any) -> None:
    model = rtviz.load("embedded", device="cpu", precision="fp32", resolution=32)
    floor = benches("limits").Floor(model, model.prepare([np.zeros((32, 32, 3), np.uint8)]))
    assert floor.bytes == pytest.approx(4 * model.card.parameters, rel=0.02)  # without the position embeddings
    assert floor.seconds([floor.product.flops / floor.flops], [1e-9]) == pytest.approx([1.0])
    assert floor.seconds([1e-12], [floor.copy.bytes / floor.bytes * 3]) == pytest.approx([3.0])


@pytest.mark.skipif(sys.platform != "linux", reason="where it was mistaken")
def test_the_peak_is_that_of_the_program_and_not_of_who_started_it(benches: Any) -> None:
    for held, least, most in ((0, 5, 60), (2**26, 64, 124)):  # MB; with torch, these tests hold hundreds
        program = f"held = b'1' * {held}; del held; {benches('videos').PEAK}"
        peak = float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)
        assert least < peak < most


# --- starting ---


def test_the_stages_of_a_start_are_taken_from_what_the_app_says(benches: Any) -> None:
    starts = benches("starts")
    program = "import sys, time; print('a: the window stands at %.3f' % (time.time() + 5), file=sys.stderr, flush=True)"
    later = "; print('b: the first overlay is painted at %.3f' % (time.time() + 9), file=sys.stderr, flush=True)"
    found = starts.until_stages([sys.executable, "-c", f"{program}{later}; time.sleep(60)"])
    assert 5 < found["window"] < found["first overlay"] - 3.9
    assert found["first overlay"] < 20
    with pytest.raises(RuntimeError, match=r"ended after window: a: the window stands"):
        starts.until_stages([sys.executable, "-c", program])


def test_what_the_app_says_is_what_is_looked_for(benches: Any) -> None:
    said = "\n".join(path.read_text("utf-8") for path in (SCRIPTS.parent / "rtviz" / "app").glob("*.py"))
    for pattern in benches("starts").STAGES.values():
        assert re.search(pattern.pattern.replace(r"(\d+\.\d+)", "%.3f"), said)


# --- the command ---


def test_every_bench_is_there(benches: Any) -> None:
    for name, module in benches("bench").BENCHES.items():
        assert callable(getattr(benches(module), name))


def test_ratios_and_the_machine_are_printed(benches: Any, capsys: pytest.CaptureFixture[str]) -> None:
    bench: ModuleType = benches("bench")
    common = ["--device", "cpu", "--model", "random:embedded", "--resolution", "32"]
    assert bench.main(["latency", *common, "--seconds", "0.01", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (row,) = told["latency"].values()
    assert 0 < row["floor ms"] < row["p50 ms"] <= row["p95 ms"]
    assert row["peer / rtviz"] > 0
    assert f"torch {torch.__version__}" in told["machine"]["machine"]


def test_how_cores_are_shared_is_said_before_anything_is_loaded_that_asks(benches: Any) -> None:
    """NumPy and torch read it once; a bench that says it too late measures another program than the user's."""
    program = f"""
import os, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in ("numpy", "torch"):
            print(name, os.environ.get("OPENBLAS_NUM_THREADS"), os.environ.get("OMP_WAIT_POLICY"))

sys.meta_path.insert(0, Watch())
sys.path.insert(0, {str(SCRIPTS)!r})
import bench
bench.main(["latency", "--device", "cuda:77"])
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENBLAS", "OMP"))}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert "device cuda:77 is not there" in done.stderr
    assert sorted(set(done.stdout.splitlines())) == ["numpy 1 passive", "torch 1 passive"]


def test_it_is_said_which_aims_on_cuda_are_met(benches: Any) -> None:
    aims = benches("frames").aims
    row = {"p50 ms": 0.9, "peer / rtviz": 9.5, "of the first p50": 1.12}
    told = aims("random:dino-vits16", 224, row, (0.001, 0.995))
    assert told == "worst head 0.001 away, masks overlap by 0.995: met; p50 1 ms, 10 x the peer: missed"
    assert aims("random:dino-vits16", 224, {**row, "peer / rtviz": 10}, (0.001, 0.97)).count("missed") == 1
    assert aims("random:dinov3-vits16", 224, row, (0.03, 0.99)).count("missed") == 2
    assert aims("embedded", 224, row, (0.01, 0.99)).count(";") == 0
    live = [aims("random:dinov3-vits16", 512, {"p95 ms": ms}, (0.01, 0.99)) for ms in (15.9, 16.1)]
    assert [told.rpartition("; ")[2] for told in live] == ["p95 16 ms: met", "p95 16 ms: missed"]


def test_batches_stand_beside_what_timm_publishes(benches: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benches("batches"), "TIMM_ON_4090", {("embedded", 64): 1000})
    options = argparse.Namespace(chosen=False, device="cpu", batch=3, rounds=1, clock="wall")
    (row,) = benches("batches").batches(options).values()
    assert row["batch"] == 3
    assert row["timm's bare on an RTX 4090, images/s"] == 1000
    assert row["bare, images/s"] > 0
    assert row["with all maps in host memory, images/s"] > 0


@pytest.mark.parametrize("view", ["pca", "track"])
def test_what_a_view_costs_a_live_session_is_told_beside_its_aim(
    benches: Any, view: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benches("live"), "ADDED", {view: 0.15})
    common = ["--device", "cpu", "--model", "random:embedded", "--resolution", "32", "--json"]
    assert benches("bench").main(["costs", *common, "--seconds", "0.5", "--rounds", "1"]) == 0
    told = json.loads(capsys.readouterr().out)["costs"]
    assert told["between predictions with the heatmap, ms"] > 0
    assert -1 < told[f"{view}, of a frame's time (target 0.15)"] < 50


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["latency", "--model", "no-such-model"], "no model is called 'no-such-model'"),
        (["forward", "--model", "random:resnet18"], "has no attention heads"),
        (["latency", "--seconds", "-1"], "-1 is not above 0"),
        (["forward", "--rounds", "0"], "0 is not above 0"),
        (["views", "--resolution", "7"], "resolution cannot be 7"),
        (["render", "--view", "nosuch"], "view cannot be 'nosuch'"),
        (["render", "--input", "absent.mp4"], "absent.mp4"),
        (["memory", "--model", "no-such-model"], "no model is called 'no-such-model'"),
        (["all", "--device", "cuda:77"], "device cuda:77 is not there"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_words(
    benches: Any, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    device = [] if "--device" in arguments else ["--device", "cpu"]
    with pytest.raises(SystemExit) as ended:
        benches("bench").main([*arguments, *device])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_all_goes_on_where_a_library_is_missing(
    benches: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def needs_av(options: Any) -> None:
        raise MissingDependency("av", "reading video")

    given: dict[str, Any] = {}
    broken = ModuleType("benches.broken")
    broken.render, broken.live = needs_av, lambda options: given.update(vars(options)) or {"frames": {"a": 1, "b": 2}}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "benches.broken", broken)
    monkeypatch.setattr(benches("bench"), "BENCHES", {"render": "broken", "live": "broken"})
    assert benches("bench").main(["all", "--device", "cpu"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"render\n  not measured +reading video needs av: pip install av\n", told)
    assert re.search(r"live\n  frames +a 1, b 2\n", told)
    assert (given["model"], given["resolution"], given["seconds"], given["rounds"]) == ("random:dino-vits16", 224, 8, 3)
    with pytest.raises(SystemExit):
        benches("bench").main(["render"])
    assert "pip install av" in capsys.readouterr().err


def test_the_stages_of_a_render_are_timed_alone(benches: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benches("stages"), "SIZES", {"96x64": (64, 96)})
    options = argparse.Namespace(
        model="embedded", device="cpu", resolution=64, view="heatmap", seconds=0.5, clock="cpu"
    )
    told = benches("stages").stages(options)
    row = told["96x64, ms a frame"]
    assert row.pop("the most") == max(row, key=row.get)
    assert list(row) == ["decode", "resize", "forward", "draw", "encode"]
    assert min(row.values()) >= 0
    assert row["forward"] > row["resize"]


def test_the_clock_of_the_processor_leaves_out_waiting(benches: Any) -> None:
    waiting = {"waits": lambda: threading.Event().wait(0.05)}
    wall, cpu = (benches("turns").in_turns(waiting, 1, "cpu", clock)["waits"][0] for clock in ("wall", "cpu"))
    assert wall >= 0.05 > 2 * cpu

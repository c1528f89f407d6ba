"""The path on an NVIDIA GPU: graphs, number formats, kernels, copies. `pytest -m gpu` needs neither PyQt5 nor av."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
import torch
from small import shallow
from typed import present

import rtviz
from rtviz.engine.engine import Engine
from rtviz.frame import Floats, Frame
from rtviz.models import resizing
from rtviz.models.cuda_graphs import _TensorRecorder
from rtviz.models.model import Model
from rtviz.models.probed_network import Extent, ProbedNetwork
from rtviz.scoring.measures import jaccard, largest_mass
from rtviz.settings import Point, Settings
from rtviz.sources.scene import SceneSource

on_cuda = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
TINY = "random:vit_tiny_patch16_224"
PLACE = Point(0.7, 0.3)


def scene(number: int = 0, size: tuple[int, int] = (120, 160)) -> Any:
    return SceneSource(size=size).frame(number).pixels


def apart(one: Floats, other: Floats) -> float:
    """Of the worst head, relative, Euclidean."""
    one, other = (maps.reshape(*maps.shape[:2], -1) for maps in (one, other))
    return float((np.linalg.norm(one - other, axis=-1) / np.linalg.norm(other, axis=-1)).max())


def again(model: Model, frame: Any, times: int = 4, **asked: Any) -> Any:
    """What it sees once its passes are captured."""
    for _ in range(times):
        maps = model(frame, **asked)
    return maps


# --- what can be checked without one ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [TINY, "random:dinov3-vits16", "random:beit_base_patch16_224"])
def test_what_a_pass_reads_besides_its_input_is_found(name: str) -> None:
    """A graph has to hold weights and positions, and must not hold what a pass computes on its way."""
    model = shallow(name)
    x = model.prepare([scene()])
    tokens = x.shape[2] * x.shape[3] // model.patch_size**2 + model.prefix_tokens
    looking = ProbedNetwork(model.network, tokens, model.layers, Extent(whole=True))
    rows = torch.zeros(1, dtype=torch.int64)
    with torch.no_grad():
        looking(x, rows)
        with _TensorRecorder() as recorder:
            looking(x, rows)
        gc.collect()
        kept = recorder.alive()
        held = {tensor.data_ptr() for tensor in kept}
        blocks = [weight for name, weight in model.network.named_parameters() if name.startswith("blocks")]
        assert all(weight.data_ptr() in held for weight in blocks)
        assert {x.data_ptr(), rows.data_ptr()} <= held
        # Another size changes the positions. With what is held put back, nothing else is missing.
        own = sum(tensor.numel() for tensor in [*model.network.parameters(), *model.network.buffers()])
        assert sum(tensor.numel() for tensor in kept) < 1.5 * own + x.numel() + tokens * 2000
        # A network that moves on keeps its parameters, with other memory: what was captured still has its own.
        before = blocks[0].detach().clone()
        model.network.to(torch.bfloat16)
        assert any(tensor.shape == before.shape and torch.equal(tensor, before) for tensor in kept)


def test_a_resize_on_the_device_is_that_of_the_cpu() -> None:
    frames = [scene(number, (180, 320)) for number in (0, 60)]
    for size in ((96, 176), (180, 320), (224, 400)):
        expected = torch.cat([resizing.resized(frame, *size) for frame in frames]).float()
        found = resizing.resized_on_device(frames, *size, "cpu")
        assert found.shape == expected.shape
        assert found.dtype == torch.float32
        # The weights of bytes are whole numbers: about one value in a hundred is rounded to its neighbour.
        assert float((found - expected).abs().mean()) < 0.03
        assert float((found - expected).abs().max()) <= 2


def test_sharp_attention_survives_the_resize_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = rtviz.load("embedded", device="cpu", precision="fp32", backend="torch", resolution=112)
    true = [exact(scene(number)) for number in (0, 40, 80)]
    monkeypatch.setattr(
        "rtviz.models.model.resized",
        lambda frame, height, width: resizing.resized_on_device([frame], height, width, "cpu"),
    )
    for number, maps in zip((0, 40, 80), true, strict=True):
        found = exact(scene(number))
        assert apart(found.attention, maps.attention) < 1.5e-2
        assert jaccard(largest_mass(found.attention), largest_mass(maps.attention)).mean() >= 0.99


# --- on one ----------------------------------------------------------------------------------------------------------


class TestOnCuda:
    pytestmark = on_cuda

    @pytest.mark.parametrize(
        "name",
        ["random:dino-vits16", "random:dinov2-vits14-reg", "random:dinov3-vits16", "random:deit-vits16", "embedded"],
    )
    def test_replayed_maps_are_those_of_fp32(self, name: str) -> None:
        model = rtviz.load(name, device="cuda", resolution=112)
        exact = rtviz.load(name, device="cpu", precision="fp32", resolution=112)
        assert model.precision == "fp16"
        for number in (0, 40, 80):
            for query in ("cls", PLACE):
                found, true = again(model, scene(number), query=query), exact(scene(number), query)
                assert model.backend == "graph"
                assert apart(found.attention, true.attention) < 2e-2
                assert np.allclose(found.attention.sum((2, 3)) + found.prefix.sum(2), 1, atol=1e-2)
                masks, others = (largest_mass(maps.attention) for maps in (found, true))
                assert jaccard(masks, others).mean() >= 0.98

    def test_thousands_of_tokens_are_those_of_fp32_too(self) -> None:
        frame = scene(40, (480, 640))
        model = rtviz.load("random:dino-vits8", device="cuda", resolution=480)
        exact = rtviz.load("random:dino-vits8", device="cpu", precision="fp32", resolution=480)
        found, true = again(model, frame), exact(frame)
        assert found.grid == (60, 80)
        assert (model.precision, model.backend) == ("fp16", "graph")
        assert apart(found.attention, true.attention) < 2e-2
        assert jaccard(largest_mass(found.attention), largest_mass(true.attention)).mean() >= 0.98

    def test_a_replay_and_a_pass_of_the_network_agree(self) -> None:
        model = rtviz.load("random:dino-vits16", device="cuda", resolution=112)
        plain = rtviz.load("random:dino-vits16", device="cuda", resolution=112, backend="torch")
        wanted = {"tokens", "keys"}
        found, true = again(model, scene(), features=wanted), again(plain, scene(), features=wanted)
        assert (model.backend, plain.backend) == ("graph", "torch")
        assert apart(found.attention, true.attention) < 1e-2
        assert np.abs(found.tokens - true.tokens).max() < 0.05
        assert np.abs(found.keys - true.keys).max() < 0.05

    def test_another_query_is_answered_from_the_same_graph(self) -> None:
        model = rtviz.load(TINY, device="cuda", resolution=112)
        maps = again(model, scene(), features={"rows"})
        asked = maps.ask(PLACE)
        assert apart(asked.attention, rtviz.load(TINY, device="cpu", resolution=112)(scene(), PLACE).attention) < 2e-2
        assert not np.array_equal(asked.attention, maps.attention)

    def test_one_graph_gives_the_tokens_of_any_layer(self) -> None:
        model, exact = rtviz.load(TINY, device="cuda", resolution=112), rtviz.load(TINY, device="cpu", resolution=112)
        for layer in (2, 7, 11):
            wanted: Any = {"features": {"layer_tokens"}, "kept_layers": [layer]}
            for _ in range(4):
                (found,) = model.batch([scene()], **wanted)
            (true,) = exact.batch([scene()], **wanted)
            assert model.backend == "graph"
            assert apart(present(found.layer_tokens), present(true.layer_tokens)) < 5e-2

    def test_many_sizes_come_and_go(self) -> None:
        """More than graphs and positions are remembered: what a graph reads must outlive what the model forgets."""
        for name in ("random:dino-vits16", "random:dinov3-vits16"):
            model = rtviz.load(name, device="cuda", resolution=64)
            first = again(model, scene()).attention
            for width in range(160, 400, 16):
                again(model, scene(0, (120, width)), times=2)
                assert np.array_equal(model(scene()).attention, first)
            again(model, scene(0, (120, 400)))
            assert apart(again(model, scene()).attention, first) < 1e-2

    def test_threads_that_look_at_once_get_their_own_maps(self) -> None:
        model = rtviz.load(TINY, device="cuda", resolution=112)
        alone = [again(model, scene(number)).attention for number in range(4)]
        wrong: list[int] = []

        def look(number: int) -> None:
            for _ in range(20):
                if not np.array_equal(model(scene(number)).attention, alone[number]):
                    wrong.append(number)

        threads = [threading.Thread(target=look, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong

    def test_a_video_is_seen_the_same_in_two_lanes(self) -> None:
        frames = [Frame(scene(number), number, number / 30) for number in range(0, 96, 3)]
        settings = Settings(resolution=112)
        model = rtviz.load("random:dino-vits16", device="cuda", resolution=112)
        alone = [again(model, frame, times=1).attention for frame in frames]
        batches = [frames[start : start + 4] for start in range(0, len(frames), 4)]
        for _ in range(3):
            seen = list(Engine(model).predict_all(batches, settings))
            assert [frame.index for frame, _ in seen] == [frame.index for frame in frames]
            worst = max(apart(maps.attention, true) for (_, maps), true in zip(seen, alone, strict=True))
            assert worst < 1e-2

    def test_the_kernels_of_attention_are_fused(self) -> None:
        from torch.nn.attention import SDPBackend, sdpa_kernel

        model = rtviz.load("random:dino-vits16", device="cuda", backend="torch")
        fused = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION]
        with sdpa_kernel(fused):
            model(scene(), features={"tokens"})  # torch raises where none of them can run
        activities = [torch.profiler.ProfilerActivity.CUDA, torch.profiler.ProfilerActivity.CPU]
        with torch.profiler.profile(activities=activities) as profile:
            model(scene(), features={"tokens"})
        names = [event.key for event in profile.key_averages()]
        assert any("flash" in name or "fmha" in name or "cudnn" in name for name in names), names
        assert not any("_scaled_dot_product_attention_math" in name for name in names)

    def test_nothing_waits_for_the_device_but_the_end_of_a_pass(self) -> None:
        """That waits for an event, which torch does not count; whatever else waited would be an error here."""
        model = rtviz.load("random:dino-vits16", device="cuda")
        for frame in (scene(), scene(0, (480, 640))):
            again(model, frame)
            torch.cuda.set_sync_debug_mode("error")
            try:
                model(frame)
            finally:
                torch.cuda.set_sync_debug_mode("default")

    def test_two_models_that_are_captured_at_once_do_not_break_each_other(self) -> None:
        models = [rtviz.load(name, device="cuda", resolution=64) for name in ("random:dino-vits16", TINY)]
        together = threading.Barrier(2)

        def look(model: Model) -> None:
            again(model, scene(), times=2)
            together.wait()
            again(model, scene(), times=2)

        threads = [threading.Thread(target=look, args=(model,)) for model in models]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [model.backend for model in models] == ["graph", "graph"]

    def test_what_cannot_be_captured_leaves_nothing_behind(self) -> None:
        model = rtviz.load(TINY, device="cuda", resolution=64)

        def waits(*given: Any) -> None:
            given[1][0].sum().item()  # what no capture allows

        hook = model.network.blocks[2].register_forward_pre_hook(waits)
        before = torch.cuda.current_stream()
        assert np.isfinite(again(model, scene()).attention).all()
        assert model.backend == "torch"
        assert torch.cuda.current_stream() == before
        hook.remove()
        other = rtviz.load("random:dino-vits16", device="cuda", resolution=64)
        again(other, scene())
        assert other.backend == "graph"

    @pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
    def test_a_model_on_the_second_device_leaves_the_first_alone(self) -> None:
        program = (
            "import numpy as np, rtviz, torch\n"
            f"model = rtviz.load({TINY!r}, device='cuda:1', resolution=64)\n"
            "[model(np.zeros((64, 64, 3), np.uint8)) for _ in range(4)]\n"
            "assert model.backend == 'graph'\n"
            "import subprocess, os\n"
            "apps = ['nvidia-smi', '--query-compute-apps=pid,gpu_bus_id', '--format=csv,noheader']\n"
            "rows = subprocess.run(apps, capture_output=True, text=True).stdout.splitlines()\n"
            "assert len([row for row in rows if row.startswith(f'{os.getpid()},')]) <= 1, rows\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def test_what_overflows_fp16_goes_on_in_bf16_with_a_notice(self) -> None:
        model = rtviz.load(TINY, device="cuda", resolution=64)
        again(model, scene())
        with torch.no_grad():
            for block in model.network.blocks[2:4]:  # together beyond 65,504
                block.mlp.fc2.bias.fill_(4e4)
        maps = again(model, scene())
        assert model.precision == "bf16"
        assert "leaves the range of fp16" in (model.notice or "")
        assert np.isfinite(maps.attention).all()
        assert model.backend == "graph"

    def test_rollout_muting_and_gradients_work_beside_graphs(self) -> None:
        model = rtviz.load("random:deit-vits16", device="cuda", resolution=64)
        again(model, scene())
        assert model.batch([scene()], features={"rollout"})[0].rollout is not None
        assert model.batch([scene()], mute=[(0, 1)], features={"unablated"})[0].unablated is not None
        assert model.batch([scene()], features={"grad"})[0].explained is not None
        assert model.backend == "torch"
        again(model, scene(), times=1)
        assert model.backend == "graph"

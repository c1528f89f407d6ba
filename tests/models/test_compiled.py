"""Models that OpenVINO runs: the same maps, chosen where it pays, and torch where it cannot help."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import shallow
from typed import present

import rtviz
from rtviz import cli
from rtviz.errors import AttentionCaptureError, DeviceFailed, MissingDependency, SettingsError
from rtviz.frame import Maps
from rtviz.models import compiled, compiled_cache, compiler, devices, fidelity, measurements
from rtviz.models.model import Model
from rtviz.models.probed_network import Extent, ProbedNetwork
from rtviz.models.transformer import Transformer
from rtviz.settings import HeadOf, Point

pytestmark = pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")

TINY = "random:vit_tiny_patch16_224"
SMALL = "random:test_vit"  # 6 layers, patches of 16 too: a third of the time to compile
PLACE = Point(0.7, 0.3)


@pytest.fixture(scope="module")
def native_choice(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file that says which number format this machine is faster with: measured once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setattr("platformdirs.user_cache_dir", lambda *_: str(folder))
        patch.setattr(measurements, "_measured", {})
        devices.faster_on_cpu()
        return (folder / "precision.json").read_text()


@pytest.fixture(autouse=True)
def own_memory(native_choice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What else is found out about this machine stays in the test."""
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_: str(tmp_path / "cache"))
    monkeypatch.setattr(measurements, "_measured", {})
    path = tmp_path / "cache" / "precision.json"
    path.parent.mkdir()
    path.write_text(native_choice)
    return path


def picture(seed: int = 0, size: tuple[int, int] = (96, 128)) -> Any:
    """Smooth blobs: on noise the maps of an untrained network are all alike."""
    rng = np.random.default_rng(seed)
    ys, xs = np.mgrid[0 : size[0], 0 : size[1]]
    pixels = np.zeros((*size, 3))
    for _ in range(6):
        y, x = rng.random(2) * size
        blob = np.exp(-((ys - y) ** 2 + (xs - x) ** 2) / (2 * (8 + 12 * rng.random()) ** 2))
        pixels += blob[..., None] * rng.random(3) * 255
    return pixels.clip(0, 255).astype(np.uint8)


def load(name: str = SMALL, *, precision: str = "auto", backend: str = "auto") -> Model:
    if name not in (SMALL, "embedded"):  # the layers of the others are all alike
        return shallow(name, layers=5, precision=precision, backend=backend, resolution=96)
    return rtviz.load(name, device="cpu", resolution=96, precision=precision, backend=backend)


def apart(one: Any, other: Any) -> float:
    """Of the worst row, relative, Euclidean."""
    one, other = (np.asarray(rows, float).reshape(*rows.shape[:2], -1) for rows in (one, other))
    return float((np.linalg.norm(one - other, axis=-1) / np.linalg.norm(other, axis=-1)).max())


def masks(maps: Maps) -> Any:
    """The patches that hold 60 % of each head's attention, bool [layers, heads, patches]."""
    flat = maps.attention.reshape(maps.layers, maps.heads, -1)
    order = np.argsort(-flat, axis=-1)
    shares = np.take_along_axis(flat, order, -1).cumsum(-1) / flat.sum(-1, keepdims=True)
    inside = np.zeros(flat.shape, bool)
    np.put_along_axis(inside, order, np.roll(shares, 1, -1) < 0.6, -1)
    inside[np.arange(maps.layers)[:, None], np.arange(maps.heads), order[:, :, 0]] = True
    return inside


@pytest.mark.parametrize(
    ("name", "precision", "worse", "overlap"),
    [
        (SMALL, "int8", 2e-2, 0.95),
        ("random:deit_tiny_distilled_patch16_224", "int8", 2e-2, 0.95),
        ("random:dinov3-vits16", "int8", 2e-2, 0.95),  # rotary positions and registers
        ("embedded", "int8", 6e-2, 0.9),  # trained maps are sharper, and small matrices bear int8 less
        ("embedded", "fp32", 1e-3, 0.999),
    ],
)
def test_the_maps_are_those_of_fp32(name: str, precision: str, worse: float, overlap: float) -> None:
    model = load(name, precision=precision, backend="openvino")
    exact = load(name, precision="fp32", backend="torch")
    for query in ("cls", PLACE):
        found, true = model(picture(), query), exact(picture(), query)
        assert (model.runs_in, exact.runs_in) == (f"{precision} openvino", "fp32")
        assert apart(found.attention, true.attention) < worse
        assert np.allclose(found.attention.sum((2, 3)) + found.prefix.sum(2), 1, atol=1e-2)
        one, other = masks(found), masks(true)
        assert (one & other).sum() / (one | other).sum() > overlap


def test_large_products_of_queries_and_keys_are_not_rounded() -> None:
    """Keys of a trained DINOv2 share a large part, which the softmax leaves out, but a number format does not."""
    import openvino

    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU has no bf16")

    def first_layer(**asked: str) -> torch.Tensor:
        built = shallow(TINY, layers=2)
        network: Any = built.network
        network.blocks[0].attn.qkv.bias.data[: 2 * network.embed_dim] = 2.5  # a product of 50
        model = Transformer(network, built.card, device="cpu", resolution=96, **asked)
        return torch.from_numpy(model(picture()).attention[None, :1].reshape(1, 1, 3, -1))

    exact = first_layer(precision="fp32", backend="torch")
    usual, found = (
        fidelity.distance(first_layer(precision="bf16", backend=one), exact) for one in ("torch", "openvino")
    )
    assert (found < 1.2 * usual).all()


def test_tokens_keys_and_values_come_along_and_another_query_is_answered() -> None:
    model, exact = load(TINY, precision="int8"), load(TINY, precision="fp32")
    wanted = {"tokens", "keys", "values", "norms", "rows", "activation", "eigen"}
    found, true = (one.batch([picture(1), picture(2)], "cls", wanted) for one in (model, exact))
    assert model.backend == "openvino"
    for one, other in zip(found, true, strict=True):
        assert apart(one.tokens, other.tokens) < 0.1
        assert apart(one.keys, other.keys) < 0.1
        assert apart(one.values, other.values) < 0.1
        assert apart(one.attended, other.attended) < 2e-2
        assert len(present(one.norms)) == model.layers
        np.testing.assert_allclose(present(one.norms), present(other.norms), rtol=2e-2)
        np.testing.assert_allclose(present(one.prefix_norms), present(other.prefix_norms), rtol=2e-2)
        assert np.corrcoef(one.cams["eigen"][0].ravel(), other.cams["eigen"][0].ravel())[0, 1] > 0.95
        assert one.keys_layer == other.keys_layer
        assert np.corrcoef(one.cams["activation"][0].ravel(), other.cams["activation"][0].ravel())[0, 1] > 0.98
        asked = one.ask(PLACE)
        assert asked.query == PLACE
        assert apart(asked.attention, other.ask(PLACE).attention) < 2e-2
        assert apart(asked.attention, other.attention) > 5e-2, "it is the other query's"


def test_one_compiled_pass_gives_the_tokens_of_any_layer(tmp_path: Path) -> None:
    model, exact = load(precision="fp32", backend="openvino"), load(precision="fp32", backend="torch")
    for kept in ((0,), (3,), (-1,)):
        wanted: Any = {"features": {"layer_tokens", "rows"}, "kept_layers": kept}
        (found,), (true,) = (one.batch([picture()], **wanted) for one in (model, exact))
        assert (model.backend, exact.backend) == ("openvino", "torch")
        assert found.kept_layers == (kept[0] % model.layers,)
        assert present(found.layer_tokens).shape == present(true.layer_tokens).shape
        np.testing.assert_allclose(present(found.layer_tokens), present(true.layer_tokens), atol=2e-3)
        np.testing.assert_allclose(present(found.layer_prefix_tokens), present(true.layer_prefix_tokens), atol=2e-3)
        np.testing.assert_allclose(present(found.attended), present(true.attended), atol=1e-4)
        assert found.tokens is None
        assert apart(found.ask(PLACE).attention, true.ask(PLACE).attention) < 1e-3
    assert len(list((tmp_path / "cache").glob("compiled/*.blob"))) == 0, "what is required is not kept"
    fast = present(model._fast_passes)  # type: ignore[attr-defined]
    assert len(fast._made) == 1, "a layer is no pass of its own"


def test_what_openvino_does_not_give_torch_does() -> None:
    model, exact = load(TINY, precision="int8"), load(TINY, precision="fp32")
    for asked in ({"features": {"rollout"}}, {"mute": [HeadOf(0, 1)]}, {"features": {"grad"}}):
        (found,), (true,) = (one.batch([picture()], **asked) for one in (model, exact))
        assert model.backend == "torch"
        assert model.precision == devices.faster_on_cpu()
        assert apart(found.attention, true.attention) < 2e-2
        assert found.muted == true.muted
        assert (found.rollout is None) == (true.rollout is None)
        assert (found.explained is None) == (true.explained is None)


def test_each_size_and_each_batch_is_seen_as_it_is() -> None:
    model, exact = load(precision="fp32", backend="openvino"), load(precision="fp32", backend="torch")
    for size, counts in (((96, 128), (1, 3)), ((128, 96), (1,)), ((96, 128), (1, 3))):
        for count in counts:
            frames = [picture(seed, size) for seed in range(count)]
            for found, true in zip(model.batch(frames), exact.batch(frames), strict=True):
                assert apart(found.attention, true.attention) < 1e-3
    assert model.backend == "openvino"


def test_passes_that_meet_give_each_its_own_maps() -> None:
    model = load(precision="int8")
    alone = [model(picture(seed)).attention for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seed: model(picture(seed)).attention, range(8)))
    for one, other in zip(together, alone, strict=True):
        assert np.array_equal(one, other)


# --- what is chosen --------------------------------------------------------------------------------------------------


def wait_for_compiler(model: Model) -> None:
    for thread in threading.enumerate():
        if thread.name == "rtviz-compile":
            thread.join(60)


def clock(monkeypatch: pytest.MonkeyPatch, **milliseconds: float) -> None:
    """What measuring finds out."""
    devices.faster_on_cpu()  # before
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    spent = {name: one / 1000 for name, one in milliseconds.items()}
    monkeypatch.setattr(measurements, "in_turns", lambda runs, turns: {name: spent[name] for name in runs})


@pytest.mark.parametrize(("eager", "compiled"), [(40, 36), (40, 30)])  # 15 % must be gained
def test_what_is_quicker_and_holds_is_taken_and_kept(
    eager: float, compiled: float, monkeypatch: pytest.MonkeyPatch, own_memory: Path
) -> None:
    native, taken = devices.faster_on_cpu(), compiled == 30
    clock(monkeypatch, eager=eager, compiled=compiled)
    monkeypatch.setattr(fidelity, "SLACK", 0.05)
    expected = f"{native} openvino" if taken else native
    model = load()
    model.compile_soon()
    assert model(picture()).layers == 6, "torch predicts meanwhile"
    wait_for_compiler(model)
    maps = model(picture())
    assert model.runs_in == expected

    # Another process reads it, measures nothing and compiles nothing.
    monkeypatch.setattr(measurements, "_measured", {})
    monkeypatch.setattr(measurements, "in_turns", lambda runs, turns: pytest.fail("it was measured before"))
    monkeypatch.setattr(torch.jit, "trace", lambda *_, **__: pytest.fail("it was compiled before"))
    other = load()
    other.compile(picture())
    assert np.array_equal(other(picture()).attention, maps.attention)
    assert other.runs_in == expected
    assert len(list(own_memory.parent.glob("compiled/*.blob"))) == taken


def test_what_a_busy_machine_says_against_compiling_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, own_memory: Path
) -> None:
    clock(monkeypatch, eager=40, compiled=39)
    monkeypatch.setattr("os.getloadavg", lambda: (2.0 * (os.cpu_count() or 1), 0.0, 0.0))
    model = load()
    model.compile(picture())
    model(picture())
    assert model.backend == "torch"
    assert "eager" not in own_memory.read_text()


def shifted(maps: torch.Tensor) -> torch.Tensor:
    """Each map moved by one patch in the last layer, [batch, layers, heads, queries, tokens]."""
    maps = maps.clone()
    maps[:, -1, ..., 1:] = maps[:, -1, ..., 1:].roll(1, -1)
    return maps


def coarse(maps: torch.Tensor) -> torch.Tensor:
    """Each layer's maps with three bits for each share."""
    largest = maps.amax(-1, keepdim=True)
    return (maps / largest * 7).round() / 7 * largest


@pytest.mark.parametrize("fault", [shifted, coarse])
def test_a_compiled_pass_with_wrong_maps_is_refused(
    fault: Callable[[torch.Tensor], torch.Tensor], monkeypatch: pytest.MonkeyPatch, own_memory: Path
) -> None:
    clock(monkeypatch, eager=40, compiled=10)
    monkeypatch.setattr(fidelity, "SLACK", 0.05)  # the maps of an untrained network are nearly even
    true = compiled.Compiled.__call__
    broken = {"is": True}

    def call(one: compiled.Compiled, x: torch.Tensor, rows: torch.Tensor) -> Any:
        outputs = true(one, x, rows)
        return outputs._replace(attention=fault(outputs.attention)) if broken["is"] else outputs

    monkeypatch.setattr(compiled.Compiled, "__call__", call)
    model = load()
    model.compile(picture())
    model(picture())
    assert model.backend == "torch"
    assert not list(own_memory.parent.glob("compiled/*")), "what was refused is not kept"
    broken["is"] = False
    whole = load()
    whole.compile(picture())
    whole(picture())
    assert whole.backend == "openvino"


def test_few_frames_are_compiled_for_once_it_is_known_what_that_gains(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = 6 * 8 + 1
    clock(monkeypatch, eager=5000, compiled=30)
    monkeypatch.setattr(fidelity, "SLACK", 0.05)
    monkeypatch.setattr(compiler, "MANY_TOKENS", 35 * tokens)

    def backend(frames: int) -> str:
        """Of a new process."""
        monkeypatch.setattr(measurements, "_measured", {})
        model = load()
        model.compile(picture(), frames=frames)
        model(picture())
        return model.backend

    assert [backend(20), backend(20)] == ["torch", "openvino"], "in the second run it is worth finding out"
    clock(monkeypatch)  # nothing is measured any more
    assert backend(5) == "openvino", "to read it back takes less than 25 s"
    assert backend(0) == "torch"


@pytest.mark.parametrize("damage", ["cut", "changed", "foreign"])
def test_a_damaged_compiled_pass_is_made_anew(
    damage: str, monkeypatch: pytest.MonkeyPatch, own_memory: Path, tmp_path: Path
) -> None:
    one = compiled.Compiled(probed(), torch.rand(1, 3, 32, 32), "fp32", 1)
    compiled_cache.save("key", one)
    (path,) = own_memory.parent.glob("compiled/*.blob")
    content = path.read_bytes()
    damaged = {"cut": content[:-9], "changed": content[:-9] + b"\0" + content[-8:], "foreign": b"hello"}[damage]
    path.write_bytes(damaged)
    assert compiled_cache.load("key", "fp32", 1) is None
    assert not path.exists()


def test_a_compiled_pass_that_is_read_back_gives_the_same_maps_and_only_a_few_are_kept(
    monkeypatch: pytest.MonkeyPatch, own_memory: Path
) -> None:
    x, row = torch.rand(1, 3, 32, 32), torch.tensor([3])
    one = compiled.Compiled(probed(), x, "fp32", 1)
    monkeypatch.setattr(compiled_cache, "KEPT", 2)
    for number, key in enumerate("abc"):
        compiled_cache.save(key, one)
        for path in own_memory.parent.glob("compiled/*.blob"):
            if path.stat().st_mtime > 100:
                os.utime(path, (number, number))
    assert [compiled_cache.exists(key) for key in "abc"] == [False, True, True]
    found = compiled_cache.load("c", "fp32", 1)
    assert found is not None
    assert torch.equal(found(x, row).attention, one(x, row).attention)


def probed() -> ProbedNetwork:
    """A transformer of two layers for inputs of 32x32."""
    from timm.models.vision_transformer import VisionTransformer

    network = VisionTransformer(img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=0).eval()
    return ProbedNetwork(network.requires_grad_(False), 17, 2, Extent(), elementwise=True)


def test_other_weights_of_that_name_are_judged_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock(monkeypatch, eager=40, compiled=39)
    load().compile(picture())
    network = load().network
    network.blocks[3].mlp.fc1.weight.data[5, 7] += 0.1
    path = tmp_path / "other.pth"
    torch.save(network.float().state_dict(), path)
    measured: list[int] = []

    def in_turns(runs: Iterable[str], turns: int) -> dict[str, float]:
        measured.append(1)
        return dict.fromkeys(runs, 1.0)

    monkeypatch.setattr(measurements, "in_turns", in_turns)
    load().compile(picture())
    assert not measured
    for _ in range(2):
        other = rtviz.load(SMALL.removeprefix("random:"), weights=path, device="cpu", resolution=96)
        other.compile(picture())
    assert len(measured) == 1


# --- what is true enough ---------------------------------------------------------------------------------------------


def rows(*shares: float) -> torch.Tensor:
    """One map of one head of one layer: [1, 1, 1, patches]."""
    return torch.tensor(shares)[None, None, None]


def test_masks_hold_the_fewest_patches_with_sixty_percent_and_their_overlap_is_counted() -> None:
    assert fidelity.masks(rows(0.1, 0.3, 0.2, 0.4)).flatten().tolist() == [False, True, False, True]
    assert fidelity.masks(rows(1e-9, 7e-9, 2e-9)).flatten().tolist() == [False, True, False]  # the rest is CLS's
    assert fidelity.masks(rows(0, 0, 0)).sum() == 1
    assert fidelity.overlap(rows(0.1, 0.3, 0.2, 0.4), rows(0.1, 0.2, 0.3, 0.4)).item() == pytest.approx(1 / 3)
    batch = torch.cat([rows(0.5, 0.1, 0.1), rows(0.1, 0.1, 0.5)])
    assert fidelity.overlap(batch, torch.cat([rows(0.5, 0.1, 0.1)] * 2)).item() == pytest.approx(0.5)


def test_the_distance_divides_by_no_map_of_next_to_nothing() -> None:
    assert fidelity.distance(rows(0.3, 0, 0, 0), rows(0.5, 0, 0, 0)).item() == pytest.approx(0.4)
    assert fidelity.distance(rows(2e-9, 0, 0, 0), rows(1e-9, 0, 0, 0)).item() < 1e-8


@pytest.mark.parametrize(
    ("moved", "usual", "holds"),
    [
        ((0.0, 0.0), (0.0, 0.0), True),
        ((0.0, 0.3), (0.0, 0.0), False),  # the last layer is worse than torch's
        ((0.0, 0.3), (0.0, 0.3), True),  # as torch's is
        ((0.3, 0.0), (0.0, 0.0), False),  # an earlier one
        ((0.3, 0.0), (0.3, 0.0), True),
    ],
)
def test_a_format_may_be_no_worse_than_allowed_or_than_torch(
    moved: tuple[float, float], usual: tuple[float, float], holds: bool
) -> None:
    generator = torch.Generator().manual_seed(1)
    exact = torch.rand(2, 2, 4, 64, generator=generator)
    noise = torch.rand(2, 2, 4, 64, generator=generator)
    found, coarse = (exact + noise * torch.tensor(much)[None, :, None, None] for much in (moved, usual))
    assert fidelity.holds(found, coarse, exact) is holds


def test_it_is_measured_in_turns() -> None:
    seconds = measurements.in_turns({"slow": lambda: time.sleep(0.02), "quick": lambda: time.sleep(0.001)})
    assert 0.019 < seconds["slow"] < 0.2
    assert 0.001 <= seconds["quick"] < seconds["slow"]


def test_nothing_is_compiled_unasked() -> None:
    for asked in ({}, {"precision": "fp32"}, {"backend": "torch"}):
        model = load(**asked)
        if asked:
            model.compile_soon()
        model(picture())
        assert not [thread for thread in threading.enumerate() if thread.name == "rtviz-compile"]
        assert model.backend == "torch"


def test_a_model_that_is_moved_is_compiled_anew() -> None:
    model = load(precision="int8")
    before = model(picture()).attention
    model.to("cpu")
    assert np.array_equal(model(picture()).attention, before)
    assert model.runs_in == "int8 openvino"


# --- where it cannot be ----------------------------------------------------------------------------------------------


def test_without_openvino_torch_goes_on_unless_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    model = load()
    model.compile_soon()
    model.compile(picture())
    model(picture())
    assert model.backend == "torch"
    for asked in ({"precision": "int8"}, {"backend": "openvino"}):
        with pytest.raises(MissingDependency, match=r"rtviz\[openvino\]"):
            load(**asked)


def test_where_openvino_fails_torch_goes_on_unless_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> object:
        raise RuntimeError("no such operation")

    monkeypatch.setattr(compiler, "Compiled", fail)
    model = load()
    model.compile_soon()
    model.compile(picture())
    assert model(picture()).layers == 6
    assert model.backend == "torch"
    with pytest.raises(AttentionCaptureError, match=r"OpenVINO cannot compile random:test_vit.*no such operation"):
        load(precision="int8")(picture())


@pytest.mark.parametrize(("precision", "runs_in"), [("auto", "fp16"), ("int8", "int8"), ("fp32", "fp32")])
def test_another_device_of_openvino_gives_the_same_maps(
    monkeypatch: pytest.MonkeyPatch, precision: str, runs_in: str
) -> None:
    """In the place of a device that few machines have, a plugin that is none of the CPU's own."""
    monkeypatch.setattr(compiled, "device_of", lambda backend: "HETERO:CPU")
    model, exact = load(precision=precision, backend="openvino-gpu"), load(precision="fp32", backend="torch")
    assert apart(model(picture(), PLACE).attention, exact(picture(), PLACE).attention) < 2e-2
    assert model.runs_in == f"{runs_in} openvino-gpu"


@pytest.mark.parametrize("backend", ["openvino-gpu", "openvino-npu"])
def test_a_device_that_openvino_does_not_find_is_named(monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    import openvino

    monkeypatch.setattr(openvino.Core, "available_devices", ["CPU", "GPUX"])
    with pytest.raises(
        DeviceFailed, match=rf"{backend}: OpenVINO finds no {backend[-3:].upper()} here, only CPU, GPUX"
    ):
        load(backend=backend)
    monkeypatch.setattr(openvino.Core, "available_devices", ["CPU", "GPU.0", "GPU.1", "NPU"])
    assert load(backend=backend).name == SMALL


@pytest.mark.parametrize(
    "asked",
    [
        {"precision": "int8", "backend": "torch"},
        {"precision": "fp16", "backend": "openvino"},
        {"precision": "bf16", "backend": "openvino-gpu"},
        {"backend": "tvm"},
    ],
)
def test_what_contradicts_itself_is_refused(asked: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        load(**asked)


def test_a_convolutional_network_says_that_torch_runs_it() -> None:
    model = rtviz.load("random:resnet18", device="cpu", precision="int8", resolution=64)
    assert model.notice is not None
    assert "OpenVINO is for transformers" in model.notice
    assert model(picture()).layers == 4
    assert model.backend == "torch"


def test_render_says_what_ran(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out.mp4"
    arguments = ["render", "scene:?size=96x64", "--seconds", "0.2", "-o", str(output)]
    looking = ["--model", "random:embedded", "--device", "cpu", "--precision", "int8", "--resolution", "64"]
    assert cli.run([*arguments, *looking]) == 0
    assert "random:embedded on cpu, int8 openvino" in capsys.readouterr().err
    assert output.stat().st_size > 0
    assert compiled.is_there()


def test_a_batch_that_is_not_full_is_seen_as_the_full_ones_were() -> None:
    model = load(precision="int8")
    frames = [picture(number) for number in range(4)]
    full = model.batch(frames, "cls", {"tokens", "rows"})
    rest = model.batch(frames[:3], "cls", {"tokens", "rows"})
    assert model.runs_in == "int8 openvino"
    for one, other in zip(rest, full, strict=False):
        np.testing.assert_array_equal(one.attention, other.attention)
        np.testing.assert_array_equal(one.tokens, other.tokens)
        np.testing.assert_allclose(one.ask(PLACE).attention, other.ask(PLACE).attention, atol=1e-6)

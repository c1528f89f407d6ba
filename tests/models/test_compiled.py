"""Models that OpenVINO runs: the same maps, chosen where it pays, and torch where it cannot help."""

from __future__ import annotations

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rtviz
from rtviz import cli
from rtviz.errors import AttentionCaptureError, DeviceFailed, MissingDependency, SettingsError
from rtviz.frame import Maps
from rtviz.models import choices, compiled, compiler
from rtviz.models.runner import Model
from rtviz.settings import HeadOf, Point

pytestmark = pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")

TINY = "random:vit_tiny_patch16_224"
PLACE = Point(0.7, 0.3)


@pytest.fixture(autouse=True)
def own_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is found out about this machine stays in the test."""
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_: str(tmp_path / "cache"))
    monkeypatch.setattr(choices, "_measured", {})
    return tmp_path / "cache" / "precision.json"


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


def load(name: str = TINY, resolution: int = 96, **asked: str) -> Model:
    return rtviz.load(name, device="cpu", resolution=resolution, **asked)


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
        (TINY, "int8", 2e-2, 0.95),
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


def test_tokens_keys_and_values_come_along_and_another_query_is_answered() -> None:
    model, exact = load(precision="int8"), load(precision="fp32")
    wanted = {"tokens", "keys", "values", "rows", "activation", "eigen"}
    found, true = (one.batch([picture(1), picture(2)], "cls", wanted) for one in (model, exact))
    assert model.backend == "openvino"
    for one, other in zip(found, true, strict=True):
        assert apart(one.tokens, other.tokens) < 0.1
        assert apart(one.keys, other.keys) < 0.1
        assert apart(one.values, other.values) < 0.1
        assert apart(one.attended, other.attended) < 2e-2
        assert np.corrcoef(one.cams["eigen"][0].ravel(), other.cams["eigen"][0].ravel())[0, 1] > 0.95
        assert one.keys_layer == other.keys_layer
        assert np.corrcoef(one.cams["activation"][0].ravel(), other.cams["activation"][0].ravel())[0, 1] > 0.98
        asked = one.ask(PLACE)
        assert asked.query == PLACE
        assert apart(asked.attention, other.ask(PLACE).attention) < 2e-2
        assert apart(asked.attention, other.attention) > 5e-2, "it is the other query's"


def test_what_openvino_does_not_give_torch_does() -> None:
    model, exact = load(precision="int8"), load(precision="fp32")
    for asked in ({"features": {"rollout"}}, {"mute": [HeadOf(0, 1)]}, {"features": {"grad"}}):
        (found,), (true,) = (one.batch([picture()], **asked) for one in (model, exact))  # type: ignore[arg-type]
        assert model.backend == "torch"
        assert model.precision == choices.faster_on_cpu()
        assert apart(found.attention, true.attention) < 2e-2
        assert found.muted == true.muted
        assert (found.rollout is None) == (true.rollout is None)
        assert (found.explained is None) == (true.explained is None)


def test_each_size_and_each_batch_is_seen_as_it_is() -> None:
    model, exact = load(precision="int8"), load(precision="fp32")
    for size in ((96, 128), (128, 96), (96, 128)):
        for count in (1, 3):
            frames = [picture(seed, size) for seed in range(count)]
            for found, true in zip(model.batch(frames), exact.batch(frames), strict=True):
                assert apart(found.attention, true.attention) < 2e-2
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


@pytest.mark.parametrize(
    ("milliseconds", "worse", "expected"),
    [
        ({"eager": 40, "native": 36, "int8": 38}, 2e-2, "native"),  # nothing gains 15 %
        ({"eager": 40, "native": 30, "int8": 28}, 2e-2, "native openvino"),  # int8 is hardly quicker than what is exact
        ({"eager": 40, "native": 36, "int8": 20}, 2e-2, "int8 openvino"),
        ({"eager": 40, "native": 30, "int8": 20}, 0.0, "native openvino"),  # the maps do not hold
    ],
)
def test_the_quickest_that_holds_is_taken_and_kept(
    milliseconds: dict[str, float],
    worse: float,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    own_memory: Path,
) -> None:
    native = choices.faster_on_cpu()
    clock = {name.replace("native", native): spent / 1000 for name, spent in milliseconds.items()}
    monkeypatch.setattr(choices, "in_turns", lambda runs, turns: {name: clock[name] for name in runs})
    monkeypatch.setattr(compiler, "WORSE", worse)
    expected = expected.replace("native", native)
    model = load()
    model.compile_soon()
    assert model(picture()).layers == 12, "it looks meanwhile"
    wait_for_compiler(model)
    model(picture())
    assert model.runs_in == expected
    kept = json.loads(own_memory.read_text())
    assert (expected.partition(" ")[0] if "openvino" in expected else "eager") in kept.values()

    # Another process reads it, and measures nothing.
    monkeypatch.setattr(choices, "_measured", {})
    monkeypatch.setattr(choices, "in_turns", lambda runs, turns: pytest.fail("it was measured before"))
    other = load()
    other.compile(picture())
    other(picture())
    assert other.runs_in == expected


def test_it_is_measured_in_turns() -> None:
    seconds = choices.in_turns({"slow": lambda: time.sleep(0.02), "quick": lambda: time.sleep(0.001)})
    assert 0.019 < seconds["slow"] < 0.2
    assert 0.001 <= seconds["quick"] < seconds["slow"]


def test_other_weights_of_that_name_which_do_not_hold_stay_in_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choices, "known_choice", lambda key: "int8" if "openvino" in key else "fp32")
    monkeypatch.setattr(compiler, "WORSE", 0.0)
    model = load()
    model.compile(picture())
    model(picture())
    assert model.backend == "torch"


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
    assert model(picture()).layers == 12
    assert model.backend == "torch"
    with pytest.raises(AttentionCaptureError, match=r"OpenVINO cannot compile random:vit_tiny.*no such operation"):
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
    assert load(backend=backend).name == TINY


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

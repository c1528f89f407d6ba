"""Models from the outside: the zoo's facts, loading, sizes, queries, batches, devices and number formats."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import PIL.Image
import pytest
import safetensors.torch
import torch
from small import noise
from typed import present

import rtviz
from rtviz.errors import DeviceFailed, DeviceLost, SettingsError, UnknownModel
from rtviz.frame import Frame, Grid
from rtviz.models import inspection, listing, measurements, resizing, zoo
from rtviz.models.card import RANDOM, ModelCard
from rtviz.models.model import Model
from rtviz.models.read_write_lock import ReadWriteLock
from rtviz.models.timm_import import timm
from rtviz.notices import Remedy
from rtviz.settings import Point, Query

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = "random:vit_tiny_patch16_224"


@pytest.fixture(scope="module")
def tiny() -> Model:
    return rtviz.load(TINY, device="cpu", precision="fp32", resolution=64)


# --- the zoo ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("card", zoo._CARDS, ids=lambda card: card.name)
def test_the_table_agrees_with_timm(card: ModelCard) -> None:
    facts = inspection.inspect_transformer(card.timm_name) or inspection.inspect_convnet(card.timm_name)
    assert facts is not None
    assert card.kind == facts.get("kind", "transformer")
    for field in ("patch_size", "layers", "heads", "width", "registers", "parameters"):
        assert getattr(card, field) == facts[field], field
    if card.repository is None:  # of another's training: timm has the architecture alone
        return
    assert card.download_bytes == facts["download_bytes"]
    assert (card.repository, card.filename) == (facts["repository"], facts["filename"])
    assert (card.mean, card.std) == (facts["mean"], facts["std"])
    if facts["licence"] != "see its repository":  # older versions of timm do not tell all of them
        assert card.licence.lower().replace(" ", "-").startswith(facts["licence"])
    if facts["official_filename"] and not facts["official_filename"].endswith(".npz"):
        assert card.official_filename == facts["official_filename"]


def test_the_issue_s_models_are_there() -> None:
    names = {row.card.name for row in listing()}
    assert names >= {
        "dino-vits16", "dino-vits8", "dino-vitb16", "dino-vitb8", "dinov2-vits14", "dinov2-vits14-reg",
        "dinov2-vitb14-reg", "dinov3-vits16", "deit-vits16", "augreg-vits16", "resnet50", "dino-resnet50",
        "dinov3-convnext-tiny", "dinov2-vitl14", "dinov2-vitl14-reg", "dinov3-vits16plus", "dinov3-vitb16",
        "dinov3-vitl16", "ibot-vits16", "ibot-vitb16", "lingbot-vits16", "lingbot-vitb16", "mae-vitb16", "clip-vitb16",
        "siglip2-vitb16",
    }  # fmt: skip
    for row in listing():
        assert len(row.cells()) == 9
        assert all(isinstance(cell, str) and cell for cell in row.cells())
        json.dumps(row.to_mapping())


@pytest.mark.parametrize(
    "name",
    [
        "dinov3-vits16plus",
        "ibot-vits16",
        "lingbot-vits16",
        "mae-vitb16",
        "clip-vitb16",
        "siglip2-vitb16",
    ],
)
def test_maps_of_each_family_sum_to_one_with_their_prefix(name: str) -> None:
    model = rtviz.load(RANDOM + name, device="cpu", precision="fp32", resolution=48)
    card = zoo.find(name)
    query: Query = Point(0.5, 0.5) if name.startswith("siglip") else "cls"
    maps = model(np.random.default_rng(1).integers(0, 256, (48, 64, 3), dtype=np.uint8), query)
    assert maps.attention.shape == (card.layers, card.heads, *Grid(*(side // card.patch_size for side in (48, 64))))
    assert maps.prefix.shape[2] == card.registers + (0 if name.startswith("siglip") else 1)
    assert np.allclose(maps.attention.sum((2, 3)) + maps.prefix.sum(2), 1, atol=1e-5)


def test_listing_needs_nothing_heavy() -> None:
    heavy = ("torch", "timm", "cv2", "huggingface_hub", "safetensors")
    program = (
        "import sys; from rtviz.models import listing; assert len(listing()) >= 11; "
        f"assert not [name for name in {heavy} if name in sys.modules]"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2], timeout=60)


def test_names_are_found() -> None:
    card = zoo.find("dinov2-vits14-reg")
    assert zoo.find(card.timm_name) == card
    untrained = zoo.find("random:dinov2-vits14-reg")
    assert (untrained.name, untrained.random, untrained.registers) == ("random:dinov2-vits14-reg", True, 4)
    from_timm = zoo.find("vit_base_patch16_clip_224.openai")
    assert (from_timm.layers, from_timm.heads, from_timm.repository) == (
        12,
        12,
        "timm/vit_base_patch16_clip_224.openai",
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("dino-vit16", "did you mean dino-vits16"),
        ("", "no model is called ''"),
        ("random:nothing", "no model is called 'nothing'"),
        ("swin_tiny_patch4_window7_224", "not a vision transformer"),
        ("vit_tiny_patch16_224.nothing", "there are: augreg_in21k"),
    ],
)
def test_unknown_names_are_refused_in_one_line(name: str, says: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        rtviz.load(name)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (caught.value.remedy is Remedy.LIST_MODELS) == ("there are:" not in says)


def test_random_models_are_the_same_each_time_and_leave_the_generator_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first = rtviz.load(TINY, device="cpu", precision="fp32")
    assert torch.equal(torch.rand(1), expected)
    second = rtviz.load(TINY, device="cpu", precision="fp32")
    for one, other in zip(first.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(one, other)
    assert first.network.blocks[0].attn.qkv.weight.std() > 0.01
    assert "untrained" in present(first.notice)


def test_a_torchvision_of_another_torch_gets_past_its_missing_operators(tmp_path: Path) -> None:
    """Its import describes operators that are not there, a RuntimeError; ours must go on until it is through."""
    (tmp_path / "torchvision").mkdir()
    describe = "import torch\n" + "".join(
        f"torch.library.register_fake('torchvision::{name}')(lambda *a: None)\n" for name in ("nms", "qnms", "roi_pool")
    )
    (tmp_path / "torchvision" / "_meta_registrations.py").write_text(describe)
    (tmp_path / "torchvision" / "__init__.py").write_text("import torchvision._meta_registrations\nprint('through')\n")
    look = "try:\n import rtviz.models.timm_import\nexcept ImportError:\n pass  # the rest of torchvision is not here\n"
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    done = subprocess.run(
        [sys.executable, "-c", look],
        env={**os.environ, "PYTHONPATH": path},
        timeout=120,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "through\n"), done.stderr


# --- sizes and frames -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("patch_size", "frame_size", "resolution", "expected"),
    [
        (16, (480, 640), 224, (224, 304)),  # 298.7 -> 19 patches
        (16, (640, 480), 224, (304, 224)),
        (14, (720, 1280), 224, (224, 392)),  # 398.2 -> 28 patches
        (8, (224, 224), 224, (224, 224)),
        (16, (224, 224), 230, (224, 224)),
        (16, (224, 224), 233, (240, 240)),
        (16, (10, 10), 64, (64, 64)),
        (16, (1, 3), 32, (32, 96)),
        (16, (1080, 1920), 224, (224, 400)),
    ],
)
def test_the_short_side_becomes_the_resolution_in_whole_patches(
    patch_size: int, frame_size: tuple[int, int], resolution: int, expected: tuple[int, int]
) -> None:
    name = {16: TINY, 14: "random:dinov2-vits14", 8: "random:dino-vits8"}[patch_size]
    model = _cached(name)
    assert model.input_size(frame_size, resolution) == expected


_models: dict[str, Model] = {}


def _cached(name: str) -> Model:
    if name not in _models:
        _models[name] = rtviz.load(name, device="cpu", precision="fp32", resolution=64)
    return _models[name]


def test_absurd_sizes_are_refused_with_what_is_possible(tiny: Model) -> None:
    with pytest.raises(
        SettingsError, match="resolution cannot be 4096; allowed: at most 3072 for frames of 16000x9000"
    ):
        tiny.input_size((9000, 16000), 4096)
    assert tiny.input_size((9000, 16000), 3072)[0] == 3072
    with pytest.raises(SettingsError, match=r"none for frames of 900000x8 .* too long"):
        tiny.input_size((8, 900000))
    with pytest.raises(SettingsError, match="resolution cannot be 7; allowed: a whole number from 32"):
        tiny.input_size((100, 100), 7)


@pytest.mark.parametrize("size", [(1, 1), (10, 10), (1, 30), (64, 64), (100, 37), (720, 1280)])
def test_any_frame_gives_maps_of_its_aspect(tiny: Model, size: tuple[int, int]) -> None:
    maps = tiny(noise(*size))
    height, width = tiny.input_size(size)
    assert maps.input_size == (height, width)
    assert maps.attention.shape == (12, 3, height // 16, width // 16)
    assert maps.attention.dtype == maps.prefix.dtype == np.float32
    assert np.isfinite(maps.attention).all()
    assert maps.query == "cls"
    assert maps.model == TINY


def test_frames_are_normalised_as_in_training(tiny: Model) -> None:
    colour = np.array([10, 128, 250], np.uint8)
    x = tiny.prepare([np.broadcast_to(colour, (48, 64, 3))], 64)
    assert x.shape == (1, 3, 64, 80)
    expected = (colour / 255 - tiny.card.mean) / tiny.card.std
    np.testing.assert_allclose(x[0].mean((1, 2)).numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(x[0].std((1, 2)).numpy(), 0, atol=1e-5)


def test_resizing_is_that_of_the_papers_evaluation(tiny: Model) -> None:
    """Against Pillow's bicubic, which torchvision's Resize(interpolation=3) on pictures is."""
    frame = np.asarray(PIL.Image.effect_mandelbrot((400, 300), (-2, -1.5, 1, 1.5), 100).convert("RGB"))
    x = tiny.prepare([frame], 96)[0]
    mean, std = (torch.tensor(three)[:, None, None] for three in (tiny.card.mean, tiny.card.std))
    seen = ((x * std + mean) * 255).permute(1, 2, 0).numpy()
    pillow = np.asarray(PIL.Image.fromarray(frame).resize((128, 96), PIL.Image.Resampling.BICUBIC), np.float32)
    assert np.abs(seen - pillow).max() <= 1.5


def test_a_frame_is_resized_once_for_all_models_and_a_buffer_each_time(tiny: Model) -> None:
    frame = Frame(noise(64, 96))
    found = resizing.resized(frame.pixels, 32, 48)
    assert resizing.resized(frame.pixels, 32, 48) is found
    assert resizing.resized(frame.pixels, 48, 72) is not found
    buffer = noise(64, 96)
    first = resizing.resized(buffer, 32, 48).clone()
    maps = tiny(buffer)
    buffer[:] = 255 - buffer
    assert (resizing.resized(buffer, 32, 48) != first).any()
    assert (tiny(buffer).attention != maps.attention).any()
    for number in range(40):  # the number of a frame that is gone may come again
        pixels = Frame(np.full((64, 96, 3), number, np.uint8)).pixels
        assert (resizing.resized(pixels, 32, 48) == number).all()
        del pixels


def test_frames_are_left_alone_and_may_be_read_only_or_strided(tiny: Model) -> None:
    frame = noise(64, 64)
    before = frame.copy()
    expected = tiny(frame).attention
    np.testing.assert_array_equal(frame, before)
    np.testing.assert_array_equal(tiny(Frame(frame)).attention, expected)
    flipped = np.ascontiguousarray(frame[:, ::-1])
    np.testing.assert_array_equal(tiny.batch([flipped[:, ::-1]])[0].attention, expected)


def test_what_is_no_frame_is_refused(tiny: Model) -> None:
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 4), np.uint8)):
        with pytest.raises(ValueError, match=r"a frame is RGB uint8 \[height, width, 3\]"):
            tiny(cast(Any, wrong))


def test_position_embeddings_are_those_of_timm_at_every_size_where_timm_resamples_as_the_authors_do() -> None:
    model = rtviz.load("random:dinov2-vits14-reg", device="cpu", precision="fp32", resolution=56)
    reference = timm.create_model(model.card.timm_name, num_classes=0, dynamic_img_size=True).eval()
    reference.load_state_dict(
        rtviz.load("random:dinov2-vits14-reg", device="cpu", precision="fp32").network.state_dict()
    )
    for size in ((56, 84), (84, 56), (56, 84), (42, 42)):
        x = torch.randn(1, 3, *size)
        model.attention(x)
        with torch.no_grad():
            torch.testing.assert_close(model.network.forward_features(x), reference.forward_features(x))


# --- queries, batches, tensors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("point", "patch"),
    [((0, 0), (0, 0)), ((1, 1), (3, 7)), ((0.5, 0.5), (2, 4)), ((0.49, 0.24), (0, 3)), ((0.13, 0.76), (3, 1))],
)
def test_a_point_is_the_patch_under_it(tiny: Model, point: tuple[float, float], patch: tuple[int, int]) -> None:
    x = torch.randn(1, 3, 64, 128)
    one_pixel = x.clone()
    assert tiny.row_of(Point(*point), (4, 8)) == 1 + patch[0] * 8 + patch[1]
    # The patch's own embedding is what changes in the first layer's query when its pixels change.
    row, column = patch
    one_pixel[:, :, row * 16 : row * 16 + 16, column * 16 : column * 16 + 16] *= -3
    before, after = (tiny.attention(picture, Point(*point))[0, 0] for picture in (x, one_pixel))
    others = torch.ones(4, 8, dtype=torch.bool)
    others[patch] = False
    assert not torch.allclose(before[:, others], after[:, others])


def test_points_off_the_frame_are_refused(tiny: Model) -> None:
    for wrong in ((1.2, 0.5), (-0.1, 0), "middle", (0.5,), None):
        with pytest.raises(SettingsError, match=r"query cannot be .*; allowed: cls, reg0 .*, or X,Y"):
            tiny(noise(32, 32), cast(Any, wrong))


def test_a_batch_is_its_frames_one_by_one_whatever_their_sizes(tiny: Model) -> None:
    frames = [noise(48, 64, 1), noise(64, 48, 2), noise(48, 64, 3), noise(96, 128, 4)]
    together = tiny.batch(frames, Point(0.2, 0.9), {"keys"})
    assert [maps.grid for maps in together] == [(4, 5), (5, 4), (4, 5), (4, 5)]
    for frame, maps in zip(frames, together, strict=True):
        alone = tiny(frame, Point(0.2, 0.9), {"keys"})
        np.testing.assert_allclose(maps.attention, alone.attention, atol=1e-6)
        np.testing.assert_allclose(maps.prefix, alone.prefix, atol=1e-6)
        np.testing.assert_allclose(present(maps.keys), present(alone.keys), atol=1e-4)
        assert maps.attention.base is None  # a kept frame does not keep its batch
    assert tiny.batch([]) == []


def test_frames_and_tensors_agree(tiny: Model) -> None:
    frame = noise(80, 64)
    np.testing.assert_array_equal(tiny(frame).attention, tiny.attention(tiny.prepare([frame]))[0].numpy())


def test_tensors_of_another_shape_are_refused(tiny: Model) -> None:
    for wrong in (torch.zeros(3, 32, 32), torch.zeros(1, 3, 32, 33), torch.zeros(1, 3, 32, 32, dtype=torch.uint8)):
        with pytest.raises(ValueError, match="multiples of 16"):
            tiny.attention(wrong)


@pytest.mark.parametrize("query", ["cls", Point(0.9, 0.1)])
def test_one_pass_answers_any_query(tiny: Model, query: Query) -> None:
    frames = [noise(40, 64, seed=seed) for seed in range(2)]
    for frame, maps in zip(frames, tiny.batch(frames, Point(0.2, 0.9), {"rows"}), strict=True):
        asked, fresh = maps.ask(query), tiny(frame, query)
        assert asked.query == fresh.query
        np.testing.assert_allclose(asked.attention, fresh.attention, atol=1e-6)
        np.testing.assert_allclose(asked.prefix, fresh.prefix, atol=1e-6)
    with pytest.raises(ValueError, match="rows"):
        fresh.ask("cls")


def test_unknown_features_are_refused(tiny: Model) -> None:
    with pytest.raises(
        ValueError,
        match="allowed: activation, columns, eigen, grad, keys, layer_keys",
    ):
        tiny(noise(32, 32), features={"queries"})


# --- devices and number formats ---------------------------------------------------------------------------------------


def test_absent_devices_and_words_that_are_none() -> None:
    if not torch.cuda.is_available():
        with pytest.raises(DeviceFailed, match="device cuda is not there; this machine has: cpu"):
            rtviz.load(TINY, device="cuda")
    with pytest.raises(DeviceFailed, match="cuda:99 is not there"):
        rtviz.load(TINY, device="cuda:99")
    with pytest.raises(SettingsError, match="device cannot be 'toaster'; allowed: auto, cpu"):
        rtviz.load(TINY, device="toaster")
    with pytest.raises(SettingsError, match="precision cannot be 'int3'; allowed: auto, fp32, bf16, fp16"):
        rtviz.load(TINY, precision="int3")


def test_moving_keeps_the_maps(tiny: Model) -> None:
    frame = noise(48, 64)
    expected = tiny(frame).attention
    assert tiny.to("cpu") is tiny
    np.testing.assert_array_equal(tiny(frame).attention, expected)


def test_precision_is_measured_once_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_: str(tmp_path / "cache"))
    monkeypatch.setattr(measurements, "_measured", {})
    chosen = rtviz.load(TINY, device="cpu").precision
    assert chosen in ("bf16", "fp32")
    file = tmp_path / "cache" / "precision.json"
    ((key, kept),) = json.loads(file.read_text()).items()
    assert kept == chosen
    assert torch.__version__ in key
    # Another process believes the file; the other answer shows that it is read.
    other = {"bf16": "fp32", "fp32": "bf16"}[chosen]
    file.write_text(json.dumps({key: other}))
    monkeypatch.setattr(measurements, "_measured", {})
    assert rtviz.load(TINY, device="cpu").precision == other
    for rubbish in ("", "{", "[1, 2]", json.dumps({key: "fp3"})):
        file.write_text(rubbish)
        monkeypatch.setattr(measurements, "_measured", {})
        assert rtviz.load(TINY, device="cpu").precision in ("bf16", "fp32")


def test_fp16_that_overflows_goes_on_in_bf16_and_says_so() -> None:
    model = rtviz.load(TINY, device="cpu", precision="fp16", resolution=32)
    assert np.isfinite(model(noise(32, 32)).attention).all()
    assert model.precision == "fp16"
    with torch.no_grad():
        model.network.blocks[4].mlp.fc2.bias.fill_(60000)
        model.network.blocks[5].mlp.fc2.bias.fill_(60000)
    maps = model(noise(32, 32))
    assert np.isfinite(maps.attention).all()
    assert model.precision == "bf16"
    assert "leaves the range of fp16" in present(model.notice)


def test_a_change_waits_for_the_passes_inside_and_the_next_pass_for_the_change() -> None:
    lock = ReadWriteLock()
    order: list[str] = []
    inside, go, changing, done = (threading.Event() for _ in range(4))

    def look(name: str, *wait: threading.Event) -> None:
        with lock.reading():
            order.append(f"{name} in")
            inside.set()
            for event in wait:
                assert event.wait(20)
            order.append(f"{name} out")

    def change() -> None:
        with lock.writing():
            order.append("change")
            changing.set()
            assert done.wait(20)
            order.append("changed")

    running = [threading.Thread(target=look, args=("first", go))]
    running[0].start()
    assert inside.wait(20)
    running.append(threading.Thread(target=change))
    running[1].start()
    assert not changing.wait(0.2), "somebody is inside"
    go.set()
    assert changing.wait(20)
    running.append(threading.Thread(target=look, args=("second",)))
    running[2].start()
    time.sleep(0.2)
    done.set()
    for thread in running:
        thread.join(20)
    assert order == ["first in", "first out", "change", "changed", "second in", "second out"]


def test_fp16_that_overflows_in_the_last_layers_output_alone_is_noticed_too() -> None:
    model = rtviz.load(TINY, device="cpu", precision="fp16", resolution=32)
    with torch.no_grad():
        model.network.blocks[-1].attn.proj.bias.fill_(60000)
        model.network.blocks[-1].mlp.fc2.bias.fill_(60000)
    assert np.isfinite(present(model(noise(32, 32), features={"tokens"}).tokens)).all()
    assert model.precision == "bf16"


def test_weights_beyond_fp16_run_in_bf16(tmp_path: Path) -> None:
    network = rtviz.load(TINY, device="cpu", precision="fp32").network
    with torch.no_grad():
        network.blocks[2].mlp.fc2.weight[3, 5] = 3e5
    safetensors.torch.save_file(network.state_dict(), tmp_path / "large.safetensors")
    model = rtviz.load(
        TINY.removeprefix("random:"), weights=tmp_path / "large.safetensors", device="cpu", precision="fp16",
        resolution=32,
    )  # fmt: skip
    assert model.precision == "bf16"
    assert "has weights that fp16 cannot hold" in present(model.notice)
    assert np.isfinite(present(model(noise(32, 32), features={"tokens"}).tokens)).all()


@pytest.mark.parametrize(
    "fail",
    [
        lambda *_: torch.empty(1 << 60, dtype=torch.uint8),  # what the CPU's allocator says
        lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")),
    ],
    ids=["cpu", "cuda"],
)
def test_out_of_memory_is_a_device_failure_and_the_model_lives_on(fail: Callable[..., Any]) -> None:
    model = rtviz.load(TINY, device="cpu", precision="fp32", resolution=32)
    expected = model(noise(32, 32)).attention
    hook = model.network.blocks[2].register_forward_pre_hook(fail)
    with pytest.raises(DeviceFailed, match="cpu is out of memory"):
        model(noise(32, 32))
    with pytest.raises(DeviceFailed, match="cpu is out of memory"):
        model.attention(torch.zeros(1, 3, 32, 32))
    hook.remove()
    np.testing.assert_array_equal(model(noise(32, 32)).attention, expected)


def test_a_device_that_fails_for_good_is_told_from_one_without_room() -> None:
    model = rtviz.load(TINY, device="cpu", precision="fp32", resolution=32)
    said = "CUDA error: an illegal memory access was encountered\nCompile with TORCH_USE_CUDA_DSA"
    model.network.blocks[2].register_forward_pre_hook(
        lambda *_: (_ for _ in ()).throw(torch.AcceleratorError(said)),
    )
    with pytest.raises(DeviceLost, match=r"cpu failed, and rtviz has to be started anew: CUDA error: an illegal .*d$"):
        model(noise(32, 32))


def test_other_errors_are_not_taken_for_memory() -> None:
    model = rtviz.load(TINY, device="cpu", precision="fp32", resolution=32)
    model.network.blocks[2].register_forward_pre_hook(lambda *_: torch.zeros(2) @ torch.zeros(3))
    with pytest.raises(RuntimeError, match="inconsistent tensor size"):
        model(noise(32, 32))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["dino-vits16", "dinov2-vits14-reg", "dinov3-vits16"])
def test_cuda_fp16_agrees_with_the_cpu(name: str) -> None:
    frame = noise(120, 160)
    exact = rtviz.load("random:" + name, device="cpu", precision="fp32", resolution=112)(
        frame, features={"tokens", "keys"}
    )
    model = rtviz.load("random:" + name, resolution=112)
    assert (model.device, model.precision) == ("cuda", "fp16")
    quick = model(frame, features={"tokens", "keys"})
    error = np.linalg.norm(quick.attention - exact.attention, axis=(2, 3)) / np.linalg.norm(
        exact.attention, axis=(2, 3)
    )
    assert error.max() < 1e-2
    assert np.abs(present(quick.tokens) - present(exact.tokens)).max() < 0.1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_memory_that_is_full_is_a_device_failure_and_the_cpu_goes_on() -> None:
    model = rtviz.load(TINY, device="cuda", resolution=224)
    torch.cuda.set_per_process_memory_fraction(1e-4)
    try:
        with pytest.raises(DeviceFailed, match="cuda is out of memory"):
            model.batch([noise(224, 224)] * 64)
        assert model.to("cpu").device == "cpu"
        assert len(model.batch([noise(224, 224)] * 2)) == 2
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)

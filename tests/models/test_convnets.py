"""Convolutional networks, and the view cam: what stages respond to, and what is said where heads would be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small import noise, trained_looking
from typed import present

import rtviz
from rtviz import figures, views
from rtviz.analysis.head_stats import head_statistics
from rtviz.analysis.optical_flow import FlowWarper
from rtviz.engine.engine import Engine
from rtviz.errors import SettingsError, UnknownModel, WeightsMissing, WeightsRefused
from rtviz.frame import Frame
from rtviz.live.flight_recorder import RecordedFrame
from rtviz.models import backbone, cams, inspection, zoo
from rtviz.models.weights import fitting, places
from rtviz.offline.pipeline import export
from rtviz.settings import Point, Settings
from rtviz.sources import open_source
from rtviz.views.hover import hover
from rtviz.views.requirements import features, fit

pytestmark = pytest.mark.usefixtures("one_thread")

SIZES = [(64, 64), (96, 160), (130, 70)]


# --- what the methods compute -----------------------------------------------------------------------------------------


def slow_eigen(features: NDArray[Any]) -> NDArray[Any]:
    """[channels, rows, columns] -> [rows, columns], by a whole singular value decomposition in float64."""
    channels, rows, columns = features.shape
    places = features.reshape(channels, -1).T.astype(np.float64)
    centred = places - places.mean(axis=0)
    along = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
    norm = np.linalg.norm(places, axis=1)
    return (along if along @ (norm - norm.mean()) >= 0 else -along).reshape(rows, columns)


def assert_near(found: NDArray[Any], expected: NDArray[Any], share: float = 2e-3) -> None:
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=share * np.abs(expected).max())


@pytest.mark.parametrize("name", ["random:resnet18", "random:convnext_atto"])
@pytest.mark.parametrize("size", SIZES)
def test_maps_are_computed_from_timm_s_own_features(name: str, size: tuple[int, int]) -> None:
    model = trained_looking(name)
    frame = noise(*size)
    (maps,) = model.batch([frame], features={"activation", "eigen"})
    with torch.inference_mode():
        x = model.prepare([frame])
        features = [stage[0].numpy() for stage in model.network.forward_intermediates(x, intermediates_only=True)][-4:]
    height, width = model.input_size(size)
    assert maps.input_size == (height, width)
    assert (maps.layers, maps.heads, maps.grid) == (4, 0, (height // 32, width // 32))
    assert maps.attention.shape == (4, 0, *maps.grid)
    for stage, stride in enumerate((4, 8, 16, 32)):
        assert features[stage].shape[1:] == (height // stride, width // stride)
        assert_near(maps.cams["activation"][stage], np.linalg.norm(features[stage].astype(np.float64), axis=0), 1e-5)
        assert_near(maps.cams["eigen"][stage], slow_eigen(features[stage]))


@pytest.mark.parametrize("shape", [(8, 5, 9), (64, 4, 4), (3, 20, 31), (300, 12, 11), (16, 1, 1), (16, 1, 2)])
@pytest.mark.parametrize("seed", range(3))
def test_eigen_is_the_first_component_of_any_features(shape: tuple[int, int, int], seed: int) -> None:
    random = np.random.default_rng(seed)
    features = random.normal(size=shape).astype(np.float32)
    features += random.normal(size=(shape[0], 1, 1)) * np.linspace(-1, 2, shape[2])  # something to be found
    two = torch.from_numpy(np.stack([features, 3 * features[:, ::-1].copy()])).float()
    found = cams.eigen(two).numpy()
    for one, values in zip(two.numpy(), found, strict=True):
        assert_near(values, slow_eigen(one), 0.02)


@pytest.mark.parametrize("inside", [True, False])
def test_the_high_end_of_eigen_is_what_is_attended_whatever_the_lengths(inside: bool) -> None:
    """Two sides, and either of them may have the longer features."""
    side = np.zeros((5, 7), bool)
    side[1:4, 2:6] = True
    apart = np.random.default_rng(3).normal(size=(16, 1, 1))
    features = torch.from_numpy(np.where(side == inside, 3.0, -1.0) * apart)[None].float()
    attended = torch.from_numpy(np.where(side, 0.04, 0.001))[None]
    found = cams.eigen(features, attended)[0].numpy()
    assert found[side].min() > 0 > found[~side].max()
    by_length = cams.eigen(features)[0].numpy()
    assert bool(by_length[side].min() > by_length[~side].max()) is inside


def test_eigen_of_the_same_everywhere_is_nothing() -> None:
    assert cams.eigen(torch.ones(1, 8, 3, 5)).abs().max() < 1e-4
    assert torch.isfinite(cams.eigen(torch.zeros(1, 8, 3, 5))).all()


def test_of_a_transformer_cam_shows_the_tokens_that_it_ends_with() -> None:
    model = rtviz.load("random:vit_tiny_patch16_224", device="cpu", precision="fp32", resolution=64)
    (maps,) = model.batch([noise(64, 96)], features={"activation", "eigen", "tokens"})
    tokens = np.moveaxis(present(maps.tokens), -1, 0)
    assert_near(maps.cams["activation"][0], np.linalg.norm(tokens, axis=0), 1e-5)
    assert_near(maps.cams["eigen"][0], slow_eigen(tokens))
    (alone,) = model.batch([noise(64, 96)], features={"activation"})
    assert alone.tokens is None
    np.testing.assert_array_equal(alone.cams["activation"][0], maps.cams["activation"][0])
    frame = Frame(noise(64, 96))
    by_default, eigen, activation = (
        views.draw(frame, maps, Settings(view="cam", cam=cam)) for cam in ("auto", "eigen", "activation")
    )
    np.testing.assert_array_equal(by_default, eigen)
    assert (by_default != activation).any()
    assert features(Settings(view="cam"), model) == {"eigen"}
    with pytest.raises(SettingsError, match=r"layer cannot be 3; allowed: -1 with the view cam"):
        views.draw(frame, maps, Settings(view="cam", layer=3))
    assert fit(Settings(view="cam", layer=3), maps).layer == -1


def test_a_batch_is_what_its_frames_are_alone() -> None:
    model = trained_looking("random:resnet18")
    frames = [noise(64, 96, seed) for seed in range(3)]
    together = model.batch(frames, features={"eigen"})
    for frame, maps in zip(frames, together, strict=True):
        (alone,) = model.batch([frame], features={"eigen"})
        for one, other in zip(maps.cams["eigen"], alone.cams["eigen"], strict=True):
            np.testing.assert_allclose(one, other, atol=1e-3 * np.abs(other).max())


def test_a_query_changes_nothing() -> None:
    model = trained_looking("random:resnet18")
    maps = model(noise(64, 64), query=Point(0.2, 0.7))
    assert maps.query == Point(0.2, 0.7)
    asked = model(noise(64, 64)).ask(Point(0.2, 0.7))
    assert asked.query == maps.query
    np.testing.assert_array_equal(asked.cams["activation"][2], maps.cams["activation"][2])


def test_bf16_is_near() -> None:
    model = rtviz.load("random:resnet18", device="cpu", precision="bf16", resolution=64)
    exact = rtviz.load("random:resnet18", device="cpu", precision="fp32", resolution=64)
    found, expected = (one(noise(64, 64)).cams["activation"][3] for one in (model, exact))
    np.testing.assert_allclose(found, expected, rtol=0.1)


# --- which there are --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "stages", "cell"),
    [("resnet18", 4, 32), ("efficientnet_b0", 4, 32), ("mobilenetv3_small_050", 4, 32), ("regnety_002", 4, 32)],
)
def test_any_convnet_of_timm_is_taken(name: str, stages: int, cell: int) -> None:
    card = zoo.find(name)
    assert (card.kind, card.layers, card.heads, card.patch_size) == ("convnet", stages, 0, cell)
    assert present(card.repository).startswith("timm/")
    maps = rtviz.load(f"random:{name}", device="cpu", precision="fp32", resolution=64)(noise(64, 90))
    assert all(stage.ndim == 2 and np.isfinite(stage).all() for stage in maps.cams["activation"])


@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "maxvit_rmlp_pico_rw_256", "mixer_s32_224"])
def test_what_is_neither_is_refused(name: str) -> None:
    """A hybrid attends: to call it a convolutional network would be wrong."""
    assert inspection.inspect_convnet(name) is None
    with pytest.raises(UnknownModel, match=r"not a vision transformer .* and no convolutional network"):
        zoo.find(name)


def test_unknown_names_are_refused_in_one_line() -> None:
    with pytest.raises(UnknownModel, match="did you mean resnet50"):
        rtviz.load("resnet5o")
    with pytest.raises(UnknownModel, match=r"resnet50 has no weights 'nothing'; there are: .*a1_in1k"):
        rtviz.load("resnet50.nothing")


def test_the_licence_is_shown() -> None:
    assert zoo.find("dinov3-convnext-tiny").licence == "DINOv3 License"


# --- weights ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("RTVIZ_WEIGHTS", str(tmp_path / "by-hand"))


@pytest.fixture(scope="module")
def resnet() -> dict[str, torch.Tensor]:
    """The tensors of a ResNet-50 under torchvision's names, without the counters that old files do not have."""
    names: list[tuple[str, int | tuple[int, ...]]] = [("conv1.weight", (64, 3, 7, 7)), ("bn1", 64)]
    width = 64
    for layer, blocks in enumerate((3, 4, 6, 3), start=1):
        inner = 32 * 2**layer
        for block in range(blocks):
            place = f"layer{layer}.{block}"
            names += [(f"{place}.conv1.weight", (inner, width, 1, 1)), (f"{place}.bn1", inner)]
            names += [(f"{place}.conv2.weight", (inner, inner, 3, 3)), (f"{place}.bn2", inner)]
            names += [(f"{place}.conv3.weight", (4 * inner, inner, 1, 1)), (f"{place}.bn3", 4 * inner)]
            if not block:
                names += [(f"{place}.downsample.0.weight", (4 * inner, width, 1, 1))]
                names += [(f"{place}.downsample.1", 4 * inner)]
            width = 4 * inner
    state: dict[str, torch.Tensor] = {}
    for name, shape in names:
        if isinstance(shape, tuple):
            state[name] = torch.full(shape, 0.01 * (1 + len(state) % 7))
        else:
            for part in ("weight", "bias", "running_mean", "running_var"):
                state[f"{name}.{part}"] = torch.full((shape,), 0.1 * (1 + len(state) % 5))
    return state


def the_head(width: int = 2048) -> dict[str, torch.Tensor]:
    return {"fc.weight": torch.zeros(1000, width), "fc.bias": torch.zeros(1000)}


@pytest.mark.parametrize("written", ["plain", "with a classifier", "teacher and student"])
def test_torchvision_s_names_are_taken(
    tmp_path: Path, no_caches: None, resnet: dict[str, torch.Tensor], written: str
) -> None:
    held: dict[str, object] = dict(resnet)
    if written == "with a classifier":
        held |= the_head()
    if written == "teacher and student":
        teacher = {f"module.backbone.{name}": tensor for name, tensor in resnet.items()}
        teacher |= {"module.head.mlp.0.weight": torch.zeros(8, 2048), "module.head.last_layer.weight_g": torch.ones(8)}
        held = {"teacher": teacher, "student": {name: tensor + 1 for name, tensor in teacher.items()}, "epoch": 3}
    path = tmp_path / "dino_resnet50_pretrain.pth"
    torch.save(held, path)
    model = rtviz.load(weights=path, device="cpu", precision="fp32")
    assert (model.name, model.card.family) == ("dino-resnet50", "DINO")
    state = model.network.state_dict()
    for name, tensor in resnet.items():
        torch.testing.assert_close(state[name], tensor, msg=name)


def test_a_file_whose_name_says_nothing_tells_its_model_by_its_shape(resnet: dict[str, torch.Tensor]) -> None:
    assert [card.name for card in fitting.cards_that_fit(resnet)] == ["dino-resnet50", "resnet50"]
    assert [card.name for card in fitting.cards_that_fit(resnet | the_head())] == ["resnet50", "dino-resnet50"]
    official = {f"stages.{s}.{b}.dwconv.weight": torch.ones(96 * 2**s, 1) for s, n in enumerate((3, 3, 9, 3)) for b in range(n)}  # noqa: E501 # fmt: skip
    assert [card.name for card in fitting.cards_that_fit(official)] == ["dinov3-convnext-tiny"]


def test_official_names_of_dinov3_are_taken(tmp_path: Path, no_caches: None) -> None:
    """timm's names turned back into the authors': downsample_layers, stages, dwconv, pwconv."""
    import re

    network: Any = backbone.build_convnet("convnext_tiny.dinov3_lvd1689m", random=True)
    official: dict[str, torch.Tensor] = {}
    for name, tensor in network.state_dict().items():
        name = re.sub(r"stages\.(\d)\.blocks\.", r"stages.\1.", name)
        name = re.sub(r"stages\.(\d)\.downsample\.", r"downsample_layers.\1.", name)
        name = name.replace("stem.", "downsample_layers.0.").replace("head.norm.", "norm.")
        name = name.replace("conv_dw", "dwconv").replace("mlp.fc", "pwconv")
        official[name] = tensor + 0.5
    torch.save(official, tmp_path / "dinov3_convnext_tiny_pretrain_lvd1689m-21b726bb.pth")
    model = rtviz.load(weights=tmp_path / "dinov3_convnext_tiny_pretrain_lvd1689m-21b726bb.pth", device="cpu")
    assert model.name == "dinov3-convnext-tiny"
    got = model.network.stages[2].blocks[8].mlp.fc2.weight.float()
    torch.testing.assert_close(got, network.stages[2].blocks[8].mlp.fc2.weight + 0.5, rtol=0.01, atol=0.01)


@pytest.mark.parametrize("damage", ["missing", "deeper", "other shape", "a transformer"])
def test_weights_of_another_network_are_refused(
    tmp_path: Path, no_caches: None, resnet: dict[str, torch.Tensor], damage: str
) -> None:
    held = dict(resnet)
    if damage == "missing":
        held = {name: tensor for name, tensor in held.items() if not name.startswith("layer3.5")}
    elif damage == "deeper":
        held["layer3.6.conv1.weight"] = torch.ones(256, 1024, 1, 1)
    elif damage == "other shape":
        held["layer1.0.conv2.weight"] = torch.ones(128, 64, 3, 3)
    else:
        held = dict(backbone.build_random("vit_tiny_patch16_224").state_dict())
    torch.save(held, tmp_path / "file.pth")
    with pytest.raises(WeightsRefused, match="does not fit dino-resnet50: ") as caught:
        rtviz.load("dino-resnet50", weights=tmp_path / "file.pth", device="cpu")
    assert "\n" not in str(caught.value)


def test_where_dino_s_resnet_is_to_be_had_is_said(tmp_path: Path, no_caches: None) -> None:
    with pytest.raises(WeightsMissing, match=r"fetch https://dl\.fbaipublicfiles\.com/dino/.*/dino_resnet50_pretrain"):
        rtviz.load("dino-resnet50")
    # A supervised ResNet-50 under timm's name is not DINO's.
    (tmp_path / "by-hand").mkdir(exist_ok=True)
    (tmp_path / "by-hand" / "resnet50.pth").touch()
    assert places.find_here(zoo.find("dino-resnet50")) is None
    assert places.find_here(zoo.find("resnet50")) is not None


# --- what is shown ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["activation", "eigen"])
@pytest.mark.parametrize("layout", ["overlay", "alone", "side-by-side"])
def test_the_engine_draws_every_stage(method: str, layout: str) -> None:
    engine = Engine(trained_looking("random:resnet18"))
    frame = Frame(noise(72, 100))
    shown = []
    for layer in (0, 1, 2, -1):
        settings = Settings(view="cam", cam=method, layer=layer, layout=layout, resolution=64)
        shown.append(engine.render(frame, settings).overlay)
        assert shown[-1].shape == (72, 200 if layout == "side-by-side" else 100, 3)
    assert len({picture.tobytes() for picture in shown}) == 4
    with pytest.raises(SettingsError, match=r"-4 to 3 \(random:resnet18 has 4 stages\)"):
        engine.render(frame, settings.replace(layer=4))


def test_the_brightest_place_is_where_the_stage_responds_most() -> None:
    engine = Engine(trained_looking("random:resnet18"))
    pixels = np.full((128, 128, 3), 120, np.uint8)
    pixels[96:128, 32:64] = noise(32, 32)
    maps = engine.predict([Frame(pixels)], Settings(view="cam", resolution=128))[0]
    settings = Settings(view="cam", colormap="gray", layout="alone", upsampling="nearest", layer=1, resolution=128)
    picture = engine.draw(Frame(pixels), maps, settings).overlay[..., 0]
    row, column = np.unravel_index(np.argmax(maps.cams["activation"][1]), (16, 16))
    assert picture[8 * row + 4, 8 * column + 4] == picture.max() == 255


def test_a_map_that_is_even_everywhere_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the activation of an untrained ViT is, whose last norm makes all tokens equally long."""
    said = []
    monkeypatch.setattr("rtviz.drawing.labels.say", lambda picture, *texts: said.append(texts[0]))
    engine = Engine(rtviz.load("random:vit_tiny_patch16_224", device="cpu", precision="fp32"))
    frame = Frame(noise(64, 96))
    engine.render(frame, Settings(view="cam", cam="activation", resolution=64))
    assert said == ["all patches respond alike: eigen tells them apart"]
    engine.render(frame, Settings(view="cam", resolution=64))
    engine.render(frame, Settings(view="heatmap", resolution=64))
    assert len(said) == 1


@pytest.mark.parametrize("view", [name for name in views.names() if views.find(name).needs_heads])
def test_views_say_what_there_is_not(view: str) -> None:
    engine = Engine(trained_looking("random:resnet18"))
    with pytest.raises(SettingsError) as caught:
        engine.render(Frame(noise(64, 64)), Settings(view=view, resolution=64))
    lacking = (
        "patch tokens"
        if view in ("pca", "similarity", "objects", "track", "reference", "prompts")
        else "attention heads"
    )
    allowed = f"mask, cam, none (random:resnet18 has no {lacking})"
    assert str(caught.value) == f"view cannot be {view!r}; allowed: {allowed}"


def test_whatever_else_needs_heads_says_so(tmp_path: Path) -> None:
    says = r"\(random:resnet18 has no attention heads\)"
    model = trained_looking("random:resnet18")
    frame, maps = Frame(noise(64, 64)), model(noise(64, 64))
    with pytest.raises(SettingsError, match=says):
        model.attention(torch.zeros(1, 3, 64, 64))
    for draw in (figures.layers_by_heads, figures.heads):
        with pytest.raises(SettingsError, match=says):
            draw(frame, maps)
    with pytest.raises(SettingsError, match=says), open_source("scene:?seconds=1") as source:
        export(source, tmp_path / "maps.npz", Engine(model), Settings())


def test_live_settings_are_brought_to_what_there_is() -> None:
    maps = trained_looking("random:resnet18")(noise(64, 64))
    fitting = fit(Settings(view="grid", head=3, layer=11, cam="eigen"), maps)
    assert (fitting.view, fitting.head, fitting.layer, fitting.cam) == ("cam", "mean", 3, "activation")
    assert fit(Settings(view="none"), maps).view == "none"
    assert head_statistics(maps, 0) == ()
    frame = Frame(noise(64, 64))
    engine = Engine(trained_looking("random:resnet18"))
    assert hover(engine.draw(frame, maps, fitting), 0.5, 0.5) is None


def test_maps_without_heads_are_carried_and_kept() -> None:
    pixels = np.kron(noise(12, 16), np.ones((10, 10, 1), np.uint8))
    then, now = Frame(pixels), Frame(np.roll(pixels, 8, axis=1))
    maps = trained_looking("random:resnet18").batch([pixels], features={"activation", "eigen"}, resolution=128)[0]
    carried = FlowWarper().warp(maps, then, now)
    assert carried.attention.shape == maps.attention.shape
    expected = np.roll(maps.cams["activation"][0], 2, axis=1)[4:-4, 8:-8]  # 8 pixels are two cells
    found = carried.cams["activation"][0][4:-4, 8:-8]
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.8
    assert RecordedFrame(0, 0.0, 0, 0, 0.0, b"", maps).size_bytes > sum(
        stage.nbytes for stages in maps.cams.values() for stage in stages
    )


def test_the_mask_of_a_network_without_heads_is_that_of_what_its_stage_responds_to() -> None:
    frame = Frame(noise(64, 64))
    engine = Engine(trained_looking("random:resnet18"))
    settings = Settings(view="mask", resolution=64, layout="alone", upsampling="nearest", layer=-2)
    picture = engine.render(frame, settings).overlay
    (maps,) = engine.predict([frame], settings)
    stage = maps.cams["activation"][-2]
    kept = np.sort(stage.ravel())[::-1]
    least = kept[np.searchsorted(np.cumsum(kept), 0.6 * kept.sum())]
    inside = np.kron(stage >= least, np.ones((64 // stage.shape[0], 64 // stage.shape[1]), bool))
    bright = picture.sum(axis=2) > 0
    assert (bright == inside).mean() > 0.9  # but for the outline

"""Grad-CAM: beside gradients through the whole network, and what is said where there is no classifier."""

from __future__ import annotations

import contextlib
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from live_fakes import until, until_shown
from numpy.typing import NDArray
from small import noise, trained_looking
from typed import present

import rtviz
from rtviz import views
from rtviz.engine.comparison import Comparison, titled
from rtviz.engine.engine import Engine
from rtviz.errors import SettingsError
from rtviz.frame import Frame, Pixels
from rtviz.live.frames import CapturedFrame, Prediction
from rtviz.live.renderer import FrameRenderer
from rtviz.live.session import LiveSession
from rtviz.models import backbone
from rtviz.models.model import Model
from rtviz.settings import Point, Settings, Target
from rtviz.views.requirements import fit, has_features

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pytorch_grad_cam import EigenCAM, GradCAM
    from pytorch_grad_cam.utils.image import scale_cam_image
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

pytestmark = pytest.mark.usefixtures("one_thread")

Array = NDArray[Any]
CONVNET, VIT, DINO = "random:resnet18", "random:vit_tiny_patch16_224", "random:embedded"


def slowly(model: Model, frame: Pixels, target: Target, layer: int = -1) -> tuple[Array, int]:
    """The network written out, with gradients all the way; the map in loops over channels."""
    network = model.network
    x = model.prepare([frame]).clone().requires_grad_()
    if model.heads:
        rows, columns = x.shape[2] // 16, x.shape[3] // 16
        tokens = network.patch_embed(x).reshape(1, -1, 192)
        tokens = network._pos_embed(tokens.reshape(1, rows, columns, 192))
        for block in network.blocks[:-1]:
            tokens = block(tokens)
        last = network.blocks[-1]
        inside = last.norm1(tokens)
        tokens = tokens + last.attn(inside)
        tokens = tokens + last.mlp(last.norm2(tokens))
        logits = network.head(network.norm(tokens)[:, 0])
    else:
        y = network.maxpool(network.act1(network.bn1(network.conv1(x))))
        outputs = []
        for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
            y = stage(y).clone()
            outputs.append(y)
        inside = outputs[layer]
        logits = network.fc(y.mean(dim=(2, 3)))
    number = int(logits.argmax()) if target == "top" else target
    (gradient,) = torch.autograd.grad(logits[0, number], inside)
    if model.heads:
        inside, gradient = (t[0, 1:].T.reshape(192, rows, columns) for t in (inside, gradient))
    else:
        inside, gradient = inside[0], gradient[0]
    total = np.zeros(inside.shape[1:])
    for channel, slope in zip(inside.detach().double().numpy(), gradient.double().numpy(), strict=True):
        total += slope.mean() * channel
    return np.maximum(total, 0), number


@pytest.mark.parametrize("target", ["top", 7, 640])
@pytest.mark.parametrize(("name", "layer"), [(CONVNET, -1), (CONVNET, 0), (CONVNET, 2), (VIT, -1)])
def test_the_map_is_that_of_gradients_through_the_whole_network(name: str, layer: int, target: Target) -> None:
    model = trained_looking(name)
    frame = noise(64, 96)
    (maps,) = model.batch([frame], features={"grad"}, target=target, layer=layer)
    expected, number = slowly(model, frame, target, layer)
    explained = present(maps.explained)
    assert (explained.number, explained.target) == (number, target)
    (found,) = maps.cams["grad"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4 * max(expected.max(), 1e-6))


@pytest.mark.parametrize("target", ["top", 640])
@pytest.mark.parametrize(("name", "layer"), [(CONVNET, -1), (CONVNET, 1), ("random:convnext_atto", -1), (VIT, -1)])
def test_the_map_is_that_of_pytorch_grad_cam(name: str, layer: int, target: Target) -> None:
    model = trained_looking(name)
    frame = noise(64, 96)
    (maps,) = model.batch([frame], features={"grad"}, target=target, layer=layer)
    number = None if target == "top" else [ClassifierOutputTarget(target)]
    with GradCAM(model.network, [inside(model, layer)], patches_of if model.heads else None) as library:
        (expected,) = library(model.prepare([frame]).clone().requires_grad_(), number)
    np.testing.assert_allclose(as_in_the_library(maps.cams["grad"][0]), expected, atol=1e-4)


@pytest.mark.parametrize("layer", range(4))
def test_eigen_is_that_of_pytorch_grad_cam_but_for_its_sign(layer: int) -> None:
    model = trained_looking(CONVNET)
    frame = noise(64, 96)
    (maps,) = model.batch([frame], features={"eigen"})
    with EigenCAM(model.network, [inside(model, layer)]) as library:
        (expected,) = library(model.prepare([frame]).clone())
    found = maps.cams["eigen"][layer]
    apart = [np.abs(as_in_the_library(np.maximum(one, 0)) - expected).max() for one in (found, -found)]
    assert min(apart) < 1e-3


def inside(model: Model, layer: int) -> torch.nn.Module:
    """The module whose output is explained, as pytorch-grad-cam wants it named."""
    network = model.network
    if model.heads:
        return network.blocks[-1].norm1
    stages = network.stages if hasattr(network, "stages") else [getattr(network, f"layer{n}") for n in range(1, 5)]
    return stages[layer]


def patches_of(tokens: torch.Tensor) -> torch.Tensor:
    return tokens[:, 1:].mT.reshape(len(tokens), -1, 4, 6)


def as_in_the_library(values: Array) -> Array:
    return scale_cam_image(scale_cam_image(values[None], (96, 64)))[0]


@pytest.mark.parametrize("name", [CONVNET, VIT])
def test_all_else_of_the_pass_is_as_without_gradients(name: str) -> None:
    model = trained_looking(name)
    frames = [noise(64, 96, seed) for seed in range(2)]
    features = {"eigen", "activation"} | ({"tokens", "keys", "rows"} if model.heads else set())
    plain = model.batch(frames, features=features)
    graded = model.batch(frames, features={*features, "grad"}, layer=1)
    for frame, one, other in zip(frames, plain, graded, strict=True):
        for method in ("eigen", "activation"):
            for left, right in zip(one.cams[method], other.cams[method], strict=True):
                np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(one.attention, other.attention, atol=1e-6)
        if model.heads:
            np.testing.assert_allclose(present(one.tokens), present(other.tokens), atol=1e-5)
            np.testing.assert_allclose(present(one.keys), present(other.keys), atol=1e-5)
            middle = Point(0.5, 0.5)
            np.testing.assert_allclose(one.ask(middle).attention, other.ask(middle).attention, atol=1e-6)
        alone = model.batch([frame], features={"grad"}, layer=1)[0]
        scale = max(alone.cams["grad"][0].max(), 1e-6)
        np.testing.assert_allclose(other.cams["grad"][0], alone.cams["grad"][0], atol=1e-4 * scale)
        assert present(other.explained).number == present(alone.explained).number
    assert torch.is_grad_enabled()  # as it is where nobody said otherwise
    assert not torch.is_inference_mode_enabled()
    assert not any(parameter.requires_grad for parameter in model.network.parameters())


def test_passes_side_by_side_do_not_meet() -> None:
    model = trained_looking(CONVNET)
    frames = [noise(64, 96, seed) for seed in range(12)]

    def predict(number: int) -> Array:
        wanted = {"grad"} if number % 3 else {"activation"}
        maps = model.batch([frames[number]], features=wanted, target=number, layer=number % 4)[0]
        return maps.cams["grad" if number % 3 else "activation"][0]

    alone = [predict(number) for number in range(len(frames))]
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(alone, pool.map(predict, range(len(frames))), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4 * max(one.max(), 1e-6))


def test_bf16_is_near() -> None:
    frame = noise(96, 96)
    exact, rough = (
        rtviz.load("random:convnext_atto", device="cpu", precision=precision, resolution=96)
        for precision in ("fp32", "bf16")
    )
    one, other = (model.batch([frame], features={"grad"}, target=3)[0].cams["grad"][0] for model in (exact, rough))
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.95


def test_rotary_positions_that_were_kept_serve_a_pass_with_gradients_too() -> None:
    model = rtviz.load("random:eva02_tiny_patch14_336", device="cpu", precision="fp32", resolution=56)
    frame = noise(56, 56)
    plain = model(frame)
    (maps,) = model.batch([frame], features={"grad"})
    np.testing.assert_allclose(maps.attention, plain.attention, atol=1e-6)
    assert maps.cams["grad"][0].shape == maps.grid


# --- which class ------------------------------------------------------------------------------------------------------


def test_the_class_is_named_in_the_corner() -> None:
    engine = Engine(trained_looking(CONVNET))
    frame = Frame(noise(240, 320))
    settings = Settings(view="cam", cam="grad", target=207, resolution=64)
    result = engine.render(frame, settings)
    maps, model = present(result.maps), present(engine.model)
    explained = present(maps.explained)
    assert (explained.number, explained.name) == (207, "golden retriever")
    with torch.inference_mode():
        scores = model.network(model.prepare([frame.pixels], 64))[0]
    assert explained.share == pytest.approx(float(scores.softmax(0)[207]), rel=1e-3)
    unnamed = views.draw(frame, maps, settings.replace(cam="activation"))
    assert result.overlay.shape == unnamed.shape
    corner = result.overlay[5:20, 10:120].astype(int)
    assert (corner.min(axis=2) > 200).any()  # letters
    tiny = Frame(noise(40, 40))
    assert engine.render(tiny, settings).overlay.shape == (40, 40, 3)


@pytest.mark.parametrize("text", ["top", "0", "999"])
def test_a_class_is_top_or_a_number(text: str) -> None:
    option = Settings.option("target")
    assert option.parse(text) == (text if text == "top" else int(text))
    assert Settings.from_mapping(Settings(target=option.parse(text)).to_mapping()).target == option.parse(text)


@pytest.mark.parametrize("wrong", ["dog", "-1", "1.5", ""])
def test_what_is_no_class_is_refused(wrong: str) -> None:
    with pytest.raises(SettingsError, match="top, or a class's number from 0"):
        Settings.option("target").parse(wrong)


def test_a_class_that_the_model_does_not_know_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"top, or a class from 0 to 999 \(random:resnet18 has 1000 classes\)"):
        Engine(trained_looking(CONVNET)).render(Frame(noise(64, 64)), Settings(view="cam", cam="grad", target=1000))


# --- where there is no classifier -------------------------------------------------------------------------------------

SAYS = "cam cannot be 'grad'; allowed: auto, activation, eigen, which need no class "


@pytest.mark.parametrize("name", [DINO, "random:dino-resnet50"])
def test_a_model_without_a_classifier_says_so(name: str) -> None:
    model = rtviz.load(name, device="cpu", precision="fp32", resolution=64)
    with pytest.raises(SettingsError) as caught:
        Engine(model).render(Frame(noise(64, 64)), Settings(view="cam", cam="grad", resolution=64))
    assert str(caught.value) == f"{SAYS}({name} has no classifier, and Grad-CAM needs one)"


def test_a_stream_goes_on_without_and_says_it_once() -> None:
    notices: list[str] = []
    renderer, engine = FrameRenderer(notices.append), Engine(trained_looking(DINO))
    settings = Settings(view="cam", cam="grad", resolution=64)
    for number in range(3):
        shot = CapturedFrame(Frame(noise(64, 64, number)), 0.0, 0, number)
        (maps,) = engine.predict([shot.frame], settings)
        assert has_features(maps, settings)  # nothing more would come of another look
        drawn = renderer.draw(shot, Prediction(shot, maps, 0.0), settings)
        assert drawn.settings.cam == "eigen"
    assert notices == [f"{DINO} has no classifier, and Grad-CAM needs one: showing eigen"]


def test_of_several_models_each_shows_what_it_can() -> None:
    comparison = Comparison([Engine(trained_looking(CONVNET)), Engine(trained_looking(DINO))])
    settings = Settings(model=CONVNET, compare=(DINO,), view="cam", cam="grad", resolution=64)
    ((frame, seen),) = comparison.predict_all([[Frame(noise(64, 64))]], settings)
    result = comparison.draw(frame, seen, settings)
    said = [titled(pane.result, pane.result.settings).remarks[0] for pane in result.panes]
    assert said == ["", "no classifier: eigen"]
    assert [pane.result.settings.cam for pane in result.panes] == ["grad", "eigen"]


def test_another_class_is_another_pass_and_the_old_map_stays_till_then() -> None:
    model = trained_looking(CONVNET)
    settings = Settings(view="cam", cam="grad", layer=1, target=3, resolution=64)
    (maps,) = model.batch([noise(64, 64)], features={"grad"}, target=3, layer=1, resolution=64)
    assert has_features(maps, settings)
    for other in (settings.replace(target=4), settings.replace(layer=2), settings.replace(target="top")):
        assert not has_features(maps, other)
        fitting = fit(other, maps)
        assert (fitting.cam, fitting.target, fitting.layer) == ("grad", 3, 1)
        views.draw(Frame(noise(64, 64)), maps, fitting)
    assert has_features(maps, settings.replace(layer=-3))


def test_a_transformer_s_classifier_is_where_the_weights_have_one() -> None:
    assert backbone.classifier_weights(trained_looking(VIT).network) == ("head.weight", "head.bias")
    assert trained_looking(VIT).classes == trained_looking(CONVNET).classes == 1000
    for name in (DINO, "random:dino-vits16", "random:dinov3-convnext-tiny"):
        assert rtviz.load(name, device="cpu", precision="fp32", resolution=64).classes == 0


# --- live -------------------------------------------------------------------------------------------------------------


def live_on(name: str) -> LiveSession:
    wanted = Settings(view="cam", cam="grad", resolution=64)
    return LiveSession(
        "scene:?size=96x64", wanted, load_engine=lambda _, progress: Engine(trained_looking(name)), mode="locked"
    )


def test_live_another_class_or_stage_shows_also_on_a_paused_frame() -> None:
    with contextlib.closing(live_on(CONVNET)) as live:
        live.start()
        until_shown(live, lambda result: result.maps is not None and result.settings.cam == "grad")
        live.pause()
        for changes in ({"target": 207}, {"layer": 1}, {"target": "top"}, {"layer": -1, "target": 3}):
            live.update(live.settings.replace(**changes))
            shown = until_shown(live, lambda result: result.settings == live.settings)
            wanted = live.settings
            assert present(shown.maps).explains(wanted.target, wanted.layer)
        assert present(present(shown.maps).explained).number == 3


def test_live_a_model_without_a_classifier_goes_on_and_looks_at_a_paused_frame_once() -> None:
    with contextlib.closing(live_on(DINO)) as live:
        live.start()
        until_shown(live, lambda result: result.settings.cam == "eigen")
        until(live, lambda status: any("has no classifier" in notice for notice in status.notices))
        live.pause()
        until(live, lambda status: status.paused)
        looks = live.counts()[1]
        live.wait_for(lambda status: live.counts()[1] > looks + 2, 0.4)
        assert live.counts()[1] <= looks + 2


def test_live_a_class_that_there_is_not_is_said_and_the_next_one_shows() -> None:
    with contextlib.closing(live_on(CONVNET)) as live:
        live.start()
        until_shown(live, lambda result: result.maps is not None and result.settings.cam == "grad")
        live.update(live.settings.replace(target=5000))
        until(live, lambda status: "target cannot be 5000; allowed: top, or a class from 0" in status.model_sentence)
        live.update(live.settings.replace(target=5))
        until_shown(live, lambda result: result.maps is not None and result.maps.explains(5, -1))
        until(live, lambda status: status.model_state == "ready")

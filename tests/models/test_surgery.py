"""Attention rollout and muted heads, against networks worked through by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small import shallow

import rtviz
from rtviz import views
from rtviz.analysis.optical_flow import FlowWarper
from rtviz.drawing import labels
from rtviz.engine.engine import Engine
from rtviz.errors import SettingsError
from rtviz.frame import Frame, Maps
from rtviz.settings import HeadOf, Muted, Point, Query, Settings
from rtviz.views.difference import difference
from rtviz.views.requirements import answers, fit

NAMES = (
    "random:vit_tiny_patch16_224",
    "random:vit_small_patch14_reg4_dinov2",
    "random:vit_base_patch16_rope_reg1_gap_256",
)
TINY = NAMES[0]
Array = NDArray[Any]


def muted(text: str) -> tuple[Muted, ...]:
    """As the command line takes them: LAYER.HEAD, with commas between."""
    return cast(tuple[Muted, ...], Settings.option("mute").parse(text))


@cache
def model(name: str = TINY) -> Any:
    return rtviz.load(name, device="cpu", precision="fp32", resolution=64)


def frame(seed: int = 0) -> Frame:
    return Frame(np.random.default_rng(seed).integers(0, 255, (64, 96, 3), np.uint8))


def by_hand(network: Any, x: torch.Tensor) -> list[Array]:
    """The whole softmax [heads, tokens, tokens] of each layer of a plain ViT, with no fused attention."""
    layers = []
    with torch.no_grad():
        x = network.patch_embed(x)
        x = network.norm_pre(network._pos_embed(x))
        for block in network.blocks:
            inner = block.norm1(x)
            batch, tokens, width = inner.shape
            heads = block.attn.num_heads
            qkv = block.attn.qkv(inner).reshape(batch, tokens, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
            q, k, v = block.attn.q_norm(qkv[0]), block.attn.k_norm(qkv[1]), qkv[2]
            softmax = (q @ k.transpose(-2, -1) * block.attn.scale).softmax(-1)
            layers.append(softmax[0].numpy())
            x = x + block.ls1(block.attn.proj((softmax @ v).transpose(1, 2).reshape(batch, tokens, width)))
            x = x + block.ls2(block.mlp(block.norm2(x)))
    return layers


def rolled_by_hand(layers: list[Array], fusion: str, discard: float) -> Array:
    """The product of all layers, first to last, as matrices: [tokens, tokens]."""
    whole = np.eye(layers[0].shape[-1])
    for softmax in layers:
        fuse: dict[str, Callable[..., Array]] = {"mean": np.mean, "max": np.max, "min": np.min}
        fused = fuse[fusion](softmax.astype(np.float64), axis=0)
        weakest = np.argsort(fused, axis=None)[: int(fused.size * discard)]
        for place in weakest:
            if place:  # CLS's own stays
                fused[np.unravel_index(place, fused.shape)] = 0
        mixed = fused + np.eye(len(fused))
        whole = (mixed / mixed.sum(axis=1, keepdims=True)) @ whole
    return whole


@pytest.mark.parametrize("fusion", ["mean", "max", "min"])
@pytest.mark.parametrize("discard", [0.0, 0.5, 0.9])
def test_rollout_is_the_product_of_all_layers(fusion: str, discard: float) -> None:
    net = model()
    layers = by_hand(net.network, net.prepare([frame().pixels]))
    for query, row in (("cls", 0), (Point(0.5, 0.5), 1 + 2 * 6 + 3)):
        for layer, depth in ((-1, len(layers)), (2, 3)):
            (maps,) = net.batch([frame().pixels], query, {"rollout"}, rollout=(fusion, discard), layer=layer)
            expected = rolled_by_hand(layers[:depth], fusion, discard)[row, 1:].reshape(4, 6)
            assert maps.rollout == pytest.approx(expected, rel=2e-3, abs=1e-6)
            assert maps.rolled == (fusion, discard, depth - 1)


def test_another_query_of_the_same_pass_is_rolled_out_too_and_flow_carries_it() -> None:
    net, point = model(), Point(0.9, 0.1)
    (maps,) = net.batch([frame().pixels], "cls", {"rollout", "rows"})
    (asked,) = net.batch([frame().pixels], point, {"rollout"})
    assert maps.ask(point).rollout == pytest.approx(asked.rollout, abs=1e-6)
    carried = FlowWarper().warp(maps, frame(), frame(1))
    assert carried.rollout is not None
    assert carried.rollout.shape == maps.rollout.shape
    assert carried.rollout is not maps.rollout


@pytest.mark.parametrize("name", NAMES)
def test_a_muted_head_is_one_whose_output_nobody_hears(name: str) -> None:
    """The same by other means: the columns of the projection that read the head are 0."""
    net, deaf = (shallow(name, layers=6) for _ in range(2))  # the same random weights
    for network in (net.network, deaf.network):  # untrained layer scales would let nobody be heard
        for parameter_name, parameter in network.named_parameters():
            if "gamma" in parameter_name:
                parameter.data.fill_(1)
    for layer, head in ((1, 2), (4, 0)):
        projection = deaf.network.blocks[layer].attn.proj
        width = projection.weight.shape[1] // net.heads
        projection.weight.data[:, head * width : (head + 1) * width] = 0
    mute = [(1, 2), (4 - net.layers, 0)]
    query: Query = "cls" if net.has_cls else Point(0.5, 0.5)
    (maps,) = net.batch([frame().pixels], query, {"tokens", "unablated"}, mute=mute)
    expected = deaf(frame(), query, {"tokens"})
    unablated = net(frame(), query, {"tokens"})
    changed = np.abs(maps.attention - unablated.attention)
    assert np.abs(maps.attention - expected.attention).max() < changed.max() / 50
    assert maps.tokens == pytest.approx(expected.tokens, abs=2e-3)
    assert maps.muted == (HeadOf(1, 2), HeadOf(4, 0))
    assert maps.unablated is not None
    assert maps.unablated.attention == pytest.approx(unablated.attention, abs=2e-5)
    assert maps.unablated.muted == ()
    assert maps.attention[:2] == pytest.approx(unablated.attention[:2], abs=2e-5), "what lies below hears nothing of it"
    assert np.abs(maps.attention[2:] - unablated.attention[2:]).max() > 1e-4


def test_the_difference_is_what_has_moved_and_sums_to_nothing() -> None:
    settings = Settings(view="difference", mute=muted("1.2,3.0"), layer=5, head=1, resolution=64, query=Point(0.5, 0.5))
    engine = Engine(model())
    result = engine.render(frame(), settings)
    assert result.maps is not None
    assert result.maps.unablated is not None
    more, share = difference(result.maps, result.maps.unablated, settings)
    now, before = result.maps.attention[5, 1], result.maps.unablated.attention[5, 1]
    assert more == pytest.approx(now - before, abs=1e-7)
    shares = now / now.sum() - before / before.sum()
    assert share == pytest.approx(shares[shares > 0].sum(), abs=1e-6)
    quiet = engine.render(frame(), settings.replace(mute=()))
    assert quiet.maps is not None
    assert quiet.maps.unablated is None
    assert (quiet.overlay != result.overlay).any()


@pytest.mark.parametrize(("layer", "said"), [(-1, False), (1, True), (0, True)])
def test_the_difference_says_why_nothing_can_move(layer: int, said: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = Settings(view="difference", mute=muted("1.0"), layer=layer, head=0, resolution=64)
    texts: list[str] = []
    monkeypatch.setattr(labels, "legend", lambda picture, title, entries: texts.append(title))
    Engine(model()).render(frame(), wanted)
    assert (texts == [f"nothing moves: no head below layer {layer} is muted"]) == said


def drawn(maps: Maps, **more: object) -> tuple[Array, list[str]]:
    """The view alone on black, and its words."""
    texts: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labels, "legend", lambda picture, title, entries: texts.append(title))
        settings = Settings(view="difference", layout="alone", layer=5, head=0, **more)  # type: ignore[arg-type]
        return views.draw(frame(), maps, settings), texts


def test_what_rounding_may_have_moved_is_not_drawn() -> None:
    settings = Settings(view="difference", mute=muted("1.2"), layer=5, head=0, resolution=64)
    (maps,) = Engine(model()).predict([frame()], settings)
    assert maps.unablated is not None
    assert 0 < maps.noise < 1e-5, "of fp32"
    random = np.random.default_rng(0)

    def moved(by: float, noise: float) -> tuple[Array, list[str]]:
        assert maps.unablated is not None
        sides = random.choice([1 - by, 1 + by], maps.attention.shape).astype(np.float32)
        return drawn(replace(maps, attention=maps.unablated.attention * sides, noise=noise), mute=muted("1.2"))

    blank, said = moved(0.04, 0.0625)
    assert not blank.any()
    assert said == ["nothing moves further than rounding does"]
    shown, said = moved(0.2, 0.0625)
    assert shown.any()
    assert said == ["10 % moved"]
    shown, said = moved(0.04, 1e-6)
    assert shown.any()
    assert said == ["2 % moved"]
    other = replace(maps, muted=(HeadOf(5, 0),), attention=maps.unablated.attention * np.float32(1.3))
    below, _ = drawn(other, mute=muted("5.0"))
    assert not below.any(), "what lies below a muted head cannot move"


def test_maps_with_other_heads_muted_or_rolled_out_otherwise_are_predicted_anew() -> None:
    net = model()
    settings = Settings(mute=muted("1.2"), resolution=64)
    (maps,) = Engine(net).predict([frame()], settings)
    assert answers(maps, net, settings, (64, 96))
    assert answers(maps, net, settings.replace(mute=muted("-11.2,1.2")), (64, 96)), "the same head twice"
    assert not answers(maps, net, settings.replace(mute=()), (64, 96))
    assert answers(maps, net, settings.replace(mute=muted("1.2,99.0")), (64, 96)), "a head that it does not have"
    rolled = settings.replace(view="rollout")
    assert not answers(maps, net, rolled, (64, 96))
    assert fit(rolled, maps).view == "heatmap", "until it is there"
    (maps,) = Engine(net).predict([frame()], rolled)
    assert answers(maps, net, rolled, (64, 96))
    assert not answers(maps, net, rolled.replace(discard=0.5), (64, 96))
    assert fit(rolled.replace(discard=0.5), maps).view == "rollout", "the one at hand, until the other is there"


def test_heads_that_are_not_there_are_refused_in_words() -> None:
    for wrong in ("12.0", "0.3", "-13.0"):
        with pytest.raises(SettingsError, match=r"mute cannot be .*layers -12 to 11, heads 0 to 2"):
            model().batch([frame().pixels], mute=Settings(mute=muted(wrong)).muted_in(0))
    for wrong in ("1", "1.2.3", "a.b", "1.-2"):
        with pytest.raises(SettingsError, match="mute"):
            Settings(mute=wrong)  # type: ignore[arg-type]
    settings = Settings(mute=muted("-2.0,3.1"))
    assert Settings.from_mapping(settings.to_mapping()) == settings
    convnet = rtviz.load("random:resnet18", device="cpu", precision="fp32", resolution=64)
    convnet.batch([frame().pixels], mute=[(1, 1)])  # beside a transformer: nothing to mute


def test_a_few_patches_that_gather_everything_leave_the_rest_of_a_rollout_its_colours() -> None:
    rollout = np.full((16, 16), 1e-4, np.float32)
    rollout[4:9, 5:10] = 1e-2
    rollout[[0, 3, 15, 12], [2, 14, 0, 11]] = 1.0
    maps = Maps(
        np.full((1, 1, 16, 16), 1 / 256, np.float32), np.zeros((1, 1, 1), np.float32), "cls", "vit", 16, (256, 256)
    )
    settings = Settings(view="rollout", layout="alone", upsampling="nearest")
    picture = views.draw(Frame(np.zeros((64, 64, 3), np.uint8)), replace(maps, rollout=rollout), settings).astype(int)
    brightness = picture.sum(axis=2)[2::4, 2::4]
    assert brightness[6, 7] > 0.8 * brightness[0, 2], "the object shines beside the sink"
    assert brightness[6, 7] > 5 * max(1, brightness[10, 2])

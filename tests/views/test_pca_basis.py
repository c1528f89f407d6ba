"""A PCA basis: its components are those of numpy's SVD, and a file gives the same colours to every frame."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import SCENE, TINY

import rtviz
from rtviz import cli, views
from rtviz.engine import Engine
from rtviz.errors import OutputExists, RtvizError, SettingsError, SourceMissing
from rtviz.frame import Frame, Maps
from rtviz.settings import MOST_COMPONENTS, Settings
from rtviz.views.pca_basis import PcaBasis, load
from rtviz.views.pca_components import above_first
from rtviz.views.requirements import fit, has_features

GRID = (6, 9)


def maps_of(seed: int, width: int = 16) -> Maps:
    random = np.random.default_rng(seed)
    axes = np.linspace(4, 0.5, width)
    tokens = (random.normal(size=(*GRID, width)) * axes + 3).astype(np.float32)
    attention = random.random((1, 2, *GRID)).astype(np.float32)
    attended = random.random(GRID).astype(np.float32) ** 4
    prefix = np.zeros((1, 2, 1), np.float32)
    return Maps(attention, prefix, "cls", "tiny", 16, (96, 144), tokens, attended=attended)


def svd(*maps: Maps) -> tuple[Any, Any, Any]:
    """The mean, the right singular vectors [MOST_COMPONENTS, width] and their shares of the variance, in float64."""
    rows = np.concatenate([np.asarray(one.tokens, np.float64).reshape(-1, 16) for one in maps])
    mean = rows.mean(axis=0)
    _, values, vectors = np.linalg.svd(rows - mean, full_matrices=False)
    return mean, vectors[:MOST_COMPONENTS], (values**2 / (values**2).sum())[:MOST_COMPONENTS]


def frame_of(seed: int = 0) -> Frame:
    return Frame(np.random.default_rng(seed).integers(0, 255, (96, 144, 3), np.uint8))


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)], ids=["one frame", "several"])
def test_components_and_shares_are_those_of_the_svd(seeds: tuple[int, ...]) -> None:
    maps = [maps_of(seed) for seed in seeds]
    mean, vectors, shares = svd(*maps)
    basis = PcaBasis.fit(maps)
    np.testing.assert_allclose(basis.mean, mean, atol=1e-5)
    np.testing.assert_allclose(np.abs(np.sum(basis.directions.T * vectors, axis=1)), 1, atol=1e-4)
    rows = np.concatenate([np.asarray(one.tokens).reshape(-1, 16) for one in maps])
    attended = np.concatenate([np.asarray(one.attended).ravel() for one in maps])
    for component in range(1, MOST_COMPONENTS + 1):
        along, share = basis.along(rows, component)
        assert share == pytest.approx(shares[component - 1], rel=1e-3)
        assert np.average(along, weights=attended) > 0, "what CLS attends to is bright"


def test_one_component_is_drawn_as_it_is() -> None:
    maps, frame = maps_of(0), frame_of()
    mean, vectors, _ = svd(maps)
    for component in (1, 3):
        settings = Settings(
            view="pca", pca_component=component, layout="alone", upsampling="nearest", colormap="gray", gamma=1
        )
        picture = views.draw(frame, maps, settings)
        light = picture[8:72:16, 8::16, 0].astype(float).ravel()  # the middle of each patch above the words
        along = (np.asarray(maps.tokens).reshape(-1, 16) - mean) @ vectors[component - 1]
        assert abs(np.corrcoef(light, along[: len(light)])[0, 1]) > 0.99
    assert (views.draw(frame, maps, Settings(view="pca")) != views.draw(frame, maps, settings)).any()


def test_the_figure_may_be_what_lies_above_the_mean_of_the_first_component() -> None:
    maps, frame = maps_of(3), frame_of()
    mean, vectors, _ = svd(maps)
    rows, attended = np.asarray(maps.tokens).reshape(-1, 16), np.asarray(maps.attended).ravel()
    along = (rows - mean) @ vectors[0]
    expected = along * np.sign(np.average(along, weights=attended)) > 0
    np.testing.assert_array_equal(above_first(rows, attended), expected)
    other = replace(maps, attended=np.where(expected, 1e-3, 1).reshape(GRID).astype(np.float32))
    np.testing.assert_array_equal(above_first(rows, np.asarray(other.attended).ravel()), ~expected)
    settings = Settings(view="pca", pca_figure="component", layout="alone", upsampling="nearest")
    light = views.draw(frame, maps, settings)[8::16, 8::16].max(axis=2).ravel()
    clear = np.abs(along) > np.abs(along).mean()  # the step between figure and ground is soft
    np.testing.assert_array_equal(light[clear] > 40, expected[clear])
    by_attention = views.draw(frame, maps, settings.replace(pca_figure="attention"))
    assert (by_attention[8::16, 8::16].max(axis=2).ravel() != light).any()


@pytest.mark.parametrize("component", [0, 2])
def test_a_file_gives_a_token_the_same_colour_in_every_frame(tmp_path: Path, component: int) -> None:
    one, other = maps_of(0), maps_of(1)
    tokens = np.array(other.tokens)
    tokens[:2] = np.asarray(one.tokens)[:2]
    other = replace(other, tokens=tokens)
    path = tmp_path / "basis.npz"
    PcaBasis.fit([one, maps_of(2)]).save(path)
    pinned = Settings(view="pca", pca_basis=str(path), pca_component=component, layout="alone", upsampling="nearest")
    for settings, same in ((pinned, True), (pinned.replace(pca_basis=None), False)):
        first, second = (views.draw(frame_of(), maps, settings)[:32] for maps in (one, other))
        assert (first == second).all() == same


def test_the_basis_of_a_file_does_not_follow_the_stream(tmp_path: Path) -> None:
    path = tmp_path / "basis.npz"
    PcaBasis.fit([maps_of(5)]).save(path)
    settings, memory = Settings(view="pca", pca_basis=str(path)), views.Memory()
    pictures = []
    for number, maps in enumerate([maps_of(0), maps_of(1), maps_of(0)]):
        frame = Frame(frame_of().pixels, number, 10.0 * number)
        pictures.append(views.draw(frame, maps, settings, memory))
    np.testing.assert_array_equal(pictures[0], pictures[2])


def test_what_is_wrong_with_a_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "basis.npz"
    with pytest.raises(SourceMissing, match=r"cannot read the PCA basis .*basis.npz"):
        load(str(path), maps_of(0))
    for content in (b"", b"PK no", b"hello"):
        path.write_bytes(content)
        with pytest.raises(SettingsError, match="a file that `rtviz pca-basis` wrote"):
            load(str(path), maps_of(0))
    np.savez(path, attention=np.zeros(3))
    with pytest.raises(SettingsError, match="a file that `rtviz pca-basis` wrote"):
        load(str(path), maps_of(0))
    PcaBasis.fit([maps_of(0)]).save(path)
    assert load(str(path), maps_of(1)).model == "tiny"
    for maps in (replace(maps_of(0), model="large"), maps_of(0, width=24)):
        with pytest.raises(SettingsError, match=r"pca_basis cannot be .*basis.npz.*; allowed: a basis of"):
            views.draw(frame_of(), maps, Settings(view="pca", pca_basis=str(path)))
    with pytest.raises(RtvizError, match="cannot write"):
        PcaBasis.fit([maps_of(0)]).save(tmp_path / "none" / "basis.npz")


def test_the_command_writes_what_render_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    basis, output = tmp_path / "basis.npz", tmp_path / "frames"
    fitting = ["pca-basis", SCENE, SCENE, "-o", str(basis), "--every", "4", *TINY]
    assert cli.run(fitting) == 0
    assert "components of" in capsys.readouterr().err
    with np.load(basis) as held:
        assert str(held["model"]) == TINY[1]
    assert cli.run(fitting) == OutputExists.exit_status
    assert "--overwrite" in capsys.readouterr().err
    assert cli.run([*fitting, "--overwrite"]) == 0
    shown = ["render", SCENE, "-o", str(output), "--end", "0.01", "--view", "pca", "--pca-basis", str(basis), *TINY]
    assert cli.run(shown) == 0
    assert len(list(output.glob("*.png"))) == 1
    capsys.readouterr()
    assert cli.run([*shown, "--overwrite", "--pca-basis", str(tmp_path / "none.npz")]) != 0
    assert "cannot read the PCA basis" in capsys.readouterr().err


def test_a_basis_is_of_one_layer(tmp_path: Path) -> None:
    """Its components are those of that layer's tokens, and no other layer is drawn with them."""
    path, maps = tmp_path / "basis.npz", with_layers(maps_of(0), maps_of(4))
    basis = PcaBasis.fit([maps], 0)
    basis.save(path)
    assert basis.layer == load(str(path), maps, -2).layer == 0
    _, vectors, _ = svd(maps_of(4))
    np.testing.assert_allclose(np.abs(np.sum(basis.directions.T * vectors, axis=1)), 1, atol=1e-4)
    pinned, other = Settings(view="pca", layer=0, pca_basis=str(path)), with_layers(maps_of(0), maps_of(5))
    shown, own = (views.draw(frame_of(), other, one) for one in (pinned, pinned.replace(pca_basis=None)))
    assert (shown != own).any()
    with pytest.raises(SettingsError, match=r"tiny after layer 1 \(width 16\); this one is of tiny after layer 0"):
        views.draw(frame_of(), maps, pinned.replace(layer=-1))
    with pytest.raises(ValueError, match=r"no tokens of layer 0"):
        PcaBasis.fit([maps_of(0), replace(maps, layer_tokens=None)], 0)


@pytest.mark.parametrize("component", [0, 1])
def test_each_layer_has_components_of_its_own_in_a_stream(component: int) -> None:
    """Whatever layer was shown before, a layer looks as it does alone."""
    maps, memory = with_layers(maps_of(0), maps_of(4)), views.Memory()
    settings = Settings(view="pca", pca_component=component)
    alone = {layer: views.draw(frame_of(), maps, settings.replace(layer=layer)) for layer in (0, 1)}
    assert (alone[0] != alone[1]).any()
    for layer in (1, 0, 1):
        shown = views.draw(frame_of(), maps, settings.replace(layer=layer), memory)
        np.testing.assert_array_equal(shown, alone[layer])


def test_the_layer_that_is_held_stays_until_the_new_one_is_there() -> None:
    both, settings = with_layers(maps_of(0), maps_of(4)), Settings(view="pca", layer=0)
    first, last = replace(both, tokens=None), replace(both, layer_tokens=None, kept_layers=())
    assert has_features(first, settings)
    assert not has_features(last, settings)
    assert not has_features(first, settings.replace(layer=-1))
    assert fit(settings, both).layer == 0
    assert (fit(settings, last).layer, fit(settings, last).view) == (1, "pca")
    assert (fit(settings.replace(layer=1), first).layer, fit(settings.replace(layer=1), first).view) == (0, "pca")
    assert fit(settings, replace(last, tokens=None)).view == "heatmap"


def with_layers(last: Maps, first: Maps) -> Maps:
    """Maps of two layers, whose tokens are those of these two."""
    two: Any = {name: np.repeat(getattr(last, name), 2, axis=0) for name in ("attention", "prefix")}
    return replace(last, **two, kept_layers=(0,), layer_tokens=np.asarray(first.tokens)[None])


@pytest.mark.parametrize("name", ["random:test_vit", "random:vit_small_patch14_reg4_dinov2"])
@pytest.mark.parametrize("layer", [1, -2, -1])
def test_a_layers_components_are_those_of_timms_intermediate_tokens(name: str, layer: int) -> None:
    """From the command's settings to the components: timm's own intermediate tokens, through numpy's SVD."""
    engine = Engine(rtviz.load(name, device="cpu", precision="fp32", resolution=64))
    model, frame = engine.models[0], frame_of(2)
    (maps,) = engine.predict([frame], Settings(view="pca", layer=layer, resolution=64))
    x, network = model.prepare([frame.pixels]), model.network
    with torch.inference_mode():
        (tokens,) = network.get_intermediate_layers(x, n=[layer % model.layers], norm=True)
    rows = tokens[0].double().numpy()
    found = np.asarray(maps.tokens_after(layer), np.float64).reshape(rows.shape)
    np.testing.assert_allclose(found, rows, atol=1e-4)
    _, values, vectors = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    basis = PcaBasis.fit([maps], layer)
    along, share = basis.along(found.astype(np.float32), 1)
    assert share == pytest.approx(values[0] ** 2 / (values**2).sum(), rel=1e-3)
    exact = (rows - rows.mean(axis=0)) @ vectors[0]
    assert abs(np.corrcoef(along, exact)[0, 1]) > 0.9999
    assert (maps.layer_tokens is None) == (layer == -1), "the last layer needs no other pass than before"


def test_the_command_fits_a_layer_and_refuses_one_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    basis, output = tmp_path / "basis.npz", tmp_path / "frames"
    fitting = ["pca-basis", SCENE, "-o", str(basis), "--end", "0.1", *TINY]
    assert cli.run([*fitting, "--layer", "2"]) == 0
    assert "after layer 2" in capsys.readouterr().err
    shown = ["render", SCENE, "-o", str(output), "--end", "0.01", "--view", "pca", "--pca-basis", str(basis), *TINY]
    assert cli.run([*shown, "--layer", "2"]) == 0
    capsys.readouterr()
    assert cli.run([*shown, "--overwrite"]) == 2
    assert f"this one is of {TINY[1]} after layer 2" in capsys.readouterr().err
    assert cli.run([*fitting, "--overwrite", "--layer", "40"]) == 2
    assert "layer cannot be 40" in capsys.readouterr().err
    assert cli.run(["pca-basis", SCENE, "-o", str(tmp_path / "none.npz"), "--model", "random:resnet18"]) == 2
    assert "resnet18" in capsys.readouterr().err

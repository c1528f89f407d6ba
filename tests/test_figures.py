"""Figures: the numbers that are drawn are the maps', the texts stay texts, and nothing is written halfway."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from rtviz import cli, figures, threads
from rtviz.errors import OutputExists, OutputUnwritable, SettingsError
from rtviz.frame import Explained, Maps
from rtviz.settings import Settings, load_preset

PIXELS = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)


def maps_of(layers: int, heads: int, seed: int = 0) -> Maps:
    attention = np.random.default_rng(seed).random((layers, heads, 6, 8)).astype(np.float32) ** 3
    return Maps(attention, np.zeros((layers, heads, 1), np.float32), "cls", f"model {seed}", 16, (96, 128))


def images(figure) -> list[np.ndarray]:
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]


def titles(figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


def test_every_layer_and_head_has_its_tile_in_its_own_range():
    maps = maps_of(3, 4)
    figure = figures.layers_by_heads(PIXELS, maps)
    drawn = images(figure)
    for (layer, head), tile in zip(np.ndindex(3, 4), drawn, strict=False):
        values = maps.attention[layer, head]
        np.testing.assert_allclose(tile, (values - values.min()) / np.ptp(values), atol=1e-6)
    assert titles(figure) == ["0", "1", "2", "3"]
    assert [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()] == ["0", "1", "2"]


def test_gamma_and_layer_are_what_the_settings_say():
    maps = maps_of(3, 4)
    figure = figures.heads(PIXELS, maps, Settings(layer=1, gamma=2.0))
    values = maps.attention[1, 2]
    np.testing.assert_allclose(images(figure)[3], ((values - values.min()) / np.ptp(values)) ** 2, atol=1e-6)
    np.testing.assert_array_equal(images(figure)[0], PIXELS)
    assert titles(figure)[-1] == "top 60 % of each"
    with pytest.raises(SettingsError, match="layer"):
        figures.heads(PIXELS, maps, Settings(layer=3))


def test_models_stand_below_each_other_and_what_has_fewer_heads_leaves_places_empty():
    seen = {"small": maps_of(2, 3), "large": maps_of(4, 5, seed=1)}
    figure = figures.compare(PIXELS, seen, Settings(layer=-1))
    assert len(images(figure)) == (3 + 2) + (5 + 2)
    assert [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()] == ["small", "large"]
    assert titles(figure) == ["input", *(f"head {head}" for head in range(5)), "mean, top 60 %"]
    tallest = max(axes.yaxis.label.get_fontsize() for axes in figure.axes)
    long = figures.compare(PIXELS, {"a very long name of a model": maps_of(2, 3)})
    assert max(axes.yaxis.label.get_fontsize() for axes in long.axes[:1]) < tallest


def stages_of(seed: int = 3, grad: bool = False) -> Maps:
    random = np.random.default_rng(seed)
    stages = tuple(random.random((12 // 2**n, 16 // 2**n)).astype(np.float32) ** 3 for n in range(3))
    cams = {"activation": stages, "eigen": tuple(stage - 0.5 for stage in stages)}
    if grad:
        cams["grad"] = (stages[1] * 2,)
    none = np.zeros((3, 0, 3, 4), np.float32), np.zeros((3, 0, 0), np.float32)
    explained = Explained("top", 1, 207, "golden retriever", 0.5) if grad else None
    return Maps(*none, "cls", "a convnet", 16, (48, 64), cams=cams, explained=explained)


def words(figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize("method", ["activation", "eigen"])
def test_a_model_without_heads_shows_its_stages_where_heads_would_be_and_says_so(method):
    maps = stages_of()
    settings = Settings(cam=method, layer=-2, upsampling="nearest", colormap="gray")
    figure = figures.compare(PIXELS, {"vit": maps_of(2, 5), "convnet": maps}, settings)
    assert words(figure) == ["stage 0", "stage 1", "stage 2", "no heads"]
    assert titles(figure)[-1] == "top 60 %"
    drawn = images(figure)
    assert len(drawn) == (5 + 2) + (3 + 2)
    for tile, values in zip(drawn[8:11], maps.cams[method], strict=True):
        np.testing.assert_allclose(tile, (values - values.min()) / np.ptp(values), atol=1e-6)
    held = maps.cams[method][1] - min(0, maps.cams[method][1].min())
    ordered = np.sort(held.ravel())[::-1]
    least = ordered[np.searchsorted(np.cumsum(ordered), 0.6 * ordered.sum())]
    inside = np.kron(held >= least, np.ones((10, 10), bool))
    changed = drawn[-1].astype(int)
    assert (changed[inside].mean(axis=0)[1] > changed[~inside].mean(axis=0)[1]).all()  # turquoise, and dimmed


def test_alone_they_need_no_heads_columns_and_a_class_has_one_map():
    figure = figures.compare(PIXELS, {"convnet": stages_of()})
    assert titles(figure) == ["input", "top 60 %"]
    assert words(figure) == ["no heads", "stage 0", "stage 1", "stage 2"]
    figure = figures.compare(PIXELS, {"convnet": stages_of(grad=True)}, Settings(cam="grad", layer=1))
    assert words(figure) == ["no heads", "stage 1: golden retriever"]
    assert len(images(figure)) == 3
    # Whoever has no classifier shows what it has.
    figure = figures.compare(PIXELS, {"convnet": stages_of()}, Settings(cam="grad", layer=1))
    assert words(figure) == ["no heads", "stage 0", "stage 1", "stage 2"]


@pytest.mark.parametrize("aspect", [(60, 80), (80, 60), (20, 200)])
def test_tiles_have_the_shape_of_the_frame_and_do_not_overlap(aspect):
    figure = figures.layers_by_heads(np.zeros((*aspect, 3), np.uint8), maps_of(2, 3))
    width, height = figure.get_size_inches()
    boxes = [axes.get_position() for axes in figure.axes[:6]]
    for box in boxes:
        assert box.height * height / (box.width * width) == pytest.approx(aspect[0] / aspect[1], rel=1e-3)
        assert 0 <= box.x0 < box.x1 <= 1
        assert 0 <= box.y0 < box.y1 <= 1
    assert boxes[0].x1 < boxes[1].x0
    assert boxes[0].y0 > boxes[3].y1


def test_texts_stay_texts_and_the_same_figure_is_the_same_file(tmp_path):
    maps = maps_of(2, 3)
    for name in ("a.svg", "b.svg", "a.pdf", "b.pdf", "a.png"):
        figures.save(figures.compare(PIXELS, {"my model": maps}), tmp_path / name)
    texts = {element.text for element in ElementTree.parse(tmp_path / "a.svg").iter() if element.tag.endswith("text")}
    assert {"my model", "head 2", "input"} <= texts
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    assert (tmp_path / "a.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert b"FontFile" in (tmp_path / "a.pdf").read_bytes()  # an embedded face, not outlines


def test_what_cannot_be_written_is_said_and_leaves_nothing(tmp_path):
    figure = figures.heads(PIXELS, maps_of(1, 2))
    with pytest.raises(SettingsError, match=r"\.png, \.pdf, \.svg"):
        figures.save(figure, tmp_path / "figure.docx")
    (tmp_path / "there.png").write_bytes(b"mine")
    with pytest.raises(OutputExists, match="overwrite"):
        figures.save(figure, tmp_path / "there.png")
    assert (tmp_path / "there.png").read_bytes() == b"mine"
    with pytest.raises(OutputUnwritable, match="no-folder"):
        figures.save(figure, tmp_path / "no-folder" / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["there.png"]


@pytest.fixture
def figure(monkeypatch, capsys, tmp_path):
    """`rtviz figure scene: ...` in this process, without a network or weights: status, and what it says."""
    for name, value in (("HF_HOME", "hf"), ("TORCH_HOME", "torch"), ("RTVIZ_WEIGHTS", "by-hand")):
        monkeypatch.setenv(name, str(tmp_path / value))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(cli, "_end_like_ctrl_c_on_sigterm", lambda: None)
    monkeypatch.setattr(threads, "draw_in_one_thread", lambda: None)

    def command(*line: str):
        status = cli.run(["figure", "scene:", "-o", str(tmp_path / "figure.svg"), "--resolution", "64", *line])
        return status, capsys.readouterr().err

    return command


def test_the_papers_comparison_has_a_name_and_goes_on_without_weights_that_are_not_here(figure, tmp_path):
    status, err = figure("--compare", "dino")
    assert status == 0, err
    preset, _ = load_preset("figure4")
    assert preset["model"] == "random:dino-vits16"
    for missing in preset["compare"].split(","):
        assert f"{missing} is left out: the weights of {missing} are not on this machine" in err
    assert "random:dino-vits16" in (tmp_path / "figure.svg").read_text()


def test_without_any_weights_there_is_no_figure(figure, tmp_path):
    status, err = figure("--compare", "deit-vits16,dino-vits16")
    assert status == 1
    assert "deit-vits16 is left out" in err
    assert "error: the weights of dino-vits16" in err
    assert not (tmp_path / "figure.svg").exists()
    status, err = figure("--compare", "embedded,no-such-model")
    assert status == 1
    assert "no model is called 'no-such-model'" in err
    status, err = figure("--compare", "talk")
    assert status == 2
    assert "talk does not" in err


def test_a_convolutional_network_alone_shows_its_stages(figure, tmp_path):
    status, err = figure("--model", "random:resnet18")
    assert status == 0, err
    text = (tmp_path / "figure.svg").read_text()
    assert "random:resnet18" in text
    assert all(f"stage {number}" in text for number in range(4))


def test_a_layer_is_refused_where_all_are_shown_and_a_query_is_marked_where_the_input_is(figure, tmp_path):
    status, err = figure("--model", "embedded", "--layer", "3")
    assert status == 2
    assert "only with --paper or --compare" in err
    marked = []
    for line in (("--layer", "3"), ("--layer", "3", "--query", "0.5,0.5")):
        status, err = figure("--model", "embedded", "--paper", "--overwrite", *line)
        assert status == 0, err
        tree = ElementTree.parse(tmp_path / "figure.svg")
        marked.append(sum("line2d" in str(node.get("id")) for node in tree.iter()))
    assert marked[1] == marked[0] + 2  # black under white


def test_the_command_draws_a_frame_of_a_scene(tmp_path):
    command = [sys.executable, "-m", "rtviz", "figure", "scene:3", "--start", "1", "--resolution", "64"]
    command += ["--compare", "random:embedded,embedded", "-o", str(tmp_path / "figure.svg")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "untrained" in done.stderr
    assert "random:embedded" in (tmp_path / "figure.svg").read_text()
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "overwrite" in again.stderr

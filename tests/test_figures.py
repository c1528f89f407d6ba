"""Figures: the numbers that are drawn are the maps', the texts stay texts, and nothing is written halfway."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from rtviz import figures
from rtviz.errors import OutputExists, OutputUnwritable, SettingsError
from rtviz.frame import Maps
from rtviz.settings import Settings

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

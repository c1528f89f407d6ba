"""Figures: the numbers that are drawn are the maps', the texts stay texts, and nothing is written halfway."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Command, in_process
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import BboxImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file

from rtviz import figures, views
from rtviz.errors import OutputExists, OutputUnwritable, SettingsError
from rtviz.frame import Frame, GradCamTarget, Maps, Pixels
from rtviz.models import backbone
from rtviz.settings import Point, Settings, load_preset
from rtviz.views.overlap import overlap

PIXELS = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)


def maps_of(layers: int, heads: int, seed: int = 0) -> Maps:
    attention = np.random.default_rng(seed).random((layers, heads, 6, 8)).astype(np.float32) ** 3
    return Maps(attention, np.zeros((layers, heads, 1), np.float32), "cls", f"model {seed}", 16, (96, 128))


def tiles(figure: Figure) -> list[Any]:
    """The pictures, in the order in which they were put there; the colour bar is none."""
    return marks(figure, BboxImage)


def marks(figure: Figure, kind: type) -> list[Any]:
    return [artist for artist in figure.artists if isinstance(artist, kind)]


def pixels_of(figure: Figure) -> list[Pixels]:
    """What is really drawn of each tile, uint8 [height, width, 3]: the file's pixels, without its frame."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    with Image.open(file) as picture:
        page = np.asarray(picture.convert("RGB"))
    height, width = page.shape[:2]
    edge = 4  # of a frame in a head's colour
    return [
        page[
            round((1 - box.y1) * height) + edge : round((1 - box.y0) * height) - edge,
            round(box.x0 * width) + edge : round(box.x1 * width) - edge,
        ]
        for box in (tile.get_window_extent().transformed(figure.transFigure.inverted()) for tile in tiles(figure))
    ]


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def bar(figure: Figure) -> list[str]:
    (axes,) = [axes for axes in figure.axes if axes.get_xticks().size]
    return [label.get_text() for label in axes.get_xticklabels()]


def levels(pixels: np.ndarray) -> np.ndarray:
    """Which of the 256 greys each pixel of a map in the colormap gray is."""
    assert np.ptp(pixels, axis=2).max() == 0
    return pixels[..., 0].astype(int)


def at_centres(tile: np.ndarray, grid: tuple[int, int], edge: int = 4) -> np.ndarray:
    """The pixels in the middle of the patches."""
    height, width = tile.shape[0] + 2 * edge, tile.shape[1] + 2 * edge
    rows = ((np.arange(grid[0]) + 0.5) * height / grid[0] - edge).astype(int)
    columns = ((np.arange(grid[1]) + 0.5) * width / grid[1] - edge).astype(int)
    return tile[rows][:, columns]


@pytest.mark.parametrize("upsampling", ["smooth", "nearest"])
@pytest.mark.parametrize("draw", [figures.layers_by_heads, figures.heads])
def test_what_is_drawn_in_the_middle_of_a_patch_is_its_value_in_multiples_of_the_maps_mean(
    draw: Callable[[Pixels, Maps, Settings], Figure], upsampling: str
) -> None:
    maps = maps_of(2, 3)
    figure = draw(PIXELS, maps, Settings(layer=1, colormap="gray", upsampling=upsampling, gamma=0.8))
    assert bar(figure) == ["0", "1", "2", "4", "8"]
    shown = maps.attention.reshape(-1, 6, 8) if draw is figures.layers_by_heads else maps.attention[1]
    for values, tile in zip(shown, pixels_of(figure)[1:], strict=False):
        expected = 255 * np.clip(values / values.mean() / 8, 0, 1) ** (0.5 * 0.8)
        np.testing.assert_allclose(at_centres(levels(tile), (6, 8)), expected, atol=9)


@pytest.mark.parametrize("patch", [0, 21, 47])
@pytest.mark.parametrize(("heads", "grid"), [(3, (6, 8)), (6, (30, 40)), (16, (14, 14))])
def test_the_most_attended_patch_has_the_most_attended_colour(heads: int, grid: tuple[int, int], patch: int) -> None:
    attention = np.full((1, heads, *grid), 1e-4, np.float32)
    attention.reshape(heads, -1)[:, patch * grid[0] * grid[1] // 48] = 0.9
    maps = Maps(attention, np.zeros((1, heads, 1), np.float32), "cls", "m", 16, (16 * grid[0], 16 * grid[1]))
    for scale in figures.SCALES:
        picture = np.zeros((8 * grid[0], 8 * grid[1], 3), np.uint8)
        figure = figures.layers_by_heads(picture, maps, Settings(colormap="gray"), scale=scale)
        for tile in pixels_of(figure)[1:]:
            reached = levels(tile)
            assert reached.max() >= (250 if patch == 21 else 200)  # frames cut a patch in the corner
            assert reached.min() <= 40


def test_an_even_map_looks_even_and_only_each_in_its_own_range_does_not() -> None:
    flat = 1 + 0.02 * np.random.default_rng(1).random((1, 3, 6, 8)).astype(np.float32)
    maps = Maps(flat / flat.sum(), np.zeros((1, 3, 1), np.float32), "cls", "untrained", 16, (96, 128))
    common, each = (figures.heads(PIXELS, maps, Settings(colormap="gray"), scale=scale) for scale in figures.SCALES)
    for even, uneven in zip(pixels_of(common)[1:4], pixels_of(each)[1:4], strict=True):
        assert np.ptp(levels(even)) <= 4
        assert np.ptp(levels(uneven)) >= 250
    assert bar(each) == ["least", "most"]
    assert any("each map" in text for text in words(each))
    assert any("1: attention spread evenly" in text for text in words(common))
    # Beside a model whose attention is uneven, its colour says how far it is from even: less than a half of the scale.
    both = figures.compare(PIXELS, {"flat": maps, "sharp": maps_of(1, 3)}, Settings(colormap="gray"))
    assert all(levels(tile).max() < 128 for tile in pixels_of(both)[2:5])


def test_where_the_scale_ends_below_a_maps_highest_value_the_bar_says_so() -> None:
    attention = np.full((1, 20, 6, 8), 1.0, np.float32)
    attention[0, 0, 2, 2] = 1000
    maps = Maps(attention, np.zeros((1, 20, 1), np.float32), "cls", "spike", 16, (96, 128))
    assert bar(figures.heads(PIXELS, maps))[-1] == "≥ 8"  # one of twenty does not darken the others
    assert bar(figures.heads(PIXELS, maps_of(1, 2)))[-1] == "8"


def test_figures_say_what_they_show() -> None:
    maps = replace(maps_of(3, 4), query=Point(0.25, 0.5))
    for draw in (figures.layers_by_heads, figures.heads):
        said = words(draw(PIXELS, maps, Settings(layer=1)))
        assert "model 0" in said
        assert any("the patch at 0.25, 0.5" in text for text in said)
        assert {"input", *(["head 3"] if draw is figures.heads else ["3", "layer", "head"])} <= set(said)
    assert any(text.startswith("layer 1;") for text in words(figures.heads(PIXELS, maps, Settings(layer=-2))))
    for figure in (figures.heads(PIXELS, maps), figures.layers_by_heads(PIXELS, maps)):
        np.testing.assert_array_equal(np.asarray(tiles(figure)[0].get_array()), PIXELS)
        marked = [line.get_xydata()[0] for line in marks(figure, Line2D)]
        np.testing.assert_allclose(marked, [[0.25 * 80 - 0.5, 0.5 * 60 - 0.5]] * 2)
    with pytest.raises(SettingsError, match="layer"):
        figures.heads(PIXELS, maps, Settings(layer=3))


def spots(*places: tuple[slice, slice], heads: int = 4) -> Maps:
    """Heads that each look at one rectangle of the grid, and else are even."""
    attention = np.full((1, heads, 6, 8), 0.01, np.float32)
    for head, place in enumerate(places):
        attention[0, head][place] = 1
    return Maps(attention, np.zeros((1, heads, 1), np.float32), "cls", "spots", 16, (96, 128))


LEFT, MIDDLE, RIGHT = np.s_[1:4, 0:2], np.s_[2:4, 3:6], np.s_[2:5, 6:8]


def covered(figure: Figure, tile: int) -> NDArray[np.bool_]:
    """Where a mask dims nothing, judged by the pixels of a white picture: bool [rows, columns], at the patches."""
    picture = at_centres(pixels_of(figure)[tile], (6, 8))
    return picture.max(axis=2) > 185


def test_the_mask_is_of_the_head_that_covers_the_object_best_where_that_is_known() -> None:
    white = np.full((60, 80, 3), 255, np.uint8)
    masks = np.zeros((2, 60, 80), bool)
    masks[0, 20:50, 60:80] = True
    settings = Settings(upsampling="nearest")
    maps = spots(LEFT, MIDDLE, RIGHT)
    figure = figures.compare(Frame(white, masks=masks[:1]), {"vit": maps}, settings)
    found = overlap(maps, settings, masks[:1])
    assert found is not None
    assert found.heads == (2,)
    assert "head 2, top 60 %" in words(figure)
    assert any(f"Jaccard {found.jaccard:.2f}".replace("0.", ".") in text for text in words(figure))
    assert set(np.argwhere(covered(figure, 1))[:, 1]) == {6, 7}
    # Of two objects each has its own head.
    masks[1, 10:40, 0:20] = True
    figure = figures.compare(Frame(white, masks=masks), {"vit": maps, "resnet": stages_of()}, settings)
    assert any(text.startswith("heads 0, 2") for text in words(figure))
    # Without the truth, or without an object in sight, it is the one that the others agree with, or the mean.
    figure = figures.compare(Frame(white), {"vit": spots(LEFT, LEFT, LEFT, LEFT)}, settings)
    assert "mean of heads, top 60 %" in words(figure)
    assert set(np.argwhere(covered(figure, 1))[:, 1]) <= {0, 1}
    maps = spots(np.s_[5:, :1], MIDDLE, MIDDLE, MIDDLE)
    maps.attention[0, 0, 5, 0] = 9
    maps.attention[0, 1][MIDDLE] = 0.2
    for frame in (Frame(white), Frame(white, masks=np.zeros((1, 60, 80), bool))):
        figure = figures.compare(frame, {"vit": maps, "resnet": stages_of()}, settings)
        assert "head 1, top 60 %" in words(figure)
        assert "stage 2, top 60 %" in words(figure)
        assert set(np.argwhere(covered(figure, 1))[:, 1]) == {3, 4, 5}


def test_masks_of_several_heads_do_not_lie_over_each_other() -> None:
    maps = spots(np.s_[1:5, 1:5], np.s_[2:4, 2:4], heads=2)
    figure = figures.heads(np.full((60, 80, 3), 90, np.uint8), maps, Settings(upsampling="nearest", threshold=0.9))
    picture = at_centres(pixels_of(figure)[-1], (6, 8)).astype(int)
    frames = [frame.get_edgecolor()[:3] for frame in marks(figure, Rectangle)]
    outer, inner = (255 * np.array(color) for color in frames)
    for place, color, other in (((1, 2), outer, inner), ((2, 2), inner, outer)):  # as the smaller one attends more
        hue = picture[place] - picture[place].mean()
        assert hue @ (color - color.mean()) > hue @ (other - other.mean())


def test_models_stand_below_each_other_under_their_names_and_of_what_is_not_here_that_is_said() -> None:
    large = maps_of(4, 5, seed=1)
    seen: dict[str, Maps | str] = {"small": maps_of(2, 3), "absent": "its weights are not here", "large": large}
    figure = figures.compare(PIXELS, seen, Settings(layer=-1))
    assert len(tiles(figure)) == 1 + (1 + 3) + (1 + 5)  # the frame, once, and of each its mask and heads
    places = {text.get_text(): text.get_position()[1] for text in figure.texts}
    assert places["small"] > places["absent"] > places["large"]
    assert places["absent"] == pytest.approx(places["its weights are not here"], abs=0.01)
    assert [text for text in words(figure) if text.startswith("layer")] == [
        "layer 1; query: CLS",
        "layer 3; query: CLS",
    ]
    smallest = min(float(text.get_fontsize()) for text in figure.texts)
    assert smallest >= 6


def stages_of(seed: int = 3, grad: bool = False) -> Maps:
    random = np.random.default_rng(seed)
    stages = tuple(random.random((12 // 2**n, 16 // 2**n)).astype(np.float32) ** 3 for n in range(3))
    cams = {"activation": stages, "eigen": tuple(stage - 0.5 for stage in stages)}
    if grad:
        cams["grad"] = (stages[1] * 2,)
    none = np.zeros((3, 0, 3, 4), np.float32), np.zeros((3, 0, 0), np.float32)
    explained = GradCamTarget("top", 1, 207, "golden retriever", 0.5) if grad else None
    return Maps(*none, "cls", "a convnet", 16, (48, 64), cams=cams, explained=explained)


@pytest.mark.parametrize("method", ["activation", "eigen"])
def test_a_model_without_heads_shows_its_stages_where_heads_would_be_and_says_so(method: str) -> None:
    maps = stages_of()
    settings = Settings(cam=method, layer=-2, upsampling="nearest", colormap="gray")
    figure = figures.compare(PIXELS, {"vit": maps_of(2, 5), "convnet": maps}, settings)
    assert {"stage 0", "stage 1", "stage 2", "stage 1, top 60 %"} <= set(words(figure))
    assert any(text.startswith("no heads") for text in words(figure))
    drawn = pixels_of(figure)
    assert len(drawn) == 1 + (1 + 5) + (1 + 3)
    for tile, values in zip(drawn[8:], maps.cams[method], strict=True):
        mass = values - min(0, values.min())
        expected = 255 * np.clip(mass / mass.mean() / 8, 0, 1) ** 0.5
        np.testing.assert_allclose(at_centres(levels(tile), values.shape), expected, atol=2)
    held = maps.cams[method][1] - min(0, maps.cams[method][1].min())
    ordered = np.sort(held.ravel())[::-1]
    least = ordered[np.searchsorted(np.cumsum(ordered), 0.6 * ordered.sum())]
    inside = np.kron(held >= least, np.ones((10, 10), bool))
    changed = np.asarray(tiles(figure)[7].get_array()).astype(int)
    assert (changed[inside].mean(axis=0)[1] > changed[~inside].mean(axis=0)[1]).all()  # turquoise, and dimmed


def test_what_a_convolutional_network_falls_back_to_is_said() -> None:
    figure = figures.compare(PIXELS, {"convnet": stages_of()}, Settings(layer=9))
    assert any("there is no stage 9: the mask is of its last" in text for text in words(figure))
    assert "stage 2, top 60 %" in words(figure)
    figure = figures.compare(PIXELS, {"convnet": stages_of(grad=True)}, Settings(cam="grad", layer=1))
    assert "stage 1: golden retriever" in words(figure)
    assert len(tiles(figure)) == 3
    # Whoever has no classifier shows what it has.
    figure = figures.compare(PIXELS, {"convnet": stages_of()}, Settings(cam="grad", layer=1))
    assert len(tiles(figure)) == 5
    assert any("activation" in text and "classifier" in text for text in words(figure))


@pytest.mark.parametrize("width", [2.0, 3.3, 6.9])
@pytest.mark.parametrize("size", [(60, 80), (100, 50), (10, 64)])
@pytest.mark.parametrize("draw", ["layers_by_heads", "heads", "compare"])
def test_nothing_is_cut_off_or_runs_into_another_at_any_width(draw: str, size: tuple[int, int], width: float) -> None:
    pixels, long = np.zeros((*size, 3), np.uint8), "a_very_long_name_of_a_model.with_its_training"
    maps = replace(maps_of(7, 12), model=long, input_size=size)
    seen: dict[str, Maps | str] = {long: maps, "absent": "why " * 30, "convnet": replace(stages_of(), input_size=size)}
    figure = (
        figures.compare(pixels, seen, Settings(layer=-1), width)
        if draw == "compare"
        else getattr(figures, draw)(pixels, maps, width=width)
    )
    assert figure.get_figwidth() == width
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    boxes = [text.get_window_extent(renderer) for text in figure.texts if text.get_text()]
    (scale,) = [axes for axes in figure.axes if axes.get_xticks().size]
    boxes += [label.get_window_extent(renderer) for label in scale.get_xticklabels()]
    pictures = [one.get_window_extent(renderer) for one in (*tiles(figure), scale)]
    for box in (*boxes, *pictures):
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= figure.bbox.width + 1
        assert box.y1 <= figure.bbox.height + 1
    for place, box in enumerate(boxes):
        inner = box.shrunk(0.98, 0.5)  # letters, without the air above and below them
        inner = inner.translated((box.width - inner.width) / 2, (box.height - inner.height) / 2)
        assert not [other for other in (*boxes[:place], *boxes[place + 1 :]) if inner.overlaps(other.shrunk(0.98, 0.7))]
        assert not [picture for picture in pictures if inner.overlaps(picture)]
    for picture in pictures[:-1]:
        if picture.height != pytest.approx(scale.get_window_extent(renderer).height, rel=0.01):
            assert picture.height / picture.width == pytest.approx(size[0] / size[1], rel=0.01)


def test_what_cannot_be_drawn_is_said() -> None:
    maps = maps_of(2, 3)
    for width in (0.3, 1000.0, float("nan")):
        with pytest.raises(SettingsError, match="inches from 2 to 100"):
            figures.heads(PIXELS, maps, width=width)
    with pytest.raises(SettingsError, match=r"at least \d\.\d inches for 40 heads"):
        figures.layers_by_heads(PIXELS, maps_of(1, 40), width=3)
    with pytest.raises(SettingsError, match="common, each"):
        figures.heads(PIXELS, maps, scale="even")  # type: ignore[arg-type]
    nothings: list[dict[str, Maps | str]] = [{}, {"absent": "no weights"}]
    for nothing in nothings:
        with pytest.raises(ValueError, match="at least one model"):
            figures.compare(PIXELS, nothing)
    for draw in (figures.heads, figures.layers_by_heads, lambda frame, maps: figures.compare(frame, {"it": maps})):
        with pytest.raises(ValueError, match="another shape: its input had 128x96 pixels, and this frame has 60x80"):
            draw(PIXELS.transpose(1, 0, 2), maps)
    with pytest.raises(SettingsError, match="no attention heads"):
        figures.heads(PIXELS, stages_of())


def test_texts_stay_texts_and_the_same_figure_is_the_same_file(tmp_path: Path) -> None:
    maps = maps_of(2, 3)
    for name in ("a.svg", "b.svg", "a.pdf", "b.pdf", "a.png"):
        figures.save(figures.compare(PIXELS, {"my model": maps}), tmp_path / name)
    check_vectors(tmp_path)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width == round(6.9 * 300)


def test_matplotlibs_own_savefig_keeps_texts_and_size_too(tmp_path: Path) -> None:
    figure = figures.compare(PIXELS, {"my model": maps_of(2, 3)})
    for suffix in ("svg", "pdf", "png"):
        figure.savefig(tmp_path / f"a.{suffix}")
    check_vectors(tmp_path)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width == round(6.9 * 300)


def check_vectors(folder: Path) -> None:
    texts = {element.text for element in ElementTree.parse(folder / "a.svg").iter() if element.tag.endswith("text")}
    assert {"my model", "head 2", "input"} <= texts
    pdf = (folder / "a.pdf").read_bytes()
    assert b"FontFile2" in pdf  # an embedded TrueType face, not outlines, nor Type 3
    assert b"/Type3" not in pdf


def test_what_cannot_be_written_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    figure = figures.heads(PIXELS, maps_of(1, 2))
    with pytest.raises(SettingsError, match=r"\.png, \.pdf, \.svg"):
        figures.save(figure, tmp_path / "figure.docx")
    (tmp_path / "there.png").write_bytes(b"mine")
    with pytest.raises(OutputExists, match="exists"):
        figures.save(figure, tmp_path / "there.png")
    assert (tmp_path / "there.png").read_bytes() == b"mine"
    with pytest.raises(OutputUnwritable, match="is no folder"):
        figures.save(figure, tmp_path / "there.png" / "a.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OutputUnwritable, match="it is a folder"):
        figures.save(figure, tmp_path / "folder.png", overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.png", "there.png"]
    figures.save(figure, tmp_path / "new" / "a.png")  # folders are made, as for any other output
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]


@pytest.fixture
def figure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """`rtviz figure scene: ...` in this process, without a network or weights: status, and what it says."""
    for name, value in (("HF_HOME", "hf"), ("TORCH_HOME", "torch"), ("RTVIZ_WEIGHTS", "by-hand")):
        monkeypatch.setenv(name, str(tmp_path / value))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    run = in_process(monkeypatch, capsys)

    def command(*line: str | Path) -> tuple[int, str]:
        said = run("figure", "scene:", "-o", tmp_path / "figure.svg", "--resolution", "64", *line)
        return said.status, said.err

    return command


def test_the_papers_comparison_has_a_name_and_goes_on_without_weights_that_are_not_here(
    figure: Command, tmp_path: Path
) -> None:
    status, err = figure("--compare", "dino")
    assert status == 0, err
    preset, _ = load_preset("figure4")
    assert preset["model"] == "random:dino-vits16"
    absent = preset["compare"].split(",")
    assert f"left out, because their weights are not on this machine: {', '.join(absent)}" in err
    assert len(err) < 500
    text = (tmp_path / "figure.svg").read_text()
    assert all(f">{name}<" in text for name in ("random:dino-vits16", *absent))
    assert text.count("its weights are not on this machine") == len(absent)


def test_without_any_weights_there_is_no_figure(figure: Command, tmp_path: Path) -> None:
    status, err = figure("--compare", "deit-vits16,dino-vits16")
    assert status == 1
    assert "the weights of deit-vits16 and dino-vits16 are missing" in err
    assert not (tmp_path / "figure.svg").exists()
    status, err = figure("--compare", "embedded,no-such-model")
    assert status == 1
    assert "no model is called 'no-such-model'" in err
    status, err = figure("--compare", "talk")
    assert status == 2
    assert "talk does not" in err


def test_a_convolutional_network_alone_shows_its_stages(figure: Command, tmp_path: Path) -> None:
    status, err = figure("--model", "random:resnet18")
    assert status == 0, err
    text = (tmp_path / "figure.svg").read_text()
    assert "random:resnet18" in text
    assert all(f"stage {number}" in text for number in range(4))


def test_a_layer_is_refused_where_all_are_shown_and_a_query_is_marked_where_the_input_is(
    figure: Command, tmp_path: Path
) -> None:
    status, err = figure("--model", "embedded", "--layer", "3")
    assert status == 2
    assert "only with --paper, --compare or --view" in err
    marked = []
    for line in (("--layer", "3"), ("--layer", "3", "--query", "0.5,0.5")):
        status, err = figure("--model", "embedded", "--paper", "--overwrite", *line)
        assert status == 0, err
        tree = ElementTree.parse(tmp_path / "figure.svg")
        images = [node for node in tree.iter() if "line2d" in str(node.get("id"))]
        marked.append(len(images))
    assert marked[1] > marked[0]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with weights of DeiT's and DINO's ViT-S/16: they have one shape."""
    path = tmp_path_factory.mktemp("weights") / "theirs.safetensors"
    save_file(backbone.build_random("vit_small_patch16_224.dino").state_dict(), path)
    return str(path)


def test_a_weights_file_is_one_models(figure: Command, weights: str, tmp_path: Path) -> None:
    status, err = figure("--compare", "dino-vits16,deit-vits16", "--weights", weights)
    assert status == 2
    assert "a file for one model, not for several; say with --model whose it is: dino-vits16, deit-vits16" in err
    assert not (tmp_path / "figure.svg").exists()
    # Untrained models take none: that is the usual case.
    status, err = figure("--compare", "random:dino-vits16,embedded,dino-vits16", "--weights", weights)
    assert status == 0, err
    assert "left out" not in err
    status, err = figure(
        "--compare", "dino-vits16,deit-vits16", "--weights", weights, "--model", "deit-vits16", "--overwrite"
    )
    assert status == 0, err
    assert "left out, because their weights are not on this machine: dino-vits16 (" in err
    status, err = figure("--compare", "embedded,deit-vits16", "--weights", f"{weights}.old", "--overwrite")
    assert status == 1
    assert f"the weights file {weights}.old is not there" in err
    for model in ("resnet50", "random:dino-vits16"):
        line = ("--compare", "random:dino-vits16,deit-vits16", "--weights", weights, "--model", model)
        status, err = figure(*line, "--overwrite")
        assert status == 2
        assert "whose the file is: deit-vits16" in err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("--compare", "embedded,random:embedded", "--paper"), "without --compare"),
        (("--compare", "embedded,random:embedded", "--model", "embedded"), "without --compare"),
        (("--compare", "embedded,random:embedded,embedded"), "each model once; embedded stands there twice"),
        (("--compare", "dino-vits16,vit_small_patch16_224.dino"), "dino-vits16 stands there twice"),
        (("--model", "embedded", "--width", "0.3"), "inches from 2 to 100"),
        (("--model", "embedded", "-o", "README.md/figure.png"), "README.md is no folder"),
    ],
)
def test_what_would_be_ignored_or_fail_is_refused_before_anything_is_done(
    figure: Command, monkeypatch: pytest.MonkeyPatch, line: tuple[str, ...], said: str
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("the picture was opened")

    monkeypatch.setattr("rtviz.sources.open_source", refused)
    status, err = figure(*line)
    assert status in (1, 2)
    assert said in err
    assert "a bug in rtviz" not in err


def test_the_command_draws_a_frame_of_a_scene(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = in_process(monkeypatch, capsys)
    command = ["figure", "scene:3", "--start", "1", "--resolution", "64"]
    command += ["--compare", "random:embedded,embedded", "-o", str(tmp_path / "figure.svg")]
    done = run(*command)
    assert done.status == 0, done.err
    assert "untrained" in done.err
    assert "random:embedded" in (tmp_path / "figure.svg").read_text()
    again = run(*command)
    assert again.status == 1
    assert "overwrite" in again.err


@pytest.mark.parametrize("page", ["layers_by_heads", "heads", "compare"])
def test_a_page_may_go_without_words_and_without_the_bar(page: str) -> None:
    maps: Any = maps_of(2, 3)
    draw = partial(getattr(figures, page), PIXELS, {"a": maps} if page == "compare" else maps)
    whole, bare, barless = draw(), draw(labels=False), draw(bar=False)
    assert words(whole)
    assert not words(bare)
    assert bar(bare) == bar(whole)
    assert words(barless)
    assert len(barless.axes) == len(whole.axes) - 1
    assert bare.get_size_inches()[1] < whole.get_size_inches()[1]
    assert not words(draw(labels=False, bar=False))


# --- one view --------------------------------------------------------------------------------------------------------


def detailed() -> Maps:
    """Maps with norms (one outlier), columns and tokens, of two layers."""
    random = np.random.default_rng(5)
    norms = random.uniform(9, 11, (2, 6, 8)).astype(np.float32)
    norms[1, 2, 3] = 300
    maps = maps_of(2, 3)
    tokens = random.normal(size=(6, 8, 5)).astype(np.float32) * np.array([4, 2, 1, 1, 1], np.float32)
    return replace(
        maps, norms=norms, prefix_norms=np.full((2, 1), 42, np.float32), columns=maps.attention[::-1] * 2,
        columns_prefix=maps.prefix, tokens=tokens, attended=maps.attention[-1, 0],
    )  # fmt: skip


def test_norms_have_their_values_on_the_bar_and_a_box_round_the_outlier() -> None:
    maps = detailed()
    assert maps.norms is not None
    figure = figures.one_view(Frame(PIXELS), maps, Settings(view="norms", upsampling="nearest"))
    _, shown = tiles(figure)
    usual = np.delete(maps.norms[1].ravel(), 2 * 8 + 3)
    exact = np.clip((maps.norms[1] - usual.min()) / (usual.max() - usual.min()), 0, 1)
    np.testing.assert_allclose(np.asarray(shown.get_array()) / 255, exact, atol=0.003)
    (box,) = marks(figure, Rectangle)
    assert (box.get_x(), box.get_y(), box.get_width(), box.get_height()) == pytest.approx((2.5, 1.5, 1, 1))
    (bar,) = [axes for axes in figure.axes if axes.get_xticks().size]
    places = [float(label.get_text()) for label in bar.get_xticklabels()]
    low, high = float(usual.min()), float(usual.max())
    np.testing.assert_allclose(bar.get_xticks(), (np.array(places) - low) / (high - low), atol=0.02)
    said = " ".join(words(figure))
    assert "1 outlier, outlined, up to 300; CLS 42" in said
    assert "Euclidean norm of each patch's token" in said


def test_both_directions_share_a_scale_and_one_may_stand_alone() -> None:
    maps, settings = detailed(), Settings(view="directions", head=1, layer=0, upsampling="nearest")
    figure = figures.one_view(Frame(PIXELS), maps, settings)
    _, row, column = tiles(figure)
    means = [one / one.mean() for one in (maps.attention[0, 1], np.asarray(maps.columns)[0, 1])]
    for tile, exact in zip((row, column), means, strict=True):
        found = np.asarray(tile.get_array(), float).ravel()
        assert np.corrcoef(found**2, exact.ravel())[0, 1] > 0.999, "the root of multiples of the mean"
    assert len(tiles(figures.one_view(Frame(PIXELS), maps, settings.replace(direction="from")))) == 2


def test_a_component_is_that_of_the_svd_with_its_share() -> None:
    maps = detailed()
    rows = np.asarray(maps.tokens, np.float64).reshape(-1, 5)
    _, values, vectors = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    settings = Settings(view="pca", pca_component=2, upsampling="nearest")
    figure = figures.one_view(Frame(PIXELS), maps, settings)
    drawn = np.asarray(tiles(figure)[1].get_array(), float).ravel()
    assert abs(np.corrcoef(drawn, (rows - rows.mean(axis=0)) @ vectors[1])[0, 1]) > 0.99
    assert f"{100 * values[1] ** 2 / (values**2).sum():.1f} % of the patches' variance" in " ".join(words(figure))
    assert len(tiles(figures.one_view(Frame(PIXELS), maps, settings.replace(pca_component=0)))) == 3


def test_each_view_that_says_so_has_a_page_of_its_own() -> None:
    assert set(figures.VIEWS) == set(views.names(own_figure=True))


def test_the_command_draws_a_view_with_a_reference_and_prompts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, cup = in_process(monkeypatch, capsys), tmp_path / "cup.png"
    Image.fromarray(PIXELS).save(cup)
    line = ["figure", cup, "--model", "random:embedded", "--resolution", "64", "--device", "cpu", "--quiet"]
    assert run(*line, "-o", tmp_path / "a.svg", "--view", "reference", "--reference", f"{cup}@0.2,0.3").status == 0
    texts = "".join(ElementTree.parse(tmp_path / "a.svg").getroot().itertext())
    assert "cosine similarity" in texts
    assert "1.00" in texts, "the marked patch itself, in the same picture"
    assert run(*line, "-o", tmp_path / "b.pdf", "--view", "prompts", "--prompt", "it+0.2,0.3").status == 0
    assert (tmp_path / "b.pdf").read_bytes().startswith(b"%PDF")
    for wrong, says in (
        (["--view", "reference"], "reference cannot be"),
        (["--view", "prompts"], "prompt cannot be"),
        (["--view", "norms", "--paper"], "without --paper"),
        (["--pca-component", "2"], "pca_component cannot be 2; allowed: only with --view directions, norms, pca"),
        (["--view", "norms", "--layer", "99"], "layer cannot be 99"),
    ):
        done = run(*line, "-o", tmp_path / "c.png", *wrong)
        assert done.status == 2
        assert says in done.err
    assert not (tmp_path / "c.png").exists()

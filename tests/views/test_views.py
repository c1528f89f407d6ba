"""The views, drawn from made-up maps: what is shown, where, how large, and how it changes over time."""

from __future__ import annotations

import itertools
import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from typed import present

from rtviz import markup, views
from rtviz.drawing import labels, palette
from rtviz.drawing.annotated import painted
from rtviz.errors import SettingsError
from rtviz.frame import Floats, Frame, Maps, Pixels
from rtviz.settings import Point, Register, Settings
from rtviz.values import Head, Query
from rtviz.views import directions
from rtviz.views import grid as grid_view
from rtviz.views import heads as heads_view
from rtviz.views.pca_components import Components, paint
from rtviz.views.requirements import fit, needs
from rtviz.views.similarity import similarity

SIZES = [(480, 640), (97, 131), (241, 135), (360, 641)]
LAYOUTS = ("overlay", "alone", "side-by-side")


@cache  # frames are read-only
def frame_of(size: tuple[int, int] = (96, 132), pts_seconds: float = 0.0, seed: int = 0) -> Frame:
    noise = np.random.default_rng(seed).integers(0, 60, (*size, 3))
    slope = np.linspace(40, 180, size[1])[None, :, None]
    return Frame((noise + slope).astype(np.uint8), pts_seconds=pts_seconds)


def maps_of(
    layers: int = 3,
    heads: int = 4,
    grid: tuple[int, int] = (6, 9),
    query: Query = "cls",
    seed: int = 0,
    scale: float = 1.0,
) -> Maps:
    attention = np.random.default_rng(seed).random((layers, heads, *grid)) ** 4 + 1e-4
    attention = (scale * attention / attention.sum(axis=(2, 3), keepdims=True)).astype(np.float32)
    tokens = np.random.default_rng(seed + 1).normal(size=(*grid, 16)).astype(np.float32)
    keys = np.random.default_rng(seed + 2).normal(size=(heads, *grid, 8)).astype(np.float32)
    prefix = np.zeros((layers, heads, 1), np.float32)
    cams = {"activation": (np.linalg.norm(tokens, axis=-1),), "eigen": (tokens[..., 0],)}
    norms = np.random.default_rng(seed + 3).uniform(40, 60, (layers, *grid)).astype(np.float32)
    return Maps(
        attention, prefix, query, "random:tiny", 16, (96, 144), tokens, keys, layers - 1, cams,
        rollout=attention[-1, 0], norms=norms, prefix_norms=np.full((layers, 1), 55, np.float32),
        columns=attention[:, :, ::-1], columns_prefix=np.full((layers, heads, 1), 0.1, np.float32),
    )  # fmt: skip


def bright(maps: Maps, layer: int, head: int, row: int, column: int) -> Maps:
    """The maps with one head of one layer looking at one patch only."""
    attention = maps.attention.copy()
    attention[layer, head] = 1e-4
    attention[layer, head, row, column] = 0.9
    return replace(maps, attention=attention)


# ---------------------------------------------------------------------------------------------- registry


def test_the_registry_names_what_can_be_drawn() -> None:
    assert views.names() == (
        "heatmap",
        "mask",
        "heads",
        "grid",
        "rollout",
        "difference",
        "directions",
        "norms",
        "pca",
        "similarity",
        "objects",
        "track",
        "reference",
        "prompts",
        "cam",
        "none",
    )
    keys = [views.find(name).key for name in views.names()]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & set("0123456789acvrsqmh[]-=,.? ")  # taken by the window's other keys
    for name in views.names():
        view = views.find(name)
        assert view.name == name
        assert view.label
        assert view.help
        assert view.needs <= {
            "attention", "tokens", "layer_tokens", "keys", "features", "labels", "references", "prompts", "cam",
            "rollout", "unablated", "norms", "columns",
        }  # fmt: skip


def test_an_unknown_view_is_named_with_what_is_allowed() -> None:
    with pytest.raises(SettingsError, match=r"view cannot be 'heat'.*heatmap, mask"):
        views.find("heat")
    with pytest.raises(SettingsError, match="view"):
        views.draw(frame_of(), maps_of(), Settings(view="heat"))


def test_the_registry_is_light() -> None:
    code = "import sys, rtviz.views; rtviz.views.names(); print(*{'cv2', 'numpy', 'PIL', 'torch'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


# ---------------------------------------------------------------------------------------------- every view


@pytest.mark.parametrize("view", views.names())
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", SIZES)
def test_every_view_has_the_size_that_its_layout_promises(view: str, layout: str, size: tuple[int, int]) -> None:
    frame, before = frame_of(size), frame_of(size).pixels.copy()
    maps = maps_of()
    attention = maps.attention.copy()
    for head in (0, "mean", "max", "all"):
        picture = views.draw(frame, maps, Settings(view=view, layout=layout, head=head))
        assert picture.shape == (size[0], size[1] * (2 if layout == "side-by-side" else 1), 3)
        assert picture.dtype == np.uint8
        if layout == "side-by-side":
            np.testing.assert_array_equal(picture[:, : size[1]], before)
    np.testing.assert_array_equal(frame.pixels, before)
    np.testing.assert_array_equal(maps.attention, attention)


@pytest.mark.parametrize("view", views.names())
@pytest.mark.parametrize("layout", ["overlay", "side-by-side"])
def test_what_is_written_on_a_picture_is_the_same_when_it_is_painted_afterwards(view: str, layout: str) -> None:
    """A canvas gets the picture without it, and the annotations with their places in the whole."""
    settings = Settings(view=view, layout=layout, head=1, query=Point(0.4, 0.6), normalization="frame")
    frame, maps = frame_of((240, 320)), maps_of(query=settings.query)
    at_once = views.draw(frame, maps, settings).astype(int)
    with markup.collect() as found:
        plain = views.draw(frame, maps, settings)
    afterwards = painted(plain, found)
    differing = np.abs(at_once - afterwards).max(axis=2) > 3
    assert differing.mean() < 0.002, "but where a border of a tile was over its label"
    if found:
        assert not np.array_equal(plain, afterwards), "the picture itself is free of it"


def test_the_lines_of_a_plot_are_no_part_of_the_picture() -> None:
    """A canvas paints them over it, as wide at any zoom."""
    frame, maps = frame_of((240, 320)), maps_of(query=Point(0.4, 0.6))
    with markup.collect() as found:
        plain = views.draw(frame, maps, Settings(view="directions", query=Point(0.4, 0.6)))
    ys, xs = directions.arrange(frame.size)[3].slices
    assert np.ptp(plain[ys, xs], axis=(0, 1)).max() == 0
    assert np.ptp(painted(plain, found)[ys, xs], axis=(0, 1)).max() > 100


@pytest.mark.parametrize("view", views.names())
@pytest.mark.parametrize("size", [(2, 2), (16, 24), (31, 9), (240, 320), (40, 400)])
@pytest.mark.parametrize("shape", [(24, 16), (1, 1), (2, 11)])
def test_every_view_draws_at_any_size_and_for_any_model(
    view: str, size: tuple[int, int], shape: tuple[int, int]
) -> None:
    maps = maps_of(*shape, query=Point(0.9, 0.1))
    for upsampling in ("smooth", "nearest", "guided"):
        for head in (0, "all"):
            settings = Settings(view=view, head=head, upsampling=upsampling)
            assert views.draw(frame_of(size), maps, settings).shape == (*size, 3)


@pytest.mark.parametrize("view", ["heatmap", "mask", "heads", "grid"])
def test_a_head_or_layer_that_is_not_there_is_refused_in_words(view: str) -> None:
    maps = maps_of(layers=3, heads=6)
    with pytest.raises(SettingsError, match=r"head cannot be 9; allowed: 0 to 5 \(random:tiny has 6 heads\), mean"):
        views.draw(frame_of(), maps, Settings(view=view, head=9))
    for layer in (3, -4):
        with pytest.raises(SettingsError, match=rf"layer cannot be {layer}; allowed: -3 to 2 \(random:tiny has 3 lay"):
            views.draw(frame_of(), maps, Settings(view=view, layer=layer))
    with pytest.raises(ValueError, match="needs maps"):
        views.draw(frame_of(), None, Settings(view=view))


def test_negative_layers_count_from_the_end() -> None:
    frame, maps = frame_of(), maps_of(layers=3)
    for view in ("heatmap", "mask", "heads", "grid"):
        pictures = [views.draw(frame, maps, Settings(view=view, layer=layer, head=1)) for layer in (2, -1, 0)]
        np.testing.assert_array_equal(pictures[0], pictures[1])
        assert (pictures[0] != pictures[2]).any()


def test_the_view_none_is_the_frame_without_maps() -> None:
    frame = frame_of()
    np.testing.assert_array_equal(views.draw(frame, None, Settings(view="none")), frame.pixels)


def test_the_query_patch_is_ringed() -> None:
    frame = frame_of((200, 300))
    for view in ("heatmap", "mask"):
        plain = views.draw(frame, maps_of(), Settings(view=view))
        ringed = views.draw(frame, maps_of(query=Point(0.25, 0.7)), Settings(view=view))
        ys, xs = np.nonzero((plain != ringed).any(axis=2))
        assert abs(ys.mean() - 140) < 1.5
        assert abs(xs.mean() - 75) < 1.5
        assert np.ptp(xs) < 20


# ---------------------------------------------------------------------------------------------- heatmap


def test_the_heatmap_lights_up_the_patch_that_is_attended() -> None:
    frame, maps = frame_of((180, 270)), bright(maps_of(), 2, 1, row=4, column=7)
    for layout in ("overlay", "alone"):
        for upsampling in ("smooth", "nearest"):
            settings = Settings(head=1, layout=layout, upsampling=upsampling)
            picture = views.draw(frame, maps, settings).astype(int).sum(axis=2)
            patch = picture[120:150, 210:240]
            assert patch.mean() > 1.3 * np.delete(picture, slice(210, 240), axis=1).mean()


def test_one_head_mean_and_maximum_are_what_they_say() -> None:
    frame, maps = frame_of(), maps_of()
    last = maps.attention[-1]
    heads: list[tuple[Head, Floats]] = [(2, last[2]), ("mean", last.mean(axis=0)), ("max", last.max(axis=0))]
    for head, expected in heads:
        single = Maps(expected[None, None], maps.prefix[:1, :1], "cls", "x", 16, (96, 144))
        for view in ("heatmap", "mask"):
            drawn = views.draw(frame, maps, Settings(view=view, head=head, layout="alone", upsampling="nearest"))
            alone = views.draw(frame, single, Settings(view=view, head=0, layout="alone", upsampling="nearest"))
            np.testing.assert_array_equal(drawn.any(axis=2), alone.any(axis=2))
            if view == "heatmap":
                np.testing.assert_array_equal(drawn, alone)


def test_the_heatmap_alone_has_only_colours_of_its_colormap() -> None:
    for name in ("inferno", "cividis", "gray"):
        picture = views.draw(frame_of(), maps_of(), Settings(head=0, layout="alone", colormap=name))
        allowed = {tuple(color) for color in palette.colormap(name).tolist()}
        assert {tuple(color) for color in picture.reshape(-1, 3).tolist()} <= allowed


def test_the_scale_of_a_heatmap_is_in_multiples_of_uniform_attention() -> None:
    ramp = (np.linspace(1, 3, 100).reshape(1, 1, 10, 10) / 200).astype(np.float32)  # the mean is 2 / 200
    maps = replace(maps_of(1, 1, (10, 10)), attention=ramp)
    with markup.collect() as found:
        views.draw(frame_of(), maps, Settings(view="heatmap", head=0, normalization="frame"))
    (scale,) = (one for one in found if isinstance(one, markup.Scale))
    assert scale.low == pytest.approx(0.51, abs=0.01), "all but the lowest two of a hundred patches"
    assert scale.high == pytest.approx(1.5, abs=0.01)


def test_opacity_runs_from_the_frame_to_the_map() -> None:
    frame, maps = frame_of(), maps_of()
    untouched = views.draw(frame, maps, Settings(head=0, opacity=0))
    np.testing.assert_array_equal(untouched, frame.pixels)
    np.testing.assert_array_equal(views.draw(frame, maps, Settings(view="mask", head=0, opacity=0)), frame.pixels)
    covered = views.draw(frame, maps, Settings(head=0, opacity=1)).astype(int)
    alone = views.draw(frame, maps, Settings(head=0, layout="alone"))
    assert np.abs(covered - alone).max() <= 1
    away = [
        np.abs(views.draw(frame, maps, Settings(head=0, opacity=o)).astype(int) - frame.pixels).mean()
        for o in (0, 0.2, 0.4, 0.65, 0.8, 1)
    ]
    assert away == sorted(away)


def test_the_frame_stays_visible_where_attention_is_weak() -> None:
    frame, maps = frame_of((180, 270)), bright(maps_of(), 2, 1, row=4, column=7)
    picture = views.draw(frame, maps, Settings(head=1))[:90]  # far from the patch
    correlation = np.corrcoef(picture.mean(axis=2).ravel(), frame.pixels[:90].mean(axis=2).ravel())[0, 1]
    assert correlation > 0.98
    assert picture.mean() > 0.45 * frame.pixels[:90].mean()


def test_gamma_lifts_or_hides_weak_attention() -> None:
    drawn = [
        views.draw(frame_of(), maps_of(), Settings(head=0, layout="alone", colormap="gray", gamma=gamma)).mean()
        for gamma in (0.5, 1.0, 2.0)
    ]
    assert drawn[0] > drawn[1] + 10 > drawn[2] + 15


def test_all_heads_each_have_their_colour() -> None:
    maps, places = maps_of(heads=4), [(1, 1), (1, 7), (4, 1), (4, 7)]
    for head, (row, column) in enumerate(places):
        maps = bright(maps, 2, head, row, column)
    for view in ("heatmap", "mask"):
        settings = Settings(view=view, head="all", layout="alone", upsampling="nearest", threshold=0.5)
        picture = views.draw(frame_of((360, 540)), maps, settings)
        for head, (row, column) in enumerate(places):
            middle = picture[row * 60 + 25 : row * 60 + 35, column * 60 + 25 : column * 60 + 35].mean(axis=(0, 1))
            likeness = [
                middle @ np.array(color) / np.linalg.norm(middle) / np.linalg.norm(color)
                for color in palette.HEAD_COLORS[:4]
            ]
            assert int(np.argmax(likeness)) == head


# ---------------------------------------------------------------------------------------------- over time


def level(picture: np.ndarray) -> float:
    return float(picture[..., 0].mean())


def test_a_steady_range_bounds_the_change_after_a_jump() -> None:
    """One frame of four times the attention: alone each frame looks the same, steady it is seen as brighter, and the
    range comes back slowly, without a flash."""
    settings = Settings(head=0, layout="alone", colormap="gray")
    memory = views.Memory()
    scales = [1, 1, 1, 1, 0.25, 0.25, 0.25] + [0.25] * 120
    steady = [
        level(views.draw(frame_of(pts_seconds=i / 30), maps_of(scale=scale), settings, memory))
        for i, scale in enumerate(scales)
    ]
    alone = [
        level(views.draw(frame_of(), maps_of(scale=s), settings.replace(normalization="frame"))) for s in (1, 0.25)
    ]
    assert alone[0] == pytest.approx(alone[1], abs=0.5)
    assert steady[:4] == pytest.approx([alone[0]] * 4, abs=0.5)
    assert steady[4] < 0.5 * steady[3]  # weaker attention is shown as weaker
    changes = np.diff(steady[4:])
    assert (changes >= -0.2).all()
    assert changes.max() < 2  # of 255, in one thirtieth of a second
    assert steady[-1] > 0.55 * alone[0]  # four seconds later


def test_a_steady_range_does_not_flicker_with_a_flickering_map() -> None:
    settings, memory = Settings(head=0, layout="alone", colormap="gray"), views.Memory()
    background = []
    for i in range(40):
        maps = maps_of()
        if i % 2:  # one patch flares up every other frame
            maps.attention[-1, 0, 0, :3] = 0.5
        picture = views.draw(frame_of(pts_seconds=i / 30), maps, settings, memory)
        background.append(level(picture[48:]))
    settled = background[20:]
    assert max(settled) - min(settled) < 4
    alone = [level(views.draw(frame_of(), maps_of(), settings)[48:]), min(settled)]
    assert alone[0] - alone[1] > 8  # frame by frame it would have


def test_a_paused_frame_looks_the_same_however_often_it_is_drawn() -> None:
    settings, memory = Settings(head=0), views.Memory()
    views.draw(frame_of(pts_seconds=0), maps_of(scale=0.5), settings, memory)
    first = views.draw(frame_of(pts_seconds=0.1), maps_of(), settings, memory)
    for head in (1, "mean", 0):
        again = views.draw(frame_of(pts_seconds=0.1), maps_of(), settings.replace(head=head), memory)
    np.testing.assert_array_equal(first, again)


def test_the_rate_of_frames_does_not_change_the_steady_range() -> None:
    ends = []
    for fps in (10, 40):
        memory, settings = views.Memory(), Settings(head=0, layout="alone", colormap="gray")
        views.draw(frame_of(), maps_of(), settings, memory)
        for i in range(1, 2 * fps + 1):
            picture = views.draw(frame_of(pts_seconds=i / fps), maps_of(scale=0.3), settings, memory)
        ends.append(level(picture))
    assert ends[0] == pytest.approx(ends[1], abs=1.5)


def test_the_first_frame_and_a_reset_and_a_rewind_begin_anew() -> None:
    settings, memory = Settings(head=0, layout="alone"), views.Memory()
    fresh = views.draw(frame_of(), maps_of(scale=0.1), settings)
    np.testing.assert_array_equal(views.draw(frame_of(pts_seconds=9), maps_of(scale=0.1), settings, memory), fresh)
    views.draw(frame_of(pts_seconds=9.1), maps_of(), settings, memory)
    np.testing.assert_array_equal(views.draw(frame_of(pts_seconds=0), maps_of(scale=0.1), settings, memory), fresh)
    views.draw(frame_of(pts_seconds=0.1), maps_of(), settings, memory)
    memory.reset()
    np.testing.assert_array_equal(views.draw(frame_of(pts_seconds=0.2), maps_of(scale=0.1), settings, memory), fresh)


def test_memory_does_not_grow_with_the_stream() -> None:
    memory = views.Memory()
    for i in range(30):
        for view in views.names():
            for head in (0, 1, "all"):
                views.draw(frame_of(pts_seconds=i / 30), maps_of(), Settings(view=view, head=head), memory)
        if i == 0:
            kept = len(memory)
    assert len(memory) == kept


def test_maps_without_any_contrast_stay_dark() -> None:
    maps = maps_of()
    maps.attention[:] = 1 / 54
    picture = views.draw(frame_of(), maps, Settings(head=0, layout="alone", colormap="gray"))
    assert picture.max() == 0


# ---------------------------------------------------------------------------------------------- mask


def test_the_mask_is_tinted_inside_outlined_at_its_border_and_dimmed_outside() -> None:
    frame = Frame(np.full((180, 270, 3), 140, np.uint8))
    maps = bright(maps_of(), 2, 1, row=3, column=4)
    picture = views.draw(frame, maps, Settings(view="mask", head=1, upsampling="nearest")).astype(int)
    inside = picture[98:112, 128:142].reshape(-1, 3)
    outside = np.delete(picture, slice(110, 160), axis=1).reshape(-1, 3)
    assert len(np.unique(inside, axis=0)) == 1
    assert len(np.unique(outside, axis=0)) == 1
    assert outside[0].sum() < 140 * 3
    color = np.array(palette.head_color(1))
    tint, line = inside[0] - 140.0, picture[105, 118:122]
    assert tint @ (color - 140) / np.linalg.norm(tint) / np.linalg.norm(color - 140) > 0.95
    assert np.abs(line - color).min(axis=0).max() < 70
    # What is neither inside nor outside lies within a few pixels of the patch's edge.
    other = ~(picture == inside[0]).all(axis=2) & ~(picture == outside[0]).all(axis=2)
    ys, xs = np.nonzero(other)
    edge = np.minimum.reduce([abs(ys - 89.5), abs(ys - 119.5), abs(xs - 119.5), abs(xs - 149.5)])
    assert edge.max() <= 4
    assert other.sum() > 4 * 28


def test_the_mask_alone_is_black_outside() -> None:
    maps = bright(maps_of(), 2, 1, row=3, column=4)
    settings = Settings(view="mask", head=1, upsampling="nearest", layout="alone")
    picture = views.draw(frame_of((180, 270)), maps, settings)
    ys, xs = np.nonzero(picture.any(axis=2))
    assert 87 <= ys.min() <= 90
    assert 119 <= ys.max() <= 122
    assert 117 <= xs.min() <= 120
    assert 149 <= xs.max() <= 152


def test_a_higher_threshold_keeps_more() -> None:
    areas = [
        (views.draw(frame_of(), maps_of(), Settings(view="mask", head=0, layout="alone", threshold=t)) > 0).mean()
        for t in (0.2, 0.6, 0.9)
    ]
    assert areas == sorted(areas)
    assert areas[0] < 0.5 * areas[2]


# ---------------------------------------------------------------------------------------------- mosaics


@pytest.mark.parametrize(("heads", "extras"), [(3, 1), (4, 0), (6, 3), (12, 4), (16, 0), (24, 1), (1, 0)])
@pytest.mark.parametrize("size", SIZES)
def test_the_mosaic_shows_every_head_once_in_order(heads: int, extras: int, size: tuple[int, int]) -> None:
    tiles = heads_view.arrange(size, heads)
    assert [shown for shown, _ in tiles[:heads]] == list(range(heads))
    assert len(tiles) == heads + extras
    used = np.zeros(size, int)
    for _, box in tiles:
        used[box.slices] += 1
        assert abs(box.width - box.height * size[1] / size[0]) <= 1 + size[1] / size[0]
    assert used.max() == 1
    if len(tiles) == int(len(tiles) ** 0.5) ** 2:
        assert used.mean() > (0.9 if min(size) >= 360 else 0.7)  # small pictures give more of themselves to the gaps


def test_each_tile_shows_its_own_head() -> None:
    frame, maps = frame_of((480, 640)), maps_of(heads=6, grid=(12, 16))
    for head in range(6):
        maps = bright(maps, 2, head, row=3 + head, column=2 * head + 2)
    picture = views.draw(frame, maps, Settings(view="heads", head=4, layout="alone", colormap="gray"))
    for shown, box in heads_view.arrange(frame.size, 6)[:6]:
        assert isinstance(shown, int)
        tile = picture[box.slices][30:-6, 6:-6, :].astype(int).min(axis=2)
        y, x = np.unravel_index(np.argmax(tile), tile.shape)
        assert int((y + 30.5) * 12 / box.height) == 3 + shown
        assert int((x + 6.5) * 16 / box.width) == 2 * shown + 2


@pytest.mark.parametrize("size", [(240, 320), (480, 640), (1080, 1920), (640, 360)])
@pytest.mark.parametrize("heads", [3, 6, 12, 16])
def test_every_tile_has_a_legible_name_inside(size: tuple[int, int], heads: int) -> None:
    """With maps and a frame of one grey, only labels and the chosen tile's border are not grey."""
    frame = Frame(np.full((*size, 3), 200, np.uint8))
    maps = maps_of(heads=heads)
    maps.attention[:] = 1 / 54
    picture = views.draw(frame, maps, Settings(view="heads", head=0)).astype(int)
    for shown, box in heads_view.arrange(size, heads):
        tile = picture[box.slices]
        ground = tile[-8, -8] if shown != 0 else tile[-12, -12]
        margin = 6 if shown == 0 else 0
        inner = tile[margin : tile.shape[0] - margin, margin : tile.shape[1] - margin]
        if shown == "all":
            continue  # its ground is not even
        ys, xs = np.nonzero((np.abs(inner - ground) > 3).any(axis=2))
        assert len(ys) > 40
        assert np.ptp(ys) >= 8  # high enough to be read
        assert xs.max() < inner.shape[1] - 1
        assert ys.max() < 0.5 * inner.shape[0]


def test_the_chosen_tile_has_a_bright_border() -> None:
    frame, maps = frame_of((480, 640)), maps_of(heads=6)
    for chosen in (0, 5, "mean", "all"):
        picture = views.draw(frame, maps, Settings(view="heads", head=chosen))
        for shown, box in heads_view.arrange(frame.size, 6):
            tile = picture[box.slices]
            framed = (tile[-1] == palette.ACCENT).all() and (tile[:, 0] == palette.ACCENT).all()
            assert framed == (shown == chosen)


@pytest.mark.parametrize("shape", [(12, 6), (24, 16), (6, 4), (12, 12), (12, 3), (4, 8), (1, 1)])
@pytest.mark.parametrize("size", [(240, 320), (480, 640), (1080, 1920), (720, 405)])
def test_the_grid_has_room_for_everything(shape: tuple[int, int], size: tuple[int, int]) -> None:
    plan = grid_view.arrange(size, *shape)
    used = np.zeros(size, int)
    assert len(plan.tiles) == shape[0]
    for box in [box for row in plan.tiles for box in row] + plan.panels:
        assert box.top >= 0
        assert box.left >= 0
        assert box.top + box.height <= size[0]
        assert box.left + box.width <= size[1]
        assert min(box.size) >= 4
        used[box.slices] += 1
    assert used.max() == 1
    assert used.mean() > 0.6
    assert plan.text >= 9
    line, letters = labels.text_extent(f"L{shape[0] - 1}", plan.text)
    assert plan.tiles[0][0].top > line
    assert plan.tiles[0][0].left > letters


def test_each_thumbnail_shows_its_own_map_in_its_own_range() -> None:
    frame, maps = frame_of((480, 640)), maps_of(layers=12, heads=6, grid=(12, 16))
    for layer, head in np.ndindex(12, 6):
        maps = bright(maps, layer, head, row=layer, column=head + 5)
        maps.attention[layer, head] *= 10.0 ** -(layer % 4)
    picture = views.draw(frame, maps, Settings(view="grid", head=0, layout="alone", colormap="gray"))
    plan = grid_view.arrange(frame.size, 12, 6)
    for layer, head in np.ndindex(12, 6):
        tile = picture[plan.tiles[layer][head].slices].astype(int).min(axis=2)
        y, x = np.unravel_index(np.argmax(tile), tile.shape)
        assert abs((y + 0.5) * 12 / tile.shape[0] - layer - 0.5) < 0.8
        assert abs((x + 0.5) * 16 / tile.shape[1] - head - 5.5) < 0.8
        assert tile.max() > 150


def test_the_grid_names_rows_and_columns_and_marks_what_is_chosen() -> None:
    frame, maps = frame_of((480, 640)), maps_of(layers=12, heads=6)
    picture = views.draw(frame, maps, Settings(view="grid", layer=4, head=2))
    plan = grid_view.arrange(frame.size, 12, 6)
    left = plan.tiles[0][0].left
    for row in range(12):
        box = plan.tiles[row][0]
        name = picture[box.top : box.top + box.height, : left - 2]
        assert (name.max(axis=2) > 100).sum() > 10
        assert (np.abs(name.astype(int) - palette.ACCENT).max(axis=2) < 12).any() == (row == 4)
    for head, box in enumerate(plan.tiles[0]):
        name = picture[: box.top - 2, box.left : box.left + box.width]
        assert (name.max(axis=2) > 100).sum() > 10
        assert (np.abs(name.astype(int) - palette.ACCENT).max(axis=2) < 12).any() == (head == 2)
    box = plan.tiles[4][2]
    border = picture[box.top - 1, box.left : box.left + box.width]
    assert (border == palette.ACCENT).all()


# ---------------------------------------------------------------------------------------------- what features show


def figure_and_ground(grid: tuple[int, int] = (8, 12), width: int = 20, seed: int = 0) -> tuple[Maps, np.ndarray]:
    """Maps whose tokens are of two kinds, the figure's of three kinds more, and which patches are the figure."""
    random = np.random.default_rng(seed)
    figure = np.zeros(grid, bool)
    figure[2:7, 3:10] = True
    kinds = random.normal(size=(4, width))
    apart = random.normal(size=width)
    tokens = random.normal(size=(*grid, width)) * 0.1 - 4 * apart
    parts = np.zeros(grid, int)
    parts[2:7, 3:5], parts[2:7, 5:7], parts[2:7, 7:10] = 1, 2, 3
    tokens[figure] += (8 * apart + kinds[parts])[figure]
    maps = maps_of(grid=grid)
    attention = np.where(figure, 1.0, 0.01).astype(np.float32) * np.ones_like(maps.attention)
    return replace(maps, attended=attention[-1].mean(axis=0), tokens=tokens.astype(np.float32)), parts


def test_the_colours_are_the_components_of_a_singular_value_decomposition() -> None:
    maps, parts = figure_and_ground()
    tokens = present(maps.tokens).reshape(-1, 20)
    components = Components.fit(tokens, present(maps.attended).ravel())
    inside = tokens[parts.ravel() > 0]
    _, _, expected = np.linalg.svd(inside - inside.mean(axis=0), full_matrices=False)
    # The figure alone spans the same space of colours; its soft border may turn the axes a little.
    np.testing.assert_allclose(np.linalg.svd(expected[:2] @ components.colors)[1], 1, atol=1e-2)


@pytest.mark.parametrize("patches", [(8, 12), (3, 4), (1, 1)])
def test_the_figure_is_what_is_attended_whatever_the_sign(patches: tuple[int, int]) -> None:
    maps, parts = figure_and_ground()
    maps = replace(maps, tokens=-present(maps.tokens))
    tokens, attended = present(maps.tokens).reshape(-1, 20), present(maps.attended).ravel()
    _, share = paint(Components.fit(tokens, attended).project(tokens))
    np.testing.assert_array_equal(share.reshape(parts.shape) > 0.5, parts > 0)
    few = tokens[: patches[0] * patches[1]]
    colors, _ = paint(Components.fit(few, attended[: len(few)]).project(few))
    assert colors.shape == (3, len(few))
    assert np.isfinite(colors).all()


def test_the_figure_is_what_cls_attends_to_even_where_something_else_varies_most() -> None:
    """Half of the ground is far from the other half: the first component parts the two, and CLS attends to neither."""
    maps, parts = figure_and_ground()
    ground = parts == 0
    apart = np.random.default_rng(7).normal(size=20).astype(np.float32)
    left = (np.arange(ground.shape[1]) < ground.shape[1] // 2) & ground
    tokens = present(maps.tokens) + 12 * apart * np.where(left, 1, -1)[..., None] * ground[..., None]
    maps = replace(maps, tokens=tokens.astype(np.float32))
    flat, attended = present(maps.tokens).reshape(-1, 20), present(maps.attended).ravel()
    first = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)[2][0]
    along = ((flat - flat.mean(axis=0)) @ first).reshape(parts.shape)
    assert min(np.mean((sign * along > 0) == (parts > 0)) for sign in (1, -1)) < 0.75, "a first component would not do"
    _, share = paint(Components.fit(flat, attended).project(flat))
    np.testing.assert_array_equal(share.reshape(parts.shape) > 0.5, parts > 0)


def test_a_question_about_a_patch_changes_nothing_of_pca() -> None:
    maps, _ = figure_and_ground()
    asked = np.full_like(maps.attention, 1e-3)
    asked[..., 0, 0] = 1  # a patch of the ground attends to itself
    frame, other = frame_of((96, 144)), replace(maps, query=Point(0.02, 0.02), attention=asked)
    plain, of_a_patch = (views.draw(frame, one, Settings(view="pca")) for one in (maps, other))
    np.testing.assert_array_equal(plain, of_a_patch)


def test_the_colours_of_a_stream_keep_their_meaning_and_follow_it() -> None:
    maps, parts = figure_and_ground()
    first, attended = present(maps.tokens).reshape(-1, 20), present(maps.attended).ravel()
    components = Components.fit(first, attended, 0.0)
    before, _ = paint(components.project(first))
    random = np.random.default_rng(5)
    for frame in range(1, 90):  # three seconds with noise, in which each fit alone would flip its axes now and then
        noisy = first + random.normal(size=first.shape).astype(np.float32) * 0.3
        components = components.follow(noisy, attended, frame / 30)
    after, _ = paint(components.project(first))
    assert np.abs(after - before)[:, parts.ravel() > 0].mean() < 0.1
    other, _ = figure_and_ground(seed=9)
    tokens = present(other.tokens).reshape(-1, 20)
    for frame in range(90, 90 + 600):
        components = components.follow(tokens, attended, frame / 30)
    fresh = Components.fit(tokens, attended)
    assert float(components.figure @ fresh.figure) > 0.999  # after a cut it arrives at the new stream's own


def test_pca_shows_colours_on_the_figure_and_none_on_the_ground() -> None:
    maps, parts = figure_and_ground()
    picture = views.draw(frame_of((96, 144)), maps, Settings(view="pca", layout="alone", upsampling="nearest"))
    cells = picture[6::12, 6::12].astype(float)  # the middle of each patch
    assert cells[parts == 0].max() < 20
    means = [cells[parts == part].mean(axis=0) for part in (1, 2, 3)]
    assert min(np.abs(a - b).max() for a, b in itertools.combinations(means, 2)) > 60


def test_similarity_is_the_cosine_of_keys() -> None:
    maps = maps_of(query=Point(0.7, 0.3))
    found = similarity(maps, maps.query)
    asked = present(maps.keys)[:, int(0.3 * 6), int(0.7 * 9)].ravel()
    for row, column in [(0, 0), (2, 5), (5, 8)]:
        key = present(maps.keys)[:, row, column].ravel()
        expected = key @ asked / np.linalg.norm(key) / np.linalg.norm(asked)
        assert found[row, column] == pytest.approx(expected, abs=1e-5)
    assert found[int(0.3 * 6), int(0.7 * 9)] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("features", ["values", "tokens"])
def test_similarity_is_of_the_features_that_are_asked_for(features: str) -> None:
    maps = maps_of(query=Point(0.7, 0.3))
    values = np.random.default_rng(8).normal(size=present(maps.keys).shape).astype(np.float32)
    maps = replace(maps, values=values, discovery_features="values")
    patches = present(maps.tokens) if features == "tokens" else np.concatenate(list(values), axis=-1)
    unit = patches / np.linalg.norm(patches, axis=-1, keepdims=True)
    settings = Settings(view="similarity", features=features)
    np.testing.assert_allclose(similarity(maps, maps.query, features), unit @ unit[1, 6], atol=1e-5)
    frame, by_keys = frame_of((96, 144)), Settings(view="similarity")
    other = replace(maps, keys=-present(maps.keys) * 3 + 1)
    assert (views.draw(frame, other, settings) == views.draw(frame, maps, settings)).all()
    assert (views.draw(frame, other, by_keys) != views.draw(frame, maps, by_keys)).any()
    assert needs(settings, 12, "values") == {"attention", features}
    assert needs(by_keys, 12, "values") == {"attention", "keys"}


def test_similarity_to_cls_is_similarity_to_what_it_attends_to() -> None:
    maps = maps_of()
    attention = maps.attention.copy()
    attention[2] = 0
    attention[2, :, 4, 7] = 1
    maps = replace(maps, attention=attention)
    np.testing.assert_allclose(similarity(maps, "cls"), similarity(maps, Point(7.5 / 9, 4.5 / 6)), atol=1e-5)


def test_similarity_without_a_marker_says_to_what() -> None:
    settings = Settings(view="similarity", layout="alone")
    queries: tuple[Query, ...] = (Point(0.9, 0.1), "cls")
    pictures = (views.draw(frame_of((192, 288)), maps_of(query=query), settings) for query in queries)
    light = [int((picture[-40:, :200].min(axis=2) > 180).sum()) for picture in pictures]
    assert light[1] - light[0] > 50, "words in the lower left corner"


# ---------------------------------------------------------------------------------------------- norms and outliers


def planted(times: float = 10.0, row: int = 2, column: int = 5) -> Maps:
    """Maps with one patch whose token has a norm of so many times the median, after every layer."""
    maps = maps_of()
    norms = present(maps.norms).copy()
    norms[:, row, column] = times * np.median(norms)
    return replace(maps, norms=norms)


def outlined(picture: Pixels) -> NDArray[np.bool_]:
    """Where a picture has exactly the colour of outlines."""
    return (picture == np.array(palette.ACCENT, np.uint8)).all(axis=2)


def test_outliers_are_outlined_and_the_others_keep_their_colours() -> None:
    frame, settings = frame_of((192, 288)), Settings(view="norms", layout="alone", upsampling="nearest")
    ten, twenty, none = (views.draw(frame, planted(times), settings) for times in (10, 20, 1))
    patch = np.zeros(frame.size, bool)
    patch[64:96, 160:192] = True
    assert outlined(ten)[patch].sum() > 100
    assert not outlined(ten)[:150][~patch[:150]].any()
    assert not outlined(none)[:150].any()
    np.testing.assert_array_equal(ten[:150], twenty[:150])


def test_norms_are_of_the_layer_that_is_shown() -> None:
    frame, maps = frame_of((192, 288)), maps_of()
    for layer in range(3):
        picture = views.draw(frame, maps, Settings(view="norms", layer=layer, layout="alone", upsampling="nearest"))
        light = picture[16:150:32, 16::32].astype(int).sum(axis=2)  # the middle of each patch above the words
        order = np.argsort(present(maps.norms)[layer][: light.shape[0]], axis=None)
        assert (np.diff(light.ravel()[order]) >= -3).all()


@pytest.mark.parametrize("view", ["heatmap", "mask", "rollout"])
@pytest.mark.parametrize(("share", "said"), [(0.5, True), (0.1, False)])
def test_attention_that_outliers_drive_is_said(view: str, share: float, said: bool) -> None:
    frame, settings = frame_of((192, 288)), Settings(view=view, layer=1)
    maps = planted()
    attention = np.full_like(maps.attention, (1 - share) / 53)
    attention[..., 2, 5] = share
    maps = replace(maps, attention=attention, rollout=attention[1, 0])
    without = replace(maps, norms=np.ones_like(present(maps.norms)))
    differs = (views.draw(frame, maps, settings) != views.draw(frame, without, settings)).any(axis=2)
    assert differs.any() == said
    assert not differs[40:].any()
    assert not differs[:, :144].any(), "only in the upper right corner"
    first = settings.replace(layer=0)  # nothing is known of what enters it
    np.testing.assert_array_equal(views.draw(frame, maps, first), views.draw(frame, without, first))


# ---------------------------------------------------------------------------------------------- both directions


def test_both_directions_are_shown_each_in_its_tile() -> None:
    maps = maps_of(3, 4, query=Point(0.1, 0.1))
    row, column = (np.full_like(maps.attention, 1e-4) for _ in range(2))
    row[1, 2, 1, 7], column[1, 2, 4, 2] = 0.9, 0.9
    maps = replace(maps, attention=row, columns=column)
    settings = Settings(view="directions", layer=1, head=2, layout="alone", upsampling="nearest", colormap="gray")
    frame = frame_of((240, 360))
    picture = views.draw(frame, maps, settings)
    boxes = directions.arrange(frame.size)
    assert [tile.box for tile in views.tiles(frame.size, maps, settings)] == boxes[:3]
    for box, patch in zip(boxes[:2], [(1, 7), (4, 2)], strict=True):
        tile = picture[box.slices].astype(int).sum(axis=2)
        for place in [(1, 7), (4, 2)]:
            y, x = ((2 * at + 1) * side // (2 * count) for at, side, count in zip(place, box.size, (6, 9), strict=True))
            assert (tile[y, x] > 700) == (place == patch)


@pytest.mark.parametrize(("head", "expected"), [(1, [3, 6]), ("mean", [2, 4]), ("max", [3, 6])])
@pytest.mark.parametrize("second", ["cls", Register(1), Point(0.95, 0.4)])
def test_query_and_second_token_are_compared_in_multiples_of_uniform(
    head: Head, expected: list[int], second: Query
) -> None:
    maps = maps_of(3, 2)
    values = np.array([[1], [3]], np.float32) / 57  # of 54 patches, CLS and two registers
    prefix, patches = np.zeros((3, 2, 3), np.float32), np.zeros((3, 2, 6, 9), np.float32)
    if isinstance(second, Point):
        patches[:, :, 2, 8] = values[:, 0]
    else:
        prefix[:, :, 0 if second == "cls" else 2] = values[:, 0]
    maps = replace(maps, attention=patches, prefix=prefix, columns=2 * patches, columns_prefix=2 * prefix)
    np.testing.assert_allclose(directions.between(maps, second, head), np.repeat([expected], 3, axis=0).T, rtol=1e-5)


def test_a_second_token_that_the_model_lacks_is_refused_and_cls_is_shown_instead() -> None:
    maps = maps_of(3, 2)
    with pytest.raises(SettingsError, match="token cannot be 'reg0'; allowed: CLS, which random:tiny has"):
        directions.between(maps, Register(0), 0)
    settings = Settings(view="directions", second=Register(0))
    assert fit(settings, maps).second == "cls"
    registered = replace(maps, prefix=np.zeros((3, 2, 2), np.float32))
    assert fit(settings, registered).second == Register(0)


@pytest.mark.parametrize(("direction", "patch"), [("to", (1, 7)), ("from", (4, 2))])
def test_one_direction_fills_the_picture(direction: str, patch: tuple[int, int]) -> None:
    maps = maps_of(3, 4, query=Point(0.1, 0.1))
    row, column = (np.full_like(maps.attention, 1e-4) for _ in range(2))
    row[1, 2, 1, 7], column[1, 2, 4, 2] = 0.9, 0.9
    maps = replace(maps, attention=row, columns=column)
    settings = Settings(view="directions", layer=1, head=2, layout="alone", upsampling="nearest", colormap="gray",
                        direction=direction)  # fmt: skip
    frame = frame_of((240, 360))
    picture = views.draw(frame, maps, settings).astype(int).sum(axis=2)
    for place in [(1, 7), (4, 2)]:
        assert (picture[40 * place[0] + 20, 40 * place[1] + 20] > 700) == (place == patch)
    assert [tile.box for tile in views.tiles(frame.size, maps, settings)] == [(0, 0, 240, 360)]


def test_a_register_as_the_query_is_marked_nowhere_and_named() -> None:
    """What belongs to a patch that is asked, belongs to no register: no ring, and no range of colours in common."""
    frame, maps = frame_of((192, 288)), maps_of(query=Register(0))
    for view in ("heatmap", "mask", "heads", "rollout", "difference", "directions", "similarity"):
        settings, cls = Settings(view=view), replace(maps, query="cls")
        drawn, as_cls = views.draw(frame, maps, settings), views.draw(frame, cls, settings)
        named = view in ("directions", "similarity")
        assert np.array_equal(drawn, as_cls) == (not named)
    assert maps.query_place is None
    assert replace(maps, query=Point(0.1, 0.2)).query_place == Point(0.1, 0.2)

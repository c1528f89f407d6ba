"""TokenCut and LOST against slow versions of themselves, on drawn scenes whose truth is known, and over time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typed import present

import rtviz
from rtviz import views
from rtviz.analysis import discovery
from rtviz.analysis.discovery import (
    Discovery,
    Following,
    Mask,
    Method,
    box_of,
    component,
    follow,
    lost,
    parts,
    tokencut,
)
from rtviz.drawing import labels
from rtviz.engine.engine import Engine
from rtviz.errors import SettingsError
from rtviz.frame import Floats, Frame, Maps, Pixels
from rtviz.models import zoo
from rtviz.models.model import Model
from rtviz.scoring.measures import box_overlap, jaccard, on_pixels
from rtviz.settings import Settings
from rtviz.sources.scene import TUNING_SEEDS, SceneSource, sample
from rtviz.views import objects
from rtviz.views.requirements import needs

Box = tuple[int, int, int, int]
Product = Callable[[NDArray[Any]], NDArray[Any]]
METHODS: dict[str, Method] = {"tokencut": tokencut, "lost": lost}


def figure(grid: tuple[int, int], box: Box) -> Mask:
    mask = np.zeros(grid, bool)
    mask[box[0] : box[2], box[1] : box[3]] = True
    return mask


def made_up(
    mask: Mask, noise: float = 0.5, seed: int = 0, width: int = 24, common: float = 0.3, look: int = 0
) -> Floats:
    """Features of a figure before a ground: two directions, something in common, and noise."""
    directions = np.random.default_rng(1000 + look).normal(size=(3, width))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    directions[1] -= directions[0] * (directions[0] @ directions[1] + 0.2)
    random = np.random.default_rng(seed)
    features = np.where(mask[..., None], directions[0], directions[1]) + common * directions[2]
    return (features + noise / math.sqrt(width) * random.normal(size=(*mask.shape, width))).astype(np.float32)


# ---------------------------------------------------------------------------------------------- the oracles


def flood(mask: Mask, seed: tuple[int, int]) -> Mask:
    found, waiting = np.zeros(mask.shape, bool), [seed]
    while waiting:
        row, column = waiting.pop()
        if 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1] and mask[row, column] and not found[row, column]:
            found[row, column] = True
            waiting += [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
    return found


def slow_tokencut(
    features: Floats, tau: float = 0.2, epsilon: float = 1e-5
) -> tuple[Mask, tuple[int, int], Mask, NDArray[np.float64]]:
    """(foreground, seed, object, second smallest solution) by a full decomposition in double precision."""
    rows, columns, width = features.shape
    flat = features.reshape(-1, width).astype(np.float64)
    weights = np.full((len(flat), len(flat)), epsilon)
    unit = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    weights[unit @ unit.T >= tau] = 1
    degrees = weights.sum(axis=1)
    # (D - E) y = lambda D y, through its inverse square root on both sides.
    root = np.diag(degrees**-0.5)
    values, vectors = np.linalg.eigh(root @ (np.diag(degrees) - weights) @ root)
    y = root @ vectors[:, 1]
    assert abs(values[0]) < 1e-9
    seed = int(np.abs(y).argmax())
    side = y > y.mean()
    side = (side if side[seed] else ~side).reshape(rows, columns)
    place = (seed // columns, seed % columns)
    return side, place, flood(side, place), y.reshape(rows, columns)


def slow_lost(features: Floats, k: int = 100) -> tuple[Mask, tuple[int, int], Mask]:
    """(foreground, seed, object) by loops."""
    rows, columns, width = features.shape
    flat = features.reshape(-1, width).astype(np.float64)
    count = len(flat)
    degrees = [sum(float(flat[p] @ flat[q]) >= 0 for q in range(count)) for p in range(count)]
    by_degree = sorted(range(count), key=lambda p: (degrees[p], p))
    seed = by_degree[0]
    seeds = [q for q in by_degree[:k] if float(flat[q] @ flat[seed]) >= 0]
    mask = np.array([sum(float(flat[q] @ flat[s]) for s in seeds) >= 0 for q in range(count)]).reshape(rows, columns)
    place = (seed // columns, seed % columns)
    return mask, place, flood(mask, place)


SCENES = [
    (grid, box, noise, seed)
    for grid, box in (((14, 19), (4, 5, 10, 12)), ((9, 9), (0, 0, 4, 3)), ((6, 21), (2, 15, 6, 21)))
    for noise in (0.3, 0.8, 1.1)
    for seed in range(3)
]


@pytest.mark.parametrize(("grid", "box", "noise", "seed"), SCENES)
def test_tokencut_is_what_a_full_decomposition_gives(grid: tuple[int, int], box: Box, noise: float, seed: int) -> None:
    features = made_up(figure(grid, box), noise, seed)
    side, place, _, vector = slow_tokencut(features)
    distance = np.abs(vector - vector.mean()) / np.abs(vector).max()
    sure = distance > 0.01  # the rest of the patches lie on the border between the sides
    assert sure.mean() > 0.9
    other = made_up(figure(grid, (1, 1, 3, 3)), noise, seed + 50)
    for before in (None, tokencut(other), tokencut(made_up(figure(grid, box), noise, seed + 9))):
        vectors = tokencut(features, before=before).vector
        assert vectors is not None
        assert abs(np.corrcoef(vectors.ravel(), vector.ravel())[0, 1]) > 0.9995
    found = tokencut(features)
    np.testing.assert_array_equal(found.foreground[sure], side[sure])
    assert np.abs(vector[found.seed]) > 0.99 * np.abs(vector[place])
    np.testing.assert_array_equal(found.mask, flood(found.foreground, present(found.seed)))
    assert found.box == box_of(found.mask)
    np.testing.assert_array_equal(found.values > 0, found.foreground)


@pytest.mark.parametrize(("grid", "box", "noise", "seed"), SCENES[::2])
@pytest.mark.parametrize("k", [1, 20, 100])
def test_lost_is_what_the_loops_give(grid: tuple[int, int], box: Box, noise: float, seed: int, k: int) -> None:
    features = made_up(figure(grid, box), noise, seed, common=0.1)
    foreground, place, mask = slow_lost(features, k)
    found = lost(features, k=k)
    assert found.seed == place
    np.testing.assert_array_equal(found.foreground, foreground)
    np.testing.assert_array_equal(found.mask, mask)
    assert found.box == box_of(mask)
    np.testing.assert_array_equal(found.values > 0, found.foreground)


def test_a_component_hangs_together_side_by_side() -> None:
    for seed in range(30):
        random = np.random.default_rng(seed)
        mask = random.random((int(random.integers(1, 14)), int(random.integers(1, 14)))) < 0.6
        for row, column in np.argwhere(mask)[:5].tolist():
            np.testing.assert_array_equal(component(mask, (row, column)), flood(mask, (row, column)))
        assert np.sum([np.zeros_like(mask), *parts(mask)], axis=0).max(initial=0) <= 1
        np.testing.assert_array_equal(np.logical_or.reduce([*parts(mask), np.zeros_like(mask)]), mask)
        assert all(part.sum() >= 4 for part in parts(mask, 4))
    corners = np.array([[1, 0], [0, 1]], bool)
    assert component(corners, (0, 0)).sum() == 1
    assert box_of(corners) == (0, 0, 2, 2)
    assert box_of(np.zeros((3, 3), bool)) is None


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("box", [(3, 4, 9, 9), (0, 0, 5, 5), (2, 10, 12, 16)])
def test_a_clear_figure_is_found_exactly(name: str, box: Box) -> None:
    mask = figure((12, 16), box)
    found = METHODS[name](made_up(mask, noise=0.3, common=0.1))
    np.testing.assert_array_equal(found.mask, mask)
    np.testing.assert_array_equal(found.foreground, mask)
    assert found.box == box
    assert mask[found.seed]


def test_of_two_figures_one_is_the_object_and_both_are_foreground() -> None:
    both = figure((12, 16), (2, 2, 6, 6)) | figure((12, 16), (5, 10, 10, 14))
    for method in METHODS.values():
        found = method(made_up(both, noise=0.3, common=0.1))
        np.testing.assert_array_equal(found.foreground, both)
        assert found.box in ((2, 2, 6, 6), (5, 10, 10, 14))


# ---------------------------------------------------------------------------------------------- where nothing is


@pytest.mark.parametrize("method", METHODS.values())
@pytest.mark.parametrize("grid", [(0, 0), (0, 4), (1, 1), (1, 2), (2, 1), (1, 7), (2, 2), (5, 6)])
@pytest.mark.parametrize("kind", ["zeros", "constant", "noise", "nan", "one"])
def test_any_features_give_an_answer(method: Method, grid: tuple[int, int], kind: str) -> None:
    features = np.zeros((*grid, 8), np.float32)
    if kind == "constant":
        features += 1
    elif kind == "noise":
        features = np.random.default_rng(0).normal(size=features.shape).astype(np.float32)
    elif kind == "nan":
        features += np.nan
    elif kind == "one" and features.size:
        features[0, 0] = 1
    before: Following | None = None
    for number in range(3):
        before = follow(method, features, number / 10, before)
    for found in (method(features), present(before).found):
        assert found.mask.shape == found.foreground.shape == found.values.shape == grid
        assert not (found.mask & ~found.foreground).any()
        assert (found.seed is None) == (found.box is None) == (not found.mask.any())
        if kind in ("zeros", "nan"):
            assert found.box is None
    if kind == "constant":
        assert tokencut(features).box is None  # no cut is better than another
        if features.size:
            assert lost(features).box == (0, 0, *grid)  # all hang together
    if kind == "noise" and grid == (1, 1):
        assert lost(features).mask.all()


def test_features_of_another_shape_are_refused() -> None:
    for method in METHODS.values():
        with pytest.raises(ValueError, match=r"\[rows, columns, width\], not \(4, 8\)"):
            method(np.zeros((4, 8), np.float32))


def test_features_are_left_as_they_are() -> None:
    for dtype in (np.float16, np.float32, np.float64):
        features: Floats = made_up(figure((7, 8), (2, 2, 5, 5))).astype(dtype)
        kept = features.copy()
        features.flags.writeable = False
        for method in METHODS.values():
            assert method(features).mask.any()
        np.testing.assert_array_equal(features, kept)


# ---------------------------------------------------------------------------------------------- on drawn scenes


@pytest.fixture(scope="module")
def model() -> Model:
    return rtviz.load("embedded", device="cpu", precision="fp32")


def keys_of(model: Model, frame: Frame | Pixels) -> Floats:
    """Of each patch, those of all heads: [rows, columns, width]."""
    maps = model(frame, features=("keys",))
    return np.moveaxis(present(maps.keys), 0, 2).reshape(*maps.grid, -1)


def test_the_objects_of_drawn_scenes_are_found(model: Model) -> None:
    scores: dict[str, list[tuple[float, float]]] = {name: [] for name in (*METHODS, "whole")}
    for seed in TUNING_SEEDS[300:316]:
        pixels, truth = sample(seed)
        keys = keys_of(model, pixels)
        masks = {name: method(keys).mask for name, method in METHODS.items()}
        masks["whole"] = np.ones(keys.shape[:2], bool)
        for name, mask in masks.items():
            box = np.array(box_of(mask)) * (truth.shape[0] / keys.shape[0])
            overlap = box_overlap(box, np.array([box_of(truth)]))[0]
            scores[name].append((float(jaccard(on_pixels(mask, truth.shape), truth)), overlap > 0.5))
    means = {name: np.mean(values, axis=0) for name, values in scores.items()}
    assert means["whole"][0] < 0.2  # Jaccard
    assert means["whole"][1] < 0.2  # CorLoc
    assert means["tokencut"][0] > 0.6
    assert means["tokencut"][1] > 0.75
    assert means["lost"][0] > 0.4
    assert means["lost"][1] > 0.45


@pytest.mark.parametrize("grid", [(28, 38), (31, 27)])
def test_a_cut_of_pooled_patches_is_the_cut_of_them_all(grid: tuple[int, int]) -> None:
    mask = figure(grid, (6, 5, 19, 16))
    features = made_up(mask, noise=0.6)
    whole, pooled = tokencut(features), tokencut(features, most=400)
    assert pooled.vector is not None
    assert pooled.vector.shape == grid
    assert jaccard(whole.mask, mask) > 0.95
    assert jaccard(pooled.mask, mask) > 0.95
    again = tokencut(features, most=400, before=pooled)
    np.testing.assert_array_equal(again.mask, pooled.mask)
    np.testing.assert_array_equal(tokencut(features, most=mask.size).vector, whole.vector)
    assert not tokencut(np.ones((*grid, 8), np.float32), most=400).mask.any()


def test_pooled_cuts_find_the_objects_of_drawn_scenes(model: Model) -> None:
    scores = []
    for seed in TUNING_SEEDS[300:316]:
        pixels, truth = sample(seed)
        keys = keys_of(model, pixels)
        scores.append([jaccard(on_pixels(tokencut(keys, most=m).mask, truth.shape), truth) for m in (None, 300)])
    exact, pooled = np.mean(scores, axis=0)
    assert pooled > 0.6
    assert pooled > exact - 0.05


def test_the_object_does_not_flip_while_it_moves(model: Model) -> None:
    source = SceneSource(seed=11, size=(224, 224), objects=1)
    before: dict[str, Following | None] = dict.fromkeys(METHODS)
    shown: dict[str, list[Mask]] = {name: [] for name in METHODS}
    truths = []
    for index in range(0, 100, 5):
        frame = source.frame(index)
        keys = keys_of(model, frame)
        truths.append(present(frame.masks)[0])
        for name, method in METHODS.items():
            now = before[name] = follow(method, keys, frame.pts_seconds, before[name])
            shown[name].append(now.found.mask)
    for name in METHODS:
        masks = np.stack(shown[name])
        assert jaccard(masks[1:], masks[:-1]).min() > 0.6, name
        assert jaccard(on_pixels(masks, truths[0].shape), np.stack(truths)).mean() > 0.4, name


# ---------------------------------------------------------------------------------------------- over time


GRID = (10, 12)


def halves(share: int, seed: int = 0, **named: Any) -> Floats:
    """A left and a right side; the smaller is TokenCut's foreground, and with noise either of two equal ones."""
    return made_up(figure(GRID, (0, 0, 10, share)), noise=0.7, seed=seed, **named)


def test_two_sides_that_are_alike_do_not_take_turns() -> None:
    alone = [tokencut(halves(6, seed)).mask[5, 1] for seed in range(40)]
    assert np.count_nonzero(np.diff(alone)) > 5, "each frame for itself does flip"
    before, kept = None, []
    for number in range(40):
        before = follow(tokencut, halves(6, number), number / 100, before)
        kept.append(before.found.mask[5, 1])
    assert len(set(kept)) == 1


@pytest.mark.parametrize("fps", [5, 30])
def test_another_object_is_shown_when_it_was_better_for_a_second(fps: int) -> None:
    before = None
    for number in range(fps):
        before = follow(tokencut, halves(4), number / fps, before)
        assert before.found.mask[5, 1]
    changed = None
    for number in range(fps, 4 * fps):
        before = follow(tokencut, halves(8), number / fps, before)  # the right side is the smaller now
        if changed is None and before.found.mask[5, 11]:
            changed = number / fps
        assert before.found.mask[5, 11] == (changed is not None)
    assert changed == pytest.approx(1 + discovery.PATIENCE_SECONDS, abs=1.01 / fps)


def test_after_a_cut_and_a_leap_back_it_begins_anew() -> None:
    start = follow(tokencut, halves(4), 5.0)
    assert start.found.mask[5, 1]
    same_scene = follow(tokencut, halves(8), 5.1, start)
    assert same_scene.found.mask[5, 1]
    assert same_scene.found.kept
    assert not follow(tokencut, halves(8, look=7), 5.1, start).found.mask[5, 1]  # other things are seen
    assert not follow(tokencut, halves(8), 2.0, start).found.mask[5, 1]
    assert not follow(tokencut, made_up(figure((12, 12), (0, 0, 12, 8))), 5.1, start).found.kept


def test_the_same_frame_again_gives_the_same_again() -> None:
    before = follow(tokencut, halves(5), 0.0)
    again = follow(tokencut, halves(5).copy(), 0.0, before)
    assert again is before


def test_the_search_is_short_and_shorter_when_it_begins_at_the_last_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    products = [0]
    search = discovery._largest

    def counted(times: Product, start: NDArray[Any]) -> list[NDArray[Any]]:
        def one(z: NDArray[Any]) -> NDArray[Any]:
            products[0] += 1
            return times(z)

        return search(one, start)

    monkeypatch.setattr(discovery, "_largest", counted)
    mask = figure((30, 33), (8, 9, 20, 18))
    first = tokencut(made_up(mask, noise=1.2))
    cold, products[0] = products[0], 0
    tokencut(made_up(mask, noise=1.2, seed=1), before=first)
    assert products[0] <= cold <= 60


# ---------------------------------------------------------------------------------------------- drawn


def maps_with(features: Floats, heads: int = 2) -> Maps:
    rows, columns, width = features.shape
    keys = np.moveaxis(features.reshape(rows, columns, heads, width // heads), 2, 0).copy()
    attention = np.full((1, heads, rows, columns), 1 / rows / columns, np.float32)
    return Maps(
        attention, np.zeros((1, heads, 1), np.float32), "cls", "tiny", 16, (rows * 16, columns * 16), None, keys, 0
    )


GRAY = Frame(np.full((240, 320, 3), 120, np.uint8))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("upsampling", ["nearest", "smooth", "guided"])
def test_the_object_is_tinted_and_boxed(name: str, upsampling: str) -> None:
    maps = maps_with(made_up(figure((12, 16), (5, 4, 9, 10)), noise=0.3, common=0.1))
    picture = views.draw(GRAY, maps, Settings(view="objects", objects=name, upsampling=upsampling)).astype(int)
    inside = picture[115:165, 95:185].reshape(-1, 3)
    assert (inside[:, 1] > inside[:, 0] + 40).all()  # turquoise
    away = picture[210:, 220:].reshape(-1, 3)
    assert (away.max(axis=1) < 110).all()  # dimmed
    # The patches cover rows 100 to 180 and columns 80 to 200; the box lies just outside.
    bright: Mask = np.all(picture > 230, axis=2)
    for line in (bright[85:112, 100:180].any(axis=0), bright[170:200, 100:180].any(axis=0)):
        assert line.mean() > 0.95
    for line in (bright[110:170, 68:92].any(axis=1), bright[110:170, 188:212].any(axis=1)):
        assert line.mean() > 0.95


def test_no_speck_far_from_the_object_widens_its_box() -> None:
    found = tokencut(made_up(figure((12, 16), (5, 4, 9, 10)), noise=0.3, common=0.1))
    mask = np.full((240, 320), 255, np.uint8)
    objects._clear_away(mask, found)
    assert box_of(mask > 0) == (80, 60, 200, 220)  # a patch of 20 pixels more than rows 100-180, columns 80-200


def test_a_label_does_not_hide_a_tiny_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(labels, "label", lambda picture, text, *rest: written.append(text))
    maps = maps_with(made_up(figure((12, 16), (5, 4, 9, 10)), noise=0.3, common=0.1))
    for size in ((48, 64), (240, 320)):
        views.draw(Frame(np.full((*size, 3), 120, np.uint8)), maps, Settings(view="objects"))
    assert written == ["TokenCut"]


def test_what_else_is_foreground_is_outlined_and_not_tinted() -> None:
    both = figure((12, 16), (2, 2, 6, 6)) | figure((12, 16), (5, 10, 10, 14))
    maps = maps_with(made_up(both, noise=0.3, common=0.1))
    found = objects.discover(GRAY, maps, Settings())
    other = both & ~found.mask
    picture = views.draw(GRAY, maps, Settings(view="objects", upsampling="nearest")).astype(int)
    pixels = picture[np.kron(other, np.ones((20, 20), bool))]
    saturation = pixels.max(axis=1) - pixels.min(axis=1)
    assert np.mean(saturation < 12) > 0.95
    assert (pixels.max(axis=1) > 115).mean() > 0.03  # the outline


def test_the_label_says_which_method_and_when_nothing_is_found() -> None:
    written: list[str] = []
    label = labels.label
    with pytest.MonkeyPatch.context() as patch:

        def noted(picture: Pixels, text: str, *rest: Any) -> None:
            written.append(text)
            label(picture, text, *rest)

        patch.setattr(labels, "label", noted)
        maps = maps_with(made_up(figure((12, 16), (5, 4, 9, 10)), noise=0.3, common=0.1))
        for name in METHODS:
            views.draw(GRAY, maps, Settings(view="objects", objects=name))
        views.draw(GRAY, maps_with(np.ones((12, 16, 4), np.float32)), Settings(view="objects"))
        views.draw(GRAY, maps_with(np.ones((12, 16, 4), np.float32)), Settings(view="objects", objects="lost"))
    assert written == [
        "TokenCut",
        "LOST",
        "no object: all alike",
        "the whole picture: all alike",
    ]


@pytest.mark.parametrize("size", [(48, 64), (240, 320), (1080, 1920)])
def test_an_empty_and_a_full_mask_say_so_at_any_size(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    written: list[str] = []
    monkeypatch.setattr(labels, "label", lambda picture, text, *rest: written.append(text))
    alike, unlike = np.ones((12, 16, 4), np.float32), np.eye(192, dtype=np.float32).reshape(12, 16, 192)
    for features in (alike, unlike, np.zeros((12, 16, 4), np.float32)):
        views.draw(Frame(np.full((*size, 3), 120, np.uint8)), maps_with(features), Settings(view="objects"))
    views.draw(Frame(np.full((*size, 3), 120, np.uint8)), maps_with(alike), Settings(view="objects", objects="lost"))
    assert len(written) == 4
    assert all("no object" in text for text in written[:3])
    assert "the whole picture" in written[3]
    if size[1] > 300:
        assert all("alike" in text for text in (written[0], written[1], written[3]))
    if size[1] > 1000:
        assert written[0] == "TokenCut: no object, because all patches are alike in their keys"
        assert written[1] == "TokenCut: no object, because no two patches are alike in their keys"
        assert written[2] == "TokenCut: no object, because the patches have nothing to compare in their keys"


def test_a_family_has_its_own_features_and_they_can_be_chosen() -> None:
    """Keys that share a large common part, as DINOv2's do; in the values the object stands out."""
    mask = figure((12, 16), (5, 4, 9, 10))
    alike = maps_with(made_up(mask, noise=0.3, common=8))
    values = maps_with(made_up(mask, noise=0.3, common=0.1)).keys
    maps = replace(alike, values=values, discovery_features="values")
    found = objects.discover(GRAY, maps, Settings(view="objects"))
    np.testing.assert_array_equal(found.mask, mask)
    assert (found.method, found.features, found.remark) == ("tokencut", "values", "")
    by_keys = objects.discover(GRAY, maps, Settings(view="objects", features="keys"))
    assert not by_keys.mask.any()
    assert (by_keys.features, by_keys.remark) == ("keys", "all patches are alike")
    assert needs(Settings(view="objects"), 12, "values") == {"attention", "values"}
    assert needs(Settings(view="objects", features="tokens"), 12, "values") == {"attention", "tokens"}
    memory = views.Memory()
    for settings in (Settings(view="objects"), Settings(view="objects", features="keys")):
        objects.discover(GRAY, maps, settings, memory)
    assert len(memory) == 2


@pytest.mark.parametrize(
    ("name", "features"),
    [
        ("dino-vits16", "keys"), ("dinov2-vits14", "values"), ("random:dinov2-vits14-reg", "values"),
        ("dinov3-vits16", "tokens"), ("embedded", "keys"), ("deit-vits16", "keys"),
    ],
)  # fmt: skip
def test_what_each_family_is_compared_by(name: str, features: str) -> None:
    assert zoo.find(name).discovery_features == features


@pytest.mark.parametrize(("chosen", "held"), [("auto", "values"), ("tokens", "tokens"), ("keys", "keys")])
def test_an_engine_looks_for_the_features_that_are_drawn(chosen: str, held: str) -> None:
    engine = Engine(rtviz.load("random:dinov2-vits14", device="cpu", precision="fp32", resolution=56))
    settings = Settings(view="objects", features=chosen, resolution=56)
    (maps,) = engine.predict([GRAY], settings)
    assert {name for name in ("keys", "values", "tokens") if getattr(maps, name) is not None} == {held}
    assert maps.discovery_features == "values"
    assert engine.render(GRAY, settings).overlay.shape == GRAY.pixels.shape


def test_find_object_is_in_patches_and_pixels(model: Model) -> None:
    pixels, truth = sample(TUNING_SEEDS[301])
    found = rtviz.find_object(model, pixels)
    np.testing.assert_array_equal(found.mask, tokencut(keys_of(model, pixels)).mask)
    assert (found.method, found.features, found.remark) == ("tokencut", "keys", "")
    mask = found.mask_on(truth.shape)
    np.testing.assert_array_equal(mask, on_pixels(found.mask, truth.shape))
    assert jaccard(mask, truth) > 0.5
    assert found.box_on(truth.shape) == pytest.approx(box_of(mask))
    assert rtviz.find_object(model, Frame(pixels), "lost", "tokens").features == "tokens"
    blank = rtviz.find_object(model, np.zeros((64, 64, 3), np.uint8), "lost")
    assert bool(blank.remark) is bool(blank.mask.mean() >= 0.95 or not blank.mask.any())
    with pytest.raises(SettingsError, match="objects cannot be 'found'"):
        rtviz.find_object(model, pixels, "found")
    with pytest.raises(SettingsError, match="features cannot be 'queries'; allowed: auto, keys, values, tokens"):
        rtviz.find_object(model, pixels, features="queries")
    with pytest.raises(SettingsError, match="no patch tokens"):
        rtviz.find_object(rtviz.load("random:resnet18", device="cpu", resolution=64), pixels)


def test_nothing_found_has_no_box() -> None:
    found = tokencut(np.ones((4, 6, 3), np.float32))
    assert (found.box_on((40, 60)), found.remark) == (None, "all patches are alike")
    assert not found.mask_on((40, 60)).any()
    assert lost(np.ones((4, 6, 3), np.float32)).remark == "all patches are alike"
    assert tokencut(np.eye(24, dtype=np.float32).reshape(4, 6, 24)).remark == "no two patches are alike"


def test_the_setting_is_checked_and_the_keys_are_needed() -> None:
    with pytest.raises(SettingsError, match="objects cannot be 'found'; allowed: tokencut, lost"):
        Settings(objects="found")
    maps = maps_with(halves(4))
    with pytest.raises(ValueError, match="hold no keys"):
        views.draw(GRAY, Maps(maps.attention, maps.prefix, "cls", "tiny", 16, (96, 96)), Settings(view="objects"))
    assert needs(Settings(view="objects"), 12, "keys") >= {"keys"}


def test_a_stream_is_remembered_by_method_and_a_paused_frame_stays() -> None:
    memory = views.Memory()
    for name in METHODS:
        settings = Settings(view="objects", objects=name)
        first = views.draw(GRAY, maps_with(halves(4)), settings, memory)
        np.testing.assert_array_equal(views.draw(GRAY, maps_with(halves(4)), settings, memory), first)
    kept = [value for value in memory.values() if isinstance(value, Following)]
    assert len(kept) == 2
    assert all(isinstance(value.found, Discovery) for value in kept)
    later = Frame(GRAY.pixels, pts_seconds=0.1)
    views.draw(later, maps_with(halves(8)), Settings(view="objects"), memory)
    assert objects.discover(later, maps_with(halves(8)), Settings(view="objects"), memory).mask[5, 1]
    assert not objects.discover(later, maps_with(halves(8)), Settings(view="objects")).mask[5, 1]

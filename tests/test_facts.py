"""The facts of heads, against slow sums on made-up maps and against the truth of the built-in scene."""

from __future__ import annotations

import math

import numpy as np
import pytest

import rtviz
from rtviz import views
from rtviz.facts import Watch, head_facts, most_object_like, object_likeness
from rtviz.frame import Frame, Maps
from rtviz.settings import Point, Query, Settings
from rtviz.sources.scene import TUNING_SEEDS, SceneSource, sample
from rtviz.views import Memory

ROWS, COLUMNS = 12, 16


def blob(y: float, x: float, wide: float) -> np.ndarray:
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    return np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * wide**2)) + 1e-3


def ring() -> np.ndarray:
    border = np.full((ROWS, COLUMNS), 1e-2)
    border[[0, -1]] = border[:, [0, -1]] = 1.0
    return border


def maps_of(*heads: np.ndarray, query: Query = "cls", prefix: int = 3, seed: int = 0) -> Maps:
    """One layer of heads, of whose attention the prefix tokens get random shares."""
    random = np.random.default_rng(seed)
    rest = random.uniform(0.05, 0.2, (1, len(heads), prefix)).astype(np.float32)
    attention = np.stack([head / head.sum() for head in heads])[None] * (1 - rest.sum(axis=2))[..., None, None]
    return Maps(attention.astype(np.float32), rest, query, "tiny", 16, (ROWS * 16, COLUMNS * 16))


def test_entropy_and_distance_are_the_slow_sums() -> None:
    noise = np.random.default_rng(1).random((ROWS, COLUMNS))
    for query, place in (("cls", None), (Point(0.99, 0.3), (3.5, 15.5))):
        maps = maps_of(noise, blob(4, 9, 2.0), query=query)  # type: ignore[arg-type]
        for fact, map in zip(head_facts(maps, 0), maps.attention[0].astype(float), strict=True):
            map = map / map.sum()
            entropy = -sum(p * math.log(p) for p in map.ravel()) / math.log(ROWS * COLUMNS)
            cells = [(row + 0.5, column + 0.5) for row in range(ROWS) for column in range(COLUMNS)]
            y, x = place or [sum(p * cell[side] for p, cell in zip(map.ravel(), cells, strict=True)) for side in (0, 1)]
            far = sum(p * math.dist((y, x), cell) for p, cell in zip(map.ravel(), cells, strict=True))
            assert fact.entropy == pytest.approx(entropy, abs=1e-6)
            assert fact.distance == pytest.approx(far / math.hypot(ROWS, COLUMNS), abs=1e-6)


def test_the_ends_of_the_scales() -> None:
    one = np.zeros((ROWS, COLUMNS))
    one[3, 5] = 1
    facts = head_facts(maps_of(one, np.ones((ROWS, COLUMNS))), 0)
    assert [fact.entropy for fact in facts] == pytest.approx([0, 1], abs=1e-6)
    assert facts[0].distance == pytest.approx(0, abs=1e-6)
    assert facts[1].likeness == pytest.approx(0, abs=1e-3)
    assert facts[1].tag == "diffuse"


def test_prefix_shares_and_attention_add_up_to_1() -> None:
    maps = maps_of(blob(6, 8, 2), ring(), prefix=5)
    for fact in head_facts(maps, -1):
        assert fact.cls == pytest.approx(maps.prefix[0, fact.head, 0])
        assert fact.cls + fact.registers + maps.attention[0, fact.head].sum() == pytest.approx(1, abs=1e-5)
    assert {fact.registers for fact in head_facts(maps_of(ring(), prefix=1), 0)} == {0.0}


def test_a_blob_is_foreground_the_rim_background_and_noise_diffuse() -> None:
    noise = np.random.default_rng(2).random((ROWS, COLUMNS)) + 0.5
    maps = maps_of(ring(), blob(6, 8, 2), noise, 1.1 - blob(6, 8, 4))
    assert [fact.tag for fact in head_facts(maps, 0)] == ["background", "foreground", "diffuse", "background"]
    assert most_object_like(maps, 0) == 1
    scattered = np.random.default_rng(3).permutation(blob(6, 8, 2).ravel()).reshape(ROWS, COLUMNS)
    whole, torn = object_likeness(np.stack([blob(6, 8, 2), scattered]).astype(np.float32))
    assert torn < 0.2 * whole, "the same attention in pieces is no object"


def test_stability_is_the_attention_that_stays() -> None:
    before, after = blob(4, 4, 2), blob(5, 6, 2)
    (fact,) = head_facts(maps_of(after), 0, maps_of(before, seed=5))
    stays = sum(min(p, q) for p, q in zip((after / after.sum()).ravel(), (before / before.sum()).ravel(), strict=True))
    assert fact.stability == pytest.approx(stays, abs=1e-5)
    assert head_facts(maps_of(after), 0)[0].stability is None
    other = maps_of(before, query=Point(0.5, 0.5))
    assert head_facts(maps_of(after), 0, other)[0].stability is None, "another query's map is no map before"


def test_a_watch_tells_at_its_own_pace_and_follows_the_stability() -> None:
    watch, still, moved = Watch(), maps_of(blob(4, 4, 2)), maps_of(blob(8, 12, 2))
    assert watch.facts(still, 0, 0.0)[0].stability is None
    assert watch.facts(moved, 0, 0.1) is watch.facts(still, 0, 0.2), "within a quarter of a second nothing is told anew"
    again = maps_of(blob(4, 4, 2))
    assert watch.facts(again, 0, 1.0)[0].stability == pytest.approx(1.0)
    (jumped,) = watch.facts(moved, 0, 2.0)
    straight = head_facts(moved, 0, again)[0].stability
    assert straight is not None
    assert jumped.stability == pytest.approx(1 + (straight - 1) * (1 - math.exp(-0.5)))
    assert watch.facts(maps_of(ring(), ring()), 0, 2.01)[1].head == 1, "another model is told of at once"


def test_tags_agree_with_the_truth_of_drawn_scenes() -> None:
    """Foreground heads of the built-in model cover the object, background heads do not; of an untrained one all are
    diffuse."""
    model = rtviz.load("embedded", device="cpu", precision="fp32", resolution=224)
    inside: dict[str, list[float]] = {"foreground": [], "background": [], "diffuse": []}
    for seed in TUNING_SEEDS[3000:3004]:
        pixels, mask = sample(seed)
        maps = model(pixels)
        side = 224 // maps.grid[0]
        covered = mask.reshape(maps.grid[0], side, maps.grid[1], side).mean(axis=(1, 3))
        for fact in head_facts(maps, -1):
            attention = maps.attention[-1, fact.head]
            inside[fact.tag].append(float((attention * covered).sum() / attention.sum() / covered.mean()))
    assert len(inside["foreground"]) >= 8
    assert len(inside["background"]) >= 3
    assert np.mean(inside["foreground"]) > 4, "so many times what an even map gives to the object"
    assert np.mean(inside["background"]) < 0.7
    untrained = rtviz.load("random:embedded", device="cpu", precision="fp32", resolution=224)
    assert "foreground" not in {fact.tag for fact in head_facts(untrained(pixels), -1)}


# --- following the most object-like head -----------------------------------------------------------------------------


def test_the_followed_head_is_drawn_like_its_own_number() -> None:
    frame = Frame(np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8))
    maps = maps_of(ring(), blob(6, 8, 2), np.ones((ROWS, COLUMNS)))
    for view in ("heatmap", "mask", "heads", "grid"):
        followed, named = (views.draw(frame, maps, Settings(head=head, view=view)) for head in ("follow", 1))
        assert np.array_equal(followed, named)


def test_another_head_is_followed_only_when_it_is_clearly_better() -> None:
    memory, settings = Memory(), Settings(head="follow")

    def head(seconds: float, *heads: np.ndarray) -> object:
        frame = Frame(np.zeros((48, 64, 3), np.uint8), 0, seconds)
        return views.settled(frame, maps_of(*heads), settings, memory).head

    good, rather, bad = blob(6, 8, 2), blob(6, 8, 2.2), ring()
    assert head(0.0, good, bad) == 0
    better = int(object_likeness(np.stack([rather, good]).astype(np.float32)).argmax())
    pair = (rather, good) if better else (good, rather)
    assert [head(0.1 * step, *pair) for step in range(1, 20)] == [0] * 19, "hardly better is not better"
    assert [head(1.9 + 0.1 * step, bad, good) for step in range(1, 21)][-1] == 1
    assert views.settled(Frame(np.zeros((4, 4, 3), np.uint8)), maps_of(bad), Settings(head=0), memory).head == 0
    assert head(4.1, good, bad) == 0, "who follows again begins anew"


def test_the_engine_tells_which_head_it_followed() -> None:
    engine = rtviz.Engine(rtviz.load("embedded", device="cpu", precision="fp32", resolution=96))
    with SceneSource(size=(96, 128)) as source:
        result = engine.render(next(iter(source)), Settings(head="follow"))
    assert result.maps is not None
    assert result.settings.head == most_object_like(result.maps, -1)

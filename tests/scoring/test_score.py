"""Scoring: its measures against slow and simple oracles, and the report of a tiny run."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from rtviz.errors import SettingsError, UnknownModel
from rtviz.scoring.measures import area_under_curve, jaccard, largest_mass, on_patches, on_pixels
from rtviz.scoring.scenes import ScoreReport, cues, score_scenes
from rtviz.sources.scene import SCORING_SEEDS, sample


def test_the_mask_is_the_fewest_patches_with_the_mass() -> None:
    """Against every subset there is of a small map."""
    attention = np.random.default_rng(0).random((3, 3)) ** 3
    share = 0.6
    mask = largest_mass(attention, share)
    enough = [
        subset
        for size in range(10)
        for subset in itertools.combinations(attention.ravel(), size)
        if sum(subset) >= share * attention.sum()
    ]
    fewest = min(len(subset) for subset in enough)
    assert mask.sum() == fewest
    assert attention[mask].min() >= attention[~mask].max()


def test_masks_of_many_maps_are_those_of_each() -> None:
    maps = np.random.default_rng(1).random((2, 3, 4, 5), np.float32)
    together = largest_mass(maps)
    for layer, head in itertools.product(range(2), range(3)):
        assert (together[layer, head] == largest_mass(maps[layer, head])).all()


def test_jaccard_counts_pixels() -> None:
    first, second = np.zeros((2, 4, 4), bool)
    first[:2, :2] = True  # 4 pixels
    second[1:3, :2] = True  # 4 pixels, 2 of them the same
    assert jaccard(first, second) == pytest.approx(2 / 6)
    assert jaccard(np.zeros((4, 4), bool), np.zeros((4, 4), bool)) == 1


def test_the_area_under_the_curve_is_a_count_of_pairs() -> None:
    random = np.random.default_rng(2)
    values = np.round(random.random((6, 7)), 1)  # with ties
    truth = random.random((6, 7)) < 0.3
    pairs = list(itertools.product(values[truth], values[~truth]))
    wins = sum(1.0 if inside > outside else 0.5 if inside == outside else 0.0 for inside, outside in pairs)
    assert area_under_curve(values, truth) == pytest.approx(wins / len(pairs))


def test_patches_and_pixels() -> None:
    mask = np.zeros((16, 24), bool)
    mask[8:, 16:] = True
    patches = on_patches(mask, (2, 3))
    assert patches.tolist() == [[False, False, False], [False, False, True]]
    assert (on_pixels(patches, (16, 24)) == mask).all()
    speck = np.zeros((16, 24), bool)
    speck[0, 0] = True  # less than half of any patch: the one that holds it
    assert on_patches(speck, (2, 3)).sum() == 1


def test_cues_find_what_they_are_about() -> None:
    pixels = np.full((64, 64, 3), 90, np.uint8)
    pixels[8:24, 40:56] = (220, 40, 40)
    found = cues(pixels)
    inside = np.zeros((8, 8), bool)
    inside[1:3, 5:7] = True
    assert found["border-colour contrast"][inside].min() > found["border-colour contrast"][~inside].max()
    assert found["centre disc"].argmax() in (27, 28, 35, 36)


def test_scenes_must_have_seeds() -> None:
    with pytest.raises(SettingsError, match="scenes"):
        score_scenes("random:embedded", scenes=10, seed=len(SCORING_SEEDS) - 5)
    with pytest.raises(UnknownModel):
        score_scenes("no-such-model", scenes=1)


@pytest.fixture(scope="module")
def report() -> ScoreReport:
    told = []
    found = score_scenes(scenes=12, frames=10, precision="fp32", device="cpu", progress=lambda *what: told.append(what))
    assert ("drawing scenes", 12, 12) in told
    return found


def test_the_embedded_model_is_far_above_its_untrained_twin(report: ScoreReport) -> None:
    assert report.model.name == "embedded"
    assert report.untrained is not None
    assert report.untrained.name == "random:embedded"
    assert report.model.best_head > 2 * report.untrained.best_head
    assert report.model.fixed_heads[report.model.fixed_head] > report.untrained.best_head + 0.15
    assert max(report.model.auc_fixed_heads) > 0.9
    assert report.steadiness.truth > 0.9
    assert max(report.steadiness.heads) > 0.8


def test_the_report_speaks_to_people_and_to_programs(report: ScoreReport) -> None:
    mapping = json.loads(json.dumps(report.to_mapping()))
    assert mapping["scenes"] == 12
    assert mapping["first_seed"] == SCORING_SEEDS.start
    assert len(mapping["model"]["layers"]) == 6
    assert mapping["passed"] == all(check["passed"] for check in mapping["checks"])
    table = report.table()
    for line in ("best head of each picture", "random:embedded", "colour x centre", "at least 0.45"):
        assert line in table
    assert f"{report.model.best_head:.3f}" in table
    assert max(map(len, table.splitlines())) <= 120


def test_best_head_is_measured_as_dino_does(report: ScoreReport) -> None:
    """One picture, measured again by hand."""
    import rtviz

    alone = score_scenes(scenes=1, seed=3, frames=2, precision="fp32", device="cpu")
    pixels, truth = sample(SCORING_SEEDS[3], 224)
    attention = rtviz.load("embedded", precision="fp32", device="cpu")(pixels).attention[-1]
    best = 0.0
    for head in attention:
        values = sorted(head.ravel(), reverse=True)
        mass = np.cumsum(values)
        threshold = values[int(np.searchsorted(mass, 0.6 * mass[-1]))]
        mask = np.kron(head >= threshold, np.ones((8, 8))) > 0
        best = max(best, (mask & truth).sum() / (mask | truth).sum())
    assert alone.model.best_head == pytest.approx(best, abs=0.01)

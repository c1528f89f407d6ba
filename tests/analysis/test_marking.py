"""What a point or a box on one frame means, against the built-in scene's true masks and a walk solved as a matrix."""

from __future__ import annotations

import numpy as np
import pytest
from marked import SIZE, features, innermost, model, overlap

from rtviz.analysis import marking
from rtviz.analysis.marking import object_of, objects_of
from rtviz.settings import Mark
from rtviz.sources.scene import SceneSource


def test_a_point_takes_what_is_like_it_and_hangs_together_with_it() -> None:
    tokens = features()
    tokens[6, 8] = tokens[3, 4]  # alike, and elsewhere
    expected = np.zeros((8, 10), bool)
    expected[2:5, 3:6] = True
    assert (object_of(tokens, Mark(0.45, 0.45)) == expected).all()
    assert object_of(tokens, Mark(1, 1)).any(), "the very corner is a place too"


def test_a_box_takes_what_is_unlike_its_surroundings() -> None:
    expected = np.zeros((8, 10), bool)
    expected[2:5, 3:6] = True
    assert (object_of(features(), Mark(0.2, 0.125, 0.5, 0.625)) == expected).all()
    flat = np.ones((8, 10, 4), np.float32)
    everything = object_of(flat, Mark(0.2, 0.125, 0.5, 0.625))
    assert everything[1:6, 2:7].all(), "where nothing stands out, the box itself"
    assert everything.sum() == 25
    assert object_of(features(), Mark(0, 0, 1, 1)).all(), "nothing is round the whole frame"


def test_a_point_is_the_object_there_and_two_points_are_two() -> None:
    """On drawn scenes, against the truth; before, one of two stood for both and the other for nothing."""
    found = []
    for seed in range(8):
        frame = SceneSource(size=SIZE, seed=seed, objects=2).frame(0)
        assert frame.masks is not None
        maps = model()(frame, features=("tokens",))
        assert maps.tokens is not None
        masks = objects_of(maps.tokens, [innermost(mask) for mask in frame.masks])
        assert not masks.all(axis=0).any()
        found.append([overlap(mask, truth) for mask, truth in zip(masks, frame.masks, strict=True)])
    assert np.min(found) > 0.35
    assert np.mean(found) > 0.65


def test_a_line_that_an_object_stands_on_is_no_part_of_it() -> None:
    tokens = features()
    tokens[4, :] = tokens[3, 4]  # an edge, one patch wide, right through the frame
    found = object_of(tokens, Mark(0.45, 0.45))
    assert found[2:5, 3:6].all()
    assert not found[:, :2].any()
    assert not found[:, 7:].any()
    line = features()
    line[2:5, 3:6] = line[0, 0]
    line[1:7, 4] = features()[3, 4]
    assert object_of(line, Mark(0.45, 0.45))[1:7, 4].all(), "what is no wider itself stays whole"


def test_what_two_marks_claim_is_divided_by_likeness() -> None:
    tokens = features()
    tokens[2:5, 6:9] = tokens[2:5, 3:6]
    tokens[2:5, 6:9, 2] += 2  # beside it, and more like it than the ground is
    left, right = Mark(0.3, 0.25, 0.45, 0.375), Mark(0.6, 0.25, 0.3, 0.375)
    masks = objects_of(tokens, [left, right])
    assert masks[0, 2:5, 3:6].all()
    assert masks[1, 2:5, 6:9].all()
    assert (objects_of(tokens, [right, left]) == masks[::-1]).all(), "whoever was marked first"


def a_figure() -> np.ndarray:
    """Features of a figure whose head and feet differ and change into each other row by row; beside it another thing,
    which shares with it what no ground has."""
    tokens = np.random.default_rng(4).normal(0, 0.05, (14, 16, 24)).astype(np.float32)
    tokens[..., 0] += 1
    tokens[2:11, 5:9, 0] -= 1
    tokens[2:11, 5:9, 1] += 1
    angles = np.linspace(0, np.pi / 2, 9)[:, None]
    tokens[2:11, 5:9, 2] += np.cos(angles)
    tokens[2:11, 5:9, 3] += np.sin(angles)
    tokens[3:14, 11:16, 0] -= 1
    tokens[3:14, 11:16, 1] += 0.3
    tokens[3:14, 11:16, 6] += 1
    return tokens


@pytest.mark.parametrize("row", [2, 6, 10])
def test_a_point_on_any_part_is_the_whole_and_no_other_thing_where_parts_are_alike(row: int) -> None:
    """The discriminant alone took .56 of it from its ends."""
    expected = np.zeros((14, 16), bool)
    expected[2:11, 5:9] = True
    found = object_of(a_figure(), Mark(6.5 / 16, (row + 0.5) / 14), whole=True)
    assert (found & expected).sum() / (found | expected).sum() > 0.9


def test_a_walk_arrives_where_the_matrix_says() -> None:
    """Against the linear system of the whole graph, solved at once."""
    rng = np.random.default_rng(0)
    unit = marking.unit_of(rng.normal(0, 1, (5, 6, 8)).astype(np.float32))
    own, other = np.zeros((5, 6), bool), np.zeros((5, 6), bool)
    own[1, 1], other[4, 3:], other[0, 5] = True, True, True
    flat = unit.reshape(30, 8).astype(float)
    rows, columns = np.divmod(np.arange(30), 6)
    beside = np.maximum(abs(rows[:, None] - rows), abs(columns[:, None] - columns)) == 1
    weights = np.where(beside, np.exp(16 * (flat @ flat.T - 1)), 0)
    laplacian = np.diag(weights.sum(axis=1)) - weights
    known = (own | other).ravel()
    right = own.ravel().astype(float)
    right[~known] = np.linalg.solve(laplacian[~known][:, ~known], weights[~known][:, own.ravel()].sum(axis=1))
    assert marking._arrival(marking._graph(unit), own, other).ravel() == pytest.approx(right, abs=0.02)


def test_a_frame_without_differences_is_one_region() -> None:
    assert object_of(np.ones((4, 5, 3), np.float32), Mark(0.5, 0.5), whole=True).all()


def test_a_thin_bent_thing_in_a_box_is_what_differs_from_the_surroundings() -> None:
    """The middle of the box is ground, as under a swan's neck."""
    tokens = features(12, 12)
    tokens[:] = tokens[0, 0]
    tokens += np.random.default_rng(1).normal(0, 0.1, tokens.shape).astype(np.float32)
    expected = np.zeros((12, 12), bool)
    expected[3:9, 3], expected[8, 3:9], expected[3, 3:9] = True, True, True
    tokens[expected, 1] += 3
    found = object_of(tokens, Mark(3 / 12, 3 / 12, 6 / 12, 6 / 12))
    assert (found & expected).sum() / (found | expected).sum() > 0.9

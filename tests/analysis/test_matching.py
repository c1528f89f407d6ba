"""Matches of a marked place, against explicit loops over patches."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

import rtviz
from rtviz.analysis.matching import find_peaks, marked, matches, similarity
from rtviz.errors import SettingsError
from rtviz.frame import Floats, Grid
from rtviz.settings import Mark

ROWS, COLUMNS, WIDTH = 9, 12, 16


def features(seed: int, rows: int = ROWS, columns: int = COLUMNS) -> Floats:
    return np.random.default_rng(seed).normal(size=(rows, columns, WIDTH)).astype(np.float32)


def cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(one @ other) / math.sqrt(float(one @ one) * float(other @ other))


def test_similarity_to_a_point_is_the_cosine_of_each_patch() -> None:
    frame, reference = features(1), features(2, 5, 7)
    found = similarity(frame, reference, Mark(0.99, 0.01))
    expected = [[cosine(frame[row, column], reference[0, 6]) for column in range(COLUMNS)] for row in range(ROWS)]
    assert found == pytest.approx(np.array(expected), abs=1e-5)


def test_similarity_to_a_box_is_that_to_the_mean_direction_of_its_patches() -> None:
    frame, reference = features(3), features(4, 4, 4) * 7
    mark = Mark(0.25, 0.5, 0.5, 0.5)
    units = [reference[row, column] / np.linalg.norm(reference[row, column]) for row in (2, 3) for column in (1, 2)]
    mean = np.mean(units, axis=0)
    found = similarity(frame, reference, mark)
    assert found[5, 3] == pytest.approx(cosine(frame[5, 3], mean), abs=1e-5)
    assert marked(mark, Grid(4, 4)).sum() == 4


@pytest.mark.parametrize("mark", [Mark(0, 0, 0.01, 0.01), Mark(0.99, 0.99, 0.01, 0.01), Mark(1, 1)])
def test_a_mark_covers_at_least_one_patch(mark: Mark) -> None:
    assert marked(mark, Grid(3, 5)).sum() == 1


def test_peaks_keep_their_distance() -> None:
    likeness = features(5)[:, :, 0]
    peaks = find_peaks(likeness, 5, 3.0)
    assert likeness[peaks[0]] == likeness.max()
    assert [likeness[peak] for peak in peaks] == sorted((likeness[peak] for peak in peaks), reverse=True)
    for number, one in enumerate(peaks):
        assert all(math.dist(one, other) > 3 for other in peaks[:number])
    assert len(find_peaks(likeness, 10_000, 3.0)) < likeness.size / 3  # it ends when nothing is left


def test_a_patch_is_found_where_it_was_put() -> None:
    reference, frame = features(6), features(7)
    frame[2, 3], frame[7, 10] = 3 * reference[4, 5], reference[4, 5] + 0.3 * features(8)[0, 0]
    found = matches(frame, reference, Mark(5.5 / COLUMNS, 4.5 / ROWS), count=2)
    assert [(match.row, match.column) for match in found] == [(2, 3), (7, 10)]
    assert found[0].score == pytest.approx(1, abs=1e-5)
    assert found[0].source == (4, 5)
    assert found[0].mutual


def test_a_match_that_is_more_like_another_place_is_not_mutual() -> None:
    reference, frame = features(9), features(10)
    frame[1, 1] = reference[8, 0] + 0.9 * reference[4, 5]  # like the mark, and more like a place far from it
    mark = Mark(5.5 / COLUMNS, 4.5 / ROWS)
    first = matches(frame, reference, mark, count=1)[0]
    assert ((first.row, first.column), first.mutual) == ((1, 1), False)
    found = matches(frame, reference, mark, mutual=True)
    for match in found:
        back = [
            [cosine(frame[match.row, match.column], reference[row, column]) for column in range(COLUMNS)]
            for row in range(ROWS)
        ]
        row, column = np.unravel_index(np.argmax(back), (ROWS, COLUMNS))
        assert max(abs(int(row) - 4), abs(int(column) - 5)) <= 1


def test_a_box_is_found_as_a_whole() -> None:
    reference, frame = features(11), features(12)
    mark = Mark(3 / COLUMNS, 3 / ROWS, 3 / COLUMNS, 3 / ROWS)
    mean = np.mean([reference[row, column] for row in (3, 4, 5) for column in (3, 4, 5)], axis=0)
    frame[4:7, 6:9] += 4 * mean
    frame[1, 1] = mean  # a single patch, however like
    found = matches(frame, reference, mark, count=1)[0]
    assert (found.row, found.column) == (5, 7)
    likeness = similarity(frame, reference, mark)
    assert found.score == pytest.approx(float(likeness[4:7, 6:9].mean()), abs=1e-5)


@pytest.mark.usefixtures("one_thread")
def test_a_model_finds_a_place_of_a_picture_in_the_picture_itself() -> None:
    model = rtviz.load("embedded", device="cpu", precision="fp32", resolution=64)
    picture = np.random.default_rng(13).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    match = rtviz.find_matches(model, picture, picture, (0.5, 0.5), count=1)[0]
    grid = model(picture).grid
    assert (match.row, match.column) == grid.patch_at(Mark(0.5, 0.5))
    assert match.score == pytest.approx(1, abs=1e-4)
    with pytest.raises(SettingsError, match="not on the frame"):
        rtviz.find_matches(model, picture, picture, (1.5, 0.5))

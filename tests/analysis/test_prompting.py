"""Classes by examples, against explicit loops over patches, and on pictures whose classes are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

import rtviz
from rtviz.analysis.prompting import Example, classes_of, members, probabilities
from rtviz.errors import SettingsError
from rtviz.frame import Floats
from rtviz.settings import Mark, Prompt

ROWS, COLUMNS, WIDTH = 5, 7, 12


def features(seed: int, rows: int = ROWS, columns: int = COLUMNS) -> Floats:
    return np.random.default_rng(seed).normal(size=(rows, columns, WIDTH)).astype(np.float32)


def cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(one @ other) / math.sqrt(float(one @ one) * float(other @ other))


def at(row: int, column: int, rows: int, columns: int) -> Mark:
    return Mark((column + 0.5) / columns, (row + 0.5) / rows)


def test_probabilities_are_those_of_a_loop_over_patches_and_examples() -> None:
    first, second, frame = features(1), features(2, 4, 6), features(3)
    # picture, row, column, positive, class
    given = [
        (first, 1, 2, True, "cat"), (second, 0, 5, True, "cat"), (first, 4, 6, False, "cat"),
        (second, 3, 3, True, "dog"), (second, 1, 1, False, "dog"),
    ]  # fmt: skip
    examples = [
        Example.of(picture, Prompt("", at(row, column, *picture.shape[:2]), positive, name))
        for picture, row, column, positive, name in given
    ]
    expected = np.empty((2, ROWS, COLUMNS))
    for number, name in enumerate(("cat", "dog")):
        for row in range(ROWS):
            for column in range(COLUMNS):
                patch, best, least, other = frame[row, column], -2.0, 0.0, -2.0
                for picture, y, x, positive, of in given:
                    alike = cosine(patch, picture[y, x])
                    if of == name and positive:
                        if alike > best:
                            ordinary = float(
                                np.mean([cosine(one, picture[y, x]) for one in picture.reshape(-1, WIDTH)])
                            )
                            best, least = alike, (1 + ordinary) / 2
                    elif of == name or positive:  # what another class is not says nothing about this one
                        other = max(other, alike)
                expected[number, row, column] = 1 / (1 + math.exp((max(other, least) - best) / 0.1))
    assert classes_of(examples) == ("cat", "dog")
    assert probabilities(frame, examples) == pytest.approx(expected, abs=1e-4)


def test_a_patch_is_of_one_class_at_most_and_of_fewer_the_surer_it_must_be() -> None:
    probability = np.random.default_rng(4).random((3, 6, 6)).astype(np.float32)
    before = np.ones((3, 6, 6), np.bool_)
    for confidence in (0.05, 0.3, 0.5, 0.9):
        found = members(probability, confidence)
        assert found.sum(axis=0).max() <= 1
        assert not (found & ~before).any()
        for number, row, column in np.argwhere(found):
            assert probability[number, row, column] > confidence
            assert probability[number, row, column] == probability[:, row, column].max()
        before = found
    assert members(probability, 0.3).any()


def test_a_negative_example_takes_away_what_is_more_like_it() -> None:
    """Two kinds of patches that are alike, and a third: one example has both, a negative one leaves its own kind."""
    kinds = np.eye(WIDTH, dtype=np.float32)[:3] + 0.02
    kinds[1] += 1.5 * kinds[0]
    picture = kinds[np.arange(6)[None].repeat(4, axis=0) // 2]  # two columns of each
    example = Example.of(picture, Prompt("", at(0, 0, 4, 6), True, "cat"))
    alone = members(probabilities(picture, [example]), 0.5)[0]
    assert alone[:, :4].all()
    assert not alone[:, 4:].any()
    negative = Example.of(picture, Prompt("", at(2, 3, 4, 6), False, "cat"))
    parted = members(probabilities(picture, [example, negative]), 0.5)[0]
    assert parted[:, :2].all()
    assert not parted[:, 2:].any()


@pytest.mark.usefixtures("one_thread")
def test_a_model_finds_classes_in_another_picture() -> None:
    model = rtviz.load("embedded", device="cpu", precision="fp32", resolution=64)
    stripes, noise = np.zeros((64, 64, 3), np.uint8), np.random.default_rng(5).integers(0, 256, (64, 64, 3), np.uint8)
    stripes[:, ::4] = (255, 40, 0)
    classes = rtviz.PromptedClasses(model)
    with pytest.raises(ValueError, match="no class"):
        classes.find(noise)
    classes.add(np.concatenate([stripes, noise], axis=1), (0.2, 0.5), "stripes")
    classes.add(np.concatenate([stripes, noise], axis=1), (0.8, 0.5), "stripes", positive=False)
    found = classes.find(np.concatenate([noise, stripes], axis=1))["stripes"]
    middle = found.shape[1] // 2
    assert found[1:-1, middle + 1 : -2].mean() > 0.5  # at the edges patches are of another kind
    assert not found[:, : middle - 1].any()
    with pytest.raises(SettingsError, match="not on the frame"):
        classes.add(noise, (1.5, 0.5))

"""Tokens with outlying norms: planted ones are found, and what one broad mode gives is left alone."""

from __future__ import annotations

import numpy as np
import pytest

from rtviz.analysis.outliers import entering, outliers
from rtviz.frame import Maps

PLANTED = [(0, 0), (3, 7), (11, 15)]


def two_modes(seed: int, low: float = 45, times: float = 10) -> np.ndarray:
    """Norms as Darcet et al. show them for a ViT-g: a broad lower mode, and a few far above it."""
    random = np.random.default_rng(seed)
    norms = random.normal(low, low / 5, (12, 16))
    for row, column in PLANTED:
        norms[row, column] = low * times * random.uniform(0.7, 1.3)
    return norms.astype(np.float32)


@pytest.mark.parametrize("scale", [1e-3, 1, 40])
@pytest.mark.parametrize("seed", range(5))
def test_the_upper_mode_is_found_at_any_scale(scale: float, seed: int) -> None:
    assert [*zip(*np.nonzero(outliers(two_modes(seed) * np.float32(scale))), strict=True)] == PLANTED


@pytest.mark.parametrize("spread", [0.0, 0.05, 0.3, 0.8])
def test_one_mode_has_none(spread: float) -> None:
    """However broad it is: the largest of these norms is up to ten times the median."""
    norms = np.exp(np.random.default_rng(0).normal(3, spread, (20, 16, 16)))
    assert outliers(norms.astype(np.float32)).sum() <= 1


def test_each_grid_is_judged_by_itself() -> None:
    one, other = two_modes(0), two_modes(1) * 100
    np.testing.assert_array_equal(outliers(np.stack([one, other])), np.stack([outliers(one), outliers(other)]))


def test_what_enters_a_layer_left_the_one_before() -> None:
    flat = np.ones((12, 16), np.float32)
    attention, prefix = np.zeros((4, 2, 12, 16), np.float32), np.zeros((4, 2, 1), np.float32)
    maps = Maps(attention, prefix, "cls", "tiny", 14, (168, 224), norms=np.stack([flat, two_modes(0), flat]))
    assert [int(entering(maps, layer).sum()) for layer in range(4)] == [0, 0, 3, 0]
    assert not entering(Maps(attention, prefix, "cls", "tiny", 14, (168, 224)), 2).any()

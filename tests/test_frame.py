"""What travels through rtviz: the patch grid."""

from __future__ import annotations

import numpy as np
import pytest

from rtviz.frame import Grid, Maps
from rtviz.settings import Mark, Point


@pytest.mark.parametrize(
    ("x", "y", "patch"),
    [(0, 0, (0, 0)), (0.249, 0.332, (0, 0)), (0.25, 0.334, (1, 1)), (0.5, 0.1, (0, 2)), (1, 1, (2, 3)), (1, 0, (0, 3))],
)
def test_the_patch_under_a_point(x: float, y: float, patch: tuple[int, int]) -> None:
    """Every row is 1/3 of the frame, every column 1/4; the frame's last pixels belong to the last patches."""
    maps = Maps(np.zeros((2, 1, 3, 4), np.float32), np.zeros((2, 1, 1), np.float32), "cls", "tiny", 16, (48, 64))
    assert maps.grid == (3, 4)
    assert maps.grid.patch_at(Point(x, y)) == Grid(3, 4).patch_at(Mark(x, y)) == patch

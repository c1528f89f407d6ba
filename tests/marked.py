"""A square on a ground and drawn scenes, for tests of objects that are marked."""

from __future__ import annotations

from functools import cache

import numpy as np

import rtviz
from rtviz.analysis.propagation import sampled
from rtviz.cv import cv2
from rtviz.settings import Mark

SIZE = (120, 160)


@cache
def model() -> rtviz.Model:
    return rtviz.load("embedded", device="cpu", precision="fp32", resolution=112)


def features(rows: int = 8, columns: int = 10) -> np.ndarray:
    """A square of one kind on a ground of another, with a little noise."""
    rng = np.random.default_rng(0)
    tokens = rng.normal(0, 0.1, (rows, columns, 16)).astype(np.float32)
    tokens[..., 0] += 1
    tokens[2:5, 3:6, 1] += 3
    tokens[2:5, 3:6, 0] -= 1
    return tokens


def overlap(mask: np.ndarray, truth: np.ndarray) -> float:
    truth = sampled(truth.astype(np.uint8), (mask.shape[0], mask.shape[1])) > 0
    return float((mask & truth).sum() / (mask | truth).sum())


def innermost(mask: np.ndarray) -> Mark:
    depth = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    return Mark((column + 0.5) / mask.shape[1], (row + 0.5) / mask.shape[0])

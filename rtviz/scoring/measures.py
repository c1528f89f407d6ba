"""Measures of a mask, a map or a box against the truth; arrays in, numbers out, no model and no file."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtviz.cv import cv2

MASS = 0.6
BOUNDARY = 0.008  # of the diagonal: how far apart two boundaries may be and still agree

Mask = NDArray[np.bool_]  # [height, width]
Reals = NDArray[np.float64]


# --- masks of attention ----------------------------------------------------------------------------------------------


def largest_mass(attention: NDArray[np.floating[Any]], share: float = MASS) -> NDArray[np.bool_]:
    """The fewest patches that hold `share` of each map's mass: bool, of the shape [..., rows, columns] given."""
    flat = attention.reshape(*attention.shape[:-2], -1)
    order = np.argsort(flat, axis=-1, kind="stable")
    mass = np.take_along_axis(flat, order, axis=-1).cumsum(axis=-1, dtype=np.float64)
    kept = mass > (1 - share) * mass[..., -1:]
    masks = np.zeros(flat.shape, bool)
    np.put_along_axis(masks, order, kept, axis=-1)
    return masks.reshape(attention.shape)


def jaccard(masks: NDArray[np.bool_], truth: NDArray[np.bool_], counted: Mask | None = None) -> Reals:
    """Intersection over union with the truth, over the last two axes; 1 where both are empty.

    Args:
        masks, truth: bool [..., height, width].
        counted: bool [height, width], the pixels that count; all if not given.
    """
    either, both = masks | truth, masks & truth
    if counted is not None:
        either, both = either & counted, both & counted
    union, both = either.sum(axis=(-2, -1)), both.sum(axis=(-2, -1))
    return np.where(union > 0, both / np.maximum(union, 1), 1.0)


def area_under_curve(maps: NDArray[np.floating[Any]], truth: NDArray[np.bool_]) -> Reals:
    """Chance that a patch of the object has more attention than one of the rest, ties counting half.

    Args:
        maps: [..., rows, columns].
        truth: bool [rows, columns], with patches of both kinds.
    """
    flat = maps.reshape(-1, truth.size)
    inside = truth.ravel()
    counts = inside.sum() * (~inside).sum()
    areas = []
    for row in flat:
        _, rank, repeats = np.unique(row, return_inverse=True, return_counts=True)
        last = repeats.cumsum()
        mean_rank = (last - repeats + 1 + last) / 2
        wins = mean_rank[rank][inside].sum() - inside.sum() * (inside.sum() + 1) / 2
        areas.append(wins / counts)
    return np.array(areas).reshape(maps.shape[:-2])


def on_pixels(masks: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Patch masks as pixel masks, each pixel taking its nearest patch: [..., rows, columns] -> [..., height, width]."""
    height, width = size
    rows = np.arange(height) * masks.shape[-2] // height
    columns = np.arange(width) * masks.shape[-1] // width
    return masks[..., rows[:, None], columns[None, :]]


def on_patches(mask: Mask, grid: tuple[int, int]) -> Mask:
    """The patches that the mask covers by half or more, and if there is none, the one that it covers most."""
    share = cv2.resize(mask.astype(np.float32), (grid[1], grid[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(share >= min(0.5, float(share.max())))


# --- masks and boxes of video and detection --------------------------------------------------------------------------


def boundary(mask: Mask) -> Mask:
    """The pixels that differ from their neighbour to the right, below, or right below.

    One pixel wide, and shifted by half a pixel towards the origin: the boundary map of Martin, Fowlkes and Malik (2004)
    that davisvideochallenge/davis2017-evaluation (davis2017/metrics.py) measures on.
    """
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    right, below, diagonal = padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    return np.asarray((mask != right) | (mask != below) | (mask != diagonal))


def boundary_measure(mask: Mask, truth: Mask, tolerance: float = BOUNDARY) -> float:
    """F of DAVIS: how well two outlines agree, as the harmonic mean of precision and recall of their pixels.

    A boundary pixel is right if the other boundary comes as near as `tolerance` times the diagonal, rounded up to whole
    pixels (Perazzi et al. 2016; davis2017/metrics.py of davisvideochallenge/davis2017-evaluation).

    Args:
        mask, truth: bool [height, width].
    """
    found, true = boundary(mask), boundary(truth)
    found_count, true_count = int(found.sum()), int(true.sum())
    if found_count == 0 or true_count == 0:
        return float(found_count == true_count)  # one of precision and recall is 0
    radius = math.ceil(tolerance * math.hypot(*mask.shape))
    rows, columns = np.nonzero(found | true)  # nothing matters further out than these
    inside = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    found, true = found[inside], true[inside]
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disc = (x * x + y * y <= radius * radius).astype(np.uint8)
    near_found, near_true = (cv2.dilate(outline.astype(np.uint8), disc) > 0 for outline in (found, true))
    precision = float((found & near_true).sum()) / found_count
    recall = float((true & near_found).sum()) / true_count
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def decay(values: Reals) -> float:
    """How much worse a measure is in the last quarter of a clip than in the first, as means: above 0 if it falls.

    The quarters are those of davisvideochallenge/davis2017-evaluation (davis2017/utils.py, db_statistics): neighbours
    share a frame.

    Args:
        values: float64 [frames], of one object.
    """
    edges = np.round(np.linspace(1, len(values), 5) + 1e-10).astype(int) - 1
    first, last = values[edges[0] : edges[1] + 1], values[edges[3] : edges[4] + 1]
    return float(first.mean() - last.mean())


def box_overlap(box: NDArray[np.floating[Any]], boxes: NDArray[np.floating[Any]]) -> Reals:
    """Intersection over union of one box with each of several: [boxes].

    Args:
        box: (top, left, bottom, right); bottom and right are the first row and column that it does not cover.
        boxes: [boxes, 4], the same.
    """
    box, boxes = np.asarray(box, np.float64), np.asarray(boxes, np.float64).reshape(-1, 4)
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    both = np.clip(sides, 0, None).prod(axis=1)
    union = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod() - both
    return np.asarray(both / np.maximum(union, 1e-12))

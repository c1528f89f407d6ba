"""What a mark means: the patches of the object at a point or in a box, by the features of one frame alone.

A point means the patches that are like the one under it, as far as the frame's own variety tells, and hang together
with it. A box means what in it is unlike its surroundings. Nothing is learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtviz.analysis.discovery import component, parts
from rtviz.frame import Floats, Grid
from rtviz.settings import Mark

_ROUNDS = 4  # in which what was found about a point says anew what is looked for
_NEIGHBOURS = 5  # a patch is as like a group as it is, on average, to so many of the group that are most like it
_LEAST = 0.08  # of a box: an object in it is at least that large, else the box itself is taken
_BOX_ROUNDS = 3
_BOX_RIDGE = 8.0
_WALK_ROUNDS = 2
_WALK_CONTRAST = 16.0
_WALK_ACCURACY = 1e-3
_WALK_STEPS = 400

Mask = NDArray[np.bool_]  # [rows, columns]
Graph = tuple[tuple[tuple[slice, slice], tuple[slice, slice], Floats], ...]  # for each direction: from, to, weights


def object_of(tokens: NDArray[np.floating[Any]], mark: Mark, *, whole: bool = False) -> Mask:
    """The patches of a marked object: bool [rows, columns].

    Args:
        tokens: float [rows, columns, width], patch features.
        mark: a point, or a box.
        whole: as for `objects_of`.
    """
    return np.asarray(objects_of(tokens, [mark], whole=whole)[0])


def objects_of(tokens: NDArray[np.floating[Any]], marks: Sequence[Mark], *, whole: bool = False) -> NDArray[np.bool_]:
    """The patches of objects that are marked in one frame: bool [objects, rows, columns], none over another.

    A patch that several claim goes to the one whose middle it is most like, as Fisher's discriminant tells (the same
    covariance for all). Of two points on the same patch, the first has the object.

    Args:
        tokens: float [rows, columns, width], patch features.
        marks: points, or boxes.
        whole: whether all parts of an object have features alike, as in DINOv2's family. A point then means the larger
            of two regions: the one that a random walk does not leave (`_walked`) and the one that a discriminant
            separates from the frame (`_at_point`); else the second alone. docs/pages/scores.md compares them.
    """
    centred = tokens.astype(np.float32)
    centred = centred - centred.mean(axis=(0, 1))  # what all patches share tells none of them apart
    unit = unit_of(centred)
    decorrelate = _Decorrelation(centred)
    grid = Grid(*unit.shape[:2])
    masks, middles = [], []
    for mark in marks:
        if mark.width and mark.height:
            masks.append(_in_box(centred, mark))
            middles.append(masks[-1])
        else:
            seed = grid.patch_at(mark)
            mask = _at_point(centred, unit, seed, decorrelate)
            masks.append(max(_walked(unit, seed), mask, key=np.count_nonzero) if whole else mask)
            middles.append(_near(seed, masks[-1].shape, 1) & masks[-1])
    found = np.stack(masks)
    contested = found.sum(axis=0) > 1
    for number, mask in enumerate(middles):
        if (sure := mask & ~contested).any():
            middles[number] = sure
    if contested.any():
        means = [centred[middle].mean(axis=0) for middle in middles]
        directions = [decorrelate(mean) for mean in means]
        scores = np.stack([centred @ way - way @ mean / 2 for way, mean in zip(directions, means, strict=True)])
        winner = np.where(found, scores, -np.inf).argmax(axis=0)
        for number, mark in enumerate(marks):
            own = found[number] & (winner == number)
            found[number] = own if mark.width and mark.height else component(own, grid.patch_at(mark))
    return found


class _Decorrelation:
    """What tells patches from all others of their frame: the inverse of the covariance of its features, with some of
    their mean variance added in each direction (Hariharan, Malik and Ramanan, "Discriminative Decorrelation for
    Clustering and Classification", ECCV 2012, section 3: the discriminant of one example against everything).

    Args:
        centred: float32 [rows, columns, width], features less their mean.
        ridge: how many times the mean variance is added.
    """

    def __init__(self, centred: Floats, ridge: float = 1.0) -> None:
        flat = centred.reshape(-1, centred.shape[2])
        self._covariance = (flat.T @ flat / len(flat)).astype(np.float64)
        self._covariance.flat[:: len(self._covariance) + 1] += max(
            ridge * float(self._covariance.trace()) / flat.shape[1], 1e-12
        )

    def __call__(self, mean: Floats) -> Floats:
        """The direction [width] in which patches are like one of this mean [width], and unlike the frame."""
        return np.asarray(np.linalg.solve(self._covariance, mean), np.float32)

    def whitened(self, patches: Floats) -> Floats:
        """Patches [patches, width] as seen where the covariance is the same in all directions."""
        lower = np.linalg.cholesky(self._covariance)
        return np.asarray(np.linalg.solve(lower, patches.T).T, np.float32)


def _at_point(centred: Floats, unit: Floats, seed: tuple[int, int], decorrelate: _Decorrelation) -> Mask:
    """The patches like the one at the seed that hang together with it.

    What is looked for is, at first, the mean of the patches beside it that are like it, then of what was found about
    it. How like is like enough is where the likenesses fall apart into two kinds (Otsu, "A Threshold Selection Method
    from Gray-Level Histograms", 1979). Of what hangs on by lines one patch wide, edges behind it, nothing is taken,
    unless it is itself no wider.
    """
    grid = centred.shape[:2]
    beside = _near(seed, grid, 1)
    weights = np.maximum(unit[beside] @ unit[seed], 0) ** 2
    mean = weights @ centred[beside] / max(float(weights.sum()), 1e-12)
    about = _near(seed, grid, max(2, min(grid) // 5))
    mask = np.zeros(grid, np.bool_)
    for _ in range(_ROUNDS):
        like = centred @ decorrelate(mean)
        mask = component((like > _otsu(like)) | (like >= like[seed]), seed)
        mean = centred[mask & about].mean(axis=0)
    broad = mask & _wider(component(_broad(mask), seed))
    return broad if 2 * np.count_nonzero(broad) >= np.count_nonzero(mask) else mask


def _walked(unit: Floats, seed: tuple[int, int]) -> Mask:
    """The patches from which a random walk sooner comes to the seed than to what is surely something else.

    The walk goes from patch to patch beside it, the more easily the more alike they are (Grady, "Random Walks for Image
    Segmentation", PAMI 2006). Surely something else is what Otsu's threshold parts twice from what is like the seed:
    first another part of the scene, then other things.

    Args:
        unit: float32 [rows, columns, width], centred features of unit length.
        seed: (row, column).
    """
    grid = unit.shape[0], unit.shape[1]
    graph = _graph(unit)
    start = _near(seed, grid, 1)
    weights = np.maximum(unit[start] @ unit[seed], 0) ** 2
    wanted = weights @ unit[start]
    for _ in range(_WALK_ROUNDS):
        like = unit @ unit_of(wanted)
        least = _otsu(like)
        if (above := like[like > least]).size > 1:
            least = _otsu(above)
        other = like < least
        own = start & (like >= (1 + least) / 2)
        own[seed], other[seed] = True, False
        start = component(_arrival(graph, own, other) >= 0.5, seed)
        wanted = unit[start].mean(axis=0)
    return start


def _graph(unit: Floats) -> Graph:
    """How easily a walk goes between patches beside each other, over corners too, by their likeness."""
    ahead, behind, all_of_them = slice(1, None), slice(None, -1), slice(None)
    pairs = (
        ((ahead, all_of_them), (behind, all_of_them)),
        ((all_of_them, ahead), (all_of_them, behind)),
        ((ahead, ahead), (behind, behind)),
        ((ahead, behind), (behind, ahead)),
    )
    return tuple(
        (one, other, np.exp(_WALK_CONTRAST * (np.einsum("ijk,ijk->ij", unit[one], unit[other]) - 1)))
        for one, other in pairs
    )


def _arrival(graph: Graph, own: Mask, other: Mask) -> Floats:
    """The probability that a walk from each patch comes to one of `own` before it comes to one of `other`.

    It is harmonic in between: conjugate gradients, with the diagonal as preconditioner.
    """
    free = ~(own | other)
    degree = np.zeros(own.shape)
    for one, to, weight in graph:
        degree[one] += weight
        degree[to] += weight
    degree = np.maximum(degree, 1e-12)

    def net(x: NDArray[np.float64]) -> NDArray[np.float64]:
        flow = degree * x
        for one, to, weight in graph:
            flow[one] -= weight * x[to]
            flow[to] -= weight * x[one]
        return np.where(free, flow, 0)

    x = own.astype(np.float64)
    rest = -net(x)
    step = scaled = rest / degree
    power = float((rest * scaled).sum())
    for _ in range(_WALK_STEPS):
        if power <= 0 or float(np.abs(scaled).max()) < _WALK_ACCURACY:
            break
        product = net(step)
        along = power / max(float((step * product).sum()), 1e-300)
        x += along * step
        rest = rest - along * product
        scaled = rest / degree
        before, power = power, float((rest * scaled).sum())
        step = scaled + power / before * step
    return x.astype(np.float32)


def _broad(mask: Mask) -> Mask:
    """The patches of a mask that lie in a square of two by two of them: what is left without lines one patch wide."""
    squares = mask[:-1, :-1] & mask[1:, :-1] & mask[:-1, 1:] & mask[1:, 1:]
    broad = np.zeros_like(mask)
    for part in (broad[:-1, :-1], broad[1:, :-1], broad[:-1, 1:], broad[1:, 1:]):
        part |= squares
    return broad


def _wider(mask: Mask) -> Mask:
    """A mask and the patches beside it."""
    wider = mask.copy()
    wider[1:] |= mask[:-1]
    wider[:-1] |= mask[1:]
    wider[:, 1:] |= mask[:, :-1]
    wider[:, :-1] |= mask[:, 1:]
    return wider


def _near(seed: tuple[int, int], grid: tuple[int, ...], reach: int) -> Mask:
    """The patches at most so many rows and columns away."""
    near = np.zeros(grid, np.bool_)
    near[max(0, seed[0] - reach) : seed[0] + reach + 1, max(0, seed[1] - reach) : seed[1] + reach + 1] = True
    return near


def unit_of(features: Floats) -> Floats:
    """Features [..., width] of unit length."""
    return np.asarray(features / np.maximum(np.linalg.norm(features, axis=-1, keepdims=True), 1e-12), np.float32)


def _otsu(values: Floats) -> float:
    """The value that parts numbers into two kinds with the least variance within each."""
    ordered = np.sort(values.ravel()).astype(np.float64)
    count = np.arange(1, len(ordered))
    below = ordered.cumsum()[:-1]
    apart = below / count - (ordered.sum() - below) / (len(ordered) - count)
    return float(ordered[int(np.argmax(count * (len(ordered) - count) * apart**2))])


def _in_box(centred: Floats, mark: Mark) -> Mask:
    """The patches in a box that are more like each other than like what surrounds it, the largest piece of them.

    At first these are the ones least like the surroundings, as Otsu's threshold parts them.
    """
    rows, columns = centred.shape[:2]
    top, bottom = span(mark.y, mark.height, rows)
    left, right = span(mark.x, mark.width, columns)
    box = np.zeros((rows, columns), np.bool_)
    box[top:bottom, left:right] = True
    ring = np.zeros_like(box)
    margin = max(2, (bottom - top) // 2), max(2, (right - left) // 2)
    ring[max(0, top - margin[0]) : bottom + margin[0], max(0, left - margin[1]) : right + margin[1]] = True
    ring &= ~box
    if not ring.any() or np.count_nonzero(box) < 4:
        return box
    decorrelate = _Decorrelation(centred, _BOX_RIDGE)
    inside, outside = (unit_of(decorrelate.whitened(centred[where])) for where in (box, ring))
    around = nearest(inside @ outside.T)
    likeness = inside @ inside.T
    np.fill_diagonal(likeness, -1)
    chosen = around < _otsu(around)
    for _ in range(_BOX_ROUNDS):
        if not chosen.any():
            break
        chosen = nearest(likeness[:, chosen]) > around
    mask = np.zeros_like(box)
    mask[box] = chosen
    pieces = parts(mask)
    largest = max(pieces, key=np.count_nonzero, default=mask)
    return largest if np.count_nonzero(largest) >= _LEAST * np.count_nonzero(box) else box


def span(start: float, length: float, count: int) -> tuple[int, int]:
    """The patches that an interval of fractions covers by half or more; at least one."""
    first = min(round(start * count), count - 1)
    return first, max(first + 1, min(round((start + length) * count), count))


def nearest(likeness: Floats) -> Floats:
    """How like each row is to a group: the mean over the few columns that it is most like: [rows]."""
    count = min(_NEIGHBOURS, likeness.shape[1])
    return np.asarray(np.partition(likeness, -count, axis=1)[:, -count:].mean(axis=1))


__all__ = ["nearest", "object_of", "objects_of", "span", "unit_of"]

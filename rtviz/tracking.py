"""Follows marked objects through a stream by the features of its patches, one frame after the other.

What a mark means is decided in the frame in which it first shows: the patches that are like the one under a point and
hang together with it, or those in a box that are less like its surroundings than like its middle. From there on the
mask is carried by label propagation (`rtviz.propagation`). Objects that were marked together share one propagation;
each group keeps the frame in which it began, so that what was lost can be found again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtviz.discovery import component, parts
from rtviz.frame import Floats, Maps
from rtviz.propagation import Carried, Propagation
from rtviz.settings import Mark

_JUMP_SECONDS = 1.0  # backwards; what lies between is not context any more
_NEIGHBOURS = 5  # a patch is as like a group as it is, on average, to so many of the group that are most like it
_LEAST = 0.08  # of a box: an object in it is at least that large, else the box itself is taken

Mask = NDArray[np.bool_]  # [rows, columns]


@dataclass(slots=True)
class _Group:
    """Objects that were marked in the same frame."""

    marks: tuple[Mark, ...]
    propagation: Propagation
    carried: Carried


class Tracker:
    """Carries the masks of the marks through one stream; feed it every frame that was looked at, in order."""

    def __init__(self) -> None:
        self._groups: list[_Group] = []
        self._of: tuple[Any, ...] = ()
        self._last: tuple[int, float] | None = None

    def reset(self) -> None:
        """Forget everything, as when another stream begins."""
        self._groups, self._last = [], None

    def follow(self, maps: Maps, marks: Sequence[Mark], index: int, pts_seconds: float) -> Maps:
        """The maps with the labels of the marked objects.

        Args:
            maps: of the next frame, with tokens.
            marks: which objects; one that was not there before begins in this frame.
            index, pts_seconds: of the frame. The same frame may come again; after a leap back the frames between are
                no context any more.

        Raises:
            ValueError: the maps hold no tokens.
        """
        if maps.tokens is None:
            raise ValueError("tracking needs the tokens")
        marks = tuple(marks)
        if self._of != (maps.model, maps.grid):
            self.reset()
            self._of = maps.model, maps.grid
        again = self._last is not None and self._last == (index, pts_seconds)
        leap = self._last is not None and pts_seconds < self._last[1] - _JUMP_SECONDS
        self._last = index, pts_seconds
        self._groups = [group for group in self._groups if set(group.marks) & set(marks)]
        for group in self._groups:
            if leap:
                group.propagation.forget_context()
            if not again:
                group.carried = group.propagation.next(maps.tokens)
        known = {mark for group in self._groups for mark in group.marks}
        new = tuple(dict.fromkeys(mark for mark in marks if mark not in known))
        if new:
            self._groups.append(self._begin(maps.tokens, new))
        return replace(maps, marks=marks, **self._labels(marks, maps.grid))

    def _begin(self, tokens: Floats, marks: tuple[Mark, ...]) -> _Group:
        """Objects that are marked in this frame; where two claim a patch, the later mark has it."""
        masks = np.stack([object_of(tokens, mark) for mark in marks])
        for number in range(len(masks)):
            masks[number] &= ~masks[number + 1 :].any(axis=0)
        background = np.logical_not(np.logical_or.reduce(masks))
        labels = np.concatenate([background[None], masks]).astype(np.float32)
        carried = Carried(labels, (1.0,) * len(masks), tuple(not mask.any() for mask in masks))
        return _Group(marks, Propagation(tokens, masks), carried)

    def _labels(self, marks: tuple[Mark, ...], grid: tuple[int, int]) -> dict[str, Any]:
        """Labels of all objects [1 + objects, rows, columns] in the order of the marks, and which are lost."""
        labels = np.zeros((1 + len(marks), *grid), np.float32)
        lost = [False] * len(marks)
        for group in self._groups:
            for number, mark in enumerate(group.marks):
                for place in (place for place, other in enumerate(marks) if other == mark):
                    labels[1 + place] = group.carried.labels[1 + number]
                    lost[place] = group.carried.lost[number]
        total = labels[1:].sum(axis=0)
        labels[1:] /= np.maximum(total, 1)
        labels[0] = np.clip(1 - total, 0, 1)
        labels.flags.writeable = False
        return {"labels": labels, "lost": tuple(lost)}


def object_of(tokens: NDArray[np.floating[Any]], mark: Mark) -> Mask:
    """The patches of a marked object: bool [rows, columns].

    Args:
        tokens: float [rows, columns, width], patch features.
        mark: a point, or a box.
    """
    rows, columns = tokens.shape[:2]
    features = tokens.astype(np.float32)
    features = features - features.mean(axis=(0, 1))  # what all patches share tells none of them apart
    features /= np.maximum(np.linalg.norm(features, axis=2, keepdims=True), 1e-12)
    return _in_box(features, mark) if mark.width and mark.height else _at_point(features, mark, rows, columns)


def _at_point(features: Floats, mark: Mark, rows: int, columns: int) -> Mask:
    """The patches like the one under the point that hang together with it.

    How like is like enough is where the likenesses fall apart into two kinds (Otsu, "A Threshold Selection Method from
    Gray-Level Histograms", 1979); then once more with the mean of what was found in the place of the single patch.
    """
    seed = min(int(mark.y * rows), rows - 1), min(int(mark.x * columns), columns - 1)
    mask = np.zeros((rows, columns), np.bool_)
    mask[seed] = True
    for _ in range(2):
        asked = features[_core(mask, seed)].mean(axis=0)
        likeness = features @ (asked / max(float(np.linalg.norm(asked)), 1e-12))
        mask = component(likeness > min(_otsu(likeness), float(likeness[seed]) - 1e-6), seed)
    return mask


def _core(mask: Mask, seed: tuple[int, int]) -> Mask:
    """The patches of a mask within two of the seed."""
    near = np.zeros_like(mask)
    near[max(0, seed[0] - 2) : seed[0] + 3, max(0, seed[1] - 2) : seed[1] + 3] = True
    return mask & near


def _otsu(values: Floats) -> float:
    """The value that parts numbers into two kinds with the least variance within each."""
    ordered = np.sort(values.ravel()).astype(np.float64)
    count = np.arange(1, len(ordered))
    below = ordered.cumsum()[:-1]
    apart = below / count - (ordered.sum() - below) / (len(ordered) - count)
    return float(ordered[int(np.argmax(count * (len(ordered) - count) * apart**2))])


def _in_box(features: Floats, mark: Mark) -> Mask:
    """The patches in a box that are more like its middle than like what surrounds it, the largest piece of them."""
    rows, columns = features.shape[:2]
    top, bottom = _span(mark.y, mark.height, rows)
    left, right = _span(mark.x, mark.width, columns)
    box = np.zeros((rows, columns), np.bool_)
    box[top:bottom, left:right] = True
    ring = np.zeros_like(box)
    margin = max(2, (bottom - top) // 2), max(2, (right - left) // 2)
    ring[max(0, top - margin[0]) : bottom + margin[0], max(0, left - margin[1]) : right + margin[1]] = True
    ring &= ~box
    middle = np.zeros_like(box)
    inset = (bottom - top) // 4, (right - left) // 4
    middle[top + inset[0] : bottom - inset[0], left + inset[1] : right - inset[1]] = True
    if not ring.any() or np.count_nonzero(box) < 4:
        return box
    asked = features[box]
    nearer = _like(asked, features[middle]) > _like(asked, features[ring])
    mask = np.zeros_like(box)
    mask[box] = nearer
    pieces = parts(mask)
    largest = max(pieces, key=np.count_nonzero, default=mask)
    return largest if np.count_nonzero(largest) >= _LEAST * np.count_nonzero(box) else box


def _span(start: float, length: float, count: int) -> tuple[int, int]:
    """The patches that an interval of fractions covers by half or more; at least one."""
    first = min(round(start * count), count - 1)
    return first, max(first + 1, min(round((start + length) * count), count))


def _like(asked: Floats, known: Floats) -> Floats:
    """How like each of `asked` [patches, width] is to a group: the mean over its nearest few."""
    likeness = asked @ known.T
    count = min(_NEIGHBOURS, likeness.shape[1])
    return np.asarray(np.partition(likeness, -count, axis=1)[:, -count:].mean(axis=1))


__all__ = ["Tracker", "object_of"]

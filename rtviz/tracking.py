"""Follows marked objects through a stream by the features of its patches, one frame after the other.

What a mark means is decided in the frame in which it first shows: the patches that are like the one under a point, as
far as the frame's own variety tells, and hang together with it, or those in a box that are less like its surroundings
than like its middle. From there on the mask is carried by label propagation (`rtviz.propagation`). Objects that were
marked together share one propagation; each group keeps the frame in which it began, so that what was lost can be found
again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtviz.cv import cv2
from rtviz.discovery import CUT, JUMP_SECONDS, component, likeness, parts
from rtviz.frame import Floats, Maps
from rtviz.propagation import Carried, Propagation
from rtviz.settings import Mark

_ROUNDS = 4  # in which what was found about a point says anew what is looked for
_NEIGHBOURS = 5  # a patch is as like a group as it is, on average, to so many of the group that are most like it
_LEAST = 0.08  # of a box: an object in it is at least that large, else the box itself is taken
# An object is lost when it is so many times further from what it was at first than its patches were from each other
# then, and what was lost is found again only when it is as near as the second figure says (see `_Reference`).
_HOLD = 2.5
_FOUND = 1.5
# How far an object's patches are from each other, within limits: what is all of one kind varies from frame to frame
# nevertheless, and of what is of many kinds something is in every frame.
_SPREADS = 0.04, 0.1

Mask = NDArray[np.bool_]  # [rows, columns]


class _Reference:
    """An object as it was when it was marked. It never changes, so that no other object can become it bit by bit.

    Args:
        patches: float32 [patches, width], the object's features, of unit length.
    """

    def __init__(self, patches: Floats) -> None:
        self._patches = patches
        self._spread = _SPREADS[0]
        if len(patches) > 1:
            others = (patches @ patches.T)[~np.eye(len(patches), dtype=bool)].reshape(len(patches), -1)
            self._spread = float(np.clip(1 - _nearest(others).mean(), *_SPREADS))

    def distance(self, patches: Floats) -> float:
        """How far patches [patches, width] are from the object, in multiples of how far its own were from each other.

        The mean of both ways: a part of the object lacks the rest of it, and what stands in its place is like the
        object nowhere.
        """
        if not len(self._patches) or not len(patches):
            return np.inf
        likeness = patches @ self._patches.T
        return (1 - float(_nearest(likeness).mean() + likeness.max(axis=0).mean()) / 2) / self._spread


class _Group:
    """Objects that were marked in the same frame, or taken over in it.

    Attributes:
        marks: where they were marked.
        carried: where they are.
        hidden: which of them are lost. They are looked for in the whole frame, as they were at first.
    """

    def __init__(self, tokens: Floats, marks: tuple[Mark, ...], masks: NDArray[np.bool_]) -> None:
        self.marks = marks
        self.hidden = ~masks.any(axis=(1, 2))
        self._propagation = Propagation(tokens, masks)
        background = np.logical_not(np.logical_or.reduce(masks))
        labels = np.concatenate([background[None], masks]).astype(np.float32)
        self.carried = Carried(labels, (1.0,) * len(masks), tuple(self.hidden.tolist()))
        self._mean = tokens.mean(axis=(0, 1), dtype=np.float32)
        self._references = [_Reference(self._features(tokens, mask)) for mask in masks]

    def next(self, tokens: Floats) -> None:
        """Carry them on. What is no longer like an object is not taken for it, and what is lost is looked for."""
        if self.hidden.all():
            labels = np.zeros_like(self.carried.labels)
            self.begin_anew()
        else:
            self.carried = self._propagation.next(tokens)
            labels = self.carried.labels.copy()
            for number, mask in enumerate(self.carried.masks):
                away = self.carried.lost[number] or self._distance(number, tokens, mask) > _HOLD
                self.hidden[number] |= away
        if not self.hidden.any():
            return
        labels[1:][self.hidden] = 0
        recalled = self._propagation.recall(tokens)
        for number in np.flatnonzero(self.hidden & ~np.asarray(recalled.lost)):
            mask = max(parts(recalled.masks[number]), key=np.count_nonzero) & (labels[1:].max(axis=0) <= 0.5)
            if self._distance(number, tokens, mask) <= _FOUND:
                labels[1:, mask] = 0
                labels[1 + number, mask] = recalled.labels[1 + number, mask]
                self.hidden[number] = False
        labels[0] = 1 - labels[1:].sum(axis=0)
        carried = self._propagation.amend(tokens, labels)
        self.carried = replace(carried, lost=tuple(self.hidden.tolist()))

    def begin_anew(self) -> None:
        """Go on from the first frame alone, as after a leap in time."""
        self._propagation.forget_context()

    def hide(self) -> None:
        """Another scene begins: none of them is there until it is recognised."""
        self.hidden[:] = True

    def _distance(self, number: int, tokens: Floats, mask: Mask) -> float:
        """How far what is at these patches [rows, columns] is from an object, as `_Reference` tells."""
        return self._references[number].distance(self._features(tokens, mask))

    def _features(self, tokens: Floats, mask: Mask) -> Floats:
        return _unit(tokens[mask].astype(np.float32) - self._mean)


@dataclass(frozen=True, slots=True, eq=False)
class _Last:
    """The frame before: when it was shown, and what was said of it."""

    index: int
    pts_seconds: float
    maps: Maps


class Tracker:
    """Carries the masks of the marks through one stream; feed it every frame that was looked at, in order."""

    def __init__(self) -> None:
        self._groups: list[_Group] = []
        self._given: dict[Mark, Mask] = {}  # of another model, or of this one in another grid
        self._last: _Last | None = None

    def reset(self) -> None:
        """Forget everything, as when another stream begins."""
        self._groups, self._given, self._last = [], {}, None

    def adopt(self, marks: Sequence[Mark], maps: Maps | None) -> None:
        """Take over objects that were marked before this model was here: what they are was decided in a frame that it
        has not seen. They begin in its next frame, where the other model sees them now.

        Args:
            marks: which objects. One that `maps` say nothing of, or that is lost, is not there until it is marked anew.
            maps: what the other model said last, with labels; None if there is no other.
        """
        for mark in marks:
            self._given[mark] = _carried_in(maps, mark)

    def follow(self, maps: Maps, marks: Sequence[Mark], index: int, pts_seconds: float, *, blank: bool = False) -> Maps:
        """The maps with the labels of the marked objects.

        Args:
            maps: of the next frame, with tokens.
            marks: which objects; one that was not there before begins in this frame.
            index, pts_seconds: of the frame. The same frame may come again; after a leap back the frames between are
                no context any more. After a cut an object is lost until its patches are seen again.
            blank: there is nothing to see in the frame: no object is there, and none begins.

        Raises:
            ValueError: the maps hold no tokens.
        """
        if maps.tokens is None:
            raise ValueError("tracking needs the tokens")
        marks = tuple(marks)
        last = self._last
        if last is not None and (last.maps.model, last.maps.grid) != (maps.model, maps.grid):
            same = last.maps.model == maps.model  # in another resolution; another model would be told by `adopt`
            self.reset()
            self.adopt(last.maps.marks, last.maps if same else None)
            last = None
        self._groups = [group for group in self._groups if set(group.marks) & set(marks)]
        if last is not None and self._groups:
            self._carry_on(maps.tokens, last, (index, pts_seconds), blank)
        known = {mark for group in self._groups for mark in group.marks}
        new = tuple(dict.fromkeys(mark for mark in marks if mark not in known))
        if not blank:
            if new:
                self._groups.append(_Group(maps.tokens, new, self._masks(maps.tokens, new)))
            self._given.clear()  # what of it was not wanted now is not marked any more
        maps = replace(maps, marks=marks, **self._labels(marks, maps.grid))
        self._last = _Last(index, pts_seconds, replace(maps, rows=None, intact=None))  # these hold on to a whole pass
        return maps

    def _carry_on(self, tokens: Floats, last: _Last, now: tuple[int, float], blank: bool) -> None:
        if now == (last.index, last.pts_seconds):  # the same frame again
            return
        assert last.maps.tokens is not None
        cut = blank or likeness(tokens, last.maps.tokens) < CUT
        for group in self._groups:
            if cut:
                group.hide()
            elif now[1] < last.pts_seconds - JUMP_SECONDS:
                group.begin_anew()
            group.next(tokens)

    def _masks(self, tokens: Floats, marks: tuple[Mark, ...]) -> NDArray[np.bool_]:
        """The objects of marks that are new in this frame: bool [objects, rows, columns], none over another."""
        grid = tokens.shape[0], tokens.shape[1]
        given = [self._given.pop(mark, None) for mark in marks]
        asked = [mark for mark, mask in zip(marks, given, strict=True) if mask is None]
        found = iter(objects_of(tokens, asked) if asked else ())
        masks = np.stack([next(found) if mask is None else _resampled(mask, grid) for mask in given])
        for number in range(1, len(masks)):  # taken over, and new ones: who was there first stays
            masks[number] &= ~masks[:number].any(axis=0)
        return masks

    def _labels(self, marks: tuple[Mark, ...], grid: tuple[int, int]) -> dict[str, Any]:
        """Labels of all objects [1 + objects, rows, columns] in the order of the marks, and which are lost."""
        labels = np.zeros((1 + len(marks), *grid), np.float32)
        lost = [True] * len(marks)
        for group in self._groups:
            for number, mark in enumerate(group.marks):
                if mark in marks:
                    place = marks.index(mark)
                    labels[1 + place] = group.carried.labels[1 + number]
                    lost[place] = group.carried.lost[number]
        total = labels[1:].sum(axis=0)
        if (total > 1 + 1e-4).any():  # marked in different frames, and both are here: the later mark's
            latest = len(marks) - 1 - labels[:0:-1].argmax(axis=0)
            others = np.arange(len(marks))[:, None, None] != latest
            labels[1:][others & (total > 1 + 1e-4)] = 0
            total = labels[1:].sum(axis=0)
            lost = [gone or not label.any() for gone, label in zip(lost, labels[1:], strict=True)]
        labels[0] = np.clip(1 - total, 0, 1)
        labels.flags.writeable = False
        return {"labels": labels, "lost": tuple(lost)}


def _carried_in(maps: Maps | None, mark: Mark) -> Mask:
    """Where another model sees a marked object: bool [rows, columns] of its own grid, empty if it does not."""
    if maps is None or maps.labels is None or mark not in maps.marks:
        return np.zeros((1, 1), np.bool_)
    number = maps.marks.index(mark)
    return np.asarray((maps.labels.argmax(axis=0) == 1 + number) & (not maps.lost[number]))


def _resampled(mask: Mask, grid: tuple[int, int]) -> Mask:
    """A mask in another grid: the patches that it covers by half or more; if there are none, those it covers most."""
    shrinks = grid[0] * grid[1] < mask.size
    covered = cv2.resize(
        mask.astype(np.float32), grid[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    return np.asarray(covered >= min(0.5, float(covered.max()))) & mask.any()


# --- what a mark means -----------------------------------------------------------------------------------------------


def object_of(tokens: NDArray[np.floating[Any]], mark: Mark) -> Mask:
    """The patches of a marked object: bool [rows, columns].

    Args:
        tokens: float [rows, columns, width], patch features.
        mark: a point, or a box.
    """
    return np.asarray(objects_of(tokens, [mark])[0])


def objects_of(tokens: NDArray[np.floating[Any]], marks: Sequence[Mark]) -> NDArray[np.bool_]:
    """The patches of objects that are marked in one frame: bool [objects, rows, columns], none over another.

    A patch that several claim goes to the one whose middle it is most like, as Fisher's discriminant tells (the same
    covariance for all). Of two points on the same patch, the first has the object.

    Args:
        tokens: float [rows, columns, width], patch features.
        marks: points, or boxes.
    """
    centred = tokens.astype(np.float32)
    centred = centred - centred.mean(axis=(0, 1))  # what all patches share tells none of them apart
    unit = _unit(centred)
    decorrelate = _Decorrelation(centred)
    masks, middles = [], []
    for mark in marks:
        if mark.width and mark.height:
            masks.append(_in_box(unit, mark))
            middles.append(masks[-1])
        else:
            seed = _seed(mark, unit.shape)
            masks.append(_at_point(centred, unit, seed, decorrelate))
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
            found[number] = own if mark.width and mark.height else component(own, _seed(mark, own.shape))
    return found


class _Decorrelation:
    """What tells patches from all others of their frame: the inverse of the covariance of its features, with as much of
    their mean variance added in each direction (Hariharan, Malik and Ramanan, "Discriminative Decorrelation for
    Clustering and Classification", ECCV 2012, section 3: the discriminant of one example against everything).

    Args:
        centred: float32 [rows, columns, width], features less their mean.
    """

    def __init__(self, centred: Floats) -> None:
        flat = centred.reshape(-1, centred.shape[2])
        self._covariance = (flat.T @ flat / len(flat)).astype(np.float64)
        self._covariance.flat[:: len(self._covariance) + 1] += max(
            float(self._covariance.trace()) / flat.shape[1], 1e-12
        )

    def __call__(self, mean: Floats) -> Floats:
        """The direction [width] in which patches are like one of this mean [width], and unlike the frame."""
        return np.asarray(np.linalg.solve(self._covariance, mean), np.float32)


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


def _seed(mark: Mark, grid: tuple[int, ...]) -> tuple[int, int]:
    """The patch under a point."""
    return min(int(mark.y * grid[0]), grid[0] - 1), min(int(mark.x * grid[1]), grid[1] - 1)


def _near(seed: tuple[int, int], grid: tuple[int, ...], reach: int) -> Mask:
    """The patches at most so many rows and columns away."""
    near = np.zeros(grid, np.bool_)
    near[max(0, seed[0] - reach) : seed[0] + reach + 1, max(0, seed[1] - reach) : seed[1] + reach + 1] = True
    return near


def _unit(features: Floats) -> Floats:
    return np.asarray(features / np.maximum(np.linalg.norm(features, axis=-1, keepdims=True), 1e-12), np.float32)


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
    return _nearest(asked @ known.T)


def _nearest(likeness: Floats) -> Floats:
    """The mean over the nearest few in each row [rows, columns]."""
    count = min(_NEIGHBOURS, likeness.shape[1])
    return np.asarray(np.partition(likeness, -count, axis=1)[:, -count:].mean(axis=1))


__all__ = ["Tracker", "object_of", "objects_of"]

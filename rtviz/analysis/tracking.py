"""Follows marked objects through a stream by the features of its patches, one frame after the other.

The frame in which a mark first shows decides what it means (`rtviz.analysis.marking`). From there on label propagation
(`rtviz.analysis.propagation`) carries the mask. It gives every patch a label from somewhere, so that when an object
leaves, whatever is least unlike it would become it. Therefore the tracker keeps each object's patches of the first
frame and compares with them what propagation says: an object that no longer resembles itself is lost. The tracker then
searches the whole frame, and shows the object again where it recognises it. Objects that were marked together share
one propagation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtviz.analysis.discovery import CUT, JUMP_SECONDS, likeness, parts
from rtviz.analysis.marking import nearest, objects_of, unit_of
from rtviz.analysis.propagation import PropagatedMasks, Propagation
from rtviz.cv import cv2
from rtviz.frame import Floats, Maps
from rtviz.settings import Mark

# An object is lost when its distance from its first appearance is above _HOLD, and found again when it is at most
# _FOUND (`_Reference`). scripts/score_track.py measures both; docs/pages/scores.md has the figures.
_HOLD = 0.55
_FOUND = 0.36
_LEAST_SPREAD = 0.01  # a surface of one kind varies that much from frame to frame

Mask = NDArray[np.bool_]  # [rows, columns]


class _Reference:
    """An object's appearance when it was marked. It never changes, so that tracking cannot drift to another object.

    Args:
        patches: float32 [patches, width], the object's features, of unit length.
    """

    def __init__(self, patches: Floats) -> None:
        self._patches = patches
        spread = 0.0
        if len(patches) > 1:
            others = (patches @ patches.T)[~np.eye(len(patches), dtype=bool)].reshape(len(patches), -1)
            spread = 1 - float(nearest(others).mean())
        self._scale = max(spread, _LEAST_SPREAD) ** 0.5

    def distance(self, patches: Floats) -> float:
        """How far patches [patches, width] are from the object: one less their cosine similarity, over a scale.

        The similarity is the mean over both directions: a part of the object lacks the rest of it, and something larger
        resembles it only in places. The scale is the square root of how far the object's own patches are from each
        other. A plain distance would need another threshold for each model, and a multiple of the spread would favour
        objects of many parts.
        """
        if not len(self._patches) or not len(patches):
            return np.inf
        similarity = patches @ self._patches.T
        return (1 - float(nearest(similarity).mean() + similarity.max(axis=0).mean()) / 2) / self._scale


class _Group:
    """Objects that were marked in the same frame, or taken over in it.

    Attributes:
        marks: where they were marked.
        propagated: where they are.
        hidden: which of them are lost. They are searched for in the whole frame, by their first appearance.
    """

    def __init__(self, tokens: Floats, marks: tuple[Mark, ...], masks: NDArray[np.bool_]) -> None:
        self.marks = marks
        self.hidden: NDArray[np.bool_] = np.logical_not(masks.any(axis=(1, 2)))
        self._propagation = Propagation(tokens, masks)
        background = np.logical_not(np.logical_or.reduce(masks))
        labels = np.concatenate([background[None], masks]).astype(np.float32)
        self.propagated = PropagatedMasks(labels, (1.0,) * len(masks), tuple(self.hidden.tolist()))
        self._mean = tokens.mean(axis=(0, 1), dtype=np.float32)
        self._references = [_Reference(self._features(tokens, mask)) for mask in masks]

    def next(self, tokens: Floats) -> None:
        """Propagate them to the next frame; drop what no longer resembles its object, and search for what is lost."""
        if self.hidden.all():
            labels = np.zeros_like(self.propagated.labels)
            self.begin_anew()
        else:
            self.propagated = self._propagation.next(tokens)
            labels = self.propagated.labels.copy()
            for number, mask in enumerate(self.propagated.masks):
                away = self.propagated.lost[number] or self._distance(number, tokens, mask) > _HOLD
                self.hidden[number] |= away
        if not self.hidden.any():
            return
        labels[1:][self.hidden] = 0
        recalled = self._propagation.recall(tokens)
        for number in np.flatnonzero(self.hidden & ~np.asarray(recalled.lost)).tolist():
            mask = max(parts(recalled.masks[number]), key=np.count_nonzero) & (labels[1:].max(axis=0) <= 0.5)
            if self._distance(number, tokens, mask) <= _FOUND:
                labels[1:, mask] = 0
                labels[1 + number, mask] = recalled.labels[1 + number, mask]
                self.hidden[number] = False
        labels[0] = 1 - labels[1:].sum(axis=0)
        amended = self._propagation.amend(tokens, labels)
        self.propagated = replace(amended, lost=tuple(self.hidden.tolist()))

    def begin_anew(self) -> None:
        """Go on from the first frame alone, as after a leap in time."""
        self._propagation.forget_context()

    def hide(self) -> None:
        """After a cut: all are lost until they are recognised."""
        self.hidden[:] = True

    def _distance(self, number: int, tokens: Floats, mask: Mask) -> float:
        """How far what is at these patches [rows, columns] is from an object, as `_Reference` tells."""
        return self._references[number].distance(self._features(tokens, mask))

    def _features(self, tokens: Floats, mask: Mask) -> Floats:
        return unit_of(tokens[mask].astype(np.float32) - self._mean)


@dataclass(frozen=True, slots=True, eq=False)
class _Last:
    """The frame before: when it was shown, and what was said of it."""

    index: int
    pts_seconds: float
    maps: Maps


class Tracker:
    """Propagates the masks of the marks through one stream; feed it every predicted frame, in order."""

    def __init__(self) -> None:
        self._groups: list[_Group] = []
        self._given: dict[Mark, Mask] = {}  # of another model, or of this one in another grid
        self._last: _Last | None = None

    def reset(self) -> None:
        """Forget everything, as when another stream begins."""
        self._groups, self._given, self._last = [], {}, None

    def take_over_tracks(self, marks: Sequence[Mark], maps: Maps | None) -> None:
        """Take over objects that were marked before this model was here: what they are was decided in a frame that it
        has not seen. They begin in its next frame, where the other model sees them now.

        Args:
            marks: which objects. One without labels in `maps`, or that is lost, is absent until it is marked again.
            maps: the other model's last maps, with labels; None if there is no other.
        """
        for mark in marks:
            self._given[mark] = _mask_in(maps, mark)

    def follow(self, maps: Maps, marks: Sequence[Mark], index: int, pts_seconds: float, *, blank: bool = False) -> Maps:
        """The maps with the labels of the marked objects.

        Args:
            maps: of the next frame, with tokens.
            marks: which objects; one that was not there before begins in this frame.
            index, pts_seconds: of the frame. The same frame may come again; after a leap back the frames between are
                no context any more. After a cut an object is lost until its patches are seen again.
            blank: whether the frame is blank: then no object is in it, and none begins.

        Raises:
            ValueError: the maps hold no tokens.
        """
        if maps.tokens is None:
            raise ValueError("tracking needs the tokens")
        marks = tuple(marks)
        last = self._last
        if last is not None and (last.maps.model, last.maps.grid) != (maps.model, maps.grid):
            # In another resolution; another model would be handed on by `take_over_tracks`.
            same = last.maps.model == maps.model
            self.reset()
            self.take_over_tracks(last.maps.marks, last.maps if same else None)
            last = None
        self._groups = [group for group in self._groups if set(group.marks) & set(marks)]
        if last is not None and self._groups:
            self._advance(maps.tokens, last, (index, pts_seconds), blank)
        known = {mark for group in self._groups for mark in group.marks}
        new = tuple(dict.fromkeys(mark for mark in marks if mark not in known))
        if not blank:
            if new:
                self._groups.append(_Group(maps.tokens, new, self._masks(maps, new)))
            self._given.clear()  # what of it was not wanted now is not marked any more
        maps = replace(maps, marks=marks, **self._labels(marks, maps.grid))
        # Rows and unablated maps would hold on to a whole pass.
        self._last = _Last(index, pts_seconds, replace(maps, rows=None, unablated=None))
        return maps

    def _advance(self, tokens: Floats, last: _Last, now: tuple[int, float], blank: bool) -> None:
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

    def _masks(self, maps: Maps, marks: tuple[Mark, ...]) -> NDArray[np.bool_]:
        """The objects of marks that are new in this frame: bool [objects, rows, columns], none over another."""
        assert maps.tokens is not None
        # Where objects are not found by keys, all parts of one have patch tokens alike.
        whole = maps.discovery_features != "keys"
        given = [self._given.pop(mark, None) for mark in marks]
        unknown = [mark for mark, mask in zip(marks, given, strict=True) if mask is None]
        found = iter(objects_of(maps.tokens, unknown, whole=whole) if unknown else ())
        masks = np.stack([next(found) if mask is None else _resampled(mask, maps.grid) for mask in given])
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
                    labels[1 + place] = group.propagated.labels[1 + number]
                    lost[place] = group.propagated.lost[number]
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


def _mask_in(maps: Maps | None, mark: Mark) -> Mask:
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


__all__ = ["Tracker"]

"""Propagates masks through a video by patch features alone: label propagation, as DINO is evaluated on DAVIS.

Each patch of a new frame takes the mean of the labels of the patches most similar to it, weighted by similarity; they
are searched for near its place in the first frame and in the last few. Nothing is learned. The protocol is that of
facebookresearch/dino, eval_video_segmentation.py, after Jabri, Owens and Efros (2020); figures in Caron et al. 2021,
table 5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtviz.cv import cv2
from rtviz.frame import Floats

CONTEXT = 7
NEIGHBOURHOOD = 12
TOP = 5
TEMPERATURE = 0.1

LEAST_SHARE = 0.1  # of what an object had at first: with less it is lost

# A frame whose patches make more pairs with the context than this is processed in tiles of _TILE patches a side.
_MOST_PAIRS = 4_000_000
_TILE = 16


@dataclass(frozen=True, slots=True, eq=False)
class PropagatedMasks:
    """Where the objects are in one frame.

    Attributes:
        labels: float32 [1 + objects, rows, columns], how much of each patch is background (first) and each object; they
            sum to 1.
        shares: how much of each object there is, as a part of what the first frame had: sums over the patches.
        lost: which objects are lost: less than a tenth of them is left, or no patch is more theirs than anything
            else's. One that comes back is found again, because the first frame is never forgotten. What is gone while
            something like it stands in its place is not missed: every patch takes its label from somewhere.
    """

    labels: Floats
    shares: tuple[float, ...]
    lost: tuple[bool, ...]

    @property
    def masks(self) -> NDArray[np.bool_]:
        """The patches where each object is more than anything else: bool [objects, rows, columns]."""
        numbers = np.arange(1, len(self.labels))[:, None, None]
        return np.asarray(self.labels.argmax(axis=0) == numbers)


class Propagation:
    """Propagates the masks of one video, from the first frame to each next one by its features.

    Its memory does not grow: it holds the first frame and the last `context` ones.

    Args:
        features: float [rows, columns, width], the first frame's patch features (the last layer's, after its norm).
        masks: [objects, rows, columns], the objects in it: bool, or the covered share of each patch. They do not
            overlap: no patch is more than whole.
        context: how many of the last frames are searched, besides the first.
        neighbourhood: how many patches away, in rows and in columns, the search reaches; 0 means everywhere.
        top: from how many patches a label is taken. Of equals, the first frame's come first (the protocol takes all).
        temperature: of the softmax over their cosine similarities.

    Raises:
        ValueError: the shapes do not fit, or a number is out of range.
    """

    def __init__(
        self,
        features: NDArray[np.floating[Any]],
        masks: NDArray[Any],
        *,
        context: int = CONTEXT,
        neighbourhood: int = NEIGHBOURHOOD,
        top: int = TOP,
        temperature: float = TEMPERATURE,
    ) -> None:
        if features.ndim != 3 or masks.ndim != 3 or masks.shape[1:] != features.shape[:2] or not features.size:
            raise ValueError(
                "features are [rows, columns, width] and masks [objects, rows, columns], not "
                f"{list(features.shape)} and {list(masks.shape)}"
            )
        if context < 0 or neighbourhood < 0 or top < 1 or temperature <= 0:
            raise ValueError("context and neighbourhood are at least 0, top at least 1, temperature more than 0")
        rows, columns, width = features.shape
        self._neighbourhood = neighbourhood or max(rows, columns)
        self._top, self._temperature = top, temperature
        # The first frame stays at place 0; the others take turns behind it.
        self._features = np.zeros((1 + context, rows, columns, width), np.float32)
        self._labels = np.zeros((1 + context, rows, columns, 1 + len(masks)), np.float32)
        self._frames = 0
        self._out_of_reach: tuple[tuple[int, ...], Floats] | None = None  # a tile; -inf where a patch is out of reach
        shares = np.moveaxis(masks, 0, 2).astype(np.float32)
        self._features[0] = _normalised(features)
        self._labels[0, ..., 1:] = shares
        self._labels[0, ..., 0] = np.clip(1 - shares.sum(axis=2), 0, 1)
        self._at_first = shares.sum(axis=(0, 1), dtype=np.float64)

    @property
    def nbytes(self) -> int:
        """Memory kept from frame to frame, in bytes."""
        return self._features.nbytes + self._labels.nbytes

    def forget_context(self) -> None:
        """Go on from the first frame alone, as after a jump in time."""
        self._frames = 0

    def next(self, features: NDArray[np.floating[Any]]) -> PropagatedMasks:
        """The masks in the next frame.

        Args:
            features: float [rows, columns, width], as the first frame's.

        Raises:
            ValueError: they have another shape.
        """
        queries = self._checked(features)
        context = len(self._features) - 1
        known = 1 + min(self._frames, context)
        labels = np.empty(self._labels.shape[1:], np.float32)
        for top, bottom, left, right in self._tiles(known):
            labels[top:bottom, left:right] = self._propagate_tile(
                queries[top:bottom, left:right], top, left, known, self._neighbourhood
            )
        if context:
            place = 1 + self._frames % context
            self._features[place], self._labels[place] = queries, labels
        self._frames += 1
        return self._summed(labels)

    def recall(self, features: NDArray[np.floating[Any]]) -> PropagatedMasks:
        """The masks in a frame by the first frame alone, anywhere in it: finds again what was lost. It does not
        change the context; `amend` does.

        Args:
            features: float [rows, columns, width], as the first frame's.
        """
        queries = self._checked(features)
        labels = np.empty(self._labels.shape[1:], np.float32)
        for top, bottom, left, right in self._tiles(1):
            labels[top:bottom, left:right] = self._propagate_tile(
                queries[top:bottom, left:right], top, left, 1, max(queries.shape)
            )
        return self._summed(labels)

    def amend(self, features: NDArray[np.floating[Any]], labels: Floats) -> PropagatedMasks:
        """Replace the masks that `next` returned for the last frame; the next frames build on these.

        Args:
            features: float [rows, columns, width], the last frame's. After `forget_context`, any frame is the last.
            labels: float32 [1 + objects, rows, columns], as `PropagatedMasks` has them.
        """
        context = len(self._features) - 1
        labels = np.ascontiguousarray(np.moveaxis(labels, 0, 2))
        self._frames = max(self._frames, 1)
        if context:
            place = 1 + (self._frames - 1) % context
            self._features[place], self._labels[place] = self._checked(features), labels
        return self._summed(labels)

    def _checked(self, features: NDArray[np.floating[Any]]) -> Floats:
        """Features of unit length.

        Raises:
            ValueError: they are not of the first frame's shape.
        """
        if features.shape != self._features.shape[1:]:
            raise ValueError(f"features are {list(self._features.shape[1:])} in this video, not {list(features.shape)}")
        return _normalised(features)

    def _summed(self, labels: Floats) -> PropagatedMasks:
        """The masks, shares and losses of labels [rows, columns, 1 + objects]."""
        shares = labels[..., 1:].sum(axis=(0, 1), dtype=np.float64) / np.maximum(self._at_first, 1e-12)
        patches = np.bincount(labels.argmax(axis=2).ravel(), minlength=labels.shape[2])[1:]
        lost = (shares < LEAST_SHARE) | (patches == 0)
        result = np.moveaxis(labels, 2, 0).copy()
        result.flags.writeable = False
        return PropagatedMasks(result, tuple(shares.tolist()), tuple(lost.tolist()))

    def _tiles(self, known: int) -> Iterator[tuple[int, int, int, int]]:
        """(top, bottom, left, right) of the parts of a frame that are worked on at once, so that memory is bounded."""
        rows, columns = self._features.shape[1:3]
        if known * (rows * columns) ** 2 <= _MOST_PAIRS:
            yield 0, rows, 0, columns
            return
        for top in range(0, rows, _TILE):
            for left in range(0, columns, _TILE):
                yield top, min(top + _TILE, rows), left, min(left + _TILE, columns)

    def _propagate_tile(self, queries: Floats, top: int, left: int, known: int, reach: int) -> Floats:
        """The labels of a tile of patches whose upper left one is at (top, left): [rows, columns, labels]."""
        rows, columns, width = queries.shape
        first_row, first_column = max(0, top - reach), max(0, left - reach)
        window = np.s_[:known, first_row : top + rows + reach, first_column : left + columns + reach]
        sources = self._features[window]
        # [patches, known frames, window rows, window columns]
        likeness = (queries.reshape(-1, width) @ sources.reshape(-1, width).T).reshape(-1, *sources.shape[:3])
        place = top, left, rows, columns, reach
        if self._out_of_reach is None or self._out_of_reach[0] != place:  # the same in each frame that is not tiled
            row_gap = np.abs(np.arange(top, top + rows)[:, None] - np.arange(first_row, first_row + sources.shape[1]))
            column_gap = np.abs(
                np.arange(left, left + columns)[:, None] - np.arange(first_column, first_column + sources.shape[2])
            )
            far = (row_gap > reach)[:, None, :, None] | (column_gap > reach)[None, :, None, :]
            penalty = np.where(far, np.float32(-np.inf), np.float32(0))
            self._out_of_reach = place, penalty.reshape(len(likeness), 1, *sources.shape[1:3])
        likeness += self._out_of_reach[1]
        likeness = likeness.reshape(len(likeness), -1)
        # Several times the largest is quicker than sorting for the largest few.
        patches = np.arange(len(likeness))
        places = np.empty((len(likeness), min(self._top, likeness.shape[1])), np.intp)
        values = np.empty(places.shape, np.float32)
        for number in range(places.shape[1]):
            best = likeness.argmax(axis=1)
            places[:, number], values[:, number] = best, likeness[patches, best]
            likeness[patches, best] = -np.inf
        weights = np.exp((values - values[:, :1]) / self._temperature)
        weights /= weights.sum(axis=1, keepdims=True)
        known_labels = self._labels[window].reshape(-1, self._labels.shape[3])
        return np.einsum("pk,pkl->pl", weights, known_labels[places]).reshape(rows, columns, -1)


def _normalised(features: NDArray[np.floating[Any]]) -> Floats:
    features = features.astype(np.float32)
    length = np.linalg.norm(features, axis=2, keepdims=True)
    return np.asarray(features / np.maximum(length, 1e-12), np.float32)


# --- between the patch grid and the frame ----------------------------------------------------------------------------


def sampled(numbers: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A map of object numbers at another size (height, width), each place taking the nearest pixel to its middle."""
    places = (
        ((np.arange(side) + 0.5) * had / side).astype(np.intp) for side, had in zip(size, numbers.shape, strict=True)
    )
    return numbers[np.ix_(*places)]


def one_each(numbers: NDArray[np.uint8], objects: int) -> NDArray[np.bool_]:
    """A mask for each of the objects 1, 2, ...: [height, width] -> bool [objects, height, width]."""
    return np.asarray(numbers == np.arange(1, objects + 1)[:, None, None])


def on_pixels(labels: Floats, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Which object each pixel belongs to, 0 for none, as the protocol decides it.

    The labels grow smoothly to the size, each is stretched to the range 0 to 1 (so that a faint object stands up to the
    background), and the largest wins.

    Args:
        labels: float32 [1 + objects, rows, columns].
        size: (height, width).

    Returns:
        uint8 [height, width].
    """
    height, width = size
    best = np.full((height, width), -np.inf, np.float32)
    winner = np.zeros((height, width), np.uint8)
    for number, label in enumerate(labels):
        grown = cv2.resize(label, (width, height), interpolation=cv2.INTER_LINEAR)
        if grown.max() > 0:
            grown -= grown.min()
            grown /= max(float(grown.max()), 1e-12)
        better = grown > best
        best[better], winner[better] = grown[better], number
    return winner

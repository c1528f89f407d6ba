"""Statistics of attention heads from their maps alone: how spread they are, how steady, whether on the foreground."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from rtviz.frame import Maps

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rtviz.frame import Floats

    Reals = NDArray[np.float64]
else:
    from rtviz.late import np

Tag = Literal["foreground", "background", "diffuse"]

TAGS: tuple[Tag, ...] = ("foreground", "background", "diffuse")

# A head's mask: the fewest patches that hold this share of its attention, as in DINO's figures.
_MASS = 0.6
# Below this agreement heads have nothing in common, and there is no foreground. A trained DINOv2 ViT-S/14 at 224
# passed it in 98 % of 60 frames of DAVIS, 95 % of 22 and 87 % of 60 pictures of VOC2007 and 85 % of 40 drawn scenes; in
# 33 % of 18 parts of DAVIS frames without the object, and 15 % of 20 drawn backgrounds. Untrained it never passed .002.
_AGREED = 1 / 8
# A head stands out if it is this many times better than the mean over heads, or, in a stream, than the one before.
_CLEARLY = 1.1
# A head is tagged foreground if it gives the foreground this many times what a uniform map gives, and background if at
# most the reciprocal. In a stream, a tag changes only beyond a margin.
_ENRICHED, _LABEL_MARGIN = 2.0, 1.15

# In a stream: seconds between updates, and the time constants of the smoothed stability and foreground.
SECONDS_BETWEEN, _STABILITY_SECONDS = 0.25, 2.0
_FOREGROUND_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class HeadStats:
    """Statistics of one head of one layer, for one query.

    Attributes:
        head: its number.
        entropy: of its map, as a share of the highest there can be: 0 all on one patch, 1 spread evenly.
        distance: mean attention distance: from the query's patch to the patches, weighted by attention, as a share of
            the frame's diagonal. CLS has no place, so its distances are taken from the centroid of its attention.
            (Dosovitskiy et al. 2021, appendix D.7, average over all patches as queries, in pixels; this is the
            distance of the query that is shown.)
        cls, registers: the share of its attention that CLS gets, and that all registers get together.
        foreground: the attention that the foreground gets, divided by what a uniform map would give it; None if there
            is no foreground. See the function `foreground`.
        tag: "foreground", "background" or "diffuse"; see `head_statistics`.
        stability: the overlap of its attention with that of the maps before, 0 to 1; None without earlier maps.
    """

    head: int
    entropy: float
    distance: float
    cls: float
    registers: float
    foreground: float | None
    tag: Tag
    stability: float | None = None


def head_statistics(maps: Maps, layer: int, before: Maps | None = None) -> tuple[HeadStats, ...]:
    """The statistics of every head of a layer; empty for a model without heads.

    The tag needs no label. A head is "foreground" if it gives the foreground at least twice as much attention as a
    uniform map, "background" if at most half as much, and "diffuse" otherwise. The foreground is what the heads of the
    last layer agree on, for every `layer`; if they agree on nothing, every head is diffuse. (With a patch as the query
    it is what that patch attends to, which may be the background of the frame.)

    Args:
        layer: counted from 0, or from the end if negative.
        before: earlier maps of the same model, for the stability.
    """
    if not maps.has_attention:
        return ()
    shares = _shares(maps.attention[layer])
    stability: list[float | None] = [None] * maps.heads
    if before is not None and before.attention.shape == maps.attention.shape and before.query == maps.query:
        stability = list(map(float, np.minimum(shares, _shares(before.attention[layer])).sum(axis=(1, 2))))
    prefix = maps.prefix[layer].astype(np.float64)
    entropy, distance = _entropy(shares), _distance(shares, maps)

    there = foreground(maps.attention[-1])
    ratio = None if there is None else (shares * there).sum(axis=(1, 2)) / there.mean()

    return tuple(
        HeadStats(
            head,
            float(entropy[head]),
            float(distance[head]),
            float(prefix[head, 0]) if prefix.shape[1] else 0.0,
            float(prefix[head, 1:].sum()),
            None if ratio is None else float(ratio[head]),
            _tag(None if ratio is None else float(ratio[head])),
            stability[head],
        )
        for head in range(maps.heads)
    )


def agreement(attention: Floats) -> Reals:
    """The share of the heads' variation that each mask explains: 0 to 1, [heads + 1]. The mask of each head is judged
    by the other heads of the layer. The mean over heads comes last; each head judges the mask of the mean over the
    others, since it would agree with itself: the finer the patches, the more noise each head has of its own, and the
    more that favours the mean. A mask is the fewest patches that hold 60 % of the attention.

    A patch is a point whose coordinates are the square roots of the shares that each head gives to it (distances
    between maps are then Hellinger's, and no single bright patch outweighs the rest). A mask divides the patches into
    two classes. Its agreement is the sum of squares between them (by which Otsu 1979 chooses a threshold), as a mean
    over the heads that judge. If they all spread their attention evenly over the mask, a share c of the frame, that is
    1 - c; if they spread it evenly over the frame, or over places that have nothing to do with the mask, 0.

    Args:
        attention: [heads, rows, columns].
    """
    shares = _shares(attention)
    heads = len(shares)
    others = attention.sum(axis=0) - attention if heads > 1 else attention
    masks = _masks(np.concatenate([shares, _shares(others)]))
    inside = masks.reshape(2, heads, -1).astype(np.float64)  # [heads and means over the others, heads, patches]
    roots = np.sqrt(shares).reshape(heads, -1)  # [heads, patches]
    roots -= roots.mean(axis=1, keepdims=True)
    count = inside.sum(axis=2, keepdims=True)
    # The two classes' sums are opposite: s^2 / n inside and s^2 / (N - n) outside.
    between = np.square(inside @ roots.T) * (1 / count + 1 / np.maximum(roots.shape[1] - count, 1))
    of_heads, of_means = between  # [heads whose mask it is, heads that judge]; [heads left out, heads that judge]
    own = np.diagonal(of_means).mean()
    if heads > 1:
        np.fill_diagonal(of_heads, 0)
    return np.append(of_heads.sum(axis=1) / max(1, heads - 1), own)


def standing_out(attention: Floats) -> int | None:
    """The head whose mask the other heads of its layer agree on most; None if no head does clearly better than the mean
    over heads, or if heads agree on nothing: see `agreement`.

    Args:
        attention: [heads, rows, columns].
    """
    return best_of(agreement(attention))


def best_of(agreed: Reals, *before: int | None) -> int | None:
    """The head that stands out by its `agreement` [heads + 1], or None.

    Args:
        before: the previous answer, which stays until another one is clearly better.
    """
    none = len(agreed) - 1
    scores = np.append(agreed[:none], max(_CLEARLY * agreed[none], _AGREED))
    best = int(scores.argmax())
    if before:
        old = none if before[0] is None else before[0]
        best = best if scores[best] > _CLEARLY * scores[old] else old
    return None if best == none else best


def foreground(attention: Floats) -> NDArray[np.bool_] | None:
    """The mask that the heads agree on, of the head that stands out or of their mean: bool [rows, columns]; None if
    they agree on nothing.

    Args:
        attention: [heads, rows, columns].
    """
    agreed = agreement(attention)
    if agreed.max() < _AGREED:
        return None
    head = best_of(agreed)
    chosen = attention.mean(axis=0) if head is None else attention[head]
    return np.asarray(_masks(_shares(chosen[None]))[0])


def _tag(ratio: float | None, before: Tag | None = None) -> Tag:
    """The tag of a head from its `HeadStats.foreground`.

    Args:
        before: its previous tag, which it keeps within a margin.
    """
    if ratio is None:
        return "diffuse"
    high, low = (
        _ENRICHED * _LABEL_MARGIN ** (0 if before is None else -1 if before == "foreground" else 1),
        _LABEL_MARGIN ** (0 if before is None else 1 if before == "background" else -1) / _ENRICHED,
    )
    return "foreground" if ratio >= high else "background" if ratio <= low else "diffuse"


def _shares(attention: Floats) -> Reals:
    """The maps, each normalised to a sum of 1."""
    whole = attention.astype(np.float64)
    return np.asarray(whole / np.maximum(whole.sum(axis=(1, 2), keepdims=True), 1e-12))


def _masks(shares: Reals) -> NDArray[np.bool_]:
    """The fewest patches of each map that hold `_MASS` of it."""
    flat = shares.reshape(len(shares), -1)
    order = np.argsort(flat, axis=1, kind="stable")
    mass = np.take_along_axis(flat, order, axis=1).cumsum(axis=1)
    masks = np.zeros(flat.shape, bool)
    np.put_along_axis(masks, order, mass > 1 - _MASS, axis=1)
    return masks.reshape(shares.shape)


def _entropy(shares: Reals) -> Reals:
    flat = shares.reshape(len(shares), -1)
    return np.asarray(-(flat * np.log(np.maximum(flat, 1e-12))).sum(axis=1) / math.log(max(2, flat.shape[1])))


def _distance(shares: Reals, maps: Maps) -> Reals:
    rows, columns = maps.grid
    y, x = np.arange(rows) + 0.5, np.arange(columns) + 0.5
    if maps.query_place is None:
        middle_y = (shares.sum(axis=2) * y).sum(axis=1)
        middle_x = (shares.sum(axis=1) * x).sum(axis=1)
    else:  # the middle of the query's patch
        row, column = maps.grid.patch_at(maps.query_place)
        middle_y, middle_x = np.full(len(shares), row + 0.5), np.full(len(shares), column + 0.5)
    far = np.hypot(y[None, :, None] - middle_y[:, None, None], x[None, None, :] - middle_x[:, None, None])
    return np.asarray((shares * far).sum(axis=(1, 2)) / math.hypot(rows, columns))


class HeadStatsTracker:
    """The head statistics of a running stream: updated a few times a second, with the stability averaged over two
    seconds, and with tags that change only when the new one is clearly right."""

    def __init__(self) -> None:
        self._before: Maps | None = None  # what was measured before the newest maps
        self._maps: Maps | None = None
        self._frame: object = None
        self._updated_at = -math.inf
        self._stats: dict[int, tuple[HeadStats, ...]] = {}  # by layer, of the newest maps
        self._past: dict[int, tuple[HeadStats, ...]] = {}  # and of those before
        self._passed = 0.0  # seconds between the two

    def statistics(self, maps: Maps, layer: int, seconds: float, frame: object = None) -> tuple[HeadStats, ...]:
        """The statistics of a layer's heads in the newest maps.

        It may be called at any rate: for a quarter of a second it returns the same statistics, unless the model, the
        query or the muted heads change. On a paused frame nothing changes.

        Args:
            seconds: of a clock.
            frame: identifies the frame of the maps: equal for the same frame, whatever the query.
        """
        same = self._maps is not None and _comparable(self._maps, maps)
        still = self._maps is maps or (frame is not None and frame == self._frame)
        if not same or (not still and seconds - self._updated_at >= SECONDS_BETWEEN):
            self._before, self._past = (self._maps, self._stats) if same else (None, {})
            self._passed = seconds - self._updated_at
            self._maps, self._frame, self._updated_at, self._stats = _lean(maps), frame, seconds, {}
        if layer not in self._stats:
            assert self._maps is not None
            stats = head_statistics(self._maps, layer, self._before)
            if layer in self._past:
                pairs = zip(self._past[layer], stats, strict=True)
                stats = tuple(_smoothed(old, new, self._passed) for old, new in pairs)
            self._stats[layer] = stats
        return self._stats[layer]


def _comparable(one: Maps, other: Maps) -> bool:
    """Whether maps are of the same model, size and query, with the same heads muted."""
    return (
        one.model == other.model
        and one.attention.shape == other.attention.shape
        and one.query == other.query
        and one.muted == other.muted
    )


def _lean(maps: Maps) -> Maps:
    """The maps without the arrays that the statistics do not need, to save memory."""
    return replace(maps, tokens=None, keys=None, rows=None, unablated=None)


def _smoothed(old: HeadStats, new: HeadStats, seconds: float) -> HeadStats:
    """The new statistics, with stability and foreground smoothed over time, and the old tag unless another one is
    clearly right."""
    ratio, stability = new.foreground, new.stability
    if ratio is not None and old.foreground is not None:
        ratio = old.foreground + (1 - math.exp(-seconds / _FOREGROUND_SECONDS)) * (ratio - old.foreground)
    if stability is not None and old.stability is not None:
        stability = old.stability + (1 - math.exp(-seconds / _STABILITY_SECONDS)) * (stability - old.stability)
    return replace(new, foreground=ratio, stability=stability, tag=_tag(ratio, old.tag))


__all__ = [
    "SECONDS_BETWEEN",
    "TAGS",
    "HeadStats",
    "HeadStatsTracker",
    "Tag",
    "agreement",
    "best_of",
    "foreground",
    "head_statistics",
    "standing_out",
]  # fmt: skip

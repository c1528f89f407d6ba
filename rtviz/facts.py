"""What can be told of an attention head from its map alone: how wide it looks, how steadily, whether at an object."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rtviz.frame import Floats, Maps

Reals = NDArray[np.float64]
Tag = Literal["foreground", "background", "diffuse"]

TAGS: tuple[Tag, ...] = ("foreground", "background", "diffuse")

# A head's mask: the fewest patches that hold so much of its attention, as in DINO's figures.
_MASS = 0.6
# From how much object-likeness on a head is called foreground, and from how much of the frame's rim on background:
# its mask then holds so many times as much of the rim as of the whole frame.
_OBJECT, _RIM = 0.2, 1.2
# An even map needs 60 % of the patches for 60 % of its attention; one that needs almost as many has no shape.
_EVEN = 0.9 * _MASS

# How the facts of a stream are kept steady: told at most so often, and stability is a mean over about so long.
SECONDS_BETWEEN, _STABILITY_SECONDS = 0.25, 2.0


@dataclass(frozen=True, slots=True)
class HeadFacts:
    """Facts about one head of one layer, for one query.

    Attributes:
        head: its number.
        entropy: of its map, as a share of the highest there can be: 0 all on one patch, 1 spread evenly.
        distance: how far the patches lie that it attends to, on average and weighted by attention, in shares of the
            frame's diagonal: from the query's patch. CLS has no place, so for it from the middle of what it attends
            to. (Dosovitskiy et al. 2021, appendix D.7, take the mean of this over all patches as queries, in pixels;
            here it is told of the query that is shown.)
        cls, registers: the share of its attention that CLS gets, and that all registers get together.
        likeness: how much what it attends to looks like an object, 0 to 1; see `object_likeness`.
        tag: "foreground", "background" or "diffuse"; see `head_facts`.
        stability: how much of its attention lies where it lay in the maps before, 0 to 1; None without any.
    """

    head: int
    entropy: float
    distance: float
    cls: float
    registers: float
    likeness: float
    tag: Tag
    stability: float | None = None


def head_facts(maps: Maps, layer: int, before: Maps | None = None) -> tuple[HeadFacts, ...]:
    """The facts of every head of a layer; none for a model without heads.

    The tag follows from the head's mask, the fewest patches that hold 60 % of its attention, and needs no label:
    foreground is what is object-like; background is what keeps to the rim of the frame more than to the rest of it,
    and is no even haze; all else is diffuse.

    Args:
        layer: counted from 0, or from the end if negative.
        before: what the same model saw a moment ago, for the stability.
    """
    if not maps.heads:
        return ()
    shares = _shares(maps.attention[layer])
    masks = _masks(shares)
    likeness, rim = _likeness(shares, masks)
    covered = masks.mean(axis=(1, 2))
    stability: list[float | None] = [None] * maps.heads
    if before is not None and before.attention.shape == maps.attention.shape and before.query == maps.query:
        stability = list(map(float, np.minimum(shares, _shares(before.attention[layer])).sum(axis=(1, 2))))
    prefix = maps.prefix[layer].astype(np.float64)
    entropy, distance = _entropy(shares), _distance(shares, maps)

    def tag(head: int) -> Tag:
        if likeness[head] >= _OBJECT:
            return "foreground"
        return "background" if rim[head] >= _RIM and covered[head] <= _EVEN else "diffuse"

    return tuple(
        HeadFacts(
            head,
            float(entropy[head]),
            float(distance[head]),
            float(prefix[head, 0]) if prefix.shape[1] else 0.0,
            float(prefix[head, 1:].sum()),
            float(likeness[head]),
            tag(head),
            stability[head],
        )
        for head in range(maps.heads)
    )


def object_likeness(attention: Floats) -> Reals:
    """How much each map looks as if it lay on an object, from its shape alone: 0 to 1, [heads].

    Three things are multiplied, each 0 to 1, of the mask that holds 60 % of the attention: that it keeps away from the
    frame's rim; that it is in one piece (the neighbours of its patches belong to it, beyond what chance would give);
    that the map has two levels, inside and outside (the share of its variance that lies between them, as in Otsu 1979).

    Args:
        attention: [heads, rows, columns].
    """
    shares = _shares(attention)
    return _likeness(shares, _masks(shares))[0]


def most_object_like(maps: Maps, layer: int) -> int:
    """The head of a layer, counted from 0 or from the end, whose map is most object-like.

    Raises:
        ValueError: the model has no heads.
    """
    return int(object_likeness(maps.attention[layer]).argmax())


def _shares(attention: Floats) -> Reals:
    """Maps that each add up to 1."""
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


def _likeness(shares: Reals, masks: NDArray[np.bool_]) -> tuple[Reals, Reals]:
    """(likeness, share of the rim in the mask by the mask's share of the frame), [heads] each."""
    heads, rows, columns = shares.shape
    covered = masks.mean(axis=(1, 2))
    # The rim is about a fourteenth of the frame broad, whatever the size of the patches.
    broad = max(1, round(min(rows, columns) / 14))
    rim = np.ones((rows, columns), bool)
    rim[broad:-broad, broad:-broad] = False
    touching = masks[:, rim].mean(axis=1) / covered if rim.any() else np.ones(heads)
    pairs = (masks[:, 1:] & masks[:, :-1]).sum(axis=(1, 2)) + (masks[:, :, 1:] & masks[:, :, :-1]).sum(axis=(1, 2))
    together = pairs / (2 * masks.sum(axis=(1, 2)))  # of the neighbours of its patches, those that belong to it
    solid = np.clip((together - covered) / np.maximum(1 - covered, 1e-9), 0, 1)
    flat, inside = shares.reshape(heads, -1), masks.reshape(heads, -1)
    variance = flat.var(axis=1)
    high = (flat * inside).sum(axis=1) / inside.sum(axis=1)
    low = (flat * ~inside).sum(axis=1) / np.maximum((~inside).sum(axis=1), 1)
    between = covered * (1 - covered) * (high - low) ** 2
    levels = np.where(variance > 1e-20, between / np.maximum(variance, 1e-20), 0.0)
    return np.clip(1 - touching, 0, 1) * solid * levels, touching


def _entropy(shares: Reals) -> Reals:
    flat = shares.reshape(len(shares), -1)
    return np.asarray(-(flat * np.log(np.maximum(flat, 1e-12))).sum(axis=1) / math.log(max(2, flat.shape[1])))


def _distance(shares: Reals, maps: Maps) -> Reals:
    rows, columns = maps.grid
    y, x = np.arange(rows) + 0.5, np.arange(columns) + 0.5
    if maps.query == "cls":
        middle_y = (shares.sum(axis=2) * y).sum(axis=1)
        middle_x = (shares.sum(axis=1) * x).sum(axis=1)
    else:  # the middle of the query's patch
        middle_y = np.full(len(shares), min(rows - 1, int(maps.query.y * rows)) + 0.5)
        middle_x = np.full(len(shares), min(columns - 1, int(maps.query.x * columns)) + 0.5)
    far = np.hypot(y[None, :, None] - middle_y[:, None, None], x[None, None, :] - middle_x[:, None, None])
    return np.asarray((shares * far).sum(axis=(1, 2)) / math.hypot(rows, columns))


class Watch:
    """The facts of a stream as it runs: told a few times a second, with the stability as a mean over two seconds."""

    def __init__(self) -> None:
        self._maps: Maps | None = None
        self._layer = 0
        self._told_at = -math.inf
        self._facts: tuple[HeadFacts, ...] = ()

    def facts(self, maps: Maps, layer: int, seconds: float) -> tuple[HeadFacts, ...]:
        """The facts of a layer's heads in the newest maps, at a time.

        What was asked within the last quarter of a second is told again, unless another layer, model or query is asked
        for: so it may be asked at any rate.
        """
        before = self._maps
        same = before is not None and (
            before.model == maps.model
            and before.attention.shape == maps.attention.shape
            and before.query == maps.query
            and layer == self._layer
        )
        if same and (maps is before or seconds - self._told_at < SECONDS_BETWEEN):
            return self._facts
        facts = head_facts(maps, layer, before if same else None)
        if same:
            share = 1 - math.exp(-(seconds - self._told_at) / _STABILITY_SECONDS)
            facts = tuple(_followed(old, new, share) for old, new in zip(self._facts, facts, strict=True))
        self._maps, self._layer, self._told_at, self._facts = maps, layer, seconds, facts
        return facts


def _followed(old: HeadFacts, new: HeadFacts, share: float) -> HeadFacts:
    """The new facts with a stability that goes a share of the way from the old one's."""
    if old.stability is None or new.stability is None:
        return new
    return replace(new, stability=old.stability + share * (new.stability - old.stability))


__all__ = ["SECONDS_BETWEEN", "TAGS", "HeadFacts", "Tag", "Watch", "head_facts", "most_object_like",
           "object_likeness"]  # fmt: skip

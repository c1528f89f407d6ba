"""How well the best head covers the objects of one frame: the Jaccard index of figure 4, for a single picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rtviz.analysis.propagation import sampled
from rtviz.drawing.masks import mass_mask
from rtviz.frame import Floats, Frame, Maps, Masks
from rtviz.settings import Settings
from rtviz.views.cam import positive, stage_map
from rtviz.views.selection import layer_of

# Pixels along a patch's side at which the true masks are sampled; more change the third digit.
_FINE = 8
# Up to this many objects, the Jaccard index of each is written beside their mean.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Overlap:
    """How well a model's best head covers each object.

    Attributes:
        each: of every object in sight, 0 to 1; at least one.
        heads: of each object the head that covers it best; empty for a model without heads.
    """

    each: tuple[float, ...]
    heads: tuple[int, ...]

    @property
    def jaccard(self) -> float:
        """The mean over the objects, 0 to 1."""
        return sum(self.each) / len(self.each)

    @property
    def mean(self) -> str:
        """The mean over the objects, in words."""
        return f"Jaccard {_short(self.jaccard)}"

    @property
    def best(self) -> str:
        """The heads that cover the objects best, in words; empty for a model without heads."""
        heads = sorted(set(self.heads))
        return f"best head{'' if len(heads) == 1 else 's'} {', '.join(map(str, heads))}" if heads else ""

    @property
    def figure(self) -> str:
        """The mean, and where objects are few that of each, in words."""
        several = 1 < len(self.each) <= _NAMED
        return f"{self.mean} ({' '.join(map(_short, self.each))})" if several else self.mean

    def __str__(self) -> str:
        return f"{self.figure}, {self.best or 'no heads'}"


def _short(share: float) -> str:
    return f"{share:.2f}".replace("0.", ".")


def scored_maps(maps: Maps, settings: Settings) -> Floats:
    """The maps that are scored: the attention of each head of the settings' layer, [heads, rows, columns]. Of a model
    without heads it is one map: what its stage responds to.

    Raises:
        SettingsError: the maps have no such layer.
    """
    if maps.has_attention:
        return maps.attention[layer_of(maps, settings)]
    return positive(stage_map(maps, settings))[None]


def overlap(maps: Maps, settings: Settings, objects: Masks) -> Overlap | None:
    """The Jaccard index of each object with the mask of the head that covers it best, of the settings' layer.

    The mask holds the top share of a head's attention (`threshold`, 60 % as in Caron et al. 2021, figure 4). Of a model
    without heads it is taken from the map of its stage.

    Args:
        maps: of the frame.
        settings: layer, threshold, and for a model without heads the method of its map.
        objects: bool [objects, height, width], at any size.

    Returns:
        None if no object is visible.

    Raises:
        SettingsError: the maps have no such layer.
    """
    attention = scored_maps(maps, settings)
    rows, columns = attention.shape[1:]
    truth = [sampled(mask.astype(np.uint8), (rows * _FINE, columns * _FINE)) > 0 for mask in objects]
    # Of each patch the share that an object covers: all pixels of a patch are in a head's mask, or none.
    shares = [mask.reshape(rows, _FINE, columns, _FINE).mean(axis=(1, 3)).ravel() for mask in truth if mask.any()]
    if not shares:
        return None
    covered = np.stack(shares)  # [objects, patches]
    masks = mass_mask(attention, settings.threshold).reshape(len(attention), -1).astype(np.float64)
    both = covered @ masks.T  # [objects, heads]
    scores = both / (covered.sum(axis=1, keepdims=True) + masks.sum(axis=1) - both)
    best = scores.argmax(axis=1)
    return Overlap(tuple(map(float, scores.max(axis=1))), tuple(map(int, best)) if maps.has_attention else ())


def best_heads(frame: Frame, maps: Maps, settings: Settings) -> tuple[int, ...]:
    """The heads whose masks are the ones that are measured: of each object the head that covers it best, in order. None
    without the setting `jaccard`, if no object of the frame is known, or if the model has no heads.

    Raises:
        SettingsError: the maps have no such layer.
    """
    if not settings.jaccard or frame.masks is None or not maps.has_attention:
        return ()
    found = overlap(maps, settings, frame.masks)
    return () if found is None else tuple(sorted(set(found.heads)))


__all__ = ["Overlap", "best_heads", "overlap", "scored_maps"]

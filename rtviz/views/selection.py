"""Which maps the settings mean, and the range of values that their colours span."""

from __future__ import annotations

import math
from collections.abc import Hashable

import numpy as np

from rtviz.analysis.head_stats import agreement, best_of
from rtviz.errors import SettingsError
from rtviz.frame import Floats, Frame, Maps
from rtviz.settings import Settings
from rtviz.views.base import FOLLOWED, Memory
from rtviz.words import counted

# Robust ends of a map's range: a few patches of a map may exceed the colours' range.
_LOW, _HIGH = 0.02, 0.995
# How fast a steady range follows, in seconds: it widens at once, so that nothing is blinding, and narrows slowly.
_WIDEN_SECONDS, _NARROW_SECONDS = 0.12, 2.0
_JUMP_BACK_SECONDS = 1.0
# Time constant, in seconds, of the agreement by which the head that stands out is chosen.
_FOLLOW_SECONDS = 0.5


def layer_of(maps: Maps, settings: Settings) -> int:
    """The layer that the settings mean, counted from 0.

    Raises:
        SettingsError: the maps have no such layer.
    """
    if not -maps.layers <= settings.layer < maps.layers:
        raise SettingsError(
            "layer",
            settings.layer,
            f"{-maps.layers} to {maps.layers - 1} "
            f"({maps.model} has {counted(maps.layers, 'layer' if maps.has_attention else 'stage')})",
        )
    return settings.layer % maps.layers


def check_head(maps: Maps, settings: Settings) -> None:
    """Refuse a head that the maps do not have.

    Raises:
        SettingsError: the maps have no such head.
    """
    if isinstance(settings.head, int) and settings.head >= maps.heads:
        raise SettingsError(
            "head",
            settings.head,
            f"0 to {maps.heads - 1} ({maps.model} has {counted(maps.heads, 'head')}), mean, max, all, follow",
        )


def followed(maps: Maps, frame: Frame, settings: Settings, memory: Memory | None = None) -> int | None:
    """The head of the settings' layer that stands out (`rtviz.analysis.head_stats.standing_out`), None if none does.
    What was followed before stays until something else is clearly better.

    Args:
        memory: of the stream; without one each frame is normalised on its own.

    Raises:
        SettingsError: the maps have no such layer.
    """
    layer = layer_of(maps, settings)
    agreed = agreement(maps.attention[layer])
    if memory is None:
        return best_of(agreed)
    of = (maps.model, maps.attention.shape, _kind_of_query(maps), layer)
    before = memory.get(FOLLOWED)
    if before is None or before[0] != of or frame.pts_seconds - before[3] <= -_JUMP_BACK_SECONDS:
        head = best_of(agreed)
    else:
        _, head, smooth, then = before
        agreed = smooth + (agreed - smooth) * (1 - math.exp(-abs(frame.pts_seconds - then) / _FOLLOW_SECONDS))
        head = best_of(agreed, head)
    memory[FOLLOWED] = (of, head, agreed, frame.pts_seconds)
    return head


def chosen(maps: Maps, settings: Settings) -> Floats:
    """The map of one head, or the mean or maximum over heads [rows, columns]; of all heads [heads, rows, columns].

    Raises:
        SettingsError: the maps have no such layer or head.
    """
    check_head(maps, settings)
    return fuse(maps.attention[layer_of(maps, settings)], settings.head)


def fuse(heads: Floats, head: int | str) -> Floats:
    """One map [rows, columns] from [heads, rows, columns]; "all" returns them as they are."""
    if isinstance(head, int):
        return np.asarray(heads[head])
    if head == "mean":
        return np.asarray(heads.mean(axis=0))
    return np.asarray(heads.max(axis=0)) if head == "max" else heads


def _kind_of_query(maps: Maps) -> str:
    """All patches are of one kind."""
    return "patch" if maps.query_place is not None else str(maps.query)


def key_of(maps: Maps, settings: Settings, *more: Hashable) -> Hashable:
    """What a running range is remembered under: ranges differ by model, layer, head, and kind of query."""
    return ("range", maps.model, maps.grid, _kind_of_query(maps), *more)


def normalize(
    attention: Floats,
    frame: Frame,
    settings: Settings,
    memory: Memory | None = None,
    key: Hashable = None,
    top: float = _HIGH,
) -> Floats:
    """Maps scaled to 0..1, each by its own range, with the gamma of the settings.

    "frame" takes the range from each frame alone. "steady" follows it over time, so that a video does not flicker: the
    range widens fast and narrows slowly, in seconds of the source, whatever the rate of frames.

    Args:
        attention: [..., rows, columns].
        memory: where the range is remembered, under `key`; without one each frame is normalised on its own.
        top: the quantile of a map's patches at which the range ends.

    Returns:
        float32 [..., rows, columns].
    """
    return scaled(attention, *value_range(attention, frame, settings, memory, key, top), settings.gamma)


def value_range(
    attention: Floats,
    frame: Frame,
    settings: Settings,
    memory: Memory | None = None,
    key: Hashable = None,
    top: float = _HIGH,
) -> tuple[Floats, Floats]:
    """Where the colours of maps begin and end, float32 [...]; arguments as for `normalize`."""
    low, high = _range(attention, top)
    if memory is not None and settings.normalization == "steady":
        low, high = _steady(low, high, frame.pts_seconds, memory, key)
    return low, low + np.maximum(high - low, 1e-4 * np.abs(high) + 1e-12)  # rounding noise of the softmax stays dark


def scaled(attention: Floats, low: Floats, high: Floats, gamma: float) -> Floats:
    """Maps [..., rows, columns] scaled to 0..1 between the ends [...] of their ranges, float32."""
    span = np.asarray(high - low)[..., None, None]
    values: Floats = np.clip((attention - np.asarray(low)[..., None, None]) / span, 0, 1).astype(np.float32, copy=False)
    return values if gamma == 1 else values ** np.float32(gamma)


def _range(attention: Floats, top: float) -> tuple[Floats, Floats]:
    """Robust lowest and highest value of each map."""
    flat = attention.reshape(*attention.shape[:-2], -1)
    last = flat.shape[-1] - 1
    places = (math.floor(_LOW * last), math.ceil(top * last))
    ordered = np.partition(flat, places, axis=-1)
    return ordered[..., places[0]], ordered[..., places[1]]


def _steady(low: Floats, high: Floats, pts_seconds: float, memory: Memory, key: Hashable) -> tuple[Floats, Floats]:
    """The running range, moved towards this frame's range by the time that passed."""
    before = memory.get(key)
    if before is not None and pts_seconds - before[2] > -_JUMP_BACK_SECONDS:
        old_low, old_high, then = before
        passed = abs(pts_seconds - then)
        widen, narrow = (1 - math.exp(-passed / tau) for tau in (_WIDEN_SECONDS, _NARROW_SECONDS))
        low = old_low + (low - old_low) * np.where(low < old_low, widen, narrow)
        high = old_high + (high - old_high) * np.where(high > old_high, widen, narrow)
    memory[key] = (low, high, pts_seconds)
    return low, high

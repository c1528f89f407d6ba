"""Timing things in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch


def settle(device: str) -> None:
    """Wait until the device has finished its work."""
    kind = device.partition(":")[0]
    if kind in ("cuda", "mps"):
        getattr(torch, kind).synchronize()


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def in_turns(
    things: Mapping[str, Callable[[], object]], turns: int, device: str, clock: str = "wall"
) -> dict[str, list[float]]:
    """Seconds that each thing took in each turn.

    They take turns so that a machine that is busy for a while, or slows down, does so for all of them alike.

    Args:
        clock: "wall", or "cpu": the time that this process computed, in all its threads. On a machine that others keep
            busy the latter tells how things compare, where each runs in one thread (OMP_NUM_THREADS=1).
    """
    now = CLOCKS[clock]
    for thing in (*things.values(), *things.values()):
        thing()
    seconds: dict[str, list[float]] = {name: [] for name in things}
    for _ in range(turns):
        for name, thing in things.items():
            settle(device)
            start = now()
            thing()
            settle(device)
            seconds[name].append(now() - start)
    return seconds


def ratio(over: list[float], under: list[float]) -> float:
    """How much more the one took than the other, turn by turn: the median."""
    return statistics.median(one / other for one, other in zip(over, under, strict=True))


def milliseconds(seconds: Sequence[float]) -> float:
    """The median, in milliseconds."""
    return round(statistics.median(seconds) * 1000, 2)


def percentile(seconds: Sequence[float], share: float) -> float:
    """In milliseconds."""
    return round(float(np.percentile(seconds, share)) * 1000, 2)

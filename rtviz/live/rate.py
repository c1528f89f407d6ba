"""Events a second, from the times at which they happened."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence


def rate(times: Sequence[float] | deque[float], window: float = 2.0) -> float:
    """Events a second over the last seconds.

    Args:
        times: of the events, by `time.monotonic()`, oldest first.
        window: how many seconds back.
    """
    now = time.monotonic()
    recent = [then for then in tuple(times) if now - then <= window]
    if len(recent) < 2:
        return float(len(recent)) / window
    # From the first to now would miss half an interval at either end; between the first and the last counts exactly,
    # unless they stopped coming.
    spread = recent[-1] - recent[0]
    silence = now - recent[-1]
    interval = spread / (len(recent) - 1)
    return (len(recent) - 1) / (spread + max(0.0, silence - interval)) if spread > 0 else 0.0


__all__ = ["rate"]

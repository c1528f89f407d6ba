"""What commands print for people: messages and progress bars, on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rtviz.cli.remedies import with_remedy
from rtviz.errors import RtvizError
from rtviz.words import one_line

Progress = Callable[[str, int, int | None], None]  # (what, done, total)


def say(message: str | RtvizError, prefix: str = "") -> None:
    """Print a message with its remedy, in one line."""
    print(f"rtviz: {prefix}{one_line(with_remedy(message))}", file=sys.stderr, flush=True)


def notices(quiet: bool) -> Callable[[str], None]:
    """What prints notices; it drops them where --quiet was given."""
    return (lambda sentence: None) if quiet else say


def no_bar(quiet: bool) -> bool | None:
    """What tqdm calls `disable`; None draws a bar only on a terminal, since a log has no use for one."""
    return True if quiet else None


@contextmanager
def progress_bars(quiet: bool, **style: Any) -> Iterator[Progress]:
    """A progress callback that draws one bar for each thing that is done; the next bar ends the one before.

    Args:
        style: how tqdm draws a bar.
    """
    from tqdm import tqdm

    bars: dict[str, Any] = {}

    def progress(what: str, done: int, total: int | None) -> None:
        if what not in bars:
            for bar in bars.values():
                bar.close()
            bars[what] = tqdm(total=total, desc=what, disable=no_bar(quiet), dynamic_ncols=True, **style)
        bars[what].total = total
        bars[what].update(done - bars[what].n)

    try:
        yield progress
    finally:
        for bar in bars.values():
            bar.close()


def download_bars(quiet: bool) -> Any:
    """The same for downloads, in bytes."""
    return progress_bars(quiet, unit="B", unit_scale=True, unit_divisor=1024)


__all__ = ["Progress", "download_bars", "no_bar", "notices", "progress_bars", "say"]

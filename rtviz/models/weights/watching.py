"""Work that may hang, watched: it reports its progress, can be cancelled at any time, and has limits of time.

A read from a socket, the resolving of a name, or another program can block for minutes. So the work is done in a thread
of its own, and whoever waits for it looks up several times a second.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

Report = Callable[[int, int | None], None]  # (bytes done, bytes in all); may raise to cancel

_LOOK_UP_SECONDS = 0.1
_LAST_WORDS_SECONDS = 1.0


class WayFailed(Exception):
    """Weights cannot be had by one way; it says why, in a few words without a full stop."""


class Stopped(Exception):
    """Nobody waits for this work any more."""


class Watch:
    """What the work tells whoever waits for it.

    Attributes:
        stopped: nobody waits any more; the work ends as soon as it can.
    """

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self._reports: queue.Queue[tuple[int, int | None]] = queue.Queue(1)

    def tell(self, done: int, total: int | None) -> None:
        """Something has come. Waits until that is known, so that a cancelled work is not far ahead.

        Raises:
            Stopped: nobody waits any more.
        """
        while not self.stopped.is_set():
            try:
                self._reports.put((done, total), timeout=_LOOK_UP_SECONDS)
                return
            except queue.Full:
                continue
        raise Stopped

    def news(self, seconds: float) -> tuple[int, int | None] | None:
        """The next report, or None if none comes within this time."""
        try:
            return self._reports.get(timeout=seconds)
        except queue.Empty:
            return None


def watched(
    work: Callable[[Watch], T],
    report: Report,
    *,
    first_s: float,
    stall_s: float = 30.0,
    until: float | None = None,
) -> T:
    """Do the work, and return what it returns.

    Args:
        work: calls `tell` of its watch whenever bytes have come, and once before, when the answer begins.
        report: is called in the caller's thread, several times a second.
        first_s: how long the work may take to tell for the first time.
        stall_s: how long it may take to tell again.
        until: when all of it must be done, on the clock of `time.monotonic`.

    Raises:
        WayFailed: a limit was reached, or the work raised it.
        Exception: what `report` or the work raised.
    """
    watch = Watch()
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work(watch))
        except BaseException as error:  # handed on below
            failure.append(error)

    thread = threading.Thread(target=run, name="weights", daemon=True)
    thread.start()
    done, total = 0, None
    answered, changed = False, time.monotonic()
    try:
        while True:
            alive = thread.is_alive()  # before the last news is fetched, so that none is lost
            news = watch.news(_LOOK_UP_SECONDS if alive else 0)
            now = time.monotonic()
            if news is not None:
                answered, changed = True, now
                done, total = news
            elif not alive:
                break
            report(done, total)
            if now - changed > (stall_s if answered else first_s):
                wait = f"{stall_s:.0f} s" if answered else f"{first_s:.0f} s"
                raise WayFailed(f"nothing came for {wait}" if answered else f"no answer within {wait}")
            if until is not None and now > until:
                raise WayFailed("the time limit was reached")
    except BaseException:
        watch.stopped.set()
        thread.join(_LAST_WORDS_SECONDS)  # it may block for longer; then it ends later, and tells nobody
        raise
    if failure:
        raise failure[0]
    return outcome[0]

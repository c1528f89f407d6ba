"""Whether words and query markers are drawn on pictures: off for a picture that is to be labelled elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_drawn: ContextVar[bool] = ContextVar("lettering", default=True)


def drawn() -> bool:
    """Whether this thread draws them now."""
    return _drawn.get()


@contextmanager
def left_out() -> Iterator[None]:
    """What this thread draws inside has neither words nor query markers; room that is kept for words stays empty."""
    token = _drawn.set(False)
    try:
        yield
    finally:
        _drawn.reset(token)


__all__ = ["drawn", "left_out"]

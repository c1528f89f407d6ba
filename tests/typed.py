"""For the type checker: what a field may lack, and here has."""

from __future__ import annotations

from typing import TypeVar

Value = TypeVar("Value")


def present(value: Value | None) -> Value:
    """The value itself; the test fails here where there is none."""
    assert value is not None
    return value

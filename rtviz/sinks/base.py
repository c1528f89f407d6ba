"""What the sinks have in common: close at a good end, abort at a bad one."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class ClosingSink:
    """Turns the end of a with-block into `close` or `abort`."""

    def close(self) -> None:
        raise NotImplementedError

    def abort(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

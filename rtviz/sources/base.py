"""What the sources have in common: the end of a with-block closes them."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class ClosingSource:
    """Turns the end of a with-block into `close`."""

    def close(self) -> None:
        """Let go of what is held; it may be called twice. A source that holds nothing leaves it as it is."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

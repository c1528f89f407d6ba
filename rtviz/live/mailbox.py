"""A mailbox for one item between two threads: the newest wins."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Item = TypeVar("Item")


class LatestSlot(Generic[Item]):
    """Holds the newest item until another thread takes it. An item that a newer one replaces is counted, not queued."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: Item | None = None
        self._closed = False
        self.skipped = 0

    def put(self, item: Item) -> None:
        """Leave an item, in the place of one that nobody has taken."""
        with self._changed:
            self.skipped += self._item is not None
            self._item = item
            self._changed.notify()

    def offer(self, item: Item) -> None:
        """Leave an item if the mailbox is empty."""
        with self._changed:
            if self._item is None:
                self._item = item
                self._changed.notify()

    def take(self, timeout: float | None = None) -> Item | None:
        """Waits for an item; None after the timeout, or once the mailbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed, timeout)
            item, self._item = self._item, None
            return None if self._closed else item

    def clear(self) -> None:
        """Discard the item, uncounted."""
        with self._changed:
            self._item = None

    def close(self) -> None:
        """Release all threads that wait."""
        with self._changed:
            self._closed = True
            self._item = None
            self._changed.notify_all()


__all__ = ["LatestSlot"]

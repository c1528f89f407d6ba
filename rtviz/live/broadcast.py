"""Sends what is shown to a live output, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rtviz.errors import OutputUnwritable
from rtviz.frame import Result
from rtviz.live.mailbox import LatestSlot
from rtviz.live.video_recorder import fitted

if TYPE_CHECKING:
    from rtviz.sinks.streams import Stream

_RETRY_SECONDS = 2.0


class Broadcast:
    """Sends the newest picture whenever the output is ready for one; a slow output gets fewer pictures.

    An output that fails is opened again, every two seconds, until it is closed: a server may be started later.

    Args:
        address: as `rtviz.sinks.streams.open_stream` takes it.
        fps: rate of the source, if known.
        note: called with one sentence when the output fails, or works again.

    Attributes:
        sent: how many pictures.
        failure: why the output does not work; empty while it does.

    Raises:
        OutputUnwritable: the address is none that can be streamed to.
    """

    def __init__(self, address: str, fps: float | None, note: Callable[[str], None]) -> None:
        from rtviz.sinks.streams import check_address

        check_address(address)
        self.address, self.sent, self.failure = address, 0, ""
        self._fps, self._note = fps, note
        self._newest: LatestSlot[tuple[Result, float]] = LatestSlot()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtviz-stream", daemon=True)
        self._thread.start()

    def put(self, result: Result, at: float) -> None:
        """Send a picture that was captured at this time. Returns at once."""
        self._newest.put((result, at))

    def stop(self) -> None:
        """End the stream; returns at once."""
        self._closed.set()
        self._newest.close()

    @property
    def threads(self) -> list[threading.Thread]:
        """The threads that `stop` ends."""
        return [self._thread]

    def _run(self) -> None:
        while (first := self._newest.take()) is not None:
            try:
                self._send(*first)
            except OutputUnwritable as error:
                if self.failure != (failure := str(error)):
                    self.failure = failure
                    self._note(f"{failure}; trying again")
                self._closed.wait(_RETRY_SECONDS)

    def _send(self, result: Result, at: float) -> None:
        """Open the output, and send pictures until it is closed.

        Raises:
            OutputUnwritable: it cannot be opened, or nobody takes pictures there any more.
        """
        from rtviz.sinks.streams import open_stream

        height, width = result.overlay.shape[:2]
        stream: Stream = open_stream(self.address, (height, width), self._fps)
        began = time.monotonic() - 1e-3
        try:
            item: tuple[Result, float] | None = (result, at)
            while item is not None:
                result, at = item
                stream.write(fitted(result.overlay, (height, width)), max(0.0, at - began))
                self.sent += 1
                if self.failure:
                    self.failure = ""
                    self._note(f"{self.address} is sent to again")
                item = self._newest.take()
        finally:
            stream.close()


__all__ = ["Broadcast"]

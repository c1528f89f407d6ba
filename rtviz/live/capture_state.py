"""The state that the threads of capture share, under one lock: whose frames are delivered, and to whom."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable

from rtviz.frame import Frame
from rtviz.live.connection import Connection, Left, Opening
from rtviz.live.frames import CapturedFrame
from rtviz.live.playhead import Playhead


class CaptureState:
    """What callers, supervisors and readers share. Whoever reads or writes a field holds `changed` and notifies it.

    Args:
        on_frame: called with each CapturedFrame, in the thread of its reader, without the lock.
        on_other: called when another source has taken over, before its first CapturedFrame, likewise.

    Attributes:
        connection: whose frames are delivered; `switch_to` alone writes it.
        attempt: which takes over with its first frame; written by callers, and by the reader when it takes over.
        playhead: how a recorded source is played.
        stream, number: of the newest frame; written by readers, like all below.
        stream_began_at: by `time.monotonic()`; long ago if the stream has nothing to do with what was shown before.
        pts_offset: when the first frame of a live source came: its clock goes on when it is opened again.
        arrivals: times at which frames came.
    """

    def __init__(self, on_frame: Callable[[CapturedFrame], None], on_other: Callable[[], None]) -> None:
        self._on_frame = on_frame
        self._on_other = on_other
        self.changed = threading.Condition()
        self.connection = Connection(None)
        self.attempt: Connection | None = None
        self.playhead = Playhead(self.changed)
        self.stream = 0
        self.stream_began_at = 0.0
        self.number = 0
        self.pts_offset: float | None = None
        self.arrivals: deque[float] = deque(maxlen=600)

    def switch_to(self, connection: Connection) -> None:
        """From here on the frames of this connection are delivered."""
        self.connection.leave()
        self.connection = connection
        self.playhead.reset()
        self.pts_offset = None
        self.arrivals.clear()

    def is_one_picture(self) -> bool:
        """Whether the source that is delivered holds a single frame."""
        opening = self.connection.opening
        return opening is not None and opening.info is not None and opening.info.frame_count == 1

    def begin_stream(self, related: bool = True) -> None:
        """The picture jumps.

        Args:
            related: the new stream has to do with what was shown before, as after a seek.
        """
        with self.changed:
            self.stream += 1
            self.stream_began_at = time.monotonic() if related else -math.inf

    def take_over(self, opening: Opening) -> None:
        """The first frame of an opening has come: the source that was shown before ends now.

        Raises:
            Left: the opening is over.
        """
        connection = opening.connection
        with self.changed:
            if opening.over:
                raise Left
            other = connection is not self.connection
            if other:
                self.attempt = None
                self.switch_to(connection)
            first = not connection.delivered
            connection.delivered = True
            self.begin_stream(related=not first)
        if other:
            self._on_other()

    def deliver(self, opening: Opening, frame: Frame, now: float | None = None) -> None:
        """Hand a frame on.

        Args:
            now: when it came, by `time.monotonic()`.

        Raises:
            Left: the opening is over, or another source has taken over.
        """
        now = now or time.monotonic()
        with self.changed:
            if opening.over or opening.connection is not self.connection:
                raise Left
            opening.frames += 1
            opening.first_at = opening.first_at or now
            opening.connection.failure = None
            self.arrivals.append(now)
            self.playhead.note_frame(frame.pts_seconds)
            self.number += 1
            is_page = opening.info is not None and opening.info.kind == "pages"
            captured = CapturedFrame(frame, now, self.stream, self.number, is_page)
        self._on_frame(captured)


__all__ = ["CaptureState"]

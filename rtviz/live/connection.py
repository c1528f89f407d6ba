"""A requested place: what is known of it and of its present opening."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtviz.errors import MissingDependency, RtvizError, SettingsError, SourceUnreadable
from rtviz.live.trouble import PictureWatch

if TYPE_CHECKING:
    from rtviz.sources import Source, SourceInfo

OpenSource = Callable[..., "Source"]  # (place, start=seconds)


@dataclass(frozen=True)
class SourceTimeouts:
    """How long a source is waited for.

    Attributes:
        stalled_seconds: without a picture for so long, the source counts as stalled.
        lost_seconds: without a picture for so long, it is left behind and opened anew.
        opening_seconds: the same for the first picture.
        frozen_seconds: the very same picture for so long counts as stalled too; a low rate for so long is mentioned.
        back_off_seconds: the pauses before opening anew; the last one is repeated.
    """

    stalled_seconds: float = 1.0
    lost_seconds: float = 5.0
    opening_seconds: float = 12.0
    frozen_seconds: float = 3.0
    back_off_seconds: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True, slots=True)
class Attempt:
    """Another place that is being opened while the present source goes on.

    Attributes:
        place: what was requested; None for the first camera that works.
        sentence: what is being opened, or why it cannot be.
        failed: whether it could not be opened so far.
        retries: whether it is tried again by itself.
        seconds: since it was requested.
    """

    place: str | None
    sentence: str
    failed: bool
    retries: bool
    seconds: float


class Left(Exception):
    """An opening is over: its reader closes the source and ends."""


class Connection:
    """One requested place; a supervisor keeps it open. The lock of `CaptureState` guards it.

    Attributes:
        place: what was requested; None for the first of several that works.
        opening: the present one.
        failure: why there is no picture, until there is one again.
        retry_at: when it is opened again by itself.
        given_up: it is not opened again by itself.
        delivered: it has had a picture.
        again: a caller wants it opened again at once.
        waits: its camera is closed for a moment, so that another one can be tried.
        over: nobody wants it any more.
    """

    def __init__(self, place: str | None) -> None:
        self.place = place
        self.asked_at = time.monotonic()
        self.opening: Opening | None = None
        self.failure: RtvizError | None = None
        self.retry_at: float | None = None
        self.given_up = False
        self.delivered = False
        self.again = False
        self.waits = False
        self.over = False

    def leave(self) -> None:
        """End it: nobody wants it any more."""
        self.over = True
        if self.opening is not None:
            self.opening.over = True

    def failing(self) -> str:
        """Why there is no picture, and when it is tried again; empty while there is no trouble."""
        opening, failure = self.opening, self.failure
        if failure is None or not (opening is None or opening.finished or opening.over or not opening.frames):
            return ""
        if self.given_up:
            return str(failure)
        # The reason stays readable until there is a picture again.
        wait = "now" if self.retry_at is None else f"in {max(1, round(self.retry_at - time.monotonic()))} s"
        return f"{failure}; trying again {wait}"


class Opening:
    """One opening of a source. Its reader's thread owns the source; where that hangs, it is left behind and ignored.

    Attributes:
        start: seconds into a recorded source at which to begin.
        info: of the source, once it is open.
        over: nobody wants it any more; whoever finds that out sets it.
        finished: its reader has ended.
        error: why it ended.
        frames: how many have come, shown or not.
        waiting_since: since when the reader has been inside the source, waiting for it to open or to give a frame.
        first_at: when the first delivered frame came.
        pictures: watches for frozen and black ones.
    """

    def __init__(self, connection: Connection, place: str, start: float) -> None:
        self.connection = connection
        self.place = place
        self.start = start
        self.info: SourceInfo | None = None
        self.over = False
        self.finished = False
        self.error: RtvizError | None = None
        self.frames = 0
        self.began_at = time.monotonic()
        self.waiting_since: float | None = self.began_at
        self.first_at: float | None = None
        self.pictures = PictureWatch()


def opens(connection: Connection) -> str:
    """What is being opened, in words."""
    opening = connection.opening
    place = opening.place if opening is not None else connection.place
    return f"opening {place}" if place is not None else "looking for a camera"


def is_hopeless(error: RtvizError, place: str, delivered: bool) -> bool:
    """Whether opening it again cannot help: devices and streams may answer later, a file that is missing or broken will
    not. One that went away while it was played may be on a disk that comes back."""
    if isinstance(error, (SettingsError, MissingDependency)):
        return True
    return not _may_mend(place) and (isinstance(error, SourceUnreadable) or not delivered)


def _may_mend(place: str) -> bool:
    """Whether it is a device or a stream, and no file (C:/clip.mp4 is one)."""
    return place.isdecimal() or (re.match(r"[a-z]{2,}:", place) is not None and not place.startswith("file:"))


def is_camera(place: str) -> bool:
    return place.isdecimal() or place.startswith("camera:")


def reason(error: BaseException) -> str:
    """What an exception of a driver or a library says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


__all__ = [
    "Attempt",
    "Connection",
    "Left",
    "OpenSource",
    "Opening",
    "SourceTimeouts",
    "is_camera",
    "is_hopeless",
    "opens",
    "reason",
]

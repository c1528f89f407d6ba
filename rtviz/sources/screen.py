"""The screen as a source: a monitor, or a region of the desktop."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from rtviz.cv import cv2
from rtviz.errors import MissingDependency, SettingsError, SourceLost, SourceMissing
from rtviz.frame import Pixels
from rtviz.sources import SourceInfo
from rtviz.sources.endless import EndlessSource

_ALLOWED = "screen: (the first monitor), screen:N (the N-th), or screen:X,Y,WIDTHxHEIGHT in pixels"


def open_screen(place: str, *, start: float = 0.0, end: float | None = None, every: int = 1) -> ScreenSource:
    """The source that a place means: `screen:`, `screen:2`, or `screen:X,Y,WIDTHxHEIGHT`."""
    return ScreenSource(place, start=start, end=end, every=every)


class ScreenSource(EndlessSource):
    """What a monitor shows, up to so many times a second, without end.

    Args:
        place: `screen:`, `screen:2`, or `screen:X,Y,WxH`.
        fps: pictures a second.
        start, end, every: the part to take.

    Raises:
        SettingsError: the place means nothing.
        SourceMissing: there is no screen, no such monitor, or nothing of the region lies on the desktop.
    """

    def __init__(
        self,
        place: str = "screen:",
        *,
        fps: float = 30.0,
        start: float = 0.0,
        end: float | None = None,
        every: int = 1,
    ) -> None:
        super().__init__(start, end, every)
        self._fps = fps
        try:
            import mss
        except ImportError:
            raise MissingDependency("mss", "watching the screen") from None
        self._failure = mss.ScreenShotError
        try:
            self._grabber: Any = (getattr(mss, "MSS", None) or mss.mss)()  # its name since mss 10, and before
            monitors = self._grabber.monitors
        except mss.ScreenShotError as error:
            raise SourceMissing(f"the screen cannot be watched: {error}") from None
        self._region = _region(place.removeprefix("screen:").strip(), monitors)
        self.info = SourceInfo(
            name=place if place != "screen:" else "the screen",
            kind="screen",
            size=(self._region["height"], self._region["width"]),
            fps=fps,
            duration_seconds=None,
            frame_count=None,
            live=True,
        )

    def pictures(self) -> Iterator[Pixels]:
        due = time.monotonic()
        while not self._closed.wait(max(0.0, due - time.monotonic())):
            due = max(due + 1 / self._fps, time.monotonic())
            try:
                shot = self._grabber.grab(self._region)
            except self._failure as error:
                raise SourceLost(f"the screen cannot be watched any more: {error}") from None
            bgra = np.frombuffer(shot.raw, np.uint8).reshape(shot.height, shot.width, 4)
            yield cv2.cvtColor(bgra, cv2.COLOR_BGRA2RGB)

    def release(self) -> None:
        self._grabber.close()


def _region(text: str, monitors: list[dict[str, Any]]) -> dict[str, int]:
    """The region in desktop pixels; `monitors` begins with the whole desktop."""
    desktop = monitors[0]
    if text == "" or text.isdecimal():
        number = int(text or 1)
        if not 1 <= number < len(monitors):
            raise SourceMissing(f"there is no monitor {number}; there are {len(monitors) - 1}")
        chosen = monitors[number]
        return {side: int(chosen[side]) for side in ("left", "top", "width", "height")}
    match = re.fullmatch(r"(-?\d+),(-?\d+),(\d+)x(\d+)", text)
    if match is None:
        raise SettingsError("screen", text, _ALLOWED)
    x, y, width, height = (int(part) for part in match.groups())
    left, top = max(x, desktop["left"]), max(y, desktop["top"])
    right = min(x + width, desktop["left"] + desktop["width"])
    bottom = min(y + height, desktop["top"] + desktop["height"])
    if right - left < 16 or bottom - top < 16:
        size = f"{desktop['width']}x{desktop['height']} from {desktop['left']},{desktop['top']}"
        raise SourceMissing(f"the region {text} is not on the desktop, which is {size}")
    return {"left": left, "top": top, "width": right - left, "height": bottom - top}

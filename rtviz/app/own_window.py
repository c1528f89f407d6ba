"""The window in its own picture of the screen: left out where the system can do that, else said, with a way out."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

from PyQt5.QtCore import QRect
from PyQt5.QtGui import QScreen
from PyQt5.QtWidgets import QApplication, QWidget

from rtviz.app.cards import Card
from rtviz.live.session import LiveStatus

_LEAST = 240  # pixels a side, of what is worth watching
_EXCLUDED = 0x11  # WDA_EXCLUDEFROMCAPTURE of Windows 10, version 2004, and later


class OwnWindow:
    """Knows whether the window shows itself.

    Args:
        open_place: opens another source.
    """

    def __init__(self, window: QWidget, open_place: Callable[[str], None]) -> None:
        self._window, self._open = window, open_place
        self._dismissed = self._place = ""
        self._excluded = False

    def actions(self) -> dict[str, Callable[[], None]]:
        return {"watch_rest": self._watch_rest, "dismiss_own_window": self._dismiss}

    def card(self, status: LiveStatus) -> Card | None:
        """What to say about the source that is watched; None where the window is not in its picture."""
        info, place = status.source_info, status.place or ""
        self._place = place
        watches = info is not None and info.kind == "screen" and status.source_state in ("live", "paused", "stalled")
        if watches != self._excluded and sys.platform == "win32":
            self._exclude(watches)
        if not watches or self._excluded or place == self._dismissed or not self._in_sight(place):
            return None
        rest = self._rest()
        way = "watch what lies beside it, or move it to another monitor" if rest else "make it smaller, or move it away"
        offers = (*((("Watch beside it", "watch_rest"),) if rest else ()), ("Leave it", "dismiss_own_window"))
        return Card(
            "own window", "warn", "this window", f"It is in the picture of the screen too: {way}.", None, offers
        )

    def _exclude(self, watches: bool) -> None:
        if sys.platform == "win32":
            import ctypes

            affinity = _EXCLUDED if watches else 0
            done = ctypes.windll.user32.SetWindowDisplayAffinity(int(self._window.winId()), affinity)
            self._excluded = watches and bool(done)

    def _dismiss(self) -> None:
        self._dismissed = self._place

    def _in_sight(self, place: str) -> bool:
        watched = watched_region(place, [in_pixels(screen, screen.geometry()) for screen in QApplication.screens()])
        return watched is not None and watched.intersects(self._own())

    def _own(self) -> QRect:
        screen = self._window.screen()
        frame = self._window.frameGeometry()
        return in_pixels(screen, frame) if screen is not None else frame

    def _rest(self) -> QRect | None:
        screen = self._window.screen()
        return beside(in_pixels(screen, screen.geometry()), self._own()) if screen is not None else None

    def _watch_rest(self) -> None:
        rest = self._rest()
        if rest is not None:
            self._open(f"screen:{rest.x()},{rest.y()},{rest.width()}x{rest.height()}")


def in_pixels(screen: QScreen, rect: QRect) -> QRect:
    """A part of the desktop in the pixels of its screen: Qt scales what lies on a screen, not where the screen lies."""
    ratio, origin = screen.devicePixelRatio(), screen.geometry().topLeft()
    left, top = rect.x() - origin.x(), rect.y() - origin.y()
    return QRect(
        origin.x() + round(left * ratio),
        origin.y() + round(top * ratio),
        round(rect.width() * ratio),
        round(rect.height() * ratio),
    )


def watched_region(place: str, screens: list[QRect]) -> QRect | None:
    """What of the desktop a place shows: `screen:`, `screen:2` or `screen:X,Y,WIDTHxHEIGHT`; None if that is unknown.

    Args:
        screens: in pixels.
    """
    text = place.removeprefix("screen:").strip()
    region = re.fullmatch(r"(-?\d+),(-?\d+),(\d+)x(\d+)", text)
    if region is not None:
        x, y, width, height = map(int, region.groups())
        return QRect(x, y, width, height)
    number = int(text or 1) if not text or text.isdecimal() else 0
    return screens[number - 1] if 1 <= number <= len(screens) else None


def beside(screen: QRect, window: QRect) -> QRect | None:
    """The largest part of a screen beside a window; None where all are too small to be worth watching."""
    window = window.intersected(screen)
    left, right = window.left() - screen.left(), screen.right() - window.right()
    above, below = window.top() - screen.top(), screen.bottom() - window.bottom()
    parts = [
        QRect(screen.left(), screen.top(), left, screen.height()),
        QRect(window.right() + 1, screen.top(), right, screen.height()),
        QRect(screen.left(), screen.top(), screen.width(), above),
        QRect(screen.left(), window.bottom() + 1, screen.width(), below),
    ]
    good = [part for part in parts if min(part.width(), part.height()) >= _LEAST]
    return max(good, key=lambda part: part.width() * part.height(), default=None)


__all__ = ["OwnWindow", "beside", "in_pixels", "watched_region"]

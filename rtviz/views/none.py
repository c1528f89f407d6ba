"""The view `none`: the frame as it is."""

from __future__ import annotations

from rtviz.frame import Frame, Maps, Pixels
from rtviz.settings import Settings
from rtviz.views.base import Memory


def draw(frame: Frame, maps: Maps | None, settings: Settings, memory: Memory | None) -> Pixels:
    """The frame's own pixels, read-only, in every layout."""
    return frame.pixels

"""The colours that rtviz draws with: names for them, one for each head, and the colormaps."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from rtviz.cv import cv2
from rtviz.frame import Pixels

Color = tuple[int, int, int]  # RGB
# Okabe and Ito's colours without black, which readers with any kind of colour vision can distinguish, and then more
# that differ from them in lightness: nobody could distinguish sixteen hues.
HEAD_COLORS: tuple[Color, ...] = (
    (240, 160, 10),  # orange
    (86, 180, 233),  # sky blue
    (0, 178, 128),  # green
    (245, 232, 75),  # yellow
    (36, 110, 230),  # blue
    (226, 88, 20),  # vermilion
    (222, 130, 190),  # pink
    (170, 225, 120),  # lime
    (140, 86, 200),  # violet
    (170, 240, 240),  # ice
    (176, 32, 72),  # wine
    (128, 128, 20),  # olive
    (255, 190, 170),  # salmon
    (0, 110, 120),  # petrol
    (200, 180, 255),  # lavender
    (165, 165, 165),  # grey
)
ACCENT: Color = (255, 196, 61)
GROUND: Color = (17, 18, 22)  # behind tiles
INK: Color = (244, 244, 240)
FAINT: Color = (150, 152, 158)


def head_color(head: int) -> Color:
    """The colour of a head wherever colours distinguish heads."""
    return HEAD_COLORS[head % len(HEAD_COLORS)]


@lru_cache(maxsize=16)
def colormap(name: str) -> Pixels:
    """The 256 colours of a colormap, uint8 [256, 3]."""
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    if name == "gray":
        return np.repeat(ramp, 3, axis=1)
    colors = cv2.applyColorMap(ramp, getattr(cv2, f"COLORMAP_{name.upper()}"))
    return np.ascontiguousarray(colors[:, 0, ::-1])

"""The scale of a figure's colours: which colour a value of a map has, and the bar that explains it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from rtviz.drawing import resample
from rtviz.errors import SettingsError
from rtviz.figures.layout import LINE, SMALL, Page, text_length, wrapped
from rtviz.figures.place import Place
from rtviz.frame import Floats, Frame
from rtviz.settings import Settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Scale = Literal["common", "each"]
SCALES: tuple[Scale, ...] = get_args(Scale)
# The ends that the common scale may have, in multiples of a map's mean. The first that clips next to nothing of most
# maps is taken, so that a single map with a spike does not darken all others; the lowest is high enough that the maps
# of an untrained network (up to 2 or 3) do not look like findings.
_TOPS, _NEARLY_ALL, _MOST_MAPS = (8, 12, 16, 24, 32), 0.995, 0.9
_MARKS = (0, 1, 2, 4, 8, 16, 32)
_DOTS = 300  # an inch: the resolution of maps, if the patches are large enough


def in_means(values: Floats) -> Floats:
    """Maps [..., rows, columns] in multiples of the mean of each: an even map is 1 everywhere."""
    means = values.mean(axis=(-2, -1), keepdims=True, dtype=np.float64)
    return np.asarray(values / np.maximum(means, 1e-12), np.float32)


@dataclass(frozen=True)
class Colors:
    """How the maps of a figure become colours.

    Attributes:
        top: where the common scale ends, in multiples of a map's mean; None if each map has its own range.
        clipped: whether a map goes beyond that.
    """

    settings: Settings
    top: float | None
    clipped: bool = False

    @property
    def _gamma(self) -> float:
        # Attention spans orders of magnitude: the root shows a head that spreads over the ground beside one that sits
        # on a spot, and leaves an even map what it is, one colour.
        return self.settings.gamma * (0.5 if self.top is not None else 1.0)

    def values(self, values: Floats) -> Floats:
        """A map [rows, columns] as 0 to 1, the colormap's ends."""
        if self.top is not None:
            spread = np.clip(in_means(values) / self.top, 0, 1)
        else:
            low, high = float(values.min()), float(values.max())
            # Differences that are only rounding noise of a softmax stay dark.
            spread = (values - low) / max(high - low, 1e-4 * abs(high), 1e-12)
        return np.asarray(spread**self._gamma, np.float32)

    def drawer(self, values: Floats, frame: Frame, size: tuple[float, float]) -> Callable[[Place], None]:
        """Returns a function that draws a map on a tile of this (height, width), in inches."""

        def draw(place: Place) -> None:
            drawn = self._pixels(self.values(values), frame, size)
            place.picture(drawn, cmap=self.settings.colormap, interpolation="nearest")

        return draw

    def _pixels(self, values: Floats, frame: Frame, size: tuple[float, float]) -> Any:
        """A map enlarged so that every patch's own value is drawn in the middle of the patch, and none is exceeded.

        Matplotlib's own interpolations round peaks off. For the middle of a patch to be that of a pixel, the pixels
        along its side are an odd number.
        """
        how = self.settings.upsampling
        if how == "nearest":
            return resample.to_bytes(values)
        if how == "guided":
            return resample.upsample(values, (round(size[0] * _DOTS), round(size[1] * _DOTS)), how, frame.pixels)
        rows, columns = values.shape
        room = min(size[0] * _DOTS / rows, size[1] * _DOTS / columns)
        side = _odd(min(room, max(3, 128 / min(rows, columns))))
        again = _odd(room / side)
        fine = resample.to_bytes(resample.refine(values, (rows * side, columns * side), how))
        return resample.enlarge(fine[None], (rows * side * again, columns * side * again), how)[0]

    def bar(self, page: Page, left: float, room: float) -> None:
        """Places the colour bar with its marks and what they count, if the page has one."""
        if self.top is None:
            marks, words = {0.0: "least", 1.0: "most"}, "in each map, which has its own range"
        else:
            marks = {(mark / self.top) ** self._gamma: f"{mark}" for mark in _MARKS if mark < 0.8 * self.top}
            marks[1.0] = f"{'≥ ' if self.clipped else ''}{self.top:g}"
            words = "times the mean of the map (1: attention spread evenly)"
        _bar(page, left, room, self.settings.colormap, marks, words)


@dataclass(frozen=True)
class Ramp(Colors):
    """A linear scale with a unit, for one map.

    Attributes:
        low, high: the values at the colormap's ends; what lies beyond has the colour of the end.
        words: what the values are.
    """

    top: float | None = None
    low: float = 0.0
    high: float = 1.0
    words: str = ""

    def values(self, values: Floats) -> Floats:
        """A map [rows, columns] as 0 to 1, the colormap's ends."""
        spread = np.clip((values - self.low) / max(self.high - self.low, 1e-12), 0, 1)
        return np.asarray(spread**self._gamma, np.float32)

    def bar(self, page: Page, left: float, room: float) -> None:
        """Places the colour bar with round values, if the page has one."""
        from matplotlib.ticker import MaxNLocator

        ticks = [tick for tick in MaxNLocator(4).tick_values(self.low, self.high) if self.low <= tick <= self.high]
        reach = max(self.high - self.low, 1e-12)
        marks = {
            ((tick - self.low) / reach) ** self._gamma: f"{tick:.4g}".replace("-", "\N{MINUS SIGN}") for tick in ticks
        }
        _bar(page, left, room, self.settings.colormap, marks, self.words)


def _bar(page: Page, left: float, room: float, colormap: str, marks: dict[float, str], words: str) -> None:
    """Places a colour bar, if the page has one.

    Args:
        marks: at which of its places, 0 to 1, which value stands.
        words: what the values are.
    """
    if not page.bar:
        return
    length, high = min(1.5, room), 0.07

    def draw(axes: Axes) -> None:
        axes.imshow(np.linspace(0, 1, 256)[None], cmap=colormap, aspect="auto", extent=(0, 1, 0, 1))
        axes.set(yticks=[], xticks=list(marks), xticklabels=list(marks.values()))

    inset = max(map(text_length, marks.values())) / 2  # the outermost words stand out by half
    page.axes(left + inset, (high, length - 2 * inset), draw)
    beside = left + length + 0.04 + inset
    if page.labels and room - (beside - left) >= 1.0:
        lines = wrapped(words, room - (beside - left))
        top = page.y + high / 2 - 0.5 * LINE[SMALL] * len(lines)
        for number, line in enumerate(lines):
            page.text(line, beside, top=max(top, page.y - 0.03) + number * LINE[SMALL])
        page.down(max(high + 0.03 + LINE[SMALL], len(lines) * LINE[SMALL]))
    else:
        page.down(high + 0.03 + LINE[SMALL])
        page.paragraph(words, left, room)


def _odd(most: float) -> int:
    """The largest odd number not above `most`, at least 1."""
    return max(1, (math.floor(most) - 1) // 2 * 2 + 1)


def colors_of(maps: Iterable[Floats], settings: Settings, scale: Scale) -> Colors:
    """The scale for all maps of a figure.

    Raises:
        SettingsError: there is no such scale.
    """
    if scale not in SCALES:
        raise SettingsError("scale", scale, SCALES)
    if scale == "each":
        return Colors(settings, None)
    worth = [in_means(values) for values in maps]
    wanted = float(np.quantile([np.quantile(values, _NEARLY_ALL) for values in worth], _MOST_MAPS))
    top = next((top for top in _TOPS if top >= wanted), _TOPS[-1])
    return Colors(settings, top, clipped=any(float(values.max()) > top for values in worth))

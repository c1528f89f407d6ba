"""A page in inches: places pictures and lines of text from top to bottom, then makes the figure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rtviz.drawing import palette
from rtviz.errors import SettingsError
from rtviz.figures.place import Place
from rtviz.figures.style import STYLE, figure_class
from rtviz.frame import Frame, Pixels
from rtviz.settings import Point, Query

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches; letters in points. No text is smaller than `SMALL`.
SMALL, NAME = 6, 7
LINE = {SMALL: 0.105, NAME: 0.14}
EDGE, GAP = 0.02, 0.04
_LEAST_TILE = 0.62  # a tile with a title is not made narrower: its row is broken
TALLEST = 2.4
_WIDTHS = (2.0, 100.0)
_HIGHEST = 200.0
_FAINT = "0.4"


def check_width(width: float) -> float:
    """The width of a figure, in inches.

    Raises:
        SettingsError: no figure can be so wide.
    """
    low, high = _WIDTHS
    if not low <= width <= high:
        raise SettingsError("width", width, f"inches from {low:g} to {high:g}; a journal's column is about 3.3")
    return width


@lru_cache(maxsize=1024)
def text_length(text: str, size: int = SMALL, bold: bool = False) -> float:
    """The length of a text in inches: as an outline or on a screen, where hinting widens letters to whole pixels,
    whichever is longer."""
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    face, dpi = FontProperties(size=size, weight="bold" if bold else "normal"), STYLE["figure.dpi"]
    outline = text_to_path.get_text_width_height_descent(text, face, ismath=False)[0] / 72
    renderer: Any = RendererAgg(1, 1, dpi)  # type: ignore[no-untyped-call]
    hinted = renderer.get_text_width_height_descent(text, face, ismath=False)[0] / dpi
    return max(float(outline) * 1.05, float(hinted) * 1.02)


def wrapped(text: str, room: float, size: int = SMALL, bold: bool = False) -> list[str]:
    """Splits a text into lines that fit; a word that is too long is broken."""
    lines = [""]
    for word in text.split():
        line = f"{lines[-1]} {word}".strip()
        if text_length(line, size, bold) <= room:
            lines[-1] = line
            continue
        lines += [""] if lines[-1] else []
        for letter in word:
            if lines[-1] and text_length(lines[-1] + letter, size, bold) > room:
                lines.append("")
            lines[-1] += letter
    return lines


@dataclass(frozen=True)
class Tile:
    """A picture under a title: the first of its titles that fits, or the last."""

    titles: tuple[str, ...]
    draw: Callable[[Place], None]
    color: palette.Color | None = None  # of a frame round it


class Page:
    """A page of a given width that grows downwards with everything placed on it; all in inches.

    Args:
        labels: False leaves out all words and the room for them, but for the numbers at the colour bar.
        bar: False leaves out the colour bar.
    """

    def __init__(self, width: float, labels: bool = True, bar: bool = True) -> None:
        self.width = check_width(width)
        self.labels, self.bar = labels, bar
        self.y = EDGE
        self._draws: list[Callable[[Figure, float], None]] = []

    def down(self, inches: float) -> None:
        """Move the place for the next item down."""
        self.y += inches

    def line(self, size: int = SMALL) -> float:
        """The height of a line of text; none without labels."""
        return LINE[size] if self.labels else 0.0

    def text(
        self,
        text: str,
        left: float,
        *,
        align: str = "left",
        top: float | None = None,
        middle: float | None = None,
        upright: bool = False,
        size: int = SMALL,
        bold: bool = False,
        color: str = _FAINT,
    ) -> None:
        """Places a line of text.

        Args:
            left: of its left end, its middle or its right end, as `align` says.
            top: of the line; the page's current place if not given.
            middle: a height in whose middle the text is placed.
            upright: whether it runs upwards, in the middle of `middle`.
        """
        if not self.labels:
            return
        top = self.y if top is None else top
        how: dict[str, Any] = {"ha": align, "fontsize": size, "color": color, "parse_math": False}
        how["fontweight"] = "bold" if bold else "normal"

        def draw(figure: Figure, height: float) -> None:
            if middle is None:  # on the base line, so that all texts of a line are level
                y, how["va"] = top + 0.78 * LINE[size], "baseline"
            else:
                y, how["va"] = top + middle / 2, "center" if upright else "center_baseline"
            figure.text(left / self.width, 1 - y / height, text, rotation=90 if upright else 0, **how)

        self._draws.append(draw)

    def heading(self, name: str, remark: str, left: float = EDGE) -> None:
        """Writes a name, and a remark behind it, or below it if the line is too short."""
        if not self.labels:
            return
        room = self.width - EDGE - left
        for line in wrapped(name, room, NAME, bold=True):
            self.text(line, left, size=NAME, bold=True, color="black")
            self.down(LINE[NAME])
        begin = text_length(name, NAME, bold=True) + 0.08
        if begin + text_length(remark) <= room:
            self.text(remark, left + begin, top=self.y - LINE[NAME] + 0.78 * (LINE[NAME] - LINE[SMALL]))
        else:
            self.paragraph(remark, left, room)

    def paragraph(self, text: str, left: float, room: float) -> None:
        """Places a text in as many lines as it needs."""
        for line in wrapped(text, room):
            self.text(line, left)
            self.down(self.line())

    def tile(
        self,
        left: float,
        size: tuple[float, float],
        draw: Callable[[Place], None],
        color: palette.Color | None = None,
    ) -> None:
        """Places a picture of this (height, width), with a frame of a colour if one is given."""
        top = self.y

        def on(figure: Figure, height: float) -> None:
            place = Place(figure, self._box(left, top, size, height))
            if color is not None:
                place.frame(color)
            draw(place)

        self._draws.append(on)

    def axes(self, left: float, size: tuple[float, float], draw: Callable[[Axes], None]) -> None:
        """Places axes without a frame, of this (height, width)."""
        top = self.y

        def on(figure: Figure, height: float) -> None:
            axes = figure.add_axes(self._box(left, top, size, height))
            for spine in axes.spines.values():
                spine.set_visible(False)
            draw(axes)

        self._draws.append(on)

    def _box(
        self, left: float, top: float, size: tuple[float, float], height: float
    ) -> tuple[float, float, float, float]:
        """Left, bottom, width and height of an item, of those of a figure of this height."""
        return left / self.width, 1 - (top + size[0]) / height, size[1] / self.width, size[0] / height

    def figure(self) -> Figure:
        """Makes the Matplotlib figure.

        Raises:
            SettingsError: it would be too high to print.
        """
        height = self.y + EDGE
        if height > _HIGHEST:
            raise SettingsError("width", self.width, f"less: the figure would be {height:.0f} inches high")
        figure: Figure = figure_class()((self.width, height))
        for draw in self._draws:
            draw(figure, height)
        return figure


def fitting_tiles(count: int, page: Page, frame: Frame, first: int = 0) -> tuple[int, tuple[float, float]]:
    """The number of columns for so many pictures of the frame's shape, and the (height, width) of each.

    Args:
        first: how many pictures keep a column for themselves, while the others are broken into rows.
    """
    aspect = frame.size[0] / frame.size[1]
    room = page.width - 2 * EDGE + GAP
    most = max(1 + first, min(count, int(room / (_LEAST_TILE + GAP))))
    rows = math.ceil((count - first) / (most - first))
    across = first + math.ceil((count - first) / rows)  # as even as it goes
    wide = min(room / across - GAP, TALLEST / aspect)
    return across, (wide * aspect, wide)


def rows_of_tiles(page: Page, tiles: Sequence[Tile | None], across: int, size: tuple[float, float]) -> None:
    """Places pictures side by side in rows, each under its title; None leaves a place empty."""
    for start in range(0, len(tiles), across):
        for number, tile in enumerate(tiles[start : start + across]):
            if tile is None:
                continue
            left = EDGE + number * (size[1] + GAP)
            title = next((title for title in tile.titles if text_length(title) <= size[1] + GAP / 2), tile.titles[-1])
            page.text(title, left + size[1] / 2, align="center", color="black")
            page.y, top = page.y + page.line(), page.y
            page.tile(left, size, tile.draw, tile.color)
            page.y = top
        page.down(page.line() + size[0] + GAP)


def picture(pixels: Pixels, query: Query = "cls") -> Callable[[Place], None]:
    """Returns a function that draws a picture with the query marked in it."""

    def draw(place: Place) -> None:
        place.picture(pixels)
        if isinstance(query, Point):
            for color, broad in (("black", 2.0), ("white", 0.9)):
                spot = query.x * pixels.shape[1] - 0.5, query.y * pixels.shape[0] - 0.5
                place.mark(*spot, marker="+", markersize=6 + broad, markeredgewidth=broad, color=color)

    return draw

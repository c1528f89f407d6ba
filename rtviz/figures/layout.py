"""A page in inches: places pictures and lines of text from top to bottom, then makes the figure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from rtviz.drawing import palette
from rtviz.errors import SettingsError
from rtviz.figures.style import STYLE, figure_class
from rtviz.frame import Frame, Pixels
from rtviz.settings import Query

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches, and points where letters are meant. Nothing is ever smaller than `SMALL`.
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
    """How long a text is, in inches: as an outline, or on a screen, where hinting makes letters as broad as whole
    pixels; whichever is longer."""
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    face, dpi = FontProperties(size=size, weight="bold" if bold else "normal"), STYLE["figure.dpi"]
    outline = text_to_path.get_text_width_height_descent(text, face, ismath=False)[0] / 72
    renderer: Any = RendererAgg(1, 1, dpi)  # type: ignore[no-untyped-call]
    hinted = renderer.get_text_width_height_descent(text, face, ismath=False)[0] / dpi
    return max(float(outline) * 1.05, float(hinted) * 1.02)


def wrapped(text: str, room: float, size: int = SMALL, bold: bool = False) -> list[str]:
    """A text in lines no longer than the room; a word that is too long is broken."""
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
    """A picture with a title: the first of its titles that there is room for; the last, if for none."""

    titles: tuple[str, ...]
    draw: Callable[[Axes], None]
    color: palette.Color | None = None  # of a frame round it


class Page:
    """A figure as wide as it is told and as high as what is put on it, from above down; all in inches."""

    def __init__(self, width: float) -> None:
        self.width = check_width(width)
        self.y = EDGE
        self._draws: list[Callable[[Figure, float], None]] = []

    def down(self, inches: float) -> None:
        """Go on further below."""
        self.y += inches

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
        """A line of text.

        Args:
            left: or where its middle or right is, as `align` says.
            top: where it begins, if not here.
            middle: it stands in the middle of so much height.
            upright: it runs upwards, in the middle of `middle`.
        """
        top = self.y if top is None else top
        how: dict[str, Any] = {"ha": align, "fontsize": size, "color": color, "parse_math": False}
        how["fontweight"] = "bold" if bold else "normal"

        def draw(figure: Figure, height: float) -> None:
            if middle is None:  # on the line's foot, so that all that stands in a line stands alike
                y, how["va"] = top + 0.78 * LINE[size], "baseline"
            else:
                y, how["va"] = top + middle / 2, "center" if upright else "center_baseline"
            figure.text(left / self.width, 1 - y / height, text, rotation=90 if upright else 0, **how)

        self._draws.append(draw)

    def heading(self, name: str, said: str, left: float = EDGE) -> None:
        """A name, and what is said of it behind it or, where there is no room for all, below it."""
        room = self.width - EDGE - left
        for line in wrapped(name, room, NAME, bold=True):
            self.text(line, left, size=NAME, bold=True, color="black")
            self.down(LINE[NAME])
        begin = text_length(name, NAME, bold=True) + 0.08
        if begin + text_length(said) <= room:
            self.text(said, left + begin, top=self.y - LINE[NAME] + 0.78 * (LINE[NAME] - LINE[SMALL]))
        else:
            self.paragraph(said, left, room)

    def paragraph(self, text: str, left: float, room: float) -> None:
        """A text in as many lines as it needs."""
        for line in wrapped(text, room):
            self.text(line, left)
            self.down(LINE[SMALL])

    def tile(
        self,
        left: float,
        size: tuple[float, float],
        draw: Callable[[Axes], None],
        color: palette.Color | None = None,
    ) -> None:
        """A picture of that (height, width), here."""
        top = self.y

        def on(figure: Figure, height: float) -> None:
            box = left / self.width, 1 - (top + size[0]) / height, size[1] / self.width, size[0] / height
            place = figure.add_axes(box, xticks=[], yticks=[])
            for spine in place.spines.values():
                spine.set_visible(color is not None)
                spine.set(edgecolor=np.asarray(color or (0, 0, 0)) / 255, linewidth=1.2)
            draw(place)

        self._draws.append(on)

    def figure(self) -> Figure:
        """All that was put on it.

        Raises:
            SettingsError: it would be higher than paper is.
        """
        height = self.y + EDGE
        if height > _HIGHEST:
            raise SettingsError("width", self.width, f"less: the figure would be {height:.0f} inches high")
        figure: Figure = figure_class()((self.width, height))
        for draw in self._draws:
            draw(figure, height)
        return figure


def fitting_tiles(count: int, page: Page, frame: Frame, first: int = 0) -> tuple[int, tuple[float, float]]:
    """In how many columns so many pictures of the frame's shape stand, and their (height, width).

    Args:
        first: so many of them stand in columns of their own; the others are broken into rows.
    """
    aspect = frame.size[0] / frame.size[1]
    room = page.width - 2 * EDGE + GAP
    most = max(1 + first, min(count, int(room / (_LEAST_TILE + GAP))))
    rows = math.ceil((count - first) / (most - first))
    across = first + math.ceil((count - first) / rows)  # as even as it goes
    wide = min(room / across - GAP, TALLEST / aspect)
    return across, (wide * aspect, wide)


def rows_of_tiles(page: Page, tiles: Sequence[Tile | None], across: int, size: tuple[float, float]) -> None:
    """Pictures side by side in rows, each under its title; where there is none, its place stays empty."""
    for start in range(0, len(tiles), across):
        for number, tile in enumerate(tiles[start : start + across]):
            if tile is None:
                continue
            left = EDGE + number * (size[1] + GAP)
            title = next((title for title in tile.titles if text_length(title) <= size[1] + GAP / 2), tile.titles[-1])
            page.text(title, left + size[1] / 2, align="center", color="black")
            page.y, top = page.y + LINE[SMALL], page.y
            page.tile(left, size, tile.draw, tile.color)
            page.y = top
        page.down(LINE[SMALL] + size[0] + GAP)


def picture(pixels: Pixels, query: Query = "cls") -> Callable[[Axes], None]:
    """What draws a picture, with the query's place marked in it."""

    def draw(place: Axes) -> None:
        place.imshow(pixels, aspect="auto")
        if query != "cls":
            for color, broad in (("black", 2.0), ("white", 0.9)):
                spot = query.x * pixels.shape[1] - 0.5, query.y * pixels.shape[0] - 0.5
                place.plot(*spot, marker="+", markersize=6 + broad, markeredgewidth=broad, color=color)

    return draw

"""Where a tile of a figure is drawn: a rectangle of the page that holds a picture and what is marked in it.

Matplotlib's axes would do, but each takes 10 ms to make, with ticks that no tile has: more than a second for the layers
and heads of a ViT-B.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rtviz.drawing import palette
from rtviz.frame import Pixels

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

_FRAME = 2.5  # the z-order of a tile's frame: above pictures and lines, below words


class Place:
    """A rectangle of a figure. Marks are placed in pixels of its picture, whose first pixel's middle is (0, 0), or in
    patches.

    Args:
        figure: which shows it.
        box: left, bottom, width and height, of the figure's.
    """

    def __init__(self, figure: Figure, box: tuple[float, float, float, float]) -> None:
        self._figure, self._box = figure, box
        self._shape = (1, 1)  # of the picture: rows, columns

    def picture(self, values: Pixels, *, whole: bool = False, **how: Any) -> None:
        """Draws a picture over the whole rectangle.

        Args:
            values: uint8, [rows, columns, 3], or [rows, columns] in the colours of a colormap.
            whole: keep the shape of its pixels square, in the middle of the rectangle.
            how: options of Matplotlib's BboxImage.
        """
        from matplotlib.colors import Normalize
        from matplotlib.image import BboxImage
        from matplotlib.transforms import Bbox, TransformedBbox

        self._shape = rows, columns = values.shape[:2]
        if whole:
            left, bottom, width, height = self._box
            across, up = self._figure.get_size_inches()
            side = min(width * across / columns, height * up / rows)  # of a pixel, in inches
            wide, high = side * columns / across, side * rows / up
            self._box = left + (width - wide) / 2, bottom + (height - high) / 2, wide, high
        bounds = TransformedBbox(Bbox.from_bounds(*self._box), self._figure.transFigure)
        image = BboxImage(bounds, norm=Normalize(0, 255), **how)
        image.set_data(values)
        self._figure.suppressComposite = True  # a vector file holds each picture as its own, as large as it need be
        self._add(image)

    def frame(self, color: palette.Color) -> None:
        """Draws a frame round the rectangle."""
        from matplotlib.patches import Rectangle

        left, bottom, width, height = self._box
        frame = Rectangle((left, bottom), width, height, fill=False, edgecolor=np.asarray(color) / 255, linewidth=1.2)
        frame.set(transform=self._figure.transFigure, zorder=_FRAME)
        self._add(frame)

    def mark(self, x: float, y: float, **how: Any) -> None:
        """Draws a marker in the middle of a pixel.

        Args:
            how: options of Matplotlib's Line2D.
        """
        from matplotlib.lines import Line2D

        self._add(Line2D([x], [y], transform=self._pixels(), **how), clipped=True)

    def box(self, left: float, top: float, width: float, height: float, **how: Any) -> None:
        """Draws a rectangle.

        Args:
            left, top, width, height: in pixels; those of the first pixel are -0.5, -0.5, 1 and 1.
            how: options of Matplotlib's Rectangle.
        """
        from matplotlib.patches import Rectangle

        self._add(Rectangle((left, top), width, height, fill=False, transform=self._pixels(), **how), clipped=True)

    def words(self, text: str, x: float, y: float, up: float, **how: Any) -> None:
        """Writes above a pixel.

        Args:
            up: points between the middle of the pixel and the words.
            how: options of Matplotlib's Annotation.
        """
        from matplotlib.text import Annotation

        self._add(Annotation(text, (x, y), (0, up), xycoords=self._pixels(), textcoords="offset points", **how))

    def in_grid(self, grid: tuple[int, int], row: float, column: float) -> tuple[float, float]:
        """The pixels x, y of a place in a grid of patches that covers the picture."""
        rows, columns = self._shape
        return column / grid[1] * columns - 0.5, row / grid[0] * rows - 0.5

    def _pixels(self) -> Any:
        """From the picture's pixels to the screen."""
        from matplotlib.transforms import Affine2D

        left, bottom, width, height = self._box
        rows, columns = self._shape
        turned = Affine2D().translate(0.5, 0.5).scale(width / columns, -height / rows).translate(left, bottom + height)
        return turned + self._figure.transFigure

    def _add(self, artist: Artist, *, clipped: bool = False) -> None:
        from matplotlib.transforms import Bbox, TransformedBbox

        self._figure.add_artist(artist)
        if clipped:
            artist.set_clip_box(TransformedBbox(Bbox.from_bounds(*self._box), self._figure.transFigure))


__all__ = ["Place"]

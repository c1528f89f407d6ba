"""Sizes and boxes: where things lie on a picture."""

from __future__ import annotations

from typing import NamedTuple

Size = tuple[int, int]  # (height, width)


class Box(NamedTuple):
    """A rectangle on a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    @property
    def size(self) -> Size:
        return self.height, self.width


def gutter(size: Size) -> int:
    """Pixels between tiles on a picture of that size."""
    return max(2, round(min(size) / 180))


def tile_boxes(area: Box, rows: int, columns: int, gap: int, aspect: float) -> list[Box]:
    """Boxes of one size for rows x columns tiles, row by row, as large as they fit, in the middle of an area.

    What is left over widens the gaps, at most to their double; the rest lies around the tiles.

    Args:
        area: where they lie.
        gap: pixels between tiles, at least.
        aspect: width / height of a tile.
    """
    height = (area.height - gap * (rows - 1)) / rows
    width = (area.width - gap * (columns - 1)) / columns
    tile = (max(1, int(min(height, width / aspect) + 1e-6)), max(1, int(min(width, height * aspect) + 1e-6)))

    def starts(begin: int, room: int, length: int, count: int) -> list[int]:
        step = length + min((room - count * length) // max(1, count - 1), 2 * gap)
        first = begin + (room - step * (count - 1) - length) // 2
        return [first + step * place for place in range(count)]

    return [
        Box(top, left, *tile)
        for top in starts(area.top, area.height, tile[0], rows)
        for left in starts(area.left, area.width, tile[1], columns)
    ]

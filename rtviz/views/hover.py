"""What a picture of a view shows under a point."""

from __future__ import annotations

from dataclasses import dataclass

from rtviz import views
from rtviz.frame import Result
from rtviz.settings import Point
from rtviz.views.requirements import fit


@dataclass(frozen=True)
class Hover:
    """The attention of one patch.

    Attributes:
        row, column: of the patch, on the grid [rows, columns].
        value: its attention, of the head that is shown (the mean, where all are).
        share: its attention as a share of that of all patches, 0 to 1.
        times_uniform: its attention as a multiple of a uniform map's.
    """

    row: int
    column: int
    rows: int
    columns: int
    value: float
    share: float
    times_uniform: float


def hover(result: Result, x: float, y: float) -> Hover | None:
    """The attention of the patch under a point; None where the picture shows none.

    Args:
        x, y: the point, in fractions of the frame's width and height.
    """
    maps = result.maps
    if (
        maps is None
        or not maps.has_attention
        or not views.find(result.settings.view).hover
        or not (0 <= x <= 1 and 0 <= y <= 1)
    ):
        return None
    from rtviz.views.overlap import best_heads  # it draws, and the window opens before what draws is loaded

    settings = fit(result.settings, maps)
    heads = maps.attention[settings.layer]
    measured = best_heads(result.frame, maps, settings) if views.find(settings.view).best_heads else ()
    if measured:
        shown = heads[list(measured)].max(axis=0)
    elif isinstance(settings.head, int):
        shown = heads[settings.head]
    else:
        shown = heads.max(axis=0) if settings.head == "max" else heads.mean(axis=0)
    rows, columns = maps.grid
    row, column = maps.grid.patch_at(Point(x, y))
    value = float(shown[row, column])
    total = float(shown.sum()) or 1.0
    return Hover(row, column, rows, columns, value, value / total, value / total * rows * columns)


__all__ = ["Hover", "hover"]

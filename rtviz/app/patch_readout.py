"""The patches on the canvas: the grid of a picture that is enlarged, and the one under the pointer with its value."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from PyQt5.QtCore import QLineF, QRectF, Qt
from PyQt5.QtGui import QColor, QFont, QPainter, QPen

from rtviz import views
from rtviz.app import pills
from rtviz.app.pointing import Spot, result_at
from rtviz.app.viewport import Viewport
from rtviz.frame import Grid, Result
from rtviz.views.hover import Hover, hover

CRISP_PATCH = 96.0  # pixels of the canvas: a larger patch is drawn in one colour, with its border
CRISP_PIXEL = 4.0  # a pixel of the picture that is larger on the screen is a square


def hovered(result: Result, spot: Spot) -> Hover | None:
    """The patch under a spot, with its attention in the tile that was hit; None where the picture shows none."""
    one = result_at(result, spot)
    if spot.head is not None and one.maps is not None:
        head = spot.head if isinstance(spot.head, int) or spot.head in ("mean", "max", "all") else "mean"
        layer = one.settings.layer if spot.layer is None else spot.layer
        one = dataclasses.replace(one, settings=one.settings.replace(head=head, layer=layer))
    return hover(one, spot.x, spot.y)


def words(result: Result, spot: Spot, found: Hover) -> str:
    """The place of a patch, and its attention where the picture shows that."""
    text = f"row {found.row}  column {found.column}"
    if views.find(result_at(result, spot).settings.view).hover == "attention":  # others show something else
        text += f"   {100 * found.share:.2f} %   {found.times_uniform:.1f} × uniform"
    if spot.head is not None:
        text = f"layer {spot.layer}  {f'head {spot.head}' if isinstance(spot.head, int) else spot.head}   {text}"
    return text


def paint_outline(painter: QPainter, result: Result, spot: Spot, found: Hover, viewport: Viewport) -> QRectF:
    """Outline a patch in black and white; returns where it lies."""
    left, top, width, height = spot.box
    cell = viewport.on_canvas(
        (
            left + width * found.column / found.columns,
            top + height * found.row / found.rows,
            width / found.columns,
            height / found.rows,
        )
    )
    maps = result_at(result, spot).maps
    query = None if maps is None else maps.query_place
    place = None if query is None else Grid(found.rows, found.columns).patch_at(query)
    if place != (found.row, found.column):  # else the view has put its own sign there
        painter.setBrush(Qt.NoBrush)
        painter.setRenderHint(QPainter.Antialiasing, False)  # its lines are one with the pixels
        for pen in (QPen(QColor(0, 0, 0, 200), 3), QPen(QColor(255, 255, 255), 1)):
            painter.setPen(pen)
            painter.drawRect(cell)
        painter.setRenderHint(QPainter.Antialiasing)
    return cell


def paint_words(
    painter: QPainter, font: QFont, text: str, cell: QRectF, window: QRectF, taken: Sequence[QRectF] = ()
) -> None:
    """Write a text beside a patch, inside a window, so that it covers neither the patch nor a title above.

    Args:
        taken: what it is not to cover either, where there is room elsewhere.
    """
    size = pills.extent(font, text)

    def inside(y: float) -> float:
        return min(max(y, window.top() + 6), window.bottom() - 6 - size.height())

    y = inside(cell.top() - size.height() * 0.25)
    for x in (cell.right() + 10, cell.left() - 10 - size.width()):
        box = QRectF(x, y, size.width(), size.height())
        if box.left() >= window.left() + 6 and box.right() <= window.right() - 6 and not _meets(box, taken):
            break
    else:  # beside neither side: above or below
        x = min(max(window.left() + 6, cell.left()), max(window.left() + 6, window.right() - 6 - size.width()))
        y = cell.top() - 8 - size.height() if cell.top() - 14 - size.height() > window.top() else cell.bottom() + 8
    pills.pill(painter, font, text, x, inside(y))


def _meets(box: QRectF, taken: Sequence[QRectF]) -> bool:
    return any(box.intersects(one) for one in taken)


def patch_side(result: Result, viewport: Viewport) -> float:
    """How large a patch is on the canvas, in pixels; 0 where the picture is not one of patches."""
    found = _grids(result, viewport)
    if not found:
        return 0.0
    box, grid = found[0]
    return min(viewport.on_canvas(box).width() / grid.columns, viewport.on_canvas(box).height() / grid.rows)


def paint_grid(painter: QPainter, result: Result, viewport: Viewport) -> None:
    """The borders of the patches that are in sight."""
    painter.setRenderHint(QPainter.Antialiasing, False)
    for box, grid in _grids(result, viewport):
        whole = viewport.on_canvas(box)
        seen = whole.intersected(viewport.window)
        lines = [
            QLineF(x, seen.top(), x, seen.bottom())
            for x in (whole.x() + whole.width() * column / grid.columns for column in range(grid.columns + 1))
            if seen.left() <= x <= seen.right()
        ]
        lines += [
            QLineF(seen.left(), y, seen.right(), y)
            for y in (whole.y() + whole.height() * row / grid.rows for row in range(grid.rows + 1))
            if seen.top() <= y <= seen.bottom()
        ]
        for pen in (QPen(QColor(0, 0, 0, 70), 3), QPen(QColor(255, 255, 255, 110), 1)):
            painter.setPen(pen)
            painter.drawLines(lines)
    painter.setRenderHint(QPainter.Antialiasing)


def _grids(result: Result, viewport: Viewport) -> list[tuple[tuple[float, float, float, float], Grid]]:
    """The boxes in fractions of the shown picture, and the patch grids, of the copies of the frame in a viewport."""
    part = viewport.part
    one, box = result, (part.x(), part.y(), part.width(), part.height())
    if result.panes:
        height, width = result.overlay.shape[:2]
        middle = part.center().x() * width, part.center().y() * height
        for pane in result.panes:
            top, left, tall, broad = pane.box
            if left <= middle[0] < left + broad and top <= middle[1] < top + tall:
                one = pane.result
                break
    view, maps = views.find(one.settings.view), one.maps
    if maps is None or not view.hover or not maps.has_attention:
        return []
    if not view.mosaic:
        return [(box, maps.grid)]
    height, width = one.frame.size
    return [
        (
            (
                box[0] + tile.box.left / width * box[2],
                box[1] + tile.box.top / height * box[3],
                tile.box.width / width * box[2],
                tile.box.height / height * box[3],
            ),
            maps.grid,
        )
        for tile in views.tiles(one.frame.size, maps, one.settings)
    ]


__all__ = [
    "CRISP_PATCH",
    "CRISP_PIXEL",
    "hovered",
    "paint_grid",
    "paint_outline",
    "paint_words",
    "patch_side",
    "words",
]

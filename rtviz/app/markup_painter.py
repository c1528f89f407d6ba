"""Paints labels, rings, borders, outlines and lines over an enlarged picture: sharp, and in one size at any zoom."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from PyQt5.QtCore import QLineF, QPointF, QRectF, Qt
from PyQt5.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPen, QPolygonF

from rtviz.app.viewport import Viewport
from rtviz.frame import Result
from rtviz.markup import Annotation, Contour, Dot, Note, Outline, Place, Polyline, Ring, Scale, Sign, Text

if TYPE_CHECKING:
    from rtviz.frame import Floats

_GROUND = QColor(10, 11, 14, 178)
_EDGE = QColor(10, 11, 14)
_SMALLEST, _LARGEST = 11.0, 20.0  # pixels of a line of letters; on a large canvas more
_READABLE = 7.0  # what would be smaller is left out
_LEAST_CONTOUR, _FINE_CONTOUR = 1.5, 2.0  # pixels; more on a large canvas, not over a small picture, enlarged
_LARGE_CANVAS = 1000.0
_LEAST_SCALE = 90.0  # a picture with room for less has no scale


def paint(
    painter: QPainter,
    result: Result,
    viewports: Sequence[Viewport],
    base: Viewport | None,
    scale: float,
    height: float,
    font: QFont,
    *,
    scales: bool = True,
    plain: float = 0.0,
) -> list[QRectF]:
    """Paint what is written and marked on a result; returns where what the colours mean was painted, on the canvas.

    Args:
        viewports: of its parts that are zoomed by themselves.
        base: of what is in none of them; None if it is not seen.
        scale: pixels of the canvas for one of the picture, without a zoom.
        height: of the canvas, in pixels.
        scales: whether what the colours mean is painted.
        plain: so many pixels at the left of the canvas show the frame alone, without borders and lines.
    """
    tall, broad = result.overlay.shape[:2]
    largest = _LARGEST * max(1.0, height / _LARGE_CANVAS)
    painted: list[QRectF] = []
    for one in result.annotations:
        place = _extent(one)
        middle = QPointF((place[1] + place[3] / 2) / broad, (place[0] + place[2] / 2) / tall)
        viewport = next((each for each in viewports if each.part.contains(middle)), base)
        if viewport is None:
            continue
        box = viewport.on_canvas(_fractions(place, broad, tall))
        seen = viewport.window.intersected(viewport.content)
        painter.save()
        drawn = isinstance(one, Outline | Polyline | Contour)
        painter.setClipRect(seen.intersected(QRectF(plain, seen.top(), seen.right(), seen.height())) if drawn else seen)
        if isinstance(one, Ring):
            _ring(painter, box.topLeft(), min(max(one.radius * scale, 5.0), 10.0), QColor(*one.color))
        elif isinstance(one, Outline):
            _outline(painter, box, one, _width(one.thick * scale))
        elif isinstance(one, Polyline):
            corners = [viewport.on_canvas(_fractions((*point, 0, 0), broad, tall)).topLeft() for point in one.points]
            _polyline(painter, corners, one, _width(one.thick * scale))
        elif isinstance(one, Contour):
            thick = min(max(one.thick * scale, _LEAST_CONTOUR), max(height / 260, _FINE_CONTOUR))
            _contour(painter, viewport, broad, tall, one, thick)
        elif isinstance(one, Sign):
            _sign(painter, box, one, min(max(one.radius * scale, 7.0), 11.0))
        elif isinstance(one, Scale):
            if scales:
                whole = viewport.content.intersected(viewport.room)
                at_left = viewport.window.right() < viewport.room.right()  # the left one of two over each other
                painted.append(_scale(painter, box.intersected(seen), whole, one, font, at_left=at_left))
        elif one.radius is None:
            if seen.contains(box.center()):
                _note(painter, one, box, scale, font)
        else:
            size = min(max(one.letters * scale, _SMALLEST), largest)
            region = box.intersected(seen)
            each = min(size / one.letters, region.width() / one.place[3], region.height() / one.place[2])
            if each * one.letters >= _READABLE:
                _note(painter, one, region, each, font)
        painter.restore()
    return painted


def corner(result: Result, height: float) -> float:
    """How many pixels of a canvas of this height a sentence in the upper left corner of a picture takes at most."""
    written = (one for one in result.annotations if isinstance(one, Note) and one.radius is not None)
    there = any(one.anchor == (0, 0) and one.region[:2] == (0, 0) for one in written)
    return 2 * _LARGEST * max(1.0, height / _LARGE_CANVAS) if there else 0.0


def _extent(one: Annotation) -> tuple[float, float, float, float]:
    """The (top, left, height, width) that tells in which viewport an annotation is."""
    if isinstance(one, Ring):
        return *one.center, 0, 0
    if isinstance(one, Polyline):
        down, across = zip(*one.points, strict=True)
        return min(down), min(across), max(down) - min(down), max(across) - min(across)
    return one.region if isinstance(one, Note) else one.place


def _width(thick: float) -> float:
    """The width of a line on the canvas that would have this one if it was as large as its picture."""
    return min(max(thick, 1.0), 4.0)


def _fractions(
    place: Place | tuple[float, float, float, float], broad: int, tall: int
) -> tuple[float, float, float, float]:
    return place[1] / broad, place[0] / tall, place[3] / broad, place[2] / tall


def _ring(painter: QPainter, center: QPointF, radius: float, color: QColor) -> None:
    painter.setBrush(Qt.NoBrush)
    for pen in (QPen(_EDGE, 5.0), QPen(color, 2.5)):
        painter.setPen(pen)
        painter.drawEllipse(center, radius, radius)


def _sign(painter: QPainter, box: QRectF, sign: Sign, radius: float) -> None:
    """A plus or a minus in the middle of a rectangle, and its border, if it is more than a point."""
    painter.setOpacity(sign.strength)
    color, ink = QColor(*sign.color), QColor(*sign.ink)
    if not box.isEmpty():
        painter.setBrush(Qt.NoBrush)
        for pen in (QPen(_EDGE, 4.0), QPen(color, 2.0)):
            pen.setJoinStyle(Qt.MiterJoin)
            if not sign.positive:
                pen.setDashPattern([10 / pen.widthF(), 8 / pen.widthF()])
                pen.setCapStyle(Qt.FlatCap)
            painter.setPen(pen)
            painter.drawRect(box)
    center = box.center()
    painter.setPen(Qt.NoPen)
    painter.setBrush(_EDGE)
    painter.drawEllipse(center, radius + 1.5, radius + 1.5)
    painter.setPen(QPen(color, 2.0))
    painter.setBrush(QColor(*sign.fill))
    painter.drawEllipse(center, radius - 1.0, radius - 1.0)
    painter.setPen(QPen(ink, max(2.0, radius / 4), Qt.SolidLine, Qt.FlatCap))
    arm = radius * 0.55
    painter.drawLine(QPointF(center.x() - arm, center.y()), QPointF(center.x() + arm, center.y()))
    if sign.positive:
        painter.drawLine(QPointF(center.x(), center.y() - arm), QPointF(center.x(), center.y() + arm))
    painter.setOpacity(1.0)


def _scale(painter: QPainter, region: QRectF, whole: QRectF, scale: Scale, font: QFont, *, at_left: bool) -> QRectF:
    """A bar of the colours at the left or right edge of a rectangle, with what its ends mean; returns its place.

    Args:
        region: what is seen of the picture.
        whole: what would be seen of it if no other one lay over it.
    """
    tall = min(150.0, region.height() * 0.35)
    if tall < _LEAST_SCALE or whole.width() < 5 * _LEAST_SCALE:  # it would hide too much of it
        return QRectF()
    ticks = [
        (share, f"{scale.low + (scale.high - scale.low) * share ** (1 / scale.gamma):.1f}") for share in (0.0, 0.5, 1.0)
    ]
    small = QFont(font)
    small.setPixelSize(12)
    metrics = QFontMetricsF(small)
    unit = "× uniform"
    broad = max(metrics.horizontalAdvance(unit), 30 + max(metrics.horizontalAdvance(text) for _, text in ticks))
    ground = QRectF(0, region.center().y() - tall / 2 - 30, broad + 14, tall + 42)
    if ground.width() + 8 > region.width():
        return QRectF()
    ground.moveLeft(region.left() + 4 if at_left else region.right() - 4 - ground.width())
    bar = QRectF(ground.right() - 20, ground.top() + 30, 10, tall)
    painter.setPen(Qt.NoPen)
    painter.setBrush(_GROUND)
    painter.drawRoundedRect(ground, 6, 6)
    colors = _gradient(scale.colormap)
    painter.drawImage(bar, colors)
    painter.setFont(small)
    painter.setPen(QColor(244, 244, 240))
    painter.drawText(QRectF(ground.left() + 7, bar.top() - 27, broad, 16), Qt.AlignRight, unit)
    for share, text in ticks:
        y = bar.bottom() - share * tall
        painter.drawText(QRectF(bar.left() - 66, y - 8, 60, 16), int(Qt.AlignRight | Qt.AlignVCenter), text)
    return ground


@lru_cache(maxsize=16)
def _gradient(colormap: str) -> QImage:
    """The colours from the high end down, a pixel each."""
    from rtviz.drawing.palette import colormap as colors_of  # the window opens before what draws is loaded

    image = QImage(1, 256, QImage.Format_RGB32)
    for place, color in enumerate(colors_of(colormap)):
        image.setPixelColor(0, 255 - place, QColor(*(int(value) for value in color)))
    return image


def _outline(painter: QPainter, box: QRectF, outline: Outline, thick: float) -> None:
    painter.setBrush(Qt.NoBrush)
    inset = thick / 2 + outline.edged
    inner = box.adjusted(inset, inset, -inset, -inset)
    for pen in _pens(outline, thick):
        pen.setJoinStyle(Qt.MiterJoin)
        painter.setPen(pen)
        painter.drawRect(inner)


def _polyline(painter: QPainter, corners: Sequence[QPointF], line: Polyline, thick: float) -> None:
    for pen in _pens(line, thick):
        pen.setCapStyle(Qt.RoundCap)
        pen.setJoinStyle(Qt.RoundJoin)
        painter.setPen(pen)
        painter.drawPolyline(QPolygonF(corners))


_segments: WeakKeyDictionary[Contour, tuple[Floats, Floats]] = WeakKeyDictionary()


def _contour(painter: QPainter, viewport: Viewport, broad: int, tall: int, contour: Contour, thick: float) -> None:
    found = _segments.get(contour)
    if found is None:
        from rtviz.drawing.contours import contour_segments  # the window opens before what draws is loaded

        _segments[contour] = found = contour_segments(contour)
    ends, beyond = found
    pixel = viewport.on_canvas((0, 0, 1 / broad, 1 / tall))
    lines = ends * (pixel.width(), pixel.height()) + (pixel.x(), pixel.y()) + beyond * (thick / 2)
    seen = viewport.window.adjusted(-thick, -thick, thick, thick)
    near = (lines.max(axis=1) >= (seen.left(), seen.top())) & (lines.min(axis=1) <= (seen.right(), seen.bottom()))
    painter.setOpacity(contour.strength)
    painter.setPen(QPen(QColor(*contour.color), thick, Qt.SolidLine, Qt.FlatCap))
    painter.drawLines([QLineF(*line) for line in lines[near.all(axis=1)].reshape(-1, 4).tolist()])
    painter.setOpacity(1.0)


def _pens(drawn: Outline | Polyline, thick: float) -> list[QPen]:
    """A dark one for its edges, if it has any, and one of its colour."""
    return [QPen(_EDGE, thick + 2)] * drawn.edged + [QPen(QColor(*drawn.color), thick)]


def _note(painter: QPainter, note: Note, region: QRectF, scale: float, font: QFont) -> None:
    """A note of that scale, in its corner of a rectangle."""
    top, left, tall, broad = note.place
    above, before = top - note.region[0], left - note.region[1]
    below = note.region[0] + note.region[2] - top - tall
    after = note.region[1] + note.region[3] - left - broad
    y = _along(note.anchor[0], region.top(), region.bottom(), above * scale, below * scale, tall * scale)
    x = _along(note.anchor[1], region.left(), region.right(), before * scale, after * scale, broad * scale)
    painter.setPen(Qt.NoPen)
    if note.radius is not None:
        painter.setBrush(_GROUND)
        painter.drawRoundedRect(QRectF(x, y, broad * scale, tall * scale), note.radius * scale, note.radius * scale)
    for part in note.parts:
        place = QRectF(
            x + (part.place[1] - left) * scale,
            y + (part.place[0] - top) * scale,
            part.place[3] * scale,
            part.place[2] * scale,
        )
        if isinstance(part, Dot):
            painter.setPen(Qt.NoPen)
            painter.setBrush(QColor(*part.color))
            painter.drawEllipse(place)
        else:
            _text(painter, part, place, font)


def _along(anchor: float, first: float, last: float, before: float, after: float, length: float) -> float:
    """Where something of that length begins between two ends, in its distance from the one that it keeps to; never
    beyond the first."""
    if anchor == 0:
        return max(first, min(first + before, last - length))
    if anchor == 1:
        return max(first, last - after - length)
    return (first + last - length) / 2


def _text(painter: QPainter, text: Text, place: QRectF, font: QFont) -> None:
    """A text that takes its place across: fonts differ in how broad they are."""
    fitting = QFont(font)
    size = max(1, round(place.height() * 0.86))
    fitting.setPixelSize(size)
    broad = QFontMetricsF(fitting).horizontalAdvance(text.text)
    while size > 1 and broad > place.width() * 1.02:
        size -= 1
        fitting.setPixelSize(size)
        broad = QFontMetricsF(fitting).horizontalAdvance(text.text)
    painter.setFont(fitting)
    painter.setPen(QColor(*text.color))
    painter.drawText(place.adjusted(-4, -4, 4, 4), Qt.AlignCenter, text.text)


__all__ = ["corner", "paint"]

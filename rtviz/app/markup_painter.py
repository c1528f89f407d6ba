"""Paints labels, rings and borders over an enlarged picture: sharp, and in one size however much it is enlarged."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt5.QtCore import QPointF, QRectF, Qt
from PyQt5.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen

from rtviz.app.viewport import Viewport
from rtviz.frame import Result
from rtviz.markup import Dot, Note, Outline, Place, Ring, Text

_GROUND = QColor(10, 11, 14, 178)
_EDGE = QColor(10, 11, 14)
_SMALLEST, _LARGEST = 11.0, 20.0  # pixels of a line of letters; on a large canvas more
_READABLE = 7.0  # what would be smaller is left out
_LARGE_CANVAS = 1000.0


def paint(
    painter: QPainter, result: Result, whole: QRectF, viewports: Sequence[Viewport], height: float, font: QFont
) -> None:
    """Paint what is written and marked on a result.

    Args:
        whole: where all of the shown picture would lie without a zoom.
        height: of the canvas, in pixels.
    """
    tall, broad = result.overlay.shape[:2]
    scale = whole.width() / broad
    largest = _LARGEST * max(1.0, height / _LARGE_CANVAS)
    base = Viewport(QRectF(0, 0, 1, 1), whole, whole)
    for one in result.annotations:
        place = (*one.center, 0, 0) if isinstance(one, Ring) else one.region if isinstance(one, Note) else one.place
        middle = QPointF((place[1] + place[3] / 2) / broad, (place[0] + place[2] / 2) / tall)
        viewport = next((each for each in viewports if each.part.contains(middle)), base)
        box = viewport.on_canvas(_fractions(place, broad, tall))
        seen = viewport.window.intersected(viewport.content)
        painter.save()
        painter.setClipRect(seen)
        if isinstance(one, Ring):
            _ring(painter, box.topLeft(), min(max(one.radius * scale, 5.0), 10.0))
        elif isinstance(one, Outline):
            _outline(painter, box, one, min(max(one.thick * scale, 1.0), 4.0))
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


def _fractions(place: Place, broad: int, tall: int) -> tuple[float, float, float, float]:
    return place[1] / broad, place[0] / tall, place[3] / broad, place[2] / tall


def _ring(painter: QPainter, center: QPointF, radius: float) -> None:
    painter.setBrush(Qt.NoBrush)
    for pen in (QPen(_EDGE, 5.0), QPen(QColor("white"), 2.5)):
        painter.setPen(pen)
        painter.drawEllipse(center, radius, radius)


def _outline(painter: QPainter, box: QRectF, outline: Outline, thick: float) -> None:
    painter.setBrush(Qt.NoBrush)
    inset = thick / 2 + outline.edged
    inner = box.adjusted(inset, inset, -inset, -inset)
    pens = [QPen(_EDGE, thick + 2)] if outline.edged else []
    for pen in (*pens, QPen(QColor(*outline.color), thick)):
        pen.setJoinStyle(Qt.MiterJoin)
        painter.setPen(pen)
        painter.drawRect(inner)


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


__all__ = ["paint"]

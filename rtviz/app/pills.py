"""Text on the picture: on a dark rounded ground, so that it is read on any of them."""

from __future__ import annotations

from PyQt5.QtCore import QRectF, QSizeF, Qt
from PyQt5.QtGui import QColor, QFont, QFontMetricsF, QPainter
from PyQt5.QtWidgets import QWidget

GROUND = QColor(10, 11, 14, 190)
INK = QColor(244, 244, 240)


def font(widget: QWidget, pixels: int, bold: bool = False) -> QFont:
    """The widget's font, so many pixels tall."""
    made = QFont(widget.font())
    made.setPixelSize(max(1, pixels))
    made.setBold(bold)
    return made


def extent(of: QFont, text: str) -> QSizeF:
    """The size of a pill with this text."""
    size = of.pixelSize()
    return QSizeF(QFontMetricsF(of).horizontalAdvance(text) + size * 1.1, size * 1.55)


def pill(painter: QPainter, of: QFont, text: str, x: float, y: float) -> None:
    """Paint a text on its ground, with the upper left corner at a point."""
    size = of.pixelSize()
    box = QRectF(x, y, 0, 0)
    box.setSize(extent(of, text))
    painter.setPen(Qt.NoPen)
    painter.setBrush(GROUND)
    painter.drawRoundedRect(box, size * 0.4, size * 0.4)
    painter.setFont(of)
    painter.setPen(INK)
    painter.drawText(box, Qt.AlignCenter, text)


__all__ = ["GROUND", "INK", "extent", "font", "pill"]

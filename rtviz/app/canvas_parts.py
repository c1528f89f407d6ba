"""Parts of the canvas painted from what they are given: the empty one, the divider, the overview, a recording."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt5.QtCore import QPointF, QRectF, QSize, Qt
from PyQt5.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPen
from PyQt5.QtWidgets import QWidget

from rtviz.app import pills
from rtviz.app.theme import DARK
from rtviz.app.viewport import Viewport

_FAINT = QColor(176, 179, 186)
_ACCENT = QColor(DARK.accent)
_BAD = QColor(DARK.bad)
_MARGIN = 12.0
NAMES = 52.0  # pixels that the names beside a divider take at the bottom of the picture
_LEAST_FOR_OVERVIEW = 300  # pixels of a canvas


def paint_waiting(painter: QPainter, canvas: QWidget, sentences: Sequence[str], seconds: float, *, dark: bool) -> None:
    """The empty canvas: a name, what is being done, and a bar that moves as long as it is.

    Args:
        seconds: since it began to wait.
    """
    ink, faint = (pills.INK, _FAINT) if dark else (QColor("#17191d"), QColor("#545962"))
    middle, size = canvas.height() / 2, max(28, round(canvas.height() / 11))
    painter.setFont(pills.font(canvas, size, bold=True))
    painter.setPen(ink)
    painter.drawText(QRectF(0, middle - 2.0 * size, canvas.width(), 1.3 * size), Qt.AlignCenter, "rtviz")
    bar = QRectF(canvas.width() / 2 - 2.2 * size, middle - 0.25 * size, 4.4 * size, 3)
    painter.setPen(Qt.NoPen)
    painter.setBrush(QColor(faint.red(), faint.green(), faint.blue(), 70))
    painter.drawRoundedRect(bar, 1.5, 1.5)
    phase = seconds / 1.6 % 1.0
    left = bar.x() + bar.width() * max(0.0, 1.3 * phase - 0.3)
    right = bar.x() + bar.width() * min(1.0, 1.3 * phase)
    painter.setBrush(_ACCENT if dark else QColor("#9a5b00"))
    painter.drawRoundedRect(QRectF(left, bar.y(), right - left, bar.height()), 1.5, 1.5)
    painter.setFont(pills.font(canvas, max(13, round(size * 0.36))))
    painter.setPen(faint)
    lines = "\n".join(sentence for sentence in sentences if sentence)
    box = QRectF(canvas.width() * 0.1, middle + 0.25 * size, canvas.width() * 0.8, canvas.height() / 3)
    painter.drawText(box, int(Qt.AlignHCenter | Qt.AlignTop | Qt.TextWordWrap), lines)


def paint_divider(painter: QPainter, canvas: QWidget, x: float, room: QRectF, names: tuple[str, str]) -> None:
    """The border between two pictures with its handle, and what is on its left and right.

    Args:
        room: what is seen of the pictures.
    """
    middle = room.center().y()
    for pen in (QPen(QColor(0, 0, 0, 150), 4), QPen(pills.INK, 2)):
        painter.setPen(pen)
        painter.drawLine(QPointF(x, room.top()), QPointF(x, room.bottom()))
    painter.setPen(QPen(QColor(0, 0, 0, 150), 1))
    painter.setBrush(pills.INK)
    painter.drawEllipse(QPointF(x, middle), 11, 11)
    painter.setPen(QPen(QColor(20, 22, 26), 2))
    for side in (-1, 1):
        painter.drawPolyline(
            QPointF(x + side * 3, middle - 4), QPointF(x + side * 7, middle), QPointF(x + side * 3, middle + 4)
        )
    font = pills.font(canvas, 13, bold=True)
    left, right = names
    if left:
        pills.pill(painter, font, left, x - 14 - pills.extent(font, left).width(), room.bottom() - NAMES + 8)
    if right:
        pills.pill(painter, font, right, x + 14, room.bottom() - NAMES + 8)


def paint_recording(painter: QPainter, canvas: QWidget, text: str, right: float, top: float) -> None:
    """A red dot and a text, near the right edge of the picture, from so far down."""
    size = max(14, round(canvas.height() / 36))
    font = pills.font(canvas, size, bold=True)
    width = QFontMetricsF(font).horizontalAdvance(text) + size * 2.6
    box = QRectF(right - width - canvas.height() * 0.025, top, width, size * 1.7)
    painter.setPen(Qt.NoPen)
    painter.setBrush(pills.GROUND)
    painter.drawRoundedRect(box, box.height() / 2, box.height() / 2)
    painter.setBrush(_BAD)
    painter.drawEllipse(QPointF(box.x() + size, box.center().y()), size * 0.36, size * 0.36)
    painter.setFont(font)
    painter.setPen(pills.INK)
    painter.drawText(box.adjusted(size * 1.8, 0, 0, 0), int(Qt.AlignLeft | Qt.AlignVCenter), text)


def paint_overview(
    painter: QPainter, canvas: QWidget, image: QImage, magnification: float, viewport: Viewport | None
) -> None:
    """How much a picture is magnified, and which part of it is seen.

    Args:
        viewport: of a picture that is alone; None where several are magnified, or nothing is.
    """
    font = pills.font(canvas, 13, bold=True)
    text = f"{magnification:.1f} ×" if magnification > 1 else "whole picture"
    x, bottom = canvas.width() - _MARGIN - pills.extent(font, text).width(), canvas.height() - _MARGIN
    if viewport is not None and min(canvas.width(), canvas.height()) > _LEAST_FOR_OVERVIEW:
        small = QSize(image.width(), image.height()).scaled(180, 120, Qt.KeepAspectRatio)
        box = QRectF(canvas.width() - _MARGIN - small.width(), bottom - small.height(), small.width(), small.height())
        painter.drawImage(box, image)
        painter.setPen(QPen(QColor(0, 0, 0, 160), 1))
        painter.setBrush(QColor(0, 0, 0, 110))
        painter.drawRect(box)
        content, seen = viewport.content, viewport.content.intersected(viewport.window)
        scale = box.width() / content.width()
        part = QRectF(
            box.x() + (seen.x() - content.x()) * scale,
            box.y() + (seen.y() - content.y()) * scale,
            seen.width() * scale,
            seen.height() * scale,
        )
        large = image.width() / content.width()
        painter.drawImage(
            part,
            image,
            QRectF(
                (seen.x() - content.x()) * large,
                (seen.y() - content.y()) * large,
                seen.width() * large,
                seen.height() * large,
            ),
        )
        painter.setBrush(Qt.NoBrush)
        painter.setPen(QPen(_ACCENT, 1.5))
        painter.drawRect(part)
        bottom = box.top() - 6
    pills.pill(painter, font, text, x, bottom - pills.extent(font, text).height())


__all__ = ["NAMES", "paint_divider", "paint_overview", "paint_recording", "paint_waiting"]

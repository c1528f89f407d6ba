"""A small instrument: how old the picture was over the last minute."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt5.QtCore import QPointF, QRectF, QSize, Qt
from PyQt5.QtGui import QColor, QFont, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt5.QtWidgets import QSizePolicy, QWidget

from rtviz.app.theme import DARK, Theme


class Graph(QWidget):
    """What instruments have in common: a height, a theme, a small font."""

    def __init__(self, name: str, tip: str, height: int) -> None:
        super().__init__()
        self.theme = DARK
        self._height = height
        self.setAccessibleName(name)
        self.setToolTip(tip)
        self.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(200, self._height)

    def set_theme(self, theme: Theme) -> None:
        self.theme = theme
        self.update()

    def small(self, bold: bool = False) -> QFont:
        font = QFont(self.font())
        font.setPixelSize(11)
        font.setBold(bold)
        return font


class LatencyGraph(Graph):
    """The age of what was on screen over the last minute, in milliseconds, newest on the right."""

    # A picture this old is felt as late; the scale never shows less, so that a quiet line is drawn flat.
    LATE_MS = 200.0

    def __init__(self) -> None:
        super().__init__(
            "Latency over the last minute",
            "Latency: from the capture of a frame to its being on screen, over the last minute",
            74,
        )
        self.values_ms: Sequence[float] = ()

    def show_values(self, values_ms: Sequence[float]) -> None:
        self.values_ms = values_ms
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHint(QPainter.Antialiasing)
        theme = self.theme
        newest = f"{self.values_ms[-1]:.0f} ms" if self.values_ms else "—"
        painter.setFont(self.small())
        painter.setPen(QColor(theme.faint))
        title = QRectF(0, 0, self.width(), 16)
        painter.drawText(title, int(Qt.AlignLeft | Qt.AlignVCenter), "latency, last minute")
        painter.setFont(self.small(bold=True))
        painter.setPen(QColor(theme.ink))
        painter.drawText(title, int(Qt.AlignRight | Qt.AlignVCenter), newest)
        plot = QRectF(0.5, 20.5, self.width() - 1, self.height() - 23)
        top_ms = max(self.LATE_MS * 1.25, max(self.values_ms, default=0.0) * 1.1)
        late = plot.bottom() - plot.height() * self.LATE_MS / top_ms
        painter.setPen(QPen(QColor(theme.line), 1))
        painter.drawLine(QPointF(plot.x(), plot.bottom()), QPointF(plot.right(), plot.bottom()))
        painter.setPen(QPen(QColor(theme.line), 1, Qt.DashLine))
        painter.drawLine(QPointF(plot.x(), late), QPointF(plot.right(), late))
        painter.setFont(self.small())
        painter.setPen(QColor(theme.faint))
        painter.drawText(QRectF(plot.x(), late - 14, 80, 13), int(Qt.AlignLeft | Qt.AlignBottom), f"{self.LATE_MS:.0f}")
        if len(self.values_ms) < 2:
            return
        step = plot.width() / 239  # four values a second, sixty seconds
        start = plot.right() - step * (len(self.values_ms) - 1)
        points = [
            QPointF(start + step * place, plot.bottom() - plot.height() * min(1.0, value / top_ms))
            for place, value in enumerate(self.values_ms)
        ]
        line = QPolygonF(points)
        area = QPolygonF([*points, QPointF(plot.right(), plot.bottom()), QPointF(start, plot.bottom())])
        fill = QColor(theme.good)
        fill.setAlpha(50)
        painter.setPen(Qt.NoPen)
        painter.setBrush(fill)
        painter.drawPolygon(area)
        painter.setPen(QPen(QColor(theme.good), 1.6))
        painter.setBrush(Qt.NoBrush)
        painter.drawPolyline(line)


__all__ = ["Graph", "LatencyGraph"]

"""Two small instruments: how old the picture was over the last minute, and how spread each head's attention is."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from PyQt5.QtCore import QPointF, QRectF, QSize, Qt
from PyQt5.QtGui import QColor, QFont, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt5.QtWidgets import QSizePolicy, QWidget

from rtviz.app.theme import DARK, Theme


class _Graph(QWidget):
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

    def _small(self, bold: bool = False) -> QFont:
        font = QFont(self.font())
        font.setPixelSize(11)
        font.setBold(bold)
        return font


class LatencyGraph(_Graph):
    """The age of what was on screen over the last minute, in milliseconds, newest on the right."""

    # A picture this old is felt as late; the scale never shows less, so that a quiet line looks quiet.
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
        painter.setFont(self._small())
        painter.setPen(QColor(theme.faint))
        title = QRectF(0, 0, self.width(), 16)
        painter.drawText(title, int(Qt.AlignLeft | Qt.AlignVCenter), "latency, last minute")
        painter.setFont(self._small(bold=True))
        painter.setPen(QColor(theme.ink))
        painter.drawText(title, int(Qt.AlignRight | Qt.AlignVCenter), newest)
        plot = QRectF(0.5, 20.5, self.width() - 1, self.height() - 23)
        top_ms = max(self.LATE_MS * 1.25, max(self.values_ms, default=0.0) * 1.1)
        late = plot.bottom() - plot.height() * self.LATE_MS / top_ms
        painter.setPen(QPen(QColor(theme.line), 1))
        painter.drawLine(QPointF(plot.x(), plot.bottom()), QPointF(plot.right(), plot.bottom()))
        painter.setPen(QPen(QColor(theme.line), 1, Qt.DashLine))
        painter.drawLine(QPointF(plot.x(), late), QPointF(plot.right(), late))
        painter.setFont(self._small())
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


class EntropyGraph(_Graph):
    """A bar for each head: 0, all attention on one patch; 1, spread evenly; with the range of the last minute."""

    def __init__(self) -> None:
        super().__init__(
            "Entropy of each head's attention",
            "Entropy of each head's attention: empty, all on one patch; full, spread evenly. "
            "The thin line spans the last minute.",
            92,
        )
        self.values: Sequence[float] = ()
        self.chosen: object = None
        self._minute: deque[tuple[float, ...]] = deque(maxlen=240)

    def show_values(self, values: Sequence[float], chosen: object) -> None:
        if self._minute and len(self._minute[-1]) != len(values):
            self._minute.clear()
        if values:
            self._minute.append(tuple(values))
        self.values, self.chosen = values, chosen
        self.update()

    def forget(self) -> None:
        """The heads are other ones now."""
        self._minute.clear()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHint(QPainter.Antialiasing)
        theme = self.theme
        painter.setFont(self._small())
        painter.setPen(QColor(theme.faint))
        title = QRectF(0, 0, self.width(), 16)
        painter.drawText(title, int(Qt.AlignLeft | Qt.AlignVCenter), "entropy of each head")
        if not self.values:
            painter.drawText(title, int(Qt.AlignRight | Qt.AlignVCenter), "—")
            return
        if isinstance(self.chosen, int) and self.chosen < len(self.values):
            painter.setFont(self._small(bold=True))
            painter.setPen(QColor(theme.ink))
            text = f"head {self.chosen}: {self.values[self.chosen]:.2f}"
            painter.drawText(title, int(Qt.AlignRight | Qt.AlignVCenter), text)
        plot = QRectF(0, 20, self.width(), self.height() - 36)
        pitch = plot.width() / len(self.values)
        width = min(22.0, pitch * 0.64)
        for head, value in enumerate(self.values):
            middle = plot.x() + pitch * (head + 0.5)
            chosen = head == self.chosen
            groove = QRectF(middle - width / 2, plot.y(), width, plot.height())
            painter.setPen(Qt.NoPen)
            painter.setBrush(QColor(theme.line))
            painter.drawRoundedRect(groove, 2, 2)
            bar = QRectF(groove)
            bar.setTop(groove.bottom() - groove.height() * max(0.02, min(1.0, value)))
            painter.setBrush(QColor(theme.accent if chosen else theme.faint))
            painter.drawRoundedRect(bar, 2, 2)
            past = [values[head] for values in self._minute]
            low, high = (groove.bottom() - groove.height() * edge for edge in (min(past), max(past)))
            painter.setPen(QPen(QColor(theme.ink), 1.4))
            painter.drawLine(QPointF(middle, low), QPointF(middle, high))
            painter.setFont(self._small(bold=chosen))
            painter.setPen(QColor(theme.ink if chosen else theme.faint))
            label = QRectF(middle - pitch / 2, plot.bottom() + 1, pitch, 15)
            painter.drawText(label, Qt.AlignCenter, str(head))


__all__ = ["EntropyGraph", "LatencyGraph"]

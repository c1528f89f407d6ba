"""Statistics of the current layer's heads as a small table, a row for each head."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt5.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt5.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen

from rtviz.analysis.head_stats import HeadStats, Tag
from rtviz.app.plots import Graph
from rtviz.app.theme import Theme

_TITLE, _ROW, _LOW_ROW, _FEW = 18.0, 16.0, 13.0, 8  # heights in pixels; beyond so many heads rows are lower

_TIP = (
    "<b>entropy</b>: empty, all attention on one patch; full, uniform attention<br>"
    "<b>dist.</b>: mean attention distance, as a share of the frame's diagonal, from the query's patch; for CLS from "
    "the centre of its attention<br>"
    "<b>CLS</b>, <b>reg.</b>: attention to the CLS token and to the registers instead of patches<br>"
    "<b>steady</b>: share of the attention that stayed in place over the last two seconds<br>"
    "<b>foreground</b>, <b>background</b>: where the last layer's heads agree, the head puts at least twice, or at "
    "most half, the attention of a uniform map; <b>diffuse</b>: neither<br>"
    "Click a row to choose the head."
)


def draw_tag(painter: QPainter, tag: Tag, middle: QPointF, theme: Theme, radius: float = 3.5) -> None:
    """The sign of a tag, distinct in form too: a disc, a ring, a short line."""
    color = QColor({"foreground": theme.good, "background": theme.warn, "diffuse": theme.faint}[tag])
    painter.setBrush(Qt.NoBrush)
    painter.setPen(QPen(color, 1.6))
    if tag == "foreground":
        painter.setPen(Qt.NoPen)
        painter.setBrush(color)
        painter.drawEllipse(middle, radius, radius)
    elif tag == "background":
        painter.drawEllipse(middle, radius - 0.8, radius - 0.8)
    else:
        painter.drawLine(QPointF(middle.x() - radius + 0.5, middle.y()), QPointF(middle.x() + radius - 0.5, middle.y()))


class HeadTable(Graph):
    """Tag, entropy, distance, the share of CLS and of the registers, and stability; `picked` with a head's number."""

    picked = pyqtSignal(int)

    def __init__(self) -> None:
        super().__init__("Head statistics", _TIP, round(_TITLE + 6 * _ROW))
        self.stats: Sequence[HeadStats] = ()
        self.chosen: object = None
        self.setCursor(Qt.PointingHandCursor)

    def show_head_stats(self, stats: Sequence[HeadStats], chosen: object) -> None:
        """Show the heads' statistics, and mark the chosen head, if it is one."""
        grown = len(stats) != len(self.stats)
        self.stats, self.chosen = stats, chosen
        self.setAccessibleDescription(", ".join(f"head {one.head} {one.tag}" for one in stats))
        if grown:
            self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(200, round(_TITLE + max(1, len(self.stats)) * self._pitch()) + 1)

    def _pitch(self) -> float:
        return _ROW if len(self.stats) <= _FEW else _LOW_ROW

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        row = int((event.localPos().y() - _TITLE) // self._pitch())
        if 0 <= row < len(self.stats):
            self.picked.emit(self.stats[row].head)

    def _columns(self) -> list[tuple[str, float, float]]:
        """(name, left, right) of the columns to the right of the tag, from the left."""
        names = ["entropy", "dist.", "CLS", "steady"]
        widths = [42.0, 36.0, 36.0, 48.0]
        if any(one.registers for one in self.stats):
            names.insert(3, "reg.")
            widths = [42.0, 28.0, 32.0, 32.0, 42.0]
        columns, right = [], float(self.width())
        for name, width in zip(reversed(names), reversed(widths), strict=True):
            columns.append((name, right - width, right))
            right -= width
        return columns[::-1]

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHint(QPainter.Antialiasing)
        theme = self.theme
        painter.setFont(self.small())
        painter.setPen(QColor(theme.faint))
        top = QRectF(0, 0, self.width(), _TITLE - 2)
        painter.drawText(top, int(Qt.AlignLeft | Qt.AlignVCenter), "head")
        if not self.stats:
            painter.drawText(top, int(Qt.AlignRight | Qt.AlignVCenter), "—")
            return
        columns = self._columns()
        for name, left, right in columns:
            side = Qt.AlignLeft if name == "entropy" else Qt.AlignRight
            painter.drawText(QRectF(left, 0, right - left, top.height()), int(side | Qt.AlignVCenter), name)
        for place, one in enumerate(self.stats):
            self._row(painter, one, _TITLE + place * self._pitch(), columns)

    def _row(self, painter: QPainter, one: HeadStats, top: float, columns: list[tuple[str, float, float]]) -> None:
        theme, pitch = self.theme, self._pitch()
        chosen = one.head == self.chosen
        if chosen:
            painter.setPen(Qt.NoPen)
            painter.setBrush(QColor(theme.line))
            painter.drawRoundedRect(QRectF(-1, top, self.width() + 2, pitch), 3, 3)
        middle = int(Qt.AlignVCenter)
        painter.setFont(self.small(bold=chosen))
        painter.setPen(QColor(theme.ink))
        painter.drawText(QRectF(0, top, 14, pitch), middle | int(Qt.AlignRight), str(one.head))
        draw_tag(painter, one.tag, QPointF(22, top + pitch / 2), theme)
        painter.setFont(self.small())
        painter.setPen(QColor(theme.ink if one.tag != "diffuse" else theme.faint))
        painter.drawText(QRectF(29, top, columns[0][1] - 30, pitch), middle, one.tag)
        values = {
            "dist.": _short(one.distance),
            "CLS": _percent(one.cls),
            "reg.": _percent(one.registers),
            "steady": "—" if one.stability is None else _short(one.stability),
        }
        for name, left, right in columns:
            if name == "entropy":
                groove = QRectF(left, top + pitch / 2 - 2.5, right - left, 5)
                painter.setPen(Qt.NoPen)
                painter.setBrush(QColor(theme.faint if chosen else theme.line))
                painter.setOpacity(0.45 if chosen else 1.0)
                painter.drawRoundedRect(groove, 2.5, 2.5)
                painter.setOpacity(1.0)
                groove.setWidth(max(5.0, groove.width() * min(1.0, one.entropy)))
                painter.setBrush(QColor(theme.accent if chosen else theme.faint))
                painter.drawRoundedRect(groove, 2.5, 2.5)
                continue
            painter.setPen(QColor(theme.ink))
            painter.drawText(QRectF(left, top, right - left, pitch), middle | int(Qt.AlignRight), values[name])


def _short(share: float) -> str:
    """A share to two places, without the zero before the point."""
    return f"{min(share, 1.0):.2f}".removeprefix("0")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


__all__ = ["HeadTable", "draw_tag"]

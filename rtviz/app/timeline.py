"""The line of time under the picture: where one is, in and out points, and what lies under the pointer."""

from __future__ import annotations

from typing import NamedTuple

from PyQt5.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt5.QtGui import (
    QColor,
    QContextMenuEvent,
    QFontMetricsF,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
)
from PyQt5.QtWidgets import QMenu, QSizePolicy, QWidget

from rtviz.app.theme import DARK

_MARGIN = 8.0  # pixels left and right of the line
_GRAB = 7.0  # pixels round a mark in which it is taken hold of


class Part(NamedTuple):
    """In and out point in seconds; None where there is none."""

    start: float | None = None
    end: float | None = None


class Timeline(QWidget):
    """A line from the beginning to the end: of a file, or of what the flight recorder holds.

    Attributes:
        length_seconds: of the line; 0 where there is nothing to go through.
        at_seconds: where one is.
        part: in and out point; they are shown where `markable` is set.
        markable: whether the line is a file's, of which a part can be marked.
        past: whether it is the flight recorder's, of which the end is now.
        note: said in place of the left part of the line.
    """

    sought = pyqtSignal(float)
    hovered = pyqtSignal(object)  # seconds under the pointer, or None off the line
    part_changed = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__()
        self.theme = DARK
        self.length_seconds = 0.0
        self.at_seconds = 0.0
        self.part = Part()
        self.markable = self.past = False
        self.note = ""
        self._dragged: str | None = None  # which end of the part
        self._pointer: float | None = None  # x
        self.setAccessibleName("Position")
        self.setFocusPolicy(Qt.TabFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(200, 26)

    def show_time(self, at_seconds: float, length_seconds: float, note: str = "") -> None:
        """Show where one is, and a note where the line is not a file's own."""
        if (at_seconds, length_seconds, note) != (self.at_seconds, self.length_seconds, self.note):
            self.at_seconds, self.length_seconds, self.note = at_seconds, length_seconds, note
            self.setEnabled(length_seconds > 0)
            self.setAccessibleDescription(note)
            self.update()

    def show_markable(self, markable: bool) -> None:
        """Whether in and out points mean something here."""
        if markable != self.markable:
            self.markable = markable
            self.update()

    # --- in and out points -------------------------------------------------------------------------------------------

    def mark(self, start: float | None = None, end: float | None = None) -> None:
        """Set the in point, or the out point. One that would leave nothing between them takes the other away."""
        part = self.part
        if start is not None:
            part = Part(start, part.end if part.end is not None and part.end > start else None)
        if end is not None:
            part = Part(part.start if part.start is not None and part.start < end else None, end)
        self._set_part(part)

    def clear_part(self) -> None:
        self._set_part(Part())

    def _set_part(self, part: Part) -> None:
        if part != self.part:
            self.part = part
            self.part_changed.emit(part)
            self.update()

    def _mark_at(self, x: float) -> str | None:
        """Which end of the part lies under the pointer; the nearer of both."""
        ends = self.part._asdict().items() if self.markable else ()
        near = [(abs(self.x_of(seconds) - x), name) for name, seconds in ends if seconds is not None]
        return min([pair for pair in near if pair[0] <= _GRAB], default=(0.0, None))[1]

    def _drag_mark(self, seconds: float) -> None:
        """Move an end of the part, not beyond the other one."""
        part = self.part
        least = self.length_seconds / max(1.0, self._line().width())
        if self._dragged == "start":
            self._set_part(
                part._replace(start=min(seconds, self.length_seconds if part.end is None else part.end - least))
            )
        else:
            self._set_part(part._replace(end=max(seconds, least if part.start is None else part.start + least)))

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: N802
        if self.markable and self.length_seconds > 0:
            menu = self.menu(self.seconds_at(event.x()))
            menu.popup(event.globalPos())

    def menu(self, seconds: float) -> QMenu:
        """What can be done at a time: the in and the out point."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WA_DeleteOnClose)
        for text, does in (
            ("In point here", lambda: self.mark(start=seconds)),
            ("Out point here", lambda: self.mark(end=seconds)),
            ("Clear in and out", self.clear_part),
        ):
            entry = menu.addAction(text)
            if entry is not None:
                entry.triggered.connect(lambda _=False, does=does: does())
                entry.setEnabled(does != self.clear_part or self.part != Part())
        return menu

    # --- mouse and keys ----------------------------------------------------------------------------------------------

    def _line(self) -> QRectF:
        """Where the line lies, beside the note."""
        left = _MARGIN
        if self.note:
            left += min(QFontMetricsF(self.font()).horizontalAdvance(self.note) + 12, 0.75 * self.width())
        return QRectF(left, self.height() / 2 - 2, max(1.0, self.width() - _MARGIN - left), 4)

    def x_of(self, seconds: float) -> float:
        """Where a time lies."""
        line = self._line()
        return line.x() + line.width() * min(1.0, max(0.0, seconds / (self.length_seconds or 1.0)))

    def seconds_at(self, x: float) -> float:
        """The time at a place."""
        line = self._line()
        return min(1.0, max(0.0, (x - line.x()) / line.width())) * self.length_seconds

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if event.button() == Qt.LeftButton:
            self._dragged = self._mark_at(event.localPos().x())
            if self._dragged is None:
                self._seek(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        x = event.localPos().x()
        if event.buttons() & Qt.LeftButton:
            if self._dragged is not None:
                self._drag_mark(self.seconds_at(x))
            self._seek(event)
        over = self._dragged or self._mark_at(x)
        self.setCursor(Qt.SizeHorCursor if over else Qt.ArrowCursor)
        self._hover(x if x >= self._line().x() - _MARGIN else None)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._dragged = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """On a mark: take it away."""
        which = self._mark_at(event.localPos().x())
        if which is not None:
            self._set_part(self.part._replace(**{which: None}))
        else:
            self.mousePressEvent(event)

    def event(self, event: QEvent) -> bool:
        """What lies under the pointer is shown in the place of a tooltip."""
        if event.type() == QEvent.ToolTip and self._pointer is not None and self.length_seconds > 0:
            return True
        return super().event(event)

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802
        self._hover(None)

    def _hover(self, x: float | None) -> None:
        self._pointer = x
        self.hovered.emit(None if x is None or self.length_seconds <= 0 else self.seconds_at(x))
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        steps = {Qt.Key_Left: -1.0, Qt.Key_Right: 1.0, Qt.Key_PageUp: -10.0, Qt.Key_PageDown: 10.0}
        if event.key() in steps:
            self._go(self.at_seconds + steps[Qt.Key(event.key())])
        elif event.key() == Qt.Key_Home:
            self._go(0.0)
        elif event.key() == Qt.Key_End:
            self._go(self.length_seconds)
        else:
            super().keyPressEvent(event)

    def _seek(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.LeftButton:
            self._go(self.seconds_at(event.localPos().x()))

    def _go(self, seconds: float) -> None:
        if self.length_seconds > 0:
            at = min(max(seconds, 0.0), self.length_seconds)
            self.show_time(at, self.length_seconds, self.note)  # quick steps add up
            self.sought.emit(self.at_seconds)

    # --- painting ----------------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHint(QPainter.Antialiasing)
        line, theme = self._line(), self.theme
        if self.note:
            painter.setPen(QColor(theme.faint))
            room = QRectF(_MARGIN, 0, line.x() - _MARGIN - 6, self.height())
            words = QFontMetricsF(self.font()).elidedText(self.note, Qt.ElideRight, room.width() + 1)
            painter.drawText(room, int(Qt.AlignLeft | Qt.AlignVCenter), words)
        painter.setPen(Qt.NoPen)
        painter.setBrush(QColor(theme.line))
        painter.drawRoundedRect(line, 2, 2)
        if self.length_seconds > 0:
            marked = self.markable and self.part != Part()
            if marked:
                self._paint_part(painter, line)
            at = self.x_of(self.at_seconds)
            painter.setPen(Qt.NoPen)
            painter.setBrush(QColor(theme.accent))
            painter.drawRoundedRect(QRectF(line.x(), line.y(), at - line.x(), line.height()), 2, 2)
            if self._pointer is not None:
                painter.setBrush(QColor(theme.faint))
                painter.drawRect(QRectF(self.x_of(self.seconds_at(self._pointer)) - 0.5, line.y() - 4, 1, 12))
            if marked:
                self._paint_ends(painter)
            painter.setPen(Qt.NoPen)
            painter.setBrush(QColor(theme.ink))
            painter.drawEllipse(QPointF(at, self.height() / 2), 6.5, 6.5)
        if self.hasFocus():
            painter.setBrush(Qt.NoBrush)
            painter.setPen(QPen(QColor(theme.accent), 1))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)

    def _paint_part(self, painter: QPainter, line: QRectF) -> None:
        """The band between in and out point."""
        start, end = self.part
        left = line.x() if start is None else self.x_of(start)
        right = line.right() if end is None else self.x_of(end)
        band = QColor(self.theme.good)
        band.setAlpha(90)
        painter.setPen(Qt.NoPen)
        painter.setBrush(band)
        painter.drawRect(QRectF(left, 3, right - left, self.height() - 6))

    def _paint_ends(self, painter: QPainter) -> None:
        """A bracket at either end: a bar with a flag at its head and foot that points into the part."""
        painter.setPen(Qt.NoPen)
        painter.setBrush(QColor(self.theme.good))
        low = self.height() - 2.0
        for seconds, inward in ((self.part.start, 1.0), (self.part.end, -1.0)):
            if seconds is not None:
                x = self.x_of(seconds)
                painter.drawRect(QRectF(min(x, x + 2 * inward), 2, 2, low - 2))
                for y, down in ((2.0, 1.0), (low, -1.0)):
                    flag = [QPoint(0, 0), QPoint(7, 0), QPoint(0, 7)]
                    painter.drawPolygon(QPolygonF([QPointF(x + p.x() * inward, y + p.y() * down) for p in flag]))


__all__ = ["Part", "Timeline"]

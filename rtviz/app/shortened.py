"""A line that is shortened where it has less room than it needs, rather than push its neighbours out of sight."""

from __future__ import annotations

from PyQt5.QtCore import QSize, Qt
from PyQt5.QtGui import QPainter, QPaintEvent, QPalette
from PyQt5.QtWidgets import QLabel

_LEAST = 6  # characters


class ShortenedLabel(QLabel):
    """A label of one line; `text()` and the tooltip have all of it.

    Args:
        where: which part gives way to an ellipsis; a file's name is recognised by its beginning and its end.
    """

    def __init__(
        self, where: Qt.TextElideMode = Qt.ElideRight, side: Qt.AlignmentFlag = Qt.AlignLeft, text: str = ""
    ) -> None:
        super().__init__()
        self._where, self._side = where, side
        self.setText(text)

    def setText(self, text: str) -> None:  # noqa: N802
        super().setText(text)
        self.setToolTip(text)

    @property
    def shown_text(self) -> str:
        """The line as it is painted."""
        return self.fontMetrics().elidedText(self.text(), self._where, self.contentsRect().width())

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        whole = self.sizeHint()
        return QSize(min(whole.width(), _LEAST * self.fontMetrics().averageCharWidth()), whole.height())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setPen(self.palette().color(QPalette.WindowText))
        painter.drawText(self.contentsRect(), int(self._side | Qt.AlignVCenter), self.shown_text)


__all__ = ["ShortenedLabel"]

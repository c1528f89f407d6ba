"""Choosing a reference: a place of the frame that is shown, or of a picture from a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt5.QtCore import QObject, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt5.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from PyQt5.QtWidgets import QDialog, QDialogButtonBox, QFileDialog, QLabel, QVBoxLayout, QWidget

from rtviz import views
from rtviz.app.file_filters import PICTURES, VIDEOS, offer
from rtviz.app.kept_frames import KeptFrames
from rtviz.app.layout import Layout
from rtviz.errors import RtvizError
from rtviz.live.session import LiveSession
from rtviz.settings import Mark, Reference

if TYPE_CHECKING:
    from rtviz.frame import Pixels


class ReferenceChoice(QObject):
    """Sets the reference that the view reference finds.

    Args:
        show_settings: called when the session's settings have changed.
        frames: where frames that were taken are kept.
    """

    def __init__(
        self, layout: Layout, session: LiveSession, show_settings: Callable[[], None], frames: KeptFrames
    ) -> None:
        super().__init__(layout)  # Qt disconnects it when the window goes
        self._layout, self._session, self._show_settings, self._frames = layout, session, show_settings, frames
        self.dialog: MarkDialog | None = None

    def take_frame(self, mark: Mark) -> None:
        """Use a place of the frame that is shown.

        Raises:
            OutputUnwritable: the frame cannot be kept.
        """
        result = self._layout.canvas.result
        if result is not None:
            self._use(Reference(self._frames.keep(result.frame.pixels), mark))

    def ask_for_file(self) -> None:
        """Ask for a picture, then for a place on it."""
        dialog = QFileDialog(self._layout, "Reference picture")
        dialog.setFileMode(QFileDialog.ExistingFile)
        offer(dialog, PICTURES, VIDEOS)
        dialog.setAttribute(Qt.WA_DeleteOnClose)
        dialog.fileSelected.connect(self.ask_for_place)
        dialog.open()  # not modal: the picture goes on behind it

    def ask_for_place(self, path: str) -> None:
        """Show a picture, and use the place that is marked on it."""
        from rtviz.engine.references import read

        try:
            pixels = read(path).pixels
        except RtvizError as error:
            self._layout.canvas.toast(str(error), 4.0)
            return
        self.dialog = MarkDialog(self._layout, Path(path).name, pixels)
        self.dialog.setAttribute(Qt.WA_DeleteOnClose)
        self.dialog.chosen.connect(lambda mark: self._use(Reference(path, mark)))
        self.dialog.open()

    def _use(self, reference: Reference) -> None:
        self._session.update(self._session.settings.replace(reference=(reference,), view=views.REFERENCES))
        self._layout.canvas.toast("reference chosen")
        self._show_settings()


class MarkDialog(QDialog):
    """A picture on which a point is clicked, or a box is dragged."""

    chosen = pyqtSignal(object)  # Mark

    def __init__(self, parent: QWidget, name: str, pixels: Pixels) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Reference: {name}")
        self.picture = MarkedPicture(pixels)
        self._buttons = QDialogButtonBox(QDialogButtonBox.Ok | QDialogButtonBox.Cancel)
        rows = QVBoxLayout(self)
        rows.addWidget(QLabel("Click a point, or drag a box round what to find."))
        rows.addWidget(self.picture, 1)
        rows.addWidget(self._buttons)
        self._show_whether_marked()
        self.picture.marked.connect(self._show_whether_marked)
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)

    def _show_whether_marked(self) -> None:
        button = self._buttons.button(QDialogButtonBox.Ok)
        if button is not None:
            button.setEnabled(self.picture.mark is not None)

    def accept(self) -> None:
        """Take the mark."""
        if self.picture.mark is not None:
            self.chosen.emit(self.picture.mark)
            super().accept()


class MarkedPicture(QWidget):
    """A picture, and the mark that is set on it with the mouse.

    Attributes:
        mark: None until one is set.
    """

    marked = pyqtSignal()

    def __init__(self, pixels: Pixels) -> None:
        super().__init__()
        height, width = pixels.shape[:2]
        self._bytes = pixels.tobytes()  # QImage copies nothing
        self._image = QImage(self._bytes, width, height, 3 * width, QImage.Format_RGB888)
        self.mark: Mark | None = None
        self._begun: QPointF | None = None
        self.setMinimumSize(320, 240)
        self.setCursor(Qt.CrossCursor)

    def sizeHint(self) -> QSize:  # noqa: N802
        return self._image.size().scaled(QSize(800, 600), Qt.KeepAspectRatio)

    def picture_rect(self) -> QRectF:
        """Where the picture lies on the widget."""
        size = self._image.size().scaled(self.size(), Qt.KeepAspectRatio)
        return QRectF(
            (self.width() - size.width()) / 2, (self.height() - size.height()) / 2, size.width(), size.height()
        )

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._begun = self._fractions(event.localPos())
        self._set(self._begun, self._begun)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._begun is not None:
            self._set(self._begun, self._fractions(event.localPos()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self.mouseMoveEvent(event)
        self._begun = None

    def _set(self, begun: QPointF, ended: QPointF) -> None:
        (left, right), (top, bottom) = sorted((begun.x(), ended.x())), sorted((begun.y(), ended.y()))
        rect = self.picture_rect()
        is_box = (right - left) * rect.width() > 4 and (bottom - top) * rect.height() > 4
        mark = Mark(left, top, right - left, bottom - top) if is_box else Mark(begun.x(), begun.y())
        self.mark = Mark(*(round(value, 4) for value in mark))
        self.marked.emit()
        self.update()

    def _fractions(self, point: QPointF) -> QPointF:
        rect = self.picture_rect()
        across, down = (point.x() - rect.left()) / rect.width(), (point.y() - rect.top()) / rect.height()
        return QPointF(min(max(across, 0.0), 1.0), min(max(down, 0.0), 1.0))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHints(QPainter.Antialiasing | QPainter.SmoothPixmapTransform)
        rect = self.picture_rect()
        painter.drawImage(rect, self._image)
        if self.mark is None:
            return
        x, y, width, height = self.mark
        at = QPointF(rect.left() + x * rect.width(), rect.top() + y * rect.height())
        for color, thick in ((QColor(10, 11, 14), 4), (QColor(255, 255, 255), 2)):
            painter.setPen(QPen(color, thick))
            if width:
                painter.drawRect(QRectF(at.x(), at.y(), width * rect.width(), height * rect.height()))
            else:
                painter.drawEllipse(at, 7, 7)


__all__ = ["MarkDialog", "MarkedPicture", "ReferenceChoice"]

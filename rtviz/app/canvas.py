"""The picture: letterboxed, with what is written over it, and with the mouse on it."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable

from PyQt5 import sip
from PyQt5.QtCore import QEvent, QPointF, QRectF, QSize, Qt, QTimer, pyqtSignal
from PyQt5.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PyQt5.QtWidgets import QWidget

from rtviz import views
from rtviz.app.pointing import Spot, result_at, spot_at
from rtviz.app.theme import DARK, Theme
from rtviz.frame import Grid, Pixels, Result
from rtviz.settings import Mark
from rtviz.views.hover import hover

_PILL = QColor(10, 11, 14, 190)
_INK = QColor(244, 244, 240)
_FAINT = QColor(176, 179, 186)
_ACCENT = QColor(DARK.accent)  # over a picture everything is as in the dark theme
_BAD = QColor(DARK.bad)

_TOAST_SECONDS, _FADE_SECONDS = 1.3, 0.3

_log = logging.getLogger(__name__)


def to_qimage(pixels: Pixels) -> QImage:
    """RGB uint8 [height, width, 3] as a QImage of its own memory, in the format that is painted fastest.

    A QImage aliases the array's memory and takes lines to be padded; the copy that the conversion makes ends both.
    """
    height, width = pixels.shape[:2]
    if pixels.strides[1:] != (3, 1) or pixels.strides[0] < 0:
        pixels = pixels.copy()
    memory = sip.voidptr(pixels.ctypes.data)
    aliasing = QImage(memory, width, height, pixels.strides[0], QImage.Format_RGB888)
    return aliasing.convertToFormat(QImage.Format_RGB32)


class Canvas(QWidget):
    """Shows results as large as they fit, undistorted.

    Attributes:
        painted: called with a result after it was painted for the first time.
        hud: lines that are written large into a corner, for full screen; empty for none.
        awaited: what is being computed while something else is shown, in a word or two; empty for nothing.
        covered: how many pixels at the top are covered by messages.
        recording: the text beside the red dot; empty for none.
    """

    pointed = pyqtSignal(object)  # Spot: pressed on the picture
    dragged = pyqtSignal(object)  # Spot: moved with the button down
    hovered = pyqtSignal(object)  # Spot, or None off the picture: the pointer was moved
    marked = pyqtSignal(object)  # Mark: a point, or a box, drawn with Shift held
    first_paint = pyqtSignal()  # the window is on screen

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("canvas")
        self.setAccessibleName("Picture")
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.StrongFocus)
        self.setAttribute(Qt.WA_OpaquePaintEvent)
        self.setMinimumSize(240, 160)
        self.painted: Callable[[Result], None] = lambda result: None
        self.hud: list[str] = []
        self.awaited = ""
        self.covered = 0
        self.recording = ""
        self.ground = QColor(DARK.ground)
        self.result: Result | None = None
        self._image: QImage | None = None
        self._emitted: Result | None = None
        self._pointer: QPointF | None = None
        self._band: tuple[QPointF, Spot] | None = None  # where a box was begun
        self._toast, self._toast_at, self._toast_seconds = "", 0.0, _TOAST_SECONDS
        self._waiting: tuple[str, ...] = ()
        self._stands = False
        self._has_predicted = False
        self._began_at = time.monotonic()

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(960, 640)

    def set_theme(self, theme: Theme) -> None:
        stage = theme is DARK and self.window().isFullScreen()  # where nothing shines but the picture
        self.ground = QColor("black") if stage else QColor(theme.ground)
        self.update()

    def show_result(self, result: Result) -> None:
        """Show this one from now on."""
        if result is not self.result:
            self.result = result
            self._image = to_qimage(result.overlay)
            self.update()

    def wait_for(self, *sentences: str) -> None:
        """The text on the empty canvas until there is a picture."""
        self._waiting = sentences
        if self.result is None:
            self.update()

    def toast(self, text: str, seconds: float = _TOAST_SECONDS) -> None:
        """Say something large for a moment."""
        self._toast, self._toast_at, self._toast_seconds = text, time.monotonic(), seconds
        self.update()

    @property
    def toast_text(self) -> str:
        """The large text that is shown now; empty for none."""
        return self._toast if time.monotonic() - self._toast_at < self._toast_seconds else ""

    def tick(self) -> None:
        """Once for each poll: what moves by itself is painted again."""
        if self.result is None or (self._toast and time.monotonic() - self._toast_at > self._toast_seconds):
            self.update()

    # --- the mouse -------------------------------------------------------------------------------------------------

    def picture_rect(self) -> QRectF:
        """Where the picture lies on the canvas."""
        if self._image is None:
            return QRectF(self.rect())
        scale = min(self.width() / self._image.width(), self.height() / self._image.height())
        width, height = self._image.width() * scale, self._image.height() * scale
        return QRectF((self.width() - width) / 2, (self.height() - height) / 2, width, height)

    def spot(self, point: QPointF) -> Spot | None:
        """What a point of the canvas means."""
        if self.result is None:
            return None
        return spot_at(self.result, *self._fractions(point))

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self.setFocus(Qt.MouseFocusReason)
        if event.button() == Qt.LeftButton:
            spot = self.spot(event.localPos())
            if spot is not None and event.modifiers() & Qt.ShiftModifier:
                self._band = event.localPos(), spot
            elif spot is not None:
                self.pointed.emit(spot)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._pointer = event.localPos()
        if self._band is None:
            spot = self.spot(event.localPos())
            self.hovered.emit(spot)
            if spot is not None and event.buttons() & Qt.LeftButton:
                self.dragged.emit(spot)
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        band, self._band = self._band, None
        if band is not None and event.button() == Qt.LeftButton and self.result is not None:
            begun, spot = band
            ends = [spot.place(*self._fractions(point)) for point in (begun, event.localPos())]
            (left, right), (top, bottom) = (sorted(values) for values in zip(*ends, strict=True))
            wide = (event.localPos() - begun).manhattanLength() > 8 and right > left and bottom > top
            mark = Mark(left, top, right - left, bottom - top) if wide else Mark(*ends[0])
            self.marked.emit(Mark(*(round(value, 4) for value in mark)))
        self.update()

    def _fractions(self, point: QPointF) -> tuple[float, float]:
        """A point of the canvas in fractions of the picture's width and height."""
        rect = self.picture_rect()
        return (point.x() - rect.x()) / rect.width(), (point.y() - rect.y()) / rect.height()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self.mousePressEvent(event)

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802
        self._pointer = None
        self.hovered.emit(None)
        self.update()

    # --- painting --------------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.fillRect(self.rect(), self.ground)
        painter.setRenderHints(QPainter.Antialiasing | QPainter.SmoothPixmapTransform | QPainter.TextAntialiasing)
        rect = self.picture_rect()
        if self._image is not None:
            painter.drawImage(rect, self._image)
            if self._band is not None and self._pointer is not None:
                self._paint_band(painter, self._band[0], self._pointer)
            else:
                self._paint_hover(painter, rect)
        else:
            self._paint_waiting(painter)
        self._paint_hud(painter, rect)
        self._paint_toast(painter, rect)
        if self.recording:
            self._paint_recording(painter, rect)
        painter.end()
        if not self._stands:
            self._stands = True
            QTimer.singleShot(0, self.first_paint.emit)
        if self.result is not None and self.result is not self._emitted:
            self._emitted = self.result
            self.painted(self.result)
            if self.result.maps is not None and not self._has_predicted:
                self._has_predicted = True
                _log.debug("the first overlay is painted at %.3f", time.time())

    def _paint_hover(self, painter: QPainter, rect: QRectF) -> None:
        """The patch under the pointer, outlined in black and white, and its value beside the pointer."""
        if self._pointer is None or self.result is None:
            return
        spot = self.spot(self._pointer)
        if spot is None:
            return
        result = result_at(self.result, spot)
        if spot.head is not None and result.maps is not None:
            head = spot.head if isinstance(spot.head, int) or spot.head in ("mean", "max", "all") else "mean"
            layer = result.settings.layer if spot.layer is None else spot.layer
            shown = result.settings.replace(head=head, layer=layer)
            result = dataclasses.replace(result, settings=shown)
        found = hover(result, spot.x, spot.y)
        if found is None:
            return
        left, top, width, height = spot.box
        cell = QRectF(
            rect.x() + (left + width * found.column / found.columns) * rect.width(),
            rect.y() + (top + height * found.row / found.rows) * rect.height(),
            width / found.columns * rect.width(),
            height / found.rows * rect.height(),
        )
        painter.setBrush(Qt.NoBrush)
        painter.setRenderHint(QPainter.Antialiasing, False)  # its lines are one with the pixels
        asked = None if result.maps is None else result.maps.query_place
        place = None if asked is None else Grid(found.rows, found.columns).patch_at(asked)
        marked = place == (found.row, found.column)  # the view has put its own sign there
        for pen in () if marked else (QPen(QColor(0, 0, 0, 200), 3), QPen(QColor(255, 255, 255), 1)):
            painter.setPen(pen)
            painter.drawRect(cell)
        painter.setRenderHint(QPainter.Antialiasing)
        if views.find(result.settings.view).hover != "attention":  # its figures would be of what is not shown
            return
        text = f"{100 * found.share:.2f} %   {found.times_uniform:.1f} × uniform"
        if spot.head is not None:
            which = f"head {spot.head}" if isinstance(spot.head, int) else str(spot.head)
            text = f"layer {spot.layer}  {which}   {text}"
        size = max(12, min(20, round(self.height() / 42)))
        font = _font(self, size)
        broad = QFontMetricsF(font).horizontalAdvance(text) + size * 1.1
        x = cell.right() + 10
        if x + broad > min(rect.right(), self.width() - 6):
            x = cell.left() - 10 - broad
        if x < 6:  # beside neither side
            x = max(6.0, self.width() - broad - 6)
        y = max(6.0, min(cell.top() - size * 0.4, self.height() - size * 2.2))
        _pill(painter, font, text, x, y)

    def _paint_band(self, painter: QPainter, begun: QPointF, pointer: QPointF) -> None:
        """The box that is being drawn round an object."""
        painter.setBrush(QColor(_ACCENT.red(), _ACCENT.green(), _ACCENT.blue(), 30))
        painter.setRenderHint(QPainter.Antialiasing, False)
        for pen in (QPen(QColor(0, 0, 0, 200), 3), QPen(_ACCENT, 1)):
            painter.setPen(pen)
            painter.drawRect(QRectF(begun, pointer).normalized())
            painter.setBrush(Qt.NoBrush)
        painter.setRenderHint(QPainter.Antialiasing)

    def _paint_waiting(self, painter: QPainter) -> None:
        """The empty canvas: a name, what is being done, and a bar that moves as long as it is."""
        dark = self.ground.lightness() < 128
        ink, faint = (_INK, _FAINT) if dark else (QColor("#17191d"), QColor("#565b64"))
        middle, size = self.height() / 2, max(28, round(self.height() / 11))
        font = _font(self, size, bold=True)
        painter.setFont(font)
        painter.setPen(ink)
        painter.drawText(QRectF(0, middle - 2.0 * size, self.width(), 1.3 * size), Qt.AlignCenter, "rtviz")
        bar = QRectF(self.width() / 2 - 2.2 * size, middle - 0.25 * size, 4.4 * size, 3)
        painter.setPen(Qt.NoPen)
        painter.setBrush(QColor(faint.red(), faint.green(), faint.blue(), 70))
        painter.drawRoundedRect(bar, 1.5, 1.5)
        phase = (time.monotonic() - self._began_at) / 1.6 % 1.0
        left = bar.x() + bar.width() * max(0.0, 1.3 * phase - 0.3)
        right = bar.x() + bar.width() * min(1.0, 1.3 * phase)
        painter.setBrush(_ACCENT if dark else QColor("#9a5b00"))
        painter.drawRoundedRect(QRectF(left, bar.y(), right - left, bar.height()), 1.5, 1.5)
        painter.setFont(_font(self, max(13, round(size * 0.36))))
        painter.setPen(faint)
        lines = "\n".join(sentence for sentence in self._waiting if sentence)
        box = QRectF(self.width() * 0.1, middle + 0.25 * size, self.width() * 0.8, self.height() / 3)
        painter.drawText(box, int(Qt.AlignHCenter | Qt.AlignTop | Qt.TextWordWrap), lines)

    def _paint_hud(self, painter: QPainter, rect: QRectF) -> None:
        """Large enough to be read from the back of a room: the first line is a twentieth of the canvas.

        At the top, because views write their legends at the bottom; below any text there already, and the titles of
        several models' pictures.
        """
        margin = self.height() * 0.025
        titles = 0.0
        if self.result is not None and self.result.panes:
            titles = self.result.panes[0].box[0] / self.result.overlay.shape[0] * rect.height()
        top = max(rect.y() + titles, float(self.covered)) + margin
        lines = [(line, 20 if place == 0 else 36) for place, line in enumerate(self.hud)]
        for line, share in [*lines, *([(self.awaited, 36)] if self.awaited else [])]:
            size = max(14, round(self.height() / share))
            _pill(painter, _font(self, size, bold=share == 20), line, max(rect.x(), 0) + margin, top)
            top += size * 1.75

    def _paint_toast(self, painter: QPainter, rect: QRectF) -> None:
        left = self._toast_seconds - (time.monotonic() - self._toast_at)
        if left <= 0 or not self._toast:
            self._toast = ""
            return
        size = max(15, round(self.height() / 24))
        font = _font(self, size, bold=True)
        width = self.width() * 0.8
        if QFontMetricsF(font).horizontalAdvance(self._toast) > width:  # a sentence rather than a word
            font = _font(self, max(13, round(size * 0.62)))
        bounds = QFontMetricsF(font).boundingRect(
            QRectF(0, 0, width, 1000), int(Qt.AlignHCenter | Qt.TextWordWrap), self._toast
        )
        pad = font.pixelSize() * 0.6
        box = QRectF(0, 0, bounds.width() + 2.6 * pad, bounds.height() + 1.2 * pad)
        box.moveCenter(QPointF(rect.center().x(), 0))
        # Above the legend that a view may have drawn.
        box.moveBottom(min(rect.bottom(), float(self.height())) - self.height() * 0.11)
        painter.setOpacity(min(1.0, left / _FADE_SECONDS))
        painter.setPen(Qt.NoPen)
        painter.setBrush(QColor(10, 11, 14, 215))
        painter.drawRoundedRect(box, pad, pad)
        painter.setFont(font)
        painter.setPen(_INK)
        painter.drawText(box, int(Qt.AlignCenter | Qt.TextWordWrap), self._toast)
        painter.setOpacity(1.0)

    def _paint_recording(self, painter: QPainter, rect: QRectF) -> None:
        size = max(14, round(self.height() / 36))
        font = _font(self, size, bold=True)
        width = QFontMetricsF(font).horizontalAdvance(self.recording) + size * 2.6
        box = QRectF(rect.right() - width - self.height() * 0.025, rect.y() + self.height() * 0.025, width, size * 1.7)
        painter.setPen(Qt.NoPen)
        painter.setBrush(_PILL)
        painter.drawRoundedRect(box, box.height() / 2, box.height() / 2)
        painter.setBrush(_BAD)
        painter.drawEllipse(QPointF(box.x() + size, box.center().y()), size * 0.36, size * 0.36)
        painter.setFont(font)
        painter.setPen(_INK)
        painter.drawText(box.adjusted(size * 1.8, 0, 0, 0), int(Qt.AlignLeft | Qt.AlignVCenter), self.recording)


def _font(widget: QWidget, pixels: int, bold: bool = False) -> QFont:
    font = QFont(widget.font())
    font.setPixelSize(max(1, pixels))
    font.setBold(bold)
    return font


def _pill(painter: QPainter, font: QFont, text: str, x: float, y: float) -> None:
    """Text on a dark rounded ground, readable on every picture."""
    size = font.pixelSize()
    width = QFontMetricsF(font).horizontalAdvance(text) + size * 1.1
    box = QRectF(x, y, width, size * 1.55)
    painter.setPen(Qt.NoPen)
    painter.setBrush(_PILL)
    painter.drawRoundedRect(box, size * 0.4, size * 0.4)
    painter.setFont(font)
    painter.setPen(_INK)
    painter.drawText(box, Qt.AlignCenter, text)


__all__ = ["Canvas", "to_qimage"]

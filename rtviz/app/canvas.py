"""The picture: letterboxed, with what is written over it, and with the mouse on it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from PyQt5 import sip
from PyQt5.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt, QTimer, pyqtSignal
from PyQt5.QtGui import (
    QColor,
    QContextMenuEvent,
    QFocusEvent,
    QFontMetricsF,
    QImage,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QWheelEvent,
)
from PyQt5.QtWidgets import QGestureEvent, QPinchGesture, QWidget

from rtviz import views
from rtviz.app import canvas_parts, markup_painter, patch_readout, pills
from rtviz.app.pointing import Spot, spot_at
from rtviz.app.theme import DARK, Theme
from rtviz.app.viewport import Viewport, Zoom, fitted, viewports
from rtviz.frame import Result
from rtviz.markup import Scale
from rtviz.settings import Mark

if TYPE_CHECKING:
    from rtviz.frame import Pixels

_ACCENT = QColor(DARK.accent)  # over a picture everything is as in the dark theme
_BAD = QColor(DARK.bad)

_TOAST_SECONDS, _FADE_SECONDS = 1.3, 0.3
_READOUT_SECONDS = 2.5  # how long the patch under a pointer that rests stays outlined
_OVERVIEW_SECONDS = 1.6  # how long a change of the zoom shows
_GRIP = 8.0  # pixels beside the border of a wipe that take hold of it
_NOTCH = 1.2  # the magnification of one notch of the wheel
_LEAST_CRISP = 1.5  # the magnification from which patches are drawn crisp

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


def to_pixels(image: QImage) -> Pixels:
    """A QImage as RGB uint8 [height, width, 3] of its own memory."""
    import numpy as np  # the window opens before NumPy is loaded

    image = image.convertToFormat(QImage.Format_RGB888)
    memory = image.constBits()
    assert memory is not None
    lines = np.frombuffer(memory.asstring(image.sizeInBytes()), np.uint8).reshape(image.height(), -1)
    return lines[:, : 3 * image.width()].reshape(image.height(), image.width(), 3)


class Canvas(QWidget):
    """Shows results as large as they fit, undistorted.

    Attributes:
        painted: called with a result after it was painted for the first time.
        hud: lines that are written large into a corner, for full screen; empty for none.
        wipe: where a border stands that is dragged between two panes, or between the frame and what is drawn on it, in
            fractions of the canvas's width; None for none.
        shows_scale: whether it says what the colours of a heatmap mean.
        awaited: what is being computed while something else is shown, in a word or two; empty for nothing.
        covered: how many pixels at the top are covered by messages.
        recording: the text beside the red dot; empty for none.
    """

    pointed = pyqtSignal(object)  # Spot: pressed on the picture
    dragged = pyqtSignal(object)  # Spot: moved with the button down
    hovered = pyqtSignal(object)  # Spot, or None off the picture: the pointer was moved
    marked = pyqtSignal(object)  # Mark: a point, or a box, drawn with Shift held
    excluded = pyqtSignal(object)  # Spot: pressed with the right button and Shift held
    menu_requested = pyqtSignal(
        object, QPoint
    )  # Spot, or None, and the point of the screen: the context menu is wanted
    crisp_changed = pyqtSignal(bool)  # patches are so large, or no longer, that they are to be drawn in one colour
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
        self.wipe: float | None = None
        self.shows_scale = True
        self._wiping = False  # its border is being dragged
        self._frame_image: tuple[Result, QImage] | None = None
        self.covered = 0
        self._scales: list[QRectF] = []  # where what the colours mean is painted
        self.recording = ""
        self.ground, self.accent = QColor(DARK.ground), QColor(DARK.accent)
        self._reached_by_tab = False
        self.result: Result | None = None
        self._image: QImage | None = None
        self._emitted: Result | None = None
        self._pointer: QPointF | None = None
        self._moved_at = 0.0
        # Where a box was begun: on the canvas, in fractions of the picture, what was there, and in which viewport.
        self._band: tuple[QPointF, tuple[float, float], Spot, int] | None = None
        self._zooms: dict[str, Zoom] = {}  # of the frame, and of each mosaic, in which the same place shows another one
        self._zoomed_at = -_OVERVIEW_SECONDS
        self._grip: QPointF | None = None  # where the picture is held while it is moved
        self._crisp = False
        self._toast, self._toast_at, self._toast_seconds = "", 0.0, _TOAST_SECONDS
        self._waiting: tuple[str, ...] = ()
        self._stands = False
        self._has_predicted = False
        self._began_at = time.monotonic()
        self.grabGesture(Qt.PinchGesture)

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(960, 640)

    def set_theme(self, theme: Theme) -> None:
        stage = theme is DARK and self.window().isFullScreen()  # where nothing shines but the picture
        self.ground = QColor("black") if stage else QColor(theme.ground)
        self.accent = QColor(theme.accent)
        self.update()

    def show_result(self, result: Result) -> None:
        """Show this one from now on."""
        if result is not self.result:
            self.result = result
            self._image = to_qimage(result.unlabelled)
            self._tell_crisp()
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
        now = time.monotonic()
        fading = _fading(now - self._moved_at, _READOUT_SECONDS) or _fading(now - self._zoomed_at, _OVERVIEW_SECONDS)
        if self.result is None or fading or (self._toast and now - self._toast_at > self._toast_seconds):
            self.update()

    def seen(self) -> QImage | None:
        """The picture as it is seen, with its divider and colour bar: with all its own pixels, or the part that is
        magnified, as large as on the screen."""
        if self.result is None or self._image is None:
            return None
        scale = self.shows_scale and any(isinstance(one, Scale) for one in self.result.annotations)
        wiped = self.wipe is not None and self.can_wipe
        if self.zoom == Zoom() and not scale and not wiped:
            return to_qimage(self.result.overlay)
        shown = self.picture_rect().intersected(QRectF(self.rect()))
        ratio = self.devicePixelRatioF()
        if self.zoom == Zoom() and not self._wipes_panes:
            ratio = max(ratio, self._image.width() / shown.width())
        image = QImage(round(shown.width() * ratio), round(shown.height() * ratio), QImage.Format_RGB32)
        image.fill(self.ground)
        painter = QPainter(image)
        painter.setRenderHints(QPainter.Antialiasing | QPainter.SmoothPixmapTransform | QPainter.TextAntialiasing)
        painter.scale(ratio, ratio)
        painter.translate(-shown.topLeft())
        self._paint_result(painter, self.result, self._image)
        painter.end()
        return image

    # --- where things are ------------------------------------------------------------------------------------------

    def picture_rect(self) -> QRectF:
        """Where the picture lies on the canvas: beyond it, where a picture without panes is zoomed."""
        if self.result is None:
            return QRectF(self.rect())
        found = self._viewports()
        alone = len(found) == 1 or self._wipes_panes
        return found[0].content if alone else fitted(self.result, QRectF(self.rect()))

    def spot(self, point: QPointF) -> Spot | None:
        """What a point of the canvas means."""
        if self.result is None:
            return None
        number = self._viewport_at(point)
        fractions = self._fractions(point, number)
        if number is not None and not self._viewports()[number].content.contains(point):
            return None  # beside a picture, not on the pane that lies there in the whole
        return spot_at(self.result, *fractions)

    def _viewports(self) -> list[Viewport]:
        if self.result is None:
            return []
        return viewports(self.result, QRectF(self.rect()), self.zoom, self.wipe)

    @property
    def _wipes_panes(self) -> bool:
        return self.wipe is not None and self.result is not None and len(self.result.panes) > 1

    @property
    def can_wipe(self) -> bool:
        """Whether there are two pictures to drag a border between: panes, or the frame under a picture of its size."""
        result = self.result
        if result is None or len(result.panes) > 1:
            return result is not None
        view = views.find(result.settings.view)
        return bool(view.needs) and not view.mosaic and result.overlay.shape == result.frame.pixels.shape

    def _near_wipe(self, point: QPointF) -> bool:
        return self.wipe is not None and self.can_wipe and abs(point.x() - self.wipe * self.width()) <= _GRIP

    def _viewport_at(self, point: QPointF) -> int | None:
        """The number of the viewport in whose window a point is; None between them, and beside the picture."""
        found = (number for number, one in enumerate(self._viewports()) if one.window.contains(point))
        return next(found, None)

    def _fractions(self, point: QPointF, number: int | None = None) -> tuple[float, float]:
        """A point of the canvas in fractions of the picture's width and height.

        Args:
            number: of the viewport whose scale goes on beyond its window; None for the one at the point.
        """
        number = self._viewport_at(point) if number is None else number
        if number is not None:
            return self._viewports()[number].fractions(point)
        rect = QRectF(self.rect()) if self.result is None else fitted(self.result, QRectF(self.rect()))
        return (point.x() - rect.x()) / rect.width(), (point.y() - rect.y()) / rect.height()

    # --- zoom ------------------------------------------------------------------------------------------------------

    @property
    def zoom(self) -> Zoom:
        """What is seen of the picture, or of each of the panes."""
        return self._zooms.get(self._zoom_key(), Zoom())

    def zoom_by(self, factor: float, at: QPointF | None = None) -> None:
        """Magnify by a factor. What lies at a point of the canvas stays there: at the pointer, if none is given, or in
        the middle."""
        found = self._viewports()
        if not found or self.result is None:
            return
        at = at or self._pointer
        number = None if at is None else self._viewport_at(at)
        one = found[number or 0]
        at = at if number is not None and at is not None else one.room.center()
        self._set_zoom(one.magnified(self.zoom, factor, at, one.part.width() * self.result.overlay.shape[1]))

    def show_whole(self) -> None:
        """Show all of the picture again, in every view."""
        self._zooms.clear()
        self._set_zoom(Zoom())

    def _move(self, delta: QPointF) -> None:
        found = self._viewports()
        if found:
            self._set_zoom(found[0].moved(self.zoom, delta))

    def _set_zoom(self, zoom: Zoom) -> None:
        if zoom != self.zoom:
            self._zooms[self._zoom_key()] = zoom
            self._zoomed_at = time.monotonic()
            self._tell_crisp()
            self.update()

    def _zoom_key(self) -> str:
        view = views.find(self.result.settings.view) if self.result is not None else None
        return view.name if view is not None and view.mosaic else ""

    def _tell_crisp(self) -> None:
        crisp = self.result is not None and self.zoom.magnification >= _LEAST_CRISP
        if crisp and self.result is not None:
            crisp = patch_readout.patch_side(self.result, self._viewports()[0]) >= patch_readout.CRISP_PATCH
        if crisp != self._crisp:
            self._crisp = crisp
            self.crisp_changed.emit(crisp)

    # --- the mouse -------------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self.setFocus(Qt.MouseFocusReason)
        point = event.localPos()
        holds = event.button() == Qt.MiddleButton or (
            event.button() == Qt.LeftButton and bool(event.modifiers() & Qt.ControlModifier)
        )
        if event.button() == Qt.LeftButton and not event.modifiers() and self._near_wipe(point):
            self._wiping = True
        elif holds:
            self._grip = point
            self.setCursor(Qt.ClosedHandCursor)
        elif event.button() == Qt.LeftButton:
            spot = self.spot(point)
            if spot is not None and event.modifiers() & Qt.ShiftModifier:
                self._band = point, self._fractions(point), spot, self._viewport_at(point) or 0
            elif spot is not None:
                self.pointed.emit(spot)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._pointer = event.localPos()
        self._moved_at = time.monotonic()
        if self._wiping:
            self.wipe = min(max(self._pointer.x() / self.width(), 0.02), 0.98)
        elif self._grip is not None:
            self._move(self._pointer - self._grip)
            self._grip = self._pointer
        elif self._band is None:
            self._show_cursor(self._near_wipe(self._pointer))
            spot = self.spot(event.localPos())
            self.hovered.emit(spot)
            if spot is not None and event.buttons() & Qt.LeftButton:
                self.dragged.emit(spot)
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._grip is not None and event.button() in (Qt.MiddleButton, Qt.LeftButton):
            self._grip = None
            self.unsetCursor()
        self._wiping = False
        band, self._band = self._band, None
        if band is not None and event.button() == Qt.LeftButton and self.result is not None:
            point, begun, spot, viewport = band
            ends = [spot.place(*begun), spot.place(*self._fractions(event.localPos(), viewport))]
            (left, right), (top, bottom) = (sorted(values) for values in zip(*ends, strict=True))
            wide = (event.localPos() - point).manhattanLength() > 8 and right > left and bottom > top
            mark = Mark(left, top, right - left, bottom - top) if wide else Mark(*ends[0])
            self.marked.emit(Mark(*(round(value, 4) for value in mark)))
        self.update()

    def _show_cursor(self, splits: bool) -> None:
        if splits and self.cursor().shape() != Qt.SplitHCursor:
            self.setCursor(Qt.SplitHCursor)
        elif not splits and self.cursor().shape() == Qt.SplitHCursor:
            self.unsetCursor()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self.mousePressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        """Show the focus to whoever goes by Tab; a click would put a frame round every picture."""
        self._reached_by_tab = event.reason() in (Qt.TabFocusReason, Qt.BacktabFocusReason)
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        self._reached_by_tab = False
        super().focusOutEvent(event)

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802
        self._pointer = None
        self.hovered.emit(None)
        self.update()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: N802
        spot = self.spot(QPointF(event.pos()))
        if spot is not None and event.modifiers() & Qt.ShiftModifier:
            self.excluded.emit(spot)
        else:
            self.menu_requested.emit(spot, event.globalPos())

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        """Zoom around the pointer; sideways, or with Shift, move the picture."""
        turned = event.angleDelta()
        if event.modifiers() & Qt.ShiftModifier or abs(turned.x()) > abs(turned.y()):
            self._move(QPointF(turned.x() or turned.y(), 0) / 2)
        elif turned.y() and self._band is None:
            self.zoom_by(_NOTCH ** (turned.y() / 120), event.position())
        event.accept()

    def event(self, event: QEvent) -> bool:
        """Pinches, of a touch pad and on a touch screen, beside what every widget gets."""
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == Qt.ZoomNativeGesture:
            self.zoom_by(1 + event.value(), event.localPos())
            return True
        if isinstance(event, QGestureEvent):
            pinch = event.gesture(Qt.PinchGesture)
            if isinstance(pinch, QPinchGesture):
                at = QPointF(self.mapFromGlobal(pinch.centerPoint().toPoint()))
                self._move(pinch.centerPoint() - pinch.lastCenterPoint())
                self.zoom_by(pinch.scaleFactor(), at)
                return True
        return super().event(event)

    # --- painting --------------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.fillRect(self.rect(), self.ground)
        painter.setRenderHints(QPainter.Antialiasing | QPainter.SmoothPixmapTransform | QPainter.TextAntialiasing)
        rect = self.picture_rect().intersected(QRectF(self.rect()))
        if self.result is not None and self._image is not None:
            self._paint_result(painter, self.result, self._image)
            if self._band is not None and self._pointer is not None:
                self._paint_band(painter, self._band[0], self._pointer)
            else:
                self._paint_hover(painter, self.result)
            shows = _opacity(time.monotonic() - self._zoomed_at, _OVERVIEW_SECONDS)
            if shows > 0:
                found, zoom = self._viewports(), self.zoom
                painter.setOpacity(shows)
                alone = found[0] if len(found) == 1 and zoom != Zoom() else None
                canvas_parts.paint_overview(painter, self, self._image, zoom.magnification, alone)
                painter.setOpacity(1.0)
        else:
            waited = time.monotonic() - self._began_at
            dark = self.ground.lightness() < 128
            canvas_parts.paint_waiting(painter, self, self._waiting, waited, dark=dark)
        self._paint_hud(painter, rect)
        self._paint_toast(painter, rect)
        if self.recording:
            top = rect.y() + self._titles(rect) + self.height() * 0.025
            canvas_parts.paint_recording(painter, self, self.recording, rect.right(), top)
        if self._reached_by_tab:
            painter.setBrush(Qt.NoBrush)
            painter.setPen(QPen(self.accent, 3))
            painter.drawRect(QRectF(self.rect()).adjusted(1, 1, -1, -1))
        painter.end()
        if not self._stands:
            self._stands = True
            QTimer.singleShot(0, self._tell_of_first_paint)  # a method: forgotten with the canvas
        if self.result is not None and self.result is not self._emitted:
            self._emitted = self.result
            self.painted(self.result)
            if self.result.maps is not None and not self._has_predicted:
                self._has_predicted = True
                _log.debug("the first overlay is painted at %.3f", time.time())

    def _tell_of_first_paint(self) -> None:
        self.first_paint.emit()

    def _paint_result(self, painter: QPainter, result: Result, image: QImage) -> None:
        """The picture with what is written and marked on it."""
        self._paint_picture(painter, result, image)
        self._paint_markup(painter, result)
        if self.wipe is not None and self.can_wipe:
            left, right = [
                pane.result.maps.model if pane.result.maps is not None else "" for pane in result.panes[:2]
            ] or (
                "frame",
                views.find(result.settings.view).label.lower(),
            )
            room = self.picture_rect().intersected(QRectF(self.rect()))
            canvas_parts.paint_divider(painter, self, self.wipe * self.width(), room, (left, right))

    def _paint_picture(self, painter: QPainter, result: Result, image: QImage) -> None:
        """The picture, and over it what each viewport shows of its part, with the borders of large patches."""
        found = self._viewports()
        wiped = self.wipe is not None and self.can_wipe
        if not wiped and (self.zoom == Zoom() or len(found) > 1):
            painter.drawImage(fitted(result, QRectF(self.rect())), image)
        if not wiped and self.zoom == Zoom():
            return
        crisp = found[0].content.width() / (found[0].part.width() * image.width()) * self.devicePixelRatioF()
        painter.setRenderHint(QPainter.SmoothPixmapTransform, crisp < patch_readout.CRISP_PIXEL)
        for one in found:
            _draw(painter, one, image, one.content.intersected(one.window))
        if wiped and not result.panes and self.wipe is not None:
            room = QRectF(0, 0, self.wipe * self.width(), self.height())
            _draw(painter, found[0], self._frame_of(result), found[0].content.intersected(room))
        painter.setRenderHint(QPainter.SmoothPixmapTransform)
        if self._crisp:
            for one in found:
                patch_readout.paint_grid(painter, result, one)

    def _frame_of(self, result: Result) -> QImage:
        """The frame under a picture."""
        if self._frame_image is None or self._frame_image[0] is not result:
            self._frame_image = result, to_qimage(result.frame.pixels)
        return self._frame_image[1]

    def _paint_markup(self, painter: QPainter, result: Result) -> None:
        found = self._viewports()
        whole = fitted(result, QRectF(self.rect()))
        base = None if self._wipes_panes else Viewport(QRectF(0, 0, 1, 1), whole, whole, whole)
        scale = found[0].content.width() / (found[0].part.width() * result.overlay.shape[1] * self.zoom.magnification)
        wiped = self.wipe is not None and self.can_wipe and not result.panes
        plain = self.wipe * self.width() if wiped and self.wipe is not None else 0.0
        self._scales = markup_painter.paint(
            painter, result, found, base, scale, self.height(), self.font(), scales=self.shows_scale, plain=plain
        )

    def _paint_hover(self, painter: QPainter, result: Result) -> None:
        """The patch under the pointer, outlined, with its place and value beside it: a moment, and not before an
        audience."""
        shows = _opacity(time.monotonic() - self._moved_at, _READOUT_SECONDS)
        if self._pointer is None or self._grip is not None or shows <= 0:
            return
        number, spot = self._viewport_at(self._pointer), self.spot(self._pointer)
        found = patch_readout.hovered(result, spot) if spot is not None else None
        if spot is None or found is None:
            return
        one = self._viewports()[number] if number is not None else None
        if one is None:
            return
        seen = one.content.intersected(one.window)
        painter.save()
        painter.setClipRect(seen)
        painter.setOpacity(shows)
        cell = patch_readout.paint_outline(painter, result, spot, found, one)
        if not self.window().isFullScreen():
            font = pills.font(self, max(12, min(20, round(self.height() / 42))))
            patch_readout.paint_words(painter, font, patch_readout.words(result, spot, found), cell, seen, self._scales)
        painter.restore()

    def _paint_band(self, painter: QPainter, begun: QPointF, pointer: QPointF) -> None:
        """The box that is being drawn round an object."""
        painter.setBrush(QColor(_ACCENT.red(), _ACCENT.green(), _ACCENT.blue(), 30))
        painter.setRenderHint(QPainter.Antialiasing, False)
        for pen in (QPen(QColor(0, 0, 0, 200), 3), QPen(_ACCENT, 1)):
            painter.setPen(pen)
            painter.drawRect(QRectF(begun, pointer).normalized())
            painter.setBrush(Qt.NoBrush)
        painter.setRenderHint(QPainter.Antialiasing)

    def _titles(self, rect: QRectF) -> float:
        """How many pixels at the top of the picture the titles of its panes take."""
        if self.result is None or not self.result.panes or self._wipes_panes:
            return 0.0
        return self.result.panes[0].box[0] / self.result.overlay.shape[0] * rect.height()

    def _paint_hud(self, painter: QPainter, rect: QRectF) -> None:
        """Large enough to be read from the back of a room: the first line is a twentieth of the canvas.

        At the top, because views write their legends at the bottom; below any text there already, and the titles of
        several models' pictures.
        """
        margin = self.height() * 0.025
        said = markup_painter.corner(self.result, self.height()) if self.result is not None else 0.0
        top = max(rect.y() + max(self._titles(rect), said), float(self.covered)) + margin
        lines = [(line, 20 if place == 0 else 36) for place, line in enumerate(self.hud)]
        for line, share in [*lines, *([(self.awaited, 36)] if self.awaited else [])]:
            size = max(14, round(self.height() / share))
            pills.pill(painter, pills.font(self, size, bold=share == 20), line, max(rect.x(), 0) + margin, top)
            top += size * 1.75

    def _paint_toast(self, painter: QPainter, rect: QRectF) -> None:
        left = self._toast_seconds - (time.monotonic() - self._toast_at)
        if left <= 0 or not self._toast:
            self._toast = ""
            return
        size = max(15, round(self.height() / 24))
        font = pills.font(self, size, bold=True)
        width = self.width() * 0.8
        if QFontMetricsF(font).horizontalAdvance(self._toast) > width:  # a sentence rather than a word
            font = pills.font(self, max(13, round(size * 0.62)))
        bounds = QFontMetricsF(font).boundingRect(
            QRectF(0, 0, width, 1000), int(Qt.AlignHCenter | Qt.TextWordWrap), self._toast
        )
        pad = font.pixelSize() * 0.6
        box = QRectF(0, 0, bounds.width() + 2.6 * pad, bounds.height() + 1.2 * pad)
        box.moveCenter(QPointF(rect.center().x(), 0))
        # Above the legend that a view may have drawn, and above the names beside a divider.
        names = canvas_parts.NAMES if self.wipe is not None and self.can_wipe else 0.0
        box.moveBottom(min(rect.bottom(), float(self.height())) - max(self.height() * 0.11, names))
        painter.setOpacity(min(1.0, left / _FADE_SECONDS))
        painter.setPen(Qt.NoPen)
        painter.setBrush(QColor(10, 11, 14, 215))
        painter.drawRoundedRect(box, pad, pad)
        painter.setFont(font)
        painter.setPen(pills.INK)
        painter.drawText(box, int(Qt.AlignCenter | Qt.TextWordWrap), self._toast)
        painter.setOpacity(1.0)


def _draw(painter: QPainter, viewport: Viewport, image: QImage, seen: QRectF) -> None:
    """Draw what a viewport shows of an image in a rectangle of the canvas."""
    left, top = viewport.fractions(seen.topLeft())
    right, bottom = viewport.fractions(seen.bottomRight())
    across, down = image.width(), image.height()
    painter.drawImage(seen, image, QRectF(left * across, top * down, (right - left) * across, (bottom - top) * down))


def _fading(age: float, seconds: float) -> bool:
    """Whether something that shows for so long is about to go; a little longer, so that it goes for good."""
    return seconds - _FADE_SECONDS < age < seconds + 0.2


def _opacity(age: float, seconds: float) -> float:
    return min(1.0, max(0.0, seconds - age) / _FADE_SECONDS)


__all__ = ["Canvas", "to_pixels", "to_qimage"]

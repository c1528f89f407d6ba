"""Which part of the picture lies where on the canvas: zoom and pan, alike in every pane."""

from __future__ import annotations

from typing import NamedTuple

from PyQt5.QtCore import QPointF, QRectF

from rtviz import views
from rtviz.frame import Result

_LARGEST_PIXEL = 48.0  # pixels of the canvas that one of the picture may take
_WHOLE = QRectF(0.0, 0.0, 1.0, 1.0)


class Zoom(NamedTuple):
    """What is seen of a picture.

    Attributes:
        magnification: 1 shows all of it, as large as it fits.
        x, y: what lies in the middle of its window, as fractions of its width and height.
    """

    magnification: float = 1.0
    x: float = 0.5
    y: float = 0.5


class Viewport(NamedTuple):
    """A part of the shown picture that is zoomed by itself: a pane, or all of it.

    Attributes:
        part: its place in the shown picture, in fractions of that.
        window: where it is seen, in pixels of the canvas.
        content: where all of it would lie, in pixels of the canvas; larger than the window when zoomed.
        room: what it is to fill: the window, or what that is a part of.
    """

    part: QRectF
    window: QRectF
    content: QRectF
    room: QRectF

    def fractions(self, point: QPointF) -> tuple[float, float]:
        """A point of the canvas in fractions of the shown picture's width and height."""
        return (
            self.part.x() + (point.x() - self.content.x()) / self.content.width() * self.part.width(),
            self.part.y() + (point.y() - self.content.y()) / self.content.height() * self.part.height(),
        )

    def on_canvas(self, box: tuple[float, float, float, float]) -> QRectF:
        """Where a (left, top, width, height), in fractions of the shown picture, lies on the canvas."""
        left, top, width, height = box
        across, down = self.content.width() / self.part.width(), self.content.height() / self.part.height()
        return QRectF(
            self.content.x() + (left - self.part.x()) * across,
            self.content.y() + (top - self.part.y()) * down,
            width * across,
            height * down,
        )

    def moved(self, zoom: Zoom, delta: QPointF) -> Zoom:
        """The zoom with the picture shifted by so many pixels of the canvas."""
        x, y = zoom.x - delta.x() / self.content.width(), zoom.y - delta.y() / self.content.height()
        return self._held(Zoom(zoom.magnification, x, y), self.content.width(), self.content.height())

    def magnified(self, zoom: Zoom, factor: float, at: QPointF, pixels: float) -> Zoom:
        """The zoom magnified by a factor, with what lies at a point of the canvas staying there.

        Args:
            pixels: how many pixels the part is broad, which limits the magnification.
        """
        fitted = self.content.width() / zoom.magnification
        largest = max(8.0, _LARGEST_PIXEL * pixels / fitted)
        magnification = min(max(zoom.magnification * factor, 1.0), largest)
        if magnification < 1.005:
            return Zoom()
        change = magnification / zoom.magnification
        width, height = self.content.width() * change, self.content.height() * change
        x = (at.x() - self.content.x()) / self.content.width() + (self.room.center().x() - at.x()) / width
        y = (at.y() - self.content.y()) / self.content.height() + (self.room.center().y() - at.y()) / height
        return self._held(Zoom(magnification, x, y), width, height)

    def _held(self, zoom: Zoom, width: float, height: float) -> Zoom:
        """The zoom with no empty border where the picture could fill the window; what is smaller is centred."""
        return Zoom(zoom.magnification, _held(zoom.x, self.room.width(), width),
                    _held(zoom.y, self.room.height(), height))  # fmt: skip


def _held(middle: float, window: float, content: float) -> float:
    half = window / content / 2
    return 0.5 if half >= 0.5 else min(max(middle, half), 1 - half)


def fitted(result: Result, room: QRectF) -> QRectF:
    """The shown picture as large as it fits, in the middle."""
    height, width = result.overlay.shape[:2]
    scale = min(room.width() / width, room.height() / height)
    rect = QRectF(0.0, 0.0, width * scale, height * scale)
    rect.moveCenter(room.center())
    return rect


def viewports(result: Result, room: QRectF, zoom: Zoom, wipe: float | None = None) -> list[Viewport]:
    """What is zoomed by itself, all alike: each pane, and the frame beside a picture; a picture alone has the room.

    Args:
        wipe: of several panes, show the first two over each other, with a border so far from the left of the room to
            its right.
    """
    if wipe is not None and len(result.panes) > 1:
        return _wiped(result, room, zoom, wipe)
    whole = fitted(result, room)
    parts = _parts(result)
    found = []
    for part in parts:
        rest = QRectF(
            whole.x() + part.x() * whole.width(),
            whole.y() + part.y() * whole.height(),
            part.width() * whole.width(),
            part.height() * whole.height(),
        )
        window = room if len(parts) == 1 and part == _WHOLE else rest
        found.append(Viewport(part, window, _content(rest, window, zoom), window))
    return found


def _wiped(result: Result, room: QRectF, zoom: Zoom, wipe: float) -> list[Viewport]:
    tall, broad = result.panes[0].box[2:]
    scale = min(room.width() / broad, room.height() / tall)
    content = _content(QRectF(0, 0, broad * scale, tall * scale), room, zoom)
    border = room.x() + wipe * room.width()
    windows = (
        QRectF(room.x(), room.y(), border - room.x(), room.height()),
        QRectF(border, room.y(), room.right() - border, room.height()),
    )
    return [
        Viewport(_box(result, pane.box), window, content, room)
        for pane, window in zip(result.panes, windows, strict=False)
    ]


def _content(rest: QRectF, window: QRectF, zoom: Zoom) -> QRectF:
    """Where all of a part lies that has this size without a zoom."""
    width, height = rest.width() * zoom.magnification, rest.height() * zoom.magnification
    x, y = _held(zoom.x, window.width(), width), _held(zoom.y, window.height(), height)
    return QRectF(window.center().x() - x * width, window.center().y() - y * height, width, height)


def _parts(result: Result) -> list[QRectF]:
    """Boxes of the shown picture, in fractions of it, that show the same thing: copies of the frame, or mosaics."""
    if not result.panes:
        return _halves(_WHOLE, result)
    mosaic = any(views.find(pane.result.settings.view).mosaic for pane in result.panes)
    found = [half for pane in result.panes for half in _halves(_box(result, pane.box), pane.result)]
    return found if mosaic else [*found, *(_box(result, place) for place in result.frame_boxes)]


def _box(result: Result, place: tuple[int, int, int, int]) -> QRectF:
    """A (top, left, height, width) in pixels of the shown picture, in fractions of it."""
    height, width = result.overlay.shape[:2]
    return QRectF(place[1] / width, place[0] / height, place[3] / width, place[2] / height)


def _halves(box: QRectF, result: Result) -> list[QRectF]:
    view = views.find(result.settings.view)
    if result.settings.layout != "side-by-side" or view.own_beside:  # whose lines run from one half into the other
        return [box]
    left = QRectF(box.x(), box.y(), box.width() / 2, box.height())
    right = left.translated(left.width(), 0)
    return [right] if view.mosaic else [left, right]


__all__ = ["Viewport", "Zoom", "fitted", "viewports"]

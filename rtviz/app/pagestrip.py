"""The strip of thumbnails under pages: only those in sight are read, in a thread of their own, so that thousands are as
quick as three."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from PyQt5.QtCore import QAbstractListModel, QModelIndex, QObject, QRectF, QSize, Qt, pyqtSignal
from PyQt5.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPainterPath, QPen, QPixmap, QWheelEvent
from PyQt5.QtWidgets import QAbstractItemView, QListView, QSizePolicy, QStyledItemDelegate, QStyleOptionViewItem

from rtviz.app.canvas import to_qimage
from rtviz.app.theme import DARK, Theme
from rtviz.sources import Page

_TILE = QSize(92, 68)  # with its margins
_KEPT = 1500  # thumbnails, of 20 KB each
_WAITING = 60  # as many as a broad screen shows; older requests are for pages scrolled past
_log = logging.getLogger(__name__)


class ThumbnailReader(QObject):
    """Reads thumbnails in a thread of its own, the newest request first.

    `read` is emitted with (which list of pages, number, QImage); the image is null where a file cannot be read.
    """

    read = pyqtSignal(int, int, QImage)

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()
        self._wanted: list[tuple[int, int, Page, int]] = []
        self._closed = False
        self._thread: threading.Thread | None = None

    def want(self, generation: int, number: int, page: Page, side: int) -> None:
        """Read this one next, at most so many pixels a side."""
        with self._changed:
            self._wanted = [*self._wanted[1 - _WAITING :], (generation, number, page, side)]
            if self._thread is None:
                self._thread = threading.Thread(target=self._read_all, name="rtviz-thumbnails", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def forget(self) -> None:
        """Drop every request so far."""
        with self._changed:
            self._wanted.clear()

    def close(self) -> None:
        """Let the thread go."""
        with self._changed:
            self._closed = True
            self._wanted.clear()
            self._changed.notify_all()

    def _read_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted or self._closed)
                if self._closed:
                    return
                generation, number, page, side = self._wanted.pop()
            try:
                from rtviz.sources.pages import thumbnail

                image = to_qimage(thumbnail(page, side))
            except Exception:  # the edge of the thread: the canvas shows the page's error
                _log.debug("no thumbnail of %s", page, exc_info=True)
                image = QImage()
            with self._changed:
                if self._closed:
                    return
            self.read.emit(generation, number, image)


class _Pages(QAbstractListModel):
    """The files, and the thumbnails that have been read."""

    def __init__(self, reader: ThumbnailReader) -> None:
        super().__init__()
        self.pages: Sequence[Page] = ()
        self.side = 92
        self._reader = reader
        self._generation = 0
        self._images: dict[int, QPixmap] = {}
        self._requested: set[int] = set()
        reader.read.connect(self._take)

    def show_pages(self, pages: Sequence[Page]) -> None:
        self.beginResetModel()
        self.pages = pages
        self._generation += 1
        self._images.clear()
        self._requested.clear()
        self._reader.forget()
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        return 0 if parent is not None and parent.isValid() else len(self.pages)

    def data(self, index: QModelIndex, role: int = Qt.DisplayRole) -> object:
        """The file's name, or its thumbnail: None until it is read, which this call requests."""
        number = index.row()
        if role in (Qt.ToolTipRole, Qt.AccessibleTextRole, Qt.DisplayRole):
            return f"{number + 1}: {self.pages[number].path.name}"
        if role != Qt.DecorationRole:
            return None
        image = self._images.get(number)
        if image is None and number not in self._requested:
            if len(self._requested) >= _WAITING:  # the reader has dropped the oldest requests, and they may come again
                self._requested.clear()
            self._requested.add(number)
            self._reader.want(self._generation, number, self.pages[number], self.side)
        return image

    def _take(self, generation: int, number: int, image: QImage) -> None:
        if generation != self._generation:
            return
        self._requested.discard(number)
        if len(self._images) >= _KEPT:
            del self._images[next(iter(self._images))]
        self._images[number] = QPixmap.fromImage(image)
        index = self.index(number)
        self.dataChanged.emit(index, index, [Qt.DecorationRole])


class _Tile(QStyledItemDelegate):
    """Paints one page: its thumbnail, its number, and a frame round the one that is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.theme = DARK
        self.shown = -1

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:  # noqa: N802
        return _TILE

    def paint(self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        if painter is None:
            return
        painter.save()
        painter.setRenderHints(QPainter.Antialiasing | QPainter.SmoothPixmapTransform)
        box = QRectF(option.rect).adjusted(3, 3, -3, -3)
        chosen = index.row() == self.shown
        rounded = QPainterPath()
        rounded.addRoundedRect(box, 3, 3)
        painter.fillPath(rounded, QColor(self.theme.raised))
        image = index.data(Qt.DecorationRole)
        if isinstance(image, QPixmap) and not image.isNull():
            painter.setClipPath(rounded)
            scale = max(box.width() / image.width(), box.height() / image.height())  # it covers the tile
            size = image.width() * scale, image.height() * scale
            painter.drawPixmap(
                QRectF(box.center().x() - size[0] / 2, box.center().y() - size[1] / 2, *size),
                image,
                QRectF(image.rect()),
            )
            painter.setClipping(False)
        elif isinstance(image, QPixmap):
            painter.setPen(QColor(self.theme.faint))
            painter.drawText(box, Qt.AlignCenter, "no picture")
        if not chosen:
            veil = QColor(self.theme.panel)
            veil.setAlpha(70)
            painter.fillPath(rounded, veil)
        else:
            painter.setBrush(Qt.NoBrush)
            painter.setPen(QPen(QColor(self.theme.accent), 3))
            painter.drawRoundedRect(box, 3, 3)
        self._number(painter, str(index.row() + 1), box, chosen)
        painter.restore()

    def _number(self, painter: QPainter, text: str, box: QRectF, chosen: bool) -> None:
        font = QFont(painter.font())
        font.setPixelSize(11)
        font.setBold(chosen)
        painter.setFont(font)
        pill = QRectF(box.x() + 3, box.y() + 3, max(15.0, QFontMetricsF(font).horizontalAdvance(text) + 8), 15)
        painter.setPen(Qt.NoPen)
        painter.setBrush(QColor(DARK.accent) if chosen else QColor(10, 11, 14, 175))
        painter.drawRoundedRect(pill, 3, 3)
        painter.setPen(QColor(DARK.on_accent if chosen else DARK.ink))
        painter.drawText(pill, Qt.AlignCenter, text)


class PageStrip(QListView):
    """All pages in a row, of which one is shown. `picked` is emitted with a page's number."""

    picked = pyqtSignal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("pages")
        self.setAccessibleName("Pages")
        self.setToolTip("Pages: click one to show it")
        self.setFocusPolicy(Qt.TabFocus)
        self.setFlow(QListView.LeftToRight)
        self.setWrapping(False)
        self.setUniformItemSizes(True)
        self.setSelectionMode(QAbstractItemView.NoSelection)
        self.setEditTriggers(QAbstractItemView.NoEditTriggers)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollPerPixel)
        self.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Fixed)
        self.setFixedHeight(_TILE.height() + 4)
        self.reader = ThumbnailReader()
        self._pages, self._tile = _Pages(self.reader), _Tile()
        self.setModel(self._pages)
        self.setItemDelegate(self._tile)
        self.clicked.connect(lambda index: self._pick(index.row()))
        self.hide()

    @property
    def shown(self) -> int:
        """The number of the page that is shown; -1 for none."""
        return self._tile.shown

    def set_theme(self, theme: Theme) -> None:
        self._tile.theme = theme
        self._update()

    def show_pages(self, pages: Sequence[Page], shown: int) -> None:
        """These pages, of which this one is shown; none hides the strip."""
        if pages is not self._pages.pages and pages != self._pages.pages:
            self._pages.side = round(_TILE.width() * self.devicePixelRatioF())
            self._pages.show_pages(pages)
            self._tile.shown = -1
        self.setVisible(bool(pages))
        if pages and shown != self._tile.shown:
            self._tile.shown = shown
            index = self._pages.index(shown)
            self.setCurrentIndex(index)
            self.scrollTo(index, QAbstractItemView.PositionAtCenter)
            self._update()

    def currentChanged(self, current: QModelIndex, previous: QModelIndex) -> None:  # noqa: N802
        super().currentChanged(current, previous)
        if self.hasFocus():  # by an arrow key
            self._pick(current.row())

    def wheelEvent(self, event: QWheelEvent | None) -> None:  # noqa: N802
        """The wheel, whichever way it turns, moves along the row."""
        bar = self.horizontalScrollBar()
        if event is not None and bar is not None:
            turned = event.angleDelta()
            bar.setValue(bar.value() - (turned.x() or turned.y()))
            event.accept()

    def _pick(self, number: int) -> None:
        if number >= 0 and number != self._tile.shown:
            self.picked.emit(number)

    def _update(self) -> None:
        viewport = self.viewport()
        if viewport is not None:
            viewport.update()


__all__ = ["PageStrip", "ThumbnailReader"]

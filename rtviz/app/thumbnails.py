"""Live thumbnails: all heads of the current layer in a strip, and the chosen head in every layer in a column."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from PyQt5.QtCore import QEvent, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt5.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QHelpEvent,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PyQt5.QtWidgets import QHBoxLayout, QSizePolicy, QSlider, QToolTip, QWidget

from rtviz.analysis.head_stats import Tag
from rtviz.app.canvas import to_qimage
from rtviz.app.headtable import draw_tag
from rtviz.app.theme import DARK, Theme
from rtviz.errors import lacks_heads
from rtviz.frame import Result
from rtviz.views import Memory
from rtviz.views.requirements import fit

if TYPE_CHECKING:
    import numpy as np

    from rtviz.frame import Floats
else:
    from rtviz.late import np


def colored(maps: Floats, size: tuple[int, int], result: Result, memory: Memory, name: str) -> list[QImage]:
    """Maps [count, rows, columns] in the colours of the settings, each in its own range, (height, width) pixels large.

    The ranges are as steady as the picture's own, in a memory of their own.
    """
    from rtviz.drawing import blend, palette, resample
    from rtviz.views.selection import key_of, normalize

    assert result.maps is not None
    values = normalize(maps, result.frame, result.settings, memory, key_of(result.maps, result.settings, name))
    how = "nearest" if result.settings.upsampling == "nearest" else "smooth"
    levels = resample.upsample(values, size, how)
    colors = palette.colormap(result.settings.colormap)
    return [to_qimage(blend.color_values(level, colors)) for level in levels]


class Tiles(QWidget):
    """A row or a column of tiles, numbered from 0, of which one, all or none are chosen.

    Attributes:
        chosen: the chosen one, "all", or None.
        following: whether the chosen one was not picked, but is followed.
        tags: what kind of head each is, if that is known.
    """

    picked = pyqtSignal(int)

    def __init__(self, name: str, word: str, vertical: bool) -> None:
        super().__init__()
        self.theme = DARK
        self.chosen: int | str | None = None
        self.following = False
        self.tags: Sequence[Tag] = ()
        self.colors: Sequence[tuple[int, int, int]] = ()
        self.tips: Sequence[str] = ()
        self.struck: Collection[int] = ()  # tiles of muted heads
        self.nothing = f"{word}s appear here with the first prediction"
        self._vertical = vertical
        self._images: list[QImage] = []
        self._count = 0
        self._aspect = 4 / 3
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.TabFocus)
        self.setCursor(Qt.PointingHandCursor)

    @property
    def aspect(self) -> float:
        """Width / height of a tile."""
        return self._aspect

    @property
    def count(self) -> int:
        return self._count

    def set_theme(self, theme: Theme) -> None:
        self.theme = theme
        self.update()

    def show_count(self, count: int, aspect: float) -> None:
        """How many tiles there are, and their width / height."""
        if (count, round(aspect, 3)) != (self._count, round(self._aspect, 3)):
            self._count, self._aspect = count, aspect
            self._images = []
            self.update()

    def show_nothing(self, sentence: str) -> None:
        """Show no tiles, and say why."""
        self.nothing = sentence
        self.setAccessibleDescription(sentence)
        self.show_count(0, self._aspect)
        self.update()

    def show_images(self, images: list[QImage]) -> None:
        self._images = images
        self.update()

    def boxes(self) -> list[QRectF]:
        """Where the tiles lie; the first is at the left, or at the bottom of a column."""
        if not self._count:
            return []
        gap = 4.0
        if self._vertical:
            pitch = (self.height() - gap) / self._count
            height = min(pitch - gap, (self.width() - self._margin()) / self._aspect)
            width = height * self._aspect
            left = self._margin() + (self.width() - self._margin() - width) / 2
            return [
                QRectF(left, self.height() - pitch * (place + 1) + (pitch - height) / 2 - gap / 2, width, height)
                for place in range(self._count)
            ]
        height = self.height() - 2 * gap
        width = min(height * self._aspect, (self.width() - gap) / self._count - gap)
        height = width / self._aspect
        top = (self.height() - height) / 2
        pitch = min(width + 2.5 * gap, (self.width() - gap) / self._count)
        left = max(gap, (self.width() - pitch * self._count) / 2)
        return [QRectF(left + pitch * place, top, width, height) for place in range(self._count)]

    def _margin(self) -> float:
        return 0.0

    def tile_size(self) -> tuple[int, int]:
        """(height, width) of a tile in pixels of the screen."""
        boxes = self.boxes()
        if not boxes:
            return (1, 1)
        ratio = self.devicePixelRatioF()
        return max(1, round(boxes[0].height() * ratio)), max(1, round(boxes[0].width() * ratio))

    def tile_at(self, point: QPointF) -> int | None:
        for place, box in enumerate(self.boxes()):
            if box.adjusted(-3, -3, 3, 3).contains(point):
                return place
        return None

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._pick(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._pick(event)

    def _pick(self, event: QMouseEvent) -> None:
        place = self.tile_at(event.localPos())
        if place is not None and event.buttons() & Qt.LeftButton and place != self.chosen:
            self.picked.emit(place)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent):
            place = self.tile_at(QPointF(event.pos()))
            if place is not None and place < len(self.tips):
                QToolTip.showText(event.globalPos(), self.tips[place], self)
                return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHints(QPainter.Antialiasing | QPainter.SmoothPixmapTransform)
        theme = self.theme
        boxes = self.boxes()
        for place, box in enumerate(boxes):
            if place < len(self._images):
                painter.drawImage(box, self._images[place])
            else:
                painter.setPen(Qt.NoPen)
                painter.setBrush(QColor(theme.raised))
                painter.drawRect(box)
            if place in self.struck:
                self._strike(painter, box)
            chosen = self.chosen == place
            painter.setBrush(Qt.NoBrush)
            if chosen:
                painter.setPen(QPen(QColor(theme.accent), 3))
                painter.drawRoundedRect(box.adjusted(-0.5, -0.5, 0.5, 0.5), 2, 2)
            elif self.chosen == "all" and place < len(self.colors):
                painter.setPen(QPen(QColor(*self.colors[place]), 2))
                painter.drawRect(box)
            self._label(painter, place, box, chosen)
            if place < len(self.tags):
                self._tag(painter, self.tags[place], box)
            if chosen and self.following:
                self._followed(painter, box)
        if not boxes:
            painter.setPen(QColor(theme.faint))
            if not self._vertical:
                painter.drawText(self.rect(), int(Qt.AlignCenter | Qt.TextWordWrap), self.nothing)
        if self.hasFocus():
            painter.setBrush(Qt.NoBrush)
            painter.setPen(QPen(QColor(theme.accent), 1))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)

    def _strike(self, painter: QPainter, box: QRectF) -> None:
        """A muted head is dimmed and struck through."""
        painter.fillRect(box, QColor(10, 11, 14, 150))
        painter.setPen(QPen(QColor(self.theme.bad), 3))
        painter.drawLine(box.bottomLeft() + QPointF(3, -3), box.topRight() + QPointF(-3, 3))

    def _label(self, painter: QPainter, place: int, box: QRectF, chosen: bool) -> None:
        """The number in the tile's corner, on a dark ground so that it reads on every colour."""
        font = QFont(self.font())
        font.setPixelSize(max(10, min(22, round(box.height() * 0.19))))
        font.setBold(chosen)
        painter.setFont(font)
        text = str(place)
        width = QFontMetricsF(font).horizontalAdvance(text) + font.pixelSize() * 0.7
        pill = QRectF(box.x() + 2, box.y() + 2, max(width, font.pixelSize() * 1.3), font.pixelSize() * 1.3)
        painter.setPen(Qt.NoPen)
        painter.setBrush(QColor(DARK.accent) if chosen else QColor(10, 11, 14, 175))
        painter.drawRoundedRect(pill, 3, 3)
        painter.setPen(QColor(DARK.on_accent if chosen else DARK.ink))
        painter.drawText(pill, Qt.AlignCenter, text)

    def _followed(self, painter: QPainter, box: QRectF) -> None:
        """At the foot of the tile, that it was not picked."""
        font = QFont(self.font())
        font.setPixelSize(max(9, min(15, round(box.height() * 0.14))))
        painter.setFont(font)
        width = QFontMetricsF(font).horizontalAdvance("followed") + font.pixelSize()
        if width > box.width() - 4:
            return
        pill = QRectF(box.x() + 2, box.bottom() - font.pixelSize() * 1.4 - 2, width, font.pixelSize() * 1.4)
        painter.setPen(Qt.NoPen)
        painter.setBrush(QColor(DARK.accent))
        painter.drawRoundedRect(pill, 3, 3)
        painter.setPen(QColor(DARK.on_accent))
        painter.drawText(pill, Qt.AlignCenter, "followed")

    def _tag(self, painter: QPainter, tag: Tag, box: QRectF) -> None:
        """The sign of a tag in the other corner, on the same dark ground."""
        side = max(13.0, min(22.0, box.height() * 0.2))
        ground = QRectF(box.right() - side - 2, box.y() + 2, side, side)
        painter.setPen(Qt.NoPen)
        painter.setBrush(QColor(10, 11, 14, 175))
        painter.drawRoundedRect(ground, 3, 3)
        draw_tag(painter, tag, ground.center(), DARK, side * 0.27)


class HeadStrip(Tiles):
    """All heads of the current layer."""

    def __init__(self) -> None:
        super().__init__("Heads of the current layer", "head", vertical=False)
        self.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Fixed)
        self._memory = Memory()

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(400, 92)

    def show_result(self, result: Result) -> None:
        maps = result.maps
        if maps is None:
            return
        from rtviz.drawing import palette

        if not maps.has_attention:
            self.show_nothing(lacks_heads(maps.model))
            return
        rows, columns = maps.grid
        self.setAccessibleDescription("")
        self.show_count(maps.heads, columns / rows)
        self.colors = [palette.head_color(head) for head in range(maps.heads)]
        layer = fit(result.settings, maps).layer % maps.layers
        self.struck = [of.head for of in maps.muted if of.layer == layer]
        self.show_images(
            colored(maps.attention[layer], self.tile_size(), result, self._memory, f"strip of layer {layer}")
        )


_LEAST_COLUMN = 60  # pixels, with which a number of two digits has room beside the slider


class LayerColumn(QWidget):
    """The chosen head in every layer, the last layer on top, and a slider beside it; of a convolutional network, what
    each stage responds to."""

    picked = pyqtSignal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("layers")
        self.setAttribute(Qt.WA_StyledBackground)
        self.tiles = Tiles("Layers", "layer", vertical=True)
        self.slider = QSlider(Qt.Vertical)
        self.slider.setAccessibleName("Layer")
        self.slider.setFocusPolicy(Qt.TabFocus)
        self.slider.setPageStep(1)
        self.slider.setRange(0, 0)
        self.slider.setEnabled(False)
        self._memory = Memory()
        self._slider_box = (
            QWidget()
        )  # in which the slider is placed by hand: margins would keep the window from shrinking
        self._slider_box.setFixedWidth(18)
        self.slider.setParent(self._slider_box)
        row = QHBoxLayout(self)
        row.setContentsMargins(4, 4, 4, 4)
        row.setSpacing(2)
        row.addWidget(self._slider_box)
        row.addWidget(self.tiles, 1)
        self.tiles.picked.connect(self.picked)
        self.slider.valueChanged.connect(self._slid)

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(88, 300)

    def fit_height(self, height: int) -> None:
        """As wide as a dozen tiles at this height of the window: the picture beside them must not move when another
        model with more layers, or with stages, gets the focus."""
        tile = (height - 60) / 12 - 6
        self.setFixedWidth(max(_LEAST_COLUMN, round(min(max(76, tile * 4 / 3 + 30), 0.16 * height))))

    def _slid(self, layer: int) -> None:
        if layer != self.tiles.chosen:
            self.picked.emit(layer)

    def choose(self, layer: int | None) -> None:
        self.tiles.chosen = layer
        if layer is not None:
            self.slider.blockSignals(True)
            self.slider.setValue(layer)
            self.slider.blockSignals(False)
        self.tiles.update()

    def set_theme(self, theme: Theme) -> None:
        self.tiles.set_theme(theme)

    def show_result(self, result: Result) -> None:
        maps = result.maps
        if maps is None:
            return
        rows, columns = maps.grid
        self.tiles.show_count(maps.layers, columns / rows)
        if self.slider.maximum() != maps.layers - 1:
            self.slider.blockSignals(True)
            self.slider.setRange(0, maps.layers - 1)
            self.slider.blockSignals(False)
            self.slider.setEnabled(maps.layers > 1)
            self._line_up()
        fitting = fit(result.settings, maps)
        if not maps.has_attention:
            method = fitting.cam_method(maps.has_attention)
            size, name = self.tiles.tile_size(), f"column of {method}"
            stages = maps.cams.get(method, ())
            if len(stages) != maps.layers:  # Grad-CAM has the map of one stage
                stages = maps.cams["activation"]
            self.tiles.show_images(
                [colored(map[None], size, result, self._memory, f"{name} {n}")[0] for n, map in enumerate(stages)]
            )
            return
        head = fitting.head
        if isinstance(head, int):
            shown = maps.attention[:, head]
        else:
            shown = maps.attention.max(axis=1) if head == "max" else maps.attention.mean(axis=1)
        self.tiles.show_images(
            colored(np.ascontiguousarray(shown), self.tiles.tile_size(), result, self._memory, f"column of {head}")
        )

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        self._line_up()

    def _line_up(self) -> None:
        """The slider's handle is beside its tile."""
        height = self.height() - 8
        half = max(0, int(height / (self.slider.maximum() + 1) / 2) - 9) if self.slider.maximum() else 0
        self.slider.setGeometry(0, half, 18, max(20, height - 2 * half))


__all__ = ["HeadStrip", "LayerColumn", "Tiles", "colored"]

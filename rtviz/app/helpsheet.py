"""The help: every key, over the whole window, as large as it fits; on more than one page where that would be small."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt5.QtCore import QRect, QRectF, Qt
from PyQt5.QtGui import QColor, QFont, QFontMetricsF, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QWheelEvent
from PyQt5.QtWidgets import QWidget

from rtviz.app.theme import DARK

Group = tuple[str, Sequence[tuple[Sequence[str], str]]]  # heading, (keys, what they do)
Column = list[Group]
Page = list[Column]

_GROUND = QColor(8, 9, 12, 244)
_INK, _FAINT, _ACCENT = QColor(DARK.ink), QColor(DARK.faint), QColor(DARK.accent)  # in both themes: it is dark
_READABLE = 12  # pixels; smaller text is spread over pages instead
_LARGEST = 30
_LINE, _GAP, _SPACING, _HEADING = 1.55, 1.1, 2.0, 1.12  # in sizes of the text, the heading's in lines
_FOOT = 2.4  # height of the line below several pages, in text sizes


class HelpSheet(QWidget):
    """Lies over its parent while it is open; a click, or the last page's turn, closes it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Help")
        self.groups: Sequence[Group] = ()
        self.page = 0
        self._next_key = self._close_key = ""
        self._laid_out: tuple[object, tuple[int, list[Page]]] | None = None
        self._picture: tuple[object, QPixmap] | None = None
        self.hide()

    def open(self, groups: Sequence[Group], next_key: str, close_key: str) -> None:
        """Show this; the keys that turn its pages and close it are named where there are pages."""
        self.groups, self._next_key, self._close_key = tuple(groups), next_key, close_key
        self.page = 0
        self.cover()
        self.show()
        self.raise_()

    def cover(self) -> None:
        """Lie over the whole parent, however large it is by now."""
        parent = self.parentWidget()
        if parent is not None:
            self.setGeometry(parent.rect())
        self.page = min(self.page, len(self.pages()) - 1)
        self.update()

    def turn(self) -> None:
        """The next page; after the last one nothing."""
        if self.page + 1 < len(self.pages()):
            self.page += 1
            self.update()
        else:
            self.hide()

    def pages(self) -> list[Page]:
        """Each page: columns of groups."""
        return self._lay_out()[1]

    def _lay_out(self) -> tuple[int, list[Page]]:
        key = (self.size(), self.groups, self.font().key())
        if self._laid_out is None or self._laid_out[0] != key:
            self._laid_out = key, laid_out(self.rect(), self.groups, self.font())
        return self._laid_out[1]

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self.hide()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        turned = self.page + (1 if event.angleDelta().y() < 0 else -1)
        self.page = min(max(turned, 0), len(self.pages()) - 1)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """From a picture of its own: what lies below is painted many times a second."""
        ratio = self.devicePixelRatioF()
        size, pages = self._lay_out()
        key = (self.size(), ratio, self.groups, self.page)
        if self._picture is None or self._picture[0] != key:
            pixmap = QPixmap(self.size() * ratio)
            pixmap.setDevicePixelRatio(ratio)
            pixmap.fill(Qt.transparent)
            sheet = QPainter(pixmap)
            sheet.setRenderHints(QPainter.Antialiasing | QPainter.TextAntialiasing)
            sheet.fillRect(self.rect(), _GROUND)
            _paint_page(sheet, self.rect(), pages[self.page], size, self.font(), alone=len(pages) == 1)
            if len(pages) > 1:
                foot_words = [f"page {self.page + 1} of {len(pages)}"]
                if self._next_key and self.page + 1 < len(pages):
                    foot_words.append(f"{self._next_key}: next page")
                foot_words.append(f"{self._close_key or 'a click'} closes")
                foot = QRectF(0, self.height() - _FOOT * size, self.width(), 1.8 * size)
                sheet.setFont(_fonts(self.font(), size)[1])
                sheet.setPen(_FAINT)
                sheet.drawText(foot, int(Qt.AlignCenter), "   ·   ".join(foot_words))
            sheet.end()
            self._picture = key, pixmap
        QPainter(self).drawPixmap(0, 0, self._picture[1])


def laid_out(rect: QRect, groups: Sequence[Group], font: QFont) -> tuple[int, list[Page]]:
    """(size of the text, pages): one page with the largest text with which everything has room, or, where that could
    not be read, as few pages as it takes."""
    largest = min(_LARGEST, max(_READABLE, rect.height() // 18))
    for size in range(largest, _READABLE - 1, -1):
        fonts = _fonts(font, size)
        for count in range(1, 5):
            page = _split(groups, count)
            wide = _width(page, fonts, size) + _SPACING * size * 1.6
            tall = max((_height(column, size) for column in page), default=0.0) + 2 * size
            if wide <= rect.width() and tall <= rect.height():
                return size, [page]
    size = _READABLE
    rows = (rect.height() - (1 + _FOOT) * size) / (size * _LINE)
    pages: list[Page] = []
    for column in _cut(groups, max(2.0, rows)):
        if pages and _width([*pages[-1], column], _fonts(font, size), size) + 2 * size <= rect.width():
            pages[-1].append(column)
        else:
            pages.append([column])
    return size, pages or [[]]


def _split(groups: Sequence[Group], count: int) -> Page:
    """Groups in order, in so many columns, the tallest as low as can be."""
    heights = [len(lines) + 2 for _, lines in groups]
    limit = max(heights, default=0)
    while True:
        columns: Page = [[]]
        filled = 0
        for group, height in zip(groups, heights, strict=True):
            if columns[-1] and filled + height > limit:
                columns.append([])
                filled = 0
            columns[-1].append(group)
            filled += height
        if len(columns) <= count:
            return columns
        limit += 1


def _cut(groups: Sequence[Group], rows: float) -> list[Column]:
    """Groups in order, in columns of so many rows; what has no room in one goes on in the next."""
    columns: list[Column] = [[]]
    left = rows
    for title, lines in groups:
        rest, heading = list(lines), title
        while rest:
            if left < min(2, len(rest)) + _HEADING and columns[-1]:  # a heading is not left alone
                columns.append([])
                left = rows
            count = min(max(1, int(left - _HEADING)), len(rest))
            columns[-1].append((heading, rest[:count]))
            rest, heading = rest[count:], f"{title}, continued"
            left -= left if rest else _HEADING + count + _GAP / _LINE
    return [column for column in columns if column]


def _fonts(font: QFont, size: int) -> tuple[QFont, QFont, QFont]:
    """Of the key caps, of what they do, and of the headings."""
    fonts = QFont(font), QFont(font), QFont(font)
    for each, share, bold in zip(fonts, (0.86, 1.0, 1.0), (True, False, True), strict=True):
        each.setPixelSize(max(1, round(size * share)))
        each.setBold(bold)
    return fonts


def _paint_page(painter: QPainter, rect: QRect, page: Page, size: int, font: QFont, alone: bool) -> None:
    """The columns, together in the middle; of several pages each begins at the top."""
    key_font, text_font, title_font = fonts = _fonts(font, size)
    line, gap = size * _LINE, size * _GAP
    x = rect.x() + (rect.width() - _width(page, fonts, size)) / 2
    tallest = max((_height(column, size) for column in page), default=0.0)
    top = rect.y() + max(size, (rect.height() - tallest) / 2 if alone else 0)
    for column in page:
        keys_width, text_width = _column_widths(column, fonts)
        y = top
        for title, lines in column:
            painter.setFont(title_font)
            painter.setPen(_ACCENT)
            painter.drawText(QRectF(x, y, keys_width + text_width, line), int(Qt.AlignLeft | Qt.AlignVCenter), title)
            y += line * _HEADING
            for keys, text in lines:
                cap = x
                for key in keys:
                    cap = _cap(painter, key_font, key, cap, y, line) + size * 0.25
                painter.setFont(text_font)
                painter.setPen(_INK)
                painter.drawText(
                    QRectF(x + keys_width, y, text_width + size, line), int(Qt.AlignLeft | Qt.AlignVCenter), text
                )
                y += line
            y += gap
        x += keys_width + text_width + size * _SPACING


def _cap(painter: QPainter, font: QFont, key: str, x: float, y: float, line: float) -> float:
    """One key cap; returns where it ends."""
    size = font.pixelSize()
    width = _cap_width(key, font)
    painter.setFont(font)
    if key == "…":
        painter.setPen(_FAINT)
    else:
        painter.setPen(QPen(QColor(255, 255, 255, 90), 1))
        painter.setBrush(QColor(255, 255, 255, 26))
        painter.drawRoundedRect(QRectF(x, y + line * 0.1, width, line * 0.8), size * 0.28, size * 0.28)
        painter.setPen(_INK)
    painter.drawText(QRectF(x, y, width, line), Qt.AlignCenter, key)
    return x + width


def _cap_width(key: str, font: QFont) -> float:
    size = font.pixelSize()
    if key == "…":
        return size * 1.0
    return max(size * 1.6, QFontMetricsF(font).horizontalAdvance(key) + size * 0.9)


def _column_widths(column: Column, fonts: tuple[QFont, QFont, QFont]) -> tuple[float, float]:
    """How broad the keys are, and what they do."""
    keys, text, title = fonts
    gap = text.pixelSize()
    caps = [
        sum(_cap_width(key, keys) + gap * 0.25 for key in shown) for _, lines in column for shown, _ in lines
    ]  # fmt: skip
    texts = [QFontMetricsF(text).horizontalAdvance(label) for _, lines in column for _, label in lines]
    titles = [QFontMetricsF(title).horizontalAdvance(name) for name, _ in column]
    keys_width = max(caps, default=0.0) + gap * 0.6
    return keys_width, max([*texts, *(width - keys_width for width in titles)], default=0.0)


def _width(page: Page, fonts: tuple[QFont, QFont, QFont], size: int) -> float:
    return sum(sum(_column_widths(column, fonts)) for column in page) + size * _SPACING * max(0, len(page) - 1)


def _height(column: Column, size: int) -> float:
    line = size * _LINE
    return sum(line * (_HEADING + len(lines)) for _, lines in column) + size * _GAP * max(0, len(column) - 1)


__all__ = ["HelpSheet", "laid_out"]

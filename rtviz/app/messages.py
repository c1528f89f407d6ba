"""Cards over the top of the picture: as broad as reads well, in more rows where there is little room, and scrolled
where they are higher than the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from PyQt5.QtCore import QEvent, QSize, Qt, pyqtSignal
from PyQt5.QtGui import QTextDocument, QTextOption, QWheelEvent
from PyQt5.QtWidgets import (
    QBoxLayout,
    QFrame,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)

from rtviz.app.cards import Card
from rtviz.app.flow import Flow
from rtviz.app.theme import DARK, Theme

_BESIDE = 2  # so many buttons at most stand beside the sentence
_READABLE = 22  # so many characters of the sentence fit beside word and buttons, or these get rows of their own
_MARGIN = 12  # pixels round the cards


class _Sentence(QTextEdit):
    """Text that can be selected, and breaks inside a word too: a path may be longer than a small window is broad."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("sentence")
        self.setReadOnly(True)
        self.setFrameStyle(QFrame.NoFrame)
        self.setWordWrapMode(QTextOption.WrapAtWordBoundaryOrAnywhere)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self.setTextInteractionFlags(Qt.TextSelectableByMouse)
        self.setFocusPolicy(Qt.NoFocus)
        self._lines().setDocumentMargin(0)
        policy = QSizePolicy(QSizePolicy.Expanding, QSizePolicy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def _lines(self) -> QTextDocument:
        document = self.document()
        assert document is not None
        return document

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(_READABLE * self.fontMetrics().averageCharWidth(), self.fontMetrics().height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(0, self.fontMetrics().height())

    def heightForWidth(self, width: int) -> int:  # noqa: N802
        lines = QTextDocument()  # not its own, which is laid out for the width that it has
        lines.setDocumentMargin(0)
        lines.setDefaultFont(self.font())
        lines.setDefaultTextOption(self._lines().defaultTextOption())
        lines.setPlainText(self.toPlainText())
        lines.setTextWidth(max(1, width))
        return math.ceil(lines.size().height())

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        event.ignore()  # it scrolls the cards


class _CardFrame(QFrame):
    """One card: the word and the sentence side by side, buttons behind them, as far as there is room."""

    requested = pyqtSignal(str)

    def __init__(self, card: Card) -> None:
        super().__init__()
        self.setObjectName("card")
        self.structure = structure(card)
        self._color = ""
        self.word = QLabel()
        self.word.setObjectName("word")
        self.sentence = _Sentence()
        self._text = text = QVBoxLayout()
        text.setSpacing(5)
        text.addStretch(1)
        text.addWidget(self.sentence)
        self.bar: QProgressBar | None = None
        if card.progress is not None:
            self.bar = QProgressBar()
            self.bar.setTextVisible(False)
            self.bar.setAccessibleName(f"Progress: {card.word}")
            text.addWidget(self.bar)
        text.addStretch(1)
        self._said = QBoxLayout(QBoxLayout.LeftToRight)
        self._said.setSpacing(10)
        self._said.addWidget(self.word, 0, Qt.AlignVCenter)
        self._said.addLayout(text, 1)
        self._offered = QWidget()
        flow = Flow()
        self._offered.setLayout(flow)
        self.buttons: list[QPushButton] = []
        for place, (label, command) in enumerate(card.offers):
            button = QPushButton(label)
            button.setFocusPolicy(Qt.TabFocus)
            button.setToolTip(label)
            if place == 0 and card.tone != "bad" and len(card.offers) > 1:
                button.setObjectName("primary")
            button.clicked.connect(lambda _=False, command=command: self.requested.emit(command))
            self.buttons.append(button)
            flow.addWidget(button)
        self._whole = QBoxLayout(QBoxLayout.LeftToRight, self)
        self._whole.setContentsMargins(12, 8, 10, 8)
        self._whole.setSpacing(8)
        self._whole.addLayout(self._said, 1)
        self._whole.addWidget(self._offered)
        if not self.buttons:  # shown before it had a parent, it would be a window, and close the menu that is open
            self._offered.hide()

    def show_card(self, card: Card, theme: Theme) -> None:
        color = {"good": theme.good, "warn": theme.warn, "bad": theme.bad}[card.tone]
        if self.word.text() != card.word:
            self.word.setText(card.word)
        if color != self._color:
            self._color = color
            self.word.setStyleSheet(f"color: {color}; font-weight: 700;")
        if self.sentence.toPlainText() != card.sentence:
            self.sentence.setPlainText(card.sentence)
            self.sentence.updateGeometry()  # Qt keeps the heights that it has asked for
            self.sentence.setToolTip(card.more)
        if self.bar is not None and card.progress is not None:
            done, total = card.progress
            self.bar.setRange(0, 1000 if total else 0)
            if total:
                self.bar.setValue(round(1000 * done / total))

    def fit(self, width: int) -> int:
        """Arrange itself for a width; returns the height that it takes."""
        margins = self._whole.contentsMargins()
        room = width - margins.left() - margins.right()
        word = self.word.sizeHint().width() + self._said.spacing()
        offers = self._offered.sizeHint().width() + self._whole.spacing() if self.buttons else 0
        text = self.sentence.sizeHint().width()
        beside = len(self.buttons) <= _BESIDE and word + text + offers <= room
        self._whole.setDirection(QBoxLayout.LeftToRight if beside else QBoxLayout.TopToBottom)
        self._said.setDirection(QBoxLayout.LeftToRight if word + text <= room else QBoxLayout.TopToBottom)
        for layout in (self._text, self._said, self._whole):
            layout.invalidate()
        return self._whole.totalHeightForWidth(width)


def structure(card: Card) -> tuple[object, ...]:
    """What a card's widgets depend on; the rest only changes their texts."""
    return card.matter, card.progress is not None, card.offers


class Messages(QScrollArea):
    """The cards, one under the other, at the top of their parent."""

    requested = pyqtSignal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("messages")
        self.theme = DARK
        self.setFocusPolicy(Qt.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self._inside = QWidget()
        self._inside.setObjectName("messagesinside")
        self._column = QVBoxLayout(self._inside)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(6)
        self.setWidget(self._inside)
        self._frames: list[_CardFrame] = []
        self.shown: list[Card] = []
        self.hide()

    def set_theme(self, theme: Theme) -> None:
        self.theme = theme
        for frame, card in zip(self._frames, self.shown, strict=True):
            frame.show_card(card, theme)

    def show_cards(self, cards: Sequence[Card]) -> None:
        if [structure(card) for card in cards] != [frame.structure for frame in self._frames]:
            parent, focus = self.parentWidget(), self.window().focusWidget()
            if parent is not None and focus is not None and self.isAncestorOf(focus):
                parent.setFocus()  # the picture has the keys again, and not the next control in the order of Tab
            for frame in self._frames:
                self._column.removeWidget(frame)
                frame.hide()
                frame.deleteLater()
            self._frames = []
            for card in cards:
                frame = _CardFrame(card)
                frame.requested.connect(self.requested)
                self._column.addWidget(frame)
                self._frames.append(frame)
            buttons = [button for frame in self._frames for button in frame.buttons]
            for one, other in pairwise([self.parentWidget(), *buttons]):
                QWidget.setTabOrder(one, other)  # Tab comes from the picture to what lies on it
        self.shown = list(cards)
        for frame, card in zip(self._frames, cards, strict=True):
            frame.show_card(card, self.theme)
        self.setVisible(bool(cards))
        self.place()

    def place(self) -> None:
        """At the top of the parent, in its middle, no broader than reads well, no higher than there is room."""
        parent, bar = self.parentWidget(), self.verticalScrollBar()
        if parent is None or bar is None or not self.shown:
            return
        margin = _MARGIN if parent.height() >= 300 else _MARGIN // 2
        width = max(1, min(parent.width() - 2 * margin, 51 * self.fontMetrics().height() * 3 // 4))
        room = max(1, parent.height() - 2 * margin)
        inside, between = width, self._column.spacing() * (len(self._frames) - 1)
        heights = self._fit(inside)
        if sum(heights) + between > room:
            inside = width - bar.sizeHint().width() - 2
            heights = self._fit(inside)
        whole = sum(heights) + between
        for frame, height in zip(self._frames, heights, strict=True):
            frame.setFixedHeight(height)
        self._inside.resize(inside, whole)
        self.setGeometry((parent.width() - width) // 2, margin, width, min(whole, room))
        self.raise_()

    def _fit(self, width: int) -> list[int]:
        return [frame.fit(width) for frame in self._frames]

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() in (QEvent.FontChange, QEvent.StyleChange):
            self.place()


__all__ = ["Messages"]

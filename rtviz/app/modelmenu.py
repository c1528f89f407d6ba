"""The menu under the model's name: every model with its source and size, and recent weights files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt5.QtCore import QPoint, Qt, pyqtSignal
from PyQt5.QtGui import QKeyEvent, QMouseEvent
from PyQt5.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from rtviz.app.fetching import Fetch
from rtviz.app.remembered import WeightsFile
from rtviz.app.shortened import ShortenedLabel

if TYPE_CHECKING:
    from rtviz.models import Row

_WIDTH, _TALLEST = 540, 620
_ORIGINS = {
    "hub": "from the Hugging Face hub",
    "authors": "from its authors",
    "index": "from the package index",
    "file": "added by hand",
    "rtviz": "built in",
}
_WAYS = {"hub": "the Hugging Face hub", "authors": "its authors", "index": "the package index"}


def megabytes(size: int | None) -> str:
    """A size as it is printed; empty if it is not known."""
    return "" if size is None else f"{size / 1e6:.0f} MB" if size >= 1e7 else f"{size / 1e6:.1f} MB"


class _Entry(QFrame):
    """A model or a file: what it is, and the button that does what can be done with it."""

    def __init__(self, name: str, kind: str, where: str, remark: str = "", here: bool = True) -> None:
        super().__init__()
        self.setObjectName("entry")
        self.name = name
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 6, 8, 6)
        row.setSpacing(10)
        self._dot = dot = QLabel("●" if here else "○")
        dot.setProperty("faint", not here)
        row.addWidget(dot, 0, Qt.AlignTop)
        column = QVBoxLayout()
        column.setSpacing(2)
        first = QHBoxLayout()
        first.setSpacing(10)
        title, beside = QLabel(name), ShortenedLabel(text=kind)
        title.setObjectName("title")
        beside.setProperty("faint", True)
        first.addWidget(title)
        first.addWidget(beside, 1)
        column.addLayout(first)
        for text in filter(None, (where, remark)):
            label = QLabel(text)
            label.setProperty("faint", True)
            label.setWordWrap(True)
            label.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Preferred)
            column.addWidget(label)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.hide()
        column.addWidget(self.bar)
        row.addLayout(column, 1)
        self.button = QPushButton()
        self.button.setFocusPolicy(Qt.StrongFocus)
        self.button.setMinimumWidth(78)
        row.addWidget(self.button, 0, Qt.AlignVCenter)

    def offer(self, text: str, enabled: bool = True) -> None:
        """Set the button's text."""
        self.button.setText(text)
        self.button.setEnabled(enabled)
        self.button.setAccessibleName(f"{text} {self.name}")
        self.button.setToolTip(f"{text}: {self.name}")
        if self.property("current") != (not enabled):
            self.setProperty("current", not enabled)
            for part in (self, self._dot):
                part.style().unpolish(part)
                part.style().polish(part)

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """A click on the entry is one on its button."""
        if event is not None and event.button() == Qt.LeftButton and self.rect().contains(event.pos()):
            self.button.click()


class ModelMenu(QFrame):
    """Every model, and the recent weights files.

    `chosen` is emitted with the name of a model on this machine, `wanted` with that of one to fetch, `cancelled` to end
    the download, `file_chosen` with a WeightsFile, `file_wanted` to ask for a file.
    """

    chosen = pyqtSignal(str)
    wanted = pyqtSignal(str)
    cancelled = pyqtSignal()
    file_chosen = pyqtSignal(object)
    file_wanted = pyqtSignal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.Popup)
        self.setObjectName("menu")
        self.setAccessibleName("Models")
        whole = QVBoxLayout(self)
        whole.setContentsMargins(1, 1, 1, 1)
        whole.setSpacing(0)
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFocusPolicy(Qt.NoFocus)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        whole.addWidget(self._scroll, 1)
        self.file = QPushButton("Weights file…")
        self.file.setToolTip("Load a model from a file: safetensors, .pth, .onnx …; its shapes say which model it is")
        self.file.clicked.connect(self._want_file)
        foot = QHBoxLayout()
        foot.setContentsMargins(10, 8, 10, 8)
        foot.addWidget(self.file)
        foot.addStretch(1)
        whole.addLayout(foot)
        self.entries: dict[str, _Entry] = {}
        self.files: dict[str, _Entry] = {}
        self._rows: dict[str, Row] = {}
        self._current = ""
        self._fetch: Fetch | None = None
        self._awaited: str | None = None  # the model whose download was begun here

    def open_under(self, widget: QWidget) -> None:
        """Show it under a widget, within the screen."""
        self._awaited = None  # of a download that has failed since, a card tells: it must not close the menu anew
        at = widget.mapToGlobal(QPoint(widget.width() // 2 - _WIDTH // 2, widget.height() + 2))
        inner = self._scroll.widget()
        wanted = (inner.sizeHint().height() if inner is not None else 300) + self.file.sizeHint().height() + 20
        screen = QApplication.screenAt(at) or QApplication.primaryScreen()
        if screen is not None:
            room = screen.availableGeometry()
            wanted = min(wanted, room.bottom() - at.y() - 12)
            at.setX(min(max(at.x(), room.left() + 4), room.right() - _WIDTH - 4))
        self.setGeometry(at.x(), at.y(), _WIDTH, max(160, min(wanted, _TALLEST)))
        self.show()
        current = self.entries.get(self._current)
        if current is not None:
            self._scroll.ensureWidgetVisible(current)
        self.file.setFocus()

    def show_models(self, rows: Sequence[Row], files: Sequence[WeightsFile], current: str, file: str | None) -> None:
        """Every model, and the recent weights files.

        Args:
            current: the name of the model in use.
            file: its weights file; None if the weights are the model's own.
        """
        self._rows = {row.card.name: row for row in rows}
        inside = QWidget()
        inside.setObjectName("menuinside")
        column = QVBoxLayout(inside)
        column.setContentsMargins(4, 6, 4, 6)
        column.setSpacing(0)
        self.entries, self.files = {}, {}
        if files:
            column.addWidget(_heading("Weights files"))
        for one in files:
            entry = _Entry(Path(one.path).name, one.model or "", str(Path(one.path).parent))
            entry.button.clicked.connect(lambda _=False, one=one: self._leave(self.file_chosen, one))
            self.files[one.path] = entry
            column.addWidget(entry)
        for title, here in (("On this machine", True), ("To fetch", False)):
            some = [row for row in rows if (row.path is not None) == here]
            if some:
                column.addWidget(_heading(title))
            for row in some:
                column.addWidget(self._entry(row))
        column.addStretch(1)
        bar = self._scroll.verticalScrollBar()
        at = bar.value() if bar is not None else 0
        self._scroll.setWidget(inside)
        if bar is not None:
            bar.setValue(at)
        self.show_state(current, file, self._fetch)

    def _entry(self, row: Row) -> _Entry:
        card, size = row.card, megabytes(row.size)
        kind = ", ".join(filter(None, (card.family, f"{card.parameters / 1e6:.1f} M parameters", card.licence)))
        if row.path is not None:
            where = ", ".join(filter(None, (_ORIGINS.get(row.origin or "", ""), size)))
        else:
            where = f"{size} from {_listed([_WAYS[way] for way in row.ways])}" if row.ways else "by hand only"
            where += "; needs its licence accepted once" if row.must_accept else ""
        entry = _Entry(card.name, kind, where, row.remark, row.path is not None)
        entry.button.clicked.connect(lambda _=False, name=card.name: self._act(name))
        self.entries[card.name] = entry
        return entry

    def show_state(self, current: str, file: str | None, fetch: Fetch | None) -> None:
        """Show the model in use, its weights file if not its own, and how far a download is."""
        self._current, self._fetch = "" if file else current, fetch
        if fetch is not None and fetch.error is not None and fetch.model == self._awaited:
            self._awaited = None
            self.hide()  # it covers the card that says why and offers help
        for path, entry in self.files.items():
            entry.offer("In use" if path == file else "Load", path != file)
        fetching = fetch.model if fetch is not None and fetch.error is None else None
        for name, entry in self.entries.items():
            entry.bar.setVisible(name == fetching)
            if name == fetching and fetch is not None:
                entry.offer("Cancel")
                entry.bar.setRange(0, 1000 if fetch.total else 0)
                entry.bar.setValue(round(1000 * fetch.done / fetch.total) if fetch.total else 0)
                continue
            row = self._rows[name]
            if name == self._current:
                entry.offer("In use", False)
            elif row.path is not None:
                entry.offer("Load")
            else:
                entry.offer("Fetch" if row.ways else "File…")

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        if event.key() in (Qt.Key_Down, Qt.Key_Up):
            self.focusNextPrevChild(event.key() == Qt.Key_Down)
        elif event.key() == Qt.Key_Escape:
            self.hide()
        else:
            super().keyPressEvent(event)

    def _act(self, name: str) -> None:
        row = self._rows[name]
        if self._fetch is not None and self._fetch.error is None and self._fetch.model == name:
            self.cancelled.emit()
        elif row.path is not None:
            self._leave(self.chosen, name)
        elif row.ways:
            self._awaited = name
            self.wanted.emit(name)  # the menu stays open and shows the progress
        else:
            self._want_file()

    def _want_file(self) -> None:
        self.hide()
        self.file_wanted.emit()

    def _leave(self, signal: object, what: object) -> None:
        self.hide()
        signal.emit(what)  # type: ignore[attr-defined]


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def _heading(text: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName("heading")
    label.setContentsMargins(10, 8, 0, 2)
    return label


__all__ = ["ModelMenu", "megabytes"]

"""The panel of the source: where the frames come from, and where else they could come from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import (
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from rtviz.app.keys import Bindings
from rtviz.app.panels.section import faint
from rtviz.app.theme import Theme, icon
from rtviz.live.session import LiveStatus


class SourcePanel(QWidget):
    """Where the frames come from, and where else they could come from.

    `opened` is emitted with a place, `requested` with an action's name, `refresh` to find the cameras again.
    """

    opened = pyqtSignal(str)
    requested = pyqtSignal(str)
    refresh = pyqtSignal()

    def __init__(self, bindings: Bindings) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setSpacing(6)
        self.summary = faint()
        column.addWidget(self.summary)
        self.list = QListWidget()
        self.list.setAccessibleName("Places to open")
        self.list.setToolTip("Click, or press Enter, to open: cameras, the built-in scene, the screen, recent places")
        self.list.setFocusPolicy(Qt.TabFocus)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.ElideMiddle)
        self.list.itemClicked.connect(self._open)
        self.list.itemActivated.connect(self._open)
        column.addWidget(self.list)
        self.line = QLineEdit()
        self.line.setPlaceholderText("address, file, camera number")
        self.line.setAccessibleName("Address")
        self.line.setToolTip(
            bindings.tip("open_address", "A camera's number or name, a file, a folder, http:, rtsp:, screen:, scene:")
        )
        self.line.returnPressed.connect(self._typed)
        column.addWidget(self.line)
        row = QHBoxLayout()
        row.setSpacing(6)
        open_file = QPushButton("Open file…")
        open_file.setFocusPolicy(Qt.TabFocus)
        open_file.setToolTip(bindings.tip("open"))
        open_file.clicked.connect(lambda: self.requested.emit("open"))
        row.addWidget(open_file, 1)
        self.again = QToolButton()
        self.again.setFocusPolicy(Qt.TabFocus)
        self.again.setToolTip("Look for cameras again")
        self.again.setAccessibleName("Look for cameras again")
        self.again.clicked.connect(self.refresh)
        row.addWidget(self.again)
        column.addLayout(row)
        self._shown: object = None

    def set_theme(self, theme: Theme) -> None:
        self.again.setIcon(icon("refresh", theme))

    def show_places(self, cameras: Sequence[tuple[str, str]], recent: Sequence[str]) -> None:
        """What can be opened: cameras as (place, name), and places that were opened before."""
        places = [*cameras, ("scene:", "built-in scene"), ("screen:", "this screen")]
        known = {place for place, _ in places}
        places += [(place, place) for place in recent if place not in known]
        if places == self._shown:
            return
        self._shown = places
        self.list.clear()
        for place, name in places:
            item = QListWidgetItem(name)
            item.setData(Qt.UserRole, place)
            item.setToolTip(place)
            self.list.addItem(item)
        rows = min(7, max(3, len(places)))
        self.list.setFixedHeight(rows * (self.list.sizeHintForRow(0) or 22) + 8)

    def show_status(self, status: LiveStatus) -> None:
        info = status.source_info
        if info is None:
            self.summary.setText(status.source_sentence or "opening")
        else:
            height, width = info.size
            name = info.name if "://" in info.name else Path(info.name).name or info.name
            parts = [name, f"{width}×{height}", f"{info.fps:.3g} fps" if info.fps else "", info.kind]
            self.summary.setText("  ·  ".join(part for part in parts if part))
        for row in range(self.list.count()):
            item = self.list.item(row)
            if item is not None and item.data(Qt.UserRole) == status.place and not self.list.hasFocus():
                self.list.setCurrentRow(row)
                return
        if not self.list.hasFocus():
            self.list.setCurrentRow(-1)

    def _open(self, item: QListWidgetItem) -> None:
        self.opened.emit(str(item.data(Qt.UserRole)))

    def _typed(self) -> None:
        text = self.line.text().strip()
        if text:
            self.opened.emit(text)
            self.line.clear()


__all__ = ["SourcePanel"]

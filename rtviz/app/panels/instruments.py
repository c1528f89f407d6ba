"""The panel of the instruments: latency and head statistics."""

from __future__ import annotations

from PyQt5.QtCore import pyqtSignal
from PyQt5.QtWidgets import QVBoxLayout, QWidget

from rtviz.app.headtable import HeadTable
from rtviz.app.plots import LatencyGraph
from rtviz.app.theme import Theme
from rtviz.live.session import LiveStatus
from rtviz.settings import Head


class InstrumentsPanel(QWidget):
    """Latency and head statistics; `picked` is emitted with a head's number."""

    picked = pyqtSignal(int)

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setSpacing(10)
        self.latency, self.heads = LatencyGraph(), HeadTable()
        self.heads.picked.connect(self.picked)
        column.addWidget(self.latency)
        column.addWidget(self.heads)

    def set_theme(self, theme: Theme) -> None:
        self.latency.set_theme(theme)
        self.heads.set_theme(theme)

    def show_status(self, status: LiveStatus, head: Head) -> None:
        """Show latency and head statistics, and mark the chosen head."""
        self.latency.show_values(status.latency_ms_history)
        self.heads.show_head_stats(status.head_stats, head)


__all__ = ["InstrumentsPanel"]

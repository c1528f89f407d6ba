"""The queue of renders as a list: each with its progress, the time that remains, and what can be done with it."""

from __future__ import annotations

from PyQt5.QtCore import Qt
from PyQt5.QtGui import QFontMetrics, QResizeEvent
from PyQt5.QtWidgets import (
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

from rtviz.app.renders import CANCELLED, DONE, FAILED, RUNNING, WAITING, Render, RenderQueue
from rtviz.app.transport import clock
from rtviz.app.written import show_in_folder
from rtviz.errors import RtvizError


class RenderList(QScrollArea):
    """A row for each render, the newest last."""

    def __init__(self, queue: RenderQueue) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self._queue = queue
        inside = QWidget()
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(0, 0, 4, 0)
        self._column.setSpacing(6)
        self.clear_button = QPushButton("Clear finished")
        self.clear_button.setToolTip("Take those that are over off the list; the files stay")
        self.clear_button.setAutoDefault(False)
        self.clear_button.clicked.connect(lambda: queue.forget_finished())
        self._column.addWidget(self.clear_button, 0, Qt.AlignRight)
        self._column.addStretch(1)
        self.setWidget(inside)
        self.rows: dict[int, RenderRow] = {}
        queue.changed.connect(self.show_queue)
        self.show_queue()

    def show_queue(self) -> None:
        """Bring every row up to date."""
        renders = {id(render): render for render in self._queue.renders}
        for key in [key for key in self.rows if key not in renders]:
            row = self.rows.pop(key)
            self._column.removeWidget(row)
            row.deleteLater()
        for key, render in renders.items():
            if key not in self.rows:
                self.rows[key] = RenderRow(render, self._queue)
                self._column.insertWidget(len(self.rows) - 1, self.rows[key])
            self.rows[key].show_state()
        self.clear_button.setVisible(any(not render.unfinished for render in renders.values()))
        self.setVisible(bool(renders))


class RenderRow(QFrame):
    """One render.

    Attributes:
        offer: cancels it, or shows what it wrote.
    """

    def __init__(self, render: Render, queue: RenderQueue) -> None:
        super().__init__()
        self.setObjectName("card")
        self._render, self._queue = render, queue
        self.name, self.state = QLabel(), QLabel()
        self.name.setObjectName("title")
        self.name.setTextFormat(Qt.PlainText)
        self.name.setToolTip(str(render.output))
        self.name.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Preferred)
        self.state.setTextFormat(Qt.PlainText)
        self.state.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(f"Progress of {render.output.name}")
        self.offer = QPushButton()
        self.offer.setAutoDefault(False)
        self.offer.clicked.connect(lambda: self._do())
        column = QVBoxLayout()
        column.setSpacing(4)
        column.addWidget(self.name)
        column.addWidget(self.bar)
        column.addWidget(self.state)
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 7, 8, 7)
        row.addLayout(column, 1)
        row.addWidget(self.offer, 0, Qt.AlignVCenter)

    def show_state(self) -> None:
        render = self._render
        self._show_name()
        self.bar.setVisible(render.unfinished)
        counted = bool(render.done and render.total)
        self.bar.setRange(0, (render.total or 1) if counted or render.state == WAITING else 0)
        self.bar.setValue(min(render.done, render.total or 0) if counted else 0)
        self.state.setText(words(render))
        text, tip = {
            WAITING: ("Cancel", "Take it out of the queue"),
            RUNNING: ("Cancel", "End it, and delete what it has written"),
            DONE: ("Show in folder", "Open the folder of the file"),
        }.get(render.state, ("", ""))
        self.offer.setText(text)
        self.offer.setToolTip(tip)
        self.offer.setAccessibleName(f"{text}: {render.output.name}")
        self.offer.setVisible(bool(text))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        self._show_name()

    def _show_name(self) -> None:
        """The file's name, shortened in the middle where it has no room."""
        metrics = QFontMetrics(self.name.font())
        self.name.setText(metrics.elidedText(self._render.output.name, Qt.ElideMiddle, max(40, self.name.width())))

    def _do(self) -> None:
        if self._render.unfinished:
            self.offer.clearFocus()  # which, as the button goes, would pass to the next render's: Space would cancel it
            self._queue.cancel(self._render)
        else:
            try:
                show_in_folder(self._render.output)
            except RtvizError as error:
                self.state.setText(str(error))


def words(render: Render) -> str:
    """The state of a render in a line."""
    if render.state == RUNNING:
        if not render.done:
            return render.sentence
        if not render.total:
            return f"{render.done} frames"
        left = render.seconds_left
        share = f"{render.percent} %, {render.done} of {render.total} frames"
        return share + ("" if left is None else f", about {clock(left)} left")
    begins = {WAITING: "waiting", DONE: "done", FAILED: "failed", CANCELLED: "cancelled"}[render.state]
    return begins + (f": {render.sentence}" if render.sentence else "")


__all__ = ["RenderList", "RenderRow", "words"]

"""Time: pause, frame step, the timeline of a file or the flight recorder."""

from __future__ import annotations

from PyQt5.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt5.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PyQt5.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

from rtviz.app.keys import Bindings
from rtviz.app.theme import DARK, Theme, icon
from rtviz.live.session import LiveStatus

_NARROW = 520  # pixels: a row that is less wide shows the timeline rather than the speed


def clock(seconds: float) -> str:
    """1:05, or 1:02:05."""
    whole = int(max(0.0, seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


class Timeline(QWidget):
    """A line from the beginning to the end: of a file, or of what the flight recorder holds.

    Attributes:
        length_seconds: of the line; 0 where there is nothing to go through.
        at_seconds: where one is.
    """

    sought = pyqtSignal(float)

    def __init__(self) -> None:
        super().__init__()
        self.theme = DARK
        self.length_seconds = 0.0
        self.at_seconds = 0.0
        self.setAccessibleName("Position")
        self.setFocusPolicy(Qt.TabFocus)
        self.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(200, 22)

    def show_time(self, at_seconds: float, length_seconds: float) -> None:
        if (at_seconds, length_seconds) != (self.at_seconds, self.length_seconds):
            self.at_seconds, self.length_seconds = at_seconds, length_seconds
            self.setEnabled(length_seconds > 0)
            self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._seek(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._seek(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        steps = {Qt.Key_Left: -1.0, Qt.Key_Right: 1.0, Qt.Key_PageUp: -10.0, Qt.Key_PageDown: 10.0}
        if event.key() in steps:
            self._go(self.at_seconds + steps[Qt.Key(event.key())])
        elif event.key() == Qt.Key_Home:
            self._go(0.0)
        elif event.key() == Qt.Key_End:
            self._go(self.length_seconds)
        else:
            super().keyPressEvent(event)

    def _seek(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.LeftButton:
            self._go((event.localPos().x() - 8) / max(1, self.width() - 16) * self.length_seconds)

    def _go(self, seconds: float) -> None:
        if self.length_seconds > 0:
            self.show_time(min(max(seconds, 0.0), self.length_seconds), self.length_seconds)  # quick steps add up
            self.sought.emit(self.at_seconds)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHint(QPainter.Antialiasing)
        line = QRectF(8, self.height() / 2 - 2, self.width() - 16, 4)
        painter.setPen(Qt.NoPen)
        painter.setBrush(QColor(self.theme.line))
        painter.drawRoundedRect(line, 2, 2)
        if self.length_seconds > 0:
            share = min(1.0, max(0.0, self.at_seconds / self.length_seconds))
            done = QRectF(line)
            done.setWidth(line.width() * share)
            painter.setBrush(QColor(self.theme.accent))
            painter.drawRoundedRect(done, 2, 2)
            painter.setBrush(QColor(self.theme.ink))
            painter.drawEllipse(QPointF(line.x() + line.width() * share, self.height() / 2), 6.5, 6.5)
        if self.hasFocus():
            painter.setBrush(Qt.NoBrush)
            painter.setPen(QPen(QColor(self.theme.accent), 1))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)


class Transport(QWidget):
    """The row under the picture.

    `asked` is emitted with an action's name, `sought` with seconds in a file, `rewound` with seconds before the
    present.
    """

    asked = pyqtSignal(str)
    sought = pyqtSignal(float)
    rewound = pyqtSignal(float)

    def __init__(self, bindings: Bindings) -> None:
        super().__init__()
        self.setObjectName("transport")
        self.setAttribute(Qt.WA_StyledBackground)
        row = QHBoxLayout(self)
        row.setContentsMargins(6, 3, 6, 3)
        row.setSpacing(4)
        self._bindings = bindings
        self._icons: dict[str, QToolButton] = {}
        for name in ("step_back", "pause", "step_on", "rewind"):
            row.addWidget(self._button(name))
        self.timeline = Timeline()
        self.timeline.setToolTip("Position: click or drag to go there")
        self.timeline.sought.connect(self._sought)
        row.addWidget(self.timeline, 1)
        self.time = QLabel()
        self.time.setMinimumWidth(96)
        self.time.setAlignment(Qt.AlignCenter)
        row.addWidget(self.time)
        self.live = self._button("live", "back to now")
        self.live.hide()
        row.addWidget(self.live)
        slower, faster = self._button("slower", "−"), self._button("faster", "+")
        row.addWidget(slower)
        self.speed = QLabel("1×")
        self.speed.setMinimumWidth(34)
        self.speed.setAlignment(Qt.AlignCenter)
        self.speed.setToolTip("Playback speed")
        row.addWidget(self.speed)
        row.addWidget(faster)
        self._less = (slower, self.speed, faster)  # what gives way to the timeline
        self.loop = self._button("loop")
        self.loop.setCheckable(True)
        row.addWidget(self.loop)
        self._past = True
        self._tips = {"pause": "Slide show, or stay", "step_back": "The page before", "step_on": "The next page"}
        self._theme = DARK
        self._playing: bool | None = None

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        for part in self._less:
            part.setVisible(self.width() >= _NARROW)

    def _button(self, action: str, text: str = "") -> QToolButton:
        button = QToolButton()
        button.setProperty("flat", True)
        button.setFocusPolicy(Qt.TabFocus)
        button.setToolTip(self._bindings.tip(action))
        button.setAccessibleName(action.replace("_", " "))
        if text:
            button.setText(text)
        else:
            self._icons[action] = button
        button.clicked.connect(lambda: self.asked.emit(action))
        return button

    def set_theme(self, theme: Theme) -> None:
        self._theme = self.timeline.theme = theme
        for action, button in self._icons.items():
            button.setIcon(icon(action, theme))
            button.setIconSize(QSize(16, 16))
        self._playing = None

    def _sought(self, seconds: float) -> None:
        if self._past:
            self.rewound.emit(self.timeline.length_seconds - seconds)
        else:
            self.sought.emit(seconds)

    def show_status(self, status: LiveStatus) -> None:
        """Show the status in every part of the row."""
        playing = not status.paused
        if playing != self._playing:
            self._playing = playing
            self._icons["pause"].setIcon(icon("pause" if playing else "play", self._theme))
        info = status.source_info
        duration = info.duration_seconds if info is not None and not info.live else None
        # A file is sought on its own line; what has no end is gone through on the flight recorder's.
        self._past = status.past_seconds is not None or not (duration or status.page)
        for action, tip in self._tips.items():
            self._icons[action].setToolTip(self._bindings.tip(action, tip if status.page else ""))
        if self._past:
            ago = status.past_seconds or 0.0
            self.timeline.show_time(round(status.recorder_seconds - ago, 2), round(status.recorder_seconds, 2))
            self.time.setText(f"−{ago:.1f} s" if status.past_seconds is not None else "now")
            self.timeline.setToolTip("The flight recorder's last seconds: click or drag to play them again")
        elif status.page is not None:
            page, pages = status.page
            self.timeline.show_time(page, pages - 1)
            self.time.setText(f"{page + 1} / {pages}")
            self.timeline.setToolTip("Page: click or drag to go there")
        else:
            assert duration is not None
            self.timeline.show_time(round(status.position_seconds, 2), duration)
            self.time.setText(f"{clock(status.position_seconds)} / {clock(duration)}")
            self.timeline.setToolTip("Position in the file: click or drag to go there")
        in_past = status.past_seconds is not None
        self.live.setVisible(in_past)
        self.speed.setText(f"{status.speed:g}×")
        self.loop.setChecked(status.loop)


__all__ = ["Timeline", "Transport", "clock"]

"""The status line: one small readout for each figure, each with a name, a value and a tooltip."""

from __future__ import annotations

from PyQt5.QtCore import QRectF, QSize, Qt
from PyQt5.QtGui import QColor, QFont, QFontMetrics, QPainter, QPaintEvent, QResizeEvent
from PyQt5.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from rtviz.app.theme import DARK, Theme
from rtviz.live.session import LiveStatus

# name, tooltip, a text as wide as its values get, importance: where there is no room the least important go first.
_READOUTS = (
    ("source", "The state of the source", "reconnecting", 9),
    ("input", "Frames that arrive from the source, per second", "00.0 fps", 6),
    ("shown", "Frames that are painted, per second", "00.0 fps", 7),
    ("attention", "Frames that the model predicts, per second", "00.0 fps", 8),
    ("age", "From the capture of the frame on screen until it was painted", "0000 ms", 5),
    ("skipped", "Frames that arrived and were never drawn: the newest one wins", "00000", 1),
    ("device", "Device, number format, and the backend if not torch", "cpu bf16 openvino ", 4),
    ("resolution", "Short side of the model's input, in pixels", "0000 px", 3),
    (
        "mode",
        "Locked: each frame has its own attention. Smooth: optical flow warps the newest attention",
        "smooth",
        2,
    ),
    ("past", "Seconds in the flight recorder, and the memory they take", "30 s  000 MB", 0),
)
_SPACING = 12
_LIVE_KINDS = ("camera", "stream", "screen")  # what shows this moment; a file or the scene plays


def readings(status: LiveStatus) -> dict[str, str]:
    """The value of every readout."""

    def fps(value: float) -> str:
        return f"{value:.1f} fps" if value else "—"

    moving = not status.paused and status.source_state == "live" and status.past_seconds is None
    device = " ".join(part for part in (status.device, status.precision) if part)
    return {
        "source": _source(status),
        "input": fps(status.camera_fps),
        "shown": fps(status.shown_fps),
        "attention": fps(status.attention_fps),
        "age": f"{status.age_ms:.0f} ms" if status.age_ms is not None and moving else "—",
        "skipped": str(status.skipped),
        "device": device or "—",
        "resolution": f"{status.resolution} px" if status.resolution else "—",
        "mode": status.mode,
        "past": f"{status.recorder_seconds:.0f} s  {status.recorder_mb:.0f} MB",
    }


def _source(status: LiveStatus) -> str:
    if status.past_seconds is not None:
        return "past"
    info = status.source_info
    if info is not None and info.frame_count == 1 and status.source_state in ("live", "paused", "ended"):
        return "picture"
    if status.page is not None and status.source_state in ("live", "paused"):
        return "page" if status.paused else "slide show"
    if status.source_state == "live" and info is not None and info.kind not in _LIVE_KINDS:
        return "playing"
    return status.source_state


class _Readout(QWidget):
    def __init__(self, name: str, tip: str, widest: str) -> None:
        super().__init__()
        self.name, self.value, self._widest = name, "—", widest
        self.theme = DARK
        self.tone: str | None = None
        self.setToolTip(f"{name.capitalize()}: {tip[:1].lower()}{tip[1:]}")
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Fixed, QSizePolicy.Fixed)

    def _fonts(self) -> tuple[QFont, QFont]:
        name, value = QFont(self.font()), QFont(self.font())
        size = QFontMetrics(self.font()).height() * 0.72
        name.setPixelSize(max(9, round(size * 0.84)))
        value.setPixelSize(max(10, round(size)))
        value.setBold(True)
        return name, value

    def sizeHint(self) -> QSize:  # noqa: N802
        name, value = self._fonts()
        width = (
            QFontMetrics(name).horizontalAdvance(self.name) + QFontMetrics(value).horizontalAdvance(self._widest) + 6
        )
        return QSize(width, QFontMetrics(self.font()).height() + 6)

    def show_value(self, value: str, tone: str | None) -> None:
        if (value, tone) != (self.value, self.tone):
            self.value, self.tone = value, tone
            self.setAccessibleDescription(value)
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        name, value = self._fonts()
        painter.setFont(name)
        painter.setPen(QColor(self.theme.faint))
        width = QFontMetrics(name).horizontalAdvance(self.name) + 6
        painter.drawText(QRectF(0, 0, width, self.height()), int(Qt.AlignLeft | Qt.AlignVCenter), self.name)
        painter.setFont(value)
        painter.setPen(QColor(getattr(self.theme, self.tone) if self.tone else self.theme.ink))
        painter.drawText(
            QRectF(width, 0, self.width() - width, self.height()), int(Qt.AlignLeft | Qt.AlignVCenter), self.value
        )


class Readouts(QWidget):
    """The row of readouts at the bottom of the window."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("readouts")
        self.setAttribute(Qt.WA_StyledBackground)
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 0, 10, 0)
        row.setSpacing(_SPACING)
        self._readouts: dict[str, _Readout] = {}
        for name, tip, widest, _ in _READOUTS:
            self._readouts[name] = _Readout(name, tip, widest)
            row.addWidget(self._readouts[name])
        row.addStretch(1)
        self.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Fixed)

    def set_theme(self, theme: Theme) -> None:
        for readout in self._readouts.values():
            readout.theme = theme
            readout.update()

    def show_status(self, status: LiveStatus) -> None:
        tones = {"stalled": "warn", "reconnecting": "warn", "failed": "bad", "live": "good", "playing": "good"}
        for name, value in readings(status).items():
            self._readouts[name].show_value(value, tones.get(value) if name == "source" else None)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Where there is no room for all, the least important give way."""
        room = self.width() - 20
        for name, _, _, _ in sorted(_READOUTS, key=lambda row: -row[3]):
            room -= self._readouts[name].sizeHint().width() + _SPACING
            self._readouts[name].setVisible(room > -_SPACING)


__all__ = ["Readouts", "readings"]

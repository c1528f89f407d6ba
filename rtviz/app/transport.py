"""Time: pause, frame step, the timeline of a file or the flight recorder."""

from __future__ import annotations

from PyQt5.QtCore import QSize, Qt, pyqtSignal
from PyQt5.QtGui import QResizeEvent
from PyQt5.QtWidgets import QHBoxLayout, QLabel, QToolButton

from rtviz.app.giving_way import GivingWayRow
from rtviz.app.keys import Bindings
from rtviz.app.theme import DARK, Theme, icon
from rtviz.app.timeline import Timeline
from rtviz.live.session import LiveStatus

# Pixels: a narrower row shows the timeline rather than frame number, speed and loop; or than what keys do as well.
_NARROW, _VERY_NARROW = 640, 350

_UNSEEKABLE = "Not seekable; its last seconds:"


def clock(seconds: float) -> str:
    """1:05, or 1:02:05."""
    whole = int(max(0.0, seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


class Transport(GivingWayRow):
    """The row under the picture.

    `requested` is emitted with an action's name, `sought` with seconds in a file, `rewound` with seconds before the
    present.
    """

    requested = pyqtSignal(str)
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
        self.frame = QLabel()
        self.frame.setProperty("faint", True)
        self.frame.setToolTip("Number of the frame, counted from 0")
        self.frame.setMinimumWidth(self.frame.fontMetrics().horizontalAdvance("frame 00000") + 4)
        row.addWidget(self.frame)
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
        self.loop = self._button("loop")
        self.loop.setCheckable(True)
        row.addWidget(self.loop)
        self.render_button = self._button("render")
        row.addWidget(self.render_button)
        # What gives way to the timeline in a row that is narrower than so many pixels.
        self.gives_way = dict.fromkeys((self.frame, slower, self.speed, faster, self.loop), _NARROW)
        self.gives_way |= {self._icons[name]: _VERY_NARROW for name in ("step_back", "step_on", "rewind", "render")}
        if not bindings.keys_of("render"):  # not for visitors
            self.render_button.hide()
            del self.gives_way[self.render_button]
        time = [self._icons[name] for name in ("step_back", "pause", "step_on", "rewind")]
        self._of_time = (*time, self.timeline, slower, self.speed, faster, self.loop)  # what a picture has no use for
        self._past = True
        self._place: str | None = None
        self._tips = {"pause": "Slide show, or stay", "step_back": "The page before", "step_on": "The next page"}
        self._theme = DARK
        self._playing: bool | None = None

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        self.give_way(self.width())

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
        button.clicked.connect(lambda: self.requested.emit(action))
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

    def show_renders(self, percent: int | None) -> None:
        """The progress of the current render; None for none."""
        self.render_button.setText("" if percent is None else f" {percent} %")
        self.render_button.setToolButtonStyle(Qt.ToolButtonIconOnly if percent is None else Qt.ToolButtonTextBesideIcon)

    def show_status(self, status: LiveStatus, frame: int | None = None) -> None:
        """Show the status in every part of the row.

        Args:
            frame: the number in its source of the frame that is shown, if there is one.
        """
        playing = not status.paused
        if playing != self._playing:
            self._playing = playing
            self._icons["pause"].setIcon(icon("pause" if playing else "play", self._theme))
        info = status.source_info
        duration = info.duration_seconds if info is not None and not info.live else None
        # A file is sought on its own timeline; an endless source is reviewed on the flight recorder's.
        still = info is not None and info.frame_count == 1 and not info.live and status.page is None
        for part in self._of_time:
            part.setEnabled(not still)
        self._past = status.past_seconds is not None or not (duration or status.page or still)
        self.timeline.past = self._past
        if status.place != self._place:
            self._place = status.place
            self.timeline.clear_part()
        self.timeline.show_markable(not (self._past or still) and status.page is None)
        for action, tip in self._tips.items():
            self._icons[action].setToolTip(self._bindings.tip(action, tip if status.page else ""))
        if self._past:
            ago = status.past_seconds or 0.0
            note = _UNSEEKABLE if info is not None and info.kind == "video" and not duration else ""
            self.timeline.show_time(round(status.recorder_seconds - ago, 2), round(status.recorder_seconds, 2), note)
            self.time.setText(f"−{ago:.1f} s" if status.past_seconds is not None else "now")
            self.timeline.setToolTip("The flight recorder's last seconds: click or drag to play them again")
        elif still:
            self.timeline.show_time(0.0, 0.0)
            self.time.setText("one picture")
            self.timeline.setToolTip("A picture has no time")
        elif status.page is not None:
            page, pages = status.page
            self.timeline.show_time(page, pages - 1)
            self.time.setText(f"{page + 1} / {pages}")
            self.timeline.setToolTip("Page: click or drag to go there")
        else:
            assert duration is not None
            self.timeline.show_time(round(status.position_seconds, 2), duration)
            self.time.setText(f"{clock(status.position_seconds)} / {clock(duration)}")
            marks = [self._bindings.shown(name) for name in ("mark_in", "mark_out")]
            mark = f"; {' and '.join(marks)} mark a part to render" if all(marks) else ""
            self.timeline.setToolTip(f"Position in the file: click or drag to go there{mark}")
        counted = frame is not None and status.past_seconds is None and info is not None and not info.live
        self.frame.setText(f"frame {frame}" if counted and status.page is None and not still else "")
        in_past = status.past_seconds is not None
        self.live.setVisible(in_past)
        self.speed.setText(f"{status.speed:g}×")
        self.loop.setChecked(status.loop)


__all__ = ["Transport", "clock"]

"""What lies under the pointer on the timeline: the time, and the frame there, decoded beside the live view."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt5.QtCore import QObject, QPoint, QRectF, Qt, pyqtSignal
from PyQt5.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPaintEvent, QPen
from PyQt5.QtWidgets import QWidget

from rtviz.app.canvas import to_qimage
from rtviz.app.theme import DARK, Theme
from rtviz.app.timeline import Timeline
from rtviz.app.transport import clock
from rtviz.live.session import LiveStatus
from rtviz.sources import WEB, Page

if TYPE_CHECKING:
    from rtviz.frame import Pixels
    from rtviz.sources.video_thumbnails import VideoThumbnails

_SIDE = 192  # of a thumbnail, in pixels of the window
_KEPT = 200  # thumbnails, of 80 KB each, or four times that on a fine screen
_STEP = 2.0  # pixels of the line that share a thumbnail
_IDLE_SECONDS = 10.0  # after which the file is closed
_NICE = 10  # where the system gives threads a priority: the live view comes first
_PADDING, _GAP = 5, 6
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame of which a thumbnail is wanted.

    Attributes:
        place: a video, which may lie on a web server, or an animation.
        seconds: counted from its first frame.
        page: the page instead, of pages.
        side: of the thumbnail's longer side, in pixels.
    """

    place: str
    seconds: float
    page: Page | None
    side: int


class _Decoder:
    """Thumbnails of any moment; keeps the video open that it read last. For one thread."""

    def __init__(self) -> None:
        self._video: VideoThumbnails | None = None
        self._of: tuple[str, int] | None = None

    def read(self, moment: Moment, stopped: Callable[[], bool]) -> Pixels | None:
        """RGB uint8 [height, width, 3]; None if it was stopped."""
        from rtviz.sources import open_source
        from rtviz.sources.magic import is_picture
        from rtviz.sources.pages import bounded, thumbnail
        from rtviz.sources.video_thumbnails import VideoThumbnails

        if moment.page is not None:
            return thumbnail(moment.page, moment.side)
        if not moment.place.startswith(WEB) and is_picture(Path(moment.place)):
            with open_source(moment.place, start=moment.seconds) as animation:
                return next((bounded(frame.pixels, moment.side) for frame in animation), None)
        if self._video is None or self._of != (moment.place, moment.side):
            self.close()
            self._video = VideoThumbnails(moment.place, moment.side)
            self._of = moment.place, moment.side
        return self._video.at(moment.seconds, stopped)

    def close(self) -> None:
        if self._video is not None:
            self._video.close()
        self._video = self._of = None


class MomentReader(QObject):
    """Reads thumbnails in a thread of its own; a newer request takes the place of an older one.

    `read` is emitted with (Moment, QImage); the image is null where there is none.
    """

    read = pyqtSignal(object, QImage)

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()
        self._wanted: Moment | None = None
        self._closed = False
        self._thread: threading.Thread | None = None

    def want(self, moment: Moment) -> None:
        """Read this one, and no other one any more."""
        with self._changed:
            self._wanted = moment
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._read_all, name="rtviz-timeline", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def close(self) -> None:
        """Let the thread go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _stopped(self) -> bool:
        return self._closed or self._wanted is not None

    def _read_all(self) -> None:
        if sys.platform == "linux":  # where a priority is a thread's own
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        decoder = _Decoder()
        try:
            while (moment := self._next(decoder)) is not None:
                image = QImage()
                try:
                    pixels = decoder.read(moment, self._stopped)
                    if pixels is None and self._stopped():
                        continue
                    if pixels is not None:
                        image = to_qimage(pixels)
                except Exception:  # the edge of the thread: the time alone is shown
                    _log.debug("no thumbnail of %s", moment, exc_info=True)
                    decoder.close()
                if not self._closed:
                    self.read.emit(moment, image)
        finally:
            decoder.close()

    def _next(self, decoder: _Decoder) -> Moment | None:
        """The newest request, once there is one; None at the end. Nothing stays open that nobody asks about."""
        with self._changed:
            while not self._changed.wait_for(self._stopped, _IDLE_SECONDS):
                decoder.close()
            moment, self._wanted = self._wanted, None
            return None if self._closed else moment


class TimelinePreview(QWidget):
    """Floats over the timeline while the pointer is on it.

    Attributes:
        text: the time, or the page, under the pointer.
        image: the frame there; null while it is read, and where there is none.
        reader: reads thumbnails.
    """

    def __init__(self, parent: QWidget, timeline: Timeline) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WA_TransparentForMouseEvents)
        self.theme = DARK
        self.text, self.image = "", QImage()
        self.reader = MomentReader()
        self.reader.read.connect(self._take)
        self._timeline = timeline
        self._status = LiveStatus()
        self._seconds: float | None = None
        self._reads = False
        self._last_size = 0, 0
        self._kept: OrderedDict[Moment, QImage] = OrderedDict()
        timeline.hovered.connect(self._hover)
        self.hide()

    def set_theme(self, theme: Theme) -> None:
        self.theme = theme

    def show_status(self, status: LiveStatus) -> None:
        """What the timeline is of."""
        changed = status.place != self._status.place
        self._status = status
        if changed:
            self._kept.clear()
        if self.isVisible() and (changed or not self._timeline.isVisible() or not self._timeline.isEnabled()):
            self._hover(None)

    def _hover(self, seconds: float | None) -> None:
        self._seconds = seconds
        if seconds is None:
            self.hide()
            return
        moment = self._moment(seconds)
        self.text = self._words(seconds)
        self._reads = moment is not None and moment not in self._kept
        if moment is None:
            self.image = QImage()
        elif moment in self._kept:
            self.image = self._kept[moment]
            self._kept.move_to_end(moment)
        else:
            self.image = self._nearest(moment)
            self.reader.want(moment)
        self._place()
        self.show()
        self.raise_()
        self.update()

    def _words(self, seconds: float) -> str:
        status, length = self._status, self._timeline.length_seconds
        if self._timeline.past:
            ago = length - seconds
            return f"−{ago:.1f} s" if ago >= 0.05 else "now"
        if status.page is not None:
            return f"{round(seconds) + 1} / {status.page[1]}"
        # Tenths, where a pixel of the line is less than a second.
        tenths = f".{int(seconds * 10) % 10}" if length < 600 else ""
        return clock(seconds) + tenths

    def _moment(self, seconds: float) -> Moment | None:
        """What to read; None where the source gives no frame but the next one."""
        info = self._status.source_info
        if self._timeline.past or info is None or info.live:
            return None
        side = round(_SIDE * self.devicePixelRatioF())
        if self._status.page is not None:
            number = min(max(round(seconds), 0), len(info.pages) - 1)
            return Moment("", 0.0, info.pages[number], side) if info.pages else None
        place = self._status.place or ""
        if not (info.kind == "video" and place.startswith(WEB)):  # a web file's name is without its password
            place = info.name
            if info.kind not in ("video", "pictures") or "://" in place or not Path(place).is_file():
                return None
        step = self._timeline.length_seconds * _STEP / max(1.0, self._timeline.width())
        return Moment(place, round(seconds / step) * step, None, side)

    def _nearest(self, moment: Moment) -> QImage:
        """A thumbnail that is kept of about this time, until its own is read."""
        near = 0.02 * self._timeline.length_seconds
        kept = [
            (abs(one.seconds - moment.seconds), place)
            for place, one in enumerate(self._kept)
            if (one.place, one.page) == (moment.place, moment.page) and abs(one.seconds - moment.seconds) <= near
        ]
        return list(self._kept.values())[min(kept)[1]] if kept else QImage()

    def _take(self, moment: Moment, image: QImage) -> None:
        self._kept[moment] = image
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        if self.isVisible() and self._seconds is not None and moment == self._moment(self._seconds):
            self.image, self._reads = image, False
            self._place()
            self.update()

    # --- place and painting ------------------------------------------------------------------------------------------

    def _picture(self) -> tuple[int, int]:
        """(width, height) of the thumbnail in the window's pixels; of the one before it while it is read."""
        if self.image.isNull():
            return self._last_size if self._reads else (0, 0)
        ratio = self.devicePixelRatioF()
        self._last_size = round(self.image.width() / ratio), round(self.image.height() / ratio)
        return self._last_size

    def _place(self) -> None:
        """Above the pointer, inside the window."""
        parent = self.parentWidget()
        if parent is None or self._seconds is None:
            return
        width, height = self._picture()
        metrics = QFontMetricsF(self.font())
        low = round(metrics.height()) + _PADDING
        broad = max(width, round(metrics.horizontalAdvance(self.text)) + 2 * _PADDING) + 2 * _PADDING
        high = height + low + _PADDING
        over = self._timeline.mapTo(parent, QPoint(round(self._timeline.x_of(self._seconds)), 0))
        x = min(max(over.x() - broad // 2, _GAP), max(_GAP, parent.width() - broad - _GAP))
        self.setGeometry(x, max(0, over.y() - high - _GAP), broad, high)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHints(QPainter.Antialiasing | QPainter.SmoothPixmapTransform)
        painter.setPen(QPen(QColor(self.theme.line), 1))
        painter.setBrush(QColor(self.theme.panel))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 5, 5)
        width, height = self._picture()
        box = QRectF((self.width() - width) / 2, _PADDING, width, height)
        painter.fillRect(box, QColor(self.theme.ground))
        painter.drawImage(box, self.image)
        painter.setPen(QColor(self.theme.ink))
        words = QRectF(0, _PADDING / 2 + height, self.width(), self.height() - height - _PADDING / 2)
        painter.drawText(words, Qt.AlignCenter, self.text)


__all__ = ["Moment", "MomentReader", "TimelinePreview"]

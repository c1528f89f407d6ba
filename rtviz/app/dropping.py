"""Files dropped on the window, or chosen in its dialog: where each kind goes, with a sign of that during the drag."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PyQt5.QtCore import QMimeData, QRectF, Qt
from PyQt5.QtGui import QColor, QDragEnterEvent, QDropEvent, QFont, QFontMetricsF, QPainter, QPaintEvent, QPen
from PyQt5.QtWidgets import QWidget

from rtviz.app.file_filters import PICTURES, PRESETS, SUFFIXES, VIDEOS, WEIGHTS
from rtviz.app.layout import Layout
from rtviz.app.theme import DARK

_GROUND = QColor(8, 9, 12, 175)
_ACCENT, _INK = QColor(DARK.accent), QColor(DARK.ink)  # in both themes: it is dark
_ROUND = 10.0


class Dropping:
    """Takes files to where they belong.

    Args:
        open_files: opens places, one after the other.
        load_weights: loads the first model from a file.
        use_preset: shows what a preset says.
        refers: whether the view on screen finds places of other pictures, so that a picture is one of these.
        refer: asks for the place of a picture to find.
    """

    def __init__(
        self,
        layout: Layout,
        open_files: Callable[[Sequence[str]], None],
        load_weights: Callable[[str], None],
        use_preset: Callable[[Path], None],
        refers: Callable[[], bool],
        refer: Callable[[str], None],
    ) -> None:
        self._layout = layout
        self._open_files, self._load_weights, self._use_preset = open_files, load_weights, use_preset
        self._refers, self._refer = refers, refer
        self.sign = DropSign(layout)

    def enter(self, event: QDragEnterEvent) -> None:
        """Show where what is dragged over the window would go."""
        paths = _paths(event.mimeData())
        if paths:
            event.acceptProposedAction()
            picture = self._reference(paths)
            words = f"Find a place of {Path(picture).name}" if picture else worded(paths)
            self.sign.show_over(self._target(paths), words)

    def drop(self, event: QDropEvent) -> None:
        """Take what is dropped."""
        self.sign.hide()
        paths = _paths(event.mimeData())
        if paths:
            event.acceptProposedAction()
            if picture := self._reference(paths):
                self._refer(picture)
            else:
                self.take(paths)

    def take(self, paths: Sequence[str]) -> None:
        """Weights are loaded, a preset is shown, everything else is opened."""
        weights, presets, places = _sorted(paths)
        if weights:
            self._load_weights(weights[0])
        elif presets:
            self._use_preset(Path(presets[0]))
        if places:
            self._open_files(places)
        left_out = len(weights) + len(presets) - bool(weights or presets)
        if left_out:
            self._layout.canvas.toast(f"{left_out} more left out: one model or preset at a time", 4.0)

    def _reference(self, paths: Sequence[str]) -> str | None:
        """The one picture that is dropped where a place of another picture is looked for."""
        is_picture = len(paths) == 1 and Path(paths[0]).suffix.lower() in SUFFIXES[PICTURES]
        return paths[0] if is_picture and "://" not in paths[0] and self._refers() else None

    def _target(self, paths: Sequence[str]) -> QWidget:
        weights, _, places = _sorted(paths)
        header = self._layout.header
        return header.model_button if weights and not places and header.isVisible() else self._layout.canvas


def worded(paths: Sequence[str]) -> str:
    """What becomes of files that are dropped, in a few words."""
    weights, presets, places = _sorted(paths)
    name = Path(paths[0]).name or paths[0]
    if weights and places:
        return f"Load {Path(weights[0]).name}, and open {len(places)} more"
    if weights:
        return f"Load the weights {name}"
    if presets and not places:
        return f"Show the preset {Path(name).stem}"
    if len(places) == 1:
        return f"Open the folder {name}" if Path(paths[0]).is_dir() else f"Open {name}"
    for kind, said in ((VIDEOS, "videos, one after the other"), (PICTURES, "pictures as pages")):
        if all(Path(place).suffix.lower() in SUFFIXES[kind] for place in places):
            return f"Open {len(places)} {said}"
    return f"Open {len(places)} files, one after the other"


def _sorted(paths: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Weights, presets, and places."""
    found: dict[str, list[str]] = {WEIGHTS: [], PRESETS: [], "": []}
    for path in paths:
        suffix = "" if Path(path).is_dir() or "://" in path else Path(path).suffix.lower()
        found[next((kind for kind in (WEIGHTS, PRESETS) if suffix in SUFFIXES[kind]), "")].append(path)
    return found[WEIGHTS], found[PRESETS], found[""]


def _paths(data: QMimeData | None) -> list[str]:
    if data is None:
        return []
    if data.hasUrls():
        return [url.toLocalFile() or url.toString() for url in data.urls()]
    return [text] if data.hasText() and (text := data.text().strip()) else []


class DropSign(QWidget):
    """Lies over the window while something is dragged over it: a frame round where it would go, and what would become
    of it.

    Attributes:
        text: what would become of it.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WA_TransparentForMouseEvents)
        self.text = ""
        self._target: QWidget = parent
        self.hide()

    def show_over(self, target: QWidget, text: str) -> None:
        """Show it, with a frame round this part of the window."""
        self._target, self.text = target, text
        parent = self.parentWidget()
        assert parent is not None
        self.setGeometry(parent.rect())
        self.show()
        self.raise_()
        self.update()

    def target_rect(self) -> QRectF:
        """Where the frame is."""
        corner = self._target.mapTo(self.parentWidget(), self._target.rect().topLeft())
        return QRectF(self._target.rect().translated(corner))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHints(QPainter.Antialiasing | QPainter.TextAntialiasing)
        painter.fillRect(self.rect(), _GROUND)
        target = self.target_rect()
        painter.setPen(QPen(_ACCENT, 3, Qt.DashLine))
        painter.drawRoundedRect(target.adjusted(2, 2, -2, -2) if target.height() > 80 else target, _ROUND, _ROUND)
        font = QFont(self.font())
        font.setPixelSize(max(16, min(30, self.height() // 28)))
        font.setBold(True)
        painter.setFont(font)
        painter.setPen(_INK)
        room = target if target.height() > 80 else QRectF(self.rect())
        text = QFontMetricsF(font).elidedText(self.text, Qt.ElideMiddle, 0.9 * room.width())
        painter.drawText(room, Qt.AlignCenter, text)


__all__ = ["DropSign", "Dropping", "worded"]

"""The window's size, and what there is room for in it: cards, names, buttons."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest
from live_fakes import Recording
from PyQt5.QtCore import QPoint, QRect, QSize, Qt
from PyQt5.QtGui import QColor, QImage, QTextCursor
from PyQt5.QtWidgets import QApplication, QFrame, QPushButton, QTextEdit, QToolButton, QWidget
from pytestqt.qtbot import QtBot
from windows import Make, wait

from rtviz.app.cards import Card
from rtviz.app.controls import Control
from rtviz.app.messages import Messages
from rtviz.app.theme import DARK, dress
from rtviz.app.thumbnails import LayerColumn
from rtviz.app.window_size import WindowSize

pytestmark = pytest.mark.gui


# --- maximised and full screen ---------------------------------------------------------------------------------------


def test_full_screen_gives_back_what_was_before(make: Make, qtbot: QtBot) -> None:
    window = make(shown=False)
    plain = window.size()
    wait(qtbot, lambda: window.window_state["size"] == [plain.width(), plain.height()])
    for maximised in (True, False):
        window.showMaximized() if maximised else window.showNormal()
        wait(qtbot, lambda: window.isMaximized() == maximised)  # noqa: B023
        qtbot.keyClick(window.canvas, "f")
        wait(qtbot, window.isFullScreen)
        qtbot.keyClick(window.canvas, Qt.Key_Escape)
        wait(qtbot, lambda: not window.isFullScreen())
        assert window.isMaximized() == maximised
    wait(qtbot, lambda: window.size() == plain)


@pytest.mark.parametrize("full_screen", [False, True])
def test_quitting_maximised_comes_back_maximised(make: Make, qtbot: QtBot, full_screen: bool) -> None:
    first = make(shown=False)
    plain = first.size()
    wait(qtbot, lambda: first.window_state["size"] == [plain.width(), plain.height()])
    first.showMaximized()
    wait(qtbot, first.isMaximized)
    if full_screen:
        qtbot.keyClick(first.canvas, "f")
        wait(qtbot, first.isFullScreen)
    first.close()
    second = make(shown=False)
    assert second.isMaximized()
    assert not second.isFullScreen()
    second.showNormal()
    wait(qtbot, lambda: second.size() == plain)


def test_the_frame_has_room_on_the_screen_too(qapp: QApplication, qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    WindowSize(window, {"size": [9000, 9000]})
    screen = qapp.primaryScreen().availableGeometry()
    assert 20 <= screen.height() - window.height() <= 60, "a title bar is about 30 pixels high"
    assert 0 <= screen.width() - window.width() <= 20


# --- cards -----------------------------------------------------------------------------------------------------------

_PATH = "/media/someone/videos/2024/a-very-long-folder-name-for-a-film/interview-with-the-teacher-take-12.mp4"
_OFFERS = (("Try again", "open_again"), ("Open…", "open"), ("Built-in scene", "open_scene"))
_CARDS = [
    Card("source", "bad", "no source", f"{_PATH}: there is no such file.", None, _OFFERS),
    Card("model", "good", "model", "Loading dinov2-vits14: 34 of 88 MB.", (34, 88), (("Cancel", "cancel_loading"),)),
]


def _within(part: QWidget, whole: QWidget) -> QRect:
    return QRect(part.mapTo(whole, QPoint(0, 0)), part.size())


@pytest.mark.parametrize("size", [(232, 150), (420, 160), (240, 420), (900, 500)])
def test_cards_are_whole_at_any_size(qapp: QApplication, qtbot: QtBot, size: tuple[int, int]) -> None:
    dress(qapp, DARK)
    parent = QWidget()
    qtbot.addWidget(parent)
    parent.resize(*size)
    messages = Messages(parent)
    asked: list[str] = []
    messages.requested.connect(asked.append)
    parent.show()
    messages.show_cards(_CARDS)
    qapp.processEvents()
    assert parent.rect().contains(messages.geometry())
    inside, seen = messages.widget(), messages.viewport()
    assert inside is not None
    assert seen is not None
    frames = [frame for frame in inside.findChildren(QFrame, "card") if frame.isVisible()]
    upper, lower = sorted((_within(frame, inside) for frame in frames), key=lambda box: box.y())
    assert upper.bottom() < lower.y(), "no card lies over another one"
    assert inside.rect().contains(lower)
    for frame in frames:
        (text,) = frame.findChildren(QTextEdit)
        end = QTextCursor(text.document())
        end.movePosition(QTextCursor.End)
        assert text.rect().contains(text.cursorRect(end).center()), "the sentence's end is seen"
        parts = [text, *frame.findChildren(QPushButton)]
        boxes = [_within(part, frame) for part in parts]
        assert all(frame.rect().contains(box) for box in boxes)
        assert not any(one.intersects(other) for one in boxes for other in boxes if one is not other)
        for button in frame.findChildren(QPushButton):
            assert button.width() >= button.sizeHint().width()
            messages.ensureWidgetVisible(button, 0, 0)
            assert seen.rect().contains(_within(button, seen))
            qtbot.mouseClick(button, Qt.LeftButton)
    assert asked == [command for card in _CARDS for _, command in card.offers]


def test_a_card_grows_with_what_it_says(qapp: QApplication, qtbot: QtBot) -> None:
    dress(qapp, DARK)
    parent = QWidget()
    qtbot.addWidget(parent)
    parent.resize(700, 400)
    messages = Messages(parent)
    parent.show()
    heights = []
    for text in ("short.", _PATH * 2, "short."):
        messages.show_cards([Card("written", "good", "saved", text, None, _OFFERS[:2])])
        qapp.processEvents()
        (sentence,) = messages.findChildren(QTextEdit)
        end = QTextCursor(sentence.document())
        end.movePosition(QTextCursor.End)
        assert sentence.rect().contains(sentence.cursorRect(end).center()), "the sentence's end is seen"
        heights.append(messages.height())
    assert heights[0] == heights[2] < heights[1]


# --- the panels ------------------------------------------------------------------------------------------------------


def test_what_a_view_does_not_read_leaves_no_gap(make: Make, qtbot: QtBot) -> None:
    window = make()
    for view in ("heatmap", "pca"):
        window.change(view=view)
        shown = [control for control in window.view.controls.values() if control.isVisibleTo(window.view)]
        assert len(shown) < len(window.view.controls)

        def gaps(shown: list[Control] = shown) -> list[int]:
            boxes = sorted((_within(control, window.view) for control in shown), key=lambda box: box.y())
            return [below.top() - above.bottom() - 1 for above, below in pairwise(boxes)]

        wait(qtbot, lambda: set(gaps()) == {0})


# --- the top bar -----------------------------------------------------------------------------------------------------


def test_a_long_file_name_leaves_room_for_the_models(make: Make, qtbot: QtBot, tmp_path: Path) -> None:
    name = "the interview with the teacher of the evening class, second take, colour corrected.mkv"
    window = make(place=f"/clips/{name}", open_source=_Named(name).open)
    wait(qtbot, lambda: window.header.title.text() == name)
    window.resize(800, 600)
    wait(qtbot, lambda: "…" in window.header.title.shown_text)
    begun, ended = window.header.title.shown_text.split("…")
    assert name.startswith(begun)
    assert name.endswith(ended)
    assert len(begun) >= 9, "enough to tell takes of one experiment apart"
    assert len(ended) >= 9
    model = window.header.model_button
    assert model.width() >= model.sizeHint().width()
    assert window.header.rect().contains(_within(model, window.header))
    assert window.header.title.toolTip() == name


class _Named(Recording):
    """A recording of this name."""

    def __init__(self, name: str) -> None:
        super().__init__([number / 30 for number in range(90)], (120, 160))
        self.name = name

    def open(self, place: str, *, start: float = 0.0):  # type: ignore[no-untyped-def]
        from dataclasses import replace

        source = super().open(place, start=start)
        source.info = replace(source.info, name=self.name)
        return source


def test_the_window_fits_on_640_pixels_and_keeps_what_has_no_other_place(make: Make, qtbot: QtBot) -> None:
    window = make()
    window.resize(1366, 768)
    wait(qtbot, lambda: window.header.mark.isVisible() and window.transport.frame.isVisible())
    window.resize(640, 480)
    assert window.width() == 640, "in one go"
    low = QSize(640, 344)  # of a screen of 1366 x 768 at scale factor 2, with the window's frame
    wait(qtbot, lambda: window.resize(low) or window.size() == low)
    parts = window.canvas, window.transport.time, window.transport.timeline, window.side, window.header.help_menu
    assert all(part.isVisible() and window.rect().contains(_within(part, window)) for part in parts)
    window.resize(1366, 768)
    wait(qtbot, lambda: window.header.mark.isVisible() and window.transport.frame.isVisible())
    for button in (*window.header.tools.values(), *window.transport.findChildren(QToolButton)):
        assert button.isVisible() or button is window.transport.live


def test_the_number_of_a_layer_has_room_in_the_lowest_window(qtbot: QtBot) -> None:
    """Against the column twice as broad: the chosen one's yellow ground is as broad."""
    column = LayerColumn()
    qtbot.addWidget(column)
    column.tiles.show_count(12, 16 / 9)
    column.choose(11)
    column.fit_height(272)
    column.resize(column.width(), 200)
    assert column.width() <= 80

    def ground() -> int:
        picture = column.grab().toImage()
        row = max(range(30), key=lambda y: sum(_yellow(picture, x, y) for x in range(22, picture.width())))
        return sum(_yellow(picture, x, row) for x in range(22, picture.width()))

    narrow = ground()
    column.setFixedWidth(140)
    assert narrow == ground() > 8


def _yellow(picture: QImage, x: int, y: int) -> bool:
    return picture.pixelColor(x, y) == QColor(DARK.accent)


@pytest.mark.parametrize("width", [820, 1366])
def test_no_view_is_left_alone_in_a_row(make: Make, qtbot: QtBot, width: int) -> None:
    window = make(shown=False)
    window.resize(width, 720)
    rows: dict[int, list[QRect]] = {}
    for button in window.view.views.values():
        rows.setdefault(button.y(), []).append(button.geometry())
    ends = {(min(one.left() for one in row), max(one.right() for one in row)) for row in rows.values()}
    assert len(rows) > 3
    assert max(left for left, _ in ends) - min(left for left, _ in ends) <= 1
    assert max(right for _, right in ends) - min(right for _, right in ends) <= 1, "each row is as broad as the others"

"""What is dropped on the window or chosen in its dialogs: where it goes, and the sign of that during the drag."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest
from live_fakes import Engine, Model, Recording
from PIL import Image
from PyQt5.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PyQt5.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PyQt5.QtWidgets import QApplication, QFileDialog, QWidget
from pytestqt.qtbot import QtBot
from windows import Make, wait

from rtviz.app.dropping import worded
from rtviz.app.file_filters import SUFFIXES
from rtviz.app.window import Window
from rtviz.errors import SourceMissing
from rtviz.settings import Settings
from rtviz.sources.pages import pages_of, places_of

pytestmark = pytest.mark.gui


def urls(*paths: object) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return data


def drag(window: Window, data: QMimeData) -> bool:
    """Drag something over the window; returns whether the window would take it."""
    enters = QDragEnterEvent(QPoint(50, 50), Qt.CopyAction, data, Qt.LeftButton, Qt.NoModifier)
    enters.ignore()
    QApplication.sendEvent(window, enters)
    return enters.isAccepted()


def drop(window: Window, data: QMimeData) -> None:
    drag(window, data)
    QApplication.sendEvent(window, QDropEvent(QPointF(50, 50), Qt.CopyAction, data, Qt.LeftButton, Qt.NoModifier))


def pictures(folder: Path, *names: str) -> list[str]:
    folder.mkdir(exist_ok=True)
    for name in names:
        Image.new("RGB", (8, 8)).save(folder / name)
    return [str(folder / name) for name in names]


def test_a_drag_shows_where_the_drop_goes(make: Make, qtbot: QtBot, tmp_path: Path) -> None:
    window = make(shown=False)
    sign = window.dropping.sign
    assert not sign.isVisible()
    targets: list[tuple[QMimeData, str, QWidget]] = [
        (urls("/clips/a clip.mp4"), "a clip.mp4", window.canvas),
        (urls("/models/mine.pth"), "mine.pth", window.header.model_button),
        (urls("/clips/a.mp4", "/clips/b.mov"), "2 videos", window.canvas),
        (urls(tmp_path), tmp_path.name, window.canvas),
    ]
    for data, says, target in targets:
        assert drag(window, data)
        assert sign.isVisible()
        assert says in sign.text
        assert sign.target_rect().topLeft().toPoint() == target.mapTo(window, QPoint(0, 0))
        QApplication.sendEvent(window, QDragLeaveEvent())
        assert not sign.isVisible()
    assert not drag(window, QMimeData()), "nothing that could be opened"
    assert not sign.isVisible()
    assert not drag(make(shown=False, kiosk=True), urls("/clips/a.mp4")), "a visitor drops nothing"


def test_dropped_weights_are_loaded_and_the_rest_is_opened(make: Make, qtbot: QtBot) -> None:
    loaded: list[str | None] = []
    opened: list[str] = []
    source = Recording([0.0, 0.1], (120, 160))

    def load(settings: Settings, progress: object) -> Engine:
        loaded.append(settings.weights)
        return Engine(Model())

    def watch(place: str, **part: float) -> object:
        opened.append(place)
        return source.open(place, **part)

    window = make(load_engine=load, open_source=watch)
    drop(window, urls("/models/mine.safetensors", "/clips/a.mp4"))
    assert not window.dropping.sign.isVisible()
    wait(qtbot, lambda: "/models/mine.safetensors" in loaded and "/clips/a.mp4" in opened)


@pytest.mark.parametrize("way", ["drop", "dialog"])
def test_several_videos_are_a_playlist(make: Make, qtbot: QtBot, way: str) -> None:
    source = Recording([number / 30 for number in range(4)], (120, 160))
    window = make(open_source=source.open)
    places = [f"/clips/{name}.mp4" for name in "abc"]

    def shown(number: int) -> None:
        wait(qtbot, lambda: window.session.status().place == places[number])
        wait(qtbot, lambda: f"{number + 1} / 3" in window.header.title.text())

    if way == "drop":
        drop(window, urls(*places))
    else:
        window.do("open")
        dialog = window.findChild(QFileDialog)
        assert dialog is not None
        dialog.filesSelected.emit(places)
        dialog.close()
    shown(0)
    qtbot.keyClick(window.canvas, Qt.Key_PageDown, Qt.ControlModifier)
    shown(1)
    menu = window.header.open_button.menu()
    assert menu is not None
    menu.aboutToShow.emit()
    next(entry for entry in menu.actions() if entry.text() == "1   a.mp4").trigger()
    shown(0)
    qtbot.keyClick(window.canvas, Qt.Key_PageUp, Qt.ControlModifier)
    assert window.session.status().place == places[0]
    assert "first" in window.canvas.toast_text
    window.do("loop")  # off: what ends is followed by the next, and the last one by nothing
    assert not window.session.status().loop
    shown(2)
    wait(qtbot, lambda: window.session.status().source_state == "ended")
    assert window.session.status().place == places[2]


def test_a_drop_that_cannot_be_opened_leaves_the_playlist(make: Make, qtbot: QtBot) -> None:
    source = Recording([number / 30 for number in range(90)], (120, 160))

    def watch(place: str, **part: float) -> object:
        if place == "/clips/broken.mp4":
            raise SourceMissing("it is broken")
        return source.open(place, **part)

    window = make(open_source=watch)
    drop(window, urls("/clips/a.mp4", "/clips/b.mp4"))
    wait(qtbot, lambda: "1 / 2" in window.header.title.text())
    drop(window, urls("/clips/broken.mp4"))
    wait(qtbot, lambda: any(card.matter == "attempt" for card in window.messages.shown))
    window.refresh()
    assert "1 / 2" in window.header.title.text()
    qtbot.keyClick(window.canvas, Qt.Key_PageDown, Qt.ControlModifier)
    wait(qtbot, lambda: window.session.status().place == "/clips/b.mp4")
    wait(qtbot, lambda: "2 / 2" in window.header.title.text())


def test_a_clip_that_is_looped_is_followed_by_no_other(make: Make, qtbot: QtBot) -> None:
    source = Recording([0.0, 0.02], (120, 160))
    window = make(open_source=source.open)
    drop(window, urls("/clips/a.mp4", "/clips/b.mp4"))
    wait(qtbot, lambda: window.session.status().place == "/clips/a.mp4")
    frames = window.session.counts()[0]
    wait(qtbot, lambda: window.session.counts()[0] > frames + 6)  # three times through
    assert window.session.status().place == "/clips/a.mp4"


def test_what_is_chosen_becomes_places(tmp_path: Path) -> None:
    photos = pictures(tmp_path / "photos", "b.png", "a.jpg")
    mixed = pictures(tmp_path / "mixed", "c.png")
    for video in ("two.mp4", "ten.mp4"):
        (tmp_path / "mixed" / video).write_bytes(b"")
    (tmp_path / "empty").mkdir()
    videos = [str(tmp_path / "mixed" / name) for name in ("ten.mp4", "two.mp4")]
    folder = str(tmp_path / "photos")
    assert places_of([folder]) == ([folder], 0), "as pages, under its name"
    assert places_of([str(tmp_path / "mixed")]) == ([*mixed, *videos], 0)
    assert places_of(photos) == ([pages_of(photos)], 0)
    assert places_of([videos[0], *photos, videos[1]]) == ([pages_of(photos), *videos], 0)
    assert places_of([videos[0], *mixed]) == ([mixed[0], videos[0]], 0)
    assert places_of(["rtsp://one", "rtsp://two"]) == (["rtsp://one", "rtsp://two"], 0)
    assert places_of([videos[1], str(tmp_path / "empty")]) == ([videos[1]], 1)


def test_words_for_what_is_dragged(tmp_path: Path) -> None:
    assert worded(["/m/one.pth", "/m/clip.mp4"]) == "Load one.pth, and open 1 more"
    assert worded(["/m/talk.toml"]) == "Show the preset talk"
    assert worded(["a.jpg", "b.png", "c.heic"]) == "Open 3 pictures as pages"
    assert worded(["a.jpg", "b.mp4"]) == "Open 2 files, one after the other"
    assert worded(["rtsp://camera/stream.pth"]) == "Open stream.pth"


@pytest.mark.parametrize(
    ("action", "kinds"),
    [("open", ("Videos", "Pictures", "Weights")), ("reference_open", ("Pictures", "Videos"))],
)
def test_dialogs_show_the_files_of_their_kinds(make: Make, action: str, kinds: tuple[str, ...]) -> None:
    window = make(shown=False)
    window.do(action)
    dialog = window.findChild(QFileDialog)
    assert dialog is not None
    together, *each, everything = dialog.nameFilters()
    assert together.split(" (")[0] == ", ".join(kinds[:-1]).capitalize() + f" and {kinds[-1].lower()}"
    assert [text.split(" (")[0] for text in each] == list(kinds)
    assert everything == "All files (*)"
    for kind, text in zip(kinds, each, strict=True):
        shown = set(text.partition("(")[2].rstrip(")").split())
        assert shown == {f"*{suffix}" for suffix in SUFFIXES[kind]}
        assert shown < set(together.partition("(")[2].rstrip(")").split())
    dialog.close()


def test_a_picture_dropped_on_the_view_reference_is_one_to_mark(make: Make, qtbot: QtBot, tmp_path: Path) -> None:
    one, another = pictures(tmp_path / "pictures", "cup.png", "cap.png")
    window = make(Settings(view="reference"))
    drag(window, urls(one))
    assert window.dropping.sign.text == "Find a place of cup.png"
    for name, keeps, expected in ((one, False, [one]), (another, True, [one, another]), (another, False, [another])):
        drop(window, urls(name))
        dialog = window.references.dialog
        assert dialog is not None
        assert dialog.beside.isVisible() == bool(window.session.settings.reference)
        dialog.beside.setChecked(keeps)
        qtbot.mouseClick(dialog.picture, Qt.LeftButton, pos=dialog.picture.rect().center())
        dialog.accept()
        assert [reference.path for reference in window.session.settings.reference] == expected
    drag(window, urls(one, another))
    assert window.dropping.sign.text == "Open 2 pictures as pages"


def test_the_dialog_begins_where_the_file_lies_that_is_shown(make: Make, qtbot: QtBot, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.touch()
    window = make(place=str(clip), open_source=Recording([0.0, 0.1], (36, 64)).open)
    wait(qtbot, lambda: window.session.status().place == str(clip))
    window.do("open")
    dialog = window.findChild(QFileDialog)
    assert dialog is not None
    assert Path(dialog.directory().path()) == tmp_path
    dialog.close()

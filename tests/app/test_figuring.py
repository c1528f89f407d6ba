"""The dialog "Figure...": pages of what is on screen, and the command that draws the same."""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Collection, Sequence
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pytest
from live_fakes import Engine, Model, Recording
from PIL import Image
from PyQt5.QtCore import QPoint, QRect, Qt
from PyQt5.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from windows import GREY, Make, wait

from rtviz.app.figuredialog import FigureDialog
from rtviz.app.window import Window
from rtviz.cli.arguments import given_settings
from rtviz.cli.parser import build_parser
from rtviz.frame import Frame, Maps
from rtviz.offline.command import figure_arguments
from rtviz.settings import FIGURE_FIELDS, FIGURE_VIEW_FIELDS, MODEL_INPUT, Point, Settings

pytestmark = pytest.mark.gui


class Fitting(Model):
    """A model that sees the whole frame in its own shape."""

    def input_size(self, frame_size: tuple[int, int], resolution: int | None = None) -> tuple[int, int]:
        return (2 * frame_size[0], 2 * frame_size[1])


def opened(window: Window, qtbot: QtBot) -> FigureDialog:
    """The dialog, with a preview."""
    menu = window.header.snapshot_menu.menu()
    assert menu is not None
    menu.aboutToShow.emit()
    next(entry for entry in menu.actions() if entry.text() == "Figure…\tCtrl+Shift+F").trigger()
    dialog = window.figuring.dialog
    assert dialog is not None
    wait(qtbot, lambda: dialog.preview.pixmap() is not None)
    return dialog


@pytest.mark.parametrize("page", ["layers", "heads", "compare", "view"])
@pytest.mark.parametrize(
    "settings",
    [Settings(), Settings(model="dino-vits16", resolution=448, query=Point(0.25, 0.5), layer=3, threshold=0.35,
                          gamma=0.5, head=3, view="pca", opacity=0.2)],
)  # fmt: skip
def test_the_command_means_what_was_chosen(page: str, settings: Settings) -> None:
    settings = settings if page != "view" else settings.replace(view="pca", pca_component=2, head="max")
    arguments = figure_arguments(
        "-clip.mp4", "out.pdf", settings, page=page, models=("dino-vits16", "resnet50"), seconds=1.2509, width=3.3,
        scale="each", labels=False, bar=False,
    )  # fmt: skip
    parsed = build_parser().parse_args(arguments)
    given = given_settings(parsed)
    needed = {name for name in (*MODEL_INPUT, *FIGURE_FIELDS) if page != "layers" or name != "layer"}
    needed |= {"view", *FIGURE_VIEW_FIELDS} if page == "view" else set()
    needed -= {"model"} if page == "compare" else set()
    asked = Settings.from_mapping(given)
    assert all(getattr(asked, name) == getattr(settings, name) for name in needed)
    assert "resolution" in given, "or the command would take that of stills"
    assert (parsed.paper, parsed.below) == (page == "heads", "dino-vits16,resnet50" if page == "compare" else None)
    assert (parsed.picture, parsed.output, parsed.start) == ("./-clip.mp4", "out.pdf", 1.25)
    assert (parsed.width, parsed.scale, parsed.labels, parsed.bar) == (3.3, "each", False, False)


def test_what_is_saved_is_the_page_of_the_frame_that_was_taken(make: Make, qtbot: QtBot, tmp_path: Path) -> None:
    threads: list[threading.Thread] = []

    class Watched(Engine):
        def predict(self, frames: Sequence[Frame], settings: Settings, features: Collection[str] = ()) -> list[Maps]:
            threads.append(threading.current_thread())
            return super().predict(frames, settings, features)

    clip = tmp_path / "a clip.mp4"
    clip.write_bytes(b"")
    engine = Watched(Fitting())
    source = Recording([number / 30 for number in range(90)], (120, 160))
    window = make(GREY.replace(query=Point(0.25, 0.5)), place=str(clip), open_source=source.open,
                  load_engine=lambda settings, progress: engine)  # fmt: skip
    dialog = opened(window, qtbot)
    assert any(thread.name == "rtviz-figures" for thread in threads), (
        "the models ran on this frame, off the main thread"
    )
    assert [dialog.page.itemText(place) for place in range(dialog.page.count())] == [
        "All layers and heads", "Heads of the layer, and their masks", "Heads beside the mask of the best one",
    ]  # fmt: skip
    dialog.page.setCurrentIndex(1)
    assert dialog.destination.text() == str(tmp_path / "recording-heads.png")
    dialog.labels.setChecked(False)
    qtbot.mouseClick(dialog.copy, Qt.LeftButton)
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    program, *arguments = shlex.split(clipboard.text())
    assert program == "rtviz"
    parsed = build_parser().parse_args(arguments)
    assert (parsed.picture, parsed.paper, parsed.labels, parsed.bar) == (str(clip), True, False, True)
    assert Settings.from_mapping(given_settings(parsed)).query == Point(0.25, 0.5)
    qtbot.mouseClick(dialog.act_button, Qt.LeftButton)
    wait(qtbot, lambda: dialog.note.text().startswith("Wrote"))
    with Image.open(tmp_path / "recording-heads.png") as picture:
        saved = np.asarray(picture.convert("RGB"))
    wait(qtbot, lambda: dialog.destination.text() == str(tmp_path / "recording-heads-2.png"))
    dialog.bar.setChecked(False)
    dialog.format.setCurrentText("PDF")
    qtbot.mouseClick(dialog.act_button, Qt.LeftButton)
    wait(qtbot, lambda: (tmp_path / "recording-heads.pdf").exists())
    assert (tmp_path / "recording-heads.pdf").read_bytes().startswith(b"%PDF")
    assert saved.shape[1] == pytest.approx(6.9 * 300, abs=2)
    dialog.destination.setText(str(tmp_path / "nowhere.jpg"))
    assert not dialog.act_button.isEnabled()
    assert ".png, .pdf, .svg" in dialog.note.text()


def test_the_view_on_screen_has_a_page_where_figures_know_it(make: Make, qtbot: QtBot, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"")
    source, engine = Recording([number / 30 for number in range(90)], (120, 160)), Engine(Fitting())
    window = make(GREY.replace(view="norms", layer=1), place=str(clip), open_source=source.open,
                  load_engine=lambda settings, progress: engine)  # fmt: skip
    dialog = opened(window, qtbot)
    dialog.page.setCurrentText("The view on screen")
    assert "--view norms" in dialog.command.text()
    qtbot.mouseClick(dialog.act_button, Qt.LeftButton)
    wait(qtbot, lambda: dialog.note.text().startswith("Wrote"))
    assert (tmp_path / "recording-view.png").exists()


def test_panes_are_compared_and_a_camera_has_a_command_if_its_frame_is_kept(
    make: Make, qtbot: QtBot, tmp_path: Path
) -> None:
    window = make(GREY.replace(compare=("random:other",)),
                  load_engine=lambda settings, progress: Engine(Fitting(name=settings.model or "tiny")))  # fmt: skip
    wait(qtbot, lambda: [pane.state for pane in window.session.status().panes] == ["ready"])
    dialog = opened(window, qtbot)
    dialog.page.setCurrentText("Models compared")
    assert dialog.choices().page == "compare"
    assert not dialog.command.text()
    assert not dialog.copy.isEnabled()
    assert "unless you keep it" in dialog.command.placeholderText()
    assert dialog.frame.isVisible()
    qtbot.mouseClick(dialog.frame, Qt.LeftButton, pos=QPoint(8, dialog.frame.height() // 2))
    dialog.destination.setText(str(tmp_path / "figure.png"))
    kept = tmp_path / "figure-frame.png"
    assert shlex.split(dialog.command.text())[:5] == ["rtviz", "figure", str(kept), "-o", str(tmp_path / "figure.png")]
    assert "--start" not in dialog.command.text()
    qtbot.mouseClick(dialog.act_button, Qt.LeftButton)
    wait(qtbot, lambda: dialog.note.text().startswith("Wrote"))
    with Image.open(kept) as frame:
        assert frame.size == (160, 120)
    found = window.session.predict_each(window.session.latest().frame)  # type: ignore[union-attr]
    assert [*found] == ["tiny", "random:other"]


def test_the_dialog_fits_a_small_screen(
    make: Make, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("PyQt5.QtGui.QScreen.availableGeometry", lambda screen: QRect(0, 0, 800, 560))
    window = make(GREY, load_engine=lambda settings, progress: Engine(Fitting()))
    dialog = opened(window, qtbot)
    assert dialog.height() <= 520
    assert dialog.width() <= 800
    button = dialog.act_button
    assert dialog.rect().contains(QRect(button.mapTo(dialog, QPoint(0, 0)), button.size()))

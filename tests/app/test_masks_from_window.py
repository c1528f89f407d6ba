"""Masks from the window: found where prompts are, the command that is shown, and the queue of renders."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest
from PyQt5.QtCore import QPoint, Qt
from PyQt5.QtWidgets import QAction, QMenu
from pytestqt.qtbot import QtBot
from render_process import STAND_IN
from windows import GREY, Make, wait

from rtviz.app.masksdialog import MasksDialog
from rtviz.app.renders import RUNNING, Render, RenderQueue
from rtviz.app.window import Window
from rtviz.cli.arguments import settings_of
from rtviz.cli.parser import build_parser
from rtviz.settings import Mark, OutputSettings, Prompt, Settings

pytestmark = pytest.mark.gui

CAT, NO_CAT, DOG = (
    Prompt("a.png", Mark(0.4, 0.5), True, "cat"),
    Prompt("a.png", Mark(0.8, 0.2), False, "cat"),
    Prompt("b.png", Mark(0.1, 0.2, 0.3, 0.3), True, "dog"),
)
PROMPTS = Settings(view="prompts", prompt=(CAT, NO_CAT, DOG), confidence=0.6, layer=1, opacity=0.4, colormap="gray")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_text("the session's source is a fake")
    return path


def opened(make: Make, clip: Path, settings: Settings = PROMPTS) -> tuple[Window, MasksDialog]:
    window = make(GREY, place=str(clip))
    window.session.update(settings)
    window.rendering.queue.command = STAND_IN
    window.refresh()
    window.do("masks")
    dialog = window.rendering.masks_dialog
    assert dialog is not None
    assert dialog.isVisible()
    return window, dialog


def test_the_command_says_all_that_masks_depend_on_and_no_more(make: Make, clip: Path, tmp_path: Path) -> None:
    window, dialog = opened(make, clip)
    window.transport.timeline.mark(start=0.5)
    window.transport.timeline.mark(end=2.0)
    window.refresh()
    dialog.formats.setCurrentText("WebM with alpha")
    dialog.quality.setValue(90)
    words = shlex.split(dialog.command.text())
    assert words[:5] == ["rtviz", "masks", str(clip), "-o", str(tmp_path / "clip-prompts-masks.webm")]
    settings, output = settings_of(build_parser().parse_args(words[1:]))
    assert settings == Settings(model="tiny", view="prompts", prompt=(CAT, NO_CAT, DOG), confidence=0.6, layer=1)
    assert output == OutputSettings(start=0.5, end=2.0, quality=90)
    assert dialog.what.text().startswith("Of the classes cat, dog: the frames with the masks as alpha")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (Settings(view="mask", head=2, threshold=0.4), "Of head 2 of the last layer, 40 % of the attention:"),
        (Settings(view="mask", head="all", layer=1), "Of each head of layer 1, 60 % of the attention:"),
        (Settings(view="objects", objects="lost"), "Of the object by LOST:"),
        (Settings(view="track", track=(Mark(0.1, 0.2), Mark(0.3, 0.4))), "Of 2 objects:"),
    ],
)
def test_other_views_with_masks_are_written_too(make: Make, clip: Path, settings: Settings, says: str) -> None:
    _, dialog = opened(make, clip, settings)
    assert dialog.what.text().startswith(says)
    assert dialog.act_button.isEnabled()
    parsed, _ = settings_of(build_parser().parse_args(shlex.split(dialog.command.text())[1:]))
    assert parsed == settings.replace(model="tiny")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (Settings(view="prompts"), "Shift+click it on the picture"),
        (Settings(view="track"), "Shift+click one on the picture"),
        (Settings(view="pca"), "The view PCA has no masks: choose Mask, Objects, Track or Prompts."),
    ],
)
def test_where_there_is_nothing_to_write_it_says_what_to_do(
    make: Make, clip: Path, settings: Settings, says: str
) -> None:
    window, dialog = opened(make, clip, settings)
    assert says in dialog.note.text()
    assert not dialog.act_button.isEnabled()
    window.change(view="mask")
    window.refresh()
    assert dialog.act_button.isEnabled(), "it follows what is on screen"


def test_masks_wait_in_the_queue_of_renders_and_are_cancelled(
    make: Make, qtbot: QtBot, clip: Path, tmp_path: Path
) -> None:
    window, dialog = opened(make, clip)
    queue = window.rendering.queue
    queue.add(Render("long.mp4", tmp_path / "long.mp4", Settings(), OutputSettings()))
    wait(qtbot, lambda: queue.renders[0].done == 20)
    assert dialog.act_button.text() == "Add to queue"
    dialog.destination.setText(str(tmp_path / "out.json"))
    qtbot.mouseClick(dialog.act_button, Qt.LeftButton)
    waiting = queue.renders[1]
    assert waiting.arguments[0] == "masks"
    assert dialog.list.rows[id(waiting)].state.text() == "waiting"
    assert queue.renders[0].state == RUNNING
    qtbot.mouseClick(dialog.list.rows[id(queue.renders[0])].offer, Qt.LeftButton)
    wait(qtbot, lambda: (tmp_path / "out.json").exists() and not queue.unfinished)
    assert dialog.list.rows[id(waiting)].state.text() == "done: 40 frames, 64×48, at 12.5 frames/s"
    assert not (tmp_path / "long.mp4").exists()


def test_the_button_is_there_once_something_is_marked(make: Make, qtbot: QtBot, clip: Path) -> None:
    window = make(GREY, place=str(clip), shown=False)
    for changes, there in (
        ({"view": "mask"}, False), ({"view": "prompts"}, False), ({"prompt": [CAT]}, True),
        ({"view": "track"}, False), ({"track": [Mark(0.5, 0.5)]}, True), ({"view": "heatmap"}, False),
    ):  # fmt: skip
        window.change(**changes)
        window.refresh()
        assert window.view.masks.isVisible() is there, changes
    window.change(view="prompts")
    window.refresh()
    others = [one for name, one in window.view.controls.items() if name not in ("prompt", "confidence")]
    first = [window.view.prompts, window.view.controls["confidence"], window.view.masks]
    tops = [[one.mapTo(window.view, QPoint()).y() for one in group if one.isVisible()] for group in (first, others)]
    assert len(tops[0]) == 3
    assert max(tops[0]) < min(tops[1])
    qtbot.mouseClick(window.view.masks, Qt.LeftButton)
    assert window.rendering.masks_dialog is not None


def test_it_is_in_the_menus_and_not_in_a_kiosk(make: Make, clip: Path) -> None:
    window = make(GREY.replace(view="mask"), place=str(clip))
    menu = window.header.snapshot_menu.menu()
    assert menu is not None
    menu.aboutToShow.emit()
    assert any(entry.text().startswith("Masks…") for entry in menu.actions())
    middle = window.canvas.rect().center()
    spot = window.canvas.spot(window.canvas.picture_rect().center())
    window.canvas.menu_requested.emit(spot, window.canvas.mapToGlobal(QPoint(middle)))
    (context,) = [one for one in window.canvas.findChildren(QMenu) if one.isVisible()]
    entry = next(one for one in context.actions() if one.text().startswith("Save masks…"))
    assert isinstance(entry, QAction)
    entry.trigger()
    context.close()
    assert window.rendering.masks_dialog is not None
    kiosk = make(PROMPTS, place=str(clip), kiosk=True, shown=False)
    kiosk.refresh()
    assert not kiosk.view.masks.isVisible()
    assert not kiosk.bindings.offers("masks")


@pytest.mark.slow
def test_what_is_queued_is_written_by_rtviz_itself(qtbot: QtBot, tmp_path: Path) -> None:
    queue = RenderQueue(None)
    settings = Settings(view="mask", model="random:vit_tiny_patch16_224", resolution=32, head=1)
    output = OutputSettings(end=0.1)
    queue.add(Render("scene:?seed=3&size=96x64", tmp_path / "out.json", settings, output, masks=True))
    qtbot.waitUntil(lambda: not queue.unfinished, timeout=120_000)
    assert queue.renders[0].sentence.startswith("3 frames, 96×64"), queue.renders[0]
    coco = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in coco["categories"]] == ["head 1"]
    assert len(coco["annotations"]) == 3

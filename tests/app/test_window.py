"""The window, offscreen, on a real session whose source and engine are fakes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pytest
from live_fakes import LIMIT, Engine, Model, Recording, by_name
from media import Part
from PIL import Image
from PyQt5.QtCore import QEvent, QMimeData, QPoint, QPointF, QSize, Qt, QTimer, QUrl
from PyQt5.QtGui import QDropEvent, QImage
from PyQt5.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QScrollArea,
    QSpinBox,
    QWidget,
)
from pytestqt.qtbot import QtBot
from windows import GREY, Make, wait

from rtviz import views
from rtviz.app.keys import ACTIONS
from rtviz.app.licence import LicenceDialog
from rtviz.app.modelmenu import ModelMenu
from rtviz.app.process import starting_settings
from rtviz.app.remembered import Remembered
from rtviz.app.theme import DARK
from rtviz.app.thumbnails import Tiles
from rtviz.app.timeline import Timeline
from rtviz.app.window import Window
from rtviz.errors import SettingsError, SourceMissing, WeightsMissing, WeightsRefused
from rtviz.frame import Maps
from rtviz.models import Row, zoo
from rtviz.options import RealOption
from rtviz.settings import Point, Settings
from rtviz.sources import Source, open_source
from rtviz.sources.pages import as_pages
from rtviz.views.pca_basis import load as load_basis

pytestmark = pytest.mark.gui


def asked_for(window: Window) -> Settings:
    """The settings as they are now, which a key may just have changed."""
    return window.session.settings


def drawn_with(window: Window) -> Settings:
    """The settings that the picture on the canvas was drawn with."""
    assert window.canvas.result is not None
    return window.canvas.result.settings


def brightest(window: Window) -> tuple[int, int]:
    """(row, column) of the patch that is brightest on the canvas as it is painted, on the engine's 6 x 8 grid."""
    image = window.canvas.grab().toImage().convertToFormat(QImage.Format_RGB32)
    memory = image.constBits()
    assert memory is not None
    pixels = np.frombuffer(memory.asstring(image.sizeInBytes()), np.uint8).reshape(image.height(), -1, 4)
    rect = window.canvas.picture_rect()
    ratio = image.width() / window.canvas.width()
    middles = np.empty((6, 8))
    for row in range(6):
        for column in range(8):
            x = rect.x() + (column + 0.5) / 8 * rect.width()
            y = rect.y() + (row + 0.5) / 6 * rect.height()
            middles[row, column] = pixels[int(y * ratio), int(x * ratio), :3].sum()
    place = np.unravel_index(np.argmax(middles), middles.shape)
    return int(place[0]), int(place[1])


# --- keys and what they do -------------------------------------------------------------------------------------------


def test_every_action_of_the_table_is_done_by_something(make: Make) -> None:
    window = make(shown=False)
    missing = {action.name for action in ACTIONS} - set(window.action_table)
    assert not missing


def test_a_key_shows_the_head_and_the_layer_that_it_names(make: Make, qtbot: QtBot) -> None:
    window = make()
    window.canvas.toast("")  # nothing may lie over the picture
    assert brightest(window) == (0, 0)
    for key, place in ((Qt.Key_3, (0, 3)), (Qt.Key_Left, (0, 2)), (Qt.Key_Up, (1, 2)), (Qt.Key_Right, (1, 3)),
                       (Qt.Key_Down, (0, 3)), (Qt.Key_Right, (0, 0)), (Qt.Key_Left, (0, 3))):  # fmt: skip
        qtbot.keyClick(window.canvas, key)
        wait(qtbot, lambda: brightest(window) == place)  # noqa: B023
    settings = window.session.settings
    assert (settings.layer, settings.head) == (0, 3)
    assert window.strip.chosen == 3
    assert window.layers.tiles.chosen == window.layers.slider.value() == 0


def test_a_change_shows_while_paused(make: Make, qtbot: QtBot) -> None:
    window = make()
    qtbot.keyClick(window.canvas, Qt.Key_Space)
    wait(qtbot, lambda: window.session.status().paused)
    qtbot.keyClick(window.canvas, "2")
    wait(qtbot, lambda: brightest(window) == (0, 2))
    assert window.session.status().paused


def test_a_head_that_the_model_does_not_have_is_refused(make: Make, qtbot: QtBot) -> None:
    window = make()
    qtbot.keyClick(window.canvas, "9")
    assert window.session.settings.head == 0
    assert "0 to 3" in window.canvas.toast_text


@pytest.mark.parametrize(
    ("keys", "name", "values"),
    [
        ("aaa", "head", ("mean", "max", "all")),
        ("cc", "colormap", ("inferno", "viridis")),
        ("]]", "opacity", (0.7, 0.75)),
        ("[", "opacity", (0.6,)),
        ("=-", "threshold", (0.65, 0.6)),
        ("bb", "layout", ("side-by-side", "overlay")),
        ("uu", "upsampling", ("guided", "smooth")),
        ("v", "view", ("mask",)),
        ("V", "view", (views.names()[-1],)),
    ],
)
def test_keys_change_settings(make: Make, qtbot: QtBot, keys: str, name: str, values: tuple[object, ...]) -> None:
    window = make()
    for key, value in zip(keys, values, strict=True):
        qtbot.keyClick(window.canvas, key, Qt.ShiftModifier if key.isupper() else Qt.NoModifier)
        assert getattr(window.session.settings, name) == value


@pytest.mark.parametrize("name", views.names())
def test_each_view_is_shown_by_its_key_and_its_button(make: Make, qtbot: QtBot, name: str) -> None:
    window = make(GREY.replace(view="none" if name != "none" else "mask"), shown=False)
    wait(qtbot, lambda: window.session.latest() is not None)
    key = views.find(name).key
    qtbot.keyClick(window.canvas, key, Qt.ShiftModifier if key.isupper() else Qt.NoModifier)
    assert window.session.settings.view == name
    assert [shown for shown, button in window.view.views.items() if button.isChecked()] == [name]
    wait(qtbot, lambda: window.canvas.result is not None and drawn_with(window).view == name)


def test_the_help_is_painted_over_the_picture_and_goes(make: Make, qtbot: QtBot) -> None:
    window = make()
    qtbot.keyClick(window.canvas, "?", Qt.ShiftModifier)
    assert window.help.isVisible()
    assert window.childAt(window.canvas.geometry().center()) is window.help
    pages = window.help.pages()
    shown = [line for page in pages for column in page for _, lines in column for line in lines]
    assert shown == [line for _, lines in window.bindings.help() for line in lines]
    for page in range(len(pages)):
        assert window.help.page == page
        qtbot.keyClick(window.canvas, "?", Qt.ShiftModifier)
    assert not window.help.isVisible()
    closings: tuple[Callable[[], object], ...] = (
        lambda: qtbot.keyClick(window.canvas, Qt.Key_Escape),
        lambda: qtbot.mouseClick(window.help, Qt.LeftButton),
    )
    for close in closings:
        window.do("help")
        assert window.help.isVisible()
        close()
        assert not window.help.isVisible()
    assert window.session.settings.query == "cls", "the click closed the help, and asked nothing"


def test_a_view_that_needs_another_pass_says_so_until_it_is_there(make: Make, qtbot: QtBot) -> None:
    engine = Engine()
    window = make(load_engine=lambda settings, progress: engine)
    assert window.canvas.awaited == ""
    engine.go.clear()
    qtbot.keyClick(window.canvas, "p")
    wait(qtbot, lambda: window.canvas.awaited == "PCA: computing …")
    qtbot.keyClick(window.canvas, "e")  # which the maps that are here can show
    wait(qtbot, lambda: window.canvas.awaited == "")
    qtbot.keyClick(window.canvas, "p")
    wait(qtbot, lambda: window.canvas.awaited)
    engine.go.set()
    wait(qtbot, lambda: drawn_with(window).view == "pca")
    wait(qtbot, lambda: window.canvas.awaited == "")


def test_hiding_leaves_nothing_but_the_picture(make: Make, qtbot: QtBot) -> None:
    window = make()
    parts = (window.header, window.side, window.heads, window.layers, window.transport, window.readouts)
    qtbot.keyClick(window.canvas, "h")
    assert not any(part.isVisible() for part in parts)
    wait(qtbot, lambda: window.canvas.size() == window.size())
    qtbot.keyClick(window.canvas, "h")
    assert all(part.isVisible() for part in parts)


def test_a_large_window_can_be_made_small_again(make: Make, qtbot: QtBot) -> None:
    window = make()
    for size in (QSize(1920, 1080), QSize(900, 500)):
        window.resize(size)
        wait(qtbot, lambda: window.canvas.isVisible() and window.size() == size)  # noqa: B023
    assert window.minimumSizeHint().height() < 500
    boxes = window.layers.tiles.boxes()
    assert all(window.layers.tiles.rect().contains(box.toAlignedRect()) for box in boxes)


def test_a_small_window_shows_every_button_and_the_timeline(make: Make, qtbot: QtBot) -> None:
    window = make(shown=False, load_engine=lambda settings, progress: Engine(Model(layers=4, heads=8)))
    wait(qtbot, lambda: window.strip.count == 8 and len(window.instruments.heads.stats) == 8)
    window.resize(800, 500)
    wait(qtbot, lambda: window.size() == QSize(800, 500))
    fusion = [button.geometry() for button in window.fusion.buttons.values()]
    assert not any(one.intersects(other) for one in fusion for other in fusion if one is not other)
    for button in window.fusion.buttons.values():
        assert button.height() >= button.fontMetrics().ascent(), "nothing of the word is cut"
        assert window.heads.rect().contains(button.rect().translated(button.mapTo(window.heads, QPoint(0, 0))))
    assert window.transport.timeline.width() >= 100
    seen = window.panels.viewport()
    for button in window.view.views.values():
        box = button.rect().translated(button.mapTo(seen, QPoint(0, 0)))
        assert seen.rect().contains(box), button.text()
    window.resize(1000, 800)
    wait(qtbot, lambda: window.fixed_column.indexOf(window.sections[-1]) >= 0)
    broad = window.layers.width()
    window.layers.tiles.show_count(24, 1.0)
    window.arrange()
    assert window.layers.width() == broad, "another model in focus does not move the picture"


def test_full_screen_shows_a_line_that_can_be_read_from_afar(make: Make, qtbot: QtBot) -> None:
    window = make()
    qtbot.keyClick(window.canvas, "f")
    wait(qtbot, window.isFullScreen)
    assert "layer 0" in window.canvas.hud[0]
    assert "head 0" in window.canvas.hud[0]
    assert not window.side.isVisible()
    qtbot.keyClick(window.canvas, Qt.Key_Escape)
    wait(qtbot, lambda: not window.isFullScreen())
    assert window.canvas.hud == []


def test_the_config_file_binds_keys(make: Make, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[keys]\nheads_all = "z"\n')
    window = make()
    qtbot.keyClick(window.canvas, "a")
    assert window.session.settings.head == 0
    qtbot.keyClick(window.canvas, "z")
    assert asked_for(window).head == "mean"


def test_typing_into_a_line_is_not_a_command(make: Make, qtbot: QtBot) -> None:
    window = make()
    qtbot.keyClick(window.canvas, Qt.Key_U, Qt.ControlModifier)
    line = window.source.line
    assert window.focusWidget() is line
    qtbot.keyClicks(line, "a3 v")
    assert line.text() == "a3 v"
    assert window.session.settings == GREY
    qtbot.keyClick(line, Qt.Key_Escape)
    assert window.focusWidget() is window.canvas


class OneObject(Engine):
    """Head 2 sees an object in the middle, the others one patch each."""

    def _maps(self, *arguments: Any) -> Maps:
        maps = super()._maps(*arguments)
        attention = maps.attention.copy()
        attention[:] = 1e-3
        attention[:, 0, 0, 0] = 1  # one burning patch, the object twice, and the object on a brighter ground
        attention[:, 1::2, 2:4, 2:6] = 0.1
        attention[:, 2, 2:4, 2:6] = 0.02
        return replace(maps, attention=attention)


def test_the_head_that_stands_out_is_followed_and_its_facts_are_told(make: Make, qtbot: QtBot) -> None:
    window = make(load_engine=lambda settings, progress: OneObject())
    qtbot.keyClick(window.canvas, "F", Qt.ShiftModifier)
    assert window.session.settings.head == "follow"
    assert window.canvas.toast_text == "following head 2"
    wait(qtbot, lambda: window.strip.chosen == 2 and window.strip.following)
    wait(qtbot, lambda: [one.tag for one in window.instruments.heads.stats][2:3] == ["foreground"])
    wait(qtbot, lambda: window.instruments.heads.chosen == 2)
    assert list(window.strip.tags) == [one.tag for one in window.instruments.heads.stats]
    qtbot.keyClick(window.canvas, "F", Qt.ShiftModifier)
    assert asked_for(window).head == 2, "it stays with the head that it followed"
    table = window.instruments.heads
    wait(qtbot, lambda: table.height() == table.sizeHint().height())
    qtbot.mouseClick(table, Qt.LeftButton, pos=QPoint(60, table.height() - 6))
    assert asked_for(window).head == 3


@pytest.mark.parametrize(
    ("key", "modifier", "change"),
    [
        (Qt.Key_Escape, Qt.NoModifier, {}),
        (Qt.Key_E, Qt.ShiftModifier, {}),
        (Qt.Key_2, Qt.NoModifier, {"head": 2}),
        (Qt.Key_Down, Qt.NoModifier, {"layer": 1}),
        (Qt.Key_K, Qt.NoModifier, {"view": "mask"}),
    ],
)
def test_any_key_ends_the_run_through_the_layers_and_does_what_it_does(
    make: Make, qtbot: QtBot, key: int, modifier: Qt.KeyboardModifier, change: dict[str, Any]
) -> None:
    window = make(GREY.replace(layer=-1))
    qtbot.keyClick(window.canvas, "E", Qt.ShiftModifier)
    assert window.commands.sweep.running
    assert window.session.settings.layer == 0
    wait(
        qtbot, lambda: window.session.status().paused and window.session.settings.layer >= 1
    )  # a busy machine skips one
    assert window.canvas.toast_text == f"layer {window.session.settings.layer}"
    qtbot.keyPress(window.canvas, Qt.Key_Shift)
    assert window.commands.sweep.running
    qtbot.keyClick(window.canvas, key, modifier)
    assert not window.commands.sweep.running
    assert window.session.settings == GREY.replace(**{"layer": -1, **change})
    said = {"head": "head 2", "layer": "layer 1", "view": "mask"}
    assert window.canvas.toast_text == said.get(next(iter(change), ""), "layer 2"), "not the layer that was passed last"
    wait(qtbot, lambda: not window.session.status().paused)


def test_the_run_through_the_layers_is_saved_as_a_gif(make: Make, qtbot: QtBot, tmp_path: Path) -> None:
    window = make()
    qtbot.keyClick(window.canvas, "E", Qt.ControlModifier)
    wait(qtbot, lambda: list(tmp_path.glob("rtviz-*-layers.gif")))
    wait(qtbot, lambda: any("layers.gif" in card.sentence for card in window.messages.shown))


# --- the mouse -------------------------------------------------------------------------------------------------------


def _at(window: Window, x: float, y: float) -> QPoint:
    rect = window.canvas.picture_rect()
    return QPointF(rect.x() + x * rect.width(), rect.y() + y * rect.height()).toPoint()


def test_a_click_sets_the_query_a_drag_moves_it_and_escape_returns(make: Make, qtbot: QtBot) -> None:
    window = make()
    qtbot.mousePress(window.canvas, Qt.LeftButton, pos=_at(window, 0.25, 0.5))
    query = window.session.settings.query
    assert isinstance(query, Point)
    assert query == pytest.approx((0.25, 0.5), abs=0.01)
    qtbot.mouseRelease(window.canvas, Qt.LeftButton, pos=_at(window, 0.25, 0.5))
    window.canvas.dragged.emit(window.canvas.spot(QPointF(_at(window, 0.75, 0.9))))
    assert window.session.settings.query == pytest.approx((0.75, 0.9), abs=0.01)
    wait(qtbot, lambda: window.canvas.result.maps.query == window.session.settings.query)  # type: ignore[union-attr]
    qtbot.keyClick(window.canvas, Qt.Key_Escape)
    assert asked_for(window).query == "cls"


def test_the_components_of_pca_are_saved_and_stay(make: Make, qtbot: QtBot, tmp_path: Path) -> None:
    window = make(GREY.replace(view="heatmap"))
    qtbot.keyClick(window.canvas, Qt.Key_B, Qt.ControlModifier)
    assert "where the view PCA shows them" in window.canvas.toast_text
    assert not list(tmp_path.glob("*.npz"))
    window.change(view="pca")
    wait(qtbot, lambda: drawn_with(window).view == "pca")
    qtbot.keyClick(window.canvas, Qt.Key_B, Qt.ControlModifier)
    (path,) = tmp_path.glob("*-pca.npz")
    assert window.session.settings.pca_basis == str(path)
    window.change(layer=1, pca_basis=None)
    wait(qtbot, lambda: drawn_with(window).layer == 1)
    qtbot.keyClick(window.canvas, Qt.Key_B, Qt.ControlModifier)
    (other,) = set(tmp_path.glob("*-pca*.npz")) - {path}
    with np.load(other) as held:
        assert int(held["layer"]) == 1
    result = window.canvas.result
    assert result is not None
    assert result.maps is not None
    assert load_basis(str(other), result.maps, 1).model == result.maps.model


def test_a_shifted_click_sets_the_second_token_where_the_view_has_one(make: Make, qtbot: QtBot) -> None:
    window = make(GREY.replace(view="directions"))
    wait(qtbot, lambda: window.canvas.result.settings.view == "directions")  # type: ignore[union-attr]
    qtbot.mouseClick(window.canvas, Qt.LeftButton, Qt.ShiftModifier, pos=_at(window, 0.25, 0.25))
    second = window.session.settings.second
    assert isinstance(second, Point)
    assert second == pytest.approx((0.5, 0.5), abs=0.03)
    assert window.session.settings.track == ()
    qtbot.keyClick(window.canvas, Qt.Key_Q, Qt.ShiftModifier)
    assert "has no registers" in window.canvas.toast_text
    assert window.session.settings.query == "cls"


def test_similarity_follows_the_pointer_until_a_click_pins_it(make: Make, qtbot: QtBot) -> None:
    window = make(GREY.replace(view="similarity"))
    wait(qtbot, lambda: window.canvas.result.maps.keys is not None)  # type: ignore[union-attr]

    def asked(*patch: int) -> bool:  # (row, column) of the engine's 6 x 8
        query = window.canvas.result.maps.query  # type: ignore[union-attr]
        return isinstance(query, Point) and (int(query.y * 6), int(query.x * 8)) == patch

    for x, y, patch in ((0.3, 0.3, (1, 2)), (0.9, 0.6, (3, 7))):
        qtbot.mouseMove(window.canvas, _at(window, x, y))
        wait(qtbot, lambda: asked(*patch))  # noqa: B023
    assert window.session.settings.query == "cls"
    qtbot.mouseClick(window.canvas, Qt.LeftButton, pos=_at(window, 0.9, 0.6))
    qtbot.mouseMove(window.canvas, _at(window, 0.1, 0.1))
    assert window.session.settings.query == pytest.approx((0.9, 0.6), abs=0.01)
    wait(qtbot, lambda: drawn_with(window).query == window.session.settings.query)
    qtbot.mousePress(window.canvas, Qt.LeftButton, pos=_at(window, 0.91, 0.59))
    window.canvas.dragged.emit(window.canvas.spot(QPointF(_at(window, 0.1, 0.1))))  # a hand that is not quite still
    qtbot.mouseRelease(window.canvas, Qt.LeftButton, pos=_at(window, 0.91, 0.59))
    assert window.session.settings.query == "cls", "a click on the pinned patch lets go of it"
    qtbot.mouseMove(window.canvas, _at(window, 0.1, 0.1))
    wait(qtbot, lambda: asked(0, 0))
    QApplication.sendEvent(window.canvas, QEvent(QEvent.Leave))
    wait(qtbot, lambda: window.canvas.result.maps.query == "cls")  # type: ignore[union-attr]


def test_the_patch_under_the_pointer_is_outlined(make: Make, qtbot: QtBot) -> None:
    window = make()
    qtbot.keyClick(window.canvas, Qt.Key_Space)
    wait(qtbot, lambda: window.session.status().paused and not window.canvas.toast_text)
    before = window.canvas.grab().toImage()
    qtbot.mouseMove(window.canvas, _at(window, 0.55, 0.55))
    assert window.canvas.grab().toImage() != before
    rect = window.canvas.picture_rect()
    left, top = rect.x() + rect.width() * 4 / 8, rect.y() + rect.height() * 3 / 6
    image = window.canvas.grab().toImage()
    along = int(left + rect.width() / 16)
    assert max(image.pixelColor(along, round(top) + offset).lightness() for offset in (-1, 0, 1)) == 255


def test_a_click_on_a_tile_of_a_mosaic_chooses_its_head(make: Make, qtbot: QtBot) -> None:
    window = make(GREY.replace(view="heads", layer=1))
    wait(qtbot, lambda: window.canvas.result is not None and drawn_with(window).view == "heads")
    for x, y, head in ((0.25, 0.25, 0), (0.75, 0.25, 1), (0.25, 0.75, 2), (0.75, 0.75, 3)):
        qtbot.mouseClick(window.canvas, Qt.LeftButton, pos=_at(window, x, y))
        assert (window.session.settings.layer, window.session.settings.head) == (1, head)


def test_thumbnails_show_every_head_and_choose_by_click(make: Make, qtbot: QtBot) -> None:
    window = make()
    box = window.strip.boxes()[2]
    qtbot.mouseClick(window.strip, Qt.LeftButton, pos=box.center().toPoint())
    assert window.session.settings.head == 2
    tile = window.layers.tiles.boxes()[1]
    qtbot.mouseClick(window.layers.tiles, Qt.LeftButton, pos=tile.center().toPoint())
    assert window.session.settings.layer == 1
    window.layers.slider.setValue(2)
    assert window.session.settings.layer == 2


def test_a_dropped_file_is_opened(make: Make, qtbot: QtBot) -> None:
    opened: list[str] = []
    source = Recording([0.0, 0.1], (120, 160))

    def watch(place: str, **part: float) -> object:
        opened.append(place)
        return source.open(place, **part)

    window = make(open_source=watch)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile("/somewhere/a clip.mp4")])
    drop = QDropEvent(QPointF(5, 5), Qt.CopyAction, data, Qt.LeftButton, Qt.NoModifier)
    window.dropEvent(drop)
    wait(qtbot, lambda: "/somewhere/a clip.mp4" in opened)
    assert drop.isAccepted()


def _press(window: Window, qtbot: QtBot, text: str) -> None:
    """Press the button of a card, as soon as it is there."""

    def there() -> list[QAbstractButton]:
        found = window.messages.findChildren(QAbstractButton)
        return [one for one in found if one.text() == text and one.isVisible()]

    wait(qtbot, there)
    qtbot.mouseClick(there()[0], Qt.LeftButton)


def _by_address(window: Window, qtbot: QtBot, place: str) -> None:
    window.source.line.setFocus()
    window.source.line.setText(place)
    qtbot.keyClick(window.source.line, Qt.Key_Return)


def _by_drop(window: Window, qtbot: QtBot, place: str) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(place)])
    window.dropEvent(QDropEvent(QPointF(5, 5), Qt.CopyAction, data, Qt.LeftButton, Qt.NoModifier))


def _by_dialog(window: Window, qtbot: QtBot, place: str) -> None:
    window.do("open")
    dialog = window.findChild(QFileDialog)
    assert dialog is not None
    dialog.filesSelected.emit([place])
    dialog.close()


def _by_list(window: Window, qtbot: QtBot, place: str) -> None:
    window.source.show_places([], [place])
    item = window.source.list.item(window.source.list.count() - 1)
    assert item is not None
    window.source.list.itemClicked.emit(item)


def _by_menu(window: Window, qtbot: QtBot, place: str) -> None:
    window.remembered.recent = [place]
    menu = window.header.open_button.menu()
    assert menu is not None
    menu.aboutToShow.emit()
    menu.actions()[-1].trigger()


@pytest.mark.parametrize("way", [_by_address, _by_drop, _by_dialog, _by_list, _by_menu])
def test_what_cannot_be_opened_leaves_the_clip_running_with_the_error_beside_it(
    make: Make, qtbot: QtBot, way: Callable[[Window, QtBot, str], None]
) -> None:
    source, broken = Recording([number / 30 for number in range(90)], (120, 160)), [True]
    other = Recording([number / 30 for number in range(9)], (60, 90))
    tried: list[str] = []

    def open_source(place: str, **part: float) -> object:
        if place == "fake:":
            return source.open(place, **part)
        tried.append(place)
        if broken:
            raise SourceMissing("cannot open /nowhere/holiday.mp4: there is no such file")
        return other.open(place, **part)

    window = make(open_source=open_source)
    way(window, qtbot, "/nowhere/holiday.mp4")
    wait(qtbot, lambda: any("holiday.mp4: there is no such file." in card.sentence for card in window.messages.shown))
    before = window.session.latest()
    wait(qtbot, lambda: window.session.latest() is not before)  # it plays on
    assert window.presenter.status.source_state == "live"
    assert "recording" in window.header.title.text()
    assert "holiday" not in window.header.title.text()
    _press(window, qtbot, "Try again")
    wait(qtbot, lambda: len(tried) == 2 and window.messages.shown)
    broken.clear()
    _press(window, qtbot, "Try again")
    wait(qtbot, lambda: window.canvas.result.frame.size == (60, 90))  # type: ignore[union-attr]
    wait(qtbot, lambda: not window.messages.shown)
    assert len(tried) == 3, "what cannot mend itself was not tried but when asked to"


def test_what_cannot_be_opened_is_dismissed(make: Make, qtbot: QtBot) -> None:
    source = Recording([number / 30 for number in range(90)], (120, 160))

    def open_source(place: str, **part: float) -> object:
        if place != "fake:":
            raise SourceMissing("there is no camera 7")
        return source.open(place, **part)

    window = make(open_source=open_source)
    for dismiss in (
        lambda: _press(window, qtbot, "Dismiss"),
        lambda: qtbot.keyClick(window.canvas, Qt.Key_Escape),
    ):
        window.opening.open("camera:7")
        wait(qtbot, lambda: any("no camera 7; trying again" in card.sentence for card in window.messages.shown))
        dismiss()
        wait(qtbot, lambda: not window.messages.shown)
        assert window.session.status().attempt is None


# --- reachable, named, made from the schema --------------------------------------------------------------------------

_CONTROLS = (
    QAbstractButton,
    QComboBox,
    QAbstractSlider,
    QAbstractSpinBox,
    QLineEdit,
    QAbstractItemView,
    Tiles,
    Timeline,
)


def _controls(window: Window) -> set[QWidget]:
    inner = (QAbstractSpinBox, QComboBox)  # the parts of these are reached with them
    return {
        widget
        for widget in window.findChildren(QWidget)
        if isinstance(widget, _CONTROLS)
        and not isinstance(widget.parentWidget(), inner)
        and not (isinstance(widget, QAbstractSlider) and widget.objectName().startswith("qt_"))
        and "ScrollBar" not in type(widget).__name__
        and widget.window() is window
        and widget.isVisible()
        and widget.isEnabled()
    }


def test_every_control_is_reached_by_tab_and_has_a_tooltip(make: Make, qtbot: QtBot) -> None:
    window = make()
    controls = _controls(window)
    assert len(controls) > 45
    reached: set[QWidget] = set()
    window.canvas.setFocus()
    for _ in range(2 * len(controls)):
        qtbot.keyClick(window.focusWidget(), Qt.Key_Tab)
        focused = window.focusWidget()
        assert focused is not None
        reached.add(focused)
        proxy = focused.focusProxy()
        if proxy is not None:
            reached.add(proxy)
        if focused is window.canvas:
            break
    assert window.canvas in reached
    described = [f"{type(one).__name__} {one.accessibleName()} {one.toolTip()}" for one in controls - reached]
    assert not described
    assert not [type(one).__name__ for one in controls if not one.toolTip()]


def test_every_setting_has_a_control_and_the_control_changes_it(make: Make) -> None:
    window = make()
    controls = {**window.view.controls, **window.models.controls}
    assert {*controls, "view", "model"} == {option.name for option in Settings.options()}
    controls["opacity"].changed.emit("opacity", 0.3)
    assert window.session.settings.opacity == 0.3
    for name, value in (("gamma", 2.0), ("upsampling", "guided"), ("threshold", 0.35)):
        window.change(**{name: value})
        control = controls[name]
        shown = control.findChild(QComboBox) or control.findChild(QAbstractSlider)
        assert shown is not None
        if isinstance(shown, QComboBox):
            assert shown.currentText() == value
        else:
            assert not isinstance(value, str)
            before = shown.value()
            shown.setValue(before + 1)
            assert getattr(window.session.settings, name) == pytest.approx(
                value + (Settings.option(name, RealOption).step or 0)
            )


def test_a_head_chosen_in_the_box_is_a_number(make: Make) -> None:
    window = make()
    box = window.view.controls["head"].findChild(QComboBox)
    assert box is not None
    assert [box.itemText(place) for place in range(box.count())] == ["mean", "max", "all", "follow", "0", "1", "2", "3"]
    box.setCurrentIndex(5)
    box.activated[str].emit("2")
    assert window.session.settings.head == 2


# --- memory, keeping, the stand --------------------------------------------------------------------------------------


def test_a_window_comes_back_as_it_was(make: Make, qtbot: QtBot, tmp_path: Path) -> None:
    first = make()
    first.change(head=2, opacity=0.3)
    qtbot.mouseClick(first.canvas, Qt.LeftButton, pos=_at(first, 0.2, 0.2))
    qtbot.keyClick(first.canvas, Qt.Key_T, Qt.ControlModifier)
    first.sections[1].button.click()
    first.close()
    remembered = Remembered.read(tmp_path)
    settings = Settings.from_mapping(remembered.settings)
    assert settings == GREY.replace(head=2, opacity=0.3)
    second = make(settings)
    assert second.theme.name == "light"
    assert [section.is_open for section in second.sections] == [True, False, True, True]


def test_a_model_that_could_not_be_had_is_not_remembered(make: Make, qtbot: QtBot, tmp_path: Path) -> None:
    def load(settings: Settings, progress: object) -> Engine:
        if settings.model:
            raise SourceMissing("the weights are not here")
        return Engine()

    window = make(load_engine=load)
    window.change(model="dino-vits8")
    wait(qtbot, lambda: any("weights are not here" in card.sentence for card in window.messages.shown))
    window.close()
    assert "model" not in Remembered.read(tmp_path).settings


def test_a_weights_file_is_named_where_its_model_runs_and_not_where_it_failed(make: Make, qtbot: QtBot) -> None:
    def load(settings: Settings, progress: object) -> Engine:
        if settings.weights == "broken.pth":
            raise WeightsRefused("broken.pth is cut off")
        return Engine(Model(name="embedded" if settings.weights is None else "dino-vits16"))

    window = make(load_engine=load)
    window.change(weights="good.pth")
    wait(qtbot, lambda: "dino-vits16  (good.pth)" in window.header.model_button.text())
    window.change(weights="broken.pth")
    wait(qtbot, lambda: any("cut off" in card.sentence for card in window.messages.shown))
    assert "dino-vits16  (good.pth)" in window.header.model_button.text(), "it goes on"
    assert [Path(file.path).name for file in window.remembered.weights_files] == ["good.pth"]
    window = make(GREY.replace(weights="broken.pth"), load_engine=load)
    wait(qtbot, lambda: any("cut off" in card.sentence for card in window.messages.shown))
    wait(qtbot, lambda: "embedded" in window.header.model_button.text())
    assert "broken.pth" not in window.header.model_button.text()


def test_a_model_asked_for_at_the_start_is_never_replaced_without_a_word(
    make: Make, qtbot: QtBot, tmp_path: Path
) -> None:
    def load(settings: Settings, progress: object) -> Engine:
        if settings.model:
            raise WeightsMissing("the weights of dino-vits8 are not here")
        return Engine(Model(name="embedded"))

    window = make(GREY.replace(model="dino-vits8"), load_engine=load)
    wait(qtbot, lambda: any("dino-vits8 are not here" in card.sentence for card in window.messages.shown))
    button = next(one for one in window.messages.findChildren(QAbstractButton) if one.text() == "Dismiss")
    qtbot.mouseClick(button, Qt.LeftButton)
    wait(qtbot, lambda: not any(card.matter == "model" for card in window.messages.shown))
    window.close()
    assert "model" not in Remembered.read(tmp_path).settings


def test_a_preset_does_not_become_what_the_next_start_shows(make: Make, qtbot: QtBot, tmp_path: Path) -> None:
    preset = tmp_path / "loud.toml"
    preset.write_text('model = "random:tiny"\nview = "mask"\nopacity = 1.0\nupsampling = "nearest"\n')
    window = make()
    window.change(threshold=0.3)
    window.presets.use(preset)
    assert (window.session.settings.view, window.session.settings.model) == ("mask", "random:tiny")
    window.change(gamma=2.0)
    wait(qtbot, lambda: window.fallback.working.model == "random:tiny")
    window.close()
    assert Settings.from_mapping(Remembered.read(tmp_path).settings) == GREY.replace(threshold=0.3, gamma=2.0)


def test_a_model_that_the_command_line_asked_for_in_vain_leaves_the_chosen_one(
    make: Make, qtbot: QtBot, tmp_path: Path
) -> None:
    def load(settings: Settings, progress: object) -> Engine:
        if settings.model == "dino-vits8":
            raise WeightsMissing("the weights of dino-vits8 are not here")
        return Engine()

    Remembered.read(tmp_path).write(GREY.replace(model="tiny"))
    shown = GREY.replace(model="dino-vits8")
    window = make(shown, load_engine=load, told=["model"])
    wait(qtbot, lambda: window.messages.shown)
    window.do("dismiss_model")
    window.close()
    assert Remembered.read(tmp_path).settings["model"] == "tiny"


def test_what_was_asked_for_stands_over_what_is_remembered() -> None:
    chosen = {"model": "tiny", "weights": "tiny.pth", "head": 2}
    assert starting_settings({"model": "dino-vits8"}, chosen) == Settings(model="dino-vits8", head=2)
    assert starting_settings({"weights": "dino.pth"}, chosen) == Settings(weights="dino.pth", head=2)
    kept = {"head": 3, "opacity": 0.2}
    assert starting_settings({"head": 1}, kept) == Settings(head=1, opacity=0.2)
    assert starting_settings(None, kept) == Settings(head=3, opacity=0.2)
    assert starting_settings(Settings(head=1), kept) == Settings(head=1)
    with pytest.raises(SettingsError, match="view cannot be"):
        starting_settings({"view": "gone"}, {})


def test_a_download_shows_how_far_it_is_and_can_be_cancelled(make: Make, qtbot: QtBot) -> None:
    def load(settings: Settings, progress: Callable[[str, int, int | None], None]) -> Engine:
        done = 0
        while settings.model:
            done += 1_000_000
            progress("model.safetensors", done, 87_000_000)
            pause.wait(0.01)
        return Engine(Model(name="embedded"))

    pause = threading.Event()
    window = make(load_engine=load)
    wait(qtbot, lambda: [card.matter for card in window.messages.shown] == ["offer"])
    window.change(model="dino-vits16")
    wait(qtbot, lambda: any("of 87 MB" in card.sentence for card in window.messages.shown))
    shown = window.canvas.result
    wait(qtbot, lambda: window.canvas.result is not shown)  # the model that looked before goes on
    _press(window, qtbot, "Cancel")
    wait(qtbot, lambda: window.session.status().model_state == "ready")
    wait(qtbot, lambda: not any(card.matter == "model" for card in window.messages.shown))
    assert window.session.status().model_name == "embedded"
    assert window.session.settings.model is None  # nor does the next start begin with a download


def test_a_snapshot_knows_how_it_was_made(make: Make, qtbot: QtBot, tmp_path: Path) -> None:
    from rtviz.live.snapshot import read_snapshot

    window = make()
    qtbot.keyClick(window.canvas, "s")
    wait(qtbot, lambda: list(tmp_path.glob("rtviz-*.png")))
    files = list(tmp_path.glob("rtviz-*.png"))
    assert len(files) == 1
    assert Settings.from_mapping(read_snapshot(files[0])["settings"]) == GREY
    wait(qtbot, lambda: any(files[0].name in card.sentence for card in window.messages.shown))


def test_recording_begins_and_ends_with_its_key(make: Make, qtbot: QtBot, tmp_path: Path) -> None:
    window = make()
    qtbot.keyClick(window.canvas, "r")
    wait(qtbot, lambda: window.canvas.recording.startswith("REC"))
    wait(qtbot, lambda: window.session.status().recording_seconds > 0.2)
    qtbot.keyClick(window.canvas, "r")
    wait(qtbot, lambda: window.canvas.recording == "")
    wait(qtbot, lambda: list(tmp_path.glob("rtviz-*.mp4")))


def test_the_past_is_watched_and_left(make: Make, qtbot: QtBot) -> None:
    window = make()
    wait(qtbot, lambda: window.session.status().recorder_seconds > 0.3)
    qtbot.keyClick(window.canvas, Qt.Key_Backspace)
    assert window.session.status().past_seconds is not None
    wait(qtbot, window.transport.live.isVisible)
    qtbot.keyClick(window.canvas, Qt.Key_Return)
    assert window.session.status().past_seconds is None


def test_a_stand_returns_to_the_start_and_keeps_nothing(make: Make, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[window]\nidle_seconds = 0.4\n")
    window = make(kiosk=True)
    window.remembered.stored = False
    assert window.bindings.action_of(["Ctrl+O"]) is None
    assert window.bindings.action_of(["R"]) is None
    qtbot.keyClick(window.canvas, "2")
    assert window.session.settings.head == 2
    wait(qtbot, lambda: window.session.settings == GREY)
    window.close()
    assert not (tmp_path / "state.toml").exists()


# --- trouble ---------------------------------------------------------------------------------------------------------


def test_a_source_that_is_not_there_is_told_and_another_one_opened(make: Make, qtbot: QtBot) -> None:
    good = Recording([number / 30 for number in range(90)], (120, 160))

    def open_source(place: str, **part: float) -> object:
        if place == "fake:":
            raise SourceMissing("there is no camera 7")
        return good.open(place, **part)

    window = make(open_source=open_source, shown=False)
    wait(qtbot, lambda: any("There is no camera 7" in card.sentence for card in window.messages.shown))
    assert window.isVisible()
    button = next(one for one in window.messages.findChildren(QAbstractButton) if one.text() == "Built-in scene")
    qtbot.mouseClick(button, Qt.LeftButton)
    wait(qtbot, lambda: window.canvas.result is not None)
    wait(qtbot, lambda: not any(card.matter == "source" for card in window.messages.shown))


def test_an_exception_in_a_slot_is_told_and_the_window_lives(
    make: Make, qtbot: QtBot, capsys: pytest.CaptureFixture[str]
) -> None:
    from rtviz.app.process import Guards

    window = make()
    app = QApplication.instance()
    assert isinstance(app, QApplication)

    def fail() -> None:
        raise ValueError("out of thin air")

    with qtbot.capture_exceptions(), Guards(window):
        QTimer.singleShot(0, fail)
        wait(qtbot, lambda: "out of thin air" in window.canvas.toast_text)
    assert "bug in rtviz" in window.canvas.toast_text
    assert "Traceback" in capsys.readouterr().err
    qtbot.keyClick(window.canvas, "1")
    wait(qtbot, lambda: brightest(window) == (0, 1) or window.canvas.toast_text)


def test_closing_is_quick_from_any_state(make: Make, qtbot: QtBot) -> None:
    import time

    window = make()
    began = time.monotonic()
    window.close()
    assert time.monotonic() - began < 3
    assert not window.isVisible()


# --- the start -------------------------------------------------------------------------------------------------------

_START = """
import json, sys, time
from rtviz.app import window
from rtviz.cli import run
def stands(self):
    heavy = [name for name in ("torch", "cv2", "av", "timm", "PIL", "numpy") if name in sys.modules]
    print(json.dumps({"heavy": heavy, "cpu_seconds": time.process_time()}), flush=True)
    begin(self)
begin, window.Window._begin = window.Window._begin, stands
sys.exit(run(["live", "scene:", "--view", "none", "--model", "random:vit_tiny_patch16_224"]))
"""


def test_the_window_stands_within_a_second_without_torch_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "XDG_CONFIG_HOME": str(tmp_path)}
    running = subprocess.Popen(
        [sys.executable, "-c", _START], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert running.stdout is not None
        said = json.loads(running.stdout.readline())
        assert said["heavy"] == []
        assert said["cpu_seconds"] < 1.0  # of work, whatever else the machine does meanwhile
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=LIMIT)
    finally:
        running.kill()
    assert running.returncode == 130, errors
    assert "Traceback" not in errors


# --- a model without heads -------------------------------------------------------------------------------------------


def test_where_heads_would_be_stands_that_there_are_none(make: Make, qtbot: QtBot) -> None:
    network = Engine(Model("random:resnet18", heads=0))
    window = make(GREY.replace(layer=-1), shown=False, load_engine=lambda settings, progress: network)
    wait(qtbot, lambda: window.layers.tiles.count == 3)
    wait(qtbot, lambda: window.strip.nothing == "random:resnet18 has no attention heads")
    assert window.strip.count == 0
    assert window.strip.accessibleDescription() == window.strip.nothing
    wait(qtbot, lambda: not window.fusion.buttons["mean"].isEnabled())
    wait(qtbot, lambda: window.canvas.result is not None)
    result = window.canvas.result
    assert result is not None
    assert (result.settings.view, window.session.settings.view) == ("cam", "heatmap")
    assert [name for name, button in window.view.views.items() if button.isEnabled()] == ["mask", "cam", "none"]
    assert window.view.views["cam"].isChecked()
    for key in (Qt.Key_3, Qt.Key_Right, Qt.Key_A, Qt.Key_G):
        window.canvas.toast("")
        qtbot.keyClick(window.canvas, key)
        assert window.canvas.toast_text == "random:resnet18 has no attention heads"
    for key, stage in ((Qt.Key_Down, 1), (Qt.Key_Down, 0), (Qt.Key_Up, 1)):
        qtbot.keyClick(window.canvas, key)
        wait(qtbot, lambda: drawn_with(window).layer == stage)  # noqa: B023
    window.change(cam="eigen")
    wait(qtbot, lambda: drawn_with(window).cam == "eigen")
    window.canvas.repaint()
    window.strip.grab()
    qtbot.keyClick(window.canvas, Qt.Key_N)
    wait(qtbot, lambda: drawn_with(window).view == "none")


# --- several models --------------------------------------------------------------------------------------------------


def test_a_key_adds_a_model_beside_the_first_and_a_click_chooses_a_pane(make: Make, qtbot: QtBot) -> None:
    engines = {name: Engine(Model(name, heads=heads)) for name, heads in (("tiny", 4), ("random:dino-vits16", 2))}
    window = make(GREY.replace(model="tiny"), load_engine=by_name(engines))
    window.models.show_models([])  # nothing is here but what needs no weights
    qtbot.keyClick(window.canvas, Qt.Key_Y)
    assert window.session.settings.compare == ("random:dino-vits16",)

    def panes() -> tuple[object, ...]:
        result = window.canvas.result
        return () if result is None else result.panes

    wait(qtbot, lambda: len(panes()) == 2 and window.presenter.status.panes[0].attention_fps)
    result = window.canvas.result
    assert result is not None
    top, left, height, width = result.panes[1].box
    rect = window.canvas.picture_rect()
    x = rect.x() + (left + width / 4) / result.overlay.shape[1] * rect.width()
    y = rect.y() + (top + height * 3 / 4) / result.overlay.shape[0] * rect.height()
    point = QPoint(round(x), round(y))
    qtbot.mousePress(window.canvas, Qt.LeftButton, pos=point)
    qtbot.mouseMove(window.canvas, point + QPoint(3, 3))
    qtbot.mouseRelease(window.canvas, Qt.LeftButton, pos=point + QPoint(3, 3))
    wait(qtbot, lambda: window.presenter.status.focus == 1 and window.strip.count == 2)
    assert window.session.settings.query == "cls", "the click chose a pane, and asked nothing"
    qtbot.mouseClick(window.canvas, Qt.LeftButton, pos=point)
    assert window.session.settings.query == pytest.approx((0.25, 0.75), abs=0.02)
    window.do("head_previous")
    assert window.session.settings.head == 1, "of two heads, as the model in focus has"
    window.commands.models.choose_model("tiny")
    assert window.session.settings.compare == ("tiny",)
    assert window.session.settings.model == "tiny"
    qtbot.keyClick(window.canvas, Qt.Key_Y, Qt.ShiftModifier)
    assert asked_for(window).compare == ()
    wait(qtbot, lambda: not panes() and window.strip.count == 4)


def test_the_strips_of_a_model_that_is_not_here_show_no_other_models_heads(make: Make, qtbot: QtBot) -> None:
    def load(settings: Settings, progress: object) -> Engine:
        if settings.model != "tiny":
            raise WeightsMissing(f"the weights of {settings.model} are not here")
        return Engine(Model("tiny", heads=4))

    window = make(GREY.replace(model="tiny", compare=("dino-vits16",)), load_engine=load)
    wait(qtbot, lambda: window.strip.count == 4 and window.presenter.status.panes[0].state == "failed")
    window.session.focus(1)
    wait(qtbot, lambda: window.strip.count == 0 and window.layers.tiles.count == 0)
    assert window.strip.nothing == "the weights of dino-vits16 are not on this machine: the model menu fetches them"
    window.presenter._up_to_date_at -= 60
    window.refresh()
    assert window.canvas.awaited == "", "nor does it claim to compute, however long one waits"
    window.session.focus(0)
    wait(qtbot, lambda: window.strip.count == 4)


def test_what_is_asked_goes_to_every_pane_that_can_show_it(make: Make, qtbot: QtBot) -> None:
    """With a convolutional network in focus, too."""
    engines = {"net": Engine(Model("net", heads=0)), "vit": Engine(Model("vit", heads=4))}
    window = make(GREY.replace(model="net", compare=("vit",)), shown=False, load_engine=by_name(engines))
    wait(qtbot, lambda: window.presenter.status.most_heads == 4 and window.presenter.status.layers)
    assert (window.presenter.status.focus, window.presenter.status.heads) == (0, 0)

    def views_shown() -> list[str]:
        result = window.canvas.result
        return [] if result is None else [pane.result.settings.view for pane in result.panes if pane.result.maps]

    qtbot.keyClick(window.canvas, Qt.Key_P)
    assert window.session.settings.view == "pca"
    assert "net has no patch tokens" in window.canvas.toast_text
    wait(qtbot, lambda: views_shown() == ["cam", "pca"])
    qtbot.keyClick(window.canvas, Qt.Key_3)
    assert window.session.settings.head == 3
    assert window.canvas.toast_text == "head 3; net has no attention heads"
    qtbot.keyClick(window.canvas, Qt.Key_4)
    assert "they are 0 to 3" in window.canvas.toast_text
    qtbot.keyClick(window.canvas, Qt.Key_F, Qt.ShiftModifier)
    assert asked_for(window).head == "follow"
    assert window.view.views["heads"].isEnabled()
    assert window.fusion.buttons["mean"].isEnabled()
    qtbot.keyClick(window.canvas, Qt.Key_Z)
    assert asked_for(window).mute == ()
    assert window.canvas.toast_text == "net has no attention heads"


def test_a_key_mutes_a_head_in_the_pane_in_focus(make: Make, qtbot: QtBot) -> None:
    engines = {name: Engine(Model(name)) for name in ("one", "two", "three")}
    window = make(GREY.replace(model="one", compare=("two", "three")), load_engine=by_name(engines))
    window.change(head=1, layer=0)

    def muted_in() -> list[Any]:
        result = window.canvas.result
        return [] if result is None else [pane.result.maps.muted for pane in result.panes if pane.result.maps]

    window.session.focus(2)
    wait(
        qtbot,
        lambda: (
            window.presenter.status.focus == 2
            and window.presenter.status.model_name == "three"
            and len(muted_in()) == 3
        ),
    )
    qtbot.keyClick(window.canvas, Qt.Key_Z)
    wait(qtbot, lambda: muted_in() == [(), (), ((0, 1),)])
    wait(qtbot, lambda: "three" in window.header.model_button.text() and "0.1 muted" in window.header.title.text())
    wait(qtbot, lambda: list(window.strip.struck) == [1])
    window.session.focus(1)
    wait(qtbot, lambda: "two" in window.header.model_button.text() and "muted" not in window.header.title.text())
    qtbot.keyClick(window.canvas, Qt.Key_Y, Qt.ShiftModifier)
    assert window.session.settings.compare == ("three",)
    wait(qtbot, lambda: muted_in() == [(), ((0, 1),)])
    window.session.focus(1)
    wait(qtbot, lambda: window.presenter.status.model_name == "three")
    qtbot.keyClick(window.canvas, Qt.Key_Z)
    assert asked_for(window).mute == ()


def test_the_next_model_is_none_that_stands_in_another_pane(make: Make, qtbot: QtBot) -> None:
    engines = {name: Engine(Model(name)) for name in ("one", "two", "three", "four")}
    window = make(GREY.replace(model="one", compare=("two", "three")), load_engine=by_name(engines))
    wait(qtbot, lambda: window.presenter.status.model_name == "one")
    window.commands.models._models_here = lambda: list(engines)
    qtbot.keyClick(window.canvas, Qt.Key_M)
    assert window.session.settings.model == "four"
    wait(qtbot, lambda: window.presenter.status.first_name == "four")
    window.session.focus(1)
    for there, then in (("two", "three"), ("one", "three"), ("two", "three")):
        wait(qtbot, lambda: window.presenter.status.model_name == there)  # noqa: B023
        assert window.session.settings.compare == (there, then)
        qtbot.keyClick(window.canvas, Qt.Key_M)


def test_esc_closes_the_card_of_a_model_that_cannot_be_had(make: Make, qtbot: QtBot) -> None:
    def load(settings: Settings, progress: object) -> Engine:
        if settings.model == "absent":
            raise WeightsMissing("the weights of absent are not here")
        return Engine()

    window = make(GREY.replace(model="absent"), load_engine=load)
    wait(qtbot, lambda: any("absent" in card.sentence for card in window.messages.shown))
    window.change(query=Point(0.5, 0.5))
    qtbot.keyClick(window.canvas, Qt.Key_Escape)
    wait(qtbot, lambda: not any("absent" in card.sentence for card in window.messages.shown))
    assert window.session.settings.query == (0.5, 0.5), "one step at a time"
    qtbot.keyClick(window.canvas, Qt.Key_Escape)
    assert asked_for(window).query == "cls"


# --- marks -----------------------------------------------------------------------------------------------------------


def test_shift_and_the_mouse_mark_objects_and_ask_nothing(make: Make, qtbot: QtBot) -> None:
    window = make()
    rect = window.canvas.picture_rect()

    def at(x: float, y: float) -> QPoint:
        return QPoint(round(rect.x() + x * rect.width()), round(rect.y() + y * rect.height()))

    qtbot.mouseClick(window.canvas, Qt.LeftButton, Qt.ShiftModifier, at(0.5, 0.25))
    assert window.session.settings.track[0] == pytest.approx((0.5, 0.25, 0, 0), abs=0.01)
    assert window.session.settings.view == "track"
    assert window.session.settings.query == "cls"
    qtbot.mousePress(window.canvas, Qt.LeftButton, Qt.ShiftModifier, at(0.8, 0.9))
    qtbot.mouseMove(window.canvas, at(0.5, 0.5))
    qtbot.mouseRelease(window.canvas, Qt.LeftButton, Qt.ShiftModifier, at(0.4, 0.4))
    assert window.session.settings.track[1] == pytest.approx((0.4, 0.4, 0.4, 0.5), abs=0.01)
    assert window.session.settings.query == "cls"
    wait(qtbot, lambda: window.canvas.result is not None and drawn_with(window).view == "track")
    qtbot.keyClick(window.canvas, Qt.Key_Z, Qt.ControlModifier)
    assert [mark[2:] for mark in window.session.settings.track] == [(0, 0)], "the point is still followed, the box not"
    assert window.session.settings.view == "track"
    window.do("clear_marks")
    assert (window.session.settings.track, window.session.settings.view) == ((), "heatmap")
    qtbot.mouseClick(window.canvas, Qt.LeftButton, Qt.ShiftModifier, at(0.5, 0.25))
    qtbot.keyClick(window.canvas, Qt.Key_Z, Qt.ControlModifier)
    assert (window.session.settings.track, window.session.settings.view) == ((), "heatmap")
    qtbot.keyClick(window.canvas, Qt.Key_J, Qt.ShiftModifier)
    assert "Shift+drag" in window.canvas.toast_text, "there is nothing to compare with"
    qtbot.keyClick(window.canvas, Qt.Key_J, Qt.ShiftModifier)
    qtbot.mouseClick(window.canvas, Qt.LeftButton, Qt.ShiftModifier, at(0.5, 0.25))
    qtbot.keyClick(window.canvas, Qt.Key_J, Qt.ShiftModifier)
    assert window.canvas.toast_text == "Jaccard index of the best head"
    window.opening.open("another:")
    wait(qtbot, lambda: window.session.settings.track == ())  # a mark means nothing in another picture


# --- muting ----------------------------------------------------------------------------------------------------------


def test_a_key_mutes_the_head_that_is_shown_and_says_what_comes_of_it(make: Make, qtbot: QtBot) -> None:
    window = make()
    qtbot.keyClick(window.canvas, Qt.Key_Z)
    assert asked_for(window).mute == ((0, 0, 0),)
    assert "layer 0 head 0 muted" in window.canvas.toast_text
    wait(qtbot, lambda: "0.0 muted" in window.header.title.text())
    qtbot.keyClick(window.canvas, Qt.Key_Z)
    assert asked_for(window).mute == ()
    window.change(layer=-1)
    qtbot.keyClick(window.canvas, Qt.Key_Z)
    assert asked_for(window).mute == ((2, 0, 0),)
    assert "no attention changes" in window.canvas.toast_text
    qtbot.keyClick(window.canvas, Qt.Key_Z, Qt.ShiftModifier)
    assert asked_for(window).mute == ()
    window.change(head="mean")
    qtbot.keyClick(window.canvas, Qt.Key_Z)
    assert asked_for(window).mute == ()
    assert "choose one head" in window.canvas.toast_text


# --- pages -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    """Three grey pictures, each of its own level, and a text that calls itself one."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(np.full((120, 160, 3), 60 * number, np.uint8)).save(folder / f"{number}.png")
    return [str(folder / f"{number}.png") for number in range(3)]


def _open_any(place: str, **part: Unpack[Part]) -> Source:
    """The fake, and beside it whatever can really be opened."""
    recording = Recording([number / 30 for number in range(90)], (120, 160))
    return (
        recording.open(place, start=part.get("start", 0.0))
        if place == "fake:"
        else open_source(as_pages(place), **part)
    )


def _level(window: Window) -> int | None:
    return None if window.canvas.result is None else round(float(window.canvas.result.frame.pixels.mean()))


def test_a_folder_shows_a_strip_of_its_pages_and_a_click_or_key_turns_them(
    make: Make, qtbot: QtBot, pictures: list[str]
) -> None:
    Path(pictures[0]).with_name("3.png").write_text("no picture")
    window = make(open_source=_open_any)
    assert not window.pages.isVisible()
    window.opening.open(str(Path(pictures[0]).parent))
    wait(qtbot, lambda: window.pages.isVisible() and window.transport.time.text() == "1 / 4")
    model = window.pages.model()
    assert model is not None

    def thumbnails() -> list[int | None]:
        read = [model.index(number, 0).data(Qt.DecorationRole) for number in range(4)]
        middles = [image and (image.isNull() or image.toImage().pixelColor(5, 5).red()) for image in read]
        return [None if middle is None else int(middle) for middle in middles]

    wait(qtbot, lambda: thumbnails() == [0, 60, 120, 1])  # and the last is none
    viewport = window.pages.viewport()
    qtbot.mouseClick(viewport, Qt.LeftButton, pos=window.pages.visualRect(model.index(2, 0)).center())
    wait(qtbot, lambda: _level(window) == 120 and window.pages.shown == 2)
    assert window.transport.time.text() == "3 / 4"
    qtbot.keyClick(window.canvas, ",")
    wait(qtbot, lambda: _level(window) == 60 and window.transport.time.text() == "2 / 4")
    wait(qtbot, lambda: "1.png" in window.header.title.text())
    window.transport.timeline.sought.emit(0.0)
    wait(qtbot, lambda: _level(window) == 0)
    wait(qtbot, lambda: window.canvas.result.maps is not None and window.canvas.awaited == "")  # type: ignore[union-attr]
    assert window.remembered.recent[0] == str(Path(pictures[0]).parent)
    window.opening.open("fake:")
    wait(qtbot, lambda: not window.pages.isVisible())


def test_a_single_picture_has_no_controls_of_time(make: Make, qtbot: QtBot, tmp_path: Path) -> None:
    Image.new("RGB", (80, 60), "red").save(tmp_path / "red.png")
    window = make()
    controls = [window.transport.timeline, window.transport.loop]
    assert all(control.isEnabled() for control in controls)
    clip = window.transport.time.text()
    window = make(place=str(tmp_path / "red.png"), open_source=open_source)
    transport = window.transport
    wait(qtbot, lambda: transport.time.text() == "one picture")
    enabled = {one.accessibleName() for one in transport.findChildren(QAbstractButton) if one.isEnabled()}
    assert enabled <= {"render", "live"}
    assert not transport.timeline.isEnabled()
    assert transport.frame.text() == ""
    assert "/" in clip


def test_a_document_is_named_once(make: Make, qtbot: QtBot, tmp_path: Path) -> None:
    page = Image.new("L", (60, 40))
    page.save(tmp_path / "scan.tif", save_all=True, append_images=[page])
    window = make(open_source=_open_any)
    window.opening.open(str(tmp_path / "scan.tif"))
    wait(qtbot, lambda: window.transport.time.text() == "1 / 2")
    wait(qtbot, lambda: window.header.title.text() == "scan.tif")


def test_space_begins_and_ends_the_slide_show(
    make: Make, qtbot: QtBot, pictures: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtviz.live.playhead._SLIDE_SECONDS", 0.05)
    window = make(open_source=_open_any)
    window.opening.open(str(Path(pictures[0]).parent))
    wait(qtbot, lambda: window.presenter.status.page == (0, 3))
    assert window.session.status().paused
    qtbot.keyClick(window.canvas, Qt.Key_Space)
    assert window.canvas.toast_text == "slide show"
    wait(qtbot, lambda: window.presenter.status.page == (2, 3))
    wait(qtbot, lambda: window.presenter.status.page == (0, 3))  # the window loops
    qtbot.keyClick(window.canvas, Qt.Key_Space)
    assert window.session.status().paused


@pytest.mark.parametrize("way", ["drop", "dialog"])
def test_several_pictures_are_opened_as_pages(make: Make, qtbot: QtBot, pictures: list[str], way: str) -> None:
    window = make(open_source=_open_any)
    chosen = [pictures[2], pictures[1]]
    if way == "drop":
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(path) for path in [*chosen, "/somewhere/clip.mp4"]])
        window.dropEvent(QDropEvent(QPointF(5, 5), Qt.CopyAction, data, Qt.LeftButton, Qt.NoModifier))
    else:
        window.opening.open_files(chosen)
    wait(qtbot, lambda: _level(window) == 120 and window.presenter.status.page == (0, 2))
    wait(qtbot, lambda: window.header.title.text().startswith("2 pictures"))
    assert ("1 / 2" in window.header.title.text()) == (way == "drop"), "the video follows them"


# --- the menu of models ----------------------------------------------------------------------------------------------


@dataclass
class Shelf:
    """Models as `listing` tells them, and a `pull` that waits to be let go on."""

    here: set[str]
    fail: Exception | None = None
    go: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str | None, bool]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def rows(self) -> list[Row]:
        cards = [zoo.find(name) for name in ("embedded", "dino-vits16", "dinov2-vits14", "dinov3-vits16")]
        return [
            Row(
                card,
                Path(f"/shelf/{card.name}.pth") if card.name in self.here else None,
                origin="index" if card.name in self.here else None,
                size=88_242_128,
                ways=("hub", "index"),
                must_accept=card.name.startswith("dinov3"),
            )
            for card in cards
        ]

    def pull(self, name: str | None, progress: Callable[..., None], *, accept_licence: bool = False) -> Path:
        self.asked.append((name, accept_licence))
        try:
            while not self.go.wait(0.005):
                progress(f"{name} (index)", 34_000_000, 88_000_000)
        except Exception:
            self.ended.append("cancelled")
            raise
        if self.fail is not None:
            raise self.fail
        self.here.add(name or "dino-vits16")
        return Path("/shelf")


@pytest.fixture
def shelved(make: Make, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Window, Shelf]]:
    """A window with a shelf of models."""

    def shelved(settings: Settings = GREY, **more: Any) -> tuple[Window, Shelf]:
        shelf = Shelf({"embedded"})
        monkeypatch.setattr("rtviz.models.listing", shelf.rows)
        load = {"load_engine": lambda settings, progress: Engine(Model(settings.model or "embedded")), **more}
        window = make(settings, **load)
        window.model_choice.fetcher.pull = shelf.pull
        wait(qtbot, lambda: window.models.rows)
        return window, shelf

    return shelved


def _open_menu(window: Window, qtbot: QtBot) -> ModelMenu:
    qtbot.mouseClick(window.header.model_button, Qt.LeftButton)
    wait(qtbot, window.model_menu.isVisible)
    return window.model_menu


def test_the_menus_buttons_stay_in_sight_however_much_there_is_to_say(
    shelved: Callable[..., tuple[Window, Shelf]], qtbot: QtBot
) -> None:
    menu = _open_menu(shelved()[0], qtbot)
    menu.resize(300, 500)
    area = menu.findChild(QScrollArea)
    assert area is not None
    view = area.viewport()
    for entry in menu.entries.values():
        wait(qtbot, lambda: entry.width() <= view.width())  # noqa: B023
        right = entry.button.mapTo(view, entry.button.rect().topRight())
        assert right.x() < view.width()


def test_a_fetch_that_fails_closes_the_menu_over_the_card_that_says_why(
    shelved: Callable[..., tuple[Window, Shelf]], qtbot: QtBot
) -> None:
    window, shelf = shelved()
    shelf.fail = WeightsMissing("the weights of dino-vits16 cannot be had", model="dino-vits16", link="http://a/b")
    shelf.go.set()
    menu = _open_menu(window, qtbot)
    qtbot.mouseClick(menu.entries["dino-vits16"].button, Qt.LeftButton)
    wait(qtbot, lambda: not menu.isVisible())
    wait(qtbot, lambda: "fetch" in [card.matter for card in window.messages.shown])
    _open_menu(window, qtbot)  # and it can be opened again, to fetch another one
    wait(qtbot, lambda: menu.entries["dino-vits16"].button.text() == "Fetch")
    assert menu.isVisible()


def _texts(widget: QWidget) -> str:
    return "  ".join(label.text() for label in widget.findChildren(QLabel))


def test_the_menu_under_the_models_name_tells_of_every_model_and_fetches_one(
    shelved: Callable[..., tuple[Window, Shelf]], qtbot: QtBot
) -> None:
    window, shelf = shelved()
    assert "embedded" in window.header.model_button.text()
    menu = _open_menu(window, qtbot)
    assert list(menu.entries) == ["embedded", "dino-vits16", "dinov2-vits14", "dinov3-vits16"]
    assert "from the package index" in _texts(menu.entries["embedded"])
    assert "88 MB from the Hugging Face hub or the package index" in _texts(menu.entries["dino-vits16"])
    buttons = {name: entry.button for name, entry in menu.entries.items()}
    assert [buttons[name].text() for name in menu.entries] == ["In use", "Fetch", "Fetch", "Fetch"]
    edges = {name: entry.grab().toImage().pixelColor(60, 0).name() for name, entry in menu.entries.items()}
    assert [name for name, edge in edges.items() if edge == DARK.accent] == ["embedded"], "the model in use is framed"
    for ending in ("cancel", "let go"):
        qtbot.mouseClick(menu.entries["dinov2-vits14"].button, Qt.LeftButton)
        wait(qtbot, lambda: menu.entries["dinov2-vits14"].bar.value() == 386)
        assert menu.entries["dinov2-vits14"].button.text() == "Cancel"
        wait(qtbot, lambda: any("34 of 88 MB" in card.sentence for card in window.messages.shown))
        assert window.presenter.status.model_name == "embedded", "which goes on meanwhile"
        if ending == "cancel":
            qtbot.mouseClick(menu.entries["dinov2-vits14"].button, Qt.LeftButton)
            wait(qtbot, lambda: shelf.ended == ["cancelled"])
            wait(qtbot, lambda: "fetch" not in [card.matter for card in window.messages.shown])
            assert menu.entries["dinov2-vits14"].button.text() == "Fetch"
    shelf.go.set()
    wait(qtbot, lambda: window.presenter.status.model_name == "dinov2-vits14")
    wait(qtbot, lambda: "dinov2-vits14" in window.header.model_button.text())
    wait(qtbot, lambda: menu.entries["dinov2-vits14"].button.text() == "In use")
    assert shelf.asked == [("dinov2-vits14", False)] * 2
    qtbot.mouseClick(menu.entries["embedded"].button, Qt.LeftButton)
    assert window.canvas.toast_text == "loading embedded", "its name alone would stand over the other model's maps"
    assert not menu.isVisible()
    wait(qtbot, lambda: window.presenter.status.model_name == "embedded")


def test_a_licence_is_shown_and_accepted_before_anything_is_fetched(
    shelved: Callable[..., tuple[Window, Shelf]], qtbot: QtBot
) -> None:
    window, shelf = shelved()
    shelf.go.set()
    for answer in ("refuse", "accept_button"):
        qtbot.mouseClick(_open_menu(window, qtbot).entries["dinov3-vits16"].button, Qt.LeftButton)
        wait(qtbot, lambda: window.findChild(LicenceDialog))
        dialog = window.findChild(LicenceDialog)
        assert dialog is not None
        assert "DINOv3 License" in _texts(dialog)
        assert "https://" in _texts(dialog)
        assert not shelf.asked
        qtbot.mouseClick(getattr(dialog, answer), Qt.LeftButton)
        wait(qtbot, lambda: window.findChild(LicenceDialog) is None)
    wait(qtbot, lambda: shelf.asked == [("dinov3-vits16", True)])
    wait(qtbot, lambda: window.presenter.status.model_name == "dinov3-vits16")


def test_a_fetch_that_fails_offers_the_link_and_a_file(
    shelved: Callable[..., tuple[Window, Shelf]], qtbot: QtBot, tmp_path: Path
) -> None:
    window, shelf = shelved()
    shelf.go.set()
    failures = [("hub", "it cannot be reached"), ("index", "pip found no such package")]
    link = "https://example.org/dino.pth"
    shelf.fail = WeightsMissing(
        "the weights of dino-vits16: a long story", model="dino-vits16", link=link, failures=failures
    )
    qtbot.mouseClick(_open_menu(window, qtbot).entries["dino-vits16"].button, Qt.LeftButton)
    wait(qtbot, lambda: [card.word for card in window.messages.shown] == ["not fetched"])
    said = window.messages.shown[0].sentence
    assert "Hugging Face hub: it cannot be reached; package index: pip found no such package" in said
    window.model_menu.hide()
    _press(window, qtbot, "Copy link")
    assert QApplication.clipboard().text() == link
    _press(window, qtbot, "Try again")
    wait(
        qtbot,
        lambda: (
            len(shelf.asked) == 2
            and window.model_choice.fetcher.fetch is not None
            and window.model_choice.fetcher.fetch.error
        ),
    )
    window.refresh()
    _press(window, qtbot, "Choose file…")
    dialog = window.findChild(QFileDialog)
    assert dialog is not None
    dialog.fileSelected.emit(str(tmp_path / "dino.pth"))
    dialog.close()
    settings = window.session.settings
    assert (settings.model, settings.weights) == ("dino-vits16", str(tmp_path / "dino.pth"))
    wait(qtbot, lambda: not window.messages.shown)


def test_a_file_of_another_model_is_offered_as_that(
    shelved: Callable[..., tuple[Window, Shelf]], qtbot: QtBot, tmp_path: Path
) -> None:
    file = tmp_path / "vits.pth"

    def load(settings: Settings, progress: object) -> Engine:
        if settings.weights and settings.model != "dinov2-vits14":
            raise WeightsRefused(
                f"{file} is of another model", path=file, model="dino-vits16", looks_like=["dinov2-vits14"]
            )
        return Engine(Model(settings.model or "embedded"))

    window, _ = shelved(GREY.replace(model="dino-vits16", weights=str(file)), load_engine=load)
    wait(qtbot, lambda: any("of another model" in card.sentence for card in window.messages.shown))
    _press(window, qtbot, "Load as dinov2-vits14")
    wait(qtbot, lambda: window.presenter.status.model_name == "dinov2-vits14")
    assert window.session.settings.weights == str(file)
    wait(qtbot, lambda: not window.messages.shown)


def test_the_next_model_comes_round_to_the_weights_file_of_the_command_line(
    shelved: Callable[..., tuple[Window, Shelf]], qtbot: QtBot, tmp_path: Path
) -> None:
    file = tmp_path / "mine.pth"
    load = lambda settings, progress: Engine(Model("dino-vits16" if settings.weights else settings.model or "embedded"))  # noqa: E731
    window, shelf = shelved(GREY.replace(weights=str(file)), load_engine=load)
    wait(qtbot, lambda: window.remembered.weights_now == [(str(file), "dino-vits16")])
    wait(qtbot, lambda: "mine.pth" in window.header.model_button.text())
    for weights, model in ((None, "embedded"), (str(file), "dino-vits16"), (None, "embedded")):
        qtbot.keyClick(window.canvas, "m")
        assert window.session.settings.weights == weights
        wait(qtbot, lambda: window.presenter.status.model_name == model)  # noqa: B023
    assert not shelf.asked, "nothing is fetched on the way"
    menu = _open_menu(window, qtbot)
    qtbot.mouseClick(menu.files[str(file)].button, Qt.LeftButton)
    assert window.session.settings.weights == str(file)
    window.close()
    assert Remembered.read(tmp_path).weights_files == [(str(file), "dino-vits16")]


def test_a_weights_file_is_chosen_in_a_dialog(
    shelved: Callable[..., tuple[Window, Shelf]], qtbot: QtBot, tmp_path: Path
) -> None:
    window, _ = shelved()
    qtbot.mouseClick(_open_menu(window, qtbot).file, Qt.LeftButton)
    dialog = window.findChild(QFileDialog)
    assert dialog is not None
    assert all(f"*{suffix}" in dialog.nameFilters()[0] for suffix in (".safetensors", ".pth", ".onnx"))
    dialog.fileSelected.emit(str(tmp_path / "a.onnx"))
    dialog.close()
    assert (window.session.settings.model, window.session.settings.weights) == (None, str(tmp_path / "a.onnx"))


def test_the_real_dino_is_offered_and_looks_once_it_is_fetched(
    shelved: Callable[..., tuple[Window, Shelf]], qtbot: QtBot
) -> None:
    shelves: list[Shelf] = []

    def load(settings: Settings, progress: object) -> Engine:
        return Engine(Model("dino-vits16" if shelves and "dino-vits16" in shelves[0].here else "embedded"))

    window, shelf = shelved(load_engine=load)
    shelves.append(shelf)
    shelf.go.set()
    wait(qtbot, lambda: [card.matter for card in window.messages.shown] == ["offer"])
    _press(window, qtbot, window.messages.shown[0].offers[0][0])
    wait(qtbot, lambda: window.presenter.status.model_name == "dino-vits16")
    assert shelf.asked == [(None, False)]
    wait(qtbot, lambda: not window.messages.shown)


def test_the_top_bar_and_the_layers_are_of_the_model_that_drew_the_picture(make: Make, qtbot: QtBot) -> None:
    engines = {name: Engine(Model(name, layers=layers)) for name, layers in (("first", 3), ("second", 2))}
    window = make(GREY.replace(model="first", layer=-1), load_engine=by_name(engines))
    wait(qtbot, lambda: "first" in window.header.model_button.text())
    engines["second"].go.clear()
    window.change(model="second")
    assert engines["second"].in_pass.wait(LIMIT)
    for _ in range(2):
        window.refresh()
    assert "first" in window.header.model_button.text()
    assert window.layers.slider.value() == 2
    engines["second"].go.set()
    wait(qtbot, lambda: "second" in window.header.model_button.text())
    wait(qtbot, lambda: window.layers.slider.value() == 1)


def test_the_layer_follows_the_models_depth(make: Make, qtbot: QtBot) -> None:
    engines = {"deep": Engine(Model("deep", layers=12)), "flat": Engine(Model("flat", layers=6))}
    window = make(GREY.replace(model="deep", layer=10), shown=False, load_engine=by_name(engines))
    box = window.view.controls["layer"].findChild(QAbstractSpinBox)
    assert isinstance(box, QSpinBox)
    wait(qtbot, lambda: window.presenter.status.model_name == "deep" and box.maximum() == 11)
    assert box.value() == 10
    window.change(model="flat")
    wait(qtbot, lambda: window.presenter.status.model_name == "flat" and box.value() == 5)
    assert (box.minimum(), box.maximum()) == (-6, 5)
    box.setValue(3)
    assert window.session.settings.layer == 3


# --- a place of another picture ---------------------------------------------------------------------------------------


def test_a_mark_in_the_view_reference_is_what_to_find(
    make: Make, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    window = make(GREY.replace(view="reference"))
    shown = window.canvas.result
    assert shown is not None
    rect = window.canvas.picture_rect()
    at = QPoint(round(rect.x() + 0.25 * rect.width()), round(rect.y() + 0.75 * rect.height()))
    qtbot.mouseClick(window.canvas, Qt.LeftButton, Qt.ShiftModifier, at)
    (reference,) = window.session.settings.reference
    assert (reference.mark.x, reference.mark.y) == pytest.approx((0.25, 0.75), abs=0.01)
    assert not window.session.settings.track
    kept = np.asarray(Image.open(reference.path))
    assert kept.shape == shown.frame.pixels.shape


def test_a_picture_from_a_file_is_marked_in_a_dialog(make: Make, qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "cup.png"
    Image.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(path)
    window = make()
    window.references.ask_for_place(str(path))
    dialog = window.references.dialog
    assert dialog is not None
    picture = dialog.picture
    qtbot.waitExposed(dialog)
    rect = picture.picture_rect()

    def place(x: float, y: float) -> QPoint:
        return QPoint(round(rect.x() + x * rect.width()), round(rect.y() + y * rect.height()))

    qtbot.mousePress(picture, Qt.LeftButton, pos=place(0.25, 0.25))
    qtbot.mouseMove(picture, place(0.75, 0.5))
    qtbot.mouseRelease(picture, Qt.LeftButton, pos=place(0.75, 0.5))
    dialog.accept()
    (reference,) = window.session.settings.reference
    assert reference.path == str(path)
    assert tuple(reference.mark) == pytest.approx((0.25, 0.25, 0.5, 0.25), abs=0.02)
    assert window.session.settings.view == "reference"


def test_what_is_no_picture_is_said(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "cup.png"
    path.write_bytes(b"nothing")
    window = make()
    window.references.ask_for_place(str(path))
    assert "cup.png" in window.canvas.toast_text
    assert window.references.dialog is None


# --- what a newcomer reads, and which controls there are --------------------------------------------------------------


def test_a_line_under_the_picture_says_what_is_seen_and_names_the_paper(make: Make, qtbot: QtBot) -> None:
    window = make()

    def shows(key: str) -> bool:
        return views.find(window.session.settings.view).key == key

    assert window.meaning.isVisible()
    texts, heights = set(), set()
    for key in ("e", "k", "p", "o"):
        qtbot.keyClick(window.canvas, key)
        wait(qtbot, partial(shows, key))
        view = views.find(window.session.settings.view)
        window.refresh()
        assert view.meaning in window.meaning.toolTip()
        assert window.meaning.text().endswith(view.paper)
        assert view.meaning.startswith(window.meaning.text().removesuffix(view.paper).strip().rstrip("…"))
        texts.add(window.meaning.text())
        heights.add(window.canvas.height())
    assert len(texts) == 4
    assert len(heights) == 1  # the picture keeps its place
    qtbot.keyClick(window.canvas, "H", Qt.ShiftModifier)
    assert window.meaning.isHidden()
    assert window.window_state["meaning"] is False
    qtbot.keyClick(window.canvas, "H", Qt.ShiftModifier)
    assert window.meaning.isVisible()


def test_only_the_controls_that_the_view_reads_are_shown(make: Make, qtbot: QtBot) -> None:
    window = make()
    panel = window.view

    def shown() -> set[str]:
        return {name for name, control in panel.controls.items() if not control.isHidden()}

    for name in ("mask", "rollout", "objects", "heatmap"):
        window.change(view=name)
        reads = views.find(name).reads
        assert shown() & views.SOME_READ == reads & panel.controls.keys()
        assert {"layout", "opacity", "upsampling"} <= shown()
    assert panel.more.text().endswith("more settings")
    panel.more.click()
    assert shown() == set(panel.controls)
    panel.more.click()
    assert "rollout" not in shown()

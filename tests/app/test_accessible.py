"""For whoever goes without a mouse, hears what is on the screen, or sees colours differently."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pytest
from PyQt5.QtCore import QPoint, Qt
from PyQt5.QtGui import QColor, QImage, QPalette
from PyQt5.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QLabel, QLineEdit, QMenu, QWidget
from pytestqt.qtbot import QtBot
from windows import Make, wait

from rtviz.app.keys import ACTIONS, Bindings
from rtviz.app.keys_file import template
from rtviz.app.theme import THEMES, Theme
from rtviz.app.window import Window
from rtviz.drawing.palette import HEAD_COLORS, colormap
from rtviz.settings import Settings

pytestmark = pytest.mark.gui


def spoken(control: QWidget, labels: list[QLabel]) -> str:
    """What a screen reader says of a control: its name, its text, or its label."""
    if control.accessibleName():
        return control.accessibleName()
    if isinstance(control, QAbstractButton) and control.text():
        return control.text()
    return "; ".join(label.text() for label in labels if label.buddy() is control)


def test_every_control_has_a_name(make: Make, qtbot: QtBot) -> None:
    window = make()
    for section in window.sections:
        section.open(True)
    labels = window.findChildren(QLabel)
    controls = [
        control
        for control in window.findChildren(QWidget)
        if control.focusPolicy() & Qt.TabFocus
        and control.window() is window
        and not isinstance(control.parentWidget(), (QComboBox, QAbstractSpinBox))
    ]
    assert len(controls) > 60
    nameless = [(type(one).__name__, one.toolTip()) for one in controls if len(spoken(one, labels).strip(" ▾")) < 2]
    assert [one for one in nameless if one[0] not in ("_Sentence",)] == []


def picture(window: Window, control: QWidget) -> QImage:
    """The control as it is on the screen, with what lies round it."""
    corner = control.mapTo(window, QPoint(0, 0))
    return window.grab(control.rect().translated(corner).adjusted(-2, -2, 2, 2)).toImage()


def test_tab_goes_as_one_reads_and_is_seen(make: Make, qtbot: QtBot) -> None:
    window = make()
    window.resize(1300, 800)
    qtbot.keyClick(window.canvas, Qt.Key_Space)
    wait(qtbot, lambda: window.session.status().paused)
    window.canvas.toast("")
    for timer in (window._poll_timer, window._refresh_timer):  # nothing may change but the focus
        timer.stop()
    parts = [window.header, window.layers, window.canvas, window.transport, window.heads, window.side]
    order: list[int] = []
    unseen: list[str] = []
    window.header.open_button.setFocus(Qt.TabFocusReason)
    first = window.focusWidget()
    while len(order) < 150:
        control = window.focusWidget()
        assert control is not None
        order.append(next(n for n, part in enumerate(parts) if part is control or part.isAncestorOf(control)))
        focused = picture(window, control)
        qtbot.keyClick(control, Qt.Key_Tab)
        if not isinstance(control, QAbstractSpinBox) and picture(window, control) == focused:
            unseen.append(f"{type(control).__name__} {control.toolTip()}")
        if window.focusWidget() is first:
            break
    assert order == sorted(order), "each part is gone through before the next one"
    assert set(order) == set(range(len(parts)))
    assert unseen == []


def _light(color: str) -> float:
    """Relative luminance, by WCAG 2.1."""
    channels = np.array([int(color[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_every_text_and_the_focus_stand_out_from_their_ground(theme: Theme) -> None:
    """WCAG 2.1: 4.5 to 1 for text, 3 to 1 for the sign of the focus."""
    text = [(ink, ground) for ink in ("ink", "faint") for ground in ("ground", "panel", "raised", "line")]
    text += [(tone, ground) for tone in ("good", "warn", "bad") for ground in ("panel", "raised")]
    text += [("on_accent", "accent")]
    signs = [("accent", ground) for ground in ("ground", "panel", "raised")]
    for pairs, least in ((text, 4.5), (signs, 3.0)):
        for ink, ground in pairs:
            bright, dark = sorted((_light(getattr(theme, ink)), _light(getattr(theme, ground))), reverse=True)
            assert (bright + 0.05) / (dark + 0.05) >= least, (ink, ground)


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_what_empty_fields_say_stands_out_from_their_ground(make: Make, theme: Theme) -> None:
    window = make(shown=False)
    for section in window.sections:
        section.open(True)
    window.do("render")
    window.set_theme(theme)
    lines = [line for line in window.findChildren(QLineEdit) if line.placeholderText()]
    assert len(lines) > 8
    for line in lines:
        line.ensurePolished()
        ink, ground = line.palette().color(QPalette.PlaceholderText), QColor(theme.raised)
        share = ink.alphaF()
        seen = QColor(*(round(share * a + (1 - share) * b) for a, b in zip(ink.getRgb(), ground.getRgb(), strict=True)))
        bright, dark = sorted((_light(seen.name()), _light(ground.name())), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 4.5, line.placeholderText()
        assert line.palette().color(QPalette.Text) == QColor(theme.ink)


# Linear RGB as people without red or green cones see it (Vienot, Brettel, Mollon 1999).
_SEEN = {
    "all": np.eye(3),
    "no red cones": np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]]),
    "no green cones": np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]]),
}


def _lightness(colors: np.ndarray, eyes: str) -> np.ndarray:
    """CIE L* of sRGB colours [count, 3] as somebody sees them."""
    scaled = np.asarray(colors, float) / 255
    linear = np.where(scaled <= 0.04045, scaled / 12.92, ((scaled + 0.055) / 1.055) ** 2.4)
    light = np.clip(linear @ _SEEN[eyes].T, 0, 1) @ [0.2126, 0.7152, 0.0722]
    return np.where(light > 0.008856, 116 * np.cbrt(light) - 16, 903.3 * light)


@pytest.mark.parametrize("eyes", _SEEN)
def test_more_attention_is_lighter_for_all_eyes(eyes: str) -> None:
    steps = np.diff(_lightness(colormap(Settings().colormap)[::8], eyes))
    assert (steps > 0.5).all()


@pytest.mark.parametrize("eyes", _SEEN)
def test_the_heads_of_a_small_model_are_distinguished_by_all_eyes(eyes: str) -> None:
    colors = np.array(HEAD_COLORS[:6], float) / 255
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ _SEEN[eyes].T, 0, 1) ** (1 / 2.4)
    apart = np.linalg.norm(seen[:, None] - seen[None], axis=2) + np.eye(6)
    assert apart.min() > 0.1


def test_the_file_of_keys_changes_nothing_until_a_line_is_taken_in(make: Make, qtbot: QtBot, tmp_path: Path) -> None:
    assert tomllib.loads(template()) == {"keys": {}}
    taken_in = "\n".join(line.removeprefix("# ") if " = " in line else line for line in template().splitlines())
    keys = tomllib.loads(taken_in)["keys"]
    assert set(keys) == {action.name for action in ACTIONS}
    bindings = Bindings(keys)
    assert bindings.problems == []
    assert bindings.help() == Bindings().help()


def test_the_file_of_keys_opens_from_the_help_menu(
    make: Make, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("PyQt5.QtGui.QDesktopServices.openUrl", lambda url: opened.append(url.toLocalFile()))
    window = make(shown=False)
    menu = window.header.help_menu.menu()
    assert isinstance(menu, QMenu)
    menu.aboutToShow.emit()
    next(action for action in menu.actions() if "keys…" in action.text()).trigger()
    path = tmp_path / "config.toml"
    assert opened == [str(path)]
    assert str(path) in window.canvas.toast_text
    assert tomllib.loads(path.read_text()) == {"keys": {}}
    path.write_text('[keys]\nsnapshot = "Ctrl+J"\n')
    next(action for action in menu.actions() if "keys…" in action.text()).trigger()
    assert path.read_text() == '[keys]\nsnapshot = "Ctrl+J"\n', "what the user wrote stays"


def test_keys_count_as_soon_as_their_file_is_saved(make: Make, qtbot: QtBot, tmp_path: Path) -> None:
    window = make()
    path = tmp_path / "config.toml"
    path.write_text('[keys]\ntheme = "J"\n')
    wait(qtbot, lambda: window.canvas.toast_text == "keys changed")
    before = window.theme
    qtbot.keyClick(window.canvas, "j")
    assert window.theme is not before
    qtbot.keyClick(window.canvas, Qt.Key_T, Qt.ControlModifier)
    assert window.theme is not before, "the key that it had is free"
    assert window.header.tools["theme"].toolTip() == "Dark or light  (j)"
    qtbot.keyClick(window.canvas, "?")
    assert window.help.isVisible()
    new = tmp_path / "new"
    new.write_text('[keys]\nsnapshot = ["e", "x"]\nrecord = "x"\nopacity_up = "Ctrl+J"\nnothing = "y"\n')
    new.replace(path)  # as many editors save
    wait(qtbot, lambda: "cannot bind 'nothing'" in window.canvas.toast_text)
    assert "record cannot have 'X': it is snapshot's" in window.canvas.toast_text
    assert window.bindings.action_of(["E"]) == "snapshot"
    assert window.bindings.action_of(["J"]) == "view_cam"
    opacity = next(label for label in window.view.findChildren(QLabel) if label.text() == "Opacity")
    assert "Ctrl+J" in opacity.toolTip()
    assert opacity.toolTip().endswith("; a double click resets it")
    path.write_text("[keys\n")
    wait(qtbot, lambda: "is not a TOML file" in window.canvas.toast_text)
    assert window.bindings.action_of(["E"]) == "snapshot", "what was read before stays"


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_a_button_that_does_nothing_now_does_not_look_like_the_one_to_press(make: Make, theme: Theme) -> None:
    window = make(shown=False)
    window.set_theme(theme)
    window.do("render")
    assert window.rendering.dialog is not None
    button = window.rendering.dialog.act_button
    assert not button.isEnabled(), "a camera has no file to render"
    grounds = []
    for enabled in (False, True):
        button.setEnabled(enabled)
        grounds.append(button.grab().toImage().pixelColor(6, button.height() // 2))
    assert grounds[1] == QColor(theme.accent)
    assert grounds[0] != grounds[1]


@pytest.mark.parametrize("key", [Qt.Key_Return, Qt.Key_Enter, Qt.Key_Space])
def test_enter_and_space_press_the_button_that_has_the_focus(make: Make, qtbot: QtBot, key: Qt.Key) -> None:
    window = make()
    mean = window.fusion.buttons["mean"]
    mean.setFocus(Qt.TabFocusReason)
    qtbot.keyClick(mean, key)
    assert window.session.settings.head == "mean"
    assert not window.session.status().paused

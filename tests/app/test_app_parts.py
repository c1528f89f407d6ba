"""Parts of the desktop app without a session: the table of keys, pointing, themes, memory, cards, why no window."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pytest
from PyQt5.QtCore import QEvent, QPointF, Qt
from PyQt5.QtGui import QIcon, QKeyEvent, QMouseEvent
from PyQt5.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from rtviz import views
from rtviz.app import why_not
from rtviz.app.canvas import Canvas, to_qimage
from rtviz.app.cards import Card, cards, sentence
from rtviz.app.helpsheet import HelpSheet, laid_out
from rtviz.app.keys import ACTIONS, Bindings, names_of, plain, pretty
from rtviz.app.pointing import spot_at
from rtviz.app.readouts import readings
from rtviz.app.remembered import Remembered, apply_preset
from rtviz.app.theme import THEMES, Theme, icon
from rtviz.app.timeline import Timeline
from rtviz.errors import OutputUnwritable, SettingsError
from rtviz.frame import Frame, Maps, Result
from rtviz.live.session import LiveStatus
from rtviz.settings import Point, Query, Settings
from rtviz.sources import SourceInfo

pytestmark = pytest.mark.gui

# --- keys ------------------------------------------------------------------------------------------------------------


def test_every_action_has_a_key_and_no_key_two_actions() -> None:
    keys = [plain(key) for action in ACTIONS for key in action.keys]
    assert all(action.keys for action in ACTIONS)
    assert len(keys) == len(set(keys)), sorted(key for key in keys if keys.count(key) > 1)
    assert len({action.name for action in ACTIONS}) == len(ACTIONS)


def test_what_the_help_shows_is_what_the_keys_do() -> None:
    bindings = Bindings({"snapshot": "Ctrl+J", "help": ["?"]})
    helped = {key for _, lines in bindings.help() for keys, _ in lines for key in keys} - {"…"}
    for action in ACTIONS:
        first = bindings.keys_of(action.name)[0]
        assert bindings.action_of([first]) == action.name
        assert pretty(first) in helped or action.name in [f"head_{n}" for n in range(1, 9)], action.name
        assert pretty(first) in bindings.tip(action.name)
    assert "Ctrl+J" in helped
    assert bindings.action_of(["S"]) is None


@pytest.mark.parametrize(("width", "height"), [(1400, 900), (800, 500), (640, 400), (360, 640)])
def test_every_line_of_the_help_is_seen_whole_and_large_enough(qapp: object, width: int, height: int) -> None:
    window = QWidget()
    window.resize(width, height)
    sheet = HelpSheet(window)
    groups = Bindings().help()
    sheet.open(groups, "?", "Esc")
    pages = sheet.pages()
    assert [line for page in pages for column in page for _, lines in column for line in lines] == [
        line for _, lines in groups for line in lines
    ]
    size, _ = laid_out(sheet.rect(), groups, sheet.font())
    assert size >= 12
    assert len(pages) == 1 or height < 900, "there is room for all on one page"
    filled = [sum(len(lines) + 2 for _, lines in column) for page in pages for column in page]
    assert len(pages) == 1 or min(filled[:-1]) >= max(filled) - 5, "each column is full before the next one begins"
    shown = set()
    for page in range(len(pages)):
        assert sheet.page == page
        picture = sheet.grab().toImage()
        ground = picture.pixelColor(0, 0)
        border = [(x, y) for x in range(width) for y in (0, 1, height - 2, height - 1)]
        border += [(x, y) for y in range(height) for x in (0, 1, width - 2, width - 1)]
        assert all(picture.pixelColor(x, y) == ground for x, y in border), "nothing is cut"
        shown.add(bytes(picture.constBits().asstring(picture.sizeInBytes())))
        sheet.turn()
    assert len(shown) == len(pages)
    assert sheet.isHidden(), "after the last page it goes"


def test_each_view_has_its_direct_key() -> None:
    bindings = Bindings()
    for name in views.names():
        key = views.find(name).key
        assert bindings.action_of([f"Shift+{key}" if key.isupper() else key.upper()]) == f"view_{name}"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"snapshoot": "x"}, "no such action"),
        ({"snapshot": 5}, "a key, or a list of keys"),
        ({"snapshot": "x", "record": "x"}, "it is snapshot's"),
    ],
)
def test_a_wrong_binding_is_told_and_the_rest_works(changes: dict[str, object], problem: str) -> None:
    bindings = Bindings(changes)
    assert len(bindings.problems) == 1
    assert problem in bindings.problems[0]
    assert bindings.action_of(["Space"]) == "pause"


def test_a_key_that_the_user_binds_is_taken_from_its_default() -> None:
    bindings = Bindings({"pause": ["P", "r"], "loop": ""})
    assert bindings.problems == []
    assert bindings.action_of(["R"]) == "pause"
    assert bindings.keys_of("record") == ()
    assert bindings.action_of(["Ctrl+L"]) is None
    assert not any("record what is shown" in said for _, lines in bindings.help() for _, said in lines)


@pytest.mark.parametrize(
    ("given", "form"),
    [("ctrl+shift+s", "Ctrl+Shift+S"), ("+", "+"), ("ctrl++", "Ctrl++"), ("v", "V"), ("escape", "Esc"),
     ("shift+left", "Shift+Left"), ("pageup", "PageUp"), ("f9", "F9")],
)  # fmt: skip
def test_a_key_has_one_form(given: str, form: str) -> None:
    assert plain(given) == form
    assert plain(form) == form


def _press(
    key: int, text: str, code: int, modifiers: Qt.KeyboardModifier | Qt.KeyboardModifiers = Qt.NoModifier
) -> list[str]:
    return names_of(QKeyEvent(QEvent.KeyPress, key, modifiers, code + 8, 0, 0, text))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the scan codes are those of Linux")
def test_keys_work_on_other_layouts() -> None:
    bindings = Bindings()
    # French: the digit row writes & é " without Shift, and - where 6 is.
    assert bindings.action_of(_press(Qt.Key_Ampersand, "&", 2)) == "head_1"
    assert bindings.action_of(_press(Qt.Key_Minus, "-", 7)) == "head_6"
    assert bindings.action_of(_press(Qt.Key_3, "3", 4, Qt.ShiftModifier)) == "head_3"
    assert bindings.action_of(_press(Qt.Key_A, "a", 16)) == "heads_all"  # where a US keyboard has q
    # Russian: no Latin letters at all.
    assert bindings.action_of(_press(0x0424, "ф", 30)) == "heads_all"
    assert bindings.action_of(_press(0x0425, "Х", 26, Qt.ShiftModifier)) is None  # Shift+[ is bound to nothing
    assert bindings.action_of(_press(0x0425, "х", 26)) == "opacity_down"
    # German: [ is AltGr+8, ? is Shift+ß, ü lies where [ is.
    assert bindings.action_of(_press(Qt.Key_BracketLeft, "[", 9, Qt.GroupSwitchModifier)) == "opacity_down"
    assert bindings.action_of(_press(Qt.Key_BracketLeft, "[", 9, Qt.ControlModifier | Qt.AltModifier)) == "opacity_down"
    assert bindings.action_of(_press(Qt.Key_Question, "?", 12, Qt.ShiftModifier)) == "help"
    assert bindings.action_of(_press(Qt.Key_Udiaeresis, "ü", 26)) == "opacity_down"
    # Ctrl and Shift are part of a key's name; a letter's case is not.
    assert bindings.action_of(_press(Qt.Key_V, "V", 47, Qt.ShiftModifier)) == "view_previous"
    assert bindings.action_of(_press(Qt.Key_O, "\x0f", 24, Qt.ControlModifier)) == "open"
    assert bindings.action_of(_press(Qt.Key_Q, "\x11", 16, Qt.ControlModifier)) == "quit"
    assert bindings.action_of(_press(Qt.Key_5, "5", 0, Qt.KeypadModifier)) == "head_5"


# --- pictures and points ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 5, 64, 101])
def test_a_qimage_has_the_pixels_of_the_array_and_its_own_memory(qapp: object, width: int) -> None:
    pixels = np.random.default_rng(width).integers(0, 256, (7, width, 3), np.uint8)
    wide = np.zeros((7, width + 9, 3), np.uint8)
    wide[:, :width] = pixels
    for given in (pixels, wide[:, :width], pixels[:, ::-1]):
        expected = given.copy()
        image = to_qimage(given)
        given[:] = 0
        shown = [[image.pixelColor(x, y).getRgb()[:3] for x in range(width)] for y in range(7)]
        np.testing.assert_array_equal(np.array(shown), expected)
        pixels[:] = np.random.default_rng(width).integers(0, 256, (7, width, 3), np.uint8)
        wide[:, :width] = pixels


def _result(**settings: object) -> Result:
    frame = Frame(np.zeros((240, 320, 3), np.uint8))
    attention = np.full((2, 3, 6, 8), 1 / 48, np.float32)
    maps = Maps(attention, np.zeros((2, 3, 1), np.float32), "cls", "tiny", 16, (96, 128))
    shown = Settings(**settings)  # type: ignore[arg-type]
    return Result(views.draw(frame, maps, shown), frame, maps, shown)


def test_a_point_of_the_picture_is_a_point_of_the_frame() -> None:
    spot = spot_at(_result(), 0.25, 0.75)
    assert spot is not None
    assert (spot.x, spot.y, spot.head) == (0.25, 0.75, None)
    assert spot_at(_result(), 1.01, 0.5) is None


def test_the_patch_of_the_query_is_not_outlined_a_second_time(qapp: object) -> None:
    """Nor is the last one, where the query is the frame's very corner."""
    canvas = Canvas()
    canvas.resize(320, 240)

    def painted(query: Query) -> object:
        result = _result()
        assert result.maps is not None
        canvas.show_result(replace(result, maps=replace(result.maps, query=query)))
        moved = QMouseEvent(QEvent.MouseMove, QPointF(319, 239), Qt.NoButton, Qt.NoButton, Qt.NoModifier)
        canvas.mouseMoveEvent(moved)
        return canvas.grab().toImage()

    assert painted(Point(1, 1)) == painted(Point(0.99, 0.99)) != painted("cls")
    QApplication.processEvents()  # what the first paint has set going, while there is a canvas


def test_both_halves_of_side_by_side_are_the_frame() -> None:
    result = _result(layout="side-by-side")
    left, right = spot_at(result, 0.1, 0.5), spot_at(result, 0.6, 0.5)
    assert left is not None
    assert right is not None
    assert left.x == pytest.approx(0.2) == pytest.approx(right.x)
    assert (left.box[0], right.box[0]) == (0.0, 0.5)


@pytest.mark.parametrize("view", ["heads", "grid"])
@pytest.mark.parametrize("layout", ["overlay", "side-by-side"])
def test_every_tile_of_a_mosaic_is_found_where_it_was_drawn(view: str, layout: str) -> None:
    """A head that alone is bright is looked for in the picture: its tile's point must name it."""
    for layer, head in ((0, 1), (1, 2)):
        result = _result(view=view, layout=layout, layer=layer)
        assert result.maps is not None
        bright = np.full((2, 3, 6, 8), 1e-3, np.float32)
        bright[layer, head] = np.linspace(0, 0.5, 48, dtype=np.float32).reshape(6, 8)
        maps = Maps(bright, result.maps.prefix, "cls", "tiny", 16, (96, 128))
        drawn = views.draw(result.frame, maps, result.settings).astype(int)
        flat = views.draw(result.frame, result.maps, result.settings).astype(int)
        changed = np.pad(np.abs(drawn - flat).sum(axis=2) > 60, 1)
        inside = changed[:-2, 1:-1] & changed[2:, 1:-1] & changed[1:-1, :-2] & changed[1:-1, 2:]
        looked_at = changed[1:-1, 1:-1] & ~inside  # every pixel of the outline; of those within it one in 25
        looked_at[::5, ::5] = changed[1:-1:5, 1:-1:5]
        ys, xs = np.nonzero(looked_at)
        height, width = drawn.shape[:2]
        found = {
            (spot.layer, spot.head)
            for y, x in zip(ys, xs, strict=True)
            if (spot := spot_at(result, (x + 0.5) / width, (y + 0.5) / height)) is not None
        }
        assert (layer, head) in found
        others = {(place, which) for place, which in found if isinstance(which, int)} - {(layer, head)}
        assert not others


def test_quick_steps_on_the_timeline_add_up(qapp: object) -> None:
    timeline = Timeline()
    sought: list[float] = []
    timeline.show_time(2.0, 10.0)
    timeline.sought.connect(sought.append)
    for key in (Qt.Key_Right, Qt.Key_Right, Qt.Key_Left, Qt.Key_PageDown):
        timeline.keyPressEvent(QKeyEvent(QEvent.KeyPress, key, Qt.NoModifier))
    assert sought == [3.0, 4.0, 3.0, 10.0]


# --- themes ----------------------------------------------------------------------------------------------------------


def _luminance(color: str) -> float:
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_texts_are_readable_in_both_themes(theme: Theme) -> None:
    """WCAG 2.1: a contrast of 4.5 to 1 for text."""
    pairs = [(ink, ground) for ink in ("ink", "faint", "good", "warn", "bad") for ground in ("panel", "raised")]
    for ink, ground in [*pairs, ("on_accent", "accent")]:
        bright, dark = sorted((_luminance(getattr(theme, ink)), _luminance(getattr(theme, ground))), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)


# --- what is remembered ----------------------------------------------------------------------------------------------


def test_settings_window_and_recent_places_come_back(tmp_path: Path) -> None:
    first = Remembered.read(tmp_path)
    first.window["theme"] = "light"
    for place in ("a.mp4", "b.mp4", "a.mp4"):
        first.add_place(place)
    first.write(Settings(head=3, opacity=0.4, query=Point(0.1, 0.2), model="deit-vits16"))
    second = Remembered.read(tmp_path)
    assert second.problems == []
    assert second.window == {"theme": "light"}
    assert second.recent == ["a.mp4", "b.mp4"]
    assert Settings.from_mapping(second.settings) == Settings(head=3, opacity=0.4, model="deit-vits16")


def test_what_a_command_line_or_a_preset_said_is_not_remembered(tmp_path: Path) -> None:
    first = Remembered.read(tmp_path)
    first.write(Settings(model="deit-vits16", weights="deit.pth", head=3, opacity=0.4, resolution=320))
    second = Remembered.read(tmp_path)
    shown = Settings(model="dino-vits8", head=1, opacity=0.4, resolution=112)
    second.note_given(shown, ("model", "head", "resolution"))
    second.write(shown.replace(head=2, gamma=2.0, weights=None))
    third = Remembered.read(tmp_path)
    kept = Settings(model="deit-vits16", weights="deit.pth", head=2, opacity=0.4, resolution=320, gamma=2.0)
    assert Settings.from_mapping(third.settings) == kept, "the head and gamma were chosen by hand, the rest was said"
    preset = kept.replace(view="mask", upsampling="nearest", head="mean", model="random:dino-vits16", weights=None)
    third.add_choices(kept.replace(opacity=0.9))
    third.note_given(preset)
    third.write(preset.replace(model="random:dino-vits8", threshold=0.3))
    chosen = kept.replace(opacity=0.9, threshold=0.3)
    assert Settings.from_mapping(Remembered.read(tmp_path).settings) == chosen, "nor is an untrained model"


def test_what_a_config_file_says_of_the_window_does_not_outlive_it(tmp_path: Path) -> None:
    state = Remembered.read(tmp_path)
    state.window |= {"theme": "dark", "size": [900, 600]}
    state.write(Settings())
    preset = tmp_path / "stage.toml"
    preset.write_text('[window]\ntheme = "light"\nidle_seconds = 5\nmode = "locked"\n')
    staged = Remembered.read(tmp_path, preset)
    assert staged.window["theme"] == "light"
    staged.window |= {"size": [700, 500], "mode": "smooth"}
    staged.write(Settings())
    assert Remembered.read(tmp_path).window == {"theme": "dark", "size": [700, 500], "mode": "smooth"}


def test_the_config_file_wins_and_is_never_written(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[keys]\nsnapshot = "x"\n[window]\ntheme = "light"\n# mine\n')
    preset = tmp_path / "stand.toml"
    preset.write_text('view = "mask"\n[keys]\nrecord = "y"\n')
    before = (tmp_path / "config.toml").read_text()
    state = Remembered.read(tmp_path)
    state.window["theme"] = "dark"
    state.write(Settings())
    again = Remembered.read(tmp_path, preset)
    assert again.window["theme"] == "light"
    assert again.keys == {"snapshot": "x", "record": "y"}
    assert (tmp_path / "config.toml").read_text() == before


def test_a_damaged_file_is_told_and_forgotten(tmp_path: Path) -> None:
    (tmp_path / "state.toml").write_text("[settings\nhead = ")
    damaged = Remembered.read(tmp_path)
    assert len(damaged.problems) == 1
    assert "state.toml" in damaged.problems[0]
    (tmp_path / "state.toml").write_text('[settings]\nhead = 2\nview = "gone"\nopacity = 7.0\nunknown = 1\n')
    assert Remembered.read(tmp_path).settings == {"head": 2}


def test_nothing_is_stored_when_nothing_may_be(tmp_path: Path) -> None:
    Remembered(tmp_path / "none", stored=False).write(Settings())
    assert not (tmp_path / "none").exists()


def test_a_folder_that_cannot_be_written_is_an_error_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputUnwritable, match="cannot write"):
        Remembered(tmp_path / "file").write(Settings())


def test_a_saved_preset_gives_the_look_back_and_leaves_the_model(tmp_path: Path) -> None:
    state = Remembered(tmp_path)
    look = Settings(view="mask", head="all", threshold=0.4, resolution=320, query=Point(0.5, 0.5), device="cpu")
    state.save_preset("my look", look)
    assert "my look" in state.presets()
    assert "talk" in state.presets()
    now = Settings(model="deit-vits16", opacity=0.1, head=2, device="cpu")
    applied = apply_preset(state.presets()["my look"], now)
    assert applied == Settings(
        model="deit-vits16", device="cpu", view="mask", head="all", threshold=0.4, resolution=320
    )
    for name in ("", "a/b", ".x", "a\nb"):
        with pytest.raises(SettingsError, match="preset cannot be"):
            state.save_preset(name, look)


def test_every_preset_that_ships_can_be_applied(tmp_path: Path) -> None:
    for path in Remembered(tmp_path).presets().values():
        apply_preset(path, Settings(model="deit-vits16"))


# --- what is said ----------------------------------------------------------------------------------------------------

_OFFER = Card("offer", "good", "built-in", "There is a better one.")


@pytest.mark.parametrize(
    ("status", "matters", "word", "command"),
    [
        (LiveStatus("live", model_state="ready"), ["offer"], "There is", None),
        (LiveStatus("paused", model_state="ready"), ["offer"], "There is", None),
        (LiveStatus("live", "cam sends black pictures", "ready"), ["source", "offer"], "black", None),
        (LiveStatus("stalled", "cam has sent no picture for 3 s", "ready"), ["source", "offer"], "3 s", None),
        (LiveStatus("reconnecting", "cam is gone; trying again in 2 s", "ready"), ["source", "offer"], "2 s", None),
        (LiveStatus("failed", "there is no x.mp4", "ready"), ["source", "offer"], "x.mp4", "open_scene"),
        (LiveStatus("live", model_state="loading", model_sentence="loading it"), ["model"], "Loading it", None),
        (LiveStatus("live", "", "loading", "downloading w", (5_000_000, 87_000_000)),
         ["model"], "5 of 87 MB", "cancel_loading"),
        (LiveStatus("live", "", "ready", "no weights; going on with another"), ["model"], "going on", "dismiss_model"),
        (LiveStatus("live", "", "failed", "no weights"), ["model"], "No weights.", "reload_model"),
    ],
)  # fmt: skip
def test_every_trouble_has_a_card_with_a_sentence_and_a_way_out(
    status: LiveStatus, matters: list[str], word: str, command: str | None
) -> None:
    said = cards(status, has_picture=True, offer=_OFFER)
    assert [card.matter for card in said] == matters
    assert word in said[0].sentence
    if command is not None:
        assert command in [given for _, given in said[0].offers]


def test_before_the_first_picture_the_canvas_speaks_and_not_a_card() -> None:
    status = LiveStatus("connecting", "opening camera 0", "loading", "loading the model")
    assert cards(status, has_picture=False) == []


def test_sentences_begin_with_a_capital_unless_with_a_name() -> None:
    assert sentence("opening it") == "Opening it."
    assert sentence("/tmp/x.mp4 is gone") == "/tmp/x.mp4 is gone."
    assert sentence("dino-vits16 is untrained") == "dino-vits16 is untrained."


def test_the_age_of_a_picture_that_stands_still_is_not_shown() -> None:
    assert readings(LiveStatus("live", age_ms=41.6))["age"] == "42 ms"
    for status in (LiveStatus("ended", age_ms=9e4), LiveStatus("paused", age_ms=9e4, paused=True)):
        assert readings(status)["age"] == "—"


@pytest.mark.parametrize(
    ("kind", "said"), [("video", "playing"), ("scene", "playing"), ("camera", "live"), ("screen", "live")]
)
def test_a_file_plays_and_a_camera_is_live(kind: str, said: str) -> None:
    info = SourceInfo("it", kind, (36, 64), 30.0, None, None, live=kind not in ("video", "scene"))
    shown = readings(LiveStatus("live", source_info=info, camera_fps=29.9))
    assert (shown["source"], shown["input"]) == (said, "29.9 fps")


@pytest.mark.parametrize("state", ["live", "paused", "ended"])
def test_one_picture_is_called_that(state: str) -> None:
    info = SourceInfo("it", "pictures", (36, 64), None, None, 1, live=False)
    assert readings(LiveStatus(state, source_info=info))["source"] == "picture"
    assert readings(LiveStatus("failed", source_info=info))["source"] == "failed"


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_an_icon_that_cannot_be_pressed_is_fainter(qtbot: QtBot, theme: Theme) -> None:
    shown = icon("pause", theme)
    strength = []
    for mode in (QIcon.Normal, QIcon.Disabled):
        image = shown.pixmap(48, 48, mode, QIcon.Off).toImage()
        colors = (image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height()))
        strength.append(max(color.alpha() for color in colors))
    assert strength[1] < 0.6 * strength[0]


# --- no window -------------------------------------------------------------------------------------------------------

_ASK = "import rtviz.app; print(rtviz.app.why_not())"


def _ask(code: str, **environment: str) -> str:
    clean = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env={**clean, **environment}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only X11 and Wayland have displays to miss")
def test_without_a_display_one_line_says_what_to_do() -> None:
    said = _ask(_ASK)
    assert "\n" not in said
    assert "there is no display" in said
    assert "rtviz render" in said


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only X11 has displays that do not answer")
def test_a_dead_display_or_a_missing_library_is_found_before_qt_aborts() -> None:
    said = _ask(_ASK, DISPLAY=":4711")
    assert "\n" not in said
    assert "does not answer" in said or "sudo apt-get install" in said


def test_a_missing_library_is_named_with_its_package() -> None:
    code = (
        "import ctypes, os, rtviz.app\n"
        "def missing(name, *more, **most):\n"
        "    raise OSError('libxcb-icccm.so.4: cannot open shared object file: No such file or directory')\n"
        "ctypes.CDLL = missing\n"
        "print(rtviz.app.why_not())"
    )
    said = _ask(code, DISPLAY=":0")
    assert "libxcb-icccm.so.4 is missing" in said
    assert "sudo apt-get install -y libxcb-icccm4" in said


def test_offscreen_needs_no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    monkeypatch.delenv("DISPLAY", raising=False)
    assert why_not() is None

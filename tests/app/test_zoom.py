"""Zoom and pan of the picture, with the mouse and the keys, and what points mean then."""

from __future__ import annotations

import os
from dataclasses import replace

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pytest
from live_fakes import Engine, Model, by_name
from numpy.typing import NDArray
from PyQt5.QtCore import QEvent, QPoint, QPointF, QRect, Qt
from PyQt5.QtGui import QImage, QMouseEvent, QNativeGestureEvent, QWheelEvent
from PyQt5.QtWidgets import QApplication, QGestureEvent, QPinchGesture
from pytestqt.qtbot import QtBot
from windows import GREY, Make, wait

from rtviz.app.canvas import Canvas
from rtviz.app.window import Window
from rtviz.engine.drawing import draw
from rtviz.frame import Frame, Maps, ReferencePicture, Result
from rtviz.markup import Note, Ring, Scale, Text
from rtviz.settings import Mark, Point, Reference, Settings

pytestmark = pytest.mark.gui

NOTCH = 1.2


def turn(canvas: Canvas, at: QPoint, notches: int, modifiers: Qt.KeyboardModifier = Qt.NoModifier) -> None:
    """Turn the wheel over a point of the canvas."""
    for _ in range(abs(notches)):
        angle = QPoint(0, 120 if notches > 0 else -120)
        there = QPointF(at), QPointF(canvas.mapToGlobal(at))
        event = QWheelEvent(*there, QPoint(), angle, Qt.NoButton, modifiers, Qt.NoScrollPhase, False)
        QApplication.sendEvent(canvas, event)


def move(canvas: Canvas, to: QPoint, button: Qt.MouseButton) -> None:
    """Move the pointer with a button down."""
    moved = QMouseEvent(QEvent.MouseMove, QPointF(to), Qt.NoButton, button, Qt.NoModifier)
    QApplication.sendEvent(canvas, moved)


def fitted(window: Window) -> tuple[float, float, float, float]:
    """(left, top, width, height) of the picture of 120 x 160 pixels on the canvas, before any zoom."""
    canvas = window.canvas
    scale = min(canvas.width() / 160, canvas.height() / 120)
    return (canvas.width() - 160 * scale) / 2, (canvas.height() - 120 * scale) / 2, 160 * scale, 120 * scale


def at(window: Window, x: float, y: float) -> QPoint:
    left, top, width, height = fitted(window)
    return QPointF(left + x * width, top + y * height).toPoint()


def query(window: Window) -> Point:
    asked = window.session.settings.query
    assert isinstance(asked, Point)
    return asked


def test_the_wheel_zooms_around_the_pointer_and_a_click_means_what_is_seen_there(make: Make, qtbot: QtBot) -> None:
    window = make()
    _, _, width, height = fitted(window)
    there = at(window, 0.6, 0.5)
    turn(window.canvas, there, 6)
    qtbot.mouseClick(window.canvas, Qt.LeftButton, pos=there)
    assert query(window) == pytest.approx((0.6, 0.5), abs=0.005), "the point under the pointer stays there"
    qtbot.mouseClick(window.canvas, Qt.LeftButton, pos=there + QPoint(90, -60))
    scale = NOTCH**6
    assert query(window) == pytest.approx((0.6 + 90 / width / scale, 0.5 - 60 / height / scale), abs=0.005)
    turn(window.canvas, there, -12)
    qtbot.mouseClick(window.canvas, Qt.LeftButton, pos=at(window, 0.25, 0.9))
    assert query(window) == pytest.approx((0.25, 0.9), abs=0.005), "it never gets smaller than it fits"


def test_what_is_painted_is_where_a_click_finds_it(make: Make, qtbot: QtBot) -> None:
    """The bright patch of head 2 has its corner where the painted picture becomes dark."""
    window = make(GREY.replace(head=2))
    qtbot.keyClick(window.canvas, Qt.Key_Space)
    wait(qtbot, lambda: window.session.status().paused and not window.canvas.toast_text)
    turn(window.canvas, at(window, 2.5 / 8, 0.5 / 6), 8)
    QApplication.processEvents()
    lit = (pixels(window.canvas.grab().toImage())[:90] & 255) > 128
    _, columns = np.nonzero(lit)
    assert columns.size, "the patch is in sight"
    _, _, width, _ = fitted(window)
    assert columns.max() - columns.min() == pytest.approx(width / 8 * NOTCH**8, abs=4)
    qtbot.mouseClick(window.canvas, Qt.LeftButton, pos=QPoint(int(columns.max()) - 2, 40))
    assert query(window).x == pytest.approx(3 / 8, abs=0.005)


@pytest.mark.parametrize(
    ("button", "modifier"), [(Qt.MiddleButton, Qt.NoModifier), (Qt.LeftButton, Qt.ControlModifier)]
)
def test_a_drag_moves_the_picture_and_asks_nothing(
    make: Make, qtbot: QtBot, button: Qt.MouseButton, modifier: Qt.KeyboardModifier
) -> None:
    window = make()
    canvas = window.canvas
    middle = at(window, 0.5, 0.5)
    turn(canvas, middle, 6)
    qtbot.mousePress(canvas, button, modifier, middle)
    move(canvas, middle + QPoint(70, 35), button)
    qtbot.mouseRelease(canvas, button, modifier, middle + QPoint(70, 35))
    assert window.session.settings.query == "cls"
    qtbot.mouseClick(canvas, Qt.LeftButton, pos=middle + QPoint(70, 35))
    assert query(window) == pytest.approx((0.5, 0.5), abs=0.005)


def test_keys_zoom_in_and_out_and_show_the_whole(make: Make, qtbot: QtBot) -> None:
    window = make()
    middle = at(window, 0.5, 0.5)
    corner = at(window, 0.2, 0.2)
    window.canvas.leaveEvent(None)  # type: ignore[arg-type]  # no pointer: around the middle
    qtbot.keyClick(window.canvas, Qt.Key_Equal, Qt.ControlModifier)
    qtbot.keyClick(window.canvas, Qt.Key_Plus, Qt.ControlModifier | Qt.ShiftModifier)
    qtbot.mouseClick(window.canvas, Qt.LeftButton, pos=corner)
    assert query(window) == pytest.approx((0.5 - 0.3 / 2.25, 0.5 - 0.3 / 2.25), abs=0.005)
    qtbot.keyClick(window.canvas, Qt.Key_Minus, Qt.ControlModifier)
    qtbot.mouseClick(window.canvas, Qt.LeftButton, pos=middle)
    assert window.canvas.zoom.magnification == pytest.approx(1.5)
    qtbot.keyClick(window.canvas, Qt.Key_0, Qt.ControlModifier)
    qtbot.mouseClick(window.canvas, Qt.LeftButton, pos=corner)
    assert query(window) == pytest.approx((0.2, 0.2), abs=0.005)
    assert window.session.settings.threshold == GREY.threshold, "the same keys without Ctrl are the mask's"


def test_a_box_that_is_marked_while_zoomed_is_as_large_on_the_frame_as_it_looked(make: Make, qtbot: QtBot) -> None:
    window = make()
    _, _, width, height = fitted(window)
    middle = at(window, 0.5, 0.5)
    turn(window.canvas, middle, 6)
    qtbot.mousePress(window.canvas, Qt.LeftButton, Qt.ShiftModifier, middle)
    turn(window.canvas, middle, 2)  # which must not change what is being marked
    qtbot.mouseMove(window.canvas, middle + QPoint(60, 40))
    qtbot.mouseRelease(window.canvas, Qt.LeftButton, Qt.ShiftModifier, middle + QPoint(120, 80))
    scale = NOTCH**6
    assert window.session.settings.track[0] == pytest.approx(
        (0.5, 0.5, 120 / width / scale, 80 / height / scale), abs=0.005
    )


def test_all_panes_are_zoomed_alike(make: Make, qtbot: QtBot) -> None:
    window = make(
        GREY.replace(model="one", compare=("two",)), load_engine=by_name({n: Engine(Model(n)) for n in ("one", "two")})
    )
    wait(qtbot, lambda: window.canvas.result is not None and len(window.canvas.result.panes) == 2)
    canvas, result = window.canvas, window.canvas.result
    assert result is not None
    scale = min(canvas.width() / result.overlay.shape[1], canvas.height() / result.overlay.shape[0])
    across = (canvas.width() - result.overlay.shape[1] * scale) / 2
    down = (canvas.height() - result.overlay.shape[0] * scale) / 2

    def place(pane: int, x: float, y: float) -> QPoint:
        top, left, height, width = result.panes[pane].box
        return QPointF(across + (left + x * width) * scale, down + (top + y * height) * scale).toPoint()

    turn(canvas, place(1, 0.25, 0.5), 7)
    asked = []
    for pane in (0, 1):
        qtbot.mouseClick(canvas, Qt.LeftButton, pos=place(pane, 0.5, 0.6))
        wait(qtbot, lambda: window.session.status().focus == pane)  # noqa: B023
        qtbot.mouseClick(canvas, Qt.LeftButton, pos=place(pane, 0.5, 0.6))
        asked.append(query(window))
    expected = (0.25 + 0.25 / NOTCH**7, 0.5 + 0.1 / NOTCH**7)
    assert asked[0] == pytest.approx(expected, abs=0.01)
    assert asked[1] == pytest.approx(expected, abs=0.01)


def test_patches_that_are_large_on_the_canvas_are_drawn_in_one_colour(make: Make, qtbot: QtBot) -> None:
    window = make(GREY.replace(upsampling="smooth"))

    def drawn() -> str:
        assert window.canvas.result is not None
        return window.canvas.result.settings.upsampling

    turn(window.canvas, at(window, 0.5, 0.5), 6)
    wait(qtbot, lambda: drawn() == "nearest")
    assert window.session.settings.upsampling == "smooth", "the setting itself stays"
    qtbot.keyClick(window.canvas, "r")
    wait(qtbot, lambda: drawn() == "smooth" and window.session.status().recording is not None)  # nor in a recording
    qtbot.keyClick(window.canvas, "r")
    wait(qtbot, lambda: drawn() == "nearest")
    qtbot.keyClick(window.canvas, Qt.Key_0, Qt.ControlModifier)
    wait(qtbot, lambda: drawn() == "smooth")


# --- the patch under the pointer -------------------------------------------------------------------------------------


def _canvas(qtbot: QtBot) -> Canvas:
    canvas = Canvas()
    qtbot.addWidget(canvas)
    canvas.resize(640, 480)
    frame = Frame(np.full((240, 320, 3), 90, np.uint8))
    maps = Maps(
        np.full((2, 3, 6, 8), 1 / 48, np.float32), np.zeros((2, 3, 1), np.float32), "cls", "tiny", 16, (96, 128)
    )
    canvas.show_result(Result(frame.pixels, frame, maps, Settings()))
    canvas.show()
    return canvas


def changed(before: QImage, after: QImage) -> QRect:
    """The smallest rectangle that holds every pixel in which two pictures differ."""
    rows, columns = np.nonzero(pixels(before) != pixels(after))
    if not rows.size:
        return QRect()
    return QRect(QPoint(int(columns.min()), int(rows.min())), QPoint(int(columns.max()), int(rows.max())))


def pixels(image: QImage) -> NDArray[np.uint32]:
    """A picture's pixels [height, width]."""
    same = image.convertToFormat(QImage.Format_RGB32)
    memory = same.constBits()
    assert memory is not None
    return np.frombuffer(memory.asstring(same.sizeInBytes()), np.uint32).reshape(same.height(), -1)


def test_the_readout_of_a_resting_pointer_goes_and_shows_no_text_in_full_screen(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    canvas = _canvas(qtbot)
    now = 1000.0
    monkeypatch.setattr("rtviz.app.canvas.time.monotonic", lambda: now)
    plain = canvas.grab().toImage()
    qtbot.mouseMove(canvas, QPoint(200, 200))  # row 2, column 2 of patches of 80 pixels
    text = changed(plain, canvas.grab().toImage())
    assert text.contains(QRect(161, 161, 78, 78))
    assert text.right() > 300, "beside the patch stands its value"
    now += 5
    assert canvas.grab().toImage() == plain
    qtbot.mouseMove(canvas, QPoint(202, 202))
    canvas.setWindowState(Qt.WindowFullScreen)
    canvas.resize(640, 480)
    assert QRect(158, 158, 85, 85).contains(changed(plain, canvas.grab().toImage())), "the outline alone"


def test_the_readout_stays_inside_its_pane_below_the_title(qtbot: QtBot) -> None:
    canvas = _canvas(qtbot)
    result = canvas.result
    assert result is not None
    from rtviz.drawing.panes import Titled, join

    titled = [Titled(name, ("",), ("",), result) for name in ("one", "two")]
    both = join(result.frame, titled, result.settings)
    canvas.resize(both.overlay.shape[1], both.overlay.shape[0])
    canvas.show_result(replace(both))
    plain = canvas.grab().toImage()
    top, left, height, width = both.panes[0].box
    qtbot.mouseMove(canvas, QPoint(left + width - 10, top + 5))
    seen = changed(plain, canvas.grab().toImage())
    assert not seen.isEmpty()
    assert QRect(left, top, width + 1, height).contains(seen)


def test_the_readout_covers_no_colour_bar(qtbot: QtBot) -> None:
    canvas = _canvas(qtbot)
    result = canvas.result
    assert result is not None
    maps = Maps(
        np.full((1, 1, 24, 32), 1 / 768, np.float32), np.zeros((1, 1, 1), np.float32), "cls", "", 10, (240, 320)
    )
    height, width = result.overlay.shape[:2]
    canvas.resize(960, 720)
    scale = Scale((0, 0, height, width), 0.0, 9.0, 1.0, "inferno")
    canvas.show_result(replace(result, maps=maps))
    without = canvas.grab().toImage()
    canvas.show_result(replace(result, maps=maps, annotations=(scale,)))
    plain = canvas.grab().toImage()
    bar = changed(without, plain)
    assert not bar.isEmpty()
    for x in range(400, 820, 30):
        qtbot.mouseMove(canvas, QPoint(x, 360))
        seen = changed(plain, canvas.grab().toImage())
        assert seen.width() > 200, "the value stands beside the patch"
        assert not seen.intersects(bar), x


# --- what is written and marked -----------------------------------------------------------------------------------


def test_a_ring_and_a_label_stay_sharp_and_of_one_size_and_a_label_stays_in_sight(qtbot: QtBot) -> None:
    """Against a picture without either: the difference is what the canvas painted."""
    canvas = _canvas(qtbot)
    plain = canvas.result
    assert plain is not None
    ring = Ring((120, 160), 6, 2)
    label = Note((2, 4, 14, 40), (0, 0, 240, 320), (0.0, 0.0), 10, 4, (Text((4, 8, 10, 32), "words", (255, 255, 255)),))
    canvas.resize(320, 240)

    def seen(annotation: Note | Ring, zoom: float) -> QRect:
        pictures = []
        for shown in ((), (annotation,)):
            canvas.show_result(replace(plain, plain=plain.overlay, annotations=shown))
            canvas.show_whole()
            canvas.zoom_by(zoom, QPointF(160, 120))
            pictures.append(canvas.grab().toImage())
        return changed(*pictures)

    assert seen(ring, 1.0).width() == pytest.approx(seen(ring, 6.0).width(), abs=1)
    assert (seen(ring, 6.0).center() - QPoint(160, 120)).manhattanLength() <= 2
    assert seen(label, 1.0).size() == seen(label, 6.0).size()
    assert seen(label, 6.0).topLeft() == seen(label, 1.0).topLeft(), "in the corner of what is seen, not of the picture"


def test_the_box_of_a_match_and_the_line_to_it_are_as_wide_at_any_zoom(qtbot: QtBot) -> None:
    canvas = _canvas(qtbot)
    plain = canvas.result
    assert plain is not None
    assert plain.maps is not None
    patches = np.random.default_rng(1).normal(size=(6, 8, 32)).astype(np.float32)
    there = patches.copy()
    there[0, 0] = patches[3, 5]
    reference = Reference("cup.png", Mark(0.01, 0.01))
    maps = replace(plain.maps, tokens=patches)
    maps = replace(maps, references=(ReferencePicture(reference, plain.frame, replace(maps, tokens=there)),))
    settings = Settings(view="reference", matches=1, reference=(reference,), layout="alone", colormap="gray")
    canvas.resize(320, 240)
    canvas.show_result(draw(plain.frame, maps, settings))

    def widths(zoom: float, at: QPoint) -> tuple[float, float]:
        """How many pixels of a row and of a column through a point of the canvas are orange, as far as 12 from it."""
        canvas.show_whole()
        canvas.zoom_by(zoom, QPointF(at))
        painted = pixels(canvas.grab().toImage())
        share = ((painted >> 16 & 255).astype(float) - (painted & 255)).clip(0) / 230
        near = slice(at.y() - 12, at.y() + 12), slice(at.x() - 12, at.x() + 12)
        return share[at.y(), near[1]].sum(), share[near[0], at.x()].sum()

    corner = QPoint(220 - 30, 140 + 15)  # on the left side of the box of one and a half patches round the patch (3, 5)
    line = QPoint(130, round(140 * 130 / 220))  # on the line there from the upper left of the picture in the corner
    for zoom in (1.0, 8.0):
        assert widths(zoom, corner)[0] == pytest.approx(2, abs=0.4)
        assert widths(zoom, line)[1] == pytest.approx(2 * np.hypot(1, 140 / 220), abs=0.4)


def test_the_outline_of_a_mask_is_as_wide_at_any_zoom_and_in_a_picture_of_any_size(qtbot: QtBot) -> None:
    """A head that attends to the right half: its outline is the only thing that is as bright."""
    canvas = _canvas(qtbot)
    plain = canvas.result
    assert plain is not None
    assert plain.maps is not None
    attention = np.full((1, 1, 6, 8), 1e-6, np.float32)
    attention[..., 4:] = 1 / 24
    maps = replace(plain.maps, attention=attention)
    settings = Settings(view="mask", head=0, threshold=0.99, upsampling="nearest", layout="alone")
    canvas.resize(320, 240)
    widths = []
    for height, width in ((240, 320), (60, 80)):
        canvas.show_result(draw(Frame(np.zeros((height, width, 3), np.uint8)), maps, settings))
        for zoom in (1.0, 6.0):
            canvas.show_whole()
            canvas.zoom_by(zoom, QPointF(160, 120))
            red = (pixels(canvas.grab().toImage())[120] >> 16 & 255).astype(float)
            widths.append(((red[140:180] - red[200]) / (red[140:180].max() - red[200])).clip(0).sum())
    assert widths == pytest.approx([widths[0]] * 4, rel=0.35)
    assert max(widths) < 5, "six times as wide, it would be more"


def _native(canvas: Canvas, kind: Qt.NativeGestureType, value: float, at: QPointF) -> None:
    point = QPointF(canvas.mapToGlobal(at.toPoint()))
    QApplication.sendEvent(canvas, QNativeGestureEvent(kind, at, at, point, value, 0, 0))


def test_a_pinch_on_a_touch_pad_zooms_round_the_pointer(make: Make, qtbot: QtBot) -> None:
    canvas = make().canvas
    at = QPointF(canvas.width() * 0.4, canvas.height() * 0.5)
    before = canvas.spot(at)
    assert before is not None
    for _ in range(3):
        _native(canvas, Qt.ZoomNativeGesture, 0.25, at)
    assert canvas.zoom.magnification == pytest.approx(1.25**3)
    after = canvas.spot(at)
    assert after is not None
    assert (after.x, after.y) == pytest.approx((before.x, before.y), abs=1e-6)
    _native(canvas, Qt.RotateNativeGesture, 30.0, at)
    assert canvas.zoom.magnification == pytest.approx(1.25**3)
    for _ in range(9):
        _native(canvas, Qt.ZoomNativeGesture, -0.3, at)
    assert canvas.zoom.magnification == 1, "never smaller than the whole"


def test_a_pinch_on_a_touch_screen_zooms_and_moves(make: Make, qtbot: QtBot) -> None:
    canvas = make().canvas
    at = QPointF(canvas.width() * 0.4, canvas.height() * 0.45)
    moved = QPointF(18, -12)
    pinch = QPinchGesture()
    middle = QPointF(canvas.mapToGlobal(at.toPoint()))
    pinch.setCenterPoint(middle)
    pinch.setLastCenterPoint(middle)
    pinch.setScaleFactor(2.5)
    before = canvas.spot(at)
    QApplication.sendEvent(canvas, QGestureEvent([pinch]))
    assert canvas.zoom.magnification == pytest.approx(2.5)
    pinch.setScaleFactor(1.0)
    pinch.setCenterPoint(middle + moved)
    QApplication.sendEvent(canvas, QGestureEvent([pinch]))
    after = canvas.spot(at + moved)
    assert before is not None
    assert after is not None
    assert (after.x, after.y) == pytest.approx((before.x, before.y), abs=1e-3), "what was held went with the fingers"

"""Windows on sessions whose source and engine are fakes."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from live_fakes import LIMIT, QUICK, Engine, Recording
from pytestqt.qtbot import QtBot

from rtviz.app.remembered import Remembered
from rtviz.app.window import Window
from rtviz.live.session import LiveSession
from rtviz.settings import Settings

Make = Callable[..., Window]
# A frame grey all over, so that what is bright is the view's; the engine sees one bright patch for a layer and head.
GREY = Settings(colormap="gray", layout="alone", upsampling="nearest", normalization="frame", head=0, layer=0)


class Windows:
    """Makes windows that have shown attention."""

    def __init__(self, qtbot: QtBot, folder: Path) -> None:
        self._qtbot, self._folder = qtbot, folder
        self._made: list[Window] = []

    def __call__(
        self,
        settings: Settings = GREY,
        *,
        kiosk: bool = False,
        shown: bool = True,
        told: Collection[str] = (),
        place: str = "fake:",
        tour: bool = False,
        **more: object,
    ) -> Window:
        remembered = Remembered.read(self._folder)
        remembered.note_given(settings, told)
        remembered.window |= {"size": [1000, 700], "folder": str(self._folder), **remembered.window}
        if not tour:
            remembered.window["tour"] = "offered"
        source = Recording([number / 30 for number in range(90)], (120, 160))
        options = {"open_source": source.open, "load_engine": lambda settings, progress: Engine(), "timeouts": QUICK}
        session = LiveSession(place, settings, **{**options, **more})  # type: ignore[arg-type]
        window = Window(session, remembered, kiosk=kiosk)
        self._made.append(window)
        self._qtbot.addWidget(window, before_close_func=_without_question)
        window.show()
        window.activateWindow()
        if shown:
            wait(self._qtbot, lambda: window.canvas.result is not None and window.canvas.result.maps is not None)
            wait(self._qtbot, lambda: window.strip.count == 4 and window.layers.tiles.count == 3)
        return window

    def close(self) -> None:
        """Close all of them, without a question."""
        for window in self._made:
            _without_question(window)
            window.close()


def _without_question(window: Window) -> None:
    window.asks_before_quitting = False


def wait(qtbot: QtBot, condition: Callable[[], object]) -> None:
    qtbot.waitUntil(lambda: bool(condition()), timeout=int(LIMIT * 1000))

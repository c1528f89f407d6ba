"""The process: the application round the window, signals, and what an exception in a slot may not do."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from PyQt5.QtCore import Qt, QTimer
from PyQt5.QtGui import QIcon
from PyQt5.QtWidgets import QApplication

from rtviz import views
from rtviz.app.remembered import ONE_MODEL, Remembered, default_folder
from rtviz.app.window import Window
from rtviz.errors import RtvizError
from rtviz.live.session import MODES, LiveSession
from rtviz.settings import Settings, presets


def run(
    places: Sequence[str],
    settings: Settings | Mapping[str, Any] | None,
    config: str | Path | None,
    kiosk: bool,
    stream: str | None,
    folder: Path | None,
) -> int:
    """Make the application and the window, and stay until it is closed; returns the exit status."""
    path = None if config is None else presets().get(str(config), Path(config))
    remembered = Remembered.read(folder or default_folder(), path)
    kiosk = kiosk or remembered.window.get("kiosk") is True
    if kiosk:
        remembered.stored = False
    given = settings
    settings = starting_settings(given, {} if kiosk or config is not None else remembered.settings)
    remembered.note_given(settings, None if isinstance(given, Settings) or config is not None else given or ())
    app = application()
    mode = remembered.window.get("mode")
    session = LiveSession(places[0] if places else None, settings, **({"mode": mode} if mode in MODES else {}))
    if stream is not None:
        session.start_stream(stream)
    window = Window(session, remembered, kiosk=kiosk)
    if places:
        window.opening.playlist.begin(places)
    with Guards(window) as guards:
        if kiosk:
            window.showFullScreen()
        else:
            window.show()
        app.exec_()
    end(guards.status)
    return guards.status


def application() -> QApplication:
    """The application that windows need; made at the first call."""
    QApplication.setAttribute(Qt.AA_EnableHighDpiScaling)
    QApplication.setAttribute(Qt.AA_UseHighDpiPixmaps)
    QApplication.setHighDpiScaleFactorRoundingPolicy(Qt.HighDpiScaleFactorRoundingPolicy.PassThrough)
    app = QApplication.instance()
    if not isinstance(app, QApplication):
        app = QApplication(["rtviz"])
    app.setApplicationName("rtviz")
    app.setDesktopFileName("rtviz")  # by which desktops find the entry, and so the icon in their task bar
    app.setWindowIcon(QIcon(str(Path(__file__).with_name("desktop") / "rtviz.svg")))
    app.setStyle("Fusion")
    return app


def starting_settings(given: Settings | Mapping[str, Any] | None, kept: Mapping[str, Any]) -> Settings:
    """What to show at first: a Settings as it is; otherwise what was given, over what is remembered.

    Raises:
        SettingsError: a value is not allowed.
    """
    if isinstance(given, Settings):
        settings = given
    else:
        given = given or {}
        aside = ONE_MODEL if ONE_MODEL & given.keys() else frozenset()  # another model's weights are of no use to it
        kept = {name: value for name, value in kept.items() if name not in aside}
        settings = Settings.from_mapping({**kept, **given})
    views.find(settings.view)
    return settings


def end(status: int) -> None:
    """End the process at once where the ordinary way would be slow or would fail: torch takes seconds to be taken down
    on a busy computer, and where a thread hangs in a device, or is importing torch, C++ libraries abort."""
    hanging = any(thread.name.startswith("rtviz-") and thread.is_alive() for thread in threading.enumerate())
    if hanging or "torch" in sys.modules:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


class Guards:
    """While the application runs: an exception in a slot does not end it, and Ctrl-C does."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._hook = sys.excepthook
        self._handlers: dict[int, Any] = {}
        self._timer = QTimer()
        self.status = 0

    def __enter__(self) -> Guards:
        sys.excepthook = self._failed
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, self._interrupted)
        # Python handles a signal only while it runs, so a timer wakes it five times a second.
        self._timer.timeout.connect(lambda: None)
        self._timer.start(200)
        return self

    def __exit__(self, *exception: object) -> None:
        self._timer.stop()
        sys.excepthook = self._hook
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _interrupted(self, number: int, frame: object) -> None:
        self.status = 130
        self._window.asks_before_quitting = False
        self._window.close()

    def _failed(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """A bug of ours in a slot: PyQt would end the process; the window reports it and goes on."""
        if issubclass(kind, KeyboardInterrupt):
            self._interrupted(signal.SIGINT, None)
            return
        traceback.print_exception(kind, error, trace)
        text = str(error) if isinstance(error, RtvizError) else f"{kind.__name__}: {error} (a bug in rtviz)"
        self._window.canvas.toast(text, 6.0)


__all__ = ["Guards", "application", "end", "run", "starting_settings"]

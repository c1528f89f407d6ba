"""Finds cameras and models in the background."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from PyQt5.QtCore import QObject, pyqtSignal

_log = logging.getLogger("rtviz.app")


class Finder(QObject):
    """Looks for cameras and models in a thread of its own, because both may take a while."""

    cameras = pyqtSignal(list)
    models = pyqtSignal(list)

    def find(self, cameras: bool, models: bool) -> None:
        threading.Thread(target=self._find, args=(cameras, models), name="rtviz-find", daemon=True).start()

    def _find(self, cameras: bool, models: bool) -> None:
        if models:
            from rtviz.models import listing

            self._emit(self.models, listing)
        if cameras:
            from rtviz.sources.camera import cameras as find_cameras

            self._emit(self.cameras, lambda: [(f"camera:{one.number}", one.name) for one in find_cameras()])

    def _emit(self, found: Any, find: Callable[[], Sequence[Any]]) -> None:
        try:
            found.emit(list(find()))
        except Exception:  # the edge of the thread: a driver's error; the list stays as it is
            _log.debug("finding in the background failed", exc_info=True)


__all__ = ["Finder"]

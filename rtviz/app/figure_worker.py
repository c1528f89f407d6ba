"""Draws figures in a thread of its own: Matplotlib takes seconds, and one thread at a time."""

from __future__ import annotations

import io
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from PyQt5.QtCore import QObject, pyqtSignal

from rtviz.app.figureform import Choices, Subject, draw, kept_frame
from rtviz.errors import in_words
from rtviz.frame import Maps

_PREVIEW_DPI = 110


class FigureWorker(QObject):
    """Draws previews, the newest alone, and saves figures, every one.

    `previewed` carries a PNG, `saved` the path, `failed` a sentence; from the thread.
    """

    previewed = pyqtSignal(bytes)
    saved = pyqtSignal(str)
    failed = pyqtSignal(str)

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()
        self._preview: tuple[Subject, Choices] | None = None
        self._saves: deque[tuple[Subject, Choices]] = deque()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._known: tuple[Subject, Mapping[str, Maps | str]] | None = None  # the newest subject's predictions

    def preview(self, subject: Subject, choices: Choices) -> None:
        """Draw it for the dialog, instead of any preview that waits."""
        with self._changed:
            self._preview = subject, choices
            self._start()

    def save(self, subject: Subject, choices: Choices) -> None:
        """Write it to its destination."""
        with self._changed:
            self._saves.append((subject, choices))
            self._start()

    def close(self) -> None:
        """End the thread after what it is at; returns at once."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="rtviz-figures", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._saves or self._preview is not None)
                if self._closing:
                    return
                if self._saves:
                    (subject, choices), saving = self._saves.popleft(), True
                else:
                    assert self._preview is not None
                    (subject, choices), saving = self._preview, False
                    self._preview = None
            try:
                self._draw(subject, choices, saving)
            except Exception as error:  # the edge of the thread: the dialog says it
                self.failed.emit(in_words(error))

    def _draw(self, subject: Subject, choices: Choices, saving: bool) -> None:
        from rtviz import figures

        if self._known is None or self._known[0] is not subject:
            self._known = subject, subject.predict()
        figure = draw(subject, self._known[1], choices)
        if saving:
            figures.save(figure, Path(choices.destination), overwrite=True)
            kept = kept_frame(subject, choices)
            if kept is not None:
                from PIL import Image

                from rtviz.sinks import writing

                with writing(kept):
                    Image.fromarray(subject.frame.pixels).save(kept)
            self.saved.emit(choices.destination)
        else:
            file = io.BytesIO()
            figure.savefig(file, format="png", dpi=_PREVIEW_DPI)
            self.previewed.emit(file.getvalue())


__all__ = ["FigureWorker"]

"""Fetching weights while the picture goes on: one model at a time, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from PyQt5.QtCore import QObject, pyqtSignal

from rtviz.errors import RtvizError, in_words
from rtviz.models import pull


@dataclass(frozen=True, slots=True)
class Fetch:
    """A download that runs or failed.

    Attributes:
        model: the model's name; None for the default one.
        what: the model and the source that is being tried, as `rtviz.models.pull` reports it.
        done, total: bytes; the total is None where it is not known.
        error: why it failed; None while it goes on.
    """

    model: str | None
    what: str = ""
    done: int = 0
    total: int | None = None
    error: RtvizError | None = None


class _Cancelled(Exception):
    """The user, or another request, ended this one."""


class Fetcher(QObject):
    """Fetches the weights of one model. Another request ends the one before, which resumes when requested again.

    `fetched` is emitted, in any thread, with the requested name, once the weights are on this machine.

    Args:
        pull: fetches, as `rtviz.models.pull` does.
    """

    fetched = pyqtSignal(object)

    def __init__(self, pull: Callable[..., Path] = pull) -> None:
        super().__init__()
        self.pull = pull
        self._lock = threading.Lock()
        self._number = 0  # of the newest request
        self._fetch: Fetch | None = None

    @property
    def fetch(self) -> Fetch | None:
        """The download that runs or failed; None if there is none."""
        return self._fetch

    def start(self, model: str | None, *, accept_licence: bool = False) -> None:
        """Fetch the weights of a model."""
        with self._lock:
            self._number += 1
            self._fetch = Fetch(model)
            arguments = (self._number, model, accept_licence)
        threading.Thread(target=self._run, args=arguments, name="rtviz-fetch", daemon=True).start()

    def cancel(self) -> None:
        """End the download, or forget that it failed."""
        with self._lock:
            self._number += 1
            self._fetch = None

    def _run(self, number: int, model: str | None, accept_licence: bool) -> None:
        def progress(what: str, done: int, total: int | None) -> None:
            with self._lock:
                if number != self._number:
                    raise _Cancelled
                self._fetch = Fetch(model, what, done, total)

        try:
            self.pull(model, progress, accept_licence=accept_licence)
        except _Cancelled:
            return
        except Exception as error:  # the edge of the thread: a card shows it
            with self._lock:
                if number == self._number and self._fetch is not None:
                    shown = error if isinstance(error, RtvizError) else RtvizError(in_words(error))
                    self._fetch = replace(self._fetch, error=shown)
            return
        with self._lock:
            if number != self._number:
                return
            self._fetch = None
        self.fetched.emit(model)


__all__ = ["Fetch", "Fetcher"]

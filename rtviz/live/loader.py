"""The loading thread: loads the models that are waiting, the first one first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rtviz import views
from rtviz.errors import DeviceFailed, ModelError, RtvizError, in_words
from rtviz.live.model_slot import ModelSlot
from rtviz.live.shared import SharedState
from rtviz.settings import Settings
from rtviz.usage import give_back_free_memory

if TYPE_CHECKING:
    from rtviz.engine import Engine

Progress = Callable[[str, int, "int | None"], None]
LoadEngine = Callable[[Settings, Progress], "Engine"]

# So often the loader, while it has nothing to load, gives back what frames and models have left behind as holes in the
# heaps of many threads: in 50 minutes of random keys 1.1 GB grew to 1.8, of which 0.8 were in use. It takes 4 to 10 ms.
_TIDY_SECONDS = 60.0


class _Cancelled(Exception):
    """The user, or a newer request, ended a download."""


class Loader:
    """Loads models one after the other. A model that runs goes on until the next one is loaded.

    Args:
        load_engine: loads the model of settings; raises what it cannot do.
    """

    def __init__(self, shared: SharedState, load_engine: LoadEngine | None = None) -> None:
        self._shared = shared
        self._load_engine = load_engine or _load_engine

    def run(self) -> None:
        """Load until the session closes."""
        shared = self._shared
        while True:
            with shared.changed:
                shared.changed.wait_for(lambda: shared.closing or shared.waiting() is not None, _TIDY_SECONDS)
                if shared.closing:
                    return
                slot = shared.waiting()
                if slot is not None:
                    settings, request = slot.settings, slot.begin_loading()
                    shared.redraw()
            if slot is None:
                give_back_free_memory()
            else:
                self._load(slot, settings, request)

    def _load(self, slot: ModelSlot, settings: Settings, request: int) -> None:
        """Load the model of a slot, or what comes nearest to it."""
        shared = self._shared

        def progress(what: str, done: int, total: int | None) -> None:
            with shared.changed:
                if slot.requests != request or slot.gone or shared.closing:
                    raise _Cancelled
                if shared.first.state == "waiting":  # it is wanted more
                    slot.interrupt()
                    raise _Cancelled
                slot.progress, slot.sentence = (done, total), f"downloading {what}"
                if len(shared.slots) > 1:
                    shared.redraw()

        engine, weights, sentence, error = self._try(slot, settings, progress)
        with shared.changed:
            if slot.requests != request or slot.gone or slot.state != "loading" or shared.closing:
                return  # cancelled
            if engine is not None:
                shared.take_engine(slot, engine, weights, sentence, error)
            else:
                slot.fail_to_load(sentence, error)
                shared.redraw()

    def _try(
        self, slot: ModelSlot, settings: Settings, progress: Progress
    ) -> tuple[Engine | None, str | None, str, RtvizError | None]:
        """The engine if there is one and the file with its weights, and what went wrong, in words and as it was
        raised."""
        sentence = ""
        reason: RtvizError | None = None
        attempts = [settings]
        while attempts:
            attempt = attempts.pop(0)
            try:
                return self._load_engine(attempt, progress), attempt.weights, sentence, reason
            except _Cancelled:
                return None, None, "", None
            except Exception as error:  # the edge of the thread: the status says it
                if sentence:  # the failure of the second attempt says nothing about what the user requested
                    break
                sentence = in_words(error)
                reason = error if isinstance(error, RtvizError) else None
                if isinstance(error, DeviceFailed) and attempt.device != "cpu":
                    attempts.append(attempt.replace(device="cpu", precision="auto"))
                    sentence += "; going on with the CPU"
                elif isinstance(error, ModelError) and self._may_substitute(slot, attempt):
                    attempts.append(attempt.replace(model=None, weights=None))
                    sentence += "; going on with the model that needs no download"
        return None, None, sentence, reason

    def _may_substitute(self, slot: ModelSlot, settings: Settings) -> bool:
        """Whether the model that needs no download may take the place of another: so that the window has one at all,
        but not in a pane that would name another model."""
        return slot is self._shared.first and slot.engine is None and bool(settings.model or settings.weights)


def _load_engine(settings: Settings, progress: Progress) -> Engine:
    from rtviz.engine import Engine

    if not views.find(settings.view).needs:  # the thumbnails want attention even when the picture does not
        settings = settings.replace(view=views.fallback(has_attention=True))
    return Engine.for_settings(settings, progress)


__all__ = ["LoadEngine", "Loader", "Progress"]

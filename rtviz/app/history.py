"""Undo and redo: the settings as they were before."""

from __future__ import annotations

from rtviz.options import RealOption
from rtviz.settings import Settings

_MOST = 200  # steps
_ONE_GESTURE_SECONDS = 0.7
# What is dragged takes many values on its way: together they are one step.
_DRAGGED = {option.name for option in Settings.options() if isinstance(option, RealOption)} | {"query", "layer"}


class History:
    """Steps between settings. It is told of each change, and changes nothing itself.

    Args:
        settings: the first.
    """

    def __init__(self, settings: Settings) -> None:
        self._place: object = None
        self.forget(settings)

    def forget(self, settings: Settings) -> None:
        """Begin anew with these: nothing is left to undo."""
        self._present = settings
        self._undo: list[Settings] = []
        self._redo: list[Settings] = []
        self._dragged: frozenset[str] = frozenset()  # by the newest step
        self._noted_at = 0.0

    def note(self, settings: Settings, at: float) -> None:
        """These are the settings at this time, in seconds of any clock: another step, if they have changed."""
        if settings is self._present:
            return
        changed = frozenset(differing(self._present, settings))
        if changed:
            goes_on = changed == self._dragged and at - self._noted_at < _ONE_GESTURE_SECONDS
            if not goes_on:
                self._undo = [*self._undo, self._present][-_MOST:]
            self._redo.clear()
            self._dragged = changed if changed <= _DRAGGED else frozenset()
            self._noted_at = at
        self._present = settings

    def note_place(self, place: object, settings: Settings) -> None:
        """What is open now, with the settings since: objects that were marked in something else are not marked again.

        Args:
            place: equal for the same thing.
        """
        if place == self._place:
            return
        self._place = place
        self._undo, self._redo = _without_marks(self._undo), _without_marks(self._redo)
        if self._present.replace(track=()) == settings:
            self._present = settings

    def undo(self) -> Settings | None:
        """The settings one step back; None if there is none."""
        return self._go(self._undo, self._redo)

    def redo(self) -> Settings | None:
        """The settings that the last `undo` led away from; None if there are none."""
        return self._go(self._redo, self._undo)

    def _go(self, source: list[Settings], target: list[Settings]) -> Settings | None:
        if not source:
            return None
        target.append(self._present)
        self._present = source.pop()
        self._dragged = frozenset()
        return self._present


def differing(one: Settings, other: Settings) -> list[str]:
    """The names of the settings in which two differ."""
    return [
        option.name for option in Settings.options() if getattr(one, option.name) != getattr(other, option.name)
    ]  # fmt: skip


def _without_marks(steps: list[Settings]) -> list[Settings]:
    if not any(step.track for step in steps):
        return steps
    plain = [step.replace(track=()) if step.track else step for step in steps]
    return [step for number, step in enumerate(plain) if number == 0 or step != plain[number - 1]]


__all__ = ["History", "differing"]

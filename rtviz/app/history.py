"""Undo and redo: the settings as they were before."""

from __future__ import annotations

from typing import NamedTuple

from rtviz.options import RealOption
from rtviz.settings import Settings

_MOST = 200  # steps
_ONE_GESTURE_SECONDS = 0.7
# What is dragged takes many values on its way: together they are one step.
_DRAGGED = {option.name for option in Settings.options() if isinstance(option, RealOption)} | {"query", "layer"}


class Step(NamedTuple):
    """All that can be undone.

    Attributes:
        mode: of the session, "locked" or "smooth".
    """

    settings: Settings
    mode: str


class History:
    """Steps between settings. It is told of each change, and changes nothing itself.

    Args:
        first: how it begins.
    """

    def __init__(self, first: Step) -> None:
        self._place: object = None
        self.forget(first)

    def forget(self, first: Step) -> None:
        """Begin anew with this: nothing is left to undo."""
        self._present = first
        self._undo: list[Step] = []
        self._redo: list[Step] = []
        self._dragged: frozenset[str] = frozenset()  # by the newest step
        self._noted_at = 0.0

    def note(self, step: Step, at: float) -> None:
        """These are the settings at this time, in seconds of any clock: another step, if they have changed."""
        if step.settings is self._present.settings and step.mode == self._present.mode:
            return
        changed = frozenset(differing(self._present, step))
        if changed:
            goes_on = changed == self._dragged and at - self._noted_at < _ONE_GESTURE_SECONDS
            if not goes_on:
                self._undo = [*self._undo, self._present][-_MOST:]
            self._redo.clear()
            self._dragged = changed if changed <= _DRAGGED else frozenset()
            self._noted_at = at
        self._present = step

    def note_place(self, place: object, settings: Settings) -> None:
        """What is open now, with the settings since: objects that were marked in something else are not marked again.

        Args:
            place: equal for the same thing.
        """
        if place == self._place:
            return
        self._place = place
        self._undo, self._redo = _without_marks(self._undo), _without_marks(self._redo)
        if self._present.settings.replace(track=()) == settings:
            self._present = self._present._replace(settings=settings)

    def undo(self) -> Step | None:
        """One step back; None if there is none."""
        return self._go(self._undo, self._redo)

    def redo(self) -> Step | None:
        """What the last `undo` led away from; None if there is nothing."""
        return self._go(self._redo, self._undo)

    def _go(self, source: list[Step], target: list[Step]) -> Step | None:
        if not source:
            return None
        target.append(self._present)
        self._present = source.pop()
        self._dragged = frozenset()
        return self._present


def differing(one: Step, other: Step) -> list[str]:
    """The names of the settings in which two differ; "mode" is the session's."""
    names = [option.name for option in Settings.options()]
    changed = [name for name in names if getattr(one.settings, name) != getattr(other.settings, name)]
    return changed if one.mode == other.mode else [*changed, "mode"]


def _without_marks(steps: list[Step]) -> list[Step]:
    if not any(step.settings.track for step in steps):
        return steps
    plain = [
        step._replace(settings=step.settings.replace(track=())) if step.settings.track else step for step in steps
    ]  # fmt: skip
    return [step for number, step in enumerate(plain) if number == 0 or step != plain[number - 1]]


__all__ = ["History", "Step", "differing"]

"""Several places to see one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from rtviz.live.session import LiveStatus


class Playlist:
    """Which places there are, and which one is next. It opens nothing itself.

    Attributes:
        places: at least one as soon as anything was opened.
        number: of the place that was opened last, from 0.
    """

    def __init__(self) -> None:
        self.places: tuple[str, ...] = ()
        self.number = 0
        self._before: tuple[tuple[str, ...], int] = (), 0

    def begin(self, places: Sequence[str]) -> str:
        """The first of other places."""
        self._before = self.places, self.number
        self.places = tuple(places)
        return self.choose(0)

    def fall_back(self, place: str | None) -> None:
        """What was begun could not be opened, and this place goes on: a single one gives way to those before."""
        places, number = self._before
        if len(self.places) == 1 and place != self.places[0] and place in places:
            self.places, self.number = places, number

    def choose(self, number: int) -> str:
        """The place of this number."""
        self.number = number
        return self.places[number]

    def neighbour(self, step: int) -> str | None:
        """The place so many further on; None beyond either end."""
        number = self.number + step
        return self.choose(number) if 0 <= number < len(self.places) else None

    def after(self, status: LiveStatus) -> str | None:
        """The next place, once the present one has come to its end."""
        present = bool(self.places) and status.place == self.places[self.number] and status.attempt is None
        return self.neighbour(1) if present and status.source_state == "ended" else None

    def words(self, place: str | None) -> str:
        """Which one of how many a place is; empty where there is one only."""
        if len(self.places) < 2 or place not in self.places:
            return ""
        number = self.number if self.places[self.number] == place else self.places.index(place)
        return f"{number + 1} / {len(self.places)}"


__all__ = ["Playlist"]

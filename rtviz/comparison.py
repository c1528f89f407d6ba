"""Several models on the same frames, a pane for each: what Engine is for one model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from rtviz.artist import fit
from rtviz.engine import Engine, side_by_side
from rtviz.frame import Frame, Maps, Result
from rtviz.models import Model, Progress
from rtviz.panes import Titled, join
from rtviz.scoring.overlap import overlap
from rtviz.settings import Settings

Looks = tuple[Maps, ...]


class Comparison:
    """Looks at frames with several models and draws what each saw; synchronous, like Engine.

    Args:
        engines: with a model each.
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        self.engines = tuple(engines)

    @classmethod
    def for_settings(cls, settings: Settings, progress: Progress | None = None) -> Comparison:
        """With the model of the settings and those that they compare it with.

        Raises:
            ModelError: one of them cannot be had.
        """
        return cls([Engine.for_settings(one, progress) for one in settings.apart()])

    @property
    def models(self) -> tuple[Model, ...]:
        return tuple(engine.model for engine in self.engines if engine.model is not None)

    @property
    def notices(self) -> list[str]:
        return [notice for engine in self.engines for notice in engine.notices]

    def look_all(
        self, batches: Iterable[Sequence[Frame]], settings: Settings, on_pass: Callable[[float], None] | None = None
    ) -> Iterator[tuple[Frame, Looks]]:
        """Every frame of a row of batches with the maps of each model, in order."""
        return side_by_side(self.engines, batches, settings, on_pass)

    def draw(self, frame: Frame, seen: Looks, settings: Settings) -> Result:
        """The frame with what each model saw of it. A layer or head that a model does not have is its last one."""
        titled = []
        for engine, maps in zip(self.engines, seen, strict=True):
            fitting = fit(settings, maps)
            titled.append(Titled(maps.model, facts(frame, maps, fitting), engine.draw(frame, maps, fitting)))
        return join(frame, titled, settings)


def facts(frame: Frame, maps: Maps, settings: Settings) -> str:
    """What the title of a pane says of a frame: the Jaccard index where it is asked for and there is something to
    compare with."""
    if not settings.jaccard or frame.masks is None:
        return ""
    found = overlap(maps, settings, frame.masks)
    return "no object in sight" if found is None else str(found)


__all__ = ["Comparison", "facts"]

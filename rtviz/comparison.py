"""Several models on the same frames, a pane for each: what Engine is for one model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from rtviz import compose
from rtviz.artist import fit
from rtviz.engine import Engine, side_by_side
from rtviz.errors import WeightsMissing, weights_missing
from rtviz.frame import Frame, Maps, Masks, Result
from rtviz.models import Model, Progress
from rtviz.panes import Titled, join
from rtviz.scoring.overlap import overlap
from rtviz.settings import Settings
from rtviz.views import mask as mask_view

Looks = tuple[Maps, ...]


class Comparison:
    """Looks at frames with several models and draws what each saw; synchronous, like Engine.

    Args:
        engines: with a model each.
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        self.engines = tuple(engines)
        self._unmeasured = False

    @classmethod
    def for_settings(cls, settings: Settings, progress: Progress | None = None) -> Comparison:
        """With the model of the settings and those that they compare it with.

        Raises:
            ModelError: one of them cannot be had; of several whose weights are missing all are told at once.
        """
        engines, missing = [], {}
        for one in settings.apart():
            try:
                engines.append(Engine.for_settings(one, progress))
            except WeightsMissing as error:
                missing[one.model or "the model"] = error
        if missing:
            raise weights_missing(missing)
        return cls(engines)

    @property
    def models(self) -> tuple[Model, ...]:
        return tuple(engine.model for engine in self.engines if engine.model is not None)

    @property
    def notices(self) -> list[str]:
        """What the user must know; also that a Jaccard index was asked for where no object is known."""
        said = ["there was no Jaccard index to show: no object is marked (--track X,Y)"] if self._unmeasured else []
        return [*(notice for engine in self.engines for notice in engine.notices), *said]

    def compile(self, frame: Frame, count: int, settings: Settings) -> None:
        """As `Engine.compile`, for each model."""
        for engine, wanted in zip(self.engines, settings.apart(), strict=True):
            engine.compile(frame, count, wanted)

    def look_all(
        self, batches: Iterable[Sequence[Frame]], settings: Settings, on_pass: Callable[[float], None] | None = None
    ) -> Iterator[tuple[Frame, Looks]]:
        """Every frame of a row of batches with the maps of each model, in order."""
        return side_by_side(self.engines, batches, settings.apart(), on_pass)

    def draw(self, frame: Frame, seen: Looks, settings: Settings) -> Result:
        """The frame with what each model saw of it. A layer or head that a model does not have is its last one."""
        drawn = []
        for engine, maps, wanted in zip(self.engines, seen, settings.apart(), strict=True):
            drawn.append(engine.draw(frame, maps, fit(wanted, maps)))
        known = objects_of(drawn)
        self._unmeasured = settings.jaccard and known is None
        titled = [
            Titled(maps.model, facts(one, known), one) for maps, one in zip(seen, outlined(drawn, known), strict=True)
        ]
        return join(frame, titled, settings)


def objects_of(results: Sequence[Result]) -> Masks | None:
    """The masks of the objects that all models are measured by: those of the scene, else the marked ones, wherever the
    model sees them that follows objects best: a self-supervised one before others, and an untrained one last. None if
    there are none."""
    for result in results:
        if result.frame.masks is not None:
            return result.frame.masks
    following = [
        result.maps
        for result in results
        if result.maps is not None and result.maps.labels is not None and len(result.maps.labels) > 1
    ]
    if not following:
        return None
    labels = min(following, key=lambda maps: _UNFIT.get(_training(maps.model), 1)).labels
    assert labels is not None
    return np.asarray(labels.argmax(axis=0) == np.arange(1, len(labels))[:, None, None])


# How little the features of a model serve to follow what was marked: Caron et al. 2021, table 5. Other models: 1.
_UNFIT = {"self-supervised": 0, "untrained": 2}


def _training(name: str) -> str:
    """How a model of this name was trained, as far as that matters here."""
    if name.startswith("random:"):
        return "untrained"
    return "self-supervised" if name == "embedded" or "dino" in name else "supervised"


def outlined(results: Sequence[Result], objects: Masks | None) -> list[Result]:
    """The results with a thin white line round the objects that they are measured by, where they are."""
    if objects is None or not any(result.settings.jaccard for result in results):
        return list(results)
    size = results[0].overlay.shape[0], results[0].overlay.shape[1]
    beside = size[1] - results[0].frame.size[1]  # the frame that stands beside it, if it does
    masks = compose.patches_pixels(objects, objects.astype(np.float32), results[0].frame.size, "smooth")
    found = []
    for result in results:
        picture = result.overlay.copy()
        for mask in masks:
            mask_view.add(picture[:, beside:], mask, (255, 255, 255), 0.45)
        found.append(replace(result, overlay=picture))
    return found


def facts(result: Result, objects: Masks | None) -> str:
    """What the title of a pane says of its result: that it had no classifier to explain a class by, and shows something
    else; the Jaccard index where it is asked for and objects are known."""
    words, maps, settings = [], result.maps, result.settings
    if maps is None:
        return ""
    if settings.view == "cam" and maps.explained is not None and maps.explained.number is None:
        words.append(f"no classifier: {settings.cam}")
    if settings.jaccard and objects is not None:
        found = overlap(maps, settings, objects)
        words.append("no object in sight" if found is None else str(found))
    return "   ".join(words)


__all__ = ["Comparison", "facts", "objects_of", "outlined"]

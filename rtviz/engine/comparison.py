"""Several models on the same frames, a pane for each: what Engine is for one model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from rtviz import views
from rtviz.analysis.discovery import Mask, parts
from rtviz.drawing import compose
from rtviz.drawing.panes import Titled, join
from rtviz.engine.engine import Engine, side_by_side
from rtviz.errors import WeightsMissing, weights_missing
from rtviz.frame import Frame, Maps, Result
from rtviz.models import Model, Progress
from rtviz.settings import Settings
from rtviz.views import mask as mask_view
from rtviz.views.overlap import overlap
from rtviz.views.requirements import fit
from rtviz.views.titles import title
from rtviz.views.track import objects_in

AllMaps = tuple[Maps, ...]

# In a mosaic objects are outlined on copies of the frame whose short side is at least so long, in pixels: on smaller
# ones the line would hide what it goes round.
_OUTLINED_SIDE = 90


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
        for one in settings.per_model():
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
        for engine, wanted in zip(self.engines, settings.per_model(), strict=True):
            engine.compile(frame, count, wanted)

    def predict_all(
        self, batches: Iterable[Sequence[Frame]], settings: Settings, on_pass: Callable[[float], None] | None = None
    ) -> Iterator[tuple[Frame, AllMaps]]:
        """Every frame of a row of batches with the maps of each model, in order."""
        return side_by_side(self.engines, batches, settings.per_model(), on_pass)

    def draw(self, frame: Frame, seen: AllMaps, settings: Settings) -> Result:
        """The frame with what each model saw of it. A layer or head that a model does not have is its last one."""
        measured = on_objects(frame, seen, settings)
        self._unmeasured = settings.jaccard and measured.masks is None
        requests = per_model(settings)
        each = zip(self.engines, seen, requests, strict=True)
        drawn = outlined([engine.draw(measured, maps, fit(requested, maps)) for engine, maps, requested in each])
        return join(
            frame, [titled(result, requested) for result, requested in zip(drawn, requests, strict=True)], settings
        )


def per_model(settings: Settings) -> list[Settings]:
    """The settings of each model's picture: where there are several, the frame stands beside them once."""
    wanted = settings.per_model()
    if settings.layout != "side-by-side" or len(wanted) == 1:
        return wanted
    return [one.replace(layout="overlay") for one in wanted]


def on_objects(frame: Frame, seen: Sequence[Maps | None], settings: Settings) -> Frame:
    """The frame with the masks of the objects that all models are measured by; itself where no Jaccard index is asked
    for.

    These are the marked objects, wherever the model sees them that follows objects best: a self-supervised one before
    others, and an untrained one last. Where none is marked they are the scene's own.
    """
    if not settings.jaccard or not settings.track:
        return frame
    able = [maps for maps in seen if maps is not None and maps.has_attention]
    following = [maps for maps in able if maps.labels is not None]
    if not following:
        return replace(frame, masks=None) if able else frame  # they have yet to be found
    fittest = min(following, key=lambda maps: _UNFIT.get(_training(maps.model), 1))
    found, _ = objects_in(fittest)
    return replace(frame, masks=np.stack([_without_specks(mask) for mask in found]))


def _without_specks(mask: Mask) -> Mask:
    """A mask of patches without those parts that are small beside its largest one."""
    pieces = parts(mask)
    least = max((piece.sum() for piece in pieces), default=0) / 4
    return np.logical_or.reduce([np.zeros_like(mask), *(piece for piece in pieces if piece.sum() >= least)])


# How little the features of a model serve to follow what was marked: Caron et al. 2021, table 5. Other models: 1.
_UNFIT = {"self-supervised": 0, "untrained": 2}


def _training(name: str) -> str:
    """How a model of this name was trained, as far as that matters here."""
    if name.startswith("random:"):
        return "untrained"
    return "self-supervised" if name == "embedded" or "dino" in name else "supervised"


def outlined(results: Sequence[Result]) -> list[Result]:
    """Results of one frame with a thin white line round the objects that they are measured by: on the frame, or in a
    mosaic on every copy of it that is large enough. The view `track` has outlined them already, in their colours."""
    masks: dict[compose.Size, compose.Bytes] = {}
    found = []
    for result in results:
        settings, frame = result.settings, result.frame
        drawn_already = settings.track and "labels" in views.find(settings.view).needs
        known = frame.masks if settings.jaccard and not drawn_already else None
        if known is None or not len(known):
            found.append(result)
            continue
        picture = result.overlay.copy()
        whole = picture[:, picture.shape[1] - frame.size[1] :]  # without the frame that stands beside it, if it does
        boxes = [tile.box for tile in views.tiles(frame.size, result.maps, settings)]
        boxes = [box for box in boxes if min(box.size) >= _OUTLINED_SIDE] if boxes else [compose.Box(0, 0, *frame.size)]
        for box in boxes:
            if box.size not in masks:
                masks[box.size] = compose.patches_pixels(known, known.astype(np.float32), box.size, "smooth")
            for mask in masks[box.size]:
                mask_view.add(whole[box.slices], mask, (255, 255, 255), 0.45)
        found.append(replace(result, overlay=picture))
    return found


def titled(result: Result, asked: Settings, pace: str = "") -> Titled:
    """A result under its model's name, with what it shows and what is to be said of it.

    Args:
        asked: what was asked of it, where its model may have something else to show.
        pace: how many frames its model sees, in words.
    """
    maps, settings = result.maps, result.settings
    if maps is None:
        return Titled("", ("",), ("",), result)
    view, words = views.find(settings.view), []
    if "cam" in view.needs and maps.explained is not None and maps.explained.number is None:
        words.append(f"no classifier: {settings.cam}")
    short = mean = least = best = ""
    if settings.jaccard and result.frame.masks is not None:
        found = overlap(maps, settings, result.frame.masks)
        short, mean, least = "no object in sight", "no object", "–"
        if found is not None:
            short, mean, best = found.figure, found.mean, found.best
            least = mean.removeprefix("Jaccard ")
        # A view that shows the best heads has them in its title.
        words.append(f"{short}, {best}" if best and not view.best_heads else short)
    facts = ("   ".join(filter(None, (pace, *words))), "   ".join(words), short, mean, least)
    return Titled(maps.model, title(maps, settings, asked, best), tuple(dict.fromkeys(facts)), result)


__all__ = ["Comparison", "on_objects", "outlined", "per_model", "titled"]

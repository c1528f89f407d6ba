"""Compares several models on the same frames, in a pane for each; what Engine does for one model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rtviz import views
from rtviz.analysis.discovery import Mask, parts
from rtviz.drawing import blend, labels
from rtviz.drawing.annotated import annotated
from rtviz.drawing.contours import outline
from rtviz.drawing.geometry import Box, Size
from rtviz.drawing.masks import patches_pixels
from rtviz.drawing.panes import Titled, join
from rtviz.drawing.resample import Bytes
from rtviz.engine.engine import Engine, side_by_side
from rtviz.errors import WeightsMissing, weights_missing
from rtviz.frame import Frame, Maps, Result
from rtviz.markup import collect, inside
from rtviz.models import Model, Progress
from rtviz.notices import Notice, Remedy
from rtviz.settings import Settings
from rtviz.views.overlap import overlap
from rtviz.views.titles import title
from rtviz.views.track import objects_in

AllMaps = tuple[Maps, ...]

# In a mosaic, outlines are drawn on copies of the frame whose short side has at least this many pixels: on smaller ones
# the line would hide the object.
_OUTLINED_SIDE = 90


class Comparison:
    """Runs several models on frames and draws the prediction of each; synchronous, like Engine.

    Args:
        engines: one for each model.
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        self.engines = tuple(engines)
        self._unmeasured = False

    @classmethod
    def for_settings(cls, settings: Settings, progress: Progress | None = None) -> Comparison:
        """A comparison of the model of the settings with those in `compare`.

        Raises:
            ModelError: a model cannot be loaded; if the weights of several are missing, the error names all of them.
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
        """Messages for the user, also if a Jaccard index was requested and no object is known."""
        notices = [notice for engine in self.engines for notice in engine.notices]
        if self._unmeasured:
            notices.append(Notice("there was no Jaccard index to show: no object is marked", Remedy.MARK_OBJECT))
        return notices

    def compile(self, frame: Frame, count: int, settings: Settings, frames: float = math.inf) -> None:
        """As `Engine.compile`, for each model."""
        for engine, wanted in zip(self.engines, settings.per_model(), strict=True):
            engine.compile(frame, count, wanted, frames)

    def predict_all(
        self, batches: Iterable[Sequence[Frame]], settings: Settings, on_pass: Callable[[float], None] | None = None
    ) -> Iterator[tuple[Frame, AllMaps]]:
        """Yields every frame of the batches with the maps of each model, in order."""
        return side_by_side(self.engines, batches, settings.per_model(), on_pass)

    def draw(self, frame: Frame, predictions: AllMaps, settings: Settings) -> Result:
        """Draws the frame once for each model, in panes. A model without this layer or head shows its last one."""
        measured = on_objects(frame, predictions, settings)
        self._unmeasured = settings.jaccard and measured.masks is None
        panes = [_engine_pane(engine, maps) for engine, maps in zip(self.engines, predictions, strict=True)]
        return draw_panes(frame, measured, panes, settings)


@dataclass(frozen=True, slots=True)
class ModelPane:
    """One model's part of a picture of several.

    Attributes:
        draw: called with the frame to draw on and the settings of this pane.
        name: of the model; the one that its maps name if empty.
        rate: frames that the model predicts a second, in words.
        state: shown in place of the remarks while there is no picture of the model, such as "loading".
        explanation: written on the dimmed frame, of a model that cannot run.
    """

    draw: Callable[[Frame, Settings], Result]
    name: str = ""
    rate: str = ""
    state: str = ""
    explanation: str = ""


def _engine_pane(engine: Engine, maps: Maps) -> ModelPane:
    return ModelPane(lambda frame, settings: engine.draw(frame, maps, settings, substitute=True))


def draw_panes(
    frame: Frame,
    measured: Frame,
    panes: Sequence[ModelPane],
    settings: Settings,
    *,
    focus: int = 0,
    marked: bool = False,
    screen: tuple[int, int] | None = None,
) -> Result:
    """Draws the pictures of several models beside each other, each under a title.

    Args:
        frame: the frame of the result.
        measured: the frame to draw on, of any size, with the objects of `on_objects`.
        panes: of each model in the order of `settings.per_model()`.
        focus, marked, screen: as for `rtviz.drawing.panes.join`.
    """
    each = list(zip(panes, per_model(settings), strict=False))  # live, other settings may ask for another number
    results = outlined([pane.draw(measured, requested) for pane, requested in each])
    pictures = []
    for (pane, requested), result in zip(each, results, strict=True):
        if pane.explanation:
            dimmed = blend.dimmed(result.unlabelled)
            with collect() as annotations:
                labels.paragraph(dimmed, pane.explanation)
            result = annotated(result, dimmed, annotations)
        picture = titled(result, requested, pane.rate)
        picture = replace(picture, name=pane.name or picture.name)
        pictures.append(replace(picture, remarks=(pane.state,)) if pane.state else picture)
    return join(frame, pictures, settings, min(focus, len(pictures) - 1), marked=marked, screen=screen)


def per_model(settings: Settings) -> list[Settings]:
    """The settings of each model's picture; for several models, "side-by-side" puts the frame beside them only once."""
    wanted = settings.per_model()
    if settings.layout != "side-by-side" or len(wanted) == 1:
        return wanted
    return [one.replace(layout="overlay") for one in wanted]


def on_objects(frame: Frame, predictions: Sequence[Maps | None], settings: Settings) -> Frame:
    """The frame with the object masks that all models are measured against; unchanged without the setting `jaccard`.

    Marked objects are taken from the model that tracks best: a self-supervised one before others, an untrained one
    last. If no object is marked, the masks are those that the source knows.
    """
    if not settings.jaccard or not settings.track:
        return frame
    able = [maps for maps in predictions if maps is not None and maps.has_attention]
    following = [maps for maps in able if maps.labels is not None]
    if not following:
        return replace(frame, masks=None) if able else frame  # the tracker has not run yet
    fittest = min(following, key=lambda maps: _UNFIT.get(_training(maps.model), 1))
    found, _ = objects_in(fittest)
    return replace(frame, masks=np.stack([_without_specks(mask) for mask in found]))


def _without_specks(mask: Mask) -> Mask:
    """Drops the parts of a mask of patches that are small beside its largest one."""
    pieces = parts(mask)
    least = max((piece.sum() for piece in pieces), default=0) / 4
    return np.logical_or.reduce([np.zeros_like(mask), *(piece for piece in pieces if piece.sum() >= least)])


# Models by how badly their features track marked objects: Caron et al. 2021, table 5. All others: 1.
_UNFIT = {"self-supervised": 0, "untrained": 2}


def _training(name: str) -> str:
    """How a model of this name was trained, as far as tracking depends on it."""
    if name.startswith("random:"):
        return "untrained"
    return "self-supervised" if name == "embedded" or "dino" in name else "supervised"


def outlined(results: Sequence[Result]) -> list[Result]:
    """Draws a thin white line round the objects that results of one frame are measured against: on the frame, or in a
    mosaic on each copy of it that is large enough. A view of the marked objects has outlined them already."""
    masks: dict[Size, Bytes] = {}
    drawn = []
    for result in results:
        settings, frame = result.settings, result.frame
        drawn_already = settings.track and "labels" in views.find(settings.view).needs
        known = frame.masks if settings.jaccard and not drawn_already else None
        if known is None or not len(known):
            drawn.append(result)
            continue
        # The frame may stand at the left, in the layout side-by-side.
        left = result.overlay.shape[1] - frame.size[1]
        boxes = [tile.box for tile in views.tiles(frame.size, result.maps, settings)]
        boxes = [box for box in boxes if min(box.size) >= _OUTLINED_SIDE] if boxes else [Box(0, 0, *frame.size)]
        with collect() as outlines:
            for box in boxes:
                if box.size not in masks:
                    masks[box.size] = patches_pixels(known, known.astype(np.float32), box.size, "smooth")
                with inside(box.top, left + box.left):
                    for mask in masks[box.size]:
                        outline(result.unlabelled[:, left:][box.slices], mask, (255, 255, 255), 0.9)
        drawn.append(annotated(result, result.unlabelled, [*outlines, *result.annotations]))
    return drawn


def titled(result: Result, requested: Settings, rate: str = "") -> Titled:
    """A result with its title: the model's name, what the picture shows, and remarks such as the Jaccard index.

    Args:
        requested: the settings before they were fitted to the model.
        rate: frames that the model predicts a second, in words.
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
    remarks = ("   ".join(filter(None, (rate, *words))), "   ".join(words), short, mean, least)
    return Titled(maps.model, title(maps, settings, requested, best), tuple(dict.fromkeys(remarks)), result)


__all__ = ["Comparison", "ModelPane", "draw_panes", "on_objects", "outlined", "per_model", "titled"]

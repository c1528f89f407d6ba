"""The picture of one frame by all models of a session: a single one, or a pane for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from rtviz import views
from rtviz.frame import Frame, Result
from rtviz.live.frames import CapturedFrame, Prediction
from rtviz.live.model_slot import PaneStatus
from rtviz.live.renderer import FrameRenderer
from rtviz.settings import Settings

if TYPE_CHECKING:
    from rtviz.engine.comparison import ModelPane


@dataclass(frozen=True, slots=True, eq=False)
class ModelPart:
    """What one model has for a frame."""

    status: PaneStatus
    renderer: FrameRenderer
    prediction: Prediction | None


def draw_models(
    captured: CapturedFrame,
    settings: Settings,
    models: Sequence[ModelPart],
    *,
    focus: int = 0,
    marked: bool = True,
    screen: tuple[int, int] | None = None,
    still: bool = False,
) -> Result:
    """Draws a frame with the predictions of each model, the first one first.

    Args:
        focus: the model whose maps the result has.
        marked: show which one that is.
        screen: (height, width) in pixels of the canvas, if known.
        still: the source shows pictures: a mosaic of one is drawn as large as the canvas.
    """
    if len(models) == 1 and not settings.jaccard:
        on = _enlarged(captured.frame, screen) if still and screen and views.find(settings.view).mosaic else None
        return models[0].renderer.draw(captured, models[0].prediction, settings, on)
    from rtviz.drawing.panes import smaller
    from rtviz.engine.comparison import draw_panes, on_objects, per_model

    requests = per_model(settings)
    warped = [
        model.renderer.warp(captured, model.prediction, requested)
        for model, requested in zip(models, requests, strict=False)
    ]
    frame = smaller(captured.frame, len(models) + (requests[0].layout != settings.layout))
    frame = on_objects(frame, [None if prediction is None else prediction.maps for prediction in warped], settings)
    panes = [_pane(captured, model, prediction) for model, prediction in zip(models, warped, strict=False)]
    return draw_panes(captured.frame, frame, panes, settings, focus=focus, marked=marked, screen=screen)


@lru_cache(maxsize=1)
def _enlarged(frame: Frame, screen: tuple[int, int]) -> Frame:
    """The same object for the same frame: what is drawn anew is recognised by it."""
    from rtviz.drawing.panes import larger

    return larger(frame, screen)


def _pane(captured: CapturedFrame, model: ModelPart, prediction: Prediction | None) -> ModelPane:
    from rtviz.engine.comparison import ModelPane

    status = model.status
    states = {"failed": "not here" if status.missing else "failed", "ready": ""}
    return ModelPane(
        lambda frame, settings: model.renderer.draw(captured, prediction, settings, frame),
        "" if prediction is not None else status.name,  # maps are named by themselves: a new model has not run at once
        f"{status.attention_fps:.1f}/s" if status.attention_fps else "",
        states.get(status.state, status.sentence or status.state),
        status.explanation if status.state == "failed" else "",
    )


__all__ = ["ModelPart", "draw_models"]

"""The past as pictures for a video: every recorded frame, drawn with the present settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rtviz import views
from rtviz.errors import OutputUnwritable
from rtviz.frame import Frame
from rtviz.live.flight_recorder import RecordedFrame
from rtviz.live.frames import Prediction
from rtviz.live.inference import Inference
from rtviz.live.panes import ModelPart, draw_models
from rtviz.live.playback import Playback
from rtviz.live.renderer import FrameRenderer
from rtviz.live.shared import SharedState

if TYPE_CHECKING:
    from rtviz.frame import Pixels


def draw_past(
    shared: SharedState, inference: Inference, recorded: Sequence[RecordedFrame]
) -> Iterator[tuple[Pixels, Frame]]:
    """Draws what the flight recorder holds: every frame, or when locked those that have a prediction of their own.

    Models run again where what is recorded does not answer the settings, between the forward passes of the session.

    Yields:
        each picture, and a frame with its time from the first one's capture on.

    Raises:
        OutputUnwritable: the session was closed meanwhile.
    """
    from rtviz.analysis.tracking import Tracker  # it loads OpenCV, which the first paint does without

    with shared.changed:
        settings, mode = shared.settings, shared.mode
        first, *others = slots = list(shared.slots)
    renderers = [FrameRenderer(shared.note) for _ in slots]
    # The live stream goes on meanwhile, and its objects with it.
    trackers = [Tracker() for _ in slots]
    newest: list[Prediction | None] = [None] * len(slots)
    playback = Playback(tuple(recorded), paused=True, resume=False)
    frames = playback.frames(mode)
    for place in frames:
        if shared.closing:
            raise OutputUnwritable("the session was closed")
        captured = playback.captured(place)
        if (
            first.engine is not None
            and place.maps is not None
            and views.find(settings.view).needs
            and not first.answers_recorded(place.maps, settings)
        ):
            playback.take_prediction(place.number, inference.predict(first, captured, settings, (), trackers[0]).maps)
        prediction = playback.prediction(place, lambda maps: first.answers_recorded(maps, settings))
        if prediction is not None:
            prediction = replace(prediction, maps=first.refer(prediction.maps, settings))
        # Of the others nothing is recorded. They run on the frames that the first one ran on, and are warped to the
        # rest, as they were while it was live: on each frame an export would take minutes.
        for number, slot in enumerate(others, 1):
            if slot.engine is None:
                newest[number] = None
            elif place.maps is not None or newest[number] is None:
                newest[number] = inference.predict(slot, captured, settings, (), trackers[number])
        newest[0] = prediction
        models = [
            ModelPart(replace(slot.status(), attention_fps=0.0), renderer, one)
            for slot, renderer, one in zip(slots, renderers, newest, strict=True)
        ]
        result = draw_models(captured, settings, models)
        yield result.overlay, Frame(captured.frame.pixels, place.index, place.captured_at - frames[0].captured_at)


__all__ = ["draw_past"]

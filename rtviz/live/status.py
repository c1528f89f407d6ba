"""What a live session does at this moment, as its callers read it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtviz.analysis.head_stats import HeadStats
from rtviz.errors import RtvizError
from rtviz.live.capture import Capture
from rtviz.live.connection import Attempt
from rtviz.live.flight_recorder import FlightRecorder
from rtviz.live.frames import Prediction
from rtviz.live.model_slot import ModelSlot, PaneStatus
from rtviz.live.shared import SharedState
from rtviz.views.requirements import fit

if TYPE_CHECKING:
    from rtviz.sources import SourceInfo


@dataclass(frozen=True)
class LiveStatus:
    """State of a live session. Every sentence is complete, and empty where there is nothing to say.

    Attributes:
        source_state: connecting, live, paused, stalled, reconnecting, ended or failed.
        source_sentence: what is wrong with the source, and what is done about it.
        model_state: of the first model: none, loading, ready or failed. While another one is loaded, or could not be,
            the one before goes on, and `model_name` names it, until the new one has made a prediction.
        model_sentence: what is being loaded, or why it could not be.
        model_progress: (bytes done, bytes in total or None) of a download.
        place: the source that is open, or being opened where none was; None while a camera is searched.
        attempt: another source that is being opened, or could not be, while this one goes on.
        mode: locked or smooth.
        camera_fps, shown_fps, attention_fps: frames a second that arrive, that the canvas paints, that the first model
            predicts.
        age_ms: from the capture of the frame on screen until it was painted.
        attention_age_ms: how much older the frame is that the attention on screen was predicted for; 0 when locked.
        skipped: frames that arrived and were never drawn.
        layers, heads, patch_size, registers: of the model in focus; 0 without one, and heads of a convolutional
            network.
        position_seconds: in the source, or in the past when rewound.
        page: (number from 0, count) of a source of pages; None of others.
        recording: the file that is being written.
        streaming: the address of the live output; `streamed` pictures were sent there, and `stream_failure` says why no
            more are, where it does not work.
        recorder_mb, recorder_seconds: what the flight recorder holds.
        past_seconds: how long before the newest recorded frame the shown one was captured; None when live.
        latency_ms_history: age of what was painted over the last minute, oldest first, about four values a second.
        head_stats: of each head of the current layer; computed four times a second.
        panes: the models that are compared with the first one.
        focus: the model that all figures above are of: 0 the first, 1 that of the first pane, and so on.
        first_name: name of the first model, whichever is in focus.
        first_weights: the file that it was loaded from, if the settings named one.
        most_heads: the largest number of heads of these models.
        notices: the last sentences about what has happened, oldest first.
        model_error: the exception behind `model_sentence`.
    """

    source_state: str = "connecting"
    source_sentence: str = ""
    model_state: str = "none"
    model_sentence: str = ""
    model_progress: tuple[int, int | None] | None = None
    place: str | None = None
    attempt: Attempt | None = None
    source_info: SourceInfo | None = None
    mode: str = "smooth"
    paused: bool = False
    loop: bool = False
    speed: float = 1.0
    camera_fps: float = 0.0
    shown_fps: float = 0.0
    attention_fps: float = 0.0
    age_ms: float | None = None
    attention_age_ms: float | None = None
    forward_ms: float | None = None
    skipped: int = 0
    model_name: str | None = None
    device: str | None = None
    precision: str | None = None
    resolution: int | None = None
    layers: int = 0
    heads: int = 0
    patch_size: int = 0
    registers: int = 0
    position_seconds: float = 0.0
    page: tuple[int, int] | None = None
    recording: str | None = None
    recording_seconds: float = 0.0
    streaming: str | None = None
    streamed: int = 0
    stream_failure: str = ""
    recorder_mb: float = 0.0
    recorder_seconds: float = 0.0
    past_seconds: float | None = None
    latency_ms_history: tuple[float, ...] = ()
    head_stats: tuple[HeadStats, ...] = ()
    panes: tuple[PaneStatus, ...] = ()
    focus: int = 0
    first_name: str | None = None
    first_weights: str | None = None
    most_heads: int = 0
    notices: tuple[str, ...] = ()
    model_error: RtvizError | None = None

    def notices_since(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """The notices that are new beside those of an earlier status; where older ones were dropped, the last one."""
        if self.notices == known:
            return ()
        return self.notices[len(known) :] if self.notices[: len(known)] == known else self.notices[-1:]


def status_of(shared: SharedState, capture: Capture, recorder: FlightRecorder, place: str | None) -> LiveStatus:
    """The status now; cheap enough for ten times a second.

    Args:
        place: the source that the session was made for, until capture has one.
    """
    state, sentence = capture.state()
    attempt = capture.attempt()
    with shared.changed:
        playback, recording, paints = shared.playback, shared.recording, shared.paints
        broadcast = shared.broadcast
        slot = shared.slots[shared.focus]
        model, prediction = slot.shown, slot.prediction
        first = shared.first
        model_state, model_sentence = _model_state(first)
        models = [other.model for other in shared.slots if other.model is not None]
        return LiveStatus(
            source_state=state,
            source_sentence=sentence,
            model_state=model_state,
            model_sentence=model_sentence,
            model_error=first.error,
            model_progress=first.progress,
            place=capture.place or place,
            attempt=attempt,
            source_info=capture.info,
            mode=shared.mode,
            paused=capture.paused if playback is None else playback.paused,
            loop=capture.loop,
            speed=capture.speed,
            camera_fps=capture.fps(),
            shown_fps=paints.fps,
            attention_fps=first.attention_fps,
            age_ms=paints.age_ms,
            attention_age_ms=paints.attention_age_ms,
            forward_ms=prediction.forward_ms if prediction is not None else None,
            skipped=max(0, capture.captured - shared.drawn_frames),
            model_name=model.name if model is not None else None,
            device=model.device if model is not None else None,
            precision=model.precision if model is not None else None,
            resolution=shared.settings.resolution,
            layers=model.layers if model is not None else 0,
            heads=model.heads if model is not None else 0,
            patch_size=model.patch_size if model is not None else 0,
            registers=_registers(prediction),
            position_seconds=capture.position_seconds,
            page=_page(capture.info, capture.position_seconds),
            recording=str(recording.path) if recording is not None else None,
            recording_seconds=recording.seconds if recording is not None else 0.0,
            streaming=broadcast.address if broadcast is not None else None,
            streamed=broadcast.sent if broadcast is not None else 0,
            stream_failure=broadcast.failure if broadcast is not None else "",
            recorder_mb=recorder.megabytes,
            recorder_seconds=recorder.seconds,
            past_seconds=playback.seconds_ago if playback is not None else None,
            latency_ms_history=paints.age_ms_history,
            head_stats=_head_stats(shared, prediction) if prediction is not None else (),
            panes=tuple(other.status() for other in shared.slots[1:]),
            focus=shared.focus,
            first_name=first.model.name if first.model is not None else None,
            first_weights=first.weights,
            most_heads=max((one.heads for one in models), default=0),
            notices=tuple(shared.notices),
        )


def _model_state(slot: ModelSlot) -> tuple[str, str]:
    """(state, sentence) of what was requested of a slot, or of its forward passes if that is loaded."""
    if slot.failure and slot.state == "ready":
        return "failed", slot.failure
    if slot.state in ("waiting", "loading"):
        return "loading", slot.sentence or f"loading {slot.settings.model or 'the model'}"
    return slot.state, slot.sentence


def _registers(prediction: Prediction | None) -> int:
    if prediction is None:
        return 0
    maps = prediction.maps
    return len(maps.prefix_names) - int(maps.has_cls)


def _head_stats(shared: SharedState, prediction: Prediction) -> tuple[HeadStats, ...]:
    layer = fit(shared.settings, prediction.maps).layer
    frame = (prediction.captured.stream, prediction.captured.number)
    return shared.head_stats.statistics(prediction.maps, layer, time.monotonic(), frame)


def _page(info: SourceInfo | None, position: float) -> tuple[int, int] | None:
    if info is None or info.kind != "pages":
        return None
    return round(position), info.frame_count or 0


__all__ = ["LiveStatus", "PaneStatus", "status_of"]

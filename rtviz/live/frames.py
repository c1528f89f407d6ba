"""The values that one thread of a live session hands to another; none is changed after that."""

from __future__ import annotations

from dataclasses import dataclass

from rtviz.frame import Frame, Maps, Result


@dataclass(frozen=True, slots=True, eq=False)
class CapturedFrame:
    """A frame of the source with the time of its capture.

    Attributes:
        captured_at: by `time.monotonic()`.
        stream: a number that changes where the picture jumps: another source, a reconnection, a seek, a loop. Nothing
            learnt from one stream holds for another.
        number: counts the frames of one session.
        is_page: one of several pictures that have nothing in common, each a stream of its own.
    """

    frame: Frame
    captured_at: float
    stream: int
    number: int
    is_page: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a model predicted for a captured frame.

    Attributes:
        forward_ms: duration of the forward pass.
        warp_ms: duration of the optical flow that brought the maps to this frame from the one that the model ran on.
    """

    captured: CapturedFrame
    maps: Maps
    forward_ms: float
    warp_ms: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class DrawnFrame:
    """A picture for the canvas.

    Attributes:
        captured_at: capture of its frame.
        predicted_at: capture of the frame that its attention was predicted for; None without attention.
        playback: whether it shows the past.
    """

    result: Result
    captured_at: float
    predicted_at: float | None
    playback: bool = False


__all__ = ["CapturedFrame", "DrawnFrame", "Prediction"]

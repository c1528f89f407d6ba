"""The past as a video, drawn while the live stream goes on."""

from __future__ import annotations

import threading
from itertools import islice

import numpy as np
import pytest
from small import noise

from rtviz.cv import cv2
from rtviz.engine.engine import Engine
from rtviz.frame import Frame, Pixels
from rtviz.live.export import draw_past
from rtviz.live.flight_recorder import FlightRecorder, RecordedFrame
from rtviz.live.frames import CapturedFrame
from rtviz.live.inference import Inference, Turns
from rtviz.live.shared import SharedState
from rtviz.settings import Mark, Settings
from rtviz.sources import open_source

SETTINGS = Settings(view="track", resolution=96, track=(Mark(0.5, 0.5),), model="embedded", precision="fp32")


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    with open_source("scene:") as source:
        return list(islice(source, 0, 60, 10))


@pytest.mark.usefixtures("one_thread")
def test_the_live_stream_does_not_disturb_the_objects_of_the_past(frames: list[Frame]) -> None:
    """What was marked after the frames were recorded is followed through them, from the first one on."""

    def drawn(other: Settings | None) -> list[Pixels]:
        shared = SharedState(SETTINGS, "smooth")
        shared.first.engine = Engine.for_settings(SETTINGS)
        inference = Inference(shared, FlightRecorder())
        recorded = []
        for number, frame in enumerate(frames):
            captured = CapturedFrame(frame, frame.pts_seconds, 0, number)
            maps = inference.predict(shared.first, captured, SETTINGS.replace(track=())).maps
            jpeg = cv2.imencode(".jpg", frame.pixels)[1].tobytes()
            recorded.append(RecordedFrame(number, frame.pts_seconds, 0, frame.index, frame.pts_seconds, jpeg, maps))
        pictures = []
        for picture, _ in draw_past(shared, inference, recorded):
            pictures.append(picture)
            if other is not None:
                live = CapturedFrame(Frame(noise(120, 160), 900, 30.0), 30.0, 0, 900)
                inference.predict(shared.first, live, other)
        return pictures

    alone = drawn(None)
    assert len(alone) == len(frames)
    for other in (SETTINGS, SETTINGS.replace(track=())):
        assert all(np.array_equal(*pair) for pair in zip(drawn(other), alone, strict=True))


def test_an_export_takes_turns_with_the_live_picture() -> None:
    turns, order = Turns(), []

    def live() -> None:
        for _ in range(5):
            with turns:
                order.append("live")

    thread = threading.Thread(target=live)
    with turns:
        thread.start()
        while turns.waiting < 2:
            pass
    for _ in range(50):
        with turns:
            order.append("past")
            # Only now does the other thread have the time to ask again.
            while thread.is_alive() and turns.waiting < 2:
                pass
    thread.join()
    assert order[:10] == ["live", "past"] * 5

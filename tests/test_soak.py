"""The soak: it plays with the window, comes back to where it began, and notices what grows."""

from __future__ import annotations

import os
from typing import Any

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from live_fakes import QUICK, Engine, loads
from pytestqt.qtbot import QtBot

from rtviz.app.soak import Sample, SoakFigures, soak
from rtviz.live.session import LiveSession
from rtviz.sources.faulty import Fault, FaultyCamera

pytestmark = pytest.mark.gui


def figures(**grown: float) -> SoakFigures:
    """Nine measurements, of which the last three hold more."""
    flat = {"memory_mb": 700.0, "resident_mb": 900.0, "recorder_mb": 5.0, "threads": 17, "handles": 6}
    samples = [
        Sample(20.0 * number, **{name: value + (number >= 6) * grown.get(name, 0) for name, value in flat.items()})  # type: ignore[arg-type]
        for number in range(9)
    ]
    return SoakFigures("faulty:", 0, samples=samples)


def test_what_grows_is_told_and_what_is_flat_is_not() -> None:
    assert figures().problems() == []
    assert figures(memory_mb=20, threads=1, handles=2).problems() == []
    assert "memory grew by 60.0 MB" in figures(memory_mb=60).problems()[0]
    assert "threads grew by 4" in figures(threads=4).problems()[0]
    assert "file handles grew by 5" in figures(handles=5).problems()[0]
    assert SoakFigures("faulty:", 0).problems() == ["nothing was measured"]
    assert figures(handles=5).to_mapping()["growth"]["handles"] == 5


def test_memory_is_compared_among_rounds_with_as_many_threads() -> None:
    """Compiled passes come and go with the sizes of frames, each with weights and threads of its own."""
    states = [(700, 13), (900, 16), (1400, 20)]
    middle, last = [states[0], states[1], states[1]], [states[1], states[2], states[1]]

    def problems(leaked: float) -> list[str]:
        rounds = [*states, *middle, *((memory + leaked, threads) for memory, threads in last)]
        return SoakFigures(
            "faulty:", 0, samples=[Sample(0, memory, 0, 0, threads, 6) for memory, threads in rounds]
        ).problems()

    assert problems(0) == []
    assert problems(40) == ["memory grew by 40.0 MB; allowed: 32"]


def test_random_keys_are_pressed_on_a_failing_camera_and_a_leak_is_seen(qtbot: QtBot) -> None:
    camera = FaultyCamera(30, (96, 128), [Fault("false", 40, 44), Fault("exception", 60, 60)], repeat=80)
    leaked: list[int] = []

    def session(place: str, settings: Any) -> LiveSession:
        return LiveSession(
            place,
            settings,
            open_source=camera.open,
            load_engine=loads(lambda *_: Engine()),
            timeouts=QUICK,
        )

    found = soak(
        3.0,
        round_seconds=0.25,
        settle_seconds=0.02,
        session=session,
        on_sample=lambda sample: leaked.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(3)),
    )
    for handle in leaked:
        os.close(handle)
    assert found.errors == []
    assert found.keys + found.clicks >= len(found.samples) >= 2
    assert found.frames > 20
    assert camera.openings > 1
    seen = found.samples[-1].handles - found.samples[0].handles
    assert seen >= 3 * (len(found.samples) - 1) - 2


def test_faults_come_again_and_a_hang_ends() -> None:
    camera = FaultyCamera(0, (96, 128), [Fault("hang", 2, 2), Fault("black", 4, 4)], repeat=5, hang_seconds=0.01)
    with camera.open() as source:
        assert [camera.fault(number) for number in range(10)] == 2 * [None, None, "hang", None, "black"]
        assert source.info.size == (96, 128)

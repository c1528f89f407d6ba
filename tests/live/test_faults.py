"""Whatever a source does: one plain sentence, the picture stays, and it comes back by itself."""

from __future__ import annotations

import gc
import os
import threading
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from live_fakes import LIMIT, QUICK, Engine, Recording, session, until, until_shown

from rtviz.errors import SettingsError, SourceMissing, SourceUnreadable
from rtviz.live.session import LiveStatus
from rtviz.sources import open_source
from rtviz.sources.faulty import Fault, FaultyCamera, number_of

SIZE = (48, 96)


def one_sentence(text: str) -> bool:
    return bool(text) and "\n" not in text and "Traceback" not in text and "Error" not in text


@pytest.mark.parametrize(
    ("kind", "last", "states", "words"),
    [
        ("hang", 20, ("stalled",), "has sent no picture for"),
        ("hang", 20, ("reconnecting",), "has sent nothing for"),
        ("false", 60, ("reconnecting",), "unplugged?"),
        ("exception", 20, ("reconnecting",), "driver of the faulty camera has failed"),
        ("black", 90, ("live",), "sends black pictures"),
        ("frozen", 90, ("stalled",), "the very same picture"),
    ],
)
def test_a_fault_shows_in_one_sentence_and_passes(kind: str, last: int, states: tuple[str, ...], words: str) -> None:
    camera = FaultyCamera(fps=60, size=SIZE, faults=[Fault(kind, 20, last)])
    said: list[LiveStatus] = []
    with session(camera) as live:

        def note(status: LiveStatus) -> bool:
            said.append(status)
            return status.source_state in states and words in status.source_sentence

        assert live.wait_for(note, LIMIT), [(s.source_state, s.source_sentence) for s in said[-3:]]
        assert one_sentence(said[-1].source_sentence)
        assert live.latest() is not None, "the last picture stays"
        until(live, lambda status: status.source_state == "live" and not status.source_sentence)
        until_shown(live, lambda result: number_of(result.frame.pixels) > last)
        camera.let_go()


def test_a_camera_that_changes_its_size_goes_on() -> None:
    camera = FaultyCamera(fps=60, size=(96, 192), faults=[Fault("resize", 20, 40)])
    with session(camera) as live:
        until_shown(live, lambda result: result.overlay.shape[:2] == (96, 192))
        until_shown(live, lambda result: result.overlay.shape[:2] == (48, 96))
        status = until(live, lambda status: any("now sends 96x48" in notice for notice in status.notices))
        assert status.source_state == "live"
        until_shown(live, lambda result: result.overlay.shape[:2] == (96, 192))
        assert not any("drawing failed" in notice for notice in live.status().notices)


def test_a_slow_camera_is_called_slow() -> None:
    camera = FaultyCamera(fps=30, size=SIZE, faults=[Fault("slow", 5, 40)])
    with session(camera) as live:
        status = until(live, lambda status: "pictures a second" in status.source_sentence)
        assert status.source_state == "live"


def test_a_camera_that_is_busy_at_first_is_waited_for() -> None:
    camera = FaultyCamera(fps=60, size=SIZE, busy=3)
    with session(camera) as live:
        status = until(live, lambda status: status.source_state == "failed")
        assert "another program may be using it; trying again in" in status.source_sentence
        until(live, lambda status: status.source_state == "live")
    assert camera.openings == 4


def test_a_still_picture_is_not_opened_for_ever() -> None:
    camera = FaultyCamera(fps=200, size=SIZE, faults=[Fault("frozen", 1, 1 << 40)])
    with session(camera) as live:
        until(live, lambda status: camera.openings == 2)
        opened_at = camera.frames
        until(live, lambda status: camera.frames > opened_at + 300)
        until(live, lambda status: status.source_state == "stalled")
    assert camera.openings == 2


def test_a_file_that_cannot_be_decoded_is_tried_once() -> None:
    opened = []

    def refuse(place: str, **part: Any) -> Any:
        opened.append(place)
        raise SourceUnreadable("clip.mp4 is no video that can be read")

    with session(FaultyCamera(), open_source=refuse, place="clip.mp4") as live:
        status = until(live, lambda status: status.source_state == "failed")
        assert status.source_sentence == "clip.mp4 is no video that can be read"
        live.open("other.mp4")
        until(live, lambda status: len(opened) == 2)
    assert opened == ["clip.mp4", "other.mp4"]


@pytest.mark.parametrize(
    "error",
    [
        SourceMissing("cannot open other.mp4: No such file or directory"),
        SourceUnreadable("other.mp4 is empty"),
        RuntimeError("a reader's own error"),
    ],
)
def test_a_file_that_cannot_be_opened_leaves_the_running_one(error: Exception) -> None:
    """It is tried once, and again when asked to."""
    running, other = Recording([number / 50 for number in range(10)]), Recording([0.0, 0.1], size=(32, 32))
    tried: list[str] = []
    whole = threading.Event()

    def open_source(place: str, **part: Any) -> Any:
        if place == "clip.mp4":
            return running.open(place, **part)
        tried.append(place)
        if not whole.is_set():
            raise error
        return other.open(place, **part)

    with session(running, open_source=open_source, place="clip.mp4") as live:
        live.set_loop(True)
        until_shown(live, lambda result: result.maps is not None)
        live.update(live.settings.replace(track="0.5,0.5"))
        live.open("other.mp4")
        status = until(live, lambda status: status.attempt is not None and status.attempt.failed)
        assert status.attempt is not None
        assert str(error) in status.attempt.sentence
        assert not status.attempt.retries
        assert (status.place, status.source_state, status.source_sentence) == ("clip.mp4", "live", "")
        loops = running.openings
        until(live, lambda status: running.openings > loops + 1)  # longer than the pauses before trying again
        assert tried == ["other.mp4"]
        assert live.settings.track
        assert live.latest().frame.size == (48, 64)  # type: ignore[union-attr]
        whole.set()
        live.open_again()
        until_shown(live, lambda result: result.frame.size == (32, 32))
        status = until(live, lambda status: status.attempt is None)
        assert status.place == "other.mp4"
        assert live.settings.track == (), "a mark means nothing in another picture"
        until(live, lambda status: running.openings == running.closings)


def test_a_first_file_that_is_missing_is_tried_once_and_when_asked() -> None:
    recording = Recording([0.0, 0.1])
    tried: list[str] = []

    def open_source(place: str, **part: Any) -> Any:
        tried.append(place)
        if len(tried) == 1:
            raise SourceMissing("cannot open clip.mp4: No such file or directory")
        return recording.open(place, **part)

    with session(recording, open_source=open_source, place="clip.mp4") as live:
        status = until(live, lambda status: status.source_state == "failed")
        assert status.source_sentence == "cannot open clip.mp4: No such file or directory"
        assert not live.wait_for(lambda status: len(tried) > 1, 3 * QUICK.back_off_seconds[0])
        live.open_again()
        until_shown(live, lambda result: result.frame.size == (48, 64))


def test_a_camera_that_is_missing_is_waited_for_while_another_source_runs() -> None:
    running, camera = Recording([number / 50 for number in range(10)]), FaultyCamera(fps=60, size=SIZE, busy=3)

    def open_source(place: str, **part: Any) -> Any:
        return running.open(place, **part) if place == "clip.mp4" else camera.open(place)

    with session(running, open_source=open_source, place="clip.mp4") as live:
        live.set_loop(True)
        until_shown(live, lambda result: result.maps is not None)
        live.open("camera:7")
        status = until(live, lambda status: status.attempt is not None and status.attempt.failed)
        assert status.attempt is not None
        assert "trying again" in status.attempt.sentence
        assert status.attempt.retries
        assert status.source_state == "live"
        until_shown(live, lambda result: result.frame.size == SIZE)
        assert live.status().place == "camera:7"
    assert camera.openings == 4


@pytest.mark.parametrize("there", [True, False])
def test_a_camera_gives_way_to_another_that_cannot_be_opened_beside_it(there: bool) -> None:
    """Two names of one device, or two on a bus that carries one. Where it fails again, the first one comes back."""
    first, second = FaultyCamera(fps=60, size=SIZE), FaultyCamera(fps=60, size=(96, 48))
    alone: list[bool] = []
    running: list[str] = []

    def open_source(place: str, **part: Any) -> Any:
        if place == "camera:0":
            source = first.open(place)
            release = source.close
            running.append(place)

            def close() -> None:
                running.clear()
                release()

            source.close = close  # type: ignore[method-assign]
            return source
        alone.append(not running)
        if not (alone[-1] and there):
            raise SourceUnreadable("camera 1 does not open: another program may be using it")
        return second.open(place)

    with session(first, open_source=open_source, place="camera:0") as live:
        until_shown(live, lambda result: result.frame.size == SIZE)
        live.open("camera:1")
        if there:
            until_shown(live, lambda result: result.frame.size == (96, 48))
        else:
            until(live, lambda status: status.attempt is not None and status.attempt.failed and len(alone) > 2)
            until(live, lambda status: first.openings == 2 and status.source_state == "live")
            live.cancel_opening()
    assert alone[:2] == [False, True]
    assert not any(alone[2:]), "it gives way once"


def test_a_file_that_is_deleted_while_it_loops_is_asked_for_again() -> None:
    recording = Recording([0, 0.02, 0.04])
    there = threading.Event()
    there.set()

    def open_file(place: str, **part: Any) -> Any:
        if not there.is_set():
            raise SourceMissing("cannot open clip.mp4: No such file or directory")
        return recording.open(place, **part)

    with session(recording, open_source=open_file) as live:
        live.set_loop(True)
        until(live, lambda status: recording.openings > 3)
        there.clear()
        status = until(live, lambda status: status.source_state == "reconnecting")
        assert status.source_sentence.startswith("cannot open clip.mp4: No such file or directory; trying again")
        assert live.latest() is not None
        there.set()
        openings = recording.openings
        until(live, lambda status: recording.openings > openings and status.source_state == "live")


def test_the_fake_is_opened_by_its_place() -> None:
    with open_source("faulty:?fps=0&size=128x64&black=2-3&busy=0") as source:
        assert source.info.size == (64, 128)
        frames = iter(source)
        pictures = [next(frames).pixels for _ in range(5)]
    assert [number_of(picture) for picture in pictures] == [0, 1, 0, 0, 4]
    assert [bool(picture.any()) for picture in pictures] == [True, True, False, False, True]
    with pytest.raises(SettingsError, match="hang, false, black"):
        open_source("faulty:?burns=3")


@pytest.mark.slow
def test_hours_of_faults_leave_nothing_behind() -> None:
    """An hour with a fault every minute and a quarter, in short: threads, files and memory are as before."""
    rounds, faults_each = 4, 12

    def run() -> None:
        kinds = ("hang", "false", "exception", "black", "frozen", "resize")
        faults = []
        for number in range(faults_each):
            first = 20 + 30 * number
            kind = kinds[number % len(kinds)]
            faults.append(Fault(kind, first, first if kind in ("hang", "exception") else first + 10))
        camera = FaultyCamera(fps=500, size=SIZE, faults=faults)
        timeouts = type(QUICK)(0.03, 0.06, 5.0, 1.0, (0.01,))
        with session(camera, Engine(), timeouts=timeouts, past_mb=2, past_seconds=1) as live:
            until(live, lambda status: camera.frames > 20 + 30 * faults_each + 50, 60)
            until(live, lambda status: status.source_state == "live")
            assert live.status().recorder_mb <= 2
        camera.let_go()
        for thread in threading.enumerate():
            if thread.name.startswith("rtviz-"):
                thread.join(LIMIT)

    run()
    gc.collect()
    threads, files = set(threading.enumerate()), _open_files()
    tracemalloc.start()
    held = []
    for _ in range(rounds - 1):
        run()
        gc.collect()
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert set(threading.enumerate()) <= threads  # those of earlier tests may end meanwhile
    assert _open_files() <= files
    # What a session leaves, each one leaves; caches grow once, and what other tests have begun ends some time.
    grown = [after - before for before, after in pairwise(held)]
    assert min(grown) < 25_000, f"bytes more after each session: {grown}"


def _open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(os.listdir(folder)) if folder.is_dir() else 0

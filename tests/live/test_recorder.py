"""What a live session records: the last seconds, a video while it runs, a snapshot."""

from __future__ import annotations

import json
import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_fakes import LIMIT, Engine, Recording, session, until, until_shown

from rtviz import sinks
from rtviz.cv import cv2
from rtviz.engine.drawing import draw
from rtviz.errors import OutputExists, OutputUnwritable, SettingsError
from rtviz.frame import Frame, Maps, Result
from rtviz.live.flight_recorder import FlightRecorder
from rtviz.live.frames import CapturedFrame, DrawnFrame
from rtviz.live.session import LiveSession
from rtviz.live.snapshot import SNAPSHOTS, cleaned, read_snapshot
from rtviz.live.status import LiveStatus
from rtviz.live.video_recorder import fitted, pick
from rtviz.settings import Point, Settings
from rtviz.sources.faulty import Fault, FaultyCamera, number_of

SIZE = (96, 192)


def captured(number: int, at: float, size: tuple[int, int] = (64, 96)) -> CapturedFrame:
    pixels = np.random.default_rng(number).integers(0, 255, (*size, 3), np.uint8)
    return CapturedFrame(Frame(pixels, number, at), at, 1, number)


def some_maps(number: int) -> Maps:
    attention = np.full((2, 2, 4, 6), number / 1000, np.float32)
    norms = np.full((1, 4, 6), 500 + number, np.float32)
    return Maps(attention, np.zeros((2, 2, 1), np.float32), "cls", "tiny", 16, (64, 96), norms=norms)


# --- the flight recorder ---------------------------------------------------------------------------------------------


def filled(recorder: FlightRecorder, captured_frames: list[tuple[CapturedFrame, Maps | None]]) -> FlightRecorder:
    recorder.start()
    for one, maps in captured_frames:
        recorder.add(one, maps)
        until_then = time.monotonic() + LIMIT
        while not any(
            kept.number == one.number and (kept.maps is None) == (maps is None) for kept in recorder.recorded()
        ):
            assert time.monotonic() < until_then, "the frame is not packed"
            time.sleep(0.001)
    return recorder


def test_the_past_is_bounded_in_megabytes_and_in_seconds() -> None:
    recorder = filled(FlightRecorder(seconds=100, megabytes=0.1), [(captured(i, i * 0.1), None) for i in range(60)])
    kept = recorder.recorded()
    assert 0.05 < recorder.megabytes <= 0.1
    assert recorder.megabytes == pytest.approx(sum(one.size_bytes for one in kept) / 1e6)
    assert [one.number for one in kept] == list(range(60 - len(kept), 60)), "the oldest go first"
    recorder.close()
    recorder = filled(FlightRecorder(seconds=1.0, megabytes=100), [(captured(i, i * 0.1), None) for i in range(60)])
    assert recorder.seconds == pytest.approx(1.0)
    assert recorder.recorded()[-1].number == 59
    recorder.close()


def test_maps_that_come_late_find_their_frame() -> None:
    items: list[tuple[CapturedFrame, Maps | None]] = [(captured(number, number * 0.1), None) for number in range(5)]
    items += [(captured(2, 0.2), some_maps(2)), (captured(5, 0.5), None), (captured(4, 0.4), some_maps(4))]
    recorder = filled(FlightRecorder(), items)
    kept = recorder.recorded()
    assert [one.number for one in kept] == [0, 1, 2, 3, 4, 5]
    assert [one.number for one in kept if one.maps] == [2, 4]
    maps = kept[4].prediction()
    assert maps is not None
    assert maps.attention.dtype == np.float32
    assert maps.attention == pytest.approx(0.004, rel=1e-3)
    assert maps.norms is not None
    assert maps.norms.dtype == np.float32
    assert maps.norms == pytest.approx(504, rel=1e-3)
    again = kept[4].captured()
    assert (again.frame.index, again.frame.pts_seconds, again.stream) == (4, 0.4, 1)
    recorder.close()


@pytest.mark.parametrize("objects", [0, 1, 3])
def test_the_past_keeps_what_the_scene_knows_of_its_objects(objects: int) -> None:
    masks = np.random.default_rng(objects).random((objects, 61, 97)) > 0.5  # no whole number of bytes
    plain = captured(0, 0.0, (61, 97))
    known = CapturedFrame(Frame(plain.frame.pixels, 1, 0.1, masks=masks), 0.1, 1, 1)
    recorder = filled(FlightRecorder(), [(plain, None), (known, None), (known, some_maps(1))])
    first, second = recorder.recorded()
    assert first.captured().frame.masks is None
    again = second.captured().frame.masks
    assert again is not None
    assert again.dtype == np.bool_
    assert np.array_equal(again, masks)
    assert recorder.megabytes == pytest.approx((first.size_bytes + second.size_bytes) / 1e6)
    spent = second.size_bytes - len(second.jpeg) - (first.size_bytes - len(first.jpeg))
    assert spent >= masks.size / 8, "noise cannot be packed any closer, and counts"
    recorder.close()


def test_a_frozen_past_takes_nothing_and_a_forgotten_one_is_empty() -> None:
    recorder = filled(FlightRecorder(), [(captured(0, 0.0), None)])
    recorder.freeze()
    recorder.add(captured(1, 0.1))
    assert len(recorder.recorded()) == 1
    recorder.thaw()
    recorder.forget()
    assert (recorder.megabytes, recorder.seconds, recorder.recorded()) == (0.0, 0.0, ())
    recorder.close()


@pytest.mark.parametrize("mode", ["locked", "smooth"])
def test_the_past_can_be_watched_with_other_settings(mode: str) -> None:
    camera = FaultyCamera(fps=60, size=SIZE)
    engine = Engine()
    with session(camera, engine, mode=mode) as live:
        until(live, lambda status: status.recorder_seconds > 0.6)
        live.pause()
        newest = until_shown(live, lambda result: result.maps and result.maps.prefix[0, 0, 0] == result.frame.index)
        live.rewind(0.4)
        past = until_shown(live, lambda result: result.frame.index < newest.frame.index - 10)
        status = until(live, lambda status: status.past_seconds is not None)
        assert status.past_seconds == pytest.approx(0.4, abs=0.1)
        live.update(Settings(head=3, layer=0))
        changed = until_shown(live, lambda result: result.settings.head == 3)
        assert changed.frame.index == past.frame.index
        assert changed.maps is not None
        if mode == "locked":
            assert changed.maps.prefix[0, 0, 0] == pytest.approx(past.frame.index, rel=1e-3)
        at = number_of(changed.frame.pixels)
        live.step(1)
        until_shown(live, lambda result: number_of(result.frame.pixels) > at)
        live.step(-1)
        until_shown(live, lambda result: number_of(result.frame.pixels) == at)
        # Another question to the past is answered by the model, on the past frame.
        live.update(Settings(query=Point(0.5, 0.5)))
        asked = until_shown(live, lambda result: result.maps and result.maps.query == Point(0.5, 0.5))
        assert number_of(asked.frame.pixels) == at
        live.pause(False)  # plays up to the end of the past, and stops there
        until(live, lambda status: status.past_seconds == 0.0 and status.paused)
        live.live()
        live.pause(False)
        until_shown(live, lambda result: number_of(result.frame.pixels) > newest.frame.index)
        assert live.status().past_seconds is None


def test_a_playing_file_waits_while_the_past_is_watched() -> None:
    recording = Recording([number / 50 for number in range(500)])
    with session(recording) as live:
        until(live, lambda status: status.recorder_seconds > 0.3)
        live.rewind(0.2)
        position = until(live, lambda status: status.past_seconds == 0.0).position_seconds
        live.live()
        until(live, lambda status: status.position_seconds > position)


def test_the_past_is_saved_as_a_video_with_its_times(tmp_path: Path) -> None:
    path = tmp_path / "past.mp4"
    with session(FaultyCamera(fps=30, size=SIZE), mode="smooth") as live:
        with pytest.raises(OutputUnwritable, match="nothing has been shown yet"):
            LiveSession("fake:", Settings()).save_past(path)
        until(live, lambda status: status.recorder_seconds > 0.5)
        live.rewind(0.5)
        past = live._shared.playback
        assert past is not None
        times = [one.captured_at - past.recorded[0].captured_at for one in past.recorded]
        live.save_past(path)
        until(live, lambda status: any(str(path) in notice for notice in status.notices))
        assert f"wrote {path}: {len(times)} frames" in live.status().notices
    assert decoded_times(path) == pytest.approx(times, abs=2e-3)


# --- a video while it runs -------------------------------------------------------------------------------------------


def hold(engine: Engine) -> None:
    """Let no forward pass end from now on, until its `go` is set."""
    engine.go.clear()
    engine.in_pass.clear()
    assert engine.in_pass.wait(LIMIT)


def decoded_times(path: Path) -> list[float]:
    """Timestamps in seconds as another decoder sees them: the FFmpeg inside OpenCV."""
    video = cv2.VideoCapture(str(path))
    times = []
    while video.read()[0]:
        times.append(video.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    video.release()
    return times


@pytest.mark.parametrize(("what", "width"), [("overlay", 192), ("side-by-side", 384), ("clean", 192)])
def test_a_recording_has_the_times_of_capture(tmp_path: Path, what: str, width: int) -> None:
    path = tmp_path / "clip.mp4"
    engine = Engine()
    camera = FaultyCamera(fps=30, size=SIZE)
    with session(camera, engine, mode="smooth") as live:
        until_shown(live, lambda result: result.maps is not None)
        hold(engine)  # a frame that is drawn anew has another time
        live._shared.recently_drawn = drawn = deque[DrawnFrame]()  # all of them, however late this thread gets its turn
        written: set[float] = set()

        def note(status: LiveStatus) -> bool:
            written.add(status.recording_seconds)
            if len(written) > 6 and not camera.faults:  # one frame comes a third of a second later
                camera.faults = (Fault("slow", camera.frames + 2, camera.frames + 2),)
            return len(written) > 14 and status.recording_seconds > 0.6

        live.start_recording(path, what)
        assert live.status().recording == str(path)
        until(live, note)
        live.stop_recording()
        until(live, lambda status: any(notice.startswith(f"wrote {path}") for notice in status.notices))
        assert live.status().recording is None
        engine.go.set()
    times = decoded_times(path)
    assert len(times) > 10
    assert times[0] == 0
    assert (np.diff(times) > 0).all()
    # The real times of the captures, frame by frame, not those of a nominal rate. The first ones are what was shown
    # already, and drawn anew, when it was begun.
    captured = np.array([one.captured_at for one in drawn])
    since = np.array(times[3:]) - times[3]
    assert np.diff(since).max() > 0.3
    assert any(all(np.abs(captured - first - time).min() < 3e-3 for time in since) for first in captured)
    video = cv2.VideoCapture(str(path))
    assert video.get(cv2.CAP_PROP_FRAME_WIDTH) == width
    video.release()


def test_a_full_disk_ends_the_recording_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "clip.mp4"
    opened = sinks.open_sink

    def filling(*arguments: Any, **named: Any) -> Any:
        sink = opened(*arguments, **named)
        write, written = sink.write, []

        def limited(picture: Any, frame: Frame) -> None:
            written.append(frame)
            if len(written) > 10:
                raise OutputUnwritable(f"cannot write {path}: No space left on device")
            write(picture, frame)

        sink.write = limited  # type: ignore[method-assign]
        return sink

    monkeypatch.setattr(sinks, "open_sink", filling)
    with session(FaultyCamera(fps=60, size=SIZE)) as live:
        until_shown(live, lambda result: result.maps is not None)
        live.start_recording(path)
        status = until(live, lambda status: any("No space left" in notice for notice in status.notices))
        assert status.notices[-1].startswith("writing clip.mp4 ended: cannot write")
        until(live, lambda status: status.recording is None and status.source_state == "live")
        at = live.latest()
        assert at is not None
        until_shown(live, lambda result: result.frame.index > at.frame.index)
        live.stop_recording()
    assert not path.exists()


def test_a_recording_survives_a_change_of_size_and_the_end_of_the_session(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    camera = FaultyCamera(fps=60, size=SIZE, faults=[])
    with session(camera) as live:
        until_shown(live, lambda result: result.maps is not None)
        live.start_recording(path, "clean")
        until(live, lambda status: status.recording_seconds > 0.2)
        camera.shrink()
        until_shown(live, lambda result: result.frame.size == (48, 96))
        until(live, lambda status: status.recording_seconds > 0.5)
    assert len(decoded_times(path)) > 10
    video = cv2.VideoCapture(str(path))
    assert (video.get(cv2.CAP_PROP_FRAME_WIDTH), video.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (192, 96)
    video.release()


def test_what_cannot_be_recorded_is_refused_at_once(tmp_path: Path) -> None:
    there = tmp_path / "there.mp4"
    there.write_bytes(b"precious")
    with session(FaultyCamera(fps=60, size=SIZE)) as live:
        with pytest.raises(OutputExists, match="exists already"):
            live.start_recording(there)
        with pytest.raises(OutputUnwritable, match="there is no folder"):
            live.start_recording(tmp_path / "nowhere" / "clip.mp4")
        with pytest.raises(OutputUnwritable, match="allowed"):
            live.start_recording(tmp_path / "clip.txt")
        with pytest.raises(SettingsError, match="overlay, side-by-side, clean"):
            live.start_recording(tmp_path / "clip.mp4", "everything")
        assert live.status().recording is None
    assert there.read_bytes() == b"precious"


def test_the_part_that_is_recorded() -> None:
    frame = Frame(np.full((4, 6, 3), 10, np.uint8))
    overlay = np.full((4, 6, 3), 200, np.uint8)
    beside = np.concatenate([frame.pixels, overlay], axis=1)
    plain = Result(overlay, frame, None, Settings())
    both = Result(beside, frame, None, Settings(layout="side-by-side"))
    for result in (plain, both):
        assert np.array_equal(pick(result, "clean"), frame.pixels)
        assert np.array_equal(pick(result, "overlay"), overlay)
        assert pick(result, "side-by-side").shape == (4, 12, 3)


# --- a snapshot ------------------------------------------------------------------------------------------------------


def test_a_snapshot_knows_how_it_was_made(tmp_path: Path) -> None:
    path = tmp_path / "shot.png"
    wanted = Settings(head=2, layer=1, colormap="viridis", query=Point(0.25, 0.75))
    with session(FaultyCamera(fps=60, size=SIZE), settings=wanted) as live:
        shown = until_shown(live, lambda result: result.maps is not None)
        live.pause()
        live.snapshot(path)
        with pytest.raises(OutputExists):
            live.snapshot(path)
        with pytest.raises(OutputUnwritable):
            live.snapshot(tmp_path / "nowhere" / "shot.png")
    about = read_snapshot(path)
    assert Settings.from_mapping(about["settings"]) == wanted
    assert about["model"] == "tiny"
    picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    assert picture.shape == shown.overlay.shape
    assert b"tEXtrtviz\0" + json.dumps(about).encode() in path.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_no_snapshot_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutputUnwritable, match="nothing has been shown yet"):
        LiveSession("fake:", Settings()).snapshot(tmp_path / "shot.png")


def test_a_clean_snapshot_has_neither_words_nor_markers_and_a_labelled_one_a_title(tmp_path: Path) -> None:
    paths = [tmp_path / f"{what}.png" for what in SNAPSHOTS]
    wanted = Settings(head="all", query=Point(0.25, 0.75), normalization="frame")  # a legend, and a ring
    with session(FaultyCamera(fps=60, size=SIZE), settings=wanted) as live:
        until_shown(live, lambda result: result.maps is not None and result.settings.head == "all")
        live.pause()

        def taken(result: Result) -> bool:
            for path in paths:
                path.unlink(missing_ok=True)
                live.snapshot(path, path.stem)
            return live.latest() is result  # a frame that was on its way when the pause began has come by now

        result = until_shown(live, taken)
        with pytest.raises(SettingsError, match="as shown, labelled, clean"):
            live.snapshot(tmp_path / "other.png", "other")
    shown, labelled, clean = (cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in paths)
    assert np.array_equal(shown, result.overlay), "a clean one is not what the canvas shows from then on"
    drawn = result.overlay.copy()
    height, width = drawn.shape[:2]
    assert labelled.shape[0] > height
    assert np.array_equal(labelled[-height:], drawn)
    changed = np.abs(shown.astype(int) - clean.astype(int)).max(axis=2) > 8
    ring = np.hypot(*(np.indices((height, width)) - [[[0.75 * height]], [[0.25 * width]]])) < 8
    assert changed[ring].any(), "the ring round the query is gone"
    assert changed[-height // 4 :, : width // 3].any(), "the legend is gone"
    assert not changed[: height // 2, width // 2 :].any(), "the rest is the same"


def test_a_clean_snapshot_keeps_the_outline_of_a_mask() -> None:
    maps = some_maps(1)
    attention = maps.attention.copy()
    attention[..., 2:] *= 1e6
    frame = Frame(np.full((64, 96, 3), 90, np.uint8))
    settings = Settings(view="mask", head=0, layer=0, threshold=0.9999, upsampling="nearest", layout="alone")
    result = draw(frame, replace(maps, attention=attention, query=Point(0.9, 0.9)), settings)
    clean = cleaned(result).overlay.astype(int)
    fill, line = clean[10, 80], clean[10, 30:34].max(axis=0)
    assert (line > fill + 40).any(), "its line is brighter than its fill"
    ring = np.abs(result.overlay - clean).max(axis=2) > 8
    assert ring.any()
    assert not ring[:40].any(), "nothing but the ring round the query is gone"


def test_panes_keep_the_size_of_a_recording_that_began_with_them(tmp_path: Path) -> None:
    with session(FaultyCamera(fps=60, size=(240, 320)), settings=Settings(compare=("other",))) as live:
        live.shown_on((700, 1200))
        until_shown(live, lambda result: len(result.panes) == 2)
        live.start_recording(tmp_path / "clip.mp4")
        until(live, lambda status: status.recording_seconds > 0)
        begun = live.latest()
        assert begun is not None
        live.shown_on((150, 200))  # a smaller window, whose titles are larger
        later = until_shown(live, lambda result: result.frame.index > begun.frame.index + 2)
        assert later.overlay.shape == begun.overlay.shape
        live.stop_recording()
        until_shown(live, lambda result: result.overlay.shape != begun.overlay.shape)


def test_panes_that_are_added_to_a_recording_have_titles_that_can_be_read_in_it(tmp_path: Path) -> None:
    with session(FaultyCamera(fps=60, size=(240, 320)), settings=Settings()) as live:
        live.shown_on((2000, 3000))  # where small titles are large
        until_shown(live, lambda result: result.maps is not None)
        live.start_recording(tmp_path / "clip.mp4")
        until(live, lambda status: status.recording_seconds > 0)
        live.update(Settings(compare=("other", "third", "fourth")))
        result = until_shown(live, lambda result: len(result.panes) == 4)
    height, width = result.overlay.shape[:2]
    line = result.panes[0].box[0] * min(240 / height, 320 / width)
    assert line > 12, "pixels of the video"


def test_what_shrinks_again_is_enlarged_smoothly() -> None:
    ramp = np.repeat(np.linspace(0, 255, 8, dtype=np.uint8)[None, :, None], 6, axis=0).repeat(3, axis=2)
    steps = np.diff(fitted(ramp, (48, 64))[24, :, 0].astype(int))
    assert steps.max() < 12, "no blocks"

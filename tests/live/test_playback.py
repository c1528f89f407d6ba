"""Files in a live session: their own speed, exact seeking and stepping, loops."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_fakes import LIMIT, Engine, Recording, loads, session, until, until_shown
from picture_files import tiff
from PIL import Image

from rtviz.errors import SettingsError
from rtviz.frame import Result
from rtviz.live.connection import OpenSource
from rtviz.live.session import LiveSession
from rtviz.settings import Settings
from rtviz.sources import Source, picture_file
from rtviz.sources.pages import pages_of

UNEVEN = [0.0, 0.04, 0.05, 0.09, 0.2, 0.21, 0.24, 0.3, 0.33, 0.4]


def index_shown(live: LiveSession, index: int) -> Result:
    return until_shown(live, lambda result: result.frame.index == index)


def test_steps_are_exact_in_both_directions_with_uneven_times() -> None:
    recording = Recording(UNEVEN)
    with session(recording) as live:
        live.pause()
        live.seek(0.0)
        at = index_shown(live, 0).frame.index
        for count in (1, 1, 3, -1, -2, 4, -5, 1, 8, -3, -6):
            live.step(count)
            at = min(max(at + count, 0), len(UNEVEN) - 1)
            shown = index_shown(live, at)
            assert shown.frame.pixels[0, 0, 0] == at
            assert shown.frame.pts_seconds == UNEVEN[at]
        assert live.status().paused
    assert recording.openings == recording.closings


def opened_elsewhere_after(let_in: threading.Event, recording: Recording) -> OpenSource:
    """Opens a recording at once at its beginning, and anywhere else only when one is let in."""

    def slow(place: str, **part: float) -> Source:
        if "start" in part:
            let_in.wait(LIMIT)
        return recording.open(place, **part)

    return slow


def test_a_step_goes_on_from_a_place_that_was_sought_just_before() -> None:
    """Also where the step comes before the frame that was sought."""
    recording = Recording(UNEVEN)
    let_in = threading.Event()
    with session(recording, open_source=opened_elsewhere_after(let_in, recording)) as live:
        live.pause()
        live.seek(UNEVEN[4])
        live.step(2)
        let_in.set()
        index_shown(live, 6)


def test_seeking_is_exact_and_beyond_the_end_is_the_last_frame() -> None:
    with session(Recording(UNEVEN)) as live:
        live.pause()
        for index in (7, 2, 9, 0, 5):
            live.seek(UNEVEN[index])
            index_shown(live, index)
            assert live.status().position_seconds == UNEVEN[index]
        live.seek(1000.0)
        index_shown(live, 9)
        live.step(-1)
        index_shown(live, 8)


def test_a_place_that_is_sought_is_where_one_is_before_its_frame_has_come() -> None:
    recording = Recording([float(second) for second in range(60)])
    let_in = threading.Event()
    with session(recording, open_source=opened_elsewhere_after(let_in, recording)) as live:
        live.pause()
        live.seek(0)  # on a busy machine it may have gone on before it was held
        index_shown(live, 0)
        for _ in range(6):  # as quickly as a key can be pressed
            live.seek(live.status().position_seconds + 5)
        assert live.status().position_seconds == 30.0
        let_in.set()
        index_shown(live, 30)
        assert live.status().position_seconds == 30.0
        live.step(1)
        index_shown(live, 31)
        assert live.status().position_seconds == 31.0


def test_a_held_frame_gets_its_own_attention() -> None:
    with session(Recording(UNEVEN), mode="smooth") as live:
        live.pause()
        live.seek(UNEVEN[4])
        until_shown(live, lambda result: result.frame.index == 4 and result.maps and result.maps.prefix[0, 0, 0] == 4)


@pytest.mark.parametrize("speed", [0.5, 1.0, 4.0])
def test_a_file_plays_at_its_own_speed(speed: float) -> None:
    times = [number / 50 for number in range(26)]  # half a second
    with session(Recording(times)) as live:
        live.pause()
        live.set_speed(speed)
        live.seek(0)
        index_shown(live, 0)
        start = time.monotonic()
        live.pause(False)
        index_shown(live, 25)
        took = time.monotonic() - start
    # Never faster than asked for; on a busy computer a little slower.
    assert 0.5 / speed * 0.95 <= took < 0.5 / speed + 1.0
    assert live.status().speed == speed


def test_an_unknown_speed_is_refused() -> None:
    with session(Recording(UNEVEN)) as live, pytest.raises(SettingsError, match=r"0\.25 to 4"):
        live.set_speed(9)


def test_the_end_is_a_state_and_going_on_begins_anew() -> None:
    recording = Recording(UNEVEN)
    with session(recording) as live:
        status = until(live, lambda status: status.source_state == "ended")
        assert status.source_sentence == "the end of recording"
        index_shown(live, 9)
        live.pause(True)
        live.pause(False)
        until(live, lambda status: status.source_state == "live")
        until(live, lambda status: status.source_state == "ended")
        live.set_loop(True)
        openings = recording.openings
        until(live, lambda status: recording.openings > openings + 2)
    assert recording.openings == recording.closings


def test_a_loop_never_says_that_it_has_ended() -> None:
    recording = Recording([number / 50 for number in range(5)])
    states: list[str] = []

    def open_source(place: str, **part: float) -> Source:
        if recording.openings:
            states.append(live.status().source_state)
        return recording.open(place, **part)

    with session(recording, open_source=open_source) as live:
        live.set_loop(True)
        until(live, lambda status: len(states) > 5)
    assert set(states) == {"live"}


def test_what_is_painted_anew_after_the_end_has_no_growing_age() -> None:
    with session(Recording(UNEVEN)) as live:
        last = index_shown(live, 9)
        live.shown(last)
        until(live, lambda status: status.source_state == "ended")
        age_ms = live.status().age_ms
        live.update(Settings(head=2))
        anew = until_shown(live, lambda result: result.settings.head == 2)
        live.shown(anew)
        assert live.status().age_ms == age_ms


def test_one_picture_is_shown_and_predicted_once() -> None:
    engine = Engine()
    with session(Recording([0.0]), engine) as live:
        live.set_loop(True)
        until_shown(live, lambda result: result.maps is not None)
        assert live.status().source_state == "ended"
        assert engine.passes == 1


def test_opening_another_place_replaces_the_first() -> None:
    first, second = Recording(UNEVEN), Recording([0.0, 0.1], size=(32, 32))

    def open_source(place: str, **part: float) -> Source:
        return (first if place == "fake:" else second).open(place, **part)

    with session(first, open_source=open_source) as live:
        until_shown(live, lambda result: result.frame.size == (48, 64))
        live.open("second")
        until_shown(live, lambda result: result.frame.size == (32, 32))
        assert live.status().place == "second"
        until(live, lambda status: first.openings == first.closings)


def test_a_real_file_is_sought_and_stepped_exactly(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    pytest.importorskip("rtviz.sources.video")
    path = tmp_path / "uneven times.mkv"
    levels = [20 * number for number in range(12)]
    ticks = [0, 40, 50, 130, 140, 200, 340, 350, 400, 420, 500, 640]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.gop_size = 5
        for grey, tick in zip(levels, ticks, strict=True):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), grey, np.uint8), format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    def level(result: Result) -> int:
        return round(float(result.frame.pixels.mean()) / 20)

    with LiveSession(str(path), Settings(), load_engine=loads(lambda settings, progress: Engine())) as live:
        live.pause()
        until(live, lambda status: status.source_info is not None)
        for wanted in (6, 3, 11, 0):
            live.seek(ticks[wanted] / 1000)
            until_shown(live, lambda result: level(result) == wanted)  # noqa: B023
            assert live.status().position_seconds == pytest.approx(ticks[wanted] / 1000, abs=2e-3)
        at = 0
        for count in (4, -1, 5, -3, -4, 2):
            live.step(count)
            at = min(max(at + count, 0), 11)
            until_shown(live, lambda result: level(result) == at)  # noqa: B023


# --- pages -----------------------------------------------------------------------------------------------------------


def _pictures(folder: Path, sizes: Sequence[tuple[int, int]]) -> None:
    """Grey pictures of (height, width) each, whose level is ten times their number."""
    folder.mkdir(exist_ok=True)
    for number, size in enumerate(sizes):
        Image.fromarray(np.full((*size, 3), 10 * number, np.uint8)).save(folder / f"{number}.png")


def _page_of(result: Result) -> int:
    return round(float(result.frame.pixels.mean()) / 10)


def _live(folder: Path | str, engine: Engine) -> LiveSession:
    return LiveSession(str(folder), Settings(), load_engine=lambda settings, progress: engine)  # type: ignore[arg-type,return-value]


def test_a_folder_opens_as_pages_and_attention_never_crosses_from_one_to_the_next(tmp_path: Path) -> None:
    sizes = [(48, 64), (48, 64), (64, 48), (48, 64)]
    _pictures(tmp_path, sizes)
    engine = Engine()
    crossed: list[object] = []

    def fits(page: int, predicted: bool) -> Callable[[object], bool]:
        def check(result: Any) -> bool:
            if result.maps is not None and result.maps.prefix.flat[0] != _page_of(result):
                crossed.append(result)
            return _page_of(result) == page and (result.maps is not None) == predicted

        return check

    with _live(tmp_path, engine) as live:
        until_shown(live, fits(0, True))
        status = live.status()
        assert (status.page, status.paused) == ((0, 4), True)
        assert status.source_info is not None
        assert [page.path.name for page in status.source_info.pages] == [f"{n}.png" for n in range(4)]
        for step, page in ((1, 1), (1, 2), (5, 3), (-2, 1), (-5, 0), (2, 2)):
            engine.go.clear()
            live.step(step)
            until_shown(live, fits(page, False))  # by itself, until its own prediction is there
            engine.go.set()
            until_shown(live, fits(page, True))
            assert live.status().page == (page, 4)
            assert live.latest().frame.size == sizes[page], "in its own size"  # type: ignore[union-attr]
        live.seek(3)
        until_shown(live, fits(3, True))
    assert not crossed


def test_a_slide_show_turns_pages_on_request_and_skips_what_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtviz.live.playhead._SLIDE_SECONDS", 0.2)  # no page is over before it is seen
    _pictures(tmp_path, [(48, 64)] * 4)
    (tmp_path / "2.png").write_bytes(b"no picture")
    with _live(tmp_path, Engine()) as live:
        until_shown(live, lambda result: _page_of(result) == 0)
        live.pause(False)
        for page in (1, 3):
            until_shown(live, lambda result: _page_of(result) == page)  # noqa: B023
        status = until(live, lambda status: status.paused)  # at the end, without a loop
        assert status.page == (3, 4)
        assert any("2.png" in notice for notice in status.notices)
        live.step(-1)
        until_shown(live, lambda result: _page_of(result) == 1)
        live.set_loop(True)
        live.pause(False)
        until_shown(live, lambda result: _page_of(result) == 3)
        until_shown(live, lambda result: _page_of(result) == 0)


def test_several_pictures_are_pages_in_the_order_that_was_given(tmp_path: Path) -> None:
    _pictures(tmp_path, [(48, 64)] * 3)
    with _live(pages_of([tmp_path / "2.png", tmp_path / "0.png"]), Engine()) as live:
        until_shown(live, lambda result: _page_of(result) == 2)
        live.step(1)
        until_shown(live, lambda result: _page_of(result) == 0)
        assert live.status().page == (1, 2)


def test_a_folder_of_thousands_reads_the_first_picture_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pictures(tmp_path, [(48, 64)])
    for number in range(1, 3000):
        (tmp_path / f"{number}.png").symlink_to(tmp_path / "0.png")
    opened: list[Path] = []
    open_one = picture_file.PictureFile

    def counted(path: Path) -> picture_file.PictureFile:
        opened.append(path)
        return open_one(path)

    monkeypatch.setattr(picture_file, "PictureFile", counted)
    with _live(tmp_path, Engine()) as live:
        until_shown(live, lambda result: result.maps is not None)
        assert live.status().page == (0, 3000)
        live.seek(2999)
        until(live, lambda status: status.page == (2999, 3000) and len(opened) > 2)
    assert {path.name for path in opened} == {"0.png", "2999.png"}


def test_pages_of_a_document_have_their_own_sizes_and_floats_of_a_folder_one_range(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", size, (50, 50, 50)) for size in ((64, 48), (48, 64)))
    first.save(tmp_path / "scan.tif", save_all=True, append_images=[second])
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, highest in (("a.tif", 10), ("b.tif", 40)):
        levels = np.array([[0, highest / 2, highest]], np.float32)
        (folder / name).write_bytes(tiff((levels, {})))
    (folder / "c.tif").write_bytes((tmp_path / "scan.tif").read_bytes())
    with _live(tmp_path / "scan.tif", Engine()) as live:
        until_shown(live, lambda result: result.frame.size == (48, 64))
        live.step(1)
        until_shown(live, lambda result: result.frame.size == (64, 48) and result.frame.pixels.min() == 50)
    with _live(folder, Engine()) as live:
        until_shown(live, lambda result: result.frame.pixels[0, :, 0].tolist() == [0, 32, 64])
        live.step(1)
        until_shown(live, lambda result: result.frame.pixels[0, :, 0].tolist() == [0, 128, 255])
        until(live, lambda status: any("40 is white" in notice for notice in status.notices))

"""The live session: newest wins, changes show at once, nothing waits for the model, and everything closes."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from typing import Any

import numpy as np
import pytest
from live_fakes import LIMIT, Engine, Model, Recording, by_name, latest, maps_of, session, until, until_shown

from rtviz import views
from rtviz.errors import DeviceFailed, SettingsError, WeightsMissing
from rtviz.frame import Frame, Maps, Result
from rtviz.live.mailbox import LatestSlot
from rtviz.live.session import LiveSession, LiveStatus
from rtviz.markup import Note, Text
from rtviz.settings import Mark, Muted, Point, Settings
from rtviz.sources.faulty import FaultyCamera, number_of
from rtviz.views.hover import hover
from rtviz.views.requirements import fit, has_features


def test_a_mailbox_gives_the_newest_and_counts_the_rest() -> None:
    slot: LatestSlot[int] = LatestSlot()
    for number in range(5):
        slot.put(number)
    assert slot.take(0) == 4
    assert slot.skipped == 4
    assert slot.take(0) is None
    slot.put(5)
    slot.offer(6)
    assert slot.take(0) == 5


def test_closing_a_mailbox_releases_those_who_wait() -> None:
    slot: LatestSlot[int] = LatestSlot()
    taken: list[int | None] = []
    waiting = threading.Thread(target=lambda: taken.append(slot.take()))
    waiting.start()
    slot.close()
    waiting.join(LIMIT)
    assert taken == [None]


def test_a_mosaic_of_what_stands_still_is_drawn_as_large_as_the_canvas() -> None:
    with session(Recording([0.0]), settings=Settings(view="heads")) as live:
        live.shown_on((480, 700))
        result: Any = until_shown(live, lambda result: result.maps is not None and result.overlay.shape[0] == 480)
        assert (result.overlay.shape, result.frame.size) == ((480, 640, 3), (480, 640))
        assert views.tiles(result.frame.size, result.maps, result.settings)[0].box.height > 100
        live.update(Settings(view="heatmap"))
        until_shown(live, lambda result: result.settings.view == "heatmap" and result.overlay.shape == (48, 64, 3))


def test_a_camera_of_500_fps_and_a_slow_engine_hold_few_frames_and_show_the_newest() -> None:
    camera = FaultyCamera(fps=500, size=(48, 96))
    alive = most = 0

    def gone() -> None:
        nonlocal alive
        alive -= 1

    open_camera = camera.open

    def watched(place: str, **part: Any) -> Any:
        source = open_camera(place)
        pictures = source.pictures

        def counted() -> Any:
            nonlocal alive, most
            for pixels in pictures():
                weakref.finalize(pixels, gone)
                alive += 1
                most = max(most, alive)
                yield pixels

        source.pictures = counted  # type: ignore[method-assign]
        return source

    engine = Engine()
    pause = threading.Event()
    engine.before = lambda: pause.wait(0.2)  # a slow model, without a sleep
    with session(camera, engine, open_source=watched, past_mb=0) as live:
        until(live, lambda status: status.camera_fps > 200 and camera.frames > 800)
        result = live.latest()
        assert result is not None
        behind = camera.frames - number_of(result.frame.pixels)
        status = live.status()
        assert behind < 60, "what is shown is not the newest"
        assert status.skipped <= camera.frames
    # Whatever the rate: the shots of the mailboxes, of the last drawn results, and of what is being worked on.
    assert most < 40
    del result
    gc.collect()
    assert camera.frames > 800


def test_a_change_shows_at_once_while_the_model_is_busy() -> None:
    camera = FaultyCamera(fps=30, size=(96, 128))
    engine = Engine()
    with session(camera, engine, mode="locked") as live:
        until_shown(live, lambda result: result.maps is not None)
        engine.in_pass.clear()
        engine.go.clear()
        assert engine.in_pass.wait(LIMIT)
        passes = engine.passes
        waits = []
        for number in range(20):
            wanted = Settings(head=number % 4, opacity=0.3 + 0.02 * number)
            start = time.monotonic()
            live.update(wanted)
            shown = until_shown(live, lambda result: result.settings == wanted)  # noqa: B023
            waits.append(time.monotonic() - start)
            assert shown.maps is not None
        assert engine.passes == passes, "a change of drawing has run the model"
        assert sorted(waits)[len(waits) // 2] < 0.05, waits
        engine.go.set()


@pytest.mark.parametrize("mode", ["locked", "smooth"])
def test_a_change_shows_while_paused_and_without_the_model(mode: str) -> None:
    engine = Engine()
    camera = FaultyCamera(fps=60, size=(96, 128))
    with session(camera, engine, mode=mode) as live:
        until_shown(live, lambda result: result.maps is not None)
        live.pause()
        paused_at = camera.frames
        # One frame may have been on its way to the screen.
        until(live, lambda status: status.source_state == "paused" and camera.frames > paused_at + 2)
        held = _settled(live)
        passes = engine.passes
        live.update(Settings(head=2, layer=1))
        shown = until_shown(live, lambda result: result.settings.head == 2)
        assert shown.frame is held.frame
        assert engine.passes == passes
        live.pause(False)
        until_shown(live, lambda result: result.frame is not held.frame)


def _settled(live: LiveSession) -> Result:
    """The result once the held frame, which is the newest, has its own attention."""
    newest = live.status().position_seconds
    return until_shown(
        live,
        lambda result: result.frame.pts_seconds == newest and maps_of(result).prefix[0, 0, 0] == result.frame.index,
    )


def test_locked_never_shows_attention_of_another_frame() -> None:
    seen: list[tuple[int, int]] = []
    with session(FaultyCamera(fps=120, size=(48, 96)), mode="locked") as live:

        def note(status: object) -> bool:
            result = live.latest()
            if result is not None and result.maps is not None:
                seen.append((result.frame.index, int(maps_of(result).prefix[0, 0, 0])))
            return len({frame for frame, _ in seen}) > 20

        assert live.wait_for(note, LIMIT)
    assert all(frame == predicted for frame, predicted in seen)


def test_smooth_shows_every_frame_with_the_newest_attention() -> None:
    engine = Engine()
    pause = threading.Event()
    engine.before = lambda: pause.wait(0.1)
    with session(FaultyCamera(fps=60, size=(48, 96)), engine, mode="smooth") as live:
        until_shown(live, lambda result: result.maps is not None)
        ahead = until_shown(live, lambda result: result.maps and result.frame.index > result.maps.prefix[0, 0, 0] + 1)
        assert ahead.maps is not None
        assert np.isfinite(ahead.maps.attention).all()
        status = until(live, lambda status: status.camera_fps > 20)
        live.shown(ahead)
        assert status.attention_fps < status.camera_fps


def test_another_query_needs_no_other_pass_also_when_paused() -> None:
    engine = Engine()
    with session(FaultyCamera(fps=60, size=(96, 128)), engine) as live:
        until_shown(live, lambda result: result.maps is not None)
        live.pause()
        last = live.counts()[0] - 1  # nothing is delivered any more
        held = until_shown(live, lambda result: result.frame.index == maps_of(result).prefix[0, 0, 0] == last)
        passes = engine.passes
        engine.go.clear()  # another pass would never end
        live.update(Settings(query=Point(0.25, 0.5)))
        shown = until_shown(live, lambda result: maps_of(result).query == Point(0.25, 0.5))
        assert shown.frame is held.frame
        assert engine.passes == passes
        engine.go.set()
        live.update(Settings(query=Point(0.25, 0.5), resolution=448))
        until(live, lambda status: engine.passes == passes + 1)


def test_similarity_asks_what_is_under_the_pointer_in_every_pane_without_a_pass() -> None:
    engines = {name: Engine(Model(name)) for name in ("tiny", "small")}
    settings = Settings(model="tiny", compare=("small",), view="similarity")
    with session(Recording([0.0]), settings=settings, load_engine=by_name(engines)) as live:

        def queries(result: Any) -> list[object]:
            return [pane.result.maps.query for pane in result.panes if pane.result.maps is not None]

        until_shown(live, lambda result: queries(result) == ["cls", "cls"])
        until(live, lambda status: engines["tiny"].passes and engines["small"].passes)
        for engine in engines.values():
            engine.go.clear()  # another pass would never end
        under, pinned = Point(0.25, 0.75), Point(0.9, 0.1)
        for point in (under, Point(0.5, 0.5)):
            live.point(point)
            until_shown(live, lambda result: queries(result) == [point, point])  # noqa: B023
        assert live.settings == settings, "what was asked for is as it was"
        live.update(settings.replace(query=pinned))
        until_shown(live, lambda result: queries(result) == [pinned, pinned])
        live.point(under)
        live.update(settings)
        until_shown(live, lambda result: queries(result) == [under, under])
        live.point(None)
        until_shown(live, lambda result: queries(result) == ["cls", "cls"])
        live.point(under)
        live.update(settings.replace(view="mask"))
        until_shown(live, lambda result: result.settings.view == "mask" and queries(result) == ["cls", "cls"])
        for engine in engines.values():
            engine.go.set()


def test_refitting_forgets_the_range_of_the_colours() -> None:
    engine = Engine()
    with session(Recording([0.0, 0.02]), engine, settings=Settings(normalization="steady")) as live:
        until_shown(live, lambda result: result.maps is not None and result.frame.index == 1)
        until_shown(live, lambda result: maps_of(result).prefix[0, 0, 0] == 1)
        engine.peak = 0.09  # the next pass sees a tenth of the contrast, in the same frame
        live.update(live.settings.replace(resolution=448))
        dim = until_shown(live, lambda result: maps_of(result).input_size == (448, 448))
        live.refit()
        again = until_shown(live, lambda result: result is not dim)
        assert int(again.overlay.max()) > int(dim.overlay.max()) + 50


def test_refitting_forgets_the_range_of_the_colours_in_every_pane() -> None:
    engines = {name: Engine(Model(name)) for name in ("first", "other")}
    settings = Settings(model="first", compare=("other",), normalization="steady")

    def sizes(result: Any) -> list[Any]:
        return [pane.result.maps.input_size if pane.result.maps else None for pane in result.panes]

    with session(Recording([0.0]), settings=settings, load_engine=by_name(engines)) as live:
        until_shown(live, lambda result: sizes(result) == [(224, 224)] * 2)
        for engine in engines.values():
            engine.peak = 0.09  # the next pass finds a tenth of the contrast, in the same frame
        live.update(settings.replace(resolution=448))
        dim: Any = until_shown(live, lambda result: sizes(result) == [(448, 448)] * 2)
        live.refit()
        again: Any = until_shown(live, lambda result: result is not dim)
        for before, after in zip(dim.panes, again.panes, strict=True):
            assert int(after.result.overlay.max()) > int(before.result.overlay.max()) + 50


def test_another_model_loads_while_the_old_one_goes_on() -> None:
    first, second = Engine(Model("first")), Engine(Model("second", heads=2))
    release, loading = threading.Event(), threading.Event()

    def load(settings: Settings, progress: Any) -> Engine:
        if settings.model != "second":
            return first
        progress("second", 10, 100)
        loading.set()
        release.wait(LIMIT)
        return second

    with session(FaultyCamera(fps=60, size=(48, 96)), load_engine=load) as live:
        until(live, lambda status: status.model_name == "first")
        live.update(Settings(model="second", head=3))
        assert loading.wait(LIMIT)
        status = until(live, lambda status: status.model_state == "loading" and status.model_progress)
        assert status.model_progress == (10, 100)
        assert status.model_name == "first"
        passes = first.passes
        until(live, lambda status: first.passes > passes + 2)
        release.set()
        until(live, lambda status: status.model_state == "ready" and status.model_name == "second")
        # The second has two heads only: the nearest is shown, and the result says so.
        shown = until_shown(live, lambda result: result.maps and result.maps.model == "second")
        assert shown.settings.head == 1


def test_a_model_that_replaces_another_during_a_pass_gets_none_of_its_maps() -> None:
    engines = {name: Engine(Model(name)) for name in ("first", "second")}
    with session(
        FaultyCamera(fps=60, size=(48, 96)), settings=Settings(model="first"), load_engine=by_name(engines)
    ) as live:
        until_shown(live, lambda result: result.maps is not None)
        engines["first"].in_pass.clear()
        engines["first"].go.clear()
        assert engines["first"].in_pass.wait(LIMIT)
        live.update(Settings(model="second"))
        until(live, lambda status: status.first_name == "second")
        engines["first"].go.set()
        until_shown(live, lambda result: result.maps and result.maps.model == "second")
        assert engines["second"].followed == {"second"}


def test_maps_of_the_model_before_are_not_given_the_name_of_the_new_one() -> None:
    engines = {name: Engine(Model(name)) for name in ("first", "second", "other")}
    requested = Settings(model="first", compare=("other",))
    with session(FaultyCamera(fps=60, size=(48, 96)), settings=requested, load_engine=by_name(engines)) as live:
        until_shown(live, lambda result: len(result.panes) == 2 and all(pane.result.maps for pane in result.panes))
        engines["second"].go.clear()
        live.update(requested.replace(model="second"))
        assert engines["second"].in_pass.wait(LIMIT)
        index = latest(live).frame.index + 2  # of a frame that is drawn from now on
        shown = until_shown(live, lambda result: result.frame.index > index and result.panes[0].result.maps)
        assert shown.panes[0].result.maps.model == "first"  # type: ignore[union-attr]
        assert titles(shown) >= {"first", "other"}
        engines["second"].go.set()
        until_shown(live, lambda result: titles(result) >= {"second", "other"})


def test_until_a_new_model_has_predicted_the_status_is_of_the_one_on_screen() -> None:
    engines = {name: Engine(Model(name, layers=layers)) for name, layers in (("first", 3), ("second", 2))}
    requested = Settings(model="first")
    with session(FaultyCamera(fps=60, size=(48, 96)), settings=requested, load_engine=by_name(engines)) as live:
        until_shown(live, lambda result: result.maps is not None)
        engines["second"].go.clear()
        live.update(requested.replace(model="second"))
        assert engines["second"].in_pass.wait(LIMIT)
        status = live.status()
        assert (status.model_name, status.layers, status.first_name) == ("first", 3, "second")
        engines["second"].go.set()
        until_shown(live, lambda result: result.maps is not None and result.maps.model == "second")
        status = live.status()
        assert (status.model_name, status.layers) == ("second", 2)


def test_a_new_model_that_fails_is_named_with_its_failure() -> None:
    engines = {"first": Engine(Model("first")), "second": Engine(Model("second"), errors=[ValueError("broken")] * 99)}
    requested = Settings(model="first")
    with session(FaultyCamera(fps=60, size=(48, 96)), settings=requested, load_engine=by_name(engines)) as live:
        until_shown(live, lambda result: result.maps is not None)
        live.update(requested.replace(model="second"))
        status = until(live, lambda status: status.model_state == "failed")
        assert "broken" in status.model_sentence
        assert status.model_name == "second"


def titles(result: Result) -> set[str]:
    notes = [one for one in result.annotations if isinstance(one, Note)]
    return {part.text for note in notes for part in note.parts if isinstance(part, Text)}


def test_a_device_that_fails_is_replaced_by_the_cpu_for_every_model() -> None:
    def load(settings: Settings, progress: Any) -> Engine:
        if settings.device != "cpu":
            raise DeviceFailed("cuda has no memory left")
        return Engine(Model(settings.model or "first"))

    settings = Settings(device="cuda", compare=("other",))
    with session(FaultyCamera(fps=60, size=(48, 96)), load_engine=load, settings=settings) as live:
        status = until(live, lambda status: [pane.state for pane in status.panes] == ["ready"])
        assert status.model_state == "ready"
        assert status.model_sentence == "cuda has no memory left; going on with the CPU"
        assert status.model_sentence in status.notices


def test_a_model_that_is_loaded_later_takes_over_the_marked_objects() -> None:
    """The next model, and one in a pane of its own; the first one finds the marked objects itself."""
    engines = {name: Engine(Model(name or "first")) for name in (None, "beside", "next")}
    marked = Settings(view="track", track=(Mark(0.5, 0.5),))
    camera = FaultyCamera(fps=60, size=(48, 96))
    with session(camera, load_engine=lambda settings, progress: engines[settings.model], settings=marked) as live:
        until_shown(live, lambda result: result.maps and result.maps.labels is not None)
        live.update(marked.replace(compare=("beside",)))
        until(live, lambda status: [pane.state for pane in status.panes] == ["ready"])
        live.update(marked.replace(model="next"))
        until(live, lambda status: status.model_name == "next")
    assert engines[None].adopted == []
    for name in ("beside", "next"):
        ((settings, maps),) = engines[name].adopted
        assert settings.track == marked.track
        assert maps is not None
        assert maps.model == "first"
        assert maps.labels is not None


def test_a_download_can_be_cancelled() -> None:
    ended, loading = threading.Event(), threading.Event()

    def load(settings: Settings, progress: Any) -> Engine:
        try:
            while True:
                progress("weights", 1, 2)
                loading.set()
                ended.wait(0.01)
        finally:
            ended.set()

    with session(FaultyCamera(fps=60, size=(48, 96)), load_engine=load) as live:
        assert loading.wait(LIMIT)
        live.cancel_loading()
        assert ended.wait(LIMIT)
        status = until(live, lambda status: status.model_state == "none")
        assert "cancelled" in status.model_sentence
        until_shown(live, lambda result: result.settings.view == "none")


def test_a_model_that_fails_leaves_the_one_before_and_says_why() -> None:
    good = Engine(Model("good"))

    def load(settings: Settings, progress: Any) -> Engine:
        if settings.model == "bad":
            raise WeightsMissing("the weights of bad are not here")
        return good

    with session(FaultyCamera(fps=60, size=(48, 96)), load_engine=load) as live:
        until(live, lambda status: status.model_state == "ready")
        live.update(Settings(model="bad"))
        status = until(live, lambda status: status.model_state == "failed")
        assert status.model_sentence == "the weights of bad are not here"
        assert status.model_name == "good"
        passes = good.passes
        until(live, lambda status: good.passes > passes)


def test_a_first_model_that_fails_is_replaced_by_the_one_that_needs_nothing() -> None:
    def load(settings: Settings, progress: Any) -> Engine:
        if settings.model == "bad":
            raise WeightsMissing("the weights of bad are not here")
        assert settings.model is None
        return Engine(Model("embedded"))

    with session(FaultyCamera(fps=60, size=(48, 96)), load_engine=load, settings=Settings(model="bad")) as live:
        status = until(live, lambda status: status.model_state == "ready")
        assert status.model_name == "embedded"
        assert "the weights of bad are not here" in status.model_sentence


@pytest.mark.parametrize("failing", [0, 1])
def test_the_first_and_any_other_model_recovers_after_a_failed_pass(failing: int) -> None:
    engines = {name: Engine(Model(name)) for name in ("first", "other")}
    settings = Settings(model="first", compare=("other",))

    def state(status: LiveStatus) -> tuple[str, str]:
        first = (status.model_state, status.model_sentence)
        return [first, *((pane.state, pane.sentence) for pane in status.panes)][failing]

    def maps(result: Any) -> Any:
        return result.panes[failing].result.maps if result.panes else None

    with session(FaultyCamera(fps=60, size=(48, 96)), settings=settings, load_engine=by_name(engines)) as live:
        until_shown(live, lambda result: maps(result) is not None)
        list(engines.values())[failing].errors += [DeviceFailed("cuda is out of memory")]
        until(live, lambda status: state(status) == ("failed", "cuda is out of memory"))
        until_shown(live, lambda result: maps(result) is None)  # the picture goes on without attention
        until(live, lambda status: state(status) == ("ready", ""))
        until_shown(live, lambda result: maps(result) is not None)


def test_a_model_that_fails_on_a_held_picture_tries_it_again() -> None:
    engine = Engine()
    with session(Recording([0.0]), engine) as live:
        until_shown(live, lambda result: result.maps is not None)
        engine.errors += [DeviceFailed("cuda is out of memory")]
        live.update(live.settings.replace(resolution=448))
        until(live, lambda status: status.model_state == "failed")
        until_shown(live, lambda result: result.maps is not None and result.maps.input_size == (448, 448))


def test_a_failing_model_does_not_hold_up_the_others() -> None:
    engines = {name: Engine(Model(name)) for name in ("first", "other")}
    engines["first"].errors += [DeviceFailed("cuda is out of memory")] * 1000
    settings = Settings(model="first", compare=("other",))
    with session(FaultyCamera(fps=60, size=(48, 96)), settings=settings, load_engine=by_name(engines)) as live:
        until(live, lambda status: status.model_state == "failed" and engines["other"].passes > 20)
        assert engines["first"].passes < 10


def test_frames_show_before_the_model_is_there() -> None:
    release = threading.Event()

    def load(settings: Settings, progress: Any) -> Engine:
        release.wait(LIMIT)
        return Engine()

    with session(FaultyCamera(fps=60, size=(48, 96)), load_engine=load) as live:
        shown = until_shown(live, lambda result: True)
        assert shown.settings.view == "none"
        assert live.status().model_state == "loading"
        release.set()
        until_shown(live, lambda result: result.settings.view == "heatmap")


def test_the_first_camera_that_works_else_the_scene() -> None:
    camera = FaultyCamera(fps=60, size=(48, 96))
    opened = []

    def open_source(place: str, **part: Any) -> Any:
        opened.append(place)
        if place != "scene:":
            raise DeviceFailed(f"{place} is busy")
        return camera.open()

    def find() -> list[str]:
        return ["camera:0", "camera:1", "scene:"]

    with session(camera, open_source=open_source, find_places=find) as live:
        live.open(None)
        until(live, lambda status: status.source_state == "live")
    assert [place for place in opened if place != "fake:"] == ["camera:0", "camera:1", "scene:"]


@pytest.mark.parametrize("state", ["fresh", "reading hangs", "opening hangs", "loading hangs", "looking hangs", "past"])
def test_closing_takes_less_than_three_seconds_in_every_state(state: str) -> None:
    release = threading.Event()
    camera = FaultyCamera(fps=60, size=(48, 96))
    engine = Engine()
    options: dict[str, Any] = {}
    if state == "opening hangs":
        options["open_source"] = lambda place, **part: release.wait(LIMIT) and camera.open()
    if state == "loading hangs":
        options["load_engine"] = lambda settings, progress: release.wait(LIMIT) and engine
    live = session(camera, engine, **options)
    if state != "fresh":
        live.start()
    if state == "reading hangs":
        until(live, lambda status: status.source_state == "live")
        camera.freeze_reads()
        until(live, lambda status: status.source_state in ("stalled", "reconnecting"))
    if state == "looking hangs":
        until_shown(live, lambda result: result.maps is not None)
        engine.go.clear()
        engine.in_pass.clear()
        assert engine.in_pass.wait(LIMIT)
    if state == "past":
        until(live, lambda status: status.recorder_seconds > 0.2)
        live.rewind(0.1)
        until(live, lambda status: status.past_seconds is not None)
    start = time.monotonic()
    live.close()
    live.close()
    took = time.monotonic() - start
    release.set()
    engine.go.set()
    camera.let_go()
    assert took < 3.0


def test_hovering_gives_the_attention_of_the_patch() -> None:
    attention = np.full((1, 2, 2, 4), 0.05, np.float32)
    attention[0, 1, 1, 3] = 0.4
    maps = Maps(attention, np.zeros((1, 2, 1), np.float32), "cls", "tiny", 16, (32, 64))
    frame = Frame(np.zeros((20, 40, 3), np.uint8))
    found = hover(Result(frame.pixels, frame, maps, Settings(head=1)), 0.99, 0.75)
    assert found is not None
    assert (found.row, found.column) == (1, 3)
    assert found.value == pytest.approx(0.4)
    assert found.share == pytest.approx(0.4 / 0.75)
    assert found.times_uniform == pytest.approx(8 * 0.4 / 0.75)
    assert hover(Result(frame.pixels, frame, None, Settings()), 0.5, 0.5) is None
    assert hover(Result(frame.pixels, frame, maps, Settings()), 1.2, 0.5) is None


def test_settings_are_brought_to_what_the_maps_have() -> None:
    maps = Engine()._maps(Frame(np.zeros((4, 4, 3), np.uint8)), Settings())
    assert fit(Settings(layer=11, head=9), maps) == Settings(layer=2, head=3)
    assert fit(Settings(layer=-8), maps).layer == 0
    assert fit(Settings(layer=1, head="max"), maps) == Settings(layer=1, head="max")
    assert fit(Settings(), None).view == "none"


@pytest.mark.parametrize("name", views.names())
def test_every_view_has_something_to_draw_while_what_it_needs_is_on_its_way(name: str) -> None:
    """The maps are those of the forward pass before, for the heatmap."""
    frame = Frame(np.zeros((24, 32, 3), np.uint8))
    maps = Engine()._maps(frame, Settings())
    assert not has_features(maps, Settings(view=name)) or not views.find(name).needs - {
        "attention",
        "unablated",
        "labels",
    }
    assert views.draw(frame, maps, fit(Settings(view=name, mute=(Muted(0, 0, 1),)), maps)).shape == (24, 32, 3)


def test_an_unknown_mode_is_refused() -> None:
    with session(Recording([0.0])) as live, pytest.raises(SettingsError, match="locked, smooth"):
        live.set_mode("quick")

"""The figures of the live bench, on fakes."""

from __future__ import annotations

from typing import Any

from live_fakes import QUICK, Engine, Model, loads

from rtviz.bench import bench_live
from rtviz.errors import SourceUnreadable
from rtviz.live.session import LiveSession
from rtviz.settings import Settings
from rtviz.sources.faulty import FaultyCamera


def test_the_figures_of_a_paced_camera() -> None:
    camera = FaultyCamera(fps=40, size=(96, 128))

    def session(place: str, settings: Any, **more: Any) -> LiveSession:
        return LiveSession(place, settings, open_source=camera.open, load_engine=loads(lambda *_: Engine()), **more)

    figures = bench_live("faulty:", seconds=2.5, warm_up_seconds=0.2, session=session)
    assert 20 < figures.camera_fps < 45
    assert 10 < figures.shown_fps < 65  # the canvas looks 60 times a second
    assert 0 < figures.age_p50_ms <= figures.age_p95_ms < 1000
    assert figures.changes_p50_ms > 0
    assert figures.model == "tiny"
    assert abs(figures.memory_growth_mb) < 100
    assert figures.to_mapping()["mode"] == "smooth"
    assert len(figures.lines()) == 5


def test_a_source_that_cannot_be_opened_is_said_and_not_waited_for() -> None:
    def refuse(place: str, **part: Any) -> Any:
        raise SourceUnreadable(f"{place} is no video")

    def session(place: str, settings: Any, **more: Any) -> LiveSession:
        return LiveSession(
            place, settings, open_source=refuse, load_engine=loads(lambda *_: Engine()), timeouts=QUICK, **more
        )

    figures = bench_live("clip.mp4", seconds=0.1, warm_up_seconds=0.0, session=session)
    assert figures.shown_fps == 0
    assert figures.lines()[-1] == "clip.mp4 is no video"


def test_every_model_beside_the_first_has_its_own_rate() -> None:
    camera = FaultyCamera(fps=40, size=(96, 128))

    def session(place: str, settings: Any, **more: Any) -> LiveSession:
        return LiveSession(
            place,
            settings,
            open_source=camera.open,
            load_engine=loads(lambda one, _: Engine(Model(str(one.model)))),
            **more,
        )

    settings = Settings(model="tiny", compare=("small", "large"))
    figures = bench_live("faulty:", settings, seconds=1.5, warm_up_seconds=0.2, session=session)
    assert [name for name, _ in figures.compared] == ["small", "large"]
    assert all(fps > 0 for _, fps in figures.compared)
    assert "small" in figures.lines()[2]
    assert "large" in figures.lines()[3]

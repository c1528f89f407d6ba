"""The offline pipeline: every frame once, in order, bounded memory, and nothing lost when a stage fails."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

import rtviz
from rtviz.engine.engine import Engine
from rtviz.errors import AttentionCaptureError, DeviceFailed, SourceLost, SourceUnreadable
from rtviz.frame import Frame, Maps, Pixels
from rtviz.models.model import Model
from rtviz.offline.pipeline import export, render
from rtviz.settings import OutputSettings, Settings
from rtviz.sources import SourceInfo, open_source

TINY = "random:vit_tiny_patch16_224"
SETTINGS = Settings(model=TINY, resolution=64, precision="fp32", device="cpu")


class Numbered:
    """A source whose frames carry their own number as grey level, with uneven timestamps."""

    def __init__(self, count: int, fail_at: int | None = None, size: tuple[int, int] = (48, 64)) -> None:
        self.info = SourceInfo(
            name="numbered", kind="video", size=size, fps=30.0, duration_seconds=None, frame_count=count, live=False
        )
        self.warnings: list[str] = []
        self.delivered = 0
        self._count = count
        self._fail_at = fail_at

    def __iter__(self) -> Iterator[Frame]:
        pts_seconds = 0.0
        for index in range(self._count):
            if index == self._fail_at:
                raise SourceLost(f"numbered stopped at frame {index}")
            self.delivered += 1
            yield Frame(np.full((*self.info.size, 3), index % 256, np.uint8), index, pts_seconds)
            pts_seconds += 1 / 30 if index % 3 else 1 / 10

    def close(self) -> None:
        pass

    def __enter__(self) -> Numbered:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


@pytest.fixture(scope="module")
def model() -> Model:
    return rtviz.load(TINY, device="cpu", precision="fp32", resolution=64)


class Forgetful:
    """A model on a device whose memory holds `room` frames; everything else it leaves to the real model."""

    def __init__(self, model: Model, room: int, device: str = "cuda:0") -> None:
        self._model, self._room, self.device = model, room, device
        self.batches: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def batch(self, frames: Sequence[Pixels], *arguments: Any, **more: Any) -> list[Maps]:
        if len(frames) > self._room:
            raise DeviceFailed("out of memory")
        self.batches.append(len(frames))
        return self._model.batch(frames, *arguments, **more)

    def to(self, device: str) -> Forgetful:
        return Forgetful(self._model, 10**6, device)


def forgetful_engine(model: Forgetful) -> Engine:
    return Engine(cast(Model, model))


def grey_levels(path: Path) -> list[int]:
    with open_source(str(path)) as source:
        return [round(float(frame.pixels.mean())) for frame in source]


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_every_frame_comes_out_once_in_order_whatever_the_batch(tmp_path: Path, model: Model, batch: int) -> None:
    source = Numbered(20)
    report = render(
        source,
        tmp_path / "out.mkv",
        Engine(model),
        SETTINGS.replace(opacity=0),
        OutputSettings(batch=batch, quality=95),
    )
    assert report.frames_in == report.frames_out == 20
    levels = grey_levels(tmp_path / "out.mkv")
    # Limited-range H.264 of dark greys is not exact; the order and the count are.
    assert len(levels) == 20
    assert all(second >= first for first, second in itertools.pairwise(levels))
    assert levels[-1] > levels[0] + 10


def test_passes_side_by_side_see_what_one_pass_sees_in_order_while_sizes_change(model: Model) -> None:
    random = np.random.default_rng(0)
    sizes = [(48, 64), (48, 64), (48, 64), (64, 48), (48, 64), (48, 64), (40, 40)]
    batches = [[Frame(random.integers(0, 255, (*size, 3), np.uint8)) for _ in range(2)] for size in sizes]
    threads = torch.get_num_threads()
    together = list(Engine(model).predict_all(iter(batches), SETTINGS))
    assert torch.get_num_threads() == threads
    assert [frame for frame, _ in together] == [frame for batch in batches for frame in batch]
    for frame, maps in together:
        np.testing.assert_allclose(maps.attention, model(frame).attention, atol=1e-5)


def test_a_pass_that_fails_beside_others_is_raised_where_the_frames_are_asked_for(model: Model) -> None:
    class Failing(Forgetful):
        def batch(self, frames: Sequence[Pixels], *arguments: Any, **more: Any) -> list[Maps]:
            if frames[0].max() == 7:
                raise AttentionCaptureError("frame 7")
            return super().batch(frames, *arguments, **more)

    batches = ([Frame(np.full((48, 64, 3), level, np.uint8))] for level in range(12))
    seen = forgetful_engine(Failing(model, 8, "cpu")).predict_all(batches, SETTINGS)
    assert [int(frame.pixels.max()) for frame, _ in itertools.islice(seen, 7)] == list(range(7))
    with pytest.raises(AttentionCaptureError, match="frame 7"):
        next(seen)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("rtviz-forward")]


@pytest.mark.parametrize("device", ["cuda:0", "cpu"])
@pytest.mark.parametrize("room", [4, 2, 1])
def test_out_of_device_memory_halves_the_batch_and_loses_no_frame(
    tmp_path: Path, model: Model, room: int, device: str
) -> None:
    cramped = Forgetful(model, room, device)
    report = render(Numbered(17), tmp_path / "out.mkv", forgetful_engine(cramped), SETTINGS, OutputSettings(batch=8))
    assert report.frames_out == 17
    assert sum(cramped.batches) == 17
    assert max(cramped.batches) == room
    assert any("halv" in warning or "batches of" in warning for warning in report.warnings)


def test_with_no_device_memory_at_all_the_cpu_goes_on(tmp_path: Path, model: Model) -> None:
    report = render(
        Numbered(5), tmp_path / "out.mkv", forgetful_engine(Forgetful(model, 0)), SETTINGS, OutputSettings(batch=4)
    )
    assert report.frames_out == 5
    assert report.device == "cpu"
    assert any("CPU" in warning for warning in report.warnings)


def test_a_number_format_that_overflows_is_left_between_passes_and_said(tmp_path: Path) -> None:
    model = rtviz.load("random:vit_tiny_patch16_224", device="cpu", precision="fp16", resolution=32)
    with torch.no_grad():
        for block in model.network.blocks[4:6]:
            block.mlp.fc2.bias.fill_(60000)
    with open_source("scene:?seed=2&size=64x48&seconds=0.5") as source:
        report = render(source, tmp_path / "out.mp4", Engine(model), Settings(resolution=32), OutputSettings(batch=1))
    assert report.frames_out == 15
    assert report.precision == "bf16"
    assert sum("leaves the range of fp16" in warning for warning in report.warnings) == 1


def test_passes_that_run_out_of_memory_together_move_the_model_once(model: Model) -> None:
    together = threading.Barrier(2, timeout=20)

    class Full(Forgetful):
        def batch(self, frames: Sequence[Pixels], *arguments: Any, **more: Any) -> list[Maps]:
            together.wait()
            return super().batch(frames, *arguments, **more)

    engine = forgetful_engine(Full(model, 0))
    frames = [Frame(np.full((48, 64, 3), level, np.uint8)) for level in (40, 80)]
    seen = list(engine.predict_all([[frame] for frame in frames], SETTINGS))
    assert [frame for frame, _ in seen] == frames
    (moved,) = engine.models
    assert moved.device == "cpu"
    assert len(engine.notices) == 1


@pytest.mark.parametrize(("part", "frames"), [({}, 60), ({"end": 0.5}, 15), ({"every": 20}, 3)])
def test_a_model_hears_how_many_frames_a_render_has_for_it_before_the_first(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch, part: dict[str, Any], frames: int
) -> None:
    asked = []
    monkeypatch.setattr(
        model,
        "compile",
        lambda frame, count, resolution, features, frames, kept_layers: asked.append(
            (frame.any(), count, features, frames)
        ),
    )
    output = OutputSettings(batch=2, **part)
    with open_source("scene:?seed=2&size=64x48&seconds=2", end=output.end, every=output.every) as source:
        settings = Settings(resolution=32, view="similarity")
        render(source, tmp_path / "out.mp4", Engine(model), settings, output)
    assert asked == [(True, 2, {"keys"}, frames)]


def test_a_source_that_stops_midway_leaves_no_final_file_but_what_was_written(tmp_path: Path, model: Model) -> None:
    from rtviz.sinks import leftover

    with pytest.raises(SourceLost, match="frame 12"):
        render(Numbered(30, fail_at=12), tmp_path / "out.mkv", Engine(model), SETTINGS)
    assert not (tmp_path / "out.mkv").exists()
    rest = leftover(tmp_path / "out.mkv")
    assert rest is not None
    assert len(grey_levels(rest)) == 12  # everything that came before the end


def test_an_empty_source_is_an_error_and_writes_nothing(tmp_path: Path, model: Model) -> None:
    with pytest.raises(SourceUnreadable, match="no frames"):
        render(Numbered(0), tmp_path / "out.mp4", Engine(model), SETTINGS)
    assert list(tmp_path.iterdir()) == []


def test_no_thread_outlives_a_job_that_failed(tmp_path: Path, model: Model) -> None:
    before = set(threading.enumerate())
    with pytest.raises(SourceLost):
        render(Numbered(200, fail_at=3), tmp_path / "out.mkv", Engine(model), SETTINGS)
    assert [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("rtviz")] == []


def test_a_slow_end_holds_the_source_back(tmp_path: Path, model: Model) -> None:
    """Bounded memory: the source may be ahead of the writing by the belts' length and no more."""
    source = Numbered(120)
    ahead = []
    done = 0

    def on_frame(count: int) -> None:
        nonlocal done
        done += count
        ahead.append(source.delivered - done)

    render(source, tmp_path / "out.mkv", Engine(model), SETTINGS, OutputSettings(batch=2), on_frame)
    assert done == 120
    # decoded (2 x 2) + a batch in hand (2) + one waiting (1) + seen (2 x 2) + drawn (4) + one in each stage (3), and in
    # the lanes a batch (2) each, of which there are four at most, and two more that wait or are done
    assert max(ahead) <= 18 + 6 * 2


def test_a_view_that_needs_no_model_runs_without_one(tmp_path: Path) -> None:
    report = render(Numbered(4), tmp_path / "out.mkv", Engine(), Settings(view="none"))
    assert report.frames_out == 4
    assert report.model is None


def test_export_holds_the_same_maps_as_the_model_gives(tmp_path: Path, model: Model) -> None:
    import zarr

    export(Numbered(7), tmp_path / "maps.zarr", Engine(model), SETTINGS, OutputSettings(batch=3))
    stored = zarr.open_group(tmp_path / "maps.zarr", mode="r")
    attention, pts_seconds = stored["attention"], stored["pts_seconds"]
    assert isinstance(attention, zarr.Array)
    assert isinstance(pts_seconds, zarr.Array)
    assert attention.shape[0] == 7
    assert attention.dtype == np.float16
    for index in (0, 6):
        expected = model(np.full((48, 64, 3), index, np.uint8)).attention
        np.testing.assert_allclose(np.asarray(attention[index]), expected, atol=1e-3)
    assert pts_seconds[6] == pytest.approx(4 / 30 + 2 / 10)

"""What each stage of a render takes for large frames, alone: reading, resizing, the forward pass, drawing, writing."""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rtviz
from benches.frames import with_heads
from benches.turns import CLOCKS
from rtviz.engine.engine import Engine
from rtviz.offline import pipeline
from rtviz.settings import OutputSettings, Settings
from rtviz.sinks import open_sink
from rtviz.sources import open_source

SIZES = {"640x360": (360, 640), "1920x1080": (1080, 1920), "3840x2160": (2160, 3840)}  # (height, width)


def stages(options: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds a frame of each stage, one after the other, on a drawn clip. A render runs them side by side."""
    model: Any = with_heads(rtviz.load(options.model, device=options.device, resolution=options.resolution))
    settings = Settings(view=options.view, resolution=options.resolution)
    rows: dict[str, Any] = {}
    for name, size in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            taken = _measured(model, settings, options, size, Path(folder))
        spent = {stage: round(statistics.median(series) * 1000, 2) for stage, series in taken.items()}
        limit = max(spent, key=lambda stage: spent[stage])
        rows[f"{name}, ms a frame"] = {**spent, "the most": limit}
    return {"model": f"{model.name} on {model.device}, {model.runs_in}, view {options.view}", **rows}


def _measured(
    model: Any, settings: Settings, options: argparse.Namespace, size: tuple[int, int], folder: Path
) -> dict[str, list[float]]:
    """Seconds of each stage for each frame of a drawn clip, the first few left out."""
    now = CLOCKS[options.clock]
    taken: dict[str, list[float]] = {stage: [] for stage in ("decode", "resize", "forward", "draw", "encode")}

    @contextmanager
    def timed(stage: str) -> Iterator[None]:
        start = now()
        yield
        taken[stage].append(now() - start)

    height, width = size
    place, clip = f"scene:?size={width}x{height}&seconds={max(options.seconds, 0.5):g}", folder / "clip.mp4"
    with open_source(place) as drawn:
        pipeline.render(drawn, clip, Engine(None), Settings(view="none"), OutputSettings())
    engine = Engine(model)
    with open_source(str(clip)) as source:
        frames, frame, sink = iter(source), None, None
        while True:
            with timed("decode"):
                frame = next(frames, None)
            if frame is None:
                break
            if sink is None:
                engine.compile(frame, 1, settings)
                sink = open_sink(
                    folder / "out.mp4", size=size, fps=source.info.fps, output=OutputSettings(), origin=source
                )
                engine.draw(frame, engine.predict([frame], settings)[0], settings)  # makes what each size needs once
            with timed("resize"):
                model.prepare([frame.pixels], settings.resolution)
            with timed("forward"):
                maps = engine.predict([frame], settings)[0]
            taken["forward"][-1] -= taken["resize"][-1]  # which it did once more
            with timed("draw"):
                result = engine.draw(frame, maps, settings)
            with timed("encode"):
                sink.write(result.overlay, result.frame)
        assert sink is not None
        with timed("encode"):
            sink.close()
    frames_read = len(taken["draw"])
    last = taken["encode"].pop()  # what the encoder still held, shared among the frames
    taken["encode"] = [spent + last / frames_read for spent in taken["encode"]]
    del taken["decode"][-1]
    return {stage: series[3:] for stage, series in taken.items()}

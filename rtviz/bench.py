"""Measures the live session: frame rates, ages, memory; and what warping by optical flow is worth."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rtviz.frame import Frame, Result
from rtviz.live.figures import SessionFigures
from rtviz.live.session import LiveSession
from rtviz.settings import Point, Settings
from rtviz.usage import resident_mb

# A camera that costs next to nothing: 640x480, 30 frames a second.
PACED = "faulty:?fps=30&size=640x480"
_CANVAS_SECONDS = 0.016  # between two polls of the canvas, as in the app
# Changes of settings, one a second.
_CHANGES: tuple[dict[str, Any], ...] = (
    {"head": 1},
    {"layer": -2},
    {"query": Point(0.4, 0.6)},
    {"view": "mask"},
    {"threshold": 0.5},
    {"view": "heatmap", "colormap": "viridis"},
    {"query": "cls", "head": "mean", "layer": -1, "threshold": 0.6, "colormap": "inferno"},
)


# --- the live session ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LiveFigures(SessionFigures):
    """How a live session does.

    Attributes:
        camera_fps, shown_fps, attention_fps: frames per second captured, taken by the canvas, and predicted by the
            first model.
        age_p50_ms, age_p95_ms: from capture until the canvas took the picture.
        attention_age_p50_ms, attention_age_p95_ms: how much older the attention's frame is than the picture's.
        draw_p95_ms: drawing one picture, warping included.
        changes_p50_ms, changes_max_ms: from a change of head, layer, query, view, threshold or colours until it
            shows.
        memory_mb, memory_growth_mb: resident at the end, and how much more than after warming up.
        cpu_cores: cores kept busy by the process.
        load: of the machine, over the last minute, this process included; above the number of cores, processes wait for
            each other.
        compared: the other models, each with its predicted frames per second.
    """

    camera_fps: float
    shown_fps: float
    attention_fps: float
    age_p50_ms: float
    age_p95_ms: float
    attention_age_p50_ms: float
    attention_age_p95_ms: float
    draw_p95_ms: float
    changes_p50_ms: float
    changes_max_ms: float
    skipped: int
    memory_mb: float
    memory_growth_mb: float
    recorder_mb: float
    cpu_cores: float
    load: float
    source_sentence: str = ""
    model_sentence: str = ""
    compared: tuple[tuple[str, float], ...] = ()

    def lines(self) -> list[str]:
        """The figures in words, for a terminal."""
        said = [sentence for sentence in (self.source_sentence, self.model_sentence) if sentence]
        return [
            f"{self.line()} (load of the machine {self.load:.1f})",
            f"frames a second  camera {self.camera_fps:.1f}  shown {self.shown_fps:.1f}  "
            f"attention {self.attention_fps:.1f}  skipped {self.skipped}",
            *(f"  and of {name}  attention {fps:.1f}" for name, fps in self.compared),
            f"age of the picture on screen  p50 {self.age_p50_ms:.0f} ms  p95 {self.age_p95_ms:.0f} ms; its attention "
            f"is older by  p50 {self.attention_age_p50_ms:.0f} ms  p95 {self.attention_age_p95_ms:.0f} ms",
            f"a change shows after  p50 {self.changes_p50_ms:.0f} ms  at most {self.changes_max_ms:.0f} ms; "
            f"drawing p95 {self.draw_p95_ms:.1f} ms",
            f"memory {self.memory_mb:.0f} MB, grown by {self.memory_growth_mb:+.1f} MB "
            f"(flight recorder {self.recorder_mb:.0f} MB); {self.cpu_cores:.2f} cores busy",
            *said,
        ]


def bench_live(
    place: str = PACED,
    settings: Settings | None = None,
    *,
    seconds: float = 20.0,
    warm_up_seconds: float = 3.0,
    mode: str = "smooth",
    session: Callable[..., LiveSession] = LiveSession,
) -> LiveFigures:
    """Measure a live session, polled as the window does, without a window.

    Args:
        place: any source; `PACED` is a fake camera.
        settings: which models, and what to show.
        seconds: how long to measure, once the models are loaded and warm.
        mode: "smooth" or "locked".
        session: the seam for tests.
    """
    settings = settings or Settings()
    live = session(place, settings, mode=mode).start()
    try:
        live.wait_for(
            lambda status: (
                status.model_state in ("ready", "failed")
                and all(pane.state in ("ready", "failed") for pane in status.panes)
                and len(status.panes) == len(settings.compare)
                and (live.latest() is not None or status.source_state == "failed")
            ),
            300,
        )
        watcher = _Watcher(live, settings)
        watcher.watch(warm_up_seconds)
        live.wait_for(lambda status: live.counts()[1] >= 20 or status.model_state != "ready", 10 * warm_up_seconds)
        # The flight recorder fills up to its bound: what it holds at the end is not growth.
        before_mb = resident_mb() - live.status().recorder_mb
        watcher = _Watcher(live, settings)
        captured, predicted = live.counts()
        cpu, began = time.process_time(), time.monotonic()
        watcher.watch(seconds)
        took = time.monotonic() - began
        cpu = time.process_time() - cpu
        captured, predicted = (after - first for after, first in zip(live.counts(), (captured, predicted), strict=True))
        status = live.status()
        memory_mb = resident_mb()
    finally:
        live.close(seconds=30)  # nobody waits for a window to go
    return LiveFigures(
        **SessionFigures.what_ran(place, mode, status, took),
        camera_fps=captured / took,
        shown_fps=len(watcher.ages) / took,
        attention_fps=predicted / took,
        age_p50_ms=_percentile(watcher.ages, 50),
        age_p95_ms=_percentile(watcher.ages, 95),
        attention_age_p50_ms=_percentile(watcher.attention_ages, 50),
        attention_age_p95_ms=_percentile(watcher.attention_ages, 95),
        draw_p95_ms=_percentile(watcher.draws, 95),
        changes_p50_ms=_percentile(watcher.changes, 50),
        changes_max_ms=_percentile(watcher.changes, 100),
        skipped=status.skipped,
        memory_mb=memory_mb,
        memory_growth_mb=memory_mb - status.recorder_mb - before_mb,
        recorder_mb=status.recorder_mb,
        cpu_cores=cpu / took,
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0,
        source_sentence=status.source_sentence,
        model_sentence=status.model_sentence,
        compared=tuple((pane.name, pane.attention_fps) for pane in status.panes),
    )


class _Watcher:
    """A canvas without a window: polls, paints nothing, and changes the settings once a second."""

    def __init__(self, live: LiveSession, settings: Settings) -> None:
        self._live = live
        self._settings = settings
        self.ages: list[float] = []
        self.attention_ages: list[float] = []
        self.draws: list[float] = []
        self.changes: list[float] = []

    def watch(self, seconds: float) -> None:
        tick = threading.Event()
        wanted = itertools.cycle(_CHANGES)
        change: dict[str, Any] = {}
        last = None
        changed_at: float | None = None
        until, change_at = time.monotonic() + seconds, time.monotonic() + 1.0
        while (now := time.monotonic()) < until:
            if now >= change_at and changed_at is None:
                change = next(wanted)
                self._settings = self._settings.replace(**change)
                self._live.update(self._settings)
                changed_at, change_at = now, now + 1.0
            result = self._live.latest()
            if result is not None and result is not last:
                last = result
                self._live.shown(result)
                status = self._live.status()
                if status.age_ms is not None:
                    self.ages.append(status.age_ms)
                if status.attention_age_ms is not None:
                    self.attention_ages.append(status.attention_age_ms)
                self.draws.append(result.timings_ms.get("draw", 0.0) + result.timings_ms.get("warp", 0.0))
                if changed_at is not None and _shows(result, change):
                    self.changes.append((time.monotonic() - changed_at) * 1000)
                    changed_at = None
            tick.wait(_CANVAS_SECONDS)


def _shows(result: Result, change: dict[str, Any]) -> bool:
    """Whether a picture was drawn with the changed settings, from attention for their query."""
    if any(getattr(result.settings, name) != value for name, value in change.items()):
        return False
    return result.maps is not None and result.maps.query == result.settings.query


def _percentile(values: Sequence[float], share: float) -> float:
    return float(np.percentile(values, share)) if len(values) else 0.0


# --- warping attention by optical flow -------------------------------------------------------------------------------


@dataclass(frozen=True)
class WarpFigures:
    """Error of an overlay whose attention is old, on the built-in scene.

    The attention is the ground truth, the objects' masks on the patch grid: so the figures show what age costs and what
    optical flow wins back, independent of the model.

    Attributes:
        lag_ms: age of the attention.
        iou_fresh: overlap of the outlined overlay with the objects' true masks at no age: what the patch grid allows.
        iou_still: the same with the old attention left where it was.
        iou_warped: the same with the old attention warped by optical flow.
        error_still, error_warped: misplaced attention, as a share of all.
        warp_ms: duration of warping, median.
    """

    lag_ms: float
    iou_fresh: float
    iou_still: float
    iou_warped: float
    error_still: float
    error_warped: float
    warp_ms: float

    def line(self) -> str:
        """The figures in words, for a terminal."""
        return (
            f"{self.lag_ms:4.0f} ms old: overlap with the objects {self.iou_still:.3f} left where it was, "
            f"{self.iou_warped:.3f} warped, {self.iou_fresh:.3f} fresh; misplaced {self.error_still:.1%} and "
            f"{self.error_warped:.1%}; warping takes {self.warp_ms:.1f} ms"
        )


def measure_warping(
    lags: Iterable[int] = (1, 2, 3, 4, 6, 9),
    seeds: Sequence[int] = (1_000_000, 1_000_001, 1_000_002, 1_000_003),
    frames: int = 24,
    size: tuple[int, int] = (480, 640),
    grid: tuple[int, int] = (14, 19),
    fps: float = 30.0,
) -> list[WarpFigures]:
    """Measures the error of overlays with and without optical flow.

    Args:
        lags: ages of the attention, in frames of the scene.
        seeds: scenes (of `rtviz.sources.scene.TUNING_SEEDS`).
        frames: of each scene.
        size: (height, width) of the frames.
        grid: (rows, columns) of the patch grid: 14 x 19 is a 640x480 frame under patches of 16 at a resolution of 224.
        fps: of the scene.
    """
    from rtviz.analysis.optical_flow import FlowWarper
    from rtviz.sources.scene import SceneSource

    scenes = [[SceneSource(seed, size, fps).frame(30 + number) for number in range(frames)] for seed in seeds]
    warper = FlowWarper()
    figures = []
    for lag in lags:
        rows: list[tuple[float, ...]] = []
        for scene in scenes:
            for then, now in zip(scene[:-lag:2], scene[lag::2], strict=False):
                still, fresh = _true_attention(then, grid), _true_attention(now, grid)
                start = time.perf_counter()
                warped = warper.warp_planes(still[None], then, now)[0]
                took = (time.perf_counter() - start) * 1000
                mass = max(float(fresh.sum()), 1e-6)
                rows.append(
                    (
                        _overlap(fresh, now),
                        _overlap(still, now),
                        _overlap(warped, now),
                        float(np.abs(still - fresh).sum()) / mass / 2,
                        float(np.abs(warped - fresh).sum()) / mass / 2,
                        took,
                    )
                )
        table = np.array(rows)
        fresh_iou, still_iou, warped_iou, still_error, warped_error = table[:, :5].mean(axis=0)
        figures.append(
            WarpFigures(
                lag / fps * 1000,
                fresh_iou,
                still_iou,
                warped_iou,
                still_error,
                warped_error,
                float(np.median(table[:, 5])),
            )
        )
    return figures


def _true_attention(frame: Frame, grid: tuple[int, int]) -> Any:
    """Returns the share of each patch that objects cover: float32 [rows, columns]."""
    from rtviz.cv import cv2

    assert frame.masks is not None
    rows, columns = grid
    return cv2.resize(frame.masks.any(axis=0).astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)


def _overlap(attention: Any, frame: Frame) -> float:
    """Returns the intersection over union of the overlay's outlined area and the objects."""
    from rtviz.cv import cv2

    assert frame.masks is not None
    truth = frame.masks.any(axis=0)
    height, width = frame.size
    outlined = cv2.resize(attention, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    return float((outlined & truth).sum() / max(1, (outlined | truth).sum()))

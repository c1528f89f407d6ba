"""The papers' own measures of what a ViT's attention and features find: Jaccard of heads, video propagation, CorLoc."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from rtviz.errors import SettingsError, no_cls, no_tokens
from rtviz.models import load
from rtviz.scoring import datasets, measures
from rtviz.scoring.common import Progress
from rtviz.scoring.corloc import corloc, corloc_baselines
from rtviz.scoring.datasets import DataSet
from rtviz.scoring.davis import davis, davis_baselines
from rtviz.scoring.jaccard import jaccard, jaccard_baselines
from rtviz.scoring.report import BenchmarkReport, Score, reported
from rtviz.settings import METHOD_TITLES, Settings

BENCHMARKS = ("jaccard", "davis", "corloc")


def scored(
    benchmark: str,
    place: str,
    models: Sequence[str | None],
    *,
    weights: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    backend: str = "auto",
    resolution: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    objects: str = "tokencut",
    features: str = "auto",
    progress: Progress | None = None,
    notice: Callable[[str], None] | None = None,
) -> Iterator[BenchmarkReport]:
    """Score models on a data set, one after the other.

    Before the first is scored, every model is loaded and every file that the data set lists is checked to exist. If a
    model fails all the same, the reports of those before it have been yielded.

    Args:
        benchmark: one of BENCHMARKS.
        place: the data set's folder, or "scene:".
        models: names as in `rtviz.load`; None is its default.
        weights: a file, for a single model.
        device, precision, backend: as in `rtviz.load`.
        resolution: short side, in pixels; the protocol's own if not given.
        limit: only so many pictures or clips.
        seed: which drawn scenes, where the place is "scene:".
        objects: how `corloc` finds an object, one of `discovery.METHODS`.
        features: what it compares patches by: "keys", "values", "tokens"; "auto": as `ModelCard.discovery_features`.
        progress: called with what is being done, and how far it is.
        notice: called with what the user must know about a model.

    Yields:
        After each model the report on all that are scored so far.

    Raises:
        SettingsError: a value is not allowed.
        SourceError: the data set is not there, or not as it should be.
        ModelError: a model cannot be had.
    """
    if benchmark not in BENCHMARKS:
        raise SettingsError("benchmark", benchmark, BENCHMARKS)
    if limit is not None and limit < 1:
        raise SettingsError("limit", limit, "at least 1")
    if weights is not None and len(models) > 1:
        raise SettingsError("weights", weights, "a file for one model, not for several")
    objects = Settings.option("objects").check(objects)
    features = Settings.option("features").check(features)
    # What it is measured on, by what, what stands beside models, and in which words.
    plans: dict[str, tuple[Callable[..., DataSet[Any]], Callable[..., Score], Callable[..., list[Score]], str]] = {
        "jaccard": (
            datasets.segmented,
            jaccard,
            jaccard_baselines,
            "Jaccard index of each object with its best head's 60 % mask, last layer",
        ),
        "davis": (
            datasets.clips,
            davis,
            davis_baselines,
            "the first frame's masks carried on by patch features; region J, boundary F",
        ),
        "corloc": (
            datasets.boxed,
            partial(corloc, method=objects, features=features),
            corloc_baselines,
            f"pictures in which the box that {METHOD_TITLES[objects]} finds overlaps an object's by half or more",
        ),
    }
    read, measure, baselines, protocol = plans[benchmark]
    data = read(place, limit, seed)
    resolution = data.resolution if resolution is None else resolution
    loaded = [
        load(
            name, weights=weights, device=device, precision=precision, backend=backend, resolution=resolution or 224
        ) for name in models
    ]  # fmt: skip
    for model in loaded:
        if benchmark != "jaccard" and not model.heads:
            raise no_tokens(model.name)
        if benchmark == "jaccard" and model.heads and not model.has_cls:
            raise no_cls(model.name)
        if model.notice and notice is not None:
            notice(model.notice)
    report = BenchmarkReport(
        benchmark, protocol, data.title, data.drawn, resolution, [],
        reported(f"corloc {objects}" if benchmark == "corloc" else benchmark, data.title), len(data), data.resolution,
        {
            "list": None if data.listed is None else str(data.listed),
            "limit": limit,
            "seed": seed if data.drawn else None,
            "weights": weights,
            "mass": measures.MASS if benchmark == "jaccard" else None,
            "objects": objects if benchmark == "corloc" else None,
        },
        baselines=baselines(data, progress),
    )  # fmt: skip
    for number, model in enumerate(loaded):
        score = measure(model, data, resolution=resolution, progress=progress)
        left = [model.name for model in loaded[number + 1 :]]
        report = replace(report, scores=[*report.scores, score], unfinished=left)
        yield report


def run(benchmark: str, place: str, models: Sequence[str | None], **more: Any) -> BenchmarkReport:
    """The whole report at once: the last that `scored` yields."""
    *_, report = scored(benchmark, place, models, **more)
    return report


__all__ = ["BENCHMARKS", "corloc", "davis", "jaccard", "run", "scored"]

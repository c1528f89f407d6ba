"""The papers' own measures of what a ViT's attention and features find: Jaccard of heads, video propagation, CorLoc."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from rtviz.analysis import discovery
from rtviz.analysis.head_stats import standing_out
from rtviz.analysis.propagation import Propagation, on_pixels, one_each, sampled
from rtviz.cv import cv2
from rtviz.errors import SettingsError, SourceUnreadable, no_cls, no_tokens
from rtviz.frame import Floats, Maps, Pixels
from rtviz.models import load
from rtviz.scoring import datasets, measures
from rtviz.scoring.datasets import VOID, Boxed, Clip, DataSet, Segmented
from rtviz.scoring.report import BenchmarkReport, Score, paper_score, reported
from rtviz.settings import METHOD_TITLES, Point, Query, Settings
from rtviz.views.overlap import looked_at

Progress = Callable[[str, int, int], None]  # (what, done, in all)
Reals = NDArray[np.float64]
Find = Callable[[Floats], Any]  # features [rows, columns, width] -> (top, left, bottom, right) in patches, or None

if TYPE_CHECKING:
    from rtviz.models import Model

BENCHMARKS = ("jaccard", "davis", "corloc")

# On a CPU, passes of one frame are as quick as those of four, and progress is reported after each.
_BATCH = {"cpu": 1}
_BATCH_ON_GPU = 4
_WIDTH_UNIT = 64
MIDDLE = 0.25  # of the picture's area: the disc and the box in its middle that stand beside models

T = TypeVar("T")


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
    # What it is measured on, by what, and in which words.
    plans: dict[str, tuple[Callable[..., DataSet[Any]], Callable[..., Score], str]] = {
        "jaccard": (
            datasets.segmented,
            jaccard,
            "Jaccard index of each object with its best head's 60 % mask, last layer",
        ),
        "davis": (datasets.clips, davis, "the first frame's masks carried on by patch features; region J, boundary F"),
        "corloc": (
            datasets.boxed,
            partial(corloc, method=objects, features=features),
            f"pictures in which the box that {METHOD_TITLES[objects]} finds overlaps an object's by half or more",
        ),
    }
    read, measure, protocol = plans[benchmark]
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
        baselines=_BASELINES[benchmark](data, progress),
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


def _batched(things: Iterable[T], model: Model) -> Iterator[list[T]]:
    rest = iter(things)
    while batch := list(islice(rest, _BATCH.get(model.device, _BATCH_ON_GPU))):
        yield batch


def _counter(what: str, count: int, progress: Progress | None) -> Callable[[], None]:
    """Reports `count` steps to do, and one more as done at each call of what it returns."""
    if progress is None:
        return lambda: None
    progress(what, 0, count)
    done = iter(range(1, count + 1))
    return lambda: progress(what, next(done), count)


def _score(
    model: Model,
    data: DataSet[Any],
    measure: str,
    values: Mapping[str, float],
    counts: Mapping[str, int],
    each: Sequence[Mapping[str, Any]],
    sample: Sequence[float] = (),
) -> Score:
    """The score of a model.

    Args:
        measure: the name under which the papers' figures are looked up.
        each: of every picture or clip.
        sample: what the first of the values, in percent, is the mean of, where that has a standard error.
    """
    error = _standard_error(sample)
    paper = paper_score(measure, data.title, model.card.name)
    name, ran = model.card.name, (model.precision, model.device, model.backend)
    return Score(name, values, counts, paper, *ran, error, each)


def _standard_error(sample: Sequence[float]) -> float | None:
    """Of the mean, in percent; None where there are too few to tell."""
    return 100 * float(np.std(sample, ddof=1)) / math.sqrt(len(sample)) if len(sample) > 1 else None


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    """More digits of a percentage nobody can read."""
    return {name: round(value, 2) for name, value in values.items()}


def _percent(share: float) -> float:
    return round(100 * float(share), 2)


# --- jaccard ---------------------------------------------------------------------------------------------------------


def jaccard(
    model: Model, data: DataSet[Segmented], *, resolution: int | None = None, progress: Progress | None = None
) -> Score:
    """How well the best head's 60 % mask covers each object.

    Caron et al. 2021, figure 4: the patches that hold the top 60 % of what CLS gives to all patches in a head of the
    last layer are its mask; each true object takes its best head's Jaccard index. As the authors explain in
    facebookresearch/dino, issue 54, the mean is taken over the objects of a picture, then over the pictures; the plain
    mean over all objects stands beside it. Void pixels do not count. A picture without objects is left out.

    A convolutional network, of which the paper has no figure, has one mask: of what its last stage responds to.
    Beside the best head stands what needs no choice by the truth: the mean map over the heads, and the head that
    stands out (`rtviz.analysis.head_stats.standing_out`), where none does the mean.

    Args:
        model: with a CLS token, or a convolutional network.
        data: from `datasets.segmented`.
        resolution: short side, in pixels; the data's own if not given. (The paper does not say which it took.)
        progress: called with what is being done, and how far it is.
    """
    advance = _counter(f"jaccard of {model.card.name}", len(data), progress)
    of_pictures: list[float] = []
    of_objects: list[float] = []
    of_mean_maps: list[float] = []
    of_followed: list[float] = []
    each: list[dict[str, Any]] = []
    for pictures in _batched(data, model):
        predictions = model.batch([picture.pixels for picture in pictures], resolution=resolution or data.resolution)
        for picture, maps in zip(pictures, predictions, strict=True):
            attention = looked_at(maps, Settings())
            best = best_heads(attention, picture.labels)
            advance()
            if not best:
                continue
            if model.heads:
                head = standing_out(attention)
                mean = attention.mean(axis=0, keepdims=True)
                for kept, one_map in (
                    (of_mean_maps, mean), (of_followed, mean if head is None else attention[[head]])
                ):  # fmt: skip
                    kept.append(float(np.mean([one.jaccard for one in best_heads(one_map, picture.labels)])))
            of_objects += [one.jaccard for one in best]
            of_pictures.append(float(np.mean([one.jaccard for one in best])))
            objects = [
                {"object": one.number, "jaccard": _percent(one.jaccard), "head": one.head if model.heads else None}
                for one in best
            ]
            chosen = (
                {"mean_map": _percent(of_mean_maps[-1]), "followed": _percent(of_followed[-1])} if model.heads else {}
            )
            each.append({"name": picture.name, "jaccard": _percent(of_pictures[-1]), **chosen, "objects": objects})
    if not of_objects:
        raise SourceUnreadable(f"{data.title} has no object")
    values = {"jaccard": 100 * float(np.mean(of_pictures)), "jaccard_objects": 100 * float(np.mean(of_objects))}
    if of_mean_maps:
        values["mean_map"] = 100 * float(np.mean(of_mean_maps))
        values["followed"] = 100 * float(np.mean(of_followed))
    counts = {"pictures": len(of_pictures), "objects": len(of_objects)}
    return _score(model, data, "jaccard", values, counts, each, of_pictures)


def _jaccard_baselines(data: DataSet[Segmented], progress: Progress | None = None) -> list[Score]:
    """What masks reach that no model has a part in: a disc in the middle, the whole picture."""
    advance = _counter("jaccard of baselines", len(data), progress)
    found: dict[str, list[list[float]]] = {name: [] for name in _MASKS}
    for picture in data:
        masks = np.stack([mask((picture.labels.shape[0], picture.labels.shape[1])) for mask in _MASKS.values()])
        of_objects = [
            measures.jaccard(masks, picture.labels == number, picture.labels != VOID)
            for number in _numbers(picture.labels)
        ]
        if of_objects:
            for name, values in zip(_MASKS, np.transpose(of_objects).tolist(), strict=True):
                found[name].append(values)
        advance()
    return [
        Score(
            name,
            {
                "jaccard": 100 * float(np.mean([np.mean(values) for values in pictures])),
                "jaccard_objects": 100 * float(np.mean([value for values in pictures for value in values])),
            },
            {},
            error=_standard_error([float(np.mean(values)) for values in pictures]),
        )
        for name, pictures in found.items()
        if pictures
    ]


def _middle_disc(size: tuple[int, int]) -> measures.Mask:
    """An ellipse of the picture's proportions in its middle: bool [height, width]."""
    y, x = ((np.arange(side) + 0.5) / side - 0.5 for side in size)
    return np.asarray(y[:, None] ** 2 + x[None, :] ** 2 <= MIDDLE / math.pi)


_MASKS: Mapping[str, Callable[[tuple[int, int]], measures.Mask]] = {
    "middle disc": _middle_disc,
    "whole picture": lambda size: np.ones(size, np.bool_),
}


class Best(NamedTuple):
    """How well an object, by its number in the label map, is covered by the head that covers it best: 0 to 1."""

    number: int
    jaccard: float
    head: int


def best_heads(attention: NDArray[np.floating[Any]], labels: NDArray[np.uint8]) -> list[Best]:
    """Of each object, the head whose 60 % mask covers it best.

    Args:
        attention: [heads, rows, columns].
        labels: [height, width], with 0 for background and VOID for what does not count.
    """
    masks = measures.on_pixels(measures.largest_mass(attention), (labels.shape[0], labels.shape[1]))
    found = []
    for number in _numbers(labels):
        covered = measures.jaccard(masks, labels == number, labels != VOID)
        found.append(Best(number, float(covered.max()), int(covered.argmax())))
    return found


def _numbers(labels: NDArray[np.uint8]) -> list[int]:
    """The numbers of the objects in a label map, ascending."""
    return [int(number) for number in np.unique(labels) if number not in (0, VOID)]


# --- davis -----------------------------------------------------------------------------------------------------------


def davis(
    model: Model, data: DataSet[Clip], *, resolution: int | None = None, progress: Progress | None = None
) -> Score:
    """How well objects are followed through videos by the last layer's patch features alone: J&F.

    facebookresearch/dino, eval_video_segmentation.py: frames of 480 pixels on the short side, the long one cut down to
    a multiple of 64; the first frame's masks are propagated by `rtviz.analysis.propagation`. Then davisvideochallenge/
    davis2017-evaluation, semi-supervised: J (region) and F (boundary) of each object, mean over its frames without the
    first and the last, then over all objects; J&F is the mean of the two. Beside each mean stand, as there, the recall
    (of how many frames the measure is above a half) and the decay from the first quarter to the last. Void pixels are
    background there. The column of the mean map is not of propagation: it is J&F of the 60 % mask of the mean over the
    last layer's heads, in each frame by itself and for each object the same.

    Args:
        model, data, resolution, progress: as for `jaccard`; data from `datasets.clips`.
    """
    frames = sum(clip.count for clip in data)
    advance = _counter(f"davis of {model.card.name}", frames, progress)
    regions: list[Reals] = []
    boundaries: list[Reals] = []
    of_mean_maps: list[float] = []
    lost = 0
    each: list[dict[str, Any]] = []
    for clip in data:
        region, outline, now_lost, of_mean_map = follow(model, clip, resolution or data.resolution or 480, advance)
        of_mean_maps += list(of_mean_map)
        objects = [
            {"object": number + 1, **_rounded(_j_and_f([region[number]], [outline[number]]))}
            for number in range(len(region))
        ]
        whole = _rounded(_j_and_f(region, outline))
        each.append({"name": clip.name, "frames": clip.count, **whole, "lost": now_lost, "objects": objects})
        regions += list(region)
        boundaries += list(outline)
        lost += now_lost
    if not regions:
        raise SourceUnreadable(f"{data.title} has no object")
    counts = {"clips": len(data), "frames": frames, "objects": len(regions), "lost": lost}
    values = _j_and_f(regions, boundaries)
    if of_mean_maps:
        values["mean_map"] = 100 * float(np.mean(of_mean_maps))
    return _score(model, data, "davis", values, counts, each)


def _davis_baselines(data: DataSet[Clip], progress: Progress | None = None) -> list[Score]:
    """What masks reach that no model has a part in: the first frame's, left where they are; a disc in the middle; the
    whole picture."""
    advance = _counter("davis of baselines", sum(clip.count for clip in data), progress)
    names = ("static first masks", *_MASKS)
    regions: dict[str, list[Reals]] = {name: [] for name in names}
    boundaries: dict[str, list[Reals]] = {name: [] for name in names}
    for clip in data:
        first: NDArray[np.bool_] | None = None
        compared: dict[str, list[tuple[list[float], list[float]]]] = {name: [] for name in names}
        for number, frame in enumerate(clip):
            advance()
            labels = _without_void(frame.labels)
            if first is None:
                first = one_each(labels, int(labels.max()))
            elif number < clip.count - 1:
                size = (labels.shape[0], labels.shape[1])
                still = [np.broadcast_to(mask(size), first.shape) for mask in _MASKS.values()]
                for name, masks in zip(names, [first, *still], strict=True):
                    compared[name].append(_compared(masks, one_each(labels, len(first))))
        for name, frames in compared.items():
            regions[name] += list(np.array([of_objects for of_objects, _ in frames]).T)
            boundaries[name] += list(np.array([of_objects for _, of_objects in frames]).T)
    return [Score(name, _j_and_f(regions[name], boundaries[name]), {}) for name in names if regions[name]]


def _without_void(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.where(labels == VOID, np.uint8(0), labels)


def _compared(found: Iterable[measures.Mask], true: Iterable[measures.Mask]) -> tuple[list[float], list[float]]:
    """J and F of each object in one frame."""
    pairs = list(zip(found, true, strict=True))
    return (
        [float(measures.jaccard(mask, truth)) for mask, truth in pairs],
        [measures.boundary_measure(mask, truth) for mask, truth in pairs],
    )


def _j_and_f(regions: Iterable[Reals], boundaries: Iterable[Reals]) -> dict[str, float]:
    """The figures DAVIS gives of objects, in percent and in its order, from J and F of each in its frames."""
    means: dict[str, float] = {"j_and_f": 0.0}
    for name, of in (("j", list(regions)), ("f", list(boundaries))):
        means[name] = 100 * float(np.mean([values.mean() for values in of]))
        means[f"{name}_recall"] = 100 * float(np.mean([(values > 0.5).mean() for values in of]))
        means[f"{name}_decay"] = 100 * float(np.mean([measures.decay(values) for values in of]))
    return {**means, "j_and_f": (means["j"] + means["f"]) / 2}


def follow(
    model: Model, clip: Clip, resolution: int, advance: Callable[[], None] = lambda: None
) -> tuple[Reals, Reals, int, list[float]]:
    """J and F of each object in each frame of a clip but the first and the last, [objects, frames - 2] each; how many
    objects were lost at its end; and J&F of the mean map's mask with each object, nothing of a model without CLS.
    `advance` is called after each frame."""
    regions: list[list[float]] = []
    boundaries: list[list[float]] = []
    of_mean_map: list[Reals] = []
    propagation: Propagation | None = None
    objects = lost = 0
    for number, (truth, maps) in enumerate(_predictions(model, clip, resolution)):
        labels = _without_void(truth.labels)
        assert maps.tokens is not None
        advance()
        if propagation is None:
            objects = int(labels.max())
            if not objects:
                raise SourceUnreadable(f"{clip.name} has no object in its first frame")
            propagation = Propagation(maps.tokens, one_each(sampled(labels, maps.grid), objects))
            continue
        propagated = propagation.next(maps.tokens)
        lost = sum(propagated.lost)
        if number == clip.count - 1:
            break
        size, true = (labels.shape[0], labels.shape[1]), one_each(labels, objects)
        region, outline = _compared(
            one_each(sampled(on_pixels(propagated.labels, maps.input_size), size), objects), true
        )
        regions.append(region)
        boundaries.append(outline)
        if model.has_cls:
            mean_map = measures.on_pixels(measures.largest_mass(maps.attention[-1].mean(axis=0)), size)
            of_mean_map.append(np.mean(_compared([mean_map] * objects, true), axis=0))
    return np.array(regions).T, np.array(boundaries).T, lost, list(np.mean(of_mean_map, axis=0)) if of_mean_map else []


def _predictions(model: Model, clip: Clip, resolution: int) -> Iterator[tuple[Segmented, Maps]]:
    sizes = set()
    compiled = False
    for frames in _batched(clip, model):
        sizes |= {frame.pixels.shape for frame in frames}
        if len(sizes) > 1:
            raise SourceUnreadable(f"{clip.name} has frames of several sizes")
        inputs = [_narrowed(frame.pixels, resolution) for frame in frames]
        if not compiled:
            model.compile(inputs[0], len(inputs), resolution, ("tokens",), frames=clip.count)
            compiled = True
        predictions = model.batch(inputs, _any_query(model), features=("tokens",), resolution=resolution)
        yield from zip(frames, predictions, strict=True)


def _any_query(model: Model) -> Query:
    """Where only features are wanted: a model without CLS has them too."""
    return "cls" if model.has_cls else Point(0.5, 0.5)


def _narrowed(pixels: Pixels, resolution: int) -> Pixels:
    """Short side to the resolution; the long one in proportion, and down to a multiple of 64."""
    height, width = pixels.shape[:2]
    scale = resolution / min(height, width)

    def long(side: int) -> int:
        return max(resolution, int(side * scale) // _WIDTH_UNIT * _WIDTH_UNIT)

    size = (resolution, long(height)) if height > width else (long(width), resolution)
    return np.asarray(cv2.resize(pixels, size), np.uint8)


# --- corloc ----------------------------------------------------------------------------------------------------------


def corloc(
    model: Model,
    data: DataSet[Boxed],
    find: Find | None = None,
    *,
    method: str = "tokencut",
    features: str = "auto",
    resolution: int | None = None,
    progress: Progress | None = None,
) -> Score:
    """In what share of the pictures the one box that is found overlaps a true box by half or more.

    CorLoc, as LOST (Siméoni et al. 2021) and TokenCut (Wang et al. 2022) report it, by valeoai/LOST, main_lost.py, and
    YangtaoWANG95/TokenCut, main_tokencut.py: the pictures of trainval; all boxes count, difficult and truncated ones
    too; the features are those of the last layer (of DINO the keys, of all heads together); pictures are processed in
    their own size, filled up with the mean colour to whole patches at the right and below; an intersection over union
    of at least 0.5 is right. Beside it stand the shares of pictures in which nothing was found, and the whole picture.

    Args:
        model: any.
        data: from `datasets.boxed`.
        find: features float32 [rows, columns, width] -> box (top, left, bottom, right) in patches, bottom and right
            just outside; None if it finds nothing. The method, if not given.
        method: one of `discovery.METHODS`; also whose figures of the papers stand beside.
        features: "keys", "values" or "tokens"; "auto": as `ModelCard.discovery_features`.
        resolution: short side, in pixels; the data's own if not given, or else each picture's.
        progress: as for `jaccard`.
    """
    advance = _counter(f"corloc of {model.card.name}", len(data), progress)
    resolution = resolution or data.resolution
    features = model.card.discovery_features if features == "auto" else features
    find = find or partial(_box, discovery.METHODS[method])
    right: list[bool] = []
    empty: list[bool] = []
    whole: list[bool] = []
    each: list[dict[str, Any]] = []
    for picture in data:
        pixels = _filled_up(picture.pixels, model) if resolution is None else picture.pixels
        short_side = resolution or min(pixels.shape[:2])
        maps = model.batch([pixels], _any_query(model), features=(features,), resolution=short_side)[0]
        box = find(maps.patch_features(features))
        overlap, inside = 0.0, None
        if box is not None:
            scale = np.array(pixels.shape[:2]) / maps.grid
            inside = np.minimum(np.asarray(box) * np.tile(scale, 2), np.tile(picture.pixels.shape[:2], 2))
            overlap = float(measures.box_overlap(inside, picture.boxes).max())
        right.append(overlap >= 0.5)
        empty.append(box is None)
        whole.append(box is not None and tuple(box) == (0, 0, *maps.grid))
        sides = None if inside is None else [round(float(side), 1) for side in inside]
        each.append({"name": picture.name, "right": right[-1], "overlap": _percent(overlap), "box": sides})
        advance()
    shares = {"corloc": right, "empty": empty, "whole": whole}
    values, counts = {name: 100 * float(np.mean(share)) for name, share in shares.items()}, {"pictures": len(data)}
    return replace(_score(model, data, f"corloc {method}", values, counts, each, right), features=features)


def _corloc_baselines(data: DataSet[Boxed], progress: Progress | None = None) -> list[Score]:
    """What boxes reach that no model has a part in: one in the middle, the whole picture."""
    advance = _counter("corloc of baselines", len(data), progress)
    inset = (1 - math.sqrt(MIDDLE)) / 2
    boxes = {"middle box": (inset, inset, 1 - inset, 1 - inset), "whole picture": (0.0, 0.0, 1.0, 1.0)}
    right: dict[str, list[bool]] = {name: [] for name in boxes}
    for picture in data:
        sides = np.tile(picture.pixels.shape[:2], 2)
        for name, box in boxes.items():
            right[name].append(float(measures.box_overlap(np.array(box) * sides, picture.boxes).max()) >= 0.5)
        advance()
    return [
        Score(
            name,
            {"corloc": 100 * float(np.mean(values)), "empty": 0.0, "whole": 100.0 * (name == "whole picture")},
            {},
            error=_standard_error(values),
        )
        for name, values in right.items()
    ]


_BASELINES: Mapping[str, Callable[..., list[Score]]] = {
    "jaccard": _jaccard_baselines,
    "davis": _davis_baselines,
    "corloc": _corloc_baselines,
}


def _box(method: discovery.Method, features: Floats) -> tuple[int, int, int, int] | None:
    return method(features).box


def _filled_up(pixels: Pixels, model: Model) -> Pixels:
    """With as much of the mean colour at the right and below as makes the sides whole patches."""
    height, width = pixels.shape[:2]
    patch = model.patch_size
    filled = np.empty((-(-height // patch) * patch, -(-width // patch) * patch, 3), np.uint8)
    filled[:] = np.round(255 * np.asarray(model.card.mean))
    filled[:height, :width] = pixels
    return filled

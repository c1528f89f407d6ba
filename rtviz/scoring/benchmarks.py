"""The papers' own measures of what a ViT's attention and features find: Jaccard of heads, video propagation, CorLoc."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rtviz import discovery
from rtviz.cv import cv2
from rtviz.errors import SettingsError, SourceUnreadable, no_heads
from rtviz.frame import Floats, Maps, Pixels
from rtviz.models import load
from rtviz.propagation import Propagation, on_pixels, one_each, sampled
from rtviz.scoring import datasets, measures
from rtviz.scoring.datasets import VOID, Boxed, Clip, DataSet, Segmented
from rtviz.scoring.report import PAPERS, VOC2012, BenchmarkReport, Score, corloc_paper, paper_score, said_on
from rtviz.settings import Point, Query, Settings
from rtviz.views.overlap import looked_at

Progress = Callable[[str, int, int], None]  # (what, done, in all)
Find = Callable[[Floats], Any]  # features [rows, columns, width] -> (top, left, bottom, right) in patches, or None

# How `corloc` finds its one object: by the name that the settings have for it.
METHODS: Mapping[str, discovery.Method] = {"tokencut": discovery.tokencut, "lost": discovery.lost}

if TYPE_CHECKING:
    from rtviz.models import Model

BENCHMARKS = ("jaccard", "davis", "corloc")

_TITLES = {"tokencut": "TokenCut", "lost": "LOST"}
_BATCH = 4
_WIDTH_UNIT = 64

T = TypeVar("T")


def run(
    benchmark: str,
    place: str,
    models: Sequence[str | None],
    *,
    weights: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    resolution: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    objects: str = "tokencut",
    progress: Progress | None = None,
    notice: Callable[[str], None] | None = None,
) -> BenchmarkReport:
    """Score models on a data set. All of them are loaded before the first is scored, so that a wrong name shows soon.

    Args:
        benchmark: one of BENCHMARKS.
        place: the data set's folder, or "scene:".
        models: names as in `rtviz.load`; None is its default.
        weights: a file, for a single model.
        device, precision: as in `rtviz.load`.
        resolution: short side, in pixels; the protocol's own if not given.
        limit: only so many pictures or clips.
        seed: which drawn scenes, where the place is "scene:".
        objects: how `corloc` finds an object, one of METHODS.
        progress: is told what is being done, and how far it is.
        notice: is told what the user must know about a model.

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
            partial(corloc, find=partial(_box, METHODS[objects]), method=objects),
            f"pictures in which the box that {_TITLES[objects]} finds overlaps an object's by half or more",
        ),
    }
    read, measure, protocol = plans[benchmark]
    data = read(place, limit, seed)
    resolution = data.resolution if resolution is None else resolution
    loaded = [
        load(name, weights=weights, device=device, precision=precision, resolution=resolution or 224) for name in models
    ]
    for model in loaded:
        if not model.heads and benchmark != "jaccard":
            raise no_heads(model.name)
        if model.notice and notice is not None:
            notice(model.notice)
    scores = [measure(model, data, resolution=resolution, progress=progress) for model in loaded]
    # Both sets have figures of their own for CorLoc, and each method has: of drawn scenes, those of VOC2012 stand by.
    papers = benchmark if benchmark != "corloc" else corloc_paper(objects, VOC2012 if data.drawn else data.title)
    return BenchmarkReport(
        benchmark, protocol, data.title, data.drawn, resolution, scores, PAPERS.get(papers, ()), said_on(papers)
    )


def _batched(things: Iterable[T], size: int = _BATCH) -> Iterator[list[T]]:
    rest = iter(things)
    while batch := list(islice(rest, size)):
        yield batch


def _telling(what: str, count: int, progress: Progress | None) -> Callable[[], None]:
    """Says that there is so much to do, and then, at each call, that one more is done."""
    if progress is None:
        return lambda: None
    progress(what, 0, count)
    done = iter(range(1, count + 1))
    return lambda: progress(what, next(done), count)


def _score(model: Model, values: dict[str, float], counts: dict[str, int], data: DataSet[Any], benchmark: str) -> Score:
    paper = None if data.drawn else paper_score(benchmark, model.card)
    return Score(model.card.name, values, counts, paper, model.precision)


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

    Args:
        model: with a CLS token, or a convolutional network.
        data: from `datasets.segmented`.
        resolution: short side, in pixels; the data's own if not given. (The paper does not say which it took.)
        progress: is told what is being done, and how far it is.
    """
    told = _telling(f"jaccard of {model.card.name}", len(data), progress)
    of_pictures: list[float] = []
    of_objects: list[float] = []
    for pictures in _batched(data):
        looked = model.batch([picture.pixels for picture in pictures], resolution=resolution or data.resolution)
        for picture, maps in zip(pictures, looked, strict=True):
            best = best_heads(looked_at(maps, Settings()), picture.labels)
            of_objects += best
            of_pictures += [float(np.mean(best))] if best else []
            told()
    if not of_objects:
        raise SourceUnreadable(f"{data.title} has no object")
    values = {"jaccard": 100 * float(np.mean(of_pictures)), "jaccard_objects": 100 * float(np.mean(of_objects))}
    counts = {"pictures": len(of_pictures), "objects": len(of_objects)}
    return _score(model, values, counts, data, "jaccard")


def best_heads(attention: NDArray[np.floating[Any]], labels: NDArray[np.uint8]) -> list[float]:
    """Of each object, the Jaccard index of the head whose 60 % mask covers it best.

    Args:
        attention: [heads, rows, columns].
        labels: [height, width], with 0 for background and VOID for what does not count.
    """
    masks = measures.on_pixels(measures.largest_mass(attention), (labels.shape[0], labels.shape[1]))
    counted = labels != VOID
    objects = [number for number in np.unique(labels) if number not in (0, VOID)]
    return [float(measures.jaccard(masks, labels == number, counted).max()) for number in objects]


# --- davis -----------------------------------------------------------------------------------------------------------


def davis(
    model: Model, data: DataSet[Clip], *, resolution: int | None = None, progress: Progress | None = None
) -> Score:
    """How well objects are followed through videos by the last layer's patch features alone: J&F.

    facebookresearch/dino, eval_video_segmentation.py: frames of 480 pixels on the short side, the long one cut down to
    a multiple of 64; the first frame's masks are carried on by `rtviz.propagation`. Then davisvideochallenge/
    davis2017-evaluation, semi-supervised: J (region) and F (boundary) of each object, mean over its frames without the
    first and the last, then over all objects; J&F is the mean of the two. Void pixels are background there.

    Args:
        model, data, resolution, progress: as for `jaccard`; data from `datasets.clips`.
    """
    frames = sum(clip.count for clip in data)
    told = _telling(f"davis of {model.card.name}", frames, progress)
    regions: list[NDArray[np.float64]] = []
    boundaries: list[NDArray[np.float64]] = []
    lost = 0
    for clip in data:
        region, outline, now_lost = follow(model, clip, resolution or data.resolution or 480, told)
        regions += list(region)
        boundaries += list(outline)
        lost += now_lost
    if not regions:
        raise SourceUnreadable(f"{data.title} has no object")

    def mean(of: list[NDArray[np.float64]]) -> float:
        return 100 * float(np.mean([values.mean() for values in of]))

    def recall(of: list[NDArray[np.float64]]) -> float:
        return 100 * float(np.mean([(values > 0.5).mean() for values in of]))

    j, f = mean(regions), mean(boundaries)
    values = {"j_and_f": (j + f) / 2, "j": j, "f": f, "j_recall": recall(regions), "f_recall": recall(boundaries)}
    counts = {"clips": len(data), "frames": frames, "objects": len(regions), "lost": lost}
    return _score(model, values, counts, data, "davis")


def follow(
    model: Model, clip: Clip, resolution: int, told: Callable[[], None] = lambda: None
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """J and F of each object in each frame of a clip but the first and the last, [objects, frames - 2] each, and how
    many objects were lost at its end. `told` is called after each frame."""
    regions: list[list[float]] = []
    boundaries: list[list[float]] = []
    carrier: Propagation | None = None
    objects = lost = 0
    for number, (truth, maps) in enumerate(_looked(model, clip, resolution)):
        labels = np.where(truth.labels == VOID, np.uint8(0), truth.labels)
        assert maps.tokens is not None
        told()
        if carrier is None:
            objects = int(labels.max())
            if not objects:
                raise SourceUnreadable(f"{clip.name} has no object in its first frame")
            carrier = Propagation(maps.tokens, one_each(sampled(labels, maps.grid), objects))
            continue
        carried = carrier.next(maps.tokens)
        lost = sum(carried.lost)
        if number == clip.count - 1:
            break
        found = sampled(on_pixels(carried.labels, maps.input_size), (labels.shape[0], labels.shape[1]))
        pairs = list(zip(one_each(found, objects), one_each(labels, objects), strict=True))
        regions.append([float(measures.jaccard(mask, true)) for mask, true in pairs])
        boundaries.append([measures.boundary_measure(mask, true) for mask, true in pairs])
    return np.array(regions).T, np.array(boundaries).T, lost


def _looked(model: Model, clip: Clip, resolution: int) -> Iterator[tuple[Segmented, Maps]]:
    sizes = set()
    for frames in _batched(clip):
        sizes |= {frame.pixels.shape for frame in frames}
        if len(sizes) > 1:
            raise SourceUnreadable(f"{clip.name} has frames of several sizes")
        seen = [_narrowed(frame.pixels, resolution) for frame in frames]
        looked = model.batch(seen, _any_query(model), features=("tokens",), resolution=resolution)
        yield from zip(frames, looked, strict=True)


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
    find: Find,
    *,
    method: str = "",
    resolution: int | None = None,
    progress: Progress | None = None,
) -> Score:
    """In what share of the pictures the one box that is found overlaps a true box by half or more.

    CorLoc, as LOST (Siméoni et al. 2021) and TokenCut (Wang et al. 2022) report it, by valeoai/LOST, main_lost.py, and
    YangtaoWANG95/TokenCut, main_tokencut.py: the pictures of trainval; all boxes count, difficult and truncated ones
    too; the features are the keys of the last layer, of all heads together; pictures are looked at in their own size,
    filled up with the mean colour to whole patches at the right and below; an intersection over union of at least 0.5
    is right.

    Args:
        model: any.
        data: from `datasets.boxed`.
        find: features float32 [rows, columns, width] -> box (top, left, bottom, right) in patches, bottom and right
            just outside; None if it finds nothing.
        method: what `find` does, for the papers' figures: "lost" or "tokencut".
        resolution: short side, in pixels; the data's own if not given, or else each picture's.
        progress: as for `jaccard`.
    """
    told = _telling(f"corloc of {model.card.name}", len(data), progress)
    resolution = resolution or data.resolution
    right = 0
    for picture in data:
        seen = _filled_up(picture.pixels, model) if resolution is None else picture.pixels
        asked = resolution or min(seen.shape[:2])
        maps = model.batch([seen], _any_query(model), features=("keys",), resolution=asked)[0]
        assert maps.keys is not None
        box = find(np.moveaxis(maps.keys, 0, 2).reshape(*maps.grid, -1))
        if box is not None:
            scale = np.array(seen.shape[:2]) / maps.grid
            inside = np.minimum(np.asarray(box) * np.tile(scale, 2), np.tile(picture.pixels.shape[:2], 2))
            right += bool(measures.box_overlap(inside, picture.boxes).max() >= 0.5)
        told()
    values, counts = {"corloc": 100 * right / len(data)}, {"pictures": len(data)}
    return _score(model, values, counts, data, corloc_paper(method, data.title))


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

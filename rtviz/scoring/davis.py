"""How well patch features carry the first frame's masks through a video, as DAVIS 2017 measures it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rtviz.analysis.propagation import Propagation, on_pixels, one_each, sampled
from rtviz.cv import cv2
from rtviz.errors import SourceUnreadable
from rtviz.frame import Maps, Pixels
from rtviz.scoring import measures
from rtviz.scoring.common import (
    MASKS,
    Progress,
    any_query,
    batched,
    counter,
    rounded,
    score_of,
)
from rtviz.scoring.datasets import VOID, Clip, DataSet, Segmented
from rtviz.scoring.report import Score

if TYPE_CHECKING:
    from rtviz.models import Model

Reals = NDArray[np.float64]
_WIDTH_UNIT = 64


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
    advance = counter(f"davis of {model.card.name}", frames, progress)
    regions: list[Reals] = []
    boundaries: list[Reals] = []
    of_mean_maps: list[float] = []
    lost = 0
    each: list[dict[str, Any]] = []
    for clip in data:
        region, outline, now_lost, of_mean_map = follow(model, clip, resolution or data.resolution or 480, advance)
        of_mean_maps += list(of_mean_map)
        objects = [
            {"object": number + 1, **rounded(_j_and_f([region[number]], [outline[number]]))}
            for number in range(len(region))
        ]
        whole = rounded(_j_and_f(region, outline))
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
    return score_of(model, data, "davis", values, counts, each)


def davis_baselines(data: DataSet[Clip], progress: Progress | None = None) -> list[Score]:
    """What masks reach that no model has a part in: the first frame's, left where they are; a disc in the middle; the
    whole picture."""
    advance = counter("davis of baselines", sum(clip.count for clip in data), progress)
    names = ("static first masks", *MASKS)
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
                still = [np.broadcast_to(mask(size), first.shape) for mask in MASKS.values()]
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
    for frames in batched(clip, model):
        sizes |= {frame.pixels.shape for frame in frames}
        if len(sizes) > 1:
            raise SourceUnreadable(f"{clip.name} has frames of several sizes")
        inputs = [resized(frame.pixels, resolution) for frame in frames]
        if not compiled:
            model.compile(inputs[0], len(inputs), resolution, ("tokens",), frames=clip.count)
            compiled = True
        predictions = model.batch(inputs, any_query(model), features=("tokens",), resolution=resolution)
        yield from zip(frames, predictions, strict=True)


def resized(pixels: Pixels, resolution: int) -> Pixels:
    """Short side to the resolution; the long one in proportion, and down to a multiple of 64."""
    height, width = pixels.shape[:2]
    scale = resolution / min(height, width)

    def long(side: int) -> int:
        return max(resolution, int(side * scale) // _WIDTH_UNIT * _WIDTH_UNIT)

    size = (resolution, long(height)) if height > width else (long(width), resolution)
    return np.asarray(cv2.resize(pixels, size), np.uint8)

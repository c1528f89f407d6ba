"""Jaccard index of each object with its best head's mask, as in Caron et al. 2021."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtviz.analysis.head_stats import standing_out
from rtviz.errors import SourceUnreadable
from rtviz.scoring import measures
from rtviz.scoring.common import (
    MASKS,
    Progress,
    batched,
    counter,
    object_numbers,
    percent,
    score_of,
    standard_error,
)
from rtviz.scoring.datasets import VOID, DataSet, Segmented
from rtviz.scoring.report import Score
from rtviz.settings import Settings
from rtviz.views.overlap import scored_maps

if TYPE_CHECKING:
    from rtviz.models import Model


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
    advance = counter(f"jaccard of {model.card.name}", len(data), progress)
    of_pictures: list[float] = []
    of_objects: list[float] = []
    of_mean_maps: list[float] = []
    of_followed: list[float] = []
    each: list[dict[str, Any]] = []
    for pictures in batched(data, model):
        predictions = model.batch([picture.pixels for picture in pictures], resolution=resolution or data.resolution)
        for picture, maps in zip(pictures, predictions, strict=True):
            attention = scored_maps(maps, Settings())
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
                {"object": one.number, "jaccard": percent(one.jaccard), "head": one.head if model.heads else None}
                for one in best
            ]
            chosen = (
                {"mean_map": percent(of_mean_maps[-1]), "followed": percent(of_followed[-1])} if model.heads else {}
            )
            each.append({"name": picture.name, "jaccard": percent(of_pictures[-1]), **chosen, "objects": objects})
    if not of_objects:
        raise SourceUnreadable(f"{data.title} has no object")
    values = {"jaccard": 100 * float(np.mean(of_pictures)), "jaccard_objects": 100 * float(np.mean(of_objects))}
    if of_mean_maps:
        values["mean_map"] = 100 * float(np.mean(of_mean_maps))
        values["followed"] = 100 * float(np.mean(of_followed))
    counts = {"pictures": len(of_pictures), "objects": len(of_objects)}
    return score_of(model, data, "jaccard", values, counts, each, of_pictures)


def jaccard_baselines(data: DataSet[Segmented], progress: Progress | None = None) -> list[Score]:
    """What masks reach that no model has a part in: a disc in the middle, the whole picture."""
    advance = counter("jaccard of baselines", len(data), progress)
    found: dict[str, list[list[float]]] = {name: [] for name in MASKS}
    for picture in data:
        masks = np.stack([mask((picture.labels.shape[0], picture.labels.shape[1])) for mask in MASKS.values()])
        of_objects = [
            measures.jaccard(masks, picture.labels == number, picture.labels != VOID)
            for number in object_numbers(picture.labels)
        ]
        if of_objects:
            for name, values in zip(MASKS, np.transpose(of_objects).tolist(), strict=True):
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
            error=standard_error([float(np.mean(values)) for values in pictures]),
        )
        for name, pictures in found.items()
        if pictures
    ]


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
    for number in object_numbers(labels):
        covered = measures.jaccard(masks, labels == number, labels != VOID)
        found.append(Best(number, float(covered.max()), int(covered.argmax())))
    return found

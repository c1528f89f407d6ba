"""CorLoc: in how many pictures the one box that is found without labels is an object's."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from rtviz.analysis import discovery
from rtviz.frame import Floats, Pixels
from rtviz.scoring import measures
from rtviz.scoring.common import (
    MIDDLE,
    Progress,
    any_query,
    counter,
    percent,
    score_of,
    standard_error,
)
from rtviz.scoring.datasets import Boxed, DataSet
from rtviz.scoring.report import Score

if TYPE_CHECKING:
    from rtviz.models import Model

Find = Callable[[Floats], Any]  # features [rows, columns, width] -> (top, left, bottom, right) in patches, or None


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
    advance = counter(f"corloc of {model.card.name}", len(data), progress)
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
        maps = model.batch([pixels], any_query(model), features=(features,), resolution=short_side)[0]
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
        each.append({"name": picture.name, "right": right[-1], "overlap": percent(overlap), "box": sides})
        advance()
    shares = {"corloc": right, "empty": empty, "whole": whole}
    values, counts = {name: 100 * float(np.mean(share)) for name, share in shares.items()}, {"pictures": len(data)}
    return replace(score_of(model, data, f"corloc {method}", values, counts, each, right), features=features)


def corloc_baselines(data: DataSet[Boxed], progress: Progress | None = None) -> list[Score]:
    """What boxes reach that no model has a part in: one in the middle, the whole picture."""
    advance = counter("corloc of baselines", len(data), progress)
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
            error=standard_error(values),
        )
        for name, values in right.items()
    ]


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

"""The view `similarity`: the cosine similarity of each patch to the query's."""

from __future__ import annotations

import numpy as np

from rtviz.drawing import blend, labels
from rtviz.frame import Floats, Frame, Maps, Pixels
from rtviz.settings import Point, Query, Settings, token_name
from rtviz.views import heatmap
from rtviz.views.base import Memory
from rtviz.views.requirements import compared_by
from rtviz.views.selection import key_of, normalize


def draw(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """Cosine similarity of every patch with the one under the query; where that is CLS or a register, with what it
    attends to.

    Patches are compared by their keys of the last layer, of all heads together, unless the settings say otherwise. The
    colours span the frame's own range, so that what DINOv2's keys have in common does not show.
    """
    features = compared_by(settings, maps.discovery_features)
    likeness = similarity(maps, maps.query, features)
    values = normalize(likeness, frame, settings, memory, key_of(maps, settings, "similarity", features))
    picture = heatmap.light(frame.pixels, values, settings, settings.layout == "alone")
    if maps.query_place is None:
        labels.legend(picture, f"like what {token_name(maps.query)} attends to", [])
    else:
        blend.marker(picture, *maps.query_place)
    return picture


def similarity(maps: Maps, query: Query, features: str = "keys") -> Floats:
    """Cosine similarity of each patch with that of the query: float32 [rows, columns], -1 to 1.

    CLS and registers stand for the mean of the patches, weighted by what they attend to in the last layer.

    Args:
        features: what patches are compared by: "keys", "values" or "tokens".

    Raises:
        ValueError: the maps do not hold them.
    """
    patches = maps.patch_features(features)  # [rows, columns, width]
    patches = patches / np.maximum(np.linalg.norm(patches, axis=-1, keepdims=True), 1e-12)
    if not isinstance(query, Point):
        query_feature = np.tensordot(maps.attention[-1].mean(axis=0), patches, axes=2)
    else:
        query_feature = patches[maps.grid.patch_at(query)]
    query_feature = query_feature / max(float(np.linalg.norm(query_feature)), 1e-12)
    return np.asarray(patches @ query_feature, np.float32)

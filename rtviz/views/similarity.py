"""The view `similarity`: how much each patch is like the one that is asked about."""

from __future__ import annotations

import numpy as np

from rtviz import compose
from rtviz.frame import Floats, Frame, Maps, Pixels
from rtviz.settings import Query, Settings
from rtviz.views import Memory, heatmap
from rtviz.views.selection import key_of, normalize


def draw(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """Cosine similarity of every patch's key with the key under the query; with what CLS attends to, for the query cls.

    The keys are the last layer's, of all heads together, as LOST and TokenCut take them.
    """
    likeness = similarity(maps, maps.query)
    values = normalize(likeness, frame, settings, memory, key_of(maps, settings, "similarity"))
    picture = heatmap.light(frame.pixels, values, settings, settings.layout == "alone")
    if maps.query != "cls":
        compose.marker(picture, *maps.query)
    return picture


def similarity(maps: Maps, query: Query) -> Floats:
    """Cosine similarity of each patch's key with that of the query: float32 [rows, columns], -1 to 1.

    The query cls stands for the mean of the keys, weighted by what CLS attends to in the same layer.

    Raises:
        ValueError: the maps hold no keys.
    """
    if maps.keys is None:
        raise ValueError("similarity needs the keys")
    keys = np.moveaxis(maps.keys, 0, 2).reshape(*maps.grid, -1)  # [rows, columns, width]
    keys = keys / np.maximum(np.linalg.norm(keys, axis=-1, keepdims=True), 1e-12)
    if query == "cls":
        weights = maps.attention[maps.keys_layer or -1].mean(axis=0)
        asked = np.tensordot(weights, keys, axes=2)
    else:
        rows, columns = maps.grid
        asked = keys[min(int(query.y * rows), rows - 1), min(int(query.x * columns), columns - 1)]
    asked = asked / max(float(np.linalg.norm(asked)), 1e-12)
    return np.asarray(keys @ asked, np.float32)

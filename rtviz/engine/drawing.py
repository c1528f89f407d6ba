"""From maps to the picture of a frame: the one function by which live, exports, the layer sweep and the API draw."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType

from rtviz import views
from rtviz.drawing.annotated import painted
from rtviz.frame import Frame, Maps, Result
from rtviz.markup import collect
from rtviz.settings import Settings
from rtviz.views import requirements


def draw(
    frame: Frame,
    maps: Maps | None,
    settings: Settings,
    memory: views.Memory | None = None,
    *,
    substitute: bool = False,
    label_head: bool = False,
    timings_ms: Mapping[str, float] | None = None,
) -> Result:
    """Draws what the maps of a frame show; no forward pass.

    Args:
        frame: the frame that the maps are of.
        maps: what the model predicted; None only for a view that needs no model, or with `substitute`.
        settings: view, layout, layer, head, colours.
        memory: of the frame's stream; without one each frame is drawn on its own.
        substitute: draw the nearest thing that the maps hold where they lack what the settings ask for, instead of
            raising; the settings of the result say what was drawn.
        label_head: write on the picture which head was chosen for `head="follow"`.
        timings_ms: of the earlier steps, which the result lists beside the time of drawing.

    Raises:
        SettingsError: without `substitute`, the maps have no such layer or head.
    """
    start = time.perf_counter()
    if substitute:
        settings = requirements.fit(settings, maps)
    labelled = label_head and settings.head == "follow" and maps is not None and maps.has_attention
    settings = views.resolve_head(frame, maps, settings, memory)
    with collect() as annotations:
        plain = views.draw(frame, maps, settings, memory)
    overlay = painted(plain, annotations)
    if labelled:
        views.name_head(overlay, frame, settings)
    timings = {**(timings_ms or {}), "draw": (time.perf_counter() - start) * 1000}
    return Result(
        overlay, frame, maps, settings, MappingProxyType(timings), plain=plain, annotations=tuple(annotations)
    )


__all__ = ["draw"]

"""The view `rollout`: what each patch counts for the query through all layers up to the chosen one."""

from __future__ import annotations

from rtviz import compose
from rtviz.frame import Frame, Maps, Pixels
from rtviz.settings import Settings
from rtviz.views import Memory, heatmap
from rtviz.views.selection import key_of, layer_of, normalize


def draw(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """Attention rollout (Abnar and Zuidema, 2020) as light. `rtviz.models.rollout` says what it costs.

    Raises:
        SettingsError: the maps have no such layer.
        ValueError: the maps were made without it.
    """
    if maps.rollout is None:
        raise ValueError("the view rollout needs the feature rollout")
    layer_of(maps, settings)  # a layer that is not there is refused here as everywhere
    key = key_of(maps, settings, "rollout", *(maps.rolled or ()))
    values = normalize(maps.rollout, frame, settings, memory, key)
    picture = heatmap.light(frame.pixels, values, settings, settings.layout == "alone")
    if maps.query != "cls":
        compose.marker(picture, *maps.query)
    elif not maps.rollout.any():
        discard = maps.rolled.discard if maps.rolled else settings.discard
        said = f"nothing reaches CLS: {100 * discard:.0f} % is discarded (--discard)"
        compose.say(picture, said, "nothing reaches CLS")
    return picture

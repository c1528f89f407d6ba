"""The view `rollout`: what each patch counts for the query through all layers up to the chosen one."""

from __future__ import annotations

from rtviz.drawing import blend, labels
from rtviz.frame import Frame, Maps, Pixels
from rtviz.settings import Settings, token_name
from rtviz.views import heatmap, outlier_remark
from rtviz.views.base import Memory
from rtviz.views.selection import key_of, layer_of, normalize

# Through the layers a few patches gather global information, as in DINOv2 without registers ("Vision Transformers
# Need Registers", Darcet et al. 2024): with a trained ViT-S/14 the largest patch has 80 to 420 times the median of a
# picture, and the eighth largest 8 to 17 times. The range of colours ends below those few, or the rest is black.
_TOP = 0.98


def draw(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """Attention rollout (Abnar and Zuidema, 2020) as light. `rtviz.models.rollout` says what it costs.

    Raises:
        SettingsError: the maps have no such layer.
        ValueError: the maps were made without it.
    """
    if maps.rollout is None:
        raise ValueError("the view rollout needs the feature rollout")
    layer = layer_of(maps, settings)  # a layer that is not there is an error here as everywhere
    key = key_of(maps, settings, "rollout", *(maps.rolled or ()))
    values = normalize(maps.rollout, frame, settings, memory, key, top=_TOP)
    picture = heatmap.light(frame.pixels, values, settings, settings.layout == "alone")
    if maps.query_place is not None:
        blend.marker(picture, *maps.query_place)
    elif not maps.rollout.any():
        discard = maps.rolled.discard if maps.rolled else settings.discard
        said = f"nothing reaches {token_name(maps.query)}"
        labels.say(picture, f"{said}: {100 * discard:.0f} % of the attention is discarded", said)
    outlier_remark.remark(picture, maps, maps.rollout, layer)
    return picture

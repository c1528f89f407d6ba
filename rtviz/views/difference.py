"""The view `difference`: how attention differs from that of the unablated model while heads are muted."""

from __future__ import annotations

import numpy as np

from rtviz.drawing import blend, labels, palette
from rtviz.frame import Floats, Frame, Maps, Pixels
from rtviz.settings import Settings
from rtviz.views import heatmap
from rtviz.views.base import Memory
from rtviz.views.selection import chosen, key_of, layer_of, normalize


def draw(frame: Frame, maps: Maps, settings: Settings, memory: Memory | None) -> Pixels:
    """Where the chosen head attends more than in the unablated model, in one colour, and where less, in another; the
    share of the attention that has moved, in words. Differences within rounding of the number format stay dark.

    Raises:
        SettingsError: the maps have no such layer or head.
    """
    alone = settings.layout == "alone"
    if not maps.muted or maps.unablated is None:
        picture = np.zeros_like(frame.pixels) if alone else frame.pixels.copy()
        labels.say(picture, "no head is muted: choose one and press z", "no head is muted")
        return picture
    more, share = difference(maps, maps.unablated, settings)
    layer = layer_of(maps, settings)
    above = layer > min(one.layer for one in maps.muted)  # muting acts on a head's output, after its layer's attention
    real = _beyond_rounding(more, maps, maps.unablated, settings) if above else np.zeros_like(more)
    if real.any():
        key = key_of(maps, settings, "difference", layer, settings.head)
        strength = normalize(np.abs(real), frame, settings, memory, key)
    else:
        strength = np.zeros_like(more)
    values = np.stack([np.where(more > 0, strength, 0), np.where(more < 0, strength, 0)]).astype(np.float32)
    picture = heatmap.heads_light(frame.pixels, values, settings, alone)
    if not above:
        labels.legend(picture, f"nothing moves: no head below layer {layer} is muted", [])
    elif not real.any():
        labels.legend(picture, "nothing moves further than rounding does", [])
    else:
        said = f"{100 * share:.0f} % moved" if share >= 0.005 or not share else "less than 1 % moved"
        labels.legend(picture, said, [(name, palette.head_color(place)) for place, name in enumerate(("more", "less"))])
    if maps.query_place is not None:
        blend.marker(picture, *maps.query_place)
    return picture


def _beyond_rounding(more: Floats, maps: Maps, unablated: Maps, settings: Settings) -> Floats:
    """A difference [rows, columns], reduced by the rounding error possible in each patch."""
    fused = settings.replace(head="mean") if settings.head == "all" else settings
    noise = max(maps.noise, unablated.noise) * np.maximum(chosen(maps, fused), chosen(unablated, fused))
    return np.asarray(np.sign(more) * np.maximum(np.abs(more) - noise, 0), np.float32)


def difference(maps: Maps, unablated: Maps, settings: Settings) -> tuple[Floats, float]:
    """The chosen map minus the unablated one, float32 [rows, columns], and the share of the attention that has
    moved: half the sum of all differences (total variation), 0 to 1.

    Raises:
        SettingsError: the maps have no such layer or head.
    """
    fused = settings.replace(head="mean") if settings.head == "all" else settings
    now, before = chosen(maps, fused), chosen(unablated, fused)
    shares = [each / max(float(each.sum()), 1e-12) for each in (now, before)]
    return np.asarray(now - before, np.float32), float(np.abs(shares[0] - shares[1]).sum() / 2)

"""What a picture shows, in words: for the title above it."""

from __future__ import annotations

from rtviz.frame import Maps, explained_layer
from rtviz.settings import METHOD_TITLES, Settings
from rtviz.views import registry
from rtviz.views.base import NO_HEAD


def title(maps: Maps, settings: Settings, requested: Settings, best: str = "") -> tuple[str, ...]:
    """What a picture shows, from the longest words for it to the shortest, as the row of its view says it. The longest
    also names muted heads, or says that the model has no heads where a view of heads was requested.

    Args:
        maps, settings: what it was drawn from, and how.
        requested: the settings before `requirements.fit`.
        best: the heads whose masks are measured, in words; empty if none are.
    """
    view = registry.find(settings.view)
    if not view.needs:
        return ("",)
    by_stage = "cam" in view.needs or not maps.has_attention
    row = view if maps.has_attention or "cam" in view.needs else registry.find(registry.fallback(has_attention=False))
    remarks = [] if by_stage else _muted(maps)
    if best and view.best_heads:
        heads, short = best, best.replace(" heads", "").replace(" head", "")
    elif isinstance(settings.head, int):
        heads, short = f"head {settings.head}", f"H{settings.head}"
    elif settings.head == "all":
        heads, short = "all heads", "all"
    else:
        heads, short = f"{settings.head} of heads", settings.head
        if requested.head == "follow" and settings.head == "mean" and "{heads}" in row.titles[0]:
            remarks.insert(0, NO_HEAD)
    words = {
        "layer": explained_layer(settings.layer, maps.layers, 0),
        "heads": heads,
        "heads_short": short,
        "cam": METHOD_TITLES[settings.cam_method(maps.has_attention)],
        "objects": METHOD_TITLES[settings.objects],
        "stage": "layer" if maps.has_attention else "stage",
        "S": "L" if maps.has_attention else "S",
    }
    texts = tuple(text.format_map(words) for text in row.titles)
    if not by_stage:
        return (" · ".join([texts[0], *remarks]), *(texts[1:] or texts))
    wanted = registry.find(requested.view)
    if maps.has_attention or "attention" not in wanted.needs:
        return texts
    return (f"{texts[0]} (no {wanted.subject})", f"{texts[1]} (no {wanted.subject.split()[1]})", *texts)


def _muted(maps: Maps) -> list[str]:
    return [f"{of} muted" for of in maps.muted] if len(maps.muted) <= 2 else [f"{len(maps.muted)} heads muted"]


__all__ = ["title"]

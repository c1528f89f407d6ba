"""What the settings' view needs of a model and of its maps, decided in one place for live, offline and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rtviz import views
from rtviz.frame import Maps, explained_layer
from rtviz.settings import HeadOf, Settings

if TYPE_CHECKING:
    from rtviz.models import Model


def features(settings: Settings, model: Model) -> set[str]:
    """What the maps must hold beside attention, as `Model.batch` knows it; of a model without heads the one thing that
    it can show."""
    needs = views.needs(settings, model.card.discovery_features)
    wanted = {settings.cam} if "cam" in needs or not model.heads else set()
    if settings.track and model.heads:
        wanted.add("tokens")
    return wanted | (needs & {"tokens", "keys", "values", "rollout", "unablated"})


def fit(settings: Settings, maps: Maps | None) -> Settings:
    """The settings, with layer, head and view brought to what these maps have: after another model was chosen, or while
    the features that a view needs are still on their way. Where there are no heads, the view is cam."""
    needs = views.find(settings.view).needs
    if maps is None:
        return settings if not needs else settings.replace(view="none")
    changes: dict[str, Any] = {}
    if not -maps.layers <= settings.layer < maps.layers:
        changes["layer"] = explained_layer(settings.layer, maps.layers, 0)
    if isinstance(settings.head, int) and settings.head >= maps.heads:
        changes["head"] = maps.heads - 1 if maps.heads else "mean"
    if not maps.heads and views.find(settings.view).needs_heads:
        changes["view"] = "cam"
    if ("cam" in (settings.view, changes.get("view")) or not maps.heads) and maps.cams:
        if settings.cam not in maps.cams:
            changes["cam"] = next(iter(maps.cams))
        elif settings.cam == "grad" and maps.explained is not None and not has_features(maps, settings):
            # The one for another class or stage, until the new one is there.
            changes |= {"target": maps.explained.target, "layer": maps.explained.layer}
        if maps.heads:  # of a transformer there is only the last layer
            changes["layer"] = -1
    elif not _has_what_is_drawn(maps, settings):
        changes["view"] = "heatmap"
    return settings.replace(**changes) if changes else settings


def has_features(maps: Maps, settings: Settings) -> bool:
    """Whether maps hold what the view of the settings needs."""
    needs = views.find(settings.view).needs
    if "cam" in needs or not maps.heads:
        return maps.explains(settings.target, settings.layer) if settings.cam == "grad" else settings.cam in maps.cams
    if settings.track and (maps.labels is None or maps.marks != settings.track):
        return False
    if maps.muted != muted(settings, maps.layers, maps.heads):
        return False
    if "rollout" in needs and maps.rolled is not None:
        layer = fit(settings.replace(view="heatmap"), maps).layer % maps.layers
        if maps.rolled != (settings.rollout, settings.discard, layer):
            return False
    return _has_what_is_drawn(maps, settings)


def _has_what_is_drawn(maps: Maps, settings: Settings) -> bool:
    """Whether a view can draw what maps hold, if it was made for other settings too."""
    needs = views.needs(settings, maps.discovery_features)
    if settings.view == "track" and settings.track and maps.labels is None:
        return False
    if "unablated" in needs and maps.muted and maps.unablated is None:
        return False
    wide = {"tokens": maps.tokens, "keys": maps.keys, "values": maps.values}
    held = {**wide, "rollout": maps.rollout, "cam": maps.cams or None}
    return not any(name in needs and there is None for name, there in held.items())


def muted(settings: Settings, layers: int, heads: int, pane: int = 0) -> tuple[HeadOf, ...]:
    """Those of the muted heads that the model of a pane has, their layers counted from 0."""
    there = [of for of in settings.muted_in(pane) if -layers <= of.layer < layers and of.head < heads]
    return tuple(sorted({HeadOf(of.layer % layers, of.head) for of in there}))


def having(settings: Settings, model: Model | None) -> Settings:
    """The settings without those muted heads that a model does not have, as another one had them."""
    if model is None or not settings.mute:
        return settings
    return settings.replace(mute=muted(settings, model.layers, model.heads))


def with_default_view(settings: Settings) -> Settings:
    """The settings with the view that shows their model where no view was named: cam for a model without heads, unless
    several panes are drawn, of which each falls back by itself."""
    from rtviz.models import describe

    panes = settings.compare or settings.jaccard
    return settings if panes or describe(settings.model, settings.weights).heads else settings.replace(view="cam")


def answers(maps: Maps, model: Model | None, settings: Settings, frame_size: tuple[int, int]) -> bool:
    """Whether maps of a frame of this (height, width) are what the model would see in it now."""
    return (
        model is not None
        and (maps.query == settings.query or maps.rows is not None)
        and maps.model == model.name
        and maps.input_size == model.input_size(frame_size, settings.resolution)
        and has_features(maps, settings)
    )


__all__ = ["answers", "features", "fit", "has_features", "having", "muted", "with_default_view"]

"""What the view of the settings needs of a model and of its maps: decided here for live, offline and figures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rtviz.frame import Maps, explained_layer
from rtviz.settings import HeadOf, Point, Prompt, Query, Reference, Register, Settings, token_name
from rtviz.views import registry

if TYPE_CHECKING:
    from rtviz.models import Model


def needs(settings: Settings, layers: int, discovery_features: str) -> frozenset[str]:
    """What maps must hold for the view of the settings: "keys", "values" or "tokens" where its row says "features";
    "tokens" where it says "layer_tokens", and the layer is the last.

    Args:
        layers: how many the model has.
        discovery_features: of the model's card.
    """
    view = registry.find(settings.view)
    if "layer_tokens" in view.needs and not kept_layers(settings, layers):
        return view.needs - {"layer_tokens"} | {"tokens"}
    if "features" not in view.reads:
        return view.needs
    return view.needs - {"keys", "tokens", "features"} | {compared_by(settings, discovery_features)}


def compared_by(settings: Settings, discovery_features: str) -> str:
    """Which of "keys", "values" and "tokens" the view of the settings compares patches by.

    Args:
        discovery_features: of the model's card, which its maps repeat.
    """
    if settings.features != "auto":
        return settings.features
    needed = registry.find(settings.view).needs
    if "features" in needed:
        return discovery_features
    return "tokens" if "tokens" in needed else "keys"


def features(settings: Settings, model: Model) -> set[str]:
    """What the maps must hold beside attention, as `Model.batch` calls it; for a model without heads the method of its
    class activation map."""
    needed = needs(settings, model.layers, model.card.discovery_features)
    wanted = {settings.cam_method(bool(model.heads))} if "cam" in needed or not model.heads else set()
    if settings.track and model.heads:
        wanted.add("tokens")
    on_demand = {"tokens", "layer_tokens", "keys", "values", "norms", "columns", "rollout", "unablated"}
    return wanted | (needed & on_demand)


def query(settings: Settings, model: Model) -> Query:
    """The query of the settings; of a transformer without CLS the patch in the middle in place of CLS."""
    lacks_it = settings.query == "cls" and model.heads and not model.has_cls
    return Point(0.5, 0.5) if lacks_it else settings.query


def kept_layers(settings: Settings, layers: int) -> tuple[int, ...]:
    """Which layers' tokens the view of the settings needs beside those that a model of so many layers ends with, as
    `Model.batch` calls it."""
    layer = explained_layer(settings.layer, layers, 0)
    shown = "layer_tokens" in registry.find(settings.view).needs and layer != layers - 1
    return (layer,) if shown else ()


def pictured(settings: Settings) -> tuple[Reference, ...] | tuple[Prompt, ...]:
    """The marked places of pictures that the view of the settings shows in the frame."""
    needed = registry.find(settings.view).needs
    return settings.reference if "references" in needed else settings.prompt if "prompts" in needed else ()


def fit(settings: Settings, maps: Maps | None) -> Settings:
    """The settings with layer, head and view replaced where these maps lack them: another model was chosen, or
    the next forward pass has not delivered what a new view needs."""
    view = registry.find(settings.view)
    if maps is None:
        return settings if not view.needs else settings.replace(view=registry.FRAME)
    changes: dict[str, Any] = {}
    if not -maps.layers <= settings.layer < maps.layers:
        changes["layer"] = explained_layer(settings.layer, maps.layers, 0)
    if isinstance(settings.head, int) and settings.head >= maps.heads:
        changes["head"] = maps.heads - 1 if maps.has_attention else "mean"
    if isinstance(settings.second, Register) and token_name(settings.second) not in maps.prefix_names:
        changes["second"] = "cls"
    if not maps.has_attention and view.needs_heads:
        changes["view"] = registry.fallback(maps.has_attention)
    if ("cam" in view.needs or not maps.has_attention) and maps.cams:
        if settings.cam_method(maps.has_attention) not in maps.cams:
            changes["cam"] = next(iter(maps.cams))
        elif settings.cam == "grad" and maps.explained is not None and not has_features(maps, settings):
            # The map of another class or stage stays until the new one is there.
            changes |= {"target": maps.explained.target, "layer": maps.explained.layer}
        if maps.has_attention:  # of a transformer there is only the last layer
            changes["layer"] = -1
    elif "layer_tokens" in view.needs and maps.tokens_after(changes.get("layer", settings.layer)) is None:
        held = (*maps.kept_layers, maps.layers - 1)
        other = next((layer for layer in held if maps.tokens_after(layer) is not None), None)
        # The layer that they hold stays until the new one is there.
        changes |= {"view": registry.fallback(has_attention=True)} if other is None else {"layer": other}
    elif not _has_what_is_drawn(maps, settings):
        changes["view"] = registry.fallback(has_attention=True)
    return settings.replace(**changes) if changes else settings


def has_features(maps: Maps, settings: Settings) -> bool:
    """Whether the maps hold what the view of the settings needs, made for these settings."""
    needed = registry.find(settings.view).needs
    if "cam" in needed or not maps.has_attention:
        method = settings.cam_method(maps.has_attention)
        return maps.explains(settings.target, settings.layer) if method == "grad" else method in maps.cams
    if settings.track and (maps.labels is None or maps.marks != settings.track):
        return False
    if {"references", "prompts"} & needed and not maps.references_are(pictured(settings)):
        return False
    if maps.muted != muted(settings, maps.layers, maps.heads):
        return False
    if "rollout" in needed and maps.rolled is not None:
        layer = explained_layer(settings.layer, maps.layers, 0)
        if maps.rolled != (settings.rollout, settings.discard, layer):
            return False
    return _has_what_is_drawn(maps, settings)


def _has_what_is_drawn(maps: Maps, settings: Settings) -> bool:
    """Whether the view can draw these maps, even if they were made for other settings."""
    needed = needs(settings, maps.layers, maps.discovery_features)
    if "labels" in needed and settings.track and maps.labels is None:
        return False
    if "unablated" in needed and maps.muted and maps.unablated is None:
        return False
    by_layer = "layer_tokens" in registry.find(settings.view).needs
    tokens = maps.tokens_after(explained_layer(settings.layer, maps.layers, 0)) if by_layer else maps.tokens
    wide = {"tokens": tokens, "layer_tokens": tokens, "keys": maps.keys, "values": maps.values}
    norms = maps.norms if maps.norms is not None and len(maps.norms) == maps.layers else None
    held = {**wide, "norms": norms, "columns": maps.columns, "rollout": maps.rollout, "cam": maps.cams or None}
    return not any(name in needed and there is None for name, there in held.items())


def muted(settings: Settings, layers: int, heads: int, pane: int = 0) -> tuple[HeadOf, ...]:
    """The muted heads that the model of a pane has, with layers counted from 0."""
    there = [of for of in settings.muted_in(pane) if -layers <= of.layer < layers and of.head < heads]
    return tuple(sorted({HeadOf(of.layer % layers, of.head) for of in there}))


def having(settings: Settings, model: Model | None) -> Settings:
    """The settings without the muted heads that a model does not have."""
    if model is None or not settings.mute:
        return settings
    return settings.replace(mute=muted(settings, model.layers, model.heads))


def with_default_view(settings: Settings) -> Settings:
    """The settings with the view that shows their model where no view was named: cam for a model without heads, unless
    several panes are drawn, of which each falls back by itself."""
    from rtviz.models import describe

    panes = settings.compare or settings.jaccard
    if panes or describe(settings.model, settings.weights).heads:
        return settings
    return settings.replace(view=registry.fallback(has_attention=False))


def unread(given: Iterable[str], settings: Settings, heads: int) -> dict[str, str]:
    """Which settings of these names do not change what is drawn, each with why: "" or words that end a sentence.

    Args:
        settings: as they are drawn.
        heads: of the model, or the most that one of several has.
    """
    view = registry.find(settings.view)
    reads = view.reads | ({"track", "threshold"} if settings.jaccard else set())
    if not heads:
        reads = (reads - {"query", "head"}) | {"cam"}
    reasons = {}
    for name in given:
        if name in registry.SOME_READ and name not in reads:
            reasons[name] = f" in the view {view.name}{'' if heads else ' of a model without heads'}"
        elif name == "target" and settings.cam != "grad":
            reasons[name] = " without --cam grad"
        elif name == "mute" and not heads:
            reasons[name] = ": there are no attention heads"
    return reasons


def answers(maps: Maps, model: Model | None, settings: Settings, frame_size: tuple[int, int]) -> bool:
    """Whether maps of a frame of this (height, width) are what a forward pass would give now."""
    return (
        model is not None
        and (maps.rows is not None or maps.query == query(settings, model))
        and maps.model == model.name
        and maps.input_size == model.input_size(frame_size, settings.resolution)
        and has_features(maps, settings)
    )


__all__ = [
    "answers", "compared_by", "features", "fit", "has_features", "having", "kept_layers", "muted", "needs", "pictured",
    "query", "unread", "with_default_view",
]  # fmt: skip

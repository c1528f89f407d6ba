"""Draws the frames of one stream with what was seen of them, whatever the settings ask that the maps do not have."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from rtviz import views
from rtviz.capture import Shot
from rtviz.errors import in_words, lacks_classifier
from rtviz.frame import Frame, Maps, Result, explained_layer
from rtviz.settings import HeadOf, Settings

if TYPE_CHECKING:
    from rtviz.flow import Carrier
    from rtviz.models import Model


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the model saw of a shot.

    Attributes:
        carry_ms: how long it took to carry it there from the shot that was looked at.
    """

    shot: Shot
    maps: Maps
    forward_ms: float
    carry_ms: float = 0.0


class Artist:
    """What is remembered between the pictures of one row of them: the colours' range, and motion."""

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._memory = views.Memory()
        self._carrier: Carrier | None = None
        self._stream = -1
        self._told: set[str] = set()

    def forget(self) -> None:
        """Begin anew with what pictures have in common."""
        self._memory.reset()

    def lay(self, shot: Shot, seen: Seen | None, settings: Settings) -> Seen | None:
        """What was seen of a shot, or, carried by optical flow to it, of another one a moment away: as much of it as
        the settings draw."""
        if seen is None or seen.shot.number == shot.number:
            return seen
        start = time.perf_counter()
        if self._carrier is None:
            from rtviz.flow import Carrier

            self._carrier = Carrier()
        try:
            needs = views.needs(settings, seen.maps.discovery_features)
            maps = self._carrier.carry(seen.maps, seen.shot.frame, shot.frame, needs)
        except Exception as error:  # the edge of the thread: the frame itself can be shown always
            self._notice(f"carrying failed: {in_words(error)}")
            return None
        return Seen(shot, maps, seen.forward_ms, (time.perf_counter() - start) * 1000)

    def draw(self, shot: Shot, seen: Seen | None, settings: Settings, on: Frame | None = None) -> Result:
        """A shot with what was seen of it, or of another one a moment away.

        Args:
            on: the shot's frame at another size, to be drawn on instead of itself.
        """
        if shot.stream != self._stream:
            self._stream = shot.stream
            self.forget()
        try:
            return self._draw(on or shot.frame, self.lay(shot, seen, settings), settings)
        except Exception as error:  # the edge of the thread: the frame itself can be shown always
            self._notice(f"drawing failed: {in_words(error)}")
            frame = on or shot.frame
            return Result(frame.pixels, frame, None, settings.replace(view="none", layout="overlay"))

    def _draw(self, frame: Frame, seen: Seen | None, settings: Settings) -> Result:
        start = time.perf_counter()
        maps = seen.maps if seen is not None else None
        fitting = views.settled(frame, maps, fit(settings, maps), self._memory)
        if settings.cam == "grad" and maps is not None and maps.explained is not None and maps.explained.number is None:
            self._tell_once(f"{lacks_classifier(maps.model)}: showing {fitting.cam}")
        overlay = views.draw(frame, maps, fitting, self._memory)
        timings_ms = {
            "forward": seen.forward_ms if seen is not None else 0.0,
            "carry": seen.carry_ms if seen is not None else 0.0,
            "draw": (time.perf_counter() - start) * 1000,
        }
        return Result(overlay, frame, maps, fitting, MappingProxyType(timings_ms))

    def _tell_once(self, sentence: str) -> None:
        if sentence not in self._told:
            self._told.add(sentence)
            self._notice(sentence)


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
    if "intact" in needs and maps.muted and maps.intact is None:
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


def answers(maps: Maps, model: Model | None, settings: Settings, frame_size: tuple[int, int]) -> bool:
    """Whether maps of a frame of this (height, width) are what the model would see in it now."""
    return (
        model is not None
        and (maps.query == settings.query or maps.rows is not None)
        and maps.model == model.name
        and maps.input_size == model.input_size(frame_size, settings.resolution)
        and has_features(maps, settings)
    )


__all__ = ["Artist", "Seen", "answers", "fit", "has_features", "having", "muted"]

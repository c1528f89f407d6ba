"""Runs a model on the pictures that references and prompts name, once for each."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING

from rtviz.errors import SettingsError, SourceMissing
from rtviz.frame import Frame, Maps, Pixels, ReferencePicture
from rtviz.options import MOST_PROMPTS
from rtviz.settings import AT_TIME, Point, Prompt, Query, Reference, Settings
from rtviz.sources import open_source
from rtviz.views.requirements import compared_by, pictured

if TYPE_CHECKING:
    from rtviz.models import Model

_KEPT = 32  # pictures, each with the features of its patches: a few MB; more only where more are named
_HELD = MOST_PROMPTS + 20  # pictures in memory alone: of prompts, and of some references
_IN_MEMORY = "memory:"
_held: OrderedDict[str, Pixels] = OrderedDict()


class References:
    """The pictures of references and prompts of one stream's model, through that model; several threads may ask."""

    def __init__(self) -> None:
        self._pictures: OrderedDict[Hashable, tuple[Frame, Maps]] = OrderedDict()
        self._one_at_a_time = threading.Lock()

    def find(self, model: Model, settings: Settings) -> tuple[ReferencePicture, ...]:
        """The marked places of pictures that the view of the settings needs; a file that has changed is read anew.

        Raises:
            SourceMissing, SourceUnreadable: a picture cannot be read.
            SettingsError: a video has no frame at that time.
        """
        if not model.heads:
            return ()
        features = compared_by(settings, model.card.discovery_features)
        wanted = pictured(settings)
        with self._one_at_a_time:
            found = tuple(
                ReferencePicture(one, *self._one(model, one, features, settings.resolution)) for one in wanted
            )
            while len(self._pictures) > max(_KEPT, len(wanted)):
                self._pictures.popitem(last=False)
            return found

    def known(self, model: Model, settings: Settings) -> tuple[ReferencePicture, ...] | None:
        """The same without a forward pass: None if the model has not run on each of the pictures yet. Does not wait."""
        features = compared_by(settings, model.card.discovery_features)
        if not self._one_at_a_time.acquire(blocking=False):
            return None
        try:
            found = [
                (one, self._pictures.get(_key(model, one, features, settings.resolution))) for one in pictured(settings)
            ]
        finally:
            self._one_at_a_time.release()
        known = tuple(ReferencePicture(one, *picture) for one, picture in found if picture is not None)
        return known if len(known) == len(found) else None

    def _one(self, model: Model, one: Reference | Prompt, features: str, resolution: int) -> tuple[Frame, Maps]:
        if isinstance(one, Prompt) and one.on_input:
            raise SettingsError("prompt", one, "CLASS+PICTURE@X,Y, where what is shown is no file")
        key = _key(model, one, features, resolution)
        picture = self._pictures.pop(key, None)
        if picture is None:
            frame = read(one.path)
            query: Query = "cls" if model.has_cls else Point(0.5, 0.5)
            picture = frame, model.batch([frame.pixels], query, (features,), resolution)[0]
        self._pictures[key] = picture  # the last used last
        return picture


def hold(pixels: Pixels) -> str:
    """Keep a picture in this process alone; returns the place under which `read` finds it. Of many the oldest go.

    Args:
        pixels: RGB uint8 [height, width, 3], not changed any more.
    """
    place = f"{_IN_MEMORY}{hashlib.blake2b(pixels.tobytes(), digest_size=8).hexdigest()}"
    _held[place] = pixels
    _held.move_to_end(place)
    while len(_held) > _HELD:
        _held.popitem(last=False)
    return place


def read(place: str) -> Frame:
    """A picture, the first frame of a video, of VIDEO#t=SECONDS its frame at that time, or a picture of `hold`.

    Raises:
        SourceMissing, SourceUnreadable: it cannot be read, or is no longer held.
        SettingsError: the time is no number, or the video has no frame there.
    """
    if place.startswith(_IN_MEMORY):
        held = _held.get(place)
        if held is None:
            raise SourceMissing(f"{place} is no longer in memory: a frame lives as long as the program that took it")
        return Frame(held)
    path, at = _parts(place)
    try:
        start = float(at or 0)
    except ValueError:
        raise SettingsError("reference", place, f"a number of seconds after {AT_TIME}") from None
    with open_source(path, start=start) as source:
        for frame in source:
            return frame
    raise SettingsError(
        "reference", place, f"a time at which the video has a frame after {AT_TIME}" if at is not None else "a picture"
    )


def _key(model: Model, one: Reference | Prompt, features: str, resolution: int) -> Hashable:
    """What the features of a picture depend on."""
    return one.path, _changed(one.path), model.name, features, resolution


def _changed(place: str) -> int | None:
    """When a file was last written; None if it is none."""
    try:
        return Path(_parts(place)[0]).stat().st_mtime_ns
    except OSError:
        return None


def _parts(place: str) -> tuple[str, str | None]:
    """The file, and what stands after "#t=", unless that belongs to the file's name; None where it does not stand."""
    path, at, time = place.rpartition(AT_TIME)
    return (path, time) if at and not Path(place).exists() else (place, None)


__all__ = ["References", "hold", "read"]

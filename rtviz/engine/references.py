"""Runs a model on the reference pictures that the settings name, once for each."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING

from rtviz.errors import SettingsError
from rtviz.frame import Frame, ReferencePicture
from rtviz.settings import Point, Query, Reference, Settings
from rtviz.sources import open_source
from rtviz.views.requirements import compared_by, needs

if TYPE_CHECKING:
    from rtviz.models import Model

_KEPT = 16  # pictures, each with the features of its patches: a few MB
_AT = "#t="


class References:
    """The reference pictures of one stream's model, through that model; several threads may ask."""

    def __init__(self) -> None:
        self._pictures: OrderedDict[Hashable, ReferencePicture] = OrderedDict()
        self._one_at_a_time = threading.Lock()

    def find(self, model: Model, settings: Settings) -> tuple[ReferencePicture, ...]:
        """The pictures that the view of the settings needs; a file that has changed is read anew.

        Raises:
            SourceMissing, SourceUnreadable: a picture cannot be read.
            SettingsError: a video has no frame at that time.
        """
        family = model.card.discovery_features
        if not settings.reference or not model.heads or "references" not in needs(settings, family):
            return ()
        features = compared_by(settings, family)
        with self._one_at_a_time:
            return tuple(self._one(model, one, features, settings.resolution) for one in settings.reference)

    def _one(self, model: Model, reference: Reference, features: str, resolution: int) -> ReferencePicture:
        key = reference, _changed(reference.path), model.name, features, resolution
        picture = self._pictures.get(key)
        if picture is None:
            frame = read(reference.path)
            query: Query = "cls" if model.has_cls else Point(reference.mark.x, reference.mark.y)
            maps = model.batch([frame.pixels], query, (features,), resolution)[0]
            self._pictures[key] = picture = ReferencePicture(reference, frame, maps)
            while len(self._pictures) > _KEPT:
                self._pictures.popitem(last=False)
        return picture


def read(place: str) -> Frame:
    """A picture, the first frame of a video, or, of VIDEO#t=SECONDS, its frame at that time.

    Raises:
        SourceMissing, SourceUnreadable: it cannot be read.
        SettingsError: the time is no number, or the video has no frame there.
    """
    path, at = _parts(place)
    try:
        start = float(at or 0)
    except ValueError:
        raise SettingsError("reference", place, f"a number of seconds after {_AT}") from None
    with open_source(path, start=start) as source:
        for frame in source:
            return frame
    raise SettingsError(
        "reference", place, f"a time at which the video has a frame after {_AT}" if at is not None else "a picture"
    )


def _changed(place: str) -> int | None:
    """When a file was last written; None if it is none."""
    try:
        return Path(_parts(place)[0]).stat().st_mtime_ns
    except OSError:
        return None


def _parts(place: str) -> tuple[str, str | None]:
    """The file, and what stands after "#t=", unless that belongs to the file's name; None where it does not stand."""
    path, at, time = place.rpartition(_AT)
    return (path, time) if at and not Path(place).exists() else (place, None)


__all__ = ["References", "read"]

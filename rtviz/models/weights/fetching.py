"""Fetches the weights of a model: by the first way that works, and one message for all ways that do not."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from rtviz.errors import SettingsError, WeightsMissing
from rtviz.models import zoo
from rtviz.models.weights import licences, places
from rtviz.models.weights.index import Index
from rtviz.models.weights.watching import WayFailed
from rtviz.models.weights.ways import Authors, Hub, Way
from rtviz.models.zoo import ModelCard

Progress = Callable[[str, int, int | None], None]  # (what, bytes done, bytes in all); may raise to cancel

WAYS: tuple[Way, ...] = (Hub(), Authors(), Index())  # in the order in which they are tried

_log = logging.getLogger(__name__)


def ways_for(card: ModelCard) -> list[Way]:
    """The ways by which a model's weights are to be had, the first to try first."""
    return [] if card.random else [way for way in WAYS if way.offers(card)]


def resolve(card: ModelCard, weights: str | Path | None = None, progress: Progress | None = None) -> Path:
    """The file with a model's weights: the one given, else the one on this machine, else the downloaded one.

    Raises:
        WeightsMissing: the given file is not there, or nothing is here and no way leads to it.
    """
    if weights is not None:
        path = Path(weights).expanduser()
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is not there"
            raise WeightsMissing(
                f"the weights file {path} {what}; --weights takes a file that ends in {', '.join(places.SUFFIXES)}",
                model=card.name,
            )
        return path
    return places.find_here(card) or fetch(card, progress)


def fetch(
    card: ModelCard,
    progress: Progress | None = None,
    *,
    way: str = "auto",
    accept_licence: bool = False,
    until: float | None = None,
) -> Path:
    """Download a model's weights; a download that was cut off is resumed.

    Args:
        progress: is called in this thread with the model's name and the way, bytes done, and bytes in all; what it
            raises cancels the download and comes out of here.
        way: hub, authors, index; auto tries them in this order.
        accept_licence: the user has read the model's licence and accepts it.
        until: when to give up, on the clock of `time.monotonic`.

    Raises:
        WeightsMissing: nobody publishes them, or they cannot be reached; the message tells what to do by hand.
        LicenceNotAccepted: their licence must be accepted first.
        SettingsError: they are not to be had by this way.
    """
    ways = ways_for(card)
    if not ways:
        raise WeightsMissing(
            f"no trained weights of {card.name} are published that rtviz could fetch; pass a file with --weights, "
            f"or look with {zoo.RANDOM + card.trained_name}, which is untrained",
            model=card.name,
            steps=["pass a file with --weights"],
        )
    if way != "auto":
        chosen = [one for one in ways if one.name == way]
        if not chosen:
            raise SettingsError("from", way, f"{', '.join(one.name for one in ways)} (for {card.name})")
        ways = chosen
    licences.require(card, accept_licence)
    failures: list[tuple[str, str]] = []
    for one in ways:
        what = f"{card.name} ({one.name})"

        def report(done: int, total: int | None, what: str = what) -> None:
            if progress is not None:
                progress(what, done, total)

        try:
            return one.fetch(card, report, until)
        except WayFailed as failed:
            _log.debug("%s: %s", what, failed)
            failures.append((one.name, str(failed)))
        if until is not None and time.monotonic() > until:
            break
    raise _missing(card, failures)


def _missing(card: ModelCard, failures: list[tuple[str, str]]) -> WeightsMissing:
    titles = {way.name: way.title for way in WAYS}
    tried = "; ".join(f"{titles[name]}: {reason}" for name, reason in failures)
    ways = ways_for(card)
    steps = [step for way in ways for step in way.steps(card)]
    ready = [f"{zoo.RANDOM + card.trained_name} (untrained)"]
    if zoo.embedded_card() is not None:
        ready.insert(0, zoo.EMBEDDED)
    return WeightsMissing(
        f"the weights of {card.name} are not on this machine, and could not be fetched ({tried}): "
        f"{'; or '.join(steps)}; or pass the file with --weights; "
        f"{' and '.join(ready)} need{'s' if len(ready) == 1 else ''} no download",
        model=card.name,
        link=next((link for way in ways if (link := way.link(card))), None),
        steps=[*steps, "or choose the file with --weights"],
        failures=failures,
    )

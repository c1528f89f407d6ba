"""What the cards over the picture say, and what they offer: problems, loading, first steps."""

from __future__ import annotations

from dataclasses import dataclass

from rtviz.app.fetching import Fetch
from rtviz.errors import LicenceNotAccepted, RtvizError, WeightsMissing, WeightsRefused, in_words
from rtviz.live.session import Attempt, LiveStatus
from rtviz.models import WAYS


@dataclass(frozen=True, slots=True)
class Card:
    """One matter.

    Attributes:
        matter: what it is about; there is one card for a matter.
        tone: "good", "warn" or "bad": the colour of the word.
        word: the state, in one or two words.
        sentence: the rest.
        progress: (done, total or None) of something that takes time; None for no bar.
        offers: (a button's text, the action it asks for).
        more: the tooltip, where it is longer than the sentence.
    """

    matter: str
    tone: str
    word: str
    sentence: str
    progress: tuple[int, int | None] | None = None
    offers: tuple[tuple[str, str], ...] = ()
    more: str = ""


_QUICK_SECONDS = 1.0  # an opening as quick as this needs no card: large text on the picture announces it

_SOURCE = {
    "connecting": ("good", "connecting"),
    "stalled": ("warn", "stalled"),
    "reconnecting": ("warn", "reconnecting"),
    "failed": ("bad", "no source"),
    "live": ("warn", "notice"),
}


def cards(
    status: LiveStatus, *, has_picture: bool, offer: Card | None = None, fetch: Fetch | None = None
) -> list[Card]:
    """The cards for a status, the most urgent first; none when all is well."""
    found: list[Card] = []
    offers: tuple[tuple[str, str], ...]
    state = status.source_state
    if state in _SOURCE and status.source_sentence and (state != "connecting" or has_picture):
        tone, word = _SOURCE[state]
        again = ("Try again", "open_again")
        offers = (again,) if state == "reconnecting" else ()
        if state == "failed":
            offers = (again, ("Open…", "open"), ("Built-in scene", "open_scene"))
        found.append(Card("source", tone, word, sentence(status.source_sentence), None, offers))
    if status.attempt is not None:
        found += _of_attempt(status.attempt)
    if status.model_state == "loading" and (has_picture or status.model_progress is not None):
        progress = status.model_progress
        text = sentence(status.model_sentence)
        if progress is not None:
            done, total = progress
            text = f"{text.rstrip('.')}: {done / 1e6:.0f}" + (f" of {total / 1e6:.0f} MB." if total else " MB.")
        offers = (("Cancel", "cancel_loading"),) if progress is not None else ()
        found.append(Card("model", "good", "model", text, progress or (0, None), offers))
    elif status.model_state == "failed" or (status.model_state == "ready" and status.model_sentence):
        # Another model may run instead of the requested one, but never silently.
        tone, word = ("warn", "model") if status.model_name else ("bad", "no model")
        offers = (*_remedies(status.model_error, "model"), ("Try again", "reload_model"), ("Dismiss", "dismiss_model"))
        text, error = status.model_sentence, status.model_error
        if error is not None:
            text = text.replace(in_words(error), _briefly(error))
        found.append(Card("model", tone, word, sentence(text), None, offers, status.model_sentence))
    elif offer is not None and fetch is None and status.model_state == "ready":
        found.append(offer)
    if fetch is not None:
        found.append(_of_fetch(fetch))
    return found


def _of_fetch(fetch: Fetch) -> Card:
    """How far a download is, or why it failed."""
    if fetch.error is not None:
        offers = (*_remedies(fetch.error, "fetch"), ("Try again", "fetch_again"), ("Dismiss", "cancel_fetch"))
        return Card("fetch", "bad", "not fetched", sentence(_briefly(fetch.error)), None, offers, str(fetch.error))
    what = fetch.what or fetch.model or "a trained model"
    done = (
        f": {fetch.done / 1e6:.0f}" + (f" of {fetch.total / 1e6:.0f} MB" if fetch.total else " MB")
        if fetch.done
        else ""
    )
    return Card("fetch", "good", "fetching", f"{what}{done}", (fetch.done, fetch.total), (("Cancel", "cancel_fetch"),))


def _briefly(error: RtvizError) -> str:
    """Why weights cannot be had, without what to do by hand, for which there are buttons."""
    if not isinstance(error, WeightsMissing) or not error.failures:
        return in_words(error)
    ways = "; ".join(f"{WAYS.get(way, way)}: {reason}" for way, reason in error.failures)
    what = f"the weights of {error.model}" if error.model else "trained weights"
    return f"{what} could not be fetched ({ways})"


def _remedies(error: RtvizError | None, of: str) -> tuple[tuple[str, str], ...]:
    """What can be done about a model that cannot be had; `of` names the cause in the actions: "model" or "fetch"."""
    if isinstance(error, LicenceNotAccepted):
        return (("Read the licence…", f"read_licence_of_{of}"),)
    if isinstance(error, WeightsRefused):
        return tuple((f"Load as {name}", f"load_{of}_as") for name in error.looks_like[:1])
    if isinstance(error, WeightsMissing):
        copy = (("Copy link", f"copy_link_of_{of}"),) if error.link else ()
        return (*copy, ("Choose file…", f"choose_file_of_{of}"))
    return ()


def _of_attempt(attempt: Attempt) -> list[Card]:
    """The card of another source that is being opened, while the present one goes on."""
    if attempt.failed:
        offers = (("Try again", "open_again"), ("Dismiss", "cancel_opening"))
        return [Card("attempt", "bad", "not opened", sentence(attempt.sentence), None, offers)]
    if attempt.seconds < _QUICK_SECONDS:
        return []
    return [Card("attempt", "good", "opening", sentence(attempt.sentence), (0, None), (("Cancel", "cancel_opening"),))]


def sentence(text: str) -> str:
    """With a capital and a full stop; a name at the beginning, such as a path, stays as it is."""
    text = text.strip()
    if not text:
        return text
    first = text.split(maxsplit=1)[0]
    if first.isalpha() and first.islower():
        text = text[0].upper() + text[1:]
    return text if text[-1] in ".!?…" else text + "."


__all__ = ["Card", "cards", "sentence"]

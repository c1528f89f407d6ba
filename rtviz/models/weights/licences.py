"""Licences that must be accepted before weights are fetched; the settings folder keeps which ones the user accepted."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from datetime import date
from pathlib import Path

from rtviz.errors import LicenceNotAccepted
from rtviz.models.card import ModelCard
from rtviz.notices import Remedy

_FILE = "licences.toml"


def must_accept(card: ModelCard) -> bool:
    """Whether a model's licence must be accepted first, and was not yet."""
    return card.licence_url is not None and _key(card) not in _accepted()


def accept(card: ModelCard) -> None:
    """The user accepts a model's licence: for all models that have it, from now on."""
    if not must_accept(card):
        return
    import tomli_w

    known = {**_accepted(), _key(card): date.today().isoformat()}
    with suppress(OSError):  # it holds for this time at least
        _file().parent.mkdir(parents=True, exist_ok=True)
        _file().write_text(tomli_w.dumps(known), encoding="utf-8")


def require(card: ModelCard, accepted: bool) -> None:
    """See that a model's licence is accepted, now or before.

    Raises:
        LicenceNotAccepted: it is not.
    """
    if not must_accept(card):
        return
    if accepted:
        accept(card)
        return
    url = card.licence_url or ""
    error = LicenceNotAccepted(
        f"the weights of {card.name} are not on this machine; they come without a form, under the {card.licence}, "
        f"which you accept by fetching them: read {url}",
        model=card.name,
        licence=card.licence,
        licence_url=url,
    )
    raise error.mended_by(Remedy.ACCEPT_LICENCE, card.trained_name)


def _key(card: ModelCard) -> str:
    return card.licence.lower().replace(" ", "-")


def _accepted() -> dict[str, object]:
    try:
        return tomllib.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _file() -> Path:
    from platformdirs import user_config_path

    return user_config_path("rtviz", appauthor=False) / _FILE

"""Notices and errors: what is wrong and the remedy's kind, which each surface puts in its own words."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping

import pytest

import rtviz.app.remedies
import rtviz.cli.remedies
from rtviz.cli.remedies import with_remedy
from rtviz.errors import LicenceNotAccepted, SourceUnreadable, WeightsMissing, in_words, weights_missing
from rtviz.notices import Notice, Remedy, joined, worded

SURFACES = {"command line": rtviz.cli.remedies.WORDS, "app": rtviz.app.remedies.WORDS}


@pytest.mark.parametrize("words", SURFACES.values(), ids=SURFACES)
def test_each_surface_words_every_remedy(words: Mapping[Remedy, str]) -> None:
    assert set(words) == set(Remedy)


def test_the_app_names_no_flag_and_no_command() -> None:
    assert not [text for text in SURFACES["app"].values() if re.search(r"--|rtviz ", text)]


def test_the_command_line_says_every_remedy() -> None:
    assert all(SURFACES["command line"].values())


def test_a_notice_keeps_its_remedy_where_a_sentence_is_added_and_between_processes() -> None:
    notice = joined(Notice("it is untrained", Remedy.FETCH_MODEL), "it runs on the CPU")
    assert notice == "it is untrained; it runs on the CPU"
    assert worded(pickle.loads(pickle.dumps(notice)), SURFACES["command line"]).endswith("fetches a real DINO")
    assert joined(None, "alone") == "alone"


def test_an_error_in_words_has_the_remedy_of_the_error() -> None:
    error = SourceUnreadable("nothing is there").mended_by(Remedy.START_EARLIER)
    assert in_words(error) == "nothing is there"
    assert with_remedy(error) == with_remedy(in_words(error)) == "nothing is there; --start takes an earlier part"
    assert worded(in_words(error), SURFACES["app"]) == "nothing is there"


def test_an_error_about_several_models_tells_the_remedy_of_each() -> None:
    licence = LicenceNotAccepted("b needs a licence").mended_by(Remedy.ACCEPT_LICENCE, "b")
    text = with_remedy(weights_missing({"a": WeightsMissing("a is not here"), "b": licence}))
    assert "a and b are missing" in text
    assert text.index("a is not here") < text.index("b needs a licence; then `rtviz models pull b --accept-licence`")

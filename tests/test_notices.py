"""Notices and errors: what is wrong and the remedy's kind, which each surface puts in its own words."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

import rtviz.app.remedies
import rtviz.cli.remedies
from rtviz.cli.remedies import with_remedy
from rtviz.errors import (
    LicenceNotAccepted,
    MissingDependency,
    RtvizError,
    SettingsError,
    SourceUnreadable,
    WeightsMissing,
    in_words,
    weights_missing,
)
from rtviz.notices import Notice, Remedy, from_json, joined, to_json, worded

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


@pytest.mark.parametrize(
    "error",
    [
        SettingsError("head", 9, "0 to 2").mended_by(Remedy.LIST_MODELS),
        MissingDependency("ray", "rendering on a cluster"),
        LicenceNotAccepted("it has a licence", licence="L", model="m").mended_by(Remedy.ACCEPT_LICENCE, "m"),
        weights_missing({"a": WeightsMissing("a is not here").mended_by(Remedy.FETCH_MODEL), "b": WeightsMissing("b")}),
    ],
)
def test_an_error_of_another_process_is_as_it_was_there(error: RtvizError) -> None:
    found = pickle.loads(pickle.dumps(error))
    assert (type(found), str(found), with_remedy(found)) == (type(error), str(error), with_remedy(error))
    differing = {name for name, value in vars(error).items() if name != "causes" and vars(found)[name] != value}
    assert not differing


def test_what_goes_to_another_process_as_json_keeps_its_remedies() -> None:
    report = {
        "error": Notice("it is there", Remedy.OVERWRITE),
        "warnings": ["plain", Notice("x", Remedy.NAME_MODEL, "m")],
    }
    found = from_json(to_json(report))
    assert found == report
    assert [one.remedy for one in (found["error"], found["warnings"][1])] == [Remedy.OVERWRITE, Remedy.NAME_MODEL]
    assert found["warnings"][1].subject == "m"
    assert json.loads(to_json({"path": Path("a"), "count": 3})) == {"path": "a", "count": 3}


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

"""The settings schema: what is allowed, what is refused, and what a refusal says."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from rtviz.errors import RtvizError, SettingsError, SourceMissing
from rtviz.settings import OutputSettings, Point, Register, Settings, load_preset, presets


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("opacity", 1.5, "0 to 1"),
        ("opacity", float("nan"), "0 to 1"),
        ("opacity", True, "0 to 1"),
        ("colormap", "jet", "inferno"),
        ("head", -1, "mean, max, all"),
        ("head", 1.5, "mean, max, all"),
        ("head", "first", "mean, max, all"),
        ("query", "2,0", "fractions"),
        ("query", "left", "fractions"),
        ("query", "reg", "reg0"),
        ("query", "reg-1", "reg0"),
        ("query", (0.1, 0.2, 0.3), "fractions"),
        ("layer", 1.5, "whole number"),
        ("resolution", 0, "from 32"),
        ("model", "", "text"),
    ],
)
def test_a_wrong_value_is_refused_with_field_value_and_what_is_allowed(field: str, value: Any, allowed: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(**{field: value})
    message = str(caught.value)
    assert field in message
    assert repr(value) in message
    assert allowed in message
    assert "\n" not in message
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "0.5,0.5,0.7,0.2",
            "track: the box 0.5,0.5,0.7,0.2 ends beyond the frame, at 1.2,0.7; allowed: at most 8 points",
        ),
        ("0.5,0.5,0,0.2", "track: the box 0.5,0.5,0,0.2 has a side of 0; allowed"),
        ("0.5,0.5,-0.1,0.2", "has a side of -0.1; allowed"),
        ("-0.1,0.5", "track: -0.1,0.5 is not on the frame; allowed"),
        (";".join(f"0.{number},0.5" for number in range(1, 10)), "track: 9 marks; allowed: at most 8"),
        ("a,b", "track cannot be 'a,b'; allowed"),
    ],
)
def test_what_is_wrong_with_a_mark_is_said(text: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.option("track").parse(text)
    assert str(caught.value).startswith(says) or says in str(caught.value)
    assert "Mark(" not in str(caught.value)


def test_every_default_is_allowed_and_survives_a_round_trip_through_plain_values() -> None:
    for schema in (Settings, OutputSettings):
        settings = schema()
        assert schema.from_mapping(settings.to_mapping()) == settings


def test_every_option_says_what_it_is() -> None:
    for option in (*Settings.options(), *OutputSettings.options()):
        assert option.label
        assert option.help
        assert option.allowed


def test_texts_mean_what_the_command_line_promises() -> None:
    assert Settings.option("query").parse("0.25,.75") == Point(0.25, 0.75)
    assert Settings.option("query").parse("CLS") == "cls"
    assert Settings.option("query").parse("REG2") == Register(2)
    assert str(Register(2)) == "reg2"
    assert Settings.option("head").parse("3") == 3
    assert Settings.option("head").parse("all") == "all"
    assert Settings.option("layer").parse("-2") == -2
    for text, size in (("640x360", (360, 640)), ("x360", (360, 0)), ("640X", (0, 640))):  # (height, width) inside
        assert OutputSettings.option("size").parse(text) == size
        assert OutputSettings.option("size").plain(size) == text.lower()
    for text in ("x", "640", "x1", "640x360x2", "-640x"):
        with pytest.raises(SettingsError, match="xHEIGHT"):
            OutputSettings.option("size").parse(text)
    for text in ("", "three", "1e3", "0x10"):
        with pytest.raises(SettingsError):
            Settings.option("layer").parse(text)


def test_settings_are_frozen_and_replace_checks_too() -> None:
    settings = Settings()
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.opacity = 0.1  # type: ignore[misc]
    assert settings.replace(opacity=0.1).opacity == 0.1
    with pytest.raises(SettingsError, match="threshold"):
        settings.replace(threshold=0)
    with pytest.raises(SettingsError, match="opactiy"):
        settings.replace(opactiy=0.1)


def test_presets_that_ship_load_and_say_what_they_are_for() -> None:
    import tomllib

    assert presets()
    for name, path in presets().items():
        shown, written = load_preset(name)
        Settings.from_mapping(shown)
        OutputSettings.from_mapping(written)
        assert tomllib.loads(path.read_text())["about"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("opacity = 7", "opacity"),
        ("colour = 'red'", "colour"),
        ("[output]\ncodec = 'mpeg2'", "codec"),
        ("output = 3", "output"),
        ("opacity = ", "TOML"),
    ],
)
def test_a_wrong_preset_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "preset.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=says):
        load_preset(path)


def test_a_missing_preset_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match="presets by name"):
        load_preset(tmp_path / "no.toml")


def test_every_error_is_in_the_tree_that_the_documentation_draws() -> None:
    from rtviz import errors

    classes = [
        value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.RtvizError)
    ]
    assert len(classes) > 10
    for cls in classes:
        assert cls.__name__ in (errors.__doc__ or "")
        assert issubclass(cls, RtvizError)

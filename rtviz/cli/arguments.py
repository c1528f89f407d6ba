"""Command-line options made from the settings schema, and settings made from parsed options."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from typing import Any

from rtviz import views
from rtviz.cli import completion
from rtviz.errors import SettingsError
from rtviz.options import MOST_COMPARED, ChoiceOption, FlagOption, MarksOption, Option, PromptsOption, ReferencesOption
from rtviz.settings import MODEL_INPUT, OutputSettings, Settings, load_preset, presets

STILL_RESOLUTION = "480, with patches of 14 pixels 518"


# --- from the schema to options --------------------------------------------------------------------------------------


def add_options(
    parser: argparse.ArgumentParser,
    options: Sequence[Option],
    title: str,
    several_models: bool = False,
    resolution: str | None = None,
    shown: tuple[str, ...] = (),
) -> None:
    """Add the flags of a schema; a flag that is not given leaves no attribute, so that a preset's value shows through.

    Args:
        several_models: whether `--model` may be given again.
        resolution: the default of `--resolution` in words, where that is not the schema's.
        shown: the views that `--view` names; all if not given.
    """
    group = parser.add_argument_group(title)
    for option in options:
        choices = option.choices if isinstance(option, ChoiceOption) else ()
        if option.name == "view":
            choices = shown or choices or views.names()
        default = option.default not in (None, False, ()) and (not choices or option.default in choices)
        text = option.help + (f" ({_default(option)})" if default else "")
        if option.name == "resolution" and resolution is not None:
            text = f"{option.help} ({resolution})"
        if isinstance(option, FlagOption):
            group.add_argument(option.flag, action="store_true", default=argparse.SUPPRESS, help=text)
            continue
        metavar = "|".join(choices) if choices else _METAVARS.get(option.name, option.metavar)
        several = several_models and option.name == "model"
        together = isinstance(option, MarksOption | ReferencesOption | PromptsOption)  # given again, they add up
        if several:
            text += "; given again, one more to compare it with"
        added = group.add_argument(
            option.flag, type=option.parse, default=argparse.SUPPRESS, help=text.replace("%", "%%"), metavar=metavar,
            action="append" if several else "extend" if together else _OneModel
            if option.name == "model" else "store",
        )  # fmt: skip
        if choices:
            completion.offer(added, partial(list, choices))
        elif option.name == "model":
            completion.offer(added, model_names)


def add_settings(parser: argparse.ArgumentParser, names: Sequence[str], title: str, **more: Any) -> None:
    """The same for the settings of these names."""
    add_options(parser, [Settings.option(name) for name in names], title, **more)


def add_output_settings(parser: argparse.ArgumentParser, names: Sequence[str], title: str) -> None:
    """The same for the output settings of these names."""
    add_options(parser, [OutputSettings.option(name) for name in names], title)


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add `--config`."""
    known = ", ".join(presets())
    parser.add_argument("--config", metavar="FILE.toml", help=f"a preset: a TOML file, or one of {known}")


def model_names() -> list[str]:
    """The names that `--model` completes to."""
    from rtviz.models import zoo

    return [name for card in zoo.cards() for name in (card.name, card.untrained().name)]


class _OneModel(argparse.Action):
    """Takes one model: a second one would replace the first without a word."""

    def __call__(
        self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        before = getattr(namespace, self.dest, None)
        if before is not None:
            raise SettingsError(self.dest, values, "one model here", wrong=f"--model names {before} and {values}")
        setattr(namespace, self.dest, values)


def _default(option: Option) -> str:
    return f"{option.default:g}" if isinstance(option.default, float) else str(option.default)


_METAVARS = {
    "model": "NAME",
    "compare": "A,B,C",
    "track": "X,Y[,WIDTH,HEIGHT]",
    "reference": "PICTURE@X,Y[,WIDTH,HEIGHT]",
    "prompt": "CLASS+|-[PICTURE@]X,Y",
    "weights": "FILE",
    "device": "DEVICE",
    "resolution": "PIXELS",
    "query": "cls|X,Y",
    "layer": "N",
    "head": "N|mean|max|all|follow",
    "start": "SECONDS",
    "end": "SECONDS",
    "every": "N",
    "size": "WIDTHxHEIGHT",
    "batch": "N",
}


# --- from options to settings ----------------------------------------------------------------------------------------


def given_settings(parsed: argparse.Namespace) -> dict[str, Any]:
    """The settings that the flags name; `--model A --model B` is A, compared with B."""
    given = _given(parsed, Settings.options())
    if "track" in given:
        given["view"] = given.get("view", views.MARKS)
    if "reference" in given:
        given["view"] = given.get("view", views.REFERENCES)
    if "prompt" in given:
        classes = {prompt.name for prompt in given["prompt"] if prompt.positive}
        for prompt in given["prompt"]:
            if prompt.name not in classes:
                wrong = f"prompt: nothing says where the class {prompt.name} is"
                raise SettingsError("prompt", prompt, f"only beside a {prompt.name}+X,Y", wrong)
        given["view"] = given.get("view", views.PROMPTS)
    models = given.get("model")
    if isinstance(models, list):
        given["model"] = models[0]
        if len(models) > 1:
            others = (*models[1:], *given.get("compare", ()))
            if len(others) > MOST_COMPARED:
                allowed = f"at most {MOST_COMPARED + 1} models beside each other"
                raise SettingsError("model", others, allowed, wrong=f"{len(others) + 1} models are named")
            given["compare"] = others
    return given


def given_output_settings(parsed: argparse.Namespace) -> dict[str, Any]:
    """The output settings that the flags name."""
    return _given(parsed, OutputSettings.options())


def _given(parsed: argparse.Namespace, options: Sequence[Option]) -> dict[str, Any]:
    values = vars(parsed)
    return {option.name: values[option.name] for option in options if option.name in values}


def settings_of(parsed: argparse.Namespace) -> tuple[Settings, OutputSettings]:
    """The settings of the preset, overridden by the flags."""
    shown, written = load_preset(parsed.config) if parsed.config else ({}, {})
    shown |= given_settings(parsed)
    written |= given_output_settings(parsed)
    settings, output_settings = Settings.from_mapping(shown), OutputSettings.from_mapping(written)
    if "view" not in shown:
        from rtviz.views.requirements import with_default_view

        settings = with_default_view(settings)
    views.find(settings.view)
    if output_settings.end is not None and output_settings.end <= output_settings.start:
        raise SettingsError("end", output_settings.end, f"a time after the start, {output_settings.start:g} s")
    return settings, output_settings


def unread_flags(parsed: argparse.Namespace, settings: Settings, heads: int) -> list[str]:
    """A sentence for each flag that was given and changes nothing.

    Args:
        settings: as they are drawn.
        heads: of the model, or the most that one of several has.
    """
    from rtviz.views.requirements import unread

    reasons = unread(given_settings(parsed), settings, heads)
    return [f"{Settings.option(name).flag} changes nothing{why}" for name, why in reasons.items()]


__all__ = [
    "MODEL_INPUT", "STILL_RESOLUTION", "add_config", "add_options",
    "add_output_settings", "add_settings", "given_output_settings", "given_settings", "model_names", "settings_of",
    "unread_flags",
]  # fmt: skip

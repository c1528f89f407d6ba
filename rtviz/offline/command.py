"""The commands that do what the app does: what it starts, and what its user can copy."""

from __future__ import annotations

import math
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rtviz.options import FlagOption, Option
from rtviz.settings import (
    FIGURE_FIELDS,
    FIGURE_VIEW_FIELDS,
    FIGURE_WIDTH,
    MASK_FIELDS,
    MODEL_INPUT,
    OutputSettings,
    Settings,
)
from rtviz.sources.magic import is_picture


def render_arguments(place: str, output: str, settings: Settings, output_settings: OutputSettings) -> list[str]:
    """The arguments of `rtviz` that render an input so: the view always, other settings where they are not the default.

    Args:
        place, output: as on the command line.
    """
    return ["render", _argument(place), "-o", output, *_flags(settings, output_settings, always=_always(place))]


def masks_arguments(place: str, output: str, settings: Settings, output_settings: OutputSettings) -> list[str]:
    """The arguments of `rtviz` that write the masks of the view of these settings.

    Args:
        place, output: as on the command line.
    """
    read = {*MODEL_INPUT, *MASK_FIELDS}
    others = {name: Settings.option(name).default for name in settings.to_mapping() if name not in read}
    flags = _flags(settings.replace(**others), output_settings, always=_always(place))
    return ["masks", _argument(place), "-o", output, *flags]


def live_arguments(places: Sequence[str], settings: Settings) -> list[str]:
    """The arguments of `rtviz` that open the window with these settings, whatever it showed last.

    Args:
        places: as on the command line: one, or several pictures; none for the first camera that works.
    """
    return ["live", *map(_argument, places), "--fresh", *_flags(settings)]


def figure_arguments(
    place: str,
    output: str,
    settings: Settings,
    *,
    page: str,
    models: Sequence[str] = (),
    seconds: float = 0.0,
    width: float,
    scale: str,
    labels: bool,
    bar: bool,
) -> list[str]:
    """The arguments of `rtviz` that draw a figure of a frame.

    Args:
        place, output: as on the command line.
        settings: of the model, and of how the maps are drawn.
        page: "layers" by heads, the "heads" of a layer, "compare" for `models`, by name, or the "view" of the settings.
        seconds: of the frame in the place.
        width: inches.
    """
    arguments = ["figure", _argument(place), "-o", output]
    if page == "heads":
        arguments.append("--paper")
    fields = [name for name in (*MODEL_INPUT, *FIGURE_FIELDS) if page != "layers" or name != "layer"]
    if page == "view":
        arguments += ["--view", settings.view]
        fields += FIGURE_VIEW_FIELDS
    if page == "compare":
        arguments += ["--compare", ",".join(models)]
        if settings.weights is None:  # else it says whose the weights are
            fields.remove("model")
    for name in fields:
        option, value = Settings.option(name), getattr(settings, name)
        if value != option.default or name == "resolution":  # the command's own is another
            arguments += _flag(option, value)
    if seconds:
        arguments += ["--start", f"{math.floor(1000 * seconds) / 1000:.3f}"]  # the frame is the first from there on
    if width != FIGURE_WIDTH:
        arguments += ["--width", f"{width:g}"]
    if scale != "common":
        arguments += ["--scale", scale]
    return arguments + ["--no-labels"] * (not labels) + ["--no-bar"] * (not bar)


def _argument(place: str) -> str:
    return f"./{place}" if place.startswith("-") else place  # which is no option


def _always(place: str) -> frozenset[str]:
    """The settings that have another default on the command line: of pictures, the resolution."""
    path = Path(place)
    pictures = path.is_dir() or (path.is_file() and is_picture(path))
    return frozenset({"resolution"} if pictures else ())


def _flags(settings: Settings, *others: OutputSettings, always: frozenset[str] = frozenset()) -> list[str]:
    arguments = ["--view", settings.view]
    for schema in (settings, *others):
        for option in schema.options():
            value = getattr(schema, option.name)
            if option.name != "view" and (value != option.default or option.name in always):
                arguments += _flag(option, value)
    return arguments


def _flag(option: Option, value: Any) -> list[str]:
    return [option.flag] if isinstance(option, FlagOption) else [option.flag, str(option.plain(value))]


def shell_line(arguments: list[str]) -> str:
    """`rtviz` and its arguments as one line for this system's shell."""
    words = ["rtviz", *arguments]
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


__all__ = ["figure_arguments", "live_arguments", "masks_arguments", "render_arguments", "shell_line"]

"""`rtviz elevator`: one picture through all layers, as a GIF or a video."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from rtviz import views
from rtviz.cli.arguments import (
    MODEL_INPUT,
    STILL_RESOLUTION,
    add_options,
    given_output_settings,
    given_settings,
    unread_flags,
)
from rtviz.cli.console import say
from rtviz.cli.grammar import Commands
from rtviz.cli.picture import add_frame_options, add_picture, load_engine, one_frame, still_settings
from rtviz.options import ChoiceOption
from rtviz.settings import OutputSettings, Settings

_DRAWING = ("layout", "opacity", "colormap", "gamma", "threshold", "cam", "rollout", "discard", "upsampling")


def add(commands: Commands) -> None:
    """Add the command of this file."""
    parser = commands.add(
        "elevator", _run, "one picture through all layers, from the first to the last, as a GIF or video"
    )
    add_picture(parser)
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="a .gif, .mp4, .mkv, .mov or .webm")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no notices, no closing line")
    view = replace(Settings.option("view", ChoiceOption), choices=views.names(by_layer=True))
    before, after = ([Settings.option(name) for name in names] for names in ((*MODEL_INPUT, "head"), _DRAWING))
    add_options(parser, [*before, view, *after], "model, query and drawing", resolution=STILL_RESOLUTION)
    add_frame_options(parser, "size", "codec", "quality", "overwrite")


def _run(parsed: argparse.Namespace) -> int:
    from rtviz.offline.layer_sweep import check_view, save, sweep_settings
    from rtviz.sinks import check_output

    output = Path(parsed.output)
    given = given_settings(parsed)
    settings = Settings.from_mapping(given)
    output_settings = OutputSettings.from_mapping(given_output_settings(parsed))
    check_output(output, None, overwrite=output_settings.overwrite)
    frame = one_frame(parsed)
    engine, model = load_engine(settings, parsed.quiet)
    if "view" in given:
        check_view(settings.view, model.name, model.heads)
    settings = still_settings(parsed, sweep_settings(settings, model.heads, anew=True), model, frame)
    if not parsed.quiet:
        for sentence in unread_flags(parsed, settings, model.heads):
            say(sentence)
    (maps,) = engine.predict([frame], settings)
    save(output, frame, maps, settings, output_settings, lambda wanted: engine.predict([frame], wanted)[0])
    if not parsed.quiet:
        say(f"wrote {output}: {model.layers} {'layers' if model.heads else 'stages'} of {model.name}")
    return 0


__all__ = ["add"]

"""`rtviz figure`: a page of one picture, drawn with Matplotlib."""

from __future__ import annotations

import argparse
from dataclasses import replace

from rtviz import views
from rtviz.cli.arguments import STILL_RESOLUTION, add_options, given_settings, unread_flags
from rtviz.cli.console import download_bars, notices, say
from rtviz.cli.grammar import Commands
from rtviz.cli.picture import add_frame_options, add_picture, one_frame
from rtviz.errors import SettingsError
from rtviz.options import ChoiceOption
from rtviz.settings import FIGURE_FIELDS, FIGURE_VIEW_FIELDS, MODEL_INPUT, Settings


def add(commands: Commands) -> None:
    """Add the command of this file."""
    parser = commands.add("figure", _run, "a figure of one picture for a paper or a talk, with Matplotlib")
    add_picture(parser)
    parser.add_argument("-o", "--output", required=True, metavar="FIG", help="a .png, .pdf or .svg")
    parser.add_argument("--paper", action="store_true", help="the heads of one layer and their masks, as in the paper")
    parser.add_argument(
        "--compare", dest="below", metavar="A,B,C",
        help="so many models below each other, by name; or the name of a preset that compares, such as figure4, for "
        "which dino is short: untrained, supervised, DINO, ResNet-50",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no closing line")
    parser.add_argument("--width", type=float, default=6.9, metavar="INCHES", help="of the figure (6.9)")
    parser.add_argument(
        "--scale", choices=("common", "each"), default="common",
        help="of the colours: common to all maps, in multiples of uniform attention; or of each map alone, which makes "
        "a uniform map look uneven (common)",
    )  # fmt: skip
    parser.add_argument("--no-labels", dest="labels", action="store_false", help="no words on the page")
    parser.add_argument("--no-bar", dest="bar", action="store_false", help="no colour bar")
    view = replace(
        Settings.option("view", ChoiceOption),
        choices=views.names(own_figure=True),
        help="one view, with what its values are",
    )
    before, after = ([Settings.option(name) for name in names] for names in (MODEL_INPUT, FIGURE_FIELDS))
    of_views = [Settings.option(name) for name in FIGURE_VIEW_FIELDS]
    add_options(parser, [*before, *after, view, *of_views], "model, query and drawing", resolution=STILL_RESOLUTION)
    add_frame_options(parser, "overwrite")


def _run(parsed: argparse.Namespace) -> int:
    from rtviz import figures
    from rtviz.figures.models import compared, per_model, predict_each

    given = given_settings(parsed)
    settings = Settings.from_mapping(given)
    names = compared(parsed.below or "")
    figures.check_width(parsed.width)
    one_view = "view" in given
    if one_view and (names or parsed.paper):
        raise SettingsError("view", settings.view, "without --paper and --compare, which draw other figures")
    if "layer" in given and not names and not parsed.paper and not one_view:
        raise SettingsError("layer", parsed.layer, "only with --paper, --compare or --view; else the figure has all")
    of_view = next((name for name in FIGURE_VIEW_FIELDS if name in given), None)
    if of_view is not None and not one_view:
        raise SettingsError(of_view, given[of_view], f"only with --view {', '.join(views.names(own_figure=True))}")
    if one_view:
        settings = settings.with_prompts_on(parsed.picture, vars(parsed).get("start", 0.0))
    if names and parsed.paper:
        raise SettingsError("paper", True, "without --compare, which draws another figure")
    each = per_model(names, settings) if names else [settings]
    figures.check(parsed.output, overwrite=vars(parsed).get("overwrite", False))
    frame = one_frame(parsed)
    with download_bars(parsed.quiet) as progress:
        predictions, missing = predict_each(
            frame, each, at_still_resolution="resolution" not in given, progress=progress, notice=notices(parsed.quiet)
        )
    if missing:
        say(f"left out, because their weights are not on this machine: {', '.join(missing)} (`rtviz models pull NAME`)")
    maps = next(iter(predictions.values()))
    parts = {"labels": parsed.labels, "bar": parsed.bar}
    if one_view and not isinstance(maps, str):
        for sentence in () if parsed.quiet else unread_flags(parsed, settings, maps.heads):
            say(sentence)
        figure = figures.one_view(frame, maps, settings, parsed.width, parsed.scale, **parts)
    elif names or isinstance(maps, str) or not maps.has_attention:
        figure = figures.compare(frame, predictions, settings, parsed.width, parsed.scale, **parts)
    else:
        draw = figures.heads if parsed.paper else figures.layers_by_heads
        figure = draw(frame, maps, settings, parsed.width, parsed.scale, **parts)
    figures.save(figure, parsed.output, overwrite=True)
    if not parsed.quiet:
        say(f"wrote {parsed.output}")
    return 0


__all__ = ["add"]

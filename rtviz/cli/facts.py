"""`rtviz facts`: the statistics of each head of a layer, for one picture or a stretch of a video."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from rtviz.cli.arguments import MODEL_INPUT, STILL_RESOLUTION, add_settings, given_settings
from rtviz.cli.grammar import Commands
from rtviz.cli.picture import add_frame_options, add_picture, frames_apart, load_engine, one_frame, still_settings
from rtviz.errors import SettingsError
from rtviz.settings import Settings

if TYPE_CHECKING:
    from rtviz.analysis.head_stats import HeadStats
    from rtviz.engine.engine import Engine
    from rtviz.frame import Frame


def add(commands: Commands) -> None:
    """Add the command of this file."""
    parser = commands.add("facts", _run, "statistics of each head of a layer, for one picture")
    add_picture(parser)
    parser.add_argument("--json", action="store_true", help="print the statistics as JSON")
    add_settings(
        parser, (*MODEL_INPUT, "layer"), "model, query and layer", resolution=f"{STILL_RESOLUTION}; with --seconds 224"
    )
    add_frame_options(parser, title="input")
    parser.add_argument(
        "--seconds", type=float, metavar="N", help="measure so much of a video, and also how steady each head is"
    )


def _run(parsed: argparse.Namespace) -> int:
    from rtviz.analysis.head_stats import HeadStatsTracker
    from rtviz.errors import no_heads
    from rtviz.views.selection import layer_of

    settings = Settings.from_mapping(given_settings(parsed))
    if parsed.seconds is not None and not 0 < parsed.seconds <= 3600:
        raise SettingsError("seconds", parsed.seconds, "more than 0, and at most 3600")
    engine: Engine | None = None
    tracker, count = HeadStatsTracker(), 0
    for frame in _frames(parsed):
        if engine is None:
            engine, model = load_engine(settings)
            if not model.heads:
                raise no_heads(model.name)
            if parsed.seconds is None:
                settings = still_settings(parsed, settings, model, frame)
        (maps,) = engine.predict([frame], settings)
        layer = layer_of(maps, settings)
        heads, count = tracker.statistics(maps, layer, frame.pts_seconds), count + 1
    steady = heads[0].stability is not None
    if parsed.seconds is not None and not steady:
        raise SettingsError(
            "seconds", parsed.seconds, f"with a video that is longer; {parsed.picture} has one frame there"
        )
    if parsed.json:
        rows = [asdict(one) for one in heads]
        values = {"model": model.name, "query": str(maps.query), "layer": layer, "frames": count, "heads": rows}
        print(json.dumps(values, indent=2))
        return 0
    measured = f", at the end of {count} frames" if steady else ""
    print(f"{model.name}, layer {layer}, query {maps.query}{measured}\n")
    print("\n".join(_table(heads)))
    return 0


def _frames(parsed: argparse.Namespace) -> Iterator[Frame]:
    """The one frame, or with --seconds frames as far apart as the app measures heads."""
    from rtviz.analysis.head_stats import SECONDS_BETWEEN

    if parsed.seconds is None:
        yield one_frame(parsed)
    else:
        yield from frames_apart(parsed, parsed.seconds, SECONDS_BETWEEN)


def _table(heads: tuple[HeadStats, ...]) -> Iterator[str]:
    steady = heads[0].stability is not None
    yield "head  what        entropy  distance   CLS  registers  foreground" + "  steady" * steady
    for one in heads:
        yield (
            f"{one.head:4}  {one.tag:10}  {one.entropy:7.2f}  {one.distance:8.2f}  {100 * one.cls:2.0f} %"
            f"  {100 * one.registers:7.0f} %  {'—' if one.foreground is None else f'{one.foreground:.2f}':>10}"
            + (f"  {one.stability:6.2f}" if one.stability is not None else "")
        )
    yield "\nentropy: 0 all on one patch, 1 uniform. distance: as a share of the frame's diagonal."
    if heads[0].foreground is None:
        yield "foreground: none, since the last layer's heads agree on nothing."
    else:
        yield "foreground: attention on what the last layer's heads agree on, as a multiple of a uniform map's."
    if steady:
        yield "steady: the share of the attention that stays where it was from one frame to the next, 1 all of it."


__all__ = ["add"]

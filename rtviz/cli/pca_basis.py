"""`rtviz pca-basis`: the principal components of several videos or pictures, in a file."""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

from rtviz.cli.arguments import MODEL_INPUT, add_output_settings, add_settings, given_settings
from rtviz.cli.console import say
from rtviz.cli.grammar import Commands
from rtviz.cli.picture import load_engine
from rtviz.errors import OutputExists, no_tokens
from rtviz.settings import Settings
from rtviz.words import counted

_MOST_FRAMES = 64  # of one input


def add(commands: Commands) -> None:
    """Add the command of this file."""
    parser = commands.add(
        "pca-basis", _run, "fit principal components on videos or pictures, for the same colours in all of them"
    )
    parser.add_argument(
        "inputs", metavar="INPUT", nargs="+", help=f"a video or a picture; {_MOST_FRAMES} frames at most"
    )
    parser.add_argument("-o", "--output", required=True, metavar="BASIS.npz", help="for --pca-basis")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no notices, no closing line")
    add_settings(parser, [*(name for name in MODEL_INPUT if name != "query"), "layer"], "model")
    add_output_settings(parser, ("start", "end", "every", "overwrite"), "input and output")


def _run(parsed: argparse.Namespace) -> int:
    from rtviz.sources import open_source
    from rtviz.views.pca_basis import PcaBasis
    from rtviz.views.selection import layer_of

    output = Path(parsed.output)
    if output.exists() and not vars(parsed).get("overwrite", False):
        raise OutputExists(f"{output} exists (--overwrite replaces it)")
    settings = Settings.from_mapping(given_settings(parsed)).replace(view="pca")
    engine, model = load_engine(settings, parsed.quiet)
    if not model.heads:
        raise no_tokens(model.name)
    settings = settings if model.has_cls else settings.replace(query=(0.5, 0.5))
    part = {name: vars(parsed)[name] for name in ("start", "end", "every") if name in vars(parsed)}
    maps = []
    for place in parsed.inputs:
        with open_source(place, **part) as source:
            maps += [engine.predict([frame], settings)[0] for frame in islice(source, _MOST_FRAMES)]
    basis = PcaBasis.fit(maps, layer_of(maps[0], settings))
    basis.save(output)
    if not parsed.quiet:
        say(f"wrote {output}: components of {counted(len(maps), 'frame')}, {model.name} after layer {basis.layer}")
    return 0


__all__ = ["add"]

"""The parser of the whole command line: one file of this package for each group of commands."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence

from rtviz._version import __version__
from rtviz.cli.grammar import Commands, Parser

# Which file of this package has each command, in the order of the help. To add a command, write a file with
# `add(commands)` and name it here.
_FILES = {
    "live": "live",
    "render": "jobs",
    "export": "jobs",
    "masks": "jobs",
    "stream": "stream",
    "figure": "figure",
    "elevator": "elevator",
    "facts": "facts",
    "pca-basis": "pca_basis",
    "bench": "bench",
    "score": "score",
    "models": "models",
    "completion": "shell",
}

_EXAMPLES = """\
examples:
  rtviz                                             the desktop app, on the first camera that works
  rtviz live clip.mp4                               the desktop app on a video
  rtviz render clip.mp4 -o overlay.mp4              every frame, the mean over the last layer's heads
  rtviz render clip.mp4 -o mask.mp4 --view mask --head 3 --layout side-by-side
  rtviz render *.mp4 -o overlays/                   several inputs into a folder
  rtviz render *.mp4 -o overlays/ --ray             the same on a cluster, or in several processes
  rtviz render scene: --seconds 8 -o demo.mp4       the built-in moving scene: needs no input
  rtviz stream 0                                    camera 0 with attention, to watch in a browser
  rtviz export clip.mp4 -o maps.zarr                the raw maps of all layers and heads
  rtviz models                                      the models, and which weights are on this machine
"""


def build_parser(arguments: Sequence[str] | None = None) -> Parser:
    """The parser; `parse_args(...).command` is the function that runs the command.

    Args:
        arguments: what it is to parse, if that is known: it then knows no more commands than these need, since a start
            that loads all of them takes longer.
    """
    parser = Parser(
        prog="rtviz",
        description="A live microscope for vision transformers: see where each head of a DINO ViT attends.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"rtviz {__version__}")
    parser.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(command=_start)
    commands = Commands(parser)
    for file in _files_for(arguments):
        importlib.import_module(f"rtviz.cli.{file}").add(commands)
    return parser


def _files_for(arguments: Sequence[str] | None) -> list[str]:
    if arguments is not None:
        first = arguments[0] if arguments else "--version"
        if first == "--version":  # and where nothing is given, which opens the app
            return []
        if first in _FILES:
            return [_FILES[first]]
    return list(dict.fromkeys(_FILES.values()))


def _start(parsed: argparse.Namespace) -> int:
    from rtviz.cli import live

    return live.start(lambda arguments: build_parser(arguments).parse_args(arguments))


__all__ = ["build_parser"]

"""The parser of the whole command line: one file of this package for each group of commands."""

from __future__ import annotations

import argparse
from functools import partial

from rtviz._version import __version__
from rtviz.cli import bench, elevator, facts, figure, jobs, live, models, pca_basis, score, shell, stream
from rtviz.cli.arguments import Commands, Parser

# In the order of the help. To add a command, write a file with `add(commands)` and name it here.
_GROUPS = (live, jobs, stream, figure, elevator, facts, pca_basis, bench, score, models, shell)

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


def build_parser() -> Parser:
    """The parser; `parse_args(...).command` is the function that runs the command."""
    parser = Parser(
        prog="rtviz",
        description="A live microscope for vision transformers: see where each head of a DINO ViT attends.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"rtviz {__version__}")
    parser.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(command=partial(live.start, parse=parser.parse_args))
    commands = Commands(parser)
    for group in _GROUPS:
        group.add(commands)
    return parser


__all__ = ["build_parser"]

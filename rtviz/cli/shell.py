"""`rtviz completion`: what a shell evaluates to complete rtviz's commands with Tab."""

from __future__ import annotations

import argparse

from rtviz.cli import completion
from rtviz.cli.grammar import Commands


def add(commands: Commands) -> None:
    """Add the command of this file."""
    parser = commands.add("completion", _run, "print what a shell evaluates to complete rtviz's commands with Tab")
    parser.add_argument("shell", choices=completion.SHELLS, help='in ~/.bashrc: eval "$(rtviz completion bash)"')


def _run(parsed: argparse.Namespace) -> int:
    print(completion.script(parsed.shell))
    return 0


__all__ = ["add"]

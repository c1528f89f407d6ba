"""argparse as the command line uses it: errors in one line, and commands that share their common option."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import Any, NoReturn

from rtviz.words import one_line

Command = Callable[[argparse.Namespace], int]  # returns the exit status


class Parser(argparse.ArgumentParser):
    """argparse with errors in one line."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        # What begins like a negative number is a value and no option, as from Python 3.14 on: `--mute -1.3,-1.4`.
        self._negative_number_matcher = re.compile(r"-\.?\d")

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"rtviz: error: {one_line(message)} (`{self.prog} --help` shows what is understood)\n")


class Commands:
    """The commands of a program; each gets the option --debug, because people add it at the end of a line that failed.

    Args:
        parser: of the program.
    """

    def __init__(self, parser: Parser) -> None:
        self._common = Parser(add_help=False)
        self._common.add_argument(
            "--debug", action="store_true", help="show how weights were matched, and where an error arose"
        )
        self._parsers = parser.add_subparsers(title="commands", metavar="COMMAND")

    def add(self, name: str, command: Command, help: str, **more: Any) -> argparse.ArgumentParser:
        """Adds a command; returns its parser."""
        parser = self._parsers.add_parser(name, help=help, description=help, parents=[self._common], **more)
        parser.set_defaults(command=command)
        return parser

    def add_below(
        self, parent: argparse.ArgumentParser, name: str, command: Command, help: str
    ) -> argparse.ArgumentParser:
        """Adds a command that is the one optional word of another, as `rtviz models pull`."""
        parser = parent.add_subparsers(metavar=f"[{name} NAME]").add_parser(name, help=help, parents=[self._common])
        parser.set_defaults(command=command)
        return parser


__all__ = ["Command", "Commands", "Parser"]

"""The command line: runs one command and turns errors into one line and an exit status."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from rtviz import threads
from rtviz.cli import completion
from rtviz.cli.console import say
from rtviz.cli.parser import build_parser
from rtviz.errors import RtvizError

INTERRUPTED = 130


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit status.

    0: done. 1: an error that one line on stderr explains. 2: a wrong argument. 130: interrupted.
    """
    debug = "--debug" in arguments
    threads.draw_in_one_thread()
    try:
        parser = build_parser(None if completion.is_asked() else arguments)
        completion.complete(parser)
        parsed = parser.parse_args(arguments)
        _set_up_logging(debug)
        _end_like_ctrl_c_on_sigterm()
        command: Callable[[argparse.Namespace], int] = parsed.command
        return command(parsed)
    except RtvizError as error:
        if debug:
            raise
        say(error, "error: ")
        return error.exit_status
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our stdout has left (`rtviz models | head`): that is no error, and nobody reads a message.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # the edge of the process: a bug of ours, in one line unless --debug asks for more
        if debug:
            raise
        say(f"error: {type(error).__name__}: {error} (a bug in rtviz; --debug shows where)")
        return 1


def _set_up_logging(debug: bool) -> None:
    logging.basicConfig(format="%(name)s: %(message)s", level=logging.WARNING)
    if debug:
        logging.getLogger("rtviz").setLevel(logging.DEBUG)


def _end_like_ctrl_c_on_sigterm() -> None:
    """`kill` and a closed terminal finish as cleanly as Ctrl-C does."""

    def interrupt(number: int, stack: object) -> NoReturn:
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), interrupt)


__all__ = ["INTERRUPTED", "run"]

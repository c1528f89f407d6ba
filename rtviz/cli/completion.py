"""Shell completion by argcomplete."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable

SHELLS = ("bash", "zsh", "fish")


def is_asked() -> bool:
    """Whether a shell's completion has started this program."""
    return "_ARGCOMPLETE" in os.environ


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell and end the process, if it asks."""
    if is_asked():  # argcomplete is not imported on any other start
        import argcomplete

        argcomplete.autocomplete(parser)


def script(shell: str) -> str:
    """What a shell (one of SHELLS) must evaluate so that Tab completes `rtviz`."""
    from argcomplete.shell_integration import shellcode

    return shellcode(["rtviz"], shell=shell)


def offer(action: argparse.Action, values: Callable[[], Iterable[str]]) -> argparse.Action:
    """Let a shell complete the values of an argument that argparse itself does not limit."""
    action.completer = lambda **_: list(values())  # type: ignore[attr-defined]
    return action

"""English for messages: numbers with their nouns, and what comes from a file in one line."""

from __future__ import annotations

import re

# What moves a terminal's cursor, or ends a line: control characters, and the separators of Unicode.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 frame", "2 frames"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def one_line(text: str) -> str:
    """The text with its control characters written out: names of files and what stands in them may hold any."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)

"""What the user is told: what is wrong, and what can be done about it, which each surface says in its own words.

The command line names its flags (`rtviz.cli.remedies`), the app its buttons and menus (`rtviz.app.remedies`); Python
sees the kind as `remedy`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Self


class Remedy(Enum):
    """What the user can do about a problem."""

    FETCH_MODEL = "fetch trained weights"
    LIST_MODELS = "see which models there are"
    NAME_MODEL = "say which model a weights file is of"
    CHOOSE_WEIGHTS = "choose a weights file"
    ACCEPT_LICENCE = "accept the licence of a model"
    MARK_OBJECT = "mark an object"
    START_EARLIER = "take an earlier part of the source"
    CHOOSE_VIDEO_TRACK = "choose another video track"
    CHOOSE_SOUND_TRACK = "choose another sound track"
    SHRINK_OUTPUT = "make the output smaller"
    OVERWRITE = "overwrite the output"


class Notice(str):
    """One sentence for the user; the text says what is the case, the remedy what can be done.

    Attributes:
        remedy: None if there is nothing to do.
        subject: what the remedy is about, such as a model's name.
    """

    remedy: Remedy | None
    subject: str

    def __new__(cls, text: str, remedy: Remedy | None = None, subject: str = "") -> Self:
        notice = super().__new__(cls, text)
        notice.remedy, notice.subject = remedy, subject
        return notice


class FileWritten(Notice):
    """A file was written; the text says so and names it.

    Attributes:
        path: the file.
        what: what it holds, such as "3 frames"; may be empty.
    """

    path: Path
    what: str

    @classmethod
    def of(cls, path: Path, what: str = "") -> FileWritten:
        """The notice that this file was written."""
        notice = cls(f"wrote {path}" + (f": {what}" if what else ""))
        notice.path, notice.what = path, what
        return notice


def joined(first: str | None, second: str) -> Notice:
    """Two sentences as one notice, with the remedy of the first that has one."""
    notices = [Notice(one) if not isinstance(one, Notice) else one for one in (first, second) if one]
    known = next((one for one in notices if one.remedy), Notice(""))
    return Notice("; ".join(notices), known.remedy, known.subject)


def worded(text: str, words: Mapping[Remedy, str]) -> str:
    """The text with its remedy in the words of a surface; `{}` in them stands for the subject."""
    if not isinstance(text, Notice) or text.remedy is None or not (remedy := words.get(text.remedy)):
        return str(text)
    return f"{text}{' ' if text.endswith('?') else '; '}{remedy.format(text.subject)}"


def to_json(value: Any) -> str:
    """JSON for another process, in which notices keep their remedies. What JSON does not know is written as text."""
    return json.dumps(_plain(value), default=str)


def from_json(text: str) -> Any:
    """What `to_json` was given."""
    return json.loads(text, object_hook=_notice_or_mapping)


def _plain(value: Any) -> Any:
    if isinstance(value, Notice) and value.remedy is not None:
        return {"notice": str(value), "remedy": value.remedy.name, "subject": value.subject}
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def _notice_or_mapping(found: dict[str, Any]) -> Any:
    if found.keys() == {"notice", "remedy", "subject"}:
        return Notice(found["notice"], Remedy[found["remedy"]], found["subject"])
    return found


__all__ = ["FileWritten", "Notice", "Remedy", "from_json", "joined", "to_json", "worded"]

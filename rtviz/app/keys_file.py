"""The user's own keys: the config file in the settings folder, opened with whatever edits text there."""

from __future__ import annotations

from pathlib import Path

from PyQt5.QtCore import QUrl
from PyQt5.QtGui import QDesktopServices

from rtviz.app.keys import ACTIONS, GROUPS
from rtviz.errors import OutputUnwritable

_HEAD = """\
# Your own settings of rtviz, which only reads this file. It is read at the start.

[keys]
# An action and its key, or a list of keys; "" takes the key away. Take the # off a line to change it.
# A key that you bind is taken from the action that had it. What cannot be bound is said in one line at the start.
"""


def template() -> str:
    """A config file that changes nothing, with every action and its default keys."""
    lines = [_HEAD]
    for group in GROUPS:
        lines.append(f"\n# {group}\n")
        for action in ACTIONS:
            if action.group == group:
                keys = [f'"{key}"' for key in action.keys]
                value = keys[0] if len(keys) == 1 else f"[{', '.join(keys)}]"
                lines.append(f"# {action.name} = {value}  # {action.label}\n")
    return "".join(lines)


def open_keys_file(folder: Path) -> str:
    """Open `config.toml` of a folder for editing, after making one that changes nothing if there is none.

    Returns:
        what to say of it.

    Raises:
        OutputUnwritable: it cannot be made.
    """
    path = folder / "config.toml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(template(), encoding="utf-8")
    except OSError as error:
        raise OutputUnwritable(f"cannot write {path}: {error.strerror or error}") from None
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))
    return f"keys are in {path}; changes count from the next start on"


__all__ = ["open_keys_file", "template"]

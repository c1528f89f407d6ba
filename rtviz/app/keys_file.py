"""The user's own keys: the config file in the settings folder, opened with whatever edits text there, and read again
whenever it has changed."""

from __future__ import annotations

from PyQt5.QtCore import QFileSystemWatcher, QObject, QTimer, QUrl
from PyQt5.QtGui import QDesktopServices
from PyQt5.QtWidgets import QWidget

from rtviz.app.keys import ACTIONS, GROUPS
from rtviz.app.layout import Layout
from rtviz.app.remembered import Remembered
from rtviz.errors import OutputUnwritable

_SETTLED_MS = 150
_HEAD = """\
# Your own settings of rtviz, which only reads this file. Keys that you change count as soon as it is saved.

[keys]
# An action and its key, or a list of keys; "" takes the key away. Take the # off a line to change it.
# A key that you bind is taken from the action that had it. What cannot be bound is said on the picture.
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


class OwnKeys(QObject):
    """Opens the file, and takes over the keys in it when it is saved."""

    def __init__(self, layout: Layout, remembered: Remembered) -> None:
        super().__init__(layout)
        self._layout, self._remembered = layout, remembered
        self._path = remembered.folder / "config.toml"
        self._watcher = QFileSystemWatcher(self)
        # An editor writes a file in several steps, or puts another one into its place.
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_SETTLED_MS)
        self._timer.timeout.connect(self._read)
        self._watcher.fileChanged.connect(lambda _: self._timer.start())
        self._watcher.directoryChanged.connect(lambda _: self._timer.start())
        self._said: list[str] = []

    def watch(self) -> None:
        """Notice changes from now on. The folder is watched too: editors put a new file into the place of the old."""
        watched = {*self._watcher.files(), *self._watcher.directories()}
        new = [
            str(path) for path in (self._remembered.folder, self._path) if path.exists() and str(path) not in watched
        ]
        if new:
            self._watcher.addPaths(new)

    def open(self) -> None:
        """Open the file for editing, after making one that changes nothing if there is none.

        Raises:
            OutputUnwritable: it cannot be made.
        """
        try:
            self._remembered.folder.mkdir(parents=True, exist_ok=True)
            if not self._path.exists():
                self._path.write_text(template(), encoding="utf-8")
        except OSError as error:
            raise OutputUnwritable(f"cannot write {self._path}: {error.strerror or error}") from None
        self.watch()
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._path)))
        self._layout.canvas.toast(f"keys are in {self._path}; they count as soon as it is saved", 8.0)

    def _read(self) -> None:
        self.watch()
        before = self._remembered.keys
        problems = self._remembered.read_keys()
        changed = not problems and self._remembered.keys != before
        if changed:
            problems = self._take_over()
        if problems and problems != self._said:
            self._layout.canvas.toast("\n".join(problems), 8.0)
        elif changed:
            self._layout.canvas.toast("keys changed", 2.0)
        self._said = problems

    def _take_over(self) -> list[str]:
        """Use the keys; returns what cannot be bound."""
        layout, bindings = self._layout, self._layout.bindings
        tips = bindings.rebind(self._remembered.keys)
        for widget in layout.findChildren(QWidget):
            tip, rest = widget.toolTip(), ""
            if tip not in tips:  # a name says more behind it
                tip, mark, rest = tip.rpartition("; ")
                rest = mark + rest
            if tip in tips:
                widget.setToolTip(tips[tip] + rest)
        if layout.help.isVisible():
            layout.help.open(bindings.help(), bindings.shown("help"), bindings.shown("escape"))
        return bindings.problems


__all__ = ["OwnKeys", "template"]

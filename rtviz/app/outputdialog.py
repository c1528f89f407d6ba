"""What the dialogs have in common that write a file: where it goes, and the command that does the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PyQt5.QtCore import QRect, Qt
from PyQt5.QtGui import QFontDatabase
from PyQt5.QtWidgets import (
    QComboBox,
    QDialog,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from rtviz.app.clipboard import copy_text
from rtviz.app.controls import Combo
from rtviz.app.window_size import FRAME


class OutputDialog(QDialog):
    """Not modal: the picture goes on behind it. A subclass adds what is chosen, and writes the file.

    Args:
        title: of the dialog.
        kept: what was chosen last time; it is written to.
        folder: where files go, if nothing else was chosen.
        close_tip: what closing means.
        act: text and tooltip of the button that writes the file, and what it does.
    """

    def __init__(
        self,
        parent: QWidget,
        title: str,
        kept: dict[str, Any],
        folder: Callable[[], Path],
        close_tip: str,
        act: tuple[str, str, Callable[[], object]],
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self._kept, self._folder = kept, folder
        self._proposed = ""  # the destination as it was proposed; another one is the user's
        self.title = QLabel()
        self.title.setTextFormat(Qt.PlainText)
        self.destination = QLineEdit()
        self.destination.setAccessibleName("Save as")
        self.destination.setToolTip("The file that is written")
        self.browse = push_button("…", "Choose a file", self._browse)
        self.browse.setAccessibleName("Choose a file")
        self.command = QLineEdit()
        self.command.setReadOnly(True)
        self.command.setFont(QFontDatabase.systemFont(QFontDatabase.FixedFont))
        self.command.setAccessibleName("Command")
        self.command.setToolTip("The command that does the same")
        self.copy = push_button("Copy", "Copy the command", lambda: copy_text(self.command.text()))
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.close_button = push_button("Close", close_tip, self.close)
        self.act_button = push_button(*act)
        self.act_button.setObjectName("primary")
        self.act_button.setDefault(True)

    def _fit_screen(self, width: int, height: int) -> None:
        """Take this size, or what the screen has room for, with a frame round it."""
        screen = self.screen()
        room = screen.availableGeometry() if screen is not None else QRect(0, 0, width, height)
        self.resize(min(width, room.width() - FRAME.width()), min(height, room.height() - FRAME.height()))

    def _browse(self) -> None:
        """Let the user choose the destination, with `_choose_file`."""
        raise NotImplementedError

    # --- rows --------------------------------------------------------------------------------------------------------

    def _column(self) -> QVBoxLayout:
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 14)
        column.setSpacing(8)
        return column

    def _grid(self, controls: Sequence[tuple[str, QWidget | QLayout]]) -> QGridLayout:
        """Named controls in two columns, and below them the destination and the command."""
        grid = QGridLayout()
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(7)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)
        for place, (name, control) in enumerate(controls):
            row, left = place // 2, 2 * (place % 2)
            grid.addWidget(QLabel(name), row, left)
            if isinstance(control, QWidget):
                grid.addWidget(control, row, left + 1)
            else:
                grid.addLayout(control, row, left + 1)
        lines = (("Save as", self.destination, self.browse), ("Command", self.command, self.copy))
        for row, (name, line, button) in enumerate(lines, grid.rowCount()):
            box = QHBoxLayout()
            box.addWidget(line, 1)
            box.addWidget(button)
            grid.addWidget(QLabel(name), row, 0)
            grid.addLayout(box, row, 1, 1, 3)
        return grid

    def _last_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.addWidget(self.note, 1)
        row.addWidget(self.close_button)
        row.addWidget(self.act_button)
        return row

    # --- the destination ---------------------------------------------------------------------------------------------

    def _kept_folder(self) -> Path:
        kept = self._kept.get("folder")
        return Path(str(kept)) if kept and Path(str(kept)).is_dir() else self._folder()

    def _choose_file(self, title: str, filters: Sequence[str], formats: QComboBox, suffixes: Mapping[str, str]) -> None:
        """Let the user choose the destination in a dialog of files.

        Args:
            formats: whose text is one of `suffixes`; a chosen name with a known suffix chooses it.
            suffixes: by name of the format; one without a known suffix gets the chosen format's.
        """
        dialog = QFileDialog(self, title)
        dialog.setAcceptMode(QFileDialog.AcceptSave)
        dialog.setOption(QFileDialog.DontConfirmOverwrite)  # this dialog says it, and its button too
        dialog.setNameFilters(list(filters))
        path = Path(self.destination.text().strip() or self._folder())
        dialog.setDirectory(str(path.parent))
        dialog.selectFile(path.name)
        dialog.setAttribute(Qt.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda text: self._take_destination(text, formats, suffixes))
        dialog.open()

    def _take_destination(self, text: str, formats: QComboBox, suffixes: Mapping[str, str]) -> None:
        names = {suffix: name for name, suffix in suffixes.items() if suffix}
        suffix = Path(text).suffix.lower()
        if suffix in names:
            formats.setCurrentText(names[suffix])
        else:
            text += suffixes[formats.currentText()]
        self.destination.setText(text)

    # --- what follows from what is chosen ----------------------------------------------------------------------------

    def _show_command(self, line: str) -> None:
        if line != self.command.text():
            self.command.setText(line)
            self.command.setCursorPosition(0)
        self.copy.setEnabled(bool(line))

    def _show_problem(self, wrong: str, replaced: bool, act: str) -> None:
        """Show what is wrong, or that a file will be replaced, else what the button does."""
        name = Path(self.destination.text().strip()).name
        self.note.setText(wrong or (f"{name} exists and will be replaced." if replaced else ""))
        self.act_button.setText("Replace" if replaced else act)
        self.act_button.setEnabled(not wrong)


def named_combo(name: str, tip: str) -> Combo:
    """A box of choices with a name for screen readers and a tooltip."""
    box = Combo()
    box.setAccessibleName(name)
    box.setToolTip(tip)
    return box


def push_button(text: str, tip: str, does: Callable[[], object]) -> QPushButton:
    """A button that Enter in another field does not press."""
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAutoDefault(False)
    button.clicked.connect(lambda: does())
    return button


__all__ = ["OutputDialog", "named_combo", "push_button"]

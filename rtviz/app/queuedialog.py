"""What the dialogs have in common whose files processes of the queue write: renders, and masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QHBoxLayout, QLabel, QLayout, QSizePolicy, QSlider, QWidget

from rtviz.app.controls import Combo
from rtviz.app.outputdialog import OutputDialog, named_combo
from rtviz.app.renderform import (
    Choices,
    Subject,
    command,
    exists,
    output_settings_for,
    problem,
    proposal,
    settings_for,
)
from rtviz.app.renderlist import RenderList
from rtviz.app.renders import Render, RenderQueue
from rtviz.app.transport import clock

_LIST_HEIGHT = 190  # pixels that the dialog grows by for its first render


class QueueDialog(OutputDialog):
    """It follows what is on screen, and shows the queue. A subclass has what is chosen for its kind of file.

    Args:
        title: of the dialog, and of its button.
        kept: what was chosen last time; it is written to.
        folder: where outputs go, if nothing else was chosen.
        suffixes: by name of the format, in the order of the list.
    """

    def __init__(
        self,
        parent: QWidget,
        title: str,
        queue: RenderQueue,
        kept: dict[str, Any],
        folder: Callable[[], Path],
        suffixes: Mapping[str, str],
    ) -> None:
        act = (title, "Put it into the queue; it starts at once if none runs", self._add_to_queue)
        super().__init__(parent, title, kept, folder, "What is in the queue goes on", act)
        self._act, self._queue, self._suffixes = title, queue, suffixes
        self._subject: Subject | None = None
        self.list = RenderList(queue)
        self._make_controls()
        self._put_together()
        self._recall(kept)
        queue.changed.connect(self._show_state)
        self.resize(640, self.sizeHint().height())

    def choices(self) -> Choices:
        """What is chosen now."""
        raise NotImplementedError

    def _rows(self) -> Sequence[tuple[str, QWidget | QLayout]]:
        """The controls, each under its name."""
        raise NotImplementedError

    def _described(self, subject: Subject, choices: Choices) -> str:
        """What will be seen, in a line."""
        raise NotImplementedError

    def _named(self, subject: Subject) -> str:
        """What is written, in a file's name."""
        raise NotImplementedError

    # --- controls ----------------------------------------------------------------------------------------------------

    def _make_controls(self) -> None:
        self.facts, self.what = QLabel(), QLabel()
        self.title.setObjectName("title")
        self.facts.setProperty("faint", True)
        self.what.setWordWrap(True)
        self.part = self._combo("Part", "The whole of it, or from the in to the out point of the timeline")
        self.formats = self._combo("Format", "Of the file")
        self.formats.addItems(list(self._suffixes))
        self.quality = QSlider(Qt.Horizontal)
        self.quality.setRange(1, 100)
        self.quality.setValue(75)
        self.quality.setFocusPolicy(Qt.StrongFocus)
        self.quality.setAccessibleName("Quality")
        self.quality.setToolTip("Of the encoding: 100 is visually lossless, and the file large")
        self.quality_label = QLabel()
        self.quality_label.setMinimumWidth(28)
        self.quality_label.setAlignment(Qt.AlignRight | Qt.AlignVCenter)
        self.quality_row = QHBoxLayout()
        self.quality_row.addWidget(self.quality, 1)
        self.quality_row.addWidget(self.quality_label)
        self.part.currentIndexChanged.connect(lambda _: self._show_state())
        self.formats.currentIndexChanged.connect(lambda _: self._format_chosen())
        self.quality.valueChanged.connect(lambda _: self._show_state())
        self.destination.textChanged.connect(lambda _: self._show_state())

    def _combo(self, name: str, tip: str) -> Combo:
        box = named_combo(name, tip)
        box.setMinimumContentsLength(8)
        box.setSizeAdjustPolicy(Combo.AdjustToMinimumContentsLengthWithIcon)
        return box

    def _put_together(self) -> None:
        column = self._column()
        heading = QHBoxLayout()
        heading.addWidget(self.title)
        heading.addWidget(self.facts)
        heading.addStretch(1)
        self.what.setSizePolicy(QSizePolicy.Preferred, QSizePolicy.Fixed)
        column.addLayout(heading)
        column.addWidget(self.what)
        column.addLayout(self._grid(self._rows()))
        column.addLayout(self._last_row())
        column.addWidget(self.list, 1)
        column.addStretch()  # takes what the list leaves, while it is hidden

    def _recall(self, kept: Mapping[str, Any]) -> None:
        """Choose what was chosen last time, as far as it still means something."""
        if isinstance(kept.get("format"), str):
            self.formats.setCurrentText(kept["format"])
        if isinstance(kept.get("quality"), int):
            self.quality.setValue(kept["quality"])
        self._format_chosen()

    def _remember(self) -> None:
        choices = self.choices()
        self._kept |= {
            "format": self.formats.currentText(), "quality": choices.quality,
            "folder": str(Path(choices.destination).parent),
        }  # fmt: skip

    # --- what follows from what is on screen, and chosen -------------------------------------------------------------

    def show_subject(self, subject: Subject) -> None:
        """Show what can be written now."""
        if subject == self._subject:
            return
        before, self._subject = self._subject, subject
        self.title.setText(subject.name)
        self.facts.setText(subject.facts)
        self._show_parts(subject)
        self._subject_changed(before, subject)
        if before is None or before.place != subject.place or self.destination.text() == self._proposed:
            self._propose()
        self._show_state()

    def _subject_changed(self, before: Subject | None, subject: Subject) -> None:
        """Bring what a subclass shows of it up to date."""

    def _show_parts(self, subject: Subject) -> None:
        part = subject.part
        chosen = bool(self.part.currentData())
        whole = "the whole" if subject.seconds is None else f"whole clip, {clock(subject.seconds)}"
        entries = [("the picture" if subject.still else whole, False)]
        if part.start is not None or part.end is not None:
            ends = [
                "start" if part.start is None else _clock(part.start),
                "end" if part.end is None else _clock(part.end),
            ]
            entries.append((" to ".join(ends), True))
        if entries == [(self.part.itemText(place), self.part.itemData(place)) for place in range(self.part.count())]:
            return
        had_part = self.part.count() > 1
        self.part.blockSignals(True)
        self.part.clear()
        for text, is_part in entries:
            self.part.addItem(text, is_part)
        # Points that are new are meant.
        self.part.setCurrentIndex(len(entries) - 1 if chosen or not had_part else 0)
        self.part.blockSignals(False)
        self.part.setEnabled(len(entries) > 1)

    def _format_chosen(self) -> None:
        suffix = self._suffixes[self.formats.currentText()]
        text = self.destination.text().strip()
        if text == self._proposed:
            self._propose()
        elif text and Path(text).suffix.lower() in self._suffixes.values():
            self.destination.setText(str(Path(text).with_suffix(suffix)))
        self._show_state()

    def _propose(self) -> None:
        """Put a free name into the destination."""
        subject = self._subject
        if subject is None or subject.place is None:
            return
        suffix = self._suffixes[self.formats.currentText()]
        self._proposed = str(proposal(subject, self._named(subject), self._kept_folder(), suffix, self._taken()))
        self.destination.setText(self._proposed)
        self.destination.setCursorPosition(len(self._proposed))

    def _taken(self) -> list[Path]:
        return [render.output for render in self._queue.unfinished]

    def _show_state(self) -> None:
        """Show what follows from what is chosen: the command, and what is wrong with it."""
        self.quality_label.setText(str(self.quality.value()) if self.quality.isEnabled() else "—")
        subject = self._subject
        if subject is None:
            return
        choices = self.choices()
        wrong = problem(subject, choices, self._taken())
        self._show_command(command(subject, choices))
        self.what.setText(subject.why_not if subject.place is None else self._described(subject, choices))
        replaced = not wrong and exists(Path(choices.destination))
        self._show_problem(wrong, replaced, "Add to queue" if self._queue.running else self._act)

    # --- buttons -----------------------------------------------------------------------------------------------------

    def _browse(self) -> None:
        chosen = self.formats.currentText()
        filters = [f"{chosen} (*{self._suffixes[chosen] or ''})"]
        self._choose_file(f"{self._act} to", filters, self.formats, self._suffixes)

    def _add_to_queue(self) -> None:
        subject, choices = self._subject, self.choices()
        if subject is None or subject.place is None or problem(subject, choices, self._taken()):
            return
        self._remember()
        if not self._queue.renders:
            self.resize(self.width(), min(self.height() + _LIST_HEIGHT, self.parentWidget().height()))
        self._queue.add(
            Render(
                subject.place,
                Path(choices.destination).absolute(),
                settings_for(subject, choices),
                output_settings_for(subject, choices),
                choices.masks,
            )
        )
        self._propose()
        # While its file was in the queue the button was disabled, and Qt gave the focus away: to a render's "Cancel".
        self.act_button.setFocus()


def _clock(seconds: float) -> str:
    """A time to the tenth of a second."""
    return f"{clock(seconds)}.{int(seconds * 10 + 1e-6) % 10}"


__all__ = ["QueueDialog"]

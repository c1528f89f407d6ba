"""The dialog "Figure...": what is on screen as a page for a paper or a talk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PyQt5.QtCore import QSize, Qt, QTimer
from PyQt5.QtGui import QImage, QPixmap, QResizeEvent
from PyQt5.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QLayout, QSizePolicy, QWidget

from rtviz.app.controls import Combo, DoubleSpin
from rtviz.app.figure_worker import FigureWorker
from rtviz.app.figureform import SCALES, SUFFIXES, Choices, Subject, command, page_of, problem, proposal
from rtviz.app.outputdialog import OutputDialog, named_combo, push_button
from rtviz.app.written import show_in_folder
from rtviz.errors import RtvizError
from rtviz.settings import FIGURE_WIDTH

_PAUSE_MS = 250  # after the last change, before a preview is drawn


class FigureDialog(OutputDialog):
    """The figure stays that of the frame that was taken.

    Args:
        take: what is on screen now.
        kept: what was chosen last time; it is written to.
        folder: where figures go, if nothing else was chosen.
    """

    def __init__(
        self,
        parent: QWidget,
        worker: FigureWorker,
        take: Callable[[], Subject | None],
        kept: dict[str, Any],
        folder: Callable[[], Path],
    ) -> None:
        super().__init__(parent, "Figure", kept, folder, "Close this dialog", ("Save", "Write the file", self._save))
        self._worker, self._take = worker, take
        self._subject: Subject | None = None
        self._written = Path()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE_MS)
        self._timer.timeout.connect(self._draw_preview)
        self._make_controls()
        self._put_together()
        worker.previewed.connect(self._show_preview)
        worker.saved.connect(self._saved)
        worker.failed.connect(self._failed)
        self._fit_screen(760, 640)

    # --- controls ----------------------------------------------------------------------------------------------------

    def _make_controls(self) -> None:
        kept = self._kept
        self.show_button = push_button("Show in folder", "Open the folder of the file", self._show_written)
        self.show_button.hide()
        self.take_button = push_button("Take the frame on screen", "Draw what is on screen now", self.take_frame)
        self.preview = Preview()
        self.page = self._combo("Page", "What the page shows", ())
        self.scale = self._combo(
            "Scale", "Of the colours: in multiples of uniform attention, or of each map alone", tuple(SCALES)
        )
        self.format = self._combo("Format", "Of the file; text stays text in PDF and SVG", tuple(SUFFIXES))
        self.width_box = DoubleSpin()
        self.width_box.setRange(2.0, 100.0)
        self.width_box.setDecimals(1)
        self.width_box.setSingleStep(0.1)
        self.width_box.setSuffix(" in")
        self.width_box.setAccessibleName("Width")
        self.width_box.setToolTip("Of the page; a journal's column is about 3.3 inches, its page 6.9")
        width = kept.get("width")
        self.width_box.setValue(float(width) if isinstance(width, (int, float)) else FIGURE_WIDTH)
        self.labels, self.bar = QCheckBox("labels"), QCheckBox("colour bar")
        self.frame = QCheckBox("keep the frame")
        tips = "Names, titles and notes", "What the colours mean", "Write the frame beside the figure, for the command"
        for box, tip in zip((self.labels, self.bar, self.frame), tips, strict=True):
            box.setToolTip(tip)
            box.setChecked(kept.get(box.text(), box is not self.frame) is True)
            box.toggled.connect(lambda _: self._changed())
        for combo, name in ((self.scale, "scale"), (self.format, "format")):
            if isinstance(kept.get(name), str):
                combo.setCurrentText(kept[name])
        self.command.setPlaceholderText("none: no command finds this frame again, unless you keep it")
        self.page.currentIndexChanged.connect(lambda _: self._page_chosen())
        self.scale.currentIndexChanged.connect(lambda _: self._changed())
        self.format.currentIndexChanged.connect(lambda _: self._format_chosen())
        self.width_box.valueChanged.connect(lambda _: self._changed())
        self.destination.textChanged.connect(lambda _: self._show_state())

    def _combo(self, name: str, tip: str, entries: tuple[str, ...]) -> Combo:
        box = named_combo(name, tip)
        box.setMinimumContentsLength(10)
        box.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Fixed)
        box.addItems(list(entries))
        return box

    def _put_together(self) -> None:
        column = self._column()
        heading = QHBoxLayout()
        heading.addWidget(self.title, 1)
        heading.addWidget(self.take_button)
        column.addLayout(heading)
        column.addWidget(self.preview, 1)
        shown = QHBoxLayout()
        shown.addWidget(self.labels)
        shown.addWidget(self.bar)
        shown.addWidget(self.frame)
        shown.addStretch(1)
        controls: list[tuple[str, QWidget | QLayout]] = [
            ("Page", self.page), ("Format", self.format), ("Scale", self.scale), ("Width", self.width_box),
            ("Show", shown),
        ]  # fmt: skip
        column.addLayout(self._grid(controls))
        row = self._last_row()
        row.insertWidget(1, self.show_button)
        column.addLayout(row)

    # --- what is chosen ----------------------------------------------------------------------------------------------

    def choices(self) -> Choices:
        """What is chosen now."""
        return Choices(
            page=page_of(self.page.currentText()), scale=SCALES[self.scale.currentText()],
            labels=self.labels.isChecked(), bar=self.bar.isChecked(), destination=self.destination.text().strip(),
            width=round(self.width_box.value(), 1), keep_frame=self.frame.isChecked(),
        )  # fmt: skip

    def take_frame(self) -> None:
        """Take what is on screen."""
        subject = self._take()
        if subject is None:
            return
        self._subject = subject
        self.frame.setVisible(subject.place is None)  # a file has it already
        chosen = self.page.currentText() or str(self._kept.get("page", ""))
        self.page.blockSignals(True)
        self.page.clear()
        self.page.addItems(subject.pages)
        self.page.setCurrentIndex(max(0, self.page.findText(chosen)))
        self.page.blockSignals(False)
        self.title.setText(f"{subject.name}, frame {subject.frame.index}: {', '.join(subject.models)}")
        self._page_chosen()

    def _page_chosen(self) -> None:
        self._propose()
        self._changed()

    def _format_chosen(self) -> None:
        text = self.destination.text().strip()
        if text == self._proposed:
            self._propose()
        elif text:
            self.destination.setText(str(Path(text).with_suffix(SUFFIXES[self.format.currentText()])))
        self._show_state()

    def _propose(self) -> None:
        """Put a free name into the destination, unless the user has named one."""
        if self._subject is None or self.destination.text() != self._proposed:
            return
        suffix = SUFFIXES[self.format.currentText()]
        self._proposed = str(proposal(self._subject, self.choices().page, self._kept_folder(), suffix))
        self.destination.setText(self._proposed)

    def _changed(self) -> None:
        self._show_state()
        self._timer.start()

    def _show_state(self) -> None:
        """Show what follows from what is chosen: the command, and what is wrong with it."""
        if self._subject is None:
            return
        choices = self.choices()
        self._show_command(command(self._subject, choices))
        wrong = problem(choices)
        self.show_button.hide()
        self._show_problem(wrong, not wrong and Path(choices.destination).exists(), "Save")

    # --- drawing -----------------------------------------------------------------------------------------------------

    def _draw_preview(self) -> None:
        if self._subject is not None and self.isVisible():
            self.preview.say("drawing …")
            self._worker.preview(self._subject, self.choices())

    def _show_preview(self, png: bytes) -> None:
        self.preview.show_image(QImage.fromData(png))

    def _save(self) -> None:
        if self._subject is None:
            return
        choices = self.choices()
        self._kept |= {
            "page": self.page.currentText(), "scale": self.scale.currentText(), "format": self.format.currentText(),
            "width": choices.width, "labels": choices.labels, "colour bar": choices.bar,
            "keep the frame": choices.keep_frame,
            "folder": str(Path(choices.destination).parent),
        }  # fmt: skip
        self.act_button.setEnabled(False)
        self.note.setText(f"writing {Path(choices.destination).name} …")
        self._worker.save(self._subject, choices)

    def _saved(self, path: str) -> None:
        if self.destination.text() == self._proposed:
            self._propose()
        self._show_state()
        self._written = Path(path)
        self.note.setText(f"Wrote {path}")
        self.show_button.show()
        self.act_button.setFocus()  # which it lost while the file was written

    def _show_written(self) -> None:
        try:
            show_in_folder(self._written)
        except RtvizError as error:
            self.note.setText(str(error))

    def _failed(self, sentence: str) -> None:
        self._show_state()
        self.note.setText(sentence)
        self.preview.say("")

    def _browse(self) -> None:
        filters = [f"{name} (*{suffix})" for name, suffix in SUFFIXES.items()]
        self._choose_file("Save the figure as", filters, self.format, SUFFIXES)


class Preview(QLabel):
    """A page as large as it fits, on white as it will be printed."""

    def __init__(self) -> None:
        super().__init__()
        self.setAlignment(Qt.AlignCenter)
        self.setMinimumSize(320, 140)
        self.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Ignored)
        self.setAccessibleName("Preview")
        self._image = QImage()

    def say(self, text: str) -> None:
        """Show a text, where there is no page yet."""
        if self._image.isNull():
            self.setText(text)

    def show_image(self, image: QImage) -> None:
        """Show this page."""
        self._image = image
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        self._fit()

    def _fit(self) -> None:
        if not self._image.isNull():
            ratio = self.devicePixelRatioF()
            room = QSize(round(self.width() * ratio), round(self.height() * ratio))
            shown = QPixmap.fromImage(self._image).scaled(room, Qt.KeepAspectRatio, Qt.SmoothTransformation)
            shown.setDevicePixelRatio(ratio)
            self.setPixmap(shown)


__all__ = ["FigureDialog", "Preview"]

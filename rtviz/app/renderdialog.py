"""The dialog "Render...": what is on screen as a file, and the queue of what is being rendered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import QHBoxLayout, QLabel, QLayout, QSizePolicy, QSlider, QWidget

from rtviz import views
from rtviz.app.controls import Combo
from rtviz.app.outputdialog import OutputDialog, named_combo
from rtviz.app.renderform import (
    FORMATS,
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
from rtviz.settings import LAYOUTS, token_name
from rtviz.sinks import codecs_for

_SIZES = ("as large as the source", "x1080", "x720", "x480")
_FUSED = {
    "mean": "mean of all heads", "max": "maximum of all heads", "all": "all heads",
    "follow": "the head that stands out",
}  # fmt: skip
_LIST_HEIGHT = 190  # pixels that the dialog grows by for its first render
_CODEC_WORDS = {"h264": "H.264", "h265": "H.265", "av1": "AV1", "vp9": "VP9"}


class RenderDialog(OutputDialog):
    """It follows what is on screen.

    Args:
        kept: what was chosen last time; it is written to.
        folder: where outputs go, if nothing else was chosen.
    """

    closed = pyqtSignal()

    def __init__(self, parent: QWidget, queue: RenderQueue, kept: dict[str, Any], folder: Callable[[], Path]) -> None:
        act = ("Render", "Put it into the queue; it starts at once if none runs", self._render)
        super().__init__(parent, "Render", kept, folder, "Renders go on", act)
        self._queue = queue
        self._subject: Subject | None = None
        self.list = RenderList(queue)
        self._make_controls()
        self._put_together()
        self._recall(kept)
        queue.changed.connect(self._show_state)
        self.resize(640, self.sizeHint().height())

    # --- controls ----------------------------------------------------------------------------------------------------

    def _make_controls(self) -> None:
        self.facts, self.what = QLabel(), QLabel()
        self.title.setObjectName("title")
        self.facts.setProperty("faint", True)
        self.what.setWordWrap(True)
        self.part = self._combo("Part", "The whole of it, or from the in to the out point of the timeline")
        self.layouts = self._combo("Picture", "The view on its frame, alone, or beside the frame")
        self.layouts.addItem("as on screen", "screen")
        for layout in LAYOUTS:
            self.layouts.addItem(layout.replace("-", " "), layout)
        self.models = self._combo("Models", "The model in focus, or a pane for each model on screen")
        self.formats = self._combo("Format", "Of the file")
        self.formats.addItems(list(FORMATS))
        self.size_box = self._combo(
            "Size", "Of the picture: WIDTHxHEIGHT, or one side as WIDTHx or xHEIGHT; sides follow the shape"
        )
        self.size_box.setEditable(True)
        self.size_box.addItems(list(_SIZES))
        self.codec = self._combo("Codec", "How the video is encoded; auto is H.264, or VP9 in WebM")
        self.quality = QSlider(Qt.Horizontal)
        self.quality.setRange(1, 100)
        self.quality.setValue(75)
        self.quality.setFocusPolicy(Qt.StrongFocus)
        self.quality.setAccessibleName("Quality")
        self.quality.setToolTip("Of the encoding: 100 is visually lossless, and the file large")
        self.quality_label = QLabel()
        for box in (self.part, self.layouts, self.models, self.codec):
            box.currentIndexChanged.connect(lambda _: self._show_state())
        self.formats.currentIndexChanged.connect(lambda _: self._format_chosen())
        self.size_box.currentTextChanged.connect(lambda _: self._show_state())
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
        quality = QHBoxLayout()
        quality.addWidget(self.quality, 1)
        quality.addWidget(self.quality_label)
        self.quality_label.setMinimumWidth(28)
        self.quality_label.setAlignment(Qt.AlignRight | Qt.AlignVCenter)
        controls: list[tuple[str, QWidget | QLayout]] = [
            ("Part", self.part), ("Format", self.formats),
            ("Picture", self.layouts), ("Codec", self.codec),
            ("Models", self.models), ("Quality", quality),
            ("Size", self.size_box),
        ]  # fmt: skip
        column.addLayout(self._grid(controls))
        column.addLayout(self._last_row())
        column.addWidget(self.list, 1)
        column.addStretch()  # takes what the list leaves, while it is hidden

    def _recall(self, kept: Mapping[str, Any]) -> None:
        """Choose what was chosen last time, as far as it still means something."""
        for box, name in ((self.formats, "format"), (self.size_box, "size")):
            if isinstance(kept.get(name), str):
                box.setCurrentText(kept[name])
        self._format_chosen()
        for box, name in ((self.layouts, "layout"), (self.codec, "codec")):
            place = box.findData(kept.get(name))
            if place >= 0:
                box.setCurrentIndex(place)
        quality = kept.get("quality")
        if isinstance(quality, int):
            self.quality.setValue(quality)

    def _remember(self) -> None:
        choices = self.choices()
        self._kept |= {
            "layout": choices.layout, "format": self.formats.currentText(), "codec": choices.codec,
            "quality": choices.quality, "size": choices.size, "panes": choices.panes,
            "folder": str(Path(choices.destination).parent),
        }  # fmt: skip

    # --- what is chosen ----------------------------------------------------------------------------------------------

    def choices(self) -> Choices:
        """What is chosen now."""
        size = self.size_box.currentText().strip()
        return Choices(
            layout=self.layouts.currentData(), panes=bool(self.models.currentData()),
            part=bool(self.part.currentData()), codec=self.codec.currentData() or "auto",
            quality=self.quality.value(), size="" if size == _SIZES[0] else size,
            destination=self.destination.text().strip(),
        )  # fmt: skip

    def show_subject(self, subject: Subject) -> None:
        """Show what can be rendered now."""
        if subject == self._subject:
            return
        before, self._subject = self._subject, subject
        self.title.setText(subject.name)
        self.facts.setText(subject.facts)
        self._show_parts(subject)
        if before is None or before.models != subject.models or before.focus != subject.focus:
            self._show_models(subject)
        if before is None or before.place != subject.place or self.destination.text() == self._proposed:
            self._propose()
        self._show_state()

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

    def _show_models(self, subject: Subject) -> None:
        self.models.blockSignals(True)
        self.models.clear()
        self.models.addItem(subject.models[subject.focus] if subject.models else "none", False)
        if len(subject.models) > 1:
            self.models.addItem(f"all {len(subject.models)}, a pane each", True)
            self.models.setCurrentIndex(int(self._kept.get("panes") is not False))
        self.models.setEnabled(len(subject.models) > 1)
        self.models.blockSignals(False)

    def _format_chosen(self) -> None:
        suffix = FORMATS[self.formats.currentText()]
        codec = self.codec.currentData()
        self.codec.blockSignals(True)
        self.codec.clear()
        codecs = codecs_for(suffix)
        self.codec.addItem("auto" if codecs else "none", "auto")
        for name in codecs:
            self.codec.addItem(_CODEC_WORDS[name], name)
        self.codec.setCurrentIndex(max(0, self.codec.findData(codec)))
        self.codec.blockSignals(False)
        for part in (self.codec, self.quality):
            part.setEnabled(bool(codecs))
        text = self.destination.text().strip()
        if text == self._proposed:
            self._propose()
        elif text and Path(text).suffix.lower() in FORMATS.values():
            self.destination.setText(str(Path(text).with_suffix(suffix)))
        self._show_state()

    def _propose(self) -> None:
        """Put a free name into the destination."""
        subject = self._subject
        if subject is None or subject.place is None:
            return
        suffix = FORMATS[self.formats.currentText()]
        settings = settings_for(subject, self.choices())
        self._proposed = str(proposal(subject, settings, self._kept_folder(), suffix, self._taken()))
        self.destination.setText(self._proposed)
        self.destination.setCursorPosition(len(self._proposed))

    def _taken(self) -> list[Path]:
        return [render.output for render in self._queue.unfinished]

    def _show_state(self) -> None:
        """Show what follows from what is chosen: the command, and what is wrong with it."""
        self.quality_label.setText(str(self.quality.value()))
        subject = self._subject
        if subject is None:
            return
        choices = self.choices()
        self._show_command(command(subject, choices))
        self.what.setText(_described(subject, choices))
        wrong = problem(subject, choices, self._taken())
        replaced = not wrong and exists(Path(choices.destination))
        self._show_problem(wrong, replaced, "Add to queue" if self._queue.running else "Render")

    # --- buttons -----------------------------------------------------------------------------------------------------

    def _browse(self) -> None:
        chosen = self.formats.currentText()
        self._choose_file("Render to", [f"{chosen} (*{FORMATS[chosen] or ''})"], self.formats, FORMATS)

    def _render(self) -> None:
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
            )
        )
        self._propose()


def _described(subject: Subject, choices: Choices) -> str:
    """What will be seen, in a line."""
    if subject.place is None:
        return subject.why_not
    settings = settings_for(subject, choices)
    view = views.find(settings.view)
    parts = [view.label]
    if view.one_head:
        head = settings.head
        parts.append(f"head {head}" if isinstance(head, int) else _FUSED[head])
    if view.by_layer:
        parts.append("last layer" if settings.layer == -1 else f"layer {settings.layer}")
    if "query" in view.reads:
        parts.append(f"query: {token_name(settings.query, 'a patch')}")
    return "As on screen: " + ", ".join(parts)


def _clock(seconds: float) -> str:
    """A time to the tenth of a second."""
    return f"{clock(seconds)}.{int(seconds * 10 + 1e-6) % 10}"


__all__ = ["RenderDialog"]

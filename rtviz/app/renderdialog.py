"""The dialog "Render...": what is on screen as a file, and the queue of what is being rendered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PyQt5.QtWidgets import QLayout, QWidget

from rtviz import views
from rtviz.app.queuedialog import QueueDialog
from rtviz.app.renderform import FORMATS, Choices, Subject, settings_for
from rtviz.app.renders import RenderQueue
from rtviz.settings import LAYOUTS, token_name
from rtviz.sinks import codecs_for

_SIZES = ("as large as the source", "x1080", "x720", "x480")
_FUSED = {
    "mean": "mean of all heads", "max": "maximum of all heads", "all": "all heads",
    "follow": "the head that stands out",
}  # fmt: skip
_CODEC_WORDS = {"h264": "H.264", "h265": "H.265", "av1": "AV1", "vp9": "VP9"}


class RenderDialog(QueueDialog):
    """The dialog.

    Args:
        kept: what was chosen last time; it is written to.
        folder: where outputs go, if nothing else was chosen.
    """

    def __init__(self, parent: QWidget, queue: RenderQueue, kept: dict[str, Any], folder: Callable[[], Path]) -> None:
        super().__init__(parent, "Render", queue, kept, folder, FORMATS)

    # --- controls ----------------------------------------------------------------------------------------------------

    def _make_controls(self) -> None:
        super()._make_controls()
        self.layouts = self._combo("Picture", "The view on its frame, alone, or beside the frame")
        self.layouts.addItem("as on screen", "screen")
        for layout in LAYOUTS:
            self.layouts.addItem(layout.replace("-", " "), layout)
        self.models = self._combo("Models", "The model in focus, or a pane for each model on screen")
        self.size_box = self._combo(
            "Size", "Of the picture: WIDTHxHEIGHT, or one side as WIDTHx or xHEIGHT; sides follow the shape"
        )
        self.size_box.setEditable(True)
        self.size_box.addItems(list(_SIZES))
        self.codec = self._combo("Codec", "How the video is encoded; auto is H.264, or VP9 in WebM")
        for box in (self.layouts, self.models, self.codec):
            box.currentIndexChanged.connect(lambda _: self._show_state())
        self.size_box.currentTextChanged.connect(lambda _: self._show_state())

    def _rows(self) -> Sequence[tuple[str, QWidget | QLayout]]:
        return (
            ("Part", self.part), ("Format", self.formats),
            ("Picture", self.layouts), ("Codec", self.codec),
            ("Models", self.models), ("Quality", self.quality_row),
            ("Size", self.size_box),
        )  # fmt: skip

    def _recall(self, kept: Mapping[str, Any]) -> None:
        super()._recall(kept)
        if isinstance(kept.get("size"), str):
            self.size_box.setCurrentText(kept["size"])
        for box, name in ((self.layouts, "layout"), (self.codec, "codec")):
            place = box.findData(kept.get(name))
            if place >= 0:
                box.setCurrentIndex(place)

    def _remember(self) -> None:
        super()._remember()
        choices = self.choices()
        self._kept |= {
            "layout": choices.layout, "codec": choices.codec, "size": choices.size, "panes": choices.panes
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

    def _subject_changed(self, before: Subject | None, subject: Subject) -> None:
        if before is not None and before.models == subject.models and before.focus == subject.focus:
            return
        self.models.blockSignals(True)
        self.models.clear()
        self.models.addItem(subject.models[subject.focus] if subject.models else "none", False)
        if len(subject.models) > 1:
            self.models.addItem(f"all {len(subject.models)}, a pane each", True)
            self.models.setCurrentIndex(int(self._kept.get("panes") is not False))
        self.models.setEnabled(len(subject.models) > 1)
        self.models.blockSignals(False)

    def _format_chosen(self) -> None:
        codec = self.codec.currentData()
        self.codec.blockSignals(True)
        self.codec.clear()
        codecs = codecs_for(FORMATS[self.formats.currentText()])
        self.codec.addItem("auto" if codecs else "none", "auto")
        for name in codecs:
            self.codec.addItem(_CODEC_WORDS[name], name)
        self.codec.setCurrentIndex(max(0, self.codec.findData(codec)))
        self.codec.blockSignals(False)
        for part in (self.codec, self.quality):
            part.setEnabled(bool(codecs))
        super()._format_chosen()

    def _named(self, subject: Subject) -> str:
        return settings_for(subject, self.choices()).view

    def _described(self, subject: Subject, choices: Choices) -> str:
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


__all__ = ["RenderDialog"]

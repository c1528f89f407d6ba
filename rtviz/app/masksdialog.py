"""The dialog "Masks...": the masks of what is on screen as a file, and the queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PyQt5.QtWidgets import QLayout, QWidget

from rtviz import views
from rtviz.app.queuedialog import QueueDialog
from rtviz.app.renderform import MASK_FORMATS, Choices, Subject, settings_for, without_masks
from rtviz.app.renders import RenderQueue
from rtviz.settings import METHOD_TITLES, Settings
from rtviz.words import counted

_ENCODED = (".webm", ".mov")
_TIPS = {
    ".json": "run-length encoded, as pycocotools and annotation tools read them",
    ".webm": "the frames with the masks as alpha, VP9: for browsers and OBS",
    ".mov": "the frames with the masks as alpha, ProRes 4444: for video editors",
    "": "a folder with a picture for each frame, whose values number the classes",
}


class MasksDialog(QueueDialog):
    """The dialog; of several models the one in focus.

    Args:
        kept: what was chosen last time; it is written to.
        folder: where outputs go, if nothing else was chosen.
    """

    def __init__(self, parent: QWidget, queue: RenderQueue, kept: dict[str, Any], folder: Callable[[], Path]) -> None:
        super().__init__(parent, "Save masks", queue, kept, folder, MASK_FORMATS)

    def choices(self) -> Choices:
        """What is chosen now."""
        return Choices(
            part=bool(self.part.currentData()), quality=self.quality.value(),
            destination=self.destination.text().strip(), masks=True,
        )  # fmt: skip

    def _rows(self) -> Sequence[tuple[str, QWidget | QLayout]]:
        return ("Part", self.part), ("Format", self.formats), ("Quality", self.quality_row)

    def _format_chosen(self) -> None:
        suffix = MASK_FORMATS[self.formats.currentText()]
        self.quality.setEnabled(suffix in _ENCODED)
        super()._format_chosen()

    def _named(self, subject: Subject) -> str:
        return f"{settings_for(subject, self.choices()).view}-masks"

    def _described(self, subject: Subject, choices: Choices) -> str:
        settings = settings_for(subject, choices)
        if without_masks(settings):
            return ""
        return f"Of {_masked(settings)}: {_TIPS[MASK_FORMATS[self.formats.currentText()]]}."


def _masked(settings: Settings) -> str:
    """Whose masks the view has, in words."""
    view = views.find(settings.view)
    if "prompt" in view.reads:
        names = list(dict.fromkeys(one.name for one in settings.prompt if one.positive))
        return f"the class{'es' if len(names) > 1 else ''} {', '.join(names)}"
    if "track" in view.reads:
        return counted(len(settings.track), "object")
    if "objects" in view.reads:
        return f"the object by {METHOD_TITLES[settings.objects]}"
    head = f"head {settings.head}" if isinstance(settings.head, int) else {
        "mean": "the mean of heads", "max": "the maximum of heads", "all": "each head",
        "follow": "the head that stands out",
    }[settings.head]  # fmt: skip
    layer = "the last layer" if settings.layer == -1 else f"layer {settings.layer}"
    return f"{head} of {layer}, {settings.threshold:.0%} of the attention".replace("%", " %")


__all__ = ["MasksDialog"]

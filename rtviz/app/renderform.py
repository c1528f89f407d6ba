"""What the user chooses for a render, or for masks: part, picture, format, size, codec, quality, destination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from rtviz import views
from rtviz.app.timeline import Part
from rtviz.errors import RtvizError
from rtviz.offline.command import masks_arguments, render_arguments, shell_line
from rtviz.settings import OutputSettings, Settings
from rtviz.sinks import check_output
from rtviz.sources import WEB

# A format's name in the dialog -> its suffix; the order is that of the list.
FORMATS = {"MP4": ".mp4", "MKV": ".mkv", "WebM": ".webm", "MOV": ".mov", "GIF": ".gif", "PNG pictures": ""}
MASK_FORMATS = {"COCO JSON": ".json", "WebM with alpha": ".webm", "MOV with alpha": ".mov", "PNG label maps": ""}


@dataclass(frozen=True)
class Subject:
    """What can be rendered now.

    Attributes:
        place: what is open; None where it cannot be rendered.
        why_not: a sentence then.
        name: of what is open.
        facts: its size, length and rate in words.
        seconds: its length; None where that is not known.
        still: it is one picture.
        settings: what is on screen, the model named.
        models: names of the models on screen, the first one's first.
        focus: which of them is in focus.
        part: in and out point.
    """

    place: str | None
    why_not: str
    name: str
    facts: str
    seconds: float | None
    still: bool
    settings: Settings
    models: Sequence[str]
    focus: int
    part: Part


@dataclass(frozen=True)
class Choices:
    """What is chosen in the dialog.

    Attributes:
        masks: masks are written, of the model in focus; else pictures.
        layout: a layout, or "screen" for the one on screen.
        panes: all models, a pane each, rather than the one in focus.
        part: the part between in and out point rather than the whole.
        size: as `OutputSettings.size` is written; empty for the source's own.
        destination: the output.
    """

    part: bool
    quality: int
    destination: str
    layout: str = "screen"
    panes: bool = False
    codec: str = "auto"
    size: str = ""
    masks: bool = False


def settings_for(subject: Subject, choices: Choices) -> Settings:
    """What is to be drawn."""
    settings = subject.settings
    if settings.compare and not choices.panes:
        settings = settings.per_model()[subject.focus].replace(jaccard=settings.jaccard)
    return settings if choices.layout == "screen" else settings.replace(layout=choices.layout)


def output_settings_for(subject: Subject, choices: Choices) -> OutputSettings:
    """How it is to be written; an output that exists is replaced, as the dialog says.

    Raises:
        SettingsError: the size is not allowed.
    """
    values: dict[str, Any] = {"codec": choices.codec, "quality": choices.quality}
    if choices.size.strip():
        values["size"] = OutputSettings.option("size").parse(choices.size)
    if choices.part:
        values["start"] = round(subject.part.start or 0.0, 3)
        values["end"] = None if subject.part.end is None else round(subject.part.end, 3)
    return OutputSettings(**values, overwrite=exists(Path(choices.destination)))


def exists(path: Path) -> bool:
    """Whether an output is there already; an empty folder is as good as none."""
    return path.exists() and not (path.is_dir() and not any(path.iterdir()))


def command(subject: Subject, choices: Choices) -> str:
    """The line that does the same; empty where there is none."""
    if subject.place is None:
        return ""
    try:
        output_settings = output_settings_for(subject, choices)
    except RtvizError:
        return ""
    arguments = masks_arguments if choices.masks else render_arguments
    return shell_line(arguments(subject.place, choices.destination, settings_for(subject, choices), output_settings))


def problem(subject: Subject, choices: Choices, taken: Sequence[Path]) -> str:
    """Why this cannot be written, in a sentence; empty if it can.

    Args:
        taken: outputs of renders that are not done.
    """
    if subject.place is None:
        return subject.why_not
    if choices.masks and (wrong := without_masks(settings_for(subject, choices))):
        return wrong
    if not choices.destination.strip():
        return "Name a file to write."
    path = Path(choices.destination)
    if path in taken:
        return f"{path.name} is being written already, or waits for it."
    try:
        output = output_settings_for(subject, choices)
        check_output(path, subject.place, overwrite=output.overwrite, kind="masks" if choices.masks else "pictures")
    except RtvizError as error:
        return str(error)
    return ""


def without_masks(settings: Settings) -> str:
    """Why the view of the settings has no masks, in a sentence; empty if it has."""
    view = views.find(settings.view)
    if not view.masks:
        *others, last = (views.find(name).label for name in views.names(masks=True))
        return f"The view {view.label} has no masks: choose {', '.join(others)} or {last}."
    if "prompt" in view.reads and not any(one.positive for one in settings.prompt):
        return "Nothing says what to mask: Shift+click it on the picture."
    if "track" in view.reads and not settings.track:
        return "No object is marked: Shift+click one on the picture."
    return ""


def proposal(subject: Subject, what: str, folder: Path, suffix: str, taken: Sequence[Path]) -> Path:
    """A name for the output that is free: the source's, and what is written of it."""
    place = subject.place or ""
    if place.startswith(WEB):
        place = unquote(urlsplit(place).path)
    stem = Path(place).stem if not place.startswith("scene:") else "scene"
    stem = f"{stem or 'render'}-{what}"
    path, number = folder / f"{stem}{suffix}", 2
    while path.exists() or path in taken:
        path, number = folder / f"{stem}-{number}{suffix}", number + 1
    return path


__all__ = [
    "FORMATS", "MASK_FORMATS", "Choices", "Subject", "command", "exists", "output_settings_for", "problem", "proposal",
    "settings_for", "without_masks",
]  # fmt: skip

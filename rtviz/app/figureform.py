"""What the user chooses for a figure: page, scale, width, labels, colour bar, destination."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rtviz import views
from rtviz.errors import RtvizError
from rtviz.frame import Frame, Maps
from rtviz.offline.command import figure_arguments, shell_line
from rtviz.settings import FIGURE_WIDTH, Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rtviz.figures import Scale

# A page's name in the dialog -> what it is called here; the order is that of the list.
PAGES = {
    "All layers and heads": "layers",
    "Heads of the layer, and their masks": "heads",
    "Models compared": "compare",
    "The view on screen": "view",
}
SCALES: dict[str, Scale] = {"common to all maps": "common", "of each map alone": "each"}
SUFFIXES = {"PNG": ".png", "PDF": ".pdf", "SVG": ".svg"}


@dataclass(frozen=True)
class Subject:
    """What a figure can be made of now.

    Attributes:
        frame: that is on screen.
        name: of what is open.
        place: where a command finds the frame; None where it does not, as of a camera, unless the frame is kept.
        settings: what is on screen, the model in focus named.
        models: names of the models on screen, the first one's first.
        focus: which of them is in focus.
        has_heads: whether that one has attention heads.
        predict: runs the models on the frame: name -> maps, or why there are none.
    """

    frame: Frame
    name: str
    place: str | None
    settings: Settings
    models: tuple[str, ...]
    focus: int
    has_heads: bool
    predict: Callable[[], Mapping[str, Maps | str]]

    @property
    def pages(self) -> list[str]:
        """The pages that can be drawn, by their names in the dialog."""
        shown = self.has_heads and views.find(self.settings.view).own_figure
        fitting = {"layers": self.has_heads, "heads": self.has_heads, "compare": True, "view": shown}
        names = {"compare": "Models compared" if len(self.models) > 1 else "Heads beside the mask of the best one"}
        return [names.get(page, name) for name, page in PAGES.items() if fitting[page]]


@dataclass(frozen=True)
class Choices:
    """What is chosen in the dialog.

    Attributes:
        page: "layers", "heads", "compare" or "view".
        width: inches.
        keep_frame: write the frame beside the figure, too, where no command finds it otherwise.
    """

    page: str
    scale: Scale
    labels: bool
    bar: bool
    destination: str
    width: float = FIGURE_WIDTH
    keep_frame: bool = False


def page_of(name: str) -> str:
    """The page of a name in the dialog."""
    return PAGES.get(name, "compare")


def kept_frame(subject: Subject, choices: Choices) -> Path | None:
    """Where the frame goes, if it is to be written, too."""
    wanted = choices.keep_frame and subject.place is None and choices.destination
    return Path(choices.destination).with_name(f"{Path(choices.destination).stem}-frame.png") if wanted else None


def command(subject: Subject, choices: Choices) -> str:
    """The line that does the same; empty where there is none."""
    kept = kept_frame(subject, choices)
    place = subject.place if kept is None else str(kept)
    if place is None or not choices.destination:
        return ""
    return shell_line(
        figure_arguments(
            place,
            choices.destination,
            subject.settings,
            page=choices.page,
            models=subject.models,
            seconds=0.0 if kept is not None else subject.frame.pts_seconds,
            width=choices.width,
            scale=choices.scale,
            labels=choices.labels,
            bar=choices.bar,
        )
    )


def problem(choices: Choices) -> str:
    """Why this cannot be saved, in a sentence; empty if it can."""
    from rtviz import figures

    if not choices.destination.strip():
        return "Name a file to save to."
    try:
        figures.check(choices.destination, overwrite=True)
        figures.check_width(choices.width)
    except RtvizError as error:
        return str(error)
    return ""


def draw(subject: Subject, predictions: Mapping[str, Maps | str], choices: Choices) -> Figure:
    """The figure, as `rtviz figure` draws it.

    Raises:
        SettingsError: the model has no such layer, or the page is too narrow.
    """
    from rtviz import figures

    how = {"labels": choices.labels, "bar": choices.bar}
    if choices.page == "compare":
        return figures.compare(subject.frame, predictions, subject.settings, choices.width, choices.scale, **how)
    maps = predictions[subject.models[subject.focus]]
    if isinstance(maps, str):
        raise RtvizError(f"no figure: {maps}")
    page = {"heads": figures.heads, "view": figures.one_view}.get(choices.page, figures.layers_by_heads)
    return page(subject.frame, maps, subject.settings, choices.width, choices.scale, **how)


def proposal(subject: Subject, page: str, folder: Path, suffix: str) -> Path:
    """A name for the file that is free."""
    stem = Path(subject.name).stem.replace(":", "") or "figure"
    stem = f"{stem}-{page}"
    path, number = folder / f"{stem}{suffix}", 2
    while path.exists():
        path, number = folder / f"{stem}-{number}{suffix}", number + 1
    return path


__all__ = [
    "PAGES",
    "SCALES",
    "SUFFIXES",
    "Choices",
    "Subject",
    "command",
    "draw",
    "kept_frame",
    "page_of",
    "problem",
    "proposal",
]

"""Figures as files: PNG, PDF or SVG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rtviz.errors import OutputExists, OutputUnwritable, SettingsError
from rtviz.figures.style import style
from rtviz.notices import Remedy
from rtviz.sinks import check_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".pdf", ".svg")


def check(path: str | Path, *, overwrite: bool = False) -> Path:
    """Check, before any work, that a figure can be written there.

    Raises:
        SettingsError: the suffix is not .png, .pdf or .svg.
        OutputExists: the file exists, and `overwrite` is not set.
        OutputUnwritable: the path is a folder, or its own folder cannot be written.
        MissingDependency: Matplotlib is not installed.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise SettingsError("output", str(path), f"a name that ends in {', '.join(SUFFIXES)}")
    if path.is_dir():
        raise OutputUnwritable(f"cannot write {path}: it is a folder")
    if path.exists() and not overwrite:
        raise OutputExists(f"{path} exists").mended_by(Remedy.OVERWRITE)
    check_folder(path)
    style()
    return path


def save(figure: Figure, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a figure in the format of the suffix. Missing folders are created.

    Raises:
        SettingsError, OutputExists, OutputUnwritable, MissingDependency: as for `check`, or writing fails.
    """
    path = check(path, overwrite=overwrite)
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")
    # Without a date, so that the same figure gives the same file.
    dated = {".pdf": "CreationDate", ".svg": "Date"}.get(path.suffix.lower())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with style():
            figure.savefig(partial, metadata={dated: None} if dated else {})
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputUnwritable(f"cannot write {path}: {error.strerror or error}") from error

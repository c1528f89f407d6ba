"""Snapshots: a result as a PNG that knows how it was made."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from rtviz._version import __version__
from rtviz.errors import OutputUnwritable
from rtviz.frame import Result
from rtviz.live.new_file import check_new
from rtviz.markup import Contour, Outline, Polyline

SNAPSHOTS = ("as shown", "labelled", "clean")  # clean: without words and query markers


def labelled(result: Result) -> Result:
    """The result below a title that says which model it is and what is shown; several models have titles already."""
    if result.panes:
        return result
    from rtviz.drawing.panes import join
    from rtviz.engine.comparison import titled

    return join(result.frame, [titled(result, result.settings)], result.settings)


def cleaned(result: Result) -> Result:
    """The result without words and query markers; boxes, outlines and lines stay."""
    from rtviz.drawing.annotated import annotated

    kept = [one for one in result.annotations if isinstance(one, Contour | Outline | Polyline)]
    return annotated(result, result.unlabelled, kept)


def write_snapshot(result: Result, path: Path, source: str | None = None) -> Path:
    """Write a result to a PNG that knows how it was made (a tEXt chunk named "rtviz", JSON).

    Raises:
        SinkError: the file exists, or cannot be written.
    """
    from PIL import Image, PngImagePlugin

    check_new(path)
    about = {
        "rtviz": __version__,
        "settings": result.settings.to_mapping(),
        "model": None if result.maps is None else result.maps.model,
        "source": source,
        "frame": result.frame.index,
        "pts_seconds": round(result.frame.pts_seconds, 6),
    }
    text = PngImagePlugin.PngInfo()
    text.add_text("rtviz", json.dumps(about))
    text.add_text("Software", f"rtviz {__version__}")
    partial = path.with_name(f".{path.name}.part")
    try:
        with open(partial, "wb") as file:
            Image.fromarray(result.overlay).save(file, format="png", pnginfo=text, compress_level=3)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputUnwritable(f"cannot write {path}: {error.strerror or error}") from None
    return path


def read_snapshot(path: Path) -> dict[str, Any]:
    """How a snapshot was made: "settings" holds what `Settings.from_mapping` takes. Empty for another PNG."""
    from PIL import Image

    with Image.open(path) as picture:
        text = picture.info.get("rtviz")
    about: dict[str, Any] = json.loads(text) if text else {}
    return about


__all__ = ["SNAPSHOTS", "cleaned", "labelled", "read_snapshot", "write_snapshot"]

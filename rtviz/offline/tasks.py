"""Where the output of each input of a job goes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from rtviz.errors import OutputUnwritable, RtvizError, SettingsError, SinkError
from rtviz.offline.jobs import JobConfig, Task
from rtviz.sinks import check_output, holds_one, suffixes
from rtviz.sources import expand
from rtviz.sources.magic import is_animation, is_picture, may_be_float

if TYPE_CHECKING:
    from rtviz.sources.colour import FloatRange

_SCENE_SECONDS = 10.0  # of a scene whose length nobody named: it would never end


def tasks_for(
    inputs: Sequence[str],
    output: str,
    *,
    scene_seconds: float | None = None,
    suffix: str | None = None,
    codec: str = "auto",
) -> list[Task]:
    """Each input with its output: one to one, or all into a folder, each under its own name.

    One video and a folder without a trailing slash is the folder of its frames.

    Args:
        inputs: places, folders and globs, as `rtviz.sources.expand` takes them.
        output: a file or a folder.
        scene_seconds: length of the built-in scene.
        suffix: of the outputs in a folder; .png for pictures and a video's otherwise.
        codec: of the videos, as in OutputSettings.

    Raises:
        SettingsError: the output has no name, or `scene_seconds` is given and no input is a scene.
        SinkError: several inputs would go to one file.
        SourceMissing: a glob matches nothing, or a folder cannot be read.
    """
    if output.strip() in ("", "-", "."):
        raise SettingsError("output", output, "the name of a file or of a folder")
    path = Path(output)
    places = expand(inputs, apart=not path.suffix)
    if scene_seconds is not None and not any(place.startswith("scene:") for place in places):
        raise SettingsError("seconds", f"{scene_seconds:g}", "with scene: alone; --end takes the beginning of a video")
    places = [_with_length(place, scene_seconds) for place in places]
    # A trailing slash asks for a folder, and so does a folder or a glob as input.
    into_folder = output.endswith(("/", os.sep)) or places != list(inputs)
    if len(places) == 1 and not (into_folder and not path.suffix and Path(places[0]).is_file()):
        return [Task(places[0], path)]
    if path.suffix and not path.is_dir():
        raise SinkError(f"{len(places)} inputs need a folder to go to, and {path} is one file's name")
    video = ".webm" if codec == "vp9" else ".mp4"
    tasks: list[Task] = []
    taken: set[str] = set()
    for place in places:
        stem = Path(place.rstrip("/")).stem or "out"
        name, number = stem, 2
        while name.lower() in taken:  # lower: on many file systems A.mp4 and a.mp4 are one file
            name, number = f"{stem}-{number}", number + 1
        taken.add(name.lower())
        picture = Path(place).is_file() and is_picture(Path(place)) and not is_animation(Path(place))
        tasks.append(Task(place, path / f"{name}{suffix or ('.png' if picture else video)}"))
    return tasks


def shared_floats(tasks: Sequence[Task]) -> FloatRange | None:
    """How the pictures among several inputs show floating-point levels: all in one range; None if none has any."""
    paths = [path for path in (Path(task.place) for task in tasks) if may_be_float(path)]
    if len(paths) < 2:
        return None
    from rtviz.sources.pictures import float_range

    return float_range(paths)


def _with_length(place: str, seconds: float | None) -> str:
    if not place.startswith("scene:") or "seconds=" in place:
        return place
    length = seconds if seconds is not None else _SCENE_SECONDS
    return f"{place}{'&' if '?' in place else '?'}seconds={length:g}"


def check_outputs(tasks: Sequence[Task], config: JobConfig) -> None:
    """Refuse outputs that cannot be written, before a model is loaded.

    Raises:
        SinkError: an output exists, has no place or no known suffix, or holds one picture of an input that has more.
    """
    for task in tasks:
        check_output(task.output, task.place, overwrite=config.output.overwrite, kind=config.kind)
        if holds_one(task.output) and not is_picture(Path(task.place)):  # of a picture file that holds several the
            _check_one_frame(task, config)  # first is taken


def _check_one_frame(task: Task, config: JobConfig) -> None:
    """Raise OutputUnwritable if the requested part of an input has more than one frame: two are decoded to know."""
    try:
        with config.open(task.place) as source:
            info = source.info
            if not info.live and (info.holds or len(list(islice(source, 2))) < 2):
                return
    except RtvizError:  # which is said where the input is run: the others go on
        return
    several = ", ".join(suffix or "a folder (no suffix)" for suffix in suffixes(config.kind, one=False))
    raise OutputUnwritable(
        f"{task.output} holds one picture, and {Path(info.name).name or info.name} has more than one frame; "
        f"allowed: {several}, or a part of one frame"
    )


__all__ = ["check_outputs", "shared_floats", "tasks_for"]

"""The frame and the model of a command on one picture."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rtviz import views
from rtviz.cli.arguments import add_output_settings
from rtviz.cli.console import download_bars, notices

if TYPE_CHECKING:
    from rtviz.engine.engine import Engine
    from rtviz.frame import Frame
    from rtviz.models import Model
    from rtviz.settings import Settings


def add_picture(parser: argparse.ArgumentParser) -> None:
    """Add the argument PICTURE."""
    parser.add_argument(
        "picture", metavar="PICTURE", help="a picture, or a video (--start takes a later frame), or scene:"
    )


def add_frame_options(parser: argparse.ArgumentParser, *more: str, title: str = "input and output") -> None:
    """Add the options that choose the frame, and these output settings."""
    add_output_settings(parser, ("start", "video_stream", *more), title)


def one_frame(parsed: argparse.Namespace) -> Frame:
    """The frame that the command means.

    Raises:
        SourceError: the source has no frame there.
    """
    from rtviz.sources import nothing_there, open_source

    start, track = _part(parsed)
    with open_source(parsed.picture, start=start, video_stream=track) as source:
        frame = next(iter(source), None)
        if frame is None:
            raise nothing_there(source.info, start)
        if source.info.holds:
            info, which = source.info, f"{source.info.holds.removesuffix('s')} {frame.index + 1}"
            notices(vars(parsed).get("quiet", False))(
                f"{info.name} holds {info.frame_count} {info.holds}: {which} is shown"
            )
    return frame


def frames_apart(parsed: argparse.Namespace, seconds: float, interval: float) -> Iterator[Frame]:
    """The frame that the command means and those of the next `seconds`, at least `interval` seconds apart.

    Raises:
        SourceError: the source has no frame there.
    """
    from rtviz.sources import nothing_there, open_source

    start, track = _part(parsed)
    due = start
    with open_source(parsed.picture, start=start, end=start + seconds, video_stream=track) as source:
        for frame in source:
            if frame.pts_seconds >= due:
                due = frame.pts_seconds + interval
                yield frame
        if due == start:
            raise nothing_there(source.info, start)


def _part(parsed: argparse.Namespace) -> tuple[float, int | None]:
    return vars(parsed).get("start", 0.0), vars(parsed).get("video_stream")


def still_settings(parsed: argparse.Namespace, settings: Settings, model: Model, frame: Frame) -> Settings:
    """The settings at the resolution that shows most, unless one was given."""
    from rtviz.engine.engine import for_still

    return settings if "resolution" in vars(parsed) else for_still(settings, [model], frame.size)


def load_engine(settings: Settings, quiet: bool = False) -> tuple[Engine, Model]:
    """An engine and its model, which it has whatever the view needs."""
    from rtviz.engine.engine import Engine

    with download_bars(quiet) as progress:
        engine = Engine.for_settings(settings.replace(view=views.fallback(has_attention=True)), progress)
    assert engine.model is not None
    if engine.model.notice:
        notices(quiet)(engine.model.notice)
    return engine, engine.model


__all__ = ["add_frame_options", "add_picture", "frames_apart", "load_engine", "one_frame", "still_settings"]

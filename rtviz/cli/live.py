"""`rtviz` and `rtviz live`: the desktop app."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from rtviz import views
from rtviz.cli.arguments import add_config, add_options, given_settings
from rtviz.cli.console import say
from rtviz.cli.grammar import Commands
from rtviz.settings import Settings, load_preset


def add(commands: Commands) -> None:
    """Add the commands of this file."""
    parser = commands.add("live", _live, "open the desktop app")
    parser.add_argument(
        "source", metavar="SOURCE", nargs="*",
        help="a camera's number or name, videos, pictures or a folder of them, an http or rtsp address, screen: or "
        "scene:; several videos play one after the other; the first camera that works if not given",
    )  # fmt: skip
    add_options(parser, Settings.options(), "what to show", several_models=True)
    add_config(parser)
    parser.add_argument("--fresh", action="store_true", help="defaults for what is not named, not what was shown last")
    parser.add_argument("--kiosk", action="store_true", help="for a stand: full screen, no panels, nothing stored")
    parser.add_argument(
        "--stream", metavar="ADDRESS", help="send the picture to a live output too, as `rtviz stream` does"
    )  # fmt: skip


def start(parse: Callable[[Sequence[str]], argparse.Namespace]) -> int:
    """Runs where no command was given: the app, or the built-in scene where no window can be opened."""
    from rtviz import app

    reason = app.why_not()
    if reason is None:
        return app.launch(None, {})
    say(f"{reason.split(';')[0]}: rendering the built-in scene instead")
    output = "rtviz-demo.mp4"
    render = parse(["render", "scene:", "--seconds", "8", "-o", output, "--overwrite"])
    status: int = render.command(render)
    if status == 0:
        say(f"watch {Path(output).resolve()}; then try your own: rtviz render YOUR-VIDEO.mp4 -o overlay.mp4")
    return status


def _live(parsed: argparse.Namespace) -> int:
    from rtviz import app

    given = given_settings(parsed)
    shown, _ = load_preset(parsed.config) if parsed.config else ({}, {})
    settings = Settings.from_mapping(shown | given)
    views.find(settings.view)
    places: list[str] = []
    if parsed.source:
        from rtviz.sources.pages import places_of

        places, _ = places_of(parsed.source)
        if settings.prompt and (Path(places[0]).exists() or places[0].startswith("scene:")):
            given["prompt"] = settings.with_prompts_on(places[0]).prompt
    named = shown | given
    return app.launch(
        places or None, Settings.from_mapping(named) if parsed.fresh else named,
        config=parsed.config, kiosk=parsed.kiosk, stream=parsed.stream,
    )  # fmt: skip


__all__ = ["add", "start"]

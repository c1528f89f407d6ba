"""The parts of this site that are made from the program: keys, commands, settings, models, a table for each view.

MkDocs calls these functions by their names (https://www.mkdocs.org/user-guide/configuration/#hooks).
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import rtviz
import rtviz.app.keys as keys
from rtviz import models, views
from rtviz.cli.parser import build_parser
from rtviz.options import Option
from rtviz.settings import OutputSettings, Settings, presets

ICON = Path(rtviz.__file__).parent / "app" / "desktop" / "rtviz.svg"
_VIEW = re.compile(r"<!-- view: (\w+) -->")
_VIEWS = "<!-- views -->"
_MODELS = "<!-- models -->"


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that nobody writes by hand."""
    pages: dict[str, Callable[[], Iterator[str]]] = {
        "keys.md": _keys,
        "commands.md": _commands,
        "settings.md": _settings,
    }
    for name, lines in pages.items():
        files.append(File.generated(config, name, content="\n".join(lines()) + "\n"))
    files.append(File.generated(config, "pictures/rtviz.svg", abs_src_path=str(ICON)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in what a page asks for."""
    markdown = _VIEW.sub(lambda match: "\n".join(_view(match[1])), markdown)
    markdown = markdown.replace(_VIEWS, "\n".join(_view_rows()))
    return markdown.replace(_MODELS, "\n".join(_model_rows()))


def _keys() -> Iterator[str]:
    yield "# Keys\n"
    yield "The window shows the same table when you press ++question++ .\n".replace("++question++", "<kbd>?</kbd>")
    yield "Keys can be changed in the table `[keys]` of a preset; the names of actions stand in the last column.\n"
    for group in keys.GROUPS:
        yield f"\n## {group}\n\n| key | does | action |\n|---|---|---|"
        for action in keys.ACTIONS:
            if action.group == group:
                shown = " ".join(f"<kbd>{_escaped(key)}</kbd>" for key in action.keys)
                more = f": {action.more}" if action.more else ""
                yield f"| {shown} | {_escaped(action.label + more)} | `{action.name}` |"


def _commands() -> Iterator[str]:
    yield "# Command line\n"
    yield "Every command, with every option. `rtviz COMMAND --help` prints the same.\n"
    yield from _parser(build_parser(), "rtviz", 2)


def _parser(parser: argparse.ArgumentParser, name: str, level: int) -> Iterator[str]:
    yield f"\n{'#' * level} `{name}`\n"
    if parser.description and level > 2:
        yield f"{_sentence(parser.description)}\n"
    yield f"```text\n{_usage(parser, name)}\n```\n"
    for group in parser._action_groups:
        rows = [one for one in group._group_actions if one.help != argparse.SUPPRESS and not _commands_of(one)]
        if not rows:
            continue
        yield f"\n**{(group.title or 'options').capitalize()}**\n\n| argument | meaning |\n|---|---|"
        for one in rows:
            yield f"| {_argument(one)} | {_escaped((one.help or '') % _facts(one, parser))} |"
    for one in parser._actions:
        for command, sub in _commands_of(one).items():
            yield from _parser(sub, f"{name} {command}", min(level + 1, 4))


def _usage(parser: argparse.ArgumentParser, name: str) -> str:
    places = [one for one in parser._actions if not one.option_strings and not _commands_of(one)]
    required = [
        f"{one.option_strings[0]} {one.metavar}" for one in parser._actions if one.required and one.option_strings
    ]
    several = {"+": "{0} [{0} ...]", "?": "[{0}]", "*": "[{0} ...]"}
    words = [several.get(str(one.nargs), "{0}").format(one.metavar or "|".join(one.choices or ())) for one in places]
    commands = ["COMMAND"] * any(map(_commands_of, parser._actions))
    return " ".join([name, *words, *required, *commands, "[OPTIONS]"])


def _commands_of(action: argparse.Action) -> dict[str, argparse.ArgumentParser]:
    return dict(action.choices or {}) if isinstance(action, argparse._SubParsersAction) else {}


def _facts(action: argparse.Action, parser: argparse.ArgumentParser) -> dict[str, Any]:
    return {**vars(action), "prog": parser.prog}


def _argument(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{action.metavar or action.dest}`"
    value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
    return ", ".join(f"`{_bars(option + value)}`" for option in action.option_strings)


def _settings() -> Iterator[str]:
    yield "# Settings and presets\n"
    yield (
        "The command line, the window, TOML presets and `rtviz.Settings` share one schema. A preset is a TOML file "
        "with any of these names; `--config NAME` takes one of "
        + ", ".join(f"`{name}`" for name in presets())
        + ", or a "
        "file of yours.\n"
    )
    yield "## What to show\n"
    yield from _option_rows(Settings.options())
    yield "\n## Input and output\n"
    yield from _option_rows(OutputSettings.options())


def _option_rows(options: Any) -> Iterator[str]:
    yield "| name | meaning | allowed | default |\n|---|---|---|---|"
    for option in options:
        yield f"| `{option.name}` | {_escaped(option.help)} | {_escaped(_allowed(option))} | {_default(option)} |"


def _allowed(option: Option) -> str:
    return ", ".join(views.names()) if option.name == "view" else option.allowed


def _default(option: Option) -> str:
    value = "" if option.default is None else option.plain(option.default)
    return f"`{_bars(str(value).lower() if isinstance(value, bool) else str(value))}`" if value != "" else ""


def _view(name: str) -> Iterator[str]:
    view = views.find(name)
    key = f"Shift+{view.key}" if view.key.isupper() else view.key
    settings = ", ".join(f"[`{one}`](../settings.md)" for one in sorted(view.reads)) or "none of its own"
    yield f"| key in the app | <kbd>{key}</kbd> |\n|---|---|"
    yield f"| command | `rtviz render clip.mp4 -o out.mp4 --view {name}` |"
    yield f"| needs of a model | {', '.join(sorted(view.needs)) or 'nothing'} |"
    yield f"| settings | {settings} |"


def _view_rows() -> Iterator[str]:
    yield "| view | shows | key |\n|---|---|---|"
    for view in map(views.find, views.names()):
        key = f"Shift+{view.key}" if view.key.isupper() else view.key
        yield f"| [{view.label}]({view.name}.md) | {_escaped(view.help)} | <kbd>{key}</kbd> |"


def _model_rows() -> Iterator[str]:
    yield "| name | family | patch | layers | heads | parameters | download | licence |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in models.listing():
        card = row.card
        size = f"{card.download_bytes / 1e6:.0f} MB" if card.download_bytes else "none"
        yield (
            f"| `{card.name}` | {card.family} | {card.patch_size} | {card.layers} | {card.heads or 'none'} | "
            f"{card.parameters / 1e6:.1f} M | {size} | {card.licence} |"
        )


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _escaped(text: str) -> str:
    return _bars(text.replace("<", "&lt;").replace("*", r"\*").replace("_", r"\_"))


def _bars(text: str) -> str:
    return text.replace("|", r"\|")

"""`rtviz models`: the list of models, and their weights fetched ahead."""

from __future__ import annotations

import argparse
import json

from rtviz.cli import completion
from rtviz.cli.arguments import model_names
from rtviz.cli.console import download_bars, say
from rtviz.cli.grammar import Commands
from rtviz.errors import SettingsError, WeightsMissing
from rtviz.models import WAYS


def add(commands: Commands) -> None:
    """Add the commands of this file."""
    models = commands.add("models", _list, "list the models, or fetch one ahead")
    models.add_argument("--json", action="store_true", help="print the list as JSON")
    pull = commands.add_below(models, "pull", _pull, "fetch a model's weights ahead")
    named = pull.add_argument(
        "name", metavar="NAME", nargs="*", help="if not given: the model used where none is named"
    )
    completion.offer(named, model_names)
    pull.add_argument(
        "--from", dest="way", choices=("auto", *WAYS), default="auto", help="by which way (auto: the first that works)"
    )
    pull.add_argument("--accept-licence", action="store_true", help="you have read the model's licence and accept it")
    pull.add_argument("--briefly", action="store_true", help=argparse.SUPPRESS)  # for scripts/run.py
    pull.add_argument("--limit", type=float, metavar="SECONDS", help="how long it may take")


def _list(parsed: argparse.Namespace) -> int:
    from rtviz.models import listing

    rows = listing()
    if parsed.json:
        print(json.dumps([row.to_mapping() for row in rows], indent=2))
        return 0
    cells = [("name", "family", "patch", "layers", "heads", "params", "download", "licence", "weights")]
    cells += [row.cells() for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    for row in cells:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    remarks = [f"{row.card.name}: {row.remark}" for row in rows if row.remark]
    licences = sorted({(row.card.licence, row.card.licence_url) for row in rows if row.must_accept})
    print(
        "",
        *remarks,
        *(
            f"Weights under the {licence} need no form: read {url}, then `rtviz models pull NAME --accept-licence`."
            for licence, url in licences
        ),
        "random:NAME is any of them untrained; any other ViT or convnet of timm is taken by its timm name.\n"
        "`rtviz models pull NAME` fetches weights ahead; `--weights FILE` takes them from a file.",
        sep="\n",
    )
    return 0


def _pull(parsed: argparse.Namespace) -> int:
    from rtviz.models import pull

    if parsed.limit is not None and parsed.limit <= 0:
        raise SettingsError("limit", parsed.limit, "more than 0 seconds")
    for name in parsed.name or [None]:
        try:
            with download_bars(quiet=False) as progress:
                path = pull(name, progress, way=parsed.way, accept_licence=parsed.accept_licence, limit_s=parsed.limit)
        except WeightsMissing:
            if not parsed.briefly:
                raise
            say("no trained weights can be fetched: the built-in model is used (`rtviz models pull` says why)")
            return 1
        say(f"{name or 'a trained model'} is here: {path}")
    return 0


__all__ = ["add"]

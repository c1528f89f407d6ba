"""`rtviz score`: what a model finds, on drawn scenes or on the papers' data sets."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from rtviz.cli.arguments import add_settings
from rtviz.cli.console import notices, progress_bars
from rtviz.cli.grammar import Commands
from rtviz.errors import SettingsError
from rtviz.options import ChoiceOption
from rtviz.settings import Settings

if TYPE_CHECKING:
    from rtviz.scoring.report import BenchmarkReport

_EXAMPLES = """\
examples:
  rtviz score embedded                              heads, layers, and cues without a network, on drawn scenes
  rtviz score jaccard --data VOCdevkit/VOC2012 --model dino-vits16 --model random:dino-vits16
  rtviz score davis --data DAVIS --model dino-vits16
  rtviz score corloc --data VOCdevkit/VOC2012 --model dino-vits16 --objects lost
  rtviz score davis --data scene: --limit 3         nothing is downloaded
"""

_MODEL_SETTINGS = ("weights", "device", "precision", "backend")
# Each benchmark, and the data it takes.
_BENCHMARKS = {
    "jaccard": "the folder of PASCAL VOC2012",
    "davis": "the folder of DAVIS 2017 or DAVIS 2016",
    "corloc": "the folder of PASCAL VOC2007 or VOC2012",
}


def add(commands: Commands) -> None:
    """Add the command of this file."""
    parser = commands.add(
        "score", _run, "measure what a model finds, on drawn scenes or on the papers' data sets",
        epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "name", metavar="MODEL|jaccard|davis|corloc", nargs="?", default="embedded",
        help="a name from `rtviz models`, to be scored on drawn scenes (embedded); or what to measure on a data set",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no notices")
    parser.add_argument("--seed", type=int, metavar="N", help="which of the scenes kept for scoring (0)")
    parser.add_argument("--scenes", type=int, metavar="N", help="with MODEL: how many drawn scenes (200)")
    data = parser.add_argument_group("with jaccard, davis and corloc")
    data.add_argument("--data", metavar="DIR|scene:", help="the data set's folder, or drawn scenes")
    data.add_argument("--model", action="append", metavar="NAME", help="may be given several times")
    data.add_argument("--limit", type=int, metavar="N", help="only the first N pictures, or clips")
    data.add_argument("--resolution", type=int, metavar="PIXELS", help="short side; the protocol's if not given")
    data.add_argument(
        "--objects",
        choices=Settings.option("objects", ChoiceOption).choices,
        help="with corloc: how an object is found (tokencut)",
    )
    data.add_argument(
        "--features", choices=Settings.option("features", ChoiceOption).choices,
        help="with corloc: what patches are compared by; auto: as the papers of the model's family do (DINO and most "
        "others keys, DINOv2 values, DINOv3 tokens)",
    )  # fmt: skip
    add_settings(parser, _MODEL_SETTINGS, "model")


def _run(parsed: argparse.Namespace) -> int:
    given: dict[str, Any] = {name: vars(parsed)[name] for name in _MODEL_SETTINGS if name in vars(parsed)}
    seed = 0 if parsed.seed is None else parsed.seed
    if parsed.name in _BENCHMARKS:
        return _benchmark(parsed, seed, given)
    for name in ("data", "model", "limit", "resolution", "objects", "features"):
        if getattr(parsed, name) is not None:
            allowed = "corloc" if name in ("objects", "features") else " or ".join(_BENCHMARKS)
            raise SettingsError(name, getattr(parsed, name), f"only with {allowed}")
    from rtviz.scoring.scenes import score_scenes

    scenes = 200 if parsed.scenes is None else parsed.scenes
    if scenes < 1 or seed < 0:
        raise SettingsError("scenes", scenes, "at least 1, and a seed of at least 0")
    with progress_bars(parsed.quiet) as progress:
        report = score_scenes(parsed.name, scenes=scenes, seed=seed, progress=progress, **given)
    print(json.dumps(report.to_mapping(), indent=2) if parsed.json else report.table())
    return 0


def _benchmark(parsed: argparse.Namespace, seed: int, given: dict[str, Any]) -> int:
    from rtviz.scoring import benchmarks

    if parsed.data is None:
        allowed = f"{_BENCHMARKS[parsed.name]}, or scene: for drawn ones"
        raise SettingsError("data", None, allowed, wrong=f"score {parsed.name} needs --data")
    if parsed.scenes is not None:
        raise SettingsError("scenes", parsed.scenes, f"only with a model's name; with {parsed.name} say --limit")
    if parsed.seed is not None and parsed.data != "scene:":
        raise SettingsError("seed", parsed.seed, "only with --data scene:")
    for name in ("objects", "features"):
        if getattr(parsed, name) is not None and parsed.name != "corloc":
            raise SettingsError(name, getattr(parsed, name), "only with corloc")
    if parsed.resolution is not None:
        Settings.option("resolution").check(parsed.resolution)
    models = list(dict.fromkeys(parsed.model or [None]))  # each once
    finished: BenchmarkReport | None = None
    try:
        with progress_bars(parsed.quiet) as progress:
            for report in benchmarks.scored(
                parsed.name, parsed.data, models, resolution=parsed.resolution, limit=parsed.limit, seed=seed,
                objects=parsed.objects or "tokencut", features=parsed.features or "auto",
                progress=progress, notice=notices(parsed.quiet), **given,
            ):  # fmt: skip
                finished = report
    finally:  # models that are finished are printed, whatever ended the run
        if finished is not None:
            _print(finished, parsed.json)
    return 0


def _print(report: BenchmarkReport, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report.to_mapping(), indent=2), flush=True)
        return
    text = f"{report.table()}\n\n{report.bars()}"
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        text = f"{report.table()}\n\n{report.bars('#', '.')}".replace("±", "+-")
    print(text, flush=True)


__all__ = ["add"]

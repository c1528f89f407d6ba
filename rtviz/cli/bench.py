"""`rtviz bench`: measurements of the live path on this machine."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from typing import Any

from rtviz.cli.arguments import MODEL_INPUT, add_settings, given_settings
from rtviz.cli.console import say
from rtviz.cli.grammar import Commands
from rtviz.errors import RtvizError
from rtviz.settings import Settings


def add(commands: Commands) -> None:
    """Add the command of this file."""
    parser = commands.add("bench", _run, "measure the live path on this machine")
    parser.add_argument(
        "what", choices=list(_BENCHES), metavar="|".join(_BENCHES),
        help="the live session, without a window; the part of an overlay's error that warping by optical flow removes, "
        "on the built-in scene; whether memory, threads and file handles stay flat while random keys are pressed in "
        "the window, on a camera that fails; or glass-to-glass latency, by a camera that films the window",
    )  # fmt: skip
    parser.add_argument(
        "source", metavar="SOURCE", nargs="?", help="any source; a fake camera if not given, for soak one that fails, "
        "for glass the first camera",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of soak's random keys (0)")
    parser.add_argument("--seconds", type=float, default=20.0, metavar="N", help="how long to measure (20)")
    parser.add_argument("--mode", choices=["smooth", "locked"], default="smooth", help="how frames are shown (smooth)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    add_settings(parser, (*MODEL_INPUT, "compare", "view", "opacity"), "models and view")


def _run(parsed: argparse.Namespace) -> int:
    return _BENCHES[parsed.what](parsed)


def _live(parsed: argparse.Namespace) -> int:
    from rtviz import bench

    settings = Settings.from_mapping(given_settings(parsed))
    figures = bench.bench_live(parsed.source or bench.PACED, settings, seconds=parsed.seconds, mode=parsed.mode)
    _print(figures, parsed.json)
    return 0


def _warping(parsed: argparse.Namespace) -> int:
    from rtviz import bench

    rows = bench.measure_warping()
    if parsed.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        print("\n".join(row.line() for row in rows))
    return 0


def _soak(parsed: argparse.Namespace) -> int:
    """Exit status 1 if anything grew or failed."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from rtviz.app.process import end
    from rtviz.app.soak import FAILING, soak

    figures = soak(
        parsed.seconds,
        place=parsed.source or FAILING,
        settings=Settings.from_mapping(given_settings(parsed)),
        seed=parsed.seed,
        on_sample=lambda sample: say(sample.line()),
    )
    _print(figures, parsed.json)
    status = int(bool(figures.problems()))
    end(status)
    return status


def _glass(parsed: argparse.Namespace) -> int:
    from rtviz import app

    reason = app.why_not()
    if reason is not None:
        raise RtvizError(reason)
    from rtviz.app.glass import OPACITY, glass
    from rtviz.app.process import end

    settings = Settings.from_mapping({"opacity": OPACITY, **given_settings(parsed)})
    _print(glass(parsed.source, settings, seconds=parsed.seconds, mode=parsed.mode), parsed.json)
    end(0)
    return 0


def _print(figures: Any, as_json: bool) -> None:
    print(json.dumps(figures.to_mapping(), indent=2) if as_json else "\n".join(figures.lines()), flush=True)


_BENCHES = {"live": _live, "carrying": _warping, "soak": _soak, "glass": _glass}

__all__ = ["add"]

#!/usr/bin/env python3
"""Measures rtviz, what the machine allows and what a user has without rtviz, in one run: `python scripts/bench.py all`.

The machine may be shared and noisy, so what counts is the ratio of things measured in turns, not the times.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

# Each is a function of this name in a module of benches/, which is imported when it is needed.
BENCHES = {
    "forward": "frames",
    "latency": "frames",
    "views": "frames",
    "predict": "videos",
    "render": "videos",
    "stages": "stages",
    "batches": "batches",
    "live": "live",
    "costs": "live",
    "startup": "starts",
    "memory": "videos",
}
# Of each bench: alone, and as one of all.
SECONDS = {
    "latency": (10.0, 4.0),
    "render": (4.0, 2.0),
    "live": (20.0, 8.0),
    "memory": (4.0, 2.0),
    "stages": (2.0, 1.0),
    "costs": (40.0, 16.0),
}
ROUNDS = (5, 3)


def size(text: str) -> tuple[int, int]:
    """(width, height) of "640x480"."""
    width, height = (int(side) for side in text.split("x"))
    return width, height


def positive(kind: type[int] | type[float]) -> Callable[[str], Any]:
    """What reads a number above 0."""

    def number(text: str) -> Any:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen benches, print ratios and the machine; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bench", nargs="?", choices=[*BENCHES, "all"], default="all")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--model", help="random:dino-vits16 if not given: weights do not matter for speed")
    parser.add_argument("--resolution", type=positive(int), help="224 if not given")
    parser.add_argument(
        "--frame",
        type=size,
        metavar="WxH",
        help="for forward and latency, a square of the resolution if not given; for views, 640x480",
    )
    parser.add_argument("--view", default="heatmap")
    parser.add_argument("--input", help="a video; the real clip if it is there, else the built-in scene")
    parser.add_argument(
        "--seconds", type=positive(float), help="of the clip in one round, of live, of each model in latency"
    )
    parser.add_argument(
        "--rounds", type=positive(int), help="turns of the things that are compared: 5, of all benches 3"
    )
    parser.add_argument("--batch", type=positive(int), help="frames in one forward pass")
    parser.add_argument(
        "--clock",
        choices=["wall", "cpu"],
        default="wall",
        help="of what is timed without a session or a video; cpu, with OMP_NUM_THREADS=1, on a machine that others use",
    )
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    for folder in (ROOT, ROOT / "scripts"):  # also where rtviz is not installed
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    from rtviz import threads

    threads.draw_in_one_thread()  # before the libraries are loaded that read this once
    threads.sleep_while_waiting()
    from rtviz import views
    from rtviz.errors import RtvizError, in_words
    from rtviz.models import devices
    from rtviz.settings import Settings

    every = given.bench == "all"
    given.rounds = given.rounds or ROUNDS[every]
    given.chosen = any(value is not None for value in (given.model, given.resolution, given.frame))
    given.model, given.resolution = given.model or "random:dino-vits16", given.resolution or 224

    from benches.limits import machine

    try:
        devices.device_of(given.device)
        where = machine(given.device)
        Settings(view=given.view, resolution=given.resolution)
        views.find(given.view)
    except RtvizError as error:
        parser.error(in_words(error))

    results = {}
    for name in BENCHES if every else [given.bench]:
        seconds = given.seconds or SECONDS.get(name, (0.0, 0.0))[every]
        bench = getattr(importlib.import_module(f"benches.{BENCHES[name]}"), name)
        try:
            results[name] = bench(argparse.Namespace(**{**vars(given), "seconds": seconds}))
        except (RtvizError, ImportError, RuntimeError, subprocess.CalledProcessError) as error:
            if not every and isinstance(error, RtvizError | ImportError):
                parser.error(in_words(error))
            if not every:
                raise
            # A machine without PyQt5, PyAV or Matplotlib can still say how fast it predicts.
            results[name] = {"not measured": str(error).splitlines()[-1]}
        if not given.json:
            tell(name, results[name])
    if given.json:
        print(json.dumps({**results, "machine": {"machine": where}}, indent=2))
    else:
        print(f"\n{where}")
    return 0


def tell(name: str, rows: dict[str, Any]) -> None:
    """Print the figures of a bench, for people."""
    print(f"\n{name}")
    for label, value in rows.items():
        if isinstance(value, dict):
            value = ", ".join(f"{part} {figure}" for part, figure in value.items())
        print(f"  {label:42} {value}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

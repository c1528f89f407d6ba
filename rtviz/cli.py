"""The command line: what `rtviz` understands, and what it prints."""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rtviz import completion, threads, views
from rtviz._version import __version__
from rtviz.errors import (
    MissingDependency,
    RtvizError,
    SettingsError,
    SinkError,
    WeightsMissing,
    weights_missing,
)
from rtviz.models import WAYS
from rtviz.offline.jobs import MANIFEST, JobConfig, Manifest, Task, failed, in_processes, on_ray, plain
from rtviz.settings import MODEL_FIELDS, MOST_COMPARED, Option, OutputSettings, Settings, load_preset, presets
from rtviz.words import counted

if TYPE_CHECKING:
    from rtviz.engine.comparison import Comparison
    from rtviz.engine.engine import Engine
    from rtviz.frame import Frame, Maps
    from rtviz.models import Model
    from rtviz.offline.pipeline import Report
    from rtviz.scoring.report import BenchmarkReport
    from rtviz.sources import Source

INTERRUPTED = 130

_EXAMPLES = """\
examples:
  rtviz                                             the desktop app, on the first camera that works
  rtviz live clip.mp4                               the desktop app on a video
  rtviz render clip.mp4 -o overlay.mp4              every frame, the mean over the last layer's heads
  rtviz render clip.mp4 -o mask.mp4 --view mask --head 3 --layout side-by-side
  rtviz render *.mp4 -o overlays/                   several inputs into a folder
  rtviz render *.mp4 -o overlays/ --ray             the same on a cluster, or in several processes
  rtviz render scene: --seconds 8 -o demo.mp4       the built-in moving scene: needs no input
  rtviz export clip.mp4 -o maps.zarr                the raw maps of all layers and heads
  rtviz models                                      what can look, and whether its weights are here
"""

_SCORE_EXAMPLES = """\
examples:
  rtviz score embedded                              heads, layers, and cues without a network, on drawn scenes
  rtviz score jaccard --data VOCdevkit/VOC2012 --model dino-vits16 --model random:dino-vits16
  rtviz score davis --data DAVIS --model dino-vits16
  rtviz score corloc --data VOCdevkit/VOC2012 --model dino-vits16 --objects lost
  rtviz score davis --data scene: --limit 3         nothing is downloaded
"""


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit status.

    0: done. 1: an error that one line on stderr explains. 2: a wrong argument. 130: interrupted.
    """
    debug = "--debug" in arguments
    threads.draw_in_one_thread()
    try:
        parser = _parser()
        completion.complete(parser)
        parsed = parser.parse_args(arguments)
        _set_up_logging(debug)
        _end_like_ctrl_c_on_sigterm()
        command: Callable[[argparse.Namespace], int] = parsed.command
        return command(parsed)
    except RtvizError as error:
        if debug:
            raise
        _say(f"error: {error}")
        return error.exit_status
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our stdout has left (`rtviz models | head`): nothing is wrong, and nobody is there to be told.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # the edge of the process: a bug of ours, in one line unless --debug asks for more
        if debug:
            raise
        _say(f"error: {type(error).__name__}: {error} (a bug in rtviz; --debug shows where)")
        return 1


def _say(text: str) -> None:
    print(f"rtviz: {text}", file=sys.stderr, flush=True)


def _notice(quiet: bool) -> Callable[[str], None]:
    """Who says what a model gives notice of; where quiet was asked for, nobody."""
    return (lambda sentence: None) if quiet else _say


def _no_bar(quiet: bool) -> bool | None:
    """What tqdm calls `disable`: a log has no use for a bar, so none is drawn where stderr is no terminal."""
    return True if quiet else None


def _set_up_logging(debug: bool) -> None:
    logging.basicConfig(format="%(name)s: %(message)s", level=logging.WARNING)
    if debug:
        logging.getLogger("rtviz").setLevel(logging.DEBUG)


def _end_like_ctrl_c_on_sigterm() -> None:
    """`kill` and a closed terminal finish as cleanly as Ctrl-C does."""

    def interrupt(number: int, stack: object) -> NoReturn:
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), interrupt)


# --- what is understood ----------------------------------------------------------------------------------------------


_OF_STILLS = "480, with patches of 14 pixels 518"
_PRESETS = f"a preset: a TOML file, or one of {', '.join(presets())}"


class _Parser(argparse.ArgumentParser):
    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        # What begins like a negative number is a value and no option, as from Python 3.14 on: `--mute -1.3,-1.4`.
        self._negative_number_matcher = re.compile(r"-\.?\d")

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"rtviz: error: {message} (`{self.prog} --help` shows what is understood)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="rtviz",
        description="A live microscope for vision transformers: see where each head of a DINO ViT attends.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"rtviz {__version__}")
    parser.set_defaults(command=_start)
    # On every command, because people add it at the end of the line that failed.
    common = _Parser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show how weights were matched, and where an error arose")
    parser.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)

    def add(name: str, command: Callable[[argparse.Namespace], int], help: str, **more: Any) -> argparse.ArgumentParser:
        described = commands.add_parser(name, help=help, description=help, parents=[common], **more)
        described.set_defaults(command=command)
        return described

    live = add("live", _live, "open the desktop app")
    live.add_argument(
        "source", metavar="SOURCE", nargs="*",
        help="a camera's number or name, a video, pictures or a folder of them, an http or rtsp address, screen: or "
        "scene:; the first camera that works if not given",
    )  # fmt: skip
    _add_options(live, Settings.options(), "what to show", several_models=True)
    live.add_argument("--config", metavar="FILE.toml", help=_PRESETS)
    live.add_argument("--kiosk", action="store_true", help="for a stand: full screen, no panels, nothing stored")

    render = add("render", _render, "turn videos or pictures into overlay videos or pictures")
    _add_inputs(render)
    render.add_argument(
        "-o", "--output", required=True, metavar="OUT",
        help="a .mp4 .mkv .webm .mov .gif .png .jpg file, a folder for PNGs, or, for several inputs, a folder",
    )  # fmt: skip
    _add_options(
        render, Settings.options(), "what to show", several_models=True,
        resolution=f"224; of a picture by itself {_OF_STILLS}",
    )  # fmt: skip
    _add_options(render, OutputSettings.options(), "input and output")
    _add_job_options(render)

    export = add("export", _export, "write the raw maps of all layers and heads")
    _add_inputs(export)
    export.add_argument("-o", "--output", required=True, metavar="OUT", help="a .zarr folder, or .npz for one picture")
    looking = (*MODEL_FIELDS, "resolution", "query")
    _add_options(export, [Settings.option(name) for name in looking], "what to look with")
    taking = ("start", "end", "every", "video_stream", "batch", "overwrite")
    _add_options(export, [OutputSettings.option(name) for name in taking], "input and output")
    _add_job_options(export)

    figure = add("figure", _figure, "a figure of one picture for a paper or a talk, with Matplotlib")
    figure.add_argument(
        "picture", metavar="PICTURE", help="a picture, or a video (--start takes a later frame), or scene:"
    )
    figure.add_argument("-o", "--output", required=True, metavar="FIG", help="a .png, .pdf or .svg")
    figure.add_argument("--paper", action="store_true", help="the heads of one layer and their masks, as in the paper")
    figure.add_argument(
        "--compare", dest="below", metavar="A,B,C",
        help="so many models below each other, by name; or the name of a preset that compares, such as figure4, for "
        "which dino is short: untrained, supervised, DINO, ResNet-50",
    )  # fmt: skip
    figure.add_argument("--quiet", action="store_true", help="no progress bar, no closing line")
    figure.add_argument("--width", type=float, default=6.9, metavar="INCHES", help="of the figure (6.9)")
    figure.add_argument(
        "--scale", choices=("common", "each"), default="common",
        help="of the colours: common to all maps, in multiples of evenly spread attention; or of each map alone, which "
        "makes an even map look uneven (common)",
    )  # fmt: skip
    showing = ("layer", "threshold", "colormap", "gamma", "upsampling", "cam", "target")
    _add_options(figure, [Settings.option(name) for name in (*looking, *showing)], "what to look with, and to show",
                 resolution=_OF_STILLS)  # fmt: skip
    chosen = ("start", "video_stream", "overwrite")
    _add_options(figure, [OutputSettings.option(name) for name in chosen], "input and output")

    elevator = add(
        "elevator", _elevator, "one picture through all layers, from the first to the last, as a GIF or video"
    )
    elevator.add_argument(
        "picture", metavar="PICTURE", help="a picture, or a video (--start takes a later frame), or scene:"
    )
    elevator.add_argument("-o", "--output", required=True, metavar="OUT", help="a .gif, .mp4, .mkv, .mov or .webm")
    elevator.add_argument("--quiet", action="store_true", help="no progress bar, no notices, no closing line")
    drawing = ("layout", "opacity", "colormap", "gamma", "threshold", "cam", "rollout", "discard", "upsampling")
    shown = [Settings.option(name) for name in (*looking, "head", "view", *drawing)]
    shown = [replace(one, choices=views.names(by_layer=True)) if one.name == "view" else one for one in shown]
    _add_options(elevator, shown, "what to look with, and to show", resolution=_OF_STILLS)
    writing = ("start", "video_stream", "size", "codec", "quality", "overwrite")
    _add_options(elevator, [OutputSettings.option(name) for name in writing], "input and output")

    facts = add("facts", _facts, "what can be told of each head of a layer, for one picture")
    facts.add_argument(
        "picture", metavar="PICTURE", help="a picture, or a video (--start takes a later frame), or scene:"
    )
    facts.add_argument("--json", action="store_true", help="print the facts as JSON")
    _add_options(facts, [Settings.option(name) for name in (*looking, "layer")], "what to look with, and which layer",
                 resolution=f"{_OF_STILLS}; with --seconds 224")  # fmt: skip
    _add_options(facts, [OutputSettings.option(name) for name in ("start", "video_stream")], "input")
    facts.add_argument(
        "--seconds", type=float, metavar="N", help="watch a video for so long, and tell how steady each head is, too"
    )

    bench = add("bench", _bench, "measure the live path on this machine, without a window")
    bench.add_argument(
        "what",
        choices=["live", "carrying", "soak"],
        metavar="live|carrying|soak",
        help="the live session; what optical flow wins back of an overlay's error, on the built-in scene; or whether "
        "memory, threads and file handles stay flat while random keys play with the window, on a camera that fails",
    )
    bench.add_argument(
        "source", metavar="SOURCE", nargs="?", help="any source; a camera double if not given, for soak one that fails"
    )
    bench.add_argument("--seed", type=int, default=0, metavar="N", help="of soak's random keys (0)")
    bench.add_argument("--seconds", type=float, default=20.0, metavar="N", help="how long to watch (20)")
    bench.add_argument("--mode", choices=["smooth", "locked"], default="smooth", help="how frames are shown (smooth)")
    bench.add_argument("--json", action="store_true", help="print the figures as JSON")
    _add_options(bench, [Settings.option(name) for name in (*looking, "compare")], "what to look with")

    score = add(
        "score", _score, "measure what a model finds, on drawn scenes or on the papers' data sets",
        epilog=_SCORE_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    score.add_argument(
        "name", metavar="MODEL|jaccard|davis|corloc", nargs="?", default="embedded",
        help="a name from `rtviz models`, to be scored on drawn scenes (embedded); or what to measure on a data set",
    )  # fmt: skip
    score.add_argument("--json", action="store_true", help="print the figures as JSON")
    score.add_argument("--quiet", action="store_true", help="no progress bar, no notices")
    score.add_argument("--seed", type=int, metavar="N", help="which of the scenes kept for scoring (0)")
    score.add_argument("--scenes", type=int, metavar="N", help="with MODEL: how many drawn scenes (200)")
    measured = score.add_argument_group("with jaccard, davis and corloc")
    measured.add_argument("--data", metavar="DIR|scene:", help="the data set's folder, or drawn scenes")
    measured.add_argument("--model", action="append", metavar="NAME", help="may be given several times")
    measured.add_argument("--limit", type=int, metavar="N", help="only the first N pictures, or clips")
    measured.add_argument("--resolution", type=int, metavar="PIXELS", help="short side; the protocol's if not given")
    measured.add_argument(
        "--objects", choices=Settings.option("objects").choices, help="with corloc: how an object is found (tokencut)"
    )
    measured.add_argument(
        "--features", choices=Settings.option("features").choices,
        help="with corloc: what patches are compared by; auto: as the papers of the model's family do (DINO and most "
        "others keys, DINOv2 values, DINOv3 tokens)",
    )  # fmt: skip
    _add_options(score, [Settings.option(name) for name in _SCORED_WITH], "what to look with")

    models = add("models", _models, "list the models, or fetch one ahead")
    models.add_argument("--json", action="store_true", help="print the list as JSON")
    actions = models.add_subparsers(metavar="[pull NAME]", parser_class=_Parser)
    pull = actions.add_parser("pull", help="fetch a model's weights ahead", parents=[common])
    named = pull.add_argument(
        "name", metavar="NAME", nargs="*", help="if not given: the model used where none is named"
    )
    completion.offer(named, _model_names)
    pull.add_argument(
        "--from", dest="way", choices=("auto", *WAYS), default="auto", help="by which way (auto: the first that works)"
    )
    pull.add_argument("--accept-licence", action="store_true", help="you have read the model's licence and accept it")
    pull.add_argument("--briefly", action="store_true", help=argparse.SUPPRESS)  # for scripts/run.py
    pull.add_argument("--limit", type=float, metavar="SECONDS", help="how long it may take")
    pull.set_defaults(command=_pull)

    shell = add("completion", _completion, "print what a shell evaluates to complete rtviz's commands with Tab")
    shell.add_argument("shell", choices=completion.SHELLS, help='in ~/.bashrc: eval "$(rtviz completion bash)"')
    return parser


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "inputs", metavar="INPUT", nargs="+",
        help="a video, a picture, a folder or glob of pictures, a folder of videos, or scene: (the built-in scene)",
    )  # fmt: skip
    parser.add_argument("--seconds", type=float, metavar="N", help="length of the built-in scene (10 if not given)")


def _add_job_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE.toml", help=_PRESETS)
    parser.add_argument(
        "--ray", metavar="ADDRESS", nargs="?", const="",
        help="share the inputs out on a Ray cluster, or on this machine's cores if no address is given; goes on with "
        "a run that broke off (needs rtviz[ray])",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, metavar="N", help="with --ray: how many at once")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no notices, no closing line")
    parser.add_argument("--json", action="store_true", help="print a report as JSON at the end")


def _add_options(
    parser: argparse.ArgumentParser,
    options: Sequence[Option],
    title: str,
    several_models: bool = False,
    resolution: str | None = None,
) -> None:
    """The flags of a schema. None is set unless given, so that a preset's value can show through.

    Args:
        several_models: whether `--model` may be given again.
        resolution: the default of `--resolution` in words, where that is not the schema's.
    """
    group = parser.add_argument_group(title)
    for option in options:
        choices = option.choices or (views.names() if option.name == "view" else ())
        text = option.help + ("" if option.default in (None, False, ()) else f" ({_shown(option)})")
        if option.name == "resolution" and resolution is not None:
            text = f"{option.help} ({resolution})"
        if option.kind == "flag":
            group.add_argument(option.flag, action="store_true", default=argparse.SUPPRESS, help=text)
            continue
        metavar = "|".join(choices) if choices else _METAVARS.get(option.name, _range(option))
        several = several_models and option.name == "model"
        if several:
            text += "; given again, one more to compare it with"
        added = group.add_argument(
            option.flag, type=option.parse, default=argparse.SUPPRESS, help=text.replace("%", "%%"), metavar=metavar,
            action="append" if several else "extend" if option.kind == "marks" else _OnlyModel
            if option.name == "model" else "store",
        )  # fmt: skip
        if choices:
            completion.offer(added, partial(list, choices))
        elif option.name == "model":
            completion.offer(added, _model_names)


class _OnlyModel(argparse.Action):
    """Takes one model: of several, one would look and the others be forgotten."""

    def __call__(
        self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        before = getattr(namespace, self.dest, None)
        if before is not None:
            raise SettingsError(self.dest, values, "one model here", wrong=f"--model names {before} and {values}")
        setattr(namespace, self.dest, values)


def _model_names() -> list[str]:
    from rtviz.models import zoo

    return [name for card in zoo.cards() for name in (card.name, card.untrained().name)]


def _range(option: Option) -> str:
    """What stands for a value in the help, where nothing better is known."""
    if option.minimum is None or option.maximum is None:
        return option.kind.upper()
    return f"{option.minimum:g}-{option.maximum:g}"


def _shown(option: Option) -> str:
    return f"{option.default:g}" if isinstance(option.default, float) else str(option.default)


_METAVARS = {
    "model": "NAME",
    "compare": "A,B,C",
    "track": "X,Y[,WIDTH,HEIGHT]",
    "weights": "FILE",
    "device": "DEVICE",
    "resolution": "PIXELS",
    "query": "cls|X,Y",
    "layer": "N",
    "head": "N|mean|max|all|follow",
    "start": "SECONDS",
    "end": "SECONDS",
    "every": "N",
    "size": "WIDTHxHEIGHT",
    "batch": "N",
}


def _given(parsed: argparse.Namespace) -> dict[str, Any]:
    """Which settings the flags name; `--model A --model B` is A, compared with B."""
    given = {option.name: vars(parsed)[option.name] for option in Settings.options() if option.name in vars(parsed)}
    if "track" in given:
        given["view"] = given.get("view", views.MARKS)
    models = given.get("model")
    if isinstance(models, list):
        given["model"] = models[0]
        if len(models) > 1:
            others = (*models[1:], *given.get("compare", ()))
            if len(others) > MOST_COMPARED:
                allowed = f"at most {MOST_COMPARED + 1} models beside each other"
                raise SettingsError("model", others, allowed, wrong=f"{len(others) + 1} models are named")
            given["compare"] = others
    return given


def _settings(parsed: argparse.Namespace) -> tuple[Settings, OutputSettings]:
    """What the preset says, then what the flags say over it."""
    shown, written = load_preset(parsed.config) if parsed.config else ({}, {})
    shown |= _given(parsed)
    given = vars(parsed)
    written |= {option.name: given[option.name] for option in OutputSettings.options() if option.name in given}
    settings, output_settings = Settings.from_mapping(shown), OutputSettings.from_mapping(written)
    if "view" not in shown:
        settings = _with_view(settings)
    views.find(settings.view)
    if output_settings.end is not None and output_settings.end <= output_settings.start:
        raise SettingsError("end", output_settings.end, f"a time after the start, {output_settings.start:g} s")
    return settings, output_settings


def _with_view(settings: Settings) -> Settings:
    """The settings with a view that their model can show, where none was named: of one without heads it is cam, as it
    is in a pane beside others."""
    from rtviz.models import describe

    panes = settings.compare or settings.jaccard
    return (
        settings
        if panes or describe(settings.model, settings.weights).heads
        else settings.replace(view=views.fallback(has_attention=False))
    )


def _tell_unread(parsed: argparse.Namespace, settings: Settings, heads: int) -> None:
    """Say which of the options that were given change nothing.

    Args:
        settings: as they are drawn.
        heads: of the model, or the most that one of several has.
    """
    view = views.find(settings.view)
    reads = view.reads | ({"track", "threshold"} if settings.jaccard else set())
    if not heads:
        reads = (reads - {"query", "head"}) | {"cam"}
    for name in _given(parsed):
        flag = Settings.option(name).flag
        if name in views.SOME_READ and name not in reads:
            _say(f"{flag} changes nothing in the view {view.name}{'' if heads else ' of a model without heads'}")
        elif name == "target" and settings.cam != "grad":
            _say(f"{flag} changes nothing without --cam grad")
        elif name == "mute" and not heads:
            _say(f"{flag} changes nothing: there are no attention heads")


# --- no command: the app, or the built-in scene where no window can be had -------------------------------------------


def _start(parsed: argparse.Namespace) -> int:
    from rtviz import app

    reason = app.why_not()
    if reason is None:
        return app.launch(None, {})
    _say(f"{reason.split(';')[0]}: rendering the built-in scene instead")
    output = "rtviz-demo.mp4"
    status = run(["render", "scene:", "--seconds", "8", "-o", output, "--overwrite"])
    if status == 0:
        _say(f"watch {Path(output).resolve()}; then try your own: rtviz render YOUR-VIDEO.mp4 -o overlay.mp4")
    return status


def _live(parsed: argparse.Namespace) -> int:
    from rtviz import app

    given = _given(parsed)
    shown, _ = load_preset(parsed.config) if parsed.config else ({}, {})
    views.find(Settings.from_mapping(shown | given).view)
    place = None
    if parsed.source:
        from rtviz.sources.pages import gather

        place, left_out = gather(parsed.source)
        if left_out:
            raise SettingsError("SOURCE", " ".join(parsed.source), "one place, or several pictures")
    return app.launch(place, shown | given, config=parsed.config, kiosk=parsed.kiosk)


def _bench(parsed: argparse.Namespace) -> int:
    from rtviz import bench

    if parsed.what == "carrying":
        rows = bench.measure_warping()
        print(
            json.dumps([asdict(row) for row in rows], indent=2)
            if parsed.json
            else "\n".join(map(bench.WarpFigures.line, rows))
        )
        return 0
    given = _given(parsed)
    if parsed.what == "soak":
        return _soak(parsed, Settings.from_mapping(given))
    figures = bench.bench_live(
        parsed.source or bench.PACED, Settings.from_mapping(given), seconds=parsed.seconds, mode=parsed.mode
    )
    print(json.dumps(figures.to_mapping(), indent=2) if parsed.json else "\n".join(figures.lines()))
    return 0


def _soak(parsed: argparse.Namespace, settings: Settings) -> int:
    """Exit status 1 if anything grew or failed."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from rtviz.app.process import end
    from rtviz.app.soak import FAILING, soak

    figures = soak(
        parsed.seconds,
        place=parsed.source or FAILING,
        settings=settings,
        seed=parsed.seed,
        on_sample=lambda sample: _say(sample.line()),
    )
    print(json.dumps(figures.to_mapping(), indent=2) if parsed.json else "\n".join(figures.lines()), flush=True)
    status = int(bool(figures.problems()))
    end(status)
    return status


def _figure(parsed: argparse.Namespace) -> int:
    from rtviz.engine.engine import Engine
    from rtviz.figures import pages

    given = _given(parsed)
    settings = Settings.from_mapping(given)
    names = _compared(parsed.below or "")
    pages.check_width(parsed.width)
    if "layer" in given and not names and not parsed.paper:
        raise SettingsError("layer", parsed.layer, "only with --paper or --compare; else the figure has all")
    if names and parsed.paper:
        raise SettingsError("paper", True, "without --compare, which draws another figure")
    looks = _looks(names, settings) if names else [settings]
    pages.check(parsed.output, overwrite=vars(parsed).get("overwrite", False))
    frame = _one_frame(parsed)
    seen: dict[str, Maps | str] = {}
    missing: dict[str, WeightsMissing] = {}
    with _model_progress(parsed.quiet) as progress:
        for one in looks:
            try:
                engine = Engine.for_settings(one, progress)
            except WeightsMissing as error:  # of several, the others are a figure too
                if one.model is None or one.weights is not None:
                    raise
                missing[one.model] = error
                seen[one.model] = "its weights are not on this machine"
                continue
            assert engine.model is not None
            if engine.model.notice:
                _notice(parsed.quiet)(engine.model.notice)
            (seen[engine.model.name],) = engine.predict([frame], _for_still(parsed, settings, engine.model, frame))
    if len(missing) == len(looks):
        raise weights_missing(missing)
    if missing:
        _say(
            f"left out, because their weights are not on this machine: {', '.join(missing)} (`rtviz models pull NAME`)"
        )
    maps = next(iter(seen.values()))
    if names or isinstance(maps, str) or not maps.has_attention:
        figure = pages.compare(frame, seen, settings, parsed.width, parsed.scale)
    else:
        draw = pages.heads if parsed.paper else pages.layers_by_heads
        figure = draw(frame, maps, settings, parsed.width, parsed.scale)
    pages.save(figure, parsed.output, overwrite=True)
    if not parsed.quiet:
        _say(f"wrote {parsed.output}")
    return 0


def _looks(names: Sequence[str], settings: Settings) -> list[Settings]:
    """The settings with each of the models that `--compare` names; a weights file is that one's whose it is.

    Raises:
        SettingsError: a model stands there twice, or it cannot be told whose the weights are.
        UnknownModel: a name is no model's.
        WeightsMissing: the weights file is not there.
    """
    from rtviz.models import zoo
    from rtviz.models.weights import fetching

    cards = [zoo.find(name) for name in names]
    known = [card.name for card in cards]
    twice = next((name for name in known if known.count(name) > 1), None)
    if twice is not None:
        raise SettingsError("compare", ",".join(names), f"each model once; {twice} stands there twice")
    owner = None if settings.model is None else zoo.find(settings.model)
    if settings.weights is None:
        if owner is not None:
            raise SettingsError("model", settings.model, "without --compare, which names all models")
        return [settings.replace(model=name) for name in known]
    # Untrained ones take none, and the embedded model has its own, unless no other could be meant.
    takers = [card for card in cards if not card.random and card.name != zoo.EMBEDDED]
    takers = takers or [card for card in cards if not card.random]
    if owner is None and len(takers) != 1:
        which = f"; say with --model whose it is: {', '.join(card.name for card in takers)}" if takers else ""
        raise SettingsError("weights", settings.weights, f"a file for one model, not for several{which}")
    owner = owner or takers[0]
    if owner not in cards or owner.random:
        allowed = ", ".join(card.name for card in cards if not card.random) or "a trained one"
        raise SettingsError("model", owner.name, f"with --compare and --weights, whose the file is: {allowed}")
    fetching.resolve(owner, settings.weights)
    return [settings.replace(model=name, weights=settings.weights if name == owner.name else None) for name in known]


def _one_frame(parsed: argparse.Namespace) -> Frame:
    """The frame that a command for one picture means."""
    from rtviz.sources import nothing_there, open_source

    track = vars(parsed).get("video_stream")
    with open_source(parsed.picture, start=vars(parsed).get("start", 0.0), video_stream=track) as source:
        frame = next(iter(source), None)
        if frame is None:
            raise nothing_there(source.info, vars(parsed).get("start", 0.0))
        if source.info.holds:
            info, which = source.info, f"{source.info.holds.removesuffix('s')} {frame.index + 1}"
            _notice(vars(parsed).get("quiet", False))(
                f"{info.name} holds {info.frame_count} {info.holds}: {which} is shown"
            )
    return frame


def _for_still(parsed: argparse.Namespace, settings: Settings, model: Model, frame: Frame) -> Settings:
    """The settings of a command for one picture: at the resolution that shows most, unless one was asked for."""
    from rtviz.engine.engine import for_still

    return settings if "resolution" in vars(parsed) else for_still(settings, [model], frame.size)


def _load_engine(settings: Settings, quiet: bool = False) -> tuple[Engine, Model]:
    """An engine that has a model, whatever the view."""
    from rtviz.engine.engine import Engine

    with _model_progress(quiet) as progress:
        engine = Engine.for_settings(settings.replace(view=views.fallback(has_attention=True)), progress)
    assert engine.model is not None
    if engine.model.notice:
        _notice(quiet)(engine.model.notice)
    return engine, engine.model


def _elevator(parsed: argparse.Namespace) -> int:
    from rtviz.errors import lacks_heads
    from rtviz.offline.layer_sweep import possible, ridden, save
    from rtviz.sinks import check_output

    given, output = vars(parsed), Path(parsed.output)
    settings = Settings.from_mapping(_given(parsed))
    written = {option.name: given[option.name] for option in OutputSettings.options() if option.name in given}
    output_settings = OutputSettings.from_mapping(written)
    check_output(output, None, overwrite=output_settings.overwrite)
    frame = _one_frame(parsed)
    engine, model = _load_engine(settings, parsed.quiet)
    allowed = possible(model.heads, anew=True)
    if "view" in given and settings.view not in allowed:
        why = (
            f"{model.name} shows by the view cam what its last layer ends with"
            if model.heads
            else lacks_heads(model.name)
        )
        raise SettingsError("view", settings.view, f"{', '.join(allowed)} ({why})")
    settings = _for_still(parsed, ridden(settings, model.heads, anew=True), model, frame)
    if not parsed.quiet:
        _tell_unread(parsed, settings, model.heads)
    (maps,) = engine.predict([frame], settings)
    save(output, frame, maps, settings, output_settings, lambda wanted: engine.predict([frame], wanted)[0])
    if not parsed.quiet:
        _say(f"wrote {output}: {model.layers} {'layers' if model.heads else 'stages'} of {model.name}")
    return 0


def _facts(parsed: argparse.Namespace) -> int:
    from rtviz.analysis.head_stats import HeadStatsTracker
    from rtviz.errors import no_heads
    from rtviz.views.selection import layer_of

    settings = Settings.from_mapping(_given(parsed))
    if parsed.seconds is not None and not 0 < parsed.seconds <= 3600:
        raise SettingsError("seconds", parsed.seconds, "more than 0, and at most 3600")
    engine: Engine | None = None
    watch, count = HeadStatsTracker(), 0
    for frame in _frames_watched(parsed):
        if engine is None:
            engine, model = _load_engine(settings)
            if not model.heads:
                raise no_heads(model.name)
            if parsed.seconds is None:
                settings = _for_still(parsed, settings, model, frame)
        (maps,) = engine.predict([frame], settings)
        layer = layer_of(maps, settings)
        facts, count = watch.facts(maps, layer, frame.pts_seconds), count + 1
    steady = facts[0].stability is not None
    if parsed.seconds is not None and not steady:
        raise SettingsError(
            "seconds", parsed.seconds, f"with a video that is longer; {parsed.picture} has one frame there"
        )
    if parsed.json:
        heads = [asdict(one) for one in facts]
        told = {"model": model.name, "query": str(maps.query), "layer": layer, "frames": count, "heads": heads}
        print(json.dumps(told, indent=2))
        return 0
    watched = f", at the end of {count} looks" if steady else ""
    print(f"{model.name}, layer {layer}, query {maps.query}{watched}\n")
    print("head  what        entropy  distance   CLS  registers  foreground" + "  steady" * steady)
    for one in facts:
        print(
            f"{one.head:4}  {one.tag:10}  {one.entropy:7.2f}  {one.distance:8.2f}  {100 * one.cls:2.0f} %"
            f"  {100 * one.registers:7.0f} %  {'—' if one.foreground is None else f'{one.foreground:.2f}':>10}"
            + (f"  {one.stability:6.2f}" if one.stability is not None else "")
        )
    print("\nentropy: 0 all on one patch, 1 spread evenly. distance: in shares of the frame's diagonal.")
    if facts[0].foreground is None:
        print("foreground: none, since the last layer's heads agree on nothing.")
    else:
        print("foreground: how many times a uniform map's attention goes to what the last layer's heads agree on.")
    if steady:
        print("steady: how much of the attention stays where it was from one look to the next, 1 all of it.")
    return 0


def _frames_watched(parsed: argparse.Namespace) -> Iterator[Frame]:
    """The frame that a command for one picture means; with --seconds also those of the time after it, as far apart as
    heads are watched live."""
    from rtviz.analysis.head_stats import SECONDS_BETWEEN
    from rtviz.sources import nothing_there, open_source

    if parsed.seconds is None:
        yield _one_frame(parsed)
        return
    start = vars(parsed).get("start", 0.0)
    due = start
    track = vars(parsed).get("video_stream")
    with open_source(parsed.picture, start=start, end=start + parsed.seconds, video_stream=track) as source:
        for frame in source:
            if frame.pts_seconds >= due:
                due = frame.pts_seconds + SECONDS_BETWEEN
                yield frame
        if due == start:
            raise nothing_there(source.info, start)


def _compared(text: str) -> list[str]:
    """The models that `--compare` names: one by one, or by the preset that compares them."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    preset = {"dino": "figure4"}.get(text.strip(), text.strip())
    if preset not in presets():
        return names
    values = load_preset(preset)[0]
    if not values.get("compare"):
        raise SettingsError("compare", text, f"names of models, or a preset that compares some; {preset} does not")
    settings = Settings.from_mapping(values)
    return [name for name in (settings.model, *settings.compare) if name is not None]


# --- render and export -----------------------------------------------------------------------------------------------


def _render(parsed: argparse.Namespace) -> int:
    from rtviz.offline import pipeline

    return _run_jobs(parsed, pipeline.render)


def _export(parsed: argparse.Namespace) -> int:
    from rtviz.offline import pipeline

    return _run_jobs(parsed, pipeline.export)


def _run_jobs(parsed: argparse.Namespace, job: Callable[..., Report]) -> int:
    """Run a job over every input; one that fails does not stop the others."""
    from rtviz.engine.comparison import Comparison
    from rtviz.engine.engine import Engine

    settings, output_settings = _settings(parsed)
    exporting = parsed.command is _export
    tasks = _tasks(parsed, output_settings, ".zarr" if exporting else None)
    if exporting:  # the maps are wanted, whatever would be drawn
        if settings.compare:
            _say(f"export takes the maps of one model: {', '.join(settings.compare)} of the preset is left out")
        settings = settings.replace(view=views.fallback(has_attention=True), compare=())
    devices = _gpus(tasks, settings) if parsed.ray is None else []
    preset = load_preset(parsed.config)[0] if parsed.config else {}
    stills = not exporting and "resolution" not in {*vars(parsed), *preset}
    order = JobConfig(settings, output_settings, exporting, stills)
    if parsed.ray is not None or devices:
        return _share_out(parsed, tasks, order, devices)
    if parsed.workers is not None:
        raise SettingsError("workers", parsed.workers, "only with --ray")
    _refuse_hopeless_outputs(tasks, output_settings, exporting)

    panes = not exporting and (settings.compare or settings.jaccard)
    with _model_progress(parsed.quiet) as progress:
        models = (Comparison if panes else Engine).for_settings(settings, progress).models
    for model in models:
        if model.notice:
            _notice(parsed.quiet)(model.notice)
    if models and not exporting and not parsed.quiet:
        _tell_unread(parsed, settings, max(model.heads for model in models))

    def engine() -> Engine | Comparison:
        """One for each input: nothing of another is remembered."""
        return Comparison([Engine(model) for model in models]) if panes else Engine(*models)

    reports: list[dict[str, Any]] = []
    for task in tasks:
        try:
            report = _run_job(task, job, engine(), models, order, parsed)
        except Exception as error:  # the edge of one input: the others go on
            if parsed.debug or (len(tasks) == 1 and not isinstance(error, RtvizError)):
                raise
            reports.append(failed(task, error))
            _say(f"error: {reports[-1]['error']}")
        else:
            reports.append(report.to_mapping())
    return _conclude(reports, parsed)


def _conclude(reports: Sequence[dict[str, Any]], parsed: argparse.Namespace) -> int:
    """Say how many inputs were done, print the reports if they are wanted, and tell the exit status."""
    statuses = [report.get("exit_status", 0) for report in reports]
    failures = len([status for status in statuses if status])
    if len(reports) > 1 and (failures or not parsed.quiet):
        done = f"{len(reports) - failures} of {len(reports)} inputs done"
        _say(done + (f", {failures} failed" if failures else ""))
    if parsed.json:
        rows = plain(reports)
        print(json.dumps(rows[0] if len(rows) == 1 else rows, indent=2, default=str))
    return statuses[0] if len(statuses) == 1 else int(failures > 0)


def _gpus(tasks: Sequence[Task], settings: Settings) -> list[str]:
    """The GPUs to share several inputs out among, if there are several and none was named."""
    if len(tasks) < 2 or settings.device not in ("auto", "cuda"):
        return []
    from rtviz.models.choices import devices

    found = [device for device in devices() if device.startswith("cuda")]
    return found if len(found) > 1 else []


def _share_out(parsed: argparse.Namespace, tasks: Sequence[Task], order: JobConfig, devices: Sequence[str]) -> int:
    """Run a job over every input in several processes; what an earlier run has done is not done again."""
    from tqdm import tqdm

    from rtviz.offline.pipeline import Report

    if parsed.ray and Path(parsed.ray).exists():
        raise SettingsError("ray", parsed.ray, "the address of a cluster; an input goes before the options")
    if parsed.workers is not None and parsed.workers < 1:
        raise SettingsError("workers", parsed.workers, "at least 1")
    manifest = None
    reports: list[dict[str, Any]] = []
    if len(tasks) > 1:
        manifest = Manifest(tasks[0].output.parent / MANIFEST, order, overwrite=order.output.overwrite)
        reports = [report for task in tasks if (report := manifest.done(task)) is not None]
    left = [task for task in tasks if manifest is None or manifest.done(task) is None]
    if len(left) < len(tasks):
        assert manifest is not None
        _say(f"{len(tasks) - len(left)} of {len(tasks)} inputs were done before, as {manifest.path} says")
    _refuse_hopeless_outputs(left, order.output, order.exporting)
    if left:
        if parsed.ray is None:
            rows = in_processes(left, order, devices[: len(left)])
        else:
            rows = on_ray(left, order, parsed.ray or None, parsed.workers)
        with tqdm(
            total=len(tasks),
            initial=len(reports),
            desc="inputs",
            unit="input",
            disable=_no_bar(parsed.quiet),
            dynamic_ncols=True,
        ) as bar:
            for report in rows:
                if manifest is not None:
                    manifest.add(report)
                reports.append(report)
                bar.update()
                if "error" in report:
                    _say(f"error: {report['error']}")
                    continue
                for warning in report["warnings"]:
                    _say(f"warning: {warning}")
                if not parsed.quiet:
                    _say(_closing_line(Report.from_mapping(report)))
    return _conclude(reports, parsed)


def _run_job(
    task: Task,
    job: Callable[..., Report],
    engine: Engine | Comparison,
    models: Sequence[Model],
    order: JobConfig,
    parsed: argparse.Namespace,
) -> Report:
    from tqdm import tqdm

    from rtviz.sinks import leftover
    from rtviz.sources import open_source

    output_settings = order.output
    cut_off = leftover(task.output)
    if cut_off is not None:
        _say(f"an earlier run was cut off; what it had written is in {cut_off} and plays up to the cut")
    with (
        open_source(task.place, **output_settings.part()) as source,
        tqdm(
            total=_expected_frames(source, output_settings),
            desc=Path(source.info.name).name,
            unit="frame",
            disable=_no_bar(parsed.quiet),
            dynamic_ncols=True,
            smoothing=0.1,
        ) as bar,
    ):
        try:
            settings = order.settings_for(source.info, models)
            report = job(source, task.output, engine, settings, output_settings, bar.update)
        except (KeyboardInterrupt, RtvizError):
            bar.close()
            rest = leftover(task.output)
            if rest is not None:
                _say(f"what was written so far is in {rest}")
            raise
    for warning in report.warnings:
        _say(f"warning: {warning}")
    if not parsed.quiet:
        _say(_closing_line(report))
    return report


def _closing_line(report: Report) -> str:
    if report.size is not None:
        shape = "{1}x{0}".format(*report.size)
    else:
        shape = "maps of {} rows and {} columns".format(*report.grid) if report.grid else "nothing"
    made_by = f"{report.model} on {report.device}, {report.precision}" if report.model else "no model"
    return (
        f"wrote {report.output}: {counted(report.frames_out, 'frame')}, {shape}, {report.duration_seconds:.1f} s, "
        f"at {report.fps:.1f} frames/s ({made_by})"
    )


def _expected_frames(source: Source, output_settings: OutputSettings) -> int | None:
    """How many frames the job will have, for the progress bar; None where the source cannot tell."""
    info = source.info
    if info.frame_count is None:
        return None
    count = float(info.frame_count)
    if info.fps and (output_settings.start or output_settings.end is not None):
        end = min(output_settings.end or float("inf"), count / info.fps)
        count = max(0.0, end - output_settings.start) * info.fps
    return max(1, round(count / output_settings.every))


def _tasks(parsed: argparse.Namespace, output_settings: OutputSettings, suffix: str | None) -> list[Task]:
    """Each input with its output: one to one, or all into a folder, each under its own name.

    One video and a folder without a trailing slash is the folder of its frames.
    """
    from rtviz.sources import expand, skipped
    from rtviz.sources.magic import is_animation, is_picture

    if parsed.output.strip() in ("", "-", "."):
        raise SettingsError("output", parsed.output, "the name of a file or of a folder")
    output = Path(parsed.output)
    places = expand(parsed.inputs, apart=not output.suffix)
    for sentence in skipped([given for given in parsed.inputs if given not in places]):
        _notice(parsed.quiet)(sentence)
    if parsed.seconds is not None and not any(place.startswith("scene:") for place in places):
        raise SettingsError("seconds", f"{parsed.seconds:g}", "with scene: alone; --end takes the beginning of a video")
    places = [_with_seconds(place, parsed.seconds) for place in places]
    # A folder is asked for by a trailing slash, or by naming a folder or a glob of what is to go there.
    into_folder = parsed.output.endswith(("/", os.sep)) or places != parsed.inputs
    if len(places) == 1 and not (into_folder and not output.suffix and Path(places[0]).is_file()):
        return [Task(places[0], output)]
    if output.suffix and not output.is_dir():
        raise SinkError(f"{len(places)} inputs need a folder to go to, and {output} looks like one file")
    video = {"vp9": ".webm"}.get(output_settings.codec, ".mp4")
    tasks: list[Task] = []
    taken: set[str] = set()
    for place in places:
        stem = Path(place.rstrip("/")).stem or "out"
        name, number = stem, 2
        while name.lower() in taken:  # lower: on many file systems A.mp4 and a.mp4 are one file
            name, number = f"{stem}-{number}", number + 1
        taken.add(name.lower())
        picture = Path(place).is_file() and is_picture(Path(place)) and not is_animation(Path(place))
        tasks.append(Task(place, output / f"{name}{suffix or ('.png' if picture else video)}"))
    return tasks


def _with_seconds(place: str, seconds: float | None) -> str:
    """`--seconds` is the length of a scene; a scene that says nothing about its length would never end."""
    if not place.startswith("scene:") or "seconds=" in place:
        return place
    return f"{place}{'&' if '?' in place else '?'}seconds={seconds if seconds is not None else 10:g}"


def _refuse_hopeless_outputs(tasks: Sequence[Task], output_settings: OutputSettings, maps: bool) -> None:
    """What can be known before a model is loaded is said before."""
    from rtviz.sinks import check_output

    for task in tasks:
        check_output(task.output, task.place, overwrite=output_settings.overwrite, maps=maps)


@contextmanager
def _progress(quiet: bool, **style: Any) -> Any:
    """A progress callback that draws one bar for each thing that is done; the next one ends the one before.

    Args:
        style: how tqdm draws a bar.
    """
    from tqdm import tqdm

    bars: dict[str, Any] = {}

    def progress(what: str, done: int, total: int | None) -> None:
        if what not in bars:
            for bar in bars.values():
                bar.close()
            bars[what] = tqdm(total=total, desc=what, disable=_no_bar(quiet), dynamic_ncols=True, **style)
        bars[what].total = total
        bars[what].update(done - bars[what].n)

    try:
        yield progress
    finally:
        for bar in bars.values():
            bar.close()


def _model_progress(quiet: bool) -> Any:
    """The same for downloads, in bytes."""
    return _progress(quiet, unit="B", unit_scale=True, unit_divisor=1024)


def _score(parsed: argparse.Namespace) -> int:
    given: dict[str, Any] = {name: vars(parsed)[name] for name in _SCORED_WITH if name in vars(parsed)}
    seed = 0 if parsed.seed is None else parsed.seed
    if parsed.name in _MEASURED_ON:
        return _benchmark(parsed, seed, given)
    for name in ("data", "model", "limit", "resolution", "objects", "features"):
        if getattr(parsed, name) is not None:
            allowed = "corloc" if name in ("objects", "features") else " or ".join(_MEASURED_ON)
            raise SettingsError(name, getattr(parsed, name), f"only with {allowed}")
    from rtviz.scoring.scenes import score_scenes

    scenes = 200 if parsed.scenes is None else parsed.scenes
    if scenes < 1 or seed < 0:
        raise SettingsError("scenes", scenes, "at least 1, and a seed of at least 0")
    with _progress(parsed.quiet) as progress:
        report = score_scenes(parsed.name, scenes=scenes, seed=seed, progress=progress, **given)
    print(json.dumps(report.to_mapping(), indent=2) if parsed.json else report.table())
    return 0


_SCORED_WITH = ("weights", "device", "precision", "backend")
# What is measured, and on what.
_MEASURED_ON = {
    "jaccard": "the folder of PASCAL VOC2012",
    "davis": "the folder of DAVIS 2017 or DAVIS 2016",
    "corloc": "the folder of PASCAL VOC2007 or VOC2012",
}


def _benchmark(parsed: argparse.Namespace, seed: int, given: dict[str, Any]) -> int:
    from rtviz.scoring import benchmarks

    if parsed.data is None:
        allowed = f"{_MEASURED_ON[parsed.name]}, or scene: for drawn ones"
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
        with _progress(parsed.quiet) as progress:
            for report in benchmarks.scored(
                parsed.name, parsed.data, models, resolution=parsed.resolution, limit=parsed.limit, seed=seed,
                objects=parsed.objects or "tokencut", features=parsed.features or "auto",
                progress=progress, notice=_notice(parsed.quiet), **given,
            ):  # fmt: skip
                finished = report
    finally:  # whatever ended it, what was finished has taken its time
        if finished is not None:
            _print_benchmark(finished, parsed.json)
    return 0


def _print_benchmark(report: BenchmarkReport, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report.to_mapping(), indent=2), flush=True)
        return
    text = f"{report.table()}\n\n{report.bars()}"
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        text = f"{report.table()}\n\n{report.bars('#', '.')}".replace("±", "+-")
    print(text, flush=True)


# --- models ----------------------------------------------------------------------------------------------------------


def _models(parsed: argparse.Namespace) -> int:
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
    licences = sorted({f"{row.card.licence}: {row.card.licence_url}" for row in rows if row.must_accept})
    print(
        "",
        *remarks,
        *(f"No form is needed for weights under the {one}; accept it with --accept-licence." for one in licences),
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
            with _model_progress(quiet=False) as progress:
                path = pull(name, progress, way=parsed.way, accept_licence=parsed.accept_licence, limit_s=parsed.limit)
        except WeightsMissing:
            if not parsed.briefly:
                raise
            _say("no trained weights can be fetched: the built-in model is used (`rtviz models pull` says why)")
            return 1
        _say(f"{name or 'a trained model'} is here: {path}")
    return 0


def _completion(parsed: argparse.Namespace) -> int:
    print(completion.script(parsed.shell))
    return 0


__all__ = ["INTERRUPTED", "MissingDependency", "run"]

"""`rtviz render` and `rtviz export`: the commands that process whole inputs."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtviz import views
from rtviz.cli import completion
from rtviz.cli.arguments import (
    MODEL_INPUT,
    STILL_RESOLUTION,
    add_config,
    add_options,
    add_output_settings,
    add_settings,
    settings_of,
    unread_flags,
)
from rtviz.cli.console import download_bars, no_bar, notices, say
from rtviz.cli.grammar import Commands
from rtviz.cli.progress import ProgressLines
from rtviz.cli.remedies import with_remedy
from rtviz.errors import RtvizError, SettingsError
from rtviz.settings import MASK_FIELDS, OutputSettings, Settings, load_preset
from rtviz.words import counted

if TYPE_CHECKING:
    from rtviz.offline.jobs import JobConfig, JobRunner, Task
    from rtviz.offline.pipeline import Report
    from rtviz.sinks import Kind

_SUFFIXES = {"maps": ".zarr", "masks": ".json"}  # of the outputs of several inputs


def add(commands: Commands) -> None:
    """Add the commands of this file."""
    render = commands.add(
        "render", partial(_run, kind="pictures"), "turn videos or pictures into overlay videos or pictures"
    )
    _add_inputs(render)
    render.add_argument(
        "-o", "--output", required=True, metavar="OUT",
        help="a .mp4 .mkv .webm .mov .gif .png .jpg file, a folder for PNGs, or, for several inputs, a folder",
    )  # fmt: skip
    add_options(
        render, Settings.options(), "what to show", several_models=True,
        resolution=f"224; of a picture by itself {STILL_RESOLUTION}",
    )  # fmt: skip
    add_options(render, OutputSettings.options(), "input and output")
    _add_job_options(render)

    export = commands.add("export", partial(_run, kind="maps"), "write the raw maps of all layers and heads")
    _add_inputs(export)
    export.add_argument("-o", "--output", required=True, metavar="OUT", help="a .zarr folder, or .npz for one picture")
    export.add_argument(
        "--what", type=_what, default=("attention",), metavar="A,B,...",
        help="attention (of the query's rows), tokens (of the patches, after each layer and the last norm), cls (the "
        "same of CLS and the registers), keys, norms (of every token after each layer): attention if not given",
    )  # fmt: skip
    export.add_argument("--layers", type=_layers, metavar="all|N,N,...", help="which layers: all if not given")
    add_settings(export, MODEL_INPUT, "model and query")
    add_output_settings(export, ("start", "end", "every", "video_stream", "batch", "overwrite"), "input and output")
    _add_job_options(export)

    masks = commands.add(
        "masks",
        partial(_run, kind="masks"),
        "write the masks of prompts, tracked or found objects, or heads: COCO, alpha, label maps",
    )
    _add_inputs(masks)
    masks.add_argument(
        "-o", "--output", required=True, metavar="OUT",
        help="a .json (COCO, run-length encoded), a .webm or .mov of the frames with alpha (VP9, ProRes 4444), or a "
        "folder of PNGs whose values number the classes; for several inputs, a folder with a .json of each",
    )  # fmt: skip
    add_settings(
        masks, (*MODEL_INPUT, *MASK_FIELDS), "whose masks",
        resolution=f"224; of a picture by itself {STILL_RESOLUTION}", shown=views.names(masks=True),
    )  # fmt: skip
    add_output_settings(
        masks, ("start", "end", "every", "video_stream", "audio_stream", "quality", "batch", "overwrite"),
        "input and output",
    )  # fmt: skip
    _add_job_options(masks)


def _what(text: str) -> tuple[str, ...]:
    from rtviz.sinks.base import EXPORTED

    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not names or not set(names) <= EXPORTED.keys():
        raise SettingsError("what", text, EXPORTED)
    return names


def _layers(text: str) -> tuple[int, ...] | None:
    if text == "all":
        return None
    try:
        return tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        allowed = "all, or numbers from 0, with commas between; negative from the end"
        raise SettingsError("layers", text, allowed) from None


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "inputs", metavar="INPUT", nargs="+",
        help="a video, a picture, a folder or glob of pictures, a folder of videos, or scene: (the built-in scene)",
    )  # fmt: skip
    parser.add_argument("--seconds", type=float, metavar="N", help="length of the built-in scene (10 if not given)")


def _add_job_options(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--ray", metavar="ADDRESS", nargs="?", const="",
        help="share the inputs out on a Ray cluster, or on this machine's cores if no address is given; resumes a run "
        "that was interrupted (needs rtviz[ray])",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, metavar="N", help="with --ray: how many at once")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no notices, no closing line")
    parser.add_argument("--json", action="store_true", help="print a report as JSON at the end")
    progress = parser.add_argument(
        "--progress", choices=("bar", "json"), default="bar", metavar="bar|json",
        help="json prints the progress for another program, an object a line on stdout, instead of a bar (bar)",
    )  # fmt: skip
    completion.offer(progress, partial(list, ("bar", "json")))


def _run(parsed: argparse.Namespace, kind: Kind) -> int:
    """Run a job on every input; one that fails does not stop the others."""
    try:
        return _run_inputs(parsed, kind)
    except RtvizError as error:
        if parsed.progress == "json":
            ProgressLines().failed(error)
        raise


def _run_inputs(parsed: argparse.Namespace, kind: Kind) -> int:
    from rtviz.offline.jobs import JobConfig
    from rtviz.offline.processes import gpus_for
    from rtviz.offline.tasks import shared_floats, tasks_for
    from rtviz.sinks.base import Exported
    from rtviz.sources import skipped

    settings, output_settings = settings_of(parsed)
    if parsed.progress == "json" and parsed.json:
        raise SettingsError("progress", "json", "without --json: its last line has the report")
    tasks = tasks_for(
        parsed.inputs, parsed.output, scene_seconds=parsed.seconds,
        suffix=_SUFFIXES.get(kind), codec=output_settings.codec,
    )  # fmt: skip
    places = {task.place for task in tasks}
    for sentence in skipped([given for given in parsed.inputs if given not in places]):
        notices(parsed.quiet)(sentence)
    masked = views.names(masks=True)
    if kind == "masks" and settings.view not in masked:
        raise SettingsError("view", settings.view, f"{', '.join(masked)}: give --prompt, --track or --view")
    if kind == "maps":  # the maps are wanted, whatever would be drawn
        if settings.compare:
            say(f"export takes the maps of one model: {', '.join(settings.compare)} of the preset is left out")
        settings = settings.replace(view=views.fallback(has_attention=True), compare=())
    preset = load_preset(parsed.config)[0] if parsed.config else {}
    stills = kind != "maps" and "resolution" not in {*vars(parsed), *preset}
    exported = Exported(parsed.what, parsed.layers) if kind == "maps" else None
    config = JobConfig(settings, output_settings, exported, stills, shared_floats(tasks), kind == "masks")
    devices = gpus_for(len(tasks), settings.device) if parsed.ray is None else []
    if parsed.ray is not None or devices:
        reports = _run_in_processes(parsed, tasks, config, devices)
    else:
        reports = _run_here(parsed, tasks, config)
    return _conclude(reports, parsed)


def _run_here(parsed: argparse.Namespace, tasks: Sequence[Task], config: JobConfig) -> list[dict[str, Any]]:
    from rtviz.offline.jobs import JobRunner, failed, plain
    from rtviz.offline.tasks import check_outputs

    if parsed.workers is not None:
        raise SettingsError("workers", parsed.workers, "only with --ray")
    check_outputs(tasks, config)
    lines = ProgressLines() if parsed.progress == "json" else None
    if lines is not None:
        lines.loading()
        runner = JobRunner(config, lines.download)
    else:
        with download_bars(parsed.quiet) as progress:
            runner = JobRunner(config, progress)
    for model in runner.models:
        if model.notice:
            notices(parsed.quiet)(model.notice)
    if runner.models and config.kind != "maps" and not parsed.quiet:
        for sentence in unread_flags(parsed, config.settings, max(model.heads for model in runner.models)):
            say(sentence)
    reports: list[dict[str, Any]] = []
    for task in tasks:
        try:
            report = _run_one(task, runner, config, parsed.quiet, lines)
        except Exception as error:  # the edge of one input: the others go on
            if parsed.debug or (len(tasks) == 1 and not isinstance(error, RtvizError)):
                raise
            reports.append(failed(task, error))
            _say_failed(reports[-1])
        else:
            reports.append(report.to_mapping())
        if lines is not None:
            lines.end(plain(reports[-1:])[0])
    return reports


def _run_one(
    task: Task, runner: JobRunner, config: JobConfig, quiet: bool, lines: ProgressLines | None = None
) -> Report:
    from tqdm import tqdm

    from rtviz.sinks import leftover

    output = config.output
    cut_off = leftover(task.output)
    if cut_off is not None:
        say(f"an earlier run was cut off; what it had written is in {cut_off} and plays up to the cut")
    with config.open(task.place) as source:
        expected = source.info.expected_frames(output.start, output.end, output.every)
        total = None if expected is None else max(1, round(expected))
        if lines is not None:
            lines.begin(task, total)
        with tqdm(
            total=total,
            desc=Path(source.info.name).name,
            unit="frame",
            disable=no_bar(quiet or lines is not None),
            dynamic_ncols=True,
            smoothing=0.1,
        ) as bar:
            try:
                report = runner.run(source, task, bar.update if lines is None else lines.count)
            except (KeyboardInterrupt, RtvizError):
                bar.close()
                rest = leftover(task.output)
                if rest is not None:
                    say(f"what was written so far is in {rest}")
                raise
    _say_done(report, quiet)
    return report


def _run_in_processes(
    parsed: argparse.Namespace, tasks: Sequence[Task], config: JobConfig, devices: Sequence[str]
) -> list[dict[str, Any]]:
    """Run a job on every input in several processes; inputs that an earlier run has finished are not run again."""
    from rtviz.offline.manifest import Manifest
    from rtviz.offline.tasks import check_outputs

    if parsed.ray and Path(parsed.ray).exists():
        raise SettingsError("ray", parsed.ray, "the address of a cluster; an input goes before the options")
    if parsed.workers is not None and parsed.workers < 1:
        raise SettingsError("workers", parsed.workers, "at least 1")
    manifest = Manifest.beside(tasks, config) if len(tasks) > 1 else None
    reports, left = manifest.split(tasks) if manifest is not None else ([], list(tasks))
    if manifest is not None and reports:
        say(f"{len(reports)} of {len(tasks)} inputs were done before, as {manifest.path} says")
    # A run that was killed may have finished outputs that it could not report.
    own = [task for task in left if manifest is not None and manifest.begun(task)]
    check_outputs([task for task in left if task not in own], config)
    if own:
        config = replace(config, output=config.output.replace(overwrite=True))
    if manifest is not None:
        manifest.begin(left)
    if left:
        new: Iterable[dict[str, Any]]
        if parsed.ray is None:
            from rtviz.offline.processes import in_processes

            new = in_processes(left, config, devices[: len(left)])
        else:
            from rtviz.offline.ray_cluster import on_ray

            new = on_ray(left, config, parsed.ray or None, parsed.workers)
        lines = ProgressLines() if parsed.progress == "json" else None
        _collect(new, reports, manifest, len(tasks), parsed.quiet, lines)
    return reports


def _collect(
    new: Iterable[dict[str, Any]],
    reports: list[dict[str, Any]],
    manifest: Any,
    inputs: int,
    quiet: bool,
    lines: ProgressLines | None,
) -> None:
    """Add reports to a list and to the manifest as they come, and print what they say."""
    from tqdm import tqdm

    from rtviz.offline.jobs import plain
    from rtviz.offline.pipeline import Report

    with tqdm(
        total=inputs, initial=len(reports), desc="inputs", unit="input",
        disable=no_bar(quiet or lines is not None), dynamic_ncols=True,
    ) as bar:  # fmt: skip
        frames, failures, start = 0, 0, time.monotonic()
        for report in new:
            if manifest is not None:
                manifest.add(report)
            reports.append(report)
            frames += report.get("frames_out", 0)
            failures += "error" in report
            rate = frames / (time.monotonic() - start)
            bar.set_postfix_str(f"{frames} frames at {rate:.1f}/s, {failures} failed", refresh=False)
            bar.update()
            if "error" in report:
                _say_failed(report)
            else:
                _say_done(Report.from_mapping(report), quiet)
            if lines is not None:
                lines.end(plain([report])[0])


def _say_failed(report: dict[str, Any]) -> None:
    say(with_remedy(report["error"], report.get("causes", ())), "error: ")


def _say_done(report: Report, quiet: bool) -> None:
    for warning in report.warnings:
        say(warning, "warning: ")
    if quiet:
        return
    if report.size is not None:
        shape = "{1}x{0}".format(*report.size)
    else:
        shape = "maps of {} rows and {} columns".format(*report.grid) if report.grid else "nothing"
    made_by = f"{report.model} on {report.device}, {report.precision}" if report.model else "no model"
    say(
        f"wrote {report.output}: {counted(report.frames_out, 'frame')}, {shape}, {report.duration_seconds:.1f} s, "
        f"at {report.fps:.1f} frames/s ({made_by})"
    )


def _conclude(reports: Sequence[dict[str, Any]], parsed: argparse.Namespace) -> int:
    """Print how many inputs were done, and the reports if they are wanted; returns the exit status."""
    from rtviz.offline.jobs import plain

    statuses = [report.get("exit_status", 0) for report in reports]
    failures = len([status for status in statuses if status])
    if len(reports) > 1 and (failures or not parsed.quiet):
        done = f"{len(reports) - failures} of {len(reports)} inputs done"
        say(done + (f", {failures} failed" if failures else ""))
    if parsed.json:
        rows = plain(reports)
        print(json.dumps(rows[0] if len(rows) == 1 else rows, indent=2, default=str))
    return statuses[0] if len(statuses) == 1 else int(failures > 0)


__all__ = ["add"]

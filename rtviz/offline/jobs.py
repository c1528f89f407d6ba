"""Many inputs shared out among processes: one for each GPU of this machine, or the workers of a Ray cluster."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import multiprocessing.connection
import os
import queue
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtviz import threads
from rtviz.errors import DeviceLost, MissingDependency, OutputUnwritable, RtvizError, SettingsError, in_words
from rtviz.settings import OutputSettings, Settings

if TYPE_CHECKING:
    from rtviz.models import Model
    from rtviz.sources import SourceInfo

MANIFEST = "rtviz-jobs.jsonl"

# How often an input is begun anew whose process was killed, before that is its error.
_ATTEMPTS = 2
# How a process ends whose GPU has failed it: another one may begin anew.
_LOST = 70
# So long a process that is stopped may take to put away what it has half written.
_GRACE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Task:
    """An input and where its output goes."""

    place: str
    output: Path


@dataclass(frozen=True, slots=True)
class JobConfig:
    """What is done with every input.

    Attributes:
        exporting: the raw maps are written, and nothing drawn.
        stills: whether pictures are drawn at the resolution at which they show most, because none was asked for.
    """

    settings: Settings
    output: OutputSettings
    exporting: bool = False
    stills: bool = False

    def settings_for(self, source: SourceInfo, models: Sequence[Model]) -> Settings:
        """The settings for one input."""
        from rtviz.engine.engine import for_still

        return for_still(self.settings, models, source.size) if self.stills and source.still else self.settings

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, which tell two orders apart."""
        output, settings = self.output.to_mapping(), self.settings.to_mapping()
        output.pop("overwrite", None)  # says how, not what
        settings.pop("device", None)
        stills = {"stills": True} if self.stills else {}
        return {"settings": settings, "output": output, "exporting": self.exporting, **stills}


class Worker:
    """Does one input after the other with a model that is loaded once; what fails is a row too.

    Args:
        order: what is done with each.
    """

    def __init__(self, order: JobConfig) -> None:
        threads.draw_in_one_thread()
        from rtviz.engine.comparison import Comparison
        from rtviz.engine.engine import Engine

        self._order = order
        self._broken: Exception | None = None  # why nothing can be done here
        self._panes = not order.exporting and bool(order.settings.compare or order.settings.jaccard)
        try:
            self._models = (Comparison if self._panes else Engine).for_settings(order.settings).models
        except Exception as error:  # the edge of the process: each input's report tells
            self._broken = error

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row with "input" and "output" -> the same with "report", as JSON."""
        return {**row, "report": json.dumps(self._do(Task(row["input"], Path(row["output"]))), default=str)}

    def _do(self, task: Task) -> dict[str, Any]:
        from rtviz.engine.comparison import Comparison
        from rtviz.engine.engine import Engine
        from rtviz.offline import pipeline
        from rtviz.sources import open_source

        if self._broken is not None:
            return failed(task, self._broken)
        order = self._order
        part = order.output
        engine = Comparison([Engine(model) for model in self._models]) if self._panes else Engine(*self._models)
        try:
            with open_source(task.place, **part.part()) as source:
                if order.exporting:
                    assert isinstance(engine, Engine)
                    report = pipeline.export(source, task.output, engine, order.settings, part)
                else:
                    settings = order.settings_for(source.info, self._models)
                    report = pipeline.render(source, task.output, engine, settings, part)
        except Exception as error:  # the edge of the process: the other inputs go on
            if isinstance(error, DeviceLost):  # the others would fail in an instant, too
                os._exit(_LOST)
            return failed(task, error)
        return {**report.to_mapping(), "input": task.place, "output": str(task.output)}


def failed(task: Task, error: BaseException | str) -> dict[str, Any]:
    """The report of an input that could not be done."""
    status = error.exit_status if isinstance(error, RtvizError) else 1
    said = in_words(error) if isinstance(error, BaseException) else error
    if isinstance(error, BaseException) and not isinstance(error, RtvizError):
        said = f"{task.place}: {said} (a bug in rtviz; --debug shows where)"
    return {"input": task.place, "output": str(task.output), "error": said, "exit_status": status}


# --- processes of this machine ---------------------------------------------------------------------------------------


_worker: Worker | None = None  # of a process that works for another


def _begin(order: JobConfig) -> None:
    global _worker
    # Ctrl-C reaches every process of a terminal; the one that ordered the work decides what comes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stopped)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker = Worker(_with_one_gpu(order))


def _with_one_gpu(order: JobConfig) -> JobConfig:
    """The order for a process that sees no GPU but its own: what any library does on the first one stays with it."""
    kind, _, number = order.settings.device.partition(":")
    if kind != "cuda" or not number:
        return order
    listed = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    os.environ["CUDA_VISIBLE_DEVICES"] = listed[int(number)] if int(number) < len(listed) else number
    return replace(order, settings=order.settings.replace(device="cuda"))


def _stopped(number: int, frame: object) -> None:
    raise SystemExit(128 + number)  # on the way out what was half written is taken away


def _end_with_parent() -> None:
    """A process that works for one that is gone would hold its GPU for nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE_SECONDS)
        os._exit(1)


def _work(row: dict[str, Any]) -> dict[str, Any]:
    assert _worker is not None
    return _worker(row)


def in_processes(tasks: Sequence[Task], order: JobConfig, devices: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The report of each input, as soon as it is done; a process for each device, which takes the next input when it
    is free. An input whose process was killed is begun anew, once.

    Args:
        devices: as `Settings.device` names them.
    """
    waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
    for task in tasks:
        waiting.put(task)
    done: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    stop = threading.Event()
    pools: list[ProcessPoolExecutor] = []

    def serve(device: str) -> None:
        here = replace(order, settings=order.settings.replace(device=device))
        pool: ProcessPoolExecutor | None = None
        try:
            while not stop.is_set():
                try:
                    task = waiting.get_nowait()
                except queue.Empty:
                    return
                report: dict[str, Any] = failed(
                    task, f"the process that worked on {task.place} was killed {_ATTEMPTS} times"
                )
                for _ in range(_ATTEMPTS):
                    if stop.is_set():
                        return
                    if pool is None:
                        spawn = multiprocessing.get_context("spawn")
                        pool = ProcessPoolExecutor(1, spawn, initializer=_begin, initargs=(here,))
                        pools.append(pool)
                    try:
                        row = pool.submit(_work, {"input": task.place, "output": str(task.output)}).result()
                    except BrokenProcessPool:
                        pool = None
                        continue
                    except BaseException as error:  # the edge of the process: whoever waits for a report gets one
                        report = failed(task, error)
                    else:
                        report = json.loads(row["report"])
                    break
                done.put(report)
        finally:
            if pool is not None:
                pool.shutdown(cancel_futures=True)

    servers = [threading.Thread(target=serve, args=(device,), daemon=True) for device in devices]
    for server in servers:
        server.start()
    try:
        for _ in tasks:
            yield done.get()
    except BaseException:  # nobody wants the rest any more
        stop.set()
        for pool in pools:
            for process in list((pool._processes or {}).values()):
                process.terminate()
        raise
    finally:
        stop.set()
        for server in servers:
            server.join(_GRACE_SECONDS)


# --- a Ray cluster ---------------------------------------------------------------------------------------------------


def on_ray(
    tasks: Sequence[Task], order: JobConfig, address: str | None = None, workers: int | None = None
) -> Iterator[dict[str, Any]]:
    """The report of each input, as soon as it is done by one of the workers of a Ray cluster.

    A worker holds the model and has a GPU of its own, or a core where the cluster has no GPUs. Ray begins anew what a
    worker that was killed had in its hands. Inputs and outputs are found under the same names by every machine.

    Args:
        address: of the cluster, as `ray.init` understands it; None starts one on this machine.
        workers: how many; as many as there are GPUs, or half as many as cores, if not given.

    Raises:
        MissingDependency: Ray is not installed.
        RtvizError: the cluster cannot be reached.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    if not address:
        # One on this machine alone. Its processes talk over loopback, as Ray has it on Windows and macOS, and no other
        # machine reaches them; and only they know its token, which Ray would else leave in the home folder.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingDependency("ray", "rendering on a cluster", "pip install 'rtviz[ray]'") from error
    with contextlib.redirect_stdout(sys.stderr):  # Ray tells there which workers it lost, and stdout is for reports
        yield from _on_ray(ray, tasks, order, address, workers)


def _on_ray(
    ray: Any, tasks: Sequence[Task], order: JobConfig, address: str | None, workers: int | None
) -> Iterator[dict[str, Any]]:
    import logging

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address:
            ray.init(address, **quiet)
        else:
            with _no_dashboard():
                ray.init("local", include_dashboard=False, **quiet)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        why = "nobody answers there" if isinstance(error, ConnectionError) else in_words(error)
        raise RtvizError(f"no Ray cluster at {address or 'this machine'}: {why}") from error
    try:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        resources = ray.cluster_resources()
        gpus, cores = int(resources.get("GPU", 0)), int(resources.get("CPU", 1))
        count = workers or gpus or max(1, cores // 2)
        if gpus and order.settings.device.startswith("cuda:"):  # each worker sees one GPU, which is its first
            order = replace(order, settings=order.settings.replace(device="cuda"))
        each: dict[str, Any] = {"num_gpus": 1} if gpus else {"num_cpus": max(1, cores // count)}
        rows = [{"input": _absolute(task.place), "output": str(task.output.resolve())} for task in tasks]
        reports = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
            Worker,
            fn_constructor_args=(order,),
            compute=ray.data.ActorPoolStrategy(size=min(count, len(rows))),
            max_restarts=-1,
            max_task_retries=_ATTEMPTS,
            **each,
        )
        names = {(row["input"], row["output"]): task for row, task in zip(rows, tasks, strict=True)}
        for row in reports.iter_rows():
            task = names[row["input"], row["output"]]
            yield {**json.loads(row["report"]), "input": task.place, "output": str(task.output)}
    except ray.exceptions.RayError as error:
        raise RtvizError(f"the Ray cluster gave up: {str(error).splitlines()[0]}") from error
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _no_dashboard() -> Iterator[None]:
    """Ray without the process of its dashboard, which no argument keeps from starting.

    Where the dashboard is not included, this process holds Ray's usage statistics alone; and where these are switched
    off too, it still asks the addresses at which clouds answer where it runs. Ray does without it.
    """
    from ray._private import services

    def none(*_: Any, **__: Any) -> tuple[None, None]:  # what Ray takes for one that failed to start
        return None, None

    start, services.start_api_server = services.start_api_server, none
    try:
        yield
    finally:
        services.start_api_server = start


def _absolute(place: str) -> str:
    """A file's place as a worker in another folder finds it."""
    return str(Path(place).resolve()) if Path(place).exists() else place


# --- what is done already --------------------------------------------------------------------------------------------


class Manifest:
    """Which inputs of a job are done, in a file beside their outputs, so that a broken job goes on where it was.

    Each line is the report of one input; the first says what was ordered.

    Args:
        path: of the file.
        order: what is ordered now.
        overwrite: begin anew, whatever was done.

    Raises:
        SettingsError: what was done was ordered otherwise.
        OutputUnwritable: the file cannot be read or written there.
    """

    def __init__(self, path: Path, order: JobConfig, *, overwrite: bool = False) -> None:
        self.path = path
        self._done: dict[tuple[str, str], dict[str, Any]] = {}
        known = [] if overwrite else self._read()
        ordered = json.loads(json.dumps(order.to_mapping(), default=str))
        if known and known[0].get("order") != ordered:
            raise SettingsError(
                "output",
                str(path.parent),
                f"a folder without {path.name}, whose job had other settings: {_apart(known[0].get('order'), ordered)}",
            )
        for row in known[1:]:
            if "error" not in row and Path(row["output"]).exists() and row.get("of") == _stamp(row["input"]):
                self._done[row["input"], row["output"]] = row
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f"{path.name}.{os.getpid()}")
            partial.write_text("".join(json.dumps(row) + "\n" for row in ({"order": ordered}, *self._done.values())))
            partial.replace(path)
        except OSError as error:
            raise OutputUnwritable(f"cannot write {path}: {error.strerror or error}") from error

    def _read(self) -> list[dict[str, Any]]:
        try:
            lines = self.path.read_text().splitlines()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise OutputUnwritable(f"cannot read {self.path}: {error}") from error
        rows = []
        for line in lines:
            try:
                rows.append(dict(json.loads(line)))
            except (ValueError, TypeError):
                continue  # a line that was being written when the machine went down
        return rows

    def done(self, task: Task) -> dict[str, Any] | None:
        """The report of an input that is done, and whose output is still there."""
        row = self._done.get((_absolute(task.place), str(task.output.resolve())))
        return None if row is None else {**row, "input": task.place, "output": str(task.output)}

    def add(self, report: dict[str, Any]) -> None:
        """An input is done, or has failed."""
        place = _absolute(report["input"])
        row = {**report, "input": place, "output": str(Path(report["output"]).resolve()), "of": _stamp(place)}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row, default=str) + "\n")


def _stamp(place: str) -> list[int] | None:
    """What tells a file from another one that has come under its name; None of what is no file."""
    try:
        status = os.stat(place)
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _apart(one: Any, other: Any) -> str:
    """What differs between two orders, in words."""
    said = []
    for part in ("settings", "output"):
        had, has = ((order or {}).get(part) or {} for order in (one, other))
        names = [name for name in {**had, **has} if had.get(name) != has.get(name)]
        said += [f"{name} {had.get(name, 'not given')}, not {has.get(name, 'not given')}" for name in names]
    return "; ".join(said) or "maps were exported, not pictures, or the other way round"


def plain(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Reports as they are printed: without the exit status of a failure."""
    return [{name: value for name, value in row.items() if name != "exit_status"} for row in rows]


__all__ = ["MANIFEST", "JobConfig", "Manifest", "Task", "Worker", "failed", "in_processes", "on_ray", "plain"]

"""Jobs on a Ray cluster, or on the cores of this machine through Ray."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from rtviz.errors import MissingDependency, RtvizError, in_words
from rtviz.notices import from_json
from rtviz.offline.jobs import ATTEMPTS, JobConfig, Task, Worker, absolute


def on_ray(
    tasks: Sequence[Task], config: JobConfig, address: str | None = None, workers: int | None = None
) -> Iterator[dict[str, Any]]:
    """Runs the inputs on the workers of a Ray cluster and yields the report of each as soon as it is done.

    A worker holds the model and has a GPU of its own, or a core where the cluster has no GPUs. Ray retries the input of
    a worker that was killed. Every machine must find inputs and outputs under the same names.

    Args:
        address: of the cluster, as `ray.init` understands it; None starts one on this machine.
        workers: how many; as many as there are GPUs, or half as many as cores, if not given.

    Raises:
        MissingDependency: Ray is not installed.
        RtvizError: the cluster cannot be reached.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    if not address:
        # A cluster of this machine alone. Its processes talk over loopback, as is Ray's default on Windows and macOS,
        # which no other machine reaches; only they know its token, which Ray would otherwise leave in the home folder.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingDependency("ray", "rendering on a cluster", "pip install 'rtviz[ray]'") from error
    with contextlib.redirect_stdout(sys.stderr):  # Ray prints which workers it lost, and stdout is for reports
        yield from _on_ray(ray, tasks, config, address, workers)


def _on_ray(
    ray: Any, tasks: Sequence[Task], config: JobConfig, address: str | None, workers: int | None
) -> Iterator[dict[str, Any]]:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address:
            ray.init(address, **quiet)
        else:
            with _no_dashboard():
                ray.init("local", include_dashboard=False, **quiet)
    except Exception as error:  # on a machine that is too busy Ray raises a bare Exception
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
        if gpus and config.settings.device.startswith("cuda:"):  # each worker sees one GPU, which is its first
            config = replace(config, settings=config.settings.replace(device="cuda"))
        each: dict[str, Any] = {"num_gpus": 1} if gpus else {"num_cpus": max(1, cores // count)}
        rows = [{"input": absolute(task.place), "output": str(task.output.resolve())} for task in tasks]
        reports = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
            Worker,
            fn_constructor_args=(config,),
            compute=ray.data.ActorPoolStrategy(size=min(count, len(rows))),
            max_restarts=-1,
            max_task_retries=ATTEMPTS,
            **each,
        )
        names = {(row["input"], row["output"]): task for row, task in zip(rows, tasks, strict=True)}
        for row in reports.iter_rows():
            task = names[row["input"], row["output"]]
            yield {**from_json(row["report"]), "input": task.place, "output": str(task.output)}
    except ray.exceptions.RayError as error:
        raise RtvizError(f"the Ray cluster gave up: {str(error).splitlines()[0]}") from error
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _no_dashboard() -> Iterator[None]:
    """Starts Ray without its dashboard process, which no argument prevents from starting.

    Without the dashboard this process only collects usage statistics; with these switched off too, it still queries the
    metadata addresses of clouds to find out where it runs. Ray works without it.
    """
    from ray._private import services

    def none(*_: Any, **__: Any) -> tuple[None, None]:  # Ray takes this for a process that failed to start
        return None, None

    start, services.start_api_server = services.start_api_server, none
    try:
        yield
    finally:
        services.start_api_server = start

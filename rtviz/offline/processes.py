"""Jobs in several processes of this machine, one for each GPU."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import queue
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Any

from rtviz.notices import from_json
from rtviz.offline.jobs import ATTEMPTS, JobConfig, Task, Worker, failed

# So long a process that is stopped may take to delete what it has half written.
_GRACE_SECONDS = 5.0

_worker: Worker | None = None  # in a worker process


def _begin(config: JobConfig) -> None:
    global _worker
    # Ctrl-C reaches every process of a terminal; the parent decides what to do about it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stopped)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker = Worker(_with_one_gpu(config))


def _with_one_gpu(config: JobConfig) -> JobConfig:
    """The config for a process that sees its own GPU alone: whatever a library does on the first GPU stays there."""
    kind, _, number = config.settings.device.partition(":")
    if kind != "cuda" or not number:
        return config
    listed = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    os.environ["CUDA_VISIBLE_DEVICES"] = listed[int(number)] if int(number) < len(listed) else number
    return replace(config, settings=config.settings.replace(device="cuda"))


def _stopped(number: int, frame: object) -> None:
    raise SystemExit(128 + number)  # unwinding deletes what was half written


def _end_with_parent() -> None:
    """Ends this process when its parent has gone: it would hold its GPU for nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE_SECONDS)
        os._exit(1)


def _work(row: dict[str, Any]) -> dict[str, Any]:
    assert _worker is not None
    return _worker(row)


def gpus_for(inputs: int, device: str) -> list[str]:
    """The GPUs among which to share several inputs out; none where one is not enough to share, or was named.

    Args:
        device: as `Settings.device` names it.
    """
    if inputs < 2 or device not in ("auto", "cuda"):
        return []
    from rtviz.models.devices import devices

    found = [name for name in devices() if name.startswith("cuda")]
    return found if len(found) > 1 else []


def in_processes(tasks: Sequence[Task], config: JobConfig, devices: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Runs one process for each device and yields the report of each input as soon as it is done.

    A process that is free takes the next input. An input whose process was killed is tried once more.

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
        own = replace(config, settings=config.settings.replace(device=device))
        pool: ProcessPoolExecutor | None = None
        try:
            while not stop.is_set():
                try:
                    task = waiting.get_nowait()
                except queue.Empty:
                    return
                report: dict[str, Any] = failed(
                    task, f"the process that worked on {task.place} was killed {ATTEMPTS} times"
                )
                for _ in range(ATTEMPTS):
                    if stop.is_set():
                        return
                    if pool is None:
                        spawn = multiprocessing.get_context("spawn")
                        pool = ProcessPoolExecutor(1, spawn, initializer=_begin, initargs=(own,))
                        pools.append(pool)
                    try:
                        row = pool.submit(_work, {"input": task.place, "output": str(task.output)}).result()
                    except BrokenProcessPool:
                        pool = None
                        continue
                    except BaseException as error:  # the edge of the process: every input gets a report
                        report = failed(task, error)
                    else:
                        report = from_json(row["report"])
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
    except BaseException:  # the caller has stopped: the rest is not wanted
        stop.set()
        for pool in pools:
            for process in list((pool._processes or {}).values()):
                process.terminate()
        raise
    finally:
        stop.set()
        for server in servers:
            server.join(_GRACE_SECONDS)

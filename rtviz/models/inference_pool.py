"""InferencePool: threads that run forward passes side by side, each with its share of the CPU's cores."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import ParamSpec, TypeVar

import torch

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

# More passes at once than these would each want the weights from memory at the same time.
_MOST = 4
_ON_CUDA = 2


class InferencePool:
    """Threads for forward passes on one device; a context manager.

    CUDA has two: while it computes for one, the frames of the other are uploaded. Apple's GPUs have one. On a
    CPU each pass gets its share of the cores: with one core a pass, none waits at the end of each matrix product for a
    thread whose core decodes or draws. Measured with ViT-S/16 on two cores: two passes of one thread side by side
    process a tenth to a fifth more frames a second than one pass of two threads.

    Attributes:
        count: how many passes run at once.
    """

    def __init__(self, device: str) -> None:
        self._threads_before = torch.get_num_threads()
        at_once = {"cpu": min(self._threads_before, _MOST), "cuda": _ON_CUDA}
        self.count = max(1, at_once.get(device.partition(":")[0], 1))
        self._pool = ThreadPoolExecutor(self.count, "rtviz-forward", self._take_a_share)

    def __enter__(self) -> InferencePool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        torch.set_num_threads(self._threads_before)

    def submit(
        self, work: Callable[Arguments, Answer], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Answer]:
        """Run a piece of work in the first thread that is free."""
        return self._pool.submit(work, *args, **kwargs)

    def _take_a_share(self) -> None:
        # torch sets a new thread's number from the global one at its first use: that has to be over.
        torch.get_num_threads()
        torch.set_num_threads(max(1, self._threads_before // self.count))

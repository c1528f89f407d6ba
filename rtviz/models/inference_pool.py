"""Forward passes side by side: how the cores of a CPU are shared out when there are many frames to look at."""

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

    CUDA has two: while it computes for one, the frames of the other are uploaded. Apple's GPUs have one. A CPU's cores
    are shared out: with one core to each pass nobody waits at the end of each matrix product for a thread whose core
    was lent to decoding or drawing. Measured with ViT-S/16 on two cores: two passes of one thread side by side see a
    tenth to a fifth more frames a second than one pass of two threads.

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
        """Do a piece of work in the first lane that is free."""
        return self._pool.submit(work, *args, **kwargs)

    def _take_a_share(self) -> None:
        # torch sets a new thread's number from the global one at its first use: that has to be over.
        torch.get_num_threads()
        torch.set_num_threads(max(1, self._threads_before // self.count))

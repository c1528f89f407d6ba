"""Forward passes captured as CUDA graphs: one launch instead of some hundred, for each shape of input that comes again.

A graph reads and writes the memory that it was captured with. Its input, the row that is asked for and its output lie
in tensors of its own; what it reads besides (weights, positions) is held as long as the graph is.
"""

from __future__ import annotations

import logging
import math
import threading
import weakref
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from rtviz.models.probed_network import Overflow, ProbedNetwork, RawOutputs

_COMES_AGAIN = 3  # a shape that was seen so often is captured
_REMEMBERED = 6  # shapes; each holds the memory of one pass
_RARELY = 30  # a shape that gave way must be seen so often to be captured again: sizes that take turns are not worth it
_WARM_UP = 3  # passes before the capture, in which kernels are chosen
_SAME = 1e-2  # a replay's maps may be so far from a pass of the network: relative, Euclidean, of the worst row

# One capture at a time in a process: each begins by waiting for all of the device, which would break off another one.
_capturing = threading.Lock()
# A stream of each device to capture in and one to replay in. torch hands out streams from a ring, so that with many of
# them what another thread gives to its own might end up in a capture.
_streams: dict[tuple[torch.device, str], Any] = {}

_log = logging.getLogger(__name__)

Key = tuple[tuple[int, ...], bool]  # the shape of the input; whether the whole pass


class Graphs:
    """The captured passes of one model on a CUDA device.

    Args:
        network: a transformer of timm, on the device.
        layers: how many it has.
        native: the number format that it runs in.
    """

    backend = "graph"

    def __init__(self, network: Any, layers: int, native: str) -> None:
        self._network, self._layers, self._native = network, layers, native
        self._made: OrderedDict[Key, Graph | None] = OrderedDict()  # None: it cannot be captured
        self._came: Counter[Key] = Counter()
        self._turn = threading.Lock()

    def soon(self) -> None:
        """What comes again is captured anyway."""

    def find(self, x: Tensor, tokens: int, *, whole: bool) -> tuple[str, Graph] | None:
        """What sees such an input, with its number format; None where the network itself is to.

        Args:
            x: [batch, 3, height, width]. The network is fitted to its size.
            tokens: how many tokens the network works on.
            whole: tokens, keys and values are wanted too.
        """
        key = tuple(x.shape), whole
        self._came[key] += 1
        if key not in self._made and self._came[key] < _COMES_AGAIN:
            return None
        return self.make(x, tokens, whole=whole)

    def make(self, x: Tensor, tokens: int, *, whole: bool, frames: float = math.inf) -> tuple[str, Graph] | None:
        """The same, captured now where it is not yet. It takes so little that any number of frames pays."""
        key = tuple(x.shape), whole
        with self._turn:
            if key not in self._made:
                try:
                    with _capturing:
                        self._made[key] = Graph(ProbedNetwork(self._network, tokens, self._layers, whole=whole), x)
                except torch.OutOfMemoryError:  # there may be room for a pass, if not for what graphs hold
                    _log.debug("no room for a CUDA graph of a pass for inputs of %s", key)
                    for held in [held for held, graph in self._made.items() if graph is not None]:
                        del self._made[held]
                    self._made[key] = None
                    torch.cuda.empty_cache()
                except Exception:  # whatever cannot be captured runs as it is
                    _log.debug("no CUDA graph of a pass for inputs of %s", key, exc_info=True)
                    self._made[key] = None
                while len(self._made) > _REMEMBERED:
                    gone, _ = self._made.popitem(last=False)
                    self._came[gone] = _COMES_AGAIN - _RARELY
            self._made.move_to_end(key)
            graph = self._made[key]
        return None if graph is None else (self._native, graph)


class Graph:
    """The forward pass for inputs of one shape. Passes that meet wait for each other.

    Args:
        probed: on a CUDA device, without gradients.
        x: [batch, 3, height, width], one input, on the device.

    Raises:
        RuntimeError: it cannot be captured, or a replay gives other maps than the network.
    """

    def __init__(self, probed: ProbedNetwork, x: Tensor) -> None:
        self._device = x.device
        self._turn = threading.Lock()
        with torch.inference_mode(False), torch.no_grad(), torch.cuda.device(x.device):
            self._stream = _stream(x.device, "replay")
            self._x = torch.zeros_like(x)
            self._rows = torch.zeros(1, dtype=torch.int64, device=x.device)
            self._x.copy_(x)
            before, capturing = torch.cuda.current_stream(), _stream(x.device, "capture")
            capturing.wait_stream(before)
            with torch.cuda.stream(capturing), _Remembering() as remembering:
                for _ in range(_WARM_UP):
                    self._look(probed)
            capturing.synchronize()
            self._held = remembering.still_there()
            self._graph = torch.cuda.CUDAGraph()
            try:
                # Other threads go on using the device meanwhile.
                with torch.cuda.graph(self._graph, stream=capturing, capture_error_mode="thread_local"):
                    self._found, self._finite = self._look(probed)
            finally:
                torch.cuda.set_stream(before)  # torch leaves the capture's in its place where that fails
            # Another input and another row than those of the capture show whether it reads what it is given.
            other, row = x.flip(-1), torch.ones(1, dtype=torch.int64)
            expected = probed(other, row.to(x.device))[0].cpu()
            apart = (self(other, row).attention - expected).norm(dim=-1) / expected.norm(dim=-1)
            if not bool((apart <= _SAME).all()):
                raise RuntimeError(f"a replay is {float(apart.max()):.2g} away from the network")

    def _look(self, probed: ProbedNetwork) -> tuple[tuple[Tensor, ...], Tensor]:
        """What is captured: what the input shows, and whether all of it is finite, which is quicker told here."""
        found = probed(self._x, self._rows)
        return found, torch.stack([one.isfinite().all() for one in found]).all()

    def __call__(self, x: Tensor, rows: Tensor) -> RawOutputs:
        """What one input shows, in memory of the CPU.

        Args:
            x: [batch, 3, height, width], of the shape that was captured, on the device.
            rows: int64 [1], the token whose row is wanted, in memory of the CPU.

        Raises:
            Overflow: what it shows is not finite in fp16.
        """
        given = (*self._found, self._finite)
        hosts = [torch.empty(found.shape, dtype=found.dtype, pin_memory=True) for found in given]
        with torch.no_grad(), torch.cuda.device(self._device):
            done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            with self._turn:  # until everything is ordered; the next pass is ordered while this one is waited for
                self._stream.wait_stream(torch.cuda.current_stream())
                with torch.cuda.stream(self._stream):
                    self._x.copy_(x, non_blocking=True)
                    self._rows.fill_(int(rows[0]))
                    self._graph.replay()
                    for host, found in zip(hosts, given, strict=True):
                        host.copy_(found, non_blocking=True)
                    done.record()
            done.synchronize()  # the only wait of a pass
        *shown, finite = hosts
        if x.dtype == torch.float16 and not bool(finite):
            raise Overflow
        return RawOutputs(*shown)


def _stream(device: torch.device, purpose: str) -> Any:
    """The stream of a device to "capture" or to "replay" in."""
    if (device, purpose) not in _streams:
        _streams[device, purpose] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    return _streams[device, purpose]


class _Remembering(TorchFunctionMode):
    """Notes every tensor that is given to a function of torch, without holding it."""

    def __init__(self) -> None:
        super().__init__()
        self._met: dict[int, weakref.ref[Tensor]] = {}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        for leaf in tree_leaves((args, kwargs)):
            if isinstance(leaf, Tensor):
                self._met[id(leaf)] = weakref.ref(leaf)
        return func(*args, **kwargs)

    def still_there(self) -> list[Tensor]:
        """The memory of those that somebody holds: weights, and positions that were computed once.

        Aliases, because a parameter that moves to another device or number format stays the same object.
        """
        return [tensor.detach() for met in self._met.values() if (tensor := met()) is not None]


__all__ = ["Graph", "Graphs"]

"""Forward passes captured as CUDA graphs: one launch instead of some hundred, for each input shape that recurs.

A graph reads and writes the memory that it was captured with. It has tensors of its own for its input, the query's row
and its output; what else it reads (weights, positions) stays in memory as long as the graph does.
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

from rtviz.models.probed_network import Extent, Overflow, ProbedNetwork, RawOutputs

_RECURS = 3  # a shape that came so often is captured
_REMEMBERED = 6  # shapes; each holds the memory of one pass
_RARELY = 30  # a shape that was evicted must come so often to be captured again: sizes that take turns are not worth it
_WARM_UP = 3  # passes before the capture, in which kernels are chosen
_SAME = 1e-2  # a replay's maps may be so far from a pass of the network: relative, Euclidean, of the worst row

# One capture at a time in a process: each begins by waiting for all of the device, which would break off another one.
_capturing = threading.Lock()
# A stream of each device to capture in and one to replay in. torch hands out streams from a ring, so that with many of
# them what another thread gives to its own might end up in a capture.
_streams: dict[tuple[torch.device, str], Any] = {}

_log = logging.getLogger(__name__)

Key = tuple[tuple[int, ...], Extent]  # the shape of the input


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
        """Nothing to do: shapes that recur are captured anyway."""

    def find(self, x: Tensor, tokens: int, extent: Extent) -> tuple[str, Graph] | None:
        """The captured pass for such an input, with its number format; None where the network itself is to run.

        Args:
            x: [batch, 3, height, width]. The network is fitted to its size.
            tokens: how many tokens the network works on.
            extent: what it gives.
        """
        key = tuple(x.shape), extent
        self._came[key] += 1
        if key not in self._made and self._came[key] < _RECURS:
            return None
        return self.make(x, tokens, extent)

    def make(self, x: Tensor, tokens: int, extent: Extent, *, frames: float = math.inf) -> tuple[str, Graph] | None:
        """As `find`, captured now if it is not yet: that takes so little time that any number of frames pays."""
        key = tuple(x.shape), extent
        with self._turn:
            if key not in self._made:
                try:
                    with _capturing:
                        probed = ProbedNetwork(self._network, tokens, self._layers, extent)
                        self._made[key] = Graph(probed, x)
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
                    self._came[gone] = _RECURS - _RARELY
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
            kept = probed.extent.kept
            self._blocks = torch.zeros(kept, dtype=torch.int64, device=x.device) if kept else None
            self._x.copy_(x)
            before, capturing = torch.cuda.current_stream(), _stream(x.device, "capture")
            capturing.wait_stream(before)
            with torch.cuda.stream(capturing), _TensorRecorder() as recorder:
                for _ in range(_WARM_UP):
                    self._forward(probed)
            capturing.synchronize()
            self._held = recorder.alive()
            self._graph = torch.cuda.CUDAGraph()
            try:
                # Other threads go on using the device meanwhile.
                with torch.cuda.graph(self._graph, stream=capturing, capture_error_mode="thread_local"):
                    self._found, self._finite = self._forward(probed)
            finally:
                torch.cuda.set_stream(before)  # torch leaves the capture's in its place where that fails
            # Another input, row and block than those of the capture show whether it reads what it is given.
            other, row = x.flip(-1), torch.ones(1, dtype=torch.int64)
            blocks = None if self._blocks is None else torch.full((kept,), probed.blocks - 1)
            expected = probed(other, row.to(x.device), None if blocks is None else blocks.to(x.device))
            replayed = self(other, row, blocks)
            for place in (0, -1) if kept else (0,):  # attention, and the kept layers' tokens
                found, exact = replayed[place], expected[place].float().cpu()
                assert found is not None
                differences = (found.float() - exact).norm(dim=-1) / exact.norm(dim=-1)
                if not bool((differences <= _SAME).all()):
                    raise RuntimeError(f"a replay is {float(differences.max()):.2g} away from the network")

    def _forward(self, probed: ProbedNetwork) -> tuple[tuple[Tensor, ...], Tensor]:
        """What is captured: the outputs, and whether all of them are finite, which is quicker to check here."""
        found = probed(self._x, self._rows, self._blocks)
        return found, torch.stack([one.isfinite().all() for one in found]).all()

    def __call__(self, x: Tensor, rows: Tensor, blocks: Tensor | None = None) -> RawOutputs:
        """Run one pass; its outputs are in the CPU's memory.

        Args:
            x: [batch, 3, height, width], of the shape that was captured, on the device.
            rows: int64 [1], the token whose row is wanted, in memory of the CPU.
            blocks: int64 [kept], the blocks whose tokens are wanted, in memory of the CPU, where the extent has such.

        Raises:
            Overflow: a value is not finite in fp16.
        """
        given = (*self._found, self._finite)
        hosts = [torch.empty(found.shape, dtype=found.dtype, pin_memory=True) for found in given]
        with torch.no_grad(), torch.cuda.device(self._device):
            done = torch.cuda.Event()
            with self._turn:  # until everything is ordered; the next pass is ordered while this one is waited for
                self._stream.wait_stream(torch.cuda.current_stream())
                with torch.cuda.stream(self._stream):
                    self._x.copy_(x, non_blocking=True)
                    self._rows.fill_(int(rows[0]))
                    if self._blocks is not None and blocks is not None:
                        self._blocks.copy_(blocks)
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
        _streams[device, purpose] = torch.cuda.Stream(device)
    return _streams[device, purpose]


class _TensorRecorder(TorchFunctionMode):
    """Records every tensor that is passed to a function of torch, without keeping it alive."""

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

    def alive(self) -> list[Tensor]:
        """The memory of those tensors that are still in use: weights, and positions that were computed once.

        Aliases, because a parameter that moves to another device or number format stays the same object.
        """
        return [tensor.detach() for met in self._met.values() if (tensor := met()) is not None]


__all__ = ["Graph", "Graphs"]

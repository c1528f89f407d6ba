"""Which forward passes of a model are compiled: those of the sizes that come, where it pays."""

from __future__ import annotations

import copy
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from rtviz.errors import AttentionCaptureError
from rtviz.models import choices, compiled
from rtviz.models.compiled import Compiled
from rtviz.models.probed_network import ProbedNetwork, RawOutputs

WORSE = 2e-2  # so far may int8 maps be from those of fp32: of the worst head, relative, Euclidean
PAYS = 1.15  # so many times as fast must something be, to be taken instead of what is more exact
_TURNS = 5
_REMEMBERED = 6  # shapes of input; each holds the weights once more
_FULL = 16  # frames of a batch, beyond which the last one of a video is not filled up
_LARGEST = 200_000_000  # parameters: beyond, a copy in fp32 is too much to make unasked

# Two models that are compiled at once would be timed against each other; and the tracer's warnings are silenced for the
# whole process.
_one_at_a_time = threading.Lock()

_log = logging.getLogger(__name__)

Pass = Callable[[Tensor, Tensor], RawOutputs]
Key = tuple[tuple[int, ...], bool]  # the shape of the input; whether the whole pass


class Compiler:
    """The compiled passes of one model on a CPU.

    Args:
        name: of the model, under which what was found out is kept.
        network: a transformer of timm. What is compiled is a copy.
        layers: how many it has.
        native: the number format that it runs in without being compiled.
        precision: int8, bf16 or fp32; "auto" takes what is quickest, as long as the maps hold.
        always: compile every pass, and at once; else only those that are asked for, where it pays.
        backend: which of OpenVINO's devices.

    Raises:
        MissingDependency, DeviceFailed: as `compiled.device_of`.
    """

    def __init__(
        self,
        name: str,
        network: Any,
        layers: int,
        native: str,
        precision: str,
        *,
        always: bool,
        backend: str = "openvino",
    ) -> None:
        self.backend = backend
        self._device = compiled.device_of(backend) if always else "CPU"
        self._name, self._network, self._layers = name, network, layers
        self._native, self._precision, self._always = native, precision, always
        self._made: OrderedDict[Key, tuple[str, Compiled] | None] = OrderedDict()  # None: it does not pay
        self._threads = torch.get_num_threads()  # now: who looks later may have a share of them only
        self._background = False
        self._thread: threading.Thread | None = None

    def soon(self) -> None:
        """From now on compile in the background what comes and is not compiled yet, where it pays."""
        self._background = compiled.is_there()

    def find(self, x: Tensor, tokens: int, *, whole: bool) -> tuple[str, Pass] | None:
        """What sees such an input, with its number format; None where the network itself is to.

        Args:
            x: [batch, 3, height, width]. The network is fitted to its size.
            tokens: how many tokens the network works on.
            whole: tokens, keys and values are wanted too.

        Raises:
            AttentionCaptureError: it must be compiled, and cannot be.
        """
        key = tuple(x.shape), whole
        if key in self._made:
            self._made.move_to_end(key)
            return self._made[key]
        for (shape, knows_whole), made in list(self._made.items()):
            if made and knows_whole == whole and shape[1:] == x.shape[1:] and len(x) < shape[0] <= _FULL:
                return made[0], partial(_padded, made[1], shape[0])
        if self._always:
            return self.make(x, tokens, whole=whole)
        if self._background and (self._thread is None or not self._thread.is_alive()):
            copied = self._copy(tokens, whole)  # here, because nobody fits the network to another size meanwhile
            self._thread = threading.Thread(
                target=lambda: self._make(key, x, copied), name="rtviz-compile", daemon=True
            )
            self._thread.start()
        return None

    def make(self, x: Tensor, tokens: int, *, whole: bool) -> tuple[str, Compiled] | None:
        """The same, compiled now where it is not yet and it pays. Takes a few seconds.

        Raises:
            AttentionCaptureError: it must be compiled, and cannot be.
        """
        key = tuple(x.shape), whole
        if key not in self._made:
            self._make(key, x, self._copy(tokens, whole))
        return self._made[key]

    def _copy(self, tokens: int, whole: bool) -> ProbedNetwork | None:
        if not self._always and not compiled.is_there():
            return None
        if not self._always and sum(held.numel() for held in self._network.parameters()) > _LARGEST:
            return None
        return ProbedNetwork(copy.deepcopy(self._network), tokens, self._layers, whole=whole)

    def _make(self, key: Key, x: Tensor, probed: ProbedNetwork | None) -> None:
        made: tuple[str, Compiled] | None = None
        with _one_at_a_time:
            if key in self._made:
                return
            try:
                made = None if probed is None else self._best(x, probed)
            except Exception as error:  # whatever OpenVINO cannot do
                if self._always:
                    raise AttentionCaptureError(f"OpenVINO cannot compile {self._name}: {error}") from error
                _log.debug("OpenVINO cannot compile %s", self._name, exc_info=True)
            self._made[key] = made
            while len(self._made) > _REMEMBERED:
                self._made.popitem(last=False)

    def _best(self, x: Tensor, probed: ProbedNetwork) -> tuple[str, Compiled] | None:
        """What is quickest for such an input, of what holds; it is found out once on a machine."""
        wanted = self._precision
        size = "x".join(map(str, x.shape))
        both = f"torch {torch.__version__} in {self._threads} | openvino {compiled.version()}"
        key = f"{choices.cpu_name()} | {self._name} | {size} | {self._native} | {both}"
        if wanted == "auto":
            known = choices.known_choice(key)
            wanted = known if known in ("eager", "int8", self._native) else "auto"
        if wanted == "eager" and not self._always:
            return None
        if wanted in ("auto", "eager") and self._device != "CPU":
            wanted = "fp16"
        candidates = [self._native, "int8"] if wanted in ("auto", "eager") else [wanted]
        given = (x, torch.zeros(1, dtype=torch.int64))
        with torch.no_grad():
            times: dict[str, Callable[[], object]] = {"eager": lambda: probed(*given)}
            exact = ProbedNetwork(
                copy.deepcopy(probed.network).float(), probed.tokens, self._layers, whole=probed.whole
            )
            made = {precision: Compiled(exact, x, precision, self._threads, self._device) for precision in candidates}
            if len(candidates) == 1:
                # Other weights under the same name may not bear what was found out.
                holds = self._precision != "auto" or wanted != "int8" or made[wanted].difference <= WORSE
                return (wanted, made[wanted]) if holds else None
            if self._always:
                del times["eager"]
            times |= {name: lambda one=one: one(*given) for name, one in made.items()}  # type: ignore[misc]
            spent = choices.in_turns(times, _TURNS)
        best = next(iter(spent))
        for name in list(spent)[1:]:
            holds = name != "int8" or made[name].difference <= WORSE
            if holds and spent[name] * PAYS < spent[best]:
                best = name
        found = ", ".join(f"{name} {seconds * 1000:.1f} ms" for name, seconds in spent.items())
        _log.debug("%s: %s; int8 maps differ by %.4f: %s", key, found, made["int8"].difference, best)
        if not self._always:
            choices.keep_choice(key, best)
        return None if best == "eager" else (best, made[best])


def _padded(one: Compiled, count: int, x: Tensor, rows: Tensor) -> RawOutputs:
    """A batch that is not full, as the last of a video: seen as the others were, so that its maps are of one kind."""
    filled = torch.cat([x, x[-1:].expand(count - len(x), *x.shape[1:])])
    return RawOutputs(*(None if found is None else found[: len(x)] for found in one(filled, rows)))  # type: ignore[arg-type]


__all__ = ["PAYS", "WORSE", "Compiler"]

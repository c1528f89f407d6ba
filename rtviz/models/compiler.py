"""Compiler: compiles forward passes for the input sizes that come, where that pays."""

from __future__ import annotations

import copy
import hashlib
import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from rtviz._version import __version__
from rtviz.errors import AttentionCaptureError
from rtviz.models import compiled, compiled_cache, fidelity, measurements
from rtviz.models.compiled import Compiled
from rtviz.models.probed_network import Extent, ProbedNetwork, RawOutputs

PAYS = 1.15  # the least speed-up over torch
# After so many tokens in torch, in this run and earlier ones, it is measured whether compiling pays: 300 frames of a
# ViT-S/16 at 224. By then torch has taken about as long as the measurement does, so at worst it doubles the time.
MANY_TOKENS = 60_000
_TURNS = 5
_REMEMBERED = 6  # shapes of input; each holds the weights once more
_FULL = 16  # frames; a video's last batch is padded only up to batches of this size
_LARGEST = 200_000_000  # parameters: a larger network is not copied in fp32 unless the user wants it compiled

# Two models compiled at the same time would disturb each other's timings; and the tracer's warnings are silenced for
# the whole process.
_one_at_a_time = threading.Lock()

_log = logging.getLogger(__name__)

Pass = Callable[..., RawOutputs]  # of what Compiled takes
Key = tuple[tuple[int, ...], Extent]  # the shape of the input


class Compiler:
    """The compiled passes of one model on a CPU.

    Args:
        name: of the model; choices that were measured are kept under it.
        network: a transformer of timm. What is compiled is a copy.
        layers: how many it has.
        prefix: how many prefix tokens it has.
        native: the number format that it runs in without being compiled.
        precision: int8, bf16 or fp32; "auto" takes the native one where that pays and the maps hold, and never int8:
            of a trained DINOv2 its masks are further from those of float32 than `fidelity.holds` allows, and with AMX
            it is slower than bf16.
        always: compile every pass, and at once; else only where it pays.
        backend: which of OpenVINO's devices.

    Raises:
        MissingDependency, DeviceFailed: as `compiled.device_of`.
    """

    def __init__(
        self,
        name: str,
        network: Any,
        layers: int,
        prefix: int,
        native: str,
        precision: str,
        *,
        always: bool,
        backend: str = "openvino",
    ) -> None:
        self.backend = backend
        self._device = compiled.device_of(backend) if always else "CPU"
        self._name, self._network, self._layers, self._prefix = name, network, layers, prefix
        self._native, self._precision, self._always = native, precision, always
        self._made: OrderedDict[Key, tuple[str, Compiled] | None] = OrderedDict()  # None: it does not pay
        self._threads = torch.get_num_threads()  # now: a later pass may get only a share of them
        self._background = False
        self._thread: threading.Thread | None = None

    def soon(self) -> None:
        """From now on, compile new input sizes in the background, where it pays."""
        self._background = compiled.is_there()

    def find(self, x: Tensor, tokens: int, extent: Extent) -> tuple[str, Pass] | None:
        """The compiled pass for such an input, with its number format; None if the network itself must run.

        Args:
            x: [batch, 3, height, width]. The network is fitted to its size.
            tokens: how many tokens the network works on.
            extent: what it gives.

        Raises:
            AttentionCaptureError: it must be compiled, and cannot be.
        """
        key = tuple(x.shape), extent
        if key in self._made:
            self._made.move_to_end(key)
            return self._made[key]
        for (shape, held), made in list(self._made.items()):
            if made and held == extent and shape[1:] == x.shape[1:] and len(x) < shape[0] <= _FULL:
                return made[0], partial(_padded, made[1], shape[0])
        if self._always:
            return self.make(x, tokens, extent)
        if self._background and (self._thread is None or not self._thread.is_alive()):
            copied = self._copy(tokens, extent)  # in this thread: the network is not fitted to another size meanwhile
            self._thread = threading.Thread(
                target=lambda: self._make(key, x, copied), name="rtviz-compile", daemon=True
            )
            self._thread.start()
        return None

    def make(self, x: Tensor, tokens: int, extent: Extent, *, frames: float = math.inf) -> tuple[str, Compiled] | None:
        """As `find`, but compiles now what is not compiled yet, if that pays. Takes a few seconds.

        Args:
            frames: how many will follow. A few pay only if an earlier measurement says what each gains.

        Raises:
            AttentionCaptureError: it must be compiled, and cannot be.
        """
        key = tuple(x.shape), extent
        if key not in self._made:
            if not self._always and not (compiled.is_there() and self._pays(x, tokens, extent, frames)):
                return None
            self._make(key, x, self._copy(tokens, extent))
        return self._made[key]

    def _pays(self, x: Tensor, tokens: int, extent: Extent, frames: float) -> bool:
        """Whether so many frames are worth a compiled pass; or finding out whether they are."""
        key = self._key(x, self._network)
        known = measurements.known_choice(key)
        if known is None:
            before = _number(key + _IN_TORCH) or 0
            if before + frames * tokens >= MANY_TOKENS:
                return True
            measurements.keep_choice(key + _IN_TORCH, str(round(before + frames * tokens)))
            return False
        if known == "eager":
            return False
        kept = compiled_cache.exists(_name_kept(key, x, extent))
        enough = _number(key + (_READ_PAYS if kept else _COMPILED_PAYS))
        return frames * tokens >= MANY_TOKENS if enough is None else frames >= enough

    def _key(self, x: Tensor, network: Any) -> str:
        """What a choice is kept under: this machine, these weights, this size."""
        size = "x".join(map(str, x.shape[1:]))
        both = f"torch {torch.__version__} in {self._threads} | openvino {compiled.version()}"
        return f"{measurements.cpu_name()} | {self._name} {_fingerprint(network)} | {size} | {self._native} | {both}"

    def _copy(self, tokens: int, extent: Extent) -> ProbedNetwork | None:
        if not self._always and not compiled.is_there():
            return None
        if not self._always and sum(held.numel() for held in self._network.parameters()) > _LARGEST:
            return None
        return ProbedNetwork(copy.deepcopy(self._network), tokens, self._layers, extent)

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
        """The compiled pass for such an input, if it is quick and accurate enough; measured once on a machine."""
        key = "" if self._always else self._key(x, probed.network)
        known = measurements.known_choice(key)
        if known == "eager":
            return None
        kept = _name_kept(key, x, probed.extent)
        start = time.perf_counter()
        if known == self._native and (one := compiled_cache.load(kept, self._native, self._threads)):
            return self._native, one
        exact = ProbedNetwork(
            copy.deepcopy(probed.network).float(),
            probed.tokens,
            self._layers,
            probed.extent,
            elementwise=True,
        )
        if self._always:
            wanted = self._precision
            if wanted == "auto":
                wanted = self._native if self._device == "CPU" else "fp16"
            return wanted, Compiled(exact, x, wanted, self._threads, self._device)
        one = Compiled(exact, x, self._native, self._threads, self._device)
        seconds = time.perf_counter() - start
        if known != self._native:
            given = probed.extent.example(x)
            with torch.no_grad():
                times: dict[str, Callable[[], object]] = {
                    "eager": lambda: probed(*given),
                    "compiled": lambda: one(*given),
                }
                spent = measurements.in_turns(times, _TURNS)
                pays = spent["compiled"] * PAYS < spent["eager"]
                true = pays and self._holds(x, probed, one, exact)
            found = ", ".join(f"{name} {taken * 1000:.1f} ms" for name, taken in spent.items())
            _log.debug("%s: %s%s", key, found, "; but its maps are too far from those of fp32" if pays > true else "")
            if not true:
                # Another frame may be judged otherwise, and on a machine that is less busy it may pay.
                if not pays and not measurements.busy():
                    measurements.keep_choice(key, "eager")
                return None
            measurements.keep_choice(key, self._native)
            gain = (spent["eager"] - spent["compiled"]) / len(x)
            measurements.keep_choice(key + _COMPILED_PAYS, str(math.ceil(seconds / gain)))
            compiled_cache.save(kept, one)
            measurements.keep_choice(key + _READ_PAYS, f"{max(1.0, self._seconds_to_read(kept, given) / gain):.0f}")
        else:
            compiled_cache.save(kept, one)
        return self._native, one

    def _seconds_to_read(self, kept: str, given: tuple[Tensor, ...]) -> float:
        """How much longer a new process waits for the first maps of a kept pass than for later ones. It is measured at
        once, so that the machine is as busy as when the gain was measured."""
        start = time.perf_counter()
        again = compiled_cache.load(kept, self._native, self._threads)
        if again is None:
            return math.inf
        again(*given)
        return 2 * (time.perf_counter() - start)  # importing OpenVINO takes as long, which is here already

    def _holds(self, x: Tensor, probed: ProbedNetwork, one: Compiled, exact: ProbedNetwork) -> bool:
        """Whether its maps are accurate enough, judged on this frame, also mirrored and upside down."""
        frames = [x, x.flip(-1), x.flip(-2), x.flip(-1, -2)]
        _, *rest = probed.extent.example(x)

        def patches(run: Callable[..., Any]) -> Tensor:
            return torch.cat([run(frame, *rest)[0][:, :, :, 0, self._prefix :].float() for frame in frames])

        return fidelity.holds(patches(one), patches(probed), patches(lambda frame, *rest: exact(frame.float(), *rest)))


# What is kept beside a choice: the tokens that torch has processed so far; after how many frames compiling a pass, or
# reading one from the disk, pays.
_IN_TORCH, _COMPILED_PAYS, _READ_PAYS = " | tokens in torch", " | compiling pays after", " | reading pays after"


def _number(key: str) -> float | None:
    known = measurements.known_choice(key)
    try:
        return None if known is None else float(known)
    except ValueError:  # the file was edited
        return None


def _name_kept(key: str, x: Tensor, extent: Extent) -> str:
    """The key of a compiled pass in the cache."""
    given = "to the end" if extent.whole else "attention"
    kept = f", tokens of {extent.kept} layers" if extent.kept else ""
    return f"{key} | {len(x)} frames, {given}{kept}, rtviz {__version__}"


def _fingerprint(network: Any) -> str:
    """Tells other weights under the same name apart: by every weight, since compiled passes hold them all."""
    found = hashlib.blake2b(digest_size=16)
    for held in (*network.parameters(), *network.buffers()):
        found.update(held.detach().contiguous().flatten().view(torch.uint8).numpy())
    return found.hexdigest()


def _padded(one: Compiled, count: int, x: Tensor, *rest: Tensor) -> RawOutputs:
    """Pad an incomplete batch, such as a video's last, and run it like the others, so that all maps are of one kind."""
    filled = torch.cat([x, x[-1:].expand(count - len(x), *x.shape[1:])])
    return RawOutputs(*(None if found is None else found[: len(x)] for found in one(filled, *rest)))  # type: ignore[arg-type]


__all__ = ["MANY_TOKENS", "PAYS", "Compiler"]

"""A model that looks: frames in, Maps out, on one device and in one number format."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from rtviz.errors import AttentionCaptureError, DeviceFailed, DeviceLost, SettingsError
from rtviz.frame import Floats, Frame, GradCamTarget, Grid, Maps, Pixels, explained_layer, rounding_noise
from rtviz.models import backbone, cams, choices, gradcam
from rtviz.models.card import ModelCard
from rtviz.models.compiler import Compiler
from rtviz.models.cuda_graphs import Graphs
from rtviz.models.positions import Positions
from rtviz.models.probe import AttentionProbe, CapturedEnough, Entering
from rtviz.models.probed_network import Overflow, RawOutputs
from rtviz.models.read_write_lock import ReadWriteLock
from rtviz.models.resizing import resized, resized_on_device
from rtviz.options import WholeOption
from rtviz.settings import HeadOf, Query, Rolled, Settings, Target

FEATURES = frozenset({"tokens", "keys", "values", "rows", "rollout", "unablated", "grad"}) | cams.METHODS.keys()
# What is there only at the end of a pass; attention is there before the last layer's own output.
_AT_THE_END = frozenset({"tokens", "grad"}) | cams.METHODS.keys()
_WHOLE = _AT_THE_END | {"keys", "values"}  # what OpenVINO gives only then
# More patches than these in one frame would keep a large GPU busy for seconds; it is nearly always a slip.
MOST_PATCHES = 65536

Pass = Callable[[Tensor, Tensor], RawOutputs]  # of an input [batch, 3, height, width] and a row

_log = logging.getLogger(__name__)


class Places(Protocol):
    """What a network knows about places, fitted to each size of input."""

    def restore(self) -> None: ...

    def fit(self, grid: tuple[int, int]) -> None: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What a pass is asked for beside attention, and how it is made.

    Attributes:
        target: what Grad-CAM is to explain: a class's number, or "top".
        layer: in whose features, counted from 0.
        needs_gradients: whether Grad-CAM is wanted at all.
        rolled: how attention is to be rolled out; None if it is not.
        muted: heads whose output counts as 0, their layers counted from 0.
        unablated: whether the same is wanted with no head muted, too.
    """

    target: Target
    layer: int
    needs_gradients: bool
    rolled: Rolled | None = None
    muted: tuple[HeadOf, ...] = ()
    unablated: bool = False


class Model:
    """A vision transformer that shows its attention.

    One thread owns it. Others may look at the same time while all inputs are of one size; who moves it waits for them.

    Args:
        network: a transformer of timm (a torch module), with its weights.
        card: what is known about it.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: auto, fp32, bf16, fp16, int8 (on a CPU, with OpenVINO).
        resolution: short side, in pixels, of what the model sees.
        backend: auto, torch, openvino: what runs it on a CPU; openvino-gpu, openvino-npu: on Intel's other processors.
            What OpenVINO does not give, torch does on the CPU.
        notice: one sentence that the user must see.

    Raises:
        SettingsError: the device or the precision has no meaning.
        DeviceFailed: the device is absent.
    """

    def __init__(
        self,
        network: Any,
        card: ModelCard,
        *,
        device: str = "auto",
        precision: str = "auto",
        resolution: int = 224,
        backend: str = "auto",
        notice: str | None = None,
    ) -> None:
        self.card = card
        self.name = card.name
        self.resolution = _resolution(resolution)
        self.notice = notice
        self.network = network
        self.patch_size = card.patch_size
        self.layers = card.layers
        self.heads = card.heads
        self._asked_precision = Settings.option("precision").check(precision)
        self._asked_backend = Settings.option("backend").check(backend)
        self._soon = False
        self._network_lock = ReadWriteLock()
        self._native = ""  # the number format of what torch runs
        self._passes: Compiler | Graphs | None = None  # those that need not be made step by step
        self._read_architecture(network)
        self.to(device)

    def _read_architecture(self, network: Any) -> None:
        """What only a look at the network itself can tell."""
        self.prefix_tokens = int(network.num_prefix_tokens)
        self.has_cls = backbone.has_cls(network)
        # Everything that depends on the size of the input alone is made once for each size.
        self._positions: Places = Positions(network, self.card.resampling)
        # In the last layer's own output no patch can speak for a class any more, if only CLS is read after it. So the
        # patch tokens are taken where they enter that layer's attention, as pytorch-grad-cam advises for ViTs.
        entrance = getattr(network.blocks[-1], "norm1", None)
        self.classes = 0 if entrance is None else gradcam.classes_of(network)
        self._tap = gradcam.Tap([entrance]) if self.classes and entrance is not None else None

    def _no_grad(self) -> AbstractContextManager[None]:
        """A pass without gradients. What inference mode makes and keeps, such as rotary positions, could not be used in
        a later pass with gradients, so it is only for networks that never have one."""
        return torch.no_grad() if self.classes else torch.inference_mode()

    def __repr__(self) -> str:
        return (
            f"Model({self.name}: {self.layers} layers x {self.heads} heads, patches of {self.patch_size}, "
            f"{self.device}, {self.precision}, resolution {self.resolution})"
        )

    @property
    def runs_in(self) -> str:
        """The number format that the last pass ran in, with what ran it if that was not torch."""
        return self.precision if self.backend == "torch" else f"{self.precision} {self.backend}"

    def to(self, device: str) -> Model:
        """Move to another device; the precision is chosen anew where it was not told. Returns itself.

        Raises:
            SettingsError: the name means no device.
            DeviceFailed: the device is absent, or the model is too large for it.
        """
        target = choices.device_of(device)
        with memory_errors(str(target)), self._network_lock.alone():
            self.device = str(target)
            self._set_precision(choices.precision_of(self._asked_precision, target))
        return self

    def compile_soon(self) -> None:
        """From now on inputs of sizes that come are compiled in the background, where that pays."""
        self._soon = True
        if self._passes is not None:
            self._passes.soon()

    def compile(
        self,
        frame: Pixels,
        count: int = 1,
        resolution: int | None = None,
        features: Collection[str] = (),
        *,
        frames: float = math.inf,
    ) -> None:
        """Compile for batches of so many frames of this size, where that pays: on a CPU, where OpenVINO is installed.
        Takes a few seconds; whether it pays is found out once on a machine.

        Args:
            frame: RGB uint8 [height, width, 3].
            count: frames in a batch.
            resolution: short side; the model's own if not given.
            features: what else will be wanted, as for one frame.
            frames: how many are to come; few are not worth it, and how many that is, is known once it was found out.

        Raises:
            AttentionCaptureError: it must be compiled, and cannot be.
        """
        if self._passes is not None:
            x = self.prepare([frame] * count, resolution)
            self._passes.make(x, self._tokens_of(x), whole=not _WHOLE.isdisjoint(features), frames=frames)

    def _passes_for(self, native: str) -> Compiler | Graphs | None:
        """What compiles passes of this model on a CPU, if no number format was asked for, or captures them on CUDA."""
        asked, backend = self._asked_precision, self._asked_backend
        if backend.startswith("openvino") or asked == "int8":
            field, value = ("precision", "int8") if asked == "int8" else ("backend", backend)
            backend = "openvino" if backend == "auto" else backend
            if self.device != "cpu":
                raise SettingsError(field, value, f"what {self.device} can do; with OpenVINO the device is cpu")
            if backend == "torch":
                raise SettingsError(field, value, "fp32, bf16, fp16 with the backend torch")
            formats = ("auto", "fp32", "bf16", "int8") if backend == "openvino" else ("auto", "fp32", "int8")
            if asked not in formats:  # elsewhere auto means fp16
                raise SettingsError("precision", asked, f"{', '.join(formats)} with the backend {backend}")
            return Compiler(
                self.name, self.network, self.layers, self.prefix_tokens, native, asked, always=True, backend=backend
            )
        if backend == "torch":
            return None
        if self.device.startswith("cuda"):
            return Graphs(self.network, self.layers, native)
        if self.device != "cpu" or asked != "auto":
            return None
        return Compiler(self.name, self.network, self.layers, self.prefix_tokens, native, asked, always=False)

    def _fast_pass(self, x: Tensor, features: Collection[str], asked: Asked) -> Pass | None:
        """What sees this input instead of the network, if anything does."""
        found = None
        if self._passes is not None and not asked.needs_gradients and asked.rolled is None and not asked.muted:
            found = self._passes.find(x, self._tokens_of(x), whole=not _WHOLE.isdisjoint(features))
        if found is None:
            self.precision, self.backend = self._native, "torch"
            return None
        assert self._passes is not None
        (self.precision, one), self.backend = found, self._passes.backend
        return one

    def _set_precision(self, precision: str) -> None:
        if precision == "fp16" and not choices.fits_fp16(self.network):
            self._leave_fp16("has weights that fp16 cannot hold; it runs in bf16")
            return
        self._native = self.precision = precision
        self.backend = "torch"
        self._passes = self._passes_for(precision)
        if self._soon:
            self.compile_soon()
        self._dtype = choices.DTYPES[precision]
        self._positions.restore()
        self.network.to(device=self.device, dtype=self._dtype)
        mean, std = (
            torch.tensor(three, dtype=torch.float32, device=self.device) for three in (self.card.mean, self.card.std)
        )
        # Pixels from 0 to 255 go straight to normalised ones.
        self._scale, self._shift = (1 / (255 * std))[:, None, None], (-mean / std)[:, None, None]

    # --- sizes ---

    def input_size(self, frame_size: tuple[int, int], resolution: int | None = None) -> tuple[int, int]:
        """(height, width) that a frame of this (height, width) is resized to: its short side becomes the resolution,
        its aspect is kept, and both sides are rounded to whole patches.

        Raises:
            SettingsError: that would be an absurd number of patches.
        """
        resolution = self.resolution if resolution is None else _resolution(resolution)
        patch = self.patch_size
        height, width = frame_size
        short = min(height, width)
        rows, columns = (max(1, round(side * resolution / short / patch)) for side in (height, width))
        if rows * columns > MOST_PATCHES:
            largest = int(patch * (MOST_PATCHES * short / max(height, width)) ** 0.5)
            frames = f"frames of {width}x{height} and patches of {patch} pixels"
            possible = largest >= (Settings.option("resolution", WholeOption).minimum or 0)
            allowed = f"at most {largest} for {frames}" if possible else f"none for {frames}, which are too long"
            raise SettingsError("resolution", resolution, allowed)
        return rows * patch, columns * patch

    def still_resolution(self, frame_size: tuple[int, int]) -> int:
        """The resolution at which a still, which is in no hurry, shows most: 518 with patches of 14, at which DINOv2
        ends its training; else 480, the size of DINO's own figures. The model's own where a frame of this (height,
        width) would have too many patches then.
        """
        resolution = 518 if self.patch_size == 14 else 480
        try:
            self.input_size(frame_size, resolution)
        except SettingsError:
            return self.resolution
        return resolution

    # --- frames in ---

    def prepare(self, frames: Sequence[Pixels], resolution: int | None = None) -> Tensor:
        """What the network is given for frames of one input size: [batch, 3, height, width], normalised, on the device,
        in the model's number format. `network.forward_features` of it is the bare forward pass.

        Args:
            frames: RGB uint8 [height, width, 3], all of the same input size.
            resolution: short side; the model's own if not given.
        """
        height, width = self.input_size(_size(frames[0]), resolution)
        with self._no_grad():
            if self.device.startswith("cuda"):
                planes = resized_on_device(frames, height, width, self.device)
            else:
                seen = torch.cat([resized(frame, height, width) for frame in frames])
                pictures = seen.to(self.device)  # as bytes: a quarter of the transfer
                # Each colour in a plane of its own, which the patch embedding is quickest with on a CPU.
                planes = pictures.to(torch.float32, memory_format=torch.contiguous_format)
            self._positions.fit(self._grid_of(planes))
            return planes.mul_(self._scale).add_(self._shift).to(self._dtype)

    def __call__(self, frame: Pixels | Frame, query: Query = "cls", features: Collection[str] = ()) -> Maps:
        """What the model sees in one frame.

        Args:
            frame: RGB uint8 [height, width, 3].
            query: whose attention: "cls", or the patch under a point (x, y), as fractions of width and height.
            features: what else is wanted: "tokens" (patch tokens after the last norm), "keys" (of the last layer, as
                they enter the softmax), "values" (of the last layer, as the softmax weights them), "rows" (so
                that `Maps.ask` answers for any other query).

        Raises:
            SettingsError: the query is no place on the frame, the model has no CLS, or the frame is absurdly long.
            DeviceFailed: out of memory.
            AttentionCaptureError: the network did not show the attention of every layer.
        """
        return self.batch([frame.pixels if isinstance(frame, Frame) else Frame(frame).pixels], query, features)[0]

    def batch(
        self,
        frames: Sequence[Pixels],
        query: Query = "cls",
        features: Collection[str] = (),
        resolution: int | None = None,
        *,
        target: Target = "top",
        layer: int = -1,
        rollout: tuple[str, float] = ("mean", 0.9),
        mute: Sequence[tuple[int, int]] = (),
    ) -> list[Maps]:
        """What the model sees in each of several frames, in order; frames of one input size share a forward pass.

        Args:
            frames: RGB uint8 [height, width, 3] each.
            query, features: as for one frame.
            resolution: short side; the model's own if not given.
            target: which class the feature "grad" explains: its number, or "top", the most likely one of each frame.
            layer: in which stage of a convolutional network; of a transformer it is always the last layer. The feature
                "rollout" goes up to it.
            rollout: how the feature "rollout" fuses heads, and which share of the weakest values it discards.
            mute: (layer, head) whose output counts as 0. The feature "unablated" gives the maps without that too.

        Raises:
            SettingsError, DeviceFailed, AttentionCaptureError: as for one frame; or the model has no such class.
        """
        if unknown := set(features) - FEATURES:
            raise ValueError(f"features cannot be {sorted(unknown)}; allowed: {', '.join(sorted(FEATURES))}")
        query = Settings.option("query").check(query)
        target = Settings.option("target").check(target)
        asked = Asked(
            target,
            explained_layer(layer, self.layers, self.heads),
            "grad" in features,
            Rolled(*rollout, explained_layer(layer, self.layers, 0)) if "rollout" in features and self.heads else None,
            self._muted(mute) if self.heads else (),
            "unablated" in features,
        )
        if asked.needs_gradients:
            if self.classes:
                gradcam.check_target(target, self.classes, self.name)
            else:  # something to show, until somebody reads that there is no classifier
                features = {"activation", *features}
        of_size: dict[tuple[int, int], list[int]] = {}
        for place, frame in enumerate(frames):
            of_size.setdefault(self.input_size(_size(frame), resolution), []).append(place)
        found: dict[int, Maps] = {}
        for places in of_size.values():
            given = [frames[place] for place in places], query, features, resolution, asked
            try:
                with self._network_lock.beside_others():
                    maps = self._look_at(*given)
            except Overflow:
                with self._network_lock.alone():
                    if self.precision == "fp16":  # another pass may have left it meanwhile
                        self._leave_fp16("leaves the range of fp16 on this input; it goes on in bf16")
                with self._network_lock.beside_others():
                    maps = self._look_at(*given)
            found |= dict(zip(places, maps, strict=True))
        return [found[place] for place in range(len(frames))]

    def _muted(self, mute: Sequence[tuple[int, int]]) -> tuple[HeadOf, ...]:
        """The heads that are meant, their layers counted from 0, each once."""
        for layer, head in mute:
            if not (-self.layers <= layer < self.layers and 0 <= head < self.heads):
                allowed = f"layers {-self.layers} to {self.layers - 1}, heads 0 to {self.heads - 1} ({self.name})"
                raise SettingsError("mute", f"{layer}.{head}", allowed)
        return tuple(sorted({HeadOf(layer % self.layers, head) for layer, head in mute}))

    def _look_at(
        self, frames: Sequence[Pixels], query: Query, features: Collection[str], resolution: int | None, asked: Asked
    ) -> list[Maps]:
        with memory_errors(self.device):
            x = self.prepare(frames, resolution)
            twice = bool(asked.unablated and asked.muted)
            if twice:  # first as it is, then with heads muted: one pass is quicker than two
                x = torch.cat([x, x])
            rows = torch.tensor([self.row_of(query, self._grid_of(x))])
            muted_from = len(frames) if twice else 0
            fast = self._fast_pass(x, features, asked)
            probe = evidence = None
            if fast is not None:
                attention, tokens, keys, values, attended = fast(x, rows)
            elif asked.needs_gradients and self._tap is not None:
                with self._tap.at(0) as leaves:
                    attention, tokens, probe, ended = self._forward(
                        x, rows.to(self.device), features, nullcontext(), asked.muted, muted_from
                    )
                    assert ended is not None
                    evidence = gradcam.Evidence.of(self.network.forward_head(ended), leaves[0], asked.target)
            else:
                attention, tokens, probe, _ = self._forward(
                    x, rows.to(self.device), features, None, asked.muted, muted_from
                )
            if probe is not None:
                assert probe.last is not None
                keys = probe.last.keys() if "keys" in features else None
                values = probe.last.values() if "values" in features else None
                attended = None if tokens is None else probe.last.attended()
            attention = attention[:, :, :, 0].cpu()  # [batch, layers, heads, tokens]
            seen = {} if tokens is None else self._cams(tokens, features, self._grid_of(x), attended)
            if evidence is not None:
                patches = [self._laid_out(held, self._grid_of(x)) for held in (evidence.features, evidence.gradient)]
                seen["grad"] = gradcam.look(*patches).cpu().numpy()
            if attended is not None:
                attended = self._of_patches(attended, self._grid_of(x)).cpu() if self.has_cls else None
            tokens, keys, values = (
                held.float().cpu() if held is not None and name in features else None
                for name, held in (("tokens", tokens), ("keys", keys), ("values", values))
            )
            if self.precision == "fp16":
                shown = [*map(torch.from_numpy, seen.values())]
                if fast is None:  # a graph looks at the rest itself
                    shown += [one for one in (attention, tokens, keys, values) if one is not None]
                if not all(one.isfinite().all() for one in shown):
                    raise Overflow
            rolled = None
            if asked.rolled is not None and probe is not None:
                rolled = self._rolled_out(probe.qk_inputs, int(rows[0]), asked.rolled).cpu().numpy()
        size = (x.shape[2], x.shape[3])
        ask = self._asker(x, fast, probe, asked) if "rows" in features else None
        found = [
            replace(
                maps,
                explained=self._explained(asked, evidence, place),
                rollout=None if rolled is None else rolled[place].reshape(maps.grid).copy(),
                rolled=asked.rolled,
                rows=None if ask is None else partial(ask, place),
                muted=asked.muted if place >= muted_from else (),
            )
            for place, maps in enumerate(self._maps(attention, tokens, keys, values, attended, seen, query, size))
        ]
        if not twice:
            return found
        pairs = zip(found[: len(frames)], found[len(frames) :], strict=True)
        return [replace(muted, unablated=unablated) for unablated, muted in pairs]

    def _rolled_out(self, qk_inputs: Sequence[Entering], row: int, rolled: Rolled) -> Tensor:
        """What each patch counts for a token: float32 [batch, patches], on the model's device."""
        from rtviz.models.rollout import rolled_out

        with torch.inference_mode(), memory_errors(self.device):
            along = rolled_out(qk_inputs[: rolled.layer + 1], row, rolled.fusion, rolled.discard)
            return along[:, self.prefix_tokens :]

    def _explained(self, asked: Asked, evidence: gradcam.Evidence | None, place: int) -> GradCamTarget | None:
        """What Grad-CAM is of in the frame at this place of its batch."""
        if not asked.needs_gradients:
            return None
        return gradcam.explained(self.network, asked.target, asked.layer, evidence, place)

    def _laid_out(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """The patches' tokens [batch, tokens, width] on their grid: [batch, width, rows, columns]."""
        return tokens[:, self.prefix_tokens :].mT.reshape(len(tokens), -1, *grid)

    def _of_patches(self, row: Tensor, grid: tuple[int, int]) -> Tensor:
        """The patches' part of [batch, tokens]: [batch, rows, columns]."""
        return row[:, self.prefix_tokens :].reshape(-1, *grid)

    def _cams(
        self, tokens: Tensor, features: Collection[str], grid: tuple[int, int], attended: Tensor | None
    ) -> dict[str, Floats]:
        """What the patch tokens [batch, tokens, width] respond to: float32 [batch, rows, columns] by method.

        Args:
            attended: what the first token attends to in the last layer, float32 [batch, tokens].
        """
        with torch.inference_mode():
            patches = self._laid_out(tokens, grid)
            high = self._of_patches(attended, grid) if attended is not None and self.has_cls else None
            return {name: look(patches, high).cpu().numpy() for name, look in cams.METHODS.items() if name in features}

    def _leave_fp16(self, why: str) -> None:
        said = f"{self.name} {why}"
        self.notice = f"{self.notice}; {said}" if self.notice else said
        self._set_precision("bf16")

    def _maps(
        self,
        attention: Tensor,
        tokens: Tensor | None,
        keys: Tensor | None,
        values: Tensor | None,
        attended: Tensor | None,
        seen: Mapping[str, Floats],
        query: Query,
        input_size: tuple[int, int],
    ) -> list[Maps]:
        rows, columns = grid = (input_size[0] // self.patch_size, input_size[1] // self.patch_size)
        prefix = self.prefix_tokens

        def of_heads(held: Tensor | None, place: int) -> Floats | None:
            """[batch, heads, tokens, head width] -> the patches' [heads, rows, columns, head width]."""
            if held is None:
                return None
            return np.asarray(held[place, :, prefix:].reshape(self.heads, rows, columns, -1).numpy().copy())

        maps = []
        for place, row in enumerate(attention.numpy()):
            to_patches, to_prefix = self._apart(row, grid)
            maps.append(
                Maps(
                    attention=to_patches,
                    prefix=to_prefix,
                    query=query,
                    model=self.name,
                    patch_size=self.patch_size,
                    input_size=input_size,
                    tokens=None if tokens is None else tokens[place, prefix:].reshape(rows, columns, -1).numpy().copy(),
                    keys=of_heads(keys, place),
                    keys_layer=None if keys is None else self.layers - 1,
                    values=of_heads(values, place),
                    attended=None if tokens is None or attended is None else attended[place].numpy().copy(),
                    discovery_features=self.card.discovery_features,
                    cams={method: (found[place].copy(),) for method, found in seen.items()},
                    noise=rounding_noise(float(torch.finfo(self._dtype).eps)),
                )
            )
        return maps

    def _apart(self, row: Floats, grid: tuple[int, int]) -> tuple[Floats, Floats]:
        """What a row [layers, heads, tokens] gives to the patches, [layers, heads, rows, columns], and to the prefix.

        Copies: a view would keep the whole batch alive as long as one of its frames.
        """
        prefix = self.prefix_tokens
        return row[:, :, prefix:].reshape(self.layers, self.heads, *grid).copy(), row[:, :, :prefix].copy()

    def _asker(
        self, x: Tensor, fast: Pass | None, probe: AttentionProbe | None, asked: Asked
    ) -> Callable[[int, Query], dict[str, Floats]] | None:
        """What answers for another query, in the frame at a place of the batch: fields of Maps."""
        if fast is not None:  # it keeps nothing of a pass, and is quick enough for another one
            return partial(self._looked_again, x, fast)
        if probe is not None and probe.qk_inputs:
            return partial(self._rows, probe.qk_inputs, self._grid_of(x), asked.rolled)
        return None

    def _looked_again(self, x: Tensor, fast: Pass, place: int, query: Query) -> dict[str, Floats]:
        grid = self._grid_of(x)
        try:
            with memory_errors(self.device):
                attention = fast(x, torch.tensor([self.row_of(query, grid)])).attention
        except Overflow as error:
            raise AttentionCaptureError(f"what {self.name} sees from there leaves the range of fp16") from error
        patches, prefix = self._apart(attention[place, :, :, 0].numpy(), grid)
        return {"attention": patches, "prefix": prefix}

    def _rows(
        self, qk_inputs: Sequence[Entering], grid: tuple[int, int], rolled: Rolled | None, place: int, query: Query
    ) -> dict[str, Floats]:
        """Of a pass that is over."""
        with torch.inference_mode(), memory_errors(self.device):
            number = self.row_of(query, grid)
            row = torch.tensor([number], device=qk_inputs[0].query.device)
            attention = torch.stack([layer.softmax(row)[place, :, 0] for layer in qk_inputs])
            patches, prefix = self._apart(attention.cpu().numpy(), grid)
        found = {"attention": patches, "prefix": prefix}
        if rolled is not None:
            found["rollout"] = self._rolled_out(qk_inputs, number, rolled)[place].reshape(grid).cpu().numpy()
        return found

    # --- tensors in ---

    def attention(self, x: Tensor, query: Query | None = None) -> Tensor:
        """The attention rows of every layer and head, for pictures that are normalised already.

        Args:
            x: float [batch, 3, height, width]; the sides are multiples of the patch size.
            query: "cls" (None says the same), or a point (x, y), as fractions of width and height.

        Returns:
            float32 [batch, layers, heads, rows, columns], on the model's device: softmax rows over all tokens, of which
            these are the patches' shares.

        Raises:
            ValueError: x has another shape.
            SettingsError: the query is no place on the frame, or the model has no CLS token.
            DeviceFailed: out of memory.
            AttentionCaptureError: the network did not show the attention of every layer.
        """
        patch = self.patch_size
        if x.ndim != 4 or x.shape[1] != 3 or not x.is_floating_point() or x.shape[2] % patch or x.shape[3] % patch:
            raise ValueError(
                f"x is normalised float [batch, 3, height, width] with sides that are multiples of {patch}, "
                f"not {x.dtype} {list(x.shape)}"
            )
        with memory_errors(self.device):
            x = x.to(self.device, self._dtype)
            grid = self._grid_of(x)
            rows = torch.tensor([self.row_of("cls" if query is None else query, grid)], device=self.device)
            attention = self._forward(x, rows)[0]
            return attention[:, :, :, 0, self.prefix_tokens :].reshape(*attention.shape[:3], *grid)

    def row_of(self, query: Query, grid: tuple[int, int]) -> int:
        """The index of the token that a query means, on a patch grid of (rows, columns).

        Raises:
            SettingsError: the query is no place on the frame, or the model has no CLS token.
        """
        query = Settings.option("query").check(query)
        if query == "cls":
            if not self.has_cls:
                raise SettingsError("query", "cls", f"a point X,Y, because {self.name} has no CLS token")
            return 0
        row, column = Grid(*grid).patch_at(query)
        return self.prefix_tokens + row * grid[1] + column

    def _grid_of(self, x: Tensor) -> tuple[int, int]:
        return x.shape[2] // self.patch_size, x.shape[3] // self.patch_size

    def _tokens_of(self, x: Tensor) -> int:
        rows, columns = self._grid_of(x)
        return self.prefix_tokens + rows * columns

    def _forward(
        self,
        x: Tensor,
        rows: Tensor,
        features: Collection[str] = (),
        quietly: AbstractContextManager[None] | None = None,
        muted: Sequence[HeadOf] = (),
        muted_from: int = 0,
    ) -> tuple[Tensor, Tensor | None, AttentionProbe, Tensor | None]:
        """One forward pass.

        Args:
            x: [batch, 3, height, width], on the device, in the model's number format.
            rows: int64 [queries], token indices.
            features: what else is wanted.
            quietly: how gradients are kept away; as usual if not given.
            muted, muted_from: heads whose output counts as 0, in the pictures from this one on.

        Returns:
            Attention float32 [batch, layers, heads, queries, tokens]; the output tokens [batch, tokens, width], None
            unless asked for; the probe, with what else it was to keep; and what the network's head is given.
        """
        grid = self._grid_of(x)
        self._positions.fit(grid)
        to_the_end = not _AT_THE_END.isdisjoint(features)
        probe = AttentionProbe(
            rows,
            tokens=self._tokens_of(x),
            stop_after=None if to_the_end else self.layers,
            keep_all=not {"rows", "rollout"}.isdisjoint(features),
            muted={layer: [head for of, head in muted if of == layer] for layer, _ in muted},
            muted_from=muted_from,
        )
        tokens = ended = None
        with quietly or self._no_grad():
            try:
                with probe:
                    tokens = ended = self.network.forward_features(x)
            except CapturedEnough:
                pass
            if len(probe.attention) != self.layers:
                raise AttentionCaptureError(
                    f"{self.name} showed the attention of {len(probe.attention)} of its {self.layers} layers; "
                    "rtviz cannot look into this architecture"
                )
            if tokens is not None and to_the_end:
                tokens = backbone.last_norm(self.network, tokens.detach())
            return torch.stack(probe.attention, dim=1), tokens if to_the_end else None, probe, ended


def _size(frame: Pixels) -> tuple[int, int]:
    height, width = frame.shape[:2]
    return height, width


def _resolution(resolution: int) -> int:
    return int(Settings.option("resolution").check(resolution))


class memory_errors:  # noqa: N801 - reads as a statement: `with memory_errors(device)`
    """Turns "out of memory", which torch tells in several ways, into DeviceFailed, and gives the memory back; and what
    a GPU never recovers from into DeviceLost."""

    def __init__(self, device: str) -> None:
        self._device = device

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, RuntimeError | MemoryError):
            return
        text = str(error)
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and not any(
            sign in text for sign in ("out of memory", "can't allocate memory", "not enough memory")
        ):
            if isinstance(error, torch.AcceleratorError):
                why = text.partition("\n")[0]
                raise DeviceLost(f"{self._device} failed, and rtviz has to be started anew: {why}") from error
            return
        if error.__traceback__ is not None:
            _drop_locals(error)
        if self._device.startswith("cuda"):
            torch.cuda.empty_cache()
        raise DeviceFailed(f"{self._device} is out of memory for this model at this resolution") from None


def _drop_locals(error: BaseException) -> None:
    """Let go of the tensors that the failed frames of the call stack hold; what failed would fail again otherwise."""
    import traceback

    traceback.clear_frames(error.__traceback__)

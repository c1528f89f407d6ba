"""Model, what transformers and convolutional networks share: frames in, Maps out, on one device."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rtviz.errors import SettingsError, no_heads
from rtviz.frame import Frame, GradCamTarget, Grid, Maps, Pixels, explained_layer
from rtviz.models import cams, devices, gradcam
from rtviz.models.card import ModelCard
from rtviz.models.memory import memory_errors
from rtviz.models.probed_network import Overflow
from rtviz.models.read_write_lock import ReadWriteLock
from rtviz.models.resizing import resized, resized_on_device
from rtviz.notices import joined
from rtviz.options import WholeOption
from rtviz.settings import HeadOf, Query, Rolled, Settings, Target

FEATURES = cams.METHODS.keys() | {
    "tokens",
    "keys",
    "values",
    "norms",
    "columns",
    "rows",
    "rollout",
    "unablated",
    "grad",
    "layer_tokens",
    "layer_keys",
}
# More patches than these in one frame would keep a large GPU busy for seconds; it is nearly always a slip.
MOST_PATCHES = 65536


@dataclass(frozen=True, slots=True)
class PassRequest:
    """What one forward pass is to give.

    Attributes:
        query: whose attention rows.
        features: what else, of FEATURES.
        resolution: short side of the input; None: the model's own.
        target: the class that Grad-CAM explains: its number, or "top".
        layer: whose features Grad-CAM takes, counted from 0.
        needs_gradients: whether Grad-CAM is wanted at all.
        rolled: how attention is rolled out; None: it is not.
        muted: heads whose output counts as 0, their layers counted from 0.
        unablated: whether the maps without muted heads are wanted too.
        kept_layers: which layers the features "layer_tokens" and "layer_keys" are of, counted from 0.
    """

    query: Query = "cls"
    features: Collection[str] = ()
    resolution: int | None = None
    target: Target = "top"
    layer: int = -1
    needs_gradients: bool = False
    rolled: Rolled | None = None
    muted: tuple[HeadOf, ...] = ()
    unablated: bool = False
    kept_layers: tuple[int, ...] = ()


class Model(ABC):
    """A network that shows what it responds to. `rtviz.load` makes one.

    One thread owns a model, and only it moves the model to another device. Other threads may run forward passes at the
    same time, as long as all inputs are of one size; a move waits for them.

    Args:
        network: of timm (a torch module), with its weights.
        card: what is known about it.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: auto, fp32, bf16, fp16, int8 (on a CPU, with OpenVINO).
        resolution: short side, in pixels, of the network's input.
        backend: auto, torch, openvino: what runs the network on a CPU; openvino-gpu, openvino-npu: on Intel's other
            processors. What OpenVINO does not give, torch does on the CPU.
        notice: one sentence that the user must see.

    Raises:
        SettingsError: the device or the precision has no meaning.
        DeviceFailed: the device is absent.
    """

    prefix_tokens = 0  # CLS and registers
    has_cls = False
    classes = 0  # that the network's classifier tells apart

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
        self._requested_precision = Settings.option("precision").check(precision)
        self._requested_backend = Settings.option("backend").check(backend)
        self._native = ""  # the number format that torch runs the network in
        self._lock = ReadWriteLock()  # forward passes read the network, a move changes it
        self._read_architecture(network)
        self.to(device)

    @abstractmethod
    def _read_architecture(self, network: Any) -> None:
        """Find what the card does not say in the network itself."""

    @abstractmethod
    def _predict(self, frames: Sequence[Pixels], request: PassRequest) -> list[Maps]:
        """Run one forward pass of frames of one input size.

        Raises:
            Overflow: a value is not finite in fp16.
        """

    def _fit_to(self, grid: Grid) -> None:  # noqa: B027 - most networks need nothing
        """Ready the network for inputs of this patch grid."""

    def _no_grad(self) -> AbstractContextManager[None]:
        """A pass without gradients. What inference mode makes and keeps, such as rotary positions, could not be used in
        a later pass with gradients, so it is only for networks that never have one."""
        return torch.no_grad() if self.classes else torch.inference_mode()

    def __repr__(self) -> str:
        return (
            f"Model({self.name}: {self.layers} layers x {self.heads} heads, patches of {self.patch_size}, "
            f"{self.device}, {self.precision}, resolution {self.resolution})"
        )

    # --- device and number format ---

    @property
    def runs_in(self) -> str:
        """The number format that the last pass ran in, with what ran it if that was not torch."""
        return self.precision if self.backend == "torch" else f"{self.precision} {self.backend}"

    def to(self, device: str) -> Model:
        """Move to another device; a precision that the user did not choose is chosen anew. Returns itself.

        Raises:
            SettingsError: the name means no device.
            DeviceFailed: the device is absent, or the model is too large for it.
        """
        target = devices.device_of(device)
        with memory_errors(str(target)), self._lock.writing():
            self.device = str(target)
            self._set_precision(devices.precision_of(self._requested_precision, target))
        return self

    def compile_soon(self) -> None:  # noqa: B027 - nothing compiles a convolutional network
        """From now on, compile passes for the input sizes that come in the background, where that pays."""

    def compile(  # noqa: B027
        self,
        frame: Pixels,
        count: int = 1,
        resolution: int | None = None,
        features: Collection[str] = (),
        kept_layers: Sequence[int] = (),
        *,
        frames: float = math.inf,
    ) -> None:
        """Compile passes for batches of so many frames of this size, where that pays: on a CPU, where OpenVINO is
        installed, and of transformers only. Takes a few seconds; whether it pays is measured once on a machine.

        Args:
            frame: RGB uint8 [height, width, 3].
            count: frames in a batch.
            resolution: short side; the model's own if not given.
            features: what else the passes will have to give, as for one frame.
            kept_layers: as for `batch`.
            frames: how many are to come. Few are not worth it; once measured, it is known how many are.

        Raises:
            AttentionCaptureError: it must be compiled, and cannot be.
        """

    def _set_precision(self, precision: str) -> None:
        if precision == "fp16" and not devices.fits_fp16(self.network):
            self._leave_fp16("has weights that fp16 cannot hold; it runs in bf16")
            return
        self._native = self.precision = precision
        self.backend = "torch"
        self._dtype = devices.DTYPES[precision]
        self._move_network()
        mean, std = (
            torch.tensor(three, dtype=torch.float32, device=self.device) for three in (self.card.mean, self.card.std)
        )
        # Pixels from 0 to 255 go straight to normalised ones.
        self._scale, self._shift = (1 / (255 * std))[:, None, None], (-mean / std)[:, None, None]

    def _move_network(self) -> None:
        """Bring the network to the device and the number format that are set."""
        self.network.to(device=self.device, dtype=self._dtype)

    def _leave_fp16(self, why: str) -> None:
        self._add_notice(f"{self.name} {why}")
        self._set_precision("bf16")

    def _add_notice(self, sentence: str) -> None:
        self.notice = joined(self.notice, sentence)

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

    def _grid_of(self, x: Tensor) -> Grid:
        return Grid(x.shape[2] // self.patch_size, x.shape[3] // self.patch_size)

    # --- frames in ---

    def prepare(self, frames: Sequence[Pixels], resolution: int | None = None) -> Tensor:
        """The network's input for frames of one input size: [batch, 3, height, width], normalised, on the device, in
        the model's number format. `network.forward_features` of it is the bare forward pass.

        Args:
            frames: RGB uint8 [height, width, 3], all of the same input size.
            resolution: short side; the model's own if not given.
        """
        height, width = self.input_size(_size(frames[0]), resolution)
        with self._no_grad():
            if self.device.startswith("cuda"):
                planes = resized_on_device(frames, height, width, self.device)
            else:
                pixels = torch.cat([resized(frame, height, width) for frame in frames])
                # They travel as bytes, a quarter of the transfer. Then each colour gets a plane of its own, which the
                # patch embedding is quickest with on a CPU.
                planes = pixels.to(self.device).to(torch.float32, memory_format=torch.contiguous_format)
            self._fit_to(self._grid_of(planes))
            return planes.mul_(self._scale).add_(self._shift).to(self._dtype)

    def __call__(self, frame: Pixels | Frame, query: Query = "cls", features: Collection[str] = ()) -> Maps:
        """Run one frame through the network.

        Args:
            frame: RGB uint8 [height, width, 3].
            query: whose attention: "cls", or the patch under a point (x, y), as fractions of width and height.
            features: what else is wanted: "tokens" (patch tokens after the last norm), "keys" (of the last layer, as
                they enter the softmax), "values" (of the last layer, as the softmax weights them), "norms" (of each
                token after every layer, the last one too), "columns" (what every token gives to the query), "rows" (so
                that `Maps.ask` answers for any other query).

        Raises:
            SettingsError: the query is no place on the frame, the model has no CLS, or the frame is absurdly long.
            DeviceFailed: out of memory.
            AttentionCaptureError: the attention of some layer could not be captured.
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
        kept_layers: Sequence[int] = (),
    ) -> list[Maps]:
        """Run several frames through the network; those of one input size share a forward pass.

        Args:
            frames: RGB uint8 [height, width, 3] each.
            query, features: as for one frame.
            resolution: short side; the model's own if not given.
            target: which class the feature "grad" explains: its number, or "top", the most likely one of each frame.
            layer: in which stage of a convolutional network; of a transformer it is always the last layer. The feature
                "rollout" goes up to it.
            rollout: how the feature "rollout" fuses heads, and which share of the weakest values it discards.
            mute: (layer, head) whose output counts as 0. The feature "unablated" gives the maps without that too.
            kept_layers: whose tokens and keys the features "layer_tokens" and "layer_keys" are; negative ones count
                from the end.

        Returns:
            The maps of each frame, in order.

        Raises:
            SettingsError, DeviceFailed, AttentionCaptureError: as for one frame; or the model has no such class.
        """
        if unknown := set(features) - FEATURES:
            raise ValueError(f"features cannot be {sorted(unknown)}; allowed: {', '.join(sorted(FEATURES))}")
        target = Settings.option("target").check(target)
        if "grad" in features:
            if self.classes:
                gradcam.check_target(target, self.classes, self.name)
            else:  # something to show beside the message that there is no classifier
                features = {"eigen" if self.heads else "activation", *features}
        rolled = Rolled(*rollout, explained_layer(layer, self.layers, 0)) if "rollout" in features else None
        request = PassRequest(
            query=Settings.option("query").check(query),
            features=features,
            resolution=resolution,
            target=target,
            layer=explained_layer(layer, self.layers, self.heads),
            needs_gradients="grad" in features,
            rolled=rolled if self.heads else None,
            muted=self._muted(mute) if self.heads else (),
            unablated="unablated" in features,
            kept_layers=self._layers_of(kept_layers),
        )
        by_size: dict[tuple[int, int], list[int]] = {}
        for place, frame in enumerate(frames):
            by_size.setdefault(self.input_size(_size(frame), resolution), []).append(place)
        found: dict[int, Maps] = {}
        for places in by_size.values():
            found |= zip(places, self._predict_in_range([frames[place] for place in places], request), strict=True)
        return [found[place] for place in range(len(frames))]

    def _predict_in_range(self, frames: Sequence[Pixels], request: PassRequest) -> list[Maps]:
        """The same in bf16, now and from now on, where a value leaves the range of fp16."""
        try:
            with self._lock.reading():
                return self._predict(frames, request)
        except Overflow:
            with self._lock.writing():
                if self.precision == "fp16":  # another pass may have left it meanwhile
                    self._leave_fp16("leaves the range of fp16 on this input; it goes on in bf16")
            with self._lock.reading():
                return self._predict(frames, request)

    def _layers_of(self, layers: Sequence[int]) -> tuple[int, ...]:
        """The layers, counted from 0."""
        for layer in layers:
            if not -self.layers <= layer < self.layers:
                raise SettingsError("layers", layer, f"{-self.layers} to {self.layers - 1} ({self.name})")
        return tuple(layer % self.layers for layer in layers)

    def _muted(self, mute: Sequence[tuple[int, int]]) -> tuple[HeadOf, ...]:
        """The heads to mute, their layers counted from 0, each once."""
        for layer, head in mute:
            if not (-self.layers <= layer < self.layers and 0 <= head < self.heads):
                allowed = f"layers {-self.layers} to {self.layers - 1}, heads 0 to {self.heads - 1} ({self.name})"
                raise SettingsError("mute", f"{layer}.{head}", allowed)
        return tuple(sorted({HeadOf(layer % self.layers, head) for layer, head in mute}))

    def _explained(self, request: PassRequest, evidence: gradcam.Evidence | None, place: int) -> GradCamTarget | None:
        """The class that Grad-CAM explains in the frame at this place of its batch."""
        if not request.needs_gradients:
            return None
        return gradcam.explained(self.network, request.target, request.layer, evidence, place)

    # --- tensors in ---

    def attention(self, x: Tensor, query: Query | None = None) -> Tensor:
        """The attention rows of every layer and head, for pictures that are normalised already.

        Args:
            x: float [batch, 3, height, width]; the sides are multiples of the patch size.
            query: "cls" (as is None), or a point (x, y), as fractions of width and height.

        Returns:
            float32 [batch, layers, heads, rows, columns], on the model's device: softmax rows over all tokens, of which
            these are the patches' shares.

        Raises:
            ValueError: x has another shape.
            SettingsError: the query is no place on the frame, the model has no CLS token, or no attention heads.
            DeviceFailed: out of memory.
            AttentionCaptureError: the attention of some layer could not be captured.
        """
        raise no_heads(self.name)

    def row_of(self, query: Query, grid: tuple[int, int]) -> int:
        """The index of the token that a query means, on a patch grid of (rows, columns).

        Raises:
            SettingsError: the query is no place on the frame, the model has no CLS token, or no tokens at all.
        """
        raise no_heads(self.name)


def _size(frame: Pixels) -> tuple[int, int]:
    height, width = frame.shape[:2]
    return height, width


def _resolution(resolution: int) -> int:
    return int(Settings.option("resolution").check(resolution))


__all__ = ["FEATURES", "MOST_PATCHES", "Model", "PassRequest"]

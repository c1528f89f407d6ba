"""Which fast forward passes a transformer gets on its device: compiled ones, CUDA graphs, or none."""

from __future__ import annotations

from typing import Any

from rtviz.errors import SettingsError
from rtviz.models.compiler import Compiler
from rtviz.models.cuda_graphs import Graphs

FastPasses = Compiler | Graphs


def fast_passes(
    network: Any, *, name: str, layers: int, prefix: int, device: str, native: str, precision: str, backend: str
) -> FastPasses | None:
    """Choose what runs a network's forward passes beside torch.

    Args:
        network: a transformer of timm.
        name: of the model.
        layers: how many it has.
        prefix: how many prefix tokens it has.
        device: that it runs on.
        native: the number format that torch runs it in.
        precision, backend: as the user gave them, "auto" too.

    Raises:
        SettingsError: device, precision and backend exclude each other.
        MissingDependency, DeviceFailed: as `Compiler`.
    """
    if backend.startswith("openvino") or precision == "int8":
        field, value = ("precision", "int8") if precision == "int8" else ("backend", backend)
        backend = "openvino" if backend == "auto" else backend
        if device != "cpu":
            raise SettingsError(field, value, f"what {device} can do; with OpenVINO the device is cpu")
        if backend == "torch":
            raise SettingsError(field, value, "fp32, bf16, fp16 with the backend torch")
        formats = ("auto", "fp32", "bf16", "int8") if backend == "openvino" else ("auto", "fp32", "int8")
        if precision not in formats:  # elsewhere auto means fp16
            raise SettingsError("precision", precision, f"{', '.join(formats)} with the backend {backend}")
        return Compiler(name, network, layers, prefix, native, precision, always=True, backend=backend)
    if backend == "torch":
        return None
    if device.startswith("cuda"):
        return Graphs(network, layers, native)
    if device != "cpu" or precision != "auto":
        return None
    return Compiler(name, network, layers, prefix, native, precision, always=False)


__all__ = ["FastPasses", "fast_passes"]

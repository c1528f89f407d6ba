"""The choice of a device and of a number format."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch

from rtviz.errors import DeviceFailed, SettingsError
from rtviz.models import measurements

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_log = logging.getLogger(__name__)


def devices() -> list[str]:
    """The devices that this machine has."""
    found = ["cpu"]
    if torch.cuda.is_available():
        found += [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return found


def device_of(name: str) -> torch.device:
    """The device that is meant; auto is the quickest.

    Raises:
        SettingsError: the name means no device.
        DeviceFailed: the device is absent.
    """
    here = devices()
    if name == "auto":
        return torch.device("cuda" if "cuda:0" in here else here[-1])
    try:
        device = torch.device(name)
    except RuntimeError:
        raise SettingsError("device", name, f"auto, {', '.join(here)}") from None
    if str(device) not in here and not (name == "cuda" and "cuda:0" in here) and device.type != "cpu":
        raise DeviceFailed(f"device {name} is not there; this machine has: {', '.join(here)}")
    return torch.device("cpu") if device.type == "cpu" else device


def precision_of(requested: str, device: torch.device) -> str:
    """The number format that torch runs a model in; with int8, the format of everything that is not int8."""
    if requested not in ("auto", "int8"):
        return requested
    return faster_on_cpu() if device.type == "cpu" else "fp16"


def faster_on_cpu() -> str:
    """bf16 or fp32, whichever this CPU is faster with: measured once for each CPU and torch, and kept on disk.

    bf16 halves the time where the CPU has instructions for it (AVX512-BF16, AMX), and multiplies it elsewhere.
    """
    key = f"{measurements.cpu_name()} | {torch.backends.cpu.get_cpu_capability()} | torch {torch.__version__}"
    kept = measurements.known_choice(key)
    if kept not in ("bf16", "fp32"):
        seconds = measurements.in_turns({name: _block(DTYPES[name]) for name in ("fp32", "bf16")})
        kept = min(seconds, key=lambda name: seconds[name])
        _log.debug("%s: %s", key, ", ".join(f"{name} {spent * 1000:.2f} ms" for name, spent in seconds.items()))
        measurements.keep_choice(key, kept)
    return kept


def _block(dtype: torch.dtype) -> Callable[[], object]:
    """Runs one block of a ViT-S on 197 tokens."""
    from timm.models.vision_transformer import Block

    with torch.random.fork_rng(devices=[]):
        block = Block(dim=384, num_heads=6, qkv_bias=True).eval().to(dtype)
        tokens = torch.randn(1, 197, 384).to(dtype)

    def run() -> None:
        with torch.inference_mode():
            block(tokens)

    return run


def fits_fp16(network: torch.nn.Module) -> bool:
    """Whether fp16 can hold every weight of a network."""
    largest = torch.finfo(torch.float16).max
    return all(float(one.detach().abs().max()) <= largest for one in network.parameters() if one.numel())


__all__ = ["DTYPES", "device_of", "devices", "faster_on_cpu", "fits_fp16", "precision_of"]

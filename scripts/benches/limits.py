"""What the machine allows: floating-point operations counted, and how fast this machine does them and moves bytes."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benches.turns import in_turns

# Instructions that decide how fast matrix products in few bits are, as /proc/cpuinfo names them.
_TELLING = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_bf16", "amx_int8", "bf16", "i8mm", "sve")

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "int8": torch.int8}


def on_cuda(device: str) -> bool:
    """Whether a device, which may be auto, is an NVIDIA GPU."""
    return device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())


def machine(device: str) -> str:
    """One line that says where this was measured."""
    name, flags = platform.processor() or platform.machine(), set()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            label, _, value = (part.strip() for part in line.partition(":"))
            if label == "model name":
                name = value
            elif label in ("flags", "Features"):
                flags = set(value.split())
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    where = f"{name}, {cores} cores ({' '.join(flag for flag in _TELLING if flag in flags) or 'flags unknown'})"
    if on_cuda(device):
        gpu = torch.cuda.get_device_properties("cuda" if device == "auto" else device)
        where = f"{gpu.name}, {gpu.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}; {where}"
    said = [f"{name}={os.environ[name]}" for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT") if name in os.environ]
    threads = " ".join([f"torch {torch.__version__} in {torch.get_num_threads()} threads", *said])
    return f"{where}; Python {platform.python_version()}, {threads}, {platform.system()}"


def count_flops(model: Any, prepared: Tensor) -> int:
    """Floating-point operations of one forward pass, attention included: a multiplication and an addition are two.

    Fused attention is not counted on every device, so it is taken apart for this one pass.
    """
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model.network.forward_features(prepared)
    return int(counter.get_total_flops())


class Product:
    """A large square matrix product: about the most that the machine does in a number format.

    Attributes:
        flops: of one call.
    """

    def __init__(self, precision: str, device: str) -> None:
        side = 1536 if device == "cpu" else 8192
        self.flops = 2 * side**3
        if precision == "int8":
            left, right = (torch.randint(-127, 128, (side, side), dtype=torch.int8, device=device) for _ in range(2))
            self._call: Callable[[], object] = lambda: torch._int_mm(left, right.T)
        else:
            left, right = (torch.randn(side, side, device=device).to(DTYPES[precision]) for _ in range(2))
            self._call = lambda: left @ right.T

    def __call__(self) -> None:
        with torch.inference_mode():
            self._call()


class OwnProducts:
    """The matrix products of a model's linear layers alone, in its own shapes and order: what is attainable for them.

    Attributes:
        flops: of one call.
    """

    def __init__(self, model: Any, prepared: Tensor) -> None:
        batch, _, height, width = prepared.shape
        tokens = batch * (height * width // model.patch_size**2 + model.prefix_tokens)
        layers = [module for module in model.network.blocks.modules() if isinstance(module, torch.nn.Linear)]
        self._weights = [layer.weight for layer in layers]
        self._inputs = {
            layer.in_features: torch.randn(tokens, layer.in_features, device=model.device).to(prepared.dtype)
            for layer in layers
        }
        self.flops = sum(2 * tokens * weight.numel() for weight in self._weights)

    def __call__(self) -> None:
        with torch.inference_mode():
            for weight in self._weights:
                F.linear(self._inputs[weight.shape[1]], weight)


class Copy:
    """A copy of a stretch of memory that no cache holds.

    Attributes:
        bytes: read and written by one call.
    """

    def __init__(self, device: str) -> None:
        size = 2**27 if device == "cpu" else 2**30
        self._source = torch.ones(size // 4, device=device)
        self._target = torch.empty_like(self._source)
        self.bytes = 2 * size

    def __call__(self) -> None:
        self._target.copy_(self._source)


class Floor:
    """The shortest time that a forward pass could take on this machine: its operations at the rate of a large matrix
    product in the model's number format, or its weights at the rate of memory, whichever takes longer.

    Attributes:
        flops: of one forward pass.
        bytes: of the weights, each of which is read once.
        product, copy: to be timed; `seconds` makes floors of their times.
    """

    def __init__(self, model: Any, prepared: Tensor) -> None:
        self.flops = count_flops(model, prepared)
        self.bytes = sum(weight.numel() * weight.element_size() for weight in model.network.parameters())
        self.product = Product(model.precision, model.device)
        self.copy = Copy(model.device)

    def seconds(self, product: list[float], copy: list[float]) -> list[float]:
        """Of each turn, from what the product and the copy took in it."""
        bytes_at_rate = self.bytes / self.copy.bytes * statistics.median(copy)
        return [max(self.flops / self.product.flops * taken, bytes_at_rate) for taken in product]


def rates(device: str, turns: int) -> dict[str, str | float]:
    """Billions of operations a second of a large matrix product in each number format that runs here."""
    products: dict[str, Product] = {}
    found: dict[str, str | float] = {}
    for precision in ("fp32", "bf16", "int8") if device == "cpu" else DTYPES:
        try:
            products[precision] = Product(precision, device)
            products[precision]()
        except RuntimeError as error:
            del products[precision]
            found[precision] = f"does not run: {str(error).splitlines()[0]}"
    taken = in_turns(products, turns, device)
    return found | {name: round(products[name].flops / min(seconds) / 1e9) for name, seconds in taken.items()}

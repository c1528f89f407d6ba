"""Out of memory, and lost devices: what torch raises then becomes an error of rtviz, and the memory is given back."""

from __future__ import annotations

import traceback

import torch

from rtviz.errors import DeviceFailed, DeviceLost


class memory_errors:  # noqa: N801 - reads as a statement: `with memory_errors(device)`
    """Turns "out of memory", which torch reports in several ways, into DeviceFailed and frees the memory; turns what a
    GPU never recovers from into DeviceLost."""

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
        # The frames of the failed calls hold tensors; while they do, another attempt would fail again.
        traceback.clear_frames(error.__traceback__)
        if self._device.startswith("cuda"):
            torch.cuda.empty_cache()
        raise DeviceFailed(f"{self._device} is out of memory for this model at this resolution") from None


__all__ = ["memory_errors"]

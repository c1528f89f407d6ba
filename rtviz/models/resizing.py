"""Resizes frames to a network's input size."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rtviz.frame import Pixels

_STEEPEST = 24  # so many times smaller CUDA's antialiasing may make a frame: the kernel has to fit its shared memory
_REMEMBERED = 16  # frames: a batch of a render, for the next model


def resized(frame: Pixels, height: int, width: int) -> Tensor:
    """A frame as uint8 [1, 3, height, width]; not to be written to. Several models that get one frame share it.

    Bicubic with antialiasing, on bytes: the resize of the papers' own evaluation, and several times quicker than
    averaging areas (0.8 ms for a frame of 1280x720 against 4.2 ms in OpenCV, one core).
    """
    known = _cache.get(frame, (height, width))
    if known is not None:
        return known
    found = torch.from_numpy(np.asarray(_Unlocked(frame))).permute(2, 0, 1)[None]
    if frame.shape[:2] != (height, width):
        found = F.interpolate(found, (height, width), mode="bicubic", antialias=True)
        _cache.keep(frame, (height, width), found)
    return found


def resized_on_device(frames: Sequence[Pixels], height: int, width: int, device: str) -> Tensor:
    """Frames of one size as float32 [batch, 3, height, width], from 0 to 255: uploaded as bytes, and resized there.

    The resize of the CPU, which on bytes goes along the rows first and rounds after each direction: left out, that
    alone would move sharp attention by 2 %.
    """
    if max(frames[0].shape[0] / height, frames[0].shape[1] / width) > _STEEPEST:
        return torch.cat([resized(frame, height, width) for frame in frames]).to(device).to(torch.float32)
    planes = _uploaded(frames, device).permute(0, 3, 1, 2).to(torch.float32).contiguous()
    for size in ((planes.shape[2], width), (height, width)):
        if planes.shape[2:] != size:
            planes = F.interpolate(planes, size, mode="bicubic", antialias=True).round_().clamp_(0, 255)
    return planes


def _uploaded(frames: Sequence[Pixels], device: str) -> Tensor:
    """The bytes [batch, height, width, 3] on a device. On CUDA they go from pinned memory, in a stream of their
    own: no thread waits, and what another thread has queued on the device runs meanwhile."""
    on_cuda = device.startswith("cuda")
    pixels = torch.empty((len(frames), *frames[0].shape), dtype=torch.uint8, pin_memory=on_cuda)
    for place, frame in zip(pixels.numpy(), frames, strict=True):
        np.copyto(place, frame)
    if not on_cuda:
        return pixels.to(device)
    streams: dict[str, Any] = vars(_own).setdefault("streams", {})
    with torch.cuda.device(device):  # leaving a stream of another device would begin to use the first one, too
        if device not in streams:
            # Urgent ones come from a ring of their own: none of them is ever one that a graph is captured in.
            streams[device] = torch.cuda.Stream(priority=-1)
        with torch.cuda.stream(streams[device]):
            there = pixels.to(device, non_blocking=True)
        here = torch.cuda.current_stream()
        here.wait_stream(streams[device])
        there.record_stream(here)  # its memory is not given away before it was read here
    return there


_own = threading.local()  # of a thread: the streams in which it uploads


class _Unlocked:
    """The same memory as a frame's, without the read-only mark that torch warns about. Nobody writes to it."""

    def __init__(self, frame: Pixels) -> None:
        frame = np.ascontiguousarray(frame)
        self._frame = frame  # keeps the memory alive
        interface = frame.__array_interface__
        self.__array_interface__ = {**interface, "data": (interface["data"][0], False)}


class _Cache:
    """What the last frames were resized to, for the next of several models.

    It keeps only frames that nobody can write to, as those of a `Frame` are: a buffer may hold another picture later.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, tuple[int, int]], tuple[weakref.ref[Pixels], Tensor]] = OrderedDict()

    def get(self, frame: Pixels, size: tuple[int, int]) -> Tensor | None:
        """What a frame was resized to, [1, 3, *size]; None if the cache does not have it."""
        of, found = self._known.get((id(frame), size), (None, None))
        return found if of is not None and of() is frame else None  # another frame may have got the id

    def keep(self, frame: Pixels, size: tuple[int, int], found: Tensor) -> None:
        """Remember it for a while."""
        if frame.flags.writeable:
            return
        self._known[id(frame), size] = weakref.ref(frame), found
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)


_cache = _Cache()


__all__ = ["resized", "resized_on_device"]

"""The flight recorder: the last seconds of a session, packed."""

from __future__ import annotations

import math
import threading
import zlib
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from rtviz.frame import Frame, Maps, rounding_noise
from rtviz.live.frames import CapturedFrame

if TYPE_CHECKING:
    import numpy as np

    from rtviz.frame import Masks, Pixels
else:
    from rtviz.late import np

# Measured on 640x480 video: quality 90 takes 35 KB and 1.8 ms a frame (0.8 ms to read), raw pixels take 920 KB and
# 0.1 ms; 30 s at 30 frames a second are then 32 MB and not 830, for 6 % of one core.
_JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True, eq=False)
class RecordedFrame:
    """A frame of the past, packed: JPEG, and its maps in float16 (but for the small `cams`) if a model ran on it.

    Attributes:
        number, captured_at, stream: of the captured frame.
        masks: of the frame's objects, if it has any: packed bits, deflated, and their shape (objects, height, width).
    """

    number: int
    captured_at: float
    stream: int
    index: int
    pts_seconds: float
    jpeg: bytes
    maps: Maps | None = None
    masks: tuple[bytes, tuple[int, int, int]] | None = None

    @property
    def size_bytes(self) -> int:
        """Memory that it takes."""
        size = len(self.jpeg) + (len(self.masks[0]) if self.masks is not None else 0) + 500
        if self.maps is None:
            return size
        maps = self.maps
        arrays = [maps.attention, maps.prefix, maps.tokens, maps.keys, maps.values]
        arrays += [maps.attended, maps.labels, maps.rollout, maps.norms, maps.columns, maps.layer_tokens]
        if maps.unablated is not None:
            arrays += [maps.unablated.attention, maps.unablated.prefix]
        arrays += [stage for stages in maps.cams.values() for stage in stages]
        return size + sum(array.nbytes for array in arrays if array is not None)

    def captured(self) -> CapturedFrame:
        """The captured frame, unpacked."""
        from rtviz.cv import cv2

        bgr = cast("Pixels", cv2.imdecode(np.frombuffer(self.jpeg, np.uint8), cv2.IMREAD_COLOR))
        pixels = cast("Pixels", cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
        frame = Frame(pixels, self.index, self.pts_seconds, masks=_unpacked(self.masks))
        return CapturedFrame(frame, self.captured_at, self.stream, self.number)

    def prediction(self) -> Maps | None:
        """The maps in float32."""
        return None if self.maps is None else _with_type(self.maps, np.float32)


class FlightRecorder:
    """Holds the last seconds in bounded memory. A thread of its own packs the frames; its own lock guards everything.

    Args:
        seconds: how far back it reaches.
        megabytes: the bound; beyond it the oldest frames go first. 0 records nothing.
    """

    def __init__(self, seconds: float = 30.0, megabytes: float = 256.0) -> None:
        self._seconds = seconds
        self._limit = int(megabytes * 1e6)
        self._changed = threading.Condition()
        self._waiting: deque[tuple[CapturedFrame, Maps | None]] = deque()
        self._recorded: deque[RecordedFrame] = deque()
        self._bytes = 0
        self._frozen = False
        self._closed = False
        self._busy = False
        self._thread = threading.Thread(target=self._pack_all, name="rtviz-past", daemon=True)

    def start(self) -> None:
        """Start to record."""
        if self._limit and self._seconds:
            self._thread.start()

    def close(self) -> None:
        """Discard everything and end the thread."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._recorded.clear()
            self._bytes = 0
            self._changed.notify_all()

    @property
    def threads(self) -> list[threading.Thread]:
        """The threads that `close` ends."""
        return [self._thread]

    def add(self, captured: CapturedFrame, maps: Maps | None = None) -> None:
        """Record a frame, and once more with its maps when the model has run on it. Returns at once.

        When packing cannot keep up, it skips frames without maps first.
        """
        with self._changed:
            if self._frozen or self._closed or not self._limit:
                return
            if len(self._waiting) >= 8:
                plain = next((item for item in self._waiting if item[1] is None), self._waiting[0])
                self._waiting.remove(plain)
            self._waiting.append((captured, maps))
            self._changed.notify_all()

    def freeze(self) -> None:
        """Record nothing more while the past is shown. Waits briefly for what is being packed: windows call this."""
        with self._changed:
            self._frozen = True
            self._changed.wait_for(lambda: not self._waiting and not self._busy, 0.05)

    def thaw(self) -> None:
        """Record again."""
        with self._changed:
            self._frozen = False

    def forget(self) -> None:
        """Discard everything, as when another source is opened."""
        with self._changed:
            self._waiting.clear()
            self._recorded.clear()
            self._bytes = 0

    def recorded(self) -> tuple[RecordedFrame, ...]:
        """All frames, oldest first."""
        with self._changed:
            return tuple(self._recorded)

    @property
    def megabytes(self) -> float:
        """Size of what it holds."""
        return self._bytes / 1e6

    @property
    def seconds(self) -> float:
        """How far back it reaches now."""
        with self._changed:
            return self._recorded[-1].captured_at - self._recorded[0].captured_at if self._recorded else 0.0

    def _pack_all(self) -> None:
        pack = _Packer()
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                captured, maps = self._waiting.popleft()
                self._busy = True
                known = next(
                    (recorded.jpeg for recorded in reversed(self._recorded) if recorded.number == captured.number), None
                )
            recorded = RecordedFrame(
                captured.number,
                captured.captured_at,
                captured.stream,
                captured.frame.index,
                captured.frame.pts_seconds,
                known or pack(captured.frame.pixels),
                None if maps is None else _with_type(maps, np.float16),
                _packed(captured.frame.masks),
            )
            with self._changed:
                if not self._closed:
                    self._insert(recorded)

    def _insert(self, recorded: RecordedFrame) -> None:
        """In the order of capture: maps come later than the frames after theirs."""
        later: list[RecordedFrame] = []
        while self._recorded and self._recorded[-1].number > recorded.number:
            later.append(self._recorded.pop())
        if self._recorded and self._recorded[-1].number == recorded.number:
            self._bytes -= self._recorded.pop().size_bytes
        self._recorded.append(recorded)
        self._bytes += recorded.size_bytes
        self._recorded.extend(reversed(later))
        oldest = self._recorded[-1].captured_at - self._seconds
        while self._recorded and (self._bytes > self._limit or self._recorded[0].captured_at < oldest):
            self._bytes -= self._recorded.popleft().size_bytes


class _Packer:
    """Frames to JPEG. It reuses one buffer: otherwise the packed frames would lie scattered between freed ones, and
    hold more memory than is counted."""

    def __init__(self) -> None:
        self._bgr: Pixels | None = None

    def __call__(self, pixels: Pixels) -> bytes:
        from rtviz.cv import cv2

        if self._bgr is None or self._bgr.shape != pixels.shape:
            self._bgr = np.empty_like(pixels)
        cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR, dst=self._bgr)
        return bytes(cv2.imencode(".jpg", self._bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1])


def _packed(masks: Masks | None) -> tuple[bytes, tuple[int, int, int]] | None:
    """Masks of objects as deflated bits: two of a 640x480 frame take 1 KB."""
    if masks is None:
        return None
    objects, height, width = masks.shape
    return zlib.compress(np.packbits(masks).tobytes(), 1), (objects, height, width)


def _unpacked(packed: tuple[bytes, tuple[int, int, int]] | None) -> Masks | None:
    if packed is None:
        return None
    bits, shape = packed
    flat = np.unpackbits(np.frombuffer(zlib.decompress(bits), np.uint8), count=math.prod(shape))
    return flat.astype(np.bool_).reshape(shape)


def _with_type(maps: Maps, kind: type[np.floating[Any]]) -> Maps:
    return replace(
        maps,
        attention=maps.attention.astype(kind),
        noise=max(maps.noise, rounding_noise(float(np.finfo(kind).eps))),
        prefix=maps.prefix.astype(kind),
        tokens=None if maps.tokens is None else maps.tokens.astype(kind),
        keys=None if maps.keys is None else maps.keys.astype(kind),
        layer_tokens=None if maps.layer_tokens is None else maps.layer_tokens.astype(kind),
        values=None if maps.values is None else maps.values.astype(kind),
        attended=None if maps.attended is None else maps.attended.astype(kind),
        labels=None if maps.labels is None else maps.labels.astype(kind),
        rollout=None if maps.rollout is None else maps.rollout.astype(kind),
        columns=None if maps.columns is None else maps.columns.astype(kind),
        norms=None if maps.norms is None else maps.norms.astype(kind),
        unablated=None if maps.unablated is None else _with_type(maps.unablated, kind),
        rows=None,  # would keep every pass in the device's memory
    )


__all__ = ["FlightRecorder", "RecordedFrame"]

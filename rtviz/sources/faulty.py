"""A camera that fails on demand: a double of cv2.VideoCapture for tests, soak runs and rehearsals.

`faulty:?fps=30&size=640x480&busy=2&hang=90&black=200-260` is a 640x480 camera of 30 frames a second that refuses its
first two openings, hangs at its frame 90 and is black for a while. Frames are counted over all openings, so a fault
passes. `repeat=1800` brings all faults again every 1800 frames, and `hang_seconds=7` lets a read that hangs return
after so long. Without faults it is a paced, cheap, endless source.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import numpy as np

from rtviz.cv import cv2
from rtviz.errors import SettingsError
from rtviz.frame import Pixels
from rtviz.options import RealOption, SizeOption, WholeOption
from rtviz.sources.camera import Camera, CameraSource

FAULTS = ("hang", "false", "black", "frozen", "exception", "slow", "resize")
_BITS = 24
_BIT_SIDE = 4


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, at which frames.

    Attributes:
        kind: "hang": read() does not return. "false": it returns no picture. "black", "frozen": it returns a black
            picture, or the same one again. "exception": it raises. "slow": three frames a second. "resize": the size
            is halved.
        first, last: numbers of frames, inclusive, counted over all openings.
    """

    kind: str
    first: int
    last: int

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise SettingsError("fault", self.kind, FAULTS)


class FaultyCamera:
    """A camera, seen from outside: it goes on, with its faults, however often it is opened.

    Args:
        fps: frames a second; 0 as fast as they are read.
        size: (height, width).
        faults: what goes wrong.
        busy: how many openings fail at first.
        repeat: after so many frames the faults come again; 0 never.
        hang_seconds: how long a read hangs; 0 until `let_go`.
    """

    def __init__(
        self,
        fps: float = 30.0,
        size: tuple[int, int] = (480, 640),
        faults: Iterable[Fault] = (),
        busy: int = 0,
        repeat: int = 0,
        hang_seconds: float = 0.0,
    ) -> None:
        self.fps = fps
        self.size = size
        self.faults = tuple(faults)
        self.busy = busy
        self.repeat = repeat
        self.hang_seconds = hang_seconds
        self.openings = 0
        self.frames = 0
        self._released = threading.Event()
        height, width = size
        rng = np.random.default_rng(0)
        texture = rng.integers(0, 255, (height // 16 + 2, width // 8 + 2, 3), np.uint8)
        self._background = cv2.resize(texture, (2 * width, height), interpolation=cv2.INTER_CUBIC) // 2 + 40
        side = max(16, min(height, width) // 4)
        self._thing = cv2.resize(rng.integers(90, 255, (6, 6, 3), np.uint8), (side, side))

    def open(self, place: str = "faulty:", **part: Any) -> CameraSource:
        """A source that reads it; the signature of `rtviz.sources.open_source`."""
        return CameraSource(Camera(0, "faulty"), fps=self.fps or 30.0, open_device=self.device, **part)

    def device(self, camera: Camera) -> FaultyDevice:
        """One opening of it; the signature of a camera source's `open_device`."""
        self.openings += 1
        return FaultyDevice(self, opened=self.openings > self.busy)

    def let_go(self) -> None:
        """Let all reads that hang return, so that no thread is left behind."""
        self._released.set()

    def freeze_reads(self) -> None:
        """From now on every read hangs."""
        self.faults = (Fault("hang", self.frames, 1 << 60), *self.faults)

    def shrink(self) -> None:
        """From now on every picture has half the size."""
        self.faults = (Fault("resize", self.frames, 1 << 60), *self.faults)

    def hang(self) -> None:
        """What a read does that hangs."""
        self._released.wait(self.hang_seconds or None)

    def fault(self, number: int) -> str | None:
        """What goes wrong with this frame."""
        number = number % self.repeat if self.repeat else number
        return next((fault.kind for fault in self.faults if fault.first <= number <= fault.last), None)

    def picture(self, number: int) -> Pixels:
        """BGR uint8 [height, width, 3]: a thing that moves over a still background, with the frame's number."""
        height, width = self.size
        picture: Pixels = np.ascontiguousarray(self._background[:, :width], np.uint8)
        side = self._thing.shape[0]
        x = int((0.5 + 0.45 * np.sin(number * 0.05)) * (width - side))
        y = int((0.5 + 0.35 * np.cos(number * 0.033)) * (height - side))
        picture[y : y + side, x : x + side] = self._thing
        bits = (number >> np.arange(_BITS)) & 1
        strip = np.repeat(bits * 255, _BIT_SIDE).astype(np.uint8)[:width]
        picture[:_BIT_SIDE, : len(strip)] = strip[None, :, None]
        return picture


def number_of(pixels: Pixels) -> int:
    """The number that a frame of this camera carries in its first lines."""
    strip = pixels[_BIT_SIDE // 2, _BIT_SIDE // 2 : _BITS * _BIT_SIDE : _BIT_SIDE, 0] > 127
    return int((strip.astype(np.int64) << np.arange(len(strip))).sum())


class FaultyDevice:
    """One opening of a FaultyCamera, with the methods of cv2.VideoCapture that are used."""

    def __init__(self, camera: FaultyCamera, opened: bool) -> None:
        self._camera = camera
        self._opened = opened
        self._due = time.monotonic()
        self._wait = threading.Event()
        self._last: Pixels | None = None

    def isOpened(self) -> bool:  # noqa: N802
        return self._opened

    def set(self, prop: int, value: float) -> bool:
        return True

    def get(self, prop: int) -> float:
        return self._camera.fps if prop == cv2.CAP_PROP_FPS else 0.0

    def read(self) -> tuple[bool, Pixels | None]:
        camera = self._camera
        number = camera.frames
        camera.frames += 1
        fault = camera.fault(number)
        if fault == "hang":
            camera.hang()
            return False, None
        if fault == "exception":
            raise cv2.error("the driver of the faulty camera has failed")
        if camera.fps:
            self._due = max(self._due + (1 / 3 if fault == "slow" else 1 / camera.fps), time.monotonic() - 0.1)
            self._wait.wait(max(0.0, self._due - time.monotonic()))
        if not self._opened or fault == "false":
            return False, None
        if fault == "frozen" and self._last is not None:
            return True, self._last
        picture = camera.picture(number)
        if fault == "black":
            picture[:] = 0
        elif fault == "resize":
            picture = np.ascontiguousarray(picture[::2, ::2])
        self._last = picture
        return True, picture

    def release(self) -> None:
        self._opened = False
        self._wait.set()


_cameras: dict[str, FaultyCamera] = {}


def open_faulty(place: str, *, start: float = 0.0, end: float | None = None, every: int = 1) -> CameraSource:
    """The source that a place means, as in this file's first lines; the same place is the same camera.

    Raises:
        SettingsError: a fault or a number is not understood.
    """
    if place not in _cameras:
        _cameras[place] = _parse(place)
    return _cameras[place].open(place, start=start, end=end, every=every)


def openings(place: str) -> int:
    """How often the camera at a place was opened; 0 of what is no faulty camera, or never was opened."""
    return _cameras[place].openings if place in _cameras else 0


def _parse(place: str) -> FaultyCamera:
    size = SizeOption("size", "Size", "size of the frames", (480, 640))
    rate = RealOption("fps", "Rate", "frames a second", 30.0, minimum=0, maximum=10000)
    busy = WholeOption("busy", "Busy", "openings that fail", 0, minimum=0)
    repeat = WholeOption("repeat", "Repeat", "frames after which the faults come again", 0, minimum=0)
    hang = RealOption("hang_seconds", "Hang", "how long a read hangs", 0.0, minimum=0, maximum=3600)
    frame = WholeOption("frame", "Frame", "number of a frame", 0, minimum=0)
    options = {option.name: option for option in (size, rate, busy, repeat, hang)}
    given: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, value in parse_qsl(place.partition("?")[2]):
        if name in options:
            given[name] = options[name].parse(value)
        else:
            first, _, last = value.partition("-")
            number = frame.parse(first)
            faults.append(Fault(name, number, frame.parse(last) if last else number))
    return FaultyCamera(faults=faults, **given)

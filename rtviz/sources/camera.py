"""Cameras: which there are, and their frames."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qs

from rtviz.cv import cv2
from rtviz.errors import SourceLost, SourceMissing, SourceUnreadable
from rtviz.frame import Pixels
from rtviz.options import RealOption, SizeOption
from rtviz.sources import SourceInfo
from rtviz.sources.endless import EndlessSource

# Reads that may fail in a row before the camera counts as gone; a good camera drops one now and then.
_FAILURES_ALLOWED = 10
_FIRST_PICTURE_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera of this computer.

    Attributes:
        number: what OpenCV calls it.
        name: what its maker calls it.
        path: its device file, where the system has such; else empty.
    """

    number: int
    name: str
    path: str = ""


class Device(Protocol):
    """What is used of cv2.VideoCapture."""

    def isOpened(self) -> bool: ...  # noqa: N802
    def set(self, prop: int, value: float) -> bool: ...
    def get(self, prop: int) -> float: ...
    def read(self) -> tuple[bool, Any]: ...
    def release(self) -> None: ...


OpenDevice = Callable[[Camera], Device]


def cameras() -> list[Camera]:
    """The cameras of this computer, by number; cheap, opens none of them."""
    from cv2_enumerate_cameras import enumerate_cameras

    found = {
        info.index: Camera(int(info.index), str(info.name or f"camera {info.index}"), str(info.path or ""))
        for info in enumerate_cameras(_backend())
    }
    return [found[number] for number in sorted(found)]


def find(which: str) -> Camera:
    """The camera of that number, or whose name holds that text.

    Raises:
        SourceMissing: there is none.
    """
    present = cameras()
    if which.isdecimal():
        matching = [camera for camera in present if camera.number == int(which)]
    else:
        matching = [camera for camera in present if which.lower() in camera.name.lower()]
    if not matching:
        what = f"camera {which}" if which.isdecimal() else f"camera whose name holds {which!r}"
        here = ", ".join(f"{camera.number} ({camera.name})" for camera in present) or "none"
        raise SourceMissing(f"there is no {what}; cameras here: {here}")
    return matching[0]


def open_camera(place: str, *, start: float = 0.0, end: float | None = None, every: int = 1) -> CameraSource:
    """The source that a place means: `camera:0`, `camera:NAME`, `camera:0?size=1280x720&fps=60`.

    Raises:
        SourceError: it is absent, busy, forbidden, or sends no picture.
    """
    which, _, query = place.removeprefix("camera:").partition("?")
    options = parse_qs(query)
    size = _SIZE.parse(options["size"][0]) if "size" in options else None
    fps = _FPS.parse(options["fps"][0]) if "fps" in options else None
    return CameraSource(find(which or "0"), size=size, fps=fps, start=start, end=end, every=every)


class CameraSource(EndlessSource):
    """The frames of a camera, as they come, without end; whoever iterates must keep up, or frames grow old.

    Asks for MJPG first, because few cameras reach 30 frames a second at a good size without it, then for the size, then
    for the rate, and takes what the camera makes of it.

    Args:
        camera: which.
        size: (height, width) to ask for; 480 lines on small computers and 720 on others if not given.
        fps: rate to ask for.
        open_device: the seam for `rtviz.sources.faulty`.
        start, end, every: the part to take.

    Raises:
        SourceMissing: there is no such device.
        SourceUnreadable: it is busy, forbidden, or sends no picture.
    """

    def __init__(
        self,
        camera: Camera,
        *,
        size: tuple[int, int] | None = None,
        fps: float | None = None,
        open_device: OpenDevice | None = None,
        start: float = 0.0,
        end: float | None = None,
        every: int = 1,
    ) -> None:
        super().__init__(start, end, every)
        self._camera = camera
        self._name = f"camera {camera.number}" + (f" ({camera.name})" if camera.name else "")
        if open_device is None:
            _refuse_hopeless(camera, self._name)
        self._device = (open_device or _open_device)(camera)
        try:
            if not self._device.isOpened():
                raise SourceUnreadable(f"{self._name} does not open: another program may be using it")
            wanted = size or _default_size()
            self._request(wanted, fps or 30.0)
            first = self._first_picture()
        except BaseException:
            self._device.release()
            raise
        self._first: Any = first
        height, width = first.shape[:2]
        if size is not None and size != (height, width):
            self.warnings.append(f"{self._name} was set to {size[1]}x{size[0]} and sends {width}x{height}")
        rate = self._device.get(cv2.CAP_PROP_FPS)
        self.info = SourceInfo(
            name=self._name,
            kind="camera",
            size=(height, width),
            fps=rate if 1 <= rate <= 1000 else None,
            duration_seconds=None,
            frame_count=None,
            live=True,
        )

    def _request(self, size: tuple[int, int], fps: float) -> None:
        height, width = size
        fourcc = cv2.VideoWriter.fourcc(*"MJPG")
        self._device.set(cv2.CAP_PROP_FOURCC, fourcc)
        self._device.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        self._device.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        self._device.set(cv2.CAP_PROP_FPS, fps)
        self._device.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # where it is heeded, no frame waits

    def _first_picture(self) -> Any:
        until = time.monotonic() + _FIRST_PICTURE_SECONDS
        while not self._closed.is_set():
            picture = self._read()
            if picture is not None:
                return picture
            if time.monotonic() > until:
                break
            self._closed.wait(0.03)
        raise SourceUnreadable(f"{self._name} opens but sends no picture: another program may be using it")

    def _read(self) -> Any:
        """BGR uint8 [height, width, 3], or None where the camera had none."""
        try:
            good, picture = self._device.read()
        except cv2.error as error:
            raise SourceLost(f"{self._name} failed: {' '.join(str(error).split())}") from None
        return picture if good and picture is not None and picture.size else None

    def pictures(self) -> Iterator[Pixels]:
        looked_for_device = time.monotonic()
        failures = 0
        picture, self._first = self._first, None
        while not self._closed.is_set():
            if picture is None:
                picture = self._read()
            # Some drivers repeat the last picture for ever when the camera is unplugged.
            if time.monotonic() - looked_for_device > 1.0:
                looked_for_device = time.monotonic()
                if self._camera.path.startswith("/dev/") and not os.path.exists(self._camera.path):
                    raise SourceLost(f"{self._name} was unplugged")
            if picture is None:
                failures += 1
                if failures == _FAILURES_ALLOWED:
                    raise SourceLost(f"{self._name} has stopped sending pictures: unplugged?")
                self._closed.wait(0.01)
                continue
            failures = 0
            yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
            picture = None

    def release(self) -> None:
        self._device.release()


_SIZE = SizeOption("size", "Size", "size of the frames", None)
_FPS = RealOption("fps", "Rate", "frames a second", 30.0, minimum=1, maximum=1000)


def _default_size() -> tuple[int, int]:
    """Decoding 720 lines of MJPG takes a quarter of one core at 30 fps: too much where there are few."""
    return (720, 1280) if (os.cpu_count() or 1) >= 4 else (480, 640)


def _backend() -> int:
    """The one that opens fast and heeds MJPG."""
    if sys.platform == "win32":
        return int(cv2.CAP_DSHOW)
    return int(cv2.CAP_AVFOUNDATION if sys.platform == "darwin" else cv2.CAP_V4L2)


def _open_device(camera: Camera) -> Device:
    # What fails here is said in our own words.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    device: Device = cv2.VideoCapture(camera.number, _backend())
    return device


def _refuse_hopeless(camera: Camera, name: str) -> None:
    """Say what OpenCV would not: that the device is gone, or forbidden."""
    if not camera.path.startswith("/dev/"):
        return
    if not os.path.exists(camera.path):
        raise SourceMissing(f"{name} is not plugged in any more")
    if not os.access(camera.path, os.R_OK | os.W_OK):
        raise SourceUnreadable(f"{name} is forbidden: this user may not read {camera.path} (is it in the group video?)")


__all__ = ["Camera", "CameraSource", "Device", "cameras", "find", "open_camera"]

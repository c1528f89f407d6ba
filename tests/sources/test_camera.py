"""Cameras and the screen: what the device is set to, and what is said when it fails."""

from __future__ import annotations

import os
import time
from collections import deque
from typing import Any

import numpy as np
import pytest

from rtviz.cv import cv2
from rtviz.errors import SettingsError, SourceLost, SourceMissing, SourceUnreadable
from rtviz.frame import Frame
from rtviz.sources import camera as cameras
from rtviz.sources import open_source, screen
from rtviz.sources.camera import Camera, CameraSource


class Device:
    """A cv2.VideoCapture that notes what is asked of it."""

    def __init__(self, pictures: list[Any], opened: bool = True) -> None:
        self.pictures, self.opened = list(pictures), opened
        self.asked: list[tuple[int, float]] = []
        self.released = 0

    def isOpened(self) -> bool:  # noqa: N802
        return self.opened

    def set(self, prop: int, value: float) -> bool:
        self.asked.append((prop, value))
        return False  # as drivers do

    def get(self, prop: int) -> float:
        return 25.0 if prop == cv2.CAP_PROP_FPS else 0.0

    def read(self) -> tuple[bool, Any]:
        picture = self.pictures.pop(0) if self.pictures else None
        if isinstance(picture, Exception):
            raise picture
        return picture is not None, picture

    def release(self) -> None:
        self.released += 1


def picture(height: int = 48, width: int = 64) -> Any:
    bgr = np.zeros((height, width, 3), np.uint8)
    bgr[..., 0], bgr[..., 2] = 200, 10
    return bgr


def opened(device: Device, **asked: Any) -> CameraSource:
    return CameraSource(Camera(3, "Desk"), open_device=lambda camera: device, **asked)


def test_mjpg_is_asked_for_before_the_size_and_the_size_before_the_rate() -> None:
    device = Device([picture()])
    source = opened(device, size=(720, 1280), fps=60)
    assert device.asked[:4] == [
        (cv2.CAP_PROP_FOURCC, float(int.from_bytes(b"MJPG", "little"))),
        (cv2.CAP_PROP_FRAME_WIDTH, 1280),
        (cv2.CAP_PROP_FRAME_HEIGHT, 720),
        (cv2.CAP_PROP_FPS, 60),
    ]
    # And what the camera makes of it is read back.
    assert source.info.size == (48, 64)
    assert source.info.fps == 25.0
    assert source.info.live
    assert source.warnings == ["camera 3 (Desk) was set to 1280x720 and sends 64x48"]


def test_frames_are_rgb_with_their_times_and_few_failures_are_borne() -> None:
    device = Device([picture(), None, None, picture(), picture()])
    with opened(device) as source:
        frames: list[Frame] = []
        with pytest.raises(SourceLost, match=r"camera 3 \(Desk\) has stopped sending pictures: unplugged\?"):
            frames.extend(source)
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert tuple(frames[0].pixels[0, 0]) == (10, 0, 200)
    assert frames[0].pts_seconds <= frames[1].pts_seconds <= frames[2].pts_seconds
    source.close()
    assert device.released == 1


def test_a_failing_driver_is_a_lost_source() -> None:
    with (
        opened(Device([picture(), cv2.error("select() timeout")])) as source,
        pytest.raises(SourceLost, match="select"),
    ):
        list(source)


def test_a_busy_camera_is_let_go_and_named() -> None:
    device = Device([], opened=False)
    with pytest.raises(SourceUnreadable, match="camera 3 \\(Desk\\) does not open: another program may be using it"):
        opened(device)
    assert device.released == 1


def test_a_camera_that_opens_and_sends_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cameras, "_FIRST_PICTURE_SECONDS", 0.05)
    device = Device([])
    with pytest.raises(SourceUnreadable, match="opens but sends no picture"):
        opened(device)
    assert device.released == 1


def test_cameras_are_found_by_number_and_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cameras, "cameras", lambda: [Camera(0, "Integrated"), Camera(2, "Logitech C920")])
    assert cameras.find("2").name == "Logitech C920"
    assert cameras.find("logi").number == 2
    with pytest.raises(
        SourceMissing, match=r"there is no camera 7; cameras here: 0 \(Integrated\), 2 \(Logitech C920\)"
    ):
        cameras.find("7")
    monkeypatch.setattr(cameras, "cameras", list)
    with pytest.raises(SourceMissing, match="no camera whose name holds 'desk'; cameras here: none"):
        cameras.find("desk")
    with pytest.raises(SourceMissing, match="there is no camera 5"):
        open_source("5")
    monkeypatch.setattr(cameras, "cameras", lambda: [Camera(0, "Integrated")])
    with pytest.raises(SettingsError, match="size cannot be 'big'"):
        open_source("camera:0?size=big")


def test_a_forbidden_or_vanished_device_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceMissing, match="not plugged in any more"):
        CameraSource(Camera(97, "Gone", "/dev/video97"))
    monkeypatch.setattr(os.path, "exists", lambda path: True)
    monkeypatch.setattr(os, "access", lambda path, how: False)
    with pytest.raises(SourceUnreadable, match="may not read /dev/video97"):
        CameraSource(Camera(97, "Locked", "/dev/video97"))


def test_an_unplugged_device_ends_even_when_its_driver_repeats_the_last_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    present = [True]
    monkeypatch.setattr(os.path, "exists", lambda path: present[0])
    monkeypatch.setattr(time, "monotonic", iter(range(1000)).__next__)
    device = Device([picture() for _ in range(50)])
    source = CameraSource(Camera(1, "Desk", "/dev/video1"), open_device=lambda camera: device)
    frames = source.pictures()
    next(frames)
    present[0] = False
    with pytest.raises(SourceLost, match="was unplugged"):
        deque(frames)


def test_part_of_a_live_source_can_be_taken() -> None:
    device = Device([picture() for _ in range(30)])
    with opened(device, every=10) as source:
        frames: list[Frame] = []
        with pytest.raises(SourceLost):
            frames.extend(source)
    assert [frame.index for frame in frames] == [0, 10, 20]
    with opened(Device([picture() for _ in range(5)]), end=0.0) as source:
        assert list(source) == []


# --- the screen ------------------------------------------------------------------------------------------------------

MONITORS = [
    {"left": -100, "top": 0, "width": 1100, "height": 600},
    {"left": 0, "top": 0, "width": 1000, "height": 600},
    {"left": -100, "top": 0, "width": 100, "height": 600},
]


def test_regions_of_the_screen() -> None:
    assert screen._region("", MONITORS) == {"left": 0, "top": 0, "width": 1000, "height": 600}
    assert screen._region("2", MONITORS)["left"] == -100
    assert screen._region("10,20,320x240", MONITORS) == {"left": 10, "top": 20, "width": 320, "height": 240}
    assert screen._region("900,500,640x480", MONITORS) == {"left": 900, "top": 500, "width": 100, "height": 100}
    with pytest.raises(SourceMissing, match="there is no monitor 3; there are 2"):
        screen._region("3", MONITORS)
    with pytest.raises(SourceMissing, match="not on the desktop, which is 1100x600 from -100,0"):
        screen._region("5000,0,100x100", MONITORS)
    with pytest.raises(SettingsError, match="WIDTHxHEIGHT"):
        screen._region("left half", MONITORS)


def test_no_screen_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    mss = pytest.importorskip("mss")

    def refuse(*arguments: Any, **named: Any) -> Any:
        raise mss.ScreenShotError("Cannot connect to display: display is unset")

    monkeypatch.setattr(mss, "MSS" if hasattr(mss, "MSS") else "mss", refuse)
    with pytest.raises(SourceMissing, match="the screen cannot be watched: Cannot connect to display"):
        open_source("screen:")

"""Thumbnails of a video at any time, against the frames that were written."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import numpy as np
import pytest
from media import make_video

from rtviz.errors import SourceMissing, SourceUnreadable
from rtviz.frame import Pixels
from rtviz.sources.video_thumbnails import VideoThumbnails

TIMES_MS = [0, 40, 80, 200, 240, 400, 440, 480, 520, 900, 940, 1000]  # uneven


def number_of(pixels: Pixels | None) -> int:
    """Which frame of `make_video` it is."""
    assert pixels is not None
    level = float(pixels[pixels.shape[0] // 2 :].mean())
    return round((level - 40) / 4)


@pytest.mark.parametrize("group", [1, 4, 100], ids=lambda group: f"a key frame in {group}")
def test_each_time_shows_its_frame(tmp_path: Path, group: int) -> None:
    path = tmp_path / "clip.mp4"
    make_video(path, TIMES_MS, (96, 128), options={"g": str(group), "crf": "10"})
    with VideoThumbnails(path, 32) as thumbnails:
        for seconds in (0.95, 0.0, 0.3, 0.41, 0.85, 0.05, 99.0, -1.0):
            shown = max((n for n, ms in enumerate(TIMES_MS) if ms <= 1000 * max(0.0, seconds)), default=0)
            pixels = thumbnails.at(seconds)
            assert number_of(pixels) == shown, seconds
            assert pixels is not None
            assert pixels.shape == (24, 32, 3)
            assert pixels.dtype == np.uint8


def test_nothing_is_decoded_on_for_nobody(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    make_video(path, TIMES_MS, options={"g": "100"})
    asked = count()
    with VideoThumbnails(path, 32) as thumbnails:
        assert thumbnails.at(1.0, lambda: next(asked) == 3) is None
        assert next(asked) == 4  # no frame after that was decoded
        assert number_of(thumbnails.at(0.2)) == 3, "it goes on with the next one"


def test_what_is_no_video_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match="absent"):
        VideoThumbnails(tmp_path / "absent.mp4", 32)
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(SourceUnreadable, match=r"text\.mp4"):
        VideoThumbnails(tmp_path / "text.mp4", 32)

"""Sources: every frame upright, at its own time; bad input is refused in one line, damaged input is kept and counted."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from media import make_video

from rtviz.cv import cv2
from rtviz.errors import SettingsError, SourceError, SourceMissing, SourceUnreadable
from rtviz.sources import expand, open_source


def read(place: str | Path, **part) -> tuple[list, list[str]]:
    with open_source(str(place), **part) as source:
        return list(source), source.warnings


def number_of(frame) -> int:
    """The frame number that its grey level carries."""
    return round((float(frame.pixels[-8:, -8:].mean()) - 40) / 4)


def test_a_variable_rate_keeps_every_timestamp(tmp_path):
    times_ms = make_video(tmp_path / "clip.mkv", [0, 40, 50, 200, 210, 1000, 1040, 1041])
    frames, warnings = read(tmp_path / "clip.mkv")
    assert [round(frame.pts_seconds * 1000) for frame in frames] == times_ms
    assert [frame.index for frame in frames] == list(range(8))
    assert [number_of(frame) for frame in frames] == list(range(8))
    assert warnings == []


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.webm", "libvpx-vp9"), ("a.mkv", "libx265"),
                                             ("a.avi", "mpeg4"), ("a.mov", "libx264")])  # fmt: skip
def test_the_same_frames_as_another_decoder_finds(tmp_path, name, codec):
    make_video(tmp_path / name, codec=codec)
    frames, _ = read(tmp_path / name)
    other = cv2.VideoCapture(str(tmp_path / name))
    for frame in frames:
        fine, theirs = other.read()
        assert fine
        difference = np.abs(frame.pixels.astype(int) - cv2.cvtColor(theirs, cv2.COLOR_BGR2RGB).astype(int))
        assert difference.mean() < 6  # the two round colours differently
    assert not other.read()[0]
    assert len(frames) == 25


@pytest.mark.parametrize("part", [{"start": 0.5}, {"end": 0.5}, {"start": 0.4, "end": 0.8}, {"every": 4},
                                  {"start": 0.3, "every": 3}])  # fmt: skip
def test_a_part_is_the_same_as_that_part_of_the_whole(tmp_path, part):
    make_video(tmp_path / "clip.mp4")
    whole, _ = read(tmp_path / "clip.mp4")
    expected = [
        frame
        for frame in whole
        if part.get("start", 0) - 1e-6 <= frame.pts_seconds < part.get("end", 1e9) - 1e-6
        and frame.index % part.get("every", 1) == 0
    ]
    frames, _ = read(tmp_path / "clip.mp4", **part)
    assert [(f.index, round(f.pts_seconds, 3)) for f in frames] == [
        (f.index, round(f.pts_seconds, 3)) for f in expected
    ]
    for ours, theirs in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(ours.pixels, theirs.pixels)


def test_rotation_is_applied_once(tmp_path):
    """A phone's clip: stored lying, with a display matrix; OpenCV, which applies it too, is the oracle."""
    make_video(tmp_path / "lying.mp4", size=(48, 96))
    data = bytearray((tmp_path / "lying.mp4").read_bytes())
    # The matrix of the track header: 36 bytes, the identity as written; a quarter turn instead.
    identity = b"".join(value.to_bytes(4, "big") for value in (0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000))
    at = data.rfind(identity)
    assert at > data.find(b"tkhd") > 0
    turned = (0, 0x10000, 0, 0x100000000 - 0x10000, 0, 0, 48 << 16, 0, 0x40000000)
    data[at : at + 36] = b"".join(value.to_bytes(4, "big") for value in turned)
    (tmp_path / "standing.mp4").write_bytes(data)
    frames, _ = read(tmp_path / "standing.mp4")
    other = cv2.VideoCapture(str(tmp_path / "standing.mp4"))
    _, theirs = other.read()
    assert frames[0].size == theirs.shape[:2] == (96, 48)
    assert np.abs(frames[0].pixels.astype(int) - cv2.cvtColor(theirs, cv2.COLOR_BGR2RGB).astype(int)).mean() < 6


def test_ten_bits_are_read_as_eight_with_a_warning(tmp_path):
    make_video(tmp_path / "deep.mkv", pixel_format="yuv420p10le", codec="libx265")
    frames, warnings = read(tmp_path / "deep.mkv")
    assert number_of(frames[10]) == 10
    assert any("10-bit" in warning for warning in warnings)


def test_colours_are_right(tmp_path):
    make_video(tmp_path / "clip.mp4", size=(64, 64))
    red = read(tmp_path / "clip.mp4")[0][0].pixels[4, 4]
    assert red[0] > 235
    assert max(red[1:]) < 20


def test_a_truncated_file_keeps_what_decodes_and_counts(tmp_path):
    make_video(tmp_path / "whole.mkv", [40 * number for number in range(100)])
    data = (tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) * 6 // 10])
    frames, _ = read(tmp_path / "cut.mkv")
    assert 20 < len(frames) < 90
    assert [number_of(frame) for frame in frames[:20]] == list(range(20))


def test_flipped_bytes_keep_what_decodes_and_warn_with_counts(tmp_path):
    make_video(tmp_path / "whole.mp4", [40 * number for number in range(60)], size=(144, 192))
    data = bytearray((tmp_path / "whole.mp4").read_bytes())
    start = data.find(b"mdat") + 2000
    random = np.random.default_rng(0)
    for at in random.integers(start, start + (len(data) - start) // 2, 60):
        data[at] ^= 0xFF
    (tmp_path / "flipped.mp4").write_bytes(data)
    frames, warnings = read(tmp_path / "flipped.mp4")
    assert len(frames) > 10
    assert any("damaged" in warning and any(c.isdigit() for c in warning) for warning in warnings)


def bad_inputs(folder: Path) -> dict[str, str]:
    (folder / "empty.mp4").touch()
    (folder / "random.mp4").write_bytes(os.urandom(20000))
    (folder / "text.mp4").write_text("this is no video\n" * 50)
    (folder / "random.png").write_bytes(os.urandom(2000))
    (folder / "nothing").mkdir()
    os.mkfifo(folder / "pipe.mp4")
    make_video(folder / "whole.mp4")
    (folder / "headless.mp4").write_bytes((folder / "whole.mp4").read_bytes()[3000:])
    return {
        "missing.mp4": "No such file",
        "empty.mp4": "empty",
        "random.mp4": "no video",
        "text.mp4": "no video",
        "random.png": "no picture",
        "nothing": "without pictures",
        "pipe.mp4": "ordinary",
        "headless.mp4": "headless.mp4",
        "*.bmp": "matches",
    }


def test_bad_inputs_are_refused_in_one_line_that_names_them(tmp_path):
    for name, says in bad_inputs(tmp_path).items():
        with pytest.raises(SourceError) as caught:
            read(tmp_path / name)
        message = str(caught.value)
        assert says in message, name
        assert name in message
        assert "\n" not in message


def test_a_file_with_sound_only_has_no_video_stream(tmp_path):
    import av

    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 44100
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))
    with pytest.raises(SourceUnreadable, match="no video stream"):
        read(tmp_path / "sound.mp4")


def write_picture(path: Path, level: int, size: tuple[int, int] = (30, 40)) -> None:
    path.write_bytes(cv2.imencode(path.suffix, np.full((*size, 3), level, np.uint8))[1].tobytes())


def test_a_folder_of_pictures_comes_in_natural_order_at_one_size(tmp_path):
    for number in (10, 9, 1, 2):
        write_picture(tmp_path / f"frame{number}.png", number)
    write_picture(tmp_path / "frame20.png", 20, (60, 60))
    (tmp_path / "frame3.png").write_bytes(b"garbage")
    frames, warnings = read(tmp_path)
    assert [int(frame.pixels.max()) for frame in frames] == [1, 2, 9, 10, 20]
    assert {frame.size for frame in frames} == {(30, 40)}
    assert any("1 of 6 pictures" in warning and "frame3.png" in warning for warning in warnings)
    assert any("another size" in warning for warning in warnings)
    by_glob, _ = read(str(tmp_path / "frame?.png"))
    assert [int(frame.pixels.max()) for frame in by_glob] == [1, 2, 9]


def test_inputs_expand_to_places(tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / "pictures").mkdir()
    for name in ("b.mp4", "a10.mkv", "a9.mkv"):
        (tmp_path / "videos" / name).touch()
    write_picture(tmp_path / "pictures" / "x.png", 3)
    videos = [str(tmp_path / "videos" / name) for name in ("a9.mkv", "a10.mkv", "b.mp4")]
    assert expand([str(tmp_path / "videos")]) == videos
    assert expand([str(tmp_path / "pictures"), "scene:"]) == [str(tmp_path / "pictures"), "scene:"]
    assert expand([str(tmp_path / "videos" / "*.mkv")]) == videos[:2]
    with pytest.raises(SourceMissing, match="matches"):
        expand([str(tmp_path / "*.webm")])


@pytest.mark.parametrize("place", ["scene:x", "scene:?size=1x1", "scene:?objects=9", "scene:?colour=red", "scene:-1"])
def test_a_wrong_scene_says_what_a_scene_can_be(place):
    with pytest.raises(SettingsError, match="objects=1-5"):
        read(place)

"""Sources: every frame upright, at its own time; bad input is refused in one line, damaged input kept and counted."""

from __future__ import annotations

import os
import struct
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from media import Part, make_video, make_yuv, read, video_track
from PIL import Image

from rtviz.cv import cv2
from rtviz.errors import SettingsError, SourceError, SourceMissing, SourceUnreadable
from rtviz.frame import Frame
from rtviz.sources import expand, open_source


def number_of(frame: Frame) -> int:
    """The frame number that its grey level carries."""
    return round((float(frame.pixels[-8:, -8:].mean()) - 40) / 4)


def test_a_variable_rate_keeps_every_timestamp(tmp_path: Path) -> None:
    times_ms = make_video(tmp_path / "clip.mkv", [0, 40, 50, 200, 210, 1000, 1040, 1041])
    frames, warnings = read(tmp_path / "clip.mkv")
    assert [round(frame.pts_seconds * 1000) for frame in frames] == times_ms
    assert [frame.index for frame in frames] == list(range(8))
    assert [number_of(frame) for frame in frames] == list(range(8))
    assert warnings == []


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.webm", "libvpx-vp9"), ("a.mkv", "libx265"),
                                             ("a.avi", "mpeg4"), ("a.mov", "libx264")])  # fmt: skip
def test_the_same_frames_as_another_decoder_finds(tmp_path: Path, name: str, codec: str) -> None:
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
def test_a_part_is_the_same_as_that_part_of_the_whole(tmp_path: Path, part: Part) -> None:
    make_video(tmp_path / "clip.mp4")
    whole, _ = read(tmp_path / "clip.mp4")
    expected = [
        frame
        for frame in whole
        if part.get("start", 0) - 1e-6 <= frame.pts_seconds < (part.get("end") or 1e9) - 1e-6
        and frame.index % part.get("every", 1) == 0
    ]
    frames, _ = read(tmp_path / "clip.mp4", **part)
    assert [(f.index, round(f.pts_seconds, 3)) for f in frames] == [
        (f.index, round(f.pts_seconds, 3)) for f in expected
    ]
    for ours, theirs in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(ours.pixels, theirs.pixels)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mkv", "libx265"), ("a.ts", "libx264"), ("a.mpg", "mpeg2video"), ("a.avi", "mpeg4")],
)
def test_a_start_is_exact_in_every_container(tmp_path: Path, name: str, codec: str) -> None:
    """Containers without an index guess where to seek to, and B-frames are stored out of order."""
    make_video(
        tmp_path / name, [40 * number for number in range(75)], codec=codec, options={"bf": "2"}, ticks=Fraction(1, 25)
    )
    whole, _ = read(tmp_path / name)
    assert len(whole) == 75
    for start in (0.03, 0.61, 0.97, 1.18, 1.5, 2.21, 2.94):
        frames, warnings = read(tmp_path / name, start=start)
        expected = [frame for frame in whole if frame.pts_seconds >= start]
        assert [(f.index, f.pts_seconds) for f in frames] == [(f.index, f.pts_seconds) for f in expected]
        np.testing.assert_array_equal(frames[0].pixels, expected[0].pixels)
        assert warnings == []


def test_a_source_can_be_read_twice(tmp_path: Path) -> None:
    make_video(tmp_path / "clip.mp4")
    with open_source(str(tmp_path / "clip.mp4"), start=0.3) as source:
        assert [frame.index for frame in source] == [frame.index for frame in source] == list(range(8, 25))
        assert source.warnings == []


CORNERS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}


def corners_of(pixels: np.ndarray) -> list[str]:
    """The colours in the corners: top left, top right, bottom left, bottom right."""
    found = []
    for row, column in ((4, 4), (4, -5), (-5, 4), (-5, -5)):
        pixel = pixels[row, column].astype(int)
        found.append(min(CORNERS, key=lambda name: np.abs(pixel - CORNERS[name]).sum()))
    return found


@pytest.mark.parametrize(
    ("matrix", "size", "corners"),
    [
        ((1, 0, 0, 1), (48, 96), ["red", "green", "blue", "white"]),
        ((0, 1, -1, 0), (96, 48), ["blue", "red", "white", "green"]),  # a quarter turn clockwise
        ((-1, 0, 0, -1), (48, 96), ["white", "blue", "green", "red"]),
        ((0, -1, 1, 0), (96, 48), ["green", "white", "red", "blue"]),
        ((-1, 0, 0, 1), (48, 96), ["green", "red", "white", "blue"]),  # a mirror
        ((0, 1, 1, 0), (96, 48), ["red", "blue", "green", "white"]),
    ],
)
def test_rotation_and_mirroring_are_applied_once(
    tmp_path: Path, matrix: tuple[int, int, int, int], size: tuple[int, int], corners: list[str]
) -> None:
    """A phone's clip: stored lying, with a display matrix (a b; c d) that takes (x, y) to (ax + cy, bx + dy)."""
    import av

    pixels = np.zeros((48, 96, 3), np.uint8)
    for number, colour in enumerate(CORNERS.values()):
        pixels[24 * (number // 2) :, 48 * (number % 2) :] = colour
    with av.open(str(tmp_path / "lying.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = 96, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    data = bytearray((tmp_path / "lying.mp4").read_bytes())
    a, b, c, d = (value << 16 for value in matrix)
    as_written = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    at = data.rfind(as_written)  # the track header's, which comes after the film's
    assert at > data.find(b"tkhd") > 0
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    (tmp_path / "turned.mp4").write_bytes(data)
    ((frame,), _) = read(tmp_path / "turned.mp4")
    assert frame.size == size
    assert corners_of(frame.pixels) == corners


@pytest.mark.parametrize(
    ("tags", "red", "blue", "full"),
    [
        ({"colorspace": 5, "color_range": 1}, 0.299, 0.114, False),  # BT.601
        ({"colorspace": 1, "color_range": 1}, 0.2126, 0.0722, False),  # BT.709
        ({"colorspace": 1, "color_range": 2}, 0.2126, 0.0722, True),
        ({}, 0.299, 0.114, False),  # a small picture that says nothing
    ],
)
def test_colours_follow_the_tags(tmp_path: Path, tags: dict[str, Any], red: float, blue: float, full: bool) -> None:
    """The coded levels are worked out here, from the definition of the matrices."""
    colour = np.array([180, 60, 30])
    r, g, b = colour / 255
    luma = red * r + (1 - red - blue) * g + blue * b
    chroma = (b - luma) / (2 * (1 - blue)), (r - luma) / (2 * (1 - red))
    planes = (luma * 255 if full else 16 + luma * 219), *(128 + part * (255 if full else 224) for part in chroma)
    make_yuv(tmp_path / "clip.mkv", (round(planes[0]), round(planes[1]), round(planes[2])), **tags)
    np.testing.assert_allclose(read(tmp_path / "clip.mkv")[0][0].pixels[16, 24], colour, atol=3)


@pytest.mark.parametrize(("transfer", "white", "bright"), [(16, 572, 763), (18, 719, 900)])
def test_hdr_becomes_standard_range_with_a_warning(tmp_path: Path, transfer: int, white: int, bright: int) -> None:
    """Diffuse white (58 % of PQ, 75 % of HLG) is light, grey stays grey, and what is brighter still differs."""
    levels = []
    for name, level in (("white.mkv", white), ("bright.mkv", bright), ("black.mkv", 64)):
        make_yuv(
            tmp_path / name,
            (level, 512, 512),
            pixel_format="yuv420p10le",
            colorspace=9,
            color_range=1,
            color_trc=transfer,
            color_primaries=9,
        )
        frames, warnings = read(tmp_path / name)
        assert any("HDR" in warning for warning in warnings)
        pixel = frames[0].pixels[16, 24].astype(int)
        assert np.ptp(pixel) <= 2
        levels.append(pixel[0])
    assert 195 < levels[0] < 235
    assert levels[1] > levels[0] + 10
    assert levels[2] == 0


def test_pixels_that_are_not_square_are_made_so(tmp_path: Path) -> None:
    make_video(tmp_path / "wide.mkv", size=(36, 48), options={"x264-params": "sar=4/3"})
    with open_source(str(tmp_path / "wide.mkv")) as source:
        assert source.info.size == (36, 64)
        assert {frame.size for frame in source} == {(36, 64)}


def test_ten_bits_are_read_as_eight_with_a_warning(tmp_path: Path) -> None:
    make_video(tmp_path / "deep.mkv", pixel_format="yuv420p10le", codec="libx265")
    frames, warnings = read(tmp_path / "deep.mkv")
    assert number_of(frames[10]) == 10
    assert any("10-bit" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("packing", "said"), [(0, "as a chequerboard"), (3, "side by side"), (4, "one above the other"), (6, None)]
)  # ITU-T H.264, table D-8; 6 is a plain picture
def test_frames_that_hold_a_picture_for_each_eye_are_said(tmp_path: Path, packing: int, said: str | None) -> None:
    make_video(tmp_path / "a.mkv", [0, 40], options={"x264-params": f"frame-packing={packing}"})
    _, warnings = read(tmp_path / "a.mkv")
    assert warnings == ([f"its frames hold a picture for each eye, {said}: both are shown"] if said else [])


def test_colours_are_right(tmp_path: Path) -> None:
    make_video(tmp_path / "clip.mp4", size=(64, 64))
    red = read(tmp_path / "clip.mp4")[0][0].pixels[4, 4]
    assert red[0] > 235
    assert max(red[1:]) < 20


@pytest.mark.parametrize("name", ["whole.mkv", "whole.webm", "whole.mp4", "whole.avi"])
def test_a_truncated_file_keeps_what_decodes_and_counts(tmp_path: Path, name: str) -> None:
    codec = {".webm": "libvpx-vp9", ".avi": "mpeg4"}.get(Path(name).suffix, "libx264")
    make_video(tmp_path / name, [40 * number for number in range(100)], codec=codec, ticks=Fraction(1, 25))
    if name == "whole.mp4":  # its index stands at the end, unless it was made for the web
        import av

        web = tmp_path / "web.mp4"
        with av.open(str(tmp_path / name)) as source, av.open(str(web), "w", options={"movflags": "faststart"}) as copy:
            stream = copy.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    copy.mux(packet)
        web.replace(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    cut = tmp_path / f"cut{Path(name).suffix}"
    cut.write_bytes(data[: len(data) * 7 // 10])
    frames, warnings = read(cut)
    assert 20 < len(frames) < 95
    assert [number_of(frame) for frame in frames[:20]] == pytest.approx(list(range(20)), abs=1)
    assert any("cut off" in warning and str(len(frames)) in warning and "100" in warning for warning in warnings)
    assert read(tmp_path / name)[1] == []


def test_sound_that_is_longer_than_the_pictures_is_no_damage(tmp_path: Path) -> None:
    import av

    make_video(tmp_path / "short.mkv")
    with av.open(str(tmp_path / "short.mkv")) as source, av.open(str(tmp_path / "long.mkv"), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        voice = container.add_stream("aac", rate=44100)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                container.mux(packet)
        silence = av.AudioFrame.from_ndarray(np.zeros((2, 44100 * 3), np.float32), format="fltp", layout="stereo")
        silence.sample_rate = 44100
        container.mux(voice.encode(silence))
        container.mux(voice.encode(None))
    frames, warnings = read(tmp_path / "long.mkv")
    assert len(frames) == 25
    assert warnings == []


def test_a_size_that_changes_midway_is_fitted_into_the_first_with_a_warning(tmp_path: Path) -> None:
    make_video(tmp_path / "lying.ts", size=(48, 96))
    make_video(tmp_path / "standing.ts", [40 * number for number in range(5)], size=(96, 48))
    both = (tmp_path / "lying.ts").read_bytes() + (tmp_path / "standing.ts").read_bytes()
    (tmp_path / "both.ts").write_bytes(both)
    frames, warnings = read(tmp_path / "both.ts")
    assert {frame.size for frame in frames} == {(48, 96)}
    assert any("5 frames" in warning and "96x48" in warning for warning in warnings)
    last = frames[-1].pixels
    assert last[20, 2].max() < 10  # black beside the picture, which keeps its aspect
    assert last[40, 48].min() > 40
    seconds = [frame.pts_seconds for frame in frames]
    assert seconds == sorted(set(seconds))


@pytest.mark.parametrize("name", ["10:30 clip.mp4", "50% %d clip.mp4", "-dash.mp4", "ünï [x] 'q'.mp4", "1234"])
def test_names_may_be_anything(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "plain.mp4")
    (tmp_path / "plain.mp4").rename(tmp_path / name)
    assert len(read(name)[0]) == 25
    assert expand([name]) == [name]


def test_the_real_clips_have_the_frames_that_another_decoder_finds() -> None:
    media = Path(__file__).parents[3] / "shared" / "media"
    clips = sorted(media.glob("*.m[pk][4v]"))
    if not clips:
        pytest.skip(f"there are no clips in {media}")
    for clip in clips:
        other = cv2.VideoCapture(str(clip))
        with open_source(str(clip), end=3.0) as source:
            assert source.info.fps == pytest.approx(other.get(cv2.CAP_PROP_FPS), abs=0.01)
            for frame in source:
                fine, theirs = other.read()
                assert fine
                difference = np.abs(frame.pixels.astype(int) - cv2.cvtColor(theirs, cv2.COLOR_BGR2RGB))
                assert difference.mean() < 4


def test_flipped_bytes_keep_what_decodes_and_warn_with_counts(tmp_path: Path) -> None:
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


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


def bad_inputs(folder: Path) -> dict[str, str]:
    (folder / "empty.mp4").touch()
    (folder / "random.mp4").write_bytes(os.urandom(20000))
    (folder / "text.mp4").write_text("this is no video\n" * 50)
    (folder / "letter.txt").write_text("FFmpeg would draw this\n" * 50)
    (folder / "absurd.png").write_bytes(png_that_claims(20000, 20000))
    (folder / "wide.png").write_bytes(png_that_claims(20000, 10))
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
        "letter.txt": "text",
        "absurd.png": "claims",
        "wide.png": "20000x10",
        "random.png": "no picture",
        "nothing": "without pictures",
        "pipe.mp4": "ordinary",
        "headless.mp4": "headless.mp4",
        "*.bmp": "matches",
    }


def test_bad_inputs_are_refused_in_one_line_that_names_them(tmp_path: Path) -> None:
    for name, says in bad_inputs(tmp_path).items():
        with pytest.raises(SourceError) as caught:
            read(tmp_path / name)
        message = str(caught.value)
        assert says in message, name
        assert name in message
        assert "\n" not in message


def test_a_file_with_sound_only_has_no_video_stream(tmp_path: Path) -> None:
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


def test_a_folder_of_pictures_comes_in_natural_order_at_one_size(tmp_path: Path) -> None:
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


def test_a_picture_is_upright_on_white_and_eight_bits_deep(tmp_path: Path) -> None:
    lying = Image.fromarray(np.repeat(np.arange(40, dtype=np.uint8)[None, :, None] * 6, 20, 0).repeat(3, 2))
    exif = Image.Exif()
    exif[0x0112] = 6  # held upright: to be turned a quarter clockwise
    lying.save(tmp_path / "phone.jpg", exif=exif, quality=95)
    pixels = read(tmp_path / "phone.jpg")[0][0].pixels
    assert pixels.shape == (40, 20, 3)
    assert pixels[-1].mean() > pixels[0].mean() + 200

    cut_out = np.zeros((10, 10, 4), np.uint8)
    cut_out[5:] = (200, 0, 0, 255)
    Image.fromarray(cut_out).save(tmp_path / "logo.png")
    pixels = read(tmp_path / "logo.png")[0][0].pixels
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[9, 9].tolist() == [200, 0, 0]

    Image.fromarray(np.full((10, 10), 0x8000, np.uint16)).save(tmp_path / "deep.png")
    assert read(tmp_path / "deep.png")[0][0].pixels[0, 0].tolist() == [128, 128, 128]


def test_a_clip_that_begins_late_is_not_taken_for_one_that_is_cut_off(tmp_path: Path) -> None:
    make_video(tmp_path / "late.mkv", [5000 + 40 * number for number in range(25)])
    frames, warnings = read(tmp_path / "late.mkv")
    assert [frame.pts_seconds for frame in frames] == pytest.approx([0.04 * number for number in range(25)])
    assert warnings == []


def test_a_picture_that_is_cut_off_keeps_its_upper_part(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    noise = np.random.default_rng(0).integers(60, 255, (96, 128, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.jpg", quality=95)
    data = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) * 6 // 10])
    (whole,), _ = read(tmp_path / "whole.jpg")
    (cut,), warnings = read(tmp_path / "cut.jpg")
    np.testing.assert_array_equal(cut.pixels[:40], whole.pixels[:40])
    assert any("cut off" in warning for warning in warnings)
    assert capfd.readouterr().err == ""


def test_inputs_expand_to_places(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "pictures").mkdir()
    for name in ("b.mp4", "a10.mkv", "a9.mkv"):
        (tmp_path / "videos" / name).touch()
    write_picture(tmp_path / "pictures" / "x.png", 3)
    videos = [str(tmp_path / "videos" / name) for name in ("a9.mkv", "a10.mkv", "b.mp4")]
    assert expand([str(tmp_path / "videos")]) == videos
    assert expand([str(tmp_path / "pictures"), "scene:"]) == [str(tmp_path / "pictures"), "scene:"]
    assert expand([str(tmp_path / "videos" / "*.mkv")]) == videos[:2]
    (tmp_path / "videos" / "._a9.mkv").touch()  # what a Mac leaves on other people's disks
    write_picture(tmp_path / "videos" / "poster.jpg", 3)
    assert expand([str(tmp_path / "videos")]) == [*videos, str(tmp_path / "videos")]
    with pytest.raises(SourceMissing, match="matches"):
        expand([str(tmp_path / "*.webm")])


@pytest.mark.parametrize("place", ["scene:x", "scene:?size=1x1", "scene:?objects=9", "scene:?colour=red", "scene:-1"])
def test_a_wrong_scene_says_what_a_scene_can_be(place: str) -> None:
    with pytest.raises(SettingsError, match="objects=1-5"):
        read(place)


def remux(given: list[Path], path: Path, template: int = 0) -> None:
    """The packets of several clips one behind the other, under the header of one of them."""
    import av

    with av.open(str(given[template])) as head, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(head.streams.video[0])
        number = 0
        for one in given:
            with av.open(str(one)) as source:
                for packet in source.demux(video=0):
                    if packet.size:
                        packet.pts = packet.dts = number * 40
                        packet.time_base, packet.stream = Fraction(1, 1000), stream
                        number += 1
                        container.mux(packet)


@pytest.mark.parametrize("larger_first", [False, True])
def test_a_stream_that_begins_smaller_than_its_header_has_the_headers_size(tmp_path: Path, larger_first: bool) -> None:
    for name, size in (("small.mkv", (48, 64)), ("large.mkv", (96, 128))):
        make_video(tmp_path / name, [40 * number for number in range(8)], size=size, codec="libvpx")
    order = [tmp_path / "large.mkv", tmp_path / "small.mkv"][:: 1 if larger_first else -1]
    remux(order, tmp_path / "both.mkv", template=0 if larger_first else 1)
    frames, warnings = read(tmp_path / "both.mkv")
    assert {frame.size for frame in frames} == {(96, 128)}
    assert [number_of(frame) for frame in frames] == pytest.approx([*range(8), *range(8)], abs=1)
    assert any("8 frames" in warning and "128x96" in warning for warning in warnings)


def test_an_aspect_ratio_that_changes_midway_is_followed(tmp_path: Path) -> None:
    times = [40 * number for number in range(5)]
    make_video(tmp_path / "square.ts", times, size=(48, 64))
    make_video(tmp_path / "wide.ts", times, size=(48, 64), options={"x264-params": "sar=2/1"})
    both = (tmp_path / "square.ts").read_bytes() + (tmp_path / "wide.ts").read_bytes()
    (tmp_path / "both.ts").write_bytes(both)
    frames, warnings = read(tmp_path / "both.ts")
    assert {frame.size for frame in frames} == {(48, 64)}
    assert frames[0].pixels[2, 32].min() > 30
    assert frames[-1].pixels[2, 32].max() < 10  # 128x48 in 64x48: black above it
    assert any("5 frames" in warning for warning in warnings)


@pytest.mark.parametrize("orientation", [1, 6, 3, 2])
@pytest.mark.parametrize("name", ["clip.avi", "clip.mov"])
def test_jpeg_frames_that_carry_exif_are_read_upright(tmp_path: Path, name: str, orientation: int) -> None:
    import io

    import av

    pixels = np.zeros((48, 96, 3), np.uint8)
    for number, colour in enumerate(CORNERS.values()):
        pixels[24 * (number // 2) :, 48 * (number % 2) :] = colour
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "a camera"
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "jpeg", exif=exif, quality=95)
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_mux_stream("mjpeg", rate=25, width=96, height=48)
        stream.time_base = Fraction(1, 25)
        for number in range(3):
            packet = av.Packet(written.getvalue())
            packet.pts = packet.dts = number
            packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, 25), stream, True
            container.mux(packet)
    frames, _ = read(tmp_path / name)
    upright = {1: ["red", "green", "blue", "white"], 6: ["blue", "red", "white", "green"],
               3: ["white", "blue", "green", "red"], 2: ["green", "red", "white", "blue"]}[orientation]  # fmt: skip
    assert [corners_of(frame.pixels) for frame in frames] == [upright] * 3


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("raw.h264", "libx264", Fraction(50)),
        ("raw.h264", "libx264", Fraction(24000, 1001)),
        ("raw.h264", "libx264", Fraction(12)),
        ("raw.h264", "libx264", Fraction(120)),
        ("raw.hevc", "libx265", Fraction(60)),
        ("raw.m2v", "mpeg2video", Fraction(50)),
        ("raw.ivf", "libvpx", Fraction(50)),
    ],
)
def test_a_bare_stream_plays_at_the_rate_of_its_codec(tmp_path: Path, name: str, codec: str, rate: Fraction) -> None:
    import av

    with av.open(str(tmp_path / name), "w") as container:
        stream = video_track(container, codec, {"bf": "2", "x265-params": "log-level=none"}, rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 + 4 * number, np.uint8), format="rgb24")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    frames, warnings = read(tmp_path / name)
    assert [frame.pts_seconds for frame in frames] == pytest.approx([n / float(rate) for n in range(20)])
    assert [number_of(frame) for frame in frames] == pytest.approx(list(range(20)), abs=2)
    said = [warning for warning in warnings if f"{float(rate):.6g} frames a second" in warning]
    assert len(said) == (name != "raw.ivf")  # which has timestamps
    part, _ = read(tmp_path / name, start=5 / float(rate))
    assert [frame.index for frame in part] == list(range(5, 20))


@pytest.mark.parametrize("name", ["in.avi", "in.wmv"])
def test_b_frames_in_a_container_of_decoding_times_are_shown_at_theirs(tmp_path: Path, name: str) -> None:
    """AVI and ASF keep no time at which a packet is shown."""
    import av

    with av.open(str(tmp_path / name), "w") as container:
        options = {"bf": "3", "b_strategy": "0", "g": "30", "x264-params": "b-pyramid=normal"}
        stream = container.add_stream("libx264", rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 + 4 * number, np.uint8), format="rgb24")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    frames, warnings = read(tmp_path / name)
    assert not warnings
    assert [frame.pts_seconds for frame in frames] == pytest.approx([0.1 * number for number in range(50)])
    assert [number_of(frame) for frame in frames] == pytest.approx(list(range(50)), abs=2)
    part, _ = read(tmp_path / name, start=4.0)
    assert [frame.index for frame in part] == list(range(40, 50))
    assert [frame.pts_seconds for frame in part] == pytest.approx([0.1 * number for number in range(40, 50)])
    assert [number_of(frame) for frame in part] == pytest.approx(list(range(40, 50)), abs=2)

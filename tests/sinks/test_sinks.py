"""Sinks: what was put in comes out, at its own time and with its sound; nothing half-made has a final name."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from media import Part, copy, make_signals, make_video, packet_times, pts_seconds, signals, sound_packets

from rtviz.cv import cv2
from rtviz.errors import OutputExists, OutputUnwritable, SettingsError
from rtviz.frame import Frame, Maps, Pixels
from rtviz.notices import Remedy
from rtviz.settings import OutputSettings
from rtviz.sinks import check_output, leftover, open_maps_sink, open_sink
from rtviz.sinks.memory import MemorySink
from rtviz.sources import open_source


@pytest.mark.parametrize(
    ("asked", "expected"), [((30, 0), (30, 46)), ((0, 32), (22, 32)), ((20, 30), (20, 30)), ((2, 0), (2, 4))]
)
@pytest.mark.parametrize("name", ["o.mp4", "o.gif", "o.png", "folder"])
def test_a_side_that_is_not_given_follows_the_other(
    tmp_path: Path, name: str, asked: tuple[int, int], expected: tuple[int, int]
) -> None:
    picture = np.zeros((41, 62, 3), np.uint8)
    with open_sink(tmp_path / name, size=(41, 62), fps=25, output=OutputSettings(size=asked)) as sink:
        assert sink.size == expected
        sink.write(picture, Frame(picture))
    written = tmp_path / name / "frame_000000.png" if name == "folder" else tmp_path / name
    with open_source(str(written)) as source:
        assert next(iter(source)).size == expected


def frames_by_another_decoder(path: Path) -> list[Pixels]:
    capture = cv2.VideoCapture(str(path))
    frames: list[Pixels] = []
    while True:
        fine, frame = capture.read()
        if not fine:
            return frames
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))


@pytest.mark.parametrize(
    ("name", "codec"),
    [("o.mp4", "auto"), ("o.mp4", "h265"), ("o.mp4", "av1"), ("o.mkv", "auto"), ("o.webm", "auto"), ("o.mov", "auto")],
)
def test_every_container_keeps_frames_pictures_and_uneven_times(tmp_path: Path, name: str, codec: str) -> None:
    times_ms = make_video(tmp_path / "in.mkv", [0, 40, 50, 200, 210, 700, 740, 1200, 1240, 1300], size=(96, 128))
    copy(tmp_path / "in.mkv", tmp_path / name, OutputSettings(codec=codec, quality=95))
    assert packet_times(tmp_path / name) == pytest.approx([time / 1000 for time in times_ms], abs=1e-3)
    decoded = frames_by_another_decoder(tmp_path / name)
    if codec == "av1":  # which not every OpenCV decodes
        with open_source(str(tmp_path / name)) as written:
            decoded = [frame.pixels for frame in written]
    assert len(decoded) == 10
    with open_source(str(tmp_path / "in.mkv")) as source:
        for ours, theirs in zip(source, decoded, strict=True):
            assert np.abs(ours.pixels.astype(int) - theirs.astype(int)).mean() < 6


def test_odd_sizes_are_padded_to_even_ones_and_nothing_is_lost(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (5, 7, 3), np.uint8)
    pixels = cv2.resize(pixels, (101, 75), interpolation=cv2.INTER_CUBIC)
    with open_sink(tmp_path / "o.mp4", size=(75, 101), fps=25, output=OutputSettings(quality=100)) as sink:
        for index in range(5):
            sink.write(pixels, Frame(pixels, index, index / 25))
    decoded = frames_by_another_decoder(tmp_path / "o.mp4")[2]
    assert decoded.shape == (76, 102, 3)
    assert np.abs(decoded[:75, :101].astype(int) - pixels.astype(int)).mean() < 6


@pytest.mark.parametrize("name", ["o.mp4", "o.mkv", "o.mov"])
def test_sound_is_copied_packet_by_packet(tmp_path: Path, name: str) -> None:
    make_video(tmp_path / "in.mp4", sound="aac")
    warnings = copy(tmp_path / "in.mp4", tmp_path / name)
    assert sound_packets(tmp_path / name) == sound_packets(tmp_path / "in.mp4")
    assert warnings == []


def test_what_is_not_kept_is_said_and_title_and_language_are_kept(tmp_path: Path) -> None:
    import av

    make_video(tmp_path / "one.mkv", sound="aac")
    with av.open(str(tmp_path / "one.mkv")) as one, av.open(str(tmp_path / "in.mkv"), "w") as two:
        two.metadata["title"] = "A walk"
        tracks = [one.streams.video[0], one.streams.audio[0], one.streams.audio[0]]
        copies = [two.add_stream_from_template(track) for track in tracks]
        copies[1].metadata["language"] = "deu"
        for packet in one.demux(*set(tracks)):
            if packet.dts is not None:
                packet.stream = copies[0 if packet.stream.type == "video" else 1]
                two.mux(packet)
    warnings = copy(tmp_path / "in.mkv", tmp_path / "o.mp4", OutputSettings(size=(48, 48)))
    assert any("of 2 sound tracks" in warning for warning in warnings)
    assert any("stretched: 48x48" in warning and "64x48" in warning for warning in warnings)
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert container.metadata["title"] == "A walk"
        assert [track.metadata["language"] for track in container.streams.audio] == ["deu"]


@pytest.mark.parametrize(("name", "codec"), [("o.mp4", "aac"), ("o.webm", "opus")])
def test_sound_that_the_container_cannot_carry_is_encoded_anew_and_said(tmp_path: Path, name: str, codec: str) -> None:
    import av

    make_video(tmp_path / "in.mkv", sound="pcm_s16le")
    warnings = copy(tmp_path / "in.mkv", tmp_path / name)
    assert any("encoded anew" in warning for warning in warnings)
    with av.open(str(tmp_path / name)) as container:
        assert container.streams.audio[0].codec_context.name.startswith(codec)
        samples = [frame.to_ndarray().mean(axis=0) for frame in container.decode(audio=0)]
        rate = container.streams.audio[0].rate
    heard = np.concatenate(samples)[rate // 4 : rate * 3 // 4]
    loudest = np.abs(np.fft.rfft(heard)).argmax() * rate / len(heard)
    assert loudest == pytest.approx(440, abs=5)  # the tone that went in
    assert sum(map(len, samples)) / rate == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("part", [{}, {"start": 0.53}, {"start": 1.5, "end": 3.3}])
@pytest.mark.parametrize(
    ("given", "sound", "name"),
    [
        ("in.mp4", "aac", "o.mp4"),
        ("in.mp4", "aac", "o.mkv"),
        ("in.ts", "aac", "o.mp4"),  # with a header before each packet, which files do not have
        ("in.ts", "aac", "o.mkv"),
        ("in.mkv", "pcm_s16le", "o.mp4"),
        ("in.mkv", "flac", "o.webm"),
        ("in.mkv", "libopus", "o.webm"),
    ],
)
def test_flash_and_beep_stay_together(tmp_path: Path, given: str, sound: str, name: str, part: Part) -> None:
    make_signals(tmp_path / given, sound=sound)
    copy(tmp_path / given, tmp_path / name, **part)
    assert packet_times(tmp_path / name)[0] == 0
    flashes, beeps = signals(tmp_path / name)
    seconds = range(int(part.get("start", 0)) + 1, int(np.ceil(part.get("end") or 4)))
    first = np.ceil(part.get("start", 0) * 25 - 1e-6) / 25
    assert flashes == pytest.approx([at - first for at in seconds], abs=0.002)
    lag = signals(tmp_path / given)
    assert beeps == pytest.approx([at + lag[1][0] - lag[0][0] for at in flashes], abs=0.005)


def test_sound_with_a_hole_stays_in_step_behind_it(tmp_path: Path) -> None:
    """A recorder that lost two seconds of sound; encoded anew, silence must stand there."""
    import av

    make_signals(tmp_path / "whole.mkv", seconds=5, sound="pcm_s16le")
    with av.open(str(tmp_path / "whole.mkv")) as source, av.open(str(tmp_path / "in.mkv"), "w") as container:
        streams = {stream.index: container.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            in_the_hole = packet.stream.type == "audio" and packet.pts is not None and 1500 <= packet.pts < 3500
            if packet.size and not in_the_hole:
                packet.stream = streams[packet.stream.index]
                container.mux(packet)
    copy(tmp_path / "in.mkv", tmp_path / "o.mp4")
    flashes, beeps = signals(tmp_path / "o.mp4")
    assert flashes == pytest.approx([1, 2, 3, 4], abs=0.002)
    assert beeps == pytest.approx([1, 4], abs=0.005)


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_sound_that_begins_late_does_not_hold_the_pictures_back(tmp_path: Path, codec: str) -> None:
    import av

    make_signals(tmp_path / "whole.mkv", seconds=5)
    with av.open(str(tmp_path / "whole.mkv")) as source, av.open(str(tmp_path / "in.mkv"), "w") as container:
        streams = {stream.index: container.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.size and (packet.stream.type == "video" or pts_seconds(packet) >= 3.5):
                packet.stream = streams[packet.stream.index]
                container.mux(packet)
    with open_source(str(tmp_path / "in.mkv")) as source:
        sink = open_sink(
            tmp_path / "o.mp4", size=(48, 64), fps=25, output=OutputSettings(codec=codec, quality=50), origin=source
        )
        for frame in source:
            sink.write(frame.pixels, frame)
            if frame.index == 80:  # what a kill here would leave
                rest = leftover(tmp_path / "o.mp4")
                assert rest is not None
                shown_so_far = len(frames_by_another_decoder(rest))
        sink.close()
    assert shown_so_far >= 81 - 50
    assert packet_times(tmp_path / "o.mp4") == pytest.approx([0.04 * number for number in range(125)], abs=1e-3)
    assert signals(tmp_path / "o.mp4")[1] == pytest.approx([4.02], abs=0.03)


def test_the_last_frame_is_shown_as_long_as_in_the_input(tmp_path: Path) -> None:
    import av

    make_video(tmp_path / "in.mp4", [0, 100, 200])  # whose last frame lasts 100 ms
    copy(tmp_path / "in.mp4", tmp_path / "o.mp4")
    with av.open(str(tmp_path / "in.mp4")) as before, av.open(str(tmp_path / "o.mp4")) as after:
        assert after.duration == pytest.approx(before.duration, abs=1000)  # microseconds


def test_a_key_frame_comes_every_second_however_uneven_the_rate(tmp_path: Path) -> None:
    """What a kill can cost is what lies behind the last key frame."""
    import av

    times = [*(0.02 * number for number in range(150)), *(3 + 0.4 * number for number in range(20))]
    pixels = np.zeros((48, 64, 3), np.uint8)
    for codec in ("h264", "h265", "vp9", "av1"):
        path = tmp_path / f"{codec}.mp4"
        with open_sink(path, size=(48, 64), fps=30, output=OutputSettings(codec=codec)) as sink:
            for index, seconds in enumerate(times):
                sink.write(pixels, Frame(pixels, index, seconds))
        with av.open(str(path)) as container:
            packets = [packet for packet in container.demux(video=0) if packet.size]
            keys = [pts_seconds(packet) for packet in packets if packet.is_keyframe]
        assert len(packets) == len(times)
        assert max(np.diff([*keys, times[-1]])) <= 1.3


def test_a_part_has_its_own_sound_and_starts_at_zero(tmp_path: Path) -> None:
    make_video(tmp_path / "in.mp4", [40 * number for number in range(75)], sound="aac")
    copy(tmp_path / "in.mp4", tmp_path / "o.mp4", start=1.0, end=2.0)
    assert packet_times(tmp_path / "o.mp4") == pytest.approx([0.04 * number for number in range(25)], abs=1e-3)
    seconds = len(sound_packets(tmp_path / "o.mp4")) * 1024 / 44100
    assert seconds == pytest.approx(1.0, abs=0.15)


def test_the_colours_are_tagged(tmp_path: Path) -> None:
    import av

    make_video(tmp_path / "in.mp4")
    copy(tmp_path / "in.mp4", tmp_path / "o.mp4")
    with av.open(str(tmp_path / "o.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.color_primaries, context.color_trc, context.colorspace) == (1, 1, 1)
        assert context.pix_fmt == "yuv420p"


def test_a_gif_moves_and_says_what_it_left_out(tmp_path: Path) -> None:
    from PIL import Image
    from PIL.GifImagePlugin import GifImageFile

    make_video(tmp_path / "in.mp4", [20 * number for number in range(50)])
    warnings = copy(tmp_path / "in.mp4", tmp_path / "o.gif")
    assert any("left out" in warning for warning in warnings)
    with Image.open(tmp_path / "o.gif") as picture:
        assert isinstance(picture, GifImageFile)
        assert picture.is_animated
        assert 15 < picture.n_frames < 50
        picture.seek(picture.n_frames - 1)
        assert np.asarray(picture.convert("RGB"))[40, 60, 0] > 200  # the last frames are bright


def test_a_gif_says_that_it_has_no_sound(tmp_path: Path) -> None:
    make_signals(tmp_path / "in.mp4", seconds=1)
    assert "left out, because .gif does not carry it: 1 sound track" in copy(tmp_path / "in.mp4", tmp_path / "o.gif")


@pytest.mark.parametrize("name", ["o.mp4", "o.mov", "o.mkv", "o.gif"])
@pytest.mark.parametrize("milliseconds", [[65_535_000, 100, 100], [100, 100, 65_535_000]])
def test_a_picture_may_stand_for_hours(tmp_path: Path, name: str, milliseconds: list[int]) -> None:
    """An MP4 counts that in 31 bits of its unit, a GIF in 16 bits: the picture is repeated."""
    from PIL import Image

    drawn = [Image.new("RGB", (64, 48), (level,) * 3) for level in (0, 100, 200)]
    drawn[0].save(tmp_path / "in.png", save_all=True, append_images=drawn[1:], duration=milliseconds)
    copy(tmp_path / "in.png", tmp_path / name)
    with open_source(str(tmp_path / name)) as written:
        assert written.info.duration_seconds == pytest.approx(65_535.2, abs=0.01)
        shown = [(round(frame.pixels.mean() / 100), frame.pts_seconds) for frame in written]
    first = [next(at for level, at in shown if level == number) for number in range(3)]
    assert first == pytest.approx([0, milliseconds[0] / 1000, sum(milliseconds[:2]) / 1000], abs=0.01)


@pytest.mark.parametrize("name", ["o.mp4", "o.gif"])
def test_a_picture_that_is_to_stand_for_ever_is_refused_in_a_line(tmp_path: Path, name: str) -> None:
    pixels = np.zeros((48, 64, 3), np.uint8)
    with open_sink(tmp_path / name, size=(48, 64), fps=25) as sink:
        sink.write(pixels, Frame(pixels, 0, 0.0))
        with pytest.raises(OutputUnwritable, match=r"to be shown for \d+ days"):
            sink.write(pixels, Frame(pixels, 1, 1e12))


def test_the_last_picture_of_a_gif_stands_as_long_as_it_did(tmp_path: Path) -> None:
    from PIL import Image
    from PIL.GifImagePlugin import GifImageFile

    drawn = [Image.new("RGB", (64, 48), (level,) * 3) for level in (0, 100, 200)]
    drawn[0].save(tmp_path / "in.gif", save_all=True, append_images=drawn[1:], duration=[100, 100, 2000])
    copy(tmp_path / "in.gif", tmp_path / "o.gif")
    with Image.open(tmp_path / "o.gif") as written:
        assert isinstance(written, GifImageFile)
        times = []
        for number in range(written.n_frames):
            written.seek(number)
            times.append(written.info["duration"])
    assert times == [100, 100, 2000]


def test_a_folder_of_pngs_is_exact_and_lists_the_times(tmp_path: Path) -> None:
    make_video(tmp_path / "in.mp4")
    copy(tmp_path / "in.mp4", tmp_path / "pictures", every=5)
    names = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert names == ["frame_000000.png", "frame_000005.png", "frame_000010.png", "frame_000015.png",
                     "frame_000020.png", "frames.csv"]  # fmt: skip
    with open_source(str(tmp_path / "in.mp4")) as source:
        fifth = list(source)[5].pixels
    written = cv2.cvtColor(cv2.imread(str(tmp_path / "pictures" / "frame_000005.png")), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(written, fifth)
    assert "frame_000005.png,5,0.200000" in (tmp_path / "pictures" / "frames.csv").read_text()


def test_one_picture_holds_one_frame(tmp_path: Path) -> None:
    make_video(tmp_path / "in.mp4")
    with pytest.raises(OutputUnwritable, match="one picture"):
        copy(tmp_path / "in.mp4", tmp_path / "o.png")
    assert not list(tmp_path.glob("o*"))
    copy(tmp_path / "in.mp4", tmp_path / "o.png", end=0.02)
    assert cv2.imread(str(tmp_path / "o.png")).shape == (48, 64, 3)


def test_an_exception_leaves_nothing_under_the_final_name_and_a_file_that_plays(tmp_path: Path) -> None:
    make_video(tmp_path / "in.mp4", [40 * number for number in range(100)])

    def fail_midway() -> None:
        with (
            open_source(str(tmp_path / "in.mp4")) as source,
            open_sink(tmp_path / "o.mp4", size=source.info.size, fps=25, origin=source) as sink,
        ):
            for frame in source:
                sink.write(frame.pixels, frame)
                if frame.index == 70:
                    raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        fail_midway()
    assert not (tmp_path / "o.mp4").exists()
    rest = leftover(tmp_path / "o.mp4")
    assert rest is not None
    assert len(frames_by_another_decoder(rest)) == 71


def test_a_new_run_does_not_touch_what_an_earlier_one_left(tmp_path: Path) -> None:
    (tmp_path / "o.partial.mp4").write_bytes(b"precious")
    (tmp_path / "other.partial.mp4").write_bytes(b"not ours")
    make_video(tmp_path / "in.mp4")
    assert leftover(tmp_path / "o.mp4") == tmp_path / "o.partial.mp4"
    copy(tmp_path / "in.mp4", tmp_path / "o.mp4")
    assert (tmp_path / "o.partial.mp4").read_bytes() == b"precious"


KILLED = """
import sys, time, numpy as np
from pathlib import Path
from rtviz.frame import Frame
from rtviz.sinks import open_sink
sink = open_sink(Path(sys.argv[1]), size=(96, 128), fps=30)
random = np.random.default_rng(0)
for index in range(3000):
    pixels = np.full((96, 128, 3), index % 256, np.uint8)
    sink.write(pixels, Frame(pixels, index, index / 30, 1 / 30))
    if index == 599:
        print("ready", flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize("name", ["o.mp4", "o.mkv", "o.webm"])
def test_after_a_kill_the_temporary_file_plays_up_to_two_seconds_before_it(tmp_path: Path, name: str) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / name)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / name).exists()
    rest = leftover(tmp_path / name)
    assert rest is not None
    assert len(frames_by_another_decoder(rest)) >= 600 - 60


FULL = """
import resource, signal, sys, numpy as np
from pathlib import Path
from rtviz.errors import OutputUnwritable
from rtviz.frame import Frame
from rtviz.sinks import open_sink
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
random = np.random.default_rng(0)
try:
    with open_sink(Path(sys.argv[1]), size=(240, 320), fps=30) as sink:
        for index in range(300):
            pixels = random.integers(0, 255, (240, 320, 3), np.uint8)
            sink.write(pixels, Frame(pixels, index, index / 30))
except OutputUnwritable as error:
    print(error)
    sys.exit(1)
"""


@pytest.mark.parametrize("name", ["o.mp4", "o.mkv", "o.gif", "folder"])
def test_a_full_disk_is_one_line_and_leaves_no_final_file(tmp_path: Path, name: str) -> None:
    """A limit on the file's size fails a write as a full disk does."""
    if name == "folder":
        full = FULL.replace("100_000, 100_000", "1000, 1000")
    else:
        full = FULL
    done = subprocess.run(
        [sys.executable, "-c", full, str(tmp_path / name)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("\n") == 1
    assert name in done.stdout
    assert "large" in done.stdout or "space" in done.stdout
    assert not (tmp_path / name).exists()


def test_hopeless_outputs_are_refused_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "there.mp4").write_bytes(b"x")
    (tmp_path / "hard.mp4").hardlink_to(tmp_path / "there.mp4")
    with pytest.raises(OutputExists, match=r"there\.mp4 exists") as refused:
        check_output(tmp_path / "there.mp4", None, overwrite=False)
    assert refused.value.remedy is Remedy.OVERWRITE
    for other in ("there.mp4", "hard.mp4"):
        with pytest.raises(OutputUnwritable, match="the input"):
            check_output(tmp_path / other, str(tmp_path / "there.mp4"), overwrite=True)
    with pytest.raises(OutputUnwritable, match=r"allowed: \.mp4"):
        check_output(tmp_path / "o.doc", None, overwrite=False)
    with pytest.raises(OutputUnwritable, match="no folder"):
        check_output(tmp_path / "there.mp4" / "o.mp4", None, overwrite=False)
    with pytest.raises(OutputUnwritable, match=r"\.zarr"):
        check_output(tmp_path / "o.mp4", None, overwrite=False, kind="maps")


def test_an_output_never_replaces_its_input(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").write_bytes(b"a picture")
    for output, place in [
        (folder, folder),
        (folder, folder / "*.png"),
        (folder, folder / "1.png"),
        (folder / "1.png", folder),
        (folder / "1.png", folder / "*.png"),
    ]:
        with pytest.raises(OutputUnwritable, match="the input"):
            check_output(output, str(place), overwrite=True)
    check_output(folder / "new.png", str(folder), overwrite=True)
    check_output(tmp_path / "new", str(folder), overwrite=True)


def test_a_sink_that_no_frame_came_to_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    for name in ("o.mp4", "o.gif", "o.png", "o"):
        sink = open_sink(tmp_path / name, size=(48, 64), fps=25)
        with pytest.raises(OutputUnwritable, match="no frame came"):
            sink.close()
        sink.abort()
        assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_encoded_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputUnwritable, match="20000x64 are too large"):
        open_sink(tmp_path / "o.mp4", size=(64, 20000), fps=25)
    pixels = np.zeros((2, 2, 3), np.uint8)

    def write_h265() -> None:
        with open_sink(tmp_path / "o.mp4", size=(2, 2), fps=25, output=OutputSettings(codec="h265")) as sink:
            sink.write(pixels, Frame(pixels))

    with pytest.raises(OutputUnwritable, match="2x2 pictures as h265"):
        write_h265()
    assert not (tmp_path / "o.mp4").exists()


def test_a_sink_in_memory_keeps_what_it_was_given() -> None:
    drawn = np.zeros((2, 2, 3), np.uint8)
    with MemorySink() as sink:
        for index in range(3):
            drawn[:] = index
            sink.write(drawn, Frame(drawn.copy(), index, index / 25))
    assert [int(picture.max()) for picture in sink.pictures] == [0, 1, 2]
    assert [frame.index for frame in sink.frames] == [0, 1, 2]
    assert sink.closed


def test_a_codec_that_a_container_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="vp9, av1"):
        open_sink(tmp_path / "o.webm", size=(48, 64), fps=25, output=OutputSettings(codec="h264"))


def some_maps(frames: int) -> list[tuple[Maps, Frame]]:
    random = np.random.default_rng(0)
    pixels = np.zeros((48, 64, 3), np.uint8)
    return [
        (
            Maps(
                attention=random.random((12, 6, 14, 18), np.float32),
                prefix=random.random((12, 6, 1), np.float32),
                query="cls",
                model="made-up",
                patch_size=16,
                input_size=(224, 288),
            ),
            Frame(pixels, index, index / 30),
        )
        for index in range(frames)
    ]


def test_raw_maps_stream_into_a_zarr_store(tmp_path: Path) -> None:
    import zarr

    made = some_maps(300)  # more than one chunk
    with open_maps_sink(tmp_path / "maps.zarr") as sink:
        for maps, frame in made:
            sink.write(maps, frame)
    stored = zarr.open_group(tmp_path / "maps.zarr", mode="r")
    attention, pts = stored["attention"], stored["pts_seconds"]
    assert isinstance(attention, zarr.Array)
    assert isinstance(pts, zarr.Array)
    assert attention.shape == (300, 12, 6, 14, 18)
    for index in (0, 200, 299):
        np.testing.assert_allclose(np.asarray(attention[index]), made[index][0].attention, atol=1e-3)
        assert pts[index] == made[index][1].pts_seconds
    assert dict(stored.attrs)["model"] == "made-up"


def test_raw_maps_of_one_picture_in_npz(tmp_path: Path) -> None:
    ((maps, frame),) = some_maps(1)
    with open_maps_sink(tmp_path / "maps.npz") as sink:
        sink.write(maps, frame)
    with np.load(tmp_path / "maps.npz") as stored:
        np.testing.assert_allclose(stored["attention"], maps.attention, atol=1e-3)
        assert json.loads(str(stored["facts"]))["axes"] == ["layers", "heads", "rows", "columns"]


def test_only_our_own_folders_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr" / "thesis.txt").write_text("precious")
    with (
        pytest.raises(OutputUnwritable, match="no zarr store"),
        open_maps_sink(tmp_path / "mine.zarr", overwrite=True) as sink,
    ):
        sink.write(*some_maps(1)[0])
    assert os.listdir(tmp_path / "mine.zarr") == ["thesis.txt"]
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.png").write_text("precious")
    make_video(tmp_path / "in.mp4")
    with pytest.raises(OutputUnwritable, match="no folder of frames"):
        copy(tmp_path / "in.mp4", tmp_path / "photos", OutputSettings(overwrite=True))
    assert os.listdir(tmp_path / "photos") == ["holiday.png"]
    copy(tmp_path / "in.mp4", tmp_path / "ours")
    copy(tmp_path / "in.mp4", tmp_path / "ours", OutputSettings(overwrite=True), every=5)
    assert len(os.listdir(tmp_path / "ours")) == 6
    assert not list(tmp_path.glob("*.old*")) + list(tmp_path.glob("*.partial*"))

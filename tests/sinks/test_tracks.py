"""What stands beside the pictures: sound, subtitles, chapters, titles; kept, encoded anew, or said to be lost."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from media import Part, copy, make_signals, make_video, packet_times, pts_seconds, signals

from rtviz.errors import OutputUnwritable, SettingsError
from rtviz.sinks import sound
from rtviz.sources import open_source


def cut_sound(given: Path, path: Path, first: float, last: float = 1e9) -> None:
    """The same file with only that sound whose time lies between these seconds."""
    with av.open(str(given)) as source, av.open(str(path), "w") as container:
        streams = {stream.index: container.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            at = packet.pts * packet.time_base if packet.pts is not None else 0
            if packet.size and (packet.stream.type == "video" or first <= at < last):
                packet.stream = streams[packet.stream.index]
                container.mux(packet)


def sound_of(path: Path) -> list[tuple[str, int]]:
    """(codec, channels) of each sound track."""
    with av.open(str(path)) as container:
        return [(s.codec_context.name.removesuffix("float"), s.channels) for s in container.streams.audio]


PICTURES = [0.04 * number for number in range(75)]


@pytest.mark.parametrize(
    ("sound", "name", "becomes"),
    [
        ("ac3", "o.mp4", "aac"),  # whose head FFmpeg refuses to write before the first packet
        ("eac3", "o.mp4", "aac"),
        ("ac3", "o.mov", "aac"),
        ("libopus", "o.mp4", "aac"),
        ("ac3", "o.mkv", "ac3"),
        ("flac", "o.mp4", "aac"),
        ("flac", "o.webm", "opus"),
        ("pcm_s16le", "o.mov", "pcm_s16le"),
    ],
)
def test_sound_that_begins_late_is_kept_and_moves_no_picture(
    tmp_path: Path, sound: str, name: str, becomes: str
) -> None:
    make_signals(tmp_path / "whole.mkv", seconds=3, sound=sound)
    cut_sound(tmp_path / "whole.mkv", tmp_path / "in.mkv", 1.98)  # its first packets beep
    warnings = copy(tmp_path / "in.mkv", tmp_path / name)
    assert sound_of(tmp_path / name) == [(becomes, 1)]
    assert packet_times(tmp_path / name) == pytest.approx(PICTURES, abs=1e-3)
    assert signals(tmp_path / name)[1] == pytest.approx([2.0], abs=0.03)
    assert len(warnings) == (sound != becomes)


@pytest.mark.parametrize(
    ("sound", "name"), [("ac3", "o.mp4"), ("aac", "o.mp4"), ("libopus", "o.webm"), ("eac3", "o.mov")]
)
def test_sound_that_has_ended_before_the_part_is_left_out_and_said(tmp_path: Path, sound: str, name: str) -> None:
    make_signals(tmp_path / "whole.mkv", seconds=3, sound=sound)
    cut_sound(tmp_path / "whole.mkv", tmp_path / "in.mkv", 0, 1)
    warnings = copy(tmp_path / "in.mkv", tmp_path / name, start=2.0)
    assert sound_of(tmp_path / name) == []
    assert packet_times(tmp_path / name) == pytest.approx(PICTURES[:25], abs=1e-3)
    assert any("sound is left out" in warning for warning in warnings)


def test_a_header_that_is_refused_is_one_line_that_says_what_was_to_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the muxer is not asked again, which would end the process."""
    make_sound(tmp_path / "in.mkv", "libmp3lame", 11025, "mono")
    monkeypatch.setattr(sound, "_try_sound", lambda *_: None)
    with pytest.raises(OutputUnwritable, match=r"^cannot write \S+o\.mp4: .*64x48.*h264 with sound as mp3: ") as caught:
        copy(tmp_path / "in.mkv", tmp_path / "o.mp4")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("o*"))


def make_sound(path: Path, codec: str, rate: int, layout: str) -> None:
    """Pictures of a second, and a sound whose channel number N is a tone of 300 + 100 N Hz."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        voice: Any = container.add_stream(codec, rate=rate)
        voice.layout = layout
        for number in range(25):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
        channels = len(av.AudioLayout(layout).channels)
        at = np.arange(rate) / rate
        tones = np.stack([0.3 * np.sin(2 * np.pi * (300 + 100 * n) * at) for n in range(channels)]).astype(np.float32)
        resampler = av.AudioResampler(format=voice.codec_context.format, layout=layout, rate=rate)
        for start in range(0, rate, 1152):
            piece = np.ascontiguousarray(tones[:, start : start + 1152].T.reshape(1, -1))
            samples = av.AudioFrame.from_ndarray(piece, format="flt", layout=layout)
            samples.sample_rate, samples.pts, samples.time_base = rate, start, Fraction(1, rate)
            for converted in resampler.resample(samples):
                container.mux(voice.encode(converted))
        container.mux(voice.encode(None))


@pytest.mark.parametrize(("rate", "becomes"), [(11025, "aac"), (8000, "aac"), (44100, "mp3")])
def test_sound_is_copied_where_the_container_takes_its_rate_and_else_encoded(
    tmp_path: Path, rate: int, becomes: str
) -> None:
    make_sound(tmp_path / "in.mkv", "libmp3lame", rate, "mono")
    warnings = copy(tmp_path / "in.mkv", tmp_path / "o.mp4")
    assert sound_of(tmp_path / "o.mp4") == [(becomes, 1)]
    assert [f"mp3, {rate} Hz" in warning for warning in warnings] == [True] * (becomes == "aac")


@pytest.mark.parametrize("start", [0.0, 0.5])
def test_tta_is_encoded_anew_where_a_copy_would_lose_its_end(tmp_path: Path, start: float) -> None:
    make_sound(tmp_path / "in.mkv", "tta", 44100, "mono")
    assert any("tta" in warning for warning in copy(tmp_path / "in.mkv", tmp_path / "o.mkv", start=start))
    with av.open(str(tmp_path / "o.mkv")) as written:
        samples = sum(frame.samples for frame in written.decode(audio=0))
    assert samples >= (1 - start - 0.03) * 44100


@pytest.mark.parametrize(
    ("layout", "name"), [("5.1", "o.mp4"), ("5.1(side)", "o.webm"), ("7.1", "o.webm"), ("7.1", "o.mp4")]
)
def test_surround_sound_that_is_encoded_anew_keeps_its_channels(tmp_path: Path, layout: str, name: str) -> None:
    make_sound(tmp_path / "in.mkv", "pcm_s16le", 48000, layout)
    with av.open(str(tmp_path / "in.mkv")) as container:
        channels = container.streams.audio[0].channels
    copy(tmp_path / "in.mkv", tmp_path / name)
    assert sound_of(tmp_path / name)[0][1] == channels
    with av.open(str(tmp_path / name)) as container:
        packed = av.AudioResampler(format="flt", layout=container.streams.audio[0].layout)
        pieces = [piece for frame in container.decode(audio=0) for piece in packed.resample(frame)]
        heard = np.concatenate([piece.to_ndarray()[0] for piece in pieces]).reshape(-1, channels).T[:, 12000:36000]
    tones = {round(np.abs(np.fft.rfft(one)).argmax() * 2.0, -1) for one in heard}
    assert len(tones) >= channels - 1  # the channel of the deep tones may lose its own


def make_titled(path: Path) -> None:
    """Ten seconds with chapters, two subtitles in SubRip, an attachment and a title."""
    make_video(path.with_name("plain.mkv"), [200 * number for number in range(50)])
    with av.open(str(path.with_name("plain.mkv"))) as source, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        words: Any = container.add_mux_stream("subrip")
        words.time_base = Fraction(1, 1000)
        words.metadata["language"] = "deu"
        container.add_attachment("a.ttf", "font/ttf", b"a font")
        container.metadata["title"] = "A walk"
        container.set_chapters(
            [
                {"id": n, "start": 4000 * n, "end": 4000 * n + 4000, "time_base": Fraction(1, 1000),
                 "metadata": {"title": f"part {n}"}} for n in range(2)
            ]
        )  # fmt: skip
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                container.mux(packet)
        for at, text in ((3000, b"hello"), (7000, b"good bye")):
            line = av.Packet(text)
            line.pts = line.dts = at
            line.duration, line.time_base, line.stream = 1000, Fraction(1, 1000), words
            container.mux(line)


def read_of(path: Path) -> list[tuple[float, bytes]]:
    """When each subtitle is shown, and what it says."""
    with av.open(str(path)) as container:
        found = []
        for packet in container.demux(container.streams.subtitles):
            text = (
                bytes(packet)[2:] if container.streams.subtitles[0].codec_context.name == "mov_text" else bytes(packet)
            )
            if packet.pts is not None and text.strip():
                found.append((pts_seconds(packet), text.partition(b"\0")[0]))
        return found


@pytest.mark.parametrize("name", ["o.mkv", "o.mp4", "o.mov", "o.webm"])
@pytest.mark.parametrize("start", [0.0, 3.4])
def test_subtitles_and_chapters_are_kept_at_their_time(tmp_path: Path, name: str, start: float) -> None:
    make_titled(tmp_path / "in.mkv")
    warnings = copy(tmp_path / "in.mkv", tmp_path / name, start=start)
    kept = name in ("o.mkv", "o.webm")
    said = read_of(tmp_path / name) if kept else [(max(0.0, 3 - start), b"hello"), (7 - start, b"good bye")]
    assert any("1 subtitle track" in warning for warning in warnings) == (not kept)
    assert [text.strip() for _, text in said] == [b"hello", b"good bye"]
    assert [at for at, _ in said] == pytest.approx([max(0.0, 3 - start), 7 - start], abs=0.01)
    with av.open(str(tmp_path / name)) as container:
        assert len(container.streams.subtitles) == kept
        if kept:
            assert container.streams.subtitles[0].metadata["language"] == "deu"
        assert container.metadata["title"] == "A walk"
        chapters = [
            (one["metadata"]["title"], float(one["start"] * (one["time_base"] or 0))) for one in container.chapters()
        ]
        assert len(container.streams.attachments) == (name == "o.mkv")
    assert chapters == [("part 0", 0.0), ("part 1", pytest.approx(4 - start, abs=0.01))]
    assert packet_times(tmp_path / name)[:2] == pytest.approx([0, 0.2], abs=1e-3)
    assert any("1 attachment" in warning for warning in warnings) == (name != "o.mkv")
    again = copy(tmp_path / name, tmp_path / f"again{Path(name).suffix}")
    assert again == []  # what was written has nothing that cannot be kept
    if kept:
        assert len(read_of(tmp_path / f"again{Path(name).suffix}")) == 2


def test_bitmap_subtitles_are_said_to_be_lost_where_the_container_has_none(tmp_path: Path) -> None:
    make_video(tmp_path / "plain.mkv")
    with av.open(str(tmp_path / "plain.mkv")) as source, av.open(str(tmp_path / "in.mkv"), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        container.add_mux_stream("hdmv_pgs_subtitle").time_base = Fraction(1, 1000)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                container.mux(packet)
    warnings = copy(tmp_path / "in.mkv", tmp_path / "o.mp4")
    assert [warning for warning in warnings if "1 subtitle track" in warning and ".mp4" in warning]
    assert len(packet_times(tmp_path / "o.mp4")) == 25


@pytest.mark.parametrize("given", ["in.mkv", "in.mp4", "in.avi"])
@pytest.mark.parametrize(
    ("written", "meant"), [("Caf\u00e9 in Z\u00fcrich", "latin-1"), ("\u65e5\u672c\u8a9e\u306e\u66f2", "cp932")]
)
def test_a_title_that_is_not_utf_8_is_read_and_kept(tmp_path: Path, given: str, written: str, meant: str) -> None:
    raw = written.encode(meant)
    make_video(tmp_path / "plain.mkv", codec="mpeg4", ticks=Fraction(1, 25))
    with av.open(str(tmp_path / "plain.mkv")) as source, av.open(str(tmp_path / given), "w") as container:
        container.metadata["title"] = "x" * len(raw)
        stream = container.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                container.mux(packet)
    data = (tmp_path / given).read_bytes()
    assert data.count(b"x" * len(raw)) == 1
    (tmp_path / given).write_bytes(data.replace(b"x" * len(raw), raw))
    copy(tmp_path / given, tmp_path / "o.mkv")
    with av.open(str(tmp_path / "o.mkv")) as container:
        assert container.metadata["title"] == written


def make_two(path: Path, default: int) -> None:
    """Two video tracks, 64x48 and 128x96, and two sound tracks, mono and stereo, of which one each is the default."""
    with av.open(str(path), "w") as container:
        made: list[Any] = []
        for size in ((64, 48), (128, 96)):
            stream: Any = container.add_stream("libx264", rate=25)
            stream.width, stream.height = size
            made.append(stream)
        for layout in ("mono", "stereo"):
            voice: Any = container.add_stream("aac", rate=48000)
            voice.layout = layout
            made.append(voice)
        for number, stream in enumerate(made):
            stream.disposition = int(number % 2 == default)
        for number in range(5):
            for stream in made[:2]:
                frame = av.VideoFrame(stream.width, stream.height, "yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(frame))
        for number, voice in enumerate(made[2:]):
            samples = av.AudioFrame.from_ndarray(np.zeros((number + 1, 9600), np.float32), "fltp", voice.layout.name)
            samples.sample_rate, samples.pts = 48000, 0
            container.mux(voice.encode(samples))
        for stream in made:
            container.mux(stream.encode(None))


@pytest.mark.parametrize("default", [0, 1])
def test_the_default_tracks_are_taken_and_others_by_their_number(tmp_path: Path, default: int) -> None:
    make_two(tmp_path / "in.mkv", default)
    sizes = [(48, 64), (96, 128)]
    parts: list[tuple[Part, int]] = [
        ({}, default),
        ({"video_stream": 1, "audio_stream": 1}, 0),
        ({"video_stream": 2, "audio_stream": 2}, 1),
    ]
    for part, number in parts:
        with open_source(str(tmp_path / "in.mkv"), **part) as source:
            assert source.info.size == sizes[number]
            assert [frame.size for frame in source] == [sizes[number]] * 5
            told = [warning for warning in source.warnings if f"number {default + 1} is taken" in warning]
            assert len(told) == (not part)
        (tmp_path / "o.mp4").unlink(missing_ok=True)
        copy(tmp_path / "in.mkv", tmp_path / "o.mp4", **part)
        assert sound_of(tmp_path / "o.mp4") == [("aac", number + 1)]
    beyond: list[Part] = [{"video_stream": 3}, {"audio_stream": 3}]
    for part in beyond:
        with pytest.raises(SettingsError, match="track 3; allowed: 1 to 2"):
            open_source(str(tmp_path / "in.mkv"), **part)

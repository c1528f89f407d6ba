"""Clips in exact shapes, made by the tests themselves."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, TypedDict, Unpack

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.container import OutputContainer
from av.video.frame import VideoFrame

from rtviz.frame import Frame, Pixels
from rtviz.settings import OutputSettings
from rtviz.sinks import open_sink
from rtviz.sources import open_source
from rtviz.sources.colour import FloatRange

TICKS = Fraction(1, 1000)


class Part(TypedDict, total=False):
    """What of a source is read: `open_source`'s options."""

    start: float
    end: float | None
    every: int
    video_stream: int | None
    audio_stream: int | None
    floats: FloatRange | None


def video_track(
    container: OutputContainer, codec: str, options: dict[str, str] | None = None, rate: Fraction | int = 25
) -> av.VideoStream:
    """A new track of `rate` frames a second."""
    stream = container.add_stream(codec, rate=rate, options=options)
    assert isinstance(stream, av.VideoStream)
    return stream


def sound_track(container: OutputContainer, codec: str, rate: int, layout: str = "mono") -> av.AudioStream:
    """A new track of sound, at `rate` samples a second."""
    stream = container.add_stream(codec, rate=rate)
    assert isinstance(stream, av.AudioStream)
    stream.layout = layout
    return stream


def pts_seconds(timed: av.Packet[Any] | VideoFrame | AudioFrame) -> float:
    """When a packet or a frame is presented, by its own unit of time."""
    assert timed.pts is not None
    assert timed.time_base is not None
    return float(timed.pts * timed.time_base)


def make_video(
    path: Path,
    times_ms: list[int] | None = None,
    size: tuple[int, int] = (48, 64),
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    sound: str | None = None,
    options: dict[str, str] | None = None,
    ticks: Fraction = TICKS,
) -> list[int]:
    """A clip whose frame number shows in its grey level (40 + 4 x number), with red in its top left corner.

    Args:
        times_ms: when each frame is shown; 25 frames, 40 ms apart, if not given.
        sound: codec of a 440 Hz tone as long as the clip.
        ticks: unit of the timestamps, for codecs that want one frame for each.

    Returns:
        the times in milliseconds.
    """
    times_ms = times_ms if times_ms is not None else [40 * number for number in range(25)]
    with av.open(str(path), "w") as container:
        stream = video_track(container, codec, {"crf": "10", **(options or {})})
        height, width = size
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.time_base = stream.codec_context.time_base = ticks
        if codec in ("libx264", "libx265", "mpeg2video"):
            stream.codec_context.gop_size = 10
        voice = sound_track(container, sound, 44100) if sound else None
        for number, time_ms in enumerate(times_ms):
            pixels = np.full((height, width, 3), min(255, 40 + 4 * number), np.uint8)
            pixels[: height // 4, : width // 4] = (255, 0, 0)
            frame = VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=pixel_format)
            frame.pts, frame.time_base = round(time_ms / 1000 / ticks), ticks
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if voice is not None:
            count = round((times_ms[-1] + 40) * 44.1)
            tone = (0.3 * np.sin(np.arange(count) * 2 * np.pi * 440 / 44100)).astype(np.float32)
            resampler = av.AudioResampler(format=voice.codec_context.format, layout="mono", rate=44100)
            piece = voice.codec_context.frame_size or 1024
            for start in range(0, count, piece):
                samples = AudioFrame.from_ndarray(tone[None, start : start + piece], format="fltp", layout="mono")
                samples.sample_rate, samples.pts, samples.time_base = 44100, start, Fraction(1, 44100)
                for converted in resampler.resample(samples):
                    container.mux(voice.encode(converted))
            container.mux(voice.encode(None))
    return times_ms


def sound_packets(path: Path) -> list[bytes]:
    """The raw packets of the sound, in order."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


def packet_times(path: Path) -> list[float]:
    """When each picture is shown, in seconds, as the container says, sorted."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return sorted(pts_seconds(packet) for packet in container.demux(stream) if packet.size)


def make_yuv(
    path: Path,
    planes: tuple[int, int, int],
    *,
    pixel_format: str = "yuv420p",
    size: tuple[int, int] = (32, 48),
    **tags: Any,
) -> None:
    """Three frames of one colour, given as coded levels, lossless, with tags of the stream (colorspace, ...)."""
    height, width = size
    with av.open(str(path), "w") as container:
        stream = video_track(container, "ffv1")
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        for number in range(3):
            frame = VideoFrame(width, height, pixel_format)
            for plane, level in zip(frame.planes, planes, strict=True):
                deep = "10" in pixel_format
                levels = np.full(plane.buffer_size // (2 if deep else 1), level, np.uint16 if deep else np.uint8)
                plane.update(levels.tobytes())
            for name, value in tags.items():
                if name.startswith("color"):
                    setattr(frame, name, value)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def make_signals(path: Path, seconds: int = 4, sound: str = "aac", codec: str = "libx264") -> None:
    """Black and silence; at each full second, one white frame and a beep of 40 ms."""
    times_ms = [40 * number for number in range(25 * seconds)]
    with av.open(str(path), "w") as container:
        stream = video_track(container, codec, {"crf": "20"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        voice = sound_track(container, sound, 48000)
        for number in range(len(times_ms)):
            level = 255 if number % 25 == 0 and number else 0
            frame = VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
        at = np.arange(48000 * seconds)
        tone = (np.sin(at * 2 * np.pi * 1000 / 48000) * (at % 48000 < 1920) * (at >= 48000)).astype(np.float32)
        for start in range(0, len(tone), 960):
            samples = AudioFrame.from_ndarray(tone[None, start : start + 960], format="fltp", layout="mono")
            samples.sample_rate, samples.pts, samples.time_base = 48000, start, Fraction(1, 48000)
            container.mux(voice.encode(samples))
        container.mux(voice.encode(None))


def signals(path: Path) -> tuple[list[float], list[float]]:
    """When the white frames are shown and when the beeps sound, in seconds, as a plain decoder has them."""
    flashes: list[float] = []
    beeps: list[float] = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.to_ndarray(format="gray").mean() > 100:
                flashes.append(pts_seconds(frame))
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=48000)
        for sound in container.decode(audio=0):
            for piece in resampler.resample(sound):
                begins = pts_seconds(piece)
                for at in np.nonzero(np.abs(piece.to_ndarray()[0]) > 0.3)[0]:
                    if not beeps or begins + at / 48000 - beeps[-1] > 0.5:
                        beeps.append(begins + float(at) / 48000)
    return flashes, beeps


def read(place: str | Path, **part: Unpack[Part]) -> tuple[list[Frame], list[str]]:
    """All frames of a source, and its warnings."""
    with open_source(str(place), **part) as source:
        return list(source), source.warnings


def only(place: Path) -> Pixels:
    """The pixels of a source's one frame."""
    ((frame,), _) = read(place)
    return frame.pixels


def grey(place: Path) -> list[int]:
    """The levels of the first row of a grey picture."""
    pixels = only(place)
    assert (pixels == pixels[:, :, :1]).all()
    return [int(level) for level in pixels[0, :, 0]]


def copy(source_path: str | Path, path: Path, output: OutputSettings | None = None, **part: Unpack[Part]) -> list[str]:
    """Through a source and a sink, unchanged; returns the sink's warnings."""
    with (
        open_source(str(source_path), **part) as source,
        open_sink(path, size=source.info.size, fps=source.info.fps, output=output, origin=source) as sink,
    ):
        for frame in source:
            sink.write(frame.pixels, frame)
    return sink.warnings

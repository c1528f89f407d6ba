"""Clips in exact shapes, made by the tests themselves."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

TICKS = Fraction(1, 1000)


def make_video(
    path: Path,
    times_ms: list[int] | None = None,
    size: tuple[int, int] = (48, 64),
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    sound: str | None = None,
    rotation: int = 0,
    options: dict[str, str] | None = None,
) -> list[int]:
    """A clip whose frame number shows in its grey level (40 + 4 x number), with red in its top left corner.

    Args:
        times_ms: when each frame is shown; 25 frames, 40 ms apart, if not given.
        sound: codec of a 440 Hz tone as long as the clip.
        rotation: degrees, written into the file for players to apply.

    Returns:
        the times in milliseconds.
    """
    times_ms = times_ms if times_ms is not None else [40 * number for number in range(25)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"crf": "10", **(options or {})})
        height, width = size
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.time_base = stream.codec_context.time_base = TICKS
        if codec in ("libx264", "libx265"):
            stream.codec_context.gop_size = 10
        voice = container.add_stream(sound, rate=44100) if sound else None
        if voice is not None:
            voice.layout = "mono"
        for number, time_ms in enumerate(times_ms):
            pixels = np.full((height, width, 3), min(255, 40 + 4 * number), np.uint8)
            pixels[: height // 4, : width // 4] = (255, 0, 0)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=pixel_format)
            frame.pts, frame.time_base = time_ms, TICKS
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if voice is not None:
            count = round((times_ms[-1] + 40) * 44.1)
            tone = (0.3 * np.sin(np.arange(count) * 2 * np.pi * 440 / 44100)).astype(np.float32)
            resampler = av.AudioResampler(format=voice.codec_context.format, layout="mono", rate=44100)
            piece = voice.codec_context.frame_size or 1024
            for start in range(0, count, piece):
                samples = av.AudioFrame.from_ndarray(tone[None, start : start + piece], format="fltp", layout="mono")
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
        return sorted(float(packet.pts * packet.time_base) for packet in container.demux(stream) if packet.size)

"""Picture files in exact shapes, as other programs write them, made by the tests themselves."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

# Corners of a picture: top left, top right, bottom left, bottom right.
CORNERS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}


def cornered(height: int = 48, width: int = 96) -> Any:
    """RGB uint8 [height, width, 3]: a colour in each quarter."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for number, colour in enumerate(CORNERS.values()):
        pixels[height // 2 * (number // 2) :, width // 2 * (number % 2) :] = colour
    return pixels


def corners_of(pixels: Any) -> list[str]:
    """The names of the colours in the corners."""
    found = []
    for row, column in ((4, 4), (4, -5), (-5, 4), (-5, -5)):
        pixel = pixels[row, column].astype(int)
        found.append(min(CORNERS, key=lambda name: int(np.abs(pixel - CORNERS[name]).sum())))
    return found


def png(rows: bytes, width: int, height: int, bits: int, kind: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG: its raw rows without their filter bytes, its bit depth and colour type, and further chunks."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    stride = len(rows) // height
    filtered = b"".join(b"\0" + rows[stride * row : stride * (row + 1)] for row in range(height))
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    inside = b"".join(chunk(*each) for each in chunks)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + inside
        + chunk(b"IDAT", zlib.compress(filtered))
        + chunk(b"IEND", b"")
    )


def deep_png(samples: Any, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of 16-bit samples, [height, width] or [height, width, 3]."""
    kind = 0 if samples.ndim == 2 else 2
    return png(samples.astype(">u2").tobytes(), samples.shape[1], samples.shape[0], 16, kind, *chunks)


def tiff(*pages: tuple[Any, dict[int, int]]) -> bytes:
    """A little-endian, uncompressed TIFF: samples [height, width] or [height, width, 3] of each page, further tags."""
    kinds = {"u": 1, "i": 2, "f": 3}
    data = struct.pack("<2sHI", b"II", 42, 0)
    link = 4
    for samples, more in pages:
        height, width, channels = (*samples.shape, 1)[:3]
        bits = samples.dtype.itemsize * 8
        at = len(data)
        data += samples.astype(samples.dtype.newbyteorder("<")).tobytes()
        depths = len(data)
        data += struct.pack("<HHH", bits, bits, bits) + b"\0\0"
        entries = {
            256: width, 257: height, 258: bits, 259: 1, 262: 1 if channels == 1 else 2, 273: at, 277: channels,
            278: height, 279: samples.nbytes, 339: kinds[samples.dtype.kind], **more,
        }  # fmt: skip
        directory = len(data)
        data += struct.pack("<H", len(entries))
        for tag, value in sorted(entries.items()):
            if tag == 258 and channels == 3:
                data += struct.pack("<HHII", tag, 3, 3, depths)
            else:
                data += struct.pack("<HHII", tag, 4, 1, value)
        data += struct.pack("<I", 0)
        data = data[:link] + struct.pack("<I", directory) + data[link + 4 :]
        link = len(data) - 4
    return data


def exr(samples: Any) -> bytes:
    """An uncompressed OpenEXR picture, as its file layout says: RGB float16 or float32 [height, width, 3]."""
    height, width = samples.shape[:2]
    kind = {2: 1, 4: 2}[samples.dtype.itemsize]

    def attribute(name: bytes, type_name: bytes, value: bytes) -> bytes:
        return name + b"\0" + type_name + b"\0" + struct.pack("<I", len(value)) + value

    channels = b"".join(name + b"\0" + struct.pack("<IIII", kind, 0, 1, 1) for name in (b"B", b"G", b"R")) + b"\0"
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    head = struct.pack("<II", 20000630, 2)
    head += attribute(b"channels", b"chlist", channels)
    head += attribute(b"compression", b"compression", b"\0")
    head += attribute(b"dataWindow", b"box2i", window) + attribute(b"displayWindow", b"box2i", window)
    head += attribute(b"lineOrder", b"lineOrder", b"\0") + attribute(
        b"pixelAspectRatio", b"float", struct.pack("<f", 1)
    )
    head += attribute(b"screenWindowCenter", b"v2f", bytes(8)) + attribute(b"screenWindowWidth", b"float", bytes(4))
    head += b"\0"
    little = samples.astype(samples.dtype.newbyteorder("<"))
    lines = [b"".join(little[row, :, channel].tobytes() for channel in (2, 1, 0)) for row in range(height)]
    size = len(lines[0]) + 8
    first = len(head) + 8 * height
    table = b"".join(struct.pack("<Q", first + size * row) for row in range(height))
    return head + table + b"".join(struct.pack("<iI", row, len(line)) + line for row, line in enumerate(lines))


def radiance(samples: Any) -> bytes:
    """A Radiance HDR picture without run lengths, of RGB [height, width, 3] whose levels are bytes and powers of 2."""
    height, width = samples.shape[:2]
    data = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n" + f"-Y {height} +X {width}\n".encode()
    for colour in samples.reshape(-1, 3):
        exponent = np.frexp(colour.max())[1]
        data += bytes(int(level * 256 / 2.0**exponent) for level in colour) + bytes([int(exponent) + 128])
    return data


def animation(path: Path, colours: list[tuple[int, int, int]], durations_ms: list[int], **how: Any) -> None:
    """An animated picture of whole frames of one colour, in the format that the suffix says."""
    frames = [Image.new("RGB", (32, 24), colour) for colour in colours]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations_ms, **how)

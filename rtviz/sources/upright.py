"""Decoded video frames to upright RGB: colours, HDR tone mapping, aspect ratio and rotation."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from rtviz.cv import cv2
from rtviz.frame import Pixels
from rtviz.sources.files import LARGEST_SIDE, fit

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# A header is not believed that promises frames so many times as large as those that come.
_MOST_GROWTH = 256

_PQ, _HLG = 16, 18  # transfer functions, by their numbers in ITU-T H.273
_BT2020 = 9  # primaries and matrix, likewise
_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: 9,  # BT.2020, which not every PyAV's enumeration has
    10: 9,
}


# AVStereo3DType of FFmpeg's libavutil/stereo3d.h: how a frame holds the pictures of both eyes. In others of its numbers
# there is one picture, or nothing is known.
_BOTH_EYES = {1: "side by side", 2: "one above the other", 4: "as a chequerboard", 5: "side by side",
              6: "in every other line", 7: "in every other column"}  # fmt: skip


class FrameConverter:
    """Decoded frames to upright RGB of one size.

    The size is that of the first frame, or that which the header promises, if that is larger: a stream may begin small.

    Args:
        header: (width, height) that the file's header says.

    Attributes:
        size: (height, width) of what comes out.
        refitted: how many frames came in another size or aspect, or otherwise turned.
    """

    def __init__(self, first: VideoFrame, stream: VideoStream, header: tuple[int, int], warnings: list[str]) -> None:
        self.refitted = 0
        self._stream = stream
        self._first_aspect = stream.codec_context.sample_aspect_ratio
        self._aspect = _plausible(stream.sample_aspect_ratio)
        self._turn = _Turn(_display_matrix(first))
        width, height = first.width, first.height
        if width * height < header[0] * header[1] <= _MOST_GROWTH * width * height:
            width, height = header
        width = min(LARGEST_SIDE, max(1, round(width * self._aspect)))
        self.size = (width, height) if self._turn.transposes else (height, width)
        bits = first.format.components[0].bits
        self._tone = _ToneMap(int(first.color_trc)) if int(first.color_trc) in (_PQ, _HLG) else None
        if self._tone is not None:
            warnings.append("HDR video is shown in standard range: its brightest parts are compressed")
        elif bits > 8:
            warnings.append(f"{bits}-bit video is read as 8-bit")
        if packing := _BOTH_EYES.get(_stereo(first)):
            warnings.append(f"its frames hold a picture for each eye, {packing}: both are shown")

    def _stretched(self, width: int) -> int:
        """The width in square pixels. The container's aspect ratio counts, until the codec's own changes."""
        now = self._stream.codec_context.sample_aspect_ratio
        aspect = self._aspect if now == self._first_aspect else _plausible(now)
        return min(LARGEST_SIDE, max(1, round(width * aspect)))

    def __call__(self, decoded: VideoFrame) -> Pixels:
        pixels: NDArray[Any] = decoded.reformat(
            width=self._stretched(decoded.width),
            height=decoded.height,
            format="rgb48le" if self._tone is not None else "rgb24",
            src_colorspace=_matrix(decoded),
            src_color_range=decoded.color_range or ColorRange.UNSPECIFIED,
            dst_color_range=ColorRange.JPEG,
        ).to_ndarray()
        if self._tone is not None:
            pixels = self._tone(pixels)
        matrix = _display_matrix(decoded)
        if matrix != self._turn.matrix:
            self._turn = _Turn(matrix)
        pixels = self._turn(pixels)
        if pixels.shape[:2] != self.size:
            self.refitted += 1
            pixels = fit(pixels, self.size)
        return pixels


def _plausible(aspect: Fraction | None) -> float:
    """An aspect ratio of pixels; beyond that it is a mistake."""
    ratio = float(aspect or 1)
    return ratio if 0.2 < ratio < 5 else 1.0


def _stereo(frame: VideoFrame) -> int:
    """How a frame holds the pictures of both eyes, as FFmpeg numbers it; 0 where it says nothing."""
    said = frame.side_data.get("STEREO3D")
    return int(np.frombuffer(cast(bytes, said), np.int32)[0]) if said is not None else 0


def _display_matrix(frame: VideoFrame) -> tuple[int, ...]:
    """(a, b, c, d) of the frame's display matrix."""
    found = frame.side_data.get("DISPLAYMATRIX")
    if found is None:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(cast(bytes, found), np.int32)[:5].tolist()
    return a, b, c, d


def _matrix(decoded: VideoFrame) -> int:
    """From YUV to RGB; what says nothing is BT.601 when small and BT.709 when large, as players assume."""
    tagged = _MATRICES.get(int(decoded.colorspace))
    if tagged is None:
        tagged = Colorspace.ITU709 if decoded.width >= 1280 or decoded.height > 576 else Colorspace.ITU601
    return int(tagged)


class _Turn:
    """How a camera that was held sideways, or a mirrored one, is made good: the file's display matrix.

    The matrix (a b; c d) takes a pixel at (x, y) to (ax + cy, bx + dy).
    """

    def __init__(self, matrix: tuple[int, ...]) -> None:
        self.matrix = matrix
        a, b, c, d = matrix
        self.transposes = abs(b) > abs(a)
        x, y = (c, b) if self.transposes else (a, d)
        # cv2.flip's code: left to right, upside down, both, or nothing to do.
        self._flip = {(True, False): 1, (False, True): 0, (True, True): -1}.get((x < 0, y < 0))

    def __call__(self, pixels: NDArray[Any]) -> NDArray[Any]:
        if self.transposes:
            pixels = cv2.transpose(pixels)
        return pixels if self._flip is None else cv2.flip(pixels, self._flip)


class _ToneMap:
    """16-bit PQ or HLG levels in BT.2020 colours to 8-bit sRGB.

    Electro-optical curves from ITU-R BT.2100, diffuse white at 203 nits from BT.2408, primaries from BT.2087; the
    highlights roll off after Reinhard, channel by channel.
    """

    _PRIMARIES = np.array(
        [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
    )

    def __init__(self, transfer: int) -> None:
        signal = np.linspace(0, 1, 4096)
        if transfer == _PQ:
            m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
            power = signal ** (1 / m2)
            nits = 10000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
        else:
            a, b, c = 0.17883277, 0.28466892, 0.55991073
            scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
            nits = 1000 * scene**1.2
        bright = nits / 203
        self._light = bright.astype(np.float32)  # of a 12-bit level; 1 is diffuse white
        # The way back is a table over the fourth root of light, which is about as even to the eye as the code is.
        self._peak = float(bright[-1])
        light = np.linspace(0, 1, 4096) ** 4 * self._peak
        shown = np.clip(1.35 * light * (1 + light / self._peak**2) / (1 + light), 0, 1)
        coded = np.where(shown <= 0.0031308, 12.92 * shown, 1.055 * shown ** (1 / 2.4) - 0.055)
        self._code = np.round(coded * 255).astype(np.uint8)

    def __call__(self, levels: NDArray[np.uint16]) -> Pixels:
        light = cv2.transform(self._light[levels >> 4], self._PRIMARIES)
        np.clip(light, 0, self._peak, out=light)
        root = cv2.sqrt(cv2.sqrt(light)) * (4095 / self._peak**0.25)
        return self._code[root.astype(np.uint16)]


__all__ = ["FrameConverter"]

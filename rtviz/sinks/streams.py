"""Live outputs: encoded streams and virtual cameras, by FFmpeg, one picture at a time, with nothing queued."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np

from rtviz.errors import OutputUnwritable
from rtviz.frame import Pixels
from rtviz.sinks.mjpeg_server import MjpegServer
from rtviz.sources.files import without_password
from rtviz.sources.rtsp import other_transport, transport_of

_CLOCK = Fraction(1, 90_000)  # what RTP and MPEG transport streams count in
_KEY_SECONDS = 1.0  # from one key frame to the next: so long a client may wait for its first picture
_QUICK = {"preset": "veryfast", "tune": "zerolatency", "crf": "21"}


class Stream(Protocol):
    """Sends pictures to whoever watches."""

    def write(self, picture: Pixels, seconds: float) -> None:
        """Send a picture, RGB uint8 [height, width, 3] of the stream's size, that was captured at this time.

        Raises:
            OutputUnwritable: nobody takes it any more.
        """

    def close(self) -> None:
        """End it; may be called twice."""


def open_stream(address: str, size: tuple[int, int], fps: float | None = None) -> Stream:
    """Open a live output.

    Args:
        address: http://HOST:PORT/ serves the pictures as MJPEG; rtsp://, rtmp://, srt://, udp:// and tcp:// send H.264
            to a server or client that listens there, rtsp:// over TCP, or over UDP with `?transport=udp`; NAME.m3u8
            writes an HLS playlist with its segments; v4l2:DEVICE feeds a virtual camera of v4l2loopback.
        size: (height, width) of the pictures that will come.
        fps: about how many a second.

    Raises:
        OutputUnwritable: the address is none of these, or nothing can be sent there.
    """
    if address.startswith("http://"):
        return MjpegServer(address)
    return EncodedStream(address, size, fps or 30.0)


def check_address(address: str) -> None:
    """Refuse an address that `open_stream` does not know.

    Raises:
        OutputUnwritable: it is none.
    """
    if not address.startswith("http://"):
        _format_of(address)


def _format_of(address: str) -> tuple[str, str, dict[str, str]]:
    """FFmpeg's address, the name of its format, and the options of a stream."""
    scheme = address.partition(":")[0].lower()
    match scheme:
        case "rtsp":
            place, transport = transport_of(address)
            return place, "rtsp", {"rtsp_transport": transport}
        case "rtmp":
            return address, "flv", {"flvflags": "no_duration_filesize"}
        case "srt" | "udp" | "tcp":
            return address, "mpegts", {}
        case "v4l2":
            return address.partition(":")[2], "v4l2", {}
    if address.lower().endswith(".m3u8"):
        flags = "delete_segments+independent_segments"
        return address, "hls", {"hls_time": "1", "hls_list_size": "6", "hls_flags": flags}
    raise OutputUnwritable(
        f"cannot stream to {address!r}; allowed: http://HOST:PORT/, rtsp://, rtmp://, srt://, udp://, tcp://, "
        "NAME.m3u8, v4l2:DEVICE"
    )


class EncodedStream:
    """Pictures as H.264 to a server, a client or a playlist; raw to a virtual camera.

    Raises:
        OutputUnwritable: nothing can be sent there.
    """

    def __init__(self, address: str, size: tuple[int, int], fps: float) -> None:
        place, name, options = _format_of(address)
        self._address = address
        self._size = size[0] - size[0] % 2, size[1] - size[1] % 2
        self._last = -1
        if name == "hls" and not Path(address).absolute().parent.is_dir():
            raise OutputUnwritable(f"cannot stream to {address}: its folder is not there")
        self._container: Any = self._tried(lambda: av.open(place, "w", format=name, options=options))
        raw = name == "v4l2"
        stream: Any = self._container.add_stream("rawvideo" if raw else "libx264", rate=round(fps))
        stream.height, stream.width = self._size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = _CLOCK
        if not raw:
            stream.options = _QUICK
            stream.codec_context.gop_size = max(1, round(_KEY_SECONDS * fps))
            stream.codec_context.max_b_frames = 0
        self._stream = stream
        try:
            self._tried(self._container.start_encoding)
        except OutputUnwritable:
            self._container = None
            raise

    def write(self, picture: Pixels, seconds: float) -> None:
        height, width = self._size
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
        frame.pts, frame.time_base = max(round(seconds / _CLOCK), self._last + 1), _CLOCK
        self._last = frame.pts
        self._tried(lambda: self._container.mux(self._stream.encode(frame.reformat(format="yuv420p"))))

    def close(self) -> None:
        container, self._container = self._container, None
        if container is None:
            return
        try:
            container.mux(self._stream.encode(None))
            container.close()
        except (OSError, av.FFmpegError):  # who watched has gone: there is nobody left to tell
            pass

    def _tried(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except (OSError, av.FFmpegError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            advice = other_transport(self._address, error)
            raise OutputUnwritable(f"cannot stream to {without_password(self._address)}: {reason}{advice}") from error


__all__ = ["EncodedStream", "Stream", "check_address", "open_stream"]

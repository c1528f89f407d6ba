"""Live outputs, with real clients on the loopback."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from rtviz.errors import OutputUnwritable, SourceMissing
from rtviz.frame import Pixels
from rtviz.sinks.mjpeg_server import MjpegServer
from rtviz.sinks.streams import EncodedStream, check_address, open_stream
from rtviz.sources.stream import StreamSource

SIZE = (48, 64)


def picture(level: int) -> Pixels:
    return np.full((*SIZE, 3), level, np.uint8)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def served() -> Any:
    server = MjpegServer("http://127.0.0.1:0/")
    yield server
    server.close()


def test_another_decoder_takes_the_stream(served: MjpegServer) -> None:
    served.write(picture(40), 0.0)
    client = cv2.VideoCapture(f"http://127.0.0.1:{served.port}/stream.mjpg", cv2.CAP_FFMPEG)  # of a still, too
    assert client.read()[0]
    served.write(picture(160), 0.0)
    level = 0.0
    while level < 150:  # after what the client has read ahead
        read, shown = client.read()
        assert read
        level = float(np.mean(shown))
    client.release()
    assert level == pytest.approx(160, abs=3)


def test_one_picture_and_a_page(served: MjpegServer) -> None:
    served.write(picture(77), 0.0)

    def get(path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()

    status, body = get("/frame.jpg")
    assert status == 200
    shown = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.mean() == pytest.approx(77, abs=2)
    assert b"stream.mjpg" in get("/")[1]
    assert get("/nothing")[0] == 404


def test_a_slow_client_holds_nobody_up_and_the_end_ends_all(served: MjpegServer) -> None:
    served.write(picture(1), 0.0)
    slow = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    slow.request("GET", "/stream.mjpg")
    answer = slow.getresponse()
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    start = time.monotonic()
    for _ in range(100):  # more than the sockets' buffers hold
        served.write(noise, 0.0)
    assert time.monotonic() - start < 10
    served.close()
    served.close()
    while answer.read(1 << 16):
        pass


def test_a_port_that_is_taken_is_said(served: MjpegServer) -> None:
    with pytest.raises(OutputUnwritable, match=f"127.0.0.1:{served.port}.*in use"):
        open_stream(f"http://127.0.0.1:{served.port}/", SIZE)


@pytest.mark.parametrize("address", ["", "ftp://host/x", "clip.mp4", "rtviz"])
def test_an_address_that_is_none_is_refused_with_those_that_are(address: str) -> None:
    with pytest.raises(OutputUnwritable, match=r"NAME\.m3u8"):
        check_address(address)


def test_a_client_that_listens_gets_what_is_sent() -> None:
    """MPEG-TS over TCP, the client being FFmpeg itself, as a server."""
    address = f"tcp://127.0.0.1:{free_port()}"
    levels: list[float] = []

    def listen() -> None:
        with av.open(f"{address}?listen=1", format="mpegts", timeout=20) as container:
            for frame in container.decode(video=0):
                levels.append(float(frame.to_ndarray(format="gray").mean()))

    client = threading.Thread(target=listen)
    client.start()
    stream = None
    while stream is None:
        try:
            stream = open_stream(address, SIZE, 25)
        except OutputUnwritable:  # it does not listen yet
            assert client.is_alive()
    for number in range(30):
        stream.write(picture(40 + 5 * number), number / 25)
    stream.close()
    stream.close()
    client.join(20)
    assert len(levels) == 30
    assert np.corrcoef(levels, np.arange(30))[0, 1] > 0.999


@pytest.mark.parametrize("transport", ["", "?transport=tcp", "?transport=udp"])
def test_an_rtsp_server_gets_what_is_sent(transport: str) -> None:
    """By either transport; the server is FFmpeg, in a process of its own: two ends in one would wait for each other."""
    address = f"rtsp://127.0.0.1:{free_port()}/live"
    listening = """
import sys, av
how = {"rtsp_flags": "listen", "listen_timeout": "20"}
with av.open(sys.argv[1], format="rtsp", options=how, timeout=20) as container:
    for frame in container.decode(video=0):
        print(frame.to_ndarray(format="gray").mean(), flush=True)
"""
    server = subprocess.Popen([sys.executable, "-c", listening, address], stdout=subprocess.PIPE, text=True)
    stream = None
    while stream is None:
        try:
            stream = open_stream(address + transport, SIZE, 25)
        except OutputUnwritable:  # it does not listen yet
            assert server.poll() is None
    for number in range(30):
        stream.write(picture(40 + 5 * number), number / 25)
    stream.close()
    levels = [float(line) for line in server.communicate(timeout=30)[0].splitlines()]
    assert len(levels) >= 25
    assert (np.diff(levels) > 0).all()


@pytest.mark.parametrize(
    ("named", "travels", "other"),
    [
        ("?key=1", "RTP/AVP/TCP", "?key=1&transport=udp"),
        ("?transport=tcp&key=1", "RTP/AVP/TCP", "?key=1&transport=udp"),
        ("?transport=udp", "RTP/AVP/UDP", "?transport=tcp"),
    ],
)
@pytest.mark.parametrize("refusal", ["461 Unsupported Transport", "501 Not Implemented"])
@pytest.mark.parametrize("sending", [True, False], ids=["sending", "reading"])
def test_a_refused_transport_names_the_other_one(
    refusal: str, named: str, travels: str, other: str, sending: bool
) -> None:
    with RefusingServer(refusal) as server:
        address = f"rtsp://me:secret@127.0.0.1:{server.port}/live"
        with pytest.raises(OutputUnwritable if sending else SourceMissing) as caught:
            open_stream(address + named, SIZE, 25) if sending else StreamSource(address + named)
    assert str(caught.value).endswith(f"; it may take {other[-3:]} only: rtsp://127.0.0.1:{server.port}/live{other}")
    assert "secret" not in str(caught.value)
    (setup, *_) = [request for request in server.requests if request.startswith("SETUP")]
    assert f"Transport: {travels};" in setup
    assert "transport=" not in setup, "that is not the server's to know"


@pytest.mark.parametrize("refusal", ["404 Not Found", "401 Unauthorized"])
def test_what_is_not_the_transports_fault_names_no_other(refusal: str) -> None:
    with RefusingServer(refusal) as server, pytest.raises(OutputUnwritable, match="cannot stream to") as caught:
        open_stream(f"rtsp://127.0.0.1:{server.port}/live", SIZE, 25)
    assert "transport" not in str(caught.value)


class RefusingServer:
    """An RTSP server (RFC 2326) that takes everything but SETUP. In a process of its own: FFmpeg keeps Python's lock
    while it waits for the answers."""

    PROGRAM = r"""
import json, socket, sys
sdp = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    connection, _ = server.accept()
    with connection, connection.makefile("rb") as lines:
        while (request := b"".join(iter(lines.readline, b"\r\n")).decode()) and "CSeq" in request:
            print(json.dumps(request), flush=True)
            fields = dict(line.split(": ", 1) for line in request.splitlines()[1:])
            lines.read(int(fields.get("Content-Length", 0)))
            status = sys.argv[1] if request.startswith("SETUP") else "200 OK"
            body = sdp if request.startswith("DESCRIBE") else ""
            more = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n" if body else ""
            connection.sendall(f"RTSP/1.0 {status}\r\nCSeq: {fields['CSeq']}\r\n{more}\r\n{body}".encode())
"""

    def __init__(self, refusal: str) -> None:
        self._refusal = refusal
        self.requests: list[str] = []

    def __enter__(self) -> RefusingServer:
        command = [sys.executable, "-c", self.PROGRAM, self._refusal]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self.requests = [json.loads(line) for line in self._process.communicate(timeout=10)[0].splitlines()]


def test_a_playlist_plays(tmp_path: Path) -> None:
    path = tmp_path / "live.m3u8"
    stream = open_stream(str(path), SIZE, 10)
    for number in range(40):
        stream.write(picture(40 + 4 * number), number / 10)
    stream.close()
    with av.open(str(path)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert np.diff(np.array(times)) == pytest.approx(0.1, abs=0.001)
    assert len(times) >= 30


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("rtsp://127.0.0.1:{port}/live", "refused"),
        ("tcp://127.0.0.1:{port}", "refused"),
        ("no-such-folder/live.m3u8", "folder is not there"),
        ("v4l2:/dev/no-such-device", "v4l2:/dev/no-such-device"),
    ],
)
def test_what_cannot_be_sent_to_is_said_in_a_line(address: str, says: str) -> None:
    with pytest.raises(OutputUnwritable, match=says) as caught:
        EncodedStream(address.format(port=free_port()), SIZE, 25)
    assert "\n" not in str(caught.value)


def test_an_odd_size_loses_a_row_and_a_column(tmp_path: Path) -> None:
    stream = open_stream(str(tmp_path / "live.m3u8"), (49, 65), 10)
    for number in range(20):
        stream.write(np.full((49, 65, 3), 90, np.uint8), number / 10)
    stream.close()
    with av.open(str(tmp_path / "live.m3u8")) as container:
        frame = next(container.decode(video=0))
        assert (frame.height, frame.width) == (48, 64)

"""Network streams, over a real connection on this computer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from live_doubles import LIMIT, Engine, until, until_shown

from rtviz.capture import Patience
from rtviz.cv import cv2
from rtviz.errors import SourceLost, SourceMissing, SourceUnreadable
from rtviz.live import LiveSession
from rtviz.settings import Settings
from rtviz.sources import open_source
from rtviz.sources.stream import StreamSource

pytest.importorskip("av")


class Server:
    """An MJPEG camera on the loopback: a grey level that goes up with each picture."""

    def __init__(self) -> None:
        self.go = threading.Event()  # pictures flow
        self.cut = threading.Event()  # connections end
        self.go.set()
        self.connections = 0
        self.level = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/text":
                    body = b"this is no video\n" * 100
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                    return
                if self.path != "/video":
                    self.send_error(404)
                    return
                server.connections += 1
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                try:
                    while not server.cut.wait(0.02):
                        if not server.go.is_set():
                            continue
                        server.level = (server.level + 1) % 250
                        jpeg = cv2.imencode(".jpg", np.full((120, 160, 3), server.level, np.uint8))[1].tobytes()
                        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                        self.wfile.write(head.encode() + jpeg + b"\r\n")
                except OSError:
                    pass  # the reader has hung up

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self.cut.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(LIMIT)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


def test_an_mjpeg_stream_delivers_pictures_in_order(server: Server) -> None:
    with open_source(f"{server.address}/video") as source:
        assert source.info.kind == "stream"
        assert source.info.live
        assert source.info.size == (120, 160)
        levels = []
        for frame in source:
            levels.append(int(frame.pixels.mean().round()))
            if len(levels) == 12:
                break
    assert frame.pixels.shape == (120, 160, 3)
    assert levels == list(range(levels[0], levels[0] + 12))


def test_a_stream_that_is_cut_off_is_lost(server: Server) -> None:
    with open_source(f"{server.address}/video") as source:
        frames = iter(source)
        next(frames)
        server.cut.set()
        with pytest.raises(SourceLost, match=r"has ended|was cut off"):
            for _ in frames:
                pass


def test_a_stream_that_falls_silent_is_lost_after_the_limit(server: Server) -> None:
    with StreamSource(f"{server.address}/video", read_seconds=0.4) as source:
        frames = iter(source)
        next(frames)
        start = time.monotonic()
        server.go.clear()
        with pytest.raises(SourceLost, match=r"has sent nothing for 0\.4 s"):
            for _ in frames:
                pass
        assert time.monotonic() - start < 5


def test_what_is_no_stream_is_said(server: Server) -> None:
    with pytest.raises(SourceUnreadable, match="answers, but what it sends is no video"):
        open_source(f"{server.address}/text")
    with pytest.raises(SourceMissing, match="cannot be reached"):
        open_source(f"{server.address}/nothing")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(SourceMissing, match="cannot be reached: Connection refused"):
        open_source(f"http://127.0.0.1:{port}/video")


def test_a_server_that_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/video"
        start = time.monotonic()
        with pytest.raises(SourceMissing, match="does not answer in time"):
            StreamSource(address, open_seconds=0.4)
        assert time.monotonic() - start < 5


def test_a_password_is_not_shown() -> None:
    with pytest.raises(SourceMissing) as caught:
        StreamSource("http://anna:secret@127.0.0.1:9/video", open_seconds=0.5)
    assert "secret" not in str(caught.value)
    assert "127.0.0.1:9/video" in str(caught.value)


def test_a_live_session_comes_back_after_a_cut(server: Server) -> None:
    patience = Patience(0.3, 1.0, 10.0, 3.0, (0.1, 0.2))
    place = f"{server.address}/video"
    live = LiveSession(place, Settings(), load_engine=lambda settings, progress: Engine(), patience=patience)  # type: ignore[arg-type,return-value]
    with live:
        until_shown(live, lambda result: result.maps is not None)
        server.cut.set()
        status = until(live, lambda status: status.source_state == "reconnecting")
        assert "trying again" in status.source_sentence
        connections = server.connections
        server.cut.clear()
        until(live, lambda status: status.source_state == "live" and server.connections > connections)

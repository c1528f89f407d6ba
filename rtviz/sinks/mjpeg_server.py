"""Serves pictures over HTTP as browsers, OBS and OpenCV take them: JPEG after JPEG."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from rtviz.cv import cv2
from rtviz.errors import OutputUnwritable
from rtviz.frame import Pixels

_BOUNDARY = "rtviz-picture"
_QUALITY = 85
_STILL_SECONDS = 0.2
_PAGE = b"""<!doctype html><title>rtviz</title><style>html,body{margin:0;height:100%;background:#111216}
img{width:100%;height:100%;object-fit:contain}</style><img src="stream.mjpg" alt="the live picture">"""


class MjpegServer:
    """Serves the newest picture: `/` is a page that shows it, `/stream.mjpg` the stream, `/frame.jpg` one picture.

    Each client gets the newest picture whenever it is ready for one; nobody waits for a slow one.

    Args:
        address: http://HOST:PORT/; 127.0.0.1 serves this machine alone, 0.0.0.0 everybody who can reach it; port 0
            takes a free one.

    Attributes:
        port: on which it serves.

    Raises:
        OutputUnwritable: it cannot be served there.
    """

    def __init__(self, address: str) -> None:
        self._changed = threading.Condition()
        self._jpeg, self._number, self._closed = b"", 0, False
        parts = urlsplit(address)
        try:
            port = 8090 if parts.port is None else parts.port
            self._server = ThreadingHTTPServer((parts.hostname or "127.0.0.1", port), self._handler())
        except (OSError, OverflowError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise OutputUnwritable(f"cannot serve {address}: {reason}") from error
        self._server.daemon_threads = True
        self.port = int(self._server.server_port)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="rtviz-serve", daemon=True
        )
        self._thread.start()

    def write(self, picture: Pixels, seconds: float) -> None:
        """Show a picture, RGB uint8 [height, width, 3]."""
        encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[
            1
        ]
        with self._changed:
            self._jpeg, self._number = encoded.tobytes(), self._number + 1
            self._changed.notify_all()

    def close(self) -> None:
        """End the streams of all clients; may be called twice."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _next(self, after: int) -> tuple[int, bytes] | None:
        """The newest picture and its number, once there is one after that number, and the same again where there is
        none for a while: clients look at several before they show one. None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._number > after, _STILL_SECONDS if after else None)
            return None if self._closed else (self._number, self._jpeg)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                try:
                    if path == "/":
                        self._answer("text/html; charset=utf-8", _PAGE)
                    elif path == "/frame.jpg" and (newest := server._next(0)):
                        self._answer("image/jpeg", newest[1])
                    elif path == "/stream.mjpg":
                        self._stream()
                    else:
                        self.send_error(404)
                except (BrokenPipeError, ConnectionResetError):  # the client has gone
                    pass

            def _answer(self, kind: str, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(body)

            def _stream(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                number = 0
                while (newest := server._next(number)) is not None:
                    number, jpeg = newest
                    head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg + b"\r\n")

        return Handler


__all__ = ["MjpegServer"]

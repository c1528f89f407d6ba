"""Network streams, over a real connection on this computer."""

from __future__ import annotations

import io
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_fakes import LIMIT, Engine, loads, until, until_shown
from media import copy, make_video, sound_packets
from PIL import Image

from rtviz.cv import cv2
from rtviz.errors import SettingsError, SourceLost, SourceMissing, SourceUnreadable
from rtviz.live.connection import SourceTimeouts
from rtviz.live.session import LiveSession
from rtviz.settings import Settings
from rtviz.sources import open_source
from rtviz.sources.stream import JpegFinder, StreamSource

pytest.importorskip("av")


_MULTIPART = "multipart/x-mixed-replace; boundary=frame"
_LENGTH = b"Content-Length: LENGTH\r\n\r\n"
# Content type, preamble, and what stands before and behind each picture: as cameras do it.
WAYS = {
    "video": (_MULTIPART, b"", b"--frame\r\nContent-Type: image/jpeg\r\n" + _LENGTH, b"\r\n"),
    "no-type": (_MULTIPART, b"", b"--frame\r\n" + _LENGTH, b"\r\n"),
    "no-headers": (_MULTIPART, b"", b"--frame\r\n\r\n", b"\r\n"),
    "no-length": (_MULTIPART, b"", b"--frame\r\nContent-Type: image/jpeg\r\n\r\n", b"\r\n"),
    "image-jpg": (_MULTIPART, b"", b"--frame\r\nContent-Type: image/jpg\r\n" + _LENGTH, b"\r\n"),
    "wrong-length": (_MULTIPART, b"", b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 9\r\n\r\n", b"\r\n"),
    "line-feeds": (_MULTIPART, b"", b"--frame\nContent-Length: LENGTH\n\n", b"\n"),
    "preamble": (_MULTIPART, b"Old readers see this.\r\n\r\n", b"--frame\r\n" + _LENGTH, b"\r\n"),
    "other-boundary": ('multipart/x-mixed-replace; boundary="--a b"', b"", b"--other\r\n" + _LENGTH, b""),
    "text-between": (_MULTIPART, b"", b"--frame\r\nContent-Type: text/plain\r\n\r\nhi\r\n--frame\r\n\r\n", b"\r\n"),
    "mixed": ("multipart/mixed; boundary=frame", b"", b"--frame\r\n" + _LENGTH, b"\r\n"),
    "bare": ("video/x-motion-jpeg", b"", b"", b""),
}


def _still(form: str, **more: Any) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 200, 200)).save(held, form, **more)
    return held.getvalue()


_MOVING = {"save_all": True, "append_images": [Image.new("RGB", (64, 48))], "duration": 200}
FILES = {
    "a.jpg": _still("JPEG"), "a.png": _still("PNG"), "a.webp": _still("WEBP"), "a.tif": _still("TIFF"),
    "snapshot": _still("JPEG"), "moving.gif": _still("GIF", **_MOVING), "moving.png": _still("PNG", **_MOVING),
    "phone.jpg": _still("JPEG") + _still("JPEG"),  # as phones write them: a smaller copy behind
    "cut.png": _still("PNG")[:60], "clip.mjpeg": _still("JPEG") * 3,
}  # fmt: skip


class Server:
    """An MJPEG camera on the loopback: a grey level that goes up with each picture."""

    def __init__(self) -> None:
        self.go = threading.Event()  # pictures flow
        self.cut = threading.Event()  # connections end
        self.go.set()
        self.connections = 0
        self.level = 0
        self.files = dict(FILES)
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
                name, _, how = self.path.removeprefix("/").partition("?")
                if name in server.files:
                    self.send_response(200)
                    if how != "no-length":
                        self.send_header("Content-Length", str(len(server.files[name])))
                    self.end_headers()
                    self.wfile.write(server.files[name])
                    return
                way = WAYS.get(self.path.removeprefix("/"))
                if way is None:
                    self.send_error(404)
                    return
                server.connections += 1
                kind, preamble, before, behind = way
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(preamble)
                try:
                    while not server.cut.wait(0.02):
                        if not server.go.is_set():
                            continue
                        server.level = (server.level + 1) % 250
                        jpeg = cv2.imencode(".jpg", np.full((120, 160, 3), server.level, np.uint8))[1].tobytes()
                        self.wfile.write(before.replace(b"LENGTH", b"%d" % len(jpeg)) + jpeg + behind)
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


@pytest.mark.parametrize("way", WAYS)
def test_an_mjpeg_stream_delivers_pictures_in_order(server: Server, way: str) -> None:
    with open_source(f"{server.address}/{way}") as source:
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


def test_jpegs_are_cut_out_of_bytes_wherever_those_are_divided() -> None:
    """Also where one is cut off, one has a picture inside, one is progressive, and the rest is noise."""
    noise = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    plain, progressive = (
        cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_PROGRESSIVE, flag])[1].tobytes() for flag in (0, 1)
    )
    inside = b"Exif\0\0" + plain
    with_thumbnail = plain[:2] + b"\xff\xe1" + (len(inside) + 2).to_bytes(2, "big") + inside + plain[2:]
    whole = b"--a\r\n".join(
        [b"", plain, plain[: len(plain) // 2], progressive, b"\xff\xd8\xff\x00 no", with_thumbnail, b""]
    )
    for size in (1, 7, 1000, len(whole)):
        finder = JpegFinder()
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        found = [jpeg for piece in pieces for jpeg in finder.feed(piece)]
        assert found == [plain, progressive, with_thumbnail]


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


@pytest.mark.parametrize(
    ("name", "frames"),
    [("a.jpg", 1), ("a.png", 1), ("a.webp", 1), ("a.tif", 1), ("snapshot", 1), ("a.jpg?no-length", 1), ("phone.jpg", 1),
     ("moving.gif", 2), ("moving.png", 2)],
)  # fmt: skip
def test_a_picture_over_http_is_a_picture(server: Server, name: str, frames: int) -> None:
    with open_source(f"{server.address}/{name}") as source:
        info = source.info
        assert (info.name, info.live, info.size) == (f"{server.address}/{name}", False, (48, 64))
        assert (info.frame_count, info.still) == (frames, frames == 1)
        shown = list(source)
    assert len(shown) == frames
    assert shown[0].pixels.mean() == pytest.approx(200, abs=2)


def test_a_picture_over_http_that_is_cut_off_is_named_by_its_address(server: Server) -> None:
    with pytest.raises(SourceUnreadable, match=rf"^{re.escape(server.address)}/cut\.png is no picture"):
        open_source(f"{server.address}/cut.png")


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts"])
def test_a_video_over_http_is_the_video(server: Server, tmp_path: Path, name: str) -> None:
    """With its own times, its length and its end; a server need not be able to begin in the middle."""
    times = make_video(tmp_path / name, [0, 40, 100, 160, 200, 240, 300], sound="aac", options={"g": "2"})
    server.files[name] = (tmp_path / name).read_bytes()
    address = f"http://anna:secret@{server.address.removeprefix('http://')}/{name}"
    shown = address.replace("anna:secret@", "")
    with open_source(address) as there, open_source(str(tmp_path / name)) as here:
        assert (there.info.name, there.info.kind, there.info.live) == (shown, "video", False)
        assert there.info.size == here.info.size
        for one, other in zip(there, here, strict=True):
            assert (one.index, one.pts_seconds) == (other.index, other.pts_seconds)
            np.testing.assert_array_equal(one.pixels, other.pixels)
    assert round(1000 * one.pts_seconds) == times[-1]
    with open_source(address, start=0.15, end=0.25) as part:
        assert [round(1000 * frame.pts_seconds) for frame in part] == [160, 200, 240]
    with pytest.raises(SettingsError, match="there is no sound track 2"):
        open_source(address, audio_stream=2)
    copy(address, tmp_path / "copy.mkv")  # with its sound
    assert sound_packets(tmp_path / "copy.mkv")


def test_tracks_of_a_stream_cannot_be_chosen(server: Server) -> None:
    with pytest.raises(SettingsError, match="only with a video file"):
        open_source(f"{server.address}/video", video_stream=1)


def test_a_recording_of_jpegs_over_http_is_no_still(server: Server) -> None:
    with open_source(f"{server.address}/clip.mjpeg") as source:
        assert source.info.live
        assert len(list(islice(source, 3))) == 3


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
    timeouts = SourceTimeouts(0.3, 1.0, 10.0, 3.0, (0.1, 0.2))
    place = f"{server.address}/video"
    live = LiveSession(place, Settings(), load_engine=loads(lambda settings, progress: Engine()), timeouts=timeouts)
    with live:
        until_shown(live, lambda result: result.maps is not None)
        server.cut.set()
        status = until(live, lambda status: status.source_state == "reconnecting")
        assert "trying again" in status.source_sentence
        connections = server.connections
        server.cut.clear()
        until(live, lambda status: status.source_state == "live" and server.connections > connections)

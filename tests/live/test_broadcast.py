"""A live output of a session: it is tried again until somebody listens, and holds nobody up."""

from __future__ import annotations

import socket
import threading

import av
import pytest
from live_fakes import session, until

from rtviz.errors import OutputUnwritable
from rtviz.sources.faulty import FaultyCamera


def test_an_output_that_nobody_takes_is_tried_again() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
    shapes: list[tuple[int, int]] = []

    def listen() -> None:
        with av.open(f"{address}?listen=1", format="mpegts", timeout=30) as container:
            for frame in container.decode(video=0):
                shapes.append((frame.height, frame.width))
                if len(shapes) == 3:
                    break

    with session(FaultyCamera(fps=30, size=(96, 160)), mode="smooth") as live:
        live.start_stream(address)
        until(live, lambda status: "refused" in status.stream_failure)
        assert any("trying again" in notice for notice in live.status().notices)
        client = threading.Thread(target=listen)
        client.start()
        until(live, lambda status: status.streamed > 3 or not client.is_alive())
        assert live.status().streaming == address
        client.join(30)
        live.stop_stream()
        assert live.status().streaming is None
    assert shapes == [(96, 160)] * 3


def test_an_address_that_is_none_is_refused_at_once() -> None:
    with session(FaultyCamera(fps=30, size=(96, 160))) as live, pytest.raises(OutputUnwritable, match="m3u8"):
        live.start_stream("nowhere")

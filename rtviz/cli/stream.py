"""`rtviz stream`: what the desktop app would show, sent to a live output, without a window."""

from __future__ import annotations

import argparse
import time

from rtviz.cli.arguments import add_config, add_options, given_settings
from rtviz.cli.console import say
from rtviz.cli.grammar import Commands
from rtviz.errors import RtvizError, SettingsError, SourceError, WeightsMissing
from rtviz.settings import Settings, load_preset

_POLL_SECONDS = 0.1
_TELL_SECONDS = 5.0


def add(commands: Commands) -> None:
    """Add the command of this file."""
    parser = commands.add("stream", _stream, "send the live picture to a browser, a server or a virtual camera")
    parser.add_argument("source", metavar="SOURCE", help="as of `rtviz live`: a camera, a video, an address, scene:")
    parser.add_argument(
        "-o", "--output", metavar="ADDRESS", default="http://127.0.0.1:8090/",
        help="http://HOST:PORT/ serves MJPEG (the default: http://127.0.0.1:8090/); rtsp://, rtmp://, srt://, udp:// "
        "and tcp:// send H.264 to who listens there (rtsp://HOST/PATH?transport=udp, where TCP is refused); NAME.m3u8 "
        "writes HLS; v4l2:/dev/videoN feeds a virtual camera of v4l2loopback",
    )  # fmt: skip
    add_options(parser, Settings.options(), "what to show", several_models=True)
    add_config(parser)
    parser.add_argument("--mode", choices=("smooth", "locked"), default="smooth", help="as in the app (smooth)")
    parser.add_argument("--loop", action="store_true", help="begin a file anew at its end")
    parser.add_argument("--seconds", type=float, metavar="N", help="end after so long; else with the source, or Ctrl-C")
    parser.add_argument("--quiet", action="store_true", help="no lines about how it goes")


def _stream(parsed: argparse.Namespace) -> int:
    from rtviz.live.session import LiveSession

    if parsed.seconds is not None and not parsed.seconds > 0:
        raise SettingsError("seconds", parsed.seconds, "a number above 0")
    shown, _ = load_preset(parsed.config) if parsed.config else ({}, {})
    settings = Settings.from_mapping(shown | given_settings(parsed))
    session = LiveSession(parsed.source, settings, mode=parsed.mode, past_seconds=0)
    session.set_loop(parsed.loop)
    session.start_stream(parsed.output)
    until = None if parsed.seconds is None else time.monotonic() + parsed.seconds
    reported = time.monotonic()
    known: tuple[str, ...] = ()
    with session:
        while until is None or time.monotonic() < until:
            status = session.status()
            for notice in status.notices_since(known):
                say(notice)
            known = status.notices
            if status.source_state == "ended":
                break
            if status.source_state == "failed":
                raise SourceError(status.source_sentence)
            if status.model_state == "failed" and status.model_name is None:
                raise status.model_error or WeightsMissing(status.model_sentence)
            if not parsed.quiet and time.monotonic() - reported > _TELL_SECONDS:
                reported = time.monotonic()
                say(
                    f"{parsed.output}: {status.streamed} pictures, input {status.camera_fps:.0f} fps, "
                    f"attention {status.attention_fps:.1f} fps"
                )
            time.sleep(_POLL_SECONDS)
        status = session.status()
    if not status.streamed:
        raise RtvizError(status.stream_failure or "nothing was sent: no picture was there yet")
    if not parsed.quiet:
        say(f"sent {status.streamed} pictures to {parsed.output}")
    return 0


__all__ = ["add"]

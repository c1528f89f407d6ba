"""Keeping what is seen live: the flight recorder of the last seconds, a video while it runs, a snapshot."""

from __future__ import annotations

import json
import math
import os
import threading
import time
import zlib
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from rtviz._version import __version__
from rtviz.errors import OutputExists, OutputUnwritable, SettingsError
from rtviz.frame import Frame, Maps, Masks, Pixels, Result, rounding_noise
from rtviz.live.capture import CapturedFrame
from rtviz.settings import OutputSettings

if TYPE_CHECKING:
    from rtviz.sinks import Sink

RECORDED = ("overlay", "side-by-side", "clean")
NOT_SHOWN = "nothing has been shown yet"


# --- the flight recorder ---------------------------------------------------------------------------------------------

# Measured on 640x480 video: quality 90 takes 35 KB and 1.8 ms a frame (0.8 ms to read), raw pixels take 920 KB and
# 0.1 ms; 30 s at 30 frames a second are then 32 MB and not 830, for 6 % of one core.
_JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True, eq=False)
class RecordedFrame:
    """One frame of the past, packed: JPEG, and maps where the model looked at it, in float16 but for the small `cams`.

    Attributes:
        number, captured_at, stream: of its shot.
        masks: of the frame's objects, if it has any: packed bits, deflated, and how many of which (height, width).
    """

    number: int
    captured_at: float
    stream: int
    index: int
    pts_seconds: float
    jpeg: bytes
    maps: Maps | None = None
    masks: tuple[bytes, tuple[int, int, int]] | None = None

    @property
    def size_bytes(self) -> int:
        size = len(self.jpeg) + (len(self.masks[0]) if self.masks is not None else 0) + 500
        if self.maps is None:
            return size
        maps = self.maps
        arrays = [maps.attention, maps.prefix, maps.tokens, maps.keys, maps.values]
        arrays += [maps.attended, maps.labels, maps.rollout]
        if maps.unablated is not None:
            arrays += [maps.unablated.attention, maps.unablated.prefix]
        arrays += [stage for stages in maps.cams.values() for stage in stages]
        return size + sum(array.nbytes for array in arrays if array is not None)

    def captured(self) -> CapturedFrame:
        """The shot, unpacked."""
        from rtviz.cv import cv2

        bgr = cast(Pixels, cv2.imdecode(np.frombuffer(self.jpeg, np.uint8), cv2.IMREAD_COLOR))
        pixels = cast(Pixels, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
        frame = Frame(pixels, self.index, self.pts_seconds, masks=_unpacked(self.masks))
        return CapturedFrame(frame, self.captured_at, self.stream, self.number)

    def prediction(self) -> Maps | None:
        """The maps in float32."""
        return None if self.maps is None else _with_type(self.maps, np.float32)


class FlightRecorder:
    """The last seconds, within a bound of memory; a thread of its own packs what it is given.

    Args:
        seconds: how far back it reaches.
        megabytes: what it may hold; then the oldest frames go first. 0 keeps nothing.
    """

    def __init__(self, seconds: float = 30.0, megabytes: float = 256.0) -> None:
        self._seconds = seconds
        self._limit = int(megabytes * 1e6)
        self._changed = threading.Condition()
        self._waiting: deque[tuple[CapturedFrame, Maps | None]] = deque()
        self._recorded: deque[RecordedFrame] = deque()
        self._bytes = 0
        self._frozen = False
        self._closed = False
        self._busy = False
        self._thread = threading.Thread(target=self._pack_all, name="rtviz-past", daemon=True)

    def start(self) -> None:
        if self._limit and self._seconds:
            self._thread.start()

    def close(self) -> None:
        """Forget everything and let the thread go."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._recorded.clear()
            self._bytes = 0
            self._changed.notify_all()

    @property
    def threads(self) -> list[threading.Thread]:
        """What `close` ends."""
        return [self._thread]

    def add(self, captured: CapturedFrame, maps: Maps | None = None) -> None:
        """Keep a shot; with maps, once the model has looked at it. Returns at once.

        When packing cannot keep up, frames without maps are left out first.
        """
        with self._changed:
            if self._frozen or self._closed or not self._limit:
                return
            if len(self._waiting) >= 8:
                plain = next((item for item in self._waiting if item[1] is None), self._waiting[0])
                self._waiting.remove(plain)
            self._waiting.append((captured, maps))
            self._changed.notify_all()

    def freeze(self) -> None:
        """Take nothing more while the past is watched. Waits a moment for what is being packed: the window asks."""
        with self._changed:
            self._frozen = True
            self._changed.wait_for(lambda: not self._waiting and not self._busy, 0.05)

    def thaw(self) -> None:
        with self._changed:
            self._frozen = False

    def forget(self) -> None:
        """Begin anew, as when another source is opened."""
        with self._changed:
            self._waiting.clear()
            self._recorded.clear()
            self._bytes = 0

    def recorded(self) -> tuple[RecordedFrame, ...]:
        """All of it, oldest first."""
        with self._changed:
            return tuple(self._recorded)

    @property
    def megabytes(self) -> float:
        """What it holds."""
        return self._bytes / 1e6

    @property
    def seconds(self) -> float:
        """How far back it reaches at this moment."""
        with self._changed:
            return self._recorded[-1].captured_at - self._recorded[0].captured_at if self._recorded else 0.0

    def _pack_all(self) -> None:
        pack = _Packer()
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                captured, maps = self._waiting.popleft()
                self._busy = True
                known = next(
                    (recorded.jpeg for recorded in reversed(self._recorded) if recorded.number == captured.number), None
                )
            recorded = RecordedFrame(
                captured.number,
                captured.captured_at,
                captured.stream,
                captured.frame.index,
                captured.frame.pts_seconds,
                known or pack(captured.frame.pixels),
                None if maps is None else _with_type(maps, np.float16),
                _packed(captured.frame.masks),
            )
            with self._changed:
                if not self._closed:
                    self._insert(recorded)

    def _insert(self, recorded: RecordedFrame) -> None:
        """In the order of capture: maps come later than the frames after theirs."""
        later: list[RecordedFrame] = []
        while self._recorded and self._recorded[-1].number > recorded.number:
            later.append(self._recorded.pop())
        if self._recorded and self._recorded[-1].number == recorded.number:
            self._bytes -= self._recorded.pop().size_bytes
        self._recorded.append(recorded)
        self._bytes += recorded.size_bytes
        self._recorded.extend(reversed(later))
        oldest = self._recorded[-1].captured_at - self._seconds
        while self._recorded and (self._bytes > self._limit or self._recorded[0].captured_at < oldest):
            self._bytes -= self._recorded.popleft().size_bytes


class Playback:
    """The flight recorder while it is watched: what it held when that began, and where one is in it."""

    def __init__(self, recorded: tuple[RecordedFrame, ...], paused: bool, resume: bool) -> None:
        self.recorded = recorded
        self.paused = paused
        self.resume = resume  # a file that played goes on playing when one comes back
        self._looked: dict[int, Maps] = {}  # number of a shot -> what was seen of it since
        self._at = recorded[-1].captured_at
        self._since = time.monotonic()
        self._captured_frames: deque[CapturedFrame] = deque(maxlen=6)

    @property
    def seconds_ago(self) -> float:
        return self.recorded[-1].captured_at - self._at

    def line(self, mode: str) -> Sequence[RecordedFrame]:
        """The frames that are shown one after the other."""
        if mode == "locked":
            return [recorded for recorded in self.recorded if recorded.maps is not None] or self.recorded
        return self.recorded

    def go_to(self, at: float) -> None:
        self._at = min(max(at, self.recorded[0].captured_at), self.recorded[-1].captured_at)
        self._since = time.monotonic()

    def hold(self, paused: bool) -> None:
        if self.paused and not paused and self._at >= self.recorded[-1].captured_at:
            self._at = self.recorded[0].captured_at  # from the end, playing begins anew
        self.paused = paused
        self._since = time.monotonic()

    def step(self, count: int, mode: str) -> None:
        line = self.line(mode)
        place = bisect_right([recorded.captured_at for recorded in line], self._at) - 1 + count
        self.paused = True
        self._at = line[min(max(place, 0), len(line) - 1)].captured_at

    def now(self, mode: str, speed: float) -> tuple[RecordedFrame, float | None]:
        """The frame to show, and in how many seconds to ask again; None when nothing moves."""
        line = self.line(mode)
        times = [recorded.captured_at for recorded in line]
        now = time.monotonic()
        if not self.paused:
            self._at += (now - self._since) * speed
            self._since = now
            if self._at >= self.recorded[-1].captured_at:
                self._at = self.recorded[-1].captured_at
                self.paused = True
        place = max(0, bisect_right(times, self._at) - 1)
        wait = None
        if not self.paused:
            following = times[place + 1] if place + 1 < len(times) else self.recorded[-1].captured_at
            wait = max(0.005, (following - self._at) / speed)
        return line[place], wait

    def captured(self, recorded: RecordedFrame) -> CapturedFrame:
        """The shot, unpacked; the last few are remembered, because motion is taken between two of them."""
        for captured in self._captured_frames:
            if captured.number == recorded.number:
                return captured
        captured = recorded.captured()
        self._captured_frames.append(captured)
        return captured

    def take_prediction(self, number: int, maps: Maps) -> None:
        """What the model saw of a shot just now. Only the last such maps keep what answers any query."""
        for other, earlier in self._looked.items():
            if earlier.rows is not None:
                self._looked[other] = replace(earlier, rows=None)
        self._looked[number] = maps

    def prediction(self, recorded: RecordedFrame, answers: Callable[[Maps], bool]) -> tuple[CapturedFrame, Maps] | None:
        """A frame, itself or the nearest of its stream, with what was seen of it; rather one that answers."""
        place = next(place for place, other in enumerate(self.recorded) if other.number == recorded.number)
        nearest = sorted(
            range(max(0, place - 60), min(len(self.recorded), place + 60)), key=lambda other: abs(other - place)
        )
        spare: tuple[CapturedFrame, Maps] | None = None
        for other in (self.recorded[index] for index in nearest):
            maps = self._looked.get(other.number, other.maps)
            if maps is None or other.stream != recorded.stream:
                continue
            answering = answers(maps)
            if answering or spare is None:
                captured = self.captured(other)
                if captured.frame.size != self.captured(recorded).frame.size:
                    continue
                spare = captured, self._looked.get(other.number) or other.prediction() or maps
                if answering:
                    return spare
        return spare


class _Packer:
    """Frames to JPEG. One buffer is used again and again, so that what is kept does not lie scattered between what is
    let go, which would hold more memory than is counted."""

    def __init__(self) -> None:
        self._bgr: Pixels | None = None

    def __call__(self, pixels: Pixels) -> bytes:
        from rtviz.cv import cv2

        if self._bgr is None or self._bgr.shape != pixels.shape:
            self._bgr = np.empty_like(pixels)
        cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR, dst=self._bgr)
        return bytes(cv2.imencode(".jpg", self._bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1])


def _packed(masks: Masks | None) -> tuple[bytes, tuple[int, int, int]] | None:
    """Masks of objects as deflated bits: two of a 640x480 frame take 1 KB."""
    if masks is None:
        return None
    objects, height, width = masks.shape
    return zlib.compress(np.packbits(masks).tobytes(), 1), (objects, height, width)


def _unpacked(packed: tuple[bytes, tuple[int, int, int]] | None) -> Masks | None:
    if packed is None:
        return None
    bits, shape = packed
    flat = np.unpackbits(np.frombuffer(zlib.decompress(bits), np.uint8), count=math.prod(shape))
    return flat.astype(np.bool_).reshape(shape)


def _with_type(maps: Maps, kind: type[np.floating[Any]]) -> Maps:
    return replace(
        maps,
        attention=maps.attention.astype(kind),
        noise=max(maps.noise, rounding_noise(float(np.finfo(kind).eps))),
        prefix=maps.prefix.astype(kind),
        tokens=None if maps.tokens is None else maps.tokens.astype(kind),
        keys=None if maps.keys is None else maps.keys.astype(kind),
        values=None if maps.values is None else maps.values.astype(kind),
        attended=None if maps.attended is None else maps.attended.astype(kind),
        labels=None if maps.labels is None else maps.labels.astype(kind),
        rollout=None if maps.rollout is None else maps.rollout.astype(kind),
        unablated=None if maps.unablated is None else _with_type(maps.unablated, kind),
        rows=None,  # would keep every pass in the device's memory
    )


# --- a video while it runs -------------------------------------------------------------------------------------------


class VideoRecorder:
    """Writes what is shown to a video, in a thread of its own, with the times at which it was captured.

    Where encoding cannot keep up, pictures are left out; the times of the others stay true.

    Args:
        path: the video.
        what: "overlay", "side-by-side" or "clean".
        fps: the source's rate, if known.
        on_end: called once, in this recorder's thread, with one sentence about how it ended.

    Raises:
        SettingsError: `what` is something else.
        SinkError: the file cannot be written, or exists.
    """

    def __init__(self, path: Path, what: str, fps: float | None, on_end: Callable[[str], None]) -> None:
        check_new_video(path)
        if what not in RECORDED:
            raise SettingsError("what to record", what, RECORDED)
        self.path = path
        self.skipped = 0
        self.seconds = 0.0
        self.ended = False
        self._what = what
        self._fps = fps
        self._on_end = on_end
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Result, float]] = deque()
        self._stopped = False
        self._thread = threading.Thread(target=self._write, name="rtviz-record", daemon=True)
        self._thread.start()

    def put(self, result: Result, at: float) -> None:
        """A picture that is shown, captured (or, drawn anew, shown) at that time. Returns at once."""
        with self._changed:
            if self.ended or self._stopped:
                return
            if self._waiting and self._waiting[-1][0].frame is result.frame and at - self._waiting[-1][1] < 0.02:
                at = self._waiting.pop()[1]  # the same frame, only just drawn anew
            elif len(self._waiting) >= 8:
                self._waiting.popleft()
                self.skipped += 1
            self._waiting.append((result, at))
            self._changed.notify_all()

    def stop(self) -> None:
        """Finish; returns at once."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    @property
    def threads(self) -> list[threading.Thread]:
        """What `stop` ends."""
        return [self._thread]

    def _pictures(self) -> Iterator[tuple[Result, float]]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopped)
                if not self._waiting:
                    return
                item = self._waiting.popleft()
            yield item

    def _write(self) -> None:
        began: float | None = None
        last = -1.0

        def frames() -> Iterator[tuple[Pixels, Frame]]:
            nonlocal began, last
            for number, (result, at) in enumerate(self._pictures()):
                began = at if began is None else began
                # A redrawn frame is shown later than it was captured; the next one may have been captured before that.
                last = max(at - began, last + 0.001)
                self.seconds = last
                yield pick(result, self._what), Frame(result.frame.pixels, index=number, pts_seconds=last)

        sentence = write_video(self.path, frames(), self._fps)
        with self._changed:
            self.ended = True
        self._on_end(sentence)


def write_video(path: Path, pictures: Iterable[tuple[Pixels, Frame]], fps: float | None) -> str:
    """Write pictures with the times of their frames; returns one sentence about how it went, and never raises."""
    from rtviz.sinks import leftover, open_sink

    sink: Sink | None = None
    size = (0, 0)
    written = 0
    try:
        for picture, frame in pictures:
            if sink is None:
                height, width = picture.shape[:2]
                size = (height, width)
                sink = open_sink(path, size=size, fps=fps, output=OutputSettings(), origin=None)
            sink.write(_fitted(picture, size), frame)
            written += 1
        if sink is None:
            return f"nothing was written to {path}: {NOT_SHOWN}"
        sink.close()
    except Exception as error:  # the edge of the thread: told in one sentence
        if sink is not None:
            sink.abort()
        reason = " ".join(str(error).split()) or type(error).__name__
        rest = leftover(path)
        return f"writing {path.name} ended: {reason}" + (f"; what was written until then is in {rest}" if rest else "")
    return f"wrote {path}: {written} frames"


def pick(result: Result, what: str) -> Pixels:
    """The part of what is shown that is asked for, with no second drawing."""
    if what == "clean":
        return result.frame.pixels
    if result.panes:  # several models' pictures: there is no simpler one
        return result.overlay
    shown_beside = result.settings.layout == "side-by-side"
    if what == "side-by-side" and not shown_beside:
        from rtviz.drawing.compose import beside

        return beside(result.frame.pixels, result.overlay)
    if what == "overlay" and shown_beside:
        return np.ascontiguousarray(result.overlay[:, result.overlay.shape[1] // 2 :])
    return result.overlay


def _fitted(picture: Pixels, size: tuple[int, int]) -> Pixels:
    """The picture on black at the size of the video, where the source has changed its size midway."""
    if picture.shape[:2] == size:
        return picture
    from rtviz.cv import cv2

    height, width = size
    scale = min(height / picture.shape[0], width / picture.shape[1])
    inner = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    small = cv2.resize(picture, inner, interpolation=cv2.INTER_AREA)
    canvas = np.zeros((height, width, 3), np.uint8)
    top, left = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    return canvas


# --- a snapshot ------------------------------------------------------------------------------------------------------


def write_snapshot(result: Result, path: Path, source: str | None = None) -> Path:
    """Write a result to a PNG that knows how it was made (a tEXt chunk named "rtviz", JSON).

    Raises:
        SinkError: the file exists, or cannot be written.
    """
    from PIL import Image, PngImagePlugin

    check_new(path)
    about = {
        "rtviz": __version__,
        "settings": result.settings.to_mapping(),
        "model": None if result.maps is None else result.maps.model,
        "source": source,
        "frame": result.frame.index,
        "pts_seconds": round(result.frame.pts_seconds, 6),
    }
    text = PngImagePlugin.PngInfo()
    text.add_text("rtviz", json.dumps(about))
    text.add_text("Software", f"rtviz {__version__}")
    partial = path.with_name(f".{path.name}.part")
    try:
        with open(partial, "wb") as file:
            Image.fromarray(result.overlay).save(file, format="png", pnginfo=text, compress_level=3)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputUnwritable(f"cannot write {path}: {error.strerror or error}") from None
    return path


def read_snapshot(path: Path) -> dict[str, Any]:
    """How a snapshot was made: "settings" holds what `Settings.from_mapping` takes. Empty for another PNG."""
    from PIL import Image

    with Image.open(path) as picture:
        text = picture.info.get("rtviz")
    about: dict[str, Any] = json.loads(text) if text else {}
    return about


def check_new_video(path: Path) -> None:
    """Refuse a video that exists, or cannot be written there.

    Raises:
        SinkError: with the reason.
    """
    from rtviz.sinks import check_output

    check_new(path)
    check_output(path, None, overwrite=False)


def check_new(path: Path) -> None:
    """Refuse a file that exists, or whose folder does not take it.

    Raises:
        SinkError: with the reason.
    """
    if path.exists():
        raise OutputExists(f"{path} exists already")
    if not path.parent.is_dir():
        raise OutputUnwritable(f"cannot write {path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise OutputUnwritable(f"cannot write {path}: no permission to write into {path.parent}")

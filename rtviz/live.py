"""The live session: capture -> one-slot mailbox -> inference -> drawing -> the canvas polls; newest wins."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from rtviz import views
from rtviz.capture import Capture, OpenSource, Patience, Shot, rate
from rtviz.errors import DeviceFailed, ModelError, RtvizError, SettingsError
from rtviz.frame import Frame, Maps, Result
from rtviz.settings import Settings

if TYPE_CHECKING:
    from rtviz.engine import Engine
    from rtviz.flow import Carrier
    from rtviz.sources import Source, SourceInfo

Item = TypeVar("Item")
LoadEngine = Callable[[Settings, Callable[[str, int, int | None], None]], "Engine"]

MODES = ("locked", "smooth")
RECORDED = ("overlay", "side-by-side", "clean")

# What needs another model, and what needs another forward pass of the same one.
_MODEL_FIELDS = ("model", "weights", "device", "precision")
_LOOK_FIELDS = ("query", "resolution")


class LatestSlot(Generic[Item]):
    """A mailbox for one item: what is put in later replaces what nobody has taken, which is counted, never queued."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: Item | None = None
        self._closed = False
        self.skipped = 0

    def put(self, item: Item) -> None:
        """Leave an item; one that still lies there is skipped."""
        with self._changed:
            self.skipped += self._item is not None
            self._item = item
            self._changed.notify()

    def offer(self, item: Item) -> None:
        """Leave an item if none lies there: a newer one is not replaced."""
        with self._changed:
            if self._item is None:
                self._item = item
                self._changed.notify()

    def take(self, timeout: float | None = None) -> Item | None:
        """The item, as soon as there is one; None after the timeout, or when the slot is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed, timeout)
            item, self._item = self._item, None
            return None if self._closed else item

    def clear(self) -> None:
        """Throw away what lies there, uncounted."""
        with self._changed:
            self._item = None

    def close(self) -> None:
        """Let everybody who waits go."""
        with self._changed:
            self._closed = True
            self._item = None
            self._changed.notify_all()


@dataclass(frozen=True)
class LiveStatus:
    """What the session does at this moment; every sentence is plain, complete, and empty where nothing is to be said.

    Attributes:
        source_state: connecting, live, paused, stalled, reconnecting, ended or failed.
        source_sentence: what is wrong with the source, and what is done about it.
        model_state: none, loading, ready or failed (an earlier model may go on looking: then `model_name` names it).
        model_sentence: what is being loaded, or why it could not be.
        model_progress: (bytes done, bytes in all or None) of a download.
        place: what was opened; None while a camera is looked for.
        mode: locked or smooth.
        camera_fps, shown_fps, attention_fps: frames a second that arrive, that the canvas has painted, that the model
            has looked at.
        age_ms: from the capture of the frame on screen until it was painted.
        attention_age_ms: how much older than the frame on screen is the one whose attention is shown; 0 when locked.
        skipped: frames that arrived and were never drawn.
        layers, heads, patch_size: of the model that looks; 0 without one.
        position_seconds: in the source, or in the past when rewound.
        recording: the file that is being written.
        recorder_mb, recorder_seconds: what the flight recorder holds.
        past_seconds: how long before its newest frame the flight recorder is being watched; None when live.
        latency_ms_history: age of what was painted over the last minute, oldest first, about four values a second.
        entropies: of each head of the current layer, 0 (all on one patch) to 1 (spread evenly).
        notices: the last few sentences about what has happened, oldest first.
    """

    source_state: str = "connecting"
    source_sentence: str = ""
    model_state: str = "none"
    model_sentence: str = ""
    model_progress: tuple[int, int | None] | None = None
    place: str | None = None
    source_info: SourceInfo | None = None
    mode: str = "smooth"
    paused: bool = False
    loop: bool = False
    speed: float = 1.0
    camera_fps: float = 0.0
    shown_fps: float = 0.0
    attention_fps: float = 0.0
    age_ms: float | None = None
    attention_age_ms: float | None = None
    forward_ms: float | None = None
    skipped: int = 0
    model_name: str | None = None
    device: str | None = None
    precision: str | None = None
    resolution: int | None = None
    layers: int = 0
    heads: int = 0
    patch_size: int = 0
    position_seconds: float = 0.0
    recording: str | None = None
    recording_seconds: float = 0.0
    recorder_mb: float = 0.0
    recorder_seconds: float = 0.0
    past_seconds: float | None = None
    latency_ms_history: tuple[float, ...] = ()
    entropies: tuple[float, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What the model saw of a shot."""

    shot: Shot
    maps: Maps
    forward_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    result: Result
    captured_at: float
    seen_at: float | None  # capture of the frame whose attention is shown


class _Cancelled(Exception):
    """The user, or a newer wish, ended a download."""


class LiveSession:
    """A live source, looked at and drawn all the time; plain threads that share nothing but what is handed on.

    The canvas polls `latest()` and tells `shown()`; everything that is asked for returns at once. What was asked for
    shows in `status()`, and so does every trouble: nothing here raises for a camera or a model that fails.

    Args:
        place: what to open, as `rtviz.sources.open_source` understands it; None takes the first camera that works, else
            the built-in scene.
        settings: what to look with and what to show.
        mode: "locked": each frame that is shown carries its own attention. "smooth": every frame is shown, and the
            newest attention is carried along by optical flow.
        open_source, load_engine, find_places: the seams for tests and for those who embed this.
        patience: how long a source is waited for.
        past_seconds, past_mb: what the flight recorder may hold; 0 switches it off.
    """

    def __init__(
        self,
        place: str | None,
        settings: Settings,
        *,
        mode: str = "smooth",
        open_source: OpenSource | None = None,
        load_engine: LoadEngine | None = None,
        find_places: Callable[[], Sequence[str]] | None = None,
        patience: Patience | None = None,
        past_seconds: float = 30.0,
        past_mb: float = 256.0,
    ) -> None:
        _check_mode(mode)
        self._place = place
        self._settings = settings
        self._mode = mode
        self._load_engine = load_engine or _load_engine
        self._capture = Capture(
            self._take_shot, open_source or _open_source, find_places or self._find_places, patience
        )
        self._changed = threading.Condition()
        self._closing = False
        self._started = False
        self._threads: list[threading.Thread] = []

        # Capture -> inference.
        self._to_look: LatestSlot[Shot] = LatestSlot()
        self._shot: Shot | None = None

        # Inference.
        self._engine: Engine | None = None
        self._seen: _Seen | None = None
        self._look_failed = ""
        self._looked_at: deque[float] = deque(maxlen=600)

        # Loading.
        self._model_wanted: Settings | None = settings
        self._model_state, self._model_sentence = "none", ""
        self._model_progress: tuple[int, int | None] | None = None
        self._loading = 0  # counts wishes for a model: a load whose number is not the newest is cancelled

        # Drawing.
        self._picture_wanted = False
        self._drawn: _Drawn | None = None
        self._recently_drawn: deque[_Drawn] = deque(maxlen=8)
        self._drawn_shots = 0

        # The canvas.
        self._painted: deque[float] = deque(maxlen=600)
        self._age_ms: float | None = None
        self._attention_age_ms: float | None = None
        self._ages = _MinuteOfAges()

        self._notices: deque[str] = deque(maxlen=20)
        self._entropies: tuple[Maps, int, tuple[float, ...]] | None = None

    # --- life ------------------------------------------------------------------------------------------------------

    def start(self) -> LiveSession:
        """Begin to capture, to load the model, and to draw. Returns at once."""
        if self._started:
            return self
        self._started = True
        for name, work in (("look", self._look_loop), ("draw", self._draw_loop), ("load", self._load_loop)):
            thread = threading.Thread(target=work, name=f"rtviz-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._capture.start(self._place)
        return self

    def close(self) -> None:
        """End everything, within 3 s from any state; may be called twice. A thread that hangs in a device is left."""
        until = time.monotonic() + 2.5
        with self._changed:
            self._closing = True
            self._loading += 1
            self._changed.notify_all()
        self._to_look.close()
        if self._started:
            self._capture.tell_to_close()
            for thread in self._threads:
                thread.join(max(0.0, until - time.monotonic()))
            self._capture.join(max(0.0, until - time.monotonic()))

    def __enter__(self) -> LiveSession:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.close()

    # --- the canvas ------------------------------------------------------------------------------------------------

    def latest(self) -> Result | None:
        """The newest drawn result, the same object until there is a newer one; poll it."""
        drawn = self._drawn
        return drawn.result if drawn is not None else None

    def shown(self, result: Result) -> None:
        """The canvas has painted this result just now."""
        now = time.monotonic()
        with self._changed:
            for drawn in reversed(self._recently_drawn):
                if drawn.result is result:
                    break
            else:
                return
            self._painted.append(now)
            self._age_ms = (now - drawn.captured_at) * 1000
            self._attention_age_ms = None if drawn.seen_at is None else (drawn.captured_at - drawn.seen_at) * 1000
            if not self._capture.paused:
                self._ages.add(now, self._age_ms)

    def status(self) -> LiveStatus:
        """What is going on; cheap enough to ask ten times a second."""
        state, sentence = self._capture.state()
        with self._changed:
            engine, seen = self._engine, self._seen
            model = engine.model if engine is not None else None
            model_state, model_sentence = self._model_state, self._model_sentence
            if self._look_failed and model_state == "ready":
                model_state, model_sentence = "failed", self._look_failed
            return LiveStatus(
                source_state=state,
                source_sentence=sentence,
                model_state=model_state,
                model_sentence=model_sentence,
                model_progress=self._model_progress,
                place=self._place,
                source_info=self._capture.info,
                mode=self._mode,
                paused=self._capture.paused,
                loop=self._capture.loop,
                speed=self._capture.speed,
                camera_fps=self._capture.fps(),
                shown_fps=rate(self._painted),
                attention_fps=rate(self._looked_at),
                age_ms=self._age_ms,
                attention_age_ms=self._attention_age_ms,
                forward_ms=seen.forward_ms if seen is not None else None,
                skipped=max(0, self._capture.captured - self._drawn_shots),
                model_name=model.name if model is not None else None,
                device=model.device if model is not None else None,
                precision=model.precision if model is not None else None,
                resolution=self._settings.resolution,
                layers=model.layers if model is not None else 0,
                heads=model.heads if model is not None else 0,
                patch_size=model.patch_size if model is not None else 0,
                position_seconds=self._capture.position_seconds,
                latency_ms_history=self._ages.values(),
                entropies=self._entropies_of(seen.maps) if seen is not None else (),
                notices=tuple(self._notices),
            )

    # --- what to show ----------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """What was asked for last."""
        return self._settings

    def update(self, settings: Settings) -> None:
        """Show something else. What the kept maps can show is redrawn at once, also when paused; another query or
        resolution looks at the newest frame again; another model loads in the background while the old one goes on."""
        with self._changed:
            before, self._settings = self._settings, settings
            if any(getattr(before, name) != getattr(settings, name) for name in _MODEL_FIELDS):
                self._model_wanted = settings
                self._loading += 1
            self._picture_wanted = True
            self._look_again_if_needed()
            self._changed.notify_all()

    def set_mode(self, mode: str) -> None:
        """Show "locked" or "smooth".

        Raises:
            SettingsError: the mode is neither.
        """
        _check_mode(mode)
        with self._changed:
            self._mode = mode
            self._picture_wanted = True
            self._changed.notify_all()

    def cancel_loading(self) -> None:
        """End a download or a load that is under way; the model that looked before goes on."""
        with self._changed:
            if self._model_state == "loading":
                self._loading += 1
                self._model_wanted = None
                self._say_model("ready" if self._engine is not None else "none", "loading was cancelled")

    def reload_model(self) -> None:
        """Try again to load the model of the settings."""
        with self._changed:
            self._model_wanted = self._settings
            self._loading += 1
            self._changed.notify_all()

    # --- the source ------------------------------------------------------------------------------------------------

    def open(self, place: str | None) -> None:
        """Leave the present source for another one; the last picture stays until the new one delivers."""
        with self._changed:
            self._place = place
        self._capture.open(place)

    def pause(self, paused: bool = True) -> None:
        """Hold the picture, or go on. A camera is drained on meanwhile, so that going on shows the present."""
        self._capture.pause(paused)

    def step(self, count: int) -> None:
        """Hold, and go so many frames on, or back if negative; only for what is not live."""
        self._capture.step(count)

    def seek(self, seconds: float) -> None:
        """Go on from there; only for what is not live."""
        self._capture.seek(seconds)

    def set_speed(self, speed: float) -> None:
        """Play 0.25 to 4 times as fast.

        Raises:
            SettingsError: the speed is beyond that.
        """
        self._capture.set_speed(speed)

    def set_loop(self, loop: bool) -> None:
        """Whether the end of a file is followed by its beginning."""
        self._capture.set_loop(loop)

    # --- keeping what is seen --------------------------------------------------------------------------------------

    def start_recording(self, path: str | Path, what: str = "overlay") -> None:
        """Write what is shown to a video with its real timestamps: "overlay", "side-by-side" or "clean".

        A disk that fills up ends the recording with a notice; what was written until then plays.

        Raises:
            SettingsError: `what` is something else.
            SinkError: the file cannot be written, or exists.
        """
        raise NotImplementedError  # comes with rtviz/recorder.py

    def stop_recording(self) -> None:
        """Finish the video in the background; `status().recording` becomes None and a notice names the file."""
        raise NotImplementedError

    def snapshot(self, path: str | Path) -> Path:
        """Write the newest result to a PNG, with the settings in its metadata (tEXt "rtviz", as JSON).

        Raises:
            SinkError: there is nothing to write yet, or it cannot be written there.
        """
        raise NotImplementedError

    def rewind(self, seconds: float) -> None:
        """Watch the past from so many seconds before its newest frame; from there it plays, unless paused. Settings
        apply to the past as they do to the present, and `step` goes through it frame by frame."""
        raise NotImplementedError

    def live(self) -> None:
        """Back from the past."""
        raise NotImplementedError

    def save_past(self, path: str | Path) -> None:
        """Write all that the flight recorder holds to a video, drawn with the present settings, in the background; a
        notice tells when it is done, or why not.

        Raises:
            SinkError: the file cannot be written, or exists.
        """
        raise NotImplementedError

    # --- capture's thread ------------------------------------------------------------------------------------------

    def _take_shot(self, shot: Shot) -> None:
        with self._changed:
            self._shot = shot
            if self._mode == "smooth" or self._engine is None or self._seen is None:
                self._picture_wanted = True
                self._changed.notify_all()
        self._to_look.put(shot)

    def _find_places(self) -> Sequence[str]:
        from rtviz.sources.camera import cameras

        places = [f"camera:{camera.number}" for camera in cameras()]
        if not places:
            self._notice("no camera was found: showing the built-in scene")
        return [*places, "scene:"]

    # --- inference's thread ----------------------------------------------------------------------------------------

    def _look_loop(self) -> None:
        _step_back_in_line()
        pause = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._engine is not None)
                if pause:
                    self._changed.wait_for(lambda: self._closing, pause)
            shot = self._to_look.take()
            if shot is None:
                return
            with self._changed:
                engine, settings = self._engine, self._settings
            if engine is None:
                continue
            try:
                start = time.monotonic()
                maps = engine.look([shot.frame], settings)[0]
                forward_ms = (time.monotonic() - start) * 1000
            except Exception as error:  # the edge of the thread: told in the status, and tried again
                pause = min(8.0, 2 * pause or 0.5)
                with self._changed:
                    self._look_failed = _sentence(error)
                    self._picture_wanted = True
                    self._to_look.offer(shot)
                    self._changed.notify_all()
                continue
            pause = 0.0
            with self._changed:
                self._look_failed = ""
                self._seen = _Seen(shot, maps, forward_ms)
                self._looked_at.append(time.monotonic())
                self._picture_wanted = True
                while engine.notices:
                    self._notices.append(engine.notices.pop(0))
                self._look_again_if_needed()
                self._changed.notify_all()

    def _look_again_if_needed(self) -> None:
        """Look at the newest frame once more if what was seen of it does not answer the present settings."""
        seen, shot = self._seen, self._shot
        if shot is None or self._engine is None:
            return
        if seen is None or seen.shot is not shot or not self._answers(seen, self._settings):
            self._to_look.offer(shot)

    def _answers(self, seen: _Seen, settings: Settings) -> bool:
        model = self._engine.model if self._engine is not None else None
        return (
            model is not None
            and seen.maps.query == settings.query
            and seen.maps.model == model.name
            and seen.maps.input_size == model.input_size(seen.shot.frame.size, settings.resolution)
            and _has_features(seen.maps, settings)
        )

    # --- the loader's thread ---------------------------------------------------------------------------------------

    def _load_loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._model_wanted is not None)
                if self._closing:
                    return
                settings, self._model_wanted = self._model_wanted, None
                number = self._loading
                assert settings is not None
                self._say_model("loading", f"loading {settings.model or 'the model'}")
            engine, sentence = self._load(settings, number)
            with self._changed:
                if number != self._loading:
                    continue
                if engine is None:
                    self._say_model("failed", sentence)
                else:
                    self._engine = engine
                    model = engine.model
                    if model is not None and model.notice:
                        self._notices.append(model.notice)
                    if sentence:
                        self._notices.append(sentence)
                    self._say_model("ready", sentence)
                    self._look_again_if_needed()
                self._picture_wanted = True
                self._changed.notify_all()

    def _load(self, settings: Settings, number: int) -> tuple[Engine | None, str]:
        """An engine, or what comes nearest to it, and what went wrong."""

        def progress(what: str, done: int, total: int | None) -> None:
            if number != self._loading:
                raise _Cancelled
            with self._changed:
                self._model_progress = (done, total)
                self._model_sentence = f"downloading {what}"

        sentence = ""
        attempts = [settings]
        while attempts:
            attempt = attempts.pop(0)
            try:
                return self._load_engine(attempt, progress), sentence
            except _Cancelled:
                return None, "loading was cancelled"
            except Exception as error:  # the edge of the thread: told in the status
                if number != self._loading:
                    return None, "loading was cancelled"
                if sentence:  # the second attempt's failure says nothing about what the user asked for
                    return None, sentence
                sentence = _sentence(error)
                if isinstance(error, DeviceFailed) and attempt.device != "cpu":
                    attempts.append(attempt.replace(device="cpu", precision="auto"))
                    sentence += "; going on with the CPU"
                elif isinstance(error, ModelError) and self._engine is None and (attempt.model or attempt.weights):
                    attempts.append(attempt.replace(model=None, weights=None))
                    sentence += "; going on with the model that needs no download"
        return None, sentence

    def _say_model(self, state: str, sentence: str) -> None:
        self._model_state, self._model_sentence, self._model_progress = state, sentence, None

    # --- drawing's thread ------------------------------------------------------------------------------------------

    def _draw_loop(self) -> None:
        memory = views.Memory()
        carrier: Carrier | None = None
        stream = -1
        last_shot: Shot | None = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._picture_wanted)
                if self._closing:
                    return
                self._picture_wanted = False
                shot, seen, settings, mode = self._shot, self._seen, self._settings, self._mode
                looking = self._engine is not None and not self._look_failed
            if shot is None:
                continue
            if seen is not None and (
                seen.shot.stream != shot.stream or seen.shot.frame.size != shot.frame.size or not looking
            ):
                seen = None
            if seen is not None and mode == "locked":
                shot = seen.shot
            if shot.stream != stream:
                stream = shot.stream
                memory.reset()
            try:
                maps = seen.maps if seen is not None else None
                if seen is not None and seen.shot is not shot:
                    if carrier is None:
                        from rtviz.flow import Carrier

                        carrier = Carrier()
                    maps = carrier.carry(seen.maps, seen.shot.frame, shot.frame)
                result = self._draw(shot.frame, maps, settings, memory, seen.forward_ms if seen is not None else 0.0)
            except Exception as error:  # the edge of the thread: the frame itself can be shown always
                self._notice(f"drawing failed: {_sentence(error)}")
                result = Result(shot.frame.pixels, shot.frame, None, settings.replace(view="none"))
            drawn = _Drawn(result, shot.captured_at, seen.shot.captured_at if seen is not None else None)
            with self._changed:
                self._drawn_shots += shot is not last_shot
                last_shot = shot
                self._drawn = drawn
                self._recently_drawn.append(drawn)

    def _draw(
        self, frame: Frame, maps: Maps | None, settings: Settings, memory: views.Memory, forward_ms: float
    ) -> Result:
        """The result that the settings ask for, or the nearest that these maps allow."""
        start = time.perf_counter()
        fitting = fit(settings, maps)
        overlay = views.draw(frame, maps, fitting, memory)
        timings_ms = {"forward": forward_ms, "draw": (time.perf_counter() - start) * 1000}
        return Result(overlay, frame, maps, fitting, MappingProxyType(timings_ms))

    def _notice(self, sentence: str) -> None:
        with self._changed:
            if not self._notices or self._notices[-1] != sentence:
                self._notices.append(sentence)

    def _entropies_of(self, maps: Maps) -> tuple[float, ...]:
        layer = fit(self._settings, maps).layer
        if self._entropies is None or self._entropies[:2] != (maps, layer):
            self._entropies = (maps, layer, entropies(maps, layer))
        return self._entropies[2]


@dataclass(frozen=True)
class Hover:
    """What is under the pointer.

    Attributes:
        row, column: of the patch, on the grid [rows, columns].
        value: its attention, of the head that is shown (the mean, where all are).
        share: of what the row gives to all patches, 0 to 1.
        times_even: so many times what it would get if all patches got the same.
    """

    row: int
    column: int
    rows: int
    columns: int
    value: float
    share: float
    times_even: float


def hover(result: Result, x: float, y: float) -> Hover | None:
    """The attention of the patch under a point, fractions of the frame's width and height; None without attention."""
    maps = result.maps
    if maps is None or not (0 <= x <= 1 and 0 <= y <= 1):
        return None
    settings = fit(result.settings, maps)
    heads = maps.attention[settings.layer]
    if isinstance(settings.head, int):
        shown = heads[settings.head]
    else:
        shown = heads.max(axis=0) if settings.head == "max" else heads.mean(axis=0)
    rows, columns = maps.grid
    row, column = min(rows - 1, int(y * rows)), min(columns - 1, int(x * columns))
    value = float(shown[row, column])
    total = float(shown.sum()) or 1.0
    return Hover(row, column, rows, columns, value, value / total, value / total * rows * columns)


def entropies(maps: Maps, layer: int) -> tuple[float, ...]:
    """Entropy of each head's map, as a share of the highest there can be: 0 all on one patch, 1 spread evenly."""
    rows = maps.attention[layer].reshape(maps.heads, -1).astype(np.float64)
    rows = rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-12)
    bits = -(rows * np.log(np.maximum(rows, 1e-12))).sum(axis=1) / math.log(max(2, rows.shape[1]))
    return tuple(float(value) for value in bits)


def fit(settings: Settings, maps: Maps | None) -> Settings:
    """The settings, with layer, head and view brought to what these maps have: after another model was chosen, or while
    the features that a view needs are still on their way."""
    if maps is None:
        return settings if not views.find(settings.view).needs else settings.replace(view="none")
    changes: dict[str, Any] = {}
    if not -maps.layers <= settings.layer < maps.layers:
        changes["layer"] = maps.layers - 1 if settings.layer > 0 else 0
    if isinstance(settings.head, int) and settings.head >= maps.heads:
        changes["head"] = maps.heads - 1
    if not _has_features(maps, settings):
        changes["view"] = "heatmap"
    return settings.replace(**changes) if changes else settings


def _has_features(maps: Maps, settings: Settings) -> bool:
    needs = views.find(settings.view).needs
    return not ("tokens" in needs and maps.tokens is None) and not ("keys" in needs and maps.keys is None)


class _MinuteOfAges:
    """The highest age of each quarter of a second, over one minute."""

    def __init__(self) -> None:
        self._values: deque[tuple[float, float]] = deque(maxlen=240)

    def add(self, now: float, age_ms: float) -> None:
        if self._values and now - self._values[-1][0] < 0.25:
            then, highest = self._values[-1]
            self._values[-1] = (then, max(highest, age_ms))
        else:
            self._values.append((now, age_ms))

    def values(self) -> tuple[float, ...]:
        oldest = time.monotonic() - 60
        return tuple(age_ms for then, age_ms in self._values if then >= oldest)


def _check_mode(mode: str) -> None:
    if mode not in MODES:
        raise SettingsError("mode", mode, MODES)


def _open_source(place: str, **more: Any) -> Source:
    from rtviz.sources import open_source

    return open_source(place, **more)


def _load_engine(settings: Settings, progress: Callable[[str, int, int | None], None]) -> Engine:
    from rtviz.engine import Engine

    if not views.find(settings.view).needs:  # the thumbnails want attention even when the picture does not
        settings = settings.replace(view="heatmap")
    return Engine.for_settings(settings, progress)


def _step_back_in_line() -> None:
    """Let capture, drawing and the window go before this thread and those that it starts, where the system can."""
    if hasattr(os, "setpriority") and threading.current_thread() is not threading.main_thread():
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + 5)


def _sentence(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return (
        text if isinstance(error, RtvizError) and text else f"{type(error).__name__}: {text}" if text else repr(error)
    )


__all__ = [
    "MODES",
    "RECORDED",
    "Hover",
    "LatestSlot",
    "LiveSession",
    "LiveStatus",
    "Patience",
    "Shot",
    "entropies",
    "fit",
    "hover",
]

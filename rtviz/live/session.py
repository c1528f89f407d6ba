"""The live session: capture -> one-slot mailbox -> inference -> drawing -> the canvas polls; newest wins."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rtviz import views
from rtviz.analysis.head_stats import HeadStats, HeadStatsTracker
from rtviz.errors import DeviceFailed, ModelError, OutputUnwritable, RtvizError, SettingsError, in_words
from rtviz.frame import Frame, Maps, Pixels, Result
from rtviz.live.capture import Attempt, Capture, CapturedFrame, OpenSource, SourceTimeouts, rate
from rtviz.live.model_slot import ModelSlot, PaneStatus
from rtviz.live.recorder import (
    NOT_SHOWN,
    RECORDED,
    FlightRecorder,
    Playback,
    RecordedFrame,
    VideoRecorder,
    check_new_video,
    write_snapshot,
    write_video,
)
from rtviz.live.renderer import FrameRenderer, Prediction
from rtviz.settings import MODEL_FIELDS, Point, Query, Settings
from rtviz.usage import give_back_free_memory
from rtviz.views.requirements import answers, fit, has_features, having

if TYPE_CHECKING:
    from rtviz.engine.engine import Engine
    from rtviz.models import Model
    from rtviz.sources import Source, SourceInfo

Item = TypeVar("Item")
LoadEngine = Callable[[Settings, Callable[[str, int, int | None], None]], "Engine"]

MODES = ("locked", "smooth")

# A forward pass as short as this is waited for before a frame is drawn.
_AT_ONCE_MS = 12.0
# So often the loader, while it has nothing to load, gives back what frames and models have left behind as holes in the
# heaps of many threads: in 50 minutes of random keys 1.1 GB grew to 1.8, of which 0.8 were in use. It takes 4 to 10 ms.
_TIDY_SECONDS = 60.0
# How long the last picture stays after a jump, while the first attention of the new stream is on its way.
_HOLD_SECONDS = 0.5


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
        place: what is open, or being opened where nothing was; None while a camera is looked for.
        attempt: another place that is being opened, or could not be, while this one goes on.
        mode: locked or smooth.
        camera_fps, shown_fps, attention_fps: frames a second that arrive, that the canvas has painted, that the model
            has looked at.
        age_ms: from the capture of the frame on screen until it was painted.
        attention_age_ms: how much older than the frame on screen is the one whose attention is shown; 0 when locked.
        skipped: frames that arrived and were never drawn.
        layers, heads, patch_size: of the model that looks; 0 without one. A convolutional network has no heads.
        position_seconds: in the source, or in the past when rewound.
        page: of pages, (number from 0, how many); None of all else.
        recording: the file that is being written.
        recorder_mb, recorder_seconds: what the flight recorder holds.
        past_seconds: how long before its newest frame the flight recorder is being watched; None when live.
        latency_ms_history: age of what was painted over the last minute, oldest first, about four values a second.
        facts: of each head of the current layer; told anew four times a second.
        panes: the models that are compared with the first one.
        focus: which of them all the facts about a model are of: 0 the first, 1 the first pane's, and so on.
        first_name: of the first model, whichever is in focus.
        most_heads: the most that one of them all has.
        notices: the last few sentences about what has happened, oldest first.
        model_error: what was raised where a model could not be loaded.
    """

    source_state: str = "connecting"
    source_sentence: str = ""
    model_state: str = "none"
    model_sentence: str = ""
    model_progress: tuple[int, int | None] | None = None
    place: str | None = None
    attempt: Attempt | None = None
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
    page: tuple[int, int] | None = None
    recording: str | None = None
    recording_seconds: float = 0.0
    recorder_mb: float = 0.0
    recorder_seconds: float = 0.0
    past_seconds: float | None = None
    latency_ms_history: tuple[float, ...] = ()
    facts: tuple[HeadStats, ...] = ()
    panes: tuple[PaneStatus, ...] = ()
    focus: int = 0
    first_name: str | None = None
    most_heads: int = 0
    notices: tuple[str, ...] = ()
    model_error: RtvizError | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    result: Result
    captured_at: float
    seen_at: float | None  # capture of the frame whose attention is shown
    playback: bool = False


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
            newest attention is carried along by optical flow. Smooth is the default by measurement: without a GPU the
            camera sends twice as many frames as the model can see, and on the built-in scene attention that is 100 ms
            old overlaps with the objects by 0.886 when carried, 0.887 when fresh and 0.879 when left where it was; at
            300 ms by 0.880, 0.887 and 0.831 (`rtviz.bench.measure_warping`).
        open_source, load_engine, find_places: the seams for tests and for those who embed this.
        timeouts: how long a source is waited for.
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
        timeouts: SourceTimeouts | None = None,
        past_seconds: float = 30.0,
        past_mb: float = 256.0,
    ) -> None:
        _check_mode(mode)
        self._place = place
        self._settings = settings
        self._mode = mode
        self._recorder = FlightRecorder(past_seconds, past_mb)
        self._load_engine = load_engine or _load_engine
        self._capture = Capture(
            self._take_frame,
            self._notice,
            self._begin_other_source,
            open_source or _open_source,
            find_places or self._find_places,
            timeouts,
        )
        self._changed = threading.Condition()
        self._closing = False
        self._started = False
        self._threads: list[threading.Thread] = []

        # Capture -> inference.
        self._to_predict: LatestSlot[CapturedFrame] = LatestSlot()
        self._captured: CapturedFrame | None = None

        # Inference.
        self._engine: Engine | None = None
        self._engine_lock = threading.Lock()  # saving the past looks too
        self._prediction: Prediction | None = None
        self._looking: CapturedFrame | None = None
        self._prediction_failed = ""
        self._predicted: deque[float] = deque(maxlen=600)
        self._looks = 0

        # Loading.
        self._model_wanted: Settings | None = settings
        self._model_state, self._model_sentence = "none", ""
        self._model_error: RtvizError | None = None
        self._model_progress: tuple[int, int | None] | None = None
        self._loading = 0  # counts wishes for a model: a load whose number is not the newest is cancelled

        # The models that are compared with the first one.
        self._slots: list[ModelSlot] = []
        self._turn = 0
        self._focus = 0

        # Drawing.
        self._picture_wanted = False
        self._pointer: Point | None = None
        self._refit = False
        self._drawn: _Drawn | None = None
        self._recently_drawn: deque[_Drawn] = deque(maxlen=4)
        self._drawn_frames = 0
        self._playback: Playback | None = None

        # Keeping.
        self._recording: VideoRecorder | None = None
        self._finishing: list[VideoRecorder] = []

        # The canvas.
        self._painted: deque[float] = deque(maxlen=600)
        self._age_ms: float | None = None
        self._attention_age_ms: float | None = None
        self._ages = _MinuteOfAges()
        self._screen: tuple[int, int] | None = None

        self._notices: deque[str] = deque(maxlen=20)
        self._head_stats_tracker = HeadStatsTracker()

    # --- life ------------------------------------------------------------------------------------------------------

    def start(self) -> LiveSession:
        """Begin to capture, to load the model, and to draw. Returns at once."""
        if self._started:
            return self
        self._started = True
        self._sync_models(self._settings)
        for name, work in (("look", self._inference_loop), ("draw", self._draw_loop), ("load", self._load_loop)):
            thread = threading.Thread(target=work, name=f"rtviz-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._recorder.start()
        self._capture.start(self._place)
        return self

    def close(self, seconds: float = 2.0) -> bool:
        """End everything; from any state it is back after `seconds` and a moment. May be called twice.

        Returns:
            False if a thread is left behind, because it hangs in a device or is still inside a forward pass. Python
            then cannot end in order: leave the process by `os._exit`.
        """
        with self._changed:
            until = time.monotonic() + (0.0 if self._closing else seconds)
            self._closing = True
            self._loading += 1
            self._changed.notify_all()
        self._to_predict.close()
        self._recorder.close()
        self.stop_recording()
        if not self._started:
            return True
        self._capture.tell_to_close()
        threads = [*self._threads, *self._recorder.threads, *self._capture.threads]
        threads += [thread for recording in self._finishing for thread in recording.threads]
        for thread in threads:
            if thread.is_alive():
                thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

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
            if drawn.playback:
                return
            self._attention_age_ms = None if drawn.seen_at is None else (drawn.captured_at - drawn.seen_at) * 1000
            if not self._capture.still:
                self._age_ms = (now - drawn.captured_at) * 1000
                self._ages.add(now, self._age_ms)

    def shown_on(self, size: tuple[int, int]) -> None:
        """The canvas is so many pixels (height, width) large: what is written above panes is made to be read there."""
        with self._changed:
            if size != self._screen:
                self._screen = size
                self._picture_wanted = True
                self._changed.notify_all()

    def status(self) -> LiveStatus:
        """What is going on; cheap enough to ask ten times a second."""
        state, sentence = self._capture.state()
        attempt = self._capture.attempt()
        with self._changed:
            playback, recording = self._playback, self._recording
            model, prediction = self._in_focus()
            model_state, model_sentence = self._model_state, self._model_sentence
            if self._prediction_failed and model_state == "ready":
                model_state, model_sentence = "failed", self._prediction_failed
            return LiveStatus(
                source_state=state,
                source_sentence=sentence,
                model_state=model_state,
                model_sentence=model_sentence,
                model_error=self._model_error,
                model_progress=self._model_progress,
                place=self._capture.place or self._place,
                attempt=attempt,
                source_info=self._capture.info,
                mode=self._mode,
                paused=self._capture.paused if playback is None else playback.paused,
                loop=self._capture.loop,
                speed=self._capture.speed,
                camera_fps=self._capture.fps(),
                shown_fps=rate(self._painted),
                attention_fps=rate(self._predicted),
                age_ms=self._age_ms,
                attention_age_ms=self._attention_age_ms,
                forward_ms=prediction.forward_ms if prediction is not None else None,
                skipped=max(0, self._capture.captured - self._drawn_frames),
                model_name=model.name if model is not None else None,
                device=model.device if model is not None else None,
                precision=model.runs_in if model is not None else None,
                resolution=self._settings.resolution,
                layers=model.layers if model is not None else 0,
                heads=model.heads if model is not None else 0,
                patch_size=model.patch_size if model is not None else 0,
                position_seconds=self._capture.position_seconds,
                page=_page(self._capture.info, self._capture.position_seconds),
                recording=str(recording.path) if recording is not None else None,
                recording_seconds=recording.seconds if recording is not None else 0.0,
                recorder_mb=self._recorder.megabytes,
                recorder_seconds=self._recorder.seconds,
                past_seconds=playback.seconds_ago if playback is not None else None,
                latency_ms_history=self._ages.values(),
                facts=self._head_stats_of(prediction) if prediction is not None else (),
                panes=tuple(slot.status() for slot in self._slots),
                focus=self._focus,
                first_name=self._model_name(),
                most_heads=max((model.heads for model in self._models()), default=0),
                notices=tuple(self._notices),
            )

    def _in_focus(self) -> tuple[Model | None, Prediction | None]:
        """The model whose facts are told, and what it saw."""
        if self._focus:
            slot = self._slots[self._focus - 1]
            return slot.model, slot.prediction
        return self._engine.model if self._engine is not None else None, self._prediction

    def _models(self) -> list[Model]:
        """All that are here."""
        engines = [self._engine, *(slot.engine for slot in self._slots)]
        return [engine.model for engine in engines if engine is not None and engine.model is not None]

    def counts(self) -> tuple[int, int]:
        """How many frames have come, and how many the model has looked at."""
        return self._capture.captured, self._looks

    def wait_for(self, condition: Callable[[LiveStatus], bool], seconds: float) -> bool:
        """Wait until the status fulfils a condition, where there is no window that polls; False after the time limit.

        Asks whenever the session has done something, and fifty times a second.
        """
        until = time.monotonic() + seconds
        while not condition(self.status()):
            remaining = until - time.monotonic()
            if remaining <= 0:
                return False
            with self._changed:
                self._changed.wait(min(0.02, remaining))
        return True

    # --- what to show ----------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """What was asked for last."""
        return self._settings

    def update(self, settings: Settings) -> None:
        """Show something else. What the newest maps can show, another query too, is redrawn at once, also when paused;
        another resolution looks at the newest frame again; another model loads in the background while the old one
        goes on."""
        with self._changed:
            before, self._settings = self._settings, settings
            if any(getattr(before, name) != getattr(settings, name) for name in MODEL_FIELDS):
                self._model_wanted = settings
                self._loading += 1
            self._sync_models(settings)
            self._picture_wanted = True
            self._predict_again_if_needed()
            self._changed.notify_all()

    def point(self, at: Point | None) -> None:
        """Where the pointer is on the frame; None off it. A view that follows it asks about the patch there, as a click
        would, as long as the settings name no other; they stay as they are."""
        with self._changed:
            before, self._pointer = self._asked_for(), at
            if self._asked_for().query != before.query:
                self._picture_wanted = True
                self._changed.notify_all()

    def _asked_for(self) -> Settings:
        """The settings, with the query that the pointer makes where nothing else does."""
        settings, pointer = self._settings, self._pointer
        if pointer is None or settings.query != "cls" or not views.find(settings.view).follows_pointer:
            return settings
        return settings.replace(query=pointer)

    def focus(self, pane: int) -> None:
        """Tell the facts of another of the models that are compared: 0 is the first."""
        with self._changed:
            self._focus = min(max(pane, 0), len(self._slots))
            self._picture_wanted = True
            self._changed.notify_all()

    def _sync_models(self, settings: Settings) -> None:
        """The models to compare with: those that are here already stay, others are loaded, the rest may go."""
        known = list(self._slots)
        self._slots = []
        for pane, requested in enumerate(settings.per_model()[1:], 1):
            slot = next((one for one in known if one.is_for(requested)), None)
            if slot is None:
                slot = ModelSlot(requested, self._notice)
            else:
                known.remove(slot)
            slot.pane = pane
            self._slots.append(slot)
        for slot in known:
            slot.gone = True
        self._focus = min(self._focus, len(self._slots))

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

    def refit(self) -> None:
        """Fit anew what pictures remember of those before them: the range of the colours, the components of PCA."""
        with self._changed:
            self._refit = True
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
        """Try again to load the model of the settings, and those beside it that failed."""
        with self._changed:
            for slot in self._slots:
                if slot.state == "failed":
                    slot.state, slot.sentence, slot.missing = "waiting", "", False
            self._model_wanted = self._settings
            self._loading += 1
            self._changed.notify_all()

    # --- the source ------------------------------------------------------------------------------------------------

    def open(self, place: str | None) -> None:
        """Leave the present source for another one, as soon as that has a picture: what cannot be opened leaves
        everything as it is, and `status().attempt` says why."""
        if self._started:
            self._capture.open(place)
        else:
            self._place = place

    def open_again(self) -> None:
        """Try at once to open what could not be opened."""
        self._capture.try_again()

    def cancel_opening(self) -> None:
        """Stay with the present source: no longer try to open another one."""
        self._capture.cancel()

    def pause(self, paused: bool = True) -> None:
        """Hold the picture, or go on. A camera is drained on meanwhile, so that going on shows the present."""
        with self._changed:
            if self._playback is not None:
                self._playback.hold(paused)
                self._picture_wanted = True
                self._changed.notify_all()
                return
        self._capture.pause(paused)
        with self._changed:
            self._predict_again_if_needed()

    def step(self, count: int) -> None:
        """Hold, and go so many frames on, or back if negative; in a file, or in the past."""
        with self._changed:
            if self._playback is not None:
                self._playback.step(count, self._mode)
                self._picture_wanted = True
                self._changed.notify_all()
                return
        self._capture.step(count)

    def seek(self, seconds: float) -> None:
        """Go on from there, of pages from the one of this number; only for what is not live."""
        self.live()
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
        info = self._capture.info
        recorder = VideoRecorder(Path(path), what, info.fps if info is not None else None, self._recording_ended)
        with self._changed:
            before, self._recording = self._recording, recorder
            drawn = self._drawn
        if before is not None:
            before.stop()
        if drawn is not None:
            recorder.put(drawn.result, time.monotonic())

    def stop_recording(self) -> None:
        """Finish the video in the background; `status().recording` becomes None and a notice names the file."""
        with self._changed:
            recorder, self._recording = self._recording, None
            if recorder is not None:
                self._finishing.append(recorder)
        if recorder is not None:
            recorder.stop()

    def snapshot(self, path: str | Path) -> Path:
        """Write the newest result to a PNG, with the settings in its metadata (tEXt "rtviz", as JSON).

        Raises:
            SinkError: there is nothing to write yet, or it cannot be written there.
        """
        result = self.latest()
        if result is None:
            raise OutputUnwritable(f"no snapshot: {NOT_SHOWN}")
        info = self._capture.info
        return write_snapshot(result, Path(path), info.name if info is not None else None)

    def rewind(self, seconds: float) -> None:
        """Watch the past from so many seconds before its newest frame; from there it plays, unless paused. Settings
        apply to the past as they do to the present, and `step` goes through it frame by frame."""
        self._recorder.freeze()
        recorded = self._recorder.recorded()
        if not recorded:
            self._notice("the flight recorder holds nothing yet")
            self._recorder.thaw()
            return
        with self._changed:
            if self._playback is None:
                info = self._capture.info
                held = self._capture.paused or info is None or info.live
                self._playback = Playback(recorded, self._capture.paused, resume=not held)
                if not held:
                    self._capture.pause(True)
            self._playback.go_to(recorded[-1].captured_at - max(0.0, seconds))
            self._to_predict.clear()
            self._picture_wanted = True
            self._changed.notify_all()

    def live(self) -> None:
        """Back from the past."""
        with self._changed:
            playback, self._playback = self._playback, None
            if playback is None:
                return
            self._picture_wanted = True
            self._changed.notify_all()
        self._recorder.thaw()
        if playback.resume:
            self._capture.pause(False)
        with self._changed:
            self._predict_again_if_needed()

    def save_past(self, path: str | Path) -> None:
        """Write all that the flight recorder holds to a video, drawn with the present settings, in the background; a
        notice tells when it is done, or why not.

        Raises:
            SinkError: the file cannot be written, or exists.
        """
        path = Path(path)
        check_new_video(path)
        recorded = self._playback.recorded if self._playback is not None else self._recorder.recorded()
        if not recorded:
            raise OutputUnwritable(f"cannot write {path}: {NOT_SHOWN}")
        work = threading.Thread(
            target=lambda: self._notice(write_video(path, self._draw_recorded(recorded), None)),
            name="rtviz-save",
            daemon=True,
        )
        self._threads.append(work)
        work.start()

    # --- capture's thread ------------------------------------------------------------------------------------------

    def _begin_other_source(self) -> None:
        """Another place has a picture: what belonged to the one before goes with it."""
        self.live()
        self._recorder.forget()
        with self._changed:
            self._forget_marks()
            self._changed.notify_all()

    def _turns_page(self, captured: CapturedFrame) -> bool:
        """Whether a shot and the present one are different pages, of which one says nothing about the other."""
        info, present = self._capture.info, self._captured
        return info is not None and info.kind == "pages" and present is not None and present.stream != captured.stream

    def _forget_marks(self) -> None:
        """What was marked in one picture means nothing in another."""
        if self._settings.track:
            self._settings = self._settings.replace(track=())

    def _take_frame(self, captured: CapturedFrame) -> None:
        with self._changed:
            if self._captured is not None and captured.number < self._captured.number:
                return  # the last one of a source that another has replaced meanwhile
            if self._turns_page(captured):
                self._forget_marks()
                self._prediction, self._head_stats_tracker = None, HeadStatsTracker()
            self._captured = captured
            watching_past = self._playback is not None
            if not watching_past and not self._attention_will_bring_it():
                self._picture_wanted = True
                self._changed.notify_all()
            if not watching_past:
                self._to_predict.put(captured)
        if not watching_past:
            self._recorder.add(captured)

    def _attention_will_bring_it(self) -> bool:
        """Whether a frame that just came need not be drawn before the model has looked at it: when locked, or when the
        model is so fast that the frame would only be drawn twice."""
        captured, prediction = self._captured, self._prediction
        if self._engine is None or prediction is None or self._prediction_failed or captured is None:
            return False
        if captured.stream != prediction.captured.stream:
            return False  # a slow model must not keep the old source's picture on screen
        if self._slots:  # they take turns: its own may be a while away
            return self._mode == "locked"
        return self._mode == "locked" or (self._looking is None and prediction.forward_ms < _AT_ONCE_MS)

    def _find_places(self) -> Sequence[str]:
        from rtviz.sources.camera import cameras

        try:
            places = [f"camera:{camera.number}" for camera in cameras()]
        except (ImportError, OSError) as error:
            self._notice(f"cameras cannot be listed: {in_words(error)}")
            places = []
        if not places:
            self._notice("no camera was found: showing the built-in scene")
        return [*places, "scene:"]

    # --- inference's thread ----------------------------------------------------------------------------------------

    def _inference_loop(self) -> None:
        pause, tried = 0.0, self._settings
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._engine is not None)
                if pause:  # other settings may be what it takes
                    self._changed.wait_for(lambda: self._closing or self._settings is not tried, pause)  # noqa: B023
            captured = self._to_predict.take()
            if captured is None:
                return
            with self._changed:
                engine, asked, settings = self._engine, self._settings, self._asked_for()
                slot = self._whose_turn(captured)
                self._looking = None if slot is not None else captured
            if slot is not None:
                self._predict_with(slot, captured, settings)
                continue
            if engine is None:
                continue
            try:
                start = time.monotonic()
                with self._engine_lock:
                    settings = having(settings, engine.model)
                    maps = engine.follow(
                        captured.frame, engine.predict([captured.frame], settings, {"rows"})[0], settings
                    )
                forward_ms = (time.monotonic() - start) * 1000
            except Exception as error:  # the edge of the thread: told in the status, and tried again
                pause, tried = min(8.0, 2 * pause or 0.5), asked
                with self._changed:
                    self._looking = None
                    self._prediction_failed = in_words(error)
                    self._picture_wanted = True
                    self._to_predict.offer(captured)
                    self._changed.notify_all()
                continue
            pause = 0.0
            with self._changed:
                self._looking = None
                self._prediction_failed = ""
                self._predicted.append(time.monotonic())
                self._looks += 1
                while engine.notices:
                    self._notices.append(engine.notices.pop(0))
                self._take_prediction(Prediction(captured, maps, forward_ms))
                self._changed.notify_all()

    def _whose_turn(self, captured: CapturedFrame) -> ModelSlot | None:
        """Who looks at a shot: the models take turns, so that each sees as many frames; None is the first model."""
        predictors: list[ModelSlot | None] = [None, *self._slots]
        for _ in predictors:
            self._turn = (self._turn + 1) % len(predictors)
            predictor = predictors[self._turn]
            if predictor is None:
                if not self._has_prediction(captured):
                    return None
            elif predictor.wants(captured, self._settings):
                return predictor
        return None

    def _has_prediction(self, captured: CapturedFrame) -> bool:
        """Whether the first model has nothing more to see in a shot; of the past that is not asked."""
        prediction = self._prediction
        return (
            self._playback is None
            and prediction is not None
            and prediction.captured is captured
            and self._answers(prediction.maps, self._settings, captured.frame.size)
        )

    def _predict_with(self, slot: ModelSlot, captured: CapturedFrame, settings: Settings) -> None:
        with self._engine_lock:
            slot.predict(captured, settings)
        with self._changed:
            self._picture_wanted = True
            self._predict_again_if_needed()
            self._changed.notify_all()

    def _take_prediction(self, prediction: Prediction) -> None:
        if self._playback is not None:
            self._playback.take_prediction(prediction.captured.number, prediction.maps)
            self._picture_wanted = True
            return
        before, captured = self._prediction, self._captured
        if before is not None and prediction.captured.number < before.captured.number:
            return  # from the past, which is not watched any more
        if self._turns_page(prediction.captured):
            return  # of the page before, and too late
        self._prediction = prediction
        self._recorder.add(prediction.captured, prediction.maps)
        # When every frame is shown, the next one brings it, unless it is long in coming or something new was asked.
        if (
            self._mode == "locked"
            or before is None
            or (before.maps.query != prediction.maps.query and prediction.maps.rows is None)
            or captured is None
            or captured is prediction.captured
            or time.monotonic() - captured.captured_at > 0.05
        ):
            self._picture_wanted = True
        self._predict_again_if_needed()

    def _predict_again_if_needed(self) -> None:
        """Look at the newest frame once more if what was seen of it does not answer the present settings."""
        captured = self._captured
        if captured is None or self._engine is None or self._playback is not None or captured is self._looking:
            return
        if not self._has_prediction(captured) or any(slot.wants(captured, self._settings) for slot in self._slots):
            self._to_predict.offer(captured)

    def _answers(self, maps: Maps, settings: Settings, frame_size: tuple[int, int]) -> bool:
        """Whether maps are what the present model would see now."""
        return answers(maps, self._engine.model if self._engine is not None else None, settings, frame_size)

    # --- the loader's thread ---------------------------------------------------------------------------------------

    def _load_loop(self) -> None:
        while True:
            with self._changed:
                asked = self._changed.wait_for(
                    lambda: self._closing or self._model_wanted is not None or self._waiting(), _TIDY_SECONDS
                )
                if self._closing:
                    return
                settings, self._model_wanted = self._model_wanted, None
                number = self._loading
                slot = self._waiting()
                if settings is None and slot is not None:
                    slot.state = "loading"
            if not asked:
                give_back_free_memory()
                continue
            if settings is None:
                assert slot is not None
                self._load_slot(slot)
                continue
            with self._changed:
                self._say_model("loading", f"loading {settings.model or 'the model'}")
            engine, sentence, error = self._load(settings, number)
            with self._changed:
                if number != self._loading:
                    continue
                if engine is None:
                    self._say_model("failed", sentence, error)
                else:
                    if self._engine is not None:  # else it is the first that sees what is marked
                        engine.take_over_tracks(self._settings, self._marked())
                    self._engine = engine
                    model = engine.model
                    if model is not None:
                        model.compile_soon()
                    if model is not None and model.notice:
                        self._notices.append(model.notice)
                    if sentence:
                        self._notices.append(sentence)
                    self._say_model("ready", sentence, error)
                    self._predict_again_if_needed()
                self._picture_wanted = True
                self._changed.notify_all()

    def _marked(self) -> Maps | None:
        """What a model saw last that follows the marked objects, the first one's before the others'."""
        prediction = (predictor.prediction for predictor in self._slots)
        return next(
            (one.maps for one in (self._prediction, *prediction) if one is not None and one.maps.labels is not None),
            None,
        )

    def _waiting(self) -> ModelSlot | None:
        return next((slot for slot in self._slots if slot.state == "waiting"), None)

    def _load_slot(self, slot: ModelSlot) -> None:
        def progress(what: str, done: int, total: int | None) -> None:
            if slot.gone or self._closing or self._model_wanted is not None:
                raise _Cancelled
            slot.sentence = f"downloading {what}" + (f" {100 * done / total:.0f} %" if total else "")
            with self._changed:
                self._picture_wanted = True

        try:
            engine = self._load_engine(slot.settings, progress)
        except _Cancelled:
            slot.state = "waiting"  # after the first model, which is wanted more
        except Exception as error:  # the edge of the thread: told in the status and above the pane
            slot.fail(error)
        else:
            with self._changed:
                if (marked := self._marked()) is not None or self._looks:
                    engine.take_over_tracks(self._settings, marked)
            slot.begin(engine)
        with self._changed:
            self._picture_wanted = True
            self._predict_again_if_needed()
            self._changed.notify_all()

    def _load(self, settings: Settings, number: int) -> tuple[Engine | None, str, RtvizError | None]:
        """An engine, or what comes nearest to it, and what went wrong, in words and as it was raised."""

        def progress(what: str, done: int, total: int | None) -> None:
            if number != self._loading:
                raise _Cancelled
            with self._changed:
                self._model_progress = (done, total)
                self._model_sentence = f"downloading {what}"

        sentence = ""
        told: RtvizError | None = None
        attempts = [settings]
        while attempts:
            attempt = attempts.pop(0)
            try:
                return self._load_engine(attempt, progress), sentence, told
            except _Cancelled:
                return None, "loading was cancelled", None
            except Exception as error:  # the edge of the thread: told in the status
                if number != self._loading:
                    return None, "loading was cancelled", None
                if sentence:  # the second attempt's failure says nothing about what the user asked for
                    return None, sentence, told
                sentence = in_words(error)
                told = error if isinstance(error, RtvizError) else None
                if isinstance(error, DeviceFailed) and attempt.device != "cpu":
                    attempts.append(attempt.replace(device="cpu", precision="auto"))
                    sentence += "; going on with the CPU"
                elif isinstance(error, ModelError) and self._engine is None and (attempt.model or attempt.weights):
                    attempts.append(attempt.replace(model=None, weights=None))
                    sentence += "; going on with the model that needs no download"
        return None, sentence, told

    def _say_model(self, state: str, sentence: str, error: RtvizError | None = None) -> None:
        self._model_state, self._model_sentence, self._model_progress = state, sentence, None
        self._model_error = error

    # --- drawing's thread ------------------------------------------------------------------------------------------

    def _draw_loop(self) -> None:
        renderer = FrameRenderer(self._notice)
        last_number = -1
        wake_at: float | None = None
        while True:
            with self._changed:
                timeout = None if wake_at is None else max(0.0, wake_at - time.monotonic())
                self._changed.wait_for(lambda: self._closing or self._picture_wanted, timeout)
                if self._closing:
                    return
                self._picture_wanted = False
                playback = self._playback
                if self._refit:
                    self._refit = False
                    renderer.forget()
            if playback is not None:
                drawn, number, wake_at = self._paint_recorded(playback, renderer)
            else:
                drawn, number, wake_at = self._paint_present(renderer)
            if drawn is None:
                continue
            with self._changed:
                anew = number == last_number
                self._drawn_frames += not anew and playback is None
                last_number = number
                self._drawn = drawn
                self._recently_drawn.append(drawn)
                if self._recording is not None:
                    self._recording.put(drawn.result, time.monotonic() if anew or playback else drawn.captured_at)
                self._changed.notify_all()

    def _paint_present(self, renderer: FrameRenderer) -> tuple[_Drawn | None, int, float | None]:
        """(what was drawn, the number of its shot, when to come again unasked)."""
        with self._changed:
            captured, prediction, settings, mode = self._captured, self._prediction, self._asked_for(), self._mode
            looking = self._engine is not None and not self._prediction_failed
            before = self._drawn
        if captured is None:
            return None, -1, None
        if prediction is not None and (
            prediction.captured.stream != captured.stream
            or prediction.captured.frame.size != captured.frame.size
            or not looking
        ):
            prediction = None
        if prediction is None and looking and before is not None and before.result.maps is not None:
            # After a jump the last picture stays a moment, so that attention does not go out and on again.
            hold_until = self._capture.stream_began_at + _HOLD_SECONDS
            if time.monotonic() < hold_until:
                return None, -1, hold_until
        if prediction is not None:
            prediction = self._asked(prediction, settings.query)
            if mode == "locked":
                captured = prediction.captured
        result = self._draw_all(captured, prediction, settings, renderer)
        return (
            _Drawn(result, captured.captured_at, prediction.captured.captured_at if prediction is not None else None),
            captured.number,
            None,
        )

    def _draw_all(
        self, captured: CapturedFrame, prediction: Prediction | None, settings: Settings, renderer: FrameRenderer
    ) -> Result:
        """A shot with what the model saw of it; with what each of them saw, where several are compared."""
        with self._changed:
            slots, focus = list(self._slots), self._focus
        if not slots and not settings.jaccard:
            return renderer.draw(captured, prediction, settings)
        others = [(one.status(), one.renderer, one.prediction_for(captured, settings.query)) for one in slots]
        first = PaneStatus(self._model_name() or "", "ready", "", rate(self._predicted) if slots else 0.0)
        return _panes(captured, settings, [(first, renderer, prediction), *others], focus, self._screen)

    def _asked(self, prediction: Prediction, query: Query) -> Prediction:
        """What was seen, for this query: not another forward pass, but other rows of the one that was made."""
        if prediction.maps.query == query or prediction.maps.rows is None:
            return prediction
        try:
            asked = replace(prediction, maps=prediction.maps.ask(query))
        except RtvizError as error:  # no place for this model to look from: the last answer stays
            self._notice(in_words(error))
            return prediction
        with self._changed:
            if self._prediction is prediction:
                self._prediction = asked
        return asked

    def _paint_recorded(self, playback: Playback, renderer: FrameRenderer) -> tuple[_Drawn | None, int, float | None]:
        with self._changed:
            settings, mode = self._settings, self._mode
            recorded, wait = playback.now(mode, self._capture.speed)
        captured = playback.captured(recorded)
        prediction = self._prediction_in(playback, recorded, settings)
        if (
            prediction is None
            or prediction.captured.number != recorded.number
            or not self._answers_past(prediction.maps, settings)
            or any(slot.wants(captured, settings) for slot in self._slots)
        ):
            with self._changed:
                if self._playback is playback and self._engine is not None:
                    self._to_predict.put(captured)
        if prediction is not None and mode == "locked" and prediction.captured.number != recorded.number:
            prediction = None
        settings = self._asked_for()
        if prediction is not None:
            prediction = self._asked(prediction, settings.query)
        result = self._draw_all(captured, prediction, settings, renderer)
        drawn = _Drawn(
            result,
            captured.captured_at,
            prediction.captured.captured_at if prediction is not None else None,
            playback=True,
        )
        return drawn, captured.number, None if wait is None else time.monotonic() + wait

    def _prediction_in(self, playback: Playback, recorded: RecordedFrame, settings: Settings) -> Prediction | None:
        found = playback.prediction(recorded, lambda maps: self._answers_past(maps, settings))
        return None if found is None else Prediction(*found, forward_ms=0.0)

    def _answers_past(self, maps: Maps, settings: Settings) -> bool:
        answered = maps.query == settings.query or maps.rows is not None
        return answered and maps.model == self._model_name() and has_features(maps, settings)

    def _model_name(self) -> str | None:
        model = self._engine.model if self._engine is not None else None
        return model.name if model is not None else None

    def _draw_recorded(self, recorded: Sequence[RecordedFrame]) -> Iterator[tuple[Pixels, Frame]]:
        """The past as it would be shown, for a video: every kept frame, or when locked those that were looked at."""
        settings, mode = self._settings, self._mode
        renderer = FrameRenderer(self._notice)
        others = [(one, FrameRenderer(self._notice)) for one in self._slots if one.engine is not None]
        playback = Playback(tuple(recorded), paused=True, resume=False)
        line = playback.line(mode)
        for place in line:
            if self._closing:
                raise OutputUnwritable("the session was closed")
            captured = playback.captured(place)
            engine = self._engine
            if (
                engine is not None
                and place.maps is not None
                and views.find(settings.view).needs
                and not self._answers_past(place.maps, settings)
            ):
                with self._engine_lock:
                    maps = engine.follow(captured.frame, engine.predict([captured.frame], settings)[0], settings)
                playback.take_prediction(place.number, maps)
            prediction = self._prediction_in(playback, place, settings)
            if others or settings.jaccard:
                looks = [(PaneStatus(self._model_name() or "", "ready", "", 0.0), renderer, prediction)]
                for slot, its_renderer in others:
                    with self._engine_lock:
                        looks.append(
                            (
                                replace(slot.status(), attention_fps=0.0),
                                its_renderer,
                                slot.predict_frame(captured, settings),
                            )
                        )
                result = _panes(captured, settings, looks, 0, None)
            else:
                result = renderer.draw(captured, prediction, settings)
            frame = Frame(captured.frame.pixels, place.index, place.captured_at - line[0].captured_at)
            yield result.overlay, frame

    def _recording_ended(self, sentence: str) -> None:
        self._notice(sentence)
        with self._changed:
            if self._recording is not None and self._recording.ended:
                self._recording = None
            self._finishing = [recorder for recorder in self._finishing if not recorder.ended]

    def _notice(self, sentence: str) -> None:
        with self._changed:
            if not self._notices or self._notices[-1] != sentence:
                self._notices.append(sentence)

    def _head_stats_of(self, prediction: Prediction) -> tuple[HeadStats, ...]:
        place = (prediction.captured.stream, prediction.captured.number)
        return self._head_stats_tracker.facts(
            prediction.maps, fit(self._settings, prediction.maps).layer, time.monotonic(), place
        )


def _panes(
    captured: CapturedFrame,
    settings: Settings,
    looks: Sequence[tuple[PaneStatus, FrameRenderer, Prediction | None]],
    focus: int,
    screen: tuple[int, int] | None,
) -> Result:
    """What several models saw of a shot, each in its pane, the first one first."""
    from rtviz.drawing.panes import join, smaller
    from rtviz.engine.comparison import on_objects, outlined, per_model, titled

    requests = per_model(settings)
    laid = [
        renderer.lay(captured, prediction, requested)
        for (_, renderer, prediction), requested in zip(looks, requests, strict=False)
    ]
    frame = smaller(captured.frame, len(looks) + (requests[0].layout != settings.layout))
    frame = on_objects(frame, [None if prediction is None else prediction.maps for prediction in laid], settings)
    each = zip(looks, laid, requests, strict=False)
    drawn = [renderer.draw(captured, prediction, requested, frame) for (_, renderer, _), prediction, requested in each]
    panes = []
    for (status, _, _), result, requested in zip(looks, outlined(drawn), requests, strict=False):
        pace = f"{status.attention_fps:.1f}/s" if status.attention_fps else ""
        pane = replace(titled(_explained(result, status), requested, pace), name=status.name)
        said = {"failed": "not here" if status.missing else "failed", "ready": ""}
        told = said.get(status.state, status.sentence or status.state)
        panes.append(replace(pane, facts=(told,)) if told else pane)
    return join(captured.frame, panes, settings, min(focus, len(panes) - 1), marked=True, screen=screen)


def _explained(result: Result, pane: PaneStatus) -> Result:
    """In the middle of the frame of a pane whose model cannot look, why."""
    if pane.state != "failed":
        return result
    from rtviz.drawing import compose

    picture = compose.dimmed(result.overlay)
    compose.paragraph(picture, pane.explanation)
    return replace(result, overlay=picture)


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
    """The attention of the patch under a point, fractions of the frame's width and height; None where none is shown."""
    maps = result.maps
    if (
        maps is None
        or not maps.has_attention
        or not views.find(result.settings.view).hover
        or not (0 <= x <= 1 and 0 <= y <= 1)
    ):
        return None
    from rtviz.views.overlap import best_heads  # it draws, and the window opens before what draws is loaded

    settings = fit(result.settings, maps)
    heads = maps.attention[settings.layer]
    measured = best_heads(result.frame, maps, settings) if views.find(settings.view).best_heads else ()
    if measured:
        shown = heads[list(measured)].max(axis=0)
    elif isinstance(settings.head, int):
        shown = heads[settings.head]
    else:
        shown = heads.max(axis=0) if settings.head == "max" else heads.mean(axis=0)
    rows, columns = maps.grid
    row, column = maps.grid.patch_at(Point(x, y))
    value = float(shown[row, column])
    total = float(shown.sum()) or 1.0
    return Hover(row, column, rows, columns, value, value / total, value / total * rows * columns)


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
    from rtviz.sources.pages import as_pages

    return open_source(as_pages(place), **more)


def _page(info: SourceInfo | None, position: float) -> tuple[int, int] | None:
    if info is None or info.kind != "pages":
        return None
    return round(position), info.frame_count or 0


def _load_engine(settings: Settings, progress: Callable[[str, int, int | None], None]) -> Engine:
    from rtviz.engine.engine import Engine

    if not views.find(settings.view).needs:  # the thumbnails want attention even when the picture does not
        settings = settings.replace(view=views.fallback(has_attention=True))
    return Engine.for_settings(settings, progress)


__all__ = [
    "MODES",
    "RECORDED",
    "Attempt",
    "CapturedFrame",
    "Hover",
    "LatestSlot",
    "LiveSession",
    "LiveStatus",
    "SourceTimeouts",
    "hover",
]

"""The live session: a source, one or several models and a canvas, as the window and the command line use them.

Frames go from capture through a mailbox for one frame to inference; the drawing thread draws the newest frame with the
newest predictions, and the canvas polls for the picture. The newest wins everywhere, nothing is queued.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtviz.errors import OutputUnwritable, RtvizError, SettingsError, in_words
from rtviz.frame import Frame, Maps, Result
from rtviz.live.broadcast import Broadcast
from rtviz.live.capture import Capture
from rtviz.live.connection import Attempt, OpenSource, SourceTimeouts
from rtviz.live.export import draw_past
from rtviz.live.flight_recorder import FlightRecorder
from rtviz.live.frames import CapturedFrame
from rtviz.live.inference import Inference
from rtviz.live.loader import LoadEngine, Loader
from rtviz.live.new_file import NOT_SHOWN, check_new_video
from rtviz.live.playback import Playback
from rtviz.live.presenter import Presenter
from rtviz.live.shared import SharedState
from rtviz.live.snapshot import SNAPSHOTS, cleaned, labelled, write_snapshot
from rtviz.live.status import LiveStatus, PaneStatus, status_of
from rtviz.live.video_recorder import RECORDED, VideoRecorder, write_video
from rtviz.settings import Point, Settings

if TYPE_CHECKING:
    from rtviz.frame import Pixels
    from rtviz.sources import Source

MODES = ("locked", "smooth")
DEFAULT_MODE = "smooth"


class LiveSession:
    """Runs a live source through models and draws it, all the time.

    Threads of its own do the work: one or two for the source, one that loads models, one that runs them, one that
    draws, one that packs the past, and one for a video that is written. What they share is in one `SharedState` under
    one lock; capture, the flight recorder and each video recorder guard what is theirs alone. Any thread may call any
    method. The canvas polls `latest` and reports with `shown`; every request returns at once, and its effect shows in
    `status`, as every trouble does: nothing here raises for a camera or a model that fails.

    Args:
        place: what to open, as `rtviz.sources.open_source` understands it; None takes the first camera that works, else
            the built-in scene.
        settings: which models, and what to show.
        mode: "locked": each frame that is shown has its own attention. "smooth": every frame is shown, and optical flow
            warps the newest attention to it. Smooth is the default by measurement: without a GPU the camera sends twice
            as many frames as the model can process, and on the built-in scene attention that is 100 ms old overlaps
            with the objects by 0.886 when warped, 0.887 when fresh and 0.879 when left where it was; at 300 ms by
            0.880, 0.887 and 0.831 (`rtviz.bench.measure_warping`).
        open_source, load_engine, find_places: the seams for tests and for those who embed this.
        timeouts: how long the session waits for a source.
        past_seconds, past_mb: what the flight recorder may hold; 0 switches it off.
    """

    def __init__(
        self,
        place: str | None,
        settings: Settings,
        *,
        mode: str = DEFAULT_MODE,
        open_source: OpenSource | None = None,
        load_engine: LoadEngine | None = None,
        find_places: Callable[[], Sequence[str]] | None = None,
        timeouts: SourceTimeouts | None = None,
        past_seconds: float = 30.0,
        past_mb: float = 256.0,
    ) -> None:
        _check_mode(mode)
        self._place = place
        self._shared = SharedState(settings, mode)
        self._recorder = FlightRecorder(past_seconds, past_mb)
        self._capture = Capture(
            self._take_frame,
            self._shared.note,
            self._begin_other_source,
            open_source or _open_source,
            find_places or self._find_places,
            timeouts,
        )
        self._inference = Inference(self._shared, self._recorder)
        self._loader = Loader(self._shared, load_engine)
        self._presenter = Presenter(self._shared, self._capture)
        self._started = False
        self._threads: list[threading.Thread] = []

    # --- life ------------------------------------------------------------------------------------------------------

    def start(self) -> LiveSession:
        """Start to capture, to load the models and to draw. Returns at once."""
        if not self._started:
            self._started = True
            self._run("inference", self._inference.run)
            self._run("draw", self._presenter.run)
            self._run("load", self._loader.run)
            self._recorder.start()
            self._capture.start(self._place)
        return self

    def _run(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name=f"rtviz-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def close(self, seconds: float = 2.0) -> bool:
        """End everything, from any state, within little more than `seconds`. May be called twice.

        Returns:
            False if a thread is left behind, because it hangs in a device or is still inside a forward pass. Python
            then cannot end in order: leave the process by `os._exit`.
        """
        shared = self._shared
        with shared.changed:
            until = time.monotonic() + (0.0 if shared.closing else seconds)
            shared.closing = True
            shared.changed.notify_all()
        shared.to_predict.close()
        self._recorder.close()
        self.stop_recording()
        broadcast = shared.broadcast
        self.stop_stream()
        if not self._started:
            return True
        self._capture.tell_to_close()
        threads = [*self._threads, *self._recorder.threads, *self._capture.threads]
        threads += broadcast.threads if broadcast is not None else []
        with shared.changed:
            threads += [thread for recording in shared.finishing for thread in recording.threads]
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
        """The newest picture, the same object until there is a newer one; poll it."""
        drawn = self._shared.drawn
        return drawn.result if drawn is not None else None

    def shown(self, result: Result) -> None:
        """The canvas has painted this result just now."""
        shared = self._shared
        with shared.changed:
            drawn = next((drawn for drawn in reversed(shared.recently_drawn) if drawn.result is result), None)
            if drawn is not None:
                shared.paints.add(drawn, self._capture.still)

    def shown_on(self, size: tuple[int, int]) -> None:
        """The canvas has this (height, width) in pixels: titles above panes are drawn to be readable there."""
        with self._shared.changed:
            if size != self._shared.screen:
                self._shared.screen = size
                self._shared.redraw()

    def status(self) -> LiveStatus:
        """What the session does now; cheap enough for ten times a second."""
        return status_of(self._shared, self._capture, self._recorder, self._place)

    def counts(self) -> tuple[int, int]:
        """(frames captured, frames that the first model has predicted)."""
        return self._capture.captured, self._shared.first.predictions

    def wait_for(self, condition: Callable[[LiveStatus], bool], seconds: float) -> bool:
        """Wait until the status fulfils a condition, where no window polls; False after the time limit.

        Checks whenever the session has done something, and fifty times a second.
        """
        until = time.monotonic() + seconds
        while not condition(self.status()):
            remaining = until - time.monotonic()
            if remaining <= 0:
                return False
            with self._shared.changed:
                self._shared.changed.wait(min(0.02, remaining))
        return True

    # --- what to show ----------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The settings that were requested last."""
        return self._shared.settings

    def update(self, settings: Settings) -> None:
        """Show other settings. What the newest maps can show, another query too, is drawn at once, also while paused;
        another resolution runs the model on the newest frame again; another model loads in the background while the one
        before goes on."""
        self._shared.request(settings)

    def point(self, at: Point | None) -> None:
        """Where the pointer is on the frame; None off it. It is the query of a view that follows it, as long as the
        settings name no other; they stay as they are."""
        shared = self._shared
        with shared.changed:
            before = shared.requested()
            shared.pointer = at
            if shared.requested().query != before.query:
                shared.redraw()

    def show_true_patches(self, wanted: bool) -> None:
        """Whether the canvas enlarges the picture so much that each patch is to be drawn in one colour; the settings
        stay as they are."""
        with self._shared.changed:
            if wanted != self._shared.true_patches:
                self._shared.true_patches = wanted
                self._shared.redraw()

    def focus(self, pane: int) -> None:
        """Choose the model whose figures `status` has, of those that are compared: 0 is the first."""
        shared = self._shared
        with shared.changed:
            shared.focus = min(max(pane, 0), len(shared.slots) - 1)
            shared.redraw()

    def set_mode(self, mode: str) -> None:
        """Show "locked" or "smooth".

        Raises:
            SettingsError: the mode is neither.
        """
        _check_mode(mode)
        with self._shared.changed:
            self._shared.mode = mode
            self._shared.redraw()

    def refit(self) -> None:
        """Fit anew what pictures remember of those before them: the range of the colours, the components of PCA."""
        with self._shared.changed:
            self._shared.refit_wanted = True
            self._shared.redraw()

    def cancel_loading(self) -> None:
        """End the download or the loading of the first model; the one before goes on."""
        with self._shared.changed:
            self._shared.first.cancel()
            self._shared.redraw()

    def reload_model(self) -> None:
        """Try again to load the first model of the settings, and those of the others that failed."""
        shared = self._shared
        with shared.changed:
            for slot, settings in zip(shared.slots, shared.settings.per_model(), strict=True):
                if slot is shared.first or slot.state == "failed":
                    slot.request(settings)
            shared.redraw()

    # --- the source ------------------------------------------------------------------------------------------------

    def open(self, place: str | None) -> None:
        """Change to another source as soon as that one has a picture: a place that cannot be opened changes nothing,
        and `status().attempt` says why."""
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
        """Hold the picture, or go on. A camera is drained meanwhile, so that going on shows the present."""
        shared = self._shared
        with shared.changed:
            if shared.playback is not None:
                shared.playback.hold(paused)
                shared.redraw()
                return
        self._capture.pause(paused)
        shared.predict_again_if_needed()

    def step(self, count: int) -> None:
        """Hold, and go so many frames on, or back if negative; in a file, or in the past."""
        shared = self._shared
        with shared.changed:
            if shared.playback is not None:
                shared.playback.step(count, shared.mode)
                shared.redraw()
                return
        self._capture.step(count)

    def seek(self, seconds: float) -> None:
        """Go on from there, of pages from the one of this number; only in a source that is not live."""
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

    def predict_each(self, frame: Frame) -> dict[str, Maps | str]:
        """What each model predicts for a frame with no head muted, by the models' names; a text says why there is
        nothing. The forward passes run between those of the session, in the caller's thread.
        """
        from rtviz.analysis.tracking import Tracker  # it loads OpenCV, which the first paint does without

        with self._shared.changed:
            settings, slots = self._shared.settings.replace(mute=(), track=()), list(self._shared.slots)
        captured = CapturedFrame(frame, time.monotonic(), -1, -1)
        found: dict[str, Maps | str] = {}
        for slot in slots:
            if slot.model is None:
                found[slot.name] = slot.status().explanation or slot.state
                continue
            try:
                found[slot.name] = self._inference.predict(slot, captured, settings, (), Tracker()).maps
            except RtvizError as error:
                found[slot.name] = str(error)
        return found

    # --- recording -------------------------------------------------------------------------------------------------

    def start_recording(self, path: str | Path, what: str = "overlay") -> None:
        """Write what is shown to a video with its real timestamps: "overlay", "side-by-side" or "clean".

        The video has the size of its first picture. What is shown later, panes that were added among it, is fitted into
        that, with titles that can be read there.

        A disk that fills up ends the recording with a notice; what was written until then plays.

        Raises:
            SettingsError: `what` is something else.
            SinkError: the file cannot be written, or exists.
        """
        shared, info = self._shared, self._capture.info
        fps = info.fps if info is not None else None
        recorder = VideoRecorder(Path(path), what, fps, self._recording_ended, shared.screen)
        with shared.changed:
            before, shared.recording = shared.recording, recorder
            drawn = shared.drawn
        if before is not None:
            before.stop()
            shared.redraw()  # panes without rates, and without a sign of the one in focus
        if drawn is not None and not drawn.result.panes:
            recorder.put(drawn.result, time.monotonic())

    def stop_recording(self) -> None:
        """Finish the video in the background; `status().recording` becomes None and a notice names the file."""
        shared = self._shared
        with shared.changed:
            recorder, shared.recording = shared.recording, None
            if recorder is not None:
                shared.finishing.append(recorder)
        if recorder is not None:
            recorder.stop()

    # --- a live output -----------------------------------------------------------------------------------------------

    def start_stream(self, address: str) -> None:
        """Send what is shown to a live output, as `rtviz.sinks.streams.open_stream` takes it, until `stop_stream`.

        What fails there is a notice, and is tried again.

        Raises:
            OutputUnwritable: the address is none that can be streamed to.
        """
        shared, info = self._shared, self._capture.info
        broadcast = Broadcast(address, info.fps if info is not None else None, shared.note)
        with shared.changed:
            before, shared.broadcast = shared.broadcast, broadcast
        if before is not None:
            before.stop()

    def stop_stream(self) -> None:
        """End the live output; returns at once."""
        shared = self._shared
        with shared.changed:
            broadcast, shared.broadcast = shared.broadcast, None
        if broadcast is not None:
            broadcast.stop()

    def _recording_ended(self, sentence: str) -> None:
        shared = self._shared
        shared.note(sentence)
        with shared.changed:
            if shared.recording is not None and shared.recording.ended:
                shared.recording = None
            shared.finishing = [recorder for recorder in shared.finishing if not recorder.ended]

    def snapshot(self, path: str | Path, what: str = "as shown", seen: Pixels | None = None) -> Path:
        """Write the newest picture to a PNG, with the settings in its metadata (tEXt "rtviz", as JSON).

        Args:
            what: "as shown"; "labelled", with a title that names the model and what is shown; or "clean", without
                words and query markers.
            seen: the picture as a canvas shows it, with what it has on it besides; RGB uint8 [height, width, 3]. It
                takes the place of the newest one, unless that is to be clean.

        Raises:
            SettingsError: `what` is something else.
            SinkError: there is nothing to write yet, or it cannot be written there.
        """
        if what not in SNAPSHOTS:
            raise SettingsError("what a snapshot holds", what, SNAPSHOTS)
        result = self.latest()
        if result is None:
            raise OutputUnwritable(f"no snapshot: {NOT_SHOWN}")
        if seen is not None and what != "clean":
            result = replace(result, overlay=seen, plain=None, annotations=())
        if what == "labelled":
            result = labelled(result)
        elif what == "clean":
            result = cleaned(result)
        info = self._capture.info
        return write_snapshot(result, Path(path), info.name if info is not None else None)

    # --- the past --------------------------------------------------------------------------------------------------

    def rewind(self, seconds: float) -> None:
        """Show the past from so many seconds before its newest frame; from there it plays, unless paused. Settings
        apply to the past as they do to the present, and `step` goes through it frame by frame."""
        shared = self._shared
        self._recorder.freeze()
        recorded = self._recorder.recorded()
        if not recorded:
            shared.note("the flight recorder holds nothing yet")
            self._recorder.thaw()
            return
        with shared.changed:
            if shared.playback is None:
                info = self._capture.info
                held = self._capture.paused or info is None or info.live
                shared.playback = Playback(recorded, self._capture.paused, resume=not held)
                if not held:
                    self._capture.pause(True)
            shared.playback.go_to(recorded[-1].captured_at - max(0.0, seconds))
            shared.to_predict.clear()
            shared.redraw()

    def live(self) -> None:
        """Back to the present."""
        shared = self._shared
        with shared.changed:
            playback, shared.playback = shared.playback, None
            if playback is None:
                return
            shared.redraw()
        self._recorder.thaw()
        if playback.resume:
            self._capture.pause(False)
        shared.predict_again_if_needed()

    def save_past(self, path: str | Path) -> None:
        """Write all that the flight recorder holds to a video, drawn with the present settings, in the background; a
        notice says when it is done, or why not.

        Raises:
            SinkError: the file cannot be written, or exists.
        """
        path, shared = Path(path), self._shared
        check_new_video(path)
        with shared.changed:
            playback = shared.playback
        recorded = playback.recorded if playback is not None else self._recorder.recorded()
        if not recorded:
            raise OutputUnwritable(f"cannot write {path}: {NOT_SHOWN}")
        self._run("save", lambda: shared.note(write_video(path, draw_past(shared, self._inference, recorded), None)))

    # --- called by capture, in its threads -------------------------------------------------------------------------

    def _take_frame(self, captured: CapturedFrame) -> None:
        if self._shared.take_frame(captured):
            self._recorder.add(captured)

    def _begin_other_source(self) -> None:
        """Another source has a picture: the past and the marks of the one before go with it."""
        self.live()
        self._recorder.forget()
        self._shared.forget_marks()

    def _find_places(self) -> Sequence[str]:
        from rtviz.sources.camera import cameras

        try:
            places = [f"camera:{camera.number}" for camera in cameras()]
        except (ImportError, OSError) as error:
            self._shared.note(f"cameras cannot be listed: {in_words(error)}")
            places = []
        if not places:
            self._shared.note("no camera was found: showing the built-in scene")
        return [*places, "scene:"]


def _check_mode(mode: str) -> None:
    if mode not in MODES:
        raise SettingsError("mode", mode, MODES)


def _open_source(place: str, **more: Any) -> Source:
    from rtviz.sources import open_source
    from rtviz.sources.pages import as_pages

    return open_source(as_pages(place), **more)


__all__ = [
    "DEFAULT_MODE",
    "MODES",
    "RECORDED",
    "SNAPSHOTS",
    "Attempt",
    "LiveSession",
    "LiveStatus",
    "PaneStatus",
    "SourceTimeouts",
]

"""From a source to a sink, with nothing skipped: decode | predict in batches | draw | encode, one thread each."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rtviz import views
from rtviz.drawing.panes import larger
from rtviz.engine.comparison import Comparison
from rtviz.engine.engine import Engine
from rtviz.errors import SourceError, no_heads
from rtviz.frame import Frame, NamedMasks, Pixels, Result
from rtviz.settings import OutputSettings, Settings
from rtviz.sinks import MasksSink, Sink, SinkOf, holds_one, open_maps_sink, open_masks_sink, open_sink
from rtviz.sinks.base import Exported
from rtviz.sources import Source, nothing_there

if TYPE_CHECKING:
    from rtviz.models import Model

Item = TypeVar("Item")
Predictor = Engine | Comparison
OnFrame = Callable[[int], object]  # how many more frames are finished


@dataclass
class Report:
    """What one render or export did.

    Attributes:
        frames_in: frames that the source delivered.
        frames_out: frames that were written; the same number unless the job was cut off.
        seconds: wall-clock time of the whole job.
        stage_seconds: time each stage was busy; they overlap, so they may add up to more than `seconds`.
        duration_seconds: from when the first frame is shown until the last one has been.
        size: (height, width) of what was rendered.
        grid: (rows, columns) of the maps that were exported.
        warnings: sentences for the user, from the source, the model and the sink.
    """

    input: str
    output: str
    frames_in: int = 0
    frames_out: int = 0
    seconds: float = 0.0
    stage_seconds: dict[str, float] = field(default_factory=dict)
    duration_seconds: float = 0.0
    size: tuple[int, int] | None = None
    grid: tuple[int, int] | None = None
    model: str | None = None
    device: str | None = None
    precision: str | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def fps(self) -> float:
        """Frames written in each second of the job."""
        return self.frames_out / self.seconds if self.seconds else 0.0

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, for JSON; the size as width and height."""
        plain = asdict(self)
        height, width = plain.pop("size") or (None, None)
        return {**plain, "width": width, "height": height, "fps": round(self.fps, 3)}

    @classmethod
    def from_mapping(cls, plain: Mapping[str, Any]) -> Report:
        """The report that `to_mapping` gave."""
        values = {name: value for name, value in plain.items() if name not in ("width", "height", "fps")}
        size = (plain["height"], plain["width"]) if plain["height"] else None
        grid = tuple(plain["grid"]) if plain["grid"] else None
        return cls(**{**values, "grid": grid}, size=size)


# A mosaic of a still is drawn so large, (height, width) in pixels, whatever the picture's own size: its tiles would be
# stamps otherwise.
_MOSAIC = (1440, 1920)


class _Stopped(Exception):
    """Another stage has failed or the user has had enough: leave quietly."""


class _BoundedQueue(Generic[Item]):
    """A bounded queue between two stages that lets go of both when the line is stopped."""

    def __init__(self, length: int, stop: threading.Event) -> None:
        self._queue: queue.Queue[Item | None] = queue.Queue(length)
        self._stop = stop

    def put(self, item: Item | None) -> None:
        while not self._stop.is_set():
            try:
                return self._queue.put(item, timeout=0.1)
            except queue.Full:
                continue
        raise _Stopped

    def end(self) -> None:
        """Nothing more will come."""
        self.put(None)

    def __iter__(self) -> Iterator[Item]:
        while not self._stop.is_set():
            try:
                item = self._queue.get(timeout=0.1)
            except queue.Empty:
                continue
            if item is None:
                return
            yield item
        raise _Stopped

    def waiting(self) -> int:
        return self._queue.qsize()


class _StageThreads:
    """The threads of one job: they start together, and the first error stops them all."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.busy_seconds: dict[str, float] = {}
        self._counting = threading.Lock()
        self._error: BaseException | None = None
        self._threads: list[threading.Thread] = []

    @contextmanager
    def busy(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.spent(stage, time.perf_counter() - start)

    def spent(self, stage: str, seconds: float) -> None:
        """A stage was busy for so long."""
        with self._counting:
            self.busy_seconds[stage] = self.busy_seconds.get(stage, 0.0) + seconds

    def start(self, stage: str, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            except _Stopped:
                pass
            except BaseException as error:  # the edge of the thread: the caller's thread raises it again
                self._error = self._error or error
                self.stop.set()

        thread = threading.Thread(target=run, name=f"rtviz-{stage}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def join(self) -> None:
        """Wait for the threads.

        Raises:
            whatever the first stage to fail raised.
        """
        for thread in self._threads:
            thread.join()
        if self._error is not None:
            raise self._error

    def run(self, last: Callable[[], None]) -> None:
        """Do the last piece of work in this thread, so that Ctrl-C arrives here, then wait for the others."""
        try:
            last()
        except _Stopped:
            pass
        except BaseException:
            self.stop.set()
            for thread in self._threads:
                thread.join()
            raise
        self.join()


class _Job:
    """One source on its way through the stages: decodes in one thread, predicts in the caller's, the rest in others."""

    def __init__(
        self,
        source: Source,
        output: Path,
        engine: Predictor,
        settings: Settings,
        output_settings: OutputSettings,
        on_frame: OnFrame | None,
    ) -> None:
        self.source = source
        self.engine = engine
        self.settings = settings
        self._part = output_settings
        self.batch_length = output_settings.batch or min(
            (batch_length(model, source.info.size, settings.resolution) for model in engine.models), default=1
        )
        self.line = _StageThreads()
        self.predictions: _BoundedQueue[tuple[Frame, Any]] = _BoundedQueue(2 * self.batch_length, self.line.stop)
        self.report = Report(input=source.info.name, output=str(output))
        self._on_frame = on_frame
        # An output that holds one picture takes the first of several that a picture file holds.
        self._first_only = source.info.holds if holds_one(output) else ""
        self._first_pts_seconds: float | None = None
        self._lost: SourceError | None = None

    def run(self, **stages: Callable[[], None]) -> Report:
        """Run to the end; the stages take frames with their maps from `predictions`."""
        begin = time.perf_counter()
        decoded: _BoundedQueue[Frame] = _BoundedQueue(2 * self.batch_length, self.line.stop)
        self.line.start("decode", lambda: self._decode(decoded))
        for name, work in stages.items():
            self.line.start(name, work)
        self.line.run(lambda: self._predict(decoded))

        report = self.report
        report.seconds = time.perf_counter() - begin
        report.stage_seconds = {stage: round(spent, 3) for stage, spent in self.line.busy_seconds.items()}
        report.warnings += [*self.source.warnings, *self.engine.notices]
        if self.engine.models:
            first = self.engine.models[0]
            report.model = ", ".join(model.name for model in self.engine.models)
            report.device, report.precision = first.device, first.runs_in
        return report

    def count(self, frame: Frame) -> None:
        """A frame is finished."""
        if self._first_pts_seconds is None:
            self._first_pts_seconds = frame.pts_seconds
        shown_seconds = frame.duration_seconds or 1 / (self.source.info.fps or math.inf)
        self.report.duration_seconds = round(frame.pts_seconds + shown_seconds - self._first_pts_seconds, 6)
        self.report.frames_out += 1
        if self._on_frame is not None:
            self._on_frame(1)

    def write(
        self,
        stage: str,
        contents: Iterable[tuple[Item, Frame]],
        opened: Callable[[Item, Frame], SinkOf[Item]],
    ) -> None:
        """Write to a sink that is opened with the first; it is closed at a good end, and aborted at a bad one."""
        sink = None
        try:
            for content, frame in contents:
                with self.line.busy(stage):
                    if sink is None:
                        sink = opened(content, frame)
                    sink.write(content, frame)
                self.count(frame)
            self.check_whole()
            if sink is not None:
                with self.line.busy(stage):
                    sink.close()
                self.report.warnings += sink.warnings
        except BaseException:
            if sink is not None:
                sink.abort()
            raise

    def check_whole(self) -> None:
        """For the last stage, when it has everything: raise what broke off the source, if something did."""
        if self._lost is not None:
            raise self._lost

    def _decode(self, decoded: _BoundedQueue[Frame]) -> None:
        frames = iter(self.source)
        while True:
            try:
                with self.line.busy("decode"):
                    frame = next(frames, None)
            except SourceError as error:  # what came before it is still drawn and written
                self._lost = error
                frame = None
            if frame is None:
                return decoded.end()
            self.report.frames_in += 1
            decoded.put(frame)
            if self._first_only:
                info = self.source.info
                self.report.warnings.append(
                    f"{info.name} holds {info.frame_count} {self._first_only}, and {self.report.output} one picture: "
                    f"the first is shown; give a video's name or a folder for all"
                )
                return decoded.end()

    def _compiled(self, batches: Iterable[Sequence[Frame]]) -> Iterator[Sequence[Frame]]:
        """The batches; compiles their forward passes before the first of many, where that pays."""
        on_cpu = any(model.device == "cpu" for model in self.engine.models)
        expected = self._frames_expected()
        for number, batch in enumerate(batches):
            if not number and (on_cpu or expected >= _SOON * self.batch_length):
                self.engine.compile(batch[0], self.batch_length, self.settings, expected)
            yield batch

    def _frames_expected(self) -> float:
        """How many frames the source will deliver; 0 where this is not known."""
        info, part = self.source.info, self._part
        return info.expected_frames(part.start, part.end, part.every) or 0.0 if info.fps else 0.0

    def _predict(self, decoded: _BoundedQueue[Frame]) -> None:
        predictions: Iterable[tuple[Frame, Any]]
        if not self.engine.models:
            predictions = ((frame, None) for frame in decoded)
        else:
            batches = self._compiled(_batches(decoded, self.batch_length))
            predictions = self.engine.predict_all(
                batches, self.settings, lambda spent: self.line.spent("forward", spent)
            )
        for pair in predictions:
            self.predictions.put(pair)
        if not self.report.frames_in:
            self.check_whole()
            raise nothing_there(self.source.info, self._part.start)
        self.predictions.end()


def render(
    source: Source,
    output: Path,
    engine: Predictor,
    settings: Settings,
    output_settings: OutputSettings | None = None,
    on_frame: OnFrame | None = None,
) -> Report:
    """Draw every frame of a source and write the result.

    The output appears under its name only when everything was written. The source is not closed.

    Raises:
        RtvizError: the source, the model or the sink failed. What was written until then stays in a file beside the
            output, which plays.
    """
    output_settings = output_settings or OutputSettings()
    job = _Job(source, output, engine, settings, output_settings, on_frame)
    drawn: _BoundedQueue[Result] = _BoundedQueue(4, job.line.stop)

    enlarging = source.info.still and views.find(settings.view).mosaic

    def draw() -> None:
        for frame, maps in job.predictions:
            with job.line.busy("draw"):
                if enlarging:
                    frame = larger(frame, _MOSAIC)
                result = engine.draw(frame, maps, settings)
            drawn.put(result)
        drawn.end()

    def opened(picture: Pixels, frame: Frame) -> Sink:
        height, width = picture.shape[:2]
        sink = open_sink(output, size=(height, width), fps=source.info.fps, output=output_settings, origin=source)
        job.report.size = sink.size
        return sink

    def encode() -> None:
        job.write("encode", ((result.overlay, result.frame) for result in drawn), opened)

    return job.run(draw=draw, encode=encode)


def export(
    source: Source,
    output: Path,
    engine: Engine,
    settings: Settings,
    output_settings: OutputSettings | None = None,
    on_frame: OnFrame | None = None,
    exported: Exported | None = None,
) -> Report:
    """Write the raw maps of every frame of a source, with timestamps.

    Args:
        engine: its maps hold the features of `exported`.
        exported: what is written; the attention of all layers and heads if not given.

    Raises:
        RtvizError: the source, the model or the sink failed; nothing then stands under the output's name.
    """
    output_settings = output_settings or OutputSettings()
    if engine.model is not None and not engine.model.heads:
        raise no_heads(engine.model.name)
    job = _Job(source, output, engine, settings, output_settings, on_frame)

    def write() -> None:
        with open_maps_sink(output, overwrite=output_settings.overwrite, origin=source, exported=exported) as sink:
            for frame, maps in job.predictions:
                with job.line.busy("write"):
                    sink.write(maps, frame)
                job.report.grid = maps.grid
                job.count(frame)
            job.check_whole()

    return job.run(write=write)


def export_masks(
    source: Source,
    output: Path,
    engine: Engine,
    settings: Settings,
    output_settings: OutputSettings | None = None,
    on_frame: OnFrame | None = None,
) -> Report:
    """Write the masks that the view of the settings draws on every frame of a source.

    Raises:
        RtvizError: the source, the model or the sink failed; nothing then stands under the output's name.
    """
    output_settings = output_settings or OutputSettings()
    job = _Job(source, output, engine, settings, output_settings, on_frame)

    def drawn() -> Iterator[tuple[NamedMasks, Frame]]:
        for frame, maps in job.predictions:
            with job.line.busy("draw"):
                masks = engine.masks(frame, maps, settings)
            yield masks, frame

    def opened(masks: NamedMasks, frame: Frame) -> MasksSink:
        job.report.size = frame.size
        return open_masks_sink(output, size=frame.size, fps=source.info.fps, output=output_settings, origin=source)

    return job.run(write=lambda: job.write("write", drawn(), opened))


def _batches(decoded: _BoundedQueue[Frame], length: int) -> Iterator[list[Frame]]:
    """Frames in lists of `length`; a list is cut short rather than mixed where the frame size changes."""
    batch: list[Frame] = []
    for frame in decoded:
        if batch and (len(batch) == length or frame.size != batch[0].size):
            yield batch
            batch = []
        batch.append(frame)
    if batch:
        yield batch


# On a GPU a pass is captured in a fraction of a second: so many batches are worth it, before another pass is under way.
# On a CPU a model knows itself how many frames are.
_SOON = 3
# A GPU is kept busy by about this many tokens at once. On a CPU, whose passes run side by side, two frames at a time
# are as quick as more, and hold less memory.
_GPU_TOKENS = 16 * 1024
_CPU_FRAMES = 2


# And not with more pixels than these: they are resized there, as floats.
_GPU_PIXELS = 32 * 1280 * 720


def batch_length(model: Model, frame_size: tuple[int, int], resolution: int | None) -> int:
    """How many frames of this (height, width) go into one forward pass where the settings give no number."""
    if model.device == "cpu":
        return _CPU_FRAMES
    height, width = model.input_size(frame_size, resolution)
    tokens = height * width // model.patch_size**2
    return max(1, min(64, _GPU_TOKENS // tokens, _GPU_PIXELS // (frame_size[0] * frame_size[1])))

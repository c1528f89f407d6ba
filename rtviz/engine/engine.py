"""The engine: a frame and settings in, a Result out; everything above only decides when to call it."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rtviz import views
from rtviz.analysis.tracking import Tracker
from rtviz.engine import drawing
from rtviz.engine.references import References
from rtviz.errors import DeviceFailed
from rtviz.frame import Frame, Maps, NamedMasks, Pixels, Result
from rtviz.models import Progress, load
from rtviz.settings import Settings
from rtviz.views import requirements

if TYPE_CHECKING:
    from concurrent.futures import Future

    from rtviz.models import Model

_BLANK = 8  # of 255: a frame with no more between its darkest and its brightest value has nothing in it to mark


class Engine:
    """Runs a model on frames and draws the predictions; synchronous, for one thread and one stream at a time.

    One forward pass serves every head, layer, view and colour, so the steps are separate: `predict` runs the model,
    `draw` draws, `render` does both.

    Args:
        model: None serves only views that need no model.
        features: what the maps hold beside what views need, as `Model.batch` knows them.
        kept_layers: which layers the features "layer_tokens" and "layer_keys" are of.
    """

    def __init__(
        self, model: Model | None = None, *, features: Collection[str] = (), kept_layers: Sequence[int] = ()
    ) -> None:
        self.model = model
        self._features, self._kept_layers = frozenset(features), tuple(kept_layers)
        self.notices: list[str] = []
        self._memory = views.Memory()
        self._tracker = Tracker()
        self._references = References()
        self._largest_batch: int | None = None
        self._reported = self._notice()
        self._said_no_cls = False
        self._turn = threading.Lock()  # of passes side by side, which may meet the same trouble

    @classmethod
    def for_settings(cls, settings: Settings, progress: Progress | None = None) -> Engine:
        """An engine with the model of the settings; without a model if their view needs none.

        Raises:
            ModelError: the model cannot be loaded.
        """
        if not views.find(settings.view).needs:
            return cls()
        model = load(
            settings.model,
            weights=settings.weights,
            device=settings.device,
            precision=settings.precision,
            backend=settings.backend,
            resolution=settings.resolution,
            progress=progress,
        )
        return cls(model)

    @property
    def models(self) -> tuple[Model, ...]:
        """The model, if there is one."""
        return () if self.model is None else (self.model,)

    def predict(self, frames: Sequence[Frame], settings: Settings, features: Collection[str] = ()) -> list[Maps]:
        """The maps of frames of one size, in one forward pass where memory allows.

        Args:
            frames: of one size.
            settings: query, resolution, view and its options, muted heads.
            features: what the maps must hold beside what the view needs, as `Model.batch` knows them.

        Out of device memory, the batch is halved, and at last the model goes to the CPU; both leave a sentence in
        `notices`, and every frame comes out once.

        Raises:
            DeviceFailed: one frame is too much even for the CPU.
            SourceMissing, SourceUnreadable: a reference picture cannot be read.
        """
        if self.model is None:
            raise ValueError("this engine has no model")
        length = self._largest_batch or len(frames)
        if len(frames) > length:
            parts = [frames[start : start + length] for start in range(0, len(frames), length)]
            return [maps for part in parts for maps in self.predict(part, settings, features)]
        device = self.model.device
        query = requirements.query(settings, self.model)
        if query != settings.query and "query" in views.find(settings.view).reads:
            with self._turn:
                if not self._said_no_cls:
                    self._said_no_cls = True
                    self.notices.append(f"{self.model.name} has no CLS token: the query is the patch in the middle")
        try:
            found = self.model.batch(
                [frame.pixels for frame in frames],
                query,
                requirements.features(settings, self.model).union(features, self._features),
                settings.resolution,
                target=settings.target,
                layer=settings.layer,
                rollout=(settings.rollout, settings.discard),
                mute=settings.muted_in(0),
                kept_layers=self._kept_for(settings),
            )
        except DeviceFailed:
            with self._turn:
                half = len(frames) // 2
                if half and half < (self._largest_batch or len(frames)):
                    self._largest_batch = half
                    self.notices.append(f"{device} is out of memory: going on with batches of {half}")
                elif not half and device == "cpu":
                    raise
                elif not half and self.model.device == device:  # no other pass has left it meanwhile
                    self.notices.append(f"{device} is out of memory: going on with the CPU, which is slower")
                    self.model = self.model.to("cpu")
            return self.predict(frames, settings, features)
        if references := self._references.find(self.model, settings):
            found = [replace(maps, references=references) for maps in found]
        with self._turn:
            if (notice := self._notice()) != self._reported:  # the number format was changed
                self.notices.append(notice[len(self._reported) :].lstrip("; "))
                self._reported = notice
        return found

    def _notice(self) -> str:
        """The notice of the model so far."""
        return self.model.notice or "" if self.model is not None else ""

    def refer(self, maps: Maps, settings: Settings) -> Maps:
        """Maps of an earlier pass with the references and prompts that the settings name now; as they are where the
        model has not run on each of their pictures yet. No forward pass."""
        wanted = requirements.pictured(settings)
        if self.model is None or maps.model != self.model.name or maps.references_are(wanted):
            return maps
        known = self._references.known(self.model, settings)
        return maps if known is None else replace(maps, references=known)

    def compile(self, frame: Frame, count: int, settings: Settings, frames: float = math.inf) -> None:
        """Compile the passes for batches of `count` frames like this one, if that pays for the `frames` to come. Takes
        a few seconds.

        Raises:
            AttentionCaptureError: the settings require compiled passes, and compiling failed.
        """
        if self.model is not None:
            features = requirements.features(settings, self.model) | self._features
            kept = self._kept_for(settings)
            self.model.compile(frame.pixels, count, settings.resolution, features, frames=frames, kept_layers=kept)

    def _kept_for(self, settings: Settings) -> tuple[int, ...]:
        """The layers whose tokens and keys are wanted: the engine's own, or else those of the view."""
        if self._kept_layers or self.model is None:
            return self._kept_layers
        return requirements.kept_layers(settings, self.model.layers)

    def follow(self, frame: Frame, maps: Maps, settings: Settings, tracker: Tracker | None = None) -> Maps:
        """The maps of the stream's next frame, with the labels of the objects that the settings mark in it.

        Call it with every predicted frame, in order; `predict_all` and `render` do so themselves.

        Args:
            tracker: of another stream than the engine's own.
        """
        tracker = tracker or self._tracker
        if not settings.track:
            tracker.reset()
        if not settings.track or maps.tokens is None:
            return maps
        blank = int(np.ptp(frame.pixels[::4, ::4])) <= _BLANK
        return tracker.follow(maps, settings.track, frame.index, frame.pts_seconds, blank=blank)

    def take_over_tracks(self, settings: Settings, maps: Maps | None) -> None:
        """Continue the tracks of another model; see `Tracker.take_over_tracks`.

        Args:
            settings: with the marked objects.
            maps: the last maps of the other model, with labels; None if there are none.
        """
        self._tracker.take_over_tracks(settings.track, maps)

    def predict_all(
        self, batches: Iterable[Sequence[Frame]], settings: Settings, on_pass: Callable[[float], None] | None = None
    ) -> Iterator[tuple[Frame, Maps]]:
        """Yields every frame of the batches with its maps, in order. As many passes run at once as pay on the device.

        Args:
            batches: each of frames of one size. Only a few batches are held at a time.
            settings: as for `predict`.
            on_pass: called with the seconds that each batch took, divided by the number of passes at once.

        Raises:
            DeviceFailed: one frame is too much even for the CPU.
        """
        if self.model is None:
            raise ValueError("this engine has no model")
        for frame, (maps,) in side_by_side([self], batches, [settings], on_pass):
            yield frame, maps

    def draw(
        self,
        frame: Frame,
        maps: Maps | None,
        settings: Settings,
        forward_ms: float = 0.0,
        *,
        substitute: bool = False,
    ) -> Result:
        """Draws what the maps of a frame show; no forward pass.

        Args:
            substitute: draw the nearest thing that the maps hold where they lack what the settings ask for.

        Raises:
            SettingsError: without `substitute`, the maps have no such layer or head.
        """
        timings_ms = {"forward": forward_ms}
        return drawing.draw(
            frame, maps, settings, self._memory, substitute=substitute, label_head=True, timings_ms=timings_ms
        )

    def masks(self, frame: Frame, maps: Maps | None, settings: Settings) -> NamedMasks:
        """The masks that the view of the settings draws on a frame.

        Raises:
            SettingsError: it draws none, or the model has no heads.
        """
        return views.masks(frame, maps, settings, self._memory)

    def render(self, frame: Frame, settings: Settings) -> Result:
        """Predict a frame, then draw it.

        Raises:
            SettingsError: the settings ask for a layer or a head that the model does not have.
            DeviceFailed: the frame is too much even for the CPU.
        """
        start = time.perf_counter()
        maps = None
        if views.find(settings.view).needs:
            maps = self.follow(frame, self.predict([frame], settings)[0], settings)
        return self.draw(frame, maps, settings, (time.perf_counter() - start) * 1000)

    def forget(self) -> None:
        """Forget everything about the stream, as when another one begins."""
        self._memory.reset()
        self._tracker.reset()


def for_still(settings: Settings, models: Sequence[Model], frame_size: tuple[int, int]) -> Settings:
    """The settings with the best resolution for a still picture of this (height, width): the largest that one of the
    models needs."""
    sizes = [model.still_resolution(frame_size) for model in models]
    return settings.replace(resolution=max(sizes)) if sizes else settings


def side_by_side(
    engines: Sequence[Engine],
    batches: Iterable[Sequence[Frame]],
    settings: Sequence[Settings],
    on_pass: Callable[[float], None] | None = None,
) -> Iterator[tuple[Frame, tuple[Maps, ...]]]:
    """Yields every frame of the batches with the maps of each engine, in order, with several passes at once.

    Args:
        engines: each with a model; all of them predict every frame.
        settings: of each engine.
        batches, on_pass: as for `Engine.predict_all`.

    Raises:
        DeviceFailed: one frame is too much even for the CPU.
    """
    from rtviz.models.inference_pool import InferencePool

    def predict(engine: Engine, batch: Sequence[Frame], wanted: Settings) -> list[Maps]:
        start = time.perf_counter()
        maps = engine.predict(batch, wanted)
        if on_pass is not None:
            on_pass((time.perf_counter() - start) / pool.count)
        return maps

    waiting: deque[tuple[Sequence[Frame], list[Future[list[Maps]]]]] = deque()

    def finished(allowed: int) -> Iterator[tuple[Frame, tuple[Maps, ...]]]:
        while len(waiting) > allowed:
            batch, passes = waiting.popleft()
            for frame, *predictions in zip(batch, *(one.result() for one in passes), strict=True):
                each = zip(engines, predictions, settings, strict=True)
                yield frame, tuple(engine.follow(frame, maps, wanted) for engine, maps, wanted in each)

    with InferencePool(next((engine.model.device for engine in engines if engine.model is not None), "cpu")) as pool:
        size: tuple[int, int] | None = None
        for batch in batches:
            if batch[0].size != size:  # a model prepares for another size only while no pass runs
                yield from finished(0)
                size = batch[0].size
            each = zip(engines, settings, strict=True)
            passes = [pool.submit(predict, engine, batch, wanted) for engine, wanted in each]
            waiting.append((batch, passes))
            yield from finished(pool.count // len(engines) + 1)
        yield from finished(0)


def render_frame(frame: Pixels | Frame, maps: Maps | None, settings: Settings | None = None) -> Pixels:
    """The overlay of one frame, on its own: RGB uint8 [height, width, 3].

    Args:
        frame: RGB uint8 [height, width, 3].
        maps: the prediction of a model for it.
        settings: what to draw; `Settings()` if not given.

    Raises:
        SettingsError: the settings ask for a layer or a head that the maps do not have.
    """
    whole = frame if isinstance(frame, Frame) else Frame(frame)
    return drawing.draw(whole, maps, settings or Settings()).overlay

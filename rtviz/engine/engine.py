"""The engine: a frame and settings in, a Result out; everything above only decides when to call it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from rtviz import views
from rtviz.analysis.tracking import Tracker
from rtviz.errors import DeviceFailed
from rtviz.frame import Frame, Maps, Pixels, Result
from rtviz.models import Progress, load
from rtviz.settings import Settings
from rtviz.views import requirements

if TYPE_CHECKING:
    from concurrent.futures import Future

    from rtviz.models import Model

_BLANK = 8  # of 255: a frame with no more between its darkest and its brightest value has nothing in it to mark


class Engine:
    """Looks at frames with a model and draws what it saw; synchronous, for one thread and one stream at a time.

    The steps stand apart, because one forward pass serves every head, layer, view and colour: `predict` runs the model,
    `draw` only draws, `render` does both.

    Args:
        model: what looks; None serves only views that need no model.
    """

    def __init__(self, model: Model | None = None) -> None:
        self.model = model
        self.notices: list[str] = []
        self._memory = views.Memory()
        self._tracker = Tracker()
        self._largest_batch: int | None = None
        self._told = self._said()
        self._turn = threading.Lock()  # of passes side by side, which may meet the same trouble

    @classmethod
    def for_settings(cls, settings: Settings, progress: Progress | None = None) -> Engine:
        """An engine with the model that the settings name; without one if their view needs none.

        Raises:
            ModelError: the model cannot be had.
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
        """The model that looks, if there is one."""
        return () if self.model is None else (self.model,)

    def predict(self, frames: Sequence[Frame], settings: Settings, features: Collection[str] = ()) -> list[Maps]:
        """The maps of frames of one size, in one forward pass where memory allows.

        Args:
            frames: of one size.
            settings: what to look with.
            features: what the maps shall hold beside what the view needs, as `Model.batch` knows them.

        Out of device memory, the batch is halved, and at last the model goes to the CPU; both leave a sentence in
        `notices`, and every frame comes out once.

        Raises:
            DeviceFailed: one frame is too much even for the CPU.
        """
        if self.model is None:
            raise ValueError("this engine has no model to look with")
        length = self._largest_batch or len(frames)
        if len(frames) > length:
            parts = [frames[start : start + length] for start in range(0, len(frames), length)]
            return [maps for part in parts for maps in self.predict(part, settings, features)]
        device = self.model.device
        try:
            found = self.model.batch(
                [frame.pixels for frame in frames],
                settings.query,
                requirements.features(settings, self.model).union(features),
                settings.resolution,
                target=settings.target,
                layer=settings.layer,
                rollout=(settings.rollout, settings.discard),
                mute=settings.muted_in(0),
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
        with self._turn:
            if (said := self._said()) != self._told:  # the number format was changed
                self.notices.append(said[len(self._told) :].lstrip("; "))
                self._told = said
        return found

    def _said(self) -> str:
        """What the model has given notice of so far."""
        return self.model.notice or "" if self.model is not None else ""

    def compile(self, frame: Frame, count: int, settings: Settings) -> None:
        """Compile the passes that look at batches of so many such frames, where that pays. Takes a few seconds.

        Raises:
            AttentionCaptureError: they must be compiled, and cannot be.
        """
        if self.model is not None:
            self.model.compile(frame.pixels, count, settings.resolution, requirements.features(settings, self.model))

    def follow(self, frame: Frame, maps: Maps, settings: Settings) -> Maps:
        """The maps of the stream's next frame, with the labels of the objects that the settings mark in it.

        Each frame that was looked at is to be told, in order; `predict_all` and `render` do so themselves.
        """
        if not settings.track:
            self._tracker.reset()
        if not settings.track or maps.tokens is None:
            return maps
        blank = int(np.ptp(frame.pixels[::4, ::4])) <= _BLANK
        return self._tracker.follow(maps, settings.track, frame.index, frame.pts_seconds, blank=blank)

    def take_over_tracks(self, settings: Settings, maps: Maps | None) -> None:
        """Take over the objects that the settings mark, as another model sees them; see `Tracker.take_over_tracks`.

        Args:
            settings: what is marked.
            maps: what another model saw last, with labels; None if there is none.
        """
        self._tracker.take_over_tracks(settings.track, maps)

    def predict_all(
        self, batches: Iterable[Sequence[Frame]], settings: Settings, on_pass: Callable[[float], None] | None = None
    ) -> Iterator[tuple[Frame, Maps]]:
        """Every frame of a row of batches with its maps, in order; passes run side by side in the lanes of the device.

        Args:
            batches: frames of one size each; they are taken as there is room for them, and only a few are held.
            settings: what to look with.
            on_pass: is told the seconds that each batch took, as a share of the whole device.

        Raises:
            DeviceFailed: one frame is too much even for the CPU.
        """
        if self.model is None:
            raise ValueError("this engine has no model to look with")
        for frame, (maps,) in side_by_side([self], batches, [settings], on_pass):
            yield frame, maps

    def draw(self, frame: Frame, maps: Maps | None, settings: Settings, forward_ms: float = 0.0) -> Result:
        """The frame with what the maps show of it; no forward pass.

        Raises:
            SettingsError: the settings ask for a layer or a head that the maps do not have.
        """
        start = time.perf_counter()
        followed = settings.head == "follow" and maps is not None and maps.has_attention
        settings = views.resolve_head(frame, maps, settings, self._memory)
        overlay = views.draw(frame, maps, settings, self._memory)
        if followed:
            views.name_head(overlay, frame, settings)
        timings_ms = {"forward": forward_ms, "draw": (time.perf_counter() - start) * 1000}
        return Result(overlay, frame, maps, settings, MappingProxyType(timings_ms))

    def render(self, frame: Frame, settings: Settings) -> Result:
        """Look at a frame, then draw it.

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
        """Forget what was remembered between frames, as when another stream begins."""
        self._memory.reset()
        self._tracker.reset()


def for_still(settings: Settings, models: Sequence[Model], frame_size: tuple[int, int]) -> Settings:
    """The settings with the resolution at which a frame of this (height, width) shows most: of several models, that of
    the one that needs the largest."""
    sizes = [model.still_resolution(frame_size) for model in models]
    return settings.replace(resolution=max(sizes)) if sizes else settings


def side_by_side(
    engines: Sequence[Engine],
    batches: Iterable[Sequence[Frame]],
    settings: Sequence[Settings],
    on_pass: Callable[[float], None] | None = None,
) -> Iterator[tuple[Frame, tuple[Maps, ...]]]:
    """Every frame of a row of batches with the maps of each engine, in order; passes run side by side as lanes allow.

    Args:
        engines: with a model each; all of them look at every frame.
        settings: what each of them looks with.
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
            for frame, *seen in zip(batch, *(one.result() for one in passes), strict=True):
                each = zip(engines, seen, settings, strict=True)
                yield frame, tuple(engine.follow(frame, maps, wanted) for engine, maps, wanted in each)

    with InferencePool(next((engine.model.device for engine in engines if engine.model is not None), "cpu")) as pool:
        size: tuple[int, int] | None = None
        for batch in batches:
            if batch[0].size != size:  # a model is made ready for another size only when nobody is looking
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
        maps: what a model saw of it.
        settings: what to draw; `Settings()` if not given.

    Raises:
        SettingsError: the settings ask for a layer or a head that the maps do not have.
    """
    whole = frame if isinstance(frame, Frame) else Frame(frame)
    return views.draw(whole, maps, settings or Settings())

"""The engine: a frame and settings in, a Result out; everything above only decides when to call it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from rtviz import views
from rtviz.errors import DeviceFailed
from rtviz.frame import Frame, Maps, Pixels, Result
from rtviz.models import Progress, load
from rtviz.settings import Settings

if TYPE_CHECKING:
    from rtviz.models import Model


class Engine:
    """Looks at frames with a model and draws what it saw; synchronous, for one thread and one stream at a time.

    The steps stand apart, because one forward pass serves every head, layer, view and colour: `look` runs the model,
    `draw` only draws, `render` does both.

    Args:
        model: what looks; None serves only views that need no model.
    """

    def __init__(self, model: Model | None = None) -> None:
        self.model = model
        self.notices: list[str] = []
        self._memory = views.Memory()
        self._largest_batch: int | None = None

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
            resolution=settings.resolution,
            progress=progress,
        )
        return cls(model)

    def look(self, frames: Sequence[Frame], settings: Settings) -> list[Maps]:
        """The maps of frames of one size, in one forward pass where memory allows.

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
            return [maps for part in parts for maps in self.look(part, settings)]
        try:
            return self.model.batch(
                [frame.pixels for frame in frames],
                settings.query,
                views.find(settings.view).needs & {"tokens", "keys"},
                settings.resolution,
            )
        except DeviceFailed:
            if len(frames) > 1:
                self._largest_batch = len(frames) // 2
                self.notices.append(
                    f"{self.model.device} is out of memory: going on with batches of {len(frames) // 2}"
                )
            elif self.model.device != "cpu":
                self.notices.append(f"{self.model.device} is out of memory: going on with the CPU, which is slower")
                self.model = self.model.to("cpu")
            else:
                raise
        return self.look(frames, settings)

    def draw(self, frame: Frame, maps: Maps | None, settings: Settings, forward_ms: float = 0.0) -> Result:
        """The frame with what the maps show of it; no forward pass.

        Raises:
            SettingsError: the settings ask for a layer or a head that the maps do not have.
        """
        start = time.perf_counter()
        overlay = views.draw(frame, maps, settings, self._memory)
        timings_ms = {"forward": forward_ms, "draw": (time.perf_counter() - start) * 1000}
        return Result(overlay, frame, maps, settings, MappingProxyType(timings_ms))

    def render(self, frame: Frame, settings: Settings) -> Result:
        """Look at a frame, then draw it.

        Raises:
            SettingsError: the settings ask for a layer or a head that the model does not have.
            DeviceFailed: the frame is too much even for the CPU.
        """
        start = time.perf_counter()
        maps = self.look([frame], settings)[0] if views.find(settings.view).needs else None
        return self.draw(frame, maps, settings, (time.perf_counter() - start) * 1000)

    def forget(self) -> None:
        """Forget what was remembered between frames, as when another stream begins."""
        self._memory.reset()


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

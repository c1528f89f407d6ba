"""Fakes for a live session: an engine whose maps name their frame, and a recording in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypedDict, Unpack, cast

import numpy as np

import rtviz.engine.comparison  # noqa: F401  (imports torch: the limits here are for the session alone)
from rtviz.analysis.tracking import Tracker
from rtviz.frame import Floats, Frame, Maps, Result
from rtviz.live.connection import OpenSource, SourceTimeouts
from rtviz.live.loader import LoadEngine, Progress
from rtviz.live.session import LiveSession, LiveStatus
from rtviz.settings import Settings
from rtviz.sources import SourceInfo
from rtviz.sources.faulty import FaultyCamera
from rtviz.views.requirements import kept_layers, muted, needs

LIMIT = 20.0  # seconds that anything may take here; on a good day all takes a fraction of one
DEFAULT = Settings()
QUICK = SourceTimeouts(
    stalled_seconds=0.15,
    lost_seconds=0.4,
    opening_seconds=5.0,
    frozen_seconds=0.3,
    back_off_seconds=(0.05, 0.1, 0.2),
)


@dataclass
class Model:
    """The facts of a model that the session reads."""

    name: str = "tiny"
    device: str = "cpu"
    precision: str = "fp32"
    runs_in: str = "fp32"
    layers: int = 3
    heads: int = 4
    has_cls: bool = True
    patch_size: int = 16
    notice: str | None = None

    def compile_soon(self) -> None:
        """There is nothing to compile."""

    def input_size(self, frame_size: tuple[int, int], resolution: int | None = None) -> tuple[int, int]:
        return (resolution or 224, resolution or 224)


@dataclass
class Engine:
    """Predicts a bright patch for each head at a place of its own, and the frame's index as the prefix.

    Attributes:
        go: forward passes wait for it.
        in_pass: set when a forward pass begins.
        passes: how many have begun.
        peak: attention of the bright patch.
        errors: raised by the next forward passes, the last one first.
        before: called in each forward pass.
        followed: the models whose maps it was given to follow.
        adopted: what `take_over_tracks` was given.
    """

    model: Model = field(default_factory=Model)
    notices: list[str] = field(default_factory=list)
    go: threading.Event = field(default_factory=threading.Event)
    in_pass: threading.Event = field(default_factory=threading.Event)
    passes: int = 0
    peak: float = 0.9
    errors: list[Exception] = field(default_factory=list)
    before: Callable[[], object] | None = None
    followed: set[str] = field(default_factory=set)
    adopted: list[tuple[Settings, Maps | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.go.set()

    def predict(self, frames: Sequence[Frame], settings: Settings, features: Collection[str] = ()) -> list[Maps]:
        self.passes += 1
        self.in_pass.set()
        self.go.wait(LIMIT)
        if self.before is not None:
            self.before()
        if self.errors:
            raise self.errors.pop()
        return [self._maps(frame, settings, features) for frame in frames]

    def follow(self, frame: Frame, maps: Maps, settings: Settings, tracker: Tracker | None = None) -> Maps:
        """The marked objects stay where they are."""
        self.followed.add(maps.model)
        if not settings.track:
            return maps
        labels = np.zeros((1 + len(settings.track), *maps.grid), np.float32)
        labels[0] = 1
        return replace(maps, labels=labels, lost=(True,) * len(settings.track), marks=settings.track)

    def refer(self, maps: Maps, settings: Settings) -> Maps:
        """There are no pictures beside the frame."""
        return maps

    def take_over_tracks(self, settings: Settings, maps: Maps | None) -> None:
        """Keeps what it was given."""
        self.adopted.append((settings, maps))

    def _maps(self, frame: Frame, settings: Settings, features: Collection[str] = ()) -> Maps:
        layers, heads, rows, columns = self.model.layers, self.model.heads, 6, 8
        attention = np.full((layers, heads, rows, columns), 1e-3, np.float32)
        for layer in range(layers):
            for head in range(heads):
                attention[layer, head, layer, head] = self.peak
        prefix = np.full((layers, heads, 1), frame.index, np.float32)
        needed = needs(settings, layers, "keys")
        tokens = np.zeros((rows, columns, 8), np.float32)
        kept = kept_layers(settings, layers)
        return Maps(
            attention,
            prefix,
            settings.query,
            self.model.name,
            self.model.patch_size,
            self.model.input_size(frame.size, settings.resolution),
            tokens=tokens if "tokens" in needed else None,
            kept_layers=kept,
            layer_tokens=np.stack([tokens] * len(kept)) if kept else None,
            keys=np.zeros((heads, rows, columns, 2), np.float32) if "keys" in needed else None,
            rollout=attention[-1, 0] if "rollout" in needed else None,
            norms=np.ones((layers, rows, columns), np.float32) if "norms" in needed else None,
            prefix_norms=np.ones((layers, prefix.shape[2]), np.float32),
            columns=attention if "columns" in needed else None,
            columns_prefix=prefix,
            muted=muted(settings, layers, heads),
            cams={settings.cam_method(bool(heads)): self._cams()} if "cam" in needed or not heads else {},
            rows=(lambda query: {"attention": attention, "prefix": prefix}) if "rows" in features else None,
        )

    def _cams(self) -> tuple[Floats, ...]:
        """A bright cell in each stage, in a grid twice as fine as the next one's; of a transformer the last layer's."""
        stages = []
        for stage in range(self.model.layers if not self.model.heads else 1):
            finer = 2 ** (self.model.layers - 1 - stage) if not self.model.heads else 1
            stages.append(np.full((6 * finer, 8 * finer), 1e-3, np.float32))
            stages[-1][0, stage] = self.peak
        return tuple(stages)


class Recording:
    """A recorded source in memory, with uneven times; every picture carries its number in its grey level."""

    def __init__(self, times: Sequence[float], size: tuple[int, int] = (48, 64)) -> None:
        self.times = list(times)
        self.size = size
        self.openings = 0
        self.closings = 0

    def open(self, place: str, *, start: float = 0.0) -> RecordingSource:
        self.openings += 1
        return RecordingSource(self, start)


class RecordingSource:
    def __init__(self, recording: Recording, start: float) -> None:
        self.recording, self.start = recording, start
        self.warnings: list[str] = []
        times = recording.times
        self.info = SourceInfo("recording", "video", recording.size, 30.0, times[-1] + 1 / 30, len(times), False)
        self._open = True

    def __iter__(self) -> Iterator[Frame]:
        for index, seconds in enumerate(self.recording.times):
            if seconds >= self.start - 1e-6:
                assert self._open
                yield Frame(np.full((*self.recording.size, 3), index, np.uint8), index, seconds)

    def close(self) -> None:
        self.recording.closings += self._open
        self._open = False

    def __enter__(self) -> RecordingSource:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def by_name(engines: Mapping[str, Engine]) -> Callable[[Settings, Progress], Engine]:
    """Loads the engine of the model that the settings name."""
    return lambda settings, progress: engines[str(settings.model)]


def loads(load: Callable[[Settings, Progress], Engine]) -> LoadEngine:
    """A loader of fakes as the session's type says it: what a session asks of an engine, the fake has."""
    return cast(LoadEngine, load)


class SessionOptions(TypedDict, total=False):
    """Of `LiveSession`'s arguments, those that tests hand on."""

    mode: str
    timeouts: SourceTimeouts
    past_seconds: float
    past_mb: float


def session(
    source: FaultyCamera | Recording,
    engine: Engine | None = None,
    *,
    settings: Settings = DEFAULT,
    place: str | None = "fake:",
    open_source: OpenSource | None = None,
    load_engine: Callable[[Settings, Progress], Engine] | None = None,
    find_places: Callable[[], Sequence[str]] | None = None,
    **more: Unpack[SessionOptions],
) -> LiveSession:
    """A session on fakes, with short timeouts."""
    known = engine or Engine()
    options: SessionOptions = {"timeouts": QUICK}
    return LiveSession(
        place,
        settings,
        open_source=open_source or source.open,
        load_engine=loads(load_engine or (lambda settings, progress: known)),
        find_places=find_places,
        **(options | more),
    )


def until(live: LiveSession, condition: Callable[[LiveStatus], object], seconds: float = LIMIT) -> LiveStatus:
    """Wait for a status, or fail with the last one."""
    assert live.wait_for(lambda status: bool(condition(status)), seconds), live.status()
    return live.status()


def until_shown(live: LiveSession, condition: Callable[[Result], object]) -> Result:
    """Wait for a picture, or fail with the last one."""

    def fits(status: LiveStatus) -> bool:
        result = live.latest()
        return result is not None and bool(condition(result))

    assert live.wait_for(fits, LIMIT), (live.latest(), live.status())
    return latest(live)


def latest(live: LiveSession) -> Result:
    """The picture that is shown; there must be one."""
    result = live.latest()
    assert result is not None
    return result


def maps_of(result: Result | None) -> Maps:
    """The prediction that a picture was drawn from; there must be one."""
    assert result is not None
    assert result.maps is not None
    return result.maps

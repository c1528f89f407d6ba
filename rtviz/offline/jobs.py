"""One job, such as a render with its settings, done on one input after the other."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtviz import threads
from rtviz.errors import DeviceLost, RtvizError, in_words
from rtviz.notices import to_json
from rtviz.settings import OutputSettings, Settings
from rtviz.sinks import Kind
from rtviz.sinks.base import Exported

if TYPE_CHECKING:
    from rtviz.models import Model, Progress
    from rtviz.offline.pipeline import OnFrame, Report
    from rtviz.sources import Source, SourceInfo
    from rtviz.sources.colour import FloatRange

# How many processes may be killed by one input before that is its error.
ATTEMPTS = 2
# Exit status of a process whose GPU has failed; another process may try again.
_DEVICE_LOST = 70


@dataclass(frozen=True, slots=True)
class Task:
    """An input and where its output goes."""

    place: str
    output: Path


@dataclass(frozen=True, slots=True)
class JobConfig:
    """What is done with every input.

    Attributes:
        exported: what raw maps are written; None: pictures are drawn.
        masks: the masks of the view are written instead of its pictures.
        stills: pictures are drawn at the resolution that shows most, because the user named none.
        floats: how the pictures of the job show floating-point levels, where there are several; see
            `rtviz.sources.pictures.float_range`.
    """

    settings: Settings
    output: OutputSettings
    exported: Exported | None = None
    stills: bool = False
    floats: FloatRange | None = None
    masks: bool = False

    def open(self, place: str) -> Source:
        """Open an input, as `rtviz.sources.open_source` does; a folder of pictures has a range of its own."""
        from rtviz.sources import open_source

        return open_source(place, **self.output.part(), floats=self.floats if Path(place).is_file() else None)

    def settings_for(self, place: str, source: SourceInfo, models: Sequence[Model]) -> Settings:
        """The settings for one input."""
        from rtviz.engine.engine import for_still

        settings = self.settings.with_prompts_on(place, self.output.start)
        return for_still(settings, models, source.size) if self.stills and source.still else settings

    def to_mapping(self) -> dict[str, Any]:
        """Plain values; two configs with the same values make the same outputs."""
        output, settings = self.output.to_mapping(), self.settings.to_mapping()
        output.pop("overwrite", None)  # says how, not what
        settings.pop("device", None)
        stills = {"stills": True} if self.stills else {}
        floats = {"floats": asdict(self.floats)} if self.floats is not None else {}
        exported = {"exported": self.exported.to_mapping()} if self.exported is not None else {}
        masks = {"masks": True} if self.masks else {}
        return {"settings": settings, "output": output, **exported, **stills, **floats, **masks}

    @property
    def kind(self) -> Kind:
        """What is written."""
        return "masks" if self.masks else "pictures" if self.exported is None else "maps"


class JobRunner:
    """Loads the models of a job once, then renders or exports one source after the other.

    Args:
        progress: is called while weights are downloaded.

    Raises:
        RtvizError: a model cannot be loaded.
    """

    def __init__(self, config: JobConfig, progress: Progress | None = None) -> None:
        from rtviz.engine.comparison import Comparison
        from rtviz.engine.engine import Engine

        self._config = config
        self._several_panes = config.kind == "pictures" and bool(config.settings.compare or config.settings.jaccard)
        engines = Comparison if self._several_panes else Engine
        self.models: Sequence[Model] = engines.for_settings(config.settings, progress).models

    def run(self, source: Source, task: Task, on_frame: OnFrame | None = None) -> Report:
        """Process the source of a task; nothing is remembered of the sources before it.

        Raises:
            RtvizError: the source, a model or the sink failed.
        """
        from rtviz.engine.comparison import Comparison
        from rtviz.engine.engine import Engine
        from rtviz.offline import pipeline

        config = self._config
        if config.exported is not None:
            (model,) = self.models
            wanted = config.exported
            layers = range(model.layers) if wanted.layers is None else wanted.layers
            exporter = Engine(model, features=wanted.features, kept_layers=layers)
            return pipeline.export(source, task.output, exporter, config.settings, config.output, on_frame, wanted)
        engine = Comparison([Engine(model) for model in self.models]) if self._several_panes else Engine(*self.models)
        settings = config.settings_for(task.place, source.info, self.models)
        if config.masks:
            return pipeline.export_masks(source, task.output, Engine(*self.models), settings, config.output, on_frame)
        return pipeline.render(source, task.output, engine, settings, config.output, on_frame)


class Worker:
    """A JobRunner for another process: takes rows of plain values, and returns errors as rows too."""

    def __init__(self, config: JobConfig) -> None:
        threads.draw_in_one_thread()
        self._config = config
        self._runner: JobRunner | Exception
        try:
            self._runner = JobRunner(config)
        except Exception as error:  # the edge of the process: it becomes the report of every input
            self._runner = error

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Processes the "input" of a row into its "output"; returns the row with "report", of `notices.to_json`."""
        return {**row, "report": to_json(self._run(Task(row["input"], Path(row["output"]))))}

    def _run(self, task: Task) -> dict[str, Any]:
        if isinstance(self._runner, Exception):
            return failed(task, self._runner)
        try:
            with self._config.open(task.place) as source:
                report = self._runner.run(source, task)
        except Exception as error:  # the edge of the process: the other inputs go on
            if isinstance(error, DeviceLost):  # every later input of this process would fail too
                os._exit(_DEVICE_LOST)
            return failed(task, error)
        return {**report.to_mapping(), "input": task.place, "output": str(task.output)}


def failed(task: Task, error: BaseException | str) -> dict[str, Any]:
    """The report of an input that failed."""
    status = error.exit_status if isinstance(error, RtvizError) else 1
    message = in_words(error) if isinstance(error, BaseException) else error
    if isinstance(error, BaseException) and not isinstance(error, RtvizError):
        message = f"{task.place}: {message} (a bug in rtviz; --debug shows where)"
    report = {"input": task.place, "output": str(task.output), "error": message, "exit_status": status}
    causes = error.causes if isinstance(error, RtvizError) else ()
    return {**report, "causes": [in_words(cause) for cause in causes]} if causes else report


def plain(reports: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Reports as they are printed: without the exit status of a failure."""
    return [{name: value for name, value in row.items() if name != "exit_status"} for row in reports]


def absolute(place: str) -> str:
    """A file's place as a process in another folder finds it; other places as they are."""
    return str(Path(place).resolve()) if os.path.exists(place) else place


__all__ = ["ATTEMPTS", "JobConfig", "JobRunner", "Task", "Worker", "absolute", "failed", "plain"]

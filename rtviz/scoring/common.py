"""What the benchmarks have in common: batches, progress, figures in percent, and masks that no model has a part in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rtviz.scoring import measures
from rtviz.scoring.datasets import VOID, DataSet
from rtviz.scoring.report import Score, paper_score
from rtviz.settings import Point, Query

if TYPE_CHECKING:
    from rtviz.models import Model

Progress = Callable[[str, int, int], None]  # (what, done, in all)

# On a CPU, passes of one frame are as quick as those of four, and progress is reported after each.
_BATCH = {"cpu": 1}
_BATCH_ON_GPU = 4
MIDDLE = 0.25  # of the picture's area: the disc and the box in its middle that stand beside models

T = TypeVar("T")


def batched(things: Iterable[T], model: Model) -> Iterator[list[T]]:
    """As many at a time as the model's device is quickest with."""
    rest = iter(things)
    while batch := list(islice(rest, _BATCH.get(model.device, _BATCH_ON_GPU))):
        yield batch


def counter(what: str, count: int, progress: Progress | None) -> Callable[[], None]:
    """Reports `count` steps to do, and one more as done at each call of what it returns."""
    if progress is None:
        return lambda: None
    progress(what, 0, count)
    done = iter(range(1, count + 1))
    return lambda: progress(what, next(done), count)


def score_of(
    model: Model,
    data: DataSet[Any],
    measure: str,
    values: Mapping[str, float],
    counts: Mapping[str, int],
    each: Sequence[Mapping[str, Any]],
    sample: Sequence[float] = (),
) -> Score:
    """The score of a model.

    Args:
        measure: the name under which the papers' figures are found.
        each: of every picture or clip.
        sample: what the first of the values, in percent, is the mean of, where that has a standard error.
    """
    error = standard_error(sample)
    paper = paper_score(measure, data.title, model.card.name)
    name, ran = model.card.name, (model.precision, model.device, model.backend)
    return Score(name, values, counts, paper, *ran, error, each)


def standard_error(sample: Sequence[float]) -> float | None:
    """Of the mean, in percent; None where there are too few to tell."""
    return 100 * float(np.std(sample, ddof=1)) / math.sqrt(len(sample)) if len(sample) > 1 else None


def rounded(values: Mapping[str, float]) -> dict[str, float]:
    """More digits of a percentage nobody can read."""
    return {name: round(value, 2) for name, value in values.items()}


def percent(share: float) -> float:
    """A share of 1 in percent, rounded."""
    return round(100 * float(share), 2)


def object_numbers(labels: NDArray[np.uint8]) -> list[int]:
    """The numbers of the objects in a label map, ascending."""
    return [int(number) for number in np.unique(labels) if number not in (0, VOID)]


def any_query(model: Model) -> Query:
    """Where only features are wanted: a model without CLS has them too."""
    return "cls" if model.has_cls else Point(0.5, 0.5)


def _middle_disc(size: tuple[int, int]) -> measures.Mask:
    """An ellipse of the picture's proportions in its middle: bool [height, width]."""
    y, x = ((np.arange(side) + 0.5) / side - 0.5 for side in size)
    return np.asarray(y[:, None] ** 2 + x[None, :] ** 2 <= MIDDLE / math.pi)


MASKS: Mapping[str, Callable[[tuple[int, int]], measures.Mask]] = MappingProxyType(
    {
        "middle disc": _middle_disc,
        "whole picture": lambda size: np.ones(size, np.bool_),
    }
)

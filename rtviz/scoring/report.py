"""A benchmark's figures for people and programs: table, bars, JSON, and what the papers reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rtviz._version import __version__

_BAR = 40  # characters for 100 %


@dataclass(frozen=True, slots=True)
class PaperScore:
    """What a paper reports.

    Attributes:
        architecture: as the papers call it: ViT-S/16.
        training: "random", "supervised" or "DINO".
        values: in percent, by the same names as in Score; the first is the one that stands in the bars.
    """

    architecture: str
    training: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Score:
    """What a model reached on one benchmark.

    Attributes:
        name: of the model.
        values: in percent; the first is the one that stands in the bars.
        counts: how much there was of what.
        paper: what the paper reports for this model on the same data, if it does.
        precision: the number format that it computed in.
        device: where.
        backend: what ran it there.
        error: standard error of the first value, in percent; None where what was measured is no sample of its kind.
        each: of every picture or clip its name and values, plain ones, in percent.
        features: what objects were found by, "keys", "values" or "tokens"; empty where that plays no part.
    """

    name: str
    values: Mapping[str, float]
    counts: Mapping[str, int]
    paper: PaperScore | None = None
    precision: str = ""
    device: str = ""
    backend: str = ""
    error: float | None = None
    each: Sequence[Mapping[str, Any]] = ()
    features: str = ""

    @property
    def ran(self) -> str:
        """Number format and device, and the backend if it was not torch."""
        return " on ".join(filter(None, (f"{self.precision} {self.backend.replace('torch', '')}".strip(), self.device)))


# --- what the papers report ------------------------------------------------------------------------------------------


def _jaccards(architecture: str, random: float, supervised: float, dino: float) -> tuple[PaperScore, ...]:
    pairs = (("random", random), ("supervised", supervised), ("DINO", dino))
    return tuple(PaperScore(architecture, training, {"jaccard": value}) for training, value in pairs)


def _davis(architecture: str, training: str, both: float, j: float, f: float) -> PaperScore:
    return PaperScore(architecture, training, {"j_and_f": both, "j": j, "f": f})


def _corlocs(small16: float, small8: float, base16: float) -> tuple[PaperScore, ...]:
    pairs = (("ViT-S/16", small16), ("ViT-S/8", small8), ("ViT-B/16", base16))
    return tuple(PaperScore(architecture, "DINO", {"corloc": value}) for architecture, value in pairs)


@dataclass(frozen=True, slots=True)
class Reported:
    """What papers report of one measure.

    Attributes:
        measure: "jaccard", "davis", "corloc lost" or "corloc tokencut".
        data: on what, as `DataSet.title` has it.
        count: of how many pictures or clips that is the mean.
        scores: of each model.
    """

    measure: str
    data: str
    count: int
    scores: tuple[PaperScore, ...]


_VOC2007, _VOC2012 = ("PASCAL VOC2007 trainval", 5011), ("PASCAL VOC2012 trainval", 11540)

# Caron et al. 2021, figure 4 and table 5. CorLoc: table 1 of Siméoni et al. 2021 (LOST, no training after it) and of
# Wang et al. 2022 (TokenCut), and for the other sizes the tables in the READMEs of valeoai/LOST and
# YangtaoWANG95/TokenCut, where the first two are repeated.
PAPERS: tuple[Reported, ...] = (
    Reported(
        "jaccard",
        "PASCAL VOC2012 val",
        1449,
        (*_jaccards("ViT-S/16", 22.0, 27.3, 45.9), *_jaccards("ViT-S/8", 21.8, 23.7, 44.7)),
    ),
    Reported(
        "davis",
        "DAVIS 2017 val",
        30,
        (
            _davis("ViT-S/16", "DINO", 61.8, 60.2, 63.4),
            _davis("ViT-S/8", "DINO", 69.9, 66.6, 73.1),
            _davis("ViT-B/16", "DINO", 62.3, 60.7, 63.9),
            _davis("ViT-B/8", "DINO", 71.4, 67.9, 74.9),
            _davis("ViT-S/8", "supervised", 66.0, 63.9, 68.1),
        ),
    ),
    Reported("corloc lost", *_VOC2012, _corlocs(64.0, 57.0, 63.3)),
    Reported("corloc lost", *_VOC2007, _corlocs(61.9, 55.5, 60.1)),
    Reported("corloc tokencut", *_VOC2012, _corlocs(72.1, 71.6, 72.4)),
    Reported("corloc tokencut", *_VOC2007, _corlocs(68.8, 67.3, 68.8)),
)

# The papers' models, by the names that they have here. Others of the same size are other models: DeiT's training is the
# papers' supervised one, and untrained it is the same network as DINO's.
_MODELS: Mapping[str, tuple[str, str]] = {
    "dino-vits16": ("ViT-S/16", "DINO"),
    "dino-vits8": ("ViT-S/8", "DINO"),
    "dino-vitb16": ("ViT-B/16", "DINO"),
    "dino-vitb8": ("ViT-B/8", "DINO"),
    "deit-vits16": ("ViT-S/16", "supervised"),
    "random:dino-vits16": ("ViT-S/16", "random"),
    "random:deit-vits16": ("ViT-S/16", "random"),
    "random:dino-vits8": ("ViT-S/8", "random"),
}


def reported(measure: str, data: str) -> Reported:
    """What the papers report of a measure: on these data, or if they do not say, on those that they prefer."""
    of_it = [one for one in PAPERS if one.measure == measure]
    return next((one for one in of_it if one.data == data), of_it[0])


def paper_score(measure: str, data: str, model: str) -> PaperScore | None:
    """What the papers report of a measure for exactly this model on these data; None if they do not.

    Args:
        measure, data: as in `Reported`.
        model: the name on its card.
    """
    found = reported(measure, data)
    if found.data != data:
        return None
    return next((one for one in found.scores if (one.architecture, one.training) == _MODELS.get(model)), None)


# --- the report ------------------------------------------------------------------------------------------------------


_NAMES = {
    "jaccard": "jaccard",
    "jaccard_objects": "over objects",
    "j_and_f": "J&F",
    "j": "J",
    "j_recall": "J recall",
    "j_decay": "J decay",
    "f": "F",
    "f_recall": "F recall",
    "f_decay": "F decay",
    "mean_map": "mean map",
    "followed": "followed head",
    "corloc": "CorLoc",
    "empty": "empty",
    "whole": "whole picture",
}


@dataclass(frozen=True, slots=True)
class BenchmarkReport:
    """The scores of one or more models on one data set.

    Attributes:
        benchmark: "jaccard", "davis" or "corloc".
        protocol: what was measured, in a line.
        data: what it was measured on.
        drawn: whether that was a stand-in.
        resolution: short side, in pixels; None: each picture's own.
        scores: of each model.
        papers: what the papers report for this benchmark.
        count: how many pictures or clips.
        usual: the short side of the protocol's input; None: each picture's own.
        inputs: what else the figures depend on, by name, plain values: which part of the data, which weights.
        unfinished: the models that were to be scored too.
        baselines: what is reached without any model.
    """

    benchmark: str
    protocol: str
    data: str
    drawn: bool
    resolution: int | None
    scores: Sequence[Score]
    papers: Reported
    count: int
    usual: int | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    unfinished: Sequence[str] = ()
    baselines: Sequence[Score] = ()

    @property
    def notes(self) -> list[str]:
        """What one must know to compare the figures with the papers', and with others; a sentence each."""
        said = []
        beside = [score for score in self.scores if score.paper is not None]
        if beside:
            each = "clips" if "clips" in self.scores[0].counts else "pictures"
            if self.count != self.papers.count:
                said.append(f"the paper's figure is of all {self.papers.count} {each}; here are {self.count}")
            if self.resolution != self.usual:
                said.append(f"the protocol's input is {_size(self.usual)}")
            if self.inputs.get("weights"):
                said.append(f"the paper's figure is for {beside[0].name}, which {self.inputs['weights']} is taken for")
            if any(score.features not in ("", "keys") for score in beside):
                said.append("the papers' figures are for keys")
        by = {
            features: [score.name for score in self.scores if score.features == features]
            for features in dict.fromkeys(score.features for score in self.scores if score.features)
        }
        said += [f"objects are found by the {features} of {', '.join(names)}" for features, names in by.items()]
        if any(score.error is not None for score in self.scores):
            said.append("± is the standard error of the mean over pictures")
        if self.unfinished:
            said.append(f"not scored: {', '.join(self.unfinished)}")
        return said

    def to_mapping(self) -> dict[str, Any]:
        """Names and plain values, for JSON."""

        def rounded(value: float) -> float:
            return round(value, 2)

        def paper(score: PaperScore) -> dict[str, Any]:
            return {"architecture": score.architecture, "training": score.training, **score.values}

        return {
            "rtviz": __version__,
            "benchmark": self.benchmark,
            "protocol": self.protocol,
            "data": self.data,
            "drawn": self.drawn,
            "resolution": self.resolution,
            **self.inputs,
            "unit": "percent",
            "models": [
                {
                    "name": score.name,
                    **{name: rounded(value) for name, value in score.values.items()},
                    "standard_error": None if score.error is None else rounded(score.error),
                    **score.counts,
                    "precision": score.precision,
                    "device": score.device,
                    "backend": score.backend,
                    "paper": None if score.paper is None else paper(score.paper),
                    **({"features": score.features} if score.features else {}),
                    "per_clip" if "clips" in score.counts else "per_picture": list(score.each),
                }
                for score in self.scores
            ],
            "baselines": [
                {
                    "name": score.name,
                    **{name: rounded(value) for name, value in score.values.items()},
                    "standard_error": None if score.error is None else rounded(score.error),
                }
                for score in self.baselines
            ],
            "unfinished": list(self.unfinished),
            "papers_data": self.papers.data,
            "papers": [paper(score) for score in self.papers.scores],
            "notes": self.notes,
        }

    def table(self) -> str:
        """A row for each model, with the paper's figure for the same one beside it."""
        counts = ", ".join(
            f"{count} {what.removesuffix('s') if count == 1 else what}"
            for what, count in self.scores[0].counts.items()
            if what != "lost"
        )
        ran = ", ".join(dict.fromkeys(score.ran for score in self.scores if score.ran))
        columns = list({name: None for score in self.scores for name in score.values})
        width = max(20, *(len(score.name) + 2 for score in (*self.scores, *self.baselines)))
        measured = "; ".join(filter(None, (counts, _size(self.resolution), ran)))
        lines = [f"{self.data}: {measured}", f"{self.protocol}; percent", ""]

        def row(name: str, cells: Sequence[str], said: str) -> str:
            laid = (f"{cell:>{max(11, len(_NAMES[of]) + 2)}}" for of, cell in zip(columns, cells, strict=True))
            return f"{name:<{width}}{''.join(laid)}{said:>11}"

        lines.append(row("", [_NAMES[name] for name in columns], "the paper"))
        for score in self.scores:
            said = "-" if score.paper is None else f"{score.paper.values[columns[0]]:.1f}"
            lines.append(row(score.name, [_figure(score, name) for name in columns], said))
            if score.counts.get("lost"):
                lines.append(f"  {score.counts['lost']} of {score.counts['objects']} objects lost at the end")
        if self.baselines:
            lines += ["", "without a model"]
            lines += [row(one.name, [_figure(one, name) for name in columns], "").rstrip() for one in self.baselines]
        return "\n".join([*lines, *(["", *self.notes] if self.notes else [])])

    def bars(self, filled: str = "█", light: str = "░") -> str:
        """The main figure of each model and of the papers, as bars of text."""
        main = next(iter(self.scores[0].values))
        rows = [(score.name, score.values[main], filled) for score in (*self.scores, *self.baselines)]
        said = [(f"{score.architecture} {score.training}", score.values[main], light) for score in self.papers.scores]
        width = max(len(name) for name, _, _ in rows + said) + 2

        def bar(name: str, value: float, mark: str) -> str:
            length = max(1, round(value / 100 * _BAR)) if value >= 0.05 else 0  # 0.0 is no bar
            return f"{name:<{width}}{mark * length}{' ' if length else ''}{value:.1f}"

        where = self.papers.data + (", not on drawn scenes" if self.drawn else "")
        papers = [f"the papers report on {where}", *(bar(*row) for row in said)]
        return "\n".join([_NAMES[main], *(bar(*row) for row in rows), *papers])


def _size(resolution: int | None) -> str:
    return "pictures in their own size" if resolution is None else f"{resolution} px"


def _figure(score: Score, name: str) -> str:
    """A value as it stands in the table; with its standard error where that is known; a dash if there is none."""
    if name not in score.values:
        return "-"
    error = f" ±{score.error:.1f}" if score.error is not None and name == next(iter(score.values)) else ""
    return f"{score.values[name]:.1f}{error}"

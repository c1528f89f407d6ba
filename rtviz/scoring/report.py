"""A benchmark's figures for people and programs: table, bars, JSON, and what the papers reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rtviz.models.zoo import ModelCard

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
        paper: what the paper reports for such a model on the same data, if it does.
        precision: the number format that it computed in.
    """

    name: str
    values: Mapping[str, float]
    counts: Mapping[str, int]
    paper: PaperScore | None = None
    precision: str = ""


def _jaccards(architecture: str, random: float, supervised: float, dino: float) -> tuple[PaperScore, ...]:
    pairs = (("random", random), ("supervised", supervised), ("DINO", dino))
    return tuple(PaperScore(architecture, training, {"jaccard": value}) for training, value in pairs)


def _davis(architecture: str, training: str, both: float, j: float, f: float) -> PaperScore:
    return PaperScore(architecture, training, {"j_and_f": both, "j": j, "f": f})


def _corlocs(small16: float, small8: float, base16: float) -> tuple[PaperScore, ...]:
    pairs = (("ViT-S/16", small16), ("ViT-S/8", small8), ("ViT-B/16", base16))
    return tuple(PaperScore(architecture, "DINO", {"corloc": value}) for architecture, value in pairs)


VOC2007, VOC2012 = "PASCAL VOC2007 trainval", "PASCAL VOC2012 trainval"


def corloc_paper(method: str, data: str) -> str:
    """The name in PAPERS of what was reported for a method, "lost" or "tokencut", on a data set."""
    return f"corloc {method} {data}"


def said_on(name: str) -> str:
    """On what data the figures of that name in PAPERS are, where the papers report on several; else nothing."""
    return next((data for data in (VOC2007, VOC2012) if name.endswith(data)), "")


# Caron et al. 2021, figure 4 and table 5. CorLoc: table 1 of Siméoni et al. 2021 (LOST, no training after it) and of
# Wang et al. 2022 (TokenCut), and for the other sizes the tables in the READMEs of valeoai/LOST and
# YangtaoWANG95/TokenCut, where the first two are repeated.
PAPERS: Mapping[str, tuple[PaperScore, ...]] = {
    "jaccard": (*_jaccards("ViT-S/16", 22.0, 27.3, 45.9), *_jaccards("ViT-S/8", 21.8, 23.7, 44.7)),
    "davis": (
        _davis("ViT-S/16", "DINO", 61.8, 60.2, 63.4),
        _davis("ViT-S/8", "DINO", 69.9, 66.6, 73.1),
        _davis("ViT-B/16", "DINO", 62.3, 60.7, 63.9),
        _davis("ViT-B/8", "DINO", 71.4, 67.9, 74.9),
        _davis("ViT-S/8", "supervised", 66.0, 63.9, 68.1),
    ),
    corloc_paper("lost", VOC2007): _corlocs(61.9, 55.5, 60.1),
    corloc_paper("lost", VOC2012): _corlocs(64.0, 57.0, 63.3),
    corloc_paper("tokencut", VOC2007): _corlocs(68.8, 67.3, 68.8),
    corloc_paper("tokencut", VOC2012): _corlocs(72.1, 71.6, 72.4),
}


def paper_score(benchmark: str, card: ModelCard) -> PaperScore | None:
    """What the paper of a benchmark reports for a model of this architecture and training."""
    size = {(12, 384, 6): "S", (12, 768, 12): "B"}.get((card.layers, card.width, card.heads), "?")
    training = "random" if card.random else card.family
    for score in PAPERS.get(benchmark, ()):
        if (score.architecture, score.training) == (f"ViT-{size}/{card.patch_size}", training):
            return score
    return None


_NAMES = {
    "jaccard": "jaccard",
    "jaccard_objects": "over objects",
    "j_and_f": "J&F",
    "j": "J",
    "f": "F",
    "j_recall": "J recall",
    "f_recall": "F recall",
    "corloc": "CorLoc",
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
        papers_data: on what, where they report on several data sets.
    """

    benchmark: str
    protocol: str
    data: str
    drawn: bool
    resolution: int | None
    scores: Sequence[Score]
    papers: Sequence[PaperScore]
    papers_data: str = ""

    def to_mapping(self) -> dict[str, Any]:
        """Names and plain values, for JSON."""

        def rounded(values: Mapping[str, float]) -> dict[str, float]:
            return {name: round(value, 2) for name, value in values.items()}

        def paper(score: PaperScore) -> dict[str, Any]:
            return {"architecture": score.architecture, "training": score.training, **score.values}

        return {
            "benchmark": self.benchmark,
            "protocol": self.protocol,
            "data": self.data,
            "drawn": self.drawn,
            "resolution": self.resolution,
            "unit": "percent",
            "models": [
                {
                    "name": score.name,
                    **rounded(score.values),
                    **score.counts,
                    "precision": score.precision,
                    "paper": None if score.paper is None else paper(score.paper),
                }
                for score in self.scores
            ],
            "papers": [paper(score) for score in self.papers],
        }

    def table(self) -> str:
        """A row for each model, with the paper's figure for the same one beside it."""
        size = "pictures in their own size" if self.resolution is None else f"{self.resolution} px"
        counts = ", ".join(
            f"{count} {what.removesuffix('s') if count == 1 else what}"
            for what, count in self.scores[0].counts.items()
            if what != "lost"
        )
        columns = list(self.scores[0].values)
        width = max(20, *(len(score.name) + 2 for score in self.scores))
        lines = [f"{self.data}: {counts}; {size}", f"{self.protocol}; percent", ""]
        lines.append(f"{'':<{width}}" + "".join(f"{_NAMES[name]:>14}" for name in columns) + f"{'the paper':>14}")
        for score in self.scores:
            cells = "".join(f"{score.values[name]:>14.1f}" for name in columns)
            said = "-" if score.paper is None else f"{score.paper.values[columns[0]]:.1f}"
            lines.append(f"{score.name:<{width}}{cells}{said:>14}")
            if score.counts.get("lost"):
                lines.append(f"  {score.counts['lost']} of {score.counts['objects']} objects lost at the end")
        return "\n".join(lines)

    def bars(self, filled: str = "█", light: str = "░") -> str:
        """The main figure of each model and of the papers, as bars of text."""
        main = next(iter(self.scores[0].values))
        rows = [(score.name, score.values[main], filled) for score in self.scores]
        said = [(f"{score.architecture} {score.training}", score.values[main], light) for score in self.papers]
        width = max(len(name) for name, _, _ in rows + said) + 2

        def bar(name: str, value: float, mark: str) -> str:
            return f"{name:<{width}}{mark * max(1, round(value / 100 * _BAR))} {value:.1f}"

        lines = [_NAMES[main], *(bar(*row) for row in rows)]
        if said:
            real = self.papers_data or "the real data set"
            note = f", on {real}, not on drawn scenes" if self.drawn else ""
            lines += [f"the papers report{note}", *(bar(*row) for row in said)]
        return "\n".join(lines)

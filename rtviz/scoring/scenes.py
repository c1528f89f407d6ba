"""How well a model's attention finds objects, in numbers: drawn scenes with a known truth, which no training has seen.

The protocol is DINO's (Caron et al. 2021, figure 4, and visualize_attention.py): the patches that hold the top 60 % of
a head's mass are its mask, and its Jaccard with the object's true mask is the score; for each picture the best head
counts. The same architecture untrained, and simple cues that need no network, stand beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtviz.cv import cv2
from rtviz.errors import SettingsError, no_cls, no_heads
from rtviz.frame import Frame, Pixels
from rtviz.models import Model, load
from rtviz.models.card import EMBEDDED, RANDOM
from rtviz.scoring.measures import MASS, Mask, Reals, area_under_curve, jaccard, largest_mass, on_patches, on_pixels
from rtviz.sources.scene import SCORING_SEEDS, SceneSource, sample

SIZE = 224
CUE_CELL = 8  # the cues see patches of so many pixels
_BATCH = 16

Progress = Callable[[str, int, int], None]  # (what, done, in all)


# --- cues that need no network ---------------------------------------------------------------------------------------


def cues(pixels: Pixels) -> dict[str, Reals]:
    """Maps of what catches the eye without any network, on a grid of 8 px cells: name -> [rows, columns]."""
    rows, columns = pixels.shape[0] // CUE_CELL, pixels.shape[1] // CUE_CELL
    lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    cells = lab.reshape(rows, CUE_CELL, columns, CUE_CELL, 3)
    colour = cells.mean(axis=(1, 3)).astype(np.float64)
    border = np.concatenate([colour[0], colour[-1], colour[:, 0], colour[:, -1]])
    contrast = np.linalg.norm(colour - np.median(border, axis=0), axis=-1)
    y, x = np.mgrid[0:rows, 0:columns]
    distance = np.hypot((y + 0.5) / rows - 0.5, (x + 0.5) / columns - 0.5)
    centre = np.exp(-(distance**2) / (2 * 0.2**2))
    return {
        "centre disc": centre,
        "border-colour contrast": contrast,
        "local deviation": cells[..., 0].std(axis=(1, 3)).astype(np.float64),
        "colour x centre": contrast * centre,
    }


def _cue_jaccards(cue: Reals, truth: Mask, typical: float) -> tuple[float, float]:
    """Of the cue's 60 % mass, and of its largest cells, as many as an object has on average."""
    largest = cue >= np.quantile(cue, 1 - typical)
    masks = on_pixels(np.stack([largest_mass(cue), largest]), (truth.shape[0], truth.shape[1]))
    by_mass, by_area = jaccard(masks, truth)
    return float(by_mass), float(by_area)


# --- the report ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelScore:
    """What a model reaches; every number is a mean over the pictures.

    Attributes:
        name: of the model.
        best_head: Jaccard, last layer, best head of each picture.
        fixed_heads: Jaccard of each head of the last layer.
        mean_of_heads: Jaccard of the mean over the last layer's heads.
        layers: Jaccard of the best head of each picture, layer by layer.
        auc_fixed_heads: patch AUC of each head of the last layer.
        auc_mean_of_heads: patch AUC of their mean.
    """

    name: str
    best_head: float
    fixed_heads: tuple[float, ...]
    mean_of_heads: float
    layers: tuple[float, ...]
    auc_fixed_heads: tuple[float, ...]
    auc_mean_of_heads: float

    @property
    def fixed_head(self) -> int:
        """The head that is best on the whole."""
        return max(range(len(self.fixed_heads)), key=self.fixed_heads.__getitem__)


@dataclass(frozen=True, slots=True)
class Steadiness:
    """How much masks change from one frame to the next on a moving scene: Jaccard of consecutive masks, mean.

    Attributes:
        heads: of each head of the last layer.
        truth: of the true masks on the same patch grid: how much there is that really moves.
    """

    heads: tuple[float, ...]
    truth: float


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the acceptance."""

    what: str
    reached: float
    needed: float

    @property
    def passed(self) -> bool:
        return self.reached >= self.needed


@dataclass(frozen=True, slots=True)
class ScoreReport:
    """All that was measured.

    Attributes:
        scenes, first_seed: how many pictures, and the seed of the first.
        area: mean share of a picture that its object covers.
        model, untrained: the model, and the same architecture with random weights.
        cues: Jaccard of each simple cue, by the better of two rules: its 60 % mass, or its largest cells up to the
            mean area of an object.
        auc_cues: patch AUC of each.
        steadiness: of the model on a moving scene.
    """

    scenes: int
    first_seed: int
    area: float
    model: ModelScore
    untrained: ModelScore | None
    cues: dict[str, float]
    auc_cues: dict[str, float]
    steadiness: Steadiness

    @property
    def checks(self) -> tuple[Check, ...]:
        """What the embedded model must reach; for any other model, a comparison."""
        lines = [
            Check("best head of each picture", self.model.best_head, 0.45),
            Check("best head minus the cue colour x centre", self.model.best_head - self.cues["colour x centre"], 0.08),
            Check("best fixed head", self.model.fixed_heads[self.model.fixed_head], 0.38),
        ]
        if self.untrained is not None:
            ratio = self.model.best_head / self.untrained.best_head
            lines.insert(1, Check("best head over the same untrained", ratio, 2.4))
        return tuple(lines)

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    def to_mapping(self) -> dict[str, Any]:
        """Names and plain values, for JSON."""

        def plain(score: ModelScore) -> dict[str, Any]:
            return {
                "name": score.name,
                "best_head": round(score.best_head, 4),
                "fixed_head": score.fixed_head,
                "fixed_heads": [round(value, 4) for value in score.fixed_heads],
                "mean_of_heads": round(score.mean_of_heads, 4),
                "layers": [round(value, 4) for value in score.layers],
                "auc_fixed_heads": [round(value, 4) for value in score.auc_fixed_heads],
                "auc_mean_of_heads": round(score.auc_mean_of_heads, 4),
            }

        return {
            "scenes": self.scenes,
            "first_seed": self.first_seed,
            "resolution": SIZE,
            "mass": MASS,
            "object_area": round(self.area, 4),
            "model": plain(self.model),
            "untrained": None if self.untrained is None else plain(self.untrained),
            "cues": {name: round(value, 4) for name, value in self.cues.items()},
            "auc_cues": {name: round(value, 4) for name, value in self.auc_cues.items()},
            "steadiness": {
                "heads": [round(value, 4) for value in self.steadiness.heads],
                "truth": round(self.steadiness.truth, 4),
            },
            "checks": [
                {"what": c.what, "reached": round(c.reached, 4), "needed": c.needed, "passed": c.passed}
                for c in self.checks
            ],
            "passed": self.passed,
        }

    def table(self) -> str:
        """The report for a terminal."""
        columns = [self.model] + ([] if self.untrained is None else [self.untrained])
        width = max(16, *(len(score.name) + 2 for score in columns))
        last = f"{self.scenes} scenes from seed {self.first_seed}, objects cover {self.area:.1%}, {SIZE} px; "
        lines = [last + f"Jaccard of the {MASS:.0%} mass mask", ""]

        def row(what: str, values: Sequence[str]) -> None:
            lines.append(f"{what:<42}" + "".join(f"{value:>{width}}" for value in values))

        def each(what: str, value: Callable[[ModelScore], float]) -> None:
            row(what, [f"{value(score):.3f}" for score in columns])

        row("", [score.name for score in columns])
        each("last layer, best head of each picture", lambda score: score.best_head)
        row("last layer, best fixed head", [f"{max(s.fixed_heads):.3f} (head {s.fixed_head})" for s in columns])
        each("last layer, mean of heads", lambda score: score.mean_of_heads)
        for head in range(len(self.model.fixed_heads)):
            each(f"last layer, head {head}", lambda score, head=head: score.fixed_heads[head])  # type: ignore[misc]
        for layer in range(len(self.model.layers)):
            each(f"layer {layer}, best head of each picture", lambda s, layer=layer: s.layers[layer])  # type: ignore[misc]
        each("patch AUC, best fixed head", lambda score: max(score.auc_fixed_heads))
        each("patch AUC, mean of heads", lambda score: score.auc_mean_of_heads)
        lines += ["", f"{'without a network':<42}{'Jaccard':>{width}}{'patch AUC':>{width}}"]
        for name, value in self.cues.items():
            row(name, [f"{value:.3f}", f"{self.auc_cues[name]:.3f}"])
        lines += ["", "steadiness on a moving scene: Jaccard of consecutive masks"]
        row("the truth", [f"{self.steadiness.truth:.3f}"])
        for head, value in enumerate(self.steadiness.heads):
            row(f"last layer, head {head}", [f"{value:.3f}"])
        lines += ["", "required of the embedded model"]
        for check in self.checks:
            verdict = "pass" if check.passed else "FAIL"
            lines.append(f"{check.what:<42}{check.reached:>{width}.3f}   at least {check.needed:<6g}{verdict}")
        return "\n".join(lines)


# --- measuring -------------------------------------------------------------------------------------------------------


def score_scenes(
    model_name: str = EMBEDDED,
    *,
    weights: str | None = None,
    scenes: int = 200,
    seed: int = 0,
    frames: int = 90,
    device: str = "auto",
    precision: str = "auto",
    backend: str = "auto",
    progress: Progress | None = None,
) -> ScoreReport:
    """Measure a model on fresh scenes, with the same architecture untrained and the simple cues beside it.

    Args:
        model_name: a name from `rtviz models`, or any ViT of timm.
        weights: a file with its weights, where they are not the usual ones.
        scenes: how many pictures.
        seed: which fresh scenes: the first has this number in SCORING_SEEDS.
        frames: length of the moving scene.
        device, precision, backend: as in `rtviz.load`.
        progress: called with what is being done, and how far it is.

    Raises:
        SettingsError: there are not so many scoring seeds.
        ModelError: the model cannot be had.
    """
    if scenes < 1 or seed < 0 or seed + scenes > len(SCORING_SEEDS):
        raise SettingsError("scenes", f"{scenes} from {seed}", f"1 to {len(SCORING_SEEDS)} scenes, with their seeds")
    report = progress or (lambda what, done, of: None)
    model = load(model_name, weights=weights, device=device, precision=precision, backend=backend, resolution=SIZE)
    if not model.heads:
        raise no_heads(model.name)
    if not model.has_cls:
        raise no_cls(model.name)
    blank = None
    if not model.card.random:
        blank = load(RANDOM + model.card.name, device=device, precision=precision, backend=backend, resolution=SIZE)
    drawn = []
    for number, scene_seed in enumerate(SCORING_SEEDS[seed : seed + scenes]):
        drawn.append(sample(scene_seed, SIZE))
        report("drawing scenes", number + 1, scenes)
    area = float(np.mean([truth.mean() for _, truth in drawn]))
    found, found_auc = _score_cues(drawn, area)
    return ScoreReport(
        scenes,
        SCORING_SEEDS[seed],
        area,
        _score_model(model, drawn, report),
        None if blank is None else _score_model(blank, drawn, report),
        found,
        found_auc,
        _steadiness(model, SCORING_SEEDS[seed], frames, report),
    )


def _attention(model: Model, pictures: Sequence[Pixels]) -> Iterator[NDArray[np.float32]]:
    model.compile(pictures[0], min(_BATCH, len(pictures)), frames=len(pictures))
    for start in range(0, len(pictures), _BATCH):
        for maps in model.batch(pictures[start : start + _BATCH]):
            yield maps.attention


def _score_model(model: Model, drawn: Sequence[tuple[Pixels, Mask]], report: Progress) -> ModelScore:
    by_head, by_mean, areas, area_of_mean = [], [], [], []
    all_attention = _attention(model, [pixels for pixels, _ in drawn])
    for number, (attention, (_, truth)) in enumerate(zip(all_attention, drawn, strict=True)):
        size = (truth.shape[0], truth.shape[1])
        last = attention[-1]
        by_head.append(jaccard(on_pixels(largest_mass(attention), size), truth))  # [layers, heads]
        by_mean.append(jaccard(on_pixels(largest_mass(last.mean(axis=0)), size), truth))
        patches = on_patches(truth, (attention.shape[-2], attention.shape[-1]))
        areas.append(area_under_curve(last, patches))
        area_of_mean.append(area_under_curve(last.mean(axis=0), patches))
        report(f"scoring {model.card.name}", number + 1, len(drawn))
    jaccards = np.stack(by_head)  # [pictures, layers, heads]
    best = jaccards.max(axis=2).mean(axis=0)
    return ModelScore(
        model.card.name,
        float(best[-1]),
        tuple(float(value) for value in jaccards[:, -1].mean(axis=0)),
        float(np.mean(by_mean)),
        tuple(float(value) for value in best),
        tuple(float(value) for value in np.mean(areas, axis=0)),
        float(np.mean(area_of_mean)),
    )


def _score_cues(drawn: Sequence[tuple[Pixels, Mask]], area: float) -> tuple[dict[str, float], dict[str, float]]:
    found: dict[str, list[tuple[float, float]]] = {}
    areas: dict[str, list[float]] = {}
    for pixels, truth in drawn:
        for name, cue in cues(pixels).items():
            found.setdefault(name, []).append(_cue_jaccards(cue, truth, area))
            patches = on_patches(truth, (cue.shape[0], cue.shape[1]))
            areas.setdefault(name, []).append(float(area_under_curve(cue, patches)))
    return (
        {name: float(np.mean(pairs, axis=0).max()) for name, pairs in found.items()},
        {name: float(np.mean(values)) for name, values in areas.items()},
    )


def _steadiness(model: Model, seed: int, frames: int, report: Progress) -> Steadiness:
    source = SceneSource(seed, (240, 320), fps=30.0, seconds=frames / 30)
    shown: list[Frame] = list(source)
    masks, truths = [], []
    for number, attention in enumerate(_attention(model, [frame.pixels for frame in shown])):
        masks.append(largest_mass(attention[-1]))  # [heads, rows, columns]
        true = shown[number].masks
        assert true is not None
        truths.append(on_patches(np.asarray(true.any(axis=0)), (attention.shape[-2], attention.shape[-1])))
        report("watching a moving scene", number + 1, frames)
    stacked, true_masks = np.stack(masks), np.stack(truths)
    heads = jaccard(stacked[1:], stacked[:-1]).mean(axis=0)
    return Steadiness(
        tuple(float(value) for value in heads), float(jaccard(true_masks[1:], true_masks[:-1]).mean())
    )  # fmt: skip

"""How well upsampled maps follow the outlines of objects, and how long that takes, as a Markdown table.

    python scripts/score_upsampling.py --model embedded --scenes 40
    python scripts/score_upsampling.py --model dinov2-vits14 --voc VOCdevkit/VOC2007 --davis DAVIS --every 6

Two kinds of maps go from the patch grid to the frame. "coverage": the share of each patch that the objects cover, so
that what is wrong afterwards is the upsampling's alone: F of the outline (DAVIS's boundary measure), the Jaccard index,
and the mean error of all pixels' values. "attention": the 60 % mask of the last layer's best head of each picture,
whose own errors count too. Foreground is every object of a picture together; void pixels do not count. Times are CPU
time in one thread, of one map.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
for place in (ROOT, ROOT / "scripts"):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

from scored_pictures import Scored, each  # noqa: E402

from rtviz.cv import cv2  # noqa: E402
from rtviz.drawing import masks, resample  # noqa: E402
from rtviz.frame import Floats, Pixels  # noqa: E402
from rtviz.scoring import measures  # noqa: E402

Values = NDArray[np.uint8]  # [height, width], of a map from 0 to 255
Upsample = Callable[[Floats, tuple[int, int], Pixels], Values]


class Scores(NamedTuple):
    """Of one picture and one way of upsampling."""

    coverage_f: float
    coverage_jaccard: float
    coverage_error: float
    attention_f: float
    attention_jaccard: float
    ms: float


def _bilinear(values: Floats, size: tuple[int, int], guide: Pixels) -> Values:
    return resample.to_bytes(cv2.resize(values, (size[1], size[0]), interpolation=cv2.INTER_LINEAR))


def _guided_once(values: Floats, size: tuple[int, int], guide: Pixels) -> Values:
    """The guided filter as it was before its input was corrected."""
    corrections, resample.CORRECTIONS = resample.CORRECTIONS, 0
    try:
        return resample.upsample(values, size, "guided", guide)
    finally:
        resample.CORRECTIONS = corrections


WAYS: dict[str, Upsample] = {
    "nearest": lambda values, size, guide: resample.upsample(values, size, "nearest"),
    "bilinear": _bilinear,
    "smooth": lambda values, size, guide: resample.upsample(values, size, "smooth"),
    "guided, not corrected": _guided_once,
    "guided": lambda values, size, guide: resample.upsample(values, size, "guided", guide),
}
_SAME_AREA = ("guided, not corrected", "guided")  # their masks have as many pixels as the patches cover


def scored(one: Scored) -> Iterator[tuple[str, Scores]]:
    """The scores of one picture, by way of upsampling."""
    _, picture, objects, counted, maps = one
    rows, columns = maps.grid
    coverage = cv2.resize(objects.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
    heads = maps.attention[-1]
    on_pixels = measures.on_pixels(measures.largest_mass(heads), objects.shape)
    best = heads[int(measures.jaccard(on_pixels, objects, counted).argmax())]
    mask = masks.mass_mask(best, measures.MASS)
    field = masks.mass_field(best, mask)
    for name, way in WAYS.items():
        began = time.process_time()
        values = way(coverage, objects.shape, picture.pixels)
        ms = (time.process_time() - began) * 1000
        covered = (values > 127) & counted
        if name in _SAME_AREA:
            upsampled = way(field, objects.shape, picture.pixels)
            attended = upsampled > np.quantile(upsampled, 1 - mask.mean())
        else:
            attended = way(mask.astype(np.float32) if name == "nearest" else field, objects.shape, picture.pixels) > 127
        attended &= counted
        yield (
            name,
            Scores(
                measures.boundary_measure(covered, objects),
                float(measures.jaccard(covered, objects, counted)),
                float(np.abs(values / 255 - objects)[counted].mean()),
                measures.boundary_measure(attended, objects),
                float(measures.jaccard(attended, objects, counted)),
                ms,
            ),
        )


def main() -> int:
    """Measure, and print the table; returns the exit status."""
    cv2.setNumThreads(1)
    found: dict[str, dict[str, list[Scores]]] = {}
    for one in each(__doc__):
        for name, scores in scored(one):
            found.setdefault(one.group, {}).setdefault(name, []).append(scores)
    print("| data | upsampling | coverage: F, Jaccard, error | attention: F, Jaccard | ms |\n|---|---|---|---|---|")
    for group, ways in found.items():
        for name, rows in ways.items():
            mean = Scores(*np.mean(rows, axis=0))
            mistake, ms = f"{mean.coverage_error:.3f}".lstrip("0"), np.median([row.ms for row in rows])
            coverage = f"{mean.coverage_f:.3f}, {mean.coverage_jaccard:.3f}, {mistake}"
            attention = f"{mean.attention_f:.3f}, {mean.attention_jaccard:.3f}"
            print(f"| {group}, {len(rows)} pictures | {name} | {coverage} | {attention} | {ms:.1f} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

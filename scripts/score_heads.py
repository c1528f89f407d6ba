"""How well following and the labels of heads agree with the truth: VOC, DAVIS and drawn scenes, as a Markdown table.

    python scripts/score_heads.py --model embedded --scenes 100
    python scripts/score_heads.py --model dinov2-vits14 --voc VOCdevkit/VOC2007 --davis DAVIS --resolution 518 --every 6

Foreground is every object of a picture together; void pixels do not count. First the Jaccard index of it with the 60 %
mask of: the head that `--head follow` shows in the last layer (each picture for itself; the mean where none stands
out), the mean over heads, the best head of each picture, the average head, and a disc in the middle. Then, over the
heads of all layers, what each label says: how many times as much attention the foreground gets as a uniform map gives
it (geometric mean), and the Jaccard index.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
for place in (ROOT, ROOT / "scripts"):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

from scored_pictures import each  # noqa: E402

from rtviz.analysis.head_stats import TAGS, head_statistics, standing_out  # noqa: E402
from rtviz.cv import cv2  # noqa: E402
from rtviz.frame import Maps  # noqa: E402
from rtviz.scoring import measures  # noqa: E402

_DISC = 0.25  # of the picture's area


def followed(maps: Maps, objects: measures.Mask, counted: measures.Mask) -> dict[str, float]:
    """The Jaccard indices of one picture, by what was taken, and whether a head stood out."""
    heads = maps.attention[-1]
    masks = measures.on_pixels(measures.largest_mass(np.concatenate([heads, heads.mean(axis=0)[None]])), objects.shape)
    scores = measures.jaccard(masks, objects, counted)
    y, x = ((np.arange(side) + 0.5) / side - 0.5 for side in objects.shape)
    disc = y[:, None] ** 2 + x[None, :] ** 2 <= _DISC / np.pi
    head = standing_out(heads)
    return {
        "followed": float(scores[-1 if head is None else head]),
        "mean": float(scores[-1]),
        "best head": float(scores[:-1].max()),
        "average head": float(scores[:-1].mean()),
        "middle disc": float(measures.jaccard(disc[None], objects, counted)[0]),
        "a head stood out": float(head is not None),
    }


def labelled(maps: Maps, objects: measures.Mask, counted: measures.Mask) -> Iterator[tuple[str, float, float]]:
    """(label, times a uniform map's attention on the foreground, Jaccard index) of every head of every layer."""
    rows, columns = maps.grid
    share, known = (  # of each patch
        cv2.resize(mask.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
        for mask in (objects & counted, counted)
    )
    for layer in range(maps.layers):
        attention = maps.attention[layer]
        held = (attention * share).sum(axis=(1, 2)) / (attention * known).sum(axis=(1, 2)) * known.sum() / share.sum()
        masks = measures.on_pixels(measures.largest_mass(attention), objects.shape)
        scores = measures.jaccard(masks, objects, counted)
        for fact, times, score in zip(head_statistics(maps, layer), held, scores, strict=True):
            yield fact.tag, float(times), float(score)


def main() -> int:
    """Measure, and print the tables; returns the exit status."""
    scores: dict[str, list[dict[str, float]]] = {}
    labels: dict[str, list[tuple[str, float, float]]] = {}
    for group, _, objects, counted, maps in each(__doc__):
        scores.setdefault(group, []).append(followed(maps, objects, counted))
        labels.setdefault(group, []).extend(labelled(maps, objects, counted))
    names = list(next(iter(scores.values()))[0])
    print("| Jaccard index, last layer | " + " | ".join(names) + " |\n|" + "---|" * (len(names) + 1))
    for group, rows in scores.items():
        means = [float(np.mean([row[name] for row in rows])) for name in names]
        cells = [*(f"{mean:.3f}".lstrip("0") for mean in means[:-1]), f"{100 * means[-1]:.0f} %"]
        print(f"| {group}, {len(rows)} pictures | " + " | ".join(cells) + " |")
    print("\n| label, all layers | " + " | ".join(f"{tag}: heads, attention, Jaccard" for tag in TAGS) + " |")
    print("|" + "---|" * (len(TAGS) + 1))
    for group, found in labels.items():
        cells = []
        for tag in TAGS:
            of_tag = [(times, score) for label, times, score in found if label == tag]
            if not of_tag:
                cells.append("none")
                continue
            times = np.exp(np.mean([np.log(max(one, 1e-3)) for one, _ in of_tag]))
            score = np.mean([one for _, one in of_tag])
            cells.append(f"{100 * len(of_tag) / len(found):.0f} %, x {times:.2f}, {score:.2f}")
        print(f"| {group} | " + " | ".join(cells) + " |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

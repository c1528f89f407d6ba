"""How well `track` takes what is clicked, says that it is lost, and finds it again: DAVIS and VOC, as Markdown tables.

    python scripts/score_track.py --davis DAVIS --voc VOCdevkit/VOC2007 --model dinov2-vits14

Clicks: random points and the bounding box of each object; Jaccard index of the patches taken with the truth.
Departures: a DAVIS object before its own first frame (the object filled in) walks out, another walks in and out, and
the first comes back at another place. The true mask starts the track, so that this measures following alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from rtviz.analysis.marking import object_of  # noqa: E402
from rtviz.analysis.tracking import Tracker  # noqa: E402
from rtviz.cv import cv2  # noqa: E402
from rtviz.frame import Maps  # noqa: E402
from rtviz.models import load  # noqa: E402
from rtviz.settings import Mark  # noqa: E402

_SIZE = 360, 640
_POINTS = 10
_SMALLEST = 0.02  # of a picture
Stream = list[tuple[np.ndarray, np.ndarray, np.ndarray]]  # frame, mask of the object, mask of the other one


def read(path: Path) -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])


def davis(root: Path) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Frames and masks of each clip."""
    clips: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for folder in sorted((root / "JPEGImages/480p").iterdir()):
        masks = root / "Annotations/480p" / folder.name
        clips[folder.name] = [
            (read(path), np.asarray(read(masks / f"{path.stem}.png").any(axis=2)))
            for path in sorted(folder.glob("*.jpg"))
        ]
    return clips


def voc(root: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each object of the segmented pictures. Objects have their colours; 0 is background, the light border void."""
    for path in sorted((root / "SegmentationObject").glob("*.png")):
        colours = read(path).astype(int) @ (1 << 16, 1 << 8, 1)
        for colour in set(np.unique(colours).tolist()) - {0, 0xE0E0C0}:
            if (colours == colour).mean() > _SMALLEST:
                yield read(root / "JPEGImages" / f"{path.stem}.jpg"), colours == colour


def on_grid(mask: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    return np.asarray(cv2.resize(mask.astype(np.float32), grid[::-1], interpolation=cv2.INTER_AREA) > 0.5)


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))


def clicks(model: Any, objects: list[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float, int]:
    """Mean Jaccard index of points and of boxes, and of how many objects."""
    rng = np.random.default_rng(0)
    points, boxes = [], []
    for frame, mask in objects:
        maps = model(frame, features=("tokens",))
        truth = on_grid(mask, maps.grid)
        if truth.sum() < 3:
            continue
        height, width = mask.shape
        places = np.argwhere(mask)
        whole = maps.discovery_features != "keys"
        points.append(
            np.mean(
                [
                    jaccard(object_of(maps.tokens, Mark((x + 0.5) / width, (y + 0.5) / height), whole=whole), truth)
                    for y, x in places[rng.permutation(len(places))[:_POINTS]]
                ]
            )
        )
        (top, left), (bottom, right) = places.min(axis=0), places.max(axis=0) + 1
        box = Mark(left / width, top / height, (right - left) / width, (bottom - top) / height)
        boxes.append(jaccard(object_of(maps.tokens, box, whole=whole), truth))
    return float(np.mean(points)), float(np.mean(boxes)), len(boxes)


def pasted(ground: np.ndarray, thing: tuple[np.ndarray, np.ndarray], x: float) -> tuple[np.ndarray, np.ndarray]:
    """A frame with a thing whose middle is at x (0 to 1 is inside), and its mask."""
    frame, mask = thing
    places = np.argwhere(mask)
    (top, left), (bottom, right) = places.min(axis=0), places.max(axis=0) + 1
    scale = min(0.6 * _SIZE[0] / (bottom - top), 0.5 * _SIZE[1] / (right - left))
    shift = _SIZE[1] * x - scale * (left + right) / 2, 0.55 * _SIZE[0] - scale * (top + bottom) / 2
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    moved, alpha = (
        cv2.warpAffine(image.astype(np.float32), matrix, _SIZE[::-1], flags=cv2.INTER_AREA) for image in (frame, mask)
    )
    blended = ground * (1 - alpha[..., None]) + moved * alpha[..., None]
    return blended.astype(np.uint8), alpha > 0.5


def departure(one: list[tuple[np.ndarray, np.ndarray]], other: list[tuple[np.ndarray, np.ndarray]]) -> Stream:
    """The object stays 12 frames, leaves in 6; 6 empty; another comes, stays 12, leaves; the object comes back."""
    first, mask = one[0]
    hole = cv2.dilate(mask.astype(np.uint8), np.ones((25, 25), np.uint8))
    ground = cv2.resize(cv2.inpaint(first, hole, 5, cv2.INPAINT_TELEA), _SIZE[::-1], interpolation=cv2.INTER_AREA)
    away = np.linspace(0.4, -0.6, 7)[1:]
    story = [(one, x) for x in [*[0.4] * 12, *away]] + [(one, 9.0)] * 6
    story += [(other, x) for x in [*away[::-1], *[0.4] * 12, *away]] + [(one, 9.0)] * 4
    story += [(one, x) for x in [*np.linspace(1.4, 0.6, 5), *[0.6] * 8]]
    empty = np.zeros(_SIZE, bool)
    stream = []
    for number, (clip, x) in enumerate(story):
        frame, seen = pasted(ground, (clip + clip[::-1])[number % (2 * len(clip))], x)
        stream.append((frame, seen, empty) if clip is one else (frame, empty, seen))
    return stream


def followed(model: Any, stream: Stream) -> dict[str, float]:
    """How one departure went."""
    tracker, mark = Tracker(), Mark(0.4, 0.55)
    rows, before = [], None
    predicted: Maps | None = None
    for number, (frame, own, other) in enumerate(stream):
        # Forward passes take nearly all of the time.
        if predicted is None or before is None or not np.array_equal(frame, before):
            predicted = model(frame, features=("tokens",))
        before, maps = frame, predicted
        truth, wrong = on_grid(own, maps.grid), on_grid(other, maps.grid)
        if not number:
            labels = np.stack([~truth, truth]).astype(np.float32)
            tracker.take_over_tracks([mark], replace(maps, marks=(mark,), labels=labels, lost=(False,)))
        maps = tracker.follow(maps, [mark], number, number / 10)
        assert maps.labels is not None
        found = (maps.labels.argmax(axis=0) == 1) & (not maps.lost[0])
        jumped = (found & wrong).sum() > 0.3 * max(1, found.sum())
        rows.append((own.sum(), maps.lost[0], jaccard(found, truth), jumped))
    area, lost, index, jumps = (np.array(column) for column in zip(*rows, strict=True))
    there, gone = area >= area[0] / 2, area == 0
    first, back = int(gone.argmax()), len(area) - 8
    until = next((n for n in range(first, back) if lost[n]), back) - first
    return {
        "frames until lost": until,
        "wrongly held (share of frames)": float((~lost[gone]).mean()),
        "jumped to the other object": float(jumps[gone].any()),
        "wrongly lost (share of frames)": float(lost[there].mean()),
        "found again": float((index[back:] > 0.3).any()),
        "J while there": float(index[there].mean()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--davis", type=Path, required=True)
    parser.add_argument("--voc", type=Path)
    parser.add_argument("--model", default="dinov2-vits14")
    parser.add_argument("--resolution", type=int, default=224)
    parser.add_argument(
        "--departures", type=int, default=12, metavar="N", help="at most so many, of 65 frames each (12)"
    )
    given = parser.parse_args()
    model = load(given.model, device="cpu", precision="fp32", resolution=given.resolution)
    clips = davis(given.davis)
    print("| clicks | objects | point | box |\n|---|---|---|---|")
    objects = {"DAVIS, first frames": [clip[0] for clip in clips.values()]}
    if given.voc:
        objects["VOC"] = list(voc(given.voc))
    for name, group in objects.items():
        point, box, count = clicks(model, group)
        print(f"| {name} | {count} | {point:.3f} | {box:.3f} |", flush=True)
    names = list(clips)
    pairs = [(one, names[(place + step) % len(names)]) for place, one in enumerate(names) for step in (1, 3)]
    pairs = pairs[: given.departures]
    went = [followed(model, departure(clips[one], clips[other])) for one, other in pairs]
    print(f"\n| {len(went)} departures | mean | worst of one |\n|---|---|---|")
    for key in went[0]:
        values = [each[key] for each in went]
        worst = min(values) if key in ("found again", "J while there") else max(values)
        print(f"| {key} | {np.mean(values):.3f} | {worst:.3g} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())

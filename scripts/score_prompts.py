"""How well the view `prompts` finds an object of which a few points are known: DAVIS, as a Markdown table.

    python scripts/score_prompts.py --davis DAVIS --model dinov2-vits14

Points are drawn at random from the patches of the first frame that are wholly the object's (positive) and not at all
(negative). J is the Jaccard index, in pixels, of the mask with the truth: of the first frame, and the mean over the
others. Beside it stands `track`, marked at the first of the positive points; of it the same masks are measured.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from score_track import davis, jaccard  # noqa: E402

from rtviz.analysis.tracking import Tracker  # noqa: E402
from rtviz.cv import cv2  # noqa: E402
from rtviz.frame import Frame, Maps, ReferencePicture  # noqa: E402
from rtviz.models import load  # noqa: E402
from rtviz.settings import Mark, Prompt, Settings  # noqa: E402
from rtviz.views import prompts, track  # noqa: E402

_KINDS = ((1, 0), (1, 1), (2, 2), (4, 4), (8, 8))


def points(mask: np.ndarray, grid: tuple[int, int], rng: np.random.Generator) -> tuple[list[Mark], list[Mark]]:
    """Middles of patches in the object and out of it, in a random order."""
    covered = cv2.resize(mask.astype(np.float32), grid[::-1], interpolation=cv2.INTER_AREA)
    found = []
    for places in (np.argwhere(covered >= min(0.99, covered.max())), np.argwhere(covered == 0)):
        order = places[rng.permutation(len(places))]
        found.append([Mark((column + 0.5) / grid[1], (row + 0.5) / grid[0]) for row, column in order])
    return found[0], found[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--davis", type=Path, required=True)
    parser.add_argument("--model", default="dinov2-vits14")
    parser.add_argument("--resolution", type=int, default=224)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take each N-th frame (1)")
    parser.add_argument("--draws", type=int, default=5, metavar="N", help="how often the points are drawn (5)")
    given = parser.parse_args()
    model = load(given.model, device="cpu", precision="fp32", resolution=given.resolution)
    settings = Settings(view="prompts")
    first: defaultdict[str, list[float]] = defaultdict(list)
    others: defaultdict[str, list[float]] = defaultdict(list)
    spent = []
    for clip in davis(given.davis).values():
        clip = clip[:: given.every]
        seen: list[Maps] = [model(pixels, features=("tokens",)) for pixels, _ in clip]
        for seed in range(given.draws):
            inside, outside = points(clip[0][1], seen[0].grid, np.random.default_rng(seed))
            for positive, negative in _KINDS:
                marked = [*((one, True) for one in inside[:positive]), *((one, False) for one in outside[:negative])]
                pictures = tuple(
                    ReferencePicture(Prompt("first", mark, sign), Frame(clip[0][0]), seen[0]) for mark, sign in marked
                )
                found = []
                for (pixels, mask), maps in zip(clip, seen, strict=True):
                    start = time.perf_counter()
                    drawn = prompts.masks(Frame(pixels), replace(maps, references=pictures), settings, None)
                    spent.append(time.perf_counter() - start)
                    found.append(jaccard(drawn.pixels[0] > 0, mask))
                first[f"prompts, {positive} + {negative}"].append(found[0])
                others[f"prompts, {positive} + {negative}"].append(float(np.mean(found[1:])))
            tracker, found = Tracker(), []
            for number, ((pixels, mask), maps) in enumerate(zip(clip, seen, strict=True)):
                drawn = track.masks(
                    Frame(pixels), tracker.follow(maps, inside[:1], number, number / 24), Settings(view="track"), None
                )
                found.append(jaccard(drawn.pixels[0] > 0, mask))
            first["track, 1 point"].append(found[0])
            others["track, 1 point"].append(float(np.mean(found[1:])))
    print("| | J of the first frame | J of the others |\n|---|---|---|")
    for name in first:
        print(f"| {name} | {np.mean(first[name]):.3f} | {np.mean(others[name]):.3f} |")
    print(f"\nmasks from tokens: {1000 * float(np.median(spent)):.1f} ms a frame")
    return 0


if __name__ == "__main__":
    sys.exit(main())

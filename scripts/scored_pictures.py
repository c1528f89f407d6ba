"""The pictures with known objects on which the scripts score maps of attention, and the options that choose them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from rtviz.errors import RtvizError  # noqa: E402
from rtviz.frame import Maps  # noqa: E402
from rtviz.models import load  # noqa: E402
from rtviz.scoring import datasets, measures  # noqa: E402
from rtviz.scoring.datasets import VOID, Segmented  # noqa: E402


class Scored(NamedTuple):
    """One picture.

    Attributes:
        group: the name of its data.
        objects: bool [height, width], where an object is, whichever.
        counted: bool [height, width], where the truth is known.
        maps: the model's.
    """

    group: str
    picture: Segmented
    objects: measures.Mask
    counted: measures.Mask
    maps: Maps


def each(description: str) -> Iterator[Scored]:
    """Each chosen picture that has an object; behind the last one, a line that says by which model.

    Raises:
        SystemExit: nothing is chosen, or something failed, which is said.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--resolution", type=int, default=224)
    parser.add_argument("--voc", metavar="FOLDER")
    parser.add_argument("--davis", metavar="FOLDER")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each N-th frame of DAVIS (1)")
    parser.add_argument("--scenes", type=int, default=0, metavar="N", help="so many drawn scenes (0)")
    given = parser.parse_args()
    nothing = True
    try:
        model = load(given.model, precision="fp32", backend="torch", resolution=given.resolution)
        for group, picture in _pictures(given):
            objects, counted = (picture.labels > 0) & (picture.labels != VOID), picture.labels != VOID
            if objects.any():
                nothing = False
                yield Scored(group, picture, objects, counted, model(picture.pixels))
    except RtvizError as error:
        print(f"{Path(sys.argv[0]).stem}: error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_status) from None
    if nothing:
        parser.error("nothing to score: say --voc, --davis or --scenes")
    print(f"`{model.name}` at {given.resolution}\n")


def _pictures(given: argparse.Namespace) -> Iterator[tuple[str, Segmented]]:
    """Everything that was chosen, each with the name of its group."""
    if given.voc:
        for picture in datasets.segmented(given.voc):
            yield "VOC", picture
    if given.davis:
        for clip in datasets.clips(given.davis):
            for number in range(0, clip.count, given.every):
                yield "DAVIS", clip.read(number)
    if given.scenes:
        for picture in datasets.segmented(datasets.SCENE, given.scenes):
            yield "drawn scenes", picture

#!/usr/bin/env python3
"""Draws every view beside the others, as the README shows: `python scripts/view_sheet.py -o sheet.jpg PLACE@SECONDS`.

A place is a video, a picture or a scene. `--follow PLACE@SECONDS X,Y …` is where marked objects are followed, from that
time on for `--seconds`.
"""

from __future__ import annotations

import argparse
import sys
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from PIL import Image, ImageDraw, ImageFont  # noqa: E402

import rtviz  # noqa: E402
from rtviz import views  # noqa: E402
from rtviz.cv import cv2  # noqa: E402
from rtviz.frame import Frame, Pixels  # noqa: E402

GAP, LABEL, PAPER, INK = 6, 22, (250, 250, 248), (60, 60, 60)


def frames(place: str, seconds: float = 0.0) -> list[Frame]:
    """The frames of "place@start", from then on for so long; at least one."""
    path, _, start = place.rpartition("@") if "@" in place else (place, "", "0")
    with rtviz.open_source(path, start=float(start)) as source:
        first = next(iter(source))
        rest = [frame for frame in islice(source, 600) if frame.pts_seconds <= first.pts_seconds + seconds]
        return [first, *rest] if seconds else [first]


def tile(pixels: Pixels, width: int, height: int) -> Pixels:
    """A picture in a tile of this size, on paper where it is of another shape."""
    scale = min(width / pixels.shape[1], height / pixels.shape[0])
    size = round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)
    whole = np.full((height, width, 3), PAPER, np.uint8)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    whole[top : top + size[1], left : left + size[0]] = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return whole


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("place", metavar="PLACE[@SECONDS]")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--query", default="0.5,0.5", metavar="X,Y", help="the patch that similarity shows (0.5,0.5)")
    parser.add_argument("--follow", nargs="+", metavar="PLACE X,Y", help="where objects are followed, and their marks")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long they are followed (3)")
    parser.add_argument("--mute", default="3.3", metavar="LAYER.HEAD", help="what difference leaves out (3.3)")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--width", type=int, default=340, help="of each picture in pixels (340)")
    options = parser.parse_args()

    model = rtviz.load(options.model)
    shown = frames(options.place)[0]
    pictures: list[tuple[str, Pixels]] = []
    for name in ("none", *(name for name in views.names() if name != "none")):
        settings = rtviz.Settings(view=name)
        seen = [shown]
        if name == "track" and not options.follow:
            continue
        if name == "similarity":
            settings = settings.replace(query=options.query)
        if name == "difference":
            settings = settings.replace(mute=options.mute)
        if name == "track":
            settings = settings.replace(track=";".join(options.follow[1:]))
            seen = frames(options.follow[0], options.seconds)
        engine = rtviz.Engine(model)
        for frame in seen:
            picture = engine.render(frame, settings).overlay
        pictures.append(("the frame" if name == "none" else name, picture))

    height = round(options.width * shown.size[0] / shown.size[1])
    columns = min(options.columns, len(pictures))
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (options.width + GAP) + GAP, rows * (height + LABEL + GAP)), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for place, (name, picture) in enumerate(pictures):
        row, column = divmod(place, columns)
        left, top = GAP + column * (options.width + GAP), row * (height + LABEL + GAP)
        pen.text((left + options.width / 2, top + LABEL / 2), name, INK, font, anchor="mm")
        sheet.paste(Image.fromarray(tile(picture, options.width, height)), (left, top + LABEL))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(options.output, quality=84, optimize=True)
    print(f"wrote {options.output}, {options.output.stat().st_size / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

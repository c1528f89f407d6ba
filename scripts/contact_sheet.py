#!/usr/bin/env python3
"""Draws what a model attends to, beside the same untrained: `python scripts/contact_sheet.py -o sheet.jpg PLACE…`.

A row for each place (a video, a picture, "scene:33", with @SECONDS if it is not the beginning that is meant) and each
model: the frame, every head of a layer, the mask of one.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from PIL import Image, ImageDraw, ImageFont  # noqa: E402

import rtviz  # noqa: E402
from rtviz.cv import cv2  # noqa: E402
from rtviz.frame import Frame, Pixels  # noqa: E402
from rtviz.models import Model  # noqa: E402

GAP, LABEL, PAPER, INK = 6, 24, (250, 250, 248), (60, 60, 60)


def frame_at(place: str) -> Frame:
    """The first frame of "place@seconds" at or after that time."""
    path, _, seconds = place.rpartition("@") if "@" in place else (place, "", "0")
    with rtviz.open_source(path, start=float(seconds)) as source:
        return next(iter(source))


def row(model: Model, frame: Frame, layer: int, mask_head: int, width: int) -> list[Pixels]:
    """The frame, the heads of a layer, the mask of one."""
    maps = model(frame)
    wanted = [rtviz.Settings(layer=layer, head=head, normalization="frame") for head in range(model.heads)]
    wanted.append(rtviz.Settings(layer=layer, head=mask_head, view="mask"))
    pictures = [frame.pixels] + [rtviz.render_frame(frame, maps, settings) for settings in wanted]
    height = round(width * frame.pixels.shape[0] / frame.pixels.shape[1])
    return [cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA) for picture in pictures]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", nargs="+", metavar="PLACE[@SECONDS]")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--weights", help="a file with the model's weights, where they are not the usual ones")
    parser.add_argument("--layer", type=int, default=-1)
    parser.add_argument("--mask-head", type=int, default=2)
    parser.add_argument("--width", type=int, default=200, help="of each picture in pixels (200)")
    parser.add_argument("--alone", action="store_true", help="without the untrained rows")
    options = parser.parse_args()
    models = [("trained", rtviz.load(options.model, weights=options.weights))]
    if not options.alone:
        models.append(("untrained", rtviz.load("random:" + options.model)))
    rows = []
    for place in options.places:
        frame = frame_at(place)
        rows += [(name, row(model, frame, options.layer, options.mask_head, options.width)) for name, model in models]
    width = LABEL + len(rows[0][1]) * (options.width + GAP)
    height = LABEL + sum(pictures[0].shape[0] + GAP for _, pictures in rows)
    sheet = Image.new("RGB", (width, height), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    titles = ["input", *(f"head {head}" for head in range(models[0][1].heads)), f"mask of head {options.mask_head}"]
    top = LABEL
    for number, (name, pictures) in enumerate(rows):
        left = LABEL
        height = pictures[0].shape[0]
        turned = Image.new("RGB", (height, LABEL), PAPER)
        ImageDraw.Draw(turned).text((height / 2, LABEL / 2), name, INK, font, anchor="mm")
        sheet.paste(turned.rotate(90, expand=True), (0, top))
        for title, picture in zip(titles, pictures, strict=True):
            sheet.paste(Image.fromarray(np.ascontiguousarray(picture)), (left, top))
            if number == 0:
                pen.text((left + options.width / 2, LABEL / 2), title, INK, font, anchor="mm")
            left += options.width + GAP
        top += height + GAP
    options.output.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(options.output, quality=88)
    print(f"wrote {options.output}, {options.output.stat().st_size / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

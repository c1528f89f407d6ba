#!/usr/bin/env python3
"""Makes the pictures of the README and the documentation: `python scripts/pictures.py [NAME ...]`.

They are made of the clips in docs/pages/pictures/clips with trained weights (`rtviz models pull dinov2-vits14`).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np  # noqa: E402
from PIL import Image, ImageDraw, ImageFont  # noqa: E402

import rtviz  # noqa: E402
from rtviz import views  # noqa: E402
from rtviz.frame import Frame, Pixels  # noqa: E402

FOLDER = ROOT / "docs" / "pages" / "pictures"
BOTTLES, PERSON = (FOLDER / "clips" / name for name in ("bottles.mp4", "person.mkv"))
MODEL = "dinov2-vits14"
STILL = 518  # the size that DINOv2 was trained up to: 37 x 37 patches on the short side
PAPER, INK, GAP, LABEL = (250, 250, 248), (60, 60, 60), 6, 24


def prompts(place: Path) -> str:
    """A bottle and its cap, by points on the first frame of the clip; the wall and the table are not of the bottle."""
    points = {
        "bottle+": ("0.49,0.52", "0.49,0.8", "0.16,0.58", "0.155,0.72"),
        "bottle-": ("0.35,0.3", "0.35,0.8", "0.65,0.6"),
        "cap+": ("0.49,0.33",),
    }
    return ";".join(f"{kind}{place}#t=0@{point}" for kind, marks in points.items() for point in marks)


# The frame, and what else to say, where a view's picture needs more than its name.
ASKED: dict[str, tuple[Path, float, dict[str, object]]] = {
    "heatmap": (PERSON, 1.0, {"head": 0}),
    "similarity": (BOTTLES, 2.5, {"query": (0.16, 0.62)}),
    "directions": (PERSON, 1.0, {"query": (0.45, 0.35)}),
    "norms": (BOTTLES, 2.5, {"layer": -2}),
    "difference": (PERSON, 1.0, {"mute": "9.0,9.1,9.2"}),
    "objects": (PERSON, 1.0, {}),
    "reference": (BOTTLES, 2.5, {"reference": f"{BOTTLES}#t=0@0.44,0.28,0.11,0.6", "layout": "side-by-side"}),
    "prompts": (BOTTLES, 2.5, {"prompt": prompts(BOTTLES), "upsampling": "guided", "layout": "side-by-side"}),
    "track": (PERSON, 1.0, {"track": "0.29,0.15,0.42,0.85"}),
    "cam": (PERSON, 1.0, {"cam": "eigen"}),
    **{f"pca-{layer}": (BOTTLES, 2.5, {"view": "pca", "layer": layer}) for layer in (2, 5, 8, 11)},
    "pca-component": (PERSON, 1.0, {"view": "pca", "pca_component": 2}),
}


def frames(place: Path, start: float, seconds: float = 0.0) -> list[Frame]:
    """The frames from a time on, for so long; at least one."""
    with rtviz.open_source(str(place), start=start) as source:
        first = next(iter(source))
        rest = (frame for frame in islice(source, 600) if frame.pts_seconds <= first.pts_seconds + seconds)
        return [first, *rest] if seconds else [first]


def drawn(model: rtviz.Model, name: str) -> Pixels:
    """One view of a clip's frame."""
    place, start, more = ASKED.get(name, (PERSON, 1.0, {}))
    engine = rtviz.Engine(model)
    for frame in frames(place, start, 1.0 if name == "track" else 0.0):
        picture = engine.render(frame, rtviz.Settings.from_mapping({"view": name, "resolution": STILL, **more})).overlay
    return picture


def save(pixels: Pixels | Image.Image, name: str, width: int = 800) -> None:
    """Write a picture into the documentation."""
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    if picture.width > width:
        picture = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
    path = FOLDER / name
    picture.save(path, quality=84, optimize=True)
    print(f"wrote {path.relative_to(ROOT)}, {path.stat().st_size / 1e3:.0f} kB")


def sheet(tiles: list[tuple[str, Pixels]], columns: int, width: int) -> Image.Image:
    """Titled tiles of one width, in rows."""
    pictures = [Image.fromarray(pixels) for _, pixels in tiles]
    sized = [one.resize((width, round(one.height * width / one.width)), Image.Resampling.LANCZOS) for one in pictures]
    height, rows = max(one.height for one in sized), -(-len(sized) // columns)
    whole = Image.new("RGB", (columns * (width + GAP) + GAP, rows * (height + LABEL + GAP)), PAPER)
    pen, font = ImageDraw.Draw(whole), ImageFont.load_default(14)
    for place, (one, (title, _)) in enumerate(zip(sized, tiles, strict=True)):
        row, column = divmod(place, columns)
        left, top = GAP + column * (width + GAP), row * (height + LABEL + GAP)
        pen.text((left + width / 2, top + LABEL / 2), title, INK, font, anchor="mm")
        whole.paste(one, (left, top + LABEL + (height - one.height) // 2))
    return whole


# --- the pictures ----------------------------------------------------------------------------------------------------


def view_pictures() -> None:
    """Each view on a frame, and all of them on one sheet."""
    model = rtviz.load(MODEL, resolution=STILL)
    tiles = [("the frame", frames(PERSON, 1.0)[0].pixels)]
    for name in views.names():
        if name not in ("none", "cam"):
            tiles.append((name, drawn(model, name)))
    tiles.append(("cam", drawn(model, "cam")))
    for name, picture in tiles[1:]:
        save(picture, f"view-{name}.jpg")
    save(drawn(model, "pca-component"), "view-pca-component.jpg")
    save(pca_layers(model), "view-pca-layers.jpg", 1200)
    save(sheet(tiles, 4, 340), "views.jpg", 2000)


def pca_layers(model: rtviz.Model) -> Image.Image:
    """Principal components after four layers."""
    return sheet([(f"after layer {layer}", drawn(model, f"pca-{layer}")) for layer in (2, 5, 8, 11)], 2, 590)


def beyond() -> None:
    """What no other viewer shows live: a place of another picture, both directions of attention, one component."""
    model = rtviz.load(MODEL, resolution=STILL)
    found = drawn(model, "reference")
    save(found, "beyond-reference.jpg", 1200)
    titles = {"directions": "whom a patch attends to, and who attends to it", "pca-component": "one component of PCA"}
    save(sheet([(title, drawn(model, name)) for name, title in titles.items()], 2, 590), "beyond.jpg", 1200)


def comparison() -> None:
    """The heads of the last layer, trained and untrained, below each other."""
    tiles: list[tuple[str, Pixels]] = []
    models = {name: rtviz.load(name, resolution=STILL) for name in (MODEL, f"random:{MODEL}")}
    for place, start in ((PERSON, 1.0), (BOTTLES, 2.5)):
        frame = frames(place, start)[0]
        pixels = frame.pixels[:, (frame.size[1] - frame.size[0] * 4 // 3) // 2 :][:, : frame.size[0] * 4 // 3]
        frame = Frame(np.ascontiguousarray(pixels))
        for name, model in models.items():
            maps = model(frame)
            tiles.append((name, frame.pixels))
            for head in range(model.heads):
                settings = rtviz.Settings(head=head)
                tiles.append((f"head {head}", rtviz.render_frame(frame, maps, settings)))
    save(sheet(tiles, 7, 200), "trained-untrained.jpg", 2000)


def app_pictures() -> None:
    """The window on a clip, full screen, and an animation of what a few keys do."""
    with window(PERSON, 1280, 800) as shown:
        shown.keys("1")
        save(shown.picture(2.0), "app.jpg", 1280)
        story = [("", 8), ("2", 5), ("4", 5), ("a", 6), ("p", 9), ("i", 2), ("k", 6), ("d", 9), ("e", 3)]
        steps = [image for key, count in story for image in shown.sequence(key, count)]
        small = [one.resize((720, 450), Image.Resampling.LANCZOS) for one in steps]
        some = np.concatenate([np.asarray(one) for one in small[:: len(small) // 12]])
        palette = Image.fromarray(some).quantize(
            255, Image.Quantize.FASTOCTREE
        )  # one, so that what stays costs nothing
        indexed = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in small]
        path = FOLDER / "app.gif"
        indexed[0].save(path, save_all=True, append_images=indexed[1:], duration=200, loop=0, optimize=True)
        print(f"wrote {path.relative_to(ROOT)}, {path.stat().st_size / 1e6:.2f} MB")
    with window(BOTTLES, 1280, 720) as shown:
        shown.keys("k", "h")
        save(shown.picture(2.0), "full-screen.jpg", 1280)


class window:  # noqa: N801
    """The app's window on a clip, offscreen, closed at the end of the `with` block."""

    def __init__(self, place: Path, width: int, height: int) -> None:
        from PyQt5.QtWidgets import QApplication

        from rtviz.app.remembered import Remembered
        from rtviz.app.window import Window
        from rtviz.live.session import LiveSession

        there = QApplication.instance()
        self.app = there if isinstance(there, QApplication) else QApplication(["rtviz"])
        self.app.setStyle("Fusion")
        self._folder = tempfile.TemporaryDirectory()
        remembered = Remembered.read(Path(self._folder.name))
        settings = rtviz.Settings(model=MODEL)
        remembered.note_given(settings, ())
        remembered.window |= {"size": [width, height], "tour": "offered"}  # which would cover the picture
        self.session = LiveSession(str(place), settings)
        self.window = Window(self.session, remembered)
        self.window.resize(width, height)
        self.window.show()

    def __enter__(self) -> window:
        until = time.monotonic() + 60
        while self.window.canvas.result is None or self.window.canvas.result.maps is None:
            self.wait(0.1)
            if time.monotonic() > until:
                raise RuntimeError("the window showed no attention within a minute")
        self.wait(2.0)
        return self

    def __exit__(self, *exception: object) -> None:
        self.window.close()
        self._folder.cleanup()

    def wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.app.processEvents()
            time.sleep(0.005)

    def keys(self, *names: str) -> None:
        from PyQt5.QtTest import QTest

        for name in names:
            QTest.keyClicks(self.window.canvas, name)
            self.wait(0.3)

    def picture(self, seconds: float) -> Image.Image:
        self.wait(seconds)
        from rtviz.app.canvas import to_pixels

        return Image.fromarray(to_pixels(self.window.grab().toImage()))

    def sequence(self, key: str, count: int) -> Iterator[Image.Image]:
        """So many pictures, a fifth of a second apart, after a key."""
        if key:
            self.keys(key)
        for _ in range(count):
            yield self.picture(0.2)


MAKERS: dict[str, Callable[[], None]] = {
    "views": view_pictures,
    "beyond": beyond,
    "comparison": comparison,
    "app": app_pictures,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", metavar="NAME", nargs="*", choices=[*MAKERS, []], help=", ".join(MAKERS))
    for name in parser.parse_args().names or MAKERS:
        MAKERS[name]()
    sys.stdout.flush()
    os._exit(0)  # torch's threads and Qt's do not end in order


if __name__ == "__main__":
    sys.exit(main())

"""What is written and marked on a picture: laid out in its pixels, and painted into it, or over it by a canvas.

The functions of `rtviz.drawing` that write on a picture paint at once, unless their caller collects what they would
paint:

    with collect() as found:
        picture = draw(...)

Then the picture stays free of it, and whoever shows the picture enlarged can paint it sharp, in a size of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Place = tuple[int, int, int, int]  # (top, left, height, width), in pixels of the picture
Color = tuple[int, int, int]
_DARK: Color = (10, 11, 14)
_LIGHT: Color = (244, 244, 240)


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text, which fills its place across."""

    place: Place
    text: str
    color: Color


@dataclass(frozen=True, slots=True)
class Dot:
    """A disc."""

    place: Place
    color: Color


@dataclass(frozen=True, slots=True)
class Note:
    """Texts and dots that belong together.

    Attributes:
        place: of all of it.
        region: what it is written on, such as the tile that it names.
        anchor: which corner of the region it keeps to, down and across: 0 the upper and left, 1 the lower and right
            edge, 0.5 the middle.
        letters: how tall a line of its letters is, in pixels.
        radius: of the corners of the dark ground behind it; None without a ground.
        parts: in order.
    """

    place: Place
    region: Place
    anchor: tuple[float, float]
    letters: int
    radius: int | None
    parts: tuple[Text | Dot, ...]


@dataclass(frozen=True, slots=True)
class Ring:
    """A ring round a point.

    Attributes:
        center: (down, across), in pixels of the picture.
        radius, thick: in pixels.
        color: RGB.
    """

    center: tuple[int, int]
    radius: int
    thick: int
    color: Color = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Outline:
    """A border just inside a rectangle; `edged` by a dark line of a pixel on both sides."""

    place: Place
    color: Color
    thick: int
    edged: bool = False


@dataclass(frozen=True, slots=True)
class Polyline:
    """Straight lines from point to point; `edged` by a dark line of a pixel on both sides.

    Attributes:
        points: (down, across) of at least two, in pixels of the picture from its upper left corner.
        thick: in pixels.
        color: RGB.
    """

    points: tuple[tuple[float, float], ...]
    color: Color
    thick: int
    edged: bool = False


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Contour:
    """The outline of a mask.

    Attributes:
        place: of a part of the picture that all of it lies in.
        ramp: uint8 [height, width] of the place, more inside the mask and less outside; the outline runs where it
            crosses 127.5.
        rise: of the ramp in one pixel, across the outline.
        thick: in pixels.
        color: RGB.
        strength: 0 unseen to 1 opaque.
    """

    place: Place
    ramp: NDArray[np.uint8]
    rise: float
    thick: float
    color: Color
    strength: float = 1.0


@dataclass(frozen=True, slots=True)
class Sign:
    """A plus on a disc of its colour, or a minus on a dark disc with a rim of its colour, in the middle of a place.

    Where the place has an extent, its border is drawn, too, dashed for a minus.

    Attributes:
        place: of a point (down, across, 0, 0).
        radius: of the disc, in pixels.
        strength: 0 unseen to 1 opaque.
    """

    place: Place
    color: Color
    radius: int
    positive: bool
    strength: float = 1.0

    @property
    def fill(self) -> Color:
        """The colour of the disc."""
        return self.color if self.positive else _DARK

    @property
    def ink(self) -> Color:
        """The colour of the sign: dark or light, whichever stands out more from the disc."""
        linear = [((value / 255 + 0.055) / 1.055) ** 2.4 for value in self.fill]
        luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        return _DARK if luminance > 0.18 else _LIGHT  # where both have a contrast of 4.6, by WCAG 2


@dataclass(frozen=True, slots=True)
class Scale:
    """What the colours of a heatmap mean. Only a canvas paints it.

    Attributes:
        place: of the picture.
        low, high: attention at both ends of the colours, as multiples of what each patch has in a uniform map.
        gamma: the power of a value, from 0 at the low to 1 at the high end, by which its colour is chosen.
        colormap: the name of the colours.
    """

    place: Place
    low: float
    high: float
    gamma: float
    colormap: str


Annotation = Note | Ring | Outline | Polyline | Contour | Sign | Scale

_collected: ContextVar[list[Annotation] | None] = ContextVar("collected", default=None)


@contextmanager
def collect() -> Iterator[list[Annotation]]:
    """Collect what would be painted until the end of the block."""
    found: list[Annotation] = []
    token = _collected.set(found)
    try:
        yield found
    finally:
        _collected.reset(token)


@contextmanager
def inside(top: int, left: int) -> Iterator[None]:
    """What is written in the block is on a picture whose upper left corner lies there in the whole."""
    outer = _collected.get()
    if outer is None:
        yield
        return
    with collect() as found:
        yield
    outer += [moved(one, top, left) for one in found]


def put(annotation: Annotation) -> bool:
    """Collect an annotation; False if nobody collects, and it is to be painted."""
    found = _collected.get()
    if found is None:
        return False
    found.append(annotation)
    return True


def shift(left: int) -> None:
    """Move all that was collected so far to the right by so many pixels."""
    found = _collected.get()
    if found is not None:
        found[:] = [moved(one, 0, left) for one in found]


def moved(annotation: Annotation, top: int, left: int) -> Annotation:
    """An annotation further down and right by so many pixels."""

    def of(place: Place) -> Place:
        return place[0] + top, place[1] + left, place[2], place[3]

    if isinstance(annotation, Ring):
        return replace(annotation, center=(annotation.center[0] + top, annotation.center[1] + left))
    if isinstance(annotation, Polyline):
        return replace(annotation, points=tuple((down + top, across + left) for down, across in annotation.points))
    if isinstance(annotation, Outline | Contour | Sign | Scale):
        return replace(annotation, place=of(annotation.place))
    parts = tuple(replace(part, place=of(part.place)) for part in annotation.parts)
    return replace(annotation, place=of(annotation.place), region=of(annotation.region), parts=parts)


__all__ = [
    "Annotation",
    "Contour",
    "Dot",
    "Note",
    "Outline",
    "Place",
    "Polyline",
    "Ring",
    "Scale",
    "Sign",
    "Text",
    "collect",
    "inside",
    "moved",
    "put",
    "shift",
]

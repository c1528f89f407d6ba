"""Sizes of the network and of the training, and the curriculum's stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """Sizes of the network and of the training.

    Attributes:
        floors: for each head, how broadly it must look, as a multiple of the stage's floor. Different ones, so that
            the heads differ: the first looks closely, the third takes in large things. The last is the background's.
        composers: how many threads compose views.
    """

    width: int
    floors: tuple[float, ...]
    batch: int
    objects: int
    backgrounds: int
    prototypes: int
    composers: int
    depth: int = 6
    patch_size: int = 8
    grid: int = 12

    @property
    def heads(self) -> int:
        return len(self.floors)


@dataclass(frozen=True)
class Stage:
    """A part of the curriculum.

    Attributes:
        until: share of the whole training at which it ends.
        size: side of the views in pixels.
        area: least and largest share of a view that the objects cover.
        faded: how much of their contrast the backgrounds lose.
        floor: least effective number of patches, as a share of all.
        clutter: most small, faint things that mean nothing.
        slabs: how often a plain slab stands at a border (a wall's edge, a screen).
        company: how often there are two or three objects, the same in both views.
        glass: how often an object is translucent.
        dino: weight of DINO's loss; 0 leaves the teacher out, which is a third quicker.
        whole: weight of what neither figure nor ground covers.
    """

    until: float
    size: int
    area: tuple[float, float]
    faded: float
    floor: float
    clutter: int = 0
    slabs: float = 0.0
    company: float = 0.0
    glass: float = 0.0
    dino: float = 0.5
    whole: float = 0.3


RECIPES = {
    "small": Recipe(128, (0.6, 1.1, 1.8, 3.0), 64, 8000, 5000, 1024, composers=1),
    # For a GPU. Written for one, but it has not run on one yet.
    "large": Recipe(192, (0.6, 0.8, 1.0, 1.3, 1.6, 3.0), 512, 40000, 20000, 4096, composers=12),
}
_HARD: dict[str, Any] = {"clutter": 3, "slabs": 0.2, "company": 0.25, "glass": 0.2}
STAGES = {
    "small": (
        Stage(0.12, 48, (0.16, 0.45), 0.4, 0.20, dino=0.0),
        Stage(0.50, 64, (0.08, 0.42), 0.0, 0.15, **_HARD),
        # On drawn scenes the larger views cost a little (.77 at the end of 64 px, .72 at last), but what was trained
        # with them leaves walls, boards and edges of tables alone in real pictures, and holds bottles whole.
        Stage(0.86, 96, (0.05, 0.42), 0.0, 0.12, **_HARD),
        Stage(1.00, 128, (0.04, 0.40), 0.0, 0.12, **_HARD),
    ),
    "large": (
        Stage(0.05, 64, (0.16, 0.45), 0.4, 0.20, dino=0.0),
        Stage(0.50, 96, (0.08, 0.42), 0.0, 0.15, **_HARD),
        Stage(1.00, 160, (0.05, 0.35), 0.0, 0.12, **_HARD),
    ),
    "trial": (Stage(1.00, 48, (0.16, 0.45), 0.4, 0.20, dino=0.0),),  # under five minutes
}

"""What a point of the shown picture means: a place on the frame; in a mosaic also the layer and head of its tile."""

from __future__ import annotations

from typing import NamedTuple

from rtviz import views
from rtviz.frame import Result


class Spot(NamedTuple):
    """What is under a point.

    Attributes:
        x, y: place on the frame, as fractions of its width and height.
        box: (left, top, width, height), as fractions of the shown picture, of the copy of the frame that was hit.
        layer, head: of the tile that was hit; None where a point says nothing about them.
        pane: which of several models' pictures was hit.
    """

    x: float
    y: float
    box: tuple[float, float, float, float]
    layer: int | None = None
    head: int | str | None = None
    pane: int = 0

    def place(self, u: float, v: float) -> tuple[float, float]:
        """Where another point of the shown picture, in fractions of it, lies on the same copy of the frame; what lies
        beyond its border is on its border."""
        left, top, width, height = self.box
        return min(max((u - left) / width, 0.0), 1.0), min(max((v - top) / height, 0.0), 1.0)


def spot_at(result: Result, u: float, v: float) -> Spot | None:
    """What lies at a point of the overlay, given as fractions of its width and height; None between tiles."""
    if not (0 <= u <= 1 and 0 <= v <= 1):
        return None
    if result.panes:
        return _in_a_pane(result, u, v)
    left, share = 0.0, 1.0
    if result.settings.layout == "side-by-side":
        share = 0.5
        if u < share:
            if views.find(result.settings.view).own_beside:  # another picture than the frame
                return None
            return Spot(u / share, v, (0.0, 0.0, share, 1.0))
        left, u = share, (u - share) / share
    height, width = result.frame.size
    mosaic = views.tiles(result.frame.size, result.maps, result.settings)
    for box, layer, head in mosaic:
        x, y = (u * width - box.left) / box.width, (v * height - box.top) / box.height
        if 0 <= x < 1 and 0 <= y < 1:
            place = (
                left + box.left / width * share, box.top / height, box.width / width * share, box.height / height
            )  # fmt: skip
            return Spot(x, y, place, layer, head)
    if mosaic:
        return None
    return Spot(min(u, 1.0), min(v, 1.0), (left, 0.0, share, 1.0))


def _in_a_pane(result: Result, u: float, v: float) -> Spot | None:
    whole_height, whole_width = result.overlay.shape[:2]
    for place, pane in enumerate(result.panes):
        top, left, height, width = pane.box
        x, y = (u * whole_width - left) / width, (v * whole_height - top) / height
        spot = spot_at(pane.result, x, y)
        if spot is not None:
            inner_left, inner_top, inner_width, inner_height = spot.box
            box = (
                (left + inner_left * width) / whole_width,
                (top + inner_top * height) / whole_height,
                inner_width * width / whole_width,
                inner_height * height / whole_height,
            )
            return spot._replace(box=box, pane=place)
    return None


def result_at(result: Result, spot: Spot) -> Result:
    """The result that a spot lies on: one pane's, where there are several."""
    return result.panes[spot.pane].result if result.panes else result


__all__ = ["Spot", "result_at", "spot_at"]

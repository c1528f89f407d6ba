"""Where a marked place of one picture shows in another, by the cosine similarity of patch features."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtviz.analysis.marking import span, unit_of
from rtviz.cv import cv2
from rtviz.frame import Floats, Frame, Grid
from rtviz.settings import Mark, Point, Query, Settings

if TYPE_CHECKING:
    from rtviz.frame import Pixels
    from rtviz.models import Model


_APART = 0.15  # of the frame's short side: matches that are nearer are of one thing


class Match(NamedTuple):
    """A place of a frame that is like the marked one.

    Attributes:
        row, column: its patch; of a box the one in the middle.
        score: cosine similarity with the marked patches' mean, -1 to 1; of a box the mean over its place.
        source: the marked patch (row, column) of the reference picture that it is most like.
        mutual: whether no patch of the reference picture is more like it than one that is marked or touches one.
    """

    row: int
    column: int
    score: float
    source: tuple[int, int]
    mutual: bool


def marked(mark: Mark, grid: Grid) -> NDArray[np.bool_]:
    """The patches of a mark, bool [rows, columns]: the one under a point; those that a box covers by half or more, and
    at least one."""
    patches = np.zeros(grid, np.bool_)
    if not mark.width:
        patches[grid.patch_at(mark)] = True
        return patches
    (top, bottom), (left, right) = (
        span(start, length, count)
        for start, length, count in ((mark.y, mark.height, grid.rows), (mark.x, mark.width, grid.columns))
    )
    patches[top:bottom, left:right] = True
    return patches


def similarity(features: Floats, reference: Floats, mark: Mark) -> Floats:
    """How like each patch is to the marked ones: cosine similarity with the mean of their unit vectors.

    Args:
        features: of the frame's patches, float32 [rows, columns, width].
        reference: of the reference picture's, [its rows, its columns, width].
        mark: a point or box on the reference picture.

    Returns:
        float32 [rows, columns], -1 to 1.
    """
    wanted = unit_of(reference)[marked(mark, Grid(*reference.shape[:2]))].mean(axis=0)
    return np.asarray(unit_of(features) @ unit_of(wanted), np.float32)


def find_peaks(likeness: Floats, count: int, radius: float) -> list[tuple[int, int]]:
    """The patches (row, column) of the highest values, each further than a radius in patches from those before it."""
    left = likeness.astype(np.float32)
    rows, columns = np.indices(left.shape)
    peaks: list[tuple[int, int]] = []
    while len(peaks) < count and np.isfinite(left).any():
        row, column = (int(place) for place in np.unravel_index(left.argmax(), left.shape))
        peaks.append((row, column))
        left[np.hypot(rows - row, columns - column) <= radius] = -np.inf
    return peaks


def matches(features: Floats, reference: Floats, mark: Mark, count: int = 3, *, mutual: bool = False) -> list[Match]:
    """The best matches of a marked place, the best first; never two within one another's size, or near to one another.

    Args:
        features, reference, mark: as for `similarity`.
        count: how many at most.
        mutual: only those that are mutual, as `Match.mutual` says.
    """
    grid = Grid(*reference.shape[:2])
    chosen = marked(mark, grid)
    own, other = unit_of(features), unit_of(reference)
    height, width = (int(chosen.any(axis=axis).sum()) for axis in (1, 0))
    # Around a box whose middle is a patch's edge there are two middles; the box filter takes the later one.
    likeness = cv2.boxFilter(similarity(features, reference, mark), -1, (width, height), borderType=cv2.BORDER_CONSTANT)
    near = _grown(chosen)
    found = []
    # A peak that is not mutual hides others, so more of them are looked at.
    apart = max(2.0, 0.75 * max(height, width), _APART * min(features.shape[:2]))
    for row, column in find_peaks(likeness, 4 * count if mutual else count, apart):
        back = other @ own[row, column]  # [its rows, its columns]
        within = np.where(chosen, back, -np.inf)
        source = tuple(int(place) for place in np.unravel_index(within.argmax(), grid))
        is_mutual = bool(near[np.unravel_index(back.argmax(), grid)])
        if is_mutual or not mutual:
            found.append(Match(row, column, float(likeness[row, column]), (source[0], source[1]), is_mutual))
    return found[:count]


def find_matches(
    model: Model,
    frame: Pixels | Frame,
    reference: Pixels | Frame,
    mark: Mark | tuple[float, ...],
    count: int = 3,
    *,
    features: str = "tokens",
    mutual: bool = False,
) -> list[Match]:
    """The places of a frame that are like a marked place of a reference picture, the best first.

        for match in rtviz.find_matches(model, frame, cup, (0.5, 0.4)):
            print(match.row, match.column, match.score)

    Args:
        model: from `rtviz.load`, with patch tokens.
        frame, reference: RGB uint8 [height, width, 3].
        mark: a point (x, y) or box (x, y, width, height) on the reference, as fractions of its width and height.
        count: how many at most.
        features: what patches are compared by: "tokens", "keys" or "values".
        mutual: only matches that are mutual nearest neighbours.

    Raises:
        SettingsError: the mark is not on the picture.
    """
    checked: tuple[Mark, ...] = Settings.option("track").check([mark])
    query: Query = "cls" if model.has_cls else Point(0.5, 0.5)
    own, other = (
        model(picture, query, features=(features,)).patch_features(features) for picture in (frame, reference)
    )
    return matches(own, other, checked[0], count, mutual=mutual)


def _grown(patches: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """With the eight neighbours of each patch."""
    rows, columns = patches.shape
    padded = np.pad(patches, 1)
    shifted = [padded[down : down + rows, right : right + columns] for down in range(3) for right in range(3)]
    return np.logical_or.reduce(shifted)


__all__ = ["Match", "find_matches", "find_peaks", "marked", "matches", "similarity"]

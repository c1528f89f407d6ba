"""A timer that a camera can read: numbered patterns of black and white cells, and the markers by which they are found.

Each number has a pattern of 8 x 8 cells of its own, drawn at random from the number. A cell's value is compared with
all patterns that were painted in the last seconds, by correlation: so a picture that was exposed while one pattern gave
way to the next still matches the one of the two that it shows more of, and blur, glare and an overlay on the pattern
cost little. ArUco markers (Garrido-Jurado et al., 2014) in the corners say where the cells lie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rtviz.cv import cv2
from rtviz.frame import Floats, Pixels

Points = NDArray[np.float64]  # [points, 2], x and y
Box = tuple[float, float, float, float]  # left, top, width, height

CELLS = 8  # in a row and in a column of the pattern
_SIDE = 32  # modules in a row of the whole square: 1 white, a marker's 6, 1 white, the cells' 16, and the same back
_MARGIN, _MARKER = 1, 6
_FIRST_CELL, _CELL = 8, 2  # modules
_SAMPLES = 3  # in a row of each cell, of its inner half

# The least correlation of cells with their pattern: of a cell each, noise correlates with one pattern of 64 cells by
# 0.125 (standard deviation), and half of one pattern with half of another by 0.71 with each.
_LEAST = 0.5
_LEAD = 0.12  # before every pattern that was not painted right before or after
_NEIGHBOURS = 3  # paints that one exposure may show


def pattern(number: int) -> Floats:
    """The cells of a number: float32 [8, 8], -1 black and 1 white, as many of each."""
    values: Floats = np.repeat(np.array([-1, 1], np.float32), CELLS * CELLS // 2)
    return np.random.default_rng(number).permutation(values).reshape(CELLS, CELLS)


@cache
def marker(number: int) -> NDArray[np.uint8]:
    """A marker: uint8 [6, 6], a module each."""
    made: NDArray[np.uint8] = cv2.aruco.generateImageMarker(_dictionary(), number, _MARKER)
    return made


@cache
def _dictionary() -> object:
    found: object = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
    return found


def square(number: int, first_marker: int) -> NDArray[np.uint8]:
    """The whole square of a number, with four markers in its corners: uint8 [32, 32], a module each, white round it."""
    picture = np.full((_SIDE, _SIDE), 255, np.uint8)
    far = _SIDE - _MARGIN - _MARKER
    for place, (top, left) in enumerate(((_MARGIN, _MARGIN), (_MARGIN, far), (far, far), (far, _MARGIN))):
        picture[top : top + _MARKER, left : left + _MARKER] = marker(first_marker + place)
    cells = np.where(pattern(number) > 0, 255, 0).astype(np.uint8)
    inside = slice(_FIRST_CELL, _FIRST_CELL + CELLS * _CELL)
    picture[inside, inside] = cells.repeat(_CELL, 0).repeat(_CELL, 1)
    return picture


def square_markers(box: Box, first_marker: int) -> dict[int, Points]:
    """Where the corners of a square's markers lie, if the square fills a box: [4, 2], clockwise from the upper left."""
    left, top, width, _ = box
    module = width / _SIDE
    far = _SIDE - _MARGIN - _MARKER
    places = ((_MARGIN, _MARGIN), (far, _MARGIN), (far, far), (_MARGIN, far))
    side = _MARKER * module
    return {
        first_marker + place: corners((left + x * module, top + y * module, side, side))
        for place, (x, y) in enumerate(places)
    }


def corners(box: Box) -> Points:
    """The corners of a box: [4, 2], clockwise from the upper left."""
    left, top, width, height = box
    return np.array([(left, top), (left + width, top), (left + width, top + height), (left, top + height)], np.float64)


def cell_points(box: Box) -> Points:
    """Where the cells of a square that fills a box are sampled: [8 * 8 * 9, 2], 9 points of each cell's inner half."""
    left, top, width, _ = box
    module = width / _SIDE
    inner = (np.arange(_SAMPLES) - (_SAMPLES - 1) / 2) / (2 * _SAMPLES)
    steps = (np.arange(CELLS)[:, None] + 0.5 + inner[None, :]) * _CELL + _FIRST_CELL  # [cells, samples]
    y, x = np.meshgrid(steps.ravel() * module + top, steps.ravel() * module + left, indexing="ij")
    points = np.stack([x, y], -1).reshape(CELLS, _SAMPLES, CELLS, _SAMPLES, 2)
    return points.transpose(0, 2, 1, 3, 4).reshape(-1, 2)


def grey(pixels: Pixels) -> NDArray[np.uint8]:
    """RGB uint8 [height, width, 3] as levels of grey, [height, width]."""
    levels: NDArray[np.uint8] = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return levels


def find_markers(levels: NDArray[np.uint8]) -> dict[int, Points]:
    """The markers in a picture: number to corners, [4, 2]. Of several with one number the largest: a picture of the
    window in the window is smaller."""
    parameters = cv2.aruco.DetectorParameters()
    parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
    found, numbers, _ = cv2.aruco.ArucoDetector(_dictionary(), parameters).detectMarkers(levels)
    largest: dict[int, Points] = {}
    for quad, number in zip(found, [] if numbers is None else numbers.ravel(), strict=True):
        points = np.asarray(quad, np.float64).reshape(4, 2)
        before = largest.get(int(number))
        if before is None or _area(points) > _area(before):
            largest[int(number)] = points
    return largest


def _area(points: Points) -> float:
    return float(cv2.contourArea(points.astype(np.float32)))


def homography(places: Mapping[int, Points], found: Mapping[int, Points]) -> Points | None:
    """What leads from where markers are to where they were found: [3, 3]; None unless all of them were."""
    if not places.keys() <= found.keys():
        return None
    source = np.concatenate([places[number] for number in places])
    target = np.concatenate([found[number] for number in places])
    matrix, _ = cv2.findHomography(source, target, 0)
    return None if matrix is None else np.asarray(matrix, np.float64)


def through(matrix: Points, points: Points) -> Points:
    """Points through a homography: [points, 2]."""
    moved: Points = cv2.perspectiveTransform(points[None], matrix)[0]
    return moved


def sample(levels: NDArray[np.uint8], points: Points) -> Floats | None:
    """The values of the cells that lie at these points (`cell_points`): float32 [64]; None where the picture ends
    before."""
    height, width = levels.shape
    if points.min() < 0 or points[:, 0].max() > width - 1 or points[:, 1].max() > height - 1:
        return None
    x, y = points.astype(np.float32).T
    values: Floats = cv2.remap(levels, x[None], y[None], cv2.INTER_LINEAR)[0].astype(np.float32)
    return values.reshape(CELLS * CELLS, -1).mean(1)


def read(cells: Floats, numbers: Sequence[int]) -> int | None:
    """The number that cells show, of those that were painted; None if they show none of them clearly.

    Args:
        cells: float32 [64].
        numbers: the candidates.
    """
    spread = float(cells.std())
    if not len(numbers) or spread < 1e-6:
        return None
    codes = np.stack([_code(number) for number in numbers])  # [numbers, 64]
    likeness = codes @ ((cells - cells.mean()) / spread) / cells.size
    best = int(likeness.argmax())
    others = np.abs(np.asarray(numbers) - numbers[best]) > _NEIGHBOURS
    lead = likeness[best] - likeness[others].max(initial=0.0)
    return numbers[best] if likeness[best] >= _LEAST and lead >= _LEAD else None


@cache
def _code(number: int) -> Floats:
    return pattern(number).ravel()


def without_what_stays(cells: Floats) -> Floats:
    """Cells without what is the same at all times, as an overlay or glare on them: float32 [times, 64].

    Args:
        cells: at several times, float32 [times, 64].
    """
    if len(cells) < 16:  # of too few times the mean is that of the patterns themselves
        return cells
    spread = cells.std(0)
    return (cells - cells.mean(0)) / np.maximum(spread, 1e-6)

"""Outlines of masks: where their lines run, and how they are painted into a picture."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rtviz.drawing import contours, masks
from rtviz.drawing.annotated import painted
from rtviz.frame import Pixels
from rtviz.markup import Contour, collect, inside

COLOR = (250, 160, 10)


def disc(size: tuple[int, int], center: tuple[float, float], radius: float) -> NDArray[np.uint8]:
    """A mask whose border runs round a point (down, across), both counted from the upper left corner."""
    down, across = np.indices(size) + 0.5
    return np.where(np.hypot(down - center[0], across - center[1]) < radius, 255, 0).astype(np.uint8)


def outlined(mask: NDArray[np.uint8], strength: float = 1.0) -> tuple[Pixels, list[Contour]]:
    picture = np.full((*mask.shape, 3), 90, np.uint8)
    with collect() as found:
        contours.outline(picture, mask, COLOR, strength)
    assert (picture == 90).all(), "what is collected is not painted"
    return picture, [one for one in found if isinstance(one, Contour)]


@pytest.mark.parametrize("size", [(240, 320), (900, 1200)], ids=["small", "large"])
def test_a_line_runs_between_pixels_where_the_mask_ends_and_a_hole_has_its_own(size: tuple[int, int]) -> None:
    unit = size[0] / 240
    center = (130.3 * unit, 150.7 * unit)
    ring = disc(size, center, 90 * unit) - disc(size, center, 40 * unit)
    (contour,) = outlined(ring)[1]
    lines = contours.contour_lines(contour)
    assert [closed for _, closed in lines] == [True, True]
    radii = sorted((float(distance.min()), float(distance.max())) for distance in distances(lines, center))
    for (nearest, furthest), radius in zip(radii, (40 * unit, 90 * unit), strict=True):
        assert radius - 0.6 < nearest < furthest < radius + 0.6
    pieces, _ = contours.contour_segments(contour)
    length = np.hypot(*(pieces[:, 1] - pieces[:, 0]).T).sum()
    assert length == pytest.approx(2 * np.pi * 130 * unit, rel=0.01), "no step of a pixel makes it longer"


def distances(lines: list[tuple[NDArray[np.float32], bool]], center: tuple[float, float]) -> list[NDArray[np.float64]]:
    return [np.hypot(points[:, 0] - center[1], points[:, 1] - center[0]) for points, _ in lines]


def test_no_line_runs_along_the_edge_of_the_picture_where_a_mask_goes_on() -> None:
    mask = disc((240, 320), (240, 0), 100)  # a quarter of it is in the picture
    (contour,) = outlined(mask)[1]
    ((points, closed),) = contours.contour_lines(contour)
    assert not closed
    assert np.abs(np.hypot(points[:, 0], points[:, 1] - 240) - 100).max() < 1.5
    ends = sorted(points[[0, -1]].tolist())
    assert ends[0][0] <= 0, "a line ends at the left edge"
    assert ends[1][1] >= 240, "and at the lower one"


def test_pieces_with_flat_ends_fill_the_corner_between_them() -> None:
    mask = np.zeros((240, 320), np.uint8)
    mask[:, :160] = 255
    mask[:120] = 0
    (contour,) = outlined(mask)[1]
    ends, beyond = contours.contour_segments(contour)
    for piece in range(len(ends) - 1):
        one, other = ends[piece, 1] - ends[piece, 0], ends[piece + 1, 1] - ends[piece + 1, 0]
        angle = np.arccos(np.clip(one @ other / np.linalg.norm(one) / np.linalg.norm(other), -1, 1))
        assert np.hypot(*beyond[piece, 1]) == pytest.approx(np.tan(angle / 2), abs=1e-3)
        assert beyond[piece, 1] @ one >= 0 >= beyond[piece + 1, 0] @ other, "each goes on beyond its end"


@pytest.mark.parametrize("strength", [1.0, 0.4])
def test_a_painted_line_is_as_wide_as_it_says_and_as_strong(strength: float) -> None:
    mask = np.zeros((780, 1000), np.uint8)
    mask[:, 501:] = 255
    plain, found = outlined(mask, strength)
    picture = painted(plain, found)
    assert found[0].thick == masks.outline_width((780, 1000)) == 3
    cover = (picture[400].astype(float) - 90) / (np.asarray(COLOR) - 90)
    np.testing.assert_allclose(cover.sum(axis=0), 3 * strength, atol=0.35 * strength)  # of values in steps of 1 of 255
    assert cover.max() == pytest.approx(strength, abs=0.01)
    assert abs((cover[:, 0] * (np.arange(1000) + 0.5)).sum() / cover[:, 0].sum() - 501) < 0.1
    assert outlined(mask, 0.0)[1] == []


def test_an_outline_in_a_part_of_a_picture_is_painted_there() -> None:
    mask = disc((60, 80), (30, 40), 20)
    alone = painted(*outlined(mask))
    whole = np.full((200, 300, 3), 90, np.uint8)
    with collect() as found, inside(110, 170):
        contours.outline(whole[110:170, 170:250], mask, COLOR)
    picture = painted(whole, found)
    np.testing.assert_array_equal(picture[110:170, 170:250], alone)
    at_once = whole.copy()
    contours.outline(at_once[110:170, 170:250], mask, COLOR)
    np.testing.assert_array_equal(at_once, picture)
    assert (alone != 90).any()
    picture[110:170, 170:250] = 90
    assert (picture == 90).all()

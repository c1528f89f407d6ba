"""The view reference: what it draws of a match, and how it follows the best one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rtviz import views
from rtviz.analysis.matching import Match, matches
from rtviz.engine.drawing import draw
from rtviz.frame import Floats, Frame, Maps, Pixels, ReferencePicture, Result
from rtviz.live.snapshot import cleaned
from rtviz.settings import Mark, Reference, Settings

ROWS, COLUMNS, WIDTH = 8, 12, 32
SIZE = (160, 240)
GRAY = Frame(np.full((*SIZE, 3), 120, np.uint8))
MARK = Mark(0.125, 0.125)
SETTINGS = Settings(view="reference", matches=1, layout="side-by-side", reference=(Reference("cup.png", MARK),))


def tokens(seed: int) -> Floats:
    return np.random.default_rng(seed).normal(size=(ROWS, COLUMNS, WIDTH)).astype(np.float32)


def maps_of(patches: Floats) -> Maps:
    attention = np.full((1, 1, ROWS, COLUMNS), 0.9 / (ROWS * COLUMNS), np.float32)
    return Maps(attention, np.full((1, 1, 1), 0.1, np.float32), "cls", "x", 20, SIZE, tokens=patches)


def with_reference(patches: Floats, reference: Floats) -> Maps:
    from dataclasses import replace

    picture = ReferencePicture(SETTINGS.reference[0], GRAY, maps_of(reference))
    return replace(maps_of(patches), references=(picture,))


def boxed(picture: Pixels) -> tuple[float, float]:
    """(row, column) in patches of the middle of the followed match's box, by its colour."""
    right = picture[:, SIZE[1] :].astype(int)
    orange = np.abs(right - (240, 160, 10)).sum(axis=2) < 60
    assert orange.any()
    # The line comes from the left: the box is where the colour stands in columns.
    tall = np.nonzero(orange.sum(axis=0) >= 20)[0]
    height = np.nonzero(orange[:, tall].any(axis=1))[0]
    return (height.min() + height.max()) / 2 / 20, (tall.min() + tall.max()) / 2 / 20


def test_the_best_match_is_boxed_where_it_is() -> None:
    reference, patches = tokens(1), tokens(2)
    patches[5, 8] = reference[1, 1]
    picture = views.draw(GRAY, with_reference(patches, reference), SETTINGS)
    assert boxed(picture) == pytest.approx((5.5, 8.5), abs=0.3)


def test_it_stays_with_the_place_that_it_followed_until_another_is_clearly_better() -> None:
    reference = tokens(3)

    def put(likeness: dict[tuple[int, int], float]) -> Maps:
        patches = tokens(4)
        wanted = reference[1, 1] / np.linalg.norm(reference[1, 1])
        for (row, column), cosine in likeness.items():
            other = patches[row, column] - (patches[row, column] @ wanted) * wanted
            patches[row, column] = cosine * wanted + np.sqrt(1 - cosine**2) * other / np.linalg.norm(other)
        return with_reference(patches, reference)

    settings = SETTINGS.replace(matches=2)
    memory = views.Memory()

    def draw(at: float, likeness: dict[tuple[int, int], float]) -> tuple[float, float]:
        return boxed(views.draw(Frame(GRAY.pixels, pts_seconds=at), put(likeness), settings, memory))

    near, far = (3, 3), (6, 9)
    assert draw(0.0, {near: 0.95, far: 0.80}) == pytest.approx((3.5, 3.5), abs=0.3)
    assert draw(0.1, {near: 0.93, far: 0.95}) == pytest.approx((3.5, 3.5), abs=0.3)
    assert draw(0.2, {near: 0.80, far: 0.95}) == pytest.approx((6.5, 9.5), abs=0.3)


@pytest.mark.parametrize("layout", ["overlay", "side-by-side"])
def test_matches_are_searched_once_for_each_picture(monkeypatch: pytest.MonkeyPatch, layout: str) -> None:
    searched = 0

    def counted(*of: Any, **more: Any) -> list[Match]:
        nonlocal searched
        searched += 1
        return matches(*of, **more)

    monkeypatch.setattr("rtviz.views.reference.matches", counted)
    views.draw(GRAY, with_reference(tokens(1), tokens(2)), SETTINGS.replace(layout=layout))
    assert searched == 1


def test_without_a_reference_it_says_so() -> None:
    picture = views.draw(GRAY, maps_of(tokens(5)), SETTINGS.replace(reference=(), layout="overlay"))
    assert picture[:30, :200].std() > 5  # letters
    assert (picture[60:] == 120).all()


@pytest.mark.parametrize("shape", [(40, 400), (400, 40), (2, 2)])
def test_a_reference_of_any_shape_fits(shape: tuple[int, int]) -> None:
    reference = ReferencePicture(
        Reference("cup.png", Mark(0.2, 0.2, 0.5, 0.5)), Frame(np.zeros((*shape, 3), np.uint8)), maps_of(tokens(6))
    )
    from dataclasses import replace

    maps = replace(maps_of(tokens(7)), references=(reference,) * 4)
    draw: Callable[..., Pixels] = views.draw
    for layout, width in (("overlay", 1), ("alone", 1), ("side-by-side", 2)):
        picture = draw(GRAY, maps, SETTINGS.replace(layout=layout))
        assert picture.shape == (SIZE[0], width * SIZE[1], 3)


# --- lines and boxes ----------------------------------------------------------------------------------------------

BLACK = SETTINGS.replace(layout="alone", colormap="gray")  # nothing has a colour but what is drawn of the match


def orange(pixels: Pixels) -> float:
    """How many pixels of a column or row a line in the first reference's colour covers."""
    return float(np.clip((pixels[:, 0].astype(int) - pixels[:, 2]) / 230, 0, 1).sum())


def found(size: tuple[int, int], *places: tuple[int, int]) -> Result:
    """The match at these patches, one after the other: it leaves a trail."""
    reference, memory = tokens(1), views.Memory()
    for number, (row, column) in enumerate(places):
        patches = tokens(2)
        patches[row, column] = reference[1, 1]
        frame = Frame(np.full((*size, 3), 120, np.uint8), pts_seconds=0.1 * number)
        result = draw(frame, with_reference(patches, reference), BLACK, memory)
    return result


def border(picture: Pixels) -> float:
    """The width of the left border of the box round the match at the patch (5, 8), right of the trail from (5, 3)."""
    height, width = picture.shape[:2]
    left = round(width * 8.5 / COLUMNS - 0.75 * height / ROWS)
    reach = width // 24
    return orange(picture[round(height * 6.1 / ROWS), left - reach : left + reach])


def trail(picture: Pixels) -> float:
    height, width = picture.shape[:2]
    middle, reach = round(height * 5.5 / ROWS), height // 16
    return orange(picture[middle - reach : middle + reach, round(width * 5.5 / COLUMNS)])


@pytest.mark.parametrize("measured", [border, trail])
def test_lines_and_boxes_are_as_wide_as_the_output_asks(measured: Callable[[Pixels], float]) -> None:
    for scale in (2, 3, 4):
        result = found((260 * scale, 390 * scale), (5, 3), (5, 8))
        assert measured(result.overlay) == pytest.approx(scale, abs=0.4)
        assert measured(cleaned(result).overlay) == measured(result.overlay), "they are no words"
        assert measured(result.unlabelled) == 0, "a canvas paints them over it"

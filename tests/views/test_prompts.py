"""The view prompts: its masks lie where the classes' patches are, in colours of their own."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest

from rtviz import views
from rtviz.frame import Floats, Frame, Maps, ReferencePicture
from rtviz.settings import Mark, Prompt, Settings
from rtviz.views import prompts

ROWS, COLUMNS, SIDE = 4, 6, 20
SIZE = (ROWS * SIDE, COLUMNS * SIDE)
GRAY = Frame(np.full((*SIZE, 3), 120, np.uint8))
SETTINGS = Settings(view="prompts", upsampling="nearest", opacity=1.0)
# What stands on each patch: 0 the ground, 1 a cat, 2 a dog.
KINDS = np.zeros((ROWS, COLUMNS), int)
KINDS[1:3, 1:3], KINDS[0:2, 4:] = 1, 2


def maps_of(kinds: np.ndarray) -> Maps:
    tokens = np.eye(8, dtype=np.float32)[kinds]
    attention = np.full((1, 1, *kinds.shape), 0.9 / kinds.size, np.float32)
    return Maps(attention, np.full((1, 1, 1), 0.1, np.float32), "cls", "x", SIDE, SIZE, tokens=tokens)


def prompted(*given: Prompt) -> Maps:
    """Maps of the mirrored picture, with prompts on the picture itself."""
    pictures = tuple(ReferencePicture(one, GRAY, maps_of(KINDS)) for one in given)
    return replace(maps_of(KINDS[:, ::-1]), references=pictures)


CAT, DOG = Prompt("a.png", Mark(0.25, 0.4), True, "cat"), Prompt("a.png", Mark(0.8, 0.1), True, "dog")


def test_masks_lie_on_the_patches_of_their_class() -> None:
    found = prompts.masks(GRAY, prompted(CAT, DOG), SETTINGS, None)
    assert found.names == ("cat", "dog")
    assert len(set(found.colors)) == 2
    for kind, mask in enumerate(found.pixels, 1):
        expected = np.kron(KINDS[:, ::-1] == kind, np.ones((SIDE, SIDE), bool))
        np.testing.assert_array_equal(mask == 255, expected)
        assert set(np.unique(mask)) == {0, 255}


@pytest.mark.parametrize("upsampling", ["nearest", "smooth", "guided"])
def test_each_class_is_drawn_in_its_colour(upsampling: str) -> None:
    settings = SETTINGS.replace(upsampling=upsampling)
    maps = prompted(CAT, DOG)
    colors = prompts.masks(GRAY, maps, settings, None).colors
    picture = views.draw(GRAY, maps, settings).astype(int)
    for color, (x, y) in zip(colors, ((4, 2), (1, 1)), strict=True):  # between the patches of each
        hue = picture[y * SIDE, x * SIDE] - picture[y * SIDE, x * SIDE].mean()
        expected = np.array(color) - np.mean(color)
        assert float(hue @ expected) > 0.9 * float(np.linalg.norm(hue) * np.linalg.norm(expected))
        assert np.ptp(picture[y * SIDE, x * SIDE]) > 30
    assert np.ptp(picture[2 * SIDE, 2 * SIDE + 5]) < 12  # the ground is grey


def test_a_class_without_a_positive_example_has_no_mask() -> None:
    found = prompts.masks(GRAY, prompted(CAT, DOG._replace(positive=False)), SETTINGS, None)
    assert found.names == ("cat",)
    only = prompted(DOG._replace(positive=False))
    assert prompts.masks(GRAY, only, SETTINGS, None).pixels.shape == (0, *SIZE)
    assert views.draw(GRAY, only, SETTINGS).shape == (*SIZE, 3)


def test_without_a_prompt_it_says_so() -> None:
    picture = views.draw(GRAY, prompted(), SETTINGS)
    assert picture[:20].std() > 5  # letters
    assert (picture[40:] == 120).all()


def test_beside_it_stand_the_pictures_with_a_sign_at_each_prompt() -> None:
    """In the colour of its class, a plus where it is and a minus where it is not."""
    other = Prompt("b.png", Mark(0.5, 0.5), False, "cat")
    settings = SETTINGS.replace(layout="side-by-side")
    picture = views.draw(GRAY, prompted(CAT, other, DOG), settings)
    assert picture.shape == (SIZE[0], 2 * SIZE[1], 3)
    left = picture[:, : SIZE[1]].astype(int)
    orange, blue = ((np.abs(left - color).sum(axis=2) < 40) for color in ((240, 160, 10), (86, 180, 233)))
    columns = np.nonzero(orange)[1]
    assert columns.min() < SIZE[1] / 4 < 0.7 * SIZE[1] < columns.max()  # one on each picture
    assert blue.any()
    assert np.nonzero(blue)[1].max() < SIZE[1] / 2
    alone = views.draw(GRAY, prompted(CAT, other, DOG), SETTINGS)
    np.testing.assert_array_equal(picture[:, SIZE[1] :], alone)


@pytest.mark.parametrize("shape", [(40, 400), (400, 40), (2, 2)])
def test_prompted_pictures_of_any_shape_fit(shape: tuple[int, int]) -> None:
    boxed = CAT._replace(mark=Mark(0.2, 0.2, 0.5, 0.5))
    pictures = tuple(
        ReferencePicture(boxed._replace(path=f"{n}"), Frame(np.zeros((*shape, 3), np.uint8)), maps_of(KINDS))
        for n in range(5)
    )
    picture = views.draw(GRAY, replace(maps_of(KINDS), references=pictures), SETTINGS.replace(layout="side-by-side"))
    assert picture.shape == (SIZE[0], 2 * SIZE[1], 3)


def test_examples_are_computed_once_and_go_with_the_picture_that_they_are_of(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Maps] = []
    features = Maps.patch_features

    def counting(maps: Maps, name: str) -> Floats:
        asked.append(maps)
        return features(maps, name)

    monkeypatch.setattr(Maps, "patch_features", counting)
    maps = prompted(CAT, DOG)
    pictures = [weakref.ref(one.maps) for one in maps.references]
    for _ in range(3):
        prompts.masks(GRAY, maps, SETTINGS, None)
    assert [len([one for one in asked if one is picture()]) for picture in pictures] == [1, 1]
    asked.clear()
    del maps
    gc.collect()
    assert [picture() for picture in pictures] == [None, None]

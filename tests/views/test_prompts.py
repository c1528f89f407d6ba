"""The view prompts: its masks lie where the classes' patches are, in colours of their own."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest

from rtviz import markup, views
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


# --- signs at the prompts of the frame ----------------------------------------------------------------------------

_TEXTURED = np.kron(np.random.default_rng(3).integers(40, 200, (9, 12, 1), np.uint8), np.ones((40, 40, 3), np.uint8))


def on_its_own_frame(*given: Prompt, shown: np.ndarray = _TEXTURED, layout: str = "overlay") -> np.ndarray:
    """The picture of a frame, with prompts that were set on the textured one."""
    pictures = tuple(ReferencePicture(one, Frame(_TEXTURED), maps_of(KINDS)) for one in given)
    maps = replace(maps_of(KINDS), references=pictures)
    return views.draw(Frame(shown), maps, SETTINGS.replace(layout=layout)).astype(int)


def inks(picture: np.ndarray, prompt: Prompt) -> list[bool]:
    """Whether there is ink in the middle of a prompt's sign, and beside, above and below it where a plus has arms."""
    height, width = picture.shape[:2]
    x = round((prompt.mark.x + prompt.mark.width / 2) * width)
    y = round((prompt.mark.y + prompt.mark.height / 2) * height)
    disc = picture[y + 3, x + 3]  # in the corner between the arms
    places = ((y, x), (y, x + 3), (y, x - 3), (y - 3, x), (y + 3, x))
    return [bool(np.abs(picture[place] - disc).sum() > 150) for place in places]


PLUS, MINUS = [True, True, True, True, True], [True, True, True, False, False]


@pytest.mark.parametrize("layout", ["overlay", "alone"])
def test_prompts_of_the_frame_have_a_plus_or_a_minus_in_the_colour_of_their_class(layout: str) -> None:
    no_cat = Prompt("a.png", Mark(0.6, 0.7), False, "cat")
    boxed = Prompt("a.png", Mark(0.1, 0.55, 0.3, 0.3), False, "dog")
    picture = on_its_own_frame(CAT, DOG, no_cat, boxed, layout=layout)
    assert [inks(picture, one) for one in (CAT, DOG, no_cat, boxed)] == [PLUS, PLUS, MINUS, MINUS]
    orange, blue = (240, 160, 10), (86, 180, 233)
    for one, color in ((CAT, orange), (no_cat, orange), (DOG, blue), (boxed, blue)):
        x, y = (one.mark.x + one.mark.width / 2) * 480, (one.mark.y + one.mark.height / 2) * 360
        around = picture[round(y) - 8 : round(y) + 9, round(x) - 8 : round(x) + 9]
        assert (np.abs(around - color).sum(axis=2) < 12).sum() > 25, one
    left = round(0.1 * 480)
    border = np.abs(picture[200:300, left - 2 : left + 3] - blue).sum(axis=2).min(axis=1) < 12
    assert 20 < border.sum() < 80, "its border is of dashes"


@pytest.mark.parametrize(
    ("name", "shown", "seen"),
    [
        ("the frame as large as another screen", np.kron(_TEXTURED, np.ones((2, 2, 1), np.uint8)), True),
        ("with the noise of a sensor", _TEXTURED + np.random.default_rng(0).normal(0, 6, _TEXTURED.shape), True),
        ("something else has moved", np.hstack([_TEXTURED[:, :240], 255 - _TEXTURED[:, 240:]]), True),
        ("it has moved itself", np.hstack([255 - _TEXTURED[:, :240], _TEXTURED[:, 240:]]), False),
        ("another frame", np.roll(_TEXTURED, 100, axis=1), False),
        ("a frame of another shape", _TEXTURED[:200], False),
    ],
)  # fmt: skip
def test_signs_show_where_the_frame_looks_as_where_they_were_set(name: str, shown: np.ndarray, seen: bool) -> None:
    with markup.collect() as found:
        on_its_own_frame(CAT, shown=shown.astype(np.uint8))
    signs = [one for one in found if isinstance(one, markup.Sign)]
    assert len(signs) == seen, name
    if seen:
        height, width = shown.shape[:2]
        assert signs[0].place == (round(0.4 * height), round(0.25 * width), 0, 0)
        assert signs[0].strength == 1


def test_a_sign_fades_as_its_place_changes() -> None:
    strengths = []
    for darker in (0, 6, 8, 11):
        with markup.collect() as found:
            on_its_own_frame(CAT, shown=_TEXTURED - np.uint8(darker))
        strengths.append(sum(one.strength for one in found if isinstance(one, markup.Sign)))
    assert strengths[0] == 1 > strengths[1] > strengths[2] > strengths[3] == 0

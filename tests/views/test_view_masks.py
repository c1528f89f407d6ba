"""The masks of the views mask and objects, as they are written to a file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from rtviz import views
from rtviz.errors import SettingsError
from rtviz.frame import Frame, Maps
from rtviz.settings import Settings
from rtviz.views import registry

SIDE, GRID, HEADS = 16, (6, 9), 3
SIZE = GRID[0] * SIDE, GRID[1] * SIDE
GRAY = Frame(np.full((*SIZE, 3), 120, np.uint8))
MASK = Settings(view="mask", upsampling="nearest", layer=0)


def maps_of(attention: NDArray[np.float32]) -> Maps:
    heads = len(attention)
    prefix = np.zeros((1, heads, 1), np.float32)
    cams = {"activation": (attention.mean(axis=0),)} if heads else {}
    return Maps(attention[None], prefix, "cls", "x", SIDE, SIZE, cams=cams)


def random_attention(seed: int = 0) -> NDArray[np.float32]:
    values = np.random.default_rng(seed).random((HEADS, *GRID)) ** 3 + 1e-3
    return np.asarray(0.9 * values / values.sum(axis=(1, 2), keepdims=True), np.float32)


def top_share(values: NDArray[np.float32], share: float) -> NDArray[np.bool_]:
    """The fewest patches that hold a share of the mass, patch by patch, on the frame's pixels."""
    taken = np.zeros(values.shape, bool)
    while values[taken].sum() < share * values.sum():
        taken[np.unravel_index(np.where(taken, -1, values).argmax(), values.shape)] = True
    return np.kron(taken, np.ones((SIDE, SIDE), bool))


@pytest.mark.parametrize(("head", "name"), [(1, "head 1"), ("mean", "mean of heads"), ("max", "max of heads")])
@pytest.mark.parametrize("threshold", [0.6, 0.2])
def test_a_mask_is_the_top_share_of_what_the_head_attends_to(head: int | str, name: str, threshold: float) -> None:
    attention = random_attention()
    found = views.masks(GRAY, maps_of(attention), MASK.replace(head=head, threshold=threshold))
    values = attention[head] if isinstance(head, int) else attention.mean(0) if head == "mean" else attention.max(0)
    assert found.names == (name,)
    np.testing.assert_array_equal(found.pixels[0] == 255, top_share(values, threshold))


def test_of_all_heads_each_has_a_mask_in_its_colour() -> None:
    attention = random_attention()
    found = views.masks(GRAY, maps_of(attention), MASK.replace(head="all"))
    assert found.names == ("head 0", "head 1", "head 2")
    assert len(set(found.colors)) == HEADS
    for values, mask in zip(attention, found.pixels, strict=True):
        np.testing.assert_array_equal(mask == 255, top_share(values, 0.6))


def test_a_followed_head_is_named_by_its_number() -> None:
    """All heads agree on a thing, and each but one attends to a corner of its own, too."""
    attention = np.full((4, *GRID), 1e-3, np.float32)
    attention[:, 1:4, 2:5] = np.linspace(0.045, 0.055, 9).reshape(3, 3)
    for head, corner in ((0, (5, 8)), (1, (0, 8)), (3, (5, 0))):
        attention[head][corner] = 0.3
    found = views.masks(GRAY, maps_of(attention), MASK.replace(head="follow"))
    assert found.names == ("head 2",)
    np.testing.assert_array_equal(found.pixels[0] == 255, top_share(attention[2], 0.6))


def test_of_a_network_without_heads_it_is_the_mask_of_its_map() -> None:
    values = random_attention()[0]
    headless = replace(
        maps_of(random_attention()[:0]), cams={"activation": (values,)}, attention=np.zeros((1, 0, *GRID), np.float32)
    )
    found = views.masks(GRAY, headless, MASK.replace(cam="activation"))
    assert found.names == ("activation",)
    np.testing.assert_array_equal(found.pixels[0] == 255, top_share(values, 0.6))


def test_the_object_that_is_drawn_is_the_one_that_is_written() -> None:
    """A block of patches unlike its ground; where all patches are alike there is none."""
    thing = np.zeros(GRID, int)
    thing[1:4, 3:6] = 1
    noise = 0.05 * np.random.default_rng(0).normal(size=(*GRID, 8)).astype(np.float32)
    tokens = np.eye(8, dtype=np.float32)[thing] + noise
    settings = Settings(view="objects", features="tokens", upsampling="nearest")
    found = views.masks(GRAY, replace(maps_of(random_attention()), tokens=tokens), settings)
    assert found.names == ("object",)
    np.testing.assert_array_equal(found.pixels[0] == 255, np.kron(thing == 1, np.ones((SIDE, SIDE), bool)))
    alike = replace(maps_of(random_attention()), tokens=np.ones((*GRID, 8), np.float32))
    assert not views.masks(GRAY, alike, settings).pixels.any()


@pytest.mark.parametrize("view", [one.name for one in registry.VIEWS if not one.masks])
def test_a_view_without_masks_is_refused(view: str) -> None:
    with pytest.raises(SettingsError, match="mask, objects, track, prompts"):
        views.masks(GRAY, maps_of(random_attention()), Settings(view=view))

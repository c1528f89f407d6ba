"""Optical flow: carried attention lands where the thing has gone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from typed import present

from rtviz.analysis.optical_flow import FlowWarper
from rtviz.bench import measure_warping
from rtviz.cv import cv2
from rtviz.frame import Frame, Maps

SIZE = (240, 320)


def world(dx: int, dy: int) -> Frame:
    """A textured world, seen from a place that has moved: everything lies dx, dy further right and down."""
    rng = np.random.default_rng(3)
    texture = cv2.resize(rng.integers(0, 255, (20, 25, 3), np.uint8), (420, 340), interpolation=cv2.INTER_CUBIC)
    return Frame(np.ascontiguousarray(texture[50 - dy : 50 - dy + SIZE[0], 50 - dx : 50 - dx + SIZE[1]]))


def maps_of(attention: np.ndarray, **more: Any) -> Maps:
    layers, heads = attention.shape[:2]
    prefix = np.zeros((layers, heads, 1), np.float32)
    return Maps(attention.astype(np.float32), prefix, "cls", "tiny", 16, (240, 320), **more)


@pytest.mark.parametrize(("dx", "dy"), [(12, 0), (-9, 7), (0, -16)])
def test_motion_says_where_each_place_was(dx: int, dy: int) -> None:
    motion = FlowWarper().motion(world(0, 0), world(dx, dy))
    middle = motion[20:-20, 20:-20]
    assert np.median(middle[..., 0]) * SIZE[1] == pytest.approx(-dx, abs=0.7)
    assert np.median(middle[..., 1]) * SIZE[0] == pytest.approx(-dy, abs=0.7)


def test_attention_goes_with_the_thing_by_whole_patches() -> None:
    random = np.random.default_rng(0)
    attention = random.random((2, 3, 15, 20)) * 0.01
    carried = FlowWarper().warp(maps_of(attention), world(0, 0), world(16, 16)).attention
    # One patch to the right and one down, away from the borders.
    expected = attention[:, :, 3:-4, 3:-4]
    found = carried[:, :, 4:-3, 4:-3]
    scale = attention.sum((2, 3)) / carried.sum((2, 3))
    assert np.abs(found * scale[..., None, None] - expected).mean() < 0.12 * expected.mean()


def test_after_a_cut_attention_stays_where_it_was() -> None:
    rng = np.random.default_rng(9)
    other = Frame(cv2.resize(rng.integers(0, 255, (9, 13, 3), np.uint8), SIZE[::-1], interpolation=cv2.INTER_CUBIC))
    attention = rng.random((1, 2, 15, 20))
    warper = FlowWarper()
    if not warper.motion(world(0, 0), other).any():
        assert warper.warp(maps_of(attention), world(0, 0), other).attention == pytest.approx(attention, rel=1e-4)
    noise = [Frame(rng.integers(0, 255, (*SIZE, 3), np.uint8)) for _ in range(2)]
    assert not warper.motion(*noise).any()


def test_a_row_keeps_its_sum_and_is_never_negative() -> None:
    attention = np.zeros((1, 1, 15, 20))
    attention[0, 0, 7, 10] = 0.8
    carried = FlowWarper().warp(maps_of(attention), world(0, 0), world(9, 5)).attention
    assert carried.sum() == pytest.approx(0.8, rel=1e-5)
    assert carried.min() >= 0


def test_what_stands_still_is_not_blurred() -> None:
    attention = np.random.default_rng(1).random((1, 2, 15, 20)) / 300
    still = world(0, 0)
    copy = Frame(still.pixels.copy())
    carried = FlowWarper().warp(maps_of(attention), still, copy).attention
    assert np.abs(carried - attention).max() < 0.02 * attention.max()
    original = maps_of(attention)
    assert FlowWarper().warp(original, still, still) is original


def test_features_are_carried_too() -> None:
    random = np.random.default_rng(2)
    tokens = random.random((15, 20, 6)).astype(np.float32)
    keys = random.random((2, 15, 20, 3)).astype(np.float32)
    norms = np.ones((1, 15, 20), np.float32)
    norms[0, 7, 9] = 10
    wide: Any = {"tokens": tokens, "keys": keys, "layer_tokens": tokens[None], "kept_layers": (0,)}
    before = maps_of(random.random((1, 2, 15, 20)), **wide, norms=norms, columns=norms[None])
    after = FlowWarper().warp(before, world(0, 0), world(16, 0))
    assert after.tokens is not None
    assert after.keys is not None
    assert np.abs(after.tokens[3:-3, 5:-3] - tokens[3:-3, 4:-4]).mean() < 0.12
    assert np.abs(after.keys[:, 3:-3, 5:-3] - keys[:, 3:-3, 4:-4]).mean() < 0.12
    np.testing.assert_array_equal(present(after.layer_tokens)[0], after.tokens)
    assert after.norms is not None
    assert after.norms.argmax() == np.ravel_multi_index((0, 7, 10), after.norms.shape)
    assert after.columns is not None
    assert after.columns.argmax() == np.ravel_multi_index((0, 0, 7, 10), after.columns.shape)


def test_on_the_scene_flow_wins_back_most_of_what_age_costs() -> None:
    """The reason for the default mode: see rtviz.live.session."""
    (figures,) = measure_warping(lags=(8,), seeds=(1_000_000, 1_000_001), frames=14)
    lost = figures.iou_fresh - figures.iou_still
    assert lost > 0.02
    assert figures.iou_fresh - figures.iou_warped < 0.4 * lost
    assert figures.error_warped < 0.75 * figures.error_still
    assert "warped" in figures.line()


@pytest.mark.parametrize(("planes", "grid"), [((3,), (5, 7)), ((2, 9), (6, 4)), ((700,), (4, 90))])
def test_planes_are_sampled_as_each_alone(planes: tuple[int, ...], grid: tuple[int, int]) -> None:
    """However many there are, and beyond every edge: what lies beside a plane for sampling never shows in it."""
    rng = np.random.default_rng(0)
    values = rng.random((*planes, *grid)).astype(np.float32)
    then, now = world(0, 0), world(-40, 30)
    warper = FlowWarper()
    found = warper.warp_planes(values, then, now).reshape(-1, *grid)
    motion = cv2.resize(warper.motion(then, now), grid[::-1], interpolation=cv2.INTER_AREA)
    x, y = (
        np.clip(axis + motion[..., number] * side, -1, side)
        for number, (axis, side) in enumerate(zip(np.meshgrid(*map(np.arange, grid[::-1])), grid[::-1], strict=True))
    )
    for plane, expected in zip(found, values.reshape(-1, *grid), strict=True):
        alone = cv2.remap(
            expected, x.astype(np.float32), y.astype(np.float32), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        assert np.abs(plane - alone).max() < 2e-3


def test_what_no_view_needs_is_not_carried() -> None:
    tokens = np.ones((15, 20, 6), np.float32)
    before = maps_of(np.ones((1, 2, 15, 20)) / 300, tokens=tokens, keys=np.ones((2, 15, 20, 3), np.float32))
    after = FlowWarper().warp(before, world(0, 0), world(16, 0), {"keys"})
    assert after.tokens is None
    assert after.keys is not None

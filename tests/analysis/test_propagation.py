"""Label propagation against the protocol written as loops, and what it says about objects that come and go."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from rtviz.analysis import propagation
from rtviz.analysis.propagation import Propagation, on_pixels, one_each, sampled
from rtviz.frame import Floats, Masks

Labels = NDArray[np.float64]  # [1 + objects, rows, columns]


def fields(rows: int, columns: int, width: int = 16, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).standard_normal((rows, columns, width)).astype(np.float32)


def square(rows: int, columns: int, top: int, left: int, side: int = 3) -> Masks:
    mask = np.zeros((1, rows, columns), bool)
    mask[0, top : top + side, left : left + side] = True
    return mask


def with_ground(masks: Masks) -> Labels:
    """The labels of a first frame: of what is no object, and of each object."""
    return np.concatenate([~masks.any(axis=0, keepdims=True), masks]).astype(float)


def test_a_copied_first_frame_stays() -> None:
    features = fields(9, 12)
    masks = np.concatenate([square(9, 12, 1, 1), square(9, 12, 5, 7)])
    warper = Propagation(features, masks, temperature=0.01)
    for _ in range(12):
        carried = warper.next(features)
        assert (carried.masks == masks).all()
        assert carried.shares == pytest.approx((1, 1), abs=0.01)
        assert carried.lost == (False, False)
        assert carried.labels.sum(axis=0) == pytest.approx(1, abs=1e-5)


def test_a_shifted_scene_is_followed() -> None:
    wide = fields(10, 40)
    warper = Propagation(wide[:, :14], square(10, 14, 4, 10))
    for shift in range(1, 10):
        masks = warper.next(wide[:, shift : shift + 14]).masks
        seen = 14 - shift  # what came in from the right since may be taken for anything
        assert (masks == square(10, 14, 4, 10 - shift))[:, :, :seen].all(), shift


def by_the_book(
    frames: list[Floats], first: Labels, context: int, reach: int, top: int, temperature: float = 0.1
) -> list[Labels]:
    """Every pair in a loop, contexts in a list, softmax over the largest few."""
    known = [(frames[0], first)]
    results = []
    for features in frames[1:]:
        labels = by_the_book_once(features, [known[0], *known[1:][-context:]], reach, top, temperature)
        known.append((features, labels))
        results.append(labels)
    return results


def by_the_book_once(
    features: Floats, used: list[tuple[Floats, Labels]], reach: int, top: int, temperature: float = 0.1
) -> Labels:
    """One frame's labels, from frames whose labels are known."""
    labels = np.zeros_like(used[0][1])
    for row, column in np.ndindex(*features.shape[:2]):
        pairs = []
        for other, said in used:
            for y, x in np.ndindex(*other.shape[:2]):
                if abs(y - row) <= reach and abs(x - column) <= reach:
                    a, b = features[row, column], other[y, x]
                    pairs.append((float(a @ b / np.sqrt((a @ a) * (b @ b))), said[:, y, x]))
        pairs.sort(key=lambda pair: -pair[0])
        weights = np.array([np.exp(likeness / temperature) for likeness, _ in pairs[:top]])
        labels[:, row, column] = sum(w * said for w, (_, said) in zip(weights, pairs, strict=False)) / weights.sum()
    return labels


@pytest.mark.parametrize("tiled", [False, True])
def test_it_is_the_protocol(monkeypatch: pytest.MonkeyPatch, tiled: bool) -> None:
    if tiled:
        monkeypatch.setattr(propagation, "_MOST_PAIRS", 0)
        monkeypatch.setattr(propagation, "_TILE", 4)
    frames = [fields(5, 7, 6, seed) for seed in range(5)]
    masks = np.concatenate([square(5, 7, 0, 0), square(5, 7, 2, 3)])
    first = with_ground(masks)
    warper = Propagation(frames[0], masks, context=2, neighbourhood=2, top=3)
    for features, right in zip(frames[1:], by_the_book(frames, first, 2, 2, 3), strict=True):
        assert warper.next(features).labels == pytest.approx(right, abs=1e-5)


def test_what_is_gone_is_said_to_be_lost_and_found_when_it_returns() -> None:
    background, thing, other = (vector for vector in fields(1, 3, 32)[0])

    def scene(*places: tuple[np.ndarray, int]) -> np.ndarray:
        features = background + 0.05 * fields(8, 12, 32, seed=5)
        for vector, left in places:
            features[2:5, left : left + 3] = vector
        return features

    masks = np.concatenate([square(8, 12, 2, 1), square(8, 12, 2, 7)])
    warper = Propagation(scene((thing, 1), (other, 7)), masks)
    assert warper.next(scene((thing, 2), (other, 7))).lost == (False, False)
    for _ in range(10):
        gone = warper.next(scene((other, 7)))
    assert gone.lost == (True, False)
    assert gone.shares[0] < 0.05
    assert warper.next(scene((thing, 3), (other, 7))).lost == (False, False)


def test_what_is_amended_is_what_the_frames_after_build_on() -> None:
    """As if the frame's labels had been others, by the protocol."""
    frames = [fields(5, 7, 6, seed) for seed in range(3)]
    masks = np.concatenate([square(5, 7, 0, 0), square(5, 7, 2, 3)])
    first = with_ground(masks)
    warper = Propagation(frames[0], masks, context=2, neighbourhood=2, top=3)
    labels = warper.next(frames[1]).labels.copy()
    labels[0] += labels[1]
    labels[1] = 0  # the first object is not there after all
    amended = warper.amend(frames[1], labels)
    assert (amended.labels == labels).all()
    assert amended.lost[0]
    # What the protocol says of the third frame, with these labels for the second.
    known = [(frames[0], first), (frames[1], labels.astype(float))]
    right = by_the_book_once(frames[2], known, 2, 3)
    assert warper.next(frames[2]).labels == pytest.approx(right, abs=1e-5)
    warper.forget_context()
    assert warper.next(frames[1]).labels == pytest.approx(by_the_book_once(frames[1], known[:1], 2, 3), abs=1e-5)


@pytest.mark.parametrize("tiled", [False, True])
def test_what_is_recalled_is_found_wherever_it_is_by_the_first_frame_alone(
    monkeypatch: pytest.MonkeyPatch, tiled: bool
) -> None:
    if tiled:
        monkeypatch.setattr(propagation, "_MOST_PAIRS", 0)
        monkeypatch.setattr(propagation, "_TILE", 4)
    frames = [fields(6, 15, 6, seed) for seed in range(2)]
    frames[1][2:5, 12:15] = frames[0][1:4, 1:4]
    masks = square(6, 15, 1, 1)
    warper, other = (Propagation(frames[0], masks, context=2, neighbourhood=2, top=3) for _ in range(2))
    first = [(frames[0], with_ground(masks))]
    recalled = warper.recall(frames[1])
    assert recalled.labels == pytest.approx(by_the_book_once(frames[1], first, 15, 3), abs=1e-5)
    assert recalled.masks[0, 2:5, 12:15].mean() > 0.5
    assert (warper.next(frames[1]).labels == other.next(frames[1]).labels).all(), "and nothing is remembered of it"


def test_an_object_too_small_for_the_grid_is_lost_from_the_start() -> None:
    warper = Propagation(fields(4, 4), np.zeros((1, 4, 4), bool))
    assert warper.next(fields(4, 4)).lost == (True,)


def test_memory_is_bounded() -> None:
    """Held: first frame and seven. Passing: tiles, and not every patch against every other (184 MB here)."""
    features = fields(40, 60, 8)
    warper = Propagation(features, square(40, 60, 5, 5, 10))
    held = warper.nbytes
    assert held == 4 * 8 * 40 * 60 * (8 + 2)
    for _ in range(8):
        warper.next(features)
    tracemalloc.start()
    try:
        warper.next(features)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert warper.nbytes == held
    assert peak < 40e6


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="rows, columns"):
        Propagation(fields(4, 4), np.zeros((1, 4, 5), bool))
    with pytest.raises(ValueError, match="top at least 1"):
        Propagation(fields(4, 4), np.zeros((1, 4, 4), bool), top=0)
    warper = Propagation(fields(4, 4), np.zeros((1, 4, 4), bool))
    with pytest.raises(ValueError, match="in this video"):
        warper.next(fields(4, 5))


def test_pixels_are_decided_as_in_the_protocol() -> None:
    """Against torch's interpolation, and the stretching done label by label."""
    labels = np.random.default_rng(1).random((3, 4, 6), np.float32) * np.array([1, 0.3, 0.1], np.float32)[:, None, None]
    grown = F.interpolate(torch.from_numpy(labels)[None], scale_factor=8, mode="bilinear", align_corners=False)[0]
    stretched = torch.stack([(label - label.min()) / (label - label.min()).max() for label in grown])
    assert (on_pixels(labels, (32, 48)) == stretched.argmax(dim=0).numpy()).mean() > 0.999


def test_sampling_takes_the_pixel_in_the_middle() -> None:
    numbers = np.random.default_rng(2).integers(0, 4, (37, 53)).astype(np.uint8)
    for size in ((9, 13), (80, 61)):
        right = np.asarray(Image.fromarray(numbers).resize(size[::-1], Image.Resampling.NEAREST))
        assert (sampled(numbers, size) == right).all()
    assert one_each(numbers, 3).sum() == (numbers > 0).sum()

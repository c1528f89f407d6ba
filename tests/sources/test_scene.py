"""The built-in scene: seeded, endless if nobody ends it, and true about where its objects are."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest

from rtviz.sources import open_source
from rtviz.sources.scene import SCORING_SEEDS, TRAINING_SEEDS, TUNING_SEEDS, SceneSource, sample


def test_a_seed_draws_the_same_pixels_in_another_process() -> None:
    code = (
        "import hashlib; from rtviz.sources.scene import SceneSource, sample\n"
        "frame = SceneSource(7, (96, 128)).frame(11); pixels, mask = sample(3, 64)\n"
        "print(hashlib.sha256(frame.pixels.tobytes() + frame.masks.tobytes() + pixels.tobytes()).hexdigest())"
    )
    outputs = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout for _ in range(2)}
    assert len(outputs) == 1
    assert len(outputs.pop().strip()) == 64


def test_another_seed_draws_something_else() -> None:
    assert (SceneSource(1, (96, 128)).frame(0).pixels != SceneSource(2, (96, 128)).frame(0).pixels).mean() > 0.5


def test_masks_are_where_the_objects_are() -> None:
    """Without its objects the scene is its background: what differs between them is the objects and their shadows."""
    source = SceneSource(5, (120, 160), objects=2)
    whole = source.frame(40)
    movers, source._movers = source._movers, []
    empty = source.frame(40)
    source._movers = movers
    assert whole.masks is not None
    changed = np.abs(whole.pixels.astype(int) - empty.pixels.astype(int)).sum(axis=2) > 12
    covered = whole.masks.any(axis=0)
    assert 0.05 < covered.mean() < 0.5
    assert changed[covered].mean() > 0.9
    assert changed[~covered].mean() < 0.35  # shadows
    assert not (whole.masks[0] & whole.masks[1]).any()


def test_objects_move_smoothly() -> None:
    frames = list(open_source("scene:?seed=4&size=160x120&seconds=2"))
    assert len(frames) == 60
    centres = np.array([np.argwhere(frame.masks[-1]).mean(axis=0) for frame in frames if frame.masks is not None])
    steps = np.linalg.norm(np.diff(centres, axis=0), axis=1)
    assert steps.sum() > 5  # it moves
    assert steps.max() < 4  # and never jumps


def test_a_scene_without_an_end_goes_on() -> None:
    frames = itertools.islice(open_source("scene:?size=64x48"), 100, 103)
    assert [frame.index for frame in frames] == [100, 101, 102]


@pytest.mark.parametrize("seed", [2_000_000, 2_000_001, 2_000_002])
def test_a_sample_has_one_object_of_the_asked_size(seed: int) -> None:
    pixels, mask = sample(seed, 112)
    assert pixels.shape == (112, 112, 3)
    assert 0.10 <= mask.mean() <= 0.15


def test_the_seeds_of_training_tuning_and_scoring_are_apart() -> None:
    for first, second in itertools.combinations((TRAINING_SEEDS, TUNING_SEEDS, SCORING_SEEDS), 2):
        assert not range(max(first.start, second.start), min(first.stop, second.stop))

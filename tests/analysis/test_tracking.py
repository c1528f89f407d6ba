"""Marked objects followed through a stream, against the built-in scene's true masks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from marked import SIZE, features, innermost, model, overlap
from typed import present

from rtviz.analysis.marking import object_of
from rtviz.analysis.tracking import Tracker
from rtviz.engine.engine import Engine
from rtviz.errors import SettingsError
from rtviz.frame import Frame, Maps
from rtviz.settings import Mark, Settings
from rtviz.sources.scene import SceneSource


def box_of(mask: np.ndarray) -> Mark:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    return Mark(
        columns[0] / width, rows[0] / height, (columns[-1] + 1 - columns[0]) / width, (rows[-1] + 1 - rows[0]) / height
    )


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_a_boxed_object_is_followed_where_it_goes(seed: int) -> None:
    source = SceneSource(size=SIZE, seed=seed)
    frames = [source.frame(number) for number in range(0, 45, 3)]
    assert frames[0].masks is not None
    number = int(frames[0].masks.sum(axis=(1, 2)).argmax())
    settings = Settings(view="track", track=(box_of(frames[0].masks[number]),), resolution=112)
    engine = Engine(model())
    first, followed, left_alone = None, [], []
    for frame in frames:
        maps = engine.render(frame, settings).maps
        assert maps is not None
        assert maps.labels is not None
        assert maps.labels.sum(axis=0) == pytest.approx(1, abs=1e-5)
        mask = maps.labels[1] > maps.labels[0]
        first = mask if first is None else first
        followed.append(overlap(mask, present(frame.masks)[number]))
        left_alone.append(overlap(first, present(frame.masks)[number]))
    assert np.mean(followed) > 0.75
    assert np.mean(followed) > np.mean(left_alone) + 0.05


def maps_of(tokens: np.ndarray) -> Maps:
    grid = tokens.shape[:2]
    attention = np.ones((1, 1, *grid), np.float32)
    return Maps(attention, np.ones((1, 1, 1), np.float32), "cls", "m", 8, (64, 80), tokens=tokens)


def test_objects_keep_their_order_and_their_labels_whenever_they_were_marked() -> None:
    tracker, first, second = Tracker(), Mark(0.3, 0.25, 0.3, 0.375), Mark(0.05, 0.9)
    tokens = features()
    one = tracker.follow(maps_of(tokens), [first], 0, 0.0)
    two = tracker.follow(maps_of(tokens), [second, first], 1, 0.1)
    assert one.labels is not None
    assert two.labels is not None
    assert one.labels.shape == (2, 8, 10)
    assert two.labels.shape == (3, 8, 10)
    assert np.abs(two.labels[2] - one.labels[1]).max() < 0.2
    assert two.marks == (second, first)
    again = tracker.follow(maps_of(tokens), [second, first], 1, 0.1)  # paused: the same frame
    assert again.labels is not None
    assert (again.labels == two.labels).all()
    gone = tracker.follow(maps_of(tokens), [], 2, 0.2)
    assert gone.labels is not None
    assert (gone.labels == 1).all()
    with pytest.raises(ValueError, match="tokens"):
        tracker.follow(replace(maps_of(tokens), tokens=None), [first], 3, 0.3)


def test_an_object_that_leaves_is_lost_and_is_found_after_a_leap_back() -> None:
    tracker, mark = Tracker(), Mark(0.45, 0.45)
    tokens = features()
    empty = features()
    empty[2:5, 3:6] = empty[5:8, 3:6]
    assert tracker.follow(maps_of(tokens), [mark], 0, 0.0).lost == (False,)
    lost = [tracker.follow(maps_of(empty), [mark], n, n / 10).lost for n in range(1, 12)]
    assert lost[-1] == (True,)
    picture = Engine().draw(
        Frame(np.zeros((320, 400, 3), np.uint8)),
        tracker.follow(maps_of(empty), [mark], 12, 1.2),
        Settings(view="track", track=(mark,), layout="alone"),
    )
    assert picture.overlay.any(), "a word says so"
    assert not picture.overlay[:240].any(), "and nothing is shown of it"
    assert tracker.follow(maps_of(tokens), [mark], 0, 0.0).lost == (False,)


def test_a_cut_loses_an_object_until_its_own_patches_are_back() -> None:
    def elsewhere() -> np.ndarray:
        tokens = np.random.default_rng(7).normal(0, 0.1, (8, 10, 16)).astype(np.float32)
        tokens[..., 5] += 1
        tokens[3:6, 3:6, 1] += 1
        tokens[3:6, 3:6, 6] += 2  # a little like the object, and where it was
        return tokens

    tracker, mark = Tracker(), Mark(0.45, 0.45)
    frames = [features(), features(), *[elsewhere()] * 9, features(), features()]
    seen = [tracker.follow(maps_of(tokens), [mark], n, n / 10) for n, tokens in enumerate(frames)]
    assert [maps.lost for maps in seen] == [(False,)] * 2 + [(True,)] * 9 + [(False,)] * 2
    for maps in seen:
        assert maps.labels is not None
        assert maps.labels.sum(axis=0) == pytest.approx(1, abs=1e-5)
    assert (seen[5].labels[0] == 1).all()  # type: ignore[index]
    assert (seen[-1].labels.argmax(axis=0) == object_of(features(), mark)).all()  # type: ignore[union-attr]


def passing(*places: tuple[int, int, int]) -> np.ndarray:
    """A ground of 8 by 30 patches, and on it things of a kind each: (kind, row, column) of a square of three.

    Things are more like each other than like the ground, as things are.
    """
    rng = np.random.default_rng(3)
    ground, thing, *kinds = rng.normal(0, 1, (6, 32)).astype(np.float32)
    tokens = ground + rng.normal(0, 0.15, (8, 30, 32)).astype(np.float32)
    for kind, row, column in places:
        inside = tokens[row : row + 3, max(column, 0) : column + 3]
        inside += 1.5 * thing + kinds[kind] - ground
    return tokens


def test_what_comes_to_the_place_of_an_object_that_left_does_not_become_it() -> None:
    """It leaves to the left; another thing comes from there, and goes; it comes back at the other end of the frame."""
    there, leaving, empty = [(0, 3, 3)] * 4, [(0, 3, column) for column in (2, 1, 0, -1, -2)], [()] * 6
    coming = [(1, 3, column) for column in (-2, -1, 0, 1, 2, 3, 3, 3, 3)]
    story = [*((one,) for one in there + leaving), *empty, *((one,) for one in coming), *empty, *[((0, 4, 26),)] * 3]
    tracker, mark = Tracker(), Mark(4.5 / 30, 4.5 / 8)
    seen = [
        tracker.follow(maps_of(passing(*places)), [mark], number, number / 10) for number, places in enumerate(story)
    ]
    gone = len(there) + len(leaving)
    back = len(story) - 3
    assert not any(maps.lost[0] for maps in seen[: len(there) + 2])
    assert all(maps.lost[0] for maps in seen[gone:back])
    assert all(maps.labels is not None and not maps.labels[1].any() for maps in seen[gone:back])
    for maps in seen[back:]:
        assert maps.lost == (False,)
        assert maps.labels is not None
        assert (maps.labels.argmax(axis=0)[4:7, 26:29] == 1).all()
        assert maps.labels.argmax(axis=0).sum() == 9


def test_of_two_objects_one_that_left_is_found_again_while_the_other_is_followed() -> None:
    tracker, marks = Tracker(), [Mark(4.5 / 30, 4.5 / 8), Mark(16.5 / 30, 4.5 / 8)]
    story = [((0, 3, 3), (1, 3, 15))] * 3 + [((1, 3, 15),)] * 9 + [((1, 3, 15), (0, 3, 25))] * 2
    seen = [
        tracker.follow(maps_of(passing(*places)), marks, number, number / 10) for number, places in enumerate(story)
    ]
    assert [maps.lost for maps in seen] == [(False, False)] * 3 + [(True, False)] * 9 + [(False, False)] * 2
    assert seen[-1].labels is not None
    assert (seen[-1].labels.argmax(axis=0)[3:6, 25:28] == 1).all()
    assert (seen[-1].labels.argmax(axis=0)[3:6, 15:18] == 2).all()


def test_of_two_objects_marked_one_after_the_other_in_one_place_the_later_is_there() -> None:
    tracker, first, second = Tracker(), Mark(0.45, 0.45), Mark(0.4, 0.4)
    tracker.follow(maps_of(features()), [first], 0, 0.0)
    both = tracker.follow(maps_of(features()), [first, second], 1, 0.1)
    assert both.lost == (True, False)
    assert both.labels is not None
    assert (both.labels.argmax(axis=0) == 2 * object_of(features(), second)).all()


def test_another_model_and_another_grid_go_on_from_where_an_object_is_now() -> None:
    """Its patches of now, and not what lies where the mark was made."""
    mark, gone, moved = Mark(0.45, 0.45), Mark(0.05, 0.05), np.roll(features(), 3, axis=1)
    said = np.zeros((3, 8, 10), np.float32)
    said[1, 2:5, 6:9] = 1
    said[0] = 1 - said[1]
    other = replace(maps_of(moved), model="other", labels=said, marks=(mark, gone), lost=(False, True))
    fine = moved.repeat(2, axis=0).repeat(2, axis=1)
    right = np.zeros((16, 20), bool)
    right[4:10, 12:18] = True

    adopting, late = Tracker(), Tracker()
    adopting.take_over_tracks([mark, gone], other)
    late.take_over_tracks([mark], None)
    adopted = adopting.follow(maps_of(fine), [mark, gone], 40, 4.0)
    assert adopted.labels is not None
    assert adopted.lost == (False, True)
    assert (adopted.labels.argmax(axis=0) == right).all()
    assert late.follow(maps_of(fine), [mark], 40, 4.0).lost == (True,), "nobody knows what it was"
    assert late.follow(maps_of(fine), [mark, Mark(0.7, 0.4)], 41, 4.1).lost == (True, False), "until it is marked anew"

    finer = Tracker()  # the same model in another resolution
    for number, shift in enumerate([0, 1, 2, 3]):
        finer.follow(maps_of(np.roll(features(), shift, axis=1)), [mark], number, number / 10)
    again = finer.follow(maps_of(fine), [mark], 4, 0.4)
    assert again.labels is not None
    assert (again.labels.argmax(axis=0) == right).all()


def test_a_black_frame_has_no_object_in_it() -> None:
    source = SceneSource(size=SIZE, seed=0)
    frame = source.frame(0)
    assert frame.masks is not None
    mark = innermost(frame.masks[0])
    settings = Settings(view="track", track=(mark,), resolution=112)
    engine, black = Engine(model()), np.zeros((*SIZE, 3), np.uint8)
    dark = engine.render(Frame(black), settings).maps
    assert dark is not None
    assert dark.labels is not None
    assert dark.lost == (True,)
    assert (dark.labels[0] == 1).all()
    lost = []
    for number, picture in enumerate([frame.pixels, black, frame.pixels], 1):
        maps = engine.render(Frame(picture, number, number / 30), settings).maps
        assert maps is not None
        lost.append(maps.lost)
    assert lost == [(False,), (True,), (False,)], "it begins when there is something to see, and is found again"


def test_marks_are_read_and_refused() -> None:
    settings = Settings().replace(track="0.5,0.25;0.1,0.2,0.3,0.4")
    assert settings.track == (Mark(0.5, 0.25), Mark(0.1, 0.2, 0.3, 0.4))
    assert Settings.from_mapping(settings.to_mapping()) == settings
    assert Settings().replace(track="0.5,0.25;0.5,0.25").track == (Mark(0.5, 0.25),), "the same twice is one object"
    for wrong in (
        "0.5",
        "0.5,2",
        "0.9,0.9,0.2,0.05",
        "0.1,0.1,0.2,0",
        "a,b",
        ";".join(f"0.1,0.{n}" for n in range(1, 10)),
    ):
        with pytest.raises(SettingsError, match="track"):
            Settings().replace(track=wrong)

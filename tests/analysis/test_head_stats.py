"""The facts of heads, against slow sums on made-up maps and against the truth of the built-in scene."""

from __future__ import annotations

import math
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rtviz
from rtviz import views
from rtviz.analysis.head_stats import HeadStatsTracker, agreement, foreground, head_statistics, standing_out
from rtviz.frame import Frame, Maps
from rtviz.scoring.measures import largest_mass, on_pixels
from rtviz.settings import HeadOf, Point, Query, Settings
from rtviz.sources.scene import TUNING_SEEDS, SceneSource, sample
from rtviz.values import Head
from rtviz.views import Memory

ROWS, COLUMNS = 12, 16


def blob(y: float, x: float, wide: float) -> np.ndarray:
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    return np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * wide**2)) + 1e-3


def ring() -> np.ndarray:
    border = np.full((ROWS, COLUMNS), 1e-2)
    border[[0, -1]] = border[:, [0, -1]] = 1.0
    return border


def maps_of(*heads: np.ndarray, query: Query = "cls", prefix: int = 3, seed: int = 0) -> Maps:
    """One layer of heads, of whose attention the prefix tokens get random shares."""
    random = np.random.default_rng(seed)
    rest = random.uniform(0.05, 0.2, (1, len(heads), prefix)).astype(np.float32)
    attention = np.stack([head / head.sum() for head in heads])[None] * (1 - rest.sum(axis=2))[..., None, None]
    return Maps(attention.astype(np.float32), rest, query, "tiny", 16, (ROWS * 16, COLUMNS * 16))


def test_entropy_and_distance_are_the_slow_sums() -> None:
    noise = np.random.default_rng(1).random((ROWS, COLUMNS))
    for query, place in (("cls", None), (Point(0.99, 0.3), (3.5, 15.5))):
        maps = maps_of(noise, blob(4, 9, 2.0), query=query)  # type: ignore[arg-type]
        for fact, map in zip(head_statistics(maps, 0), maps.attention[0].astype(float), strict=True):
            map = map / map.sum()
            entropy = -sum(p * math.log(p) for p in map.ravel()) / math.log(ROWS * COLUMNS)
            cells = [(row + 0.5, column + 0.5) for row in range(ROWS) for column in range(COLUMNS)]
            y, x = place or [sum(p * cell[side] for p, cell in zip(map.ravel(), cells, strict=True)) for side in (0, 1)]
            far = sum(p * math.dist((y, x), cell) for p, cell in zip(map.ravel(), cells, strict=True))
            assert fact.entropy == pytest.approx(entropy, abs=1e-6)
            assert fact.distance == pytest.approx(far / math.hypot(ROWS, COLUMNS), abs=1e-6)


def test_the_ends_of_the_scales() -> None:
    one = np.zeros((ROWS, COLUMNS))
    one[3, 5] = 1
    facts = head_statistics(maps_of(one, np.ones((ROWS, COLUMNS))), 0)
    assert [fact.entropy for fact in facts] == pytest.approx([0, 1], abs=1e-6)
    assert facts[0].distance == pytest.approx(0, abs=1e-6)
    (even,) = head_statistics(maps_of(np.ones((ROWS, COLUMNS))), 0)
    assert (even.foreground, even.tag) == (None, "diffuse"), "nothing is foreground where nothing stands out"


def test_prefix_shares_and_attention_add_up_to_1() -> None:
    maps = maps_of(blob(6, 8, 2), ring(), prefix=5)
    for fact in head_statistics(maps, -1):
        assert fact.cls == pytest.approx(maps.prefix[0, fact.head, 0])
        assert fact.cls + fact.registers + maps.attention[0, fact.head].sum() == pytest.approx(1, abs=1e-5)
    assert {fact.registers for fact in head_statistics(maps_of(ring(), prefix=1), 0)} == {0.0}


def slow_agreement(maps: Maps) -> list[float]:
    """The sums of squares between inside and outside of each mask, patch by patch; of the mean last, which each head
    judges without its own part in it."""
    heads = [head.astype(float).ravel() / head.sum() for head in maps.attention[0]]
    roots = [[math.sqrt(share) for share in head] for head in heads]
    found = []
    for place, candidate in enumerate([*heads, maps.attention[0].mean(axis=0).astype(float).ravel()]):
        judged = []
        for judge, values in enumerate(roots):
            if judge != place:
                if place == len(heads):  # of the mean, without the judge's own part in it
                    candidate = sum(head for one, head in enumerate(maps.attention[0]) if one != judge).ravel()
                inside: set[int] = set()
                for patch in sorted(range(len(candidate)), key=lambda patch: -candidate[patch]):
                    if sum(candidate[one] for one in inside) >= 0.6 * sum(candidate):
                        break
                    inside.add(patch)
                middle = sum(values) / len(values)
                classes = ([v for p, v in enumerate(values) if (p in inside) is side] for side in (True, False))
                judged.append(sum(len(one) * (sum(one) / len(one) - middle) ** 2 for one in classes))
        found.append(sum(judged) / len(judged))
    return found


def vague() -> np.ndarray:
    return blob(6, 8, 2.5) + 0.1


def spot() -> np.ndarray:
    return blob(1, 14, 0.7)


def test_agreement_is_the_slow_sum_of_squares() -> None:
    random = np.random.default_rng(3)  # so that no two patches are alike, and masks not a matter of their order
    shapes = (spot(), blob(6, 8, 2), vague(), np.ones((ROWS, COLUMNS)))
    maps = maps_of(*(shape * random.uniform(0.7, 1.3, shape.shape) for shape in shapes))
    assert agreement(maps.attention[0]) == pytest.approx(slow_agreement(maps), rel=1e-4)


def test_a_head_cannot_vouch_for_itself() -> None:
    apart = np.full((3, ROWS, COLUMNS), 1e-9, np.float32)
    for head in range(3):
        apart[head, 4 * head : 4 * head + 2, 2:8] = 1
    assert (agreement(apart)[:3] < 0.05).all()
    together = np.repeat(apart[:1], 3, axis=0)
    assert (agreement(together)[:3] > 0.3).all()


@pytest.mark.parametrize("side", [12, 24, 48])
def test_heads_do_not_agree_with_their_own_noise_in_the_mean(side: int) -> None:
    """The mean of heads that have nothing in common holds a part of each; no grid makes an agreement of that."""
    noise = np.random.default_rng(side).exponential(size=(6, side, side)).astype(np.float32) ** 1.5
    agreed = agreement(noise)
    assert agreed.max() < 0.02
    assert agreed[-1] == pytest.approx(agreed[:-1].mean(), abs=0.01)


def test_foreground_is_what_heads_agree_on_and_background_what_avoids_it() -> None:
    noise = np.random.default_rng(2).random((ROWS, COLUMNS)) + 0.5
    maps = maps_of(1.1 - blob(6, 8, 4), blob(6, 8, 2), noise, vague(), blob(6, 8, 2.2))
    facts = head_statistics(maps, 0)
    assert [fact.tag for fact in facts] == ["background", "foreground", "diffuse", "foreground", "foreground"]
    there = foreground(maps.attention[0])
    assert there is not None
    assert there[6, 8]
    assert there.mean() < 0.3
    for fact, head in zip(facts, maps.attention[0], strict=True):
        assert fact.foreground == pytest.approx(head[there].sum() / head.sum() / there.mean(), rel=1e-5)
    even = [np.random.default_rng(seed).random((ROWS, COLUMNS)) + 0.5 for seed in range(4)]
    assert foreground(maps_of(*even).attention[0]) is None
    assert {fact.tag for fact in head_statistics(maps_of(*even), 0)} == {"diffuse"}


def test_an_earlier_layers_head_on_the_object_is_foreground_wherever_that_is() -> None:
    """At the rim of the frame, and small: what the last layer agrees on decides, not the shape."""
    last, early = maps_of(*[blob(0, 3, 1.5)] * 3), maps_of(blob(0, 3, 1.2), ring(), blob(9, 12, 2))
    maps = replace(
        last, attention=np.concatenate([early.attention, last.attention]), prefix=np.repeat(last.prefix, 2, 0)
    )
    assert [fact.tag for fact in head_statistics(maps, 0)] == ["foreground", "diffuse", "background"]


def test_stability_is_the_attention_that_stays() -> None:
    before, after = blob(4, 4, 2), blob(5, 6, 2)
    (fact,) = head_statistics(maps_of(after), 0, maps_of(before, seed=5))
    stays = sum(min(p, q) for p, q in zip((after / after.sum()).ravel(), (before / before.sum()).ravel(), strict=True))
    assert fact.stability == pytest.approx(stays, abs=1e-5)
    assert head_statistics(maps_of(after), 0)[0].stability is None
    other = maps_of(before, query=Point(0.5, 0.5))
    assert head_statistics(maps_of(after), 0, other)[0].stability is None, "another query's map is no map before"


def test_a_watch_tells_at_its_own_pace_and_follows_the_stability() -> None:
    watch, still, moved = HeadStatsTracker(), maps_of(blob(4, 4, 2)), maps_of(blob(8, 12, 2))
    assert watch.statistics(still, 0, 0.0)[0].stability is None
    assert watch.statistics(moved, 0, 0.1) is watch.statistics(still, 0, 0.2), (
        "within a quarter of a second nothing is told anew"
    )
    again = maps_of(blob(4, 4, 2))
    assert watch.statistics(again, 0, 1.0)[0].stability == pytest.approx(1.0)
    (jumped,) = watch.statistics(moved, 0, 2.0)
    straight = head_statistics(moved, 0, again)[0].stability
    assert straight is not None
    assert jumped.stability == pytest.approx(1 + (straight - 1) * (1 - math.exp(-0.5)))
    assert watch.statistics(maps_of(ring(), ring()), 0, 2.01)[1].head == 1, "another model is told of at once"


def test_a_frame_that_stands_still_keeps_its_facts() -> None:
    watch = HeadStatsTracker()
    before, now = maps_of(vague(), blob(4, 4, 2)), maps_of(vague(), blob(5, 6, 2))
    watch.statistics(before, 0, 0.0, "first")
    told = watch.statistics(now, 0, 1.0, "second")
    again = replace(now, attention=now.attention.copy())  # the same frame, looked at once more for another view
    assert watch.statistics(again, 0, 9.0, "second") is told
    assert watch.statistics(again, 0, 19.0, "second") is told
    assert told[1].stability is not None
    assert told[1].stability < 0.9
    later = watch.statistics(again, 0, 20.0, "third")[1].stability
    assert later is not None
    assert later > told[1].stability
    muted = replace(again, muted=(HeadOf(0, 0),))
    assert watch.statistics(muted, 0, 20.1, "third") is not told, "muting changes what there is to tell"


def test_another_layer_of_the_same_frame_has_its_own_stability() -> None:
    def pair(*heads: np.ndarray) -> Maps:
        one = maps_of(*heads)
        return replace(
            one, attention=np.concatenate([one.attention, one.attention[:, ::-1]]), prefix=one.prefix[[0, 0]]
        )

    watch = HeadStatsTracker()
    watch.statistics(pair(vague(), blob(4, 4, 2)), 0, 0.0, 0)
    here = watch.statistics(pair(vague(), blob(8, 12, 2)), 0, 1.0, 1)
    there = watch.statistics(pair(vague(), blob(8, 12, 2)), 1, 5.0, 1)
    assert [fact.stability for fact in there] == pytest.approx([fact.stability for fact in here[::-1]])


def test_a_label_changes_only_when_that_is_clear() -> None:
    last = maps_of(*[blob(6, 8, 2)] * 3)
    there = foreground(last.attention[0])
    assert there is not None

    def at(share: float) -> Maps:
        """With a first layer of heads that give the foreground so many times what a uniform map does."""
        wanted = share * there.mean()
        first = maps_of(*[np.where(there, wanted / there.sum(), (1 - wanted) / (~there).sum())] * 3).attention
        return replace(last, attention=np.concatenate([first, last.attention]), prefix=last.prefix[[0, 0]])

    assert [head_statistics(at(share), 0)[0].tag for share in (1.9, 2.1, 0.55, 0.45)] == [
        "diffuse", "foreground", "diffuse", "background",
    ]  # fmt: skip
    watch, labels = HeadStatsTracker(), []
    for step in range(40):
        labels.append(watch.statistics(at(1.95 + 0.1 * (step % 2)), 0, float(step), step)[0].tag)
    assert len(set(labels)) == 1, "about the threshold it flickered"
    labels = [
        watch.statistics(at(share), 0, 50.0 + step, 50 + step)[0].tag
        for step, share in enumerate((3, 3, 1, 1, 0.2, 0.2))
    ]
    assert (labels[1], labels[3], labels[5]) == ("foreground", "diffuse", "background")


def test_tags_agree_with_the_truth_of_drawn_scenes() -> None:
    """Foreground heads of the built-in model cover the object, background heads do not; of an untrained one all are
    diffuse."""
    model = rtviz.load("embedded", device="cpu", precision="fp32", resolution=224)
    inside: dict[str, list[float]] = {"foreground": [], "background": [], "diffuse": []}
    for seed in TUNING_SEEDS[3000:3004]:
        pixels, mask = sample(seed)
        maps = model(pixels)
        side = 224 // maps.grid[0]
        covered = mask.reshape(maps.grid[0], side, maps.grid[1], side).mean(axis=(1, 3))
        for layer in range(maps.layers):
            for fact in head_statistics(maps, layer):
                attention = maps.attention[layer, fact.head]
                inside[fact.tag].append(float((attention * covered).sum() / attention.sum() / covered.mean()))
    assert min(map(len, inside.values())) >= 8
    assert np.mean(inside["foreground"]) > 4, "so many times what a uniform map gives to the object"
    assert np.mean(inside["background"]) < 0.4
    assert 0.6 < np.mean(inside["diffuse"]) < 2
    untrained = rtviz.load("random:embedded", device="cpu", precision="fp32", resolution=224)
    assert {fact.tag for fact in head_statistics(untrained(pixels), -1)} == {"diffuse"}


# --- following the head that stands out ------------------------------------------------------------------------------


def test_the_head_that_stands_out_is_the_one_that_the_others_agree_with() -> None:
    """Not the sharpest: a burning patch is nobody else's."""
    assert standing_out(maps_of(spot(), blob(6, 8, 2), vague()).attention[0]) == 2
    assert standing_out(maps_of(vague(), spot(), blob(6, 8, 2)).attention[0]) == 0
    assert standing_out(maps_of(*[blob(6, 8, 2)] * 3).attention[0]) is None, "none is better than their mean"
    even = [np.random.default_rng(seed).random((ROWS, COLUMNS)) + 0.5 for seed in range(4)]
    assert standing_out(maps_of(*even).attention[0]) is None, "there is nothing"


def test_the_followed_head_is_drawn_like_its_own_number() -> None:
    frame = Frame(np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8))
    followed_heads: list[tuple[Maps, Head]] = [
        (maps_of(spot(), blob(6, 8, 2), vague()), 2),
        (maps_of(*[ring()] * 3), "mean"),
    ]
    for maps, drawn in followed_heads:
        for view in ("heatmap", "mask", "heads", "grid"):
            followed = views.draw(frame, maps, Settings(head="follow", view=view))
            named = views.draw(frame, maps, Settings(head=drawn, view=view))
            assert np.array_equal(followed, named)


def test_another_head_is_followed_only_when_it_is_clearly_better() -> None:
    memory, settings = Memory(), Settings(head="follow")

    def head(seconds: float, *heads: np.ndarray) -> object:
        frame = Frame(np.zeros((48, 64, 3), np.uint8), 0, seconds)
        return views.resolve_head(frame, maps_of(*heads), settings, memory).head

    sharp, good, rather = blob(6, 8, 2), blob(6, 8, 2.5) + 0.1, blob(6, 8, 2.4) + 0.1
    assert head(0.0, spot(), sharp, vague(), np.ones((ROWS, COLUMNS))) == 2
    better = maps_of(spot(), sharp, rather, good).attention[0]
    assert standing_out(better) == 3, "alone, this frame would have another"
    assert [head(0.1 * step, spot(), sharp, rather, good) for step in range(1, 20)] == [2] * 19, "hardly better"
    assert [head(1.9 + 0.1 * step, spot(), sharp, ring(), good) for step in range(1, 31)][-1] == 3
    even = [np.random.default_rng(seed).random((ROWS, COLUMNS)) + 0.5 for seed in range(4)]
    assert [head(4.9 + 0.1 * step, *even) for step in range(1, 41)][-1] == "mean", "none stands out"
    assert views.resolve_head(Frame(np.zeros((4, 4, 3), np.uint8)), maps_of(good), Settings(head=0), memory).head == 0
    assert head(9.0, spot(), sharp, rather, good) == 3, "who follows again begins anew"


def test_the_engine_tells_which_head_it_followed() -> None:
    engine = rtviz.Engine(rtviz.load("embedded", device="cpu", precision="fp32", resolution=96))
    with SceneSource(size=(96, 128)) as source:
        result = engine.render(next(iter(source)), Settings(head="follow"))
    assert result.maps is not None
    head = standing_out(result.maps.attention[-1])
    assert result.settings.head == ("mean" if head is None else head)


def test_following_does_as_well_as_the_mean_on_drawn_scenes() -> None:
    model = rtviz.load("embedded", device="cpu", precision="fp32", resolution=224)
    scores: dict[str, list[float]] = {"followed": [], "mean": []}
    for seed in TUNING_SEEDS[3010:3016]:
        pixels, mask = sample(seed)
        maps = model(pixels)
        head = standing_out(maps.attention[-1])
        for name, attention in (
            ("followed", maps.attention[-1].mean(axis=0) if head is None else maps.attention[-1, head]),
            ("mean", maps.attention[-1].mean(axis=0)),
        ):
            held = on_pixels(largest_mass(attention), mask.shape)
            scores[name].append(float((held & mask).sum() / (held | mask).sum()))
    assert np.mean(scores["followed"]) >= np.mean(scores["mean"]) - 0.01
    assert np.mean(scores["followed"]) > 0.65


def test_a_script_measures_following_and_labels(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = str(Path(__file__).parents[2] / "scripts" / "score_heads.py")

    def run(*line: str) -> tuple[object, str, str]:
        monkeypatch.setattr("sys.argv", [script, *line])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(script, run_name="__main__")
        return ended.value.code, *capsys.readouterr()

    status, out, _ = run("--scenes", "2", "--model", "embedded", "--resolution", "96")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in out.splitlines() if line.startswith("| drawn")]
    assert status == 0
    name, followed, mean, best, *_, stood_out = rows[0]
    assert name == "drawn scenes, 2 pictures"
    assert all(0 < float(value) < 1 for value in (followed, mean, best))
    assert stood_out in ("0 %", "50 %", "100 %")
    assert sum(int(cell.split(" %")[0]) for cell in rows[1][1:] if cell != "none") in (99, 100, 101)
    assert run("--scenes", "1", "--model", "no-such-model")[0] != 0
    assert "nowhere" in run("--voc", "/nowhere")[2]

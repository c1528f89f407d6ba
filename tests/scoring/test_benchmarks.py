"""The papers' benchmarks: measures against slow oracles, readers on small data sets in the official layouts."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import math
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import Said, in_process
from numpy.typing import NDArray
from PIL import Image
from typed import present

import rtviz
from rtviz.analysis.head_stats import standing_out
from rtviz.cv import cv2
from rtviz.errors import RtvizError, SettingsError, SourceMissing, SourceUnreadable
from rtviz.frame import Floats
from rtviz.models import zoo
from rtviz.models.model import Model
from rtviz.scoring import benchmarks, datasets, measures
from rtviz.scoring.corloc import corloc_baselines
from rtviz.scoring.datasets import VOID, Boxed, Clip, DataSet, Segmented
from rtviz.scoring.davis import davis_baselines, follow, resized
from rtviz.scoring.jaccard import Best, best_heads, jaccard_baselines
from rtviz.scoring.report import BenchmarkReport, Score, paper_score, reported
from rtviz.sources.scene import SCORING_SEEDS, SceneSource

Mask = NDArray[np.bool_]
Command = Callable[..., Said]
PALETTE = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0] + [7] * 756


@pytest.fixture(scope="module")
def model() -> Model:
    return rtviz.load("embedded", device="cpu", precision="fp32", resolution=64)


def blobs(seed: int, height: int = 40, width: int = 60) -> Mask:
    """A mask of a few discs, some cut off by the border."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    mask = np.zeros((height, width), bool)
    for _ in range(3):
        mask |= np.hypot(y - random.uniform(0, height), x - random.uniform(0, width)) < random.uniform(3, 12)
    return mask


# --- the measures ----------------------------------------------------------------------------------------------------


def slow_boundary(mask: Mask) -> list[tuple[int, int]]:
    """Pixels that differ from the one to the right, below, or right below, where those are in the picture."""
    height, width = mask.shape
    points = []
    for y, x in np.ndindex(height, width):
        others = [(y, x + 1), (y + 1, x), (y + 1, x + 1)]
        inside = [place for place in others if place[0] < height and place[1] < width]
        if any(mask[place] != mask[y, x] for place in inside):
            points.append((y, x))
    return points


def slow_boundary_measure(mask: Mask, truth: Mask, tolerance: float) -> float:
    found, true = slow_boundary(mask), slow_boundary(truth)
    if not found or not true:
        return float(len(found) == len(true))
    reach = math.ceil(tolerance * math.sqrt(mask.shape[0] ** 2 + mask.shape[1] ** 2))

    def near(points: list[tuple[int, int]], others: list[tuple[int, int]]) -> float:
        return sum(min(math.dist(point, other) for other in others) <= reach for point in points) / len(points)

    precision, recall = near(found, true), near(true, found)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@pytest.mark.parametrize("tolerance", [0.008, 0.05])
def test_the_boundary_measure_by_distances_between_points(tolerance: float) -> None:
    values = []
    for seed in range(6):
        truth = blobs(seed)
        for mask in (blobs(seed + 50), np.roll(truth, 1, axis=0), np.roll(truth, (2, -3), axis=(0, 1)), truth):
            value = measures.boundary_measure(mask, truth, tolerance)
            assert value == pytest.approx(slow_boundary_measure(mask, truth, tolerance)), seed
            values.append(value)
    assert min(values) < 0.5
    assert max(values) == 1


def test_the_boundary_measure_of_nothing() -> None:
    nothing, everything, some = np.zeros((20, 30), bool), np.ones((20, 30), bool), blobs(1, 20, 30)
    assert measures.boundary_measure(nothing, nothing) == 1
    assert measures.boundary_measure(everything, nothing) == 1  # neither has a boundary
    assert measures.boundary_measure(nothing, some) == measures.boundary_measure(some, nothing) == 0


def test_the_decay_is_from_the_first_quarter_to_the_last_and_quarters_share_a_frame() -> None:
    # Of 9 frames the quarters begin at 1, 3, 5, 7 and end at 3, 5, 7, 9, as the official evaluation cuts them.
    assert measures.decay(np.array([0.9, 0.8, 0.7, 0, 0, 0, 0.4, 0.2, 0.3])) == pytest.approx(0.8 - 0.3)
    # Of 10 at 1, 3.25, 5.5, 7.75, 10: rounded 1, 3, 6, 8, 10.
    assert measures.decay(np.array([0.1, 0.2, 0.3, 1, 1, 1, 1, 0.7, 0.8, 0.9])) == pytest.approx(0.2 - 0.8)
    long = np.r_[np.ones(400), np.zeros(400)]  # longer than a byte counts
    assert measures.decay(long) == 1
    assert measures.decay(np.array([0.5])) == 0


def test_pixels_that_do_not_count_do_not_count() -> None:
    mask, truth, counted = blobs(3), blobs(4), blobs(5)
    both = either = 0
    for place in np.ndindex(*mask.shape):
        if counted[place]:
            both += bool(mask[place] and truth[place])
            either += bool(mask[place] or truth[place])
    assert measures.jaccard(mask, truth, counted) == pytest.approx(both / either)


def test_the_overlap_of_boxes_by_counting_pixels() -> None:
    random = np.random.default_rng(6)

    def painted(box: NDArray[np.integer]) -> Mask:
        canvas = np.zeros((30, 30), bool)
        canvas[box[0] : box[2], box[1] : box[3]] = True
        return canvas

    corners = random.integers(0, 15, (12, 2))
    boxes = np.concatenate([corners, corners + random.integers(1, 15, (12, 2))], axis=1)
    for box in boxes[:4]:
        right = [(painted(box) & painted(o)).sum() / (painted(box) | painted(o)).sum() for o in boxes]
        assert measures.box_overlap(box, boxes) == pytest.approx(right)


def slow_best_heads(attention: NDArray[np.floating], labels: NDArray[np.uint8]) -> list[tuple[float, int]]:
    """Patch by patch and pixel by pixel: 60 % of the mass, void left out, (Jaccard, best head) of each object."""
    heads, rows, columns = attention.shape
    height, width = labels.shape
    best: dict[int, tuple[float, int]] = {}
    for head in range(heads):
        kept: set[tuple[int, ...]] = set()
        mass = 0.0
        for value, place in sorted(((attention[head][p], p) for p in np.ndindex(rows, columns)), reverse=True):
            if mass >= 0.6 * attention[head].sum():
                break
            kept.add(place)
            mass += value
        for number in set(labels.ravel().tolist()) - {0, VOID}:
            both = either = 0
            for y, x in np.ndindex(height, width):
                if labels[y, x] == VOID:
                    continue
                inside, true = (y * rows // height, x * columns // width) in kept, labels[y, x] == number
                both, either = both + (inside and true), either + (inside or true)
            best[number] = max(best.get(number, (0.0, 0)), (both / either, head))
    return [best[number] for number in sorted(best)]


def slow_jaccards(attention: NDArray[np.floating], labels: NDArray[np.uint8]) -> list[float]:
    return [jaccard for jaccard, _ in slow_best_heads(attention.astype(float), labels)]


def test_the_best_head_of_each_object_by_loops() -> None:
    random = np.random.default_rng(7)
    attention = random.random((3, 5, 6)) ** 4
    labels = np.where(blobs(8), 1, np.where(blobs(9), 2, 0)).astype(np.uint8)
    labels[blobs(10)] = VOID
    found = best_heads(attention, labels)
    assert [best.number for best in found] == [1, 2]
    slow = slow_best_heads(attention, labels)
    assert [best.head for best in found] == [head for _, head in slow]
    assert [best.jaccard for best in found] == pytest.approx([jaccard for jaccard, _ in slow])


# --- PASCAL VOC ------------------------------------------------------------------------------------------------------


def ringed(labels: np.ndarray) -> np.ndarray:
    """With void along the outlines, as VOC has it."""
    outline = np.zeros(labels.shape, bool)
    for axis, step in itertools.product((0, 1), (-1, 1)):
        outline |= np.roll(labels, step, axis) != labels
    return np.where(outline, VOID, labels).astype(np.uint8)


def save_labels(path: Path, labels: np.ndarray) -> None:
    picture = Image.fromarray(labels)
    picture.putpalette(PALETTE)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def save_picture(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95)


@pytest.fixture(scope="module")
def voc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """VOCdevkit/VOC2012 with three pictures of different sizes, the last without an object, and one not listed."""
    root = tmp_path_factory.mktemp("voc") / "VOCdevkit" / "VOC2012"
    names = ["2007_000033", "2008_000123", "2009_000456", "2010_000789"]
    for number, name in enumerate(names):
        frame = SceneSource(number, (96, 128) if number else (112, 96), objects=2).frame(0)
        labels = ringed(datasets.numbered(frame)) if number != 2 else np.zeros(frame.size, np.uint8)
        save_picture(root / "JPEGImages" / f"{name}.jpg", frame.pixels)
        save_labels(root / "SegmentationObject" / f"{name}.png", labels)
        boxes = [(np.flatnonzero(m.any(1)), np.flatnonzero(m.any(0))) for m in present(frame.masks)]
        objects = "".join(
            f"<object><name>cat</name><difficult>1</difficult><bndbox><xmin>{x[0] + 1}</xmin><ymin>{y[0] + 1}</ymin>"
            f"<xmax>{x[-1] + 1}</xmax><ymax>{y[-1] + 1}</ymax></bndbox>"
            "<part><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part></object>"
            for y, x in boxes
        )
        (root / "Annotations").mkdir(exist_ok=True)
        (root / "Annotations" / f"{name}.xml").write_text(f"<annotation>{objects}</annotation>")
    for path, text in (("Segmentation/val", "\n".join(names[:3])), ("Main/trainval", " 1\n".join(names[:3]) + " -1\n")):
        target = root / "ImageSets" / f"{path}.txt"
        target.parent.mkdir(parents=True)
        target.write_text(text)
    return root


def test_voc_is_found_from_any_of_its_folders_and_streamed(voc: Path) -> None:
    for place in (voc, voc.parent, voc.parent.parent):
        data = datasets.segmented(str(place))
        assert data.title == "PASCAL VOC2012 val"
        assert [picture.name for picture in data] == ["2007_000033", "2008_000123", "2009_000456"]
    picture = next(iter(data))
    assert picture.pixels.shape == (112, 96, 3)
    assert set(np.unique(picture.labels)) == {0, 1, 2, VOID}
    assert len(datasets.segmented(str(voc), limit=2)) == 2


def test_jaccard_of_a_model_on_voc(voc: Path, model: Model) -> None:
    data = datasets.segmented(str(voc))
    told = []
    score = benchmarks.jaccard(model, data, resolution=64, progress=lambda *what: told.append(what))
    assert told[-1] == ("jaccard of embedded", 3, 3)
    assert score.counts == {"pictures": 2, "objects": 4}  # the third has none
    each, of_means, of_followed = [], [], []
    for picture in list(data)[:2]:
        attention = model.batch([picture.pixels], resolution=64)[0].attention[-1]
        each.append(slow_jaccards(attention, picture.labels))
        head, mean = standing_out(attention), attention.mean(axis=0)
        of_means.append(np.mean(slow_jaccards(mean[None], picture.labels)))
        of_followed.append(np.mean(slow_jaccards((mean if head is None else attention[head])[None], picture.labels)))
    of_pictures = [100 * np.mean(best) for best in each]
    assert score.error == pytest.approx(abs(of_pictures[0] - of_pictures[1]) / 2, abs=0.2)  # of two pictures
    assert [told["name"] for told in score.each] == ["2007_000033", "2008_000123"]
    for one_told, best in zip(score.each, each, strict=True):
        assert one_told["jaccard"] == pytest.approx(100 * np.mean(best), abs=0.2)
        assert [one["jaccard"] for one in one_told["objects"]] == pytest.approx([100 * one for one in best], abs=0.2)
        assert {one["head"] for one in one_told["objects"]} <= set(range(model.heads))
    assert score.values["jaccard"] == pytest.approx(100 * np.mean([np.mean(best) for best in each]), abs=0.2)
    assert score.values["jaccard_objects"] == pytest.approx(100 * np.mean(np.concatenate(each)), abs=0.2)
    assert score.values["mean_map"] == pytest.approx(100 * np.mean(of_means), abs=0.2)
    assert score.values["followed"] == pytest.approx(100 * np.mean(of_followed), abs=0.2)


def test_jaccard_of_a_convolutional_network_is_that_of_its_last_stage(voc: Path) -> None:
    network = rtviz.load("random:resnet18", device="cpu", precision="fp32", resolution=64)
    data = datasets.segmented(str(voc))
    score = benchmarks.jaccard(network, data, resolution=64)
    each = []
    for picture in list(data)[:2]:
        stage = network.batch([picture.pixels], resolution=64)[0].cams["activation"][-1]
        each.append(slow_jaccards(stage[None], picture.labels))
    assert score.values["jaccard"] == pytest.approx(100 * np.mean([np.mean(best) for best in each]), abs=0.2)
    assert score.paper is None
    assert score.each[0]["objects"][0]["head"] is None
    with pytest.raises(SettingsError, match="no patch tokens"):
        benchmarks.run("davis", "scene:", ["random:resnet18"], device="cpu", limit=1)


def test_the_mean_is_over_a_pictures_objects_and_then_over_pictures(
    monkeypatch: pytest.MonkeyPatch, model: Model
) -> None:
    found = iter([[0.2, 0.4, 0.6], [0.9]])
    monkeypatch.setattr(
        "rtviz.scoring.jaccard.best_heads",
        lambda attention, labels: [Best(1, value, 0) for value in (next(found) if len(attention) > 1 else (0.1, 0.2))],
    )
    labels = np.zeros((64, 64), np.uint8)
    data = DataSet("two", ["a", "b"], lambda name: Segmented(name, np.zeros((64, 64, 3), np.uint8), labels), 64)
    score = benchmarks.jaccard(model, data)
    assert score.values == pytest.approx({"jaccard": 65, "jaccard_objects": 52.5, "mean_map": 15, "followed": 15})
    assert score.error == pytest.approx(25)  # half the distance of two values


def test_corloc_counts_boxes_that_overlap_by_half_or_more(voc: Path, model: Model) -> None:
    data = datasets.boxed(str(voc))
    assert data.title == "PASCAL VOC2012 trainval"
    frame = SceneSource(0, (112, 96), objects=2).frame(0)
    first = next(iter(data))
    for box, mask in zip(first.boxes, present(frame.masks), strict=True):  # back from pixels counted from 1
        top, left, bottom, right = box.astype(int)
        assert mask[top:bottom, left:right].sum() == mask.sum()
        assert mask[top].any()
        assert mask[bottom - 1].any()
        assert mask[:, left].any()
        assert mask[:, right - 1].any()

    pictures = iter(data)
    widths = []

    def find(features: Floats) -> Any:
        widths.append(features.shape[2])
        picture = next(pictures)
        scale = np.array(features.shape[:2]) / picture.pixels.shape[:2]
        right = picture.boxes[-1] * np.tile(scale, 2)
        return [right, None, (0, 0, 0.1, 0.1)][len(widths) - 1]

    score = benchmarks.corloc(model, data, find, method="lost")
    assert score.values == pytest.approx({"corloc": 100 / 3, "empty": 100 / 3, "whole": 0})
    assert score.error == pytest.approx(100 * math.sqrt((1 / 3) * (2 / 3) / 2))  # of a share, of three
    assert [told["right"] for told in score.each] == [True, False, False]
    assert score.each[0]["overlap"] == 100
    assert score.each[0]["box"] == pytest.approx(first.boxes[-1])
    assert score.each[1]["box"] is None
    assert set(widths) == {model.card.width}

    half = DataSet("x", ["a"], lambda n: Boxed(n, np.zeros((64, 64, 3), np.uint8), np.array([[0, 0, 32, 64]])), 64)
    whole = benchmarks.corloc(model, half, lambda features: (0, 0, 8, 8)).values
    assert whole == {"corloc": 100, "empty": 0, "whole": 100}  # exactly a half
    assert benchmarks.corloc(model, half, lambda features: (1, 0, 8, 8)).values["corloc"] == 0


def slow_object(keys: Floats, method: str) -> tuple[int, int, int, int]:
    """The pixels' box, by whole decompositions and another library's components: keys [rows, columns, width]."""
    rows, columns, width = keys.shape
    flat = keys.reshape(-1, width).astype(np.float64)
    if method == "lost":
        products = flat @ flat.T
        degrees = (products >= 0).sum(axis=1)
        order = np.argsort(degrees, kind="stable")
        seed = order[0]
        seeds = [patch for patch in order[:100] if products[patch, seed] >= 0]
        foreground = products[:, seeds].sum(axis=1) >= 0
    else:
        unit = flat / np.linalg.norm(flat, axis=1, keepdims=True)
        ties = np.where(unit @ unit.T >= 0.2, 1.0, 1e-5)
        root = np.sqrt(ties.sum(axis=1))
        second = np.linalg.eigh(np.eye(len(ties)) - ties / np.outer(root, root))[1][:, 1] / root
        seed = np.abs(second).argmax()
        foreground = (second > second.mean()) == (second[seed] > second.mean())
    _, parts = cv2.connectedComponents(foreground.reshape(rows, columns).astype(np.uint8), connectivity=4)
    y, x = np.nonzero(parts == parts.ravel()[seed])
    return int(y.min()), int(x.min()), int(y.max()) + 1, int(x.max()) + 1


@pytest.mark.parametrize("method", ["tokencut", "lost"])
def test_corloc_by_another_way(method: str, model: Model, tmp_path: Path) -> None:
    """Keys from a hook on the network, pictures filled up by PIL, boxes painted pixel by pixel."""
    root = tmp_path / "VOC2007"
    patch = model.patch_size
    right = 0
    caught = []
    hook = model.network.blocks[-1].attn.qkv.register_forward_hook(lambda *call: caught.append(call[2]))
    sizes = [(90, 122), (101, 96), (88, 104), (96, 75), (120, 90), (77, 101)]
    for number, size in enumerate(sizes):
        frame = SceneSource(number, size, objects=2).frame(0)
        annotation = ""
        for mask in present(frame.masks):
            (top, left), (bottom, end) = np.argwhere(mask).min(0) + 1, np.argwhere(mask).max(0) + 1
            annotation += (
                f"<object><bndbox><xmax>{end}</xmax><xmin>{left}</xmin><ymin>{top}</ymin><ymax>{bottom}</ymax>"
                "</bndbox></object>"
            )
        (root / "Annotations").mkdir(parents=True, exist_ok=True)
        (root / "Annotations" / f"{number:06d}.xml").write_text(f"<annotation>{annotation}</annotation>")
        save_picture(root / "JPEGImages" / f"{number:06d}.jpg", frame.pixels)

        mean = tuple(round(255 * value) for value in model.card.mean)
        whole = Image.new("RGB", [-(-side // patch) * patch for side in size[::-1]], mean)
        whole.paste(Image.open(root / "JPEGImages" / f"{number:06d}.jpg"))
        seen = (np.asarray(whole, np.float32) / 255 - model.card.mean) / model.card.std
        model.attention(torch.from_numpy(seen).permute(2, 0, 1)[None].float())
        width = model.card.width
        keys = caught[-1][0, 1:, width : 2 * width].numpy().reshape(whole.height // patch, whole.width // patch, width)
        painted = np.zeros((whole.height, whole.width), bool)
        top, left, bottom, end = slow_object(keys, method)
        painted[patch * top : patch * bottom, patch * left : patch * end] = True
        painted = painted[: size[0], : size[1]]
        boxes = np.zeros((2, *size), bool)
        for box, mask in zip(boxes, present(frame.masks), strict=True):
            box[np.ix_(mask.any(1), mask.any(0))] = True
        right += any((painted & box).sum() >= 0.5 * (painted | box).sum() for box in boxes)
    hook.remove()
    (root / "ImageSets/Main").mkdir(parents=True)
    (root / "ImageSets/Main/trainval.txt").write_text("".join(f"{number:06d}\n" for number in range(len(sizes))))

    report = benchmarks.run("corloc", str(tmp_path), ["embedded"], device="cpu", precision="fp32", objects=method)
    assert (report.resolution, report.papers.data) == (None, report.data)
    assert report.data == "PASCAL VOC2007 trainval"
    assert report.scores[0].counts == {"pictures": len(sizes)}
    assert report.scores[0].values["corloc"] == pytest.approx(100 * right / len(sizes))
    assert 0 < right < len(sizes)
    best = {"tokencut": 68.8, "lost": 61.9}[method]
    assert report.papers.scores[0].values == {"corloc": best}
    assert present(paper_score(f"corloc {method}", report.data, "dino-vits16")).values == {"corloc": best}


# --- DAVIS -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def davis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of five and three frames, the second upright, and one that is not listed."""
    root = tmp_path_factory.mktemp("davis") / "DAVIS"
    for name, size, frames in (("bear", (96, 128), 5), ("cat", (128, 96), 3), ("dog", (96, 96), 3)):
        source = SceneSource(len(name) + frames, size, 10.0, 1.0, 2)
        for number in range(frames):
            frame = source.frame(number)
            save_picture(root / "JPEGImages/480p" / name / f"{number:05d}.jpg", frame.pixels)
            save_labels(root / "Annotations/480p" / name / f"{number:05d}.png", datasets.numbered(frame))
    (root / "ImageSets/2017").mkdir(parents=True)
    (root / "ImageSets/2017/val.txt").write_text("bear\ncat\n")
    return root


def test_davis_is_read_and_followed(davis: Path, model: Model) -> None:
    told = []
    for place in (davis, davis.parent):
        data = datasets.clips(str(place))
        assert [(clip.name, clip.count) for clip in data] == [("bear", 5), ("cat", 3)]
    score = benchmarks.davis(model, data, resolution=96, progress=lambda *what: told.append(what))
    assert told == [("davis of embedded", done, 8) for done in range(9)]
    assert score.counts == {"clips": 2, "frames": 8, "objects": 4, "lost": 0}
    assert score.values["j"] > 60
    assert score.values["j_and_f"] == pytest.approx((score.values["j"] + score.values["f"]) / 2)
    region, outline, *_ = follow(model, next(iter(data)), 96)
    assert region.shape == outline.shape == (2, 3)  # neither the first frame nor the last
    assert [(told["name"], told["frames"], len(told["objects"])) for told in score.each] == [
        ("bear", 5, 2),
        ("cat", 3, 2),
    ]
    for number, told in enumerate(score.each[0]["objects"]):
        assert (told["j"], told["f"]) == pytest.approx(
            (100 * region[number].mean(), 100 * outline[number].mean()), abs=0.01
        )
    assert score.each[0]["j"] == pytest.approx(100 * region.mean(), abs=0.01)
    assert score.error is None  # objects of one clip are no sample


def test_a_video_of_one_picture_is_followed_to_the_patch(model: Model) -> None:
    """Every frame's result is the first mask as the patch grid can hold it."""
    frame = SceneSource(3, (128, 192), objects=1).frame(0)
    labels = datasets.numbered(frame)
    clip = Clip("still", 6, lambda number: Segmented(str(number), frame.pixels, labels))
    region, _, lost, _ = follow(model, clip, 128)
    assert lost == 0
    assert region.min() > 0.8
    assert np.ptp(region) < 0.05


def test_j_and_f_are_means_over_objects(monkeypatch: pytest.MonkeyPatch, model: Model) -> None:
    """Objects count alike, whatever their clip's length and company."""
    results = iter(
        [
            (np.full((3, 10), 0.3), np.full((3, 10), 0.6), 1, [0.1, 0.2, 0.3]),
            (np.array([[0.9, 0.7]]), np.array([[0.4, 0.2]]), 0, [0.6]),
        ]
    )
    monkeypatch.setattr("rtviz.scoring.davis.follow", lambda model, clip, resolution, told: next(results))

    def refused(number: int) -> Segmented:
        raise AssertionError("nothing is read of what is not followed")

    data = DataSet("two", ["a", "b"], lambda name: Clip(name, 12, refused), 64)
    values = benchmarks.davis(model, data).values
    assert list(values) == ["j_and_f", "j", "j_recall", "j_decay", "f", "f_recall", "f_decay", "mean_map"]
    assert values["mean_map"] == pytest.approx(30)
    assert (values["j_decay"], values["f_decay"]) == pytest.approx((5, 5))  # .2 of one object, nothing of three
    assert values["j"] == pytest.approx(100 * (3 * 0.3 + 0.8) / 4)
    assert values["f"] == pytest.approx(100 * (3 * 0.6 + 0.3) / 4)
    assert values["j_recall"] == pytest.approx(25)
    assert values["f_recall"] == pytest.approx(75)


@pytest.mark.parametrize(
    ("size", "resolution", "narrowed"),
    [((480, 854), 480, (480, 832)), ((854, 480), 480, (832, 480)), ((90, 90), 60, (60, 60))],
)
def test_frames_are_cut_to_the_protocols_sizes(
    size: tuple[int, int], resolution: int, narrowed: tuple[int, int]
) -> None:
    assert resized(np.zeros((*size, 3), np.uint8), resolution).shape[:2] == narrowed


@pytest.mark.parametrize("listed", ["ImageSets/2017/val.txt", "ImageSets/480p/val.txt"])
def test_black_and_white_masks_are_one_object(davis: Path, model: Model, tmp_path: Path, listed: str) -> None:
    """DAVIS 2016: 0 and 255 without a palette; its own list has a line for each frame."""
    root = tmp_path / "DAVIS"
    shutil.copytree(davis / "JPEGImages", root / "JPEGImages")
    for path in sorted((davis / "Annotations").rglob("*.png")):
        mask = np.asarray(Image.open(path)) == 1
        target = root / path.relative_to(davis)
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask.astype(np.uint8) * 255).save(target)
    lines = ["bear", "cat"]
    if "480p" in listed:
        frames = [path.relative_to(root) for path in sorted((root / "JPEGImages/480p").rglob("*.jpg"))]
        lines = [f"/{path} /Annotations/480p/{path.parent.name}/{path.stem}.png" for path in frames]
        lines = [line for line in lines if "/dog/" not in line]
    (root / listed).parent.mkdir(parents=True)
    (root / listed).write_text("\n".join(lines))
    data = datasets.clips(str(root))
    assert (data.title, list(data.names)) == ("DAVIS 2016 val", ["bear", "cat"])
    numbers = datasets.clips(str(davis))
    for clip, other in zip(data, numbers, strict=True):
        for frame, numbered in zip(clip, other, strict=True):
            np.testing.assert_array_equal(frame.labels, numbered.labels == 1)
    score = benchmarks.davis(model, data, resolution=96)
    assert score.counts["objects"] == 2
    assert score.values["j"] > 50
    assert paper_score("davis", data.title, "dino-vits16") is None
    assert datasets.clips(str(root), limit=1).names == ["bear"]


# --- without a model -------------------------------------------------------------------------------------------------


def test_what_stands_beside_models_on_pictures(voc: Path) -> None:
    data = datasets.segmented(str(voc))
    disc, whole = jaccard_baselines(data)
    of_whole, of_disc = [], []
    for picture in data:
        counted = picture.labels != 255
        rows, columns = np.indices(picture.labels.shape) + 0.5
        height, width = picture.labels.shape
        inside = ((rows - height / 2) / height) ** 2 + ((columns - width / 2) / width) ** 2 <= 0.25 / math.pi
        assert inside.mean() == pytest.approx(0.25, abs=0.01)
        objects = [picture.labels == number for number in np.unique(picture.labels) if number not in (0, 255)]
        if objects:
            of_whole.append(np.mean([one.sum() / counted.sum() for one in objects]))
            of_disc.append(np.mean([(one & inside).sum() / ((one | inside) & counted).sum() for one in objects]))
    assert (disc.name, whole.name) == ("middle disc", "whole picture")
    assert disc.values["jaccard"] == pytest.approx(100 * np.mean(of_disc))
    assert whole.values["jaccard"] == pytest.approx(100 * np.mean(of_whole))


def test_what_stands_beside_models_on_boxes() -> None:
    boxes = {"half": [0, 0, 32, 64], "small": [0, 0, 20, 20], "middle": [16, 16, 48, 48], "wide": [8, 8, 64, 64]}
    blank = np.zeros((64, 64, 3), np.uint8)
    data = DataSet("x", list(boxes), lambda name: Boxed(name, blank, np.array([boxes[name]], float)), 64)
    middle, whole = corloc_baselines(data)
    assert middle.values == {"corloc": 25, "empty": 0, "whole": 0}
    assert whole.values == {"corloc": 50, "empty": 0, "whole": 100}
    assert whole.error == pytest.approx(100 * math.sqrt(0.5 * 0.5 / 3))


def test_what_stands_beside_models_on_clips(davis: Path) -> None:
    first, disc, whole = davis_baselines(datasets.clips(str(davis)))
    assert [one.name for one in (first, disc, whole)] == ["static first masks", "middle disc", "whole picture"]
    shares, kept = [], []
    for clip in datasets.clips(str(davis)):
        frames = list(clip)
        for number in (1, 2):
            true = [frame.labels == number for frame in frames[1:-1]]
            shares.append(np.mean([mask.mean() for mask in true]))
            at_first = frames[0].labels == number
            kept.append(np.mean([(mask & at_first).sum() / (mask | at_first).sum() for mask in true]))
    assert whole.values["j"] == pytest.approx(100 * np.mean(shares))
    assert whole.values["f"] == 0
    assert first.values["j"] == pytest.approx(100 * np.mean(kept))


def test_the_mean_map_of_a_clip_is_j_and_f_of_its_mask(model: Model) -> None:
    frame = SceneSource(3, (128, 192), objects=1).frame(0)
    labels = datasets.numbered(frame)
    clip = Clip("still", 4, lambda number: Segmented(str(number), frame.pixels, labels))
    *_, of_mean_map = follow(model, clip, 128)
    (maps,) = model.batch([frame.pixels], resolution=128)
    mask = measures.on_pixels(measures.largest_mass(maps.attention[-1].mean(axis=0)), labels.shape)
    expected = (measures.jaccard(mask, labels == 1) + measures.boundary_measure(mask, labels == 1)) / 2
    np.testing.assert_allclose(of_mean_map, [expected], atol=0.02)


# --- what is wrong is said -------------------------------------------------------------------------------------------


def said(function: Callable[..., Iterable[object]], *arguments: Any) -> str:
    def read() -> None:
        for thing in function(*arguments):
            if isinstance(thing, Clip):
                list(thing)

    with pytest.raises(RtvizError) as caught:
        read()
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_folder_that_is_not_the_data_set_says_what_was_looked_for(tmp_path: Path) -> None:
    assert "no folder" in said(datasets.segmented, str(tmp_path / "nowhere"))
    text = said(datasets.segmented, str(tmp_path))
    for part in ("SegmentationObject", "ImageSets/Segmentation/val.txt", "VOCdevkit/VOC2012"):
        assert part in text
    (tmp_path / "JPEGImages").mkdir()
    text = said(datasets.boxed, str(tmp_path))
    assert "no Annotations" in text
    assert "no JPEGImages" not in text
    assert "JPEGImages/480p" in said(datasets.clips, str(tmp_path))


@pytest.mark.parametrize(
    ("path", "content", "says"),
    [
        ("ImageSets/Segmentation/val.txt", b"\n\n", "lists nothing"),
        ("ImageSets/Segmentation/val.txt", b"2007_999999\n", "2007_999999.jpg"),
        ("SegmentationObject/2007_000033.png", b"not a picture", "cannot be decoded"),
        ("SegmentationObject/2007_000033.png", None, "lists what is not there"),
        ("SegmentationObject/2008_000123.png", None, "2008_000123.png"),
        ("JPEGImages/2009_000456.jpg", None, "2009_000456.jpg"),
        ("SegmentationObject/2007_000033.png", "colours", "palette"),
        ("SegmentationObject/2007_000033.png", "small", "its picture 96x112"),
        ("JPEGImages/2007_000033.jpg", "half", "is cut off"),
        ("Annotations/2007_000033.xml", b"<annotation><object>", "no annotation of PASCAL VOC"),
        ("Annotations/2007_000033.xml", b"<annotation/>", "no object with a bndbox"),
        ("Annotations/2007_000033.xml", b"<a><object><bndbox><xmin>1</xmin></bndbox></object></a>", "no annotation"),
    ],
)
def test_a_broken_file_is_named(voc: Path, path: str, content: bytes | str | None, says: str) -> None:
    target = voc / path
    whole = target.read_bytes()
    try:
        if content is None:
            target.unlink()
        elif isinstance(content, bytes):
            target.write_bytes(content)
        elif content == "colours":
            Image.new("RGB", (96, 112)).save(target)
        elif content == "small":
            save_labels(target, np.zeros((10, 20), np.uint8))
        else:
            assert content == "half"
            target.write_bytes(whole[: len(whole) // 2])
        read = datasets.boxed if path.startswith("Annotations") else datasets.segmented
        assert says in said(read, str(voc))
    finally:
        target.write_bytes(whole)


def test_what_is_missing_is_told_before_the_first_picture_is_read(
    voc: Path, davis: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not when its turn comes, hours later; and only of what is to be read."""
    for root, path, listed in (
        (voc, "SegmentationObject/2009_000456.png", datasets.segmented),
        (voc, "Annotations/2009_000456.xml", datasets.boxed),
        (davis, "Annotations/480p/cat/00002.png", datasets.clips),
    ):
        target = root / path
        away = target.rename(target.with_suffix(".away"))
        try:
            with pytest.raises(SourceMissing, match=target.name):
                listed(str(root))
            assert len(listed(str(root), limit=1)) == 1
            with pytest.raises(SourceMissing, match=target.name):  # nor is a model loaded for it
                benchmarks.run(
                    {"segmented": "jaccard", "boxed": "corloc", "clips": "davis"}[listed.__name__], str(root), ["no"]
                )
        finally:
            away.rename(target)


def test_a_list_may_begin_with_a_byte_order_mark(voc: Path) -> None:
    path = voc / "ImageSets/Segmentation/val.txt"
    before = path.read_bytes()
    try:
        path.write_bytes(b"\xef\xbb\xbf" + before.replace(b"\n", b"\r\n"))
        assert datasets.segmented(str(voc)).names == before.decode().split()
    finally:
        path.write_bytes(before)


def test_the_title_names_the_year_that_the_folder_names(voc: Path, tmp_path: Path) -> None:
    for name, title in (("VOC2007", "PASCAL VOC2007 val"), ("mine", "PASCAL VOC val of the folder mine")):
        shutil.copytree(voc, tmp_path / name)
        data = datasets.segmented(str(tmp_path / name))
        assert data.title == title
        assert data.listed == tmp_path / name / "ImageSets/Segmentation/val.txt"
        assert paper_score("jaccard", data.title, "dino-vits16") is None  # figure 4 is on VOC2012


def test_two_data_sets_in_one_folder_must_be_told_apart(voc: Path, tmp_path: Path) -> None:
    for year in ("VOC2007", "VOC2012"):
        (tmp_path / year).symlink_to(voc, target_is_directory=True)
    assert "say which" in said(datasets.boxed, str(tmp_path))
    assert len(datasets.segmented(str(tmp_path))) == 3


def test_a_clip_with_a_frame_too_few_or_a_truth_missing_is_named(davis: Path, model: Model) -> None:
    (davis / "JPEGImages/480p/empty").mkdir()
    listed = davis / "ImageSets/2017/val.txt"
    before = listed.read_text()
    truth = davis / "Annotations/480p/bear/00002.png"
    try:
        listed.write_text("empty\n")
        assert "0 .jpg frames" in said(datasets.clips, str(davis))
        listed.write_text("bear\n")
        moved = truth.rename(truth.with_suffix(".away"))
        assert "00002.png" in said(datasets.clips, str(davis))
        moved.rename(truth)
    finally:
        listed.write_text(before)
    blank = Clip("blank", 3, lambda n: Segmented(str(n), np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.uint8)))
    with pytest.raises(SourceUnreadable, match="no object in its first frame"):
        follow(model, blank, 64)
    sizes = [64, 64, 64, 64, 96]

    def growing(number: int) -> Segmented:
        return Segmented("x", np.zeros((64, sizes[number], 3), np.uint8), np.ones((64, sizes[number]), np.uint8))

    with pytest.raises(SourceUnreadable, match="several sizes"):
        follow(model, Clip("growing", 5, growing), 64)


def test_values_out_of_range_are_refused() -> None:
    for wrong in ({"limit": 0}, {"limit": len(SCORING_SEEDS) + 1}, {"seed": -1}):
        with pytest.raises(SettingsError):
            benchmarks.run("jaccard", "scene:", ["embedded"], **wrong)
    with pytest.raises(SettingsError, match="one model"):
        benchmarks.run("jaccard", "scene:", ["embedded", "random:embedded"], weights="x")
    with pytest.raises(SettingsError, match="davis"):
        benchmarks.run("juccard", "scene:", ["embedded"])
    with pytest.raises(SourceMissing):
        benchmarks.run("davis", "nowhere", ["no-such-model"])


# --- the report ------------------------------------------------------------------------------------------------------


def test_the_papers_figure_stands_only_beside_the_papers_models() -> None:
    voc, davis = "PASCAL VOC2012 val", "DAVIS 2017 val"
    for name, value in (
        ("dino-vits16", 45.9), ("dino-vits8", 44.7), ("deit-vits16", 27.3),
        ("random:dino-vits16", 22.0), ("random:deit-vits16", 22.0), ("random:dino-vits8", 21.8),
    ):  # fmt: skip
        assert zoo.find(name).name == name
        assert present(paper_score("jaccard", voc, name)).values["jaccard"] == value
    assert present(paper_score("davis", davis, "dino-vits16")).values["j_and_f"] == 61.8
    assert present(paper_score("davis", davis, "dino-vitb8")).values["j_and_f"] == 71.4
    assert present(paper_score("corloc lost", "PASCAL VOC2012 trainval", "dino-vits16")).values["corloc"] == 64.0
    others = {card.name for card in zoo.cards()} - {"dino-vits16", "dino-vits8", "deit-vits16"}
    for other in (*others, "random:dinov3-vits16", "random:augreg-vits16", "random:dino-vitb16", "random:embedded"):
        assert paper_score("jaccard", voc, other) is None, other
    assert paper_score("davis", davis, "deit-vits16") is None  # the paper's supervised one is a ViT-S/8
    assert paper_score("jaccard", "4 drawn scenes", "dino-vits16") is None


def report_of(*scores: Score, **changes: Any) -> BenchmarkReport:
    given: dict[str, Any] = {
        "benchmark": "jaccard", "protocol": "the protocol", "data": "PASCAL VOC2012 val", "drawn": False,
        "resolution": 480, "scores": scores, "papers": reported("jaccard", "PASCAL VOC2012 val"), "count": 1449,
        "usual": 480,
    }  # fmt: skip
    return BenchmarkReport(**given | changes)


def score_of(name: str, jaccard: float, objects: float, **more: Any) -> Score:
    paper = paper_score("jaccard", "PASCAL VOC2012 val", name)
    counts = {"pictures": 7, "objects": 9}
    return Score(name, {"jaccard": jaccard, "jaccard_objects": objects}, counts, paper, "bf16", "cpu", "torch", **more)


def test_a_report_has_a_table_bars_and_json() -> None:
    each = [{"name": "2007_000033", "jaccard": 50.0, "objects": []}]
    report = report_of(
        score_of("dino-vits16", 50.0, 41.26, error=1.24, each=each), score_of("random:embedded", 12.5, 11.0)
    )
    table = report.table().splitlines()
    assert table[0] == "PASCAL VOC2012 val: 7 pictures, 9 objects; 480 px; bf16 on cpu"
    assert table[4].split() == ["dino-vits16", "50.0", "±1.2", "41.3", "45.9"]
    assert table[5].split() == ["random:embedded", "12.5", "11.0", "-"]
    assert table[7:] == ["± is the standard error of the mean over pictures"]
    bars = report.bars("#", ".").splitlines()
    assert bars[1].split() == ["dino-vits16", "#" * 20, "50.0"]
    assert bars[2].split() == ["random:embedded", "#" * 5, "12.5"]
    assert bars[3] == "the papers report on PASCAL VOC2012 val"
    assert "ViT-S/16 DINO" in bars[6]
    assert bars[6].split()[2:] == ["." * 18, "45.9"]
    mapping = json.loads(json.dumps(report.to_mapping()))
    assert mapping["rtviz"] == rtviz.__version__
    assert mapping["models"][0]["paper"] == {"architecture": "ViT-S/16", "training": "DINO", "jaccard": 45.9}
    assert mapping["models"][0]["per_picture"] == each
    assert mapping["models"][1] == {
        "name": "random:embedded",
        "jaccard": 12.5,
        "jaccard_objects": 11.0,
        "standard_error": None,
        "pictures": 7,
        "objects": 9,
        "precision": "bf16",
        "device": "cpu",
        "backend": "torch",
        "paper": None,
        "per_picture": [],
    }


def test_nothing_is_no_bar_and_baselines_stand_under_the_models() -> None:
    report = report_of(
        score_of("embedded", 0.0, 0.0), score_of("b", 1.0, 1.0),
        baselines=[Score("whole picture", {"jaccard": 30.0, "jaccard_objects": 20.0}, {}, error=2.0)],
    )  # fmt: skip
    bars = [line.split() for line in report.bars("#", ".").splitlines()]
    assert bars[1:4] == [["embedded", "0.0"], ["b", "#", "1.0"], ["whole", "picture", "#" * 12, "30.0"]]
    table = report.table().splitlines()
    place = table.index("without a model")
    assert table[place + 1].split() == ["whole", "picture", "30.0", "±2.0", "20.0"]
    assert report.to_mapping()["baselines"] == [
        {"name": "whole picture", "jaccard": 30.0, "jaccard_objects": 20.0, "standard_error": 2.0}
    ]
    assert "without a model" not in report_of(score_of("embedded", 0.0, 0.0)).table()
    mixed = report_of(score_of("a", 1.0, 1.0, features="keys"), score_of("b", 1.0, 1.0, features="values"))
    assert mixed.notes[-2:] == ["objects are found by the keys of a", "objects are found by the values of b"]


def test_what_sets_a_figure_apart_from_the_papers_is_said() -> None:
    dino, other = score_of("dino-vits16", 50.0, 41.26), score_of("embedded", 50.0, 41.26)
    assert report_of(dino).notes == []
    assert report_of(dino, count=7).notes == ["the paper's figure is of all 1449 pictures; here are 7"]
    assert report_of(dino, resolution=224).notes == ["the protocol's input is 480 px"]
    said = report_of(dino, inputs={"weights": "mine.pth"}).notes
    assert said == ["the paper's figure is for dino-vits16, which mine.pth is taken for"]
    assert report_of(other, count=7, resolution=224, inputs={"weights": "mine.pth"}).notes == []
    assert report_of(dino, unfinished=["a", "b"]).table().endswith("not scored: a, b")


def test_every_format_and_device_that_was_computed_with_is_named() -> None:
    first = score_of("embedded", 1.0, 1.0)
    second = dataclasses.replace(first, precision="int8", backend="openvino")
    assert report_of(first, second, first).table().splitlines()[0].endswith("; bf16 on cpu, int8 openvino on cpu")


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def score(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`rtviz score ...` in this process."""
    return functools.partial(in_process(monkeypatch, capsys), "score")


def test_drawn_scenes_are_scored_with_nothing_downloaded(score: Command) -> None:
    line = ("jaccard", "--data", "scene:", "--limit", "4", "--model", "embedded", "--model", "random:embedded")
    status, out, err = score(*line, "--precision", "fp32", "--device", "cpu", "--json")
    assert status == 0, err
    report = json.loads(out)
    trained, untrained = report["models"]
    assert trained["jaccard"] > 2 * untrained["jaccard"]
    assert trained["pictures"] == 4
    assert report["drawn"]
    assert report["seed"] == 0
    assert report["mass"] == 0.6
    assert [picture["name"] for picture in trained["per_picture"]] == [str(seed) for seed in SCORING_SEEDS[:4]]
    assert "%" not in err  # no bar where stderr is no terminal
    assert "untrained" in err


def test_objects_are_looked_for_at_the_command_line(score: Command) -> None:
    line = ("corloc", "--data", "scene:", "--limit", "3", "--seed", "5", "--objects", "lost", "--device", "cpu")
    status, out, err = score(*line, "--model", "embedded", "--resolution", "96", "--features", "values")
    assert status == 0, err
    assert "objects are found by the values of embedded" in out
    assert "whole picture" in out
    assert "middle box" in out
    assert "3 drawn scenes: 3 pictures; 96 px" in out
    assert "LOST" in out
    assert "the papers report on PASCAL VOC2012 trainval, not on drawn scenes" in out
    assert "64.0" in out
    for name, value in (("objects", "lost"), ("features", "keys")):
        for other in (("davis", "--data", "scene:"), ("embedded",)):
            status, _, err = score(*other, f"--{name}", value)
            assert status == 2
            assert f"{name} cannot be '{value}'; allowed: only with corloc" in err


def test_official_layouts_are_scored_at_the_command_line(score: Command, voc: Path, davis: Path) -> None:
    looking = ("--model", "embedded", "--resolution", "64", "--limit", "1", "--precision", "fp32", "--device", "cpu")
    status, out, err = score("jaccard", "--data", str(voc.parent.parent), *looking)
    assert status == 0, err
    assert out.startswith("PASCAL VOC2012 val: 1 picture, 2 objects; 64 px; fp32 on cpu\n")
    status, out, err = score("davis", "--data", str(davis), *looking)
    assert status == 0, err
    assert out.startswith("DAVIS 2017 val: 1 clip, 5 frames, 2 objects; 64 px; fp32 on cpu\n")


def test_a_drawn_clip_is_followed_at_the_command_line(score: Command) -> None:
    line = ("davis", "--data", "scene:", "--limit", "1", "--model", "embedded", "--resolution", "96", "--quiet")
    status, out, err = score(*line, "--precision", "fp32", "--device", "cpu")
    assert status == 0, err
    assert err == ""
    assert "1 clip, 20 frames, 3 objects; 96 px" in out
    assert "the papers report on DAVIS 2017 val, not on drawn scenes" in out
    assert max(map(len, out.splitlines())) <= 120


def test_what_was_finished_is_printed_before_the_error(score: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that fails, or Ctrl-C, after another one was scored."""
    measured = benchmarks.jaccard
    for failure, status, says in (
        (SourceUnreadable("it broke"), 1, "error: it broke"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ):

        def failing(model: Model, data: DataSet[Segmented], failure: BaseException = failure, **more: Any) -> Score:
            if model.name == "embedded":
                return measured(model, data, **more)
            raise failure

        monkeypatch.setattr(benchmarks, "jaccard", failing)
        line = ("jaccard", "--data", "scene:", "--limit", "2", "--resolution", "64", "--device", "cpu")
        models = ("--model", "embedded", "--model", "random:embedded")
        found, out, err = score(*line, *models, "--json", "--quiet")
        assert found == status
        assert err == f"rtviz: {says}\n"
        report = json.loads(out)
        assert [model["name"] for model in report["models"]] == ["embedded"]
        assert report["unfinished"] == ["random:embedded"]


def test_a_model_without_cls_is_refused_before_any_is_scored(score: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmarks, "jaccard", lambda *given, **more: pytest.fail("scored"))
    name = "random:vit_base_patch16_siglip_224"
    status, out, err = score("jaccard", "--data", "scene:", "--limit", "1", "--model", "embedded", "--model", name)
    assert (status, out) == (2, "")
    assert f"({name} has none)" in err


def test_a_bar_counts_every_frame_at_a_terminal(score: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    line = (
        "jaccard",
        "--data",
        "scene:",
        "--limit",
        "3",
        "--resolution",
        "64",
        "--device",
        "cpu",
        "--model",
        "embedded",
    )
    status, _, err = score(*line)
    assert status == 0
    assert "jaccard of embedded: 100%" in err


@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        (["jaccard"], 2, "score jaccard needs --data; allowed: the folder of PASCAL VOC2012"),
        (["embedded", "--limit", "3"], 2, "only with jaccard or davis"),
        (["davis", "--data", "nowhere"], 1, "DAVIS 2017"),
        (["jaccard", "--data", "scene:", "--scenes", "3"], 2, "--limit"),
        (["jaccard", "--data", "x", "--seed", "3"], 2, "--data scene:"),
    ],
)
def test_a_line_that_makes_no_sense_is_refused(score: Command, line: list[str], status: int, says: str) -> None:
    found, out, err = score(*line)
    assert found == status
    assert out == ""
    assert len(err.splitlines()) == 1
    assert says in err

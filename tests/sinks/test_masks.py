"""Sinks of masks: other readers find in the files what was put in."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rtviz.errors import OutputExists, OutputUnwritable
from rtviz.frame import Frame, NamedMasks
from rtviz.settings import OutputSettings
from rtviz.sinks import open_masks_sink
from rtviz.sinks.masks import encode

SIZE = HEIGHT, WIDTH = 48, 64
COLORS = ((200, 10, 30), (20, 220, 60))
COUNT = 6


def frame(number: int) -> Frame:
    pixels = np.full((*SIZE, 3), (180, 60, 40), np.uint8)
    pixels[:, : WIDTH // 2] = (40, 160, 90)
    return Frame(pixels, 2 * number, 0.08 * number)


def masks(number: int) -> NamedMasks:
    """A cat that wanders, and a dog that is there in the odd frames, over the cat's corner."""
    found = np.zeros((2, *SIZE), np.uint8)
    found[0, 4:36, 4 + 3 * number : 30 + 3 * number] = 255
    if number % 2:
        found[1, 30:40, 20:40] = 255
    return NamedMasks(("cat", "dog"), COLORS, found)


def write(path: Path, count: int = COUNT, overwrite: bool = False) -> None:
    output = OutputSettings(quality=90, overwrite=overwrite)
    with open_masks_sink(path, size=SIZE, fps=12.5, output=output) as sink:
        for number in range(count):
            sink.write(masks(number), frame(number))


def decoded(counts: str, height: int, width: int) -> NDArray[np.bool_]:
    """A mask of its run lengths, by the format's description alone."""
    numbers, number, shift = [], 0, 0
    for character in counts:
        group = ord(character) - 48
        number |= (group & 31) << shift
        shift += 5
        if not group & 32:
            numbers.append(number - (1 << shift) if group & 16 else number)
            number, shift = 0, 0
    runs: list[int] = []
    for place, stored in enumerate(numbers):
        runs.append(stored + (runs[place - 2] if place > 2 else 0))
    flat = [bool(place % 2) for place, run in enumerate(runs) for _ in range(run)]
    return np.array(flat).reshape(width, height).T


def random_masks() -> list[NDArray[np.bool_]]:
    rng = np.random.default_rng(0)
    found = [np.zeros((3, 5), bool), np.ones((7, 2), bool), np.ones((1, 1), bool), np.zeros((1, 9), bool)]
    for share in (0.02, 0.5, 0.97):
        found.append(rng.random((23, 31)) < share)
        found.append(np.kron(rng.random((5, 4)) < share, np.ones((17, 40), bool)))
    return found


@pytest.mark.parametrize("mask", random_masks())
def test_run_lengths_decode_to_the_mask(mask: NDArray[np.bool_]) -> None:
    np.testing.assert_array_equal(decoded(encode(mask), *mask.shape), mask)


def test_run_lengths_are_those_of_pycocotools() -> None:
    official = pytest.importorskip("pycocotools.mask")
    for mask in random_masks():
        assert encode(mask) == official.encode(np.asfortranarray(mask, np.uint8))["counts"].decode()


def test_coco_annotations_have_every_frame_class_and_mask(tmp_path: Path) -> None:
    write(tmp_path / "out.json")
    found = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert [(one["width"], one["height"]) for one in found["images"]] == [(WIDTH, HEIGHT)] * COUNT
    assert [one["frame"] for one in found["images"]] == [2 * number for number in range(COUNT)]
    assert [one["pts_seconds"] for one in found["images"]] == pytest.approx([0.08 * n for n in range(COUNT)])
    names = {one["id"]: one["name"] for one in found["categories"]}
    assert sorted(names.values()) == ["cat", "dog"]
    assert {tuple(one["color"]) for one in found["categories"]} == set(COLORS)
    images = {one["id"]: number for number, one in enumerate(found["images"])}
    assert len({one["id"] for one in found["annotations"]}) == len(found["annotations"])
    seen = set()
    for one in found["annotations"]:
        number, name = images[one["image_id"]], names[one["category_id"]]
        expected = masks(number).pixels[("cat", "dog").index(name)] > 0
        np.testing.assert_array_equal(decoded(one["segmentation"]["counts"], *one["segmentation"]["size"]), expected)
        rows, columns = np.nonzero(expected)
        left, top, across, down = one["bbox"]
        assert (left, top) == (columns.min(), rows.min())
        assert (left + across - 1, top + down - 1) == (columns.max(), rows.max())
        assert one["area"] == expected.sum()
        seen.add((number, name))
    assert seen == {(n, "cat") for n in range(COUNT)} | {(n, "dog") for n in range(1, COUNT, 2)}  # none that is empty


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # its own
def test_pycocotools_reads_the_file(tmp_path: Path) -> None:
    official = pytest.importorskip("pycocotools.coco")
    write(tmp_path / "out.json")
    coco = official.COCO(tmp_path / "out.json")
    (dog,) = coco.getCatIds(catNms=["dog"])
    images = coco.getImgIds(catIds=[dog])
    assert len(images) == COUNT // 2
    for annotation in coco.loadAnns(coco.getAnnIds(catIds=[dog])):
        np.testing.assert_array_equal(coco.annToMask(annotation), masks(1).pixels[1] > 0)


def test_label_maps_number_the_classes_and_show_their_colours(tmp_path: Path) -> None:
    write(tmp_path / "out")
    pictures = sorted((tmp_path / "out").glob("*.png"))
    assert [path.name for path in pictures] == [f"frame_{2 * number:06d}.png" for number in range(COUNT)]
    for number, path in enumerate(pictures):
        picture = Image.open(path)
        cat, dog = masks(number).pixels > 0
        np.testing.assert_array_equal(np.asarray(picture), np.where(dog, 2, np.where(cat, 1, 0)))  # small ones on top
        colours = np.asarray(picture.convert("RGB"))
        assert tuple(colours[10, 15 + 3 * number]) == COLORS[0]
    with open(tmp_path / "out" / "classes.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["number"], row["name"], row["green"]) for row in rows] == [("1", "cat", "10"), ("2", "dog", "220")]
    write(tmp_path / "out", overwrite=True)  # it knows its own


def alphas_of_webm(path: Path) -> list[NDArray[np.uint8]]:
    """The alpha pictures of a WebM: each is a VP9 picture of its own in the block's additions, as the container has
    it; decoded by FFmpeg's own decoder, which knows nothing of alpha, and not by libvpx, which encoded it."""
    import av

    found: list[NDArray[np.uint8]] = []
    decoder = av.CodecContext.create("vp9", "r")
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            for extra in packet.iter_sidedata() if packet.size else ():
                addition = bytes(extra)
                assert int.from_bytes(addition[:8], "big") == 1  # the number that Matroska gives to alpha
                for picture in decoder.decode(av.Packet(addition[8:])):
                    assert isinstance(picture, av.VideoFrame)
                    found.append(np.asarray(picture.to_ndarray(format="yuv420p")[:HEIGHT], np.uint8))
    return found


def test_a_webm_has_the_masks_as_alpha(tmp_path: Path) -> None:
    write(tmp_path / "out.webm")
    found = alphas_of_webm(tmp_path / "out.webm")
    assert len(found) == COUNT
    for number, alpha in enumerate(found):
        expected = masks(number).pixels.max(axis=0) > 0
        assert ((alpha > 127) ^ expected).mean() < 0.01


def test_a_mov_has_the_masks_as_alpha_and_nothing_that_is_far_from_them(tmp_path: Path) -> None:
    import av

    write(tmp_path / "out.mov")
    with av.open(str(tmp_path / "out.mov")) as container:
        assert container.streams.video[0].codec_context.name == "prores"
        pictures = [one.to_ndarray(format="rgba") for one in container.decode(video=0)]
    assert len(pictures) == COUNT
    for number, picture in enumerate(pictures):
        expected = masks(number).pixels.max(axis=0) > 0
        assert ((picture[..., 3] > 127) ^ expected).sum() == 0
        assert np.abs(picture[expected][:, :3].astype(int) - frame(number).pixels[expected]).mean() < 8
    assert pictures[0][10:, 55:, :3].max() < 12  # was 180


@pytest.mark.parametrize("name", ["out.json", "out.webm", "out.mov", "out"])
def test_no_half_made_file_has_the_final_name(tmp_path: Path, name: str) -> None:
    def fails() -> None:
        with open_masks_sink(tmp_path / name, size=SIZE, fps=25) as sink:
            sink.write(masks(0), frame(0))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert not (tmp_path / name).exists()
    with pytest.raises(OutputUnwritable, match="no frame came"), open_masks_sink(tmp_path / name, size=SIZE, fps=25):
        pass
    write(tmp_path / name, 1)
    with pytest.raises(OutputExists):
        write(tmp_path / name, 1)


def test_what_is_no_output_of_masks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputUnwritable, match=r"'.mp4' is no output; allowed: .json, .webm, .mov, a folder"):
        open_masks_sink(tmp_path / "out.mp4", size=SIZE, fps=25)


def test_a_class_keeps_its_number_though_not_every_frame_has_it(tmp_path: Path) -> None:
    """As of heads that are followed: first one, then another one, then the first again."""
    both = masks(1)
    cat, dog = (NamedMasks(both.names[n : n + 1], both.colors[n : n + 1], both.pixels[n : n + 1]) for n in (0, 1))
    with open_masks_sink(tmp_path / "out", size=SIZE, fps=12.5) as sink:
        for number, one in enumerate((cat, dog, cat)):
            sink.write(one, frame(number))
    pictures = [Image.open(path) for path in sorted((tmp_path / "out").glob("*.png"))]
    assert [np.asarray(picture).max() for picture in pictures] == [1, 2, 1]
    for picture, color in zip(pictures, (COLORS[0], COLORS[1], COLORS[0]), strict=True):
        assert {tuple(value) for value in np.asarray(picture.convert("RGB")).reshape(-1, 3)} == {(0, 0, 0), color}
    with open(tmp_path / "out" / "classes.csv", newline="", encoding="utf-8") as file:
        assert [(row["number"], row["name"]) for row in csv.DictReader(file)] == [("1", "cat"), ("2", "dog")]

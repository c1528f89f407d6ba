"""Pictures of floating-point levels and other deep samples: one range for all of a command, and said in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import render
from media import grey, only, read
from picture_files import exr, radiance, tiff
from PIL import Image

from rtviz.cli import run
from rtviz.errors import SourceError
from rtviz.sources import expand, open_source

RAMP = np.array([[[0, 1, 2], [0.5, 0, 1], [2, 2, 2], [0, 0, 0.25]]])
SHOWN = [[0, 128, 255], [64, 0, 128], [255, 255, 255], [0, 0, 32]]  # of 2


def float_tiff(path: Path, *levels: float) -> None:
    path.write_bytes(tiff((np.array([levels], np.float32), {})))


@pytest.mark.parametrize("as_files", [False, True])
def test_the_stills_of_one_command_share_a_range_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], as_files: bool
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    float_tiff(folder / "a.tif", 0, 1, 2, 1000)
    float_tiff(folder / "b.png", 0, 500, 500, 0)  # whatever its name
    (folder / "c.exr").write_bytes(exr(np.full((1, 4, 3), 2000, np.float32)))
    inputs = sorted(folder.iterdir()) if as_files else [folder]
    said = render(capsys, *inputs, "-o", f"{tmp_path / 'out'}/")
    assert said.count("0 is black and 2000 is white, the range of all 3 pictures") == 3
    assert grey(tmp_path / "out" / "a.png") == [0, 0, 0, 128]
    assert grey(tmp_path / "out" / "b.png") == [0, 64, 64, 0]
    assert grey(tmp_path / "out" / "c.png") == [255] * 4
    render(capsys, folder / "a.tif", "-o", tmp_path / "alone.png")
    assert grey(tmp_path / "alone.png") == [0, 0, 1, 255]


def test_floats_beside_other_pictures_change_nothing_of_these(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    (folder / "more").mkdir(parents=True)
    float_tiff(folder / "a.tif", 0, 4)
    float_tiff(folder / "b.tif", 0, 2)
    float_tiff(folder / "more" / "c.tif", 0, 8)
    float_tiff(folder / "more" / "d.tif", 0, 16)
    Image.fromarray(np.array([[0, 77]], np.uint8)).save(folder / "d.png")
    inputs = [folder / "a.tif", folder / "b.tif", folder / "d.png"]
    assert run(["render", *map(str, inputs), "-o", f"{tmp_path / 'out'}/", "--view", "none", "--json"]) == 0
    reports = json.loads(capsys.readouterr().out)
    assert [len(report["warnings"]) for report in reports] == [1, 1, 0]
    assert grey(tmp_path / "out" / "d.png") == [0, 77]
    assert grey(tmp_path / "out" / "b.png") == [0, 128]
    frames, _ = read(folder / "more")
    assert frames[0].pixels[0, :, 0].tolist() == [0, 128]


@pytest.mark.parametrize("name", ["a.exr", "a.hdr", "a.tif", "a.mp4"])
def test_light_is_read_as_pictures_by_the_rule_of_floats(tmp_path: Path, name: str) -> None:
    write = {".exr": exr, ".hdr": radiance, ".tif": lambda samples: tiff((samples, {})), ".mp4": exr}
    data = write[Path(name).suffix](RAMP.astype(np.float32))
    (tmp_path / name).write_bytes(data)
    with open_source(str(tmp_path / name)) as source:
        assert (source.info.kind, source.info.frame_count, source.info.still) == ("pictures", 1, True)
        (frame,) = source
        np.testing.assert_allclose(frame.pixels[0], SHOWN, atol=1)
        assert any("2 is white" in warning for warning in source.warnings)
        assert not any("frames a second" in warning for warning in source.warnings)
    if name != "a.mp4":
        assert expand([str(tmp_path)], apart=True) == [str(tmp_path / name)]
    (tmp_path / name).write_bytes(data[: len(data) - 20])
    with pytest.raises(SourceError, match=f"{name} is no picture that can be decoded"):
        read(tmp_path / name)


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_openexr_of_half_and_of_full_floats(tmp_path: Path, kind: Any) -> None:
    (tmp_path / "a.exr").write_bytes(exr(RAMP.astype(kind)))
    np.testing.assert_allclose(only(tmp_path / "a.exr")[0], SHOWN, atol=1)


def test_an_openexr_picture_that_claims_too_much_is_refused(tmp_path: Path) -> None:
    data = exr(RAMP.astype(np.float32))
    small, large = np.array([0, 0, 3, 0], "<i4").tobytes(), np.array([0, 0, 99999, 99999], "<i4").tobytes()
    (tmp_path / "a.exr").write_bytes(data.replace(small, large))
    with pytest.raises(SourceError, match="claims"):
        read(tmp_path / "a.exr")


def test_deep_tiffs_that_pillow_has_no_mode_for(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff((RAMP, {}), (RAMP * 2, {})))  # float64
    frames, warnings = read(path)
    np.testing.assert_allclose(frames[1].pixels[0], np.array(SHOWN), atol=1)
    np.testing.assert_allclose(frames[0].pixels[0], np.array(SHOWN) / 2, atol=1)
    assert any("4 is white, the range of all 2 pictures" in warning for warning in warnings)
    path.write_bytes(tiff((RAMP[:, :, 0], {})))
    assert grey(path) == [0, 64, 255, 0]
    path.write_bytes(tiff((np.array([[[0, 2**31, 2**32 - 1]]], np.uint32), {})))
    assert only(path)[0, 0].tolist() == [0, 128, 255]
    path.write_bytes(tiff((np.array([[[-32768, 0, 32767]]], np.int16), {})))
    assert only(path)[0, 0].tolist() == [0, 128, 255]
    turned = np.arange(6, dtype=np.float64).reshape(2, 3)
    path.write_bytes(tiff((turned, {274: 6})))
    assert np.rint(only(path)[:, :, 0] / 51).tolist() == np.rot90(turned, -1).tolist()


def test_integers_that_fill_little_of_their_range_are_said(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff((np.array([[-30000, 0, 35535]], np.int32), {})))
    assert grey(path) == [127, 128, 128]
    (warning,) = read(path)[1]
    for word in ("32 bits", "-30000", "35535", "grey"):
        assert word in warning
    path.write_bytes(tiff((np.array([[0, 35535]], np.uint32), {})))
    assert any("35535" in warning and "dark" in warning for warning in read(path)[1])
    path.write_bytes(tiff((np.array([[-(2**30), 2**30]], np.int32), {})))
    assert read(path)[1] == []

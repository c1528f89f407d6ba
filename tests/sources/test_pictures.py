"""Pictures as the world has them: whole, upright, in the range that their format has, animations with their times."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from command_line import render
from media import grey, make_video, only, read
from picture_files import animation, cornered, corners_of, deep_png, png, tiff
from PIL import Image, ImageCms, ImageOps

from rtviz.errors import RtvizError, SourceError
from rtviz.sources import expand, open_source

ROOT = Path(__file__).parents[2]


# --- HEIC ------------------------------------------------------------------------------------------------------------


def heic(path: Path, picture: Image.Image, **how: Any) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    picture.save(path, format="HEIF", quality=90, **how)


@pytest.mark.parametrize("name", ["a.heic", "a.HEIF", "a.jpg", "a.mp4", "a.mov", "IMG_0001"])
def test_a_grid_of_tiles_is_shown_whole_whatever_its_name(tmp_path: Path, name: str) -> None:
    """A video library reads the first tile of such a file and takes it for the picture."""
    import pillow_heif

    try:
        pillow_heif.options.GRID_TILE_SIZE = 64
        heic(tmp_path / name, Image.fromarray(cornered(160, 224)))
    finally:
        pillow_heif.options.GRID_TILE_SIZE = 0
    assert b"grid" in (tmp_path / name).read_bytes()
    pixels = only(tmp_path / name)
    assert pixels.shape == (160, 224, 3)
    assert corners_of(pixels) == ["red", "green", "blue", "white"]


def test_what_a_phone_puts_into_heic(tmp_path: Path) -> None:
    picture = Image.fromarray(cornered(64, 96))
    exif = Image.Exif()
    exif[0x0112] = 6
    heic(tmp_path / "lying.heic", picture, exif=exif.tobytes())
    assert b"irot" in (tmp_path / "lying.heic").read_bytes()
    pixels = only(tmp_path / "lying.heic")
    assert pixels.shape == (96, 64, 3)
    assert corners_of(pixels) == ["blue", "red", "white", "green"]

    other = Image.new("RGB", (64, 64), "blue")
    heic(tmp_path / "two.heic", other, save_all=True, append_images=[picture], primary_index=1)
    frames, warnings = read(tmp_path / "two.heic")
    assert [frame.size for frame in frames] == [(64, 96)]
    assert any("2 pictures" in warning and "primary" in warning for warning in warnings)

    cut_out = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    cut_out.paste((200, 0, 0, 255), (0, 32, 64, 64))
    heic(tmp_path / "cut_out.heic", cut_out)
    pixels = only(tmp_path / "cut_out.heic")
    assert pixels[4, 4].min() > 245
    np.testing.assert_allclose(pixels[60, 60], (200, 0, 0), atol=8)

    data = (tmp_path / "lying.heic").read_bytes()
    (tmp_path / "cut.heic").write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceError, match=r"cut\.heic is no picture that can be decoded"):
        read(tmp_path / "cut.heic")


_WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("pillow_heif", "_pillow_heif"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from rtviz.cli import run
for place, output in zip(sys.argv[1::2], sys.argv[2::2]):
    print(run(["render", place, "-o", output, "--view", "none"]))
"""


def test_without_its_library_a_heic_picture_is_never_shown_in_part(tmp_path: Path) -> None:
    heic(tmp_path / "a.heic", Image.fromarray(cornered(64, 96)))
    (tmp_path / "film.mp4").write_bytes((tmp_path / "a.heic").read_bytes())
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.heic").write_bytes((tmp_path / "a.heic").read_bytes())
    Image.new("RGB", (64, 48), "red").save(tmp_path / "folder" / "b.png")
    words = [tmp_path / "a.heic", tmp_path / "1.png", tmp_path / "film.mp4", tmp_path / "2.png"]
    words += [tmp_path / "folder", tmp_path / "3.mkv"]
    command = [sys.executable, "-c", _WITHOUT, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.stdout.split() == ["1", "1", "0"], done.stderr
    lines = done.stderr.splitlines()
    for line, name in zip(lines[:2], ("a.heic", "film.mp4"), strict=True):
        assert "pip install pillow-heif" in line
        assert name in line
    (line,) = [line for line in lines if "1 of 2 pictures were left out" in line]
    assert "pip install pillow-heif" in line


def test_what_a_folder_leaves_out_is_counted_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    Image.new("RGB", (64, 48), "red").save(folder / "a.png")
    for name in ("b.psd", "c.svg", ".hidden"):
        (folder / name).write_bytes(b"something")
    _, warnings = read(folder)
    (sentence,) = warnings
    for word in ("3", "b.psd", "c.svg", "more"):
        assert word in sentence
    assert "hidden" not in sentence
    for output in (f"{tmp_path / 'out'}/", tmp_path / "out.mp4"):
        assert render(capsys, folder, "-o", output).count("b.psd") == 1


# --- animations and documents ----------------------------------------------------------------------------------------

COLOURS = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
TIMES_MS = [200, 500, 80]


@pytest.mark.parametrize(
    ("name", "how"),
    [("a.gif", {}), ("a.webp", {"lossless": True}), ("a.png", {}), ("a.apng", {}), ("a.avif", {"quality": 90})],
)
def test_an_animation_is_read_with_its_times(tmp_path: Path, name: str, how: dict[str, Any]) -> None:
    if name.endswith("avif") and ".avif" not in Image.registered_extensions():
        pytest.skip("this Pillow has no AVIF")
    animation(tmp_path / name, COLOURS, TIMES_MS, **how)
    with open_source(str(tmp_path / name)) as source:
        assert source.info.kind == "video"
        assert source.info.frame_count == 3
        assert source.info.duration_seconds == pytest.approx(0.78, abs=0.002)
        for frames in (list(source), list(source)):
            assert [frame.pts_seconds for frame in frames] == pytest.approx([0, 0.2, 0.7], abs=0.002)
            assert [frame.duration_seconds for frame in frames] == pytest.approx([0.2, 0.5, 0.08], abs=0.002)
            for frame, colour in zip(frames, COLOURS, strict=True):
                np.testing.assert_allclose(frame.pixels[12, 16], colour, atol=6)
    frames, _ = read(tmp_path / name, start=0.2, every=2)
    assert [frame.index for frame in frames] == [2]
    assert expand([str(tmp_path)]) == [str(tmp_path / name)], "an input of its own"


@pytest.mark.parametrize("brand", [b"hevc", b"msf1"])
def test_an_image_sequence_of_hevc_is_read_with_its_times(tmp_path: Path, brand: bytes) -> None:
    times = make_video(tmp_path / "a.mp4", [0, 100, 250], codec="libx265")
    content = bytearray((tmp_path / "a.mp4").read_bytes())
    content[8:12] = brand  # ISO/IEC 23008-12, 10.3: of files whose content is a track
    (tmp_path / "a.heics").write_bytes(content)
    (tmp_path / "a.mp4").unlink()
    with open_source(str(tmp_path / "a.heics")) as source:
        assert source.info.kind == "video"
        assert [round(1000 * frame.pts_seconds) for frame in source] == times
    assert expand([str(tmp_path)]) == [str(tmp_path / "a.heics")], "an input of its own"


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.avif"])
def test_frames_that_say_no_time_are_shown_for_a_tenth_of_a_second(tmp_path: Path, name: str) -> None:
    animation(tmp_path / name, COLOURS, [0, 0, 0])
    frames, _ = read(tmp_path / name)
    assert [frame.pts_seconds for frame in frames] == pytest.approx([0, 0.1, 0.2])
    assert [frame.duration_seconds for frame in frames] == pytest.approx([0.1] * 3)


def test_an_animation_becomes_a_video_and_its_first_frame_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    animation(tmp_path / "a.webp", COLOURS, TIMES_MS, lossless=True)
    render(capsys, tmp_path / "a.webp", "-o", tmp_path / "a.mp4")
    frames, _ = read(tmp_path / "a.mp4")
    assert [frame.pts_seconds for frame in frames] == pytest.approx([0, 0.2, 0.7], abs=0.01)
    for name in ("a.webp", "b.gif"):
        animation(tmp_path / name, COLOURS, TIMES_MS)
        said = render(capsys, tmp_path / name, "-o", tmp_path / f"{name}.png")
        assert "holds 3 frames" in said
        assert "the first is shown" in said
        np.testing.assert_allclose(only(tmp_path / f"{name}.png")[12, 16], COLOURS[0], atol=6)
    render(capsys, tmp_path / "a.webp", tmp_path / "b.gif", "-o", f"{tmp_path / 'out'}/")
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir()) == [".mp4", ".mp4"]


def test_a_png_whose_own_picture_is_no_frame_and_frames_cut_out(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (32, 24), colour) for colour in [(255, 255, 255), *COLOURS]]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:], duration=50, default_image=True)
    found, _ = read(tmp_path / "a.png")
    assert [frame.pixels[12, 16].tolist() for frame in found] == [list(colour) for colour in COLOURS]

    cut_out = [Image.new("RGBA", (32, 24), (0, 0, 0, 0)) for _ in range(2)]
    for number, picture in enumerate(cut_out):
        picture.paste((200, 0, 0, 255), (16 * number, 0, 16 * number + 16, 24))
    for name in ("b.gif", "b.webp", "b.png"):
        cut_out[0].save(tmp_path / name, save_all=True, append_images=cut_out[1:], duration=100, disposal=2,
                        kmin=1, kmax=1)  # fmt: skip
        for number, frame in enumerate(read(tmp_path / name)[0]):
            assert frame.pixels[12, 24 - 16 * number].tolist() == [255, 255, 255], name
            np.testing.assert_allclose(frame.pixels[12, 8 + 16 * number], (200, 0, 0), atol=2)


def test_an_animation_that_is_cut_off_keeps_what_decodes(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (12, 48, 64, 3), np.uint8)
    frames = [Image.fromarray(pixels) for pixels in noise]
    for name in ("a.gif", "a.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=40)
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) // 2])
        found, warnings = read(tmp_path / name)
        assert 3 <= len(found) <= 12
        assert any("cut off" in warning for warning in warnings), name


def test_pages_of_a_document_are_frames_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pages = [
        Image.new("RGB", size, colour) for size, colour in zip([(64, 48), (64, 48), (48, 64)], COLOURS, strict=True)
    ]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:])
    with open_source(str(tmp_path / "scan.tif")) as source:
        frames = list(source)
        assert (source.info.kind, source.info.holds, source.info.frame_count) == ("pictures", "pages", 3)
        assert any("3 pages" in warning for warning in source.warnings)
    assert [frame.pixels[24, 32].tolist() for frame in frames] == [list(colour) for colour in COLOURS]
    assert [frame.index for frame in frames] == [0, 1, 2]
    pages[1].save(tmp_path / "one.tif")
    _, warnings = read(tmp_path)
    assert any("3 pages" in warning and "first" in warning for warning in warnings), "one among other pictures"
    assert "3 pages" in render(capsys, tmp_path / "scan.tif", "-o", tmp_path / "o.png")


def test_smaller_copies_inside_are_neither_pages_nor_the_picture(tmp_path: Path) -> None:
    whole, copy = np.full((20, 30), 200, np.uint8), np.full((10, 15), 100, np.uint8)
    (tmp_path / "a.tif").write_bytes(tiff((copy, {254: 1}), (whole, {254: 0})))
    pixels = only(tmp_path / "a.tif")
    assert pixels.shape == (20, 30, 3)
    assert (pixels == 200).all()
    (tmp_path / "b.tif").write_bytes(tiff((copy, {254: 1})))
    (tmp_path / "c.dng").write_bytes(tiff((copy, {})))
    (tmp_path / "d.tif").write_bytes(tiff((copy, {50706: 0x00000401})))
    for name, says in (("b.tif", "reduced"), ("c.dng", "raw"), ("d.tif", "raw")):
        with pytest.raises(SourceError, match=says):
            read(tmp_path / name)
    Image.new("RGB", (64, 64), "red").save(tmp_path / "a.ico", sizes=[(16, 16), (64, 64), (32, 32)])
    assert only(tmp_path / "a.ico").shape == (64, 64, 3)


# --- range -----------------------------------------------------------------------------------------------------------

RAMP = np.linspace(0, 65535, 24).astype(np.uint16)[None].repeat(16, 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_pictures_are_turned_like_others(tmp_path: Path, orientation: int) -> None:
    samples = RAMP.copy()
    samples[:8] //= 2
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(samples).save(tmp_path / "deep.png", exif=exif)
    eight = Image.fromarray(np.rint(samples / 257).astype(np.uint8))
    eight.save(tmp_path / "eight.png", exif=exif)
    theirs = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "eight.png")))
    for name in ("deep.png", "eight.png"):
        np.testing.assert_array_equal(only(tmp_path / name)[:, :, 0], theirs)


def test_the_range_comes_from_the_format(tmp_path: Path) -> None:
    levels = np.array([[0, 250, 1000, 4095]], np.uint16)
    (tmp_path / "plain.png").write_bytes(deep_png(levels))
    assert grey(tmp_path / "plain.png") == [0, 1, 4, 16]  # of 65535
    assert any("dark" in warning for warning in read(tmp_path / "plain.png")[1])
    (tmp_path / "twelve.png").write_bytes(deep_png(levels, (b"sBIT", b"\x0c")))
    assert grey(tmp_path / "twelve.png") == [0, 16, 62, 255]  # of 4095, stored as they are
    for spread in (levels << 4, levels << 4 | levels >> 8):  # as PNG wants them
        (tmp_path / "spread.png").write_bytes(deep_png(spread, (b"sBIT", b"\x0c")))
        assert grey(tmp_path / "spread.png") == pytest.approx([0, 16, 62, 255], abs=1)
    colours = np.stack([levels, levels[:, ::-1], levels * 0], axis=2)
    (tmp_path / "colours.png").write_bytes(deep_png(colours, (b"sBIT", b"\x0c\x0c\x0c")))
    assert only(tmp_path / "colours.png")[0].tolist() == [[0, 255, 0], [16, 62, 0], [62, 16, 0], [255, 0, 0]]

    (tmp_path / "a.tif").write_bytes(tiff((levels, {281: 4095})))
    assert grey(tmp_path / "a.tif") == [0, 16, 62, 255]
    (tmp_path / "a.tif").write_bytes(tiff((levels // 4, {281: 1023})))
    assert grey(tmp_path / "a.tif") == [0, 15, 62, 255]
    (tmp_path / "a.tif").write_bytes(tiff((levels, {281: 4000})))  # what is highest in it, not its range
    assert grey(tmp_path / "a.tif") == [0, 1, 4, 16]
    (tmp_path / "a.tif").write_bytes(tiff((levels * 16, {262: 0})))  # white is 0
    assert grey(tmp_path / "a.tif") == [255, 239, 193, 0]
    (tmp_path / "a.tif").write_bytes(tiff((np.array([[-32768, 0, 16384, 32767]], np.int16), {})))
    assert grey(tmp_path / "a.tif") == [0, 128, 191, 255]
    (tmp_path / "a.tif").write_bytes(tiff((np.array([[0, 2**31, 2**32 - 1]], np.uint32), {})))
    assert grey(tmp_path / "a.tif") == [0, 128, 255]
    (tmp_path / "a.pgm").write_bytes(b"P5 4 1 1023\n" + np.array([0, 256, 512, 1023], ">u2").tobytes())
    assert grey(tmp_path / "a.pgm") == [0, 64, 128, 255]
    (tmp_path / "a.pgm").write_bytes(b"P5 3 1 65535\n" + np.array([0, 250, 65535], ">u2").tobytes())
    assert grey(tmp_path / "a.pgm") == [0, 1, 255]
    for bits, row, expected in ((1, b"\x50", [0, 255, 0, 255]), (2, b"\x1b", [0, 85, 170, 255]),
                                (4, b"\x05\xaf", [0, 85, 170, 255])):  # fmt: skip
        (tmp_path / "small.png").write_bytes(png(row, 4, 1, bits, 0))
        assert grey(tmp_path / "small.png") == expected


def test_floats_are_shown_in_one_range_for_a_whole_folder_and_in_words(tmp_path: Path) -> None:
    def write(name: str, *levels: float) -> None:
        (tmp_path / name).write_bytes(tiff((np.array([levels], np.float32), {})))

    write("a.tif", 0, 0.25, 0.5, 1)
    assert grey(tmp_path / "a.tif") == [0, 64, 128, 255]
    write("a.tif", 0, 0.1, 0.2, 0.4)  # light, and dark: not by its own maximum
    assert grey(tmp_path / "a.tif") == [0, 26, 51, 102]
    write("a.tif", 0, 0.5, 1, 2)
    assert grey(tmp_path / "a.tif") == [0, 64, 128, 255]
    write("b.tif", 0, 250, 500, 1000)
    write("c.tif", 0, np.nan, np.inf, -np.inf)
    frames, warnings = read(tmp_path)
    assert [frame.pixels[0, :, 0].tolist() for frame in frames] == [[0, 0, 0, 1], [0, 64, 128, 255], [0, 0, 255, 0]]
    assert any("0 is black and 1000 is white" in warning and "3 pictures" in warning for warning in warnings)
    # So it is where they are begun elsewhere, and where one comes alone.
    frames, _ = read(tmp_path, start=1 / 25)
    assert frames[0].pixels[0, :, 0].tolist() == [0, 64, 128, 255]
    (tmp_path / "stack.tif").write_bytes(
        tiff((np.array([[0, 1, 2]], np.float32), {}), (np.array([[0, 2, 4]], np.float32), {}))
    )
    frames, _ = read(tmp_path / "stack.tif")
    assert [frame.pixels[0, :, 0].tolist() for frame in frames] == [[0, 64, 128], [0, 128, 255]]


def test_modes_of_all_kinds(tmp_path: Path) -> None:
    red = Image.new("RGB", (8, 8), (255, 0, 0))
    cmyk = red.convert("CMYK")
    for name, picture in (("a.jpg", cmyk), ("b.tif", cmyk), ("c.jpg", red.convert("YCbCr")), ("d.png", red.quantize(4)),
                          ("e.tga", red)):  # fmt: skip
        picture.save(tmp_path / name)
        np.testing.assert_allclose(only(tmp_path / name)[4, 4], (255, 0, 0), atol=4, err_msg=name)
    lab = ImageCms.profileToProfile(
        red, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    lab.save(tmp_path / "lab.tif")
    np.testing.assert_allclose(only(tmp_path / "lab.tif")[4, 4], (255, 0, 0), atol=6)

    Image.merge("LA", [Image.new("L", (8, 8), 40), Image.new("L", (8, 8), 0)]).save(tmp_path / "la.png")
    assert only(tmp_path / "la.png")[4, 4].tolist() == [255, 255, 255]
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 9, 9, 9])
    palette.save(tmp_path / "p.png", transparency=1)
    assert only(tmp_path / "p.png")[4, 4].tolist() == [255, 255, 255]
    (tmp_path / "deep.png").write_bytes(deep_png(np.array([[0, 500, 65535]]), (b"tRNS", b"\x01\xf4")))
    assert grey(tmp_path / "deep.png") == [0, 255, 255]


@pytest.mark.parametrize("name", ["a.pcx", "a.sgi", "a.dds", "a.qoi", "a.dpx", "a.xwd"])
def test_pictures_of_rarer_formats_are_stills(tmp_path: Path, name: str) -> None:
    pixels = cornered()
    if name in ("a.dpx", "a.xwd"):  # which FFmpeg knows and Pillow does not
        encoder: Any = av.CodecContext.create(name[2:], "w")
        encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 96, 48, "rgb24", Fraction(1, 25)
        packets = [*encoder.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")), *encoder.encode(None)]
        (tmp_path / name).write_bytes(b"".join(map(bytes, packets)))
    else:
        Image.fromarray(pixels).save(tmp_path / name)
    with open_source(str(tmp_path / name)) as source:
        assert source.info.still
        (frame,) = source
        assert source.warnings == []
    np.testing.assert_array_equal(frame.pixels, pixels)


def test_a_cmyk_picture_that_is_cut_off_is_not_called_black(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).convert("CMYK").save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2])
    ((frame,), (warning,)) = read(tmp_path / "a.jpg")
    assert frame.pixels[-1].min() > 240
    assert "cut off" in warning
    assert "black" not in warning
    header = data.index(b"\xff\xda")
    (tmp_path / "a.jpg").write_bytes(data[: header + 20])
    with pytest.raises(SourceError, match="is cut off"):
        read(tmp_path / "a.jpg")


def test_colours_are_those_that_the_profile_says(tmp_path: Path) -> None:
    """In this profile red and green have changed places."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "plain.png", icc_profile=profile)
    assert only(tmp_path / "plain.png")[4, 4].tolist() == [255, 0, 0]
    other = profile.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    other = other.replace(b"rXYZ", b"????", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"????", b"gXYZ", 1)
    assert other != profile
    for name, mode in (("a.png", "RGB"), ("b.png", "RGBA"), ("c.jpg", "RGB"), ("d.webp", "RGB"), ("e.tif", "RGB")):
        Image.new(mode, (8, 8), (255, 0, 0)).save(tmp_path / name, icc_profile=other)
        np.testing.assert_allclose(only(tmp_path / name)[4, 4], (0, 255, 0), atol=9, err_msg=name)
    Image.new("L", (8, 8), 77).save(tmp_path / "l.png", icc_profile=other)  # one that cannot be meant
    assert only(tmp_path / "l.png")[4, 4].tolist() == [77, 77, 77]


def test_what_is_no_picture_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "zero.png").write_bytes(png(b"", 0, 1, 8, 2))
    (tmp_path / "print.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n")
    (tmp_path / "bomb.tif").write_bytes(tiff((np.zeros((1, 1), np.uint8), {256: 16000, 257: 16000})))
    Image.new("RGB", (9, 9)).save(tmp_path / "a.webp")
    for name in ("zero.png", "print.png", "bomb.tif"):
        with pytest.raises(RtvizError) as caught:
            read(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)
    (tmp_path / "a.webp").rename(tmp_path / "a.mp4")
    assert only(tmp_path / "a.mp4").shape == (9, 9, 3), "by what is in it, not by its name"

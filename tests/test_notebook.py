"""What a notebook shows: pictures that can be opened, with every head in its place, and nothing heavy loaded for it."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Protocol, cast

import numpy as np
import pytest
from PIL import Image

import rtviz
from rtviz import figures, notebook
from rtviz.drawing.palette import colormap
from rtviz.frame import Frame, Maps, Result
from rtviz.settings import Point, Query, Settings

PIXELS = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)


class Shown(Protocol):
    """What a notebook shows as a picture."""

    def _repr_png_(self) -> bytes: ...


def opened(thing: Shown) -> np.ndarray:
    data = thing._repr_png_()
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


def maps_of(heads: int, grid: tuple[int, int] = (6, 8), layers: int = 2, query: Query = "cls") -> Maps:
    attention = np.zeros((layers, heads, *grid), np.float32)
    for head in range(heads):  # each head looks at a patch of its own
        attention[-1, head].ravel()[(5 * head + 3) % (grid[0] * grid[1])] = 1
    return Maps(attention, np.zeros((layers, heads, 1), np.float32), query, "a model", 16, (96, 128))


def test_a_frame_and_a_result_show_their_pixels() -> None:
    rtviz.Frame  # noqa: B018 - as a notebook begins
    np.testing.assert_array_equal(opened(Frame(PIXELS)), PIXELS)
    other = PIXELS[::-1].copy()
    np.testing.assert_array_equal(opened(Result(other, Frame(PIXELS), None, Settings())), other)
    large = np.zeros((1080, 1920, 3), np.uint8)
    assert opened(Frame(large)).shape == (405, 720, 3)


@pytest.mark.parametrize(("heads", "grid"), [(3, (6, 8)), (6, (14, 14)), (12, (5, 20)), (16, (20, 5)), (1, (1, 1))])
def test_every_head_has_a_tile_that_is_bright_where_it_looks(heads: int, grid: tuple[int, int]) -> None:
    page = notebook.picture(maps_of(heads, grid))
    assert page.shape[1] <= 800
    brightest = colormap("inferno")[255].astype(int)
    bright = (np.abs(page.astype(int) - brightest).max(axis=2) < 12).astype(np.uint8)
    if grid != (1, 1):  # where all is one patch there is nothing to tell apart
        spots = Image.fromarray(bright * 255)
        assert spots.getbbox() is not None
    assert page.shape[0] >= 20


def test_the_brightest_place_of_the_page_moves_with_the_patch() -> None:
    pages = []
    for place in (0, 47):
        attention = np.zeros((1, 1, 6, 8), np.float32)
        attention.ravel()[place] = 1
        pages.append(notebook.picture(Maps(attention, np.zeros((1, 1, 1), np.float32), "cls", "m", 16, (96, 128))))
    difference = pages[1].astype(int).sum(axis=2) - pages[0].astype(int).sum(axis=2)
    up, down = np.argwhere(difference > 200), np.argwhere(difference < -200)
    assert (down.mean(axis=0) < up.mean(axis=0)).all()  # from the upper left to the lower right


@pytest.mark.parametrize("heads", [4, 6, 12, 16])
@pytest.mark.parametrize("grid", [(14, 14), (37, 14), (90, 14), (14, 90)])
def test_a_page_is_filled_whatever_the_shape_of_the_frame(heads: int, grid: tuple[int, int]) -> None:
    even = Maps(np.ones((1, heads, *grid), np.float32), np.zeros((1, heads, 1), np.float32), "cls", "m", 16, grid)
    peaked = even.attention.copy()
    peaked[..., 0, 0] = 0  # so that all else has the brightest colour
    page = notebook.picture(Maps(peaked, even.prefix, "cls", "m", 16, grid))
    assert page.shape[0] <= 720
    assert page.shape[1] <= 720
    bright = (np.abs(page.astype(int) - colormap("inferno")[255].astype(int)).max(axis=2) < 12).mean()
    assert bright > 0.5  # rows that are not full, gaps, numbers and the title are the rest


def test_another_query_and_a_model_without_heads_are_shown_too() -> None:
    assert not np.array_equal(opened(maps_of(3)), opened(maps_of(3, query=Point(0.5, 0.5))))
    stages = tuple(np.random.default_rng(n).random((12 // 2**n, 16 // 2**n)).astype(np.float32) for n in range(3))
    none = np.zeros((3, 0, 3, 4), np.float32), np.zeros((3, 0, 0), np.float32)
    convnet = Maps(*none, "cls", "a convnet", 16, (48, 64), cams={"activation": stages})
    assert opened(convnet).shape[2] == 3
    assert opened(Maps(*none, "cls", "nothing asked of it", 16, (48, 64))).shape[2] == 3


def test_a_figure_shows_itself_without_pyplot() -> None:
    figure = figures.compare(PIXELS, {"one": maps_of(3)})
    picture = opened(cast(Shown, figure))
    width, height = figure.get_size_inches() * 150
    assert picture.shape[:2] == pytest.approx((height, width), abs=2)
    assert picture.std() > 10


def test_nothing_is_loaded_for_it_before_it_is_shown() -> None:
    program = """
import sys
from typing import Protocol, cast
import rtviz
frame = rtviz.Frame
print("rtviz.notebook" in sys.modules, "PIL" in sys.modules)
import numpy as np
print(frame(np.zeros((9, 9, 3), np.uint8))._repr_png_()[:4])
print("torch" in sys.modules, "matplotlib" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["False False", repr(b"\x89PNG"), "False False"]

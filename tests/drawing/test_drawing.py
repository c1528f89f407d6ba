"""From the patch grid to the frame, against slow and simple ways to say the same."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rtviz.drawing import blend, geometry, labels, masks, palette, resample
from rtviz.drawing.geometry import Box
from rtviz.frame import Floats, Pixels

SIZES = [((3, 5), (97, 131)), ((7, 4), (101, 60)), ((14, 19), (480, 640)), ((1, 1), (20, 30)), ((9, 9), (91, 301))]


def grid_of(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape).astype(np.float32) ** 3


# ---------------------------------------------------------------------------------------------- upsampling


@pytest.mark.parametrize(("grid", "size"), SIZES)
def test_nearest_shows_each_patch_as_one_block(grid: tuple[int, int], size: tuple[int, int]) -> None:
    values = grid_of(grid)
    picture = resample.upsample(values, size, "nearest")
    expected = np.empty(size, np.uint8)
    for y in range(size[0]):
        for x in range(size[1]):
            patch = values[int((y + 0.5) * grid[0] / size[0]), int((x + 0.5) * grid[1] / size[1])]
            expected[y, x] = int(patch * 255 + 0.5)
    np.testing.assert_array_equal(picture, expected)


@pytest.mark.parametrize(("grid", "size"), SIZES)
def test_smooth_stays_between_the_patches_around_it(grid: tuple[int, int], size: tuple[int, int]) -> None:
    values = grid_of(grid)
    picture = resample.upsample(values, size, "smooth").astype(float) / 255
    padded = np.pad(values, 1, mode="edge")
    for y in range(0, size[0], 3):
        for x in range(0, size[1], 3):
            row = int(np.floor((y + 0.5) * grid[0] / size[0] - 0.5)) + 1
            column = int(np.floor((x + 0.5) * grid[1] / size[1] - 0.5)) + 1
            # The last step to full size is linear between pixels that may lie in the next interval.
            around = padded[max(0, row - 1) : row + 3, max(0, column - 1) : column + 3]
            assert around.min() - 0.004 <= picture[y, x] <= around.max() + 0.004


def test_smooth_meets_every_patch_at_its_centre() -> None:
    values = grid_of((8, 10))
    picture = resample.upsample(values, (8 * 33, 10 * 33), "smooth")
    centres = picture[16::33, 16::33].astype(float) / 255
    np.testing.assert_allclose(centres, values, atol=0.04)


def test_smooth_is_a_catmull_rom_spline_where_it_cannot_ring() -> None:
    values = np.linspace(0.1, 0.9, 9) ** 2  # rises without a turn
    fine = resample.refine(np.repeat(values[None], 9, axis=0).astype(np.float32), (90, 90))[45]
    slopes = np.gradient(values)
    for place, got in zip((np.arange(len(fine)) + 0.5) * 9 / len(fine) - 0.5, fine, strict=True):
        i, t = int(place), place - int(place)
        if 1 <= place < 7:  # the cubic Hermite polynomial through both ends, with their slopes
            expected = (2 * t**3 - 3 * t**2 + 1) * values[i] + (t**3 - 2 * t**2 + t) * slopes[i]
            expected += (3 * t**2 - 2 * t**3) * values[i + 1] + (t**3 - t**2) * slopes[i + 1]
            assert abs(got - expected) < 1e-5


def test_smooth_has_no_dark_rim_round_a_bright_patch() -> None:
    values = np.full((9, 9), 0.3, np.float32)
    values[4, 4] = 1
    picture = resample.upsample(values, (270, 270), "smooth")
    assert picture.min() == int(0.3 * 255 + 0.5)
    middle = picture[135, 135:].astype(int)
    assert (np.diff(middle) <= 0).all()


def test_many_maps_at_once_are_each_alone() -> None:
    values = grid_of((2, 3, 7, 9))
    guide = np.random.default_rng(1).integers(0, 256, (90, 121, 3), dtype=np.uint8)
    for how in ("smooth", "nearest", "guided"):
        together = resample.upsample(values, (90, 121), how, guide)
        assert together.shape == (2, 3, 90, 121)
        np.testing.assert_array_equal(together[1, 2], resample.upsample(values[1, 2], (90, 121), how, guide))


@pytest.mark.parametrize("size", [(2, 3), (5, 40), (13, 8), (20, 26)])
def test_maps_can_be_drawn_smaller_than_their_grid(size: tuple[int, int]) -> None:
    values = grid_of((14, 19))
    for how in ("smooth", "nearest"):
        picture = resample.upsample(values, size, how)
        assert picture.shape == size
        assert abs(picture.mean() / 255 - values.mean()) < 0.12


def disc_and_guide(size: tuple[int, int] = (240, 320)) -> tuple[NDArray[np.bool_], Pixels, Floats]:
    """A disc on a darker ground, and the share of each patch that it covers, shifted and noisy as attention is."""
    ys, xs = np.mgrid[: size[0], : size[1]]
    disc = (ys - 118) ** 2 + (xs - 165) ** 2 < 71**2
    guide = np.where(disc[..., None], (200, 150, 90), (60, 80, 110))
    guide = np.clip(guide + np.random.default_rng(0).normal(0, 4, guide.shape), 0, 255).astype(np.uint8)
    patches = disc.reshape(15, 16, 20, 16).mean(axis=(1, 3)).astype(np.float32)
    return disc, guide, patches


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_guided_follows_the_outline_of_the_frame() -> None:
    disc, guide, patches = disc_and_guide()
    guided = resample.upsample(patches, disc.shape, "guided", guide)
    smooth = resample.upsample(patches, disc.shape, "smooth")
    assert overlap(guided > 127, disc) > 0.97
    ys, xs = np.mgrid[: disc.shape[0], : disc.shape[1]]
    band = np.abs(np.hypot(ys - 118, xs - 165) - 71) < 6
    wrong = {name: np.abs(p[band] / 255 - disc[band]).mean() for name, p in (("guided", guided), ("smooth", smooth))}
    assert wrong["guided"] < 0.5 * wrong["smooth"]


def he_filter(plane: NDArray[np.float64], guide: Pixels, reach: int) -> NDArray[np.float64]:
    """He, Sun and Tang 2013, eq. 14-16 for colour guides, window by window; what lies outside is mirrored."""
    height, width = plane.shape
    colors = np.pad(guide / 255.0, ((reach,) * 2, (reach,) * 2, (0, 0)), mode="symmetric")
    padded = np.pad(plane, reach, mode="symmetric")
    side = 2 * reach + 1
    functions = np.empty((height, width, 4))  # of each window: three slopes, an offset
    for y, x in np.ndindex(height, width):
        window = colors[y : y + side, x : x + side].reshape(-1, 3)
        target = padded[y : y + side, x : x + side].ravel()
        covariance = np.cov(window.T, bias=True) + 5e-4 * np.eye(3)
        slope = np.linalg.solve(covariance, (window * target[:, None]).mean(0) - window.mean(0) * target.mean())
        functions[y, x] = *slope, target.mean() - slope @ window.mean(0)
    functions = np.pad(functions, ((reach,) * 2, (reach,) * 2, (0, 0)), mode="symmetric")
    filtered = np.empty((height, width))
    for y, x in np.ndindex(height, width):
        mean = functions[y : y + side, x : x + side].mean(axis=(0, 1))
        filtered[y, x] = mean[:3] @ (guide[y, x] / 255.0) + mean[3]
    return filtered


def keys_weights(count: int, side: int) -> NDArray[np.float64]:
    """Keys 1981 with a = -1/2, of `count` patches of `side` pixels: [pixels, patches]; the outermost go on for ever."""
    weights = np.zeros((count * side, count))
    for pixel in range(count * side):
        place = (pixel + 0.5) / side - 0.5
        for patch in range(-3, count + 3):
            far = abs(place - patch)
            near = 1.5 * far**3 - 2.5 * far**2 + 1 if far <= 1 else -0.5 * far**3 + 2.5 * far**2 - 4 * far + 2
            weights[pixel, min(max(patch, 0), count - 1)] += near if far < 2 else 0
    return weights


def test_guided_is_the_guided_filter_of_he_corrected_by_what_patches_lack() -> None:
    side, reach = 4, 4
    guide = np.random.default_rng(3).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    values = grid_of((6, 8), 4)
    plane = first = resample.refine(values, (24, 32)).astype(float)
    for _ in range(2):
        means = np.clip(he_filter(plane, guide, reach), 0, 1).reshape(6, side, 8, side).mean(axis=(1, 3))
        plane = plane + keys_weights(6, side) @ (values - means) @ keys_weights(8, side).T
    expected = he_filter(plane, guide, reach)
    expected *= np.clip(first.max() / expected.max(), 1, 4)
    got = resample.refine(values, (24, 32), "guided", guide)
    np.testing.assert_allclose(got, np.clip(expected, 0, 1), atol=2e-3)


def test_guided_keeps_what_each_patch_has() -> None:
    disc, guide, patches = disc_and_guide()
    guided = resample.upsample(patches, disc.shape, "guided", guide) / 255
    means = guided.reshape(15, 16, 20, 16).mean(axis=(1, 3))
    assert np.abs(means - patches).mean() < 0.006
    assert np.abs(guided - disc).mean() < 0.011


def test_guided_by_an_even_frame_is_a_blur_that_keeps_its_peak() -> None:
    values = np.zeros((9, 9), np.float32)
    values[4, 4] = 1
    picture = resample.upsample(values, (180, 180), "guided", np.full((180, 180, 3), 90, np.uint8))
    assert picture.max() > 200
    assert picture[:30].max() < 10


def test_guided_without_a_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the frame"):
        resample.upsample(grid_of((4, 4)), (40, 40), "guided")


# ---------------------------------------------------------------------------------------------- masks


def mass_mask_by_hand(attention: np.ndarray, threshold: float) -> set[int]:
    """visualize_attention.py in pure Python: sort upwards, cumulate, keep above 1 - threshold."""
    total = sum(float(value) for value in attention.ravel())
    cumulated, kept = 0.0, set()
    for place in sorted(range(attention.size), key=lambda i: attention.ravel()[i]):
        cumulated += float(attention.ravel()[place]) / total
        if cumulated > 1 - threshold:
            kept.add(place)
    return kept


@pytest.mark.parametrize("threshold", [0.01, 0.25, 0.6, 0.93, 1.0])
def test_mass_mask_keeps_the_top_share(threshold: float) -> None:
    attention = grid_of((2, 3, 7, 11), 5)
    found = masks.mass_mask(attention, threshold)
    assert found.dtype == np.bool_
    for layer, head in np.ndindex(2, 3):
        kept = set(np.flatnonzero(found[layer, head]))
        assert kept == mass_mask_by_hand(attention[layer, head], threshold)
        share = attention[layer, head][found[layer, head]].sum() / attention[layer, head].sum()
        assert share >= threshold - 1e-6


def test_mass_mask_is_never_empty_and_ignores_scale() -> None:
    attention = grid_of((5, 6))
    np.testing.assert_array_equal(masks.mass_mask(attention, 0.6), masks.mass_mask(attention * np.float32(1e-4), 0.6))
    assert masks.mass_mask(attention, 0.01).sum() == 1
    assert masks.mass_mask(np.full((4, 4), 0.0625, np.float32), 0.5).sum() == 8


@pytest.mark.parametrize("threshold", [0.3, 0.6, 0.9])
def test_smooth_mask_holds_exactly_the_centres_of_its_patches(threshold: float) -> None:
    attention = grid_of((9, 12), 6) ** 2  # spans orders of magnitude, as attention does
    pixels = masks.mask_pixels(attention, threshold, (9 * 31, 12 * 31), "smooth")
    np.testing.assert_array_equal(pixels[15::31, 15::31] > 0, masks.mass_mask(attention, threshold))
    assert set(np.unique(pixels)) <= {0, 255}


def test_nearest_mask_has_the_patches_own_edges() -> None:
    attention = grid_of((5, 7), 7)
    pixels = masks.mask_pixels(attention, 0.6, (5 * 13, 7 * 11), "nearest")
    blocks = np.kron(masks.mass_mask(attention, 0.6), np.ones((13, 11), bool))
    np.testing.assert_array_equal(pixels > 0, blocks)


def test_guided_mask_follows_the_outline_and_keeps_its_area() -> None:
    disc, guide, patches = disc_and_guide()
    mask = masks.mass_mask(patches + 1e-4, 0.97)
    guided = masks.mask_pixels(patches + 1e-4, 0.97, disc.shape, "guided", guide) > 0
    assert abs(guided.mean() - mask.mean()) < 0.05
    assert overlap(guided, disc) > 0.93
    assert overlap(guided, disc) > overlap(np.kron(mask, np.ones((16, 16), bool)), disc)


def test_masks_of_all_heads_at_once_are_each_alone() -> None:
    attention = grid_of((4, 6, 9), 8)
    guide = np.random.default_rng(1).integers(0, 256, (60, 91, 3), dtype=np.uint8)
    for how in ("smooth", "nearest", "guided"):
        together = masks.mask_pixels(attention, 0.6, (60, 91), how, guide)
        for head in range(4):
            np.testing.assert_array_equal(together[head], masks.mask_pixels(attention[head], 0.6, (60, 91), how, guide))


def test_a_softened_mask_is_a_distance_to_its_edge() -> None:
    mask = np.zeros((60, 80), np.uint8)
    mask[:, 40:] = 255
    ramp, rise = masks.soften(mask, 2)
    inside, line = masks.inside_table(rise), masks.outline_table(rise, 2)
    row = ramp[30]
    assert (inside[row[:38]] == 0).all()
    assert (inside[row[42:]] == 1).all()
    np.testing.assert_allclose(line[row].sum(), 2, atol=0.5)  # two pixels wide, whatever their values
    assert np.flatnonzero(line[row]).min() >= 38
    assert np.flatnonzero(line[row]).max() <= 41


# ---------------------------------------------------------------------------------------------- colour and blending


@pytest.mark.parametrize("name", ["inferno", "viridis", "magma", "cividis", "turbo", "gray"])
def test_colormaps_are_those_of_matplotlib(name: str) -> None:
    import matplotlib

    expected = np.asarray(matplotlib.colormaps[name](np.arange(256))[:, :3]) * 255
    assert np.abs(palette.colormap(name).astype(float) - expected).max() <= 3


def test_paint_does_what_its_tables_say() -> None:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (37, 53, 3), dtype=np.uint8)
    values = rng.integers(0, 256, (37, 53), dtype=np.uint8)
    paint = blend.Paint.mix(
        np.linspace(0, 0.9, 256), palette.colormap("viridis"), np.linspace(0.5, 0, 256), np.linspace(0.8, 0, 256)
    )
    before = frame.copy()
    painted = blend.lay(frame, values, paint)
    gray = frame @ np.array([0.299, 0.587, 0.114])
    cover, dim, fade = np.linspace(0, 0.9, 256), np.linspace(0.5, 0, 256), np.linspace(0.8, 0, 256)
    shows = ((1 - cover) * (1 - dim))[values][..., None]
    bleached = frame + (gray[..., None] - frame) * fade[values][..., None]
    expected = shows * bleached + (cover[values][..., None] * palette.colormap("viridis")[values])
    assert np.abs(painted - expected).max() <= 3
    np.testing.assert_array_equal(frame, before)


def test_paint_without_cover_leaves_every_pixel_as_it_is() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (480, 641, 3), dtype=np.uint8)
    values = np.random.default_rng(1).integers(0, 256, (480, 641), dtype=np.uint8)
    paint = blend.Paint.mix(np.zeros(256), palette.colormap("inferno"), 0, 0)
    np.testing.assert_array_equal(blend.lay(frame, values, paint), frame)


def test_heads_colours_stay_apart_for_every_kind_of_colour_vision() -> None:
    """Machado, Oliveira and Fernandes 2009, severity 1; the first seven are the ones most models need."""
    vision = {
        "normal": np.eye(3),
        "protan": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
        "deutan": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
        "tritan": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
    }
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    linear = (np.array(palette.HEAD_COLORS[:7]) / 255) ** 2.2
    for name, matrix in vision.items():
        x, y, z = np.cbrt(np.clip(linear @ np.array(matrix).T, 1e-3, 1) @ to_xyz.T / [0.9505, 1, 1.089]).T
        lab = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)  # CIELAB 1976
        distances = [np.linalg.norm(lab[i] - lab[j]) for i in range(7) for j in range(i)]
        assert min(distances) > 10, name
    assert len(set(palette.HEAD_COLORS)) == len(palette.HEAD_COLORS)


# ---------------------------------------------------------------------------------------------- words and tiles


@pytest.mark.parametrize("height", [9, 13, 22, 34])
def test_a_label_is_legible_and_lies_in_its_box(height: int) -> None:
    box = Box(30, 40, 60, 200)
    for ground in (0, 128, 255):
        picture = blend.blank((140, 300), (ground,) * 3)
        pill = labels.label(picture, "head 12", box, height)
        changed = (picture != ground).any(axis=2)
        ys, xs = np.nonzero(changed)
        assert box.top <= ys.min()
        assert ys.max() < box.top + box.height
        assert box.left <= xs.min()
        assert xs.max() < box.left + box.width
        text = picture[pill.slices].astype(int)
        assert text.max() > 200  # the letters
        assert np.median(text) < 90  # the pill behind them, on white too


def test_different_names_look_different() -> None:
    pictures = []
    for name in ("head 1", "head 2"):
        picture = blend.blank((40, 120))
        labels.label(picture, name, Box(0, 0, 40, 120), 16)
        pictures.append(picture)
    assert (np.abs(pictures[0].astype(int) - pictures[1]) > 100).sum() > 20


def test_every_sign_that_is_written_has_a_glyph() -> None:
    nothing = labels._letters("\N{SNOWMAN}", 24)  # the box that stands for what a font does not have
    for sign in "abcdefghijklmnopqrstuvwxyzLH0123456789·%":
        letters = labels._letters(sign, 24)
        assert letters.max() > 128, sign
        assert letters.shape != nothing.shape or (letters != nothing).any(), sign


@pytest.mark.parametrize("size", [(240, 320), (1080, 1920), (721, 405)])
def test_a_legend_with_sixteen_heads_stays_in_the_picture(size: tuple[int, int]) -> None:
    picture = blend.blank(size, (255, 255, 255))
    labels.legend(picture, "head", [(str(head), palette.head_color(head)) for head in range(16)])
    ys, xs = np.nonzero((picture < 250).any(axis=2))
    assert ys.min() > size[0] // 2
    assert xs.min() > 0
    assert xs.max() < size[1] - 1
    assert ys.max() < size[0] - 1
    for head in range(16):
        assert (np.abs(picture.astype(int) - palette.head_color(head)).max(axis=2) <= 2).any(), head


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 3), (4, 2), (5, 7)])
@pytest.mark.parametrize("size", [(480, 640), (723, 1281), (405, 211)])
def test_tiles_have_one_size_do_not_touch_and_keep_the_aspect(rows: int, columns: int, size: tuple[int, int]) -> None:
    area = Box(4, 6, size[0] - 8, size[1] - 12)
    boxes = geometry.tile_boxes(area, rows, columns, 5, size[1] / size[0])
    assert len(boxes) == rows * columns
    used = np.zeros(size, int)
    for box in boxes:
        assert box.size == boxes[0].size
        used[max(0, box.top - 2) : box.top + box.height + 2, max(0, box.left - 2) : box.left + box.width + 2] += 1
        assert area.top <= box.top
        assert box.top + box.height <= area.top + area.height
        assert area.left <= box.left
        assert box.left + box.width <= area.left + area.width
    assert used.max() == 1
    height, width = boxes[0].size
    assert abs(width - height * size[1] / size[0]) <= 1 + size[1] / size[0]

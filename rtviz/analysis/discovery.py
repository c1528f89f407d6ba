"""Object discovery in the features of one frame, by TokenCut and LOST: without labels, training or text.

Both take features of a self-supervised ViT's last layer as a graph of patches, and both give one object: its patches,
the seed that it was found by, and a box. TokenCut finds the normalised cut of the graph; LOST starts from the patch
with the fewest edges. The papers take DINO's keys, of all heads
together; in other families other features are better (`ModelCard.discovery_features`). Nothing here draws.

In a stream, `follow` uses the result of the frame before, which is faster and steadier: TokenCut's search begins at
the last eigenvector, and the object stays the same until another one has been the better choice for a second. Alone,
`tokencut` and `lost` treat each frame on its own.

Sources: Wang, Shen, Hu, Yuan, Crowley and Vaufreydaz, "Self-Supervised Transformers for Unsupervised Object Discovery
using Normalized Cut", CVPR 2022 (arXiv:2202.11539), section 3; Siméoni, Puy, Vo, Roburin, Gidaris, Bursuc, Pérez,
Marlet and Ponce, "Localizing Objects with Self-Supervised Transformers and no Labels", BMVC 2021 (arXiv:2109.14279),
section 3; Shi and Malik, "Normalized Cuts and Image Segmentation", PAMI 2000, for the cut itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rtviz.errors import no_tokens
from rtviz.frame import Floats, Frame, Pixels
from rtviz.settings import Point, Settings

if TYPE_CHECKING:
    from rtviz.models import Model

TAU = 0.2  # TokenCut: patches whose keys have at least this cosine similarity are tied
EPSILON = 1e-5  # TokenCut: the weight between all others
K = 100  # LOST: so many patches of the lowest degree may join the seed

PATIENCE_SECONDS = 1.0  # how long another object must be the better choice before it is shown
_SAME = 0.2  # Jaccard index with the object before, below which it is gone
_PREFERENCE = 0.1  # by how much another choice must exceed the plain one in Jaccard index to be preferred
CUT = 0.5  # similarity of two frames' features, place by place, below which they show different scenes
JUMP_SECONDS = 1.0  # backwards; a stream that jumps further starts over

# Remarks: why nothing is found, or the whole picture.
ALL_ALIKE = "all patches are alike"
NONE_ALIKE = "no two patches are alike"
NO_FEATURES = "the patches have nothing to compare"
_WHOLE = 0.95  # of the patches: a larger mask separates no object from a background

_VECTORS = 3  # eigenvectors among which a known object is looked for
_MOST_STEPS = 160
_ROUND_STEPS = 40
_ACCURACY = 2e-3  # of the eigenvector, as an angle

Mask = NDArray[np.bool_]  # [rows, columns]
Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Discovery:
    """The object that was found in one frame.

    Attributes:
        mask: bool [rows, columns], the object: the patches of the foreground that are connected with the seed, side by
            side. Empty if nothing was found.
        seed: (row, column) of the patch that it was found by; None if nothing was found.
        box: (top, left, bottom, right) in patches, bottom and right just outside; None if nothing was found.
        foreground: bool [rows, columns], the whole foreground; the mask is a part of it.
        values: float32 [rows, columns], how far each patch belongs to the foreground; above 0 exactly where
            `foreground` is true. TokenCut: the eigenvector above its mean; LOST: the summed correlation with the seeds.
        vector: float32 [rows, columns], TokenCut's second smallest eigenvector; None for LOST.
        kept: whether the frame before changed the choice that the frame alone would give.
        method: "tokencut" or "lost".
        features: what the patches were compared by, "keys", "values" or "tokens"; empty if unknown.
        remark: why there is no object, or why it is (nearly) the whole picture; empty otherwise.
    """

    mask: Mask
    seed: tuple[int, int] | None
    box: tuple[int, int, int, int] | None
    foreground: Mask
    values: Floats
    vector: Floats | None = None
    kept: bool = False
    method: str = ""
    features: str = ""
    remark: str = ""

    def box_on(self, size: tuple[int, int]) -> tuple[float, float, float, float] | None:
        """The box on the frame.

        Args:
            size: (height, width) of the frame, in pixels.

        Returns:
            (top, left, bottom, right) in pixels, bottom and right just outside; None if nothing was found.
        """
        if self.box is None:
            return None
        down, across = (side / count for side, count in zip(size, self.mask.shape, strict=True))
        top, left, bottom, right = self.box
        return top * down, left * across, bottom * down, right * across

    def mask_on(self, size: tuple[int, int]) -> Mask:
        """The mask on the frame, each pixel as the patch that it lies in: bool [height, width].

        Args:
            size: (height, width) of the frame, in pixels.
        """
        rows, columns = (np.arange(side) * count // side for side, count in zip(size, self.mask.shape, strict=True))
        return self.mask[rows[:, None], columns[None, :]]

    def __repr__(self) -> str:
        rows, columns = self.mask.shape
        return f"Discovery({rows}x{columns} patches, {int(self.mask.sum())} in the mask, {self.seed=}, {self.box=})"


class Method(Protocol):
    """`tokencut` or `lost`."""

    def __call__(self, features: NDArray[np.floating[Any]], *, before: Discovery | None = None) -> Discovery: ...


# --- TokenCut --------------------------------------------------------------------------------------------------------


def tokencut(
    features: NDArray[np.floating[Any]],
    *,
    tau: float = TAU,
    epsilon: float = EPSILON,
    most: int | None = None,
    before: Discovery | None = None,
) -> Discovery:
    """The object by a normalised cut through the graph of patches (Wang et al. 2022, section 3.2).

    Two patches are tied by 1 if their features have a cosine similarity of at least `tau`, else by `epsilon`. With E
    these weights and D their sums, the second smallest solution of (D - E) y = lambda D y relaxes the cut with the
    fewest ties between its sides, in relation to the ties within them. Patches above and below the mean of y are the
    two sides; the one with the largest absolute value is the foreground, and that patch is the seed.

    Args:
        features: float [rows, columns, width], the keys of the last layer.
        tau: above -1, at most 1.
        epsilon: above 0, so that the graph hangs together.
        most: where there are more patches, the cut is found on patches pooled two by two, and each patch then takes
            the mean of those that it is tied to (Nystroem's extension): a live picture cannot wait for the graph of
            thousands. On 60 drawn scenes with 784 patches the masks' Jaccard index is .75 so, and .76 without.
        before: what was found in the frame before: the search begins there, and keeps to the same object if one of the
            first three eigenvectors still shows it.

    Raises:
        ValueError: the features are not [rows, columns, width].
    """
    flat, grid = _flat(features)
    if not _usable(flat):
        return _nothing(grid, "tokencut", NO_FEATURES)
    started = before.vector if before is not None and before.mask.shape == grid else None
    if most is None or len(flat) <= most:
        cuts, why_none = _cuts(_unit(flat), tau, epsilon, started)
        vectors = [vector.reshape(grid) for vector in cuts]
    else:
        small = _pooled(flat.reshape(*grid, -1))
        few, all_of_them = _unit(small.reshape(-1, small.shape[2])), _unit(flat)
        started = None if started is None else _pooled(started[..., None])
        tied = all_of_them @ few.T >= tau  # [patches, pooled patches]
        of = np.maximum(tied.sum(axis=1), 1)
        cuts, why_none = _cuts(few, tau, epsilon, started)
        vectors = [((tied @ vector.astype(np.float32)) / of).reshape(grid) for vector in cuts]
    if not vectors:
        return _nothing(grid, "tokencut", why_none)
    plain = _side(vectors[0])
    if before is None:
        return plain
    return _keep(plain, before, _sides(vectors, before))


def _unit(flat: Floats) -> Floats:
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), np.float32(1e-12)))


def _pooled(features: Array) -> Array:
    """Means of two by two patches [rows, columns, width]; the last row or column stands for two where one is left."""
    rows, columns, width = features.shape
    even = np.pad(features, ((0, rows % 2), (0, columns % 2), (0, 0)), mode="edge")
    return np.asarray(even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2, width).mean(axis=(1, 3)))


def _cuts(unit: Floats, tau: float, epsilon: float, started: Array | None) -> tuple[list[Array], str]:
    """The vectors [patches] that cut the graph of features of unit length [patches, width], the best first; none where
    every cut is as good as another, and then why that is so."""
    tied = (unit @ unit.T >= tau).astype(np.float32)
    np.fill_diagonal(tied, 1.0)  # also for a patch whose features are 0
    ties = int(tied.sum(dtype=np.float64))
    if ties == tied.size:
        return [], ALL_ALIKE
    if ties == len(tied):
        return [], NONE_ALIKE
    return _second_smallest(tied, epsilon, started), ""


def _side(vector: Array, above: bool | None = None, within: Mask | None = None) -> Discovery:
    """One side of the cut that an eigenvector [rows, columns] makes, and the object in it.

    Args:
        above: which side; the one with the largest absolute value if not given.
        within: where the seed must be, if it can.
    """
    size = np.abs(vector)
    middle = vector.mean()
    if above is None:
        above = bool(vector.ravel()[size.argmax()] > middle)
    values = vector - middle if above else middle - vector
    foreground = values > 0
    allowed = foreground
    if within is not None and (foreground & within).any():
        allowed = foreground & within
    seed = int(np.where(allowed, size, -1).argmax())
    return _around("tokencut", seed, foreground, values, vector.astype(np.float32))


def _sides(vectors: list[Array], before: Discovery) -> Iterator[Discovery]:
    """All choices that the first few eigenvectors offer for an object that is known."""
    for vector in vectors:
        for above in (True, False):
            yield _side(vector, above, before.mask)


def _second_smallest(tied: Floats, epsilon: float, started: Array | None) -> list[Array]:
    """Solutions y of (D - E) y = lambda D y with the smallest lambda but one, and a few more after it, ascending.

    With z = sqrt(D) y it is the symmetric problem N z = (1 - lambda) z, N = E / sqrt(D D'), whose largest solution is
    known, sqrt(D), and taken out. The next ones come from Lanczos' method with restarts: a few dozen products with the
    matrix where a full decomposition needs as much as hundreds.

    Args:
        tied: float32 [patches, patches], 1 for tied, else 0. The weights E are `tied`, with epsilon in place of 0.
        started: [rows, columns], what the solution will be like.

    Returns:
        float64 [patches] each; their mean over patches, weighted by D, is 0.
    """
    count = len(tied)
    degrees = tied.sum(axis=1, dtype=np.float64) * (1 - epsilon) + epsilon * count
    root = np.sqrt(degrees)
    scale = 1 / root
    trivial = root / np.linalg.norm(root)

    def times(z: Array) -> Array:
        u = scale * z
        product = (1 - epsilon) * (tied @ u.astype(np.float32)).astype(np.float64) + epsilon * u.sum()
        product *= scale
        return np.asarray(product - trivial * (trivial @ product))

    # A little of everything is in the start, so that no solution can be missed.
    start = np.random.default_rng(0).standard_normal(count)
    if started is not None:
        given = started.ravel() * root
        length = float(np.linalg.norm(given))
        if np.isfinite(length) and length > 0:
            start = given / length + start * (0.02 / np.linalg.norm(start))
    start -= trivial * (trivial @ start)
    return [scale * z for z in _largest(times, start)]


def _largest(times: Any, start: Array) -> list[Array]:
    """The eigenvector of a symmetric matrix with the largest eigenvalue, by Lanczos' method; after it up to two more,
    if they turned up on the way and their eigenvalues are nearly as large.

    Args:
        times: multiplies a vector with it.
        start: a vector that is not orthogonal to them, and on which the search begins.
    """
    steps = 0
    while True:
        room = min(_ROUND_STEPS, len(start) - 1)
        basis = np.zeros((room + 1, len(start)))
        diagonal, beside = np.zeros(room), np.zeros(room)
        basis[0] = start / max(float(np.linalg.norm(start)), 1e-300)
        for made in range(1, room + 1):
            product = times(basis[made - 1])
            diagonal[made - 1] = basis[made - 1] @ product
            for _ in range(2):  # twice is enough, against what rounding leaves
                product = product - basis[:made].T @ (basis[:made] @ product)
            beside[made - 1] = rest = float(np.linalg.norm(product))
            ends = rest < 1e-7 or made == room  # there is nothing more to find from this start
            if not ends:
                basis[made] = product / rest
            if ends or (made >= 3 and made % 3 == 0):
                values, mixes = _tridiagonal(diagonal[:made], beside[: made - 1])
                left = np.abs(rest * mixes[-1])  # how far each is from a solution
                gap = float(values[0] - values[1]) if made > 1 else 1.0
                done = rest < 1e-7 or left[0] <= _ACCURACY * max(gap, 1e-5)
                if done or ends:
                    break
        found = mixes[:, :_VECTORS].T @ basis[:made]
        steps += made
        if done or steps >= _MOST_STEPS or room == len(start) - 1:
            # Further ones only if they are nearly as large, and known: the rest is what is left of the start.
            sound = (values >= 0.5 * values[0]) & (left <= 0.05)
            return [z for place, z in enumerate(found) if place == 0 or sound[place]]
        start = found[0]


def _tridiagonal(diagonal: Array, beside: Array) -> tuple[Array, Array]:
    """Eigenvalues, descending, and eigenvectors in columns."""
    values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
    return values[::-1], vectors[:, ::-1]


# --- LOST ------------------------------------------------------------------------------------------------------------


def lost(features: NDArray[np.floating[Any]], *, k: int = K, before: Discovery | None = None) -> Discovery:
    """The object that grows from the patch with the fewest ties (Siméoni et al. 2021, section 3.2).

    Two patches are tied if the product of their features is not negative. The seed is the patch with the fewest ties:
    objects are smaller than what is behind them. Of the k patches with the fewest ties, those tied to the seed become
    seeds too; the foreground is every patch whose products with all seeds sum to no less than 0.

    Args:
        features: float [rows, columns, width], the keys of the last layer, as long as they are.
        k: patches that may become seeds.
        before: what was found in the frame before: if another object is the plain choice now, the seed is looked for
            within the old one first.

    Raises:
        ValueError: the features are not [rows, columns, width].
    """
    flat, grid = _flat(features)
    if not _usable(flat):
        return _nothing(grid, "lost", NO_FEATURES)
    products = flat @ flat.T
    degrees = np.count_nonzero(products >= 0, axis=1)
    order = np.argsort(degrees, kind="stable")  # of equals, the first in reading order
    lowest = order[: max(1, k)]

    def grown(seed: int) -> Discovery:
        seeds = lowest[products[lowest, seed] >= 0]
        seeds = np.union1d(seeds, seed)
        summed = (flat @ flat[seeds].sum(axis=0, dtype=np.float64)).reshape(grid)
        foreground = summed >= 0
        foreground.ravel()[seed] = True  # it is, but for rounding
        values = np.where(foreground, np.maximum(summed, np.float64(1e-12)), summed)
        return _around("lost", seed, foreground, values)

    plain = grown(int(order[0]))
    if before is None or before.mask.shape != grid or not before.mask.any():
        return plain
    known = np.flatnonzero(before.mask)
    return _keep(plain, before, (grown(int(known[degrees[known].argmin()])) for _ in range(1)))


# --- both ------------------------------------------------------------------------------------------------------------


def _flat(features: NDArray[np.floating[Any]]) -> tuple[Floats, tuple[int, int]]:
    if features.ndim != 3:
        raise ValueError(f"features are [rows, columns, width], not {features.shape}")
    rows, columns, width = features.shape
    return np.ascontiguousarray(features, np.float32).reshape(rows * columns, width), (rows, columns)


def _usable(flat: Floats) -> bool:
    return bool(flat.size) and bool(np.isfinite(flat).all()) and bool(flat.any())


def _nothing(grid: tuple[int, int], method: str, why: str) -> Discovery:
    none = np.zeros(grid, np.bool_)
    return Discovery(none, None, None, none, np.zeros(grid, np.float32), method=method, remark=why)


def _around(method: str, seed: int, foreground: Mask, values: Array, vector: Floats | None = None) -> Discovery:
    """The object of a foreground that the seed, the number of a patch, lies in."""
    columns = foreground.shape[1]
    place = (seed // columns, seed % columns)
    mask = component(foreground, place)
    remark = ALL_ALIKE if mask.mean() >= _WHOLE else ""
    return Discovery(
        mask, place, box_of(mask), foreground, values.astype(np.float32), vector, method=method, remark=remark
    )


def component(mask: Mask, seed: tuple[int, int]) -> Mask:
    """The patches of a mask that hang together with the seed's, side by side and not over corners."""
    found = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), np.bool_)  # with a border, so that shifts need no care
    inner = found[1:-1, 1:-1]
    inner[seed] = mask[seed]
    count = int(inner.sum())
    while True:
        wider = found[:-2, 1:-1] | found[2:, 1:-1] | found[1:-1, :-2] | found[1:-1, 2:]
        inner |= wider & mask
        grown = int(inner.sum())
        if grown == count:
            return inner.copy()
        count = grown


def parts(mask: Mask, least: int = 1) -> list[Mask]:
    """The components of a mask that have at least so many patches, in reading order."""
    left, found = mask.copy(), []
    while left.any():
        first = int(left.ravel().argmax())
        part = component(left, (first // mask.shape[1], first % mask.shape[1]))
        left &= ~part
        if np.count_nonzero(part) >= least:
            found.append(part)
    return found


def box_of(mask: Mask) -> tuple[int, int, int, int] | None:
    """The smallest box round a mask: (top, left, bottom, right), the last two just outside; None if it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


METHODS: Mapping[str, Method] = {"tokencut": tokencut, "lost": lost}


def find_object(model: Model, frame: Pixels | Frame, method: str = "tokencut", features: str = "auto") -> Discovery:
    """The object of a frame, found without any label.

        found = rtviz.find_object(rtviz.load("dino-vits16"), frame)
        found.mask, found.box  # in patches
        found.mask_on(frame.shape[:2]), found.box_on(frame.shape[:2])  # in pixels

    Args:
        model: a vision transformer.
        frame: RGB uint8 [height, width, 3].
        method: "tokencut" (Wang et al. 2022) or "lost" (Siméoni et al. 2021).
        features: what patches are compared by: "keys", "values" or "tokens" of the last layer; "auto" takes the best
            ones for the model's family (`ModelCard.discovery_features`).

    Returns:
        The object in patches, with `remark` saying why where there is none.

    Raises:
        SettingsError: method or features are not among these, or the model has no patch tokens.
        DeviceFailed, AttentionCaptureError: from the forward pass.
    """
    method = Settings.option("objects").check(method)
    features = Settings.option("features").check(features)
    if not model.heads:
        raise no_tokens(model.name)
    chosen = model.card.discovery_features if features == "auto" else features
    maps = model(frame, "cls" if model.has_cls else Point(0.5, 0.5), (chosen,))
    return replace(METHODS[method](maps.patch_features(chosen)), features=chosen)


# --- over time -------------------------------------------------------------------------------------------------------


def _jaccard(one: Mask, other: Mask) -> float:
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0


def _keep(plain: Discovery, before: Discovery, others: Iterator[Discovery]) -> Discovery:
    """The plain choice, or another one that is clearly more like the object before."""
    if before.mask.shape != plain.mask.shape or not before.mask.any():
        return plain
    likeness = _jaccard(plain.mask, before.mask)
    if likeness > 0.5:
        return plain
    best, most = plain, max(likeness + _PREFERENCE, _SAME)
    for other in others:
        alike = _jaccard(other.mask, before.mask)
        if alike > most:
            best, most = replace(other, vector=plain.vector, kept=True), alike
    return best


@dataclass(frozen=True, slots=True, eq=False)
class Following:
    """What `follow` remembers between the frames of a stream.

    Attributes:
        found: in the last frame.
        features: of the last frame, float [rows, columns, width].
        pts_seconds: of the last frame.
        since: when another object began to be the better choice, in seconds of the source; None if it is not.
    """

    found: Discovery
    features: NDArray[np.floating[Any]]
    pts_seconds: float
    since: float | None = None


def follow(
    method: Method, features: NDArray[np.floating[Any]], pts_seconds: float, before: Following | None = None
) -> Following:
    """The object of the next frame of a stream: the same as before, unless another was better for a second.

    It starts over after a cut or a jump backwards. The same frame again gives the same result.

    Args:
        method: `tokencut` or `lost`.
        features: float [rows, columns, width].
        pts_seconds: when the frame is shown.
        before: of the frame before; None at the beginning.

    Raises:
        ValueError: the features are not [rows, columns, width].
    """
    if before is not None and (
        pts_seconds < before.pts_seconds - JUMP_SECONDS or likeness(features, before.features) < CUT
    ):
        before = None
    if before is None:
        return Following(method(features), features, pts_seconds)
    if pts_seconds == before.pts_seconds and np.array_equal(features, before.features):
        return before
    found = method(features, before=before.found)
    since = None
    if found.kept:
        since = before.since if before.since is not None else pts_seconds
        if abs(pts_seconds - since) >= PATIENCE_SECONDS:
            found, since = method(features), None
    return Following(found, features, pts_seconds, since)


def likeness(one: NDArray[np.floating[Any]], other: NDArray[np.floating[Any]]) -> float:
    """Similarity of two frames, place by place: the mean cosine similarity of their features [rows, columns, width],
    less the mean feature of the second frame. 0 for frames of different shape."""
    if one.shape != other.shape or not one.size:
        return 0.0
    mean = np.asarray(other.mean(axis=(0, 1)))
    a, b = one - mean, other - mean
    products = np.einsum("ijk,ijk->ij", a, b)
    norms = np.sqrt(np.einsum("ijk,ijk->ij", a, a) * np.einsum("ijk,ijk->ij", b, b))
    return float(products.sum() / max(float(norms.sum()), 1e-12))

"""Principal components of patch tokens, and how they become colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rtviz.frame import Floats

# How fast the components and the ranges of their colours follow, in seconds of the source.
_FOLLOW_SECONDS = 4.0
# Spreads between certain ground and certain figure, which the projection resolves.
_REACH = 8.0


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Principal components of patch tokens, and how they become colours.

    First what parts figure from ground; then three components among the figure's patches (the way of Oquab et al.,
    "DINOv2: Learning Robust Visual Features without Supervision", 2023, figure 1). They part figure from ground by the
    first component of all patches, whose sign and threshold are set by hand. Here CLS says both: the figure is what is
    nearer to the mean of the patches that it attends to, weighted by its attention, than to the mean of all.

    On pictures of VOC2007 (21) and DAVIS (36), with DINOv2's ViT-S/14 at 224, the figure's Jaccard index with the
    objects is .50 and .54 so; with the first component, parted at the mean, .45 and .27.

    Attributes:
        mean: float32 [width], in the middle between the mean of all patches and that of the attended ones.
        figure: float32 [width], unit length, from the first of the two to the second.
        spread: of the patches along it.
        figure_mean: float32 [width], of the figure's patches.
        colors: float32 [width, 3], orthonormal: the figure's own first three components.
        low, high: float32 [3], the range of each that the colours span.
        pts_seconds: of the frame that they were last fitted to.
    """

    mean: Floats
    figure: Floats
    spread: float
    figure_mean: Floats
    colors: Floats
    low: Floats
    high: Floats
    pts_seconds: float

    @classmethod
    def fit(cls, tokens: Floats, attended: Floats, pts_seconds: float = 0.0) -> Components:
        """The components of one frame.

        Args:
            tokens: float32 [patches, width].
            attended: [patches], what CLS attends to; it defines the figure.
        """
        mean, figure = _parted(tokens, attended)
        figure /= np.float32(np.linalg.norm(figure) + 1e-12)
        along = np.asarray((tokens - mean) @ figure, np.float32)
        spread = float(along.std()) + 1e-12
        weights = _figure_share(along, spread)
        figure_mean = np.average(tokens, axis=0, weights=weights).astype(np.float32)
        centred = np.asarray(tokens - figure_mean, np.float32)
        colors = principal(centred * np.sqrt(weights)[:, None], 3)
        low, high = _range(centred, colors, weights)
        return cls(mean, figure, spread, figure_mean, colors, low, high, pts_seconds)

    def follow(self, tokens: Floats, attended: Floats, pts_seconds: float) -> Components:
        """Moved towards the components of a later frame, by the time that passed; no axis flips or trades places."""
        share = 1 - float(np.exp(-abs(pts_seconds - self.pts_seconds) / _FOLLOW_SECONDS))

        def towards(old: Floats, new: Floats) -> Floats:
            return np.asarray(old + share * (new - old), np.float32)

        middle, direction = _parted(tokens, attended)
        mean = towards(self.mean, middle)
        figure = towards(self.figure, direction / np.float32(np.linalg.norm(direction) + 1e-12))
        figure /= np.float32(np.linalg.norm(figure) + 1e-12)
        along = np.asarray((tokens - mean) @ figure, np.float32)
        weights = _figure_share(along, self.spread)
        figure_mean = towards(self.figure_mean, np.average(tokens, axis=0, weights=weights))
        centred = np.asarray(tokens - figure_mean, np.float32)
        colors = towards(self.colors, _turned(centred * np.sqrt(weights)[:, None], self.colors))
        colors = _nearest_orthonormal(colors)
        low, high = _range(centred, colors, weights)
        spread = self.spread + share * (float(along.std()) - self.spread)
        return Components(
            mean, figure, spread, figure_mean, colors, towards(self.low, low), towards(self.high, high), pts_seconds
        )

    def project(self, tokens: Floats) -> Floats:
        """Where the tokens lie along the components: float32 [4, patches], the figure's first; `paint` takes it.

        Between patches these may be interpolated. What is painted of them has edges, which belong between patches.
        """
        along = ((tokens - self.mean) @ self.figure) / (_REACH * self.spread) + 0.5
        colors = ((tokens - self.figure_mean) @ self.colors - self.low) / np.maximum(self.high - self.low, 1e-12)
        return np.concatenate([along[None], colors.T]).astype(np.float32)


def paint(projected: Floats) -> tuple[Floats, Floats]:
    """Of places along the components, [4, ...]: (colours [3, ...] from 0 to 1, how far each belongs to the figure)."""
    return np.clip(projected[1:], 0, 1), _figure_share(_REACH * (projected[0] - 0.5), 1.0)


def _parted(tokens: Floats, attended: Floats) -> tuple[Floats, Floats]:
    """Between the mean of all patches and that of the attended ones: the middle, and the way from the first to the
    second; [width] each."""
    ground = tokens.mean(axis=0)
    figure = np.average(tokens, axis=0, weights=attended + 1e-12).astype(np.float32)
    return np.asarray((ground + figure) / 2, np.float32), np.asarray(figure - ground, np.float32)


def above_first(tokens: Floats, attended: Floats) -> Floats:
    """The patches that lie above the mean along the first principal component of all, as weights of 0 and 1: float32
    [patches].

    So Oquab et al. part figure from ground. They choose the side by hand; here it is that of what CLS attends to.
    """
    centred = tokens - tokens.mean(axis=0)
    along = (centred @ principal(centred, 1))[:, 0]
    side = -1 if np.average(along, weights=attended + 1e-12) < 0 else 1
    return np.asarray(along * side > 0, np.float32)


def middle(grid: tuple[int, int]) -> Floats:
    """How close each patch is to the middle of the picture: float32 [rows, columns]."""
    y, x = ((np.arange(side, dtype=np.float32) + 0.5) / side - 0.5 for side in grid)
    return np.exp(-(y[:, None] ** 2 + x[None, :] ** 2) / (2 * 0.2**2)).astype(np.float32)


def principal(centred: Floats, count: int) -> Floats:
    """The first principal directions of centred rows [patches, width]: orthonormal [width, count]; zeros where the rows
    have fewer."""
    patches, width = centred.shape
    if patches >= width:
        _, directions = np.linalg.eigh(centred.T @ centred)
    else:  # fewer patches than numbers in a token: the small side is quicker
        _, sides = np.linalg.eigh(centred @ centred.T)
        directions = centred.T @ sides[:, -count:]
        directions /= np.linalg.norm(directions, axis=0) + 1e-12
    found = directions[:, ::-1][:, :count]
    return np.pad(found, ((0, 0), (0, count - found.shape[1]))).astype(np.float32)


def _turned(centred: Floats, directions: Floats) -> Floats:
    """Directions [width, count], turned towards the principal ones of centred rows by two steps of the power method,
    and within their own plane back to where they came from (orthogonal Procrustes), so that none flips."""
    turned = directions
    for _ in range(2):
        turned = np.linalg.qr(centred.T @ (centred @ turned))[0]
    left, _, right = np.linalg.svd(turned.T @ directions)
    return np.asarray(turned @ (left @ right), np.float32)


def _figure_share(along: Floats, spread: float) -> Floats:
    """How far patches belong to the figure, by their position between ground and figure: a soft step in the middle."""
    return np.asarray(1 / (1 + np.exp(-np.clip(6 * along / spread, -30, 30))), np.float32)


def _range(centred: Floats, colors: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Where the colours begin and end: the 2nd and 98th percentiles along each, among the figure's rows."""
    projected = centred @ colors
    inside = projected[weights > 0.5]
    low, high = np.percentile(inside if len(inside) > 3 else projected, (2, 98), axis=0)
    return low.astype(np.float32), high.astype(np.float32)


def _nearest_orthonormal(columns: Floats) -> Floats:
    left, _, right = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(left @ right, np.float32)


__all__ = ["Components", "above_first", "middle", "paint", "principal"]

"""Optical flow at low resolution, which warps the maps of one frame to a later frame."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from rtviz.cv import cv2
from rtviz.frame import Floats, Frame, Maps

WIDE = frozenset({"tokens", "layer_tokens", "keys", "values"})  # the fields of Maps with many numbers a patch


class FlowWarper:
    """Warps maps from the frame that the model ran on to the frame that is shown.

    Args:
        short_side: pixels of the short side at which motion is estimated; 240 follows hands that 120 loses, in about a
            millisecond.
    """

    def __init__(self, short_side: int = 240) -> None:
        self._short_side = short_side
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._then: tuple[Frame, NDArray[np.uint8]] | None = None

    def warp(self, maps: Maps, then: Frame, now: Frame, features: Collection[str] = WIDE) -> Maps:
        """The maps of frame `then`, moved with its objects to frame `now`, which has the same size.

        Args:
            features: which of WIDE to warp; the result lacks the others.
        """
        if then is now:
            return maps
        motion = self.motion(then, now)
        sampler = _Sampler(motion, maps.grid)
        attention = np.maximum(sampler(maps.attention), 0)  # cubic sampling may swing below
        # A row keeps its sum over the patches: hardly anything leaves the frame within a tenth of a second.
        before = maps.attention.sum(axis=(2, 3), keepdims=True)
        attention *= before / np.maximum(attention.sum(axis=(2, 3), keepdims=True), 1e-12)
        wide: dict[str, Any] = dict.fromkeys(WIDE)
        for name in WIDE & frozenset(features):
            held: Floats | None = getattr(maps, name)
            if held is not None:
                wide[name] = np.moveaxis(sampler(np.moveaxis(held, -1, -3)), -3, -1)
        labels = None if maps.labels is None else np.clip(sampler(maps.labels), 0, 1)
        rollout = None if maps.rollout is None else np.maximum(sampler(maps.rollout[None])[0], 0)
        norms = None if maps.norms is None else np.maximum(sampler(maps.norms), 0)
        columns = None if maps.columns is None else np.maximum(sampler(maps.columns), 0)
        unablated = None if maps.unablated is None else self.warp(maps.unablated, then, now, features)
        cams = {
            method: tuple(_Sampler(motion, (stage.shape[0], stage.shape[1]))(stage) for stage in stages)
            for method, stages in maps.cams.items()
        }
        return replace(
            maps,
            attention=attention,
            attended=None if maps.attended is None else np.maximum(sampler(maps.attended[None])[0], 0),
            **wide,
            cams=cams,
            labels=labels,
            rollout=rollout,
            norms=norms,
            columns=columns,
            unablated=unablated,
        )

    def warp_planes(self, planes: Floats, then: Frame, now: Frame) -> Floats:
        """Planes [..., rows, columns] on the patch grid of frame `then`, moved with its objects to frame `now`."""
        rows, columns = planes.shape[-2:]
        return _Sampler(self.motion(then, now), (rows, columns))(planes)

    def motion(self, then: Frame, now: Frame) -> Floats:
        """Where each place of `now` was in `then`: float32 [rows, columns, 2] of (x, y) offsets, as shares of the
        frame's width and height."""
        if self._then is None or self._then[0] is not then:
            self._then = (then, self._gray(then))
        before, gray = self._then[1], self._gray(now)
        flow = np.asarray(self._flow.calc(gray, before, None), np.float32)
        height, width = gray.shape
        if not _explains(flow, before, gray):  # a cut, or motion too fast to follow: the maps stay in place
            return np.zeros_like(flow)
        return cast(Floats, flow / np.array([width, height], np.float32))

    def _gray(self, frame: Frame) -> NDArray[np.uint8]:
        height, width = frame.size
        scale = min(1.0, self._short_side / min(height, width))
        size = (max(16, round(width * scale)), max(16, round(height * scale)))
        small = cv2.resize(frame.pixels, size, interpolation=cv2.INTER_AREA)
        return cast(NDArray[np.uint8], cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))


def _explains(flow: Floats, before: NDArray[np.uint8], now: NDArray[np.uint8]) -> bool:
    """Whether the frame before, moved by the flow, is like the frame now: not after a cut or motion that is too fast.

    Measured: within a scene the moved frame differs by 0.21 to 0.29 of what the unmoved one does, after a cut by 0.77
    to 1.00. Where hardly anything moves, that share says nothing, but then only the camera's noise is between them.
    """
    height, width = now.shape
    x = np.arange(width, dtype=np.float32)[None] + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    moved = cv2.remap(before, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    difference = cv2.norm(moved, now, cv2.NORM_L1) / now.size
    return difference < 8 or difference < 0.7 * cv2.norm(before, now, cv2.NORM_L1) / now.size


_MARGIN = 3  # columns that cubic sampling up to one beyond the grid reaches into
_WIDEST = 16_384  # columns of a picture that OpenCV samples; it stops at twice as many


class _Sampler:
    """Samples planes on the patch grid at the places that a motion field names.

    Cubic, because things move by parts of a patch from frame to frame, and linear sampling would blur the map then:
    on the built-in scene, cubic leaves a quarter less error than linear (`rtviz.bench.measure_warping`).
    """

    def __init__(self, motion: Floats, grid: tuple[int, int]) -> None:
        self._grid = rows, columns = grid
        offsets = cv2.resize(motion, (columns, rows), interpolation=cv2.INTER_AREA)
        x = np.arange(columns, dtype=np.float32)[None] + offsets[..., 0] * np.float32(columns)
        self._x = np.clip(x, -1, columns) + _MARGIN
        self._y = np.arange(rows, dtype=np.float32)[:, None] + offsets[..., 1] * np.float32(rows)

    def __call__(self, planes: Floats) -> Floats:
        """Planes [..., rows, columns], sampled."""
        if not planes.size:  # of a model without heads
            return planes
        flat = planes.reshape(-1, *self._grid)
        most = 4 * (_WIDEST // (self._grid[1] + 2 * _MARGIN))
        parts = [self._sampled(flat[start : start + most]) for start in range(0, len(flat), most)]
        return np.concatenate(parts).reshape(planes.shape)

    def _sampled(self, planes: Floats) -> Floats:
        """Planes [planes, rows, columns], in one call: OpenCV samples pictures of four colours, and so all planes lie
        beside each other in one, four deep, each with its margins."""
        rows, columns = self._grid
        given, count = len(planes), -(-len(planes) // 4)
        planes = np.concatenate([planes, np.zeros((4 * count - given, rows, columns), np.float32)])
        wide = np.empty((rows, count, columns + 2 * _MARGIN, 4), np.float32)
        wide[:, :, _MARGIN:-_MARGIN] = planes.reshape(count, 4, rows, columns).transpose(2, 0, 3, 1)
        wide[:, :, :_MARGIN] = wide[:, :, _MARGIN : _MARGIN + 1]
        wide[:, :, -_MARGIN:] = wide[:, :, -_MARGIN - 1 : -_MARGIN]
        starts = np.arange(count, dtype=np.float32)[:, None] * np.float32(columns + 2 * _MARGIN)
        x = (self._x[:, None] + starts).reshape(rows, -1)
        y = np.broadcast_to(self._y[:, None], (rows, count, columns)).reshape(rows, -1)
        moved = cv2.remap(wide.reshape(rows, -1, 4), x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved.reshape(rows, count, columns, 4).transpose(1, 3, 0, 2).reshape(-1, rows, columns))[
            :given
        ]

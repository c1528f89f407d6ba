"""Pictures with what was collected on them painted in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rtviz.drawing import blend, contours, labels
from rtviz.frame import Pixels, Result
from rtviz.markup import Annotation, Contour, Note, Outline, Polyline, Ring, Scale, Sign


def painted(plain: Pixels, annotations: Sequence[Annotation]) -> Pixels:
    """A picture with annotations painted in, in order, but for scales; itself if there are none."""
    if all(isinstance(one, Scale) for one in annotations):
        return plain
    picture = plain.copy()
    for one in annotations:
        if isinstance(one, Note):
            labels.paint(picture, one)
        elif isinstance(one, Ring):
            blend.paint_ring(picture, one)
        elif isinstance(one, Outline):
            blend.paint_outline(picture, one)
        elif isinstance(one, Polyline):
            blend.paint_polyline(picture, one)
        elif isinstance(one, Contour):
            contours.paint_contour(picture, one)
        elif isinstance(one, Sign):
            blend.paint_sign(picture, one)
    return picture


def annotated(result: Result, plain: Pixels, annotations: Sequence[Annotation]) -> Result:
    """A result with another picture, and other annotations on it."""
    return replace(result, overlay=painted(plain, annotations), plain=plain, annotations=tuple(annotations))


__all__ = ["annotated", "painted"]

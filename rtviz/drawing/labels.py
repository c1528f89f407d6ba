"""Words on pictures: labels on pills, paragraphs and legends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rtviz.drawing.blend import stamp
from rtviz.drawing.geometry import Box, Size
from rtviz.drawing.palette import INK, Color
from rtviz.drawing.resample import Array, Bytes
from rtviz.frame import Pixels
from rtviz.markup import Dot, Note, Text, put

_PILL_COLOR: Color = (10, 11, 14)
_PILL = np.float32(0.7)  # how opaque the pill behind a text is


def text_size(size: Size) -> int:
    """A text height, in pixels, that is read well on a picture or tile of that size; never below 9."""
    return int(max(9, min(34, 6 + min(size[0] * 1.33, size[1]) * 0.037)))


@lru_cache(maxsize=64)
def _font(height: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(height)


@lru_cache(maxsize=2048)
def _letters(text: str, height: int) -> Bytes:
    """The coverage of a text, tightly cut across, and as tall as the font's own line."""
    font = _font(height)
    left, _, right, _ = font.getbbox(text)
    _, top, _, bottom = font.getbbox("0Hhlg")
    picture = Image.new("L", (max(1, math.ceil(right - left)), max(1, math.ceil(bottom - top))))
    ImageDraw.Draw(picture).text((-left, -top), text, font=font, fill=255)
    return np.asarray(picture)


@lru_cache(maxsize=512)
def _rounded(size: Size, radius: int) -> Array:
    """The coverage of a rounded rectangle."""
    scale = 4
    picture = Image.new("L", (size[1] * scale, size[0] * scale))
    box = (0, 0, size[1] * scale - 1, size[0] * scale - 1)
    ImageDraw.Draw(picture).rounded_rectangle(box, radius * scale, fill=255)
    small = picture.resize((size[1], size[0]), Image.Resampling.BOX)
    return np.asarray(small, np.float32) / 255


def text_extent(text: str, height: int) -> Size:
    """(height, width) of a text without a pill."""
    rows, columns = _letters(text, height).shape
    return rows, columns


def write(picture: Pixels, text: str, top: int, left: int, height: int, color: Color = INK) -> None:
    """Write a text, without a pill, straight into a picture."""
    part = _text(text, top, left, height, color)
    _note(picture, Note(part.place, part.place, (0.5, 0.5), height, None, (part,)))


def _text(text: str, top: int, left: int, height: int, color: Color = INK) -> Text:
    return Text((top, left, *text_extent(text, height)), text, color)


def _note(picture: Pixels, note: Note) -> None:
    if not put(note):
        paint(picture, note)


def paint(picture: Pixels, note: Note) -> None:
    """Paint a note into a picture, in place."""
    top, left, *size = note.place
    if note.radius is not None:
        stamp(picture, _rounded((size[0], size[1]), note.radius) * _PILL, _PILL_COLOR, top, left)
    for part in note.parts:
        top, left, side = part.place[:3]
        if isinstance(part, Dot):
            stamp(picture, _rounded((side, side), side // 2), part.color, top, left)
        else:
            stamp(picture, _letters(part.text, note.letters).astype(np.float32) / 255, part.color, top, left)


def pill_extent(text: str, height: int, swatch: bool = False) -> Size:
    """(height, width) of a text on its pill, with the margin around it."""
    rows, columns = text_extent(text, height)
    pad = _pad(height)
    dot = round(rows * 0.62) + pad // 2 if swatch else 0
    return rows + pad + 2 * (pad // 2 + 1), columns + 2 * pad + dot + 2 * (pad // 2 + 1)


def _pad(height: int) -> int:
    return max(2, round(height * 0.4))


def label(
    picture: Pixels,
    text: str,
    box: Box,
    height: int,
    swatch: Color | None = None,
    anchor: tuple[float, float] = (0.0, 0.0),
) -> Box:
    """Write a text on a dark pill in the upper left corner of a box of the picture.

    Args:
        picture: changed in place.
        height: of the letters' line, in pixels.
        swatch: the colour of a dot before the text.
        anchor: which corner of the box it keeps to where the picture is enlarged under it, as in `Note`.

    Returns:
        The pill's rectangle.
    """
    pad, margin = _pad(height), _pad(height) // 2 + 1
    extent = pill_extent(text, height, swatch is not None)
    pill = Box(box.top + margin, box.left + margin, extent[0] - 2 * margin, extent[1] - 2 * margin)
    rows, columns = text_extent(text, height)
    parts: list[Text | Dot] = []
    if swatch:
        dot = round(rows * 0.62)
        parts.append(Dot((pill.top + (pill.height - dot) // 2, pill.left + pad, dot, dot), swatch))
    parts.append(_text(text, pill.top + (pill.height - rows) // 2, pill.left + pill.width - pad - columns, height))
    radius = min(pill.height // 2, height // 2)
    _note(picture, Note(pill, box, anchor, height, radius, tuple(parts)))
    return pill


def say(picture: Pixels, *texts: str) -> None:
    """Write on a pill in the upper left corner the first of these texts that there is room for; the last, if there is
    room for none."""
    size: Size = (picture.shape[0], picture.shape[1])
    height = text_size(size)
    fitting = (text for text in texts if pill_extent(text, height)[1] <= size[1])
    label(picture, next(fitting, texts[-1]), Box(0, 0, *size), height)


def remark(picture: Pixels, *texts: str) -> None:
    """Write on a small pill in the upper right corner the first of these texts that takes at most half of the width;
    nothing, if none does."""
    size: Size = (picture.shape[0], picture.shape[1])
    height = max(9, round(0.75 * text_size(size)))
    for text in texts:
        extent = pill_extent(text, height)
        if extent[1] <= size[1] // 2:
            label(picture, text, Box(0, size[1] - extent[1], *extent), height, anchor=(0.0, 1.0))
            return


def paragraph(picture: Pixels, text: str) -> None:
    """Write a text of any length on a pill in the middle, in as many lines as it takes."""
    size: Size = (picture.shape[0], picture.shape[1])
    height = text_size(size)
    pad = _pad(height)
    broadest = 0.8 * size[1]
    lines = _wrapped(text, height, broadest)
    while len(even := _wrapped(text, height, broadest := 0.95 * broadest)) == len(lines) > 1:  # no word is left alone
        lines = even
    extents = [text_extent(line, height) for line in lines]
    step = round(1.25 * extents[0][0])
    pill: Size = (step * (len(lines) - 1) + extents[0][0] + 4 * pad, max(width for _, width in extents) + 4 * pad)
    top, left = (size[0] - pill[0]) // 2, (size[1] - pill[1]) // 2
    parts = tuple(
        _text(line, top + 2 * pad + row * step, (size[1] - width) // 2, height)
        for row, (line, (_, width)) in enumerate(zip(lines, extents, strict=True))
    )
    _note(picture, Note((top, left, *pill), (0, 0, *size), (0.5, 0.5), height, height // 2, parts))


def _wrapped(text: str, height: int, broadest: float) -> list[str]:
    """The lines of a text, none broader than so many pixels unless it is a single word."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_extent(longer, height)[1] > broadest:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def legend(picture: Pixels, title: str, entries: Sequence[tuple[str, Color]]) -> None:
    """A title and coloured dots with names in the lower left corner, in as many rows as they need."""
    size: Size = (picture.shape[0], picture.shape[1])
    height = max(9, round(0.75 * text_size(size)))
    pad = _pad(height)
    rows = text_extent(title, height)[0]
    dot = round(rows * 0.66)
    items: list[tuple[str, Color | None]] = [(title, None), *entries]
    widths = [text_extent(name, height)[1] + (dot + pad // 2 if color else 0) + pad for name, color in items]
    lines: list[list[int]] = [[]]
    for item, width in enumerate(widths):
        if lines[-1] and sum(widths[i] for i in lines[-1]) + width > size[1] - 4 * pad:
            lines.append([])
        lines[-1].append(item)
    step = rows + pad // 2
    pill: Size = (step * len(lines) + pad, max(sum(widths[i] for i in line) for line in lines) + pad)
    top, left = size[0] - pill[0] - pad, pad
    parts: list[Text | Dot] = []
    for row, line in enumerate(lines):
        y, x = top + pad // 2 + pad // 4 + row * step, left + pad
        for i in line:
            name, color = items[i]
            offset = 0
            if color:
                parts.append(Dot((y + (rows - dot) // 2, x, dot, dot), color))
                offset = dot + pad // 2
            parts.append(_text(name, y, x + offset, height))
            x += widths[i]
    radius = min(pill[0] // 2, height // 2 + pad // 2)
    _note(picture, Note((top, left, *pill), (0, 0, *size), (1.0, 0.0), height, radius, tuple(parts)))

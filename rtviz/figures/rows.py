"""What a comparison shows of one model: its maps, the mask of its best head, and the words for both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rtviz.analysis.head_stats import standing_out
from rtviz.drawing import palette, resample
from rtviz.drawing.masks import mask_pixels
from rtviz.errors import lacks_classifier
from rtviz.figures.scale import in_means
from rtviz.frame import Floats, Frame, Maps, Pixels
from rtviz.settings import METHOD_TITLES, Settings, token_name
from rtviz.views import mask as mask_view
from rtviz.views.cam import positive, stage_map
from rtviz.views.overlap import overlap
from rtviz.views.requirements import fit
from rtviz.views.selection import layer_of


def query_words(maps: Maps) -> str:
    """The query of maps, in words."""
    at = maps.query_place
    return f"query: {token_name(maps.query)}" if at is None else f"query: the patch at {at.x:g}, {at.y:g} (+)"


@dataclass(frozen=True)
class Row:
    """What a comparison shows of one model.

    Attributes:
        remark: written after the model's name.
        maps: each with its title, long and short.
        masked: the frame with the mask.
        of: what the mask is of, in words.
        framed: which of the maps it is of, and in which colour.
    """

    remark: str
    maps: list[tuple[tuple[str, ...], Floats]]
    masked: Pixels
    of: str
    framed: Mapping[int, palette.Color]


def row_of(frame: Frame, maps: Maps, settings: Settings) -> Row:
    if not maps.has_attention:
        return _stages_row(frame, maps, settings)
    layer = layer_of(maps, settings)
    found = None if frame.masks is None else overlap(maps, settings, frame.masks)
    one = standing_out(maps.attention[layer]) if found is None else None
    shown = tuple(sorted(set(found.heads))) if found is not None else (one,) if one is not None else ()
    remarks = [f"layer {layer}", query_words(maps), *([str(found)] if found is not None else [])]
    attention = maps.attention[layer]
    if shown:
        masked = draw_masks(attention, shown, frame, settings)
    else:
        mask = mask_pixels(attention.mean(axis=0), settings.threshold, frame.size, settings.upsampling, frame.pixels)
        masked = mask_view.tint(frame.pixels, mask, mask_view.mask_color("mean"), 0.8)
    of = "mean of heads" if not shown else f"head{'s' if len(shown) > 1 else ''} {', '.join(map(str, shown))}"
    named: list[tuple[tuple[str, ...], Floats]] = [
        ((f"head {head}", f"{head}"), values) for head, values in enumerate(attention)
    ]
    return Row("; ".join(remarks), named, masked, of, {head: mask_view.mask_color(head) for head in shown})


def _stages_row(frame: Frame, maps: Maps, settings: Settings) -> Row:
    """Of a model without heads: what each stage responds to, but of Grad-CAM the one map that there is."""
    fitting = fit(settings.replace(view="mask"), maps)
    held = positive(stage_map(maps, fitting))
    number = layer_of(maps, fitting)
    method = fitting.cam_method(maps.has_attention)
    remarks = ["no heads", f"{METHOD_TITLES[method]} of its {'stage' if method == 'grad' else 'stages'}"]
    if settings.cam == "grad" and method != "grad":
        remarks[1] += f" ({lacks_classifier(maps.model).removeprefix(maps.model).strip()})"
    if not -maps.layers <= settings.layer < maps.layers:
        remarks.append(
            f"there is no stage {settings.layer}: the mask is of its {'last' if settings.layer > 0 else 'first'}"
        )
    explained = maps.explained
    shown: list[tuple[tuple[str, ...], Floats]]
    if method == "grad" and explained is not None:
        number = explained.layer
        name = explained.name or f"class {explained.number}"
        shown = [((f"stage {number}: {name}", name, f"stage {number}"), held)]
    else:
        stages = maps.cams[method]
        shown = [((f"stage {n}", f"{n}"), positive(values)) for n, values in enumerate(stages)]
    found = None if frame.masks is None else overlap(maps, fitting, frame.masks)
    if found is not None:
        remarks.append(str(found).removesuffix(", no heads"))
    mask = mask_pixels(held, settings.threshold, frame.size, settings.upsampling, frame.pixels)
    masked = mask_view.tint(frame.pixels, mask, mask_view.mask_color("mean"), 0.8)
    place = 0 if len(shown) == 1 else number
    return Row("; ".join(remarks), shown, masked, f"stage {number}", {place: mask_view.mask_color("mean")})


def masks_note(frame: Frame, predictions: Iterable[Maps], share: str) -> str:
    """What the masks of a comparison are of."""
    if not any(maps.has_attention for maps in predictions):
        return f"Masks: the top {share} of what a stage responds to."
    if frame.masks is not None and frame.masks.any():
        of = "one head, the one that covers each object best (Jaccard index)"
    else:
        of = "the head that the others agree with most, or of the mean over heads where no head stands out"
    return f"Masks: the top {share} of the attention of {of}."


def draw_masks(attention: Floats, heads: Sequence[int], frame: Frame, settings: Settings) -> Pixels:
    """The frame with the masks of some heads, each in its colour; where masks meet, that of the head that attends there
    most.

    Several masks are drawn on a grey frame, on which their colours can be recognised.
    """
    attention = attention[list(heads)]
    masks = mask_pixels(attention, settings.threshold, frame.size, settings.upsampling, frame.pixels)
    if len(heads) == 1:
        return mask_view.tint(frame.pixels, masks[0], mask_view.mask_color(heads[0]), 0.8)
    worth = in_means(attention)
    fine = resample.upsample(worth / max(float(worth.max()), 1e-12), frame.size, settings.upsampling, frame.pixels)
    first = np.where(masks > 0, fine.astype(np.int16), -1).argmax(axis=0)
    separate = np.zeros((max(heads) + 1, *frame.size), np.uint8)
    for place, head in enumerate(heads):
        separate[head] = np.where(first == place, masks[place], 0)
    grey = np.repeat(frame.pixels.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    return mask_view.all_heads(grey, separate, 1.0, alone=False)

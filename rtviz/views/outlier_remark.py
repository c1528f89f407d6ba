"""A remark on pictures of attention that tokens with outlying norms drive; the view `norms` shows those tokens."""

from __future__ import annotations

from rtviz.analysis.outliers import entering
from rtviz.drawing import labels
from rtviz.frame import Floats, Maps, Pixels
from rtviz.words import counted

# From this share of the attention that a picture shows on, it says how much of it is on outliers.
WORTH_SAYING = 0.25


def remark(picture: Pixels, maps: Maps, shown: Floats, layer: int) -> None:
    """Write on a picture of attention how much of it is on outliers, if that is much.

    Args:
        shown: [..., rows, columns], what the picture shows; of several maps their mean counts.
        layer: counted from 0: what it attends to enters it.
    """
    marked = entering(maps, layer)
    whole = float(shown.sum())
    if marked.any() and whole > 0 and (share := float(shown[..., marked].sum()) / whole) >= WORTH_SAYING:
        percent, tokens = f"{100 * share:.0f} %", counted(int(marked.sum()), "outlier token")
        labels.remark(picture, f"{percent} of this is on {tokens}", f"{percent} on {tokens}", f"{percent} on outliers")


__all__ = ["WORTH_SAYING", "remark"]

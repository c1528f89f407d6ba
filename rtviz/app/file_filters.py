"""What file dialogs show: videos, pictures, weights, presets."""

from __future__ import annotations

from collections.abc import Iterable

from PyQt5.QtWidgets import QFileDialog

from rtviz.models import WEIGHTS_SUFFIXES
from rtviz.sources.magic import CONCATENATED_SUFFIXES, PICTURE_SUFFIXES, RAW_SUFFIXES, VIDEO_SUFFIXES

VIDEOS, PICTURES, WEIGHTS, PRESETS = "Videos", "Pictures", "Weights", "Presets"
SUFFIXES: dict[str, frozenset[str]] = {
    VIDEOS: VIDEO_SUFFIXES | CONCATENATED_SUFFIXES,
    PICTURES: PICTURE_SUFFIXES | RAW_SUFFIXES,
    WEIGHTS: frozenset(WEIGHTS_SUFFIXES),
    PRESETS: frozenset({".toml"}),
}


def offer(dialog: QFileDialog, *kinds: str) -> None:
    """Let a dialog show the files of these kinds, of each alone, or all files."""
    together = (
        {" and ".join([", ".join([kinds[0], *map(str.lower, kinds[1:-1])]), kinds[-1].lower()]): kinds}
        if len(kinds) > 1
        else {}
    )
    named = {**together, **{kind: (kind,) for kind in kinds}}
    filters = [_filter(name, frozenset().union(*(SUFFIXES[kind] for kind in held))) for name, held in named.items()]
    dialog.setNameFilters([*filters, "All files (*)"])
    dialog.setOption(QFileDialog.HideNameFilterDetails)  # the list of suffixes is longer than the dialog is wide


def _filter(name: str, suffixes: Iterable[str]) -> str:
    return f"{name} ({' '.join(f'*{suffix}' for suffix in sorted(suffixes))})"


__all__ = ["PICTURES", "PRESETS", "SUFFIXES", "VIDEOS", "WEIGHTS", "offer"]

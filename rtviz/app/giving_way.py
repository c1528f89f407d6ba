"""A row of controls of which some are hidden where it is narrow."""

from __future__ import annotations

from PyQt5.QtCore import QSize
from PyQt5.QtWidgets import QWidget


class GivingWayRow(QWidget):
    """A row that lets a window be narrower than all of its controls together.

    Attributes:
        gives_way: what is hidden in a row that is narrower than this, in the units of `give_way`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gives_way: dict[QWidget, int] = {}

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        # Without what gives way, or a wide window could not be made narrow again.
        hint, row = super().minimumSizeHint(), self.layout()
        shown = [part for part in self.gives_way if not part.isHidden()]
        spacing = row.spacing() if row is not None else 0
        width = sum(max(part.minimumWidth(), part.minimumSizeHint().width()) + spacing for part in shown)
        return QSize(hint.width() - width, hint.height())

    def give_way(self, width: float) -> None:
        """Show what has room at this width, and hide the rest."""
        for part, least in self.gives_way.items():
            part.setVisible(width >= least)


__all__ = ["GivingWayRow"]

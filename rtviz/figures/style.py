"""What all figures have in common in Matplotlib: its settings, the font, and a figure that keeps both."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

from rtviz.errors import MissingDependency

# Text stays text; fonts that journals ask for; sizes for a column of a paper.
STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Arial", "Helvetica", "Liberation Sans", "Nimbus Sans", "DejaVu Sans"],
    "font.size": 6,
    "axes.linewidth": 0.4,
    "xtick.major.size": 1.5,
    "xtick.major.width": 0.4,
    "xtick.major.pad": 1.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "rtviz",
    "pdf.fonttype": 42,
    "savefig.dpi": 300,
    "figure.dpi": 150,
}


def style() -> Any:
    """A context in which Matplotlib draws figures.

    Raises:
        MissingDependency: Matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise MissingDependency("matplotlib", "a figure") from error
    return matplotlib.rc_context({**STYLE, "font.family": [_family(), "sans-serif"]})


@cache
def _family() -> str:
    """The first installed font of the style, by name: a figure that is drawn outside of the style's context, as in a
    notebook, then has the font of its layout."""
    import matplotlib
    from matplotlib.font_manager import FontProperties, findfont, get_font

    with matplotlib.rc_context(STYLE):
        return str(get_font(findfont(FontProperties())).family_name)


@cache
def figure_class() -> Any:
    """A subclass of Matplotlib's Figure that applies the style when it is drawn or saved, and that a notebook shows
    without pyplot."""
    import matplotlib.figure

    class Figure(matplotlib.figure.Figure):
        def draw(self, renderer: Any) -> None:
            with style():
                super().draw(renderer)

        def savefig(self, fname: Any, **how: Any) -> None:
            with style():  # fonts are embedded after everything is drawn
                super().savefig(fname, **how)

        def _repr_png_(self) -> bytes:
            file = io.BytesIO()
            self.savefig(file, format="png", dpi=STYLE["figure.dpi"])
            return file.getvalue()

    return Figure

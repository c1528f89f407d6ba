"""Pages for papers and talks, drawn with Matplotlib."""

from rtviz.figures.files import SUFFIXES, check, save
from rtviz.figures.layout import check_width
from rtviz.figures.pages import compare, heads, layers_by_heads, one_view
from rtviz.figures.scale import SCALES, Scale
from rtviz.figures.view_pages import VIEWS

__all__ = [
    "SCALES",
    "SUFFIXES",
    "VIEWS",
    "Scale",
    "check",
    "check_width",
    "compare",
    "heads",
    "layers_by_heads",
    "one_view",
    "save",
]

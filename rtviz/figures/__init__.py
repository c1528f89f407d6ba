"""Pages for papers and talks, drawn with Matplotlib."""

from rtviz.figures.files import SUFFIXES, check, save
from rtviz.figures.layout import check_width
from rtviz.figures.pages import compare, heads, layers_by_heads
from rtviz.figures.scale import SCALES, Scale

__all__ = ["SCALES", "SUFFIXES", "Scale", "check", "check_width", "compare", "heads", "layers_by_heads", "save"]

"""Pages for papers and talks, drawn with Matplotlib."""

from rtviz.figures.pages import SCALES, SUFFIXES, Scale, check, check_width, compare, heads, layers_by_heads, save

__all__ = ["SCALES", "SUFFIXES", "Scale", "check", "check_width", "compare", "heads", "layers_by_heads", "save"]

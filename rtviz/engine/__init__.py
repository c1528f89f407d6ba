"""One path from a frame and settings to a result, for one model and for several."""

from rtviz.engine.engine import Engine, render_frame

__all__ = ["Engine", "render_frame"]

"""One path from a frame and settings to a result, for one model and for several."""

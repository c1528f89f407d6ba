"""What `scripts/bench.py` measures, and the means to measure it."""

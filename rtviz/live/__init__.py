"""The live session: the newest frame wins."""

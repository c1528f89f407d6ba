"""The panels at the side, a file for each."""

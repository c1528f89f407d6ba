"""Pages for papers and talks, with Matplotlib."""

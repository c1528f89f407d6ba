"""From the patch grid to the picture: resampling, colours, contours, text, panes."""

"""Numbers from maps and features: objects, propagated labels, head statistics, optical flow. Nothing here draws."""

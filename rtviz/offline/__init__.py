"""Files to files: every frame is predicted and drawn, at full speed."""

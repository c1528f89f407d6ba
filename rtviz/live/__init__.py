"""The live session: the newest frame wins.

`session` is what the window and the command line use; the rest works for it, from the source to the canvas:

- from a source to frames: `capture` (what callers see of it), `capture_state`, `supervisor`, `reader`, `playhead`,
  `connection`, `trouble`
- between the threads: `shared` (all state, one lock), `frames` (what they hand on), `mailbox`, `status`, `paint_log`,
  `rate`
- models: `model_slot` (each of them), `loader`, `inference`
- from predictions to pictures: `presenter`, `panes`, `renderer`
- the past: `flight_recorder`, `playback`, `export`
- files: `video_recorder`, `snapshot`, `new_file`
"""

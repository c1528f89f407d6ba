"""Reference pictures: which file a place means, and when it is read anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from rtviz.engine.engine import Engine
from rtviz.frame import Frame
from rtviz.models import load
from rtviz.settings import Mark, Reference, Settings


def test_a_file_whose_name_looks_like_a_time_is_read_and_read_anew_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "cup#t=2.png"
    settings = Settings(view="reference", reference=(Reference(str(path), Mark(0.5, 0.5)),))
    engine = Engine(load("random:vit_tiny_patch16_224", device="cpu", precision="fp32", resolution=32))
    frame = Frame(np.zeros((32, 32, 3), np.uint8))
    for level in (40, 200):
        before = path.stat().st_mtime_ns if path.exists() else 0
        Image.fromarray(np.full((32, 32, 3), level, np.uint8)).save(path)
        while path.stat().st_mtime_ns == before:  # a coarse clock of the file system
            path.touch()
        (reference,) = engine.predict([frame], settings)[0].references
        assert reference.frame.pixels.max() == level

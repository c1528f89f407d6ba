"""Reference pictures: which file a place means, and when it is read anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from small import noise

from rtviz.engine.engine import Engine
from rtviz.engine.references import References, hold, read
from rtviz.errors import SourceMissing
from rtviz.frame import Frame, Maps
from rtviz.models import load
from rtviz.settings import Mark, Point, Prompt, Reference, Settings
from rtviz.views import requirements


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


def test_all_pictures_that_are_named_are_kept_however_many_and_then_fewer_again() -> None:
    """Of 40, held in memory alone: the model runs on each once, and the first is run on again after 40 others."""
    engine = Engine(load("random:vit_tiny_patch16_224", device="cpu", precision="fp32", resolution=32))
    assert engine.model is not None
    places = [hold(noise(32, 32, number)) for number in range(41)]
    passes: list[int] = []
    batch = engine.model.batch

    def counting(*given: Any, **more: Any) -> list[Maps]:
        passes.append(1)
        return batch(*given, **more)

    engine.model.batch = counting  # type: ignore[method-assign]
    references = References()

    def refer(*wanted: str) -> int:
        given = tuple(Prompt(place, Mark(0.5, 0.5)) for place in wanted)
        passes.clear()
        found = references.find(engine.model, Settings(view="prompts", prompt=given, resolution=32))  # type: ignore[arg-type]
        for one, place in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(one.frame.pixels, noise(32, 32, places.index(place)))
        return len(passes)

    assert [refer(*places[:40]) for _ in range(3)] == [40, 0, 0]
    assert refer(places[40]) == 1
    assert refer(places[0]) == 1, "one picture is named: not forty are kept"


def test_a_picture_that_is_not_held_any_more_is_said_to_be_gone() -> None:
    with pytest.raises(SourceMissing, match="no longer in memory"):
        read("memory:0123456789abcdef")


def test_without_a_cls_token_the_query_is_the_patch_in_the_middle_and_that_is_said_once() -> None:
    model = load("random:test_vit3", device="cpu", precision="fp32", resolution=64)
    assert not model.has_cls
    frame, engine, middle = Frame(noise(64, 64, 1)), Engine(model), Point(0.5, 0.5)
    engine.predict([frame], Settings(view="norms", resolution=64))
    assert not engine.notices  # nothing of it depends on a query
    for _ in range(2):
        (maps,) = engine.predict([frame], Settings(resolution=64))
        assert maps.query == middle
        np.testing.assert_array_equal(maps.attention, model(frame, middle).attention)
        assert requirements.answers(replace(maps, rows=None), model, Settings(resolution=64), (64, 64))
    assert engine.notices == ["random:test_vit3 has no CLS token: the query is the patch in the middle"]
    (elsewhere,) = engine.predict([frame], Settings(query=Point(0.1, 0.9)))
    assert elsewhere.query == Point(0.1, 0.9)

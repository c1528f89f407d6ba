"""A new prompt redraws the past from the features that are kept of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from live_fakes import Engine as Fake
from live_fakes import Recording, session, until_shown
from PIL import Image
from small import noise

import rtviz
from rtviz.engine.engine import Engine
from rtviz.frame import Frame, Maps, Result
from rtviz.settings import Mark, Prompt, Settings


class Counting(Engine):
    """Counts the frames that the model runs on."""

    passes = 0

    def predict(self, frames: Sequence[Frame], settings: Settings, features: Collection[str] = ()) -> list[Maps]:
        self.passes += len(frames)
        return super().predict(frames, settings, features)


def _shows(index: int, prompts: Sequence[Prompt]) -> Callable[[Result], bool]:
    """Whether a picture is of a frame, with these prompts."""
    return lambda result: (
        result.frame.index == index and result.maps is not None and result.maps.references_are(prompts)
    )


@pytest.mark.usefixtures("one_thread")
def test_a_new_prompt_shows_in_every_frame_of_the_past_without_a_pass_on_it(tmp_path: Path) -> None:
    for number in range(2):
        Image.fromarray(noise(48, 64, number)).save(tmp_path / f"{number}.png")
    prompts = [Prompt(str(tmp_path / f"{number}.png"), Mark(0.3, 0.4), True, "it") for number in range(2)]
    again = prompts[0]._replace(mark=Mark(0.8, 0.8), positive=False)
    settings = Settings(view="prompts", resolution=64, prompt=(prompts[0],))
    engine = Counting(rtviz.load("embedded", device="cpu", precision="fp32", resolution=64))
    recording = Recording([number / 20 for number in range(5)])
    with session(recording, cast(Fake, engine), settings=settings, mode="locked") as live:
        live.pause()
        live.seek(0)
        for index in range(5):
            until_shown(live, lambda result, index=index: result.frame.index == index and result.maps)  # type: ignore[misc]
            live.step(1)
        live._recorder.freeze()
        past = [one for one in live._recorder.recorded() if one.maps is not None]
        assert len({one.index for one in past}) == 5
        live.rewind(60)
        live.pause()
        # A picture that is known: nothing is left to compute. A new one: one pass on it, and one on the frame shown.
        for given, most in (((prompts[0], again), 0), ((prompts[0], again, prompts[1]), 1)):
            live.update(settings.replace(prompt=given))
            before = engine.passes
            live.step(-len(past))
            for one in past:
                shown = until_shown(live, _shows(one.index, given))
                assert shown.settings.view == "prompts"
                live.step(1)
            assert engine.passes - before <= most


def test_what_the_model_has_not_run_on_is_not_known(tmp_path: Path) -> None:
    Image.fromarray(noise(48, 64)).save(tmp_path / "0.png")
    one = Prompt(str(tmp_path / "0.png"), Mark(0.3, 0.4), True, "it")
    settings = Settings(view="prompts", resolution=64, prompt=(one,))
    engine = Engine(rtviz.load("embedded", device="cpu", precision="fp32", resolution=64))
    frame = Frame(noise(48, 64, 3))
    (maps,) = engine.predict([frame], settings.replace(prompt=()))
    assert engine.refer(maps, settings) is maps
    (predicted,) = engine.predict([frame], settings)
    referred = engine.refer(maps, settings)
    assert referred.references_are([one])
    drawn = rtviz.render_frame(frame, referred, settings)
    np.testing.assert_array_equal(drawn, rtviz.render_frame(frame, predicted, settings))
    Image.fromarray(noise(48, 64, 9)).save(tmp_path / "0.png")  # another picture of that name
    os.utime(tmp_path / "0.png", (1, 1))
    assert engine.refer(maps, settings) is maps

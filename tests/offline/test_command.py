"""The command that the app shows means the settings that it was made from."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from rtviz.cli.arguments import settings_of
from rtviz.cli.parser import build_parser
from rtviz.offline.command import live_arguments, masks_arguments, render_arguments, shell_line
from rtviz.settings import Mark, Muted, OutputSettings, Point, Settings

UNLIKE = Settings(
    model="dinov2-vits14", compare=("random:dino-vits16", "resnet50"), query=Point(0.25, 0.5), layer=-3, head="all",
    view="mask", layout="side-by-side", threshold=0.35, jaccard=True, mute=(Muted(-1, 3), Muted(10, 0, 1)),
    track=(Mark(0.1, 0.2), Mark(0.1, 0.2, 0.3, 0.4)), resolution=448,
)  # fmt: skip


@pytest.mark.parametrize("settings", [Settings(), UNLIKE, Settings(weights="my weights.pth", compare=("resnet50",))])
@pytest.mark.parametrize(
    "output", [OutputSettings(), OutputSettings(start=1.25, end=7.5, size=(720, 0), codec="av1", quality=90)]
)
def test_the_command_means_the_settings(settings: Settings, output: OutputSettings) -> None:
    arguments = render_arguments("-it's a clip.mp4", "out put.mp4", settings, output)
    assert shlex.split(shell_line(arguments)) == ["rtviz", *arguments]
    parsed = build_parser().parse_args(arguments)
    assert settings_of(parsed) == (settings, output)
    assert parsed.inputs == ["./-it's a clip.mp4"]
    assert parsed.output == "out put.mp4"


def test_what_is_as_always_is_not_said() -> None:
    arguments = render_arguments("clip.mp4", "out.mp4", Settings(), OutputSettings())
    assert shell_line(arguments) == "rtviz render clip.mp4 -o out.mp4 --view heatmap"


@pytest.mark.parametrize("arguments_of", [render_arguments, masks_arguments])
def test_a_picture_is_rendered_at_the_resolution_on_screen(
    tmp_path: Path, arguments_of: Callable[[str, str, Settings, OutputSettings], list[str]]
) -> None:
    Image.new("RGB", (64, 48), "red").save(tmp_path / "cup", "PNG")  # by what is in it, not by its name
    for place in (tmp_path / "cup", tmp_path):
        arguments = arguments_of(str(place), "out", Settings(view="mask", resolution=224), OutputSettings())
        assert build_parser().parse_args(arguments).resolution == 224, "`rtviz render` has another default for pictures"
    arguments = arguments_of(str(tmp_path / "clip.mp4"), "out", Settings(view="mask", resolution=224), OutputSettings())
    assert "--resolution" not in arguments


@pytest.mark.parametrize("settings", [Settings(), UNLIKE, Settings(weights="my weights.pth", compare=("resnet50",))])
def test_the_command_that_opens_the_window_means_the_settings(settings: Settings) -> None:
    arguments = live_arguments(["-it's a clip.mp4"], settings)
    assert shlex.split(shell_line(arguments)) == ["rtviz", *arguments]
    parsed = build_parser().parse_args(arguments)
    assert settings_of(parsed)[0] == settings
    assert parsed.source == ["./-it's a clip.mp4"]
    assert parsed.fresh, "what the window showed last must not count"
    assert not build_parser().parse_args(live_arguments([], settings)).source

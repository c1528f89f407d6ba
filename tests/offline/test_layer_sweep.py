"""The layer elevator: one frame through all layers, as a file, on the command line and in a live session."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from live_fakes import Engine, Recording, session, until, until_shown
from PIL import Image

import rtviz
import rtviz.engine.engine
from rtviz import cli, views
from rtviz.errors import OutputExists, OutputUnwritable
from rtviz.frame import Frame, Maps
from rtviz.live.session import LiveSession
from rtviz.offline import layer_sweep
from rtviz.settings import OutputSettings, Settings

if TYPE_CHECKING:
    from rtviz.app.layer_sweep import LayerSweep

# A slope of light with a dark square: noise would not survive a video's compression.
_PIXELS = np.repeat(np.linspace(90, 230, 128)[None, :, None], 96, 0).repeat(3, 2).astype(np.uint8)
_PIXELS[30:60, 40:80] = (60, 30, 90)
FRAME = Frame(_PIXELS)


def maps_of(layers: int, heads: int = 2) -> Maps:
    attention = np.random.default_rng(1).random((layers, heads, 6, 8)).astype(np.float32)
    return Maps(attention, np.zeros((layers, heads, 1), np.float32), "cls", "tiny", 16, (96, 128))


@pytest.mark.parametrize("layers", [1, 2, 12, 24])
def test_layers_arrive_in_order_slower_at_both_ends(layers: int) -> None:
    times = layer_sweep.arrivals(layers)
    stays = np.diff(times)
    assert (times[0], len(times)) == (0.0, layers + 1)
    assert (stays > 0.3499).all()
    assert stays[-1] == stays.max() > 1, "the last layer stays until one has looked at it"
    if layers > 3:
        assert stays[0] == pytest.approx(stays[-2])
        assert stays[0] > stays[layers // 2]


def test_every_layer_is_shown_as_its_view_draws_it_and_without_a_gap() -> None:
    maps, settings = maps_of(4), Settings(view="mask", head=1)
    sweep = list(layer_sweep.sweep(FRAME, maps, settings))
    ends = [frame.pts_seconds + (frame.duration_seconds or 0) for _, frame in sweep]
    assert [frame.pts_seconds for _, frame in sweep[1:]] == pytest.approx(ends[:-1])
    assert ends[-1] == pytest.approx(layer_sweep.arrivals(4)[-1])
    assert [frame.index for _, frame in sweep] == list(range(len(sweep)))
    long = [picture for picture, frame in sweep if (frame.duration_seconds or 0) > 0.1]
    assert len(long) == 4
    for layer, picture in enumerate(long):
        alone = views.draw(FRAME, maps, settings.replace(layer=layer))
        assert np.array_equal(picture[40:], alone[40:]), "below the number nothing else is changed"
        assert not np.array_equal(picture[:40], alone[:40])
    between = sweep[1][0].astype(int)[40:]
    low, high = np.minimum(long[0], long[1])[40:], np.maximum(long[0], long[1])[40:]
    assert ((between >= low.astype(int) - 1) & (between <= high.astype(int) + 1)).all()


def test_tiles_do_not_dissolve_into_each_other() -> None:
    maps, settings = maps_of(3), Settings(view="heads")
    sweep = list(layer_sweep.sweep(FRAME, maps, settings))
    assert [frame.pts_seconds for _, frame in sweep] == pytest.approx(layer_sweep.arrivals(3)[:-1])
    for layer, (picture, _) in enumerate(sweep):
        assert np.array_equal(picture, views.draw(FRAME, maps, settings.replace(layer=layer)))


@pytest.mark.parametrize(("view", "heads", "swept"), [("heatmap", 2, "heatmap"), ("heads", 2, "heads"),
                                                       ("pca", 2, "heatmap"), ("grid", 2, "heatmap"),
                                                       ("cam", 2, "heatmap"), ("rollout", 2, "heatmap"),
                                                       ("heatmap", 0, "cam"), ("mask", 0, "mask")])  # fmt: skip
def test_a_view_that_does_not_tell_layers_apart_becomes_one_that_does(view: str, heads: int, swept: str) -> None:
    assert layer_sweep.sweep_settings(Settings(view=view), heads).view == swept
    assert layer_sweep.sweep_settings(Settings(view="rollout"), 2, anew=True).view == "rollout"


@pytest.mark.parametrize("view", ["rollout", "pca"])
def test_what_each_layer_needs_a_pass_for_is_predicted_anew(view: str) -> None:
    model = rtviz.load("random:embedded", device="cpu", precision="fp32", resolution=64)
    engine = rtviz.engine.engine.Engine(model)
    settings = Settings(view=view, discard=0.0, head=3, resolution=64)
    (maps,) = engine.predict([FRAME], settings)
    sweep = layer_sweep.sweep(FRAME, maps, settings, lambda wanted: engine.predict([FRAME], wanted)[0])
    long = [picture for picture, frame in sweep if (frame.duration_seconds or 0) > 0.1]
    assert len(long) == 6
    for layer, picture in enumerate(long):
        alone = engine.render(FRAME, settings.replace(layer=layer)).overlay
        assert np.array_equal(picture[40:], alone[40:]), layer
    assert np.abs(long[0].astype(int) - long[-1]).max() > 10


@pytest.mark.parametrize("name", ["layers.gif", "layers.mp4"])
def test_the_file_lasts_as_long_as_the_ride(tmp_path: Path, name: str) -> None:
    import av

    path = tmp_path / name
    layer_sweep.save(path, FRAME, maps_of(3), Settings())
    with av.open(str(path)) as container:
        assert container.duration is not None
        assert container.duration / 1e6 == pytest.approx(layer_sweep.arrivals(3)[-1], abs=0.1)
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    last = list(layer_sweep.sweep(FRAME, maps_of(3), Settings()))[-1][0]
    assert np.abs(pictures[-1].astype(int) - last).mean() < 12
    with pytest.raises(OutputExists):
        layer_sweep.save(path, FRAME, maps_of(3), Settings())
    with pytest.raises(OutputUnwritable, match="moving picture"):
        layer_sweep.save(tmp_path / "layers.png", FRAME, maps_of(3), Settings())


def test_a_broad_gif_is_made_smaller_unless_a_size_was_asked_for(tmp_path: Path) -> None:
    broad = Frame(np.zeros((180, 800, 3), np.uint8))
    layer_sweep.save(tmp_path / "a.gif", broad, maps_of(1), Settings())
    layer_sweep.save(tmp_path / "b.gif", broad, maps_of(1), Settings(), OutputSettings(size=(90, 400)))
    sizes = []
    for name in ("a.gif", "b.gif"):
        with Image.open(tmp_path / name) as gif:
            sizes.append(gif.size)
    assert sizes == [(640, 144), (400, 90)]


def test_the_command_line_makes_one_and_tells_the_facts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(FRAME.pixels).save(tmp_path / "picture.png")
    looking = ["--model", "random:embedded", "--device", "cpu", "--precision", "fp32", "--resolution", "64"]
    output = tmp_path / "layers.gif"
    assert cli.run(["elevator", str(tmp_path / "picture.png"), "-o", str(output), *looking]) == 0
    assert "6 layers of random:embedded" in capsys.readouterr().err
    with Image.open(output) as gif:
        assert getattr(gif, "n_frames", 1) > 6
    assert cli.run(["facts", str(tmp_path / "picture.png"), "--json", "--layer", "-2", *looking]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["model"], told["layer"], [one["head"] for one in told["heads"]]) == (
        "random:embedded",
        4,
        [0, 1, 2, 3],
    )
    assert {one["tag"] for one in told["heads"]} <= {"foreground", "background", "diffuse"}
    assert cli.run(["facts", str(tmp_path / "picture.png"), *looking]) == 0
    assert capsys.readouterr().out.count(" %") == 8
    assert cli.run(["facts", str(tmp_path / "picture.png"), "--model", "random:resnet18", *looking[2:]]) == 2
    assert "no attention heads" in capsys.readouterr().err


BY_LAYER = [views.find(name) for name in views.names(by_layer=True)]


@pytest.mark.parametrize(
    ("view", "more", "allowed", "why"),
    [
        ("similarity", [], BY_LAYER, ""),
        ("cam", [], [view for view in BY_LAYER if view.name != "cam"], " (random:embedded"),
        (
            "heads", ["--model", "random:resnet18"], [view for view in BY_LAYER if not view.needs_heads],
            " (random:resnet18 has no attention heads)",
        ),
    ],
)  # fmt: skip
def test_the_command_line_refuses_a_view_that_is_the_same_for_every_layer(
    view: str, more: list[str], allowed: list[views.ViewInfo], why: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    looking = more or ["--model", "random:embedded"]
    line = [
        "elevator",
        "scene:?size=96x64",
        "-o",
        str(tmp_path / "a.gif"),
        "--view",
        view,
        "--resolution",
        "64",
        *looking,
    ]
    assert cli.run([*line, "--device", "cpu"]) == 2
    assert f"allowed: {', '.join(one.name for one in allowed)}{why}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_facts_of_a_video_tell_how_steady_each_head_is(capsys: pytest.CaptureFixture[str]) -> None:
    looking = ["--model", "embedded", "--device", "cpu", "--precision", "fp32", "--resolution", "64", "--json"]
    scene = "scene:?seed=3&size=96x64&seconds=4"
    assert cli.run(["facts", scene, "--start", "1", "--seconds", "1.1", *looking]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["frames"] == 5  # at 1, 1.25, 1.5, 1.75, 2 seconds
    model = rtviz.load("embedded", device="cpu", precision="fp32", resolution=64)
    with rtviz.sources.open_source(scene, start=1) as source:
        frames = [frame for frame in source if frame.pts_seconds < 2.1]
    seen, due = [], 0.0
    for frame in frames:
        if frame.pts_seconds >= due:
            seen.append(model(frame).attention[-1].astype(float))
            due = frame.pts_seconds + 0.25
    shares = [one / one.sum(axis=(1, 2), keepdims=True) for one in seen]
    same = [np.minimum(a, b).sum(axis=(1, 2)) for a, b in itertools.pairwise(shares)]
    for head in told["heads"]:
        values = [one[head["head"]] for one in same]
        assert min(values) - 1e-3 <= head["stability"] <= max(values) + 1e-3
    assert cli.run(["facts", scene, "--seconds", "0.01", *looking]) == 2
    assert "has one frame there" in capsys.readouterr().err
    assert cli.run(["facts", scene, "--start", "99", *looking]) == 1
    assert "no frame from second 99 on: it is 4.0 s long; --start takes an earlier part" in capsys.readouterr().err


# --- in a live session -----------------------------------------------------------------------------------------------


def shown_layers(live: LiveSession) -> LayerSweep:
    pytest.importorskip("PyQt5")
    from rtviz.app.layer_sweep import LayerSweep

    return LayerSweep(live, lambda layer: live.update(live.settings.replace(layer=layer)))


@pytest.mark.parametrize("paused", [False, True])
def test_a_ride_freezes_the_frame_shows_every_layer_and_comes_back(paused: bool) -> None:
    engine = Engine()
    source = Recording([number / 30 for number in range(900)])
    with session(source, engine, settings=Settings(view="grid", layer=1), mode="locked") as live:
        until_shown(live, lambda result: result.maps is not None)
        live.pause(paused)
        until(live, lambda status: status.paused is paused)
        sweep = shown_layers(live)
        assert sweep.start(100.0)
        held = until(live, lambda status: status.paused).position_seconds
        # A pass that began before may still end, and then that of the frame which is held.
        until_shown(live, lambda result: result.frame.pts_seconds == held and result.settings.layer == 0)
        passes: list[int] = []
        seen = []
        times = layer_sweep.arrivals(3)
        for now in sorted({*times[:-1], *(time + 0.2 for time in times[:-1])}):
            sweep.tick(100.0 + now + 1e-6)
            layer = live.settings.layer
            result = until_shown(live, lambda result: result.settings.layer == layer)  # noqa: B023
            passes.append(engine.passes)
            seen.append((layer, result.settings.view))
        assert [key for key, _ in itertools.groupby(seen)] == [(0, "heatmap"), (1, "heatmap"), (2, "heatmap")]
        assert engine.passes <= passes[0] + 1, "the layers come out of one pass; the held frame may need another"
        sweep.tick(100.0 + times[-1] + 0.01)
        assert not sweep.running
        assert (live.settings.view, live.settings.layer) == ("grid", 1)
        until(live, lambda status: status.paused is paused)


def test_a_ride_that_is_ended_comes_back_at_once_and_none_begins_without_a_model() -> None:
    with session(Recording([number / 30 for number in range(900)]), settings=Settings(layer=-1)) as live:
        sweep = shown_layers(live)
        until_shown(live, lambda result: result.maps is not None)
        assert sweep.start(5.0)
        assert live.settings.layer == 0
        sweep.stop()
        sweep.stop()
        assert live.settings.layer == -1
        sweep.tick(9.0)
        assert live.settings.layer == -1
    engine = Engine()
    engine.go.clear()
    with session(Recording([0.0]), engine) as live:
        until_shown(live, lambda result: result.maps is None)
        assert not shown_layers(live).start(5.0)
        engine.go.set()

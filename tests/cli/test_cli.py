"""The command line, as a user meets it: exit status, what stands on stdout, and one line for what went wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import SCENE, TINY, Command, Said, in_process, one_line_error, rtviz
from PIL import Image

from rtviz import cli, find_object
from rtviz.cli.parser import build_parser
from rtviz.models import load
from rtviz.sources import open_source

MEDIA = Path(__file__).parents[3] / "shared" / "media"
Run = Callable[..., Said]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`rtviz ...` in this process."""
    return in_process(monkeypatch, capsys)


def test_render_says_what_it_did_and_keeps_stdout_empty(tmp_path: Path) -> None:
    done = rtviz("render", SCENE, "-o", tmp_path / "out.mp4", *TINY)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "15 frames" in done.stderr
    assert "untrained" in done.stderr  # random weights are never silent
    with open_source(str(tmp_path / "out.mp4")) as source:
        assert sum(1 for _ in source) == 15


def test_a_parser_of_one_command_knows_it_as_the_whole_parser_does() -> None:
    whole = build_parser()
    commands = re.findall(r"^    ([a-z-]+)\b", whole.format_help(), re.MULTILINE)
    assert {"live", "render", "masks", "pca-basis", "completion"} <= set(commands)
    for command in commands:
        said = []
        for parser in (whole, build_parser([command, "--help"])):
            with pytest.raises(SystemExit, match="0"), redirect_stdout(StringIO()) as printed:
                parser.parse_args([command, "--help"])
            said.append(printed.getvalue())
        assert said[0] == said[1]
        assert said[0].startswith(f"usage: rtviz {command} ")


def test_a_start_loads_the_command_that_is_asked_for_and_no_other() -> None:
    program = "import sys; from rtviz.cli import run\ntry: run(sys.argv[1:])\nexcept SystemExit: pass\n"
    program += "print(*(name for name in sys.modules if name.startswith('rtviz')))"
    loaded = [
        set(subprocess.run([sys.executable, "-c", program, *given], capture_output=True, text=True).stdout.split())
        for given in (["--version"], ["facts", "--help"], ["--help"])
    ]
    assert "rtviz.cli" in loaded[0]
    assert not {"rtviz.settings", "rtviz.cli.facts"} & loaded[0]
    assert "rtviz.cli.facts" in loaded[1]
    assert "rtviz.cli.jobs" not in loaded[1]
    assert {"rtviz.cli.facts", "rtviz.cli.jobs"} <= loaded[2]


def test_a_folder_is_filled_with_each_input_under_its_name(tmp_path: Path, run: Run) -> None:
    (tmp_path / "in").mkdir()
    for name, color in (("a.jpg", "red"), ("b.png", "blue")):
        Image.new("RGB", (60, 40), color).save(tmp_path / "in" / name)
    plain = ["--view", "none", "--quiet"]
    assert run("render", SCENE, "-o", tmp_path / "clip.mp4", *plain).status == 0
    assert run("render", tmp_path / "in", "-o", tmp_path / "apart", *plain).status == 0
    assert sorted(path.name for path in (tmp_path / "apart").iterdir()) == ["a.png", "b.png"]
    assert run("render", tmp_path / "clip.mp4", "-o", f"{tmp_path}/named/", *plain).status == 0
    assert [path.name for path in (tmp_path / "named").iterdir()] == ["clip.mp4"]
    assert run("render", tmp_path / "clip.mp4", "-o", tmp_path / "frames", *plain).status == 0
    assert len(list((tmp_path / "frames").glob("frame_*.png"))) == 15


def test_the_report_has_the_size_that_was_written(tmp_path: Path, run: Run) -> None:
    scene = "scene:?size=97x65&seconds=0.1"
    done = run("render", scene, "-o", tmp_path / "out.mp4", "--quiet", "--json", "--view", "none")
    report = json.loads(done.out)
    with open_source(str(tmp_path / "out.mp4")) as source:
        assert source.info.size == (report["height"], report["width"]) == (66, 98)
    done = run("render", scene, "-o", tmp_path / "out.gif", "--codec", "h265", "--view", "none")
    one_line_error(done, 2, "codec", ".gif")


def test_the_length_of_a_scene_is_not_asked_of_a_video(tmp_path: Path, run: Run) -> None:
    done = run("render", tmp_path / "clip.mp4", "-o", tmp_path / "out.mp4", "--seconds", "3", *TINY)
    one_line_error(done, 2, "--end")


def test_quiet_says_nothing_but_the_notice_and_json_reports(tmp_path: Path, run: Run) -> None:
    done = run("render", SCENE, "-o", tmp_path / "out.mp4", "--quiet", "--json", "--view", "none")
    assert done.status == 0
    assert done.err == ""
    report = json.loads(done.out)
    assert report["frames_in"] == report["frames_out"] == 15
    assert (report["width"], report["height"]) == (96, 64)
    assert {"decode", "draw", "encode"} <= set(report["stage_seconds"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--opacity", "7"], "opacity"),
        (["--view", "heatmaps"], "heatmap"),
        (["--head", "x"], "mean"),
        (["--query", "3,3"], "fractions"),
        (["--end", "1", "--start", "2"], "after the start"),
        (["--config", "no-such-preset"], "preset"),
        (["--codec", "mpeg1"], "h264"),
        (["--size", "1x1"], "from 2 to 16384"),
        (["--frobnicate"], "frobnicate"),
    ],
)
def test_a_wrong_option_names_itself_and_what_is_allowed(
    tmp_path: Path, arguments: list[str], says: str, run: Run
) -> None:
    done = run("render", SCENE, "-o", tmp_path / "out.mp4", *TINY, *arguments)
    one_line_error(done, 1 if "no-such-preset" in arguments else 2, says)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def here(run: Run) -> Command:
    """The same: status and stderr."""

    def command(*line: str | Path) -> tuple[int, str]:
        said = run(*line)
        return said.status, said.err

    return command


def test_progress_for_another_program(
    here: Callable[..., tuple[int, str]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = f"{tmp_path}/out/"
    status = cli.run(["render", SCENE, SCENE.replace("96x64", "0x0"), "-o", out, *TINY, "--progress", "json"])
    printed, said = capsys.readouterr()
    assert status == 1
    events = [json.loads(line) for line in printed.splitlines()]
    assert [event["event"] for event in events if event["event"] != "frames"] == ["loading", "begin", "end", "end"]
    assert events[1]["frames"] == 15
    assert all(0 < event["done"] <= 15 for event in events if event["event"] == "frames")
    first, second = (event["report"] for event in events if event["event"] == "end")
    assert first["frames_out"] == 15
    assert "size" in second["error"]
    assert f"error: {second['error']}" in said, "people read the same"
    status = cli.run(["render", SCENE, "-o", f"{tmp_path}/no.mp4", *TINY, "--start", "60", "--progress", "json"])
    printed, said = capsys.readouterr()
    failed = json.loads(printed.splitlines()[-1])
    assert status != 0
    assert (failed["event"], failed["remedy"], failed["subject"]) == ("end", "START_EARLIER", "")
    assert failed["error"] == failed["report"]["error"]
    assert f"error: {failed['error']}; --start" in said, "which no other program has to know"
    status = cli.run(["render", SCENE, "-o", f"{tmp_path}/no.mp4", "--model", "dino-vitz16", "--progress", "json"])
    failed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert status != 0
    assert (failed["event"], failed["remedy"]) == ("failed", "LIST_MODELS")
    status, said = here("render", SCENE, "-o", tmp_path / "x.mp4", *TINY, "--progress", "json", "--json")
    assert status == 2
    assert "progress" in said


CONVNET = ["--model", "random:resnet18", *TINY[2:]]
STILL = "scene:?seed=3&size=96x64&seconds=0.03"


def test_a_convnet_needs_no_view_to_be_named(tmp_path: Path, here: Command) -> None:
    from rtviz.cv import cv2

    assert here("render", STILL, "-o", tmp_path / "plain.png", *CONVNET)[0] == 0
    assert here("render", STILL, "-o", tmp_path / "cam.png", *CONVNET, "--view", "cam")[0] == 0
    plain, cam = (cv2.imread(str(tmp_path / name)) for name in ("plain.png", "cam.png"))
    assert (plain == cam).all()
    status, err = here("render", STILL, "-o", tmp_path / "no.png", *CONVNET, "--view", "heatmap")
    assert status == 2
    assert "mask, cam, none (random:resnet18 has no attention heads)" in err
    status, err = here("render", STILL, "-o", tmp_path / "no.png", *CONVNET, "--layer", "9")
    assert "-4 to 3 (random:resnet18 has 4 stages)" in err


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ([*CONVNET, "--mute", "-1.2,-2.1"], ["--mute changes nothing: there are no attention heads"]),
        ([*CONVNET, "--query", "0.5,0.5"], ["--query changes nothing in the view cam of a model without heads"]),
        ([*CONVNET, "--view", "mask", "--cam", "eigen", "--threshold", "0.5"], []),
        ([*CONVNET, "--target", "3"], ["--target changes nothing without --cam grad"]),
        ([*TINY, "--view", "heatmap", "--track", "0.5,0.5"], ["--track changes nothing in the view heatmap"]),
        ([*TINY, "--view", "rollout", "--head", "2"], ["--head changes nothing in the view rollout"]),
        ([*TINY, "--track", "0.5,0.5"], []),
        ([*TINY, "--head", "1", "--query", "0.5,0.5", "--mute", "-1.2,-2.1"], []),
        ([*TINY, "--head", "1", "--view", "rollout", "--quiet"], None),
    ],
)
def test_an_option_that_changes_nothing_is_named(
    tmp_path: Path, here: Command, line: list[str], says: list[str] | None
) -> None:
    status, err = here("render", STILL, "-o", tmp_path / "out.png", *line)
    assert status == 0, err
    if says is None:  # quiet: not even that the weights are random
        assert err == ""
    else:
        assert [told.removeprefix("rtviz: ") for told in err.splitlines() if "changes nothing" in told] == says


def test_views_read_what_they_are_said_to_read(tmp_path: Path) -> None:
    """Another value of what a view does not read gives the same picture; of what it reads, for some value another."""
    from rtviz import views
    from rtviz.engine.engine import Engine
    from rtviz.frame import Frame, Pixels
    from rtviz.settings import Muted, Settings
    from rtviz.views.pca_basis import PcaBasis

    engine = Engine(load("embedded", device="cpu", precision="fp32", resolution=64))
    with open_source("scene:?seed=5&size=96x64") as source:
        frame = Frame(next(iter(source)).pixels)
    still = tmp_path / "still.png"
    Image.fromarray(frame.pixels).save(still)
    of_view: dict[str, dict[str, object]] = {
        "reference": {"reference": f"{still}@0.3,0.3"}, "prompts": {"prompt": f"it+{still}@0.3,0.3"},
    }  # fmt: skip
    others = {
        "query": (0.2, 0.3), "head": 1, "threshold": 0.2, "cam": "activation", "target": 5, "objects": "lost",
        "features": "values",
        "rollout": "max", "discard": 0.2, "track": [(0.5, 0.5)], "reference": f"{still}@0.7,0.7", "matches": 1,
        "mutual": True,
        "prompt": f"it+{still}@0.7,0.7", "confidence": 0.2, "pca_component": 2, "second": (0.7, 0.3),
        "direction": "from",
        "pca_figure": "component", "pca_basis": str(tmp_path / "basis.npz"),
    }  # fmt: skip
    both = engine.predict([frame, Frame(frame.pixels[::-1])], Settings(view="pca", resolution=64))
    PcaBasis.fit(both).save(tmp_path / "basis.npz")
    assert set(others) == views.SOME_READ

    def drawn(**values: Any) -> Pixels:
        engine.forget()
        return engine.render(frame, Settings(resolution=64, mute=(Muted(0, 1),), **values)).overlay

    for name in views.names():
        given = {"view": name, **of_view.get(name, {})}
        reads, before = views.find(name).reads, drawn(**given)
        for option, value in others.items():
            same = (drawn(**{**given, option: value}) == before).all()
            if (name, option) == ("cam", "target"):  # which is for classifiers, and here is none
                continue
            if option in ("objects", "mutual") and option in reads:  # two ways that may agree
                continue
            assert bool(same) is (option not in reads), (name, option)


@pytest.mark.parametrize("command", ["export", "elevator", "facts", "figure"])
def test_where_one_model_looks_a_second_one_is_refused(tmp_path: Path, here: Command, command: str) -> None:
    output: list[str | Path] = [] if command == "facts" else ["-o", tmp_path / "out.npz"]
    status, err = here(command, STILL, *output, "--model", "embedded", "--model", "random:embedded")
    assert status == 2
    assert "--model names embedded and random:embedded; allowed: one model here" in err
    five = [word for name in "abcde" for word in ("--model", name)]
    assert "5 models are named; allowed: at most 4" in here("render", STILL, "-o", tmp_path / "out.mp4", *five)[1]


def test_the_head_that_is_followed_is_written_on_the_picture(tmp_path: Path, here: Command) -> None:
    from rtviz.cv import cv2

    looking = ["--model", "embedded", *TINY[2:]]
    pictures = {}
    for head in ("follow", "mean", *"0123"):
        line = ("render", "scene:?seed=5&size=320x240&seconds=0.03", "-o", tmp_path / f"{head}.png", "--head", head)
        assert here(*line, *looking)[0] == 0
        pictures[head] = cv2.imread(str(tmp_path / f"{head}.png"))
    followed = pictures.pop("follow")
    (same,) = [name for name, picture in pictures.items() if (picture[60:] == followed[60:]).all()]
    assert not (pictures[same][:30] == followed[:30]).all()


def test_a_rollout_of_which_nothing_is_left_says_so() -> None:
    from rtviz import views
    from rtviz.frame import Frame, Maps
    from rtviz.settings import Rolled, Settings

    frame = Frame(np.full((120, 480, 3), 120, np.uint8))
    attention, prefix = np.full((1, 1, 2, 4), 0.1, np.float32), np.full((1, 1, 1), 0.2, np.float32)
    pictures = {}
    for left in (0.0, 0.01):
        rollout = np.zeros((2, 4), np.float32)
        rollout[0, 3] = left
        maps = Maps(attention, prefix, "cls", "x", 60, (120, 240), rollout=rollout, rolled=Rolled("mean", 0.9, 0))
        pictures[left] = views.draw(frame, maps, Settings(view="rollout"))
    assert pictures[0.0][:30, :200].std() > 5  # letters
    assert pictures[0.01][:30, :200].std() < 1


def test_a_place_of_another_picture_is_found(tmp_path: Path, here: Any) -> None:
    """Of a video's own frame at a time, the best match at that time is the place itself, with similarity 1."""
    clip = tmp_path / "clip.mp4"
    assert here("render", "scene:?seed=5&size=160x128&seconds=1", "-o", clip, "--view", "none")[0] == 0
    with open_source(str(clip), start=0.5) as source:
        frame = next(iter(source))
    still = tmp_path / "still.png"
    Image.fromarray(frame.pixels).save(still)
    pictures = []
    for place in (f"{clip}#t=0.5@0.3,0.4", f"{still}@0.3,0.4"):
        line = ("render", clip, "-o", tmp_path / "out.png", "--overwrite", "--start", "0.5", "--end", "0.51", *TINY)
        status, err = here(*line, "--reference", place)
        assert status == 0, err
        pictures.append(np.asarray(Image.open(tmp_path / "out.png")))
    assert np.abs(pictures[0].astype(int) - pictures[1]).max() <= 2  # the same frame, by two names


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("nothing.png@0.5,0.5", "nothing.png"),
        ("0.5,0.5", "no picture is named"),
        ("cup.png@1.5,0.5", "1.5,0.5 is not on the frame"),
        ("cup.png@0.5", "PICTURE@X,Y"),
        ("@0.5,0.5", "no picture is named"),
        ("a@0,0;b@0,0;c@0,0;d@0,0;e@0,0", "5 references"),
    ],
)
def test_a_reference_that_cannot_be_is_refused_in_a_line(tmp_path: Path, here: Any, given: str, says: str) -> None:
    status, err = here("render", STILL, "-o", tmp_path / "out.png", *TINY, "--reference", given)
    assert status != 0
    assert says in err
    assert len([line for line in err.splitlines() if "error:" in line]) == 1


def test_prompts_are_of_the_first_frame_of_another_one_or_of_a_picture(tmp_path: Path, here: Any) -> None:
    """The same frame by three names gives the same picture, and another frame another one."""
    clip = tmp_path / "clip.mp4"
    assert here("render", "scene:?seed=5&size=160x128&seconds=1", "-o", clip, "--view", "none")[0] == 0
    with open_source(str(clip), start=0.5) as source:
        Image.fromarray(next(iter(source)).pixels).save(tmp_path / "still.png")
    pictures = []
    for path in ("", "#t=0.5@", f"{tmp_path / 'still.png'}@", "#t=0@"):
        line = ("render", clip, "-o", tmp_path / "out.png", "--overwrite", "--start", "0.5", "--end", "0.51", *TINY)
        status, err = here(*line, "--prompt", f"it+{path}0.3,0.4", "--prompt", f"it-{path}0.9,0.9")
        assert status == 0, err
        pictures.append(np.asarray(Image.open(tmp_path / "out.png")).astype(int))
    assert np.abs(pictures[0] - pictures[1]).max() == 0
    assert np.abs(pictures[0] - pictures[2]).max() <= 2
    assert np.abs(pictures[0] - pictures[3]).max() > 20


def test_masks_are_those_of_the_view_in_every_kind_of_output(tmp_path: Path, here: Any) -> None:
    clip, prompts = "scene:?seed=5&size=160x128&seconds=0.2", ("--prompt", "it+0.3,0.4", "--prompt", "it-0.9,0.9")
    for name in ("out.json", "out", "out.webm"):
        status, err = here("masks", clip, "-o", tmp_path / name, *TINY, *prompts)
        assert status == 0, err
    coco = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    labels = {one["file_name"]: np.asarray(Image.open(tmp_path / "out" / one["file_name"])) for one in coco["images"]}
    areas = {one["id"]: 0 for one in coco["images"]}
    areas |= {one["image_id"]: one["area"] for one in coco["annotations"]}
    assert [areas[one["id"]] for one in coco["images"]] == [(found == 1).sum() for found in labels.values()]
    assert sum(areas.values()) > 0
    with open_source(str(tmp_path / "out.webm")) as source:
        assert len(list(source)) == len(labels) == 6


def test_masks_of_a_head_and_of_the_object_are_written(tmp_path: Path, here: Any) -> None:
    """As the library finds them in the frame: `maps.attention` by mass, and the box of `find_object`."""
    scene = "scene:?seed=3&size=128x96&seconds=0.03"
    with open_source(scene) as source:
        pixels = next(iter(source)).pixels
    model = load("embedded", device="cpu", precision="fp32", resolution=96)
    fixed = ("--model", "embedded", "--resolution", "96", "--precision", "fp32", "--upsampling", "nearest")
    line = ("masks", scene, *fixed, "--overwrite")
    status, err = here(*line, "-o", tmp_path / "head", "--view", "mask", "--head", "2", "--threshold", "0.5")
    assert status == 0, err
    labels = np.asarray(Image.open(next((tmp_path / "head").glob("*.png"))))
    values = model(pixels).attention[-1, 2]
    cells = labels.reshape(values.shape[0], -1, values.shape[1], labels.shape[1] // values.shape[1])
    taken = cells.max(axis=(1, 3)) > 0
    assert values[taken].min() >= values[~taken].max()
    assert values[taken].sum() >= 0.5 * values.sum() > values[taken].sum() - values[taken].min()
    status, err = here(*line, "-o", tmp_path / "object.json", "--view", "objects")
    assert status == 0, err
    coco = json.loads((tmp_path / "object.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in coco["categories"]] == ["object"]
    (one,) = coco["annotations"]
    found = find_object(model, pixels)
    assert found.box is not None
    side = pixels.shape[0] / found.mask.shape[0]
    top, left, bottom, right = (side * end for end in found.box)
    assert one["bbox"] == pytest.approx([left, top, right - left, bottom - top], abs=1)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((), "mask, objects, track, prompts: give --prompt, --track or --view"),
        (("--view", "pca"), "mask, objects, track, prompts: give --prompt, --track or --view"),
        (("--prompt", "it+0.5,0.5", "--model", "random:resnet50"), "patch tokens"),
    ],
)
def test_masks_of_what_has_none_are_refused_in_a_line(
    tmp_path: Path, here: Any, given: tuple[str, ...], says: str
) -> None:
    status, err = here("masks", STILL, "-o", tmp_path / "out.json", *given)
    assert status != 0
    assert says in err
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("nothing.png@0.5,0.5", "CLASS+X,Y"),
        ("cat+nothing.png@0.5,0.5", "nothing.png"),
        ("cat+1.5,0.5", "1.5,0.5 is not on the frame"),
        ("cat-0.5,0.5", "nothing says where the class cat is"),
        ("cat+0.5", "CLASS+X,Y"),
        ("cat+#t=soon@0.5,0.5", "a number of seconds"),
        (";".join(f"c+{number / 100},0" for number in range(65)), "65 prompts"),
    ],
)
def test_a_prompt_that_cannot_be_is_refused_in_a_line(tmp_path: Path, here: Any, given: str, says: str) -> None:
    status, err = here("render", STILL, "-o", tmp_path / "out.png", *TINY, "--prompt", given)
    assert status != 0
    assert says in err
    assert len([line for line in err.splitlines() if "error:" in line]) == 1


@pytest.mark.parametrize(("option", "value"), [("--head", "7"), ("--layer", "12"), ("--layer", "-13")])
def test_a_head_or_layer_that_the_model_lacks_is_refused_with_the_range(
    tmp_path: Path, option: str, value: str, run: Run
) -> None:
    done = run("render", SCENE, "-o", tmp_path / "out.mp4", *TINY, option, value)
    one_line_error(done, 2, option.strip("-"), value)
    assert not (tmp_path / "out.mp4").exists()


def test_an_unknown_model_is_refused_and_the_list_is_named(tmp_path: Path, run: Run) -> None:
    done = run("render", SCENE, "-o", tmp_path / "out.mp4", "--model", "dino-vitz99")
    one_line_error(done, 1, "dino-vitz99", "rtviz models")


def test_an_existing_output_needs_overwrite(tmp_path: Path, run: Run) -> None:
    output = tmp_path / "out.mp4"
    output.write_bytes(b"precious")
    one_line_error(run("render", SCENE, "-o", output, *TINY), 1, "--overwrite")
    assert output.read_bytes() == b"precious"
    assert run("render", SCENE, "-o", output, "--overwrite", "--view", "none").status == 0
    assert output.stat().st_size > 1000


@pytest.mark.parametrize(("command", "name"), [("render", "out.png"), ("render", "out.jpg"), ("export", "out.npz")])
def test_one_picture_of_many_frames_is_refused_before_a_model_is_loaded(
    tmp_path: Path, run: Run, command: str, name: str
) -> None:
    (tmp_path / "no.safetensors").write_bytes(b"no weights")
    done = run(
        command, SCENE, "-o", tmp_path / name, "--model", "dino-vits16", "--weights", tmp_path / "no.safetensors"
    )
    one_line_error(done, 1, name, "one picture", ".mp4" if command == "render" else ".zarr")


def test_a_part_of_one_frame_is_one_picture(tmp_path: Path, run: Run) -> None:
    Image.new("RGB", (60, 40), "red").save(
        tmp_path / "red.gif", save_all=True, append_images=[Image.new("RGB", (60, 40))]
    )
    for given in (
        [SCENE, "--start", "0.1", "--end", "0.15"],
        [tmp_path / "red.gif"],  # of an animation, the first frame
    ):
        assert run("render", *given, "-o", tmp_path / "one.png", "--view", "none", "--overwrite").status == 0
        assert (tmp_path / "one.png").exists()


def test_output_equal_to_input_is_refused_even_through_a_link(tmp_path: Path, run: Run) -> None:
    video = tmp_path / "in.mp4"
    assert run("render", SCENE, "-o", video, "--view", "none").status == 0
    before = video.read_bytes()
    link = tmp_path / "link.mp4"
    link.symlink_to(video)
    for output in (video, link):
        one_line_error(run("render", video, "-o", output, "--overwrite", *TINY), 1, "input")
    assert video.read_bytes() == before


def test_one_bad_input_does_not_stop_the_others(tmp_path: Path, run: Run) -> None:
    good, bad = tmp_path / "good.mp4", tmp_path / "bad.mp4"
    assert run("render", SCENE, "-o", good, "--view", "none").status == 0
    bad.write_bytes(os.urandom(5000))
    done = run("render", bad, good, "-o", tmp_path / "out", "--view", "none", "--json")
    assert done.status == 1
    assert "1 of 2 inputs done, 1 failed" in done.err
    assert (tmp_path / "out" / "good.mp4").stat().st_size > 1000
    assert not (tmp_path / "out" / "bad.mp4").exists()
    reports = json.loads(done.out)
    assert "error" in reports[0]
    assert reports[1]["frames_out"] == 15


def test_several_pictures_stay_pictures_and_export_wants_an_output_for_maps(tmp_path: Path, run: Run) -> None:
    for name in ("a", "b"):
        assert run("render", SCENE, "-o", tmp_path / f"{name}.png", "--end", "0.01", "--view", "none").status == 0
    done = run("render", tmp_path / "a.png", tmp_path / "b.png", "-o", tmp_path / "out", "--view", "none")
    assert done.status == 0, done.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.png"]
    one_line_error(run("export", tmp_path / "a.png", "-o", tmp_path / "maps.mp4", *TINY), 1, ".zarr")


@pytest.mark.parametrize("name", ["with space.mp4", "10:30 clip.mp4", "100%d.mp4", "ünïcode-眼.mp4", "-dash.mp4"])
def test_names_that_trip_other_tools(tmp_path: Path, name: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    made = run("render", SCENE, "-o", tmp_path / name, "--view", "none")
    assert made.status == 0, made.err
    monkeypatch.chdir(tmp_path)
    done = run("render", "-o", "again.mp4", "--view", "none", "--", name)
    assert done.status == 0, done.err
    assert (tmp_path / "again.mp4").exists()


@pytest.mark.parametrize("command", [["render"], ["facts", *TINY], ["render", "--no\n\x1c\x07such"]])
def test_no_name_breaks_the_line_of_an_error_or_moves_the_cursor(
    tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal does what control characters say."""
    monkeypatch.chdir(tmp_path)
    output = ["-o", "c.mp4", "--view", "none"] if command[0] == "render" else []
    with suppress(SystemExit):  # of argparse
        assert cli.run([*command, "a\n\x1c\x07.mp4", *output]) == 1
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert r"\x07" in said


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 130)])
def test_an_interrupted_render_leaves_no_final_file_and_says_where_the_rest_is(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    output = tmp_path / "out.mp4"
    command = [sys.executable, "-m", "rtviz", "render", "scene:?size=96x64", "--seconds", "100000", "-o", str(output)]
    termios = pytest.importorskip("termios")  # a bar is drawn at a terminal alone
    terminal, stderr = os.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    with subprocess.Popen([*command, "--view", "none"], stderr=stderr) as process:
        os.close(stderr)
        while b"frame" not in (seen := os.read(terminal, 40)) or b" 0/" in seen:  # the bar has begun to move
            pass
        process.send_signal(number)
        rest = everything(terminal)
        assert process.wait(timeout=30) == status
    assert not output.exists()
    assert "interrupted" in rest
    assert "what was written so far is in" in rest
    partial = next(path for path in tmp_path.iterdir())
    with open_source(str(partial)) as source:
        assert sum(1 for _ in source) > 0


def everything(terminal: int) -> str:
    """What is still written to a terminal until the last one who writes has left it."""
    parts = []
    with os.fdopen(terminal, "rb", buffering=0) as file:
        try:
            while part := file.read(4096):
                parts.append(part)
        except OSError:  # how Linux says that there is nobody left
            pass
    return b"".join(parts).decode()


def test_a_log_has_no_bar(tmp_path: Path) -> None:
    done = rtviz("render", SCENE, "-o", tmp_path / "out.mp4", "--view", "none")
    assert done.returncode == 0
    assert "\r" not in done.stderr
    assert [line[:13] for line in done.stderr.splitlines()] == ["rtviz: wrote "]


def test_models_lists_and_pulls_nothing_by_itself(run: Run) -> None:
    done = run("models")
    assert done.status == 0
    for name in ("dino-vits16", "dino-vitb8", "dinov2-vits14-reg", "dinov3-vits16", "deit-vits16", "augreg-vits16"):
        assert name in done.out
    rows = json.loads(run("models", "--json").out)
    row = next(row for row in rows if row["name"] == "dino-vits16")
    assert (row["layers"], row["heads"], row["patch_size"]) == (12, 6, 16)


def test_help_and_version_answer_without_loading_anything_heavy() -> None:
    code = (
        "import sys; from rtviz.cli import run\n"
        "try: run(['render', '--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'cv2', 'av', 'PyQt5', 'timm') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.strip() == "[]"
    assert "--threshold" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not MEDIA.is_dir(), reason="the real clips are not beside the checkout (../shared/media)")
def test_a_real_clip_keeps_its_frames_and_timestamps(tmp_path: Path) -> None:
    """Against another decoder: OpenCV's own FFmpeg."""
    from rtviz.cv import cv2

    done = rtviz("render", MEDIA / "asl-book.mkv", "-o", tmp_path / "out.mp4", *TINY)
    assert done.returncode == 0, done.stderr

    def times(path: Path) -> list[float]:
        capture = cv2.VideoCapture(str(path))
        seen = []
        while capture.grab():
            seen.append(capture.get(cv2.CAP_PROP_POS_MSEC))
        return seen

    before, after = times(MEDIA / "asl-book.mkv"), times(tmp_path / "out.mp4")
    assert len(before) == len(after) > 100
    assert max(abs((b - before[0]) - (a - after[0])) for b, a in zip(before, after, strict=True)) < 1.1


def test_an_unexpected_failure_of_one_input_is_its_line_and_the_next_goes_on(
    tmp_path: Path, here: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it is: a bug in reading one file must not cost the others."""
    from rtviz import sources

    opening = sources.open_source

    def failing(place: str, **part: Any) -> sources.Source:
        if "seed=1" in place:
            raise UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "invalid continuation byte")
        return opening(place, **part)

    monkeypatch.setattr(sources, "open_source", failing)
    places = [f"scene:?seed={seed}&size=96x64&seconds=0.1" for seed in range(3)]
    status, err = here("render", *places, "-o", f"{tmp_path}/", *TINY, "--json")
    assert status == 1
    (line,) = [line for line in err.splitlines() if "error" in line]
    assert "seed=1" in line
    assert "UnicodeDecodeError" in line
    assert "2 of 3 inputs done, 1 failed" in err
    assert len(list(tmp_path.glob("*.mp4"))) == 2


QUICK = ["--model", "random:vit_tiny_patch16_224", "--precision", "fp32", "--device", "cpu", "--quiet"]


def test_a_picture_by_itself_is_seen_at_the_size_that_shows_most(tmp_path: Path, here: Command) -> None:
    pictures = tmp_path / "in"
    pictures.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (60, 60, 3), np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(pixels).save(pictures / name)
    (tmp_path / "small.toml").write_text("resolution = 224\n")

    def written(*line: str | Path) -> np.ndarray:
        out = tmp_path / "out.png"
        assert here("render", *line, "-o", out, "--overwrite", *QUICK, "--upsampling", "nearest")[0] == 0
        return np.asarray(Image.open(out))

    small, large = (written(pictures / "a.png", "--resolution", str(size)) for size in (224, 480))
    assert (small != large).any()
    assert (written(pictures / "a.png") == large).all()
    assert (written(pictures / "a.png", "--config", tmp_path / "small.toml") == small).all(), "a preset's size counts"
    assert here("render", pictures, "-o", f"{tmp_path}/apart/", *QUICK, "--upsampling", "nearest")[0] == 0
    assert (np.asarray(Image.open(tmp_path / "apart" / "a.png")) == large).all(), "each picture of a folder is a still"


@pytest.mark.parametrize(("view", "size"), [("heads", (1440, 1440)), ("grid", (1440, 1440)), ("heatmap", (60, 60))])
def test_a_mosaic_of_a_small_picture_is_larger_than_the_picture(
    tmp_path: Path, here: Command, view: str, size: tuple[int, int]
) -> None:
    picture = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 60, 3), np.uint8)).save(picture)
    given = ["--view", view, "--resolution", "64", *QUICK]
    assert here("render", picture, "-o", tmp_path / "out.png", *given)[0] == 0
    assert np.asarray(Image.open(tmp_path / "out.png")).shape == (*size, 3)


def test_what_tells_of_one_picture_sees_it_at_the_same_size_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 60, 3), np.uint8)).save(picture)
    monkeypatch.setattr(cli, "_end_like_ctrl_c_on_sigterm", lambda: None)
    told = {}
    for size in ("", "480", "224"):
        assert cli.run(["facts", str(picture), "--json", *QUICK[:-1], *(["--resolution", size] if size else [])]) == 0
        told[size] = json.loads(capsys.readouterr().out)
    assert told[""] == told["480"] != told["224"]


@pytest.mark.parametrize(("name", "size"), [("vit_tiny_patch16_224", 480), ("vit_small_patch14_dinov2", 518)])
def test_the_size_that_shows_most_is_the_patches(name: str, size: int) -> None:
    model = load(f"random:{name}", device="cpu", precision="fp32", resolution=224)
    assert model.still_resolution((480, 640)) == size
    assert model.still_resolution((20, 20_000)) == 224, "where a frame would have too many patches"


def test_a_thread_that_still_computes_does_not_abort_the_process_at_its_end() -> None:
    """Python takes such a thread apart in the middle of torch, where C++ ends the process by a signal."""
    code = """
import sys, threading, torch
class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x): return 2 * x
    @staticmethod
    def backward(ctx, g): return 2 * g
began = threading.Event()
def compute():
    while True:
        Twice.apply(torch.zeros(1, requires_grad=True)).sum().backward()
        began.set()
threading.Thread(target=compute, daemon=True).start()
began.wait()
sys.argv = ["rtviz", "completion", "bash"]
from rtviz.__main__ import main
sys.exit(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "rtviz" in done.stdout


def test_the_help_of_masks_names_the_views_that_have_some() -> None:
    said = rtviz("masks", "--help").stdout
    assert "--view mask|objects|track|prompts" in said
    assert "(heatmap)" not in said
    assert "(heatmap)" in rtviz("render", "--help").stdout

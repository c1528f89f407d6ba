"""The notebook under scripts/: its cells run from top to bottom in one namespace, and show what their text says.

Run cell by cell as a kernel does it, but without one: what a cell ends with is asked for its picture.
"""

from __future__ import annotations

import ast
import io
import json
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import rtviz
from rtviz.cv import cv2

NOTEBOOK = Path(__file__).parents[2] / "scripts" / "three_things.ipynb"


def cells() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return found


def test_it_is_committed_small_and_without_outputs() -> None:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert NOTEBOOK.stat().st_size < 20_000
    assert len({cell["id"] for cell in cells()}) == len(cells())
    for cell in cells():
        assert set(cell) >= {"cell_type", "id", "metadata", "source"}
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


def run(source: str, namespace: dict[str, Any]) -> Any:
    """A cell's code; what its last line is worth, if that is an expression."""
    tree = ast.parse(source)
    last = tree.body[-1]
    if isinstance(last, ast.Expr):
        tree.body.pop()
    exec(compile(tree, "cell", "exec"), namespace)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), namespace) if isinstance(last, ast.Expr) else None


def test_it_runs_from_top_to_bottom_with_nothing_downloaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("the notebook went to the network")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    shown = []
    for cell in cells():
        if cell["cell_type"] == "code":
            value = run("".join(cell["source"]), namespace)
            if value is not None:
                with Image.open(io.BytesIO(value._repr_png_())) as picture:
                    assert picture.size[0] > 300
                    assert np.asarray(picture.convert("RGB")).std() > 10
                shown.append(type(value).__name__)
    assert shown == ["Frame", "Maps", "Figure", "Figure", "Figure", "Result", "Figure"]
    assert not list(tmp_path.iterdir())
    # What the text claims of this run: trained, the objects are found, and untrained they are not.
    trained, untrained = namespace["report"].scores
    assert trained.values["jaccard"] > 2 * untrained.values["jaccard"]
    printed = capsys.readouterr().out
    assert "4 drawn scenes" in printed
    overlaps = {name: namespace["overlap"](maps, rtviz.Settings(), namespace["frame"].masks).jaccard
                for name, maps in namespace["seen"].items()}  # fmt: skip
    assert max(overlaps, key=lambda name: overlaps[name]) == "embedded"
    assert "random:resnet50 is untrained" in printed
    assert printed.count("rtviz models pull resnet50") == 2
    assert "no heads" in printed
    # The answer changes with the place that is asked, in layer 2: the figure's patch finds the figure, the ground's the
    # ground. In the last layer both find the figure.
    (inside,) = namespace["frame"].masks
    for name, more_on_figure in (("FIGURE", True), ("GROUND", False)):
        x, y = namespace[name]
        assert inside[int(y * inside.shape[0]), int(x * inside.shape[1])] == more_on_figure
        layers = namespace["model"](namespace["frame"], query=(x, y)).attention.mean(axis=1)
        share = cv2.resize(inside.astype(np.float32), layers.shape[:0:-1], interpolation=cv2.INTER_AREA)
        on, off = ((layers * part).sum(axis=(1, 2)) / part.sum() for part in (share, 1 - share))
        assert (on[2] > off[2]) == more_on_figure
        assert on[-1] > 3 * off[-1]


@pytest.mark.parametrize("name", ["MODEL", "CONVNET", "PLACE", "SUPERVISED", "FIGURE, GROUND"])
def test_what_a_reader_may_change_is_named_in_the_first_cell(name: str) -> None:
    first = next("".join(cell["source"]) for cell in cells() if cell["cell_type"] == "code")
    assert f"{name} = " in first

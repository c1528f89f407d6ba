"""A view is one file and one row: the whole program takes a new one from there, and tests no view's name."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rtviz import views
from rtviz.settings import Settings

PACKAGE = Path(__file__).parents[2] / "rtviz"
ELSEWHERE = [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent != PACKAGE / "views"]

# A view called toy: its module, its row, and then nothing but what the program shows of it.
PROGRAM = """
import contextlib, io, json, sys, types
import numpy as np
from rtviz.drawing.geometry import Box
from rtviz.views import Tile, registry

toy = types.ModuleType("rtviz.views.toy")
toy.draw = lambda frame, maps, settings, memory: np.full_like(frame.pixels, 77)
toy.tiles = lambda size, maps, settings: [Tile(Box(0, 32 * head, 48, 32), settings.layer, head) for head in range(2)]
sys.modules[toy.__name__] = toy
registry.VIEWS += (
    registry.ViewInfo(
        "toy", "Toy", "what a toy shows", "U", frozenset({"attention"}),
        by_layer=True, mosaic=True, hover="attention", titles=("toy of layer {layer}", "toy"),
    ),
)

from PyQt5.QtWidgets import QApplication
from rtviz import cli, views
from rtviz.app.keys import Bindings
from rtviz.app.panels.view import ViewPanel
from rtviz.app.pointing import spot_at
from rtviz.drawing.panes import join
from rtviz.engine.comparison import titled
from rtviz.engine.engine import Engine
from rtviz.errors import SettingsError
from rtviz.frame import Frame, Maps
from rtviz.offline.layer_sweep import possible
from rtviz.settings import Settings
from rtviz.views.requirements import fit, has_features

shown = {}
with contextlib.redirect_stdout(io.StringIO()) as text, contextlib.suppress(SystemExit):
    cli.run(["render", "--help"])
shown["command line"] = text.getvalue()
try:
    views.find("toys")
except SettingsError as error:
    shown["error"] = str(error)

frame = Frame(np.zeros((48, 64, 3), np.uint8))
attention = np.full((3, 2, 3, 4), 1 / 12, np.float32)
maps = Maps(attention, np.zeros((3, 2, 1), np.float32), "cls", "random:tiny", 16, (48, 64))
settings = Settings(view="toy", layer=1)
shown["fits"] = has_features(maps, settings) and fit(settings, maps) == settings
result = Engine().draw(frame, maps, settings)
pane = titled(result, settings)
shown["titles"] = pane.shown
shown["panes"] = [int(pane.result.overlay.mean()) for pane in join(frame, [pane, pane], settings).panes]
spot = spot_at(result, 0.75, 0.5)
shown["tile"] = [spot.layer, spot.head]
shown["sweep"] = possible(2)

application = QApplication([])
bindings = Bindings()
shown["button"] = ViewPanel(bindings).views["toy"].text()
shown["help sheet"] = bindings.help()
print(json.dumps(shown))
"""


@pytest.mark.slow
def test_a_new_view_is_a_module_and_a_row() -> None:
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=PACKAGE.parent)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert "|toy" in shown["command line"]
    assert "toy" in shown["error"]
    assert shown["fits"]
    assert shown["titles"] == ["toy of layer 1", "toy"]
    assert shown["panes"] == [77, 77]
    assert shown["tile"] == [1, 1]
    assert "toy" in shown["sweep"]
    assert shown["button"] == "Toy"
    assert [["Shift+U"], "toy"] in dict(shown["help sheet"])["View"]


def names_tested(code: str) -> list[str]:
    """The comparisons with a view's name, and the lists of such names, in a program."""
    names = set(views.names())
    other_meanings = {option.name for option in Settings.options()} | {"heads", "none"}  # `name == "cam"`: a setting

    def words(node: ast.expr) -> set[str]:
        parts = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]
        return {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}

    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            said = set().union(*map(words, sides)) & names
            of_a_view = any(ast.unparse(side).endswith(("view", "view.name")) for side in sides)
            if said if of_a_view else said - other_meanings:
                found.append(ast.unparse(node))
        elif isinstance(node, ast.Assign) and len(words(node.value)) > 1 and words(node.value) <= names:
            found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize(
    "code",
    [
        'settings.view == "cam"',
        'settings.view in ("heads", "grid")',
        'name != "mask"',
        '_MOSAICS = ("heads", "grid")',
        'view.name == "track"',
    ],
)
def test_a_test_of_a_name_is_found(code: str) -> None:
    assert names_tested(code)


def test_no_name_of_a_view_is_tested_elsewhere() -> None:
    tested = {path.name: names_tested(path.read_text(encoding="utf-8")) for path in ELSEWHERE}
    assert not {name: found for name, found in tested.items() if found}

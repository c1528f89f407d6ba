"""The architecture: who may import what, what stays light to import, and what must not be tracked."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "rtviz").rglob("*.py"))

# From the ground up: a package or module in a line imports only from the lines before it, or from its own package.
LAYERS = [
    ["markup", "telemetry", "threads", "usage", "words", "notices", "values", "late", "_version"],
    ["errors"],
    ["options"],
    ["settings"],
    ["frame", "cv"],
    ["sources", "models"],
    ["sinks", "analysis", "drawing"],
    ["views", "notebook"],
    ["engine", "scoring"],
    ["figures", "live", "offline"],
    ["app", "bench"],
    ["cli"],
    ["__main__"],
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

# Import boundaries: nobody else imports these libraries.
BOUNDARIES = {
    "PyQt5": ["app/"],
    "av": [
        "sources/video.py",
        "sources/video_thumbnails.py",
        "sources/av_files.py",
        "sources/upright.py",
        "sources/samples.py",
        "sources/rtsp.py",
        "sources/stream.py",
        "sinks/video.py",
        "sinks/gif.py",
        "sinks/muxing.py",
        "sinks/sound.py",
        "sinks/subtitles.py",
        "sinks/tracks.py",
        "sinks/streams.py",
    ],
    "cv2": ["cv.py"],
    "torch": ["models/", "views/", "engine/"],
    "timm": ["models/"],
    "zarr": ["sinks/maps.py"],
    "huggingface_hub": ["models/weights/ways.py"],
    "onnx": ["models/weights/onnx_file.py"],
    "ray": ["offline/ray_cluster.py"],
    "openvino": ["models/compiled.py"],
    "argcomplete": ["cli/completion.py"],
}

HEAVY = {*BOUNDARIES, "torchvision", "scipy", "matplotlib", "safetensors"}


def inside(path: Path) -> str:
    """Where a module stands in the package, as in `models/zoo.py`."""
    return path.relative_to(ROOT / "rtviz").as_posix()


def dotted(path: Path) -> str:
    """The name that a module is imported by."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


DOTTED = {dotted(path) for path in MODULES}


@cache
def imported(path: Path) -> list[str]:
    """All modules that a file imports, in functions and for the type checker too."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write imports in full"
            assert node.module is not None
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                names.append(below if node.module == "rtviz" or below in DOTTED else node.module)
    return names


@pytest.mark.parametrize("path", [path for path in MODULES if inside(path) != "__init__.py"], ids=inside)
def test_imports_come_from_packages_below(path: Path) -> None:
    package = inside(path).split("/")[0].removesuffix(".py")
    if package == "configs":
        return
    assert package in LEVEL, f"say in LAYERS, in this file, where rtviz/{package} stands"
    for name in imported(path):
        if name.startswith("rtviz."):
            other = name.split(".")[1]
            assert other == package or LEVEL[other] < LEVEL[package], f"rtviz/{inside(path)} must not import {name}"


def first_cycle(imports: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, the first one again at the end; empty if there are none."""
    done: set[str] = set()

    def search(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return []
        for other in sorted(imports[name]):
            if found := search(other, [*trail, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(imports) if (found := search(name, []))), [])


def test_a_cycle_is_found() -> None:
    assert not first_cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()})
    assert first_cycle({"a": {"b"}, "b": {"c"}, "c": {"d", "b"}, "d": set()}) == ["b", "c", "b"]


@pytest.mark.parametrize("package", sorted({inside(path).split("/")[0] for path in MODULES if "/" in inside(path)}))
def test_no_import_cycle_inside_a_package(package: str) -> None:
    """Imports in functions and for the type checker count, and those from the package itself."""
    modules = {dotted(path): path for path in MODULES if inside(path).startswith(f"{package}/")}
    imports = {name: set(imported(path)) & modules.keys() - {name} for name, path in modules.items()}
    assert not first_cycle(imports), " -> ".join(first_cycle(imports))


@pytest.mark.parametrize("path", MODULES, ids=inside)
def test_libraries_stay_behind_their_import_boundaries(path: Path) -> None:
    for name in imported(path):
        allowed = BOUNDARIES.get(name.split(".")[0], [""])
        assert inside(path).startswith(tuple(allowed)), f"rtviz/{inside(path)} must not import {name}"


def test_every_library_is_declared() -> None:
    """What rtviz imports, pyproject.toml installs."""

    def normal(name: str) -> str:
        return name.lower().replace("_", "-")

    extras: Any = project()["optional-dependencies"]  # what one task alone needs
    declared = {
        normal(re.split(r"[^\w.-]", line)[0])
        for line in [*project()["dependencies"], *extras["ray"], *extras["openvino"]]
    }
    distributions = importlib.metadata.packages_distributions()
    for path in MODULES:
        for name in {name.split(".")[0] for name in imported(path)} - {"rtviz"} - set(sys.stdlib_module_names):
            brought_by = {normal(found) for found in distributions.get(name, [name])}
            assert brought_by & declared, f"rtviz/{inside(path)} imports {name}, which is not in dependencies"


def run_python(program: str, *arguments: str) -> str:
    """What a program prints in a fresh interpreter, in which every warning is an error."""
    command = [sys.executable, "-W", "error", "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "name", ["rtviz", "rtviz.views", "rtviz.models", "rtviz.sources", "rtviz.sinks", "rtviz.app", "rtviz.cli"]
)
def test_light_to_import(name: str) -> None:
    heavy = HEAVY | {"numpy"}
    loaded = run_python(f"import {name}, sys; print(*sys.modules)").split()
    assert heavy.isdisjoint(loaded), heavy & set(loaded)


def test_what_rtviz_exports_is_there() -> None:
    run_python("import rtviz; [getattr(rtviz, name) for name in rtviz.__all__]")


def test_runs_without_qt_and_pyav_until_they_are_needed(tmp_path: Path) -> None:
    """Each is named in a plain error only when something is asked for that needs it."""
    (tmp_path / "clip.mp4").write_bytes(b"not empty")
    program = """
import sys
from pathlib import Path

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("PyQt5", "av"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import rtviz.cli, rtviz.engine.engine, rtviz.live.session, rtviz.offline.pipeline
from rtviz.errors import RtvizError
from rtviz.settings import OutputSettings, Settings
from rtviz.sinks import open_sink

with rtviz.open_source("scene:?size=64x48") as source:
    frame = next(iter(source))
engine = rtviz.Engine(rtviz.load("random:dino-vits16", device="cpu", precision="fp32", resolution=32))
assert engine.render(frame, Settings()).overlay.shape == (48, 64, 3)

def refused(library, function, *arguments, **named):
    try:
        function(*arguments, **named)
    except RtvizError as error:
        assert library in str(error), error
    else:
        raise AssertionError(f"{function} did without {library}")

folder = Path(sys.argv[1])
refused("av", lambda: next(iter(rtviz.open_source(str(folder / "clip.mp4")))))
for name in ("out.mp4", "out.gif"):
    refused("av", open_sink, folder / name, size=(48, 64), fps=25.0, output=OutputSettings())
from rtviz import app
refused("PyQt5", app.launch, None)

# The compiler is not loaded before somebody asks for it; then it is torch's own.
assert "torch._dynamo" not in sys.modules
import torch
assert torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)).item() == 2
from torchvision.ops.roi_align import is_compile_supported
assert is_compile_supported("cpu") in (True, False)
assert torch._dynamo.disable.__module__.startswith("torch._dynamo")
print("done")
"""
    assert "done" in run_python(program, str(tmp_path))


def project() -> dict[str, list[str]]:
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"])


def test_every_package_is_packaged() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    folders = {path.parent.relative_to(ROOT) for path in MODULES}
    assert sorted(packages) == sorted([*(".".join(folder.parts) for folder in folders), "rtviz.configs"])


@pytest.mark.parametrize("folder", ["rtviz", "scripts", "tests"])
def test_every_module_says_what_it_is_for(folder: str) -> None:
    silent = [
        path for path in (ROOT / folder).rglob("*.py") if not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert not silent


def test_nothing_of_one_machine_is_tracked() -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    folders = re.compile(rb"(?<![\w.])/(?:work|root|home/\w+|Users/\w+|tmp/w|opt/(?:pypi|wheels))\b")
    hosts = re.compile(rb"\b(?:pypi\.org|pythonhosted\.org|debian\.org|download\.pytorch\.org|npmjs\.(?:org|com))\b")
    for name in listed.rstrip("\0").split("\0"):
        path = ROOT / name
        if path == Path(__file__) or not path.exists():
            continue
        content = path.read_bytes()
        if b"\0" in content[:8000]:
            continue
        found = folders.findall(content) + hosts.findall(content)
        assert not found, f"{name}: {found}"

"""Set-up by scripts/run.py and scripts/test.py: a real environment and a real pip, in a tiny project without a network.

The project brings its own build backend, and its dependencies (a torch of one file among them) are wheels in a folder.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"

posix = pytest.mark.skipif(os.name == "nt", reason="signals and named pipes")
no_gpu = pytest.mark.skipif(Path("/proc/driver/nvidia/version").exists(), reason="takes the build with CUDA here")

PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "rtviz"
version = "1"
dependencies = ["torch>=2.11", "vision"]

[project.optional-dependencies]
test = ["tools"]
openvino = ["quicker>=1"]
"""

# Builds the editable wheel. Where there is a named pipe, it first waits until somebody reads that.
BACKEND = """\
import os, tomllib, zipfile
def build_editable(folder, config_settings=None, metadata_directory=None):
    if os.path.exists("gate"):
        with open("gate", "w") as gate:
            os.unlink("gate")  # before anybody knows that it was reached
            gate.write("here")
        with open("second gate", "w"):
            pass
    project = tomllib.load(open("pyproject.toml", "rb"))["project"]
    lines = ["Metadata-Version: 2.1", "Name: rtviz", "Version: 1", "Provides-Extra: test"]
    lines += ["Requires-Dist: " + name for name in project["dependencies"]]
    lines += [f"Requires-Dist: {name}; extra == 'test'" for name in project["optional-dependencies"]["test"]]
    with zipfile.ZipFile(os.path.join(folder, "rtviz-1-py3-none-any.whl"), "w") as wheel:
        wheel.writestr("rtviz.pth", os.getcwd())
        wheel.writestr("rtviz-1.dist-info/METADATA", "\\n".join(lines))
        wheel.writestr("rtviz-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any")
        wheel.writestr("rtviz-1.dist-info/RECORD", "")
    return "rtviz-1-py3-none-any.whl"
"""

# The program: tells how it was started, and ends with the status that it is asked for.
PROGRAM = """\
import json, os, sys
from importlib.metadata import distributions
versions = {found.name: found.version for found in distributions()}
import torch
print(json.dumps({"arguments": sys.argv[1:], "folder": os.getcwd(), "versions": versions, "torch": torch.built}))
sys.exit(int(os.environ.get("STATUS", 0)))
"""

# Stands in for the programs and the script that check: tells what it was asked, and fails where it is told to.
NAMES = ("ruff", "mypy", "mkdocs", "pytest")
TOOL = """\
import os, sys
name = __package__ or os.path.basename(os.path.dirname(__file__))
print("TOOL", name, *sys.argv[1:])
sys.exit(name in os.environ.get("FAILING", "").split())
"""


def make_wheel(folder: Path, name: str, version: str, files: dict[str, str], *requires: str) -> None:
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {r}" for r in requires),
    ]
    files = files | {
        f"{info}/METADATA": "\n".join(lines) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            digest = urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
            record += f"{path},sha256={digest},{len(text.encode())}\n"
            wheel.writestr(path, text)
        wheel.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")


def torch_wheel(folder: Path, version: str) -> None:
    make_wheel(folder, "torch", version, {"torch/__init__.py": f"built = {version!r}\n"})


class Project:
    """A checkout with a space and an accent in its path."""

    def __init__(self, place: Path) -> None:
        self.root = place / "a folder, été"
        self.wheels = place / "wheels"  # pip splits its address at spaces
        self.nothing = place / "nothing"
        (self.root / "rtviz").mkdir(parents=True)
        self.nothing.mkdir()
        shutil.copytree(SCRIPTS, self.root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        (self.root / "scripts" / "check_package.py").write_text(TOOL)
        (self.root / "pyproject.toml").write_text(PYPROJECT)
        (self.root / "backend.py").write_text(BACKEND)
        (self.root / "rtviz" / "__init__.py").touch()
        (self.root / "rtviz" / "__main__.py").write_text(PROGRAM)
        torch_wheel(self.wheels, "2.13.0+cpu")
        torch_wheel(self.wheels, "2.14.0")
        # Like torchvision: each belongs to one torch, and pip would take the newest of both.
        make_wheel(self.wheels, "vision", "1.0", {"vision.py": "number = 1\n" * 1000}, "torch==2.13.0")
        make_wheel(self.wheels, "vision", "2.0", {"vision.py": "number = 2\n" * 1000}, "torch==2.14.0")
        tools = {f"{name}/{file}.py": TOOL for name in NAMES for file in ("__init__", "__main__")}
        tools = {path: TOOL if "__main__" in path else "" for path in tools}
        make_wheel(self.wheels, "tools", "1.0", tools)
        make_wheel(self.wheels, "later", "1.0", {"later.py": ""})
        make_wheel(self.wheels, "quicker", "1.0", {"quicker.py": ""})

    @property
    def stamp(self) -> Path:
        return self.root / ".venv" / "rtviz-ready"

    @property
    def site(self) -> Path:
        return next((self.root / ".venv").glob("[lL]ib/**/site-packages"))

    def start(self, *arguments: str, script: str = "run.py", **more: Any) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "RTVIZ_"))}
        environment |= {
            "PATH": str(self.nothing),  # no apt-get, and no nvidia-smi
            "PYTHONIOENCODING": "utf-8",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "PIP_NO_CACHE_DIR": "1",
            "RTVIZ_NO_WEIGHTS": "1",
            **more.pop("env", {}),
        }
        command = [sys.executable, str(self.root / "scripts" / script), *arguments]
        pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "encoding": "utf-8"}
        return subprocess.Popen(command, env=environment, **pipes, **more)

    def run(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments, **more) as process:
            stdout, stderr = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def versions(self, **more: Any) -> dict[str, str]:
        """What is installed when the program runs."""
        done = self.run(**more)
        assert done.returncode == 0, done.stderr
        seen = json.loads(done.stdout)
        assert seen["versions"]["torch"] == seen["torch"]
        return dict(seen["versions"])

    def outdate(self) -> None:
        """As after an update that changed what is to be installed."""
        path = self.root / "pyproject.toml"
        path.write_text(path.read_text().replace('version = "1', 'version = "1.0'))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Set up once; each test leaves it in working order."""
    project = Project(tmp_path_factory.mktemp("scripts"))
    first = project.run("first", env={"RTVIZ_TORCH": "torch==2.13.0+cpu"})
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["arguments"] == ["first"]  # and nothing of the set-up on stdout
    assert first.stderr.splitlines()[-1] == "rtviz set-up: ready"
    yield project
    shutil.rmtree(project.root)


@pytest.mark.slow
def test_arguments_folder_and_status_pass_through(project: Project, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('taken from the wrong folder')")
    arguments = ["render", "a b.mp4", "", "*", "ü", "--", "--help", "-x", "'\"$HOME"]
    done = project.run(*arguments, cwd=tmp_path, env={"STATUS": "7"})
    assert json.loads(done.stdout)["arguments"] == arguments
    assert Path(json.loads(done.stdout)["folder"]).samefile(tmp_path)
    assert (done.returncode, done.stderr) == (7, "")


@pytest.mark.slow
def test_trained_weights_are_fetched_once_and_what_failed_is_tried_on_another_day(project: Project) -> None:
    note = project.root / ".venv" / "rtviz-weights"
    assert not note.exists()  # RTVIZ_NO_WEIGHTS leaves it out
    failing = {"env": {"RTVIZ_NO_WEIGHTS": "", "STATUS": "1"}}
    done = project.run("render", **failing)
    said = json.loads(done.stderr.splitlines()[-1])
    assert said["arguments"][:3] == ["models", "pull", "--briefly"]
    assert json.loads(done.stdout)["arguments"] == ["render"]  # the program starts all the same
    assert note.read_text() == time.strftime("%Y-%m-%d")
    assert project.run("render", **failing).stderr == ""
    assert project.run("models", env={"RTVIZ_NO_WEIGHTS": ""}).stderr == ""
    note.write_text("2020-01-01")
    fetching = {"env": {"RTVIZ_NO_WEIGHTS": "", "STATUS": "0"}}
    assert "fetching trained weights" in project.run("render", **fetching).stderr
    assert note.read_text() == "here"
    assert project.run("render", **fetching).stderr == ""


@pytest.mark.slow
def test_the_second_start_is_quick(project: Project) -> None:
    python = project.root / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def seconds(command: list[str]) -> float:
        begin = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=project.root)
        return time.perf_counter() - begin

    script, bare = [sys.executable, str(project.root / "scripts" / "run.py")], [str(python), "-m", "rtviz"]
    added = min(seconds(script) for _ in range(5)) - min(seconds(bare) for _ in range(5))
    assert added < 0.3


@pytest.mark.slow
def test_torch_stays_as_chosen(project: Project) -> None:
    versions = project.versions()
    assert (versions["torch"], versions["vision"]) == ("2.13.0+cpu", "1.0")
    other = {"env": {"RTVIZ_TORCH": "torch==2.14.0"}}
    versions = project.versions(**other)
    assert (versions["torch"], versions["vision"]) == ("2.14.0", "2.0")
    assert project.run(**other).stderr == ""
    # Who asked once need not ask again: not for the next start, and not for the next update.
    project.outdate()
    assert project.versions()["torch"] == "2.14.0"
    assert project.versions(env={"RTVIZ_TORCH": "torch==2.13.0+cpu"})["torch"] == "2.13.0+cpu"


@pytest.mark.slow
@no_gpu
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="it is for other processors")
def test_what_makes_models_quicker_on_a_cpu_comes_along_and_can_be_absent(project: Project, tmp_path: Path) -> None:
    assert project.versions()["quicker"] == "1.0"
    project.outdate()
    for path in project.site.glob("quicker*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(project.wheels, tmp_path / "wheels", ignore=shutil.ignore_patterns("quicker*"))
    done = project.run(env={"PIP_FIND_LINKS": str(tmp_path / "wheels")})
    assert done.returncode == 0
    assert "going on without OpenVINO" in done.stderr
    assert "quicker" not in json.loads(done.stdout)["versions"]
    assert project.run().stderr == "", "it is not tried at each start"

    # A GPU has no use for it.
    (tmp_path / "bin").mkdir()
    driver = tmp_path / "bin" / "nvidia-smi"
    driver.write_text("#!/bin/sh\n")
    driver.chmod(0o755)
    project.outdate()
    done = project.run(env={"PATH": str(tmp_path / "bin")})
    assert done.returncode == 0, done.stderr
    assert "OpenVINO" not in done.stderr
    project.outdate()
    assert project.versions()["quicker"] == "1.0"


@pytest.mark.slow
@no_gpu
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the standard build is small")
def test_torch_without_cuda_is_preferred_where_there_is_one(project: Project, tmp_path: Path) -> None:
    def fresh(wheels: Path) -> subprocess.CompletedProcess[str]:
        project.stamp.unlink(missing_ok=True)
        for path in [*project.site.glob("torch*"), *project.site.glob("vision*")]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return project.run(env={"PIP_FIND_LINKS": str(wheels)})

    torch_wheel(tmp_path / "standard", "2.14.0")
    shutil.copy(project.wheels / "vision-2.0-py3-none-any.whl", tmp_path / "standard")
    done = fresh(tmp_path / "standard")
    assert json.loads(done.stdout)["torch"] == "2.14.0"
    assert "several GB" in done.stderr
    assert "PIP_EXTRA_INDEX_URL" in done.stderr

    # No index that answers is another matter: nothing is promised, and pip's words are shown.
    (tmp_path / "empty").mkdir()
    done = fresh(tmp_path / "empty")
    assert done.returncode == 1
    assert "PIP_EXTRA_INDEX_URL" not in done.stderr
    assert "No matching distribution found for torch" in done.stderr
    assert not project.stamp.exists()

    done = fresh(project.wheels)
    assert json.loads(done.stdout)["torch"] == "2.13.0+cpu"
    assert "several GB" not in done.stderr


@pytest.mark.slow
def test_what_pyproject_says_about_installing_is_followed(project: Project) -> None:
    path = project.root / "pyproject.toml"
    path.write_text(path.read_text() + "\n[tool.ruff]\nline-length = 120\n")
    assert project.run().stderr == ""
    path.write_text(path.read_text().replace('"vision"]', '"vision", "later"]'))
    assert "later" in project.versions()


@pytest.mark.slow
def test_half_unpacked_packages_are_installed_anew(project: Project) -> None:
    """What a pip leaves that was killed while it unpacked."""
    whole = (project.site / "vision.py").read_text()
    (project.site / "vision.py").write_text(whole[:100])
    (project.site / "torch" / "__init__.py").unlink()
    (project.site / "torch-2.13.0+cpu.dist-info" / "RECORD").unlink()
    (project.site / "~ision-0.9.dist-info").mkdir()
    project.stamp.unlink()
    done = project.run()
    assert done.returncode == 0, done.stderr
    (told,) = [line for line in done.stderr.splitlines() if "cut off" in line]
    assert sorted(told.partition("time: ")[2].split(", ")) == ["torch", "vision"]
    assert json.loads(done.stdout)["torch"] == "2.13.0+cpu"
    assert (project.site / "vision.py").read_text() == whole
    assert not list(project.site.glob("~*"))


@pytest.mark.slow
def test_a_broken_environment_is_made_anew(project: Project) -> None:
    shutil.rmtree(project.site / "pip")
    assert project.run().stderr == ""  # it is not needed now
    project.outdate()
    done = project.run()
    assert "anew" in done.stderr
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@posix
@pytest.mark.parametrize(
    "killed", [False, True], ids=["second start waits", "waits for the pip of one that was killed"]
)
def test_two_starts_do_not_trample_each_other(project: Project, killed: bool) -> None:
    project.outdate()
    os.mkfifo(project.root / "gate")
    os.mkfifo(project.root / "second gate")
    with project.start("one") as one:
        (project.root / "gate").read_text()  # returns when pip is in the midst of building
        assert not project.stamp.exists()
        if killed:
            one.kill()
            one.wait()
        with project.start("two") as two:
            assert two.stderr is not None
            assert "waiting for another set-up" in two.stderr.readline()
            (project.root / "second gate").read_text()
            stdout, stderr = two.communicate(timeout=120)
            assert json.loads(stdout)["arguments"] == ["two"]
            assert ("ready" in stderr) == killed  # it made what the other could not, and only then
        if not killed:
            assert one.communicate(timeout=120)[1].splitlines()[-1] == "rtviz set-up: ready"
            assert one.returncode == 0
    (project.root / "second gate").unlink()


@pytest.mark.slow
@posix
def test_ctrl_c_is_one_line_and_status_130(project: Project) -> None:
    project.outdate()
    os.mkfifo(project.root / "gate")
    os.mkfifo(project.root / "second gate")
    with project.start(start_new_session=True) as process:
        (project.root / "gate").read_text()
        os.killpg(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=120)
    (project.root / "second gate").unlink()
    assert (process.returncode, stdout) == (130, "")
    assert stderr.splitlines()[-1] == "rtviz set-up: interrupted; the next start goes on from here"
    assert "environment.py" not in stderr
    assert project.run().returncode == 0


@pytest.mark.slow
def test_every_check_runs_and_one_failure_counts(project: Project) -> None:
    done = project.run("-k", "a b", script="test.py")
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("TOOL")] == [
        "TOOL ruff format --check .",
        "TOOL ruff check .",
        "TOOL mypy",
        f"TOOL mkdocs build --quiet --strict -f docs/mkdocs.yml -d {project.root / 'build' / 'site'}",
        "TOOL scripts",
        "TOOL pytest --timeout 300 -n 2 --dist loadfile --no-loadscope-reorder -k a b",
    ]
    done = project.run("--coverage", script="test.py", env={"FAILING": "ruff"})
    assert done.returncode == 1
    assert "loadscope-reorder --cov=rtviz --cov-report=term:skip-covered\n" in done.stdout
    assert [line.split()[:2] for line in done.stdout.splitlines()[-6:]] == [
        ["format", "FAILED"],
        ["lint", "FAILED"],
        ["types", "passed"],
        ["docs", "passed"],
        ["package", "passed"],
        ["tests", "passed"],
    ]
    assert done.stderr == ""
    assert project.run().stderr == ""  # the other command finds all it needs
    assert project.run(script="test.py", env={"FAILING": "pytest"}).returncode == 1


@pytest.mark.parametrize("script", ["run.py", "test.py"])
def test_an_old_python_is_told_so(script: str) -> None:
    text = (SCRIPTS / script).read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 8))
    program = "import runpy, sys; sys.version_info = (3, 8, 10); runpy.run_path(sys.argv[1], run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", program, str(SCRIPTS / script)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "rtviz needs Python 3.11 or newer; this is 3.8\n")


# --- what comes from the system --------------------------------------------------------------------------------------


@pytest.fixture
def setup() -> ModuleType:
    """scripts/environment.py, fresh."""
    found = importlib.util.spec_from_file_location("environment_under_test", SCRIPTS / "environment.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="asks for nothing elsewhere")


def lacking(monkeypatch: pytest.MonkeyPatch, setup: ModuleType, path: Path, user: int, apt_get: str | None) -> None:
    """A system where two libraries are missing, with this user and this apt-get."""
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(setup, "NEEDED", {"libc.so.6": "libc6", "libnothere.so.1": "libnothere1"})
    monkeypatch.setattr(setup, "FOR_WINDOWS", {"libnorthis.so.2": "libnorthis2"})
    if apt_get is not None:
        (path / "apt-get").write_text(f"#!/bin/sh\necho apt-get $DEBIAN_FRONTEND $* >> '{path}/calls'\n{apt_get}\n")
        (path / "apt-get").chmod(0o755)


@needs_linux
def test_a_user_gets_the_one_command(
    monkeypatch: pytest.MonkeyPatch, setup: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lacking(monkeypatch, setup, tmp_path, user=1000, apt_get="exit 0")
    with pytest.raises(SystemExit) as stopped:
        setup.install_from_system("")
    assert stopped.value.code == 1
    told = capfd.readouterr().err
    assert "this system lacks libnothere.so.1." in told
    assert "\n    sudo apt-get install -y libnothere1 libnorthis2\n" in told
    assert not (tmp_path / "calls").exists()


@needs_linux
def test_what_only_the_window_needs_does_not_stop(
    monkeypatch: pytest.MonkeyPatch, setup: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lacking(monkeypatch, setup, tmp_path, user=1000, apt_get="exit 0")
    monkeypatch.setattr(setup, "NEEDED", {})
    setup.install_from_system("")
    assert "\n    sudo apt-get install -y libnorthis2\n" in capfd.readouterr().err
    monkeypatch.setattr(setup, "FOR_WINDOWS", {})
    setup.install_from_system("")
    assert capfd.readouterr().err == ""
    setup.install_from_system("test")
    assert "\n    sudo apt-get install -y xvfb xdotool\n" in capfd.readouterr().err


@needs_linux
def test_root_on_debian_has_it_installed(
    monkeypatch: pytest.MonkeyPatch, setup: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lacking(monkeypatch, setup, tmp_path, user=0, apt_get="exit 0")
    setup.install_from_system("")
    update, install = (tmp_path / "calls").read_text().splitlines()
    assert update.startswith("apt-get noninteractive")
    assert update.endswith(" update")
    assert install.endswith(" install -y --no-install-recommends libnothere1 libnorthis2")
    assert "libnothere1 libnorthis2" in capfd.readouterr().err


@needs_linux
def test_root_whose_apt_fails_gets_the_command(
    monkeypatch: pytest.MonkeyPatch, setup: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lacking(monkeypatch, setup, tmp_path, user=0, apt_get="echo 'E: no such package'; exit 100")
    with pytest.raises(SystemExit):
        setup.install_from_system("")
    told = capfd.readouterr().err
    assert "E: no such package" in told
    assert "\n    apt-get install -y libnothere1 libnorthis2\n" in told


@needs_linux
def test_other_systems_are_asked_by_library(
    monkeypatch: pytest.MonkeyPatch, setup: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lacking(monkeypatch, setup, tmp_path, user=1000, apt_get=None)
    (tmp_path / "dnf").write_text("#!/bin/sh\n")
    (tmp_path / "dnf").chmod(0o755)
    with pytest.raises(SystemExit):
        setup.install_from_system("")
    assert "\n    sudo dnf install 'libnothere.so.1()(64bit)' 'libnorthis.so.2()(64bit)'\n" in capfd.readouterr().err


def test_the_script_that_scores_upsampling_says_what_corrections_win() -> None:
    """On drawn scenes, where the truth is known: guided is nearer to it than without corrections, nearest furthest."""
    command = [sys.executable, str(SCRIPTS / "score_upsampling.py"), "--scenes", "3", "--resolution", "96"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = [line.split("|") for line in done.stdout.splitlines() if "pictures" in line]
    f = {row[2].strip(): float(row[3].split(",")[0]) for row in rows}
    error = {row[2].strip(): float(row[3].split(",")[2]) for row in rows}
    assert list(f) == ["nearest", "bilinear", "smooth", "guided, not corrected", "guided"]
    assert f["nearest"] < f["guided, not corrected"] <= f["guided"]
    assert error["guided"] < 0.8 * error["guided, not corrected"]

"""The environment that run.py and test.py start things in: made once, checked quickly, mended if it was cut off.

Standard library only: nothing is installed yet when this runs. What is said here goes to stderr, because stdout belongs
to the program that is started.
"""

import csv
import ctypes
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, NoReturn
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
WINDOWS = os.name == "nt"
FOLDER = ROOT / ".venv"
PYTHON = FOLDER / ("Scripts/python.exe" if WINDOWS else "bin/python")
STAMP = FOLDER / "rtviz-ready"
WEIGHTS = FOLDER / "rtviz-weights"  # "here", or the day on which they could not be fetched
WEIGHTS_SECONDS = 300
LOCK = ROOT / ".venv.lock"

# The build of torch without CUDA, a twentieth of the standard one with its libraries, where pip is told of an index or
# a folder that has it.
CPU_TORCH = "torch==2.13.0+cpu"

# Libraries that the wheels load from the system, and the Debian package of each.
NEEDED = {  # by opencv-python
    "libGL.so.1": "libgl1",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libxcb.so.1": "libxcb1",
}
FOR_WINDOWS = {  # by PyQt5 and its platform plugin for X11
    "libEGL.so.1": "libegl1",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xinerama.so.0": "libxcb-xinerama0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}
FOR_TESTS = {"Xvfb": "xvfb", "xdotool": "xdotool"}  # programs; the tests that want them are left out without them


def say(text: str) -> None:
    """A line for the user."""
    print("rtviz set-up: " + text, file=sys.stderr, flush=True)


def stop(text: str) -> NoReturn:
    """Say what is wrong, and end with status 1."""
    say(text)
    sys.exit(1)


def prepare(extra: str = "") -> Path:
    """Make the environment ready, if it is not; returns the path of its Python.

    Args:
        extra: which of pyproject.toml's optional dependencies is needed too.
    """
    if not ready(extra):
        try:
            with Lock():
                if not ready(extra):  # somebody else may have made it while we waited
                    make(extra)
        except KeyboardInterrupt:
            say("interrupted; the next start goes on from here")
            raise
        except OSError as error:
            stop("{} (set-up needs to write to {}, about 2 GB)".format(error, ROOT))
    return PYTHON


def fetch_weights() -> None:
    """Fetch trained weights once, so that the first window shows a real DINO; without them the built-in model is used.

    What failed is tried again on another day. RTVIZ_NO_WEIGHTS=1 leaves it out.
    """
    today = time.strftime("%Y-%m-%d")
    if os.environ.get("RTVIZ_NO_WEIGHTS", "0") not in ("", "0") or read_text(WEIGHTS) in ("here", today):
        return
    say("fetching trained weights, about 90 MB (RTVIZ_NO_WEIGHTS=1 leaves that out)")
    command = [str(PYTHON), "-P", "-m", "rtviz", "models", "pull", "--briefly", "--limit", str(WEIGHTS_SECONDS)]
    try:
        status = subprocess.run(command, stdout=sys.stderr).returncode
        if status != 130:
            WEIGHTS.write_text("here" if status == 0 else today, encoding="utf-8")
    except OSError as error:
        say("going on without them: {}".format(error))
        return
    if status == 130:
        raise KeyboardInterrupt


def read_text(path: Path) -> str:
    """What a file holds; nothing if it is not there."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


# --- is it ready? ----------------------------------------------------------------------------------------------------


def ready(extra: str) -> bool:
    """Whether a set-up for all that is wanted was finished: the stamp is written last."""
    stamp = read_stamp()
    return (
        stamp.get("project") == project_hash()
        and stamp.get("root") == str(ROOT)
        and stamp.get("python") == os.path.realpath(PYTHON)  # another one after an upgrade of the system
        and os.environ.get("RTVIZ_TORCH", "") in ("", stamp.get("torch"))
        and (not extra or extra in stamp["extras"].split(","))
        and PYTHON.exists()
    )


def write_stamp(extras: list[str]) -> None:
    facts = {
        "project": project_hash(),
        "root": str(ROOT),
        "python": os.path.realpath(PYTHON),
        "torch": os.environ.get("RTVIZ_TORCH", ""),
        "extras": ",".join(extras),
    }
    new = STAMP.with_suffix(".new")
    new.write_text("".join("{}={}\n".format(*fact) for fact in facts.items()), encoding="utf-8")
    os.replace(new, STAMP)


def read_stamp() -> dict[str, str]:
    """What the last finished set-up was for; empty if none was finished."""
    try:
        return dict(line.split("=", 1) for line in STAMP.read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError):
        return {}


def project_hash() -> str:
    """Changes with what pyproject.toml says about installing, and not with the settings of tools."""
    project = read_project()
    said = repr([project.get("build-system"), project["project"], project.get("tool", {}).get("setuptools")])
    return hashlib.sha256(said.encode()).hexdigest()


def read_project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


class Lock:
    """Two starts at once: the second waits for the first.

    A pip that outlives us, because only we were killed, goes on holding the lock, and nobody works beside it.
    """

    def __enter__(self) -> None:
        self.file = open(LOCK, "a")
        os.set_inheritable(self.file.fileno(), True)
        if not self.take():
            say("waiting for another set-up of this folder to finish")
            while not self.take():
                time.sleep(0.2)

    def take(self) -> bool:
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(self.file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def __exit__(self, *exception: object) -> None:
        self.file.close()


# --- making it -------------------------------------------------------------------------------------------------------


def make(extra: str) -> None:
    """Make or mend the environment. What an interrupted set-up left is kept where it is whole, and only there."""
    extras = sorted({extra, *read_stamp().get("extras", "").split(",")} - {""})
    STAMP.unlink(missing_ok=True)
    install_from_system(extra)
    if FOLDER.exists():
        say("bringing {} up to date".format(FOLDER))
    else:
        size = "about 0.5 GB" if not wants_cuda() else "several GB, with CUDA"
        say("this first start makes {} and fetches {}; later ones start at once".format(FOLDER, size))
    make_venv()
    forget_broken_packages()
    constraints = install_torch()
    say("installing rtviz" + (" with " + ", ".join(extras) if extras else ""))
    target = ".[{}]".format(",".join(extras)) if extras else "."
    if pip("install", "--editable", target, *constraints) != 0:
        stop("pip could not install what is needed; its message stands above. The next start goes on from here.")
    install_accelerator(extras, constraints)
    write_stamp(extras)
    say("ready")


def install_accelerator(extras: list[str], constraints: list[str]) -> None:
    """OpenVINO, which about doubles the speed of models on a CPU, where one is what they will run on."""
    extra = "openvino"
    wanted = read_project()["project"].get("optional-dependencies", {}).get(extra, [])
    if wants_cuda() or extra in extras or platform.machine() not in ("x86_64", "AMD64") or not wanted:
        return
    if pip("install", *wanted, *constraints) != 0:
        say("going on without OpenVINO, which is not needed: models will be slower on the CPU")


def make_venv() -> None:
    """An environment with pip in it."""
    check = "import pip, sys; sys.exit(sys.version_info < (3, 11))"
    if PYTHON.exists() and succeeds(PYTHON, "-c", check):
        return
    if FOLDER.exists():
        say("the environment there is broken: making it anew")
    command = [sys.executable, "-m", "venv", "--clear", str(FOLDER)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, close_fds=False)
    if done.returncode:
        stop("this Python cannot make environments:\n" + done.stdout.strip())


def forget_broken_packages() -> None:
    """Make pip install anew what was being unpacked when a set-up was cut off."""
    for site in [*FOLDER.glob("lib/python*/site-packages"), *FOLDER.glob("Lib/site-packages")]:
        for folder in site.glob("~*"):  # so pip names what it is about to replace
            shutil.rmtree(folder, ignore_errors=True)
        broken = [info for info in site.glob("*.dist-info") if not is_whole(info)]
        if broken:
            say("cut off the last time: " + ", ".join(info.name.split("-")[0] for info in broken))
        for info in broken:
            shutil.rmtree(info)


def is_whole(info: Path) -> bool:
    """Whether every file that an installed package lists is there, and as long as it should be."""
    try:
        with open(info / "RECORD", newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if row]
        sizes = [(info.parent / path).stat().st_size == int(size) for path, _, size in rows if size]
    except (OSError, ValueError):
        return False
    return all(sizes) and any(path.endswith("INSTALLER") for path, *_ in rows)  # pip adds that one at the very end


def install_torch() -> list[str]:
    """Install the torch that suits this machine; returns options that keep pip from replacing it afterwards."""
    required = [line for line in read_project()["project"].get("dependencies", []) if re.match(r"torch\b(?!-)", line)]
    if not required:
        return []
    asked = os.environ.get("RTVIZ_TORCH")
    if asked:
        say("installing {}, as RTVIZ_TORCH asks".format(asked))
        if pip("install", asked) != 0:
            stop("pip could not install {}; its message stands above".format(asked))
    elif not installed_torch(required[0]) and not wants_cuda() and sys.platform == "linux":
        install_cpu_torch()
    version = installed_torch(required[0])
    if not version:
        return []
    constraints = FOLDER / "constraints.txt"
    constraints.write_text("torch=={}\n".format(version), encoding="utf-8")
    return ["--constraint", str(constraints)]


def install_cpu_torch() -> None:
    """Install torch without CUDA, if pip can find it; say what will happen if not."""
    say("installing {} (this machine has no NVIDIA GPU)".format(CPU_TORCH))
    with tempfile.TemporaryFile() as errors:
        if pip("install", CPU_TORCH, stderr=errors) == 0:
            return
        errors.seek(0)
        text = errors.read().decode(errors="replace")
    if "No matching distribution" not in text or "from versions: none" in text:
        print(text, file=sys.stderr, flush=True)
        stop("pip could not fetch torch; its message stands above. The next start goes on from here.")
    say(
        "the package index has no build of torch without CUDA, so the standard one comes, several GB "
        "(stop here and point PIP_EXTRA_INDEX_URL at PyTorch's CPU index to avoid that)"
    )


def installed_torch(requirement: str) -> str:
    """The version of torch in the environment; empty if there is none, or one that does not fulfil a requirement."""
    program = (
        "import sys; from importlib.metadata import version; "
        "from pip._vendor.packaging.requirements import Requirement; torch = version('torch'); "
        "print(torch * Requirement(sys.argv[1]).specifier.contains(torch, prereleases=True))"
    )
    command = [str(PYTHON), "-c", program, requirement]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()


def wants_cuda() -> bool:
    """Whether an NVIDIA driver is at work here."""
    return os.path.exists("/proc/driver/nvidia/version") or shutil.which("nvidia-smi") is not None


def pip(*arguments: str, stderr: IO[bytes] | None = None) -> int:
    """Run pip in the environment, with its own progress bars on a terminal, else a short line for each package.

    Returns its exit status.
    """
    # What would have pip install elsewhere, or think that something is here already.
    strangers = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT")
    environment = {name: value for name, value in os.environ.items() if name not in strangers}
    environment.update(PIP_USER="0", PIP_DISABLE_PIP_VERSION_CHECK="1", PYTHONUNBUFFERED="1")
    command = [str(PYTHON), "-m", "pip", *arguments]
    options: dict[str, Any] = {"cwd": ROOT, "env": environment, "stderr": stderr, "close_fds": False}  # see Lock
    if sys.stderr.isatty():
        return subprocess.run(command, stdout=sys.stderr, **options).returncode
    with subprocess.Popen([*command, "--progress-bar", "off"], stdout=subprocess.PIPE, text=True, **options) as process:
        for line in process.stdout or ():
            short = shortened(line)
            if short:
                say(short)
    return process.returncode


def shortened(line: str) -> str | None:
    """What is worth a line in a log, of a line of pip's."""
    wheel = r"(?:\S*/)?([^-\s]+)-([^-\s]+)-\S*\.whl(?=\s)(?: (\([\d.]+ .B\)))?"
    package = re.match(r"\s*(?:Downloading|Using cached|Processing) " + wheel, line)
    if package:
        return "  {} {} {}".format(package[1], unquote(package[2]), package[3] or "").rstrip()
    if line.startswith("Installing collected packages:"):
        return "  unpacking {}".format(line.count(",") + 1) + (" packages" if "," in line else " package")
    return None


def succeeds(*command: object) -> bool:
    """Whether a command ends well; what it says is of no interest."""
    line = [str(part) for part in command]
    return subprocess.run(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


# --- what comes from the system --------------------------------------------------------------------------------------


def install_from_system(extra: str) -> None:
    """See that the system's libraries are there: installed where we may, else named in the one command to run."""
    if sys.platform != "linux":
        return
    needed = missing_libraries(NEEDED)
    if lacks_venv():
        needed["venv"] = "python{}.{}-venv".format(*sys.version_info[:2])
    wished = missing_libraries(FOR_WINDOWS)
    if extra == "test":
        wished.update(missing_programs(FOR_TESTS))
    if not needed and not wished:
        return
    packages = list(dict.fromkeys([*needed.values(), *wished.values()]))
    if may_install():
        say("installing from the system's packages: " + " ".join(packages))
        if apt_install(packages) or (needed and apt_install([*needed.values()]) and not lacks_venv()):
            return
    if needed:
        command = install_command({**needed, **wished})
        stop("this system lacks {}. Please run this, and start again:\n    {}".format(", ".join(needed), command))
    what = "rtviz's window and its tests need" if extra == "test" else "rtviz's window needs"
    say("{} more than this system has; to get it:\n    {}".format(what, install_command(wished)))


def missing_libraries(libraries: dict[str, str]) -> dict[str, str]:
    """Those that the system's loader does not find."""
    missing = {}
    for library, package in libraries.items():
        try:
            ctypes.CDLL(library)
        except OSError:
            missing[library] = package
    return missing


def missing_programs(programs: dict[str, str]) -> dict[str, str]:
    return {program: package for program, package in programs.items() if shutil.which(program) is None}


def lacks_venv() -> bool:
    """A bare Debian has Python without what makes environments."""
    PathFinder.invalidate_caches()
    return not PYTHON.exists() and (find_spec("venv") is None or find_spec("ensurepip") is None)


def may_install() -> bool:
    """Whether this is Debian or a child of it, and we are its administrator."""
    return shutil.which("apt-get") is not None and os.geteuid() == 0


def apt_install(packages: list[str]) -> bool:
    """Install Debian packages; returns whether that went well, and shows what apt said if not."""
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "env": environment, "text": True}
    options["close_fds"] = False  # see Lock
    apt = ["apt-get", "-o", "DPkg::Lock::Timeout=120"]  # a fresh Ubuntu may be busy with upgrades of its own
    subprocess.run([*apt, "update"], **options)
    done = subprocess.run([*apt, "install", "-y", "--no-install-recommends", *packages], **options)
    if done.returncode:
        say("apt-get failed: " + " / ".join(done.stdout.strip().splitlines()[-3:]))
    return done.returncode == 0


def install_command(missing: dict[str, str]) -> str:
    """The one command that brings what is missing, for the system's own package manager where we know it."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    if shutil.which("apt-get"):
        return sudo + "apt-get install -y " + " ".join(dict.fromkeys(missing.values()))
    for manager in ("dnf", "zypper"):
        if shutil.which(manager):  # these know which package brings which library
            wanted = [repr(name + "()(64bit)") if ".so" in name else name for name in missing]
            return "{}{} install {}".format(sudo, manager, " ".join(wanted))
    return "(with your system's package manager) " + ", ".join(missing)

"""The environment that run.py and test.py start things in: made once, checked quickly, repaired if it was cut off.

Standard library only: nothing is installed yet when this runs.
"""

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WINDOWS = os.name == "nt"
FOLDER = ROOT / ".venv"
BINARIES = FOLDER / ("Scripts" if WINDOWS else "bin")
PYTHON = BINARIES / ("python.exe" if WINDOWS else "python")
STAMP = FOLDER / "rtviz-ready"

# The CPU build of torch, a tenth of the standard one's size, where the user's package index has it.
CPU_TORCH = "torch==2.13.0+cpu"

# Libraries that the wheels load from the system, and the Debian package of each.
NEEDED = {  # opencv-python
    "libGL.so.1": "libgl1",
    "libgthread-2.0.so.0": "libglib2.0-0",
}
WINDOW = {  # PyQt5's platform plugin for X11
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xinerama.so.0": "libxcb-xinerama0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libEGL.so.1": "libegl1",
}
TEST_PROGRAMS = {"Xvfb": "xvfb", "xdotool": "xdotool"}


def say(text):
    """A line for the user, apart from what the program itself prints."""
    print("rtviz set-up: " + text, file=sys.stderr, flush=True)


def stop(text):
    """Say what is wrong, and end with status 1."""
    say(text)
    sys.exit(1)


def prepare(extra=""):
    """Make the environment ready, if it is not; returns the path of its Python.

    Args:
        extra: of pyproject.toml's optional dependencies, the one that is needed too.
    """
    if not ready(extra):
        with Lock(ROOT / ".venv.lock"):
            if not ready(extra):  # somebody else may have made it while we waited
                make(extra)
    return PYTHON


# --- is it ready? ----------------------------------------------------------------------------------------------------


def wanted(extra):
    """What the stamp must say: it changes with Python, with pyproject.toml and with what was asked for."""
    project = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    version = ".".join(map(str, sys.version_info[:3]))
    return {
        "project": project,
        "python": version,
        "root": str(ROOT),
        "torch": os.environ.get("RTVIZ_TORCH", ""),
        "extra": extra,
    }


def read_stamp():
    """What the last finished set-up was for; empty if none was finished."""
    try:
        return dict(line.split("=", 1) for line in STAMP.read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError):
        return {}


def ready(extra):
    """Whether a set-up for all that is wanted was finished; the stamp is written last."""
    written, needed = read_stamp(), wanted(extra)
    installed = written.pop("extra", "").split(",")
    return needed.pop("extra") in [*installed, ""] and written == needed and PYTHON.exists()


class Lock:
    """Two starts at once: the second waits for the first."""

    def __init__(self, path):
        self.path = path
        self.file = None

    def __enter__(self):
        self.file = open(self.path, "w")
        try:
            import fcntl
        except ImportError:  # Windows
            return
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("waiting for another set-up of this folder to finish")
            fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *exception):
        self.file.close()


# --- making it -------------------------------------------------------------------------------------------------------


def make(extra):
    """Make or mend the environment. Whatever an interrupted set-up left is gone over again by pip, never trusted."""
    say(f"preparing {FOLDER} (once; about 0.5 GB to fetch, or several GB where torch comes with CUDA)")
    installed = set(read_stamp().get("extra", "").split(","))
    STAMP.unlink(missing_ok=True)
    system_libraries(NEEDED, must=True, why="opencv-python")
    system_libraries(WINDOW, must=False, why="the desktop app")
    if extra == "test":
        system_programs(TEST_PROGRAMS)
    make_venv()
    torch = install_torch()
    extras = sorted((installed | {extra}) - {""})
    target = "." + ("[{}]".format(",".join(extras)) if extras else "")
    say("installing rtviz" + (" and what its tests need" if extra == "test" else ""))
    pip("install", "--editable", target, *(["--constraint", str(torch)] if torch else []))
    facts = dict(wanted(extra), extra=",".join(extras))
    new = STAMP.with_suffix(".new")
    new.write_text("".join("{}={}\n".format(*item) for item in facts.items()), encoding="utf-8")
    os.replace(new, STAMP)
    say("ready")


def make_venv():
    """An environment with pip in it; one that is broken is made anew."""
    if PYTHON.exists() and succeeds(PYTHON, "-m", "pip", "--version"):
        return
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
    # A bare Debian has Python without what makes environments.
    if not succeeds(sys.executable, "-c", "import ensurepip, venv"):
        package = "python{}.{}-venv".format(*sys.version_info[:2])
        if not apt_install([package]) and not apt_install(["python3-venv"]):
            stop("this Python cannot make environments. Please run: sudo apt-get install " + package)
    subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)


def install_torch():
    """Install the torch that suits this machine; returns a constraints file that keeps pip from replacing it."""
    asked = os.environ.get("RTVIZ_TORCH")
    if asked:
        candidates = [asked]
    elif sys.platform == "linux" and not has_nvidia():
        candidates = [CPU_TORCH]
    else:
        return None
    for requirement in candidates:
        say(f"looking for {requirement}")
        if pip("install", requirement, must=bool(asked)):
            constraints = FOLDER / "torch-constraint.txt"
            constraints.write_text(requirement + "\n")
            return constraints
    say(
        "your package index has no CPU build of torch: fetching the standard one, several GB with CUDA "
        "(to avoid that, stop here and point PIP_EXTRA_INDEX_URL at PyTorch's CPU index)"
    )
    return None


def has_nvidia():
    """Whether an NVIDIA driver is at work here."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def pip(*arguments, must=True):
    """Run pip in the environment; its progress bars show on a terminal, a line for each package elsewhere."""
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", *arguments]
    if not sys.stderr.isatty():
        command += ["--progress-bar", "off"]
    # To stderr: stdout belongs to the program that was asked for.
    quiet = subprocess.DEVNULL if not must else None
    done = subprocess.run(command, cwd=ROOT, stdout=sys.stderr.fileno() if must else quiet, stderr=quiet)
    if done.returncode and must:
        stop("pip could not install what is needed; its message stands above. The next start tries again.")
    return done.returncode == 0


def succeeds(*command):
    """Whether a command ends well; what it says is of no interest."""
    return subprocess.run(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


# --- system libraries ------------------------------------------------------------------------------------------------


def system_libraries(libraries, must, why):
    """See that the system's libraries are there: installed where that is possible, named where it is not."""
    if sys.platform != "linux":
        return
    missing = sorted({package for library, package in libraries.items() if not loads(library)})
    if not missing or apt_install(missing):
        return
    command = "sudo apt-get install -y " + " ".join(missing)
    if must:
        stop(f"{why} needs libraries that this system lacks. Please run: {command}")
    say(f"{why} will need libraries that this system lacks: {command}")


def system_programs(programs):
    """Programs that some tests want; those tests say so and are left out where they are missing."""
    missing = [package for program, package in programs.items() if shutil.which(program) is None]
    if missing and not apt_install(missing):
        say("some tests of the window need: sudo apt-get install -y " + " ".join(missing))


def loads(library):
    """Whether the system's loader finds a library."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def apt_install(packages):
    """Install Debian packages, if this is Debian or a child of it and we may; returns whether they are there now."""
    if shutil.which("apt-get") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return False
    say("installing from the system's packages: " + " ".join(packages))
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    output = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}
    if subprocess.run(install, **output).returncode == 0:
        return True
    subprocess.run(["apt-get", "update"], **output)  # an old or empty list is the usual reason
    return subprocess.run(install, **output).returncode == 0

#!/usr/bin/env python3
"""Checks what would be published: builds sdist and wheel, and runs the wheel in a fresh environment."""

import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WANTED = (
    "rtviz/py.typed",
    "rtviz/models/embedded.safetensors",
    "rtviz/models/embedded.md",
    "rtviz/configs/talk.toml",
    "rtviz/app/desktop/rtviz.svg",
)
# Closes the window with Ctrl-C as soon as it shows attention.
WINDOW = """
import os, signal, sys, threading, time
from PyQt5.QtWidgets import QApplication
import rtviz.app

def shows_attention():
    windows = QApplication.topLevelWidgets() if QApplication.instance() else []
    results = [window.canvas.result for window in windows if hasattr(window, "canvas")]
    return any(result is not None and result.maps is not None for result in results)

def close():
    while not shows_attention():
        time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=close, daemon=True).start()
sys.exit(rtviz.app.launch("scene:", {"model": "embedded"}))
"""


def run(*command: object, expected: int = 0, **more: Any) -> None:
    """Run a command, or end with what it said."""
    line = [str(part) for part in command]
    done = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900, **more)
    if done.returncode != expected:
        sys.exit(f"{' '.join(line)[:200]}\nended with {done.returncode}, not {expected}:\n{done.stdout[-4000:]}")


def check_contents(wheel: Path, sdist: Path) -> None:
    """Everything that the program reads is inside, and the licence."""
    held = zipfile.ZipFile(wheel).namelist()
    missing = [name for name in WANTED if name not in held]
    missing += [name for name in ("LICENSE", "rtviz.desktop") if not any(one.endswith(name) for one in held)]
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    missing += [f"{name} (sdist)" for name in ("LICENSE", "configs/talk.toml", *WANTED[:3]) if name not in names]
    if missing:
        sys.exit(f"the package lacks {', '.join(missing)}")


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        run(sys.executable, "-m", "build", "--no-isolation", "--outdir", place / "dist", ROOT)
        (wheel,), (sdist,) = (place / "dist").glob("*.whl"), (place / "dist").glob("*.tar.gz")
        check_contents(wheel, sdist)
        venv.create(place / "fresh", with_pip=True)
        programs = place / "fresh" / ("Scripts" if os.name == "nt" else "bin")
        # The torch that is here, or a machine without a GPU would fetch gigabytes of CUDA.
        run(programs / "python", "-m", "pip", "install", "--quiet", wheel, f"torch=={version('torch')}")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "RTVIZ_"))}
        clean |= {"HOME": folder, "XDG_CACHE_HOME": f"{folder}/cache", "QT_QPA_PLATFORM": "offscreen"}
        where: dict[str, Any] = {"cwd": folder, "env": clean}
        run(programs / "rtviz", "--version", **where)
        run(programs / "rtviz", "render", "scene:", "--seconds", "1", "--model", "embedded", "-o", "demo.mp4", **where)
        run(programs / "python", "-c", WINDOW, expected=130, **where)
        print(f"{wheel.name}: installs into a fresh environment, renders, and opens its window")
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Simulates what goes wrong when many clips are rendered with Ray: `python scripts/simulate_jobs.py --clips 40`.

Each case renders the same clips with `rtviz render ... --ray`; a run that breaks off is begun again by the same
command. In the end each output must be the very file that a single process makes. The slow and the full disk are
simulated by a library that is preloaded, which takes Linux and a C compiler.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What every process must compute alike: OpenVINO and torch round differently, and each machine would choose by itself.
SETTINGS = ("--device", "cpu", "--backend", "torch", "--precision", "fp32")


@dataclass
class Case:
    """What one case did.

    Attributes:
        runs: how often the command was begun.
        begun, done: inputs that workers began and that were done, by what the reports and the manifest say.
    """

    name: str
    seconds: float = 0.0
    runs: int = 0
    killed: int = 0
    failed: int = 0
    same: int = 0
    kept: list[int] = field(default_factory=list)
    left_over: int = 0

    def row(self, clips: int) -> str:
        kept = f", done before: {', '.join(map(str, self.kept))}" if self.kept else ""
        return (
            f"{self.name:34} {self.seconds:7.1f} s, {self.runs} run(s), killed {self.killed}, failed on the way "
            f"{self.failed}{kept}; identical {self.same} of {clips}, left over {self.left_over}"
        )


class Simulation:
    """The clips, and what a single process makes of them.

    Args:
        folder: for everything.
    """

    def __init__(self, folder: Path, clips: int, seconds: float, workers: int, model: str, resolution: int) -> None:
        self.folder, self.workers = folder, workers
        self._options = ["--model", model, "--resolution", str(resolution), *SETTINGS]
        self.clips = folder / "clips"
        self.clips.mkdir()
        for number in range(clips):
            place = f"scene:?seed={number}&size=160x120&seconds={seconds:g}"
            self._rtviz("render", place, "-o", str(self.clips / f"{number:04}.mp4"), "--view", "none", "--quiet")
        self.count = clips
        start = time.monotonic()
        self._rtviz("render", f"{self.clips}{os.sep}", "-o", f"{folder / 'alone'}{os.sep}", *self._options, "--quiet")
        self.alone_seconds = time.monotonic() - start
        self._expected = hashes(folder / "alone")

    def _rtviz(self, *arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "rtviz", *arguments], cwd=ROOT, check=True)

    def start(self, output: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
        """Begin the job, or go on with it."""
        command = ["render", f"{self.clips}{os.sep}", "-o", f"{output}{os.sep}", *self._options]
        return subprocess.Popen(
            [sys.executable, "-m", "rtviz", *command, "--ray", "--workers", str(self.workers), "--json"],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, case: Case, output: Path, environment: dict[str, str], driver: subprocess.Popen[str]) -> bool:
        """Wait for one run; returns whether everything is done."""
        stdout, stderr = driver.communicate()
        case.runs += 1
        case.kept += [int(line.split()[0]) for line in stderr.splitlines() if "were done before" in line]
        try:
            case.failed += sum("error" in report for report in json.loads(stdout))
        except ValueError:
            if driver.returncode >= 0:
                raise SystemExit(f"{case.name}: {stderr.strip()[-600:]}") from None
        return driver.returncode == 0

    def compare(self, case: Case, output: Path) -> None:
        """Count the outputs that are the very files of a single process, and what lies beside them."""
        found = hashes(output)
        case.same = sum(found.get(name) == value for name, value in self._expected.items())
        case.left_over = len([path for path in output.iterdir() if path.name not in self._expected]) - 1


def hashes(folder: Path) -> dict[str, str]:
    """Of the videos of a folder."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*[0-9].mp4"))}


def done_in(output: Path) -> int:
    """How many inputs the manifest knows as done."""
    try:
        lines = (output / "rtviz-jobs.jsonl").read_text().splitlines()
    except OSError:
        return 0
    return sum('"frames_out"' in line and '"error"' not in line for line in lines)


def ray_workers() -> list[int]:
    """Processes of Ray that render now, of this user's."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cmdline").read_text().startswith("ray::MapWorker"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def plain(simulation: Simulation, case: Case, output: Path) -> None:
    """Nothing goes wrong."""
    simulation.finish(case, output, {}, simulation.start(output, {}))


def dying_workers(simulation: Simulation, case: Case, output: Path) -> None:
    """Three workers are killed, at a quarter, a half and three quarters of the job."""
    others = set(ray_workers())
    driver = simulation.start(output, {})
    chance = random.Random(0)
    for share in (0.25, 0.5, 0.75):
        while driver.poll() is None and done_in(output) < share * simulation.count:
            time.sleep(0.05)
        own = [number for number in ray_workers() if number not in others]
        if own and driver.poll() is None:
            os.kill(chance.choice(own), signal.SIGKILL)
            case.killed += 1
    if not simulation.finish(case, output, {}, driver):
        simulation.finish(case, output, {}, simulation.start(output, {}))


def dying_driver(simulation: Simulation, case: Case, output: Path) -> None:
    """The command itself is killed twice, and begun again."""
    for share in (1 / 3, 2 / 3):
        driver = simulation.start(output, {})
        while driver.poll() is None and done_in(output) < share * simulation.count:
            time.sleep(0.05)
        if driver.poll() is None:
            driver.kill()
            case.killed += 1
        simulation.finish(case, output, {}, driver)
    simulation.finish(case, output, {}, simulation.start(output, {}))


def slow_disk(simulation: Simulation, case: Case, output: Path) -> None:
    """Each open, read and write takes 10 ms longer."""
    environment = preloaded(simulation.folder, SIM_SLOW_US="10000")
    simulation.finish(case, output, environment, simulation.start(output, environment))


def full_disk(simulation: Simulation, case: Case, output: Path) -> None:
    """The disk is full when about half is written; then there is room again."""
    size = sum(path.stat().st_size for path in (simulation.folder / "alone").glob("*.mp4"))
    counter = simulation.folder / "written"
    counter.write_bytes(bytes(8))
    environment = preloaded(simulation.folder, SIM_ROOM=str(size // 2), SIM_COUNTER=str(counter))
    if not simulation.finish(case, output, environment, simulation.start(output, environment)):
        simulation.finish(case, output, {}, simulation.start(output, {}))


def preloaded(folder: Path, **told: str) -> dict[str, str]:
    """What a process needs in its environment to meet the simulated disk.

    Raises:
        RuntimeError: there is no C compiler.
    """
    library = folder / "slow_disk.so"
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        raise RuntimeError("not simulated: that takes Linux and a C compiler")
    source = Path(__file__).with_name("slow_disk.c")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    # Only what is meant for the outputs: Ray's own files lie elsewhere.
    return {"LD_PRELOAD": str(library), "SIM_FOLDER": str(folder / "cases"), **told}


CASES = {
    "nothing goes wrong": plain,
    "three workers are killed": dying_workers,
    "the command is killed twice": dying_driver,
    "10 ms more for each file operation": slow_disk,
    "the disk is full at half": full_disk,
}


def main() -> int:
    """Run the cases, print a line for each; returns 1 if an output is not what a single process makes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each clip, at 30 frames/s")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--case", choices=list(CASES), action="append", help="all, if not given")
    given = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="rtviz-jobs-") as name:
        folder = Path(name).resolve()
        simulation = Simulation(folder, given.clips, given.seconds, given.workers, given.model, given.resolution)
        print(f"{given.clips} clips of {given.seconds:g} s; one process {simulation.alone_seconds:.1f} s", flush=True)
        for number, title in enumerate(given.case or CASES):
            case, output = Case(title), folder / "cases" / str(number)
            start = time.monotonic()
            try:
                CASES[title](simulation, case, output)
            except RuntimeError as error:
                print(f"{title:34} {error}", flush=True)
                continue
            case.seconds = time.monotonic() - start
            simulation.compare(case, output)
            wrong += given.clips - case.same
            print(case.row(given.clips), flush=True)
            if case.same == given.clips:
                shutil.rmtree(output)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())

"""Many inputs shared out among processes: on a real local Ray cluster, one of whose workers is killed, and without."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import TINY, one_line_error, rtviz
from guard import Guard

from rtviz import cli
from rtviz.cli.remedies import with_remedy
from rtviz.errors import SettingsError, WeightsMissing, weights_missing
from rtviz.notices import Remedy, from_json, to_json
from rtviz.offline.jobs import JobConfig, Task, Worker, failed
from rtviz.offline.manifest import MANIFEST, Manifest
from rtviz.offline.processes import _with_one_gpu, in_processes
from rtviz.settings import OutputSettings, Settings
from rtviz.sources import open_source

SETTINGS = Settings(model=TINY[1], resolution=32, precision="fp32", device="cpu")
ORDER = JobConfig(SETTINGS, OutputSettings())


def frames_in(path: Path) -> int:
    with open_source(str(path)) as source:
        return sum(1 for _ in source)


def scenes(folder: Path, count: int, seconds: float = 0.2) -> list[Task]:
    return [Task(f"scene:?seed={n}&size=64x48&seconds={seconds}", folder / f"{n}.mp4") for n in range(count)]


# --- the manifest ----------------------------------------------------------------------------------------------------


def test_what_is_done_is_known_again_and_what_failed_or_vanished_is_not(tmp_path: Path) -> None:
    tasks = scenes(tmp_path, 3)
    manifest = Manifest(tmp_path / MANIFEST, ORDER)
    for task in tasks:
        task.output.write_bytes(b"a video")
    manifest.add({"input": tasks[0].place, "output": str(tasks[0].output), "frames_out": 7})
    manifest.add(failed(tasks[1], SettingsError("head", 9, "0 to 2")))
    manifest.add({"input": tasks[2].place, "output": str(tasks[2].output), "frames_out": 7})
    tasks[2].output.unlink()
    with open(manifest.path, "a") as file:
        file.write('{"input": "cut o')  # as a machine leaves it that goes down
    again = Manifest(tmp_path / MANIFEST, ORDER)
    assert [again.done(task) is not None for task in tasks] == [True, False, False]
    again.add({"input": tasks[2].place, "output": str(tasks[0].output)})
    assert all(json.loads(line) for line in manifest.path.read_text().splitlines())


def test_what_was_begun_is_known_again_and_a_report_without_room_is_written_later(tmp_path: Path) -> None:
    first, second, third = scenes(tmp_path, 3)
    manifest = Manifest(tmp_path / MANIFEST, ORDER)
    manifest.begin([first, second])
    for task in (first, second):
        task.output.write_bytes(b"a video")
    with full_for_new_bytes(manifest.path):
        manifest.add({"input": first.place, "output": str(first.output), "frames_out": 6})
    with open(manifest.path, "a") as file:
        file.write('{"input": "half a l')  # what found room
    manifest.add({"input": second.place, "output": str(second.output), "frames_out": 6})
    again = Manifest(tmp_path / MANIFEST, ORDER)
    assert [again.done(task) is not None for task in (first, second, third)] == [True, True, False]
    assert [again.begun(task) for task in (first, second, third)] == [True, True, False]
    assert Manifest(tmp_path / MANIFEST, ORDER).begun(first), "it stays known"


@contextlib.contextmanager
def full_for_new_bytes(path: Path) -> Iterator[None]:
    """No file of this process may grow beyond the size that this one has."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def in_this_process(tasks: list[Task], config: JobConfig, *_: object) -> Iterator[dict[str, Any]]:
    """What a cluster does, without one."""
    worker = Worker(config)
    for task in tasks:
        yield json.loads(worker({"input": task.place, "output": str(task.output)})["report"])


def test_a_job_that_was_killed_between_an_output_and_its_report_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The output is there, the report is not; an output that is somebody else's stays refused."""
    monkeypatch.setattr("rtviz.offline.ray_cluster.on_ray", in_this_process)
    places = [task.place for task in scenes(tmp_path, 2)]
    command = ["render", *places, "-o", f"{tmp_path / 'out'}{os.sep}", *TINY, "--ray", "--quiet"]
    assert cli.run(command) == 0
    outputs = sorted((tmp_path / "out").glob("*.mp4"))
    path = tmp_path / "out" / MANIFEST
    lines = [line for line in path.read_text().splitlines() if str(outputs[0]) not in line or "begun" in line]
    path.write_text("\n".join(lines) + "\n")
    outputs[0].write_bytes(b"other")
    untouched = outputs[1].stat().st_mtime_ns
    assert cli.run(command) == 0
    assert frames_in(outputs[0]) == frames_in(outputs[1]) == 6
    assert outputs[1].stat().st_mtime_ns == untouched

    path.unlink()
    assert cli.run(command) != 0


def test_a_job_with_other_settings_is_another_job(tmp_path: Path) -> None:
    (task,) = scenes(tmp_path, 1)
    task.output.write_bytes(b"a video")
    Manifest(tmp_path / MANIFEST, ORDER).add({"input": task.place, "output": str(task.output)})
    other = JobConfig(SETTINGS.replace(head=1), OutputSettings())
    with pytest.raises(SettingsError, match=rf"{MANIFEST}.*: head .*, not 1$"):
        Manifest(tmp_path / MANIFEST, other)
    elsewhere = JobConfig(SETTINGS.replace(device="cuda"), OutputSettings())
    assert Manifest(tmp_path / MANIFEST, elsewhere).done(task) is not None, "where it runs is not what is done"
    assert Manifest(tmp_path / MANIFEST, other, overwrite=True).done(task) is None


def test_a_file_is_known_by_any_name_and_not_when_another_came_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"a clip")
    (tmp_path / "out.mp4").write_bytes(b"a video")
    typed = Task(str(tmp_path / "clip.mp4"), tmp_path / "out.mp4")
    Manifest(tmp_path / MANIFEST, ORDER).add({"input": typed.place, "output": str(typed.output)})
    monkeypatch.chdir(tmp_path)
    short = Task("clip.mp4", Path("out.mp4"))
    done = Manifest(tmp_path / MANIFEST, ORDER).done(short)
    assert done is not None
    assert (done["input"], done["output"]) == ("clip.mp4", "out.mp4")
    (tmp_path / "clip.mp4").write_bytes(b"another clip")
    assert Manifest(tmp_path / MANIFEST, ORDER).done(short) is None


# --- processes -------------------------------------------------------------------------------------------------------


def test_two_processes_do_all_inputs_though_one_is_killed_and_one_input_is_bad(tmp_path: Path) -> None:
    tasks = [*scenes(tmp_path, 3, seconds=2), Task(str(tmp_path / "absent.mp4"), tmp_path / "absent-out.mp4")]
    killed: list[int] = []

    def kill_who_writes_first() -> None:
        until = time.monotonic() + 60
        while not killed and time.monotonic() < until:
            killed.extend(number for number in children(os.getpid()) if writes_in(number, tmp_path))
            time.sleep(0.02)  # the processor is for the workers
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_who_writes_first)
    killer.start()
    reports = {report["input"]: report for report in in_processes(tasks, ORDER, ["cpu", "cpu"])}
    killer.join()
    assert killed
    assert set(reports) == {task.place for task in tasks}
    for task in tasks[:3]:
        assert reports[task.place]["frames_out"] == frames_in(task.output) == 60
    assert "absent.mp4" in reports[tasks[3].place]["error"]


_FAILING_GPU = """
import sys
from pathlib import Path
from rtviz.offline import pipeline
from rtviz.errors import DeviceLost
from test_jobs import ORDER, scenes
from rtviz.offline.processes import in_processes

folder = Path(sys.argv[1])
render = pipeline.render
failures = {"0.mp4": 2, "1.mp4": 1}

def failing(source, output, *rest):
    attempt = len(list(folder.glob(f"{output.name}.try*")))
    (folder / f"{output.name}.try{attempt}").touch()
    if attempt < failures.get(output.name, 0):
        raise DeviceLost("cuda failed")
    return render(source, output, *rest)

pipeline.render = failing

if __name__ == "__main__":
    for report in in_processes(scenes(folder, 3), ORDER, ["cpu"]):
        print(report.get("error", report.get("frames_out")))
"""


def test_a_process_whose_gpu_fails_it_gives_way_to_another(tmp_path: Path) -> None:
    """In the same process every other input would fail, too, in an instant."""
    program = tmp_path / "job.py"
    program.write_text(_FAILING_GPU)
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}
    done = subprocess.run([sys.executable, str(program), str(tmp_path)], env=paths, capture_output=True, text=True)
    told = done.stdout.splitlines()
    assert len(told) == 3, done.stderr
    assert "was killed 2 times" in told[0]
    assert told[1:] == ["6", "6"]


@pytest.mark.parametrize(
    ("visible", "device", "seen", "wanted"),
    [(None, "cuda:1", "1", "cuda"), ("4,GPU-7", "cuda:1", "GPU-7", "cuda"), ("2,3", "cpu", "2,3", "cpu")],
)
def test_a_process_sees_its_own_gpu_alone(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, device: str, seen: str, wanted: str
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    order = _with_one_gpu(replace(ORDER, settings=SETTINGS.replace(device=device)))
    assert (os.environ["CUDA_VISIBLE_DEVICES"], order.settings.device) == (seen, wanted)


def test_a_model_that_cannot_be_had_is_the_error_of_every_input(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    order = JobConfig(
        SETTINGS.replace(model="vit_tiny_patch16_224", weights=tmp_path / "absent.safetensors"), ORDER.output
    )
    reports = list(in_processes(scenes(tmp_path, 3), order, ["cpu"]))
    assert len(reports) == 3
    assert all("absent.safetensors is not there" in report["error"] for report in reports)
    assert "Traceback" not in capfd.readouterr().err


def test_an_error_of_another_process_keeps_its_remedy(tmp_path: Path) -> None:
    config = JobConfig(SETTINGS.replace(model="dino-vit16"), ORDER.output)
    (report,) = in_processes(scenes(tmp_path, 1), config, ["cpu"])
    assert "did you mean dino-vits16" in report["error"]
    assert report["error"].remedy is Remedy.LIST_MODELS
    assert "`rtviz models` lists the names" in with_remedy(report["error"])


def test_an_error_about_several_models_has_the_remedy_of_each_in_another_process_too(tmp_path: Path) -> None:
    (task,) = scenes(tmp_path, 1)
    first, second = (WeightsMissing(f"{name} is not here").mended_by(Remedy.FETCH_MODEL) for name in "ab")
    error = weights_missing({"a": first, "b": second})
    report = from_json(to_json(failed(task, error)))
    assert with_remedy(report["error"], report["causes"]) == with_remedy(error)
    assert with_remedy(error).count("`rtviz models pull`") == 2


_LONG_JOB = """
import sys
from pathlib import Path
from test_jobs import ORDER, scenes
from rtviz.offline.processes import in_processes

if __name__ == "__main__":
    for report in in_processes(scenes(Path(sys.argv[1]), 2, seconds=600), ORDER, ["cpu", "cpu"]):
        print(report)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_who_ordered_the_work(tmp_path: Path, number: signal.Signals) -> None:
    program = tmp_path / "job.py"
    program.write_text(_LONG_JOB)
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}
    with subprocess.Popen([sys.executable, str(program), str(tmp_path)], env=paths, stderr=subprocess.PIPE) as job:
        try:
            started = time.monotonic()
            while len(list(tmp_path.glob("*partial*"))) < 2:
                assert time.monotonic() - started < 120
                time.sleep(0.1)
            workers = children(job.pid)
            assert len(workers) >= 2
            job.send_signal(number)
            job.wait(30)
        finally:
            job.kill()  # else the end of the with-block waits for ten minutes of film
    started = time.monotonic()
    while any(
        Path(f"/proc/{worker}/cmdline").exists() and Path(f"/proc/{worker}/cmdline").read_bytes() for worker in workers
    ):
        assert time.monotonic() - started < 30
        time.sleep(0.1)
    assert not [path for path in tmp_path.glob("*.mp4") if "partial" not in path.name]


def writes_in(process: int, folder: Path) -> bool:
    """Whether a process has a file of a folder open."""
    with contextlib.suppress(OSError):
        return any(os.readlink(entry).startswith(str(folder)) for entry in Path(f"/proc/{process}/fd").iterdir())
    return False


def children(parent: int, command: str = "spawn_main") -> list[int]:
    """The processes that a process has started, theirs too, whose command line holds a word."""
    found, seen = [], {parent}
    listed = sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    for _ in range(4):  # as deep as Ray's go
        for number in listed:
            try:
                status = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
                line = Path(f"/proc/{number}/cmdline").read_text()
            except OSError:
                continue
            if int(status[1]) in seen and number not in seen:
                seen.add(number)
                if command in line:
                    found.append(number)
    return found


# --- Ray -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_a_cluster_does_all_inputs_though_a_worker_is_killed_and_goes_on_with_a_broken_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Ray's workers, the killed one too, are processes of their own; only the driver is told about."""
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    places = [f"scene:?seed={n}&size=64x48&seconds=2" for n in range(4)] + [str(tmp_path / "bad.mp4")]
    command = ["render", *places, "-o", f"{tmp_path / 'out'}{os.sep}", *TINY, "--ray", "--workers", "2", "--json"]
    (tmp_path / "guarded").mkdir()
    guard = Guard(tmp_path / "guarded", {"RAY_DISABLE_IMPORT_WARNING": "1"})
    environment = {**guard.environment, "RTVIZ_GUARD_FOLDERS": f"{tmp_path}:{tempfile.gettempdir()}"}
    driver = subprocess.Popen(
        [sys.executable, "-m", "rtviz", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment,
    )  # fmt: skip
    try:
        killed = kill_a_busy_worker(driver, tmp_path / "out")
        stdout, stderr = driver.communicate(timeout=240)
    finally:
        driver.kill()
    assert killed, stderr
    reports = {report["input"]: report for report in json.loads(stdout)}
    assert driver.returncode == 1, "one input is no video"
    assert "4 of 5 inputs done, 1 failed" in stderr
    assert "bad.mp4" in reports[places[-1]]["error"]
    for place in places[:4]:
        assert reports[place]["frames_out"] == frames_in(Path(reports[place]["output"])) == 60

    # What is done stays done: only the bad one, mended, and one whose output was lost are taken up again.
    Path(reports[places[0]]["output"]).unlink()
    before = {place: os.stat(reports[place]["output"]).st_mtime_ns for place in places[1:4]}
    Path(reports[places[1]]["output"]).replace(tmp_path / "bad.mp4")
    (tmp_path / "bad.mp4").rename(tmp_path / "kept.mp4")
    (tmp_path / "bad.mp4").write_bytes((tmp_path / "kept.mp4").read_bytes())
    (tmp_path / "kept.mp4").replace(reports[places[1]]["output"])
    monkeypatch.setattr("rtviz.offline.ray_cluster.on_ray", in_this_process)
    assert cli.run(command) == 0
    assert "3 of 5 inputs were done before" in capfd.readouterr().err
    assert {place: os.stat(reports[place]["output"]).st_mtime_ns for place in places[1:4]} == before
    assert frames_in(Path(reports[places[0]]["output"])) == 60
    assert guard.noticed() == []


def kill_a_busy_worker(driver: subprocess.Popen[str], folder: Path) -> bool:
    """Kill a Ray worker as soon as something is being written; False if everything was over before."""
    end = time.monotonic() + 200
    while driver.poll() is None and time.monotonic() < end:
        if any(".partial" in path.name for path in folder.glob("*")):
            for number in all_of("ray::MapWorker"):
                os.kill(number, signal.SIGKILL)
                return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            driver.wait(0.05)
    return False


def all_of(title: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cmdline").read_text().startswith(title):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_an_address_where_no_cluster_answers_and_an_input_in_its_place_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    done = rtviz("render", "scene:", "-o", tmp_path / "o.mp4", "--ray", tmp_path / "a.mp4")
    one_line_error(done, 2, "ray cannot be", "an input goes before the options")


def test_without_ray_the_error_names_what_to_install(tmp_path: Path) -> None:
    program = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "ray":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from rtviz.cli import run
sys.exit(run(["render", "scene:?seconds=0.1", "-o", sys.argv[1], "--ray"]))
"""
    command = [sys.executable, "-c", program, str(tmp_path / "o.mp4")]
    one_line_error(subprocess.run(command, capture_output=True, text=True), 1, "rtviz[ray]")

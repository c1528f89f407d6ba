"""Damaged files end in success or in one line; and the tool that finds this out sees crashes, hangs and bugs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUZZ = ROOT / "scripts" / "fuzz.py"


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_damaged_files_end_in_success_or_in_one_line(tmp_path: Path) -> None:
    """Some of each kind; more by hand, with other seeds."""
    command = [sys.executable, str(FUZZ), "--inputs", "45", "--seconds", "150", "--seed", "1", "--keep", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    counts = {line.partition(":")[0]: line.split() for line in done.stdout.splitlines()}
    for kind in ("video", "picture", "checkpoint"):
        tried, fine, refused = (int(counts[kind][place]) for place in (1, 4, 6))
        assert tried >= 20, "few, even for a machine that has much else to do"
        assert min(fine, refused) >= 2, "the damage was neither nothing nor everything"


_PLANTED = """
import os, signal, sys, time, types
def run(words):
    kind = words[1].rpartition("-")[2]
    if kind.startswith("crash"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind.startswith("hang"):
        time.sleep(1000)
    if kind.startswith("bug"):
        print("rtviz: error: KeyError: 3 (a bug in rtviz; --debug shows where)", file=sys.stderr)
        return 1
    if kind.startswith("lines"):
        print("rtviz: error: it cannot be read:", "because", sep="\\n", file=sys.stderr)
        return 1
    if kind.startswith("raise"):
        raise KeyError(3)
    if kind.startswith("refused"):
        print("rtviz: error: it cannot be read", file=sys.stderr)
        return 1
    return 0
module = types.ModuleType("rtviz.cli")
module.run = run
sys.modules["rtviz.cli"] = module
"""


@pytest.mark.parametrize(
    ("name", "says"),
    [("crash", "SIGSEGV"), ("hang", "a hang"), ("bug", "a bug in rtviz"), ("lines", "not one line"),
     ("raise", "KeyError"), ("refused", "nothing is wrong"), ("fine", "nothing is wrong")],
)  # fmt: skip
def test_what_is_planted_is_found(
    tmp_path: Path, name: str, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(FUZZ.parent))
    import fuzz

    (tmp_path / "sitecustomize.py").write_text(_PLANTED)
    (tmp_path / f"video-{name}.mp4").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(fuzz, "_FIRST_SECONDS", 5 if name == "hang" else 60)
    monkeypatch.setattr(
        sys,
        "argv",
        ["fuzz.py", "--again", str(tmp_path / f"video-{name}.mp4"), "--limit", "1" if name == "hang" else "9"],
    )
    status = fuzz.main()
    assert says in capsys.readouterr().out
    assert (status == 0) == (says == "nothing is wrong")


def test_an_input_of_a_seed_is_always_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FUZZ.parent))
    import fuzz

    made = []
    for name in ("a", "b"):
        (tmp_path / f"{name}-inputs").mkdir()
        corpus = fuzz.Corpus("picture", tmp_path / name)
        made.append([corpus.make(3, number, tmp_path / f"{name}-inputs").read_bytes() for number in range(20)])
    assert made[0] == made[1]
    assert len(set(made[0])) > 15

"""What Tab offers, asked through the scripts that the shells evaluate."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rtviz import views
from rtviz.cli import completion
from rtviz.models import zoo

BASH = """
eval "$(rtviz completion bash)"
COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9
read -ra COMP_WORDS <<< "$1"
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_python_argcomplete rtviz
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("rtviz ren", ["render"]),
        ("rtviz render clip.mp4 --view he", [name for name in views.names() if name.startswith("he")]),
        ("rtviz render clip.mp4 --model dinov2-vits14-", ["dinov2-vits14-reg"]),
        ("rtviz models pull dinov3-v", [card.name for card in zoo.cards() if card.name.startswith("dinov3-v")]),
    ],
)
def test_bash_completes_commands_options_and_their_values(typed: str, offered: list[str]) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", BASH, "bash", typed], capture_output=True, text=True, env={**os.environ, "PATH": path}
    )
    assert [line.strip() for line in done.stdout.splitlines()] == offered, done.stderr


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_each_shell_gets_a_script_of_its_own(shell: str) -> None:
    text = completion.script(shell)
    assert "rtviz" in text
    program = shutil.which(shell)
    if program is not None:
        checked = subprocess.run([program, "-n"], input=text, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr

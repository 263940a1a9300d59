"""Completion, by a real bash where there is one, and by what click answers it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from shoal.cli.app import shoal

PROGRAM = Path(sys.executable).parent / "shoal"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_a_script_that_asks_shoal(shell: str) -> None:
    ran = CliRunner().invoke(shoal, ["completion", shell])
    assert ran.exit_code == 0
    assert f"_SHOAL_COMPLETE={shell}_complete" in ran.stdout


@pytest.mark.parametrize(
    ("words", "at", "completed"),
    [
        ("shoal reb", 1, "rebalance"),
        ("shoal rebalance pa", 2, "pause"),
        ("shoal top --ev", 2, "--every"),
    ],
)
def test_words_are_completed(words: str, at: int, completed: str) -> None:
    environment = {
        **os.environ,
        "_SHOAL_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(at),
    }
    ran = subprocess.run([PROGRAM], env=environment, capture_output=True, text=True, check=False)
    assert f"plain,{completed}" in ran.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_takes_the_script() -> None:
    script = CliRunner().invoke(shoal, ["completion", "bash"]).stdout
    ran = subprocess.run(
        ["bash", "--norc", "-c", script + "\ncomplete -p shoal"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "_shoal_completion" in ran.stdout

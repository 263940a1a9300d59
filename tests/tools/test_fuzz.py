from __future__ import annotations

from pathlib import Path

import pytest
from tools.fuzz import campaign
from tools.fuzz.campaign import Campaign, Outcome, targets
from tools.setup import cxx
from tools.setup.console import MissingTool

CLEAN_LOG = "#2\tcov: 10 ft: 3\n#9\tcov: 77 ft: 9\nstat::number_of_executed_units: 4242\n"


def program(folder: Path, script: str) -> Path:
    path = folder / "fuzz"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def run(folder: Path, script: str) -> Outcome:
    folder.mkdir()
    started = Campaign(program(folder, script), 5, 1, folder / "corpora", folder / "found")
    return started.run("timeout")


def test_every_target_has_seeds() -> None:
    assert {"engine", "hpack", "requests"} <= set(targets())


def test_a_clean_run_says_how_far_it_came() -> None:
    outcome = Outcome("hpack", 0, CLEAN_LOG)
    assert outcome.is_clean
    assert outcome.sentence() == "fuzz hpack: clean after 4242 inputs, 77 branches reached"


def test_a_finding_is_told_with_the_command_that_runs_it_again(tmp_path: Path) -> None:
    script = """
for word in "$@"; do case "$word" in -artifact_prefix=*) prefix="${word#*=}";; esac; done
echo "$SHOAL_FUZZ_TARGET panicked"; echo bad > "${prefix}crash-1"; exit 77
"""
    outcome = run(tmp_path / "run", script)
    assert not outcome.is_clean
    file = tmp_path / "run" / "found" / "timeout" / "crash-1"
    assert outcome.findings == (file,)
    assert f"--bin replay -- timeout {file}" in outcome.sentence()
    assert "timeout panicked" in outcome.sentence()


def test_a_run_that_ends_badly_without_an_input_is_not_clean(tmp_path: Path) -> None:
    outcome = run(tmp_path / "run", "echo no such thing; exit 3")
    assert not outcome.is_clean
    assert outcome.sentence().endswith("ended with status 3 and no input")
    assert not (tmp_path / "run" / "found" / "timeout").exists()


def test_the_seeds_are_read_and_not_written(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("corpus", "findings", "seeds")]
    command = Campaign(Path("fuzz"), 60, 7, tmp_path).command(*folders)
    assert command[-2:] == [str(tmp_path / "corpus"), str(tmp_path / "seeds")]
    assert "-max_total_time=60" in command
    assert "-seed=7" in command
    assert campaign.SEEDS.is_dir()


def test_without_a_compiler_it_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingTool, match="apt-get install"):
        cxx.require()

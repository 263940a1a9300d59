"""The examples of other languages: found, built once in a copy, judged; and docs/languages.md.

Whether they run against a cluster is `make test-languages`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tools.languages.__main__ import attempt, run
from tools.languages.build import UNUSED_SECONDS_MAX, build, files_of
from tools.languages.catalogue import EXAMPLES, Example, Need
from tools.setup.console import MissingTool

NODES = ["127.0.0.1:1", "127.0.0.1:2"]


def example(*needs: Need) -> Example:
    return Example("tiny", "Tiny", needs, (("./program",),), (("did it",),), beside=("protos",))


@pytest.fixture
def page(repository: Path) -> str:
    return (repository / "docs" / "languages.md").read_text()


def test_the_page_shows_how_each_is_built_and_run(page: str) -> None:
    for each in EXAMPLES:
        assert f"`examples/{each.name}/build.sh`" in page
        for program in each.programs:
            assert f"`{' '.join(program)} HOST:PORT" in page


def test_the_page_shows_the_grpcurl_session_as_it_is_run(page: str, repository: Path) -> None:
    session = (repository / "examples" / "grpcurl" / "session.sh").read_text()
    _, _, commands = session.partition("\n")
    assert f"```sh\n{commands}```\n" in page


@pytest.mark.parametrize("each", EXAMPLES, ids=lambda each: each.name)
def test_an_example_is_built_out_of_what_git_has(each: Example, repository: Path) -> None:
    names = {path.relative_to(repository).as_posix() for path in files_of(each, repository)}
    assert f"examples/{each.name}/build.sh" in names
    assert os.access(repository / "examples" / each.name / "build.sh", os.X_OK)
    if each.name != "grpcurl":
        assert "protos/shoal/v1/cache.proto" in names
    made = ("/gen/", "/bin/", "/target/", "/node_modules/", "/build/", "package-lock.json")
    assert [name for name in names if any(part in name for part in made)] == []


def test_what_is_not_there_has_no_version() -> None:
    assert Need(("no-such-program-at-all",), "nowhere").version() is None
    assert Need(("sh", "-c", "echo 3; exit 1"), "nowhere").version() is None
    assert Need(("sh", "-c", "echo 3"), "here").version() == "3\n"


def test_an_example_whose_tools_are_missing_is_skipped_with_what_to_install(
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcome = attempt(example(Need(("no-such-program-at-all",), "apt-get install it")), NODES)
    assert outcome == "skipped"
    assert "Tiny: skipped. It needs: apt-get install it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("script", "is_right"),
    [
        ('echo "did it with $*"', True),
        ("echo did it; exit 3", False),
        ("echo did nothing", False),
        ("echo did it >&2", True),
    ],
)
def test_a_program_must_end_well_and_say_what_it_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], script: str, is_right: bool
) -> None:
    program(tmp_path / "program", script)
    assert run(example(), tmp_path, ("./program",), ("did it",), NODES) is is_right
    shown = capsys.readouterr().out
    assert ("Tiny: failed: " in shown) is not is_right
    if "$*" in script:
        assert f"did it with {' '.join(NODES)}" in shown


def test_a_program_that_does_not_end_shows_how_far_it_came(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program(tmp_path / "program", "echo did it; exec sleep 60")
    assert not run(example(), tmp_path, ("./program",), ("did it",), NODES, timeout_seconds=1)
    assert capsys.readouterr().out.endswith("did it\nTiny: failed: no end after 1 s\n")


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the tiny example, whose build counts how often it ran."""
    monkeypatch.setenv("SHOAL_CACHE", str(tmp_path / "cache"))
    clone = tmp_path / "clone"
    for folder in ("examples/tiny", "protos", "unrelated"):
        (clone / folder).mkdir(parents=True)
    (clone / "protos" / "x.proto").write_text("1")
    program(clone / "examples/tiny/build.sh", "cat ../../protos/x.proto >> made; cp made program")
    subprocess.run(["git", "init", "-q"], cwd=clone, check=True)
    return clone


@pytest.fixture
def made(clone: Path) -> Callable[..., str]:
    def make(versions: str = "1.0") -> str:
        return (build(example(), versions, clone) / "made").read_text()

    return make


def test_it_is_built_once_outside_the_clone(clone: Path, made: Callable[..., str]) -> None:
    assert [made(), made()] == ["1", "1"]
    assert sorted(path.name for path in (clone / "examples" / "tiny").iterdir()) == ["build.sh"]


def test_it_is_built_anew_where_sources_or_tools_have_changed(
    clone: Path, made: Callable[..., str]
) -> None:
    made()
    (clone / "unrelated" / "file").write_text("2")
    folder = build(example(), "1.0", clone)
    assert build(example(), "1.1", clone) != folder
    (clone / "protos" / "x.proto").write_text("2")
    assert made() == "2"
    assert build(example(), "1.0", clone) != folder


def test_a_build_that_failed_is_tried_again(clone: Path, made: Callable[..., str]) -> None:
    script = (clone / "examples" / "tiny" / "build.sh").read_text()
    program(clone / "examples" / "tiny" / "build.sh", "exit 1")
    for _ in range(2):
        with pytest.raises(MissingTool):
            made()
    (clone / "examples" / "tiny" / "build.sh").write_text(script)
    assert made() == "1"


def test_copies_that_nobody_uses_are_removed(clone: Path, made: Callable[..., str]) -> None:
    made()
    (built,) = (clone.parent / "cache" / "languages" / "tiny").glob("*/built")
    old = built.stat().st_mtime - UNUSED_SECONDS_MAX - 1
    os.utime(built, (old, old))
    made("1.1")
    assert not built.parent.exists()

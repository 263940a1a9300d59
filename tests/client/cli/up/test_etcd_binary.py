"""Which etcd is run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shoal.cli.up.etcd_binary import (
    Candidate,
    EtcdVersion,
    Origin,
    cache_directory,
    candidates,
    choose,
    find,
    parse_version,
)
from shoal.cli.up.failures import NoEtcd

RECENT = EtcdVersion(3, 6, 9)
OLD = EtcdVersion(3, 4, 23)
OLDER = EtcdVersion(3, 3, 25)


def candidate(origin: Origin, version: EtcdVersion | None) -> Candidate:
    return Candidate(Path(f"/{origin.name.lower()}/etcd"), origin, version)


@pytest.mark.parametrize(
    ("version", "is_recent"),
    [
        ((3, 4, 40), False),
        ((3, 5, 27), False),
        ((3, 5, 28), True),
        ((3, 6, 0), False),
        ((3, 6, 8), False),
        ((3, 6, 9), True),
        ((3, 7, 0), True),
        ((4, 0, 0), True),
    ],
)
def test_recent_is_where_the_lease_and_watch_bugs_are_fixed(
    version: tuple[int, int, int], is_recent: bool
) -> None:
    assert EtcdVersion(*version).is_recent == is_recent


def test_the_first_recent_one_is_taken_and_no_other_is_run() -> None:
    def found() -> Iterator[Candidate]:
        yield candidate(Origin.PATH, OLD)
        yield candidate(Origin.BUILT, RECENT)
        pytest.fail("looked further than needed")

    chosen = choose(found())
    assert (chosen.origin, chosen.warning) == (Origin.BUILT, "")
    assert not chosen.is_last_resort


def test_an_old_one_runs_with_a_warning_only_when_nothing_better_is_found() -> None:
    chosen = choose([candidate(Origin.PATH, OLDER), candidate(Origin.DEBIAN, OLD)])
    assert chosen.origin is Origin.DEBIAN
    assert "3.4.23" in chosen.warning
    assert "make etcd" in chosen.warning
    assert chosen.is_last_resort


@pytest.mark.parametrize("origin", [Origin.WHEEL, Origin.DEBIAN])
def test_a_last_resort_is_named_as_such(origin: Origin) -> None:
    chosen = choose([candidate(origin, RECENT)])
    assert chosen.is_last_resort
    assert "last resort" in chosen.origin


def test_one_that_does_not_run_is_passed_over() -> None:
    chosen = choose([candidate(Origin.PATH, None), candidate(Origin.BUILT, RECENT)])
    assert chosen.origin is Origin.BUILT


def test_one_that_was_named_must_run() -> None:
    with pytest.raises(NoEtcd, match="SHOAL_ETCD_BINARY names /environment/etcd"):
        choose([candidate(Origin.ENVIRONMENT, None), candidate(Origin.BUILT, RECENT)])


def test_one_that_was_named_is_taken_even_if_old() -> None:
    chosen = choose([candidate(Origin.ENVIRONMENT, OLD), candidate(Origin.BUILT, RECENT)])
    assert chosen.origin is Origin.ENVIRONMENT
    assert chosen.warning
    assert not chosen.is_last_resort


def test_none_at_all_says_how_to_get_one() -> None:
    with pytest.raises(NoEtcd, match=r"`make etcd`.*SHOAL_ETCD_BINARY"):
        choose([])


def test_versions_are_read_from_what_etcd_prints() -> None:
    assert parse_version("etcd Version: 3.7.3\nGit SHA: x\n") == EtcdVersion(3, 7, 3)
    assert parse_version("GNU bash, version 5.2") is None


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"SHOAL_CACHE": "/own", "XDG_CACHE_HOME": "/xdg", "HOME": "/home/me"}, "/own"),
        ({"XDG_CACHE_HOME": "/xdg", "HOME": "/home/me"}, "/xdg/shoal"),
        ({"HOME": "/home/me"}, "/home/me/.cache/shoal"),
    ],
)
def test_where_built_ones_are_kept(environ: dict[str, str], expected: str) -> None:
    assert cache_directory(environ) == Path(expected)


def fake_etcd(path: Path, version: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho 'etcd Version: {version}'\n")
    path.chmod(0o755)
    return path


def test_binaries_are_found_in_order_and_the_newest_build_first(tmp_path: Path) -> None:
    on_path = fake_etcd(tmp_path / "bin" / "etcd", "3.4.1")
    fake_etcd(tmp_path / "cache" / "etcd" / "a" / "etcd", "3.7.1")
    newest = fake_etcd(tmp_path / "cache" / "etcd" / "b" / "etcd", "3.7.10")
    fake_etcd(tmp_path / "cache" / "etcd" / "c.partial" / "etcd", "3.9.0")
    environ = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "SHOAL_CACHE": str(tmp_path / "cache"),
    }
    found = list(candidates(environ))
    assert [each.path for each in found[:2]] == [on_path, newest]
    assert find(environ).path == newest


def test_a_named_binary_is_run_to_know_it(tmp_path: Path) -> None:
    named = fake_etcd(tmp_path / "etcd", "3.6.9")
    assert find({"SHOAL_ETCD_BINARY": str(named)}).version == RECENT
    with pytest.raises(NoEtcd, match="does not answer --version"):
        find({"SHOAL_ETCD_BINARY": str(tmp_path / "absent")})


def test_as_a_program_it_prints_the_choice(tmp_path: Path) -> None:
    named = fake_etcd(tmp_path / "etcd", "3.6.9")
    command = [sys.executable, "-m", "shoal.cli.up.etcd_binary"]
    told = subprocess.run(
        command,
        env={**os.environ, "SHOAL_ETCD_BINARY": str(named)},
        capture_output=True,
        check=True,
    )
    answer = json.loads(told.stdout)
    assert (answer["path"], answer["last_resort"]) == (str(named), False)
    refused = subprocess.run(
        command,
        env={**os.environ, "SHOAL_ETCD_BINARY": str(tmp_path / "absent")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode != 0
    assert "SHOAL_ETCD_BINARY" in refused.stderr

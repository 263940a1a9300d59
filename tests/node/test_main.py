"""The command line: what it refuses, in one sentence each."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from shoal_node.main import main

GOOD = ("--etcd", "http://127.0.0.1:1", "--listen", "127.0.0.1:0")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--listen", "0.0.0.0:7400"), "or say --insecure"),
        (("--metrics-listen", "0.0.0.0:0"), "or say --insecure"),
        (("--listen", "nowhere"), "'nowhere' is not an address: write HOST:PORT"),
        (("--maxmemory", "1 elephant"), "'1 elephant' is not a size"),
        (("--maxmemory", "1MiB"), "take at least 128MiB"),
        (("--etcd", "tcp://x"), "'tcp://x' is not an etcd URL"),
        (("--id", "a b"), "node id 'a b' is not usable"),
        (("--weight", "-1"), "--weight -1 is not usable"),
        (("--weight", "heavy"), "'heavy' is not a valid integer"),
        (("--threads", "0"), "--threads 0 is not usable"),
        (("--slow-request", "-1"), "--slow-request -1 is not usable"),
        (("--partition-metrics", "-1"), "--partition-metrics -1 is not usable"),
        (("--near-grant-ms", "-1"), "--near-grant-ms -1 is not usable"),
    ],
)
def test_a_bad_flag_is_refused_in_a_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    ran = CliRunner().invoke(main, (*GOOD, *arguments))
    assert ran.exit_code == 2
    assert sentence in ran.output
    assert "Traceback" not in ran.output


def test_without_etcd_it_says_so_and_fails() -> None:
    ran = CliRunner().invoke(main, GOOD)
    assert ran.exit_code == 1
    assert "shoal-node: etcd at http://127.0.0.1:1 does not answer" in ran.output
    assert "Start it, or correct --etcd" in ran.output


def test_help_names_every_flag_with_its_default() -> None:
    ran = CliRunner().invoke(main, ["--help"])
    for text in (
        "--etcd",
        "--listen",
        "--zone",
        "1GiB",
        "127.0.0.1:0",
        "--insecure",
        "--slow-request",
        "--near-grant-ms",
    ):
        assert text in ran.output

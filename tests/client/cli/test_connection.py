"""What an error of the client becomes: a sentence and an exit code."""

from __future__ import annotations

import itertools
import random

import pytest
from click.testing import CliRunner

from shoal import DeadlineExceeded, InvalidRequest, Outcome, OutcomeUnknown, ShoalError, Unavailable
from shoal.cli.app import shoal
from shoal.cli.connection import command_failed
from shoal.cli.up.ports import free_ports

URL = "shoal://127.0.0.1:7400"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unavailable("nobody", reason="UNREACHABLE"), 3),
        (DeadlineExceeded("too late"), 3),
        (Unavailable("no owner", reason="NO_OWNER"), 4),
        (InvalidRequest("not a number", reason="NOT_AN_INTEGER"), 4),
    ],
)
def test_exit_codes(error: ShoalError, code: int) -> None:
    assert command_failed(error, URL).exit_code == code


def test_who_reaches_nobody_is_told_what_to_do() -> None:
    sentence = command_failed(Unavailable("nobody", reason="UNREACHABLE"), URL).message
    assert URL in sentence
    assert "shoal up" in sentence
    assert "$SHOAL_URL" in sentence


@pytest.mark.parametrize(
    ("outcome", "is_told"), [(Outcome.MAYBE_APPLIED, True), (Outcome.NOT_APPLIED, False)]
)
def test_an_unknown_outcome_is_told(outcome: Outcome, is_told: bool) -> None:
    sentence = command_failed(OutcomeUnknown("lost", outcome=outcome), URL).message
    assert ("may have been applied" in sentence) == is_told


def test_a_failure_names_its_reason() -> None:
    assert "(NO_OWNER)" in command_failed(Unavailable("x", reason="NO_OWNER"), URL).message


@pytest.mark.parametrize("arguments", [["get", "k"], ["set", "k", "v"], ["status"]])
def test_no_cluster_is_exit_code_3(arguments: list[str]) -> None:
    port = next(itertools.islice(free_ports(random.Random()), 1))
    answer = CliRunner().invoke(
        shoal, arguments, env={"SHOAL_URL": f"shoal://127.0.0.1:{port}?timeout=300ms"}
    )
    assert answer.exit_code == 3
    assert "Start a cluster with `shoal up`" in answer.stderr
    assert answer.stdout == ""

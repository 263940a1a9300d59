"""Every code and reason, as the error that a caller sees."""

from __future__ import annotations

import pytest

import shoal
from fake_refusal import status
from shoal import Outcome
from shoal._core.failures import (
    Code,
    Failure,
    error_of,
    failure_from_key_error,
    failure_from_status,
)
from shoal._core.topology import Moved
from shoal.v1 import cache_pb2


def read(message: object) -> Failure:
    return failure_from_status(message.code, message.message, message.details)


@pytest.mark.parametrize(
    ("code", "reason", "error"),
    [
        (Code.INVALID_ARGUMENT, "KEY_EMPTY", shoal.InvalidRequest),
        (Code.INVALID_ARGUMENT, "OVERFLOW", shoal.InvalidRequest),
        (Code.UNIMPLEMENTED, "NOT_SERVED", shoal.NotServed),
        (Code.UNAVAILABLE, "NO_OWNER", shoal.Unavailable),
        (Code.FAILED_PRECONDITION, "MOVED", shoal.Unavailable),
        (Code.RESOURCE_EXHAUSTED, "MEMORY_FULL", shoal.ResourceExhausted),
        (Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", shoal.DeadlineExceeded),
        (Code.INTERNAL, "BROKEN", shoal.ServerError),
    ],
)
def test_what_a_node_refuses(code, reason, error):
    failure = read(status(code, reason, message="do this instead"))
    raised = error_of(failure, failure.outcome)
    assert type(raised) is error
    assert raised.reason == reason
    assert raised.outcome is Outcome.NOT_APPLIED
    assert str(raised) == "do this instead"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (Code.UNAVAILABLE, shoal.OutcomeUnknown),
        (Code.INTERNAL, shoal.OutcomeUnknown),
        (Code.DEADLINE_EXCEEDED, shoal.DeadlineExceeded),
    ],
)
def test_what_may_have_been_applied(code, error):
    failure = read(status(code, "LEASE_EXPIRED", outcome="MAYBE_APPLIED"))
    raised = error_of(failure, failure.outcome)
    assert type(raised) is error
    assert raised.outcome is Outcome.MAYBE_APPLIED


@pytest.mark.parametrize(
    ("code", "message", "reason", "outcome"),
    [
        (
            Code.UNAVAILABLE,
            "failed to connect to all addresses; last error: ...",
            "UNREACHABLE",
            Outcome.NOT_APPLIED,
        ),
        (
            Code.UNAVAILABLE,
            "DNS resolution failed for x:1",
            "UNREACHABLE",
            Outcome.NOT_APPLIED,
        ),
        (Code.UNAVAILABLE, "Socket closed", "CONNECTION_LOST", Outcome.MAYBE_APPLIED),
        (Code.CANCELLED, "Channel closed!", "CONNECTION_LOST", Outcome.MAYBE_APPLIED),
        (Code.UNKNOWN, "", "CONNECTION_LOST", Outcome.MAYBE_APPLIED),
        (Code.INTERNAL, "RST_STREAM", "CONNECTION_LOST", Outcome.MAYBE_APPLIED),
        (Code.DEADLINE_EXCEEDED, "", "DEADLINE_EXCEEDED", Outcome.MAYBE_APPLIED),
        (Code.UNIMPLEMENTED, "", "NOT_SERVED", Outcome.NOT_APPLIED),
        (Code.OUT_OF_RANGE, "too large", "MESSAGE_TOO_LARGE", Outcome.NOT_APPLIED),
        (
            Code.RESOURCE_EXHAUSTED,
            "Sent message larger than max",
            "MESSAGE_TOO_LARGE",
            Outcome.NOT_APPLIED,
        ),
        (
            Code.RESOURCE_EXHAUSTED,
            "Received message larger than max",
            "MESSAGE_TOO_LARGE",
            Outcome.MAYBE_APPLIED,
        ),
        (Code.UNAUTHENTICATED, "", "UNAUTHENTICATED", Outcome.NOT_APPLIED),
        (99, "", "CONNECTION_LOST", Outcome.MAYBE_APPLIED),
    ],
)
def test_what_no_node_explained(code, message, reason, outcome):
    failure = failure_from_status(code, message, [])
    assert (failure.reason, failure.outcome) == (reason, outcome)


def test_an_error_of_another_domain_explains_nothing():
    foreign = status(Code.UNAVAILABLE, "NO_OWNER")
    for detail in foreign.details:
        detail.value = detail.value.replace(b"shoal", b"other")
    failure = read(foreign)
    assert failure.reason == "CONNECTION_LOST"
    assert failure.outcome is Outcome.MAYBE_APPLIED


def test_an_outcome_that_is_not_told_is_unknown():
    told = status(Code.UNAVAILABLE, "NO_OWNER", outcome="")
    assert read(told).outcome is Outcome.MAYBE_APPLIED


def test_retry_info_is_read():
    assert read(status(14, "NO_OWNER", retry_after_ms=1500)).retry_after_seconds == 1.5
    assert read(status(14, "NO_OWNER")).retry_after_seconds == 0


def test_moved_says_where():
    told = status(9, "MOVED", owner="n2", address="h:1", epoch="7", partition="3")
    assert read(told).moved == Moved(partition=3, epoch=7, owner="n2", address="h:1")
    assert read(status(9, "MOVED", owner="n2", epoch="seven")).moved is None
    assert read(status(14, "NO_OWNER")).moved is None


def test_the_failure_of_one_key_reads_like_that_of_a_request():
    error = cache_pb2.KeyError(
        code=9,
        reason="MOVED",
        message="m",
        metadata={
            "outcome": "NOT_APPLIED",
            "owner": "n2",
            "address": "h:1",
            "epoch": "7",
            "partition": "3",
        },
    )
    told = status(9, "MOVED", message="m", owner="n2", address="h:1", epoch="7", partition="3")
    assert failure_from_key_error(error) == read(told)


def test_the_tree():
    assert issubclass(shoal.InvalidRequest, ValueError)
    assert issubclass(shoal.ConfigurationError, ValueError)
    assert issubclass(shoal.DeadlineExceeded, TimeoutError)
    errors = [
        getattr(shoal, name)
        for name in shoal.__all__
        if isinstance(getattr(shoal, name), type)
        and issubclass(getattr(shoal, name), BaseException)
    ]
    assert len(errors) == 17
    assert all(issubclass(error, shoal.ShoalError) for error in errors)
    assert all(error("m").reason.isupper() for error in errors)

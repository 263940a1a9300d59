"""Counters: every acknowledged increment counts once, an unknown one at most once.

All increments are by one, so that each answer names a place of its own.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from tools.soak.checks.anomaly import Anomaly
from tools.soak.history import Kind, Operation, Outcome


def check_counter(key: str, operations: Sequence[Operation]) -> list[Anomaly]:
    """Check one counter's increments and reads, from the key's beginning."""
    increments = [
        one for one in operations if one.kind is Kind.INCR and one.outcome is not Outcome.FAILED
    ]
    acknowledged = [one for one in increments if one.is_ok]
    answers = [one for one in operations if one.is_ok and one.kind in (Kind.INCR, Kind.READ)]
    invoked = sorted(one.invoked_ns for one in increments)
    ended = sorted(one.ended_ns for one in acknowledged)
    found = [
        Anomaly("counter", key, f"{times} increments were answered {answer}")
        for answer, times in Counter(one.result for one in acknowledged).items()
        if times > 1
    ]
    for one in answers:
        told = _number(one)
        own = 1 if one.kind is Kind.INCR else 0
        least = bisect_left(ended, one.invoked_ns) + own
        most = bisect_left(invoked, one.ended_ns + 1)
        if not least <= told <= most:
            found.append(
                Anomaly("counter", key, f"told {told}, possible are {least} to {most}: {one}")
            )
    return found + _backward(key, answers)


def _backward(key: str, answers: Sequence[Operation]) -> list[Anomaly]:
    """No answer is below one that was given before the question."""
    found = []
    ended = sorted(answers, key=lambda one: one.ended_ns)
    ended_ns = [one.ended_ns for one in ended]
    highest = [0]
    for one in ended:
        highest.append(max(highest[-1], _number(one)))
    for one in answers:
        before = highest[bisect_left(ended_ns, one.invoked_ns)]
        own = 1 if one.kind is Kind.INCR else 0
        if _number(one) < before + own:
            found.append(Anomaly("counter", key, f"fell below {before}, seen before: {one}"))
    return found


def _number(operation: Operation) -> int:
    return int(operation.result or 0)

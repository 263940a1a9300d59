"""Versions: one version of a key names one value, and one write.

Two writes under one version would be two primaries of one epoch.
"""

from __future__ import annotations

from collections.abc import Sequence

from tools.soak.checks.anomaly import Anomaly
from tools.soak.history import Kind, Operation


def check_versions(key: str, operations: Sequence[Operation]) -> list[Anomaly]:
    value_of: dict[tuple[int, int], Operation] = {}
    found = []
    for one in operations:
        named = _named(one)
        if one.version is None or named is None:
            continue
        known = value_of.setdefault(one.version, one)
        if _named(known) != named:
            found.append(Anomaly("versions", key, f"one version, two values: {known} and {one}"))
    return found


def _named(operation: Operation) -> str | None:
    """The value that the operation's version names; None where it names none."""
    if not operation.is_ok:
        return None
    if operation.kind is Kind.READ and isinstance(operation.result, str):
        return operation.result
    if operation.kind is Kind.WRITE or (operation.kind is Kind.CAS and operation.result):
        return operation.value
    return None

"""Sessions: reads over replicas that see what the session wrote, and never go back.

Writes are acknowledged in sync. What a replica showed before it was acknowledged may still
be lost in a failover, so that only acknowledged values bind what the session reads next.
"""

from __future__ import annotations

from collections.abc import Sequence

from tools.soak.checks.anomaly import Anomaly
from tools.soak.history import Kind, Operation

_NOTHING = (0, 0)


def check_session(key: str, operations: Sequence[Operation]) -> list[Anomaly]:
    """Check one key. Each client is one session, whose calls follow one another."""
    kept = {one.value for one in operations if one.kind is Kind.WRITE and one.is_ok}
    highest: dict[int, tuple[int, int]] = {}
    found = []
    for one in sorted(operations, key=lambda each: each.invoked_ns):
        if not one.is_ok:
            continue
        known = highest.get(one.client, _NOTHING)
        told = one.version or _NOTHING
        if one.kind is Kind.READ and told < known:
            found.append(Anomaly("session", key, f"went back below {known}, to {told}: {one}"))
        if one.kind is Kind.WRITE or one.result in kept:
            highest[one.client] = max(known, told)
    return found

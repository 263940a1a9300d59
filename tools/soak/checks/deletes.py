"""Deletes: after an acknowledged in-sync delete no older value is readable.

Holds whatever level the writes were acknowledged at, and costs no search: it follows
values. A write of unknown outcome may come after any delete, so its value proves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from tools.soak.checks.anomaly import Anomaly
from tools.soak.history import IN_SYNC, Kind, Operation, Outcome

_WRITES = (Kind.WRITE, Kind.CAS)


def check_deletes(key: str, operations: Sequence[Operation]) -> list[Anomaly]:
    """Check one key: every value that was read was written, and not deleted since."""
    writer = {one.value: one for one in operations if one.kind in _WRITES}
    deletes = [
        one for one in operations if one.kind is Kind.DELETE and one.is_ok and one.ack == IN_SYNC
    ]
    found = []
    for read in operations:
        if read.kind is not Kind.READ or not read.is_ok or not isinstance(read.result, str):
            continue
        wrong = _wrong(read, writer.get(read.result), deletes)
        if wrong:
            found.append(Anomaly("deletes", key, f"{wrong}: {read}"))
    return found


def _wrong(read: Operation, write: Operation | None, deletes: Sequence[Operation]) -> str:
    if write is None:
        return "a value that nobody wrote"
    if write.outcome is Outcome.FAILED or (write.kind is Kind.CAS and write.result is False):
        return f"the value of a write that failed as not applied ({write})"
    if write.invoked_ns > read.ended_ns:
        return "a value before it was written"
    if not write.is_ok:
        return ""
    for delete in deletes:
        if write.ended_ns < delete.invoked_ns and delete.ended_ns < read.invoked_ns:
            return f"a deleted value came back ({delete})"
    return ""

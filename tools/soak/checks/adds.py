"""Sets of acknowledged adds: each add is a key of its own, written once and never removed.

What was acknowledged in sync must be there whenever it is read afterwards; what the
primary alone acknowledged may be lost, and is counted. What failed must never be there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tools.soak.checks.anomaly import Anomaly
from tools.soak.history import IN_SYNC, Kind, Operation, Outcome


@dataclass(frozen=True, slots=True)
class Adds:
    acknowledged: int
    lost: int
    """Acknowledged, by whichever level, and not there when read."""
    unread: int
    """Acknowledged and never read: nothing is known of them."""
    anomalies: tuple[Anomaly, ...]


def check_adds(keys: Mapping[str, Sequence[Operation]]) -> Adds:
    acknowledged = lost = unread = 0
    anomalies: list[Anomaly] = []
    for key, operations in keys.items():
        added = [one for one in operations if one.kind is Kind.WRITE]
        assert len(added) == 1, f"{key} was added {len(added)} times"
        add = added[0]
        reads = [one for one in operations if one.kind is Kind.READ and one.is_ok]
        if add.is_ok:
            acknowledged += 1
            after = [one for one in reads if one.invoked_ns > add.ended_ns]
            unread += not after
            missing = [one for one in after if one.result != add.value]
            lost += bool(missing)
            if missing and add.ack == IN_SYNC:
                anomalies.append(
                    Anomaly("adds", key, f"acknowledged in sync and lost: {missing[0]}")
                )
        elif add.outcome is Outcome.FAILED:
            anomalies += [
                Anomaly("adds", key, f"failed as not applied, and is there: {one}")
                for one in reads
                if one.result is not None
            ]
    return Adds(acknowledged, lost, unread, tuple(anomalies))

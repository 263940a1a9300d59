"""``Seen`` -> every alarm, raised or not, always the same ones in the same order. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shoal_coordinator.alarms.alarm import Alarm, Thresholds, judged, unknown
from shoal_coordinator.alarms.balance import imbalances
from shoal_coordinator.registry.copy_ids import is_of
from shoal_coordinator.registry.records import PartitionRecord
from shoal_coordinator.registry.view import ClusterView
from shoal_coordinator.survey.figures import Survey

_ASK_AGAIN = "ask again in some seconds; if it stays so, look whether nodes serve /metrics"


@dataclass(frozen=True, slots=True)
class OldestMove:
    partition: int
    targets: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What a leader sees. ``before`` and ``after``: two looks at the nodes, or fewer."""

    view: ClusterView
    oldest_move: OldestMove | None = None
    before: Survey | None = None
    after: Survey | None = None


def alarms(seen: Seen) -> tuple[Alarm, ...]:
    return (
        *_of_records(seen.view),
        _members_down(seen.view),
        _stuck_moves(seen.oldest_move),
        *_of_nodes(seen),
        *imbalances(seen.view, seen.before, seen.after),
    )


def _of_records(view: ClusterView) -> Iterator[Alarm]:
    count = 0 if view.config is None else view.config.partition_count
    copies = 1 if view.config is None else 1 + view.config.replica_count
    records = [held.record for held in view.partitions.values()]
    unserved = count - sum(map(view.primary_is_live, records))
    yield judged(
        "unserved_partitions",
        unserved,
        Thresholds(critical_from=1),
        says=f"{unserved} of {count} partitions have no live primary",
        fine=f"all {count} partitions are served",
        advice="start the nodes that are down; `shoal ring explain KEY` tells what is waited for",
    )
    below = count - sum(_live_copies(view, record) >= copies for record in records)
    yield judged(
        "under_replicated_partitions",
        below,
        Thresholds(warning_from=1),
        says=f"{below} of {count} partitions have fewer than {copies} copies in sync",
        fine=f"all {count} partitions have {copies} copies in sync",
        advice="start the nodes that are down, or add others; copies are being made meanwhile",
    )


def _live_copies(view: ClusterView, record: PartitionRecord) -> int:
    return sum(
        copy.node in view.nodes
        and is_of(copy.copy_id, view.nodes[copy.node].registration.incarnation)
        for copy in record.in_sync
    )


def _members_down(view: ClusterView) -> Alarm:
    down = sorted(
        it.id for it in view.members.values() if it.takes_a_share and it.id not in view.nodes
    )
    return judged(
        "members_down",
        len(down),
        Thresholds(warning_from=1),
        says=f"{', '.join(down)} should take a share and is down",
        fine="every node that takes a share is up",
        advice="start it, or let it go with `shoal node remove`",
    )


def _stuck_moves(oldest: OldestMove | None) -> Alarm:
    seconds = 0.0 if oldest is None else oldest.seconds
    what = "nothing" if oldest is None else f"partition {oldest.partition}"
    to = "" if oldest is None else f" to {', '.join(oldest.targets)}"
    return judged(
        "stuck_moves",
        seconds,
        Thresholds(300, 1800),
        says=f"{what} has been on its way{to} for {seconds:.0f} s",
        fine=f"{what} has been on its way for long"
        if oldest is None
        else (f"the oldest move, of {what}{to}, takes {seconds:.0f} s so far"),
        advice="look at that node's log and at `shoal config get` (snapshot_bytes_per_second); "
        "`shoal rebalance cancel` takes moves back",
    )


def _of_nodes(seen: Seen) -> Iterator[Alarm]:
    ttl = 0.0 if seen.view.config is None else float(seen.view.config.lease_ttl_seconds)
    age, lag = Thresholds(round(ttl * 2 / 3, 3), ttl), Thresholds(0.5, 5)
    survey = seen.after
    if survey is None or seen.view.config is None:
        for name, thresholds in (
            ("silent_nodes", Thresholds(warning_from=1)),
            ("lease_age_seconds", age),
            ("replica_lag_seconds", lag),
        ):
            yield unknown(name, thresholds, "nodes have not been asked yet", _ASK_AGAIN)
        return
    silent = sorted(survey.silent & seen.view.nodes.keys())
    yield judged(
        "silent_nodes",
        len(silent),
        Thresholds(warning_from=1),
        says=f"{', '.join(silent)} does not tell its metrics",
        fine="every node tells its metrics",
        advice="let the coordinators reach each node's --metrics-listen",
    )
    oldest = max(((it.lease_age_seconds, node) for node, it in survey.nodes.items()), default=None)
    lease_age, node = (0.0, "nobody") if oldest is None else oldest
    yield judged(
        "lease_age_seconds",
        lease_age,
        age,
        says=f"{node} renewed its lease of {ttl:g} s last {lease_age:.1f} s ago",
        fine=f"the oldest lease, {node}'s, was renewed {lease_age:.1f} s ago",
        advice="look at that node's processor time, and at etcd's latency",
    )
    furthest = max(
        ((it.replica_lag_seconds, node) for node, it in survey.nodes.items()), default=None
    )
    lag_seconds, node = (0.0, "nobody") if furthest is None else furthest
    yield judged(
        "replica_lag_seconds",
        lag_seconds,
        lag,
        says=f"a copy in sync is {lag_seconds:.1f} s behind its primary on {node}",
        fine=f"no copy in sync is more than {lag_seconds:.1f} s behind",
        advice="look at the network between the nodes, and at the followers' processor time",
    )

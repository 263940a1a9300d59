"""A rebalance as the admin service tells of it -> what commands print. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from shoal.cli.waiting import Sight

if TYPE_CHECKING:
    from shoal.v1 import admin_pb2, registry_pb2

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_NANOSECONDS_A_MILLISECOND = 1_000_000
_USUAL = {
    "moves_max": 8,
    "moves_per_node_max": 8,
    "moves_per_zone_pair_max": 8,
    "repairs_max": 64,
}
"""What a limit of 0 means."""


def minute_of_day(text: str) -> int | None:
    found = _TIME.fullmatch(text)
    return None if found is None else int(found[1]) * 60 + int(found[2])


def minute_text(minute: int) -> str:
    return f"{minute // 60 % 24:02d}:{minute % 60:02d}"


def policy_fields(policy: registry_pb2.RebalancePolicy, snapshot_rate: int) -> dict[str, Any]:
    from shoal.v1 import registry_pb2

    mode = registry_pb2.RebalanceMode.Name(policy.mode).removeprefix("REBALANCE_MODE_").lower()
    first, minutes = policy.window_from_minute, policy.window_minutes
    window = f"{minute_text(first)}-{minute_text(first + minutes)}" if minutes else "always"
    return {
        "mode": "running" if mode == "unspecified" else mode,
        **{name: getattr(policy, name) or usual for name, usual in _USUAL.items()},
        "window": window,
        "below_max": policy.below_max,
        "abort_on_lost_node": "on" if policy.abort_on_lost_node else "off",
        "snapshot_bytes_per_second": snapshot_rate,
    }


def status_fields(answer: admin_pb2.GetRebalanceResponse) -> dict[str, Any]:
    """What is not known is None."""
    from shoal.v1 import admin_pb2

    state = admin_pb2.RebalanceState.Name(answer.state).removeprefix("REBALANCE_STATE_").lower()
    return {
        "state": "unknown" if state == "unspecified" else state,
        "why": answer.why,
        "copies_left": answer.copies_left,
        "repairs_left": answer.repairs_left,
        "hand_overs_left": answer.hand_overs_left,
        "bytes_left": answer.bytes_left if answer.HasField("bytes_left") else None,
        "bytes_per_second": answer.bytes_per_second
        if answer.HasField("bytes_per_second")
        else None,
        "eta_seconds": answer.eta_seconds if answer.HasField("eta_seconds") else None,
        "flights": [
            {
                "partition": it.partition,
                "source": it.source,
                "targets": [*it.targets],
                "is_repair": it.is_repair,
                "seconds": it.age_ms / 1000,
            }
            for it in answer.flights
        ],
        "policy": policy_fields(answer.policy, answer.snapshot_bytes_per_second),
    }


def sight(fields: Mapping[str, Any]) -> Sight:
    """Of what ``status_fields`` returned: over once everything is where it is wanted."""
    copies, hand_overs = fields["copies_left"], fields["hand_overs_left"]
    is_over = fields["state"] == "idle" and not (copies or hand_overs)
    why = f", {fields['why']}" if fields["why"] else ""
    sentence = (
        "everything is where it is wanted"
        if is_over
        else f"{fields['state']}{why}: {copies} copies and {hand_overs} hand-overs left"
    )
    return Sight(sentence, copies + hand_overs, is_over)


def status_lines(fields: Mapping[str, Any]) -> Iterator[str]:
    why = f": {fields['why']}" if fields["why"] else ""
    yield f"{fields['state']}{why}"
    left = fields["copies_left"], fields["hand_overs_left"]
    if not any(left):
        return
    repairs = f", {fields['repairs_left']} of them lacking" if fields["repairs_left"] else ""
    yield f"left: {left[0]} copies{repairs}, {left[1]} partitions to be handed over"
    size, rate, eta = (fields[name] for name in ("bytes_left", "bytes_per_second", "eta_seconds"))
    yield (
        f"{'unknown' if size is None else size} bytes left, at "
        f"{'unknown' if rate is None else round(rate)} bytes a second: "
        f"{'for an unknown time' if eta is None else f'for about {eta:.0f} s'}"
    )


def report_fields(report: registry_pb2.RebalanceReport) -> dict[str, Any]:
    from shoal.v1 import registry_pb2

    began, ended = report.began_unix_ms / 1000, report.ended_unix_ms / 1000
    outcome = registry_pb2.RebalanceOutcome.Name(report.outcome)
    worst = report.worst_p99
    return {
        "number": report.number,
        "began": _instant(began),
        "ended": _instant(ended) if ended else None,
        "seconds": round(ended - began, 3) if ended else None,
        "outcome": outcome.removeprefix("REBALANCE_OUTCOME_").lower(),
        "copies": report.copies,
        "repairs": report.repairs,
        "hand_overs": report.hand_overs,
        "snapshot_bytes": report.snapshot_bytes,
        "worst_p99": {
            "node": worst.node,
            "method": worst.method,
            "at_most_ms": worst.at_most_ns / _NANOSECONDS_A_MILLISECOND,
        }
        if report.HasField("worst_p99")
        else None,
        "leaders": report.leaders,
        "nodes": [
            {
                "node": it.node,
                "copies_received": it.copies_received,
                "hand_overs_received": it.hand_overs_received,
                "hand_overs_given": it.hand_overs_given,
                "snapshot_bytes_sent": it.snapshot_bytes_sent,
            }
            for it in report.nodes
        ],
        "moves": [
            {
                "partition": it.partition,
                "kind": registry_pb2.MoveKind.Name(it.kind).removeprefix("MOVE_KIND_").lower(),
                "source": it.source,
                "target": it.target,
                "took_ms": it.took_ms,
            }
            for it in report.moves
        ],
    }


def _instant(unix_seconds: float) -> str:
    return datetime.fromtimestamp(unix_seconds, UTC).isoformat(" ", "seconds")

"""Waiting for a node to have nothing any more, and telling how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from shoal.cli.coordinator import TIMEOUT_SECONDS, administered
from shoal.cli.failure import CommandRefused
from shoal.cli.members import node_fields
from shoal.cli.progress import Tell
from shoal.cli.waiting import Sight, wait_until_over


def wait_until_drained(coordinator: str, node: str, timeout_seconds: float, tell: Tell) -> None:
    """Return once the node has nothing. ``tell`` hears how far it is.

    Raises CommandRefused where somebody took the drain back, or the time is over.
    """
    seen = wait_until_over(partial(_look, coordinator, node, tell), timeout_seconds, tell)
    if seen is None or not seen.is_over:
        raise CommandRefused(
            f"{f'node {node} may have partitions' if seen is None else seen.sentence} "
            f"after {timeout_seconds:g} s; the drain goes on: "
            f"`shoal node drain {node} --wait` waits further, `shoal rebalance status` tells "
            "what holds it up"
        )


def sight(told: Mapping[str, Any]) -> Sight:
    """Of a node, which is empty when nothing is on it, and nothing is wanted there."""
    left = max(told["in_sync_partitions"], told["wanted_partitions"], told["primary_partitions"])
    sentence = (
        f"node {told['id']} still has {left} partitions, {told['primary_partitions']} of them "
        "as their primary"
        if left
        else f"node {told['id']} has nothing any more"
    )
    return Sight(sentence, left, is_over=left == 0)


def _look(coordinator: str, node: str, tell: Tell) -> Sight:
    from shoal.v1 import admin_pb2

    with administered(coordinator) as admin:
        request = admin_pb2.GetClusterStatusRequest()
        status = admin.GetClusterStatus(request, timeout=TIMEOUT_SECONDS)
    told = next((node_fields(it) for it in status.nodes if it.member.id == node), None)
    if told is None:
        raise CommandRefused(f"no node {node} is known any more")
    seen = sight(told)
    if told["state"] not in {"draining", "left"}:
        tell(seen.sentence, 0.0)
        raise CommandRefused(f"node {node} is {told['state']}: its drain was taken back")
    return seen

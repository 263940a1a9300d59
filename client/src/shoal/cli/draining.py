"""Waiting for a node to have nothing any more, and telling how far it is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click

from shoal.cli.coordinator import TIMEOUT_SECONDS, administered
from shoal.cli.failure import ClusterUnreachable, CommandRefused
from shoal.cli.members import node_fields

_LOOK_SECONDS = 0.5
_SILENCE_SECONDS_MAX = 30.0
"""For so long no coordinator needs to answer: another is elected meanwhile."""


def wait_until_drained(coordinator: str, node: str, timeout_seconds: float) -> None:
    """Return once the node has nothing. Progress goes to stderr, one line for each change.

    Raises CommandRefused where somebody took the drain back, or the time is over.
    """
    deadline = time.monotonic() + timeout_seconds
    heard = time.monotonic()
    said = ""
    while True:
        try:
            told = _told(coordinator, node)
            heard = time.monotonic()
        except ClusterUnreachable:
            if time.monotonic() - heard > _SILENCE_SECONDS_MAX:
                raise
            told = None
        if told is not None:
            sentence = progress(told)
            if sentence != said:
                said = sentence
                click.echo(sentence, err=True)
            if told["state"] not in {"draining", "left"}:
                raise CommandRefused(f"node {node} is {told['state']}: its drain was taken back")
            if is_empty(told):
                return
        if time.monotonic() > deadline:
            raise CommandRefused(
                f"node {node} still has partitions after {timeout_seconds:g} s; the drain goes on: "
                f"`shoal node drain {node} --wait` waits further, `shoal rebalance status` tells "
                "what holds it up"
            )
        time.sleep(_LOOK_SECONDS)


def is_empty(told: Mapping[str, Any]) -> bool:
    """Whether nothing is on the node, and nothing is wanted there."""
    return not (
        told["primary_partitions"] or told["in_sync_partitions"] or told["wanted_partitions"]
    )


def progress(told: Mapping[str, Any]) -> str:
    if is_empty(told):
        return f"node {told['id']} has nothing any more"
    left = max(told["in_sync_partitions"], told["wanted_partitions"])
    return (
        f"node {told['id']} still has {left} partitions, {told['primary_partitions']} of them "
        "as their primary"
    )


def _told(coordinator: str, node: str) -> Mapping[str, Any]:
    from shoal.v1 import admin_pb2

    with administered(coordinator) as admin:
        request = admin_pb2.GetClusterStatusRequest()
        status = admin.GetClusterStatus(request, timeout=TIMEOUT_SECONDS)
    for it in status.nodes:
        if it.member.id == node:
            return node_fields(it)
    raise CommandRefused(f"no node {node} is known any more")

"""``shoal ring``: who holds how many partitions, and why a key is where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from shoal.cli.coordinator import TIMEOUT_SECONDS, administered, coordinator_option
from shoal.cli.introspection import print_rows
from shoal.cli.members import state_text
from shoal.cli.output import (
    JSON,
    bytes_fields,
    bytes_of_argument,
    output_option,
    print_json,
)

if TYPE_CHECKING:
    from shoal.v1 import admin_pb2


@click.group(
    invoke_without_command=True,
    short_help="Show who holds how many partitions, and where a key is.",
)
@click.option(
    "-c",
    "--coordinator",
    envvar="SHOAL_COORDINATOR",
    metavar="HOST:PORT",
    show_envvar=True,
    help="Any coordinator of the cluster.",
)
@output_option
@click.pass_context
def ring(ctx: click.Context, coordinator: str | None, output: str) -> None:
    """Show who holds how many partitions, beside what its weight says."""
    if ctx.invoked_subcommand is not None:
        return
    if coordinator is None:
        raise click.UsageError("Missing option '-c' / '--coordinator' (env SHOAL_COORDINATOR).")
    from shoal.v1 import admin_pb2

    with administered(coordinator) as admin:
        request = admin_pb2.GetClusterStatusRequest()
        status = admin.GetClusterStatus(request, timeout=TIMEOUT_SECONDS)
    summary = _summary(status)
    if output == JSON:
        print_json(summary)
        return
    print_rows(
        ("node", "zone", "state", "weight", "primary", "wanted", "fair", "replica", "in sync"),
        ([*node.values()] for node in summary["nodes"]),
        texts=3,
    )
    click.echo(
        f"{summary['misplaced_partitions']} of {summary['partition_count']} partitions are not "
        f"where they are wanted, {summary['under_replicated_partitions']} lack a copy in sync"
    )


def _summary(status: admin_pb2.GetClusterStatusResponse) -> dict[str, Any]:
    from shoal.v1 import registry_pb2

    count = status.config.partition_count
    active = [
        node.member.weight
        for node in status.nodes
        if node.member.state == registry_pb2.MEMBER_STATE_ACTIVE
    ]
    return {
        "cluster": status.cluster,
        "revision": status.revision,
        "partition_count": count,
        "replica_count": status.config.replica_count,
        "misplaced_partitions": status.misplaced_partitions,
        "under_replicated_partitions": status.under_replicated_partitions,
        "nodes": [
            {
                "id": node.member.id,
                "zone": node.member.zone,
                "state": _state(node),
                "weight": node.member.weight,
                "primary_partitions": node.primary_partitions,
                "wanted_primary_partitions": node.wanted_primary_partitions,
                "fair_primary_partitions": round(
                    count * node.member.weight / max(sum(active), 1)
                    if node.member.state == registry_pb2.MEMBER_STATE_ACTIVE
                    else 0.0,
                    1,
                ),
                "replica_partitions": node.replica_partitions,
                "in_sync_partitions": node.in_sync_partitions,
            }
            for node in status.nodes
        ],
    }


def _state(node: admin_pb2.NodeStatus) -> str:
    if not node.HasField("registration"):
        return "down"
    return state_text(node.member)


@ring.command(short_help="Show where a key belongs, who has it, and why.")
@click.argument("key")
@coordinator_option
@output_option
def explain(key: str, coordinator: str, output: str) -> None:
    """Show where KEY belongs and who has it, and why these differ if they do.

    From its slot to its partition, the tokens that the ring's walk meets from there, the
    order in which nodes are wanted, and the node that serves it.
    """
    from shoal._core.slots import slot_of
    from shoal.v1 import admin_pb2

    raw = bytes_of_argument(key)
    request = admin_pb2.ExplainRingRequest(slot=slot_of(raw))
    with administered(coordinator) as admin:
        answer = admin.ExplainRing(request, timeout=TIMEOUT_SECONDS)
    told = {**bytes_fields("key", raw), **_explanation(answer)}
    if output == JSON:
        print_json(told)
        return
    tokens = ", ".join(f"{it['node']} at {it['point']}" for it in told.pop("tokens"))
    why = told.pop("why")
    for name, value in {**told, "tokens": tokens}.items():
        text = ", ".join(value) if isinstance(value, list) else value
        click.echo(f"{name:<10}  {text}")
    for sentence in why:
        click.echo(f"{'why':<10}  {sentence}")


def _explanation(answer: admin_pb2.ExplainRingResponse) -> dict[str, Any]:
    """Points are hexadecimal: JSON's numbers do not hold 64 bits everywhere."""
    record = answer.record
    return {
        "slot": answer.slot,
        "partition": answer.partition,
        "point": f"{answer.point:016x}",
        "tokens": [{"node": it.node, "point": f"{it.point:016x}"} for it in answer.tokens],
        "preference": [*record.preference],
        "replicas": [*record.replicas],
        "primary": record.primary.node,
        "epoch": record.epoch,
        "in_sync": [copy.node for copy in record.in_sync],
        "handoff_to": record.handoff_to,
        "why": [*answer.why],
    }

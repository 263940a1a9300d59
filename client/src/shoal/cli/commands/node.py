"""``shoal node``: which nodes there are, and what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from shoal.cli.coordinator import TIMEOUT_SECONDS, administered, coordinator_option
from shoal.cli.draining import wait_until_drained
from shoal.cli.introspection import print_rows
from shoal.cli.members import member_fields, node_fields
from shoal.cli.output import JSON, TABLE, output_option, print_json
from shoal.cli.progress import say_on_stderr, telling
from shoal.cli.waiting import patience_option

if TYPE_CHECKING:
    from shoal.v1 import registry_pb2

OWN_WEIGHT = "own"
_WEIGHT_MAX = 100_000

HELP = """Show the cluster's nodes, and let them in, drain, remove and weigh them.

Each can be asked for again: what stands already is no error. The exit code is 1 where the
cluster refuses, with a sentence that says why: a change that would leave partitions with
fewer copies than they want is never made unless it is forced.
"""


@click.group(help=HELP, short_help="Show nodes; let them in, drain, remove and weigh them.")
def node() -> None:
    pass


@node.command("list", short_help="Show the nodes and what they have.")
@coordinator_option
@output_option
def list_(coordinator: str, output: str) -> None:
    """Show the nodes and what they have.

    The state is joining (waits for `shoal node add`), active, draining or left. A node that
    is not up counts as the cluster last saw it.
    """
    from shoal.v1 import admin_pb2

    with administered(coordinator) as admin:
        request = admin_pb2.GetClusterStatusRequest()
        status = admin.GetClusterStatus(request, timeout=TIMEOUT_SECONDS)
    nodes = [node_fields(it) for it in status.nodes]
    if output == JSON:
        print_json({"cluster": status.cluster, "revision": status.revision, "nodes": nodes})
        return
    print_rows(
        ("node", "state", "up", "zone", "address", "weight", "primary", "in sync", "wanted"),
        (
            (
                it["id"],
                it["state"],
                "yes" if it["is_up"] else "no",
                it["zone"],
                it["address"],
                f"{it['weight']}{' (set)' if it['weight_is_set'] else ''}",
                it["primary_partitions"],
                it["in_sync_partitions"],
                it["wanted_partitions"],
            )
            for it in nodes
        ),
        texts=5,
    )


@node.command(short_help="Let a node take its share that waits, or had left.")
@click.argument("node_id", metavar="NODE")
@coordinator_option
@output_option
def add(node_id: str, coordinator: str, output: str) -> None:
    """Let NODE take its share: one that waits to be added, or that had left.

    Start it before. Where nodes join by themselves (`shoal config set auto-join on`, which
    is how clusters begin) a new one needs no command.
    """
    from shoal.v1 import admin_pb2

    with administered(coordinator) as admin:
        answer = admin.AddNode(admin_pb2.AddNodeRequest(node=node_id), timeout=TIMEOUT_SECONDS)
    _print(answer.member, output, changed=answer.changed)


@node.command(short_help="Have a node give away what it has.")
@click.argument("node_id", metavar="NODE")
@click.option("--wait", is_flag=True, help="Show how far it is, until it has nothing.")
@patience_option
@click.option("--cancel", is_flag=True, help="Take it back: the node takes its share again.")
@coordinator_option
@output_option
def drain(
    node_id: str,
    wait: bool,  # noqa: FBT001
    timeout_seconds: float,
    cancel: bool,  # noqa: FBT001
    coordinator: str,
    output: str,
) -> None:
    """Have NODE give away what it has, a few partitions at a time, while it serves on.

    The drain goes on whoever waits for it: ask again with --wait to see how far it is. Once
    the node has nothing, stop it, and `shoal node remove` it. To replace a node, start the
    new one first, then drain the old one.
    """
    from shoal.v1 import admin_pb2

    if wait and cancel:
        raise click.UsageError("take one of --wait and --cancel")
    with administered(coordinator) as admin:
        request = admin_pb2.DrainNodeRequest(node=node_id, cancel=cancel)
        answer = admin.DrainNode(request, timeout=TIMEOUT_SECONDS)
    if wait:
        with telling(say_on_stderr, may_draw=output == TABLE) as tell:
            wait_until_drained(coordinator, node_id, timeout_seconds, tell)
    _print(answer.member, output, changed=answer.changed)


@node.command(short_help="Have a node count as gone for good.")
@click.argument("node_id", metavar="NODE")
@click.option(
    "--force",
    is_flag=True,
    help="Also where it is up and has copies, where too few others are left, and where the "
    "only copies of partitions are given up with it.",
)
@coordinator_option
@output_option
def remove(node_id: str, force: bool, coordinator: str, output: str) -> None:  # noqa: FBT001
    """Have NODE count as gone for good: nobody waits for what it had.

    It is given nothing, also if it comes back, until `shoal node add`.
    """
    from shoal.v1 import admin_pb2

    with administered(coordinator) as admin:
        request = admin_pb2.RemoveNodeRequest(node=node_id, force=force)
        answer = admin.RemoveNode(request, timeout=TIMEOUT_SECONDS)
    _print(answer.member, output, changed=answer.changed)


@node.command(short_help="Change a node's share.")
@click.argument("node_id", metavar="NODE")
@click.argument("weight")
@coordinator_option
@output_option
def weight(node_id: str, weight: str, coordinator: str, output: str) -> None:
    """Give NODE a share in proportion to WEIGHT, from 0 to 100000; 100 is usual.

    0 makes a proxy of it, which owns nothing. `own` has it follow the node's own --weight
    again.
    """
    from shoal.v1 import admin_pb2

    request = admin_pb2.SetNodeWeightRequest(node=node_id, weight=_weight(weight))
    with administered(coordinator) as admin:
        answer = admin.SetNodeWeight(request, timeout=TIMEOUT_SECONDS)
    _print(answer.member, output, changed=answer.changed)


def _weight(text: str) -> int | None:
    if text == OWN_WEIGHT:
        return None
    if not (text.isascii() and text.isdigit() and int(text) <= _WEIGHT_MAX):
        raise click.BadParameter(
            f"{text!r} is not a weight: take 0 to {_WEIGHT_MAX}, or {OWN_WEIGHT}",
            param_hint="'WEIGHT'",
        )
    return int(text)


def _print(member: registry_pb2.Member, output: str, *, changed: bool) -> None:
    fields: dict[str, Any] = {**member_fields(member), "changed": changed}
    if output == JSON:
        print_json(fields)
        return
    already = "" if changed else ", as it was"
    set_by = ", set by an operator" if fields["weight_is_set"] else ""
    click.echo(
        f"node {member.id} is {fields['state']} with weight {member.weight}{set_by}{already}"
    )

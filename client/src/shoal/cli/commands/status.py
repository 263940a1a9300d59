"""``shoal status``: the cluster as one of its nodes tells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from shoal.cli.connection import connected, url_option
from shoal.cli.exit_codes import ExitCode
from shoal.cli.output import JSON, output_option, print_json
from shoal.cli.ownership import Ownership

if TYPE_CHECKING:
    from shoal import Topology

RANGES_SHOWN_MAX = 8


@click.command(short_help="Show nodes, partitions, and what is not served.")
@url_option
@output_option
@click.pass_context
def status(ctx: click.Context, url: str, output: str) -> None:
    """Show the live nodes, what each of them serves, and what nobody does.

    The exit code is 1 when a partition is not served.
    """
    with connected(url) as client:
        topology = client.topology()
    ownership = Ownership.of(topology)
    if output == JSON:
        print_json(as_json(topology, ownership))
    else:
        _print_table(topology, ownership)
    ctx.exit(ExitCode.NOT_THERE if ownership.unserved else ExitCode.DONE)


def as_json(topology: Topology, ownership: Ownership) -> dict[str, Any]:
    return {
        "cluster": topology.cluster,
        "revision": topology.revision,
        "nodes": [
            {
                "id": node.id,
                "address": node.address,
                "zone": node.zone,
                "weight": node.weight,
                "primary_partitions": ownership.primaries_of(node.id),
                "replica_partitions": ownership.replicas_of(node.id),
            }
            for node in sorted(topology.nodes.values(), key=lambda node: node.id)
        ],
        "partition_count": ownership.partition_count,
        "unserved_partitions": list(ownership.unserved),
    }


def ranges_text(partitions: Sequence[int]) -> str:
    """``0-3, 7, 9-12``; ascending numbers in, cut after so many ranges."""
    ranges: list[list[int]] = []
    for partition in partitions:
        if ranges and ranges[-1][1] == partition - 1:
            ranges[-1][1] = partition
        else:
            ranges.append([partition, partition])
    shown = [
        str(first) if first == last else f"{first}-{last}"
        for first, last in ranges[:RANGES_SHOWN_MAX]
    ]
    return ", ".join([*shown, *(["..."] if len(ranges) > RANGES_SHOWN_MAX else [])])


def _print_table(topology: Topology, ownership: Ownership) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("node", "zone", "address"):
        table.add_column(heading, no_wrap=True)
    for heading in ("weight", "primary", "replica"):
        table.add_column(heading, justify="right")
    for node in sorted(topology.nodes.values(), key=lambda node: node.id):
        table.add_row(
            node.id,
            node.zone,
            node.address,
            str(node.weight),
            str(ownership.primaries_of(node.id)),
            str(ownership.replicas_of(node.id)),
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(f"cluster {topology.cluster} at revision {topology.revision}", markup=False)
    count, unserved = ownership.partition_count, ownership.unserved
    if unserved:
        sentence = f"{len(unserved)} of {count} partitions are not served: {ranges_text(unserved)}"
        console.print(sentence, style="red", markup=False)
    else:
        console.print(f"all {count} partitions are served", markup=False)

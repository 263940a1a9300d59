"""``shoal config``: what a cluster was created with, and what can be changed since."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shoal.cli.coordinator import TIMEOUT_SECONDS, administered, coordinator_option
from shoal.cli.output import JSON, TABLE, output_option, print_json

if TYPE_CHECKING:
    from shoal.v1 import registry_pb2

POLICIES = ("s3fifo", "lru", "lfu", "none")
_PREFIX = "EVICTION_POLICY_"


@click.group(short_help="Show or change the cluster's configuration.")
def config() -> None:
    """Show or change the cluster's configuration."""


@config.command(short_help="Show the configuration that stands.")
@coordinator_option
@output_option(TABLE)
def get(coordinator: str, output: str) -> None:
    """Show the configuration that stands."""
    from shoal.v1 import admin_pb2

    with administered(coordinator) as admin:
        # Nothing is asked for, so nothing changes.
        answer = admin.UpdateConfig(admin_pb2.UpdateConfigRequest(), timeout=TIMEOUT_SECONDS)
    _print(answer.config, output)


@config.command("set", short_help="Change it while the cluster runs.")
@click.argument("name", type=click.Choice(["eviction"]))
@click.argument("value", type=click.Choice(POLICIES))
@coordinator_option
@output_option(TABLE)
def set_(name: str, value: str, coordinator: str, output: str) -> None:  # noqa: ARG001
    """Change NAME to VALUE while the cluster runs. Every node follows within moments.

    eviction: which entry is given up when a node's memory is full.
    """
    from shoal.v1 import admin_pb2, registry_pb2

    wanted = registry_pb2.EvictionPolicy.Value(_PREFIX + value.upper())
    request = admin_pb2.UpdateConfigRequest(eviction=wanted)
    with administered(coordinator) as admin:
        answer = admin.UpdateConfig(request, timeout=TIMEOUT_SECONDS)
    _print(answer.config, output)


def _print(config: registry_pb2.ClusterConfig, output: str) -> None:
    from shoal.v1 import registry_pb2

    policy = registry_pb2.EvictionPolicy.Name(config.eviction)
    fields: dict[str, str | int] = {
        "eviction": policy.removeprefix(_PREFIX).lower(),
        "partition_count": config.partition_count,
        "replica_count": config.replica_count,
        "lease_ttl_seconds": config.lease_ttl_seconds,
        "bootstrap_nodes": config.bootstrap_nodes,
        "cluster_id": config.cluster_id,
    }
    if output == JSON:
        print_json(fields)
        return
    width = max(map(len, fields))
    for name, value in fields.items():
        click.echo(f"{name:<{width}}  {value}")

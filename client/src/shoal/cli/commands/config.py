"""``shoal config``: what a cluster was created with, and what can be changed since."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shoal.cli.coordinator import TIMEOUT_SECONDS, administered, coordinator_option
from shoal.cli.output import JSON, output_option, print_json
from shoal.cli.sizes import size_bytes

if TYPE_CHECKING:
    from shoal.v1 import admin_pb2, registry_pb2

CHOICES = {
    "eviction": ("s3fifo", "lru", "lfu", "none"),
    "unclean": ("clear", "keep", "refuse"),
    "auto-join": ("on", "off"),
}
_EVICTION_PREFIX = "EVICTION_POLICY_"
_UNCLEAN_PREFIX = "UNCLEAN_POLICY_"


@click.group(short_help="Show or change the cluster's configuration.")
def config() -> None:
    """Show or change the cluster's configuration."""


@config.command(short_help="Show the configuration that stands.")
@coordinator_option
@output_option
def get(coordinator: str, output: str) -> None:
    """Show the configuration that stands."""
    from shoal.v1 import admin_pb2

    with administered(coordinator) as admin:
        # Nothing is asked for, so nothing changes.
        answer = admin.UpdateConfig(admin_pb2.UpdateConfigRequest(), timeout=TIMEOUT_SECONDS)
    _print(answer.config, output)


@config.command("set", short_help="Change it while the cluster runs.")
@click.argument("name", type=click.Choice([*CHOICES, "snapshot-rate"]))
@click.argument("value")
@coordinator_option
@output_option
def set_(name: str, value: str, coordinator: str, output: str) -> None:
    """Change NAME to VALUE while the cluster runs. Every node follows within moments.

    eviction (s3fifo, lru, lfu, none): which entry is given up when a node's memory is full.

    unclean (clear, keep, refuse): whether a partition whose copies in sync are all lost
    begins empty, goes on from a stale copy, so that deletes may come undone, or waits.
    One that waits goes on as soon as it is told how.

    auto-join (on, off): whether a new node takes its share at once, or waits for
    `shoal node add`. Turned on, it lets in those that wait.

    snapshot-rate: how many bytes a second each node sends, and takes, for copies that
    begin anew, such as 64MiB; none: no bound.
    """
    request = _snapshot_rate(value) if name == "snapshot-rate" else _choice(name, value)
    with administered(coordinator) as admin:
        answer = admin.UpdateConfig(request, timeout=TIMEOUT_SECONDS)
    _print(answer.config, output)


def _choice(name: str, value: str) -> admin_pb2.UpdateConfigRequest:
    from shoal.v1 import admin_pb2, registry_pb2

    if value not in CHOICES[name]:
        known = ", ".join(CHOICES[name])
        raise click.BadParameter(f"{value!r} is not one of {known}.", param_hint="'VALUE'")
    if name == "auto-join":
        return admin_pb2.UpdateConfigRequest(auto_join=value == "on")
    if name == "eviction":
        eviction = registry_pb2.EvictionPolicy.Value(_EVICTION_PREFIX + value.upper())
        return admin_pb2.UpdateConfigRequest(eviction=eviction)
    unclean = registry_pb2.UncleanPolicy.Value(_UNCLEAN_PREFIX + value.upper())
    return admin_pb2.UpdateConfigRequest(unclean=unclean)


def _snapshot_rate(value: str) -> admin_pb2.UpdateConfigRequest:
    from shoal.v1 import admin_pb2

    rate = 0 if value == "none" else size_bytes(value)
    if rate == 0 and value != "none":
        raise click.BadParameter("nothing would ever be sent: take none for no bound")
    return admin_pb2.UpdateConfigRequest(snapshot_bytes_per_second=rate)


def _print(config: registry_pb2.ClusterConfig, output: str) -> None:
    from shoal.v1 import registry_pb2

    eviction = registry_pb2.EvictionPolicy.Name(config.eviction)
    unclean = registry_pb2.UncleanPolicy.Name(config.unclean)
    fields: dict[str, str | int] = {
        "eviction": eviction.removeprefix(_EVICTION_PREFIX).lower(),
        "unclean": unclean.removeprefix(_UNCLEAN_PREFIX).lower(),
        "auto_join": "off" if config.HasField("auto_join") and not config.auto_join else "on",
        "snapshot_bytes_per_second": config.snapshot_bytes_per_second,
        "partition_count": config.partition_count,
        "replica_count": config.replica_count,
        "lease_ttl_seconds": config.lease_ttl_seconds,
        "bootstrap_nodes": config.bootstrap_nodes,
        "cluster_id": config.cluster_id,
        "protocol": config.protocol or 1,
    }
    if output == JSON:
        print_json(fields)
        return
    width = max(map(len, fields))
    for name, value in fields.items():
        click.echo(f"{name:<{width}}  {value}")

"""``shoal-coordinator``: the command line of a coordinator.

Exits with 0 after a clean stop, 1 when the coordinator cannot go on, 2 on a bad setting;
each with one sentence on stderr. The first SIGTERM or SIGINT stops cleanly and gives
the leadership back, a second one ends the process at once.
"""

from __future__ import annotations

import asyncio
import sys
import uuid
from pathlib import Path
from typing import Any

import click

from shoal_coordinator.access.running import access_option
from shoal_coordinator.coordinator import run_coordinator
from shoal_coordinator.errors import CoordinatorError
from shoal_coordinator.logs import log_as_json
from shoal_coordinator.planning.settings import PlanSettings
from shoal_coordinator.process.addresses import parse_host_port
from shoal_coordinator.process.configuration import CONTEXT_SETTINGS, config_option
from shoal_coordinator.process.errors import BadSettings
from shoal_coordinator.process.fitting import cluster_id_option
from shoal_coordinator.process.stopping import stop_on_signals
from shoal_coordinator.process.tls_settings import tls_options, tls_settings
from shoal_coordinator.registry.records import Eviction, Unclean
from shoal_coordinator.settings import CoordinatorSettings


@click.command(context_settings=CONTEXT_SETTINGS)
@config_option("coordinator")
@click.option("--etcd", required=True, metavar="URL[,URL]", help="Where etcd listens.")
@click.option("--listen", required=True, metavar="HOST:PORT", help="Serve the admin API here.")
@click.option(
    "--advertise",
    metavar="HOST:PORT",
    help="Where others reach this coordinator, if not at --listen.",
)
@click.option("--cluster", default="default", help="The cluster to coordinate.")
@cluster_id_option
@click.option("--id", "coordinator_id", help="A name for logs; random if left out.")
@click.option(
    "--partitions",
    type=int,
    default=256,
    help="A power of two up to 16384, fixed when the cluster is created.",
)
@click.option(
    "--replicas",
    type=int,
    default=1,
    help="Copies besides the primary, fixed when the cluster is created.",
)
@click.option(
    "--bootstrap-nodes",
    type=int,
    default=1,
    help="Place partitions the first time once so many nodes are there.",
)
@click.option(
    "--lease-ttl",
    type=int,
    default=3,
    help="Seconds until a silent node or coordinator counts as gone; fixed as above.",
)
@click.option(
    "--eviction",
    type=click.Choice([policy.value for policy in Eviction]),
    default=Eviction.S3FIFO.value,
    help="Who goes when memory is full, to begin with; `shoal config` changes it.",
)
@click.option(
    "--min-in-sync",
    type=int,
    default=1,
    metavar="COPIES",
    help="Refuse IN_SYNC writes while fewer copies are in sync, the primary's counted.",
)
@click.option(
    "--unclean",
    type=click.Choice([policy.value for policy in Unclean]),
    default=Unclean.CLEAR.value,
    help="A partition without a copy in sync: start empty, keep a stale copy, or wait; "
    "`shoal config` changes it.",
)
@click.option(
    "--auto-join",
    type=click.Choice(["on", "off"]),
    default="on",
    help="Whether a new node takes its share at once, or waits for `shoal node add`; "
    "`shoal config` changes it.",
)
@click.option(
    "--down-grace",
    type=float,
    default=PlanSettings().down_grace_seconds,
    help="Seconds for which a node that is down keeps its place on the ring.",
)
@click.option(
    "--metrics-listen", metavar="HOST:PORT", help="Serve Prometheus metrics here; 0: a free port."
)
@tls_options
@access_option
@click.option(
    "--insecure",
    is_flag=True,
    help="Allow to listen beyond loopback without TLS, or without --access and certificates.",
)
@click.version_option(package_name="shoal-coordinator", prog_name="shoal-coordinator")
def main(
    etcd: str,
    listen: str,
    advertise: str | None,
    cluster: str,
    cluster_id: str | None,
    coordinator_id: str | None,
    partitions: int,
    replicas: int,
    bootstrap_nodes: int,
    lease_ttl: int,
    eviction: str,
    min_in_sync: int,
    unclean: str,
    auto_join: str,
    down_grace: float,
    metrics_listen: str | None,
    access: Path | None,
    insecure: bool,  # noqa: FBT001
    **tls: Any,
) -> None:
    """Run one coordinator of a Shoal cluster. Of several, one leads."""
    name = coordinator_id or f"coordinator-{uuid.uuid4().hex[:8]}"
    log_as_json(name)
    try:
        settings = CoordinatorSettings(
            etcd=etcd,
            listen=parse_host_port(listen),
            advertise=None if advertise is None else parse_host_port(advertise),
            metrics_listen=None if metrics_listen is None else parse_host_port(metrics_listen),
            cluster=cluster,
            cluster_id=cluster_id,
            id=name,
            partitions=partitions,
            replicas=replicas,
            bootstrap_nodes=bootstrap_nodes,
            lease_ttl_seconds=lease_ttl,
            is_insecure=insecure,
            eviction=Eviction(eviction),
            min_in_sync=min_in_sync,
            unclean=Unclean(unclean),
            auto_join=auto_join == "on",
            plan=_plan(down_grace),
            tls=tls_settings(**tls),
            access=access,
        )
        asyncio.run(_run(settings))
    except (BadSettings, CoordinatorError) as error:
        click.echo(f"shoal-coordinator: {error}", err=True)
        sys.exit(error.exit_status)


def _plan(down_grace: float) -> PlanSettings:
    try:
        return PlanSettings(down_grace_seconds=down_grace)
    except ValueError as error:
        raise BadSettings(f"--down-grace {down_grace:g} is not usable: {error}") from error


async def _run(settings: CoordinatorSettings) -> None:
    await run_coordinator(settings, stop_on_signals())


if __name__ == "__main__":
    main()

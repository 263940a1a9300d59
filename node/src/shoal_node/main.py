"""``shoal-node``: the command line of a cache node.

Exits with 0 after a clean stop, 1 when the node cannot go on, 2 on a bad setting; each
with one sentence on stderr. The first SIGTERM or SIGINT stops cleanly, a second
one at once.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import click

from shoal_coordinator.access.running import access_option, peer_token_option
from shoal_coordinator.process.addresses import parse_host_port
from shoal_coordinator.process.configuration import CONTEXT_SETTINGS, config_option
from shoal_coordinator.process.errors import BadSettings
from shoal_coordinator.process.fitting import cluster_id_option
from shoal_coordinator.process.stopping import stop_on_signals
from shoal_coordinator.process.tls_settings import tls_options, tls_settings
from shoal_node.errors import NodeError
from shoal_node.logs import log_as_json
from shoal_node.memory_limit import memory_limit_bytes
from shoal_node.node_process import run_node
from shoal_node.settings import NodeSettings, parse_maxmemory


@click.command(context_settings=CONTEXT_SETTINGS)
@config_option("node")
@click.option("--etcd", required=True, metavar="URL[,URL]", help="Where etcd listens.")
@click.option("--listen", required=True, metavar="HOST:PORT", help="Serve clients here.")
@click.option(
    "--advertise",
    metavar="HOST:PORT",
    help="Where others reach this node, if not at --listen.",
)
@click.option("--cluster", default="default", help="The cluster to join.")
@cluster_id_option
@click.option("--id", "node_id", help="A stable name; host name and port if left out.")
@click.option("--zone", default="", help="What may fail together: copies are spread over zones.")
@click.option(
    "--weight",
    type=int,
    default=100,
    help="This node's share beside the others'. 0: it owns nothing and forwards.",
)
@click.option(
    "--maxmemory",
    default="1GiB",
    metavar="SIZE|PART%",
    help="What the process may take in all: a size, or a part of the memory that this machine "
    "or container has.",
)
@click.option(
    "--metrics-listen",
    default="127.0.0.1:0",
    metavar="HOST:PORT",
    help="Serve Prometheus metrics here; port 0 takes a free one.",
)
@click.option(
    "--threads", type=int, default=None, help="Of the data plane; one a core if left out."
)
@click.option(
    "--slow-request",
    type=int,
    default=10,
    metavar="MS",
    help="Requests that take so long are told in the slow log.",
)
@click.option(
    "--partition-metrics",
    type=int,
    default=256,
    metavar="COUNT",
    help="Serve metrics of each partition while the cluster has no more of them.",
)
@click.option(
    "--near-grant-ms",
    type=int,
    default=1000,
    metavar="MS",
    help="Clients may answer a hot key from their own memory for so long. 0: not at all.",
)
@click.option(
    "--stop-within",
    type=float,
    default=5.0,
    metavar="SECONDS",
    help="For how long a node that is told to stop hands over what it has, and waits for copies "
    "that are on their way.",
)
@tls_options
@access_option
@peer_token_option
@click.option(
    "--insecure",
    is_flag=True,
    help="Allow to listen beyond loopback without TLS, or without --access and certificates.",
)
@click.version_option(package_name="shoal-node", prog_name="shoal-node")
def main(
    etcd: str,
    listen: str,
    advertise: str | None,
    cluster: str,
    cluster_id: str | None,
    node_id: str | None,
    zone: str,
    weight: int,
    maxmemory: str,
    metrics_listen: str,
    threads: int | None,
    slow_request: int,
    partition_metrics: int,
    near_grant_ms: int,
    stop_within: float,
    access: Path | None,
    peer_token_file: Path | None,
    insecure: bool,  # noqa: FBT001
    **tls: Any,
) -> None:
    """Run one cache node of a Shoal cluster."""
    log_as_json()
    limit_bytes = memory_limit_bytes()
    try:
        settings = NodeSettings(
            etcd=etcd,
            listen=parse_host_port(listen),
            advertise=None if advertise is None else parse_host_port(advertise),
            metrics_listen=parse_host_port(metrics_listen),
            cluster=cluster,
            cluster_id=cluster_id,
            id=node_id,
            zone=zone,
            weight=weight,
            maxmemory_bytes=parse_maxmemory(maxmemory, limit_bytes),
            threads=len(os.sched_getaffinity(0)) if threads is None else threads,
            is_insecure=insecure,
            slow_request_ms=slow_request,
            partition_metrics_max=partition_metrics,
            memory_limit_bytes=limit_bytes,
            near_grant_ms=near_grant_ms,
            stop_seconds=stop_within,
            tls=tls_settings(**tls),
            access=access,
            peer_token=peer_token_file,
        )
        asyncio.run(_run(settings))
    except (BadSettings, NodeError) as error:
        click.echo(f"shoal-node: {error}", err=True)
        sys.exit(error.exit_status)


async def _run(settings: NodeSettings) -> None:
    await run_node(settings, stop_on_signals())


if __name__ == "__main__":
    main()

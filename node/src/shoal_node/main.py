"""``shoal-node``: the command line of a cache node.

Exits with 0 after a clean stop, 1 when the node cannot go on, 2 on a bad flag; each
with one sentence on stderr. The first SIGTERM or SIGINT stops cleanly, a second
one at once.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import click
import structlog

from shoal_node.errors import NodeError
from shoal_node.logs import log_as_json
from shoal_node.node_process import run_node
from shoal_node.settings import NodeSettings, parse_host_port, parse_size

_log = structlog.get_logger(__name__)
_SIGNALLED = 128


@click.command(context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
@click.option("--etcd", required=True, metavar="URL[,URL]", help="Where etcd listens.")
@click.option("--listen", required=True, metavar="HOST:PORT", help="Serve clients here.")
@click.option(
    "--advertise",
    metavar="HOST:PORT",
    help="Where others reach this node, if not at --listen.",
)
@click.option("--cluster", default="default", help="The cluster to join.")
@click.option("--id", "node_id", help="A stable name; host name and port if left out.")
@click.option("--zone", default="", help="What may fail together: copies are spread over zones.")
@click.option(
    "--weight",
    type=int,
    default=100,
    help="This node's share beside the others'. 0: it owns nothing and forwards.",
)
@click.option(
    "--maxmemory", default="1GiB", metavar="SIZE", help="What the process may take in all."
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
    "--insecure",
    is_flag=True,
    help="Allow to listen beyond loopback without TLS and authentication.",
)
@click.version_option(package_name="shoal-node", prog_name="shoal-node")
def main(
    etcd: str,
    listen: str,
    advertise: str | None,
    cluster: str,
    node_id: str | None,
    zone: str,
    weight: int,
    maxmemory: str,
    metrics_listen: str,
    threads: int | None,
    slow_request: int,
    partition_metrics: int,
    insecure: bool,  # noqa: FBT001
) -> None:
    """Run one cache node of a Shoal cluster."""
    log_as_json()
    try:
        settings = NodeSettings(
            etcd=etcd,
            listen=parse_host_port(listen),
            advertise=None if advertise is None else parse_host_port(advertise),
            metrics_listen=parse_host_port(metrics_listen),
            cluster=cluster,
            id=node_id,
            zone=zone,
            weight=weight,
            maxmemory_bytes=parse_size(maxmemory),
            threads=len(os.sched_getaffinity(0)) if threads is None else threads,
            is_insecure=insecure,
            slow_request_ms=slow_request,
            partition_metrics_max=partition_metrics,
        )
        asyncio.run(_run(settings))
    except NodeError as error:
        click.echo(f"shoal-node: {error}", err=True)
        sys.exit(error.exit_status)


async def _run(settings: NodeSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _signalled, number, stop)
    await run_node(settings, stop)


def _signalled(number: signal.Signals, stop: asyncio.Event) -> None:
    if stop.is_set():
        _log.warning(f"{number.name} again: exiting at once")
        os._exit(_SIGNALLED + number)
    _log.info(f"{number.name}: stopping")
    stop.set()


if __name__ == "__main__":
    main()

"""``shoal up``: options in, a cluster in the foreground."""

from __future__ import annotations

import os
import random
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from shoal.cli.exit_codes import ExitCode
from shoal.cli.failure import CommandFailed
from shoal.cli.progress import say_on_stderr, telling
from shoal.cli.up.directory import logs_of
from shoal.cli.up.plan import UNCLEAN, BadOptions, ClusterPlan, Programs, UpOptions
from shoal.cli.up.ports import free_ports

if TYPE_CHECKING:
    from shoal.cli.up.supervised import Supervised

HELP = """Start a cluster on this machine, and stop it with Ctrl-C.

Starts etcd, two coordinators and the nodes as separate processes on free loopback
ports, waits until every node serves and every partition has a primary, and shows
them until Ctrl-C or SIGTERM. Then nothing is left, also after a kill -9.

A node that dies is shown as down and is not started again.

Without --data-dir the data and logs are temporary, and etcd does not wait for the
disk. etcd is $SHOAL_ETCD_BINARY, or the one on PATH, or the one that `make etcd` built.

Exit codes: 0 after SIGTERM or SIGHUP, 130 after Ctrl-C, 4 when the cluster did not
start; the reason is on stderr.
"""


@click.command(help=HELP, short_help="Start a cluster on this machine, until Ctrl-C.")
@click.option("--nodes", type=click.IntRange(1, 64), default=3, show_default=True)
@click.option(
    "--replicas",
    type=click.IntRange(0, 5),
    default=None,
    help="Copies besides the primary.  [default: 1; 0 with one node]",
)
@click.option(
    "--partitions",
    type=click.IntRange(1),
    default=256,
    show_default=True,
    help="A power of two, fixed when the cluster is created.",
)
@click.option(
    "--zones",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Zones that the nodes are spread over.",
)
@click.option(
    "--maxmemory", default="256MiB", show_default=True, help="Of each node, such as 1GiB."
)
@click.option(
    "--lease-ttl",
    "lease_ttl_seconds",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Seconds after which a node that does not answer is replaced.",
)
@click.option(
    "--min-in-sync",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Refuse IN_SYNC writes while fewer copies are in sync, the primary's counted.",
)
@click.option(
    "--unclean",
    type=click.Choice(UNCLEAN),
    default=UNCLEAN[0],
    show_default=True,
    help="A partition without a copy in sync: start empty, keep a stale copy, or wait.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep etcd's data and the logs here; the next run resumes the same cluster.",
)
@click.option(
    "--tls",
    "is_tls",
    is_flag=True,
    help="Speak TLS, with certificates made for this cluster by openssl.",
)
@click.option(
    "--timeout",
    "timeout_seconds",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    help="Seconds within which the cluster must be ready.",
)
@click.option(
    "--json",
    "is_json",
    is_flag=True,
    help="Print one line on stdout, once ready: addresses and pids. The rest is on stderr.",
)
def up(
    nodes: int,
    replicas: int | None,
    partitions: int,
    zones: int,
    maxmemory: str,
    lease_ttl_seconds: int,
    min_in_sync: int,
    unclean: str,
    data_dir: Path | None,
    is_tls: bool,  # noqa: FBT001
    timeout_seconds: float,
    is_json: bool,  # noqa: FBT001
) -> None:
    try:
        options = UpOptions(
            nodes=nodes,
            replicas=min(1, nodes - 1) if replicas is None else replicas,
            partitions=partitions,
            zones=zones,
            maxmemory=maxmemory,
            lease_ttl_seconds=lease_ttl_seconds,
            min_in_sync=min_in_sync,
            unclean=unclean,
            data_dir=data_dir,
            is_tls=is_tls,
        )
    except BadOptions as error:
        raise click.UsageError(str(error)) from error
    raise SystemExit(_run(options, timeout_seconds, is_json=is_json))


def _run(options: UpOptions, timeout_seconds: float, *, is_json: bool) -> ExitCode:
    from shoal.cli.up.etcd_binary import find
    from shoal.cli.up.failures import UpFailed
    from shoal.cli.up.interrupts import Interrupted, Interrupts
    from shoal.cli.up.supervised import Supervised

    with Interrupts() as interrupts:
        try:
            etcd = find(os.environ)
            say_on_stderr(f"etcd {etcd.version} {etcd.origin}: {etcd.path}")
            if etcd.warning:
                say_on_stderr(f"warning: {etcd.warning}")
            with Supervised(options.data_dir, interrupts) as supervised:
                _serve(options, Programs.beside(etcd.path), supervised, timeout_seconds, is_json)
        except Interrupted as interrupted:
            return interrupted.exit_code
        except UpFailed as error:
            raise CommandFailed(str(error)) from error


def _serve(
    options: UpOptions,
    programs: Programs,
    supervised: Supervised,
    timeout_seconds: float,
    is_json: bool,  # noqa: FBT001
) -> NoReturn:
    """Bring the cluster up and show it until interrupted."""
    # Only now: the supervisor started meanwhile, and gRPC takes its time to load.
    from shoal.cli.up.interrupts import Interrupted
    from shoal.cli.up.launcher import Launcher

    say_on_stderr(f"logs in {logs_of(supervised.directory)}")
    free = free_ports(random.SystemRandom())
    try:
        with telling(may_draw=not is_json) as tell:
            launcher = Launcher(
                options, programs, supervised, free, timeout_seconds, say_on_stderr, tell
            )
            cluster = launcher.bring_up()
        _show(cluster, supervised, is_json=is_json)
    except Interrupted as interrupted:
        say_on_stderr(f"{interrupted}; stopping the cluster")
        raise


def _show(cluster: ClusterPlan, supervised: Supervised, *, is_json: bool) -> NoReturn:
    """Tell where the cluster is, then show it. Ends by Interrupted or SupervisorFailed."""
    from rich.console import Console

    from shoal.cli.up.foreground import show_lines, show_table
    from shoal.cli.up.hints import hints
    from shoal.cli.up.watcher import Watcher

    with Watcher(cluster) as watcher:
        if is_json:
            click.echo(cluster.ready_line(supervised.pids))
            show_lines(watcher, supervised, say_on_stderr)
        click.echo(f"\n{hints(cluster, shoal_command(), sys.executable)}\n\nCtrl-C stops it all.\n")
        console = Console()
        if console.is_terminal:
            show_table(watcher, supervised, console)
        show_lines(watcher, supervised, click.echo)


def shoal_command() -> str:
    """How the caller's shell runs this command line again."""
    if shutil.which("shoal") is not None:
        return "shoal"
    beside = Path(sys.executable).with_name("shoal")
    return (
        shlex.quote(str(beside))
        if beside.exists()
        else f"{shlex.quote(sys.executable)} -m shoal.cli"
    )

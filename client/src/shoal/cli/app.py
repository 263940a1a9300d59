"""The root of the command line: the commands there are, and where each stands."""

from __future__ import annotations

import click

from shoal.cli import exit_codes
from shoal.cli.lazy_group import LazyCommand, LazyGroup

COMMANDS = {
    "up": LazyCommand("shoal.cli.commands.up:up", "Start a cluster on this machine, until Ctrl-C."),
    "demo": LazyCommand("shoal.cli.commands.demo:demo", "Watch the cache protect a database."),
    "status": LazyCommand(
        "shoal.cli.commands.status:status", "Show nodes, partitions, and what is not served."
    ),
    "top": LazyCommand("shoal.cli.commands.top:top", "Watch what every node does."),
    "ring": LazyCommand(
        "shoal.cli.commands.ring:ring", "Show who holds how many partitions, and where a key is."
    ),
    "node": LazyCommand(
        "shoal.cli.commands.node:node", "Show nodes; let them in, drain, remove and weigh them."
    ),
    "rebalance": LazyCommand(
        "shoal.cli.commands.rebalance:rebalance",
        "Show what moves and how far it is; wait, pause, resume, cancel.",
    ),
    "check": LazyCommand(
        "shoal.cli.commands.check:check",
        "Tell whether something is to be done; for monitoring, too.",
    ),
    "config": LazyCommand(
        "shoal.cli.commands.config:config", "Show or change the cluster's configuration."
    ),
    "access": LazyCommand(
        "shoal.cli.commands.access:access", "Make tokens for those who may do something."
    ),
    "hotkeys": LazyCommand(
        "shoal.cli.commands.hotkeys:hotkeys", "Show the keys that are used most."
    ),
    "bigkeys": LazyCommand(
        "shoal.cli.commands.bigkeys:bigkeys", "Show the entries that take most memory."
    ),
    "latency": LazyCommand("shoal.cli.commands.latency:latency", "Show how long requests took."),
    "slowlog": LazyCommand(
        "shoal.cli.commands.slowlog:slowlog", "Show the last requests that took long."
    ),
    "bench": LazyCommand(
        "shoal.cli.commands.bench:bench", "Load a cluster, and tell how fast it was."
    ),
    "get": LazyCommand("shoal.cli.commands.get:get", "Print the value of a key."),
    "set": LazyCommand("shoal.cli.commands.set:set_", "Store a value."),
    "del": LazyCommand("shoal.cli.commands.delete:delete", "Remove keys."),
    "incr": LazyCommand("shoal.cli.commands.incr:incr", "Add to an integer and print it."),
    "touch": LazyCommand("shoal.cli.commands.touch:touch", "Give a key a new time to live."),
    "completion": LazyCommand(
        "shoal.cli.commands.completion:completion", "Print what makes a shell complete commands."
    ),
}


def print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:  # noqa: FBT001
    if not wanted or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    click.echo(f"shoal {version('shoal')}")
    ctx.exit()


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=exit_codes.HELP,
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=print_version,
    help="Show the version and exit.",
)
def shoal() -> None:
    """Shoal, the in-memory cache that protects the database behind it.

    Start a cluster with `shoal up`; talk to one with the other commands, which
    find it by --url or $SHOAL_URL.
    """

"""``shoal demo``: demonstrations, each loaded when it is called."""

from __future__ import annotations

import click

from shoal.cli.lazy_group import LazyCommand, LazyGroup

DEMOS = {
    "flash-sale": LazyCommand(
        "shoal.demo.flash_sale:command", "One viral product, and a database behind the cache."
    ),
    "failover": LazyCommand(
        "shoal.demo.failover:command", "Kill a primary, then hand another over, under load."
    ),
}


@click.group(cls=LazyGroup, lazy=DEMOS, short_help="Watch the cache protect a database.")
def demo() -> None:
    """Watch the cache protect a database, on a real cluster."""

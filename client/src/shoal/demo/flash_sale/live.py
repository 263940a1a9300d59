"""The run while it runs: one line a second, or a panel where there is a terminal."""

from __future__ import annotations

from typing import Protocol

import click
from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.table import Table

from shoal.demo.events import Event
from shoal.demo.flash_sale.ledger import Second
from shoal.demo.flash_sale.settings import Settings


class Display(Protocol):
    def step(self, sentence: str) -> None:
        """Before and after the load: what is being done."""
        ...

    def event(self, event: Event) -> None: ...

    def second(self, second: Second) -> None: ...

    def close(self) -> None: ...


def line_of(second: Second) -> str:
    """All figures of a second, of constant width, so that lines stand under each other."""
    return (
        f"{second.elapsed_seconds:5.0f} s"
        f"  {second.reads_per_second:6,.0f} reads/s"
        f"  hit {second.hit_ratio:5.1%}"
        f"  origin {second.all_queries_per_second:5,.0f}/s"
        f" (viral {second.viral_queries_per_second:3,.0f})"
        f"  p50 {second.p50_ms:6.2f} ms  p99 {second.p99_ms:7.2f} ms"
        f"  stale {second.stale_so_far}"
        + (f"  failures {second.failures_so_far}" if second.failures_so_far else "")
    )


class Lines:
    """For pipes, files and CI."""

    def step(self, sentence: str) -> None:
        click.echo(sentence)

    def event(self, event: Event) -> None:
        click.echo(f"------- {event.label} -------")

    def second(self, second: Second) -> None:
        click.echo(line_of(second))

    def close(self) -> None:
        """Nothing is held."""


class LivePanel:
    """For people: one panel that is drawn over itself, with the events under the figures."""

    def __init__(self, console: Console, settings: Settings) -> None:
        self._console = console
        self._settings = settings
        self._events: list[str] = []
        self._live: Live | None = None

    def step(self, sentence: str) -> None:
        self._console.print(sentence, highlight=False)

    def event(self, event: Event) -> None:
        self._events.append(event.label)

    def second(self, second: Second) -> None:
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        self._live.update(self._panel(second), refresh=True)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _panel(self, second: Second) -> Panel:
        grid = Table.grid(padding=(0, 3))
        grid.add_column(style="dim")
        grid.add_column(justify="right", min_width=10)
        grid.add_column(style="dim")
        grid.add_column(justify="right", min_width=10)
        grid.add_row(
            "reads/s",
            f"{second.reads_per_second:,.0f}",
            "origin queries/s",
            f"{second.all_queries_per_second:,.0f}",
        )
        grid.add_row(
            "hit ratio",
            f"{second.hit_ratio:.1%}",
            "... for the viral key",
            f"{second.viral_queries_per_second:,.0f}",
        )
        grid.add_row("p50", f"{second.p50_ms:.2f} ms", "stale so far", f"{second.stale_so_far:,}")
        grid.add_row(
            "p99", f"{second.p99_ms:.2f} ms", "failures so far", f"{second.failures_so_far:,}"
        )
        title = (
            f"flash sale, {self._settings.mode}: "
            f"{second.elapsed_seconds:.0f} of {self._settings.seconds:.0f} s"
        )
        return Panel.fit(grid, title=title, subtitle=", ".join(self._events) or None)


def display_for(settings: Settings) -> Display:
    console = Console()
    return LivePanel(console, settings) if console.is_terminal else Lines()

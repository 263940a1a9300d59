"""The run while it runs: one line a second, or a panel where there is a terminal."""

from __future__ import annotations

from typing import Protocol

import click
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.progress_bar import ProgressBar
from rich.table import Table

from shoal.demo.events import Event
from shoal.demo.flash_sale.ledger import Second
from shoal.demo.flash_sale.settings import Settings

_GOES_ON = "..."
_BAR_CHARACTERS = 58
"""As wide as the figures above it."""


class Display(Protocol):
    def step(self, sentence: str) -> None:
        """Before and after the load: what is being done; what lasts ends with three dots."""
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
    """For people: one panel that is drawn over itself, with the events under the figures.

    Before and after it a bar moves beside the step that is being done, for nobody knows how long.
    """

    def __init__(self, console: Console, settings: Settings) -> None:
        self._console = console
        self._settings = settings
        self._events: list[str] = []
        self._live: Live | None = None
        self._step: Progress | None = None

    def step(self, sentence: str) -> None:
        self._end_step()
        if not sentence.endswith(_GOES_ON):
            self._console.print(sentence, highlight=False)
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        self._step = Progress(*columns, console=self._console)
        self._step.add_task(sentence, total=None)
        self._step.start()

    def event(self, event: Event) -> None:
        self._events.append(event.label)

    def second(self, second: Second) -> None:
        self._end_step()
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        self._live.update(self._panel(second), refresh=True)

    def close(self) -> None:
        self._end_step()
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _end_step(self) -> None:
        """Leave its sentence, and the time that it took."""
        if self._step is not None:
            for task in self._step.task_ids:
                self._step.update(task, total=1.0, completed=1.0)
            self._step.stop()
            self._step = None

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
        whole = self._settings.seconds
        bar = ProgressBar(whole, min(second.elapsed_seconds, whole), width=_BAR_CHARACTERS)
        return Panel.fit(Group(grid, bar), title=title, subtitle=", ".join(self._events) or None)


def display_for(settings: Settings) -> Display:
    console = Console()
    return LivePanel(console, settings) if console.is_terminal else Lines()

"""What ``up`` shows while the cluster runs: a live table, or lines without a terminal.

Both end only by an exception: Interrupted, or SupervisorFailed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NoReturn

from rich.console import Console
from rich.live import Live

from shoal.cli.up.picture import Picture, changes
from shoal.cli.up.supervised import Supervised
from shoal.cli.up.table import render
from shoal.cli.up.watcher import Watcher

PERIOD_SECONDS = 1.0


def show_table(watcher: Watcher, supervised: Supervised, console: Console) -> NoReturn:
    """Draw the table anew every second."""
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:

        def draw(seen: Picture) -> None:
            live.update(render(seen, console.width), refresh=True)

        _watch(watcher, supervised, draw)


def show_lines(watcher: Watcher, supervised: Supervised, say: Callable[[str], None]) -> NoReturn:
    """Say everything once, and then what changes, with the time."""
    before: Picture | None = None

    def tell(seen: Picture) -> None:
        nonlocal before
        now = datetime.now(UTC).astimezone().strftime("%H:%M:%S")
        for sentence in changes(before, seen):
            say(f"{now} {sentence}")
        before = seen

    _watch(watcher, supervised, tell)


def _watch(watcher: Watcher, supervised: Supervised, show: Callable[[Picture], None]) -> NoReturn:
    while True:
        show(watcher.look(supervised.states))
        # Ends early when a process does, which is then shown at once.
        supervised.wait(PERIOD_SECONDS)

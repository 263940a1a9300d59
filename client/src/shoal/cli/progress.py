"""Telling how far something is that takes long: a bar for who watches, lines for a log.

The bar stands on stderr, is gone at the end, and is there only where stderr is a terminal:
what stdout holds is the answer alone. Colours end with $NO_COLOR, by rich.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

Tell = Callable[[str, float], None]
"""Takes a sentence, and the part that is done, from 0 to 1."""


def say_nothing(_sentence: str) -> None:
    """For what needs no log."""


def say_on_stderr(sentence: str) -> None:
    """For what a script may want to know; stdout is for what was asked for."""
    click.echo(sentence, err=True)


@contextmanager
def telling(say: Callable[[str], None] = say_nothing, *, may_draw: bool = True) -> Iterator[Tell]:
    """A bar, or ``say`` with each sentence that differs from the last one.

    What is printed meanwhile stands above the bar.
    """
    if not (may_draw and sys.stderr.isatty()):
        yield _once(say)
        return
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if console.is_dumb_terminal:
        yield _once(say)
        return
    with Progress(console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as bar:
        task = bar.add_task("", total=1.0)

        def draw(sentence: str, part: float) -> None:
            bar.update(task, description=sentence, completed=min(max(part, 0.0), 1.0))

        yield draw


def _once(say: Callable[[str], None]) -> Tell:
    said = ""

    def tell(sentence: str, _part: float) -> None:
        nonlocal said
        if sentence != said:
            said = sentence
            say(sentence)

    return tell


class Dwindling:
    """The part that is done, from what is left: of the most that was ever left."""

    def __init__(self) -> None:
        self._most = 0.0

    def part(self, left: float) -> float:
        """Between 0 and 1; it falls where more is left than before and that was not the most."""
        self._most = max(self._most, left)
        return 1.0 if self._most == 0.0 else 1.0 - left / self._most

"""What a process reads from files while it runs, as it stands there now.

A change is noticed by its content, not by dates: a mounted secret changes by a link. What
cannot be used is told once in the log, and what was read before stays. So files that belong
together may be replaced one after the other: between the two they do not fit, and are looked
at again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import structlog

from shoal_coordinator.process.errors import BadSettings

_log = structlog.get_logger(__name__)
EVERY_SECONDS: Final = 1.0

C = TypeVar("C")


def remembering(read: Callable[[C | None], C]) -> Callable[[], C]:
    """``read``, given what it returned last: it need not check that again."""
    known: C | None = None

    def read_again() -> C:
        nonlocal known
        known = read(known)
        return known

    return read_again


class Reloaded(Generic[C]):
    """The latest usable content of some files. ``content`` may be asked from any thread."""

    def __init__(self, what: str, read: Callable[[], C]) -> None:
        """Read for the first time. Raises BadSettings, as ``read`` does.

        ``what`` they are, for the log, such as ``certificates``.
        """
        self._what = what
        self._read = read
        self._refused: str | None = None
        self.content = read()

    def check(self) -> bool:
        """Read again; tell whether there is other content now. Blocks for as long as files do."""
        try:
            content = self._read()
        except BadSettings as error:
            if str(error) != self._refused:
                self._refused = str(error)
                _log.warning(f"{self._what} stay as they were: {error}")
            return False
        self._refused = None
        if content == self.content:
            return False
        self.content = content
        _log.info(f"{self._what} taken anew from their files")
        return True

    async def keep(
        self, told: Callable[[C], None] = lambda _: None, every_seconds: float = EVERY_SECONDS
    ) -> None:
        """Check now and then until cancelled; ``told`` is called in the event loop at a change."""
        while True:
            await asyncio.sleep(every_seconds)
            if await asyncio.to_thread(self.check):
                try:
                    told(self.content)
                except BadSettings as error:
                    _log.warning(f"{self._what} are not used everywhere: {error}")

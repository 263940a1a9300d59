"""Which node tells the topology, and when to ask another.

One stream at a time, to any node. Every kind of failure (the stream ends, the node cannot
be reached, a call of the client failed and asked for a refresh) leads to another node or
seed, after a short backoff that grows while nobody answers. Seeds always stay among those
asked, so that a cluster whose nodes all have new addresses is found again.

Non-goal: opening streams; the drivers do that.
"""

from __future__ import annotations

from typing import Final

from shoal._core.core import Core

FIRST_PAUSE_SECONDS: Final = 0.02
LONGEST_PAUSE_SECONDS: Final = 1.0
SHORTEST_REFRESH_SECONDS: Final = 0.25
"""Refreshes that calls ask for are at least this far apart."""


class Watching:
    """The decisions of a watcher. Owned by one thread or task, but for ``wants_refresh``."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._address = ""
        self._untried: list[str] = []
        self._failures = 0
        self._refreshed_at = core.clock() - SHORTEST_REFRESH_SECONDS
        self._refreshing = False

    @property
    def known_revision(self) -> int:
        """What to send when a stream is opened."""
        return self._core.topology.revision

    def next_address(self) -> str:
        """Return whom to ask now: everybody once, in random order, before anybody twice."""
        candidates = self._core.candidates()
        self._untried = [address for address in self._untried if address in candidates]
        if not self._untried:
            self._untried = candidates
            self._core.rng.shuffle(self._untried)
            # Not the one that was just given up, if there is another.
            if self._untried[-1] == self._address:
                self._untried.insert(0, self._untried.pop())
        self._address = self._untried.pop()
        return self._address

    def note_update(self) -> None:
        """A stream gave an update: it works."""
        self._failures = 0

    def pause_seconds(self) -> float:
        """A stream ended: return how long to wait before the next is opened."""
        if self._refreshing:
            # It was ended from here; while calls fail is no time to be without one. Nor
            # do those who cannot be reached count together that were met in between: a
            # stream that stands says nothing while there is no news.
            self._refreshing = False
            self._failures = 0
            return 0.0
        self._failures += 1
        window = min(
            LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures - 1, 10)
        )
        return window * (0.5 + self._core.rng.random() / 2)

    def wants_refresh(self) -> bool:
        """A call failed: whether to ask another node now. Called from any thread."""
        now = self._core.clock()
        if now - self._refreshed_at < SHORTEST_REFRESH_SECONDS:
            return False
        self._refreshed_at = now
        self._refreshing = True
        return True

"""Which nodes a client listens to for changes to what it was granted, and when it asks again.

    a grant       of a node's answer: it is listened to, and what it answers from then on may
                  be held. The first such answer is not: its changes were not told yet
    WANTED        so long after the last grant the stream is not opened again, so that a
                  client whose keys have cooled keeps no node busy
    STREAM        a stream is ended and opened anew so often, whatever it tells, so that the
                  end of wanting is noticed. Nothing is dropped for that
    a failure     leads to the next attempt after a pause that grows while nothing is told

Time is an argument. Non-goal: opening streams; the drivers do that, one thread or task for
each node.
"""

from __future__ import annotations

from random import Random
from typing import Final

WANTED_SECONDS: Final = 60.0
STREAM_SECONDS: Final = 60.0
FIRST_PAUSE_SECONDS: Final = 0.02
LONGEST_PAUSE_SECONDS: Final = 2.0


class Listening:
    """Of which nodes' grants a client has heard lately. Shared by threads: a dict, one step
    at a time."""

    def __init__(self) -> None:
        self._granted_at: dict[str, float] = {}

    def note_grant(self, address: str, now: float) -> bool:
        """A node at this address granted; return whether it is to be listened to anew."""
        is_new = address not in self._granted_at
        self._granted_at[address] = now
        return is_new

    def goes_on(self, address: str, now: float) -> bool:
        """Whether to open another stream to a node. Where not, its next grant says so again."""
        granted_at = self._granted_at.get(address)
        if granted_at is not None and now - granted_at < WANTED_SECONDS:
            return True
        self._granted_at.pop(address, None)
        return False

    def leave(self, address: str) -> None:
        """A node is not listened to any more, whatever the reason."""
        self._granted_at.pop(address, None)


class Pauses:
    """How long to wait before a node is asked again. Owned by one thread or task."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._failures = 0

    def note_update(self) -> None:
        """A stream told something: it works."""
        self._failures = 0

    def next_seconds(self) -> float:
        """A stream ended: return the pause."""
        window = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures, 10))
        self._failures += 1
        return window * (0.5 + self._rng.random() / 2)

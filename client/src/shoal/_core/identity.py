"""Request ids: what makes an Incr or a conditional Set count once, however often it is sent.

One id is drawn for one call of the application and sent with each of its attempts. The
partition remembers it with the result, and replicates both, so that an attempt after a
lost answer or a failover is answered as the first was (DESIGN 7).

Invariants:
  - an id is never used by two calls.
  - a request that was sent with an id is sent without one only if no attempt of it may
    have been applied.

A server of a release before ids refuses them (``NOT_SERVED``, field ``request_id``). Then
requests go without for a while, and are not repeated after a lost answer.

Non-goal: drawing randomness; who makes the client passes that in.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from shoal._core.failures import NOT_SERVED, Failure
from shoal._core.retry import Repeat

REQUEST_ID_BYTES: Final = 16
WITHOUT_SECONDS: Final = 60.0
"""For how long none are sent after one was refused: a rolling upgrade takes minutes."""


def draw_request_id() -> bytes:
    """Return a random id. From the system: children of a fork must not draw the same."""
    return os.urandom(REQUEST_ID_BYTES)


class RequestIds:
    """Whether requests carry ids, and which. Shared by threads: a race costs an attempt."""

    __slots__ = ("_draw", "_without_until")

    def __init__(self, draw: Callable[[], bytes]) -> None:
        self._draw = draw
        self._without_until = float("-inf")

    def identify(self, message: Any, now: float) -> Repeat:
        """Give a request its id; return how it may then be repeated."""
        if now < self._without_until:
            return Repeat.NEVER
        message.request_id = self._draw()
        return Repeat.ALWAYS

    def refused(self, now: float) -> None:
        """A server does not know ids."""
        self._without_until = now + WITHOUT_SECONDS


def is_id_refused(failure: Failure) -> bool:
    """Whether a server says that it does not know request ids."""
    return failure.reason == NOT_SERVED and failure.metadata.get("field") == "request_id"

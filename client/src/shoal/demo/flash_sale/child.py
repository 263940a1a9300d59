"""How a process of the run ends: its parent stopped it, was killed, or it gave up itself.

Ctrl-C is the parent's business: the terminal sends it to all processes at once, but only
the parent knows the order in which to stop them.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

from shoal.demo.failures import DemoFailed
from shoal.demo.flash_sale.messages import GaveUp

Pipe: TypeAlias = "Connection[Any, Any]"

PIPE_CLOSED = (EOFError, BrokenPipeError, ConnectionResetError)
"""The parent has stopped the run, or is gone."""


@contextmanager
def child_of(pipe: Pipe) -> Iterator[None]:
    """Around all that a child does; what it cannot go on from is said to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(*PIPE_CLOSED):
        try:
            yield
        except DemoFailed as failure:
            pipe.send(GaveUp(str(failure)))

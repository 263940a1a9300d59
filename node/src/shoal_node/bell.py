"""What a data plane's bell sets in an event loop, which it may ring from any thread."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator

_BYTES_MAX = 4096


@contextlib.contextmanager
def heard(descriptor: int) -> Iterator[asyncio.Event]:
    """An event of the running loop that is set whenever the bell rings.

    The descriptor does not block, and stays its owner's.
    """
    rung = asyncio.Event()

    def ring() -> None:
        # What is left of it is heard at the loop's next round.
        with contextlib.suppress(BlockingIOError):
            os.read(descriptor, _BYTES_MAX)
        rung.set()

    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, ring)
    try:
        yield rung
    finally:
        loop.remove_reader(descriptor)

"""Tells of TLS handshakes that fail: a certificate that does not fit shows nowhere else.

Now and then and by number, so that whoever knocks in vain fills no log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from shoal_node.snapshot import Handshakes

_log = structlog.get_logger(__name__)
_EVERY_SECONDS: Final = 10.0
_SIDES: Final = {"accepted": "of callers", "made": "with other nodes"}


def failures(before: Mapping[str, Handshakes], now: Mapping[str, Handshakes]) -> list[str]:
    """One sentence for each side on which some have failed since."""
    sentences = []
    for side, told in now.items():
        known = before.get(side)
        new = told.failed - (0 if known is None else known.failed)
        if new > 0:
            sentences.append(
                f"TLS handshakes {_SIDES[side]} failed: {new}, the last with {told.last_failure}"
            )
    return sentences


async def tell_failures(
    handshakes: Callable[[], Mapping[str, Handshakes]], every_seconds: float = _EVERY_SECONDS
) -> None:
    """Log them until cancelled."""
    before: Mapping[str, Handshakes] = {}
    while True:
        await asyncio.sleep(every_seconds)
        now = handshakes()
        for sentence in failures(before, now):
            _log.warning(sentence)
        before = now

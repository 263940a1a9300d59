"""Every acknowledged write is read back at the end: what is not there was lost.

Each key was written once, without a time to live, so that a miss is a loss; memory is
ample, so that nothing is evicted.
"""

from __future__ import annotations

from dataclasses import dataclass

import shoal
import shoal.asyncio
from shoal import Ack
from shoal.demo.failover.journal import Journal

_KEYS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one ack level."""

    ack: Ack
    acknowledged: int
    lost: int
    examples: tuple[str, ...]


async def judge(client: shoal.asyncio.Client, journal: Journal, ack: Ack) -> Verdict:
    """Read back all that was acknowledged. Raises ShoalError."""
    keys = journal.acknowledged(ack)
    lost: list[str] = []
    for at in range(0, len(keys), _KEYS_AT_ONCE):
        found = await client.get_many(keys[at : at + _KEYS_AT_ONCE])
        lost += [key for key, value in found.items() if value != key.encode()]
    return Verdict(ack, len(keys), len(lost), tuple(lost[:3]))

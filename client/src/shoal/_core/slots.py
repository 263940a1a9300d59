"""Key to slot to partition, exactly as Redis Cluster computes slots (DESIGN 3).

``protos/vectors/slots.json`` holds the golden cases that every language must pass.
``binascii.crc_hqx`` is CRC16/XMODEM (polynomial 0x1021, initial value 0, not reflected).
"""

from __future__ import annotations

from binascii import crc_hqx
from typing import Final

SLOT_COUNT: Final = 16384


def slot_of(key: bytes) -> int:
    """Return the slot of a key, or of its hash tag where it has one.

    The tag is what stands between the first ``{`` and the first ``}`` after it, unless
    that is nothing.
    """
    if b"{" in key:
        start = key.index(b"{") + 1
        end = key.find(b"}", start)
        if end > start:
            key = key[start:end]
    return crc_hqx(key, 0) & 0x3FFF


def partition_of(slot: int, partition_count: int) -> int:
    """Return the partition that holds a slot."""
    return slot * partition_count >> 14

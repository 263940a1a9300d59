"""Points on the ring: a hash that is the same in every process and every release.

A point is an unsigned 64-bit integer. BLAKE2b with fixed parameters gives eight
points a digest; Python's own ``hash`` is randomised per process and never used.
Changing anything here moves every partition of every cluster: a golden test
(``tests/coordinator/placement/test_golden.py``) guards it.
"""

from __future__ import annotations

import struct
from hashlib import blake2b

POINT_BITS = 64
RING_SIZE = 1 << POINT_BITS

TOKENS_PER_WEIGHT = 2
"""Virtual nodes per unit of weight: 200 for the default weight of 100.

Fewer leave the raw ring so uneven that the load bound has to move more; more cost
time and buy little, because the chance of where partitions fall remains.
"""

_POINTS_PER_DIGEST = 8
_DIGEST = struct.Struct(f">{_POINTS_PER_DIGEST}Q")
_NODE = b"shoal.ring.node1"
_PARTITION = b"shoal.ring.part1"


def _points(person: bytes, name: bytes, count: int) -> list[int]:
    points: list[int] = []
    for block in range(-(-count // _POINTS_PER_DIGEST)):
        digest = blake2b(
            block.to_bytes(8, "big") + name, digest_size=_DIGEST.size, person=person
        ).digest()
        points += _DIGEST.unpack(digest)
    return points[:count]


def node_tokens(node: str, weight: int) -> list[int]:
    """Return the node's points, in proportion to its weight.

    A larger weight adds points and keeps those that were there, so that a change of
    weight moves only the difference.
    """
    return _points(_NODE, node.encode(), weight * TOKENS_PER_WEIGHT)


def partition_point(partition: int) -> int:
    """Return where on the ring a partition stands, whatever the number of partitions."""
    return _points(_PARTITION, partition.to_bytes(8, "big"), 1)[0]

"""What the callers of a soak do, drawn by lot: sizes, times to live, batches, connections.

Pure: the source of randomness is an argument, so that a seed tells the whole load.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random

VALUE_BYTES_MAX = 1024 * 1024
BATCH_BYTES_MAX = 12 * 1024 * 1024
"""Of the values of one MSet or one Execute request, below the 16 MiB of a message."""
BATCH_KEYS_MAX = 1000

# Share of draws, and the range of sizes in which each is uniform.
_SIZES = ((0.55, 1, 200), (0.30, 200, 4_096), (0.13, 4_096, 65_536), (0.02, 65_536, 1_048_576))
_TTLS_MS = (0, 0, 200, 5_000, 60_000, 3_600_000)


class Deed(Enum):
    """What a caller does next."""

    SET = "set"
    GET = "get"
    OVERWRITE_HOT = "overwrite hot"
    """A few keys again and again, each time with another size."""
    DELETE = "delete"
    INCR = "incr"
    TOUCH = "touch"
    MSET_LARGE = "mset large"
    MGET_LARGE = "mget large"
    EXECUTE = "execute"
    """Several requests in flight on one stream."""
    RECONNECT = "reconnect"
    """Another connection, the old one closed, at times with a request under way."""


_HOW_OFTEN = {
    Deed.SET: 30,
    Deed.GET: 25,
    Deed.OVERWRITE_HOT: 10,
    Deed.DELETE: 5,
    Deed.INCR: 5,
    Deed.TOUCH: 3,
    Deed.MSET_LARGE: 4,
    Deed.MGET_LARGE: 4,
    Deed.EXECUTE: 8,
    Deed.RECONNECT: 1,
}


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a soak: ``count`` cold ones and a few hot ones."""

    count: int
    hot: int = 64

    def any(self, rng: Random) -> bytes:
        return b"soak:%d" % rng.randrange(self.count)

    def any_hot(self, rng: Random) -> bytes:
        return b"hot:%d" % rng.randrange(self.hot)


def deed(rng: Random) -> Deed:
    """Draw what to do."""
    (drawn,) = rng.choices(list(_HOW_OFTEN), list(_HOW_OFTEN.values()))
    return drawn


def value_bytes(rng: Random) -> int:
    """Draw the size of a value: most are small, some are as large as values may be."""
    ((_, least, most),) = rng.choices(_SIZES, [share for share, _, _ in _SIZES])
    return rng.randint(least, min(most, VALUE_BYTES_MAX))


def ttl_ms(rng: Random) -> int:
    """Draw a time to live; 0 is for ever."""
    return rng.choice(_TTLS_MS)


def batch_sizes(rng: Random) -> list[int]:
    """Draw the sizes of a batch's values, up to the bounds of a message."""
    sizes: list[int] = []
    budget = rng.choice((64 * 1024, 1024 * 1024, BATCH_BYTES_MAX))
    while len(sizes) < BATCH_KEYS_MAX:
        size = value_bytes(rng)
        if sum(sizes) + size > budget:
            break
        sizes.append(size)
    return sizes or [1]


def pieces(payload: bytes, sizes: Sequence[int], rng: Random) -> list[bytes]:
    """Values of these sizes, cut out of one payload at drawn places."""
    starts = [rng.randrange(len(payload) - size + 1) for size in sizes]
    return [payload[start : start + size] for start, size in zip(starts, sizes, strict=True)]

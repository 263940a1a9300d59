"""A counter that is split over many keys, so that no single node takes all of its writes.

Each addition goes to a part that is drawn at random; the sum of all parts is the count.
The parts have names of their own, ``key#0`` and so on, and so lie in partitions of their
own. The split is a sum of grow-only registers as in G-Counters, but each part is one
linearizable key here, so that nothing has to be merged.
"""

from __future__ import annotations

from collections.abc import Sequence

from shoal._core import operations
from shoal._core.core import Core
from shoal._core.durations import Duration
from shoal._core.effects import Operation
from shoal._core.requests import wire_key
from shoal._core.slots import slot_of
from shoal._errors import InvalidRequest
from shoal._values import Ack, Key, ReadMode

MOST_PARTS = 1024


def parts_of(key: Key, shards: int) -> tuple[bytes, ...]:
    """Return the keys of a counter's parts. Raises InvalidRequest."""
    whole = wire_key(key)
    if isinstance(shards, bool) or not isinstance(shards, int) or not 1 <= shards <= MOST_PARTS:
        raise InvalidRequest(f"shards must be from 1 to {MOST_PARTS}, not {shards!r}")
    parts = tuple(b"%s#%d" % (whole, number) for number in range(shards))
    if shards > 1 and len({slot_of(part) for part in parts}) == 1:
        raise InvalidRequest(
            "the key of a sharded counter must have no {hash tag}: that would put all of its "
            "parts into one partition, on one node"
        )
    wire_key(parts[-1])
    return parts


def add(
    core: Core,
    parts: Sequence[bytes],
    delta: int,
    ttl: Duration | None,
    ack: Ack | str | None,
    timeout: Duration | None,
) -> Operation[None]:
    """Add to one of the parts."""
    part = core.rng.choice(parts)
    yield from operations.incr(core, part, delta, initial=0, ttl=ttl, ack=ack, timeout=timeout)


def value(
    core: Core, parts: Sequence[bytes], read: ReadMode | str | None, timeout: Duration | None
) -> Operation[int]:
    """Sum all parts; those that are not there count nothing."""
    held = yield from operations.get_many(core, parts, read=read, at_least=None, timeout=timeout)
    total = 0
    for part, count in held.items():
        if not isinstance(count, bytes):
            continue
        try:
            total += int(count)
        except ValueError as error:
            raise InvalidRequest(f"the part {part!r} holds no number") from error
    return total


def delete(
    core: Core, parts: Sequence[bytes], ack: Ack | str | None, timeout: Duration | None
) -> Operation[bool]:
    """Delete all parts; return whether there was any."""
    deleted = yield from operations.delete(core, list(parts), ack=ack, timeout=timeout)
    return deleted > 0

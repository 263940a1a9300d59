"""The load: lanes that write new keys and read them back, each in one partition of its own.

Half of the lanes ask for IN_SYNC, half for PRIMARY, evenly over the nodes. A lane waits
for its answer before it goes on; a partition that pauses holds up its own lanes alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import shoal
import shoal.asyncio
from shoal import Ack
from shoal.demo.failover.journal import Doing, Ending, Journal, Record, ending_of


@dataclass(frozen=True, slots=True)
class Lane:
    number: int
    tag: str
    """Of its keys: the hash tag that puts them into its partition."""
    partition: int
    ack: Ack

    def key(self, index: int) -> str:
        return f"failover:{{{self.tag}}}:{self.number}:{index}"


def lanes_over(topology: shoal.Topology, count: int) -> list[Lane]:
    """Spread lanes over the primaries in turn, both acks alike at each."""
    tags_of: dict[str, list[tuple[str, int]]] = {}
    taken: set[int] = set()
    for number in range(100_000):
        tag = f"lane-{number}"
        partition = topology.partition_of(f"{{{tag}}}")
        if partition.id not in taken and partition.primary:
            taken.add(partition.id)
            tags_of.setdefault(partition.primary, []).append((tag, partition.id))
        if len(taken) == topology.partition_count:
            break
    primaries = sorted(tags_of)
    lanes = []
    for number in range(count):
        turn, which = divmod(number, len(primaries))
        tags = tags_of[primaries[which]]
        tag, partition_id = tags[turn % len(tags)]
        lanes.append(Lane(number, tag, partition_id, (Ack.IN_SYNC, Ack.PRIMARY)[turn % 2]))
    return lanes


async def run_lanes(
    client: shoal.asyncio.Client,
    lanes: Sequence[Lane],
    journal: Journal,
    *,
    pause_seconds: float,
    stop: asyncio.Event,
) -> None:
    """Write and read until told to stop; operations under way are finished."""
    await asyncio.gather(
        *(
            _run(client, lane, journal, pause_seconds, stop, offset)
            for lane, offset in zip(lanes, _offsets(len(lanes), pause_seconds), strict=True)
        )
    )


def _offsets(count: int, pause_seconds: float) -> Iterable[float]:
    """Spread the beginnings over one pause, or all would come in step for ever."""
    return (pause_seconds * number / count for number in range(count))


async def _run(
    client: shoal.asyncio.Client,
    lane: Lane,
    journal: Journal,
    pause_seconds: float,
    stop: asyncio.Event,
    offset_seconds: float,
) -> None:
    await asyncio.sleep(offset_seconds)
    index = 0
    while not stop.is_set():
        key = lane.key(index)
        await _do(client, lane, journal, Doing.WRITE, key)
        await asyncio.sleep(pause_seconds)
        await _do(client, lane, journal, Doing.READ, key)
        await asyncio.sleep(pause_seconds)
        index += 1


async def _do(
    client: shoal.asyncio.Client, lane: Lane, journal: Journal, doing: Doing, key: str
) -> None:
    started_ns = time.monotonic_ns()
    ending, reason = Ending.DONE, ""
    try:
        if doing is Doing.WRITE:
            await client.set(key, key, ack=lane.ack)
        else:
            await client.get(key)
    except shoal.ShoalError as error:
        ending, reason = ending_of(error), error.reason
    ended_ns = time.monotonic_ns()
    journal.records.append(
        Record(doing, key, lane.partition, lane.ack, started_ns, ended_ns, ending, reason)
    )

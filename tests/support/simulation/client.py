"""Clients: they write at both levels, delete, compare and swap, count, and read.

An operation is evaluated at once by whoever would answer it, and answered when it is
confirmed. Whoever is paused in between goes on with it. Increments are sent again, with
the same request id, until one is answered or the client gives up: one at a time for each
counter, so that it is known what the next answer may be.
"""

from __future__ import annotations

import itertools
import random
from bisect import bisect
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulation.events import SECOND_US, WORLD
from simulation.plane import ANY_EPOCH
from simulation.promises import Promises, Version

if TYPE_CHECKING:
    from simulation.cluster import Cluster
    from simulation.process import Process

_PAUSE_US = 30_000
_ANSWER_US = 3 * SECOND_US
_RESEND_US = 700_000
_ATTEMPTS_MAX = 6
_KINDS = ("set", "set by primary", "delete", "swap", "count", "read", "burst")
_CUMULATED = tuple(itertools.accumulate((12, 5, 3, 3, 4, 5, 1)))
_EVERY = _CUMULATED[-1]
_KEYS = tuple(b"s%d" % number for number in range(4))
"""Written IN_SYNC only."""
_KEYS_BY_PRIMARY = tuple(b"p%d" % number for number in range(3))


@dataclass(slots=True)
class _Answer:
    """What is evaluated and not answered."""

    kind: str
    partition: int
    epoch: int
    seq: int
    """Confirmed up to here it is answered."""
    key: bytes
    version: Version
    until_us: int
    floor: tuple[Version, bool] = ((0, 0), True)
    increment: _Increment | None = None
    value: int = 0


@dataclass(slots=True)
class _Increment:
    partition: int
    key: bytes
    request: bytes
    attempts: int = 0
    is_over: bool = False


class Clients:
    """All of them."""

    def __init__(self, cluster: Cluster, rng: random.Random, promises: Promises) -> None:
        self.is_quiet = False
        self._cluster = cluster
        self._rng = rng
        self._promises = promises
        self._numbers = itertools.count(1)
        self._answers: dict[str, list[_Answer]] = defaultdict(list)
        self._counting: dict[int, _Increment] = {}
        cluster.events.after(_PAUSE_US, WORLD, self._act)

    def _act(self) -> None:
        rng = self._rng
        if not self.is_quiet:
            self._cluster.events.after(rng.expovariate(1) * _PAUSE_US, WORLD, self._act)
        partition = rng.randrange(self._cluster.partitions)
        process = self._cluster.server(partition)
        if process is None:
            return
        kind = _KINDS[bisect(_CUMULATED, rng.random() * _EVERY)]
        if kind == "count":
            self._count(partition, process)
            return
        delay_us = 100 + 1_400 * rng.random()
        self._cluster.events.after(delay_us, process, self._evaluate, process, partition, kind)

    def _evaluate(self, process: Process, partition: int, kind: str) -> None:  # noqa: C901
        plane, rng = process.plane, self._rng
        if plane.refuses(partition):
            return
        copies, epoch, now_ms = plane.copies, plane.serving[partition], process.now_ms()
        key = rng.choice(_KEYS)
        version: Version | None = None
        match kind:
            case "set by primary":
                key = rng.choice(_KEYS_BY_PRIMARY)
                version = copies.set(partition, key, self._value(), now_ms, in_sync=False)
                if version is not None:
                    self._promises.by_primary(partition, key, version)
                self._cluster.streams.news_of(process)
                return
            case "burst":
                for _ in range(12):
                    version = copies.set(partition, key, self._value() * 40, now_ms, in_sync=True)
            case "set":
                version = copies.set(partition, key, self._value(), now_ms, in_sync=True)
            case "delete":
                version = copies.delete(partition, key, now_ms, in_sync=True)
                if version is not None:
                    self._promises.removes(partition, key, version)
            case "swap":
                found = copies.find(partition, key, now_ms)
                version = copies.set(
                    partition,
                    key,
                    self._value(),
                    now_ms,
                    in_sync=True,
                    request=b"r%d" % next(self._numbers),
                    version=(0, 0) if found is None else found[1],
                )
            case "read":
                self._read(process, partition, key)
                return
        if version is None:
            return
        self._await(process, _Answer(kind, partition, epoch, version[1], key, version, 0))
        self._cluster.streams.news_of(process)

    def _value(self) -> bytes:
        return b"%d" % next(self._numbers)

    def _read(self, process: Process, partition: int, key: bytes) -> None:
        copies, epoch = process.plane.copies, process.plane.serving[partition]
        found = copies.find(partition, key, process.now_ms())
        until_seq = copies.blocks_read(partition, key)
        answer = _Answer("read", partition, epoch, until_seq, key, (0, 0), 0)
        answer.floor = self._promises.floor(partition, key)
        if found is None:
            answer.kind = "read nothing"
        else:
            answer.version = found[1]
        self._await(process, answer)

    def _count(self, partition: int, process: Process) -> None:
        if partition not in self._counting:
            request = b"i%d" % next(self._numbers)
            it = self._counting[partition] = _Increment(partition, b"c%d" % partition, request)
            self._cluster.events.after(500, WORLD, self._send, it)

    def _send(self, it: _Increment) -> None:
        if it.is_over:
            return
        if it.attempts >= _ATTEMPTS_MAX or self.is_quiet:
            it.is_over = True
            del self._counting[it.partition]
            self._promises.given_up(it.partition, it.key)
            return
        it.attempts += 1
        process = self._cluster.server(it.partition)
        if process is not None:
            self._cluster.events.after(500, process, self._increment, process, it)
        self._cluster.events.after(_RESEND_US, WORLD, self._send, it)

    def _increment(self, process: Process, it: _Increment) -> None:
        plane = process.plane
        if it.is_over or plane.refuses(it.partition):
            # What comes after its answer is no repeated request: clients are gone by then.
            return
        copies, partition = plane.copies, it.partition
        done = copies.incr(partition, it.key, process.now_ms(), in_sync=True, request=it.request)
        if done is None:
            return
        version, value, is_repeated = done
        seq = copies.position(partition)[1] if is_repeated else version[1]
        epoch = plane.serving[partition]
        answer = _Answer("count", partition, epoch, seq, it.key, version, 0)
        answer.increment, answer.value = it, value
        self._await(process, answer)
        self._cluster.streams.news_of(process)

    # Answering.

    def _await(self, process: Process, answer: _Answer) -> None:
        answer.until_us = self._cluster.events.now_us + _ANSWER_US
        self._answers[process.run].append(answer)
        self.answer(process)

    def answer(self, process: Process) -> None:
        """Answer what is confirmed by now."""
        waiting = self._answers.get(process.run)
        if not waiting:
            return
        now_us = self._cluster.events.now_us
        confirmed: dict[int, tuple[int, int]] = {}
        left: list[_Answer] = []
        for it in waiting:
            at = confirmed.get(it.partition)
            if at is None:
                at = confirmed[it.partition] = process.plane.confirmed(it.partition)
            epoch, seq = at
            if epoch != it.epoch and epoch != ANY_EPOCH:
                continue
            if it.seq <= seq:
                self._answered(process, it)
            elif now_us < it.until_us:
                left.append(it)
        self._answers[process.run] = left

    def _answered(self, process: Process, it: _Answer) -> None:
        promises, partition = self._promises, it.partition
        self._cluster.answers(process, partition, it.epoch)
        if it.kind.startswith("read"):
            promises.counts["reads"] += 1
            (version, is_gone) = it.floor
            if it.kind == "read":
                holds = it.version > version if is_gone else it.version >= version
                what = f"partition {partition}: {it.key!r} was read as of {it.version}"
                promises.expect(holds, f"{what}, after {it.floor}")
                named = self._cluster.named(partition)
                promises.stands(partition, it.key, it.version, named, gone=False)
            return
        if it.increment is not None:
            if it.increment.is_over:
                return
            it.increment.is_over = True
            del self._counting[partition]
            promises.counted(partition, it.key, it.value)
        promises.acknowledged(partition, it.key, it.version)
        named = self._cluster.named(partition)
        promises.stands(partition, it.key, it.version, named, gone=it.kind == "delete")

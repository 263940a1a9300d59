"""The state that all operations of one client share.

Invariants: ``topology`` is replaced whole, under a lock, and only by a newer one; so a
reader needs no lock. Whoever drives the operations may do so from many threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from random import Random
from threading import Lock

from shoal._core.identity import RequestIds
from shoal._core.invalidations import Invalidations
from shoal._core.listening import Listening
from shoal._core.near import Mark, Near
from shoal._core.requests import wire_ack
from shoal._core.retry import Clock, RetryBudget, RetryPolicy
from shoal._core.settings import Settings
from shoal._core.topology import Moved, Topology
from shoal.v1 import topology_pb2

_NOTHING_HELD = nullcontext()


class Core:
    """Settings, what is known of the cluster, and the retry rules of one client."""

    def __init__(
        self, settings: Settings, *, clock: Clock, rng: Random, draw_id: Callable[[], bytes]
    ) -> None:
        self.settings = settings
        self.timeout_seconds = settings.timeout_ms / 1000
        self.clock = clock
        self.rng = rng
        self.budget = RetryBudget(settings.retry_budget, clock())
        self.policy = RetryPolicy(rng, self.budget, settings.max_attempts)
        self.ids = RequestIds(draw_id)
        self.default_ack = wire_ack(settings.ack)
        self.near = None if settings.near is None else Near(settings.near)
        self.invalidations = None if self.near is None else Invalidations(self.near)
        self.listening = Listening()
        self.topology = Topology()
        self._left_seeds: frozenset[str] = frozenset()
        self._learning = Lock()

    def learn(self, update: topology_pb2.Topology) -> bool:
        """Take an update of the topology. False when it said nothing new."""
        before = self.topology
        if not self._replace(lambda known: known.merged(update)):
            return False
        seeds = set(self.settings.seeds)
        live = {node.address for node in self.topology.nodes.values()}
        known = {node.address for node in before.nodes.values()} | self._left_seeds
        self._left_seeds = frozenset((known & seeds) - live)
        return True

    def learn_moved(self, moved: Moved) -> bool:
        """Take what a MOVED answer says. False when it said nothing new."""
        return self._replace(lambda known: known.moved(moved))

    def mark_near(self, key: bytes) -> Mark | None:
        """Note how a key's partition stands before it is read; None: nothing is to be held."""
        near, topology = self.near, self.topology
        if near is None or not topology.partition_count:
            return None
        partition = topology.partition_of(key)
        return near.mark(partition.id, partition.epoch, self.clock())

    def listens_to(self, address: str) -> bool:
        """Whether to open a stream of changes to a node, the first or another one."""
        is_known = any(node.address == address for node in self.topology.nodes.values())
        if self.near is None or not is_known:
            self.listening.leave(address)
            return False
        return self.listening.goes_on(address, self.clock())

    def changing(self, keys: Iterable[bytes]) -> AbstractContextManager[None]:
        """Hold nothing of keys that are written, neither from before nor from meanwhile."""
        return _NOTHING_HELD if self.near is None else self._dropping(self.near, list(keys))

    @contextmanager
    def changing_everything(self) -> Iterator[None]:
        """As ``changing``, where nobody knows which keys are written."""
        self._drop_all()
        try:
            yield
        finally:
            self._drop_all()

    def _drop_all(self) -> None:
        if self.near is not None:
            for partition in range(self.topology.partition_count):
                self.near.drop_partition(partition)

    @contextmanager
    def _dropping(self, near: Near, keys: list[bytes]) -> Iterator[None]:
        self._drop(near, keys)
        try:
            yield
        finally:
            self._drop(near, keys)

    def _drop(self, near: Near, keys: list[bytes]) -> None:
        if self.topology.partition_count:
            for key in keys:
                near.drop(key, self.topology.partition_of(key).id)

    def candidates(self) -> list[str]:
        """Return every address that may answer: live nodes first, then seeds, none twice."""
        nodes = (node.address for node in self.topology.nodes.values())
        return list(dict.fromkeys((*nodes, *self.settings.seeds)))

    def connectable(self) -> list[str]:
        """Return the addresses to which channels are kept.

        A seed that was a node and has left is not among them: calls that wait for one that
        hangs are cut off then, and may be made elsewhere. It stays a candidate of the watcher.
        """
        return [address for address in self.candidates() if address not in self._left_seeds]

    def any_address(self, avoid: str = "") -> str:
        """Return a random live node or seed, another one than ``avoid`` where there is one."""
        # Before anything is known there are the seeds; afterwards they may be stale names.
        addresses = self.connectable() or self.candidates()
        others = [address for address in addresses if address != avoid]
        return self.rng.choice(others or addresses)

    def draw_reader(self, key: bytes, *, nearest: bool) -> str:
        """Return a copy of a key at random, one in the client's zone if there is one and
        ``nearest``; "" where no copy is known."""
        if nearest and (near := self.topology.reader_addresses_in(self.settings.zone, key)):
            return self.rng.choice(near)
        readers = self.topology.reader_addresses(key)
        return self.rng.choice(readers) if readers else ""

    def _replace(self, change: Callable[[Topology], Topology]) -> bool:
        with self._learning:
            known = self.topology
            changed = self.topology = change(known)
            if self.invalidations is not None:
                self.invalidations.learn(_newer_epochs(known, changed))
            return changed is not known


def _newer_epochs(known: Topology, changed: Topology) -> list[tuple[int, int]]:
    """Return the partitions that have another primary than was known, and their epochs."""
    # Of an empty map nothing can be held yet.
    pairs = zip(known.partitions, changed.partitions, strict=False)
    return [(new.id, new.epoch) for old, new in pairs if new.epoch > old.epoch]

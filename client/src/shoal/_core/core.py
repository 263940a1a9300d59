"""The state that all operations of one client share.

Invariants: ``topology`` is replaced whole, under a lock, and only by a newer one; so a
reader needs no lock. Whoever drives the operations may do so from many threads.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from threading import Lock

from shoal._core.retry import Clock, RetryBudget, RetryPolicy
from shoal._core.settings import Settings
from shoal._core.topology import Moved, Topology
from shoal.v1 import topology_pb2


class Core:
    """Settings, what is known of the cluster, and the retry rules of one client."""

    def __init__(self, settings: Settings, *, clock: Clock, rng: Random) -> None:
        self.settings = settings
        self.timeout_seconds = settings.timeout_ms / 1000
        self.clock = clock
        self.rng = rng
        self.budget = RetryBudget(settings.retry_budget, clock())
        self.policy = RetryPolicy(rng, self.budget, settings.max_attempts)
        self.topology = Topology()
        self._learning = Lock()

    def learn(self, update: topology_pb2.Topology) -> bool:
        """Take an update of the topology. False when it said nothing new."""
        return self._replace(lambda known: known.merged(update))

    def learn_moved(self, moved: Moved) -> bool:
        """Take what a MOVED answer says. False when it said nothing new."""
        return self._replace(lambda known: known.moved(moved))

    def candidates(self) -> list[str]:
        """Return every address that may answer: live nodes first, then seeds, none twice."""
        nodes = (node.address for node in self.topology.nodes.values())
        return list(dict.fromkeys((*nodes, *self.settings.seeds)))

    def any_address(self, avoid: str = "") -> str:
        """Return a random node or seed, another one than ``avoid`` where there is one."""
        # Before anything is known there are the seeds; afterwards they may be stale names.
        addresses = self.candidates()
        others = [address for address in addresses if address != avoid]
        return self.rng.choice(others or addresses)

    def _replace(self, change: Callable[[Topology], Topology]) -> bool:
        with self._learning:
            known = self.topology
            self.topology = change(known)
            return self.topology is not known

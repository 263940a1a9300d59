"""What is done to the cluster, by chance, until it is left alone."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from typing import TYPE_CHECKING

from shoal_coordinator.registry.port import ModifiedAt, Put
from shoal_coordinator.registry.records import PartitionId
from simulation.events import SECOND_US, WORLD
from watched_etcd import KEYS

if TYPE_CHECKING:
    from simulation.cluster import Cluster
    from simulation.process import Process

_PAUSE_US = 350_000
_ETCD_STAYS_US = 2 * SECOND_US
_SEES_LOSSES_US = 50_000
"""For so long everybody sees that leases are gone, before etcd is."""
HARMS = {
    "move": 6,
    "crash": 4,
    "pause": 4,
    "cut from etcd": 3,
    "keeper": 2,
    "keeper in a call": 2,
    "wedge": 1,
    "deaf": 2,
    "stop": 2,
    "one way": 3,
    "both ways": 2,
    "lonely": 2,
    "break": 3,
    "slow copies": 3,
    "lossy": 2,
    "slow etcd": 2,
    "etcd down": 2,
    "etcd stalled": 2,
    "leases lost": 1,
    "compacted": 1,
    "cut everywhere": 1,
    "paused everywhere": 1,
    "coordinator": 1,
}
"""How often, compared with each other."""
ID_HARMS = {kind: weight for kind, weight in HARMS.items() if kind != "leases lost"} | {
    "impostor": 3
}
"""Leases run out, and are not dropped before: whoever comes under another's id must not
meet that."""
MEMBER_HARMS = {
    "member": 8,
    "crash": 2,
    "pause": 2,
    "cut from etcd": 1,
    "stop": 1,
    "both ways": 1,
    "slow copies": 1,
    "coordinator": 2,
}
"""What operators do with members, and what happens beside it."""
ETCD_HARMS = {"etcd away": 1, "deaf": 1, "crash": 1, "move": 1, "stop": 1}


def drawn(rng: random.Random) -> dict[str, int]:
    """What is done in a seed's cluster."""
    return rng.choices((HARMS, ID_HARMS, ETCD_HARMS), (8, 1, 1))[0]


class Harms:
    """Goes on until ``is_over``."""

    def __init__(self, cluster: Cluster, rng: random.Random, harms: dict[str, int]) -> None:
        self.is_over = False
        self._etcd_back_us = 0
        """Until then it is away, or has just come back."""
        self._cluster = cluster
        self._rng = rng
        self._kinds = list(harms)
        self._cumulated = list(itertools.accumulate(harms.values()))
        if harms:
            cluster.events.after(_PAUSE_US, WORLD, self._next)

    def _next(self) -> None:
        if self.is_over:
            return
        self._cluster.events.after(self._rng.expovariate(1) * _PAUSE_US, WORLD, self._next)
        kind = self._rng.choices(self._kinds, cum_weights=self._cumulated)[0]
        self._cluster.did(kind)
        self._do(kind)

    def _do(self, kind: str) -> None:  # noqa: C901  a table of harms
        cluster, rng = self._cluster, self._rng
        now_us = cluster.events.now_us
        for_us = int(rng.choice((0.1, 0.5, 1.5, cluster.ttl + 0.4, 2.5 * cluster.ttl)) * SECOND_US)
        until_us = now_us + for_us
        node = rng.choice(cluster.nodes)
        process = cluster.processes[node]
        match kind:
            case "move":
                self._move()
            case "crash":
                process.crash()
                cluster.restart_later(node, for_us)
            case "pause":
                process.paused_until_us = until_us
            case "cut from etcd":
                process.cut_until_us = until_us
            case "keeper":
                for upkeep in process.upkeeps:
                    upkeep.keeper.stalled_until_us = until_us
            case "keeper in a call":
                for upkeep in process.upkeeps:
                    upkeep.stalls_at_next_us = for_us
            case "wedge":
                process.wedged_until_us = until_us
            case "deaf":
                self._deafen(process)
            case "impostor":
                cluster.start_impostor(node)
            case "etcd away":
                if now_us >= self._etcd_back_us:
                    self._etcd_back_us = now_us + _ETCD_STAYS_US
                    cluster.etcd.lose_all_leases()
                    cluster.events.after(_SEES_LOSSES_US, WORLD, self._cut_from_etcd)
            case "stop":
                self._stop(process)
            case "one way":
                other = rng.choice(cluster.nodes)
                cluster.streams.cut_until_us[node, other] = until_us
            case "both ways":
                other = rng.choice(cluster.nodes)
                self._cut(node, other, until_us)
            case "lonely":
                for other in cluster.nodes:
                    self._cut(node, other, until_us)
            case "break":
                cluster.streams.break_some()
            case "slow copies":
                cluster.streams.slow_until_us = until_us
            case "lossy":
                process.loss = rng.choice((0.0, 0.05, 0.3))
            case "slow etcd":
                process.slow = rng.choice((0.0, 0.5))
            case "etcd down":
                cluster.etcd.down_until_us = until_us
            case "etcd stalled":
                cluster.etcd.stalled_until_us = until_us
            case "leases lost":
                cluster.etcd.lose_all_leases()
            case "compacted":
                process.cut_until_us = until_us
                if cluster.etcd.revision > cluster.compacted:
                    cluster.compacted = cluster.etcd.revision
                    cluster.etcd.compact(cluster.compacted)
            case "cut everywhere":
                for it in cluster.live():
                    it.cut_until_us = until_us
            case "paused everywhere":
                for it in cluster.live():
                    it.paused_until_us = until_us
            case "coordinator":
                cluster.restart_coordinator()
            case "member":
                cluster.members.change(node)

    def _cut(self, one: str, other: str, until_us: int) -> None:
        ways = self._cluster.streams.cut_until_us
        ways[one, other] = ways[other, one] = until_us
        if self._rng.random() < 0.3:
            self._cluster.streams.break_some()

    def _deafen(self, process: Process) -> None:
        cluster = self._cluster
        process.loss = process.slow = 0.0
        deaf_us = int((cluster.ttl + self._rng.random()) * SECOND_US)
        process.deaf_until_us = until_us = cluster.events.now_us + deaf_us
        for other in cluster.nodes:
            if other != process.node:
                self._cut(process.name, other, until_us)
        if process.is_alive:
            cluster.needless.deafened(process)

    def _cut_from_etcd(self) -> None:
        """Everybody, for longer than leases last, and back within a second of each other."""
        cluster, rng = self._cluster, self._rng
        if self.is_over:
            return
        away_us = (2 * cluster.ttl + rng.uniform(0.2, 1.5)) * SECOND_US
        back_us = {}
        for process in cluster.live():
            process.heal()
            until_us = cluster.events.now_us + int(away_us + rng.random() * SECOND_US)
            process.cut_until_us = back_us[process.incarnation] = until_us
        cluster.needless.etcd_went_away(back_us)
        self._etcd_back_us = max(back_us.values(), default=0) + _ETCD_STAYS_US

    def _stop(self, process: Process) -> None:
        if process.is_alive and not process.is_stopping:
            process.stop(lambda: self._cluster.restart_later(process.node, SECOND_US))

    def _move(self) -> None:
        """Ask for a hand-over, as a rebalance does."""
        cluster = self._cluster
        partition = PartitionId(self._rng.randrange(cluster.partitions))
        key = KEYS.partition(partition)
        item = cluster.etcd.read(key).items[0]
        record = cluster.records.decode(key, item.value)
        target = self._rng.choice(cluster.nodes)
        others = tuple(node for node in record.preference if node != target)
        wanted = replace(record, handoff_to=target, preference=(target, *others))
        put = Put(key, cluster.records.encode(wanted))
        cluster.etcd.commit_by(None, [ModifiedAt(key, item.mod_revision)], [put])
